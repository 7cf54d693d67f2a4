//! From two pieces of evidence to a reward.

use serde::{Deserialize, Serialize};

use crate::Metric;

/// What one subset of one sample's modalities is worth (method, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// q: the largest posterior of a class, taken over prototypes. In 0..=1, or NaN.
    pub quality: f32,
    /// p: how typical the feature is of the class that the classifier predicts. In 0..=1, or NaN.
    pub typicality: f32,
}

/// By what the quality of a subset is multiplied if its feature is *less* typical of its class than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// By 1: no calibration, the paper's ablation "I".
    None,
    /// By ln p / ln(p_u + 1e-9): published for cosine on PolyMNIST, MST, CelebA and DVM.
    RatioOfLogarithms,
    /// By p_u / (p + 1e-9): published for Euclid everywhere, and for cosine on CAD and Infarction.
    Ratio,
}

/// Keeps the published logarithm and quotient away from zero.
const TINY: f32 = 1e-9;

impl Calibration {
    /// The calibration published for most data sets with that metric. (Published exceptions: cosine on the two
    /// cardiac data sets goes with [`Ratio`](Self::Ratio).)
    pub const fn default_for(metric: Metric) -> Self {
        match metric {
            Metric::Cosine => Self::RatioOfLogarithms,
            Metric::Euclid => Self::Ratio,
        }
    }

    /// G: 1 unless the typicality falls, otherwise as the variant says. In single precision, as published.
    ///
    /// In 0..=1 whenever both typicalities are what [`typicality`](crate::typicality) gives with
    /// [`Edges::Defined`](crate::Edges::Defined). The ends:
    /// * p = 0 before: it cannot fall, G = 1.
    /// * p_u = 0 after: −ln p / 20.72 with logarithms, 0 with the ratio.
    /// * p = 1 before: 0 with logarithms, however little it falls, so the reward is −q.
    /// * a NaN on either side: G = 1.
    ///
    /// With published edges p may exceed 1; logarithms then give a negative or an infinite G, as published.
    pub fn factor(self, before: Evidence, after: Evidence) -> f32 {
        let (p, p_u) = (before.typicality, after.typicality);
        // Written so that a NaN gives 1.
        let falls = p_u < p;
        match self {
            Self::RatioOfLogarithms if falls => ln(p) / ln(p_u + TINY),
            Self::Ratio if falls => p_u / (p + TINY),
            _ => 1.0,
        }
    }

    /// R = q_u·G − q: what joining brings. In −1..=1 with defined edges; NaN if a quality is.
    pub fn reward(self, before: Evidence, after: Evidence) -> f32 {
        after.quality * self.factor(before, after) - before.quality
    }
}

/// The natural logarithm, rounded once; through `libm` for the same bits on every platform.
fn ln(x: f32) -> f32 {
    libm::log(f64::from(x)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Edges, typicality};
    use proptest::prelude::*;

    const ALL: [Calibration; 3] = [Calibration::None, Calibration::RatioOfLogarithms, Calibration::Ratio];

    fn evidence(quality: f32, typicality: f32) -> Evidence {
        Evidence { quality, typicality }
    }

    #[test]
    fn by_hand() {
        let (before, after) = (evidence(0.4, 0.5), evidence(0.8, 0.125));
        assert!((Calibration::RatioOfLogarithms.factor(before, after) - 1.0 / 3.0).abs() < 1e-6);
        assert!((Calibration::Ratio.factor(before, after) - 0.25).abs() < 1e-6);
        assert_eq!(Calibration::None.factor(before, after), 1.0);
        assert!((Calibration::Ratio.reward(before, after) - (0.2 - 0.4)).abs() < 1e-6);
    }

    #[test]
    fn no_factor_without_a_fall() {
        for calibration in ALL {
            for (p, p_u) in [(0.2, 0.2), (0.2, 0.7), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
                assert_eq!(calibration.factor(evidence(0.5, p), evidence(0.5, p_u)), 1.0);
            }
            assert_eq!(calibration.factor(evidence(0.5, f32::NAN), evidence(0.5, 0.1)), 1.0);
            assert_eq!(calibration.factor(evidence(0.5, 0.1), evidence(0.5, f32::NAN)), 1.0);
        }
    }

    #[test]
    fn the_published_edges_of_falling() {
        let after = evidence(0.9, 0.0);
        let logarithms = Calibration::RatioOfLogarithms.factor(evidence(0.5, 0.25), after);
        assert!((logarithms - 0.25f32.ln() / 1e-9f32.ln()).abs() < 1e-7);
        assert!((logarithms - 0.066_9).abs() < 1e-4);
        assert_eq!(Calibration::Ratio.factor(evidence(0.5, 0.25), after), 0.0);
        assert_eq!(Calibration::Ratio.reward(evidence(0.5, 0.25), after), -0.5);
        // p = 1: the reward is −q however close p_u is.
        let close = evidence(0.9, 1.0 - 1.0 / (1 << 23) as f32);
        assert_eq!(Calibration::RatioOfLogarithms.reward(evidence(0.5, 1.0), close), -0.5);
        // Published edges only: p beyond 1.
        let beyond = evidence(0.5, 1.0 + f32::EPSILON);
        assert_eq!(Calibration::RatioOfLogarithms.factor(beyond, evidence(0.9, 1.0)), f32::INFINITY);
        assert!(Calibration::RatioOfLogarithms.factor(beyond, evidence(0.9, 0.5)) < 0.0);
    }

    #[test]
    fn a_nan_quality_gives_a_nan_reward() {
        for calibration in ALL {
            assert!(calibration.reward(evidence(0.5, 0.5), evidence(f32::NAN, 0.5)).is_nan());
            assert!(calibration.reward(evidence(f32::NAN, 0.5), evidence(0.5, 0.5)).is_nan());
        }
    }

    #[test]
    fn named_as_settings_name_them() {
        let named = serde_json::to_string(&ALL).unwrap();
        assert_eq!(named, r#"["none","ratio-of-logarithms","ratio"]"#);
        assert_eq!(Calibration::default_for(Metric::Cosine), Calibration::RatioOfLogarithms);
        assert_eq!(Calibration::default_for(Metric::Euclid), Calibration::Ratio);
    }

    /// Evidence whose typicality is one that distances really give.
    fn real() -> impl Strategy<Value = Evidence> {
        (0.0f32..=1.0, 0.0f32..7.0).prop_map(|(q, d)| evidence(q, typicality(d, 1.0, Edges::Defined)))
    }

    proptest! {
        #[test]
        fn factor_and_reward_stay_in_range(before in real(), after in real()) {
            for calibration in ALL {
                let (g, r) = (calibration.factor(before, after), calibration.reward(before, after));
                prop_assert!((0.0..=1.0).contains(&g), "{calibration:?}: G {g}");
                prop_assert!((-1.0..=1.0).contains(&r), "{calibration:?}: R {r}");
                prop_assert!(r <= Calibration::None.reward(before, after));
            }
        }

        #[test]
        fn better_evidence_is_never_worth_less(before in real(), after in real(), more in 0.0f32..1.0, d in 0.0f32..7.0) {
            let better = evidence((after.quality + more).min(1.0), after.typicality);
            let typical = evidence(after.quality, after.typicality.max(typicality(d, 1.0, Edges::Defined)));
            for calibration in ALL {
                let reward = calibration.reward(before, after);
                prop_assert!(calibration.reward(before, better) >= reward);
                prop_assert!(calibration.reward(before, typical) >= reward);
            }
        }
    }
}
