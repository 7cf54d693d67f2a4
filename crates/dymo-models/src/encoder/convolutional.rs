//! Convolutions that leave a map of tokens.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use dymo_core::Kind;

use crate::layers::{ConvStack, convolve_pointwise, pointwise};
use crate::ops;

/// Convolutions, a 1×1 projection, 2×2 max-pooling.
#[derive(Module, Debug)]
pub struct ConvEncoder {
    pub(crate) stack: ConvStack,
    pub(crate) projection: Conv2d,
    #[module(skip)]
    pub(crate) shape: [usize; 3],
}

impl ConvEncoder {
    pub(super) fn new(kind: &Kind, widths: &[usize], token_width: usize, device: &Device) -> Self {
        let shape = kind.shape();
        let deepest = widths.last().copied().unwrap_or(shape[2]);
        Self {
            stack: ConvStack::new(shape[2], widths, device),
            projection: pointwise(deepest, token_width, device),
            shape,
        }
    }

    /// `[B, height · width · channels]` → `[B, T, token width]`, a token for every place of the pooled map, in row order.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, _] = x.dims();
        let [h, w, c] = self.shape;
        let map = convolve_pointwise(&self.projection, self.stack.forward(x.reshape([batch, h, w, c])));
        let pooled = ops::max_pool2(map);
        let [_, h, w, width] = pooled.dims();
        pooled.reshape([batch, h * w, width])
    }
}
