//! Adam's update (Kingma and Ba, 2015) in one pass over memory.

use rayon::prelude::*;

use crate::dispatch::dispatch;

/// Parameters per parallel piece.
const PIECE: usize = 64 * 1024;

/// The numbers of one step, bias corrections done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// β₁ and β₂, the decays of the first and the second moment.
    pub betas: [f32; 2],
    /// √(1 − β₂ᵗ) / (1 − β₁ᵗ), what the first moment is multiplied with.
    pub correction: f32,
    /// ε · √(1 − β₂ᵗ), what is added to the root of the second moment.
    pub epsilon: f32,
    /// Learning rate.
    pub rate: f32,
}

impl AdamStep {
    /// The numbers of step `time`, counted from 1.
    pub fn at(time: i32, betas: [f32; 2], epsilon: f32, rate: f32) -> Self {
        let root = (1.0 - betas[1].powi(time)).sqrt();
        Self { betas, correction: root / (1.0 - betas[0].powi(time)), epsilon: epsilon * root, rate }
    }
}

/// Zero in place of a subnormal number. The moments of a parameter that gets no gradient any more fade until they are subnormal, and
/// every later step would be many times slower for them; what they still moved a weight by was lost in its rounding long before.
#[inline(always)]
fn normal(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

#[inline(always)]
fn piece(step: &AdamStep, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    let [b1, b2] = step.betas;
    let (c1, c2) = (1.0 - b1, 1.0 - b2);
    for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(first).zip(second) {
        *m = normal(*m * b1 + g * c1);
        *v = normal(*v * b2 + g * g * c2);
        *w -= *m * step.correction / (v.sqrt() + step.epsilon) * step.rate;
    }
}

fn on(step: &AdamStep, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    dispatch!(wide, piece, (step: &AdamStep, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]))
}

/// One step on `weights` with their `gradient`; `first` and `second` are the moments, zero before the first step.
///
/// # Panics
/// If the lengths differ.
pub fn adam(step: &AdamStep, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    assert_eq!([weights.len(); 3], [gradient.len(), first.len(), second.len()], "adam");
    weights
        .par_chunks_mut(PIECE)
        .zip(gradient.par_chunks(PIECE))
        .zip(first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE)))
        .for_each(|((w, g), (m, v))| on(step, w, g, m, v));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two steps with a gradient of 2, by hand: the bias corrections make each of them the learning rate long.
    #[test]
    fn early_steps_are_as_long_as_the_rate() {
        let (mut w, mut m, mut v) = ([1.0f32], [0.0f32], [0.0f32]);
        for time in 1..=2 {
            adam(&AdamStep::at(time, [0.9, 0.999], 1e-8, 0.1), &mut w, &[2.0], &mut m, &mut v);
            assert!((w[0] - (1.0 - 0.1 * time as f32)).abs() < 1e-5, "step {time}: {}", w[0]);
        }
        assert!((m[0] - 0.38).abs() < 1e-6 && (v[0] - 0.007_996).abs() < 1e-6);
    }

    #[test]
    fn moments_without_gradients_fade_to_zero_and_never_are_subnormal() {
        let (mut w, mut m, mut v) = ([1.0f32], [0.0f32], [0.0f32]);
        adam(&AdamStep::at(1, [0.9, 0.9], 1e-8, 0.1), &mut w, &[1e-3], &mut m, &mut v);
        for time in 2..=1000 {
            adam(&AdamStep::at(time, [0.9, 0.9], 1e-8, 0.1), &mut w, &[0.0], &mut m, &mut v);
            assert!(!m[0].is_subnormal() && !v[0].is_subnormal(), "step {time}: {} {}", m[0], v[0]);
        }
        assert_eq!((m[0], v[0]), (0.0, 0.0));
        assert!(w[0].is_finite());
    }

    #[test]
    fn a_parameter_does_not_depend_on_its_neighbours() {
        let n = 3 * PIECE + 5;
        let gradient: Vec<f32> = (0..n).map(|i| (i % 17) as f32 - 8.0).collect();
        let (mut w, mut m, mut v) = (vec![0.5; n], vec![0.0; n], vec![0.0; n]);
        let step = AdamStep::at(1, [0.9, 0.999], 1e-8, 0.01);
        adam(&step, &mut w, &gradient, &mut m, &mut v);
        for i in [0, PIECE - 1, PIECE, n - 1] {
            let (mut one, mut m, mut v) = ([0.5], [0.0], [0.0]);
            adam(&step, &mut one, &gradient[i..=i], &mut m, &mut v);
            assert_eq!(one[0].to_bits(), w[i].to_bits(), "parameter {i}");
        }
    }
}
