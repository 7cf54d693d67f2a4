//! Probabilities of classes, checked, and the losses that read their values.

use crate::error::{MetricError, check_classes, check_finite, check_length, check_some};

/// Probabilities `[N, C]` in rows: every row is a distribution over C ≥ 2 classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probabilities<'a> {
    values: &'a [f32],
    classes: usize,
}

/// How far a row's sum may be from 1: rounding to single precision, over hundreds of classes, is well below.
const SUM_TOLERANCE: f64 = 1e-3;

impl<'a> Probabilities<'a> {
    /// Checks `values`, `[N, classes]`.
    ///
    /// # Errors
    /// Fewer than two classes, no row or a broken one, a value that is not finite or not in 0..=1, a row that does not
    /// sum to 1 within 0.001.
    pub fn new(values: &'a [f32], classes: usize) -> Result<Self, MetricError> {
        check_rows("probabilities", values, classes)?;
        for (row, values) in values.chunks_exact(classes).enumerate() {
            let sum: f64 = values.iter().map(|&p| f64::from(p)).sum();
            let inside = values.iter().all(|p| (0.0..=1.0).contains(p));
            if !inside || (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(MetricError::NoDistribution { row, sum });
            }
        }
        Ok(Self { values, classes })
    }

    /// C.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// N, never 0.
    #[expect(clippy::len_without_is_empty, reason = "there is always a row")]
    pub fn len(&self) -> usize {
        self.values.len() / self.classes
    }

    /// The rows, `[C]` each.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.values.chunks_exact(self.classes)
    }

    /// The most probable class of each row, the lowest on ties.
    pub fn predictions(&self) -> Vec<usize> {
        self.rows().map(|row| largest(row).0).collect()
    }

    /// Rows with their labels, once those are checked.
    pub(crate) fn with_labels(
        &self,
        labels: &'a [usize],
    ) -> Result<impl Iterator<Item = (&'a [f32], usize)> + use<'a>, MetricError> {
        check_length("labels", labels.len(), self.len())?;
        check_classes(labels, self.classes)?;
        Ok(self.rows().zip(labels.iter().copied()))
    }
}

/// Place and value of the largest, the first on ties.
pub(crate) fn largest(row: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, &value) in row.iter().enumerate() {
        if value > best.1 {
            best = (place, value);
        }
    }
    best
}

pub(crate) fn check_rows(what: &'static str, values: &[f32], classes: usize) -> Result<(), MetricError> {
    if classes < 2 {
        return Err(MetricError::Classes { found: classes });
    }
    check_some(what, values)?;
    check_length(what, values.len(), values.len().next_multiple_of(classes))?;
    check_finite(what, values.iter().map(|&x| f64::from(x)))
}

/// −ln p(label), averaged, in nats. A probability below single precision's ε (1.2e-7) counts as ε, as in
/// scikit-learn's `log_loss` on single-precision input; where logits are at hand, [`cross_entropy`] is exact.
///
/// # Errors
/// Labels of another number, or not below C.
pub fn negative_log_likelihood(probabilities: &Probabilities<'_>, labels: &[usize]) -> Result<f64, MetricError> {
    let floor = f64::from(f32::EPSILON);
    let total: f64 = probabilities
        .with_labels(labels)?
        .map(|(row, label)| -f64::from(row[label]).clamp(floor, 1.0 - floor).ln())
        .sum();
    Ok(total / labels.len() as f64)
}

/// The mean over samples of Σ_k (p_k − [k = label])²: 0 for certain and right, 2 for certain and wrong. For two
/// classes this is twice scikit-learn's `brier_score_loss`.
///
/// # Errors
/// Labels of another number, or not below C.
pub fn brier(probabilities: &Probabilities<'_>, labels: &[usize]) -> Result<f64, MetricError> {
    let total: f64 = probabilities
        .with_labels(labels)?
        .map(|(row, label)| {
            let squares: f64 = row.iter().map(|&p| f64::from(p).powi(2)).sum();
            squares - 2.0 * f64::from(row[label]) + 1.0
        })
        .sum();
    Ok(total / labels.len() as f64)
}

/// The mean cross-entropy of logits `[N, classes]` against labels, in nats, with nothing clipped: the L of the
/// information bound.
///
/// # Errors
/// Fewer than two classes, no row or a broken one, logits that are not finite, labels of another number or not below
/// `classes`.
pub fn cross_entropy(logits: &[f32], labels: &[usize], classes: usize) -> Result<f64, MetricError> {
    check_rows("logits", logits, classes)?;
    check_length("labels", labels.len(), logits.len() / classes)?;
    check_classes(labels, classes)?;
    let loss = |(row, &label): (&[f32], &usize)| {
        let (_, top) = largest(row);
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - f64::from(top)).exp()).sum();
        sum.ln() + f64::from(top) - f64::from(row[label])
    };
    let total: f64 = logits.chunks_exact(classes).zip(labels).map(loss).sum();
    Ok(total / labels.len() as f64)
}

/// Logits `[N, classes]` turned into probabilities of the same shape.
///
/// # Errors
/// Fewer than two classes, no row or a broken one, logits that are not finite.
pub fn softmax(logits: &[f32], classes: usize) -> Result<Vec<f32>, MetricError> {
    check_rows("logits", logits, classes)?;
    let mut probabilities = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(classes) {
        let (_, top) = largest(row);
        let weight = |&x: &f32| (f64::from(x) - f64::from(top)).exp();
        let sum: f64 = row.iter().map(weight).sum();
        probabilities.extend(row.iter().map(|x| (weight(x) / sum) as f32));
    }
    Ok(probabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_by_hand() {
        // scikit-learn's page on log_loss: ["spam", "ham", "ham", "spam"], 0.21616…
        let values = [0.1, 0.9, 0.9, 0.1, 0.8, 0.2, 0.35, 0.65];
        let probabilities = Probabilities::new(&values, 2).unwrap();
        let labels = [1, 0, 0, 1];
        assert!((negative_log_likelihood(&probabilities, &labels).unwrap() - 0.216_161_874).abs() < 1e-7);
        // per sample: 0.01, 0.01, 0.04, 0.1225, doubled
        assert!((brier(&probabilities, &labels).unwrap() - 2.0 * 0.1825 / 4.0).abs() < 1e-6);
        assert_eq!(probabilities.predictions(), labels);
    }

    #[test]
    fn a_certain_mistake_costs_a_finite_amount() {
        let probabilities = Probabilities::new(&[1.0, 0.0], 2).unwrap();
        let loss = negative_log_likelihood(&probabilities, &[1]).unwrap();
        assert!((loss - 15.942_385).abs() < 1e-5, "{loss}");
        assert_eq!(brier(&probabilities, &[1]).unwrap(), 2.0);
    }

    #[test]
    fn cross_entropy_agrees_with_its_softmax() {
        let logits = [1.0, 2.0, 3.0, -4.0, 0.0, 4.0];
        let values = softmax(&logits, 3).unwrap();
        assert!((values[2] - 0.665_240_96).abs() < 1e-7);
        let probabilities = Probabilities::new(&values, 3).unwrap();
        let (exact, rounded) =
            (cross_entropy(&logits, &[2, 1], 3).unwrap(), negative_log_likelihood(&probabilities, &[2, 1]).unwrap());
        assert!((exact - rounded).abs() < 1e-6);
        assert_eq!(cross_entropy(&[1000.0, 0.0], &[1], 2).unwrap(), 1000.0);
    }

    #[test]
    fn refusals() {
        let new = Probabilities::new;
        assert_eq!(new(&[1.0], 1), Err(MetricError::Classes { found: 1 }));
        assert_eq!(new(&[], 2), Err(MetricError::Empty { what: "probabilities" }));
        assert!(matches!(new(&[0.5; 3], 2), Err(MetricError::Length { found: 3, wanted: 4, .. })));
        assert!(matches!(new(&[f32::NAN, 1.0], 2), Err(MetricError::NotFinite { place: 0, .. })));
        assert!(matches!(new(&[0.5, 0.5, 0.7, 0.7], 2), Err(MetricError::NoDistribution { row: 1, .. })));
        assert!(matches!(new(&[-0.5, 1.5], 2), Err(MetricError::NoDistribution { row: 0, .. })));
        let fine = new(&[0.5, 0.5], 2).unwrap();
        assert!(matches!(brier(&fine, &[2]), Err(MetricError::Class { .. })));
        assert!(matches!(brier(&fine, &[0, 1]), Err(MetricError::Length { .. })));
        assert!(cross_entropy(&[f32::INFINITY, 0.0], &[0], 2).is_err());
    }
}
