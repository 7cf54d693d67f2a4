//! What choosing one at a time missed, measured against the best of all sets.

use dymo_core::ModalitySet;
use dymo_reward::Calibration;
use serde::Serialize;
use thiserror::Error;

use crate::{Decision, Verdict};

/// A sample in which another set than the greedy one has a larger reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MissedSet {
    /// Place of the sample.
    pub sample: usize,
    /// What came with it.
    pub observed: ModalitySet,
    /// The recovered modalities that greedy selection let in.
    pub greedy: ModalitySet,
    /// Those that have the largest reward together.
    pub best: ModalitySet,
    /// Reward of the greedy set as a whole ([`Decision::objective`]).
    pub greedy_objective: f32,
    /// Reward of the best set.
    pub best_objective: f32,
    /// Members of the best set, left out by greedy selection, that bring nothing alone: their own reward is not
    /// positive. They help in company only, and that is what choosing one at a time cannot see.
    pub need_company: ModalitySet,
    /// Whether the prediction is another one.
    pub prediction_differs: bool,
}

impl MissedSet {
    /// What was missed, in a clause.
    pub fn in_words(&self) -> String {
        let cost = self.best_objective - self.greedy_objective;
        let company = if self.need_company.is_empty() {
            String::new()
        } else {
            format!("; {} brings nothing alone", self.need_company)
        };
        format!(
            "sample {}, observed {}: greedy let in {}, {} together have a reward that is {cost:.3} larger{company}",
            self.sample, self.observed, self.greedy, self.best
        )
    }
}

/// Greedy selection against the best of all sets, over all samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GreedyCheck {
    /// Samples compared.
    pub samples: usize,
    /// Of these, samples that have any candidate.
    pub with_candidates: usize,
    /// Samples in which a set with a larger reward was missed, in their order.
    pub missed: Vec<MissedSet>,
    /// Of these, those that needed members which bring nothing alone.
    pub only_together: usize,
    /// Samples in which the prediction is another one.
    pub predictions_differ: usize,
    /// Mean over all samples of the reward that was missed.
    pub mean_cost: f64,
    /// The most that was missed in a sample.
    pub largest_cost: f64,
}

impl GreedyCheck {
    /// What it comes to, in a sentence.
    pub fn in_words(&self) -> String {
        if self.missed.is_empty() {
            return format!("Choosing one at a time found the best set in all of {} samples.", self.samples);
        }
        format!(
            "In {} of {} samples another set of recovered modalities has a larger reward than the one chosen one at a time; in {} \
             of them it needs modalities that bring nothing alone. That costs {:.4} of reward on average, at most {:.3}, \
             and changes {} predictions.",
            self.missed.len(),
            self.samples,
            self.only_together,
            self.mean_cost,
            self.largest_cost,
            self.predictions_differ
        )
    }
}

/// Compares greedy decisions with those of [`Rule::Exact`](crate::Rule::Exact) (or a beam) about the same samples. Both
/// must have been made with this calibration and without a threshold, so that rewards mean the same.
///
/// # Errors
/// Decisions that are not about the same samples, or searched ones that asked about nothing although there was
/// something to choose.
pub fn check_greedy(
    greedy: &[Decision],
    searched: &[Decision],
    calibration: Calibration,
) -> Result<GreedyCheck, CompareError> {
    if greedy.len() != searched.len() {
        return Err(CompareError::Count { greedy: greedy.len(), searched: searched.len() });
    }
    let mut check = GreedyCheck {
        samples: greedy.len(),
        with_candidates: 0,
        missed: Vec::new(),
        only_together: 0,
        predictions_differ: 0,
        mean_cost: 0.0,
        largest_cost: 0.0,
    };
    for (sample, (one, all)) in greedy.iter().zip(searched).enumerate() {
        if one.observed != all.observed {
            return Err(CompareError::Sample { sample, greedy: one.observed, searched: all.observed });
        }
        if all.tried.is_empty() && one.rounds.iter().any(|round| !round.candidates.is_empty()) {
            return Err(CompareError::NotSearched { sample });
        }
        check.with_candidates += usize::from(!all.tried.is_empty());
        if let Some(missed) = missed(sample, one, all, calibration) {
            let cost = f64::from(missed.best_objective) - f64::from(missed.greedy_objective);
            check.mean_cost += cost / greedy.len() as f64;
            check.largest_cost = check.largest_cost.max(cost);
            check.only_together += usize::from(!missed.need_company.is_empty());
            check.predictions_differ += usize::from(missed.prediction_differs);
            check.missed.push(missed);
        }
    }
    Ok(check)
}

fn missed(sample: usize, greedy: &Decision, searched: &Decision, calibration: Calibration) -> Option<MissedSet> {
    let (ours, best) = (greedy.objective(calibration)?, searched.objective(calibration)?);
    // False where greedy accepted what is not a number, as the published edges have it.
    if best <= ours || ours.is_nan() {
        return None;
    }
    let alone = |u: &usize| {
        let own = searched.tried.iter().find(|set| set.added == ModalitySet::single(*u));
        own.is_some_and(|set| set.reward > 0.0)
    };
    let left_out = searched.accepted().difference(greedy.accepted());
    Some(MissedSet {
        sample,
        observed: greedy.observed,
        greedy: greedy.accepted(),
        best: searched.accepted(),
        greedy_objective: ours,
        best_objective: best,
        need_company: left_out.iter().filter(|u| !alone(u)).collect(),
        prediction_differs: greedy.predicted() != searched.predicted(),
    })
}

impl Decision {
    /// The reward of everything that was let in, added at once to what was observed: q·G − q₀ with the quality q and the
    /// calibration factor G of the final subset against those of the observed one. 0 where nothing was let in, `None`
    /// where nobody asked about the observed modalities. What [`Rule::Exact`](crate::Rule::Exact) maximises.
    pub fn objective(&self, calibration: Calibration) -> Option<f32> {
        let before = self.before?;
        let nothing = self.accepted().is_empty();
        Some(if nothing { 0.0 } else { calibration.reward(before.evidence, self.after.evidence) })
    }

    /// The recovered modalities that were offered: those asked about first, one round or set at a time.
    pub fn offered(&self) -> ModalitySet {
        let first_round = self.rounds.first().into_iter().flat_map(|round| &round.candidates);
        let alone = self.tried.iter().filter(|set| set.added.len() == 1);
        first_round.map(|c| c.modality).chain(alone.filter_map(|set| set.added.first())).collect()
    }

    /// Why, in a sentence, what was let in was let in: the whole decision, where rounds give every step.
    pub fn in_words(&self) -> String {
        let Some(before) = self.before else { return "everything recovered was let in, unseen".into() };
        if let Some(best) = self.tried.iter().find(|set| !set.added.is_empty() && set.added == self.accepted()) {
            let change = crate::reason::change(&before, &best.score, best.calibration_factor, best.reward, false, &[]);
            return format!("{} let in together, the best of {} sets: {change}", best.added, self.tried.len());
        }
        if let Some(best) =
            self.tried.iter().filter(|set| set.reward > 0.0).max_by(|a, b| a.reward.total_cmp(&b.reward))
        {
            let (set, reward) = (best.added, best.reward);
            return format!(
                "nothing was let in: the best set, {set}, has a reward of {reward:.4}, below the threshold"
            );
        }
        if !self.tried.is_empty() {
            return format!(
                "nothing was let in: none of {} sets of recovered modalities brought a gain",
                self.tried.len()
            );
        }
        let steps: Vec<String> = self
            .rounds
            .iter()
            .flat_map(|round| round.candidates.iter().map(|candidate| (candidate, &round.before)))
            .filter(|(candidate, _)| candidate.verdict == Verdict::Accepted)
            .map(|(candidate, before)| format!("{} {}", candidate.modality, candidate.reason(before)))
            .collect();
        if steps.is_empty() { "nothing was let in".into() } else { steps.join("; then ") }
    }
}

/// Why decisions cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Not as many of one as of the other.
    #[error("{greedy} greedy decisions and {searched} searched ones, each sample needs one of both")]
    Count {
        /// Greedy ones.
        greedy: usize,
        /// Searched ones.
        searched: usize,
    },
    /// Two samples.
    #[error(
        "sample {sample}: greedy saw {greedy} observed, the search {searched}; give both the same samples in the same order"
    )]
    Sample {
        /// Place.
        sample: usize,
        /// Observed in the greedy decision.
        greedy: ModalitySet,
        /// Observed in the searched one.
        searched: ModalitySet,
    },
    /// A decision of a rule that tries no sets.
    #[error("sample {sample}: no set was tried, the second decisions must come from the exact rule or a beam")]
    NotSearched {
        /// Place.
        sample: usize,
    },
}
