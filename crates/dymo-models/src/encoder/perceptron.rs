//! Two linear layers.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;

/// Two linear layers to one token.
#[derive(Module, Debug)]
pub struct Perceptron {
    pub(crate) hidden: Linear,
    pub(crate) output: Linear,
}

impl Perceptron {
    pub(super) fn new(kind: &Kind, hidden: usize, token_width: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(kind.values(), hidden).init(device),
            output: LinearConfig::new(hidden, token_width).init(device),
        }
    }

    /// `[B, values]` → `[B, 1, token width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let token = self.output.forward(activation::relu(self.hidden.forward(x)));
        let [batch, width] = token.dims();
        token.reshape([batch, 1, width])
    }
}
