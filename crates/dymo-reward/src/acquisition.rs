//! Which missing modality to acquire next: how much the answer is expected to change if it were observed.
//!
//! A recovery model that draws from what a modality may be, given what was observed, gives as many answers as draws. If
//! they agree, observing the modality would tell nothing new; if they differ, it decides. That holds as far as
//! the draws are like what would be observed and the answers are calibrated.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The answers that a missing modality would give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn<'a> {
    /// Which modality.
    pub modality: usize,
    /// `[draws, C]` in rows: class probabilities with that draw of the modality shown beside what was observed.
    pub probabilities: &'a [f32],
}

/// What is to be expected of observing a missing modality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Acquisition {
    /// Which modality.
    pub modality: usize,
    /// Draws that this rests on.
    pub draws: usize,
    /// Expected information about the class, in nats: the mean divergence of a draw's answer from the mean of all
    /// draws' answers, an estimate of the mutual information between class and modality given what was observed. At
    /// most the entropy of that mean. D draws give (D − 1)/D of it in expectation where all of it comes from chance.
    pub information: f64,
    /// Standard error of [`information`](Self::information) over draws; NaN with a single draw.
    pub information_error: f64,
    /// Expected total variation, in 0..=1: how much probability moves from class to class against the current answer.
    pub movement: f64,
    /// Share of draws that predict another class than the current answer does.
    pub class_change: f64,
    /// Mean over draws of the largest probability: how sure the answer would be.
    pub confidence_after: f64,
    /// Divergence of the mean of all draws' answers from the current answer, in nats. 0 if network and recovery agree on
    /// what is to be expected; where it is not small beside the information, they do not, and the ranking is doubtful.
    pub disagreement: f64,
}

impl Acquisition {
    /// What is to be expected, in a sentence that `name`s the modality.
    pub fn in_words(&self, name: &str) -> String {
        let changed = (self.class_change * self.draws as f64).round();
        let doubt = if self.is_doubtful() {
            "; recovery and network do not agree on what is to be expected, so take it with care"
        } else {
            ""
        };
        format!(
            "observing {name} would change the predicted class in about {:.0} % of cases ({changed} of {} draws), move {:.0} % of \
             the probability, and is expected to tell {:.2} nats{doubt}",
            100.0 * self.class_change,
            self.draws,
            100.0 * self.movement,
            self.information
        )
    }

    /// Whether the draws' answers lie on average further from the current one than chance among draws explains.
    pub fn is_doubtful(&self) -> bool {
        self.disagreement > self.information.max(0.01)
    }
}

/// What is to be expected of each missing modality, the most informative first; on ties the one that moves more, then
/// the lower number. `current` `[C]` are the class probabilities for what was observed.
///
/// ```
/// use dymo_reward::{Drawn, rank_acquisitions};
/// // Modality 1 would settle the matter one way or the other, modality 2 would leave it as it is.
/// let settles = [0.9, 0.1, 0.1, 0.9];
/// let idle = [0.5, 0.5, 0.5, 0.5];
/// let drawn = [Drawn { modality: 2, probabilities: &idle }, Drawn { modality: 1, probabilities: &settles }];
/// let ranked = rank_acquisitions(&[0.5, 0.5], &drawn)?;
/// assert_eq!((ranked[0].modality, ranked[1].information), (1, 0.0));
/// assert!((ranked[0].information - 0.3681).abs() < 1e-4); // ln 2 − H(0.1)
/// # Ok::<(), dymo_reward::AcquisitionError>(())
/// ```
///
/// # Errors
/// Fewer than two classes, no draw, rows of another length than C, values that are no distribution.
pub fn rank_acquisitions(current: &[f32], drawn: &[Drawn<'_>]) -> Result<Vec<Acquisition>, AcquisitionError> {
    if current.len() < 2 {
        return Err(AcquisitionError::Classes { found: current.len() });
    }
    check_distribution(current, None)?;
    let mut ranked = drawn.iter().map(|drawn| expect(current, drawn)).collect::<Result<Vec<_>, _>>()?;
    ranked.sort_by(|a, b| {
        let larger_first = |f: fn(&Acquisition) -> f64| f(b).total_cmp(&f(a));
        larger_first(|x| x.information).then(larger_first(|x| x.movement)).then(a.modality.cmp(&b.modality))
    });
    Ok(ranked)
}

fn expect(current: &[f32], drawn: &Drawn<'_>) -> Result<Acquisition, AcquisitionError> {
    let (modality, classes) = (drawn.modality, current.len());
    let length = drawn.probabilities.len();
    if length == 0 || !length.is_multiple_of(classes) {
        return Err(AcquisitionError::Length { modality, found: length, classes });
    }
    let rows = || drawn.probabilities.chunks_exact(classes);
    rows().try_for_each(|row| check_distribution(row, Some(modality)))?;
    let draws = rows().len();
    let mean_over_draws = |f: &dyn Fn(&[f32]) -> f64| rows().map(f).sum::<f64>() / draws as f64;
    let mean: Vec<f64> = (0..classes).map(|class| mean_over_draws(&|row| f64::from(row[class]))).collect();
    let wide = |row: &[f32]| row.iter().map(|&p| f64::from(p)).collect::<Vec<f64>>();
    let now = wide(current);

    let told: Vec<f64> = rows().map(|row| divergence(&wide(row), &mean)).collect();
    let information = told.iter().sum::<f64>() / draws as f64;
    let squares: f64 = told.iter().map(|x| (x - information).powi(2)).sum();
    let freedom = draws as f64 - 1.0;
    let variation = |row: &[f32]| wide(row).iter().zip(&now).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
    let predicted = largest(current).0;
    Ok(Acquisition {
        modality,
        draws,
        information: information.max(0.0),
        information_error: if draws > 1 { (squares / freedom / draws as f64).sqrt() } else { f64::NAN },
        movement: mean_over_draws(&variation),
        class_change: mean_over_draws(&|row| f64::from(u8::from(largest(row).0 != predicted))),
        confidence_after: mean_over_draws(&|row| f64::from(largest(row).1)),
        disagreement: divergence(&mean, &now).max(0.0),
    })
}

/// Σ a ln(a/b), nats. What b holds impossible is taken as all but impossible.
fn divergence(a: &[f64], b: &[f64]) -> f64 {
    const ALL_BUT_IMPOSSIBLE: f64 = 1e-12;
    let term = |(&a, &b): (&f64, &f64)| if a > 0.0 { a * libm::log(a / b.max(ALL_BUT_IMPOSSIBLE)) } else { 0.0 };
    a.iter().zip(b).map(term).sum()
}

/// Place and value of the largest, the first on ties.
fn largest(row: &[f32]) -> (usize, f32) {
    let better = |best: (usize, f32), (i, &p): (usize, &f32)| if p > best.1 { (i, p) } else { best };
    row.iter().enumerate().fold((0, f32::NEG_INFINITY), better)
}

fn check_distribution(row: &[f32], modality: Option<usize>) -> Result<(), AcquisitionError> {
    let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
    let fine = row.iter().all(|p| (0.0..=1.0).contains(p)) && (sum - 1.0).abs() < 1e-3;
    if fine { Ok(()) } else { Err(AcquisitionError::NoDistribution { modality, sum }) }
}

/// Why nothing can be expected.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AcquisitionError {
    /// An answer that leaves nothing open.
    #[error("{found} classes, at least 2 are needed")]
    Classes {
        /// How many.
        found: usize,
    },
    /// No draw, or a row that is cut off.
    #[error("modality {modality} has {found} probabilities, whole rows of {classes} are needed, one for each draw")]
    Length {
        /// Which modality.
        modality: usize,
        /// Values given.
        found: usize,
        /// Length of a row.
        classes: usize,
    },
    /// Values that are no probabilities of classes.
    #[error(
        "the probabilities of {} sum to {sum} or leave 0..1, each row must be a distribution",
        .modality.map_or("the current answer".into(), |m| format!("a draw of modality {m}"))
    )]
    NoDistribution {
        /// Of which modality's draws; `None` for the current answer.
        modality: Option<usize>,
        /// The sum.
        sum: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(current: &[f32], probabilities: &[f32]) -> Acquisition {
        rank_acquisitions(current, &[Drawn { modality: 3, probabilities }]).unwrap().remove(0)
    }

    #[test]
    fn a_symmetric_channel_tells_what_information_theory_says() {
        // A bit behind a channel that flips it with probability e: ln 2 − H(e).
        for e in [0.01f32, 0.1, 0.3, 0.5] {
            let found = one(&[0.5, 0.5], &[1.0 - e, e, e, 1.0 - e]);
            let x = f64::from(e);
            let wanted = 2f64.ln() + x * x.ln() + (1.0 - x) * (1.0 - x).ln();
            assert!((found.information - wanted).abs() < 1e-6, "{e}: {found:?}");
            assert!((found.movement - (0.5 - x)).abs() < 1e-6);
            assert!(found.disagreement < 1e-7 && !found.is_doubtful());
        }
    }

    /// Answers under the middles of `draws` equally probable strips of a standard normal shifted to both class means.
    fn gaussian(mean: f64, draws: usize) -> Vec<f32> {
        let quantile = |share: f64| {
            let (mut low, mut high) = (-9.0, 9.0);
            for _ in 0..80 {
                let middle = (low + high) / 2.0;
                let below = 0.5 * libm::erfc(-middle / 2f64.sqrt());
                if below < share { low = middle } else { high = middle }
            }
            low
        };
        let noise: Vec<f64> = (0..draws).map(|i| quantile((i as f64 + 0.5) / draws as f64)).collect();
        let answer = |x: f64| 1.0 / (1.0 + (-2.0 * mean * x).exp());
        let both = noise.iter().flat_map(|e| [mean + e, -mean + e]);
        both.flat_map(|x| [answer(x) as f32, 1.0 - answer(x) as f32]).collect()
    }

    /// I(Y; X) of Y = ±1 with equal odds and X = μY + N(0, 1), by Simpson's rule: ln 2 − E ln(1 + e^(−2μ(μ + ε))).
    fn gaussian_information(mean: f64) -> f64 {
        let (n, width) = (4_000, 9.0);
        let step = 2.0 * width / n as f64;
        let total: f64 = (0..=n)
            .map(|i| {
                let e = -width + step * i as f64;
                let weight = if i == 0 || i == n {
                    1.0
                } else if i % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                let density = (-e * e / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
                weight * density * (-2.0 * mean * (mean + e)).exp().ln_1p()
            })
            .sum();
        2f64.ln() - total * step / 3.0
    }

    #[test]
    fn two_gaussians_tell_what_the_integral_says() {
        for mean in [0.2, 0.7, 1.5] {
            let found = one(&[0.5, 0.5], &gaussian(mean, 400));
            let wanted = gaussian_information(mean);
            assert!((found.information - wanted).abs() < 2e-3, "{mean}: {} for {wanted}", found.information);
            // The Bayes answer: right with probability Φ(μ), which is the confidence to come.
            let right = 0.5 * libm::erfc(-mean / 2f64.sqrt());
            assert!((found.confidence_after - right).abs() < 2e-3);
        }
        let (strong, weak) = (gaussian(1.5, 50), gaussian(0.2, 50));
        let drawn = [Drawn { modality: 0, probabilities: &weak }, Drawn { modality: 1, probabilities: &strong }];
        assert_eq!(rank_acquisitions(&[0.5, 0.5], &drawn).unwrap()[0].modality, 1);
    }

    #[test]
    fn draws_that_agree_against_the_network_are_doubtful() {
        let found = one(&[0.9, 0.1], &[0.1, 0.9, 0.1, 0.9]);
        assert_eq!((found.information, found.class_change), (0.0, 1.0));
        assert!(found.is_doubtful() && found.disagreement > 1.0);
        let words = found.in_words("the table");
        assert!(
            words.starts_with("observing the table would change the predicted class in about 100 % of cases (2 of 2")
        );
        assert!(words.contains("take it with care"));
        assert!(one(&[0.5, 0.5], &[0.5, 0.5]).information_error.is_nan());
    }

    #[test]
    fn refusals() {
        let rank = |current: &[f32], probabilities: &[f32]| {
            rank_acquisitions(current, &[Drawn { modality: 1, probabilities }]).unwrap_err()
        };
        assert_eq!(rank(&[1.0], &[1.0]), AcquisitionError::Classes { found: 1 });
        assert_eq!(rank(&[0.5, 0.5], &[]), AcquisitionError::Length { modality: 1, found: 0, classes: 2 });
        assert!(matches!(rank(&[0.5, 0.5], &[0.5, 0.5, 1.0]), AcquisitionError::Length { found: 3, .. }));
        assert!(matches!(rank(&[0.9, 0.9], &[0.5, 0.5]), AcquisitionError::NoDistribution { modality: None, .. }));
        let error = rank(&[0.5, 0.5], &[f32::NAN, 0.5]);
        assert!(error.to_string().starts_with("the probabilities of a draw of modality 1 sum to NaN"));
    }

    proptest! {
        #[test]
        fn bounds(weights in prop::collection::vec(prop::array::uniform3(0.0f64..1.0), 2..12)) {
            let row = |w: &[f64; 3]| { let sum: f64 = w.iter().sum::<f64>() + 1e-9; w.map(|x| ((x + 1e-9 / 3.0) / sum) as f32) };
            let values: Vec<f32> = weights[1..].iter().flat_map(row).collect();
            let found = one(&row(&weights[0]), &values);
            prop_assert!(found.information >= 0.0 && found.information <= 3f64.ln() + 1e-6);
            prop_assert!((0.0..=1.0 + 1e-6).contains(&found.movement) && (0.0..=1.0).contains(&found.class_change));
            prop_assert!(found.disagreement >= 0.0 && found.confidence_after >= 1.0 / 3.0 - 1e-6);
        }
    }
}
