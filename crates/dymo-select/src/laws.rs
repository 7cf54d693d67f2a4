//! The laws of [`Scorer`] as a test that every implementation can call.

use std::error::Error;

use dymo_reward::Evidence;
use thiserror::Error;

use crate::{Query, Score, Scorer};

/// Asks the same queries whole, again, backwards, one by one, in uneven pieces and with repetitions, and compares all
/// answers with the first: laws 1 to 3 of [`Scorer`].
///
/// Qualities and typicalities may differ by `tolerance` (0 for exact implementations; networks sum in an order that
/// depends on the batch, 1e-5 is usual), predictions not at all. NaN equals NaN.
///
/// # Errors
/// The first law found broken, or the scorer's own error.
pub fn check_order_and_batching<S: Scorer>(
    mut scorer: S,
    queries: &[Query],
    tolerance: f32,
) -> Result<(), LawBroken<S::Error>> {
    let first = ask(&mut scorer, queries, "all at once")?;
    let places: Vec<usize> = (0..queries.len()).collect();
    let backwards: Vec<usize> = places.iter().rev().copied().collect();
    let doubled: Vec<usize> = places.iter().flat_map(|&i| [i, i]).collect();
    let one_by_one = places.chunks(1).collect();
    let uneven = places.chunks(queries.len() / 3 + 1).collect();
    let manners: [(&'static str, Vec<&[usize]>); 5] = [
        ("all at once, again", vec![&places]),
        ("all at once, backwards", vec![&backwards]),
        ("one by one", one_by_one),
        ("in uneven pieces", uneven),
        ("each query twice", vec![&doubled]),
    ];
    for (manner, batches) in manners {
        for batch in batches.into_iter().filter(|batch| !batch.is_empty()) {
            let asked: Vec<Query> = batch.iter().map(|&i| queries[i]).collect();
            let scores = ask(&mut scorer, &asked, manner)?;
            for (&place, found) in batch.iter().zip(scores) {
                compare(queries[place], first[place], found, tolerance, manner)?;
            }
        }
    }
    Ok(())
}

fn ask<S: Scorer>(scorer: &mut S, queries: &[Query], manner: &'static str) -> Result<Vec<Score>, LawBroken<S::Error>> {
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    let scores = scorer.score(queries).map_err(LawBroken::Scorer)?;
    if scores.len() == queries.len() {
        Ok(scores)
    } else {
        Err(LawBroken::Count { manner, asked: queries.len(), found: scores.len() })
    }
}

fn compare<E: Error>(
    query: Query,
    wanted: Score,
    found: Score,
    tolerance: f32,
    manner: &'static str,
) -> Result<(), LawBroken<E>> {
    let near = |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance;
    let Evidence { quality, typicality } = wanted.evidence;
    if wanted.predicted == found.predicted
        && near(quality, found.evidence.quality)
        && near(typicality, found.evidence.typicality)
    {
        Ok(())
    } else {
        Err(LawBroken::Differs { manner, query, wanted, found })
    }
}

/// The law that a scorer breaks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LawBroken<E: Error> {
    /// Law 1: not one answer for each query.
    #[error("law 1: asked {manner}, {asked} queries had {found} answers")]
    Count {
        /// How the queries were asked.
        manner: &'static str,
        /// How many.
        asked: usize,
        /// Answers.
        found: usize,
    },
    /// Laws 1 to 3: another answer than when all were asked at once.
    #[error("laws 1 to 3: {query:?} asked {manner} was answered with {found:?}, before with {wanted:?}")]
    Differs {
        /// How the queries were asked.
        manner: &'static str,
        /// The query.
        query: Query,
        /// The answer of the first call.
        wanted: Score,
        /// The answer now.
        found: Score,
    },
    /// The scorer failed.
    #[error("the scorer failed")]
    Scorer(#[source] E),
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{ModalitySet, subsets};
    use std::convert::Infallible;

    /// Answers with a number that `rule` makes of the batch and the place in it.
    struct By<F>(F);

    impl<F: FnMut(&[Query], usize) -> f32> Scorer for By<F> {
        type Error = Infallible;
        fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Infallible> {
            let score =
                |i| Score { predicted: 0, evidence: Evidence { quality: (self.0)(queries, i), typicality: 1.0 } };
            Ok((0..queries.len()).map(score).collect())
        }
    }

    struct Mute;

    impl Scorer for Mute {
        type Error = Infallible;
        fn score(&mut self, _: &[Query]) -> Result<Vec<Score>, Infallible> {
            Ok(Vec::new())
        }
    }

    fn queries() -> Vec<Query> {
        let pair = |subset: ModalitySet| [0, 1].map(|sample| Query { sample, subset });
        subsets(3).into_iter().flat_map(pair).collect()
    }

    fn own(query: Query) -> f32 {
        query.sample as f32 + query.subset.bits() as f32 / 8.0
    }

    #[test]
    fn a_lawful_scorer_passes_with_nan_too() {
        let lawful = By(|asked: &[Query], i: usize| if i == 99 { f32::NAN } else { own(asked[i]) });
        check_order_and_batching(lawful, &queries(), 0.0).unwrap();
        check_order_and_batching(By(|_: &[Query], _| f32::NAN), &queries(), 0.0).unwrap();
        check_order_and_batching(Mute, &[], 0.0).unwrap();
    }

    #[test]
    fn each_broken_law_is_found() {
        let differs = |found| matches!(found, Err(LawBroken::Differs { .. }));
        let by_place = By(|_: &[Query], i: usize| i as f32);
        assert!(differs(check_order_and_batching(by_place, &queries(), 0.0)));
        let by_size = By(|asked: &[Query], i: usize| own(asked[i]) + asked.len() as f32);
        assert!(differs(check_order_and_batching(by_size, &queries(), 0.0)));
        let mut calls = 0.0;
        let by_time = By(|asked: &[Query], i: usize| {
            calls += 1.0;
            own(asked[i]) + calls
        });
        assert!(differs(check_order_and_batching(by_time, &queries(), 0.0)));
        let found = check_order_and_batching(Mute, &queries(), 0.0);
        assert!(matches!(found, Err(LawBroken::Count { asked: 14, found: 0, .. })));
    }

    #[test]
    fn a_tolerance_is_a_tolerance() {
        let rounding = || By(|asked: &[Query], i: usize| own(asked[i]) + asked.len() as f32 * 1e-6);
        assert!(check_order_and_batching(rounding(), &queries(), 1e-4).is_ok());
        assert!(check_order_and_batching(rounding(), &queries(), 1e-7).is_err());
    }
}
