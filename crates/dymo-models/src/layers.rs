//! Small parts that several networks share: convolution and norm modules that go through [`crate::ops`], and a stack of
//! convolutions as feature extractor.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{LayerNorm, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use crate::ops::{self, Window};

/// Burn's [`LayerNorm`] applied through [`ops::layer_norm`]: `[.., width]` → the same shape.
pub(crate) fn normalise<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    let gamma = norm.gamma.val();
    let beta = match &norm.beta {
        Some(beta) => beta.val(),
        None => gamma.zeros_like(),
    };
    ops::layer_norm(x, gamma, beta)
}

/// A convolution on `[B, H, W, C]` with a fused ReLU.
pub(crate) fn convolve(conv: &Conv2d, x: Tensor<4>, window: Window, relu: bool) -> Tensor<4> {
    let weight = conv.weight.val();
    let bias = match &conv.bias {
        Some(bias) => bias.val(),
        None => Tensor::zeros([weight.dims()[0]], &weight.device()),
    };
    ops::conv2d(x, weight, bias, window, relu)
}

/// The window of every convolution and transposed convolution between maps: side 3, step 2, one zero around.
pub(crate) const HALVE: Window = Window { kernel: 3, stride: 2, padding: 1 };
const POINT: Window = Window { kernel: 1, stride: 1, padding: 0 };

/// `[B, H, W, C]` → `[B, H', W', widths.last()]`: convolutions that halve the map, ReLU after each (details, section 1, PolyMNIST).
#[derive(Module, Debug)]
pub struct ConvStack {
    pub(crate) layers: Vec<Conv2d>,
}

impl ConvStack {
    /// `widths[i]` filters in layer i, on pictures of `channels` channels.
    pub fn new(channels: usize, widths: &[usize], device: &Device) -> Self {
        let inputs = std::iter::once(channels).chain(widths.iter().copied());
        let layers = inputs.zip(widths).map(|(input, output)| halving(input, *output, device)).collect();
        Self { layers }
    }

    /// `[B, H, W, C]` → `[B, H', W', widths.last()]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.layers.iter().fold(x, |x, layer| convolve(layer, x, HALVE, true))
    }

    /// Extents of the map of every layer over a picture of this extent, the picture first.
    pub fn extents(picture: usize, layers: usize) -> Vec<usize> {
        let mut extents = vec![picture];
        for i in 0..layers {
            extents.push(HALVE.map(extents[i]));
        }
        extents
    }
}

fn halving(input: usize, output: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([input, output], [HALVE.kernel; 2])
        .with_stride([HALVE.stride; 2])
        .with_padding(PaddingConfig2d::Explicit(HALVE.padding, HALVE.padding, HALVE.padding, HALVE.padding))
        .init(device)
}

/// A 1×1 convolution module.
pub(crate) fn pointwise(input: usize, output: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([input, output], [1, 1]).init(device)
}

/// Applies a module of [`pointwise`].
pub(crate) fn convolve_pointwise(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    convolve(conv, x, POINT, false)
}

/// The mirror of [`ConvStack`]: `[B, H', W', widths[0]]` → `[B, H, W, C]`, ReLU between, none at the end.
#[derive(Module, Debug)]
pub struct DeconvStack {
    pub(crate) layers: Vec<ConvTranspose2d>,
    /// Extents of the picture behind each layer, `[height, width]`.
    #[module(skip)]
    pub(crate) sizes: Vec<[usize; 2]>,
}

impl DeconvStack {
    /// `widths` runs from the deepest map outwards; the picture is `[height, width, channels]`.
    pub fn new([height, width, channels]: [usize; 3], widths: &[usize], device: &Device) -> Self {
        let outputs = widths.iter().skip(1).copied().chain(std::iter::once(channels));
        let layers = widths
            .iter()
            .zip(outputs)
            .map(|(input, output)| {
                ConvTranspose2dConfig::new([*input, output], [HALVE.kernel; 2])
                    .with_stride([HALVE.stride; 2])
                    .with_padding([HALVE.padding; 2])
                    .init(device)
            })
            .collect();
        let rows = ConvStack::extents(height, widths.len());
        let columns = ConvStack::extents(width, widths.len());
        let sizes = rows.iter().zip(&columns).rev().skip(1).map(|(h, w)| [*h, *w]).collect();
        Self { layers, sizes }
    }

    /// `[B, H', W', widths[0]]` → `[B, H, W, C]`, unbounded values.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().zip(&self.sizes).enumerate().fold(x, |x, (i, (layer, size))| {
            let weight = layer.weight.val();
            let bias = match &layer.bias {
                Some(bias) => bias.val(),
                None => Tensor::zeros([weight.dims()[1]], &weight.device()),
            };
            ops::conv_transpose2d(x, weight, bias, HALVE, *size, i < last)
        })
    }
}
