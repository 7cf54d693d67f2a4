//! The rules that judge whole sets of recovered modalities instead of one at a time.

use std::collections::BTreeSet;

use dymo_core::ModalitySet;

use crate::selector::{SelectError, ask, ask_each};
use crate::{Decision, Query, Sample, Score, Scorer, Selector, TriedSet};

/// The most candidates of a sample that [`Rule::Exact`](crate::Rule::Exact) takes: 4,096 sets. Beyond it a beam answers.
pub const MAX_EXACT: usize = 12;

/// A sample while sets are tried on it.
struct Progress {
    it: Sample,
    initial: Score,
    /// The sets of the size reached so far from which larger ones are made.
    frontier: Vec<ModalitySet>,
    tried: Vec<TriedSet>,
}

/// Every set, size by size.
pub(crate) fn exact<S: Scorer>(
    selector: &Selector,
    scorer: &mut S,
    samples: &[Sample],
) -> Result<Vec<Decision>, SelectError<S::Error>> {
    if let Some(sample) = samples.iter().position(|it| it.candidates().len() > MAX_EXACT) {
        let found = samples[sample].candidates().len();
        return Err(SelectError::TooManyCandidates { sample, found, limit: MAX_EXACT });
    }
    beam(selector, scorer, samples, usize::MAX)
}

/// Size by size, the sets of the next size being made from the `width` best of this one.
pub(crate) fn beam<S: Scorer>(
    selector: &Selector,
    scorer: &mut S,
    samples: &[Sample],
    width: usize,
) -> Result<Vec<Decision>, SelectError<S::Error>> {
    let scores = ask_each(scorer, samples, Sample::observed)?;
    let begin = |(it, initial): (&Sample, Score)| {
        // False for a NaN, which says nothing about what can be gained.
        let hopeless = 1.0 - initial.evidence.quality < selector.min_gain;
        let frontier = if hopeless { Vec::new() } else { vec![ModalitySet::EMPTY] };
        Progress { it: *it, initial, frontier, tried: Vec::new() }
    };
    let mut progress: Vec<Progress> = samples.iter().zip(scores).map(begin).collect();
    while grow(selector, scorer, &mut progress, width.max(1))? {}
    Ok(progress.into_iter().map(|it| it.decision(selector.threshold)).collect())
}

/// All sets of the next size of all samples in one call. False if there were none.
fn grow<S: Scorer>(
    selector: &Selector,
    scorer: &mut S,
    progress: &mut [Progress],
    width: usize,
) -> Result<bool, SelectError<S::Error>> {
    let larger: Vec<Vec<ModalitySet>> = progress.iter().map(Progress::larger).collect();
    let mut queries = Vec::new();
    for (sample, (it, sets)) in progress.iter().zip(&larger).enumerate() {
        queries.extend(sets.iter().map(|set| Query { sample, subset: it.it.observed().union(*set) }));
    }
    let mut answers = ask(scorer, &queries)?.into_iter();
    for (it, sets) in progress.iter_mut().zip(larger) {
        let before = it.initial.evidence;
        let judge = |(added, score): (ModalitySet, Score)| TriedSet {
            added,
            score,
            calibration_factor: selector.calibration.factor(before, score.evidence),
            reward: selector.calibration.reward(before, score.evidence),
        };
        let count = sets.len();
        let judged: Vec<TriedSet> = sets.into_iter().zip(answers.by_ref().take(count)).map(judge).collect();
        it.frontier = best_of(&judged, width);
        it.tried.extend(judged);
    }
    Ok(!queries.is_empty())
}

impl Progress {
    /// The sets of one more than those of the frontier, each once, by their members.
    fn larger(&self) -> Vec<ModalitySet> {
        let mut sets = BTreeSet::new();
        for &set in &self.frontier {
            let joined = set.iter().fold(ModalitySet::EMPTY, |all, member| all.union(self.it.rivals(member)));
            for more in self.it.candidates().difference(set).difference(joined) {
                // Of two sets of one size the first is the one with the lower member at their first difference.
                sets.insert(!set.with(more).bits().reverse_bits());
            }
        }
        sets.into_iter().map(|key| ModalitySet::from_bits((!key).reverse_bits())).collect()
    }

    fn decision(self, threshold: f32) -> Decision {
        let mut best: Option<&TriedSet> = None;
        for set in self.tried.iter().filter(|set| set.reward > 0.0 && set.reward >= threshold) {
            if best.is_none_or(|top| set.reward > top.reward) {
                best = Some(set);
            }
        }
        let observed = self.it.observed();
        Decision {
            observed,
            final_subset: best.map_or(observed, |set| observed.union(set.added)),
            before: Some(self.initial),
            after: best.map_or(self.initial, |set| set.score),
            rounds: Vec::new(),
            tried: self.tried,
        }
    }
}

/// The `width` sets with the largest rewards, a NaN counting as the smallest, the earlier on ties.
fn best_of(judged: &[TriedSet], width: usize) -> Vec<ModalitySet> {
    let value = |set: &TriedSet| if set.reward.is_nan() { f32::NEG_INFINITY } else { set.reward };
    let mut order: Vec<&TriedSet> = judged.iter().collect();
    order.sort_by(|a, b| value(b).total_cmp(&value(a)));
    order.into_iter().take(width).map(|set| set.added).collect()
}
