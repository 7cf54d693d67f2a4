//! Predicted classes against labels.

use crate::error::{MetricError, check_classes, check_length, check_some};

/// For each sample 1 if the prediction is its label, else 0: what bootstrap intervals of accuracies are made of.
///
/// # Errors
/// No samples, or slices of different lengths.
pub fn correctness(predicted: &[usize], labels: &[usize]) -> Result<Vec<f64>, MetricError> {
    check_some("labels", labels)?;
    check_length("predictions", predicted.len(), labels.len())?;
    Ok(predicted.iter().zip(labels).map(|(p, l)| f64::from(u8::from(p == l))).collect())
}

/// The share of right predictions.
///
/// # Errors
/// As [`correctness`].
pub fn accuracy(predicted: &[usize], labels: &[usize]) -> Result<f64, MetricError> {
    let correct = correctness(predicted, labels)?;
    Ok(correct.iter().sum::<f64>() / correct.len() as f64)
}

/// How often label `i` was predicted as `j`: `[C, C]`, at `i·C + j`.
///
/// # Errors
/// No samples, different lengths, a class that is not below `classes`.
pub fn confusion(predicted: &[usize], labels: &[usize], classes: usize) -> Result<Vec<u64>, MetricError> {
    check_some("labels", labels)?;
    check_length("predictions", predicted.len(), labels.len())?;
    check_classes(labels, classes)?;
    check_classes(predicted, classes)?;
    let mut counts = vec![0; classes * classes];
    for (p, l) in predicted.iter().zip(labels) {
        counts[l * classes + p] += 1;
    }
    Ok(counts)
}

/// The mean over classes of F1 = 2·TP / (2·TP + FP + FN). A class that is neither a label nor predicted is left
/// out of the mean, as scikit-learn's `f1_score(average="macro")` does.
///
/// # Errors
/// As [`confusion`].
pub fn macro_f1(predicted: &[usize], labels: &[usize], classes: usize) -> Result<f64, MetricError> {
    let counts = confusion(predicted, labels, classes)?;
    let f1: Vec<f64> = (0..classes)
        .filter_map(|class| {
            let hit = counts[class * classes + class];
            let labelled: u64 = counts[class * classes..(class + 1) * classes].iter().sum();
            let said: u64 = counts.iter().skip(class).step_by(classes).sum();
            (labelled + said > 0).then(|| 2.0 * hit as f64 / (labelled + said) as f64)
        })
        .collect();
    Ok(f1.iter().sum::<f64>() / f1.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of scikit-learn's page on `f1_score`.
    const LABELS: [usize; 6] = [0, 1, 2, 0, 1, 2];
    const PREDICTED: [usize; 6] = [0, 2, 1, 0, 0, 1];

    #[test]
    fn known_values() {
        assert!((accuracy(&PREDICTED, &LABELS).unwrap() - 2.0 / 6.0).abs() < 1e-12);
        // F1 of class 0: 2·2/(2 + 3) = 0.8; of the others 0; scikit-learn: 0.26…
        assert!((macro_f1(&PREDICTED, &LABELS, 3).unwrap() - 0.8 / 3.0).abs() < 1e-12);
        assert_eq!(confusion(&PREDICTED, &LABELS, 3).unwrap(), [2, 0, 0, 1, 0, 1, 0, 2, 0]);
    }

    #[test]
    fn classes_that_do_not_occur_do_not_count() {
        let narrow = macro_f1(&PREDICTED, &LABELS, 3);
        assert_eq!(macro_f1(&PREDICTED, &LABELS, 10), narrow);
        // predicted, never a label: counts with 0
        assert_eq!(macro_f1(&[0, 0, 1], &[0, 0, 0], 2).unwrap(), 0.4);
    }

    #[test]
    fn refusals() {
        assert_eq!(accuracy(&[], &[]), Err(MetricError::Empty { what: "labels" }));
        assert!(matches!(accuracy(&[1], &[1, 2]), Err(MetricError::Length { found: 1, wanted: 2, .. })));
        assert!(matches!(macro_f1(&[3], &[0], 3), Err(MetricError::Class { found: 3, place: 0, classes: 3 })));
    }
}
