//! Encoder to a latent and decoder from it for a modality of any kind.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;

use super::picture::{Gaussian, PictureDecoder, PictureEncoder, laplace_losses};
use crate::flat::Features;
use crate::ready::{ReadyDecoder, ReadyEncoder};

/// One modality's input to a Gaussian over a latent.
#[derive(Module, Debug)]
pub enum LatentEncoder {
    /// Convolutions, for pictures and volumes.
    Picture(PictureEncoder),
    /// A perceptron, for tables and texts.
    Flat(FlatEncoder),
}

/// A latent to one modality.
#[derive(Module, Debug)]
pub enum LatentDecoder {
    /// Transposed convolutions, for pictures and volumes.
    Picture(PictureDecoder),
    /// A perceptron, for tables and texts.
    Flat(FlatDecoder),
}

/// Features of cells or symbols, a hidden layer with ReLU, two heads.
#[derive(Module, Debug)]
pub struct FlatEncoder {
    hidden: Linear,
    mean: Linear,
    log_variance: Linear,
    #[module(skip)]
    features: Features,
}

/// A hidden layer with ReLU, then numbers as they are, and scores of categories or symbols.
#[derive(Module, Debug)]
pub struct FlatDecoder {
    hidden: Linear,
    output: Linear,
    #[module(skip)]
    features: Features,
}

impl LatentEncoder {
    /// `widths` are the filters of convolutions, `hidden` the layer in front of the heads.
    pub fn new(kind: &Kind, widths: &[usize], hidden: usize, latent: usize, device: &Device) -> Self {
        if kind.is_pictorial() {
            return Self::Picture(PictureEncoder::new(kind, widths, hidden, latent, device));
        }
        let features = Features::of(kind);
        Self::Flat(FlatEncoder {
            hidden: LinearConfig::new(features.width(), hidden).init(device),
            mean: LinearConfig::new(hidden, latent).init(device),
            log_variance: LinearConfig::new(hidden, latent).init(device),
            features,
        })
    }

    /// `[B, values]` → a Gaussian over `[B, Z]`.
    pub fn forward(&self, x: Tensor<2>) -> Gaussian {
        match self {
            Self::Picture(it) => it.forward(x),
            Self::Flat(it) => {
                let hidden = activation::relu(it.hidden.forward(it.features.forward(x)));
                Gaussian { mean: it.mean.forward(hidden.clone()), log_variance: it.log_variance.forward(hidden) }
            }
        }
    }

    /// Where its weights are.
    pub(crate) fn device(&self) -> Device {
        match self {
            Self::Picture(it) => it.mean.weight.val().device(),
            Self::Flat(it) => it.mean.weight.val().device(),
        }
    }

    /// The encoder in plain memory, where it has such a form.
    pub(crate) fn ready(&self) -> Option<ReadyEncoder> {
        match self {
            Self::Picture(it) => ReadyEncoder::new(it),
            Self::Flat(_) => None,
        }
    }
}

impl LatentDecoder {
    /// `widths` are those of the encoder, `hidden` the layer of a perceptron.
    pub fn new(kind: &Kind, widths: &[usize], hidden: usize, latent: usize, device: &Device) -> Self {
        if kind.is_pictorial() {
            return Self::Picture(PictureDecoder::new(kind, widths, latent, device));
        }
        let features = Features::of(kind);
        Self::Flat(FlatDecoder {
            hidden: LinearConfig::new(latent, hidden).init(device),
            output: LinearConfig::new(hidden, features.outputs()).init(device),
            features,
        })
    }

    /// `[B, Z]` → what [`LatentDecoder::losses`] compares.
    fn outputs(&self, z: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Picture(it) => it.forward(z),
            Self::Flat(it) => it.output.forward(activation::relu(it.hidden.forward(z))),
        }
    }

    /// `[B, Z]` → `[B, values]`: a picture, or numbers and the likeliest categories and symbols.
    pub fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        let outputs = self.outputs(z);
        match self {
            Self::Picture(_) => outputs,
            Self::Flat(it) => it.features.values(outputs),
        }
    }

    /// Mean over the batch of the negative log likelihood of `x [B, values]`, nats: Laplace of this scale for pixels and numbers,
    /// categorical for categories and symbols. `has [B, 1]` is 0 for samples that do not have the modality: they cost nothing.
    pub fn loss(&self, z: Tensor<2>, x: Tensor<2>, scale: f64, has: Option<Tensor<2>>) -> Tensor<1> {
        let outputs = self.outputs(z);
        let losses = match self {
            Self::Picture(_) => laplace_losses(outputs, x, scale),
            Self::Flat(it) => it.features.loss(outputs, x, scale),
        };
        match has {
            None => losses.mean(),
            Some(has) => (losses * has).mean(),
        }
    }

    /// The decoder in plain memory, where it has such a form.
    pub(crate) fn ready(&self) -> Option<ReadyDecoder> {
        match self {
            Self::Picture(it) => ReadyDecoder::new(it),
            Self::Flat(_) => None,
        }
    }
}
