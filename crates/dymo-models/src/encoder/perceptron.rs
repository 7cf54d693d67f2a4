//! Two linear layers.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;

use crate::flat::Features;

/// Two linear layers to one token.
#[derive(Module, Debug)]
pub struct Perceptron {
    pub(crate) hidden: Linear,
    pub(crate) output: Linear,
    #[module(skip)]
    pub(crate) features: Features,
}

impl Perceptron {
    pub(super) fn new(kind: &Kind, hidden: usize, token_width: usize, device: &Device) -> Self {
        let features = Features::of(kind);
        Self {
            hidden: LinearConfig::new(features.width(), hidden).init(device),
            output: LinearConfig::new(hidden, token_width).init(device),
            features,
        }
    }

    /// `[B, values]` → `[B, 1, token width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let token = self.output.forward(activation::relu(self.hidden.forward(self.features.forward(x))));
        let [batch, width] = token.dims();
        token.reshape([batch, 1, width])
    }
}
