//! Losses of recovery models as Burn operators on the `Flex` backend: products of experts over all subsets, absolute errors.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Backend, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use dymo_kernels::{self as kernels, Products};

use super::fast::{settled, shape, slice, tensor};

/// Which subsets there are, and which one each sample draws from.
#[derive(Debug, Clone)]
pub struct Mixture {
    /// Bit masks over experts.
    pub subsets: Vec<u32>,
    /// A place in `subsets` for every sample, `[B]`.
    pub chosen: Vec<usize>,
    /// Added to every variance.
    pub floor: f32,
    /// Precision of the standard normal expert that joins the subset of all.
    pub prior: f32,
}

impl Mixture {
    fn products<'a>(&'a self, means: &'a FlexTensor, log_variances: &'a FlexTensor) -> Products<'a> {
        let extents = shape(means);
        Products {
            means: slice(means),
            log_variances: slice(log_variances),
            batch: extents[1],
            width: extents[2],
            subsets: &self.subsets,
            chosen: &self.chosen,
            floor: self.floor,
            prior: self.prior,
        }
    }
}

/// Operators that the `Flex` backend gets from `dymo-kernels`. Only tensors of that backend may be handed in.
#[backend_extension(Autodiff, Flex)]
pub trait LossOps: Backend {
    /// See [`super::mixture_of_products`].
    fn dymo_products(means: FloatTensor<Self>, log_variances: FloatTensor<Self>, mixture: Mixture)
    -> FloatTensor<Self>;
    /// See [`super::absolute_error`].
    fn dymo_absolute_error(x: FloatTensor<Self>, target: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl LossOps for Flex {
    fn dymo_products(means: FlexTensor, log_variances: FlexTensor, mixture: Mixture) -> FlexTensor {
        let (means, log_variances) = (settled(means), settled(log_variances));
        let [batch, width] = [1, 2].map(|i| shape(&means)[i]);
        tensor(mixture.products(&means, &log_variances).forward(), Shape::new([batch, 2 * width + 1]))
    }

    fn dymo_absolute_error(x: FlexTensor, target: FlexTensor) -> FlexTensor {
        let (x, target) = (settled(x), settled(target));
        let [rows, width] = [0, 1].map(|i| shape(&x)[i]);
        tensor(kernels::absolute_error(slice(&x), slice(&target), width), Shape::new([rows, 1]))
    }
}

#[derive(Debug)]
struct ProductsBackward;

impl Backward<Flex, 2> for ProductsBackward {
    type State = (FlexTensor, FlexTensor, Mixture);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [means, log_variances] = ops.parents;
        let (m, l, mixture) = ops.state;
        let gradient = settled(grads.consume::<Flex>(&ops.node));
        let (dm, dl) = mixture.products(&m, &l).backward(slice(&gradient));
        if let Some(node) = means {
            grads.register::<Flex>(node.id, tensor(dm, m.layout().shape().clone()));
        }
        if let Some(node) = log_variances {
            grads.register::<Flex>(node.id, tensor(dl, l.layout().shape().clone()));
        }
    }
}

#[derive(Debug)]
struct ErrorBackward;

impl Backward<Flex, 1> for ErrorBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let (x, target) = ops.state;
        let rows = settled(grads.consume::<Flex>(&ops.node));
        if let Some(node) = parent {
            let dx = kernels::absolute_error_backward(slice(&x), slice(&target), slice(&rows));
            grads.register::<Flex>(node.id, tensor(dx, x.layout().shape().clone()));
        }
    }
}

impl<C: CheckpointStrategy> LossOps for Autodiff<Flex, C> {
    fn dymo_products(
        means: FloatTensor<Self>,
        log_variances: FloatTensor<Self>,
        mixture: Mixture,
    ) -> FloatTensor<Self> {
        let nodes = [means.node(), log_variances.node()];
        let (m, l) = (settled(means.primitive().clone()), settled(log_variances.primitive().clone()));
        let y = Flex::dymo_products(m.clone(), l.clone(), mixture.clone());
        match ProductsBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((m, l, mixture), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    /// The target gets no gradient.
    fn dymo_absolute_error(x: FloatTensor<Self>, target: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let (x, target) = (settled(x.primitive().clone()), settled(target.primitive().clone()));
        let y = Flex::dymo_absolute_error(x.clone(), target.clone());
        match ErrorBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, target), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
