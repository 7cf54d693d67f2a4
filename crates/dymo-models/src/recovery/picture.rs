//! The convolutional trunk and decoder that MoPoE and the guided model share (details, section 5, PolyMNIST).

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;

use crate::layers::{ConvStack, DeconvStack};
use crate::ops;

/// A picture to the mean and log variance of a latent.
#[derive(Module, Debug)]
pub struct PictureEncoder {
    pub(crate) stack: ConvStack,
    pub(crate) hidden: Linear,
    pub(crate) mean: Linear,
    pub(crate) log_variance: Linear,
    #[module(skip)]
    pub(crate) shape: [usize; 3],
}

/// Mean and log variance of a latent, each `[B, Z]`.
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// Mean.
    pub mean: Tensor<2>,
    /// Logarithm of the variance.
    pub log_variance: Tensor<2>,
}

impl Gaussian {
    /// Mean + noise · standard deviation, with `noise` `[B, Z]` standard normal.
    pub fn draw(&self, noise: Tensor<2>) -> Tensor<2> {
        self.mean.clone() + noise * (self.log_variance.clone() * 0.5).exp()
    }

    /// KL(q ‖ N(0, I)) of each row, `[B]`.
    pub fn divergence_from_standard(&self) -> Tensor<1> {
        let (mean, log) = (self.mean.clone(), self.log_variance.clone());
        let terms = (mean.powi_scalar(2) + log.clone().exp() - log - 1.0) * 0.5;
        terms.sum_dim(1).squeeze_dim(1)
    }
}

impl PictureEncoder {
    /// Convolutions of these `widths`, a hidden layer, and two heads of width `latent`.
    pub fn new(kind: &Kind, widths: &[usize], hidden: usize, latent: usize, device: &Device) -> Self {
        let shape = kind.shape();
        let side = |extent| ConvStack::extents(extent, widths.len()).last().copied().unwrap_or(extent);
        let flat = side(shape[0]) * side(shape[1]) * widths.last().copied().unwrap_or(shape[2]);
        Self {
            stack: ConvStack::new(shape[2], widths, device),
            hidden: LinearConfig::new(flat, hidden).init(device),
            mean: LinearConfig::new(hidden, latent).init(device),
            log_variance: LinearConfig::new(hidden, latent).init(device),
            shape,
        }
    }

    /// `[B, values]` → a Gaussian over `[B, Z]`.
    pub fn forward(&self, x: Tensor<2>) -> Gaussian {
        let [batch, _] = x.dims();
        let [h, w, c] = self.shape;
        let map = self.stack.forward(x.reshape([batch, h, w, c]));
        // Released weights flatten channels first.
        let hidden = activation::relu(self.hidden.forward(map.permute([0, 3, 1, 2]).flatten(1, 3)));
        Gaussian { mean: self.mean.forward(hidden.clone()), log_variance: self.log_variance.forward(hidden) }
    }
}

/// A latent to a picture, unbounded values.
#[derive(Module, Debug)]
pub struct PictureDecoder {
    pub(crate) hidden: Linear,
    pub(crate) stack: DeconvStack,
    /// `[channels, height, width]` of the map in front of the transposed convolutions.
    #[module(skip)]
    pub(crate) map: [usize; 3],
}

impl PictureDecoder {
    /// The mirror of an encoder with these `widths`.
    pub fn new(kind: &Kind, widths: &[usize], latent: usize, device: &Device) -> Self {
        let shape = kind.shape();
        let side = |extent| ConvStack::extents(extent, widths.len()).last().copied().unwrap_or(extent);
        let map = [widths.last().copied().unwrap_or(shape[2]), side(shape[0]), side(shape[1])];
        let inward: Vec<usize> = widths.iter().rev().copied().collect();
        Self {
            hidden: LinearConfig::new(latent, map.iter().product()).init(device),
            stack: DeconvStack::new(shape, &inward, device),
            map,
        }
    }

    /// `[B, latent]` → `[B, values]`.
    pub fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        let [batch, _] = z.dims();
        let [c, h, w] = self.map;
        let map = activation::relu(self.hidden.forward(z)).reshape([batch, c, h, w]);
        self.stack.forward(map.permute([0, 2, 3, 1])).flatten(1, 3)
    }
}

/// Negative log likelihood of a Laplace distribution with this scale around `mean`, summed over a sample's values: `[B, values]` twice
/// → `[B, 1]`.
pub fn laplace_losses(mean: Tensor<2>, x: Tensor<2>, scale: f64) -> Tensor<2> {
    let [_, values] = x.dims();
    ops::absolute_error(mean, x) / scale + values as f64 * (2.0 * scale).ln()
}
