//! Operators with a fast route: the kernels of `dymo-kernels` as custom operators on the pure-Rust CPU backend, Burn's own
//! operators on every other device. Both routes give the same numbers to rounding; a test holds them together.
//!
//! Images travel as `[batch, height, width, channels]`.

mod block;
mod fast;
mod losses;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::module::{conv_transpose2d as burn_conv_transpose2d, conv2d as burn_conv2d, layer_norm as burn_norm};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, activation};

use block::BlockOps;
use dymo_kernels::Sequence;
use fast::FastOps;
use losses::LossOps;
pub(crate) use losses::Mixture;

/// ε of every LayerNorm (method, section 2.4).
pub const NORM_EPSILON: f64 = 1e-5;

/// Whether tensors of this device live in plain memory that the kernels can read.
pub fn is_cpu(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// Window of a convolution: side, step and zeros around the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side of the square window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl Window {
    /// Extent of the map over an image of this extent.
    pub fn map(&self, image: usize) -> usize {
        (image + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1
    }
}

fn to_nchw(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

fn to_nhwc(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

/// Convolution: `x [B, H, W, C]`, `weight [F, C, k, k]`, `bias [F]` → `[B, H', W', F]`, followed by ReLU if `relu`.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, window: Window, relu: bool) -> Tensor<4> {
    if is_cpu(&x.device()) {
        let (k, s, p) = (window.kernel, window.stride, window.padding);
        return Tensor::from_dispatch(<Dispatch as FastOps>::dymo_conv2d(
            x.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            k,
            s,
            p,
            relu,
        ));
    }
    let options = ConvOptions::new([window.stride; 2], [window.padding; 2], [1; 2], 1);
    let y = to_nhwc(burn_conv2d(to_nchw(x), weight, Some(bias), options));
    if relu { activation::relu(y) } else { y }
}

/// Transposed convolution: `x [B, h, w, F]`, `weight [F, C, k, k]`, `bias [C]` → `[B, H, W, C]` with `size = [H, W]`, the image
/// that `window` maps to `[h, w]` (this settles the output padding), followed by ReLU if `relu`.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    window: Window,
    size: [usize; 2],
    relu: bool,
) -> Tensor<4> {
    let [_, h, w, _] = x.dims();
    if is_cpu(&x.device()) {
        return Tensor::from_dispatch(<Dispatch as FastOps>::dymo_conv_transpose2d(
            x.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            window.kernel,
            window.stride,
            window.padding,
            size[0],
            size[1],
            relu,
        ));
    }
    let extra = |map: usize, image: usize| image + 2 * window.padding - (map - 1) * window.stride - window.kernel;
    let options = ConvTransposeOptions::new(
        [window.stride; 2],
        [window.padding; 2],
        [extra(h, size[0]), extra(w, size[1])],
        [1; 2],
        1,
    );
    let y = to_nhwc(burn_conv_transpose2d(to_nchw(x), weight, Some(bias), options));
    if relu { activation::relu(y) } else { y }
}

/// 2×2 max-pooling, stride 2: `[B, H, W, C]` → `[B, H/2, W/2, C]`.
pub fn max_pool2(x: Tensor<4>) -> Tensor<4> {
    if is_cpu(&x.device()) {
        return Tensor::from_dispatch(<Dispatch as FastOps>::dymo_max_pool2(x.into_dispatch()));
    }
    let [b, h, w, c] = x.dims();
    let even = x.narrow(1, 0, h / 2 * 2).narrow(2, 0, w / 2 * 2);
    even.reshape([b, h / 2, 2, w / 2, 2, c]).max_dim(4).max_dim(2).reshape([b, h / 2, w / 2, c])
}

/// GELU with the exact error function, any shape.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_cpu(&x.device()) {
        return Tensor::from_dispatch(<Dispatch as FastOps>::dymo_gelu(x.into_dispatch()));
    }
    activation::gelu(x)
}

/// LayerNorm over the last dimension with ε [`NORM_EPSILON`]; `gamma`, `beta` are `[width]`.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<D> {
    if is_cpu(&x.device()) {
        return Tensor::from_dispatch(<Dispatch as FastOps>::dymo_layer_norm(
            x.into_dispatch(),
            gamma.into_dispatch(),
            beta.into_dispatch(),
        ));
    }
    burn_norm(x, gamma, Some(beta), NORM_EPSILON)
}

/// Weights of a transformer block; matrices are `[input, output]`.
#[derive(Debug, Clone)]
pub(crate) struct BlockParameters {
    /// γ and β before the attention, each `[d]`.
    pub norm1: (Tensor<1>, Tensor<1>),
    /// Queries, keys and values, `[d, 3d]`.
    pub qkv: Tensor<2>,
    /// Output of the attention, `[d, d]` and `[d]`.
    pub proj: (Tensor<2>, Tensor<1>),
    /// γ and β before the MLP, each `[d]`.
    pub norm2: (Tensor<1>, Tensor<1>),
    /// First layer of the MLP, `[d, hidden]` and `[hidden]`.
    pub fc1: (Tensor<2>, Tensor<1>),
    /// Second layer of the MLP, `[hidden, d]` and `[d]`.
    pub fc2: (Tensor<2>, Tensor<1>),
}

/// A pre-norm transformer block over some sequences of the tokens of every sample: `x [B, N, d]` → `[B, tokens read out, d]`, one
/// sequence after the other; of `hidden [B, N]` a token that is set is seen by itself only. For CPU devices only;
/// [`crate::transformer::Block`] chooses.
pub(crate) fn transformer_block(
    x: Tensor<3>,
    weights: BlockParameters,
    heads: usize,
    sequences: Vec<Sequence>,
    hidden: Option<Vec<bool>>,
) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as BlockOps>::dymo_block(
        x.into_dispatch(),
        weights.norm1.0.into_dispatch(),
        weights.norm1.1.into_dispatch(),
        weights.qkv.into_dispatch(),
        weights.proj.0.into_dispatch(),
        weights.proj.1.into_dispatch(),
        weights.norm2.0.into_dispatch(),
        weights.norm2.1.into_dispatch(),
        weights.fc1.0.into_dispatch(),
        weights.fc1.1.into_dispatch(),
        weights.fc2.0.into_dispatch(),
        weights.fc2.1.into_dispatch(),
        heads,
        sequences,
        hidden,
    ))
}

/// Σ |x − target| of every row: `[B, values]` twice → `[B, 1]`. The target gets no gradient.
pub fn absolute_error(x: Tensor<2>, target: Tensor<2>) -> Tensor<2> {
    if is_cpu(&x.device()) {
        return Tensor::from_dispatch(<Dispatch as LossOps>::dymo_absolute_error(
            x.into_dispatch(),
            target.into_dispatch(),
        ));
    }
    (target - x).abs().sum_dim(1)
}

/// Products of experts over all subsets: `means` and `log_variances` `[experts, B, Z]` → `[B, 2Z + 1]`, a row holding mean and log
/// variance of the sample's chosen product and the sum over subsets of the divergence from a standard normal, nats. For CPU
/// devices only; [`crate::recovery::Mopoe`] chooses.
pub(crate) fn mixture_of_products(means: Tensor<3>, log_variances: Tensor<3>, mixture: Mixture) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as LossOps>::dymo_products(
        means.into_dispatch(),
        log_variances.into_dispatch(),
        mixture,
    ))
}
