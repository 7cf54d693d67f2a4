//! What a network's answer for one sample and one subset is worth.

use dymo_core::ModalitySet;
use serde::{Deserialize, Serialize};

use crate::statistics::ClassStatistics;
use crate::{Edges, Evidence, StatisticsError, typicality};

/// One answer of the network, judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// ŷ, the class of the largest logit; the lowest such class on ties.
    pub predicted: usize,
    /// The class that the quality is of: the nearest overall prototype. It may differ from `predicted`.
    pub supported: usize,
    /// Quality and typicality.
    pub evidence: Evidence,
    /// Distance of the feature to the predicted class's own prototype for this subset, behind the typicality.
    /// Infinite for a predicted class without training samples.
    pub distance: f32,
}

impl ClassStatistics {
    /// Judges an answer: `logits` `[C]` and the fused `feature` `[D]` of one sample shown with `subset`
    /// (method, section 5). A NaN in them is no error: it comes out as NaN evidence.
    ///
    /// # Errors
    /// A subset without statistics, slices of other lengths than `[C]` and `[D]`, and, with [`Edges::Published`],
    /// a predicted class whose spread is 0.
    pub fn evidence(
        &self,
        subset: ModalitySet,
        logits: &[f32],
        feature: &[f32],
        edges: Edges,
    ) -> Result<Answer, StatisticsError> {
        let row = self.row(subset).ok_or(StatisticsError::UnknownSubset { subset })?;
        self.check_length("logits", logits.len(), self.classes())?;
        let posterior = self.posterior(feature, edges)?;
        let (supported, mut quality) = largest(&posterior);
        let broken = logits.iter().any(|x| x.is_nan());
        let predicted = match edges {
            Edges::Published if broken => 0,
            _ => largest_ignoring_nan(logits),
        };
        let distance = self.distance(row, predicted, feature, edges);
        let spread = self.spread(row, predicted);
        if edges == Edges::Published && spread <= 0.0 {
            return Err(StatisticsError::Spread { subset, class: predicted, found: spread });
        }
        let mut typicality = typicality(distance, spread, edges);
        if broken && edges == Edges::Defined {
            (quality, typicality) = (f32::NAN, f32::NAN);
        }
        let evidence = Evidence { quality, typicality };
        Ok(Answer { predicted, supported, evidence, distance })
    }

    /// Softmax over classes of the similarity of `feature` `[D]` to the overall prototypes, divided by the
    /// temperature: `[C]`, its largest value is the quality.
    ///
    /// A class without training samples gets 0 with [`Edges::Defined`]; with [`Edges::Published`] its presence turns
    /// the whole posterior into NaN. Similarities are rounded to single precision, as published; the softmax is summed
    /// in double precision and rounded once.
    ///
    /// # Errors
    /// A feature of another length than D.
    pub fn posterior(&self, feature: &[f32], edges: Edges) -> Result<Vec<f32>, StatisticsError> {
        self.check_length("feature", feature.len(), self.width())?;
        let scaled: Vec<f32> = (0..self.classes())
            .map(|class| match (self.has_samples(class), edges) {
                (true, _) => self.metric().similarity(feature, self.overall(class)) / self.temperature(),
                (false, Edges::Defined) => f32::NEG_INFINITY,
                (false, Edges::Published) => f32::NAN,
            })
            .collect();
        Ok(softmax(&scaled))
    }

    /// Distance to the class's own prototype for that row, cleaned as `edges` say.
    fn distance(&self, row: usize, class: usize, feature: &[f32], edges: Edges) -> f32 {
        if !self.has_samples(class) {
            return f32::INFINITY;
        }
        let distance = self.metric().distance(feature, self.prototype(row, class));
        // A comparison, not `max`: that would turn NaN into 0.
        if edges == Edges::Defined && distance < 0.0 { 0.0 } else { distance }
    }

    fn check_length(&self, field: &'static str, found: usize, wanted: usize) -> Result<(), StatisticsError> {
        if found == wanted { Ok(()) } else { Err(StatisticsError::Length { field, found, wanted: vec![wanted] }) }
    }
}

/// NaN everywhere if a NaN is in it, or if the largest value is infinite.
fn softmax(scaled: &[f32]) -> Vec<f32> {
    let (_, top) = largest(scaled);
    let weights: Vec<f64> = scaled.iter().map(|&x| libm::exp(f64::from(x) - f64::from(top))).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / total) as f32).collect()
}

/// Place and value of the largest, the first on ties; a NaN is larger than anything.
fn largest(values: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, &value) in values.iter().enumerate() {
        if value.is_nan() {
            return (place, value);
        }
        if value > best.1 {
            best = (place, value);
        }
    }
    best
}

/// Place of the largest, the first on ties; 0 if all are NaN.
fn largest_ignoring_nan(values: &[f32]) -> usize {
    let mut best: Option<(usize, f32)> = None;
    for (place, &value) in values.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|(_, top)| value > top) {
            best = Some((place, value));
        }
    }
    best.map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, Parts};
    use proptest::prelude::*;

    const ONLY: ModalitySet = ModalitySet::single(0);

    /// One modality, three classes along the axes, prototypes of that length.
    fn statistics(metric: Metric, change: impl FnOnce(&mut Parts)) -> ClassStatistics {
        let axes = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let mut parts = Parts {
            metric,
            temperature: 0.1,
            modalities: 1,
            classes: 3,
            width: 3,
            subsets: vec![ONLY],
            prototypes: axes.clone(),
            overall: axes,
            spread: vec![0.5, 0.25, 0.0],
            counts: Some(vec![4, 4, 4]),
        };
        change(&mut parts);
        ClassStatistics::try_from(parts).unwrap()
    }

    #[test]
    fn cosine_by_hand() {
        let ours = statistics(Metric::Cosine, |_| ());
        let answer = ours.evidence(ONLY, &[0.1, 2.0, 0.3], &[0.6, 0.8, 0.0], Edges::Defined).unwrap();
        // softmax(6, 8, 0): 1 / (1 + e⁻² + e⁻⁸); distance 1 − 0.8, spread 0.25: 0.8 σ
        let quality = 1.0 / (1.0 + (-2f64).exp() + (-8f64).exp());
        assert!((f64::from(answer.evidence.quality) - quality).abs() < 1e-6);
        assert!((answer.distance - 0.2).abs() < 1e-7);
        assert!((answer.evidence.typicality - 0.423_711).abs() < 1e-5);
        assert_eq!((answer.predicted, answer.supported), (1, 1));
    }

    #[test]
    fn euclid_squares_for_quality_only() {
        let ours = statistics(Metric::Euclid, |_| ());
        let answer = ours.evidence(ONLY, &[2.0, 0.0, 0.0], &[0.7, 0.1, 0.0], Edges::Defined).unwrap();
        // squared distances 0.10, 1.30, 1.50
        let quality = 1.0 / (1.0 + (-12f64).exp() + (-14f64).exp());
        assert!((f64::from(answer.evidence.quality) - quality).abs() < 1e-6);
        assert!((answer.distance - 0.1f32.sqrt()).abs() < 1e-7);
    }

    #[test]
    fn the_classifier_and_the_prototypes_may_disagree() {
        let ours = statistics(Metric::Cosine, |_| ());
        let answer = ours.evidence(ONLY, &[5.0, 5.0, 1.0], &[0.0, 1.0, 0.0], Edges::Defined).unwrap();
        assert_eq!((answer.predicted, answer.supported), (0, 1));
    }

    #[test]
    fn no_spread() {
        let ours = statistics(Metric::Cosine, |_| ());
        let ask = |feature: &[f32], edges| ours.evidence(ONLY, &[0.0, 0.0, 1.0], feature, edges);
        let defined = |feature| ask(feature, Edges::Defined).unwrap().evidence.typicality;
        assert_eq!(defined(&[0.0, 0.0, 1.0]), 1.0);
        assert_eq!(defined(&[0.0, 0.0, 1.000_001]), 1.0);
        assert_eq!(defined(&[0.0, 0.0, 0.999]), 0.0);
        assert!(matches!(
            ask(&[0.0, 0.0, 1.0], Edges::Published),
            Err(StatisticsError::Spread { class: 2, found: 0.0, .. })
        ));
    }

    #[test]
    fn a_distance_below_zero() {
        let ours = statistics(Metric::Cosine, |parts| parts.spread[0] = 1e-3);
        let ask = |edges| ours.evidence(ONLY, &[1.0, 0.0, 0.0], &[1.000_001, 0.0, 0.0], edges).unwrap();
        assert_eq!((ask(Edges::Defined).distance, ask(Edges::Defined).evidence.typicality), (0.0, 1.0));
        assert!(ask(Edges::Published).distance < 0.0);
        assert!(ask(Edges::Published).evidence.typicality > 1.0);
    }

    #[test]
    fn a_class_without_samples() {
        let ours = statistics(Metric::Cosine, |parts| parts.counts = Some(vec![4, 0, 4]));
        let posterior = ours.posterior(&[0.0, 1.0, 0.0], Edges::Defined).unwrap();
        assert_eq!(posterior, [0.5, 0.0, 0.5]);
        let answer = ours.evidence(ONLY, &[0.0, 1.0, 0.0], &[0.0, 1.0, 0.0], Edges::Defined).unwrap();
        assert_eq!(answer.evidence, Evidence { quality: 0.5, typicality: 0.0 });
        assert_eq!(answer.distance, f32::INFINITY);
        let published = ours.posterior(&[0.0, 1.0, 0.0], Edges::Published).unwrap();
        assert!(published.iter().all(|p| p.is_nan()));
    }

    #[test]
    fn nan_comes_out_as_nan() {
        let ours = statistics(Metric::Euclid, |_| ());
        for feature in [[f32::NAN, 0.0, 0.0], [f32::INFINITY, 0.0, 0.0]] {
            let answer = ours.evidence(ONLY, &[1.0, 0.0, 0.0], &feature, Edges::Defined).unwrap();
            assert!(answer.evidence.quality.is_nan());
        }
        let broken = [0.1, f32::NAN, 0.7];
        let answer = ours.evidence(ONLY, &broken, &[0.0, 0.0, 1.0], Edges::Defined).unwrap();
        assert!(answer.evidence.quality.is_nan() && answer.evidence.typicality.is_nan());
        assert_eq!(answer.predicted, 2);
        let answer = ours.evidence(ONLY, &broken, &[0.0, 0.0, 1.0], Edges::Published).unwrap();
        assert_eq!(answer.predicted, 0);
        assert!(answer.evidence.quality > 0.99);
        assert_eq!(largest_ignoring_nan(&[f32::NAN; 3]), 0);
    }

    #[test]
    fn refuses_what_it_cannot_judge() {
        let ours = statistics(Metric::Cosine, |_| ());
        let ask = |subset, logits: &[f32], feature: &[f32]| {
            ours.evidence(subset, logits, feature, Edges::Defined).unwrap_err()
        };
        let other = ModalitySet::single(1);
        assert_eq!(ask(other, &[0.0; 3], &[0.0; 3]), StatisticsError::UnknownSubset { subset: other });
        assert!(matches!(ask(ONLY, &[0.0; 2], &[0.0; 3]), StatisticsError::Length { field: "logits", .. }));
        assert!(matches!(ask(ONLY, &[0.0; 3], &[0.0; 4]), StatisticsError::Length { field: "feature", .. }));
    }

    proptest! {
        #[test]
        fn posterior_is_a_distribution(feature in prop::collection::vec(-3.0f32..3.0, 3), cosine: bool) {
            let metric = if cosine { Metric::Cosine } else { Metric::Euclid };
            let ours = statistics(metric, |_| ());
            let posterior = ours.posterior(&feature, Edges::Defined).unwrap();
            prop_assert!((posterior.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let logits = [0.3, 0.1, -1.0];
            let evidence = ours.evidence(ONLY, &logits, &feature, Edges::Defined).unwrap().evidence;
            prop_assert!(evidence.quality >= 1.0 / 3.0 - 1e-6 && evidence.quality <= 1.0);
            prop_assert!((0.0..=1.0).contains(&evidence.typicality));
        }
    }
}
