//! The kernels as Burn operators on the `Flex` backend, with their backward passes.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Backend, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use dymo_kernels::{self as kernels, Geometry};

use super::NORM_EPSILON;

/// Operators that the `Flex` backend gets from `dymo-kernels`. Only tensors of that backend may be handed in.
#[backend_extension(Autodiff, Flex)]
pub trait FastOps: Backend {
    /// See [`super::conv2d`].
    fn dymo_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
        relu: bool,
    ) -> FloatTensor<Self>;
    /// See [`super::conv_transpose2d`].
    #[allow(clippy::too_many_arguments, reason = "the macro wants a flat signature")]
    fn dymo_conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
        height: usize,
        width: usize,
        relu: bool,
    ) -> FloatTensor<Self>;
    /// See [`super::max_pool2`].
    fn dymo_max_pool2(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`super::gelu`].
    fn dymo_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`super::layer_norm`].
    fn dymo_layer_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A tensor whose elements stand in order from the first.
pub(super) fn settled(x: FlexTensor) -> FlexTensor {
    if x.layout().is_contiguous() && x.layout().start_offset() == 0 { x } else { x.to_contiguous() }
}

pub(super) fn slice(x: &FlexTensor) -> &[f32] {
    &x.storage::<f32>()[..x.layout().num_elements()]
}

pub(super) fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

pub(super) fn shape(x: &FlexTensor) -> &[usize] {
    x.layout().shape().as_slice()
}

/// Geometry of a convolution whose image is `x` and whose weights are `weight`.
fn image_geometry(x: &FlexTensor, weight: &FlexTensor, kernel: usize, stride: usize, padding: usize) -> Geometry {
    let (x, w) = (shape(x), shape(weight));
    Geometry { batch: x[0], height: x[1], width: x[2], channels: x[3], filters: w[0], kernel, stride, padding }
}

fn conv_forward(g: &Geometry, x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor, relu: bool) -> FlexTensor {
    let mut map = kernels::zeros(g.map_len());
    kernels::conv2d(g, slice(x), slice(weight), Some(slice(bias)), relu, &mut map);
    tensor(map, Shape::new([g.batch, g.map_height(), g.map_width(), g.filters]))
}

fn transpose_forward(g: &Geometry, x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor, relu: bool) -> FlexTensor {
    let mut image = kernels::zeros(g.image_len());
    kernels::conv_transpose2d(g, slice(x), slice(weight), Some(slice(bias)), relu, &mut image);
    tensor(image, Shape::new([g.batch, g.height, g.width, g.channels]))
}

impl FastOps for Flex {
    fn dymo_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        kernel: usize,
        stride: usize,
        padding: usize,
        relu: bool,
    ) -> FlexTensor {
        let (x, weight, bias) = (settled(x), settled(weight), settled(bias));
        conv_forward(&image_geometry(&x, &weight, kernel, stride, padding), &x, &weight, &bias, relu)
    }

    fn dymo_conv_transpose2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        kernel: usize,
        stride: usize,
        padding: usize,
        height: usize,
        width: usize,
        relu: bool,
    ) -> FlexTensor {
        let (x, weight, bias) = (settled(x), settled(weight), settled(bias));
        let (batch, w) = (shape(&x)[0], shape(&weight));
        let g = Geometry { batch, height, width, channels: w[1], filters: w[0], kernel, stride, padding };
        transpose_forward(&g, &x, &weight, &bias, relu)
    }

    fn dymo_max_pool2(x: FlexTensor) -> FlexTensor {
        let x = settled(x);
        let [b, h, w, c] = [0, 1, 2, 3].map(|i| shape(&x)[i]);
        tensor(kernels::max_pool2(slice(&x), h, w, c), Shape::new([b, h / 2, w / 2, c]))
    }

    fn dymo_gelu(x: FlexTensor) -> FlexTensor {
        let x = settled(x);
        let mut y = kernels::zeros(x.layout().num_elements());
        kernels::gelu(slice(&x), &mut y);
        tensor(y, x.layout().shape().clone())
    }

    fn dymo_layer_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor) -> FlexTensor {
        let (x, gamma, beta) = (settled(x), settled(gamma), settled(beta));
        let mut y = kernels::zeros(x.layout().num_elements());
        kernels::layer_norm(slice(&x), slice(&gamma), slice(&beta), NORM_EPSILON as f32, &mut y);
        tensor(y, x.layout().shape().clone())
    }
}

/// What a convolution's backward pass needs: geometry, image (or map, transposed), weights, output if a ReLU was fused.
#[derive(Clone, Debug)]
struct ConvState {
    geometry: Geometry,
    input: FlexTensor,
    weight: FlexTensor,
    output: Option<FlexTensor>,
}

/// [`kernels::conv2d_backward`] or [`kernels::conv_transpose2d_backward`].
type ConvKernel =
    fn(&Geometry, &[f32], &[f32], Option<&[f32]>, &mut [f32], Option<&mut [f32]>) -> kernels::ConvGradients;

fn conv_backward(kernel: ConvKernel, ops: Ops<ConvState, 3>, grads: &mut Gradients) {
    let ConvState { geometry, input, weight, output } = ops.state;
    let mut dy = settled(grads.consume::<Flex>(&ops.node));
    let [x, w, b] = ops.parents;
    let mut dx = x.is_some().then(|| kernels::zeros(input.layout().num_elements()));
    let len = dy.layout().num_elements();
    let (output, dy) = (output.as_ref().map(slice), &mut dy.storage_mut::<f32>()[..len]);
    let of = kernel(&geometry, slice(&input), slice(&weight), output, dy, dx.as_deref_mut());
    if let (Some(node), Some(dx)) = (x, dx) {
        grads.register::<Flex>(node.id, tensor(dx, input.layout().shape().clone()));
    }
    if let Some(node) = w {
        grads.register::<Flex>(node.id, tensor(of.weight, weight.layout().shape().clone()));
    }
    if let Some(node) = b {
        let shape = Shape::new([of.bias.len()]);
        grads.register::<Flex>(node.id, tensor(of.bias, shape));
    }
}

#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 3> for ConvBackward {
    type State = ConvState;

    fn backward(self, ops: Ops<ConvState, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        conv_backward(kernels::conv2d_backward, ops, grads);
    }
}

#[derive(Debug)]
struct TransposeBackward;

impl Backward<Flex, 3> for TransposeBackward {
    type State = ConvState;

    fn backward(self, ops: Ops<ConvState, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        conv_backward(kernels::conv_transpose2d_backward, ops, grads);
    }
}

#[derive(Debug)]
struct PoolBackward;

impl Backward<Flex, 1> for PoolBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = settled(grads.consume::<Flex>(&ops.node));
        if let Some(node) = parent {
            let x = ops.state;
            let [h, w, c] = [1, 2, 3].map(|i| shape(&x)[i]);
            let dx = kernels::max_pool2_backward(slice(&x), h, w, c, slice(&dy));
            grads.register::<Flex>(node.id, tensor(dx, x.layout().shape().clone()));
        }
    }
}

#[derive(Debug)]
struct GeluBackward;

impl Backward<Flex, 1> for GeluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = settled(grads.consume::<Flex>(&ops.node));
        if let Some(node) = parent {
            let x = ops.state;
            let mut dx = kernels::zeros(x.layout().num_elements());
            kernels::gelu_backward(slice(&x), slice(&dy), &mut dx);
            grads.register::<Flex>(node.id, tensor(dx, x.layout().shape().clone()));
        }
    }
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, gamma, beta] = ops.parents;
        let (input, scale) = ops.state;
        let dy = settled(grads.consume::<Flex>(&ops.node));
        let mut dx = kernels::zeros(input.layout().num_elements());
        let (dgamma, dbeta) =
            kernels::layer_norm_backward(slice(&input), slice(&scale), NORM_EPSILON as f32, slice(&dy), &mut dx);
        let width = Shape::new([dgamma.len()]);
        if let Some(node) = x {
            grads.register::<Flex>(node.id, tensor(dx, input.layout().shape().clone()));
        }
        if let Some(node) = gamma {
            grads.register::<Flex>(node.id, tensor(dgamma, width.clone()));
        }
        if let Some(node) = beta {
            grads.register::<Flex>(node.id, tensor(dbeta, width));
        }
    }
}

impl<C: CheckpointStrategy> FastOps for Autodiff<Flex, C> {
    fn dymo_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight, bias) =
            (settled(x.primitive().clone()), settled(weight.primitive().clone()), settled(bias.primitive().clone()));
        let geometry = image_geometry(&x, &weight, kernel, stride, padding);
        let y = conv_forward(&geometry, &x, &weight, &bias, relu);
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let output = relu.then(|| y.clone());
                prep.finish(ConvState { geometry, input: x, weight, output }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn dymo_conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kernel: usize,
        stride: usize,
        padding: usize,
        height: usize,
        width: usize,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight, bias) =
            (settled(x.primitive().clone()), settled(weight.primitive().clone()), settled(bias.primitive().clone()));
        let (batch, w) = (shape(&x)[0], shape(&weight));
        let geometry = Geometry { batch, height, width, channels: w[1], filters: w[0], kernel, stride, padding };
        let y = transpose_forward(&geometry, &x, &weight, &bias, relu);
        match TransposeBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let output = relu.then(|| y.clone());
                prep.finish(ConvState { geometry, input: x, weight, output }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn dymo_max_pool2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = settled(x.primitive().clone());
        let y = Flex::dymo_max_pool2(x.clone());
        match PoolBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn dymo_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = settled(x.primitive().clone());
        let y = Flex::dymo_gelu(x.clone());
        match GeluBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn dymo_layer_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let (x, gamma, beta) =
            (settled(x.primitive().clone()), settled(gamma.primitive().clone()), settled(beta.primitive().clone()));
        let y = Flex::dymo_layer_norm(x.clone(), gamma.clone(), beta);
        match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, gamma), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
