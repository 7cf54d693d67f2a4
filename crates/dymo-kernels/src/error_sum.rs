//! Sums of absolute errors, the body of a Laplace likelihood.

use rayon::prelude::*;

use crate::dispatch::dispatch;
use crate::memory::zeros;

/// Independent partial sums of a row, added in a fixed order.
const LANES: usize = 32;

#[inline(always)]
fn row(a: &[f32], b: &[f32], out: &mut f32) {
    let mut sums = [0.0f32; LANES];
    let (chunks, rest) = (a.chunks_exact(LANES), a.len() / LANES * LANES);
    for (a, b) in chunks.zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]).abs();
        }
    }
    let mut sum: f32 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| (a - b).abs()).sum();
    for lane in sums {
        sum += lane;
    }
    *out = sum;
}

fn row_on(a: &[f32], b: &[f32], out: &mut f32) {
    dispatch!(wide, row, (a: &[f32], b: &[f32], out: &mut f32))
}

/// Σ |a − b| of every row of `width` values: `[rows]`.
///
/// # Panics
/// If the lengths differ or are no multiple of `width`.
pub fn absolute_error(a: &[f32], b: &[f32], width: usize) -> Vec<f32> {
    assert!(a.len() == b.len() && width > 0 && a.len().is_multiple_of(width), "absolute_error");
    let mut out = vec![0.0; a.len() / width];
    out.par_iter_mut().zip(a.par_chunks(width).zip(b.par_chunks(width))).for_each(|(out, (a, b))| row_on(a, b, out));
    out
}

/// The slope of [`absolute_error`] with respect to `a`, times the gradient of its row: 0 where both are equal.
///
/// # Panics
/// If the lengths differ or are no multiple of the number of rows.
pub fn absolute_error_backward(a: &[f32], b: &[f32], rows: &[f32]) -> Vec<f32> {
    assert!(a.len() == b.len() && !rows.is_empty() && a.len().is_multiple_of(rows.len()), "absolute_error_backward");
    let width = (a.len() / rows.len()).max(1);
    let mut out = zeros(a.len());
    out.par_chunks_mut(width).zip(a.par_chunks(width).zip(b.par_chunks(width))).zip(rows).for_each(
        |((out, (a, b)), gradient)| {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                let sign = if a > b { 1.0 } else { 0.0 } - if a < b { 1.0 } else { 0.0 };
                *out = sign * gradient;
            }
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_summed_by_themselves() {
        let a: Vec<f32> = (0..90).map(|i| i as f32).collect();
        let b: Vec<f32> = a.iter().map(|v| if (*v as usize).is_multiple_of(2) { v + 1.0 } else { v - 2.0 }).collect();
        // 45 values a row: 23 and 22 even ones.
        assert_eq!(absolute_error(&a, &b, 45), [23.0 + 44.0, 22.0 + 46.0]);
    }

    #[test]
    fn the_slope_is_the_sign() {
        assert_eq!(
            absolute_error_backward(&[1.0, 5.0, 2.0, 2.0], &[3.0, 4.0, 2.0, -1.0], &[10.0, 0.5]),
            [-10.0, 10.0, 0.0, 0.5]
        );
    }
}
