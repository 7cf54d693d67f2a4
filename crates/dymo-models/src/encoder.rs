//! Encoders: one modality's input to tokens (method, section 2; details, section 1).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;
use serde::{Deserialize, Serialize};

use crate::layers::{ConvStack, convolve_pointwise, pointwise};
use crate::ops;

/// Which encoder reads a modality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EncoderSettings {
    /// Convolutions (side 3, step 2, padding 1) of these widths with ReLU, a 1×1 convolution to `token_width`, 2×2 max-pooling;
    /// every place of the remaining map is a token, in row order. PolyMNIST: widths 32, 64, 128 and tokens of 128.
    Convolutional {
        /// Filters of each layer.
        widths: Vec<usize>,
        /// Width of a token.
        token_width: usize,
    },
    /// All values through a hidden layer with ReLU to one token.
    Perceptron {
        /// Width of the hidden layer.
        hidden: usize,
        /// Width of the token.
        token_width: usize,
    },
}

impl EncoderSettings {
    /// Tokens that a modality of this kind gets.
    pub fn tokens(&self, kind: Kind) -> usize {
        let [height, width, _] = kind.shape();
        match self {
            Self::Convolutional { widths, .. } => map(height, widths.len()) / 2 * (map(width, widths.len()) / 2),
            Self::Perceptron { .. } => 1,
        }
    }

    /// Width of a token before it is projected to the fusion network's.
    pub fn token_width(&self) -> usize {
        match self {
            Self::Convolutional { token_width, .. } | Self::Perceptron { token_width, .. } => *token_width,
        }
    }

    /// Whether every extent is positive, for the kind at hand.
    pub fn fits(&self, kind: Kind) -> bool {
        let positive = match self {
            Self::Convolutional { widths, .. } => !widths.is_empty() && widths.iter().all(|w| *w > 0),
            Self::Perceptron { hidden, .. } => *hidden > 0,
        };
        positive && self.token_width() > 0 && self.tokens(kind) > 0
    }

    /// A network with fresh weights.
    pub fn init(&self, kind: Kind, device: &Device) -> Encoder {
        match self {
            Self::Convolutional { widths, token_width } => {
                Encoder::Convolutional(ConvEncoder::new(kind, widths, *token_width, device))
            }
            Self::Perceptron { hidden, token_width } => Encoder::Perceptron(Perceptron {
                hidden: LinearConfig::new(kind.values(), *hidden).init(device),
                output: LinearConfig::new(*hidden, *token_width).init(device),
            }),
        }
    }
}

fn map(picture: usize, layers: usize) -> usize {
    ConvStack::extents(picture, layers).last().copied().unwrap_or(0)
}

/// One modality's input `[B, values]` to tokens `[B, T, token width]`.
#[derive(Module, Debug)]
pub enum Encoder {
    /// See [`EncoderSettings::Convolutional`].
    Convolutional(ConvEncoder),
    /// See [`EncoderSettings::Perceptron`].
    Perceptron(Perceptron),
}

impl Encoder {
    /// `[B, values]` (a picture in row order, `[height, width, channels]`) → `[B, T, token width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        match self {
            Self::Convolutional(encoder) => encoder.forward(x),
            Self::Perceptron(encoder) => encoder.forward(x),
        }
    }
}

/// Convolutions, a 1×1 projection, 2×2 max-pooling.
#[derive(Module, Debug)]
pub struct ConvEncoder {
    pub(crate) stack: ConvStack,
    pub(crate) projection: Conv2d,
    #[module(skip)]
    pub(crate) shape: [usize; 3],
}

impl ConvEncoder {
    fn new(kind: Kind, widths: &[usize], token_width: usize, device: &Device) -> Self {
        let shape = kind.shape();
        let deepest = widths.last().copied().unwrap_or(shape[2]);
        Self {
            stack: ConvStack::new(shape[2], widths, device),
            projection: pointwise(deepest, token_width, device),
            shape,
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, _] = x.dims();
        let [h, w, c] = self.shape;
        let map = convolve_pointwise(&self.projection, self.stack.forward(x.reshape([batch, h, w, c])));
        let pooled = ops::max_pool2(map);
        let [_, h, w, width] = pooled.dims();
        pooled.reshape([batch, h * w, width])
    }
}

/// Two linear layers to one token.
#[derive(Module, Debug)]
pub struct Perceptron {
    pub(crate) hidden: Linear,
    pub(crate) output: Linear,
}

impl Perceptron {
    fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let token = self.output.forward(activation::relu(self.hidden.forward(x)));
        let [batch, width] = token.dims();
        token.reshape([batch, 1, width])
    }
}
