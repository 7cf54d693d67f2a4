//! GELU with the exact error function (as PyTorch's default), vectorised, and the mask of a fused ReLU.

use rayon::prelude::*;

use crate::dispatch::{dispatch, multiply_add, polynomial};

/// Floats per parallel piece.
const PIECE: usize = 16 * 1024;

/// φ(0) = 1/√(2π).
pub(crate) const NORMAL_PEAK: f32 = 0.398_942_3;

/// e^x for x ≤ 0 (below −86 the result is 0). Relative error below 2e-7. Branch-free, so that a loop of it becomes vectors.
#[inline(always)]
pub(crate) fn exp_negative<const FUSED: bool>(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to a whole number, which then stands in the lowest bits: no conversion is needed.
    const ROUND: f32 = 12_582_912.0;
    let y = x.max(-87.0) * std::f32::consts::LOG2_E;
    let shifted = y + ROUND;
    let f = (y - (shifted - ROUND)) * std::f32::consts::LN_2;
    // Taylor to degree 6 on |f| ≤ ln2/2.
    let p = polynomial::<FUSED, 7>(f, [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0]);
    let power = p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    // No subnormal numbers: they cost dozens of cycles each in whatever reads them next.
    if x < -86.0 { 0.0 } else { power }
}

/// `(Φ(x), e^{−x²/2})`: Abramowitz and Stegun 7.1.26, absolute error of Φ below 1e-7.
#[inline(always)]
pub(crate) fn normal_cdf<const FUSED: bool>(x: f32) -> (f32, f32) {
    let u = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / multiply_add::<FUSED>(0.327_591_1, u, 1.0);
    let e = exp_negative::<FUSED>(-u * u);
    let p = polynomial::<FUSED, 5>(t, [0.254_829_6, -0.284_496_72, 1.421_413_8, -1.453_152_1, 1.061_405_4]);
    let tail = t * p * e * 0.5;
    (if x < 0.0 { tail } else { 1.0 - tail }, e)
}

/// erf(u) as a quotient of polynomials on |u| < 4, beyond which it is ±1 in single precision. Absolute error below 3e-7.
/// Coefficients: the rational minimax approximation that Eigen and XLA use.
#[inline(always)]
fn erf<const FUSED: bool>(u: f32) -> f32 {
    let c = u.clamp(-4.0, 4.0);
    let s = c * c;
    let above = polynomial::<FUSED, 7>(
        s,
        [
            -1.609_603_3e-2,
            -2.954_6e-3,
            -7.349_906_3e-4,
            -5.692_506_4e-5,
            -2.101_024e-6,
            2.770_681_4e-8,
            -2.726_142_3e-10,
        ],
    );
    let below =
        polynomial::<FUSED, 5>(s, [-1.426_473_9e-2, -7.373_329_2e-3, -1.682_827e-3, -2.133_740_6e-4, -1.456_607_2e-5]);
    if u.abs() < 4.0 { c * above / below } else { u.signum() }
}

/// `x · Φ(x)`. Branch-free, so that a loop of it becomes vectors.
#[inline(always)]
pub(crate) fn gelu_one<const FUSED: bool>(x: f32) -> f32 {
    let half = 0.5 * x;
    multiply_add::<FUSED>(half, erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2), half)
}

#[inline(always)]
fn gelu_piece<const FUSED: bool>(x: &[f32], y: &mut [f32]) {
    for (x, y) in x.iter().zip(y) {
        *y = gelu_one::<FUSED>(*x);
    }
}

#[inline(always)]
fn gelu_backward_piece<const FUSED: bool>(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
        let (cdf, e) = normal_cdf::<FUSED>(*x);
        *dx = dy * (cdf + x * e * NORMAL_PEAK);
    }
}

fn gelu_on(x: &[f32], y: &mut [f32]) {
    dispatch!(wide, gelu_piece::<true>, gelu_piece::<false>, (x: &[f32], y: &mut [f32]))
}

fn gelu_backward_on(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    dispatch!(wide, gelu_backward_piece::<true>, gelu_backward_piece::<false>, (x: &[f32], dy: &[f32], dx: &mut [f32]))
}

/// By bits, so that nothing is jumped over and the loop becomes vectors.
#[inline(always)]
fn relu_backward_piece(y: &[f32], dy: &mut [f32]) {
    for (y, dy) in y.iter().zip(dy) {
        let keep = 0u32.wrapping_sub(u32::from(*y > 0.0));
        *dy = f32::from_bits(dy.to_bits() & keep);
    }
}

/// The gradient in front of a fused ReLU: `dy` becomes 0 where the output `y` is not positive.
pub(crate) fn relu_backward_on(y: &[f32], dy: &mut [f32]) {
    dispatch!(wide, relu_backward_piece, (y: &[f32], dy: &mut [f32]))
}

/// `y = x · Φ(x)`, absolute error below 1e-6 for |x| ≤ 10.
///
/// # Panics
/// If the lengths differ.
pub fn gelu(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "gelu");
    x.par_chunks(PIECE).zip(y.par_chunks_mut(PIECE)).for_each(|(x, y)| gelu_on(x, y));
}

/// `dx = dy · (Φ(x) + x·φ(x))`.
///
/// # Panics
/// If the lengths differ.
pub fn gelu_backward(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert_eq!((x.len(), x.len()), (dy.len(), dx.len()), "gelu_backward");
    x.par_chunks(PIECE)
        .zip(dy.par_chunks(PIECE))
        .zip(dx.par_chunks_mut(PIECE))
        .for_each(|((x, dy), dx)| gelu_backward_on(x, dy, dx));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ in double precision by its series: Φ(x) = ½ + φ(x)·Σ x^{2k+1}/(1·3·5…).
    fn exact_cdf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for k in 1..200 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 + (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
    }

    #[test]
    fn gelu_is_exact_to_a_millionth() {
        let x: Vec<f32> = (-800..=800).map(|i| i as f32 * 0.0075).collect();
        let mut y = vec![0.0; x.len()];
        gelu(&x, &mut y);
        for (x, y) in x.iter().zip(&y) {
            let exact = f64::from(*x) * exact_cdf(f64::from(*x));
            assert!((f64::from(*y) - exact).abs() < 1e-6, "gelu({x}) = {y}, not {exact}");
        }
    }

    #[test]
    fn gradient_is_the_slope() {
        let x: Vec<f32> = (-40..=40).map(|i| i as f32 * 0.1).collect();
        let mut dx = vec![0.0; x.len()];
        gelu_backward(&x, &vec![2.0; x.len()], &mut dx);
        for (x, dx) in x.iter().zip(&dx) {
            let f = |v: f64| v * exact_cdf(v);
            let x = f64::from(*x);
            let slope = 2.0 * (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
            assert!((f64::from(*dx) - slope).abs() < 1e-5, "at {x}: {dx}, not {slope}");
        }
    }

    #[test]
    fn extremes_stay_finite() {
        let x = [-1e30f32, -100.0, 0.0, 100.0, 1e30];
        let mut y = [f32::NAN; 5];
        gelu(&x, &mut y);
        assert_eq!(y, [-0.0, -0.0, 0.0, 100.0, 1e30]);
    }

    #[test]
    fn relu_passes_gradient_only_where_positive() {
        let mut dy = [5.0, 7.0];
        relu_backward_on(&[0.0, 2.0], &mut dy);
        assert_eq!(dy, [0.0, 7.0]);
    }
}
