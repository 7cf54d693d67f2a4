//! Networks made ready for inference on the CPU: their weights are taken out of the ordinary modules once, packed, and read by
//! `dymo-kernels` without a tensor in between. Same answers as the modules give, to rounding.
//!
//! Made where a device's tensors live in plain memory ([`crate::ops::is_cpu`]); `None` where a part has no such form, and then
//! the modules themselves answer.

mod chain;
mod network;
mod picture;

use burn::nn::Linear;
use burn::tensor::Tensor;
use dymo_kernels::Layer;

pub(crate) use network::ReadyNetwork;
pub(crate) use picture::{ReadyDecoder, ReadyEncoder};

/// The numbers of a tensor, `None` if they are no single-precision numbers or cannot be read.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    tensor.into_data().try_into_vec_as::<f32>().ok()
}

/// A linear module as a layer.
pub(crate) fn dense(linear: &Linear) -> Option<Layer> {
    let [inputs, outputs] = linear.weight.dims();
    let bias = bias(linear)?;
    Some(Layer::dense(inputs, outputs, &numbers(linear.weight.val())?, bias.as_deref()))
}

/// The bias of a linear module, if it has one.
fn bias(linear: &Linear) -> Option<Option<Vec<f32>>> {
    match &linear.bias {
        Some(bias) => Some(Some(numbers(bias.val())?)),
        None => Some(None),
    }
}
