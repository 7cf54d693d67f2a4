//! One number that makes confidence keep its word: the temperature that logits are divided by.

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, check_classes, check_length};
use crate::probabilities::{Probabilities, check_rows, largest};

/// The smallest and the largest temperature that can be fitted.
const LOWEST: f64 = 0.01;
const HIGHEST: f64 = 100.0;
/// Parts that cross-validation leaves out in turn.
const FOLDS: usize = 5;
/// Newton steps; the bracket is halved wherever one leaves it, so that these are many.
const STEPS: usize = 100;
/// A loss that is lower by less is lower by rounding, nats.
const LEAST_GAIN: f64 = 1e-9;
/// Probabilities are held this far from 0 before their logarithm is taken.
const FLOOR: f64 = 1e-12;

/// A temperature fitted on held-out samples (Guo, Pleiss, Sun, Weinberger 2017: probabilities are
/// softmax(logits / T)). It moves confidence only: the order of classes, and so every prediction, stays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// T. Above 1 it takes confidence back, below 1 it adds some; 1 changes nothing.
    pub value: f64,
    /// What minimises the softened loss of the held-out samples, whether it is used or not.
    pub fitted: f64,
    /// Mean negative log-likelihood of the held-out samples as they came, in nats.
    pub loss_before: f64,
    /// The same with [`value`](Self::value); never larger.
    pub loss_after: f64,
    /// The same where each fifth of the samples is judged with the temperature fitted to the others: what can be hoped
    /// for on new ones. `None` with too few samples to divide.
    pub loss_cross_validated: Option<f64>,
    /// Held-out samples.
    pub n: usize,
}

impl Temperature {
    /// Changes nothing, fitted to nothing.
    pub const IDENTITY: Self =
        Self { value: 1.0, fitted: 1.0, loss_before: 0.0, loss_after: 0.0, loss_cross_validated: None, n: 0 };

    /// Whether confidence is left as it is.
    pub fn is_identity(&self) -> bool {
        self.value == 1.0
    }

    /// softmax(logits / T), `[N, classes]` to the same shape.
    ///
    /// # Errors
    /// As [`softmax`](crate::softmax).
    pub fn apply(&self, logits: &[f32], classes: usize) -> Result<Vec<f32>, MetricError> {
        check_rows("logits", logits, classes)?;
        let mut probabilities = Vec::with_capacity(logits.len());
        for row in logits.chunks_exact(classes) {
            let (_, top) = largest(row);
            let weight = |&x: &f32| ((f64::from(x) - f64::from(top)) / self.value).exp();
            let sum: f64 = row.iter().map(weight).sum();
            probabilities.extend(row.iter().map(|x| (weight(x) / sum) as f32));
        }
        Ok(probabilities)
    }

    /// The same for probabilities, through their logarithms.
    ///
    /// # Errors
    /// None for checked probabilities; the signature is that of [`apply`](Self::apply).
    pub fn apply_to_probabilities(&self, probabilities: &Probabilities<'_>) -> Result<Vec<f32>, MetricError> {
        self.apply(&logits_of(probabilities), probabilities.classes())
    }

    /// What was done and why, in a sentence.
    pub fn in_words(&self) -> String {
        let Self { value, fitted, loss_before, loss_after, n, .. } = self;
        if self.is_identity() {
            return match self.loss_cross_validated {
                None => format!("confidence is left as it is: {n} held-out samples are too few to fit a temperature"),
                Some(_) => format!(
                    "confidence is left as it is: temperature {fitted:.2}, the best for {n} held-out samples, \
                     did not lower the loss of samples that it was not fitted to"
                ),
            };
        }
        let (direction, edge) = (
            if *value > 1.0 { "too sure" } else { "not sure enough" },
            if *value <= LOWEST * 1.001 || *value >= HIGHEST / 1.001 { ", the end of what is tried" } else { "" },
        );
        format!(
            "the network was {direction}: dividing its logits by {value:.2}{edge} lowers the loss of {n} held-out samples \
             from {loss_before:.4} to {loss_after:.4} nats"
        )
    }
}

/// Logarithms of probabilities, `[N, C]`: as good as the logits they came from wherever only differences within a row
/// count, but for probabilities below 1e-12.
pub fn logits_of(probabilities: &Probabilities<'_>) -> Vec<f32> {
    probabilities.rows().flatten().map(|&p| f64::from(p).max(FLOOR).ln() as f32).collect()
}

/// Fits a temperature in 0.01..100 to held-out `logits` `[N, classes]` by minimising the mean negative log-likelihood of targets that are
/// softened as if each class had been seen once more (so that few samples, all of them right, do not ask for certainty), which is convex in 1/T: Newton's method, bisecting its bracket where a step leaves it.
///
/// The temperature is 1 unless it helps: it must lower the loss of the held-out samples, and in five-fold
/// cross-validation (sample i in fold i mod 5, so the order should be without pattern) that of samples that it was
/// not fitted to. Samples must have played no part in training.
///
/// # Errors
/// Fewer than two classes, no row or a broken one, logits that are not finite, labels of another number or not below
/// `classes`.
pub fn fit_temperature(logits: &[f32], labels: &[usize], classes: usize) -> Result<Temperature, MetricError> {
    check_rows("logits", logits, classes)?;
    check_length("labels", labels.len(), logits.len() / classes)?;
    check_classes(labels, classes)?;
    let rows: Vec<Row<'_>> = logits.chunks_exact(classes).zip(labels.iter().copied()).collect();
    let fitted = 1.0 / best_inverse(&rows, classes);
    let (before, after) = (mean_loss(&rows, 1.0), mean_loss(&rows, 1.0 / fitted));
    let validated = cross_validated(&rows);
    let lower = |loss: f64| loss < before - LEAST_GAIN;
    let helps = lower(after) && validated.is_some_and(lower);
    Ok(Temperature {
        value: if helps { fitted } else { 1.0 },
        fitted,
        loss_before: before,
        loss_after: if helps { after } else { before },
        loss_cross_validated: validated,
        n: rows.len(),
    })
}

/// Logits and label of a sample.
type Row<'a> = (&'a [f32], usize);

fn cross_validated(rows: &[Row<'_>]) -> Option<f64> {
    if rows.len() < 2 * FOLDS {
        return None;
    }
    let mut total = 0.0;
    for fold in 0..FOLDS {
        let part = |inside: bool| -> Vec<Row<'_>> {
            rows.iter().enumerate().filter(|(i, _)| (i % FOLDS == fold) == inside).map(|(_, row)| *row).collect()
        };
        let inverse = best_inverse(&part(false), rows[0].0.len());
        total += part(true).iter().map(|row| slopes(*row, inverse).0).sum::<f64>();
    }
    Some(total / rows.len() as f64)
}

fn mean_loss(rows: &[Row<'_>], inverse: f64) -> f64 {
    rows.iter().map(|row| slopes(*row, inverse).0).sum::<f64>() / rows.len() as f64
}

/// Loss of one sample at inverse temperature β, its first derivative E\[z\] − z_y and its second Var\[z\].
fn slopes((row, label): Row<'_>, inverse: f64) -> (f64, f64, f64) {
    let top = f64::from(largest(row).1);
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for &x in row {
        let z = f64::from(x) - top;
        let weight = (inverse * z).exp();
        sum += weight;
        first += weight * z;
        second += weight * z * z;
    }
    let mean = first / sum;
    let own = f64::from(row[label]) - top;
    (sum.ln() - inverse * own, mean - own, second / sum - mean * mean)
}

/// The 1/T in 1/HIGHEST..1/LOWEST of the least loss, of targets that as many samples support: (n + 1)/(n + C) for the label and
/// 1/(n + C) for every other class, as of one sample more of each class (Laplace; Platt 2000 for two). Without that, samples which are
/// all right would ask for certainty, however few they are.
fn best_inverse(rows: &[Row<'_>], classes: usize) -> f64 {
    let share = classes as f64 / (rows.len() + classes) as f64;
    let softened = |row: Row<'_>, inverse| {
        let (_, first, second) = slopes(row, inverse);
        // The derivative's −z_label becomes −Σ target·z.
        let top = f64::from(largest(row.0).1);
        let own = f64::from(row.0[row.1]) - top;
        let mean = row.0.iter().map(|x| f64::from(*x) - top).sum::<f64>() / classes as f64;
        (first + share * (own - mean), second)
    };
    let derivatives =
        |inverse| rows.iter().map(|row| softened(*row, inverse)).fold((0.0, 0.0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
    let (mut low, mut high) = (1.0 / HIGHEST, 1.0 / LOWEST);
    if derivatives(low).0 >= 0.0 {
        return low;
    }
    if derivatives(high).0 <= 0.0 {
        return high;
    }
    let mut at = 1.0;
    for _ in 0..STEPS {
        let (slope, curvature) = derivatives(at);
        if slope > 0.0 {
            high = at;
        } else {
            low = at;
        }
        let newton = at - slope / curvature;
        let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        if (next - at).abs() <= 1e-10 * at {
            return next;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of 100 samples with logits (d, 0), `right` are of class 0.
    fn two_classes(d: f32, right: usize) -> (Vec<f32>, Vec<usize>) {
        // Spread over the folds.
        let labels = (0..100).map(|i| usize::from((i * 37) % 100 >= right)).collect();
        ((0..100).flat_map(|_| [d, 0.0]).collect(), labels)
    }

    #[test]
    fn by_hand() {
        // sigmoid(4/T) must be 81 of 102, one sample more of each class: T = 4 / ln(81/21)
        let (logits, labels) = two_classes(4.0, 80);
        let found = fit_temperature(&logits, &labels, 2).unwrap();
        assert!((found.value - 4.0 / (81.0f64 / 21.0).ln()).abs() < 1e-8, "{found:?}");
        let loss = -((81.0f64 / 102.0).ln() * 0.8 + (21.0f64 / 102.0).ln() * 0.2);
        assert!((found.loss_after - loss).abs() < 1e-12 && found.loss_before > found.loss_after);
        assert!(found.in_words().contains("too sure"));
        let scaled = found.apply(&logits, 2).unwrap();
        assert!((scaled[0] - 81.0 / 102.0).abs() < 1e-6);
        let through = found
            .apply_to_probabilities(&Probabilities::new(&crate::softmax(&logits, 2).unwrap(), 2).unwrap())
            .unwrap();
        assert!((through[0] - 81.0 / 102.0).abs() < 1e-5);
    }

    #[test]
    fn it_stays_out_where_it_does_not_help() {
        let (logits, labels) = two_classes(4f32.ln(), 80);
        let found = fit_temperature(&logits, &labels, 2).unwrap();
        assert!(found.is_identity() && found.loss_after == found.loss_before, "{found:?}");
        let few = fit_temperature(&[4.0, 0.0, 4.0, 0.0], &[0, 1], 2).unwrap();
        assert!(few.is_identity() && few.loss_cross_validated.is_none());
        assert!(few.in_words().contains("too few"));
    }

    /// Twenty of twenty right make nobody certain.
    #[test]
    fn few_samples_that_are_all_right_do_not_ask_for_certainty() {
        let (logits, labels) = ([0.7f32, 0.0].repeat(20), vec![0; 20]);
        let found = fit_temperature(&logits, &labels, 2).unwrap();
        let sure = found.apply(&logits, 2).unwrap()[0];
        assert!((f64::from(sure) - 21.0 / 22.0).abs() < 1e-6 && !found.is_identity(), "{found:?}");
    }

    #[test]
    fn ends_of_the_range() {
        let (logits, labels) = two_classes(0.01, 100);
        let found = fit_temperature(&logits, &labels, 2).unwrap();
        assert!((found.value - LOWEST).abs() < 1e-12 && found.in_words().contains("the end of what is tried"));
        let (logits, labels) = two_classes(1.0, 30);
        assert!((fit_temperature(&logits, &labels, 2).unwrap().value - HIGHEST).abs() < 1e-9);
        assert!(fit_temperature(&[f32::NAN, 0.0], &[0], 2).is_err());
        assert!(fit_temperature(&[1.0, 0.0], &[2], 2).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn never_raises_the_held_out_loss_and_never_moves_a_prediction(
            samples in prop::collection::vec((prop::array::uniform4(-9.0f32..9.0), 0usize..4), 1..60),
        ) {
            let logits: Vec<f32> = samples.iter().flat_map(|s| s.0).collect();
            let labels: Vec<usize> = samples.iter().map(|s| s.1).collect();
            let found = fit_temperature(&logits, &labels, 4).unwrap();
            prop_assert!(found.loss_after <= found.loss_before);
            prop_assert!((LOWEST * 0.999..=HIGHEST * 1.001).contains(&found.value));
            let (plain, scaled) = (crate::softmax(&logits, 4).unwrap(), found.apply(&logits, 4).unwrap());
            let scaled = Probabilities::new(&scaled, 4).unwrap();
            for ((before, after), row) in Probabilities::new(&plain, 4).unwrap().rows().zip(scaled.rows()).zip(&samples) {
                // Rounding to single precision may make ties, so the logits judge.
                prop_assert_eq!(after[largest(before).0], largest(after).1);
                prop_assert_eq!(after[largest(&row.0).0], largest(after).1);
            }
        }
    }
}
