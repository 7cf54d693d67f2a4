//! LayerNorm over the last dimension with its backward pass in one sweep.

use rayon::prelude::*;

use crate::dispatch::dispatch;

/// Rows per parallel piece, fixed so that sums over rows are split alike on any number of threads.
const ROWS: usize = 256;

/// Adds the eight running sums up in a fixed order.
#[inline(always)]
fn total(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Mean and 1/sqrt(variance + ε) of a row. Eight running sums, so that the loops become vectors.
#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let (wide, rest) = row.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for eight in wide {
        for i in 0..8 {
            lanes[i] += eight[i];
        }
    }
    let mean = (total(lanes) + rest.iter().sum::<f32>()) / n;
    let mut lanes = [0.0; 8];
    for eight in wide {
        for i in 0..8 {
            lanes[i] += (eight[i] - mean) * (eight[i] - mean);
        }
    }
    let variance = (total(lanes) + rest.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>()) / n;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[inline(always)]
fn forward_rows(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, y: &mut [f32]) {
    let width = gamma.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let (mean, scale) = moments(x, epsilon);
        for (((y, x), g), b) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
            *y = (x - mean) * scale * g + b;
        }
    }
}

/// One row: `dx` receives the gradient on top of what it holds; `dgamma` and `dbeta` likewise.
#[inline(always)]
fn backward_row(x: &[f32], gamma: &[f32], epsilon: f32, dy: &[f32], dx: &mut [f32], sums: (&mut [f32], &mut [f32])) {
    let (mean, scale) = moments(x, epsilon);
    let n = x.len();
    let (gamma, dy, dx, dgamma, dbeta) = (&gamma[..n], &dy[..n], &mut dx[..n], &mut sums.0[..n], &mut sums.1[..n]);
    for i in 0..n {
        dgamma[i] += dy[i] * ((x[i] - mean) * scale);
        dbeta[i] += dy[i];
    }
    let (mut sum, mut dot) = ([0.0; 8], [0.0; 8]);
    let whole = n - n % 8;
    for at in (0..whole).step_by(8) {
        let (x, gamma, dy) = (&x[at..at + 8], &gamma[at..at + 8], &dy[at..at + 8]);
        for i in 0..8 {
            let scaled = dy[i] * gamma[i];
            sum[i] += scaled;
            dot[i] += scaled * ((x[i] - mean) * scale);
        }
    }
    let (mut sum, mut dot) = (total(sum), total(dot));
    for i in whole..n {
        sum += dy[i] * gamma[i];
        dot += dy[i] * gamma[i] * ((x[i] - mean) * scale);
    }
    let (sum, dot) = (sum / n as f32, dot / n as f32);
    for i in 0..n {
        dx[i] += scale * (dy[i] * gamma[i] - sum - (x[i] - mean) * scale * dot);
    }
}

#[inline(always)]
fn backward_rows(
    x: &[f32],
    gamma: &[f32],
    epsilon: f32,
    dy: &[f32],
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    let width = gamma.len();
    for ((x, dy), dx) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
        backward_row(x, gamma, epsilon, dy, dx, (dgamma, dbeta));
    }
}

/// [`layer_norm`] in the calling thread.
pub fn norm_rows(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, y: &mut [f32]) {
    dispatch!(wide, forward_rows, (x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, y: &mut [f32]))
}

/// Gradients of [`norm_rows`], each added to what its target holds.
pub(crate) fn norm_rows_backward(
    x: &[f32],
    gamma: &[f32],
    epsilon: f32,
    dy: &[f32],
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    dispatch!(wide, backward_rows, (x: &[f32], gamma: &[f32], epsilon: f32, dy: &[f32], dx: &mut [f32], dgamma: &mut [f32], dbeta: &mut [f32]))
}

/// `y = (x − mean)/sqrt(var + ε) · gamma + beta` per row of `x [n, width]`; `gamma`, `beta` are `[width]`.
///
/// # Panics
/// If lengths do not fit.
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, y: &mut [f32]) {
    let width = gamma.len();
    assert!(width > 0 && x.len().is_multiple_of(width), "layer_norm: {} floats are no rows of {width}", x.len());
    assert_eq!((x.len(), width), (y.len(), beta.len()), "layer_norm");
    x.par_chunks(ROWS * width)
        .zip(y.par_chunks_mut(ROWS * width))
        .for_each(|(x, y)| norm_rows(x, gamma, beta, epsilon, y));
}

/// Gradients of [`layer_norm`]: writes `dx [n, width]`, returns `(dgamma, dbeta)`, each `[width]`.
///
/// # Panics
/// If lengths do not fit.
pub fn layer_norm_backward(x: &[f32], gamma: &[f32], epsilon: f32, dy: &[f32], dx: &mut [f32]) -> (Vec<f32>, Vec<f32>) {
    let width = gamma.len();
    assert!(width > 0 && x.len().is_multiple_of(width), "layer_norm: {} floats are no rows of {width}", x.len());
    assert_eq!((x.len(), x.len()), (dy.len(), dx.len()), "layer_norm_backward");
    let piece = ROWS * width;
    let sums: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks(piece)
        .zip(dy.par_chunks(piece))
        .zip(dx.par_chunks_mut(piece))
        .map(|((x, dy), dx)| {
            let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
            dx.fill(0.0);
            norm_rows_backward(x, gamma, epsilon, dy, dx, &mut dgamma, &mut dbeta);
            (dgamma, dbeta)
        })
        .collect();
    let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
    for (g, b) in &sums {
        dgamma.iter_mut().zip(g).for_each(|(t, v)| *t += v);
        dbeta.iter_mut().zip(b).for_each(|(t, v)| *t += v);
    }
    (dgamma, dbeta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_standard() {
        let x = [1.0, 2.0, 3.0, 4.0];
        let mut y = [0.0; 4];
        layer_norm(&x, &[1.0; 4], &[0.0; 4], 1e-5, &mut y);
        let expected = [-1.341_635_5, -0.447_211_83, 0.447_211_83, 1.341_635_5];
        assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?}");
    }

    #[test]
    fn gradients_are_slopes() {
        let width = 5;
        let x: Vec<f32> = (0..15).map(|i| ((i * 7 % 11) as f32 - 5.0) * 0.3).collect();
        let gamma: Vec<f32> = (0..width).map(|i| 0.5 + i as f32 * 0.2).collect();
        let beta = vec![0.1; width];
        let weights: Vec<f32> = (0..15).map(|i| ((i * 5 % 7) as f32 - 3.0) * 0.25).collect();
        let loss = |x: &[f32], gamma: &[f32], beta: &[f32]| -> f64 {
            let mut y = vec![0.0; x.len()];
            layer_norm(x, gamma, beta, 1e-5, &mut y);
            y.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let mut dx = vec![0.0; 15];
        let (dgamma, dbeta) = layer_norm_backward(&x, &gamma, 1e-5, &weights, &mut dx);
        let slope = |index: usize, which: usize| {
            let step = |h: f32| {
                let (mut x, mut g, mut b) = (x.clone(), gamma.clone(), beta.clone());
                [&mut x, &mut g, &mut b][which][index] += h;
                loss(&x, &g, &b)
            };
            (step(1e-2) - step(-1e-2)) / 2e-2
        };
        for (i, dx) in dx.iter().enumerate() {
            assert!((f64::from(*dx) - slope(i, 0)).abs() < 2e-3, "dx[{i}] {dx} {}", slope(i, 0));
        }
        for i in 0..width {
            assert!((f64::from(dgamma[i]) - slope(i, 1)).abs() < 1e-3, "dgamma[{i}]");
            assert!((f64::from(dbeta[i]) - slope(i, 2)).abs() < 1e-3, "dbeta[{i}]");
        }
    }
}
