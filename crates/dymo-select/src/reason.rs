//! Why a candidate was accepted or not, in plain words.

use crate::{Candidate, Score, Verdict};

impl Candidate {
    /// One clause in plain words, `before` being the answer for the subset that the candidate was to join
    /// ([`Round::before`](crate::Round::before)). Numbers have as many digits as it takes to tell them apart.
    pub fn reason(&self, before: &Score) -> String {
        self.reason_naming(before, &[])
    }

    /// The same with the names of the classes; one that has none is called by its number.
    pub fn reason_naming(&self, before: &Score, classes: &[String]) -> String {
        let scaled_away = self.verdict == Verdict::Rejected;
        let change = change(before, &self.score, self.calibration_factor, self.reward, scaled_away, classes);
        match self.verdict {
            Verdict::Rejected if self.reward > 0.0 => {
                format!("rejected: {change}, but another draw of the same modality gained more")
            }
            Verdict::Neutral if self.reward > 0.0 => {
                let (reward, threshold) = told_apart(self.reward, self.threshold);
                format!("left open: {change}, but the reward of {reward} is below the threshold of {threshold}")
            }
            Verdict::Accepted => format!("accepted: {change}"),
            Verdict::Rejected => format!("rejected: {change}"),
            Verdict::Kept => format!("kept for the next round: {change}, but another modality gained more"),
            Verdict::Neutral => format!("left open: {change}, which is no gain and no loss"),
        }
    }
}

/// How quality moved from one answer to another, and how it was scaled. `scaled_away` says that a rise did not help, so that
/// the scaling is told as the reason.
pub(crate) fn change(
    before: &Score,
    after: &Score,
    factor: f32,
    reward: f32,
    scaled_away: bool,
    classes: &[String],
) -> String {
    if reward.is_nan() {
        return if scaled_away {
            "the reward is not a number".into()
        } else {
            "the reward is not a number, which the published rule prefers to any number".into()
        };
    }
    let (old, new) = (before.evidence.quality, after.evidence.quality);
    let moved = movement(old, new);
    if factor == 1.0 {
        return moved;
    }
    // Adding 0 makes 0 of −0, which a factor of 0 can leave.
    let (_, scaled) = told_apart(old, new * factor + 0.0);
    let (_, factor) = told_apart(1.0, factor + 0.0);
    let but = if new >= old && scaled_away { ", but" } else { ";" };
    let class = classes.get(after.predicted).cloned().unwrap_or_else(|| after.predicted.to_string());
    format!("{moved}{but} less typical of class {class} than before, so it was scaled by {factor} to {scaled}")
}

fn movement(old: f32, new: f32) -> String {
    let (old_text, new_text) = told_apart(old, new);
    if new > old {
        format!("quality rose from {old_text} to {new_text}")
    } else if new < old {
        format!("quality fell from {old_text} to {new_text}")
    } else {
        format!("quality stayed at {old_text}")
    }
}

/// Both numbers with two digits after the point, or as many more as it takes for them to look different.
fn told_apart(a: f32, b: f32) -> (String, String) {
    const FEWEST: usize = 2;
    const MOST: usize = 9;
    let shown = |digits: usize| (format!("{a:.digits$}"), format!("{b:.digits$}"));
    if a == b {
        return shown(FEWEST);
    }
    (FEWEST..MOST).map(shown).find(|(a, b)| a != b).unwrap_or_else(|| shown(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_reward::{Calibration, Evidence};

    fn score(quality: f32, typicality: f32) -> Score {
        Score { predicted: 3, evidence: Evidence { quality, typicality } }
    }

    fn reason(before: Score, after: Score, calibration: Calibration, verdict: Verdict) -> String {
        let candidate = Candidate {
            modality: 1,
            draw: 0,
            score: after,
            calibration_factor: calibration.factor(before.evidence, after.evidence),
            reward: calibration.reward(before.evidence, after.evidence),
            threshold: 0.0,
            verdict,
        };
        candidate.reason(&before)
    }

    #[test]
    fn plain_rises_and_falls() {
        let say = |old, new, verdict| reason(score(old, 0.5), score(new, 0.5), Calibration::None, verdict);
        assert_eq!(say(0.93, 0.41, Verdict::Rejected), "rejected: quality fell from 0.93 to 0.41");
        assert_eq!(say(0.41, 0.93, Verdict::Accepted), "accepted: quality rose from 0.41 to 0.93");
        assert_eq!(
            say(0.41, 0.63, Verdict::Kept),
            "kept for the next round: quality rose from 0.41 to 0.63, but another modality gained more"
        );
        assert_eq!(say(1.0, 1.0, Verdict::Neutral), "left open: quality stayed at 1.00, which is no gain and no loss");
    }

    #[test]
    fn scaling_is_told() {
        let say = |old, new, typicality, verdict| {
            reason(score(old, 0.5), score(new, typicality), Calibration::Ratio, verdict)
        };
        assert_eq!(
            say(0.41, 0.93, 0.41, Verdict::Accepted),
            "accepted: quality rose from 0.41 to 0.93; less typical of class 3 than before, so it was scaled by 0.82 to 0.76"
        );
        let named = ["a", "b", "c", "failure"].map(String::from);
        let candidate = Candidate {
            modality: 1,
            draw: 0,
            score: score(0.93, 0.41),
            calibration_factor: 0.82,
            reward: 0.35,
            threshold: 0.0,
            verdict: Verdict::Accepted,
        };
        let words = candidate.reason_naming(&score(0.41, 0.5), &named);
        assert!(words.contains("less typical of class failure than before"), "{words}");
        assert_eq!(
            say(0.60, 0.70, 0.25, Verdict::Rejected),
            "rejected: quality rose from 0.60 to 0.70, but less typical of class 3 than before, so it was scaled by 0.50 to 0.35"
        );
        assert_eq!(
            say(0.60, 0.50, 0.0, Verdict::Rejected),
            "rejected: quality fell from 0.60 to 0.50; less typical of class 3 than before, so it was scaled by 0.00 to 0.00"
        );
    }

    #[test]
    fn small_differences_get_the_digits_they_need() {
        let say = |old, new| reason(score(old, 0.5), score(new, 0.5), Calibration::None, Verdict::Accepted);
        assert_eq!(say(0.99971, 0.99984), "accepted: quality rose from 0.9997 to 0.9998");
        assert_eq!(say(0.999_999_94, 1.0), "accepted: quality rose from 0.9999999 to 1.0000000");
    }

    #[test]
    fn thresholds_and_draws_are_told() {
        let candidate = |verdict| Candidate {
            modality: 1,
            draw: 0,
            score: score(0.45, 0.5),
            calibration_factor: 1.0,
            reward: 0.04,
            threshold: 0.1,
            verdict,
        };
        assert_eq!(
            candidate(Verdict::Neutral).reason(&score(0.41, 0.5)),
            "left open: quality rose from 0.41 to 0.45, but the reward of 0.04 is below the threshold of 0.10"
        );
        assert_eq!(
            candidate(Verdict::Rejected).reason(&score(0.41, 0.5)),
            "rejected: quality rose from 0.41 to 0.45, but another draw of the same modality gained more"
        );
    }

    #[test]
    fn not_a_number() {
        let say = |verdict| reason(score(f32::NAN, 0.5), score(0.7, 0.5), Calibration::None, verdict);
        assert_eq!(say(Verdict::Rejected), "rejected: the reward is not a number");
        assert!(say(Verdict::Accepted).contains("published rule"));
    }
}
