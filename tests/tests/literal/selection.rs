//! The greedy rule, one sample at a time (method, section 5).

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, ClassStatistics, Edges, Evidence};

use crate::Made;
use crate::forward::Literal;

/// What was decided, and by how little.
pub struct Found {
    pub made: Made,
    /// Smallest distance of a reward from zero, of the best from the second best, and of the first logit from the second.
    pub margin: f32,
}

/// Asks about everything again in every round.
pub fn decide(literal: &Literal, statistics: &ClassStatistics, inputs: &[Vec<f32>], observed: ModalitySet) -> Found {
    let calibration = Calibration::default_for(statistics.metric());
    let mut margin = f32::INFINITY;
    let mut judge = |subset: ModalitySet| -> (usize, Evidence) {
        let (logits, feature) = literal.answer(inputs, subset);
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        margin = margin.min(sorted[0] - sorted[1]);
        let answer = statistics.evidence(subset, &logits, &feature, Edges::Defined).expect("evidence");
        (answer.predicted, answer.evidence)
    };
    let mut subset = observed;
    let mut open: Vec<usize> = observed.complement(inputs.len()).iter().collect();
    let (mut actions, mut smallest) = (Vec::new(), f32::INFINITY);
    while !open.is_empty() {
        let (_, before) = judge(subset);
        let rewards: Vec<(usize, f32)> =
            open.iter().map(|m| (*m, calibration.reward(before, judge(subset.with(*m)).1))).collect();
        open.retain(|m| rewards.iter().any(|(other, reward)| other == m && *reward >= 0.0));
        let mut best: Option<(usize, f32)> = None;
        for (m, reward) in &rewards {
            smallest = smallest.min(reward.abs());
            for (other, theirs) in &rewards {
                if other != m && *reward > 0.0 && *theirs > 0.0 {
                    smallest = smallest.min((reward - theirs).abs());
                }
            }
            if *reward > 0.0 && best.is_none_or(|(_, top)| *reward > top) {
                best = Some((*m, *reward));
            }
        }
        actions.push(best.map(|(m, _)| m));
        let Some((taken, _)) = best else { break };
        subset = subset.with(taken);
        open.retain(|m| *m != taken);
    }
    let (predicted, _) = judge(subset);
    Found { made: Made { actions, subset, predicted }, margin: margin.min(smallest) }
}
