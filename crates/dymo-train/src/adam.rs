//! Adam, on the CPU in one pass over a parameter's memory.

use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use dymo_kernels::AdamStep;
use dymo_models::ops;

/// β₁ and β₂.
const BETAS: [f32; 2] = [0.9, 0.999];
/// ε, as PyTorch's.
const EPSILON: f32 = 1e-8;

/// Adam without weight decay (Kingma and Ba, 2015). Its state is that of Burn's Adam, so checkpoints move between the two.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adam;

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let (device, shape) = (weights.device(), weights.shape());
        let mut state = state.map_or_else(
            || AdaptiveMomentumState::new(0, Tensor::zeros(shape.clone(), &device), Tensor::zeros(shape, &device)),
            |state| state.momentum,
        );
        state.time += 1;
        let step = AdamStep::at(i32::try_from(state.time).unwrap_or(i32::MAX), BETAS, EPSILON, rate as f32);
        let (weights, state) = if ops::is_cpu(&device) {
            in_memory(&step, weights, gradient, state)
        } else {
            by_operators(&step, weights, gradient, state)
        };
        (weights, Some(AdamState::new(state)))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

fn in_memory<const D: usize>(
    step: &AdamStep,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    state: AdaptiveMomentumState<D>,
) -> (Tensor<D>, AdaptiveMomentumState<D>) {
    let device = weights.device();
    let (mut w, g) = (weights.into_data(), gradient.into_data());
    let (mut m, mut v) = (state.moment_1.into_data(), state.moment_2.into_data());
    {
        let (w, g, m, v) = (floats(&mut w), g.as_slice::<f32>().unwrap_or(&[]), floats(&mut m), floats(&mut v));
        dymo_kernels::adam(step, w, g, m, v);
    }
    let tensor = |data: TensorData| Tensor::from_data(data, &device);
    (tensor(w), AdaptiveMomentumState::new(state.time, tensor(m), tensor(v)))
}

/// Parameters are single precision on the CPU; anything else would be an empty slice, which the kernel refuses.
fn floats(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice::<f32>().unwrap_or(&mut [])
}

fn by_operators<const D: usize>(
    step: &AdamStep,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    mut state: AdaptiveMomentumState<D>,
) -> (Tensor<D>, AdaptiveMomentumState<D>) {
    let [b1, b2] = step.betas;
    state.moment_1 = state.moment_1 * b1 + gradient.clone() * (1.0 - b1);
    state.moment_2 = state.moment_2 * b2 + gradient.square() * (1.0 - b2);
    let towards = state.moment_1.clone() * step.correction / (state.moment_2.clone().sqrt() + step.epsilon);
    (weights - towards * step.rate, state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::optim::AdamConfig;

    fn run<O: Optimizer>(optimiser: &O, steps: usize) -> Vec<f32> {
        let device = Device::default();
        let mut weights = Tensor::<2>::from_data([[1.0f32, -2.0, 0.5], [0.0, 3.0, -1.0]], &device);
        let mut state = None;
        for _ in 0..steps {
            // The gradient of Σ (w − 1)⁴ / 4.
            let gradient = (weights.clone() - 1.0).powi_scalar(3);
            (weights, state) = optimiser.step(0.05, weights, gradient, state);
        }
        weights.into_data().try_to_vec().expect("floats")
    }

    #[test]
    fn goes_where_burns_goes() {
        let burns = run(&AdamConfig::new().with_epsilon(EPSILON).build(), 40);
        let ours = run(&Adam, 40);
        assert_ne!(ours, run(&Adam, 39), "it moves");
        for (ours, burns) in ours.iter().zip(&burns) {
            assert!((ours - burns).abs() < 1e-5, "{ours}, not {burns}");
        }
    }

    #[test]
    fn memory_and_operators_agree() {
        let device = Device::default();
        let tensor = |values: [f32; 3]| Tensor::<1>::from_data(values, &device);
        let step = AdamStep::at(7, BETAS, EPSILON, 0.01);
        let state = || AdaptiveMomentumState::new(7, tensor([0.1, -0.2, 0.3]), tensor([0.5, 0.6, 1e-6]));
        let (weights, gradient) = (tensor([1.0, 2.0, 3.0]), tensor([0.3, -0.1, 0.0]));
        let (a, sa) = in_memory(&step, weights.clone(), gradient.clone(), state());
        let (b, sb) = by_operators(&step, weights, gradient, state());
        for (a, b) in [(a, b), (sa.moment_1, sb.moment_1), (sa.moment_2, sb.moment_2)] {
            let (a, b): (Vec<f32>, Vec<f32>) =
                (a.into_data().try_to_vec().expect("a"), b.into_data().try_to_vec().expect("b"));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
        }
    }
}
