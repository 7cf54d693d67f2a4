//! What needs only the order of scores.

use crate::error::{MetricError, check_finite, check_length, check_some};
use crate::probabilities::Probabilities;

/// Area under the ROC curve: the probability that a positive sample scores above a negative one, ties counting
/// half (midranks).
///
/// # Errors
/// No samples, different lengths, a score that is not finite, or samples of one side only.
pub fn auc(scores: &[f32], positive: &[bool]) -> Result<f64, MetricError> {
    check_some("scores", scores)?;
    check_length("positive", positive.len(), scores.len())?;
    check_finite("scores", scores.iter().map(|&x| f64::from(x)))?;
    let positives = positive.iter().filter(|p| **p).count();
    let negatives = positive.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(MetricError::OneSided { positives, negatives });
    }
    let mut ascending: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    ascending.sort_by(|a, b| a.0.total_cmp(&b.0));
    // −0 and 0 are neighbours in that order and equal here.
    let (mut below, mut wins) = (0.0, 0.0);
    for tied in ascending.chunk_by(|a, b| a.0 == b.0) {
        let up = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let down = tied.len() as f64 - up;
        wins += up * (below + down / 2.0);
        below += down;
    }
    Ok(wins / (positives as f64 * negatives as f64))
}

/// The mean over classes of the AUC of one class against the rest (macro, one versus rest). Classes that no label or
/// every label has are left out: they have no AUC. For two classes this is the AUC of class 1.
///
/// # Errors
/// Labels of another number or not below C, or all of one class.
pub fn auc_one_vs_rest(probabilities: &Probabilities<'_>, labels: &[usize]) -> Result<f64, MetricError> {
    let rows: Vec<&[f32]> = probabilities.with_labels(labels)?.map(|(row, _)| row).collect();
    let mut areas = Vec::new();
    for class in 0..probabilities.classes() {
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        let scores: Vec<f32> = rows.iter().map(|row| row[class]).collect();
        match auc(&scores, &positive) {
            Ok(area) => areas.push(area),
            Err(MetricError::OneSided { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if areas.is_empty() {
        return Err(MetricError::OneSided { positives: labels.len(), negatives: 0 });
    }
    Ok(areas.iter().sum::<f64>() / areas.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        // scikit-learn's page on roc_auc: 0.75
        let positive = [false, false, true, true];
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &positive).unwrap(), 0.75);
        assert_eq!(auc(&[0.5; 4], &positive).unwrap(), 0.5);
        assert_eq!(auc(&[0.0, -0.0, 0.0, 1.0], &positive).unwrap(), 0.75);
        assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &positive).unwrap(), 1.0);
    }

    #[test]
    fn one_versus_rest_by_hand() {
        let values = [0.6, 0.3, 0.1, 0.2, 0.5, 0.3, 0.3, 0.3, 0.4, 0.5, 0.2, 0.3];
        let probabilities = Probabilities::new(&values, 3).unwrap();
        // class 0: positives 0.6, 0.5 over 0.2, 0.3: 1; class 1: 0.5 over all: 1; class 2: 0.4 over all: 1
        assert_eq!(auc_one_vs_rest(&probabilities, &[0, 1, 2, 0]).unwrap(), 1.0);
        // class 2 absent; class 0: positives 0.6, 0.3 against 0.2, 0.5: 3/4; class 1: 0.5, 0.2 against 0.3, 0.3: 1/2
        assert_eq!(auc_one_vs_rest(&probabilities, &[0, 1, 0, 1]).unwrap(), 0.625);
    }

    #[test]
    fn refusals() {
        assert!(matches!(auc(&[0.1, 0.2], &[true, true]), Err(MetricError::OneSided { positives: 2, negatives: 0 })));
        assert!(matches!(auc(&[f32::NAN, 0.2], &[true, false]), Err(MetricError::NotFinite { place: 0, .. })));
        assert!(matches!(auc(&[], &[]), Err(MetricError::Empty { .. })));
        let one = Probabilities::new(&[0.5, 0.5], 2).unwrap();
        assert!(matches!(auc_one_vs_rest(&one, &[1]), Err(MetricError::OneSided { .. })));
    }

    proptest! {
        #[test]
        fn equals_counting_pairs(samples in prop::collection::vec((0u8..6, any::<bool>()), 2..60)) {
            let scores: Vec<f32> = samples.iter().map(|s| f32::from(s.0)).collect();
            let positive: Vec<bool> = samples.iter().map(|s| s.1).collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for p in samples.iter().filter(|s| s.1) {
                for n in samples.iter().filter(|s| !s.1) {
                    pairs += 1.0;
                    wins += if p.0 > n.0 { 1.0 } else if p.0 == n.0 { 0.5 } else { 0.0 };
                }
            }
            match auc(&scores, &positive) {
                Ok(area) => prop_assert!((area - wins / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
        }
    }
}
