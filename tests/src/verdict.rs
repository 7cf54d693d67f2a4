//! What a check found.

use std::fmt;

use dymo_reward::Metric;

use crate::BOUND;
use crate::timing::Timing;

/// What was found in one folder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Of a fusion network and its selections.
    Fusion(FusionVerdict),
    /// Of a MoPoE.
    Mopoe(MopoeVerdict),
}

/// Largest differences, and decisions that differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FusionVerdict {
    /// Cosine or Euclid.
    pub metric: Metric,
    /// Samples compared.
    pub samples: usize,
    /// Of the logits for the final subsets.
    pub logits: f32,
    /// Of the fused features for the observed subsets.
    pub features: f32,
    /// Of the rewards of every candidate that was open.
    pub rewards: f32,
    /// Samples and rounds in which another modality was taken.
    pub differing_actions: usize,
    /// Samples with another final subset.
    pub differing_masks: usize,
    /// What the weights did not say.
    pub guessed: Guessed,
    /// How long selecting takes, if that was asked for.
    pub timing: Option<Timing>,
}

/// What weights without hyper-parameters leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guessed {
    /// Attention heads, taken as the released network of that width has them.
    pub heads: Option<usize>,
    /// Whether the metric is taken from the name of the folder or of the statistics.
    pub metric: bool,
}

/// Largest differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MopoeVerdict {
    /// Samples compared.
    pub samples: usize,
    /// Of the posterior's mean.
    pub mean: f32,
    /// Of the logarithm of its variance.
    pub log_variance: f32,
    /// Of the pictures decoded from the recorded mean.
    pub pictures: f32,
}

impl Verdict {
    /// The largest of all differences.
    pub fn largest_difference(&self) -> f32 {
        match self {
            Self::Fusion(v) => [v.logits, v.features, v.rewards].into_iter().fold(0.0, f32::max),
            Self::Mopoe(v) => [v.mean, v.log_variance, v.pictures].into_iter().fold(0.0, f32::max),
        }
    }

    /// Whether no decision differs and every difference is below [`BOUND`].
    pub fn passes(&self) -> bool {
        match self {
            Self::Fusion(v) => v.differing_actions == 0 && v.differing_masks == 0 && self.largest_difference() < BOUND,
            Self::Mopoe(_) => self.largest_difference() < BOUND,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fusion(v) => {
                let metric = match v.metric {
                    Metric::Cosine => "cosine",
                    Metric::Euclid => "euclid",
                };
                write!(
                    f,
                    "{metric}, {} samples: largest difference of logits {:.1e}, initial features {:.1e}, rewards {:.1e}; ",
                    v.samples, v.logits, v.features, v.rewards
                )?;
                write!(f, "{} differing actions, {} differing final masks", v.differing_actions, v.differing_masks)?;
                v.guessed.fmt(f)
            }
            Self::Mopoe(v) => write!(
                f,
                "MoPoE, {} samples: largest difference of the posterior's mean {:.1e}, its log variance {:.1e}, decoded pictures {:.1e}",
                v.samples, v.mean, v.log_variance, v.pictures
            ),
        }
    }
}

impl fmt::Display for Guessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = self.heads.map(|heads| format!("{heads} heads, as the release of that width"));
        let metric = self.metric.then(|| "the metric, by the names of the folder and its statistics".to_string());
        let all: Vec<String> = heads.into_iter().chain(metric).collect();
        if all.is_empty() { Ok(()) } else { write!(f, " (the weights do not say, so guessed: {})", all.join("; ")) }
    }
}

/// Largest difference; infinite where one of two numbers is not a number, or where their counts differ.
pub(crate) fn largest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    if ours.len() != theirs.len() {
        return f32::INFINITY;
    }
    let difference = |(a, b): (&f32, &f32)| match (a.is_nan(), b.is_nan()) {
        (false, false) if a == b => 0.0,
        (false, false) => (a - b).abs(),
        (true, true) => 0.0,
        _ => f32::INFINITY,
    };
    ours.iter().zip(theirs).map(difference).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_never_lost() {
        assert_eq!(largest_difference(&[1.0, 2.0], &[1.0, 2.5]), 0.5);
        assert_eq!(largest_difference(&[f32::NAN], &[1.0]), f32::INFINITY);
        assert_eq!(largest_difference(&[f32::NAN, f32::INFINITY], &[f32::NAN, f32::INFINITY]), 0.0);
        assert_eq!(largest_difference(&[1.0], &[]), f32::INFINITY);
    }

    #[test]
    fn one_differing_decision_fails() {
        let good = FusionVerdict {
            metric: Metric::Cosine,
            samples: 2,
            logits: 5e-5,
            features: 0.0,
            rewards: 0.0,
            differing_actions: 0,
            differing_masks: 0,
            guessed: Guessed::default(),
            timing: None,
        };
        assert!(Verdict::Fusion(good).passes());
        assert!(!Verdict::Fusion(FusionVerdict { differing_actions: 1, ..good }).passes());
        assert!(!Verdict::Fusion(FusionVerdict { differing_masks: 1, ..good }).passes());
        assert!(!Verdict::Fusion(FusionVerdict { rewards: 1e-4, ..good }).passes());
        assert!(!Verdict::Fusion(FusionVerdict { features: f32::INFINITY, ..good }).passes());
    }
}
