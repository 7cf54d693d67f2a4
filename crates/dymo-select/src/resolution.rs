//! Decisions that single precision cannot make for sure.

use crate::{Decision, Round, Verdict};

/// Rewards nearer to each other, or to zero, than this are not told apart by single precision: both qualities are rounded to
/// multiples of 2⁻²⁴ just below 1, so is the scaled one, and similarities carry an error of the same size into them. Such
/// rewards come from saturated posteriors: a quality of exactly 1 before leaves nothing to gain but rounding.
pub const RESOLUTION: f32 = 4.0 / (1 << 24) as f32;

impl Round {
    /// Whether rounding has had a say in this round: a candidate's reward, which settles by its sign whether it is rejected, lies
    /// within [`RESOLUTION`] of zero, or so does the lead of the accepted candidate over another positive one.
    ///
    /// The outcome is defined all the same: it is that of the rounded numbers, of which ties go to the lowest modality and a
    /// reward of exactly 0 neither joins nor is rejected. The same run gives the same outcome; another order of additions, as another
    /// device has, may give another one, in such rounds above all: where similarities are large, as Euclidean ones are, it may move
    /// rewards by more than this.
    pub fn is_within_resolution(&self) -> bool {
        let near_zero = self.candidates.iter().any(|c| c.reward.abs() <= RESOLUTION);
        let best = self.candidates.iter().find(|c| c.verdict == Verdict::Accepted);
        let near_best = best.is_some_and(|best| {
            let others = self.candidates.iter().filter(|c| c.modality != best.modality && c.reward > 0.0);
            others.into_iter().any(|other| (best.reward - other.reward).abs() <= RESOLUTION)
        });
        near_zero || near_best
    }
}

impl Decision {
    /// Rounds in which rounding has had a say, see [`Round::is_within_resolution`].
    pub fn rounds_within_resolution(&self) -> usize {
        self.rounds.iter().filter(|round| round.is_within_resolution()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Candidate, Score};
    use dymo_core::ModalitySet;
    use dymo_reward::Evidence;

    fn round(candidates: &[(f32, Verdict)]) -> Round {
        let score = Score { predicted: 0, evidence: Evidence { quality: 0.5, typicality: 0.5 } };
        let candidate = |(modality, (reward, verdict)): (usize, &(f32, Verdict))| Candidate {
            threshold: 0.0,
            modality: modality + 1,
            draw: 0,
            score,
            calibration_factor: 1.0,
            reward: *reward,
            verdict: *verdict,
        };
        let candidates = candidates.iter().enumerate().map(candidate).collect();
        Round { subset_before: ModalitySet::single(0), before: score, candidates }
    }

    #[test]
    fn near_zero_and_near_the_best() {
        use Verdict::{Accepted, Kept, Neutral, Rejected};
        assert!(!round(&[(0.3, Accepted), (-0.1, Rejected)]).is_within_resolution());
        assert!(round(&[(0.3, Accepted), (-6e-8, Rejected)]).is_within_resolution());
        assert!(round(&[(0.0, Neutral)]).is_within_resolution());
        assert!(round(&[(0.3, Accepted), (0.3, Kept)]).is_within_resolution());
        assert!(!round(&[(0.3, Accepted), (0.299_999, Kept)]).is_within_resolution());
        assert!(!round(&[(f32::NAN, Rejected)]).is_within_resolution());
        assert!(!round(&[]).is_within_resolution());
    }

    #[test]
    fn rounds_are_counted() {
        use Verdict::{Accepted, Neutral};
        let (sure, unsure) = (round(&[(0.3, Accepted)]), round(&[(0.0, Neutral)]));
        let after = sure.before;
        let subset = ModalitySet::single(0);
        let decision = Decision {
            observed: subset,
            final_subset: subset,
            before: None,
            after,
            rounds: vec![sure, unsure],
            tried: Vec::new(),
        };
        assert_eq!(decision.rounds_within_resolution(), 1);
    }
}
