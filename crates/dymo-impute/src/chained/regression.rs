//! One column from all others: ridge regression for numbers, multinomial logistic regression for categories.

use serde::{Deserialize, Serialize};

use super::cholesky::{Cholesky, dot};
use super::design::Design;
use crate::centre::largest;

/// A fitted column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Regression {
    /// Always this: a column of which no more is known.
    Constant(f32),
    /// Coefficients of the features, the last one of 1.
    Linear(Vec<f64>),
    /// The same for each category; the largest score is the answer.
    Choice(Vec<Vec<f64>>),
}

impl Regression {
    /// The column of a sample whose features are these.
    pub fn predict(&self, features: &[f64]) -> f32 {
        match self {
            Self::Constant(value) => *value,
            Self::Linear(weights) => dot(weights, features) as f32,
            Self::Choice(weights) => {
                let scores: Vec<f64> = weights.iter().map(|w| dot(w, features)).collect();
                largest(&scores) as f32
            }
        }
    }
}

/// Least squares with `penalty`·‖w‖²; the intercept is free. `None` where the system has no solution.
pub(super) fn ridge(design: &Design, targets: &[f64], penalty: f64) -> Option<Vec<f64>> {
    let system = Cholesky::of(penalised(design, 1.0, penalty), design.width())?;
    let mut weights = vec![0.0; design.width()];
    for (row, target) in design.rows().zip(targets) {
        add_scaled(&mut weights, row, *target);
    }
    system.solve(&mut weights);
    weights.iter().all(|w| w.is_finite()).then_some(weights)
}

/// Most iterations of [`logistic`], and the step below which it has arrived.
const ITERATIONS: usize = 200;
const ARRIVED: f64 = 1e-5;

/// Cross-entropy (in nats, summed over samples) with `penalty`/2·‖W‖², from `start` on; intercepts are free. `categories[i]` is the
/// category of row i.
///
/// Every step minimises a quadratic that lies above the loss everywhere: the curvature of the softmax is at most ½, whatever the
/// weights (Böhning 1992, "Multinomial logistic regression algorithm"). So one matrix is taken apart for all steps and categories, and
/// no step can make the loss larger.
pub(super) fn logistic(
    design: &Design,
    categories: &[usize],
    penalty: f64,
    start: Vec<Vec<f64>>,
) -> Option<Vec<Vec<f64>>> {
    let (width, count) = (design.width(), start.len());
    let bound = Cholesky::of(penalised(design, 0.5, penalty), width)?;
    let mut weights = start;
    let mut probabilities = vec![0.0; count];
    for _ in 0..ITERATIONS {
        // Minus the gradient.
        let mut slopes: Vec<Vec<f64>> = weights
            .iter()
            .map(|w| w.iter().enumerate().map(|(i, w)| if i + 1 < width { -penalty * w } else { 0.0 }).collect())
            .collect();
        for (row, category) in design.rows().zip(categories) {
            softmax(&weights, row, &mut probabilities);
            for (k, (slope, p)) in slopes.iter_mut().zip(&probabilities).enumerate() {
                add_scaled(slope, row, f64::from(u8::from(k == *category)) - p);
            }
        }
        let mut longest = 0.0f64;
        for (weights, slope) in weights.iter_mut().zip(&mut slopes) {
            bound.solve(slope);
            for (w, step) in weights.iter_mut().zip(slope.iter()) {
                *w += step;
                longest = longest.max(step.abs());
            }
        }
        if !longest.is_finite() {
            return None;
        }
        if longest < ARRIVED {
            break;
        }
    }
    Some(weights)
}

fn softmax(weights: &[Vec<f64>], row: &[f64], out: &mut [f64]) {
    out.iter_mut().zip(weights).for_each(|(out, w)| *out = dot(w, row));
    let top = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    out.iter_mut().for_each(|p| *p = (*p - top).exp());
    let sum: f64 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= sum);
}

/// `scale`·XᵀX with `penalty` on the diagonal, but for the intercept: lower triangle, row-major.
fn penalised(design: &Design, scale: f64, penalty: f64) -> Vec<f64> {
    let width = design.width();
    let mut matrix = vec![0.0; width * width];
    for row in design.rows() {
        for (i, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            add_scaled(&mut matrix[i * width..i * width + i + 1], row, value * scale);
        }
    }
    (0..width.saturating_sub(1)).for_each(|i| matrix[i * width + i] += penalty);
    matrix
}

/// `into += scale · row`, as far as `into` reaches.
fn add_scaled(into: &mut [f64], row: &[f64], scale: f64) {
    into.iter_mut().zip(row).for_each(|(into, value)| *into += scale * value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;

    /// Repeatable numbers in −1..1.
    fn noise(seed: u32) -> f64 {
        let mixed = seed.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519);
        f64::from(mixed >> 8) / f64::from(1 << 23) - 1.0
    }

    fn design(rows: usize) -> Design {
        let values: Vec<f32> =
            (0..rows).flat_map(|i| [noise(2 * i as u32) as f32, noise(2 * i as u32 + 1) as f32, 0.0]).collect();
        let all: Vec<usize> = (0..rows).collect();
        Design::without(&[Field::Number; 3], &values, 2, &all)
    }

    #[test]
    fn ridge_recovers_a_plane() {
        let design = design(200);
        let targets: Vec<f64> = design.rows().map(|row| 0.5 * row[0] - 2.0 * row[1] + 3.0).collect();
        let weights = ridge(&design, &targets, 1e-6).expect("a solution");
        assert!(weights.iter().zip([0.5, -2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{weights:?}");
        let shrunk = ridge(&design, &targets, 100.0).expect("a solution");
        assert!(shrunk[1].abs() < 1.5 && (shrunk[1] / shrunk[0]).abs() > 2.0, "{shrunk:?}");
        let nothing = Design::without(&[Field::Number; 3], &[f32::NAN; 3], 2, &[0]);
        assert!(ridge(&nothing, &[1.0], 1.0).is_none());
    }

    /// At the end the gradient is zero, and one number of the definition: with two categories and one feature that is the intercept
    /// alone, the odds are those of the counts.
    #[test]
    fn logistic_ends_where_the_gradient_is_zero() {
        let design = design(300);
        let category = |row: &[f64], i: usize| {
            let scores = [2.0 * row[0], -row[1] + noise(90_000 + i as u32), 0.3];
            largest(&scores)
        };
        let categories: Vec<usize> = design.rows().enumerate().map(|(i, row)| category(row, i)).collect();
        let weights = logistic(&design, &categories, 1.0, vec![vec![0.0; 3]; 3]).expect("a solution");
        let mut p = vec![0.0; 3];
        for k in 0..3 {
            for i in 0..3 {
                let mut slope = if i < 2 { weights[k][i] } else { 0.0 };
                for (row, category) in design.rows().zip(&categories) {
                    softmax(&weights, row, &mut p);
                    slope += (p[k] - f64::from(u8::from(k == *category))) * row[i];
                }
                assert!(slope.abs() < 0.02, "slope {slope} of {k}, {i}");
            }
        }
        let right = design
            .rows()
            .zip(&categories)
            .filter(|(row, c)| Regression::Choice(weights.clone()).predict(row) as usize == **c);
        let right = right.count();
        assert!(right > 200, "{right} of 300");

        let alone = Design::without(&[Field::Number], &[0.0; 8], 0, &[0, 1, 2, 3, 4, 5, 6, 7]);
        let odds = logistic(&alone, &[0, 0, 0, 0, 0, 0, 1, 1], 1.0, vec![vec![0.0]; 2]).expect("a solution");
        assert!((odds[0][0] - odds[1][0] - 3f64.ln()).abs() < 1e-3, "{odds:?}");
    }
}
