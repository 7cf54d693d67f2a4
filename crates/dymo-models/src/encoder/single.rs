//! Convolutions of any window, and a linear layer from what is left to one token (details, section 1, MNIST-SVHN-Text).

use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig1d, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;

use super::{ConvLayer, extent_behind};
use crate::layers::convolve;
use crate::ops::Window;

/// A picture to one token.
#[derive(Module, Debug)]
pub struct PictureToken {
    layers: Vec<Conv2d>,
    output: Linear,
    #[module(skip)]
    windows: Vec<Window>,
    #[module(skip)]
    shape: [usize; 3],
}

impl PictureToken {
    pub(super) fn new(kind: &Kind, layers: &[ConvLayer], token_width: usize, device: &Device) -> Self {
        let shape = kind.shape();
        let rest = |extent| extent_behind(layers, extent).unwrap_or(0);
        let flat = rest(shape[0]) * rest(shape[1]) * filters_of_last(layers, shape[2]);
        let make = |(input, layer): (usize, &ConvLayer)| {
            let p = layer.padding;
            Conv2dConfig::new([input, layer.filters], [layer.kernel; 2])
                .with_stride([layer.stride; 2])
                .with_padding(PaddingConfig2d::Explicit(p, p, p, p))
                .init(device)
        };
        Self {
            layers: inputs(layers, shape[2]).zip(layers).map(make).collect(),
            output: LinearConfig::new(flat, token_width).init(device),
            windows: layers.iter().map(|layer| layer.window()).collect(),
            shape,
        }
    }

    /// `[B, height · width · channels]` → `[B, 1, token width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, _] = x.dims();
        let [h, w, c] = self.shape;
        let picture = x.reshape([batch, h, w, c]);
        let map =
            self.layers.iter().zip(&self.windows).fold(picture, |x, (layer, window)| convolve(layer, x, *window, true));
        // Released weights flatten channels first.
        let token = self.output.forward(map.permute([0, 3, 1, 2]).flatten::<2>(1, 3));
        let [_, width] = token.dims();
        token.reshape([batch, 1, width])
    }
}

/// A sequence to one token.
#[derive(Module, Debug)]
pub struct SequenceToken {
    layers: Vec<Conv1d>,
    output: Linear,
    /// Length and symbols.
    #[module(skip)]
    shape: [usize; 2],
}

impl SequenceToken {
    pub(super) fn new(kind: &Kind, layers: &[ConvLayer], token_width: usize, device: &Device) -> Self {
        let [length, _, symbols] = kind.shape();
        let flat = extent_behind(layers, length).unwrap_or(0) * filters_of_last(layers, symbols);
        let make = |(input, layer): (usize, &ConvLayer)| {
            Conv1dConfig::new(input, layer.filters, layer.kernel)
                .with_stride(layer.stride)
                .with_padding(PaddingConfig1d::Explicit(layer.padding, layer.padding))
                .init(device)
        };
        Self {
            layers: inputs(layers, symbols).zip(layers).map(make).collect(),
            output: LinearConfig::new(flat, token_width).init(device),
            shape: [length, symbols],
        }
    }

    /// `[B, length · symbols]` → `[B, 1, token width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, _] = x.dims();
        let [length, symbols] = self.shape;
        // Burn's convolutions want `[B, channels, length]`.
        let sequence = x.reshape([batch, length, symbols]).swap_dims(1, 2);
        let map = self.layers.iter().fold(sequence, |x, layer| activation::relu(layer.forward(x)));
        let token = self.output.forward(map.flatten::<2>(1, 2));
        let [_, width] = token.dims();
        token.reshape([batch, 1, width])
    }
}

/// Channels that each layer reads.
fn inputs(layers: &[ConvLayer], channels: usize) -> impl Iterator<Item = usize> {
    std::iter::once(channels).chain(layers.iter().map(|layer| layer.filters))
}

fn filters_of_last(layers: &[ConvLayer], channels: usize) -> usize {
    layers.last().map_or(channels, |layer| layer.filters)
}
