//! Convolutions in three dimensions over a volume.

use burn::module::Module;
use burn::nn::conv::{Conv3d, Conv3dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig3d};
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;

use crate::layers::HALVE;

/// Convolutions that halve a volume along every axis that has more than one place, ReLU after each; 2×2 max-pooling within the
/// slices, and a linear map of every place to a token.
#[derive(Module, Debug)]
pub struct SpatialEncoder {
    layers: Vec<Conv3d>,
    projection: Linear,
    #[module(skip)]
    shape: [usize; 3],
}

/// Extents `[slices, height, width]` behind each layer, the volume's first.
fn extents([height, width, slices]: [usize; 3], layers: usize) -> Vec<[usize; 3]> {
    let mut all = vec![[slices, height, width]];
    for _ in 0..layers {
        let last = all[all.len() - 1];
        all.push(last.map(|extent| HALVE.map(extent)));
    }
    all
}

/// Tokens of a volume, `[height, width, slices]`.
pub(super) fn tokens(shape: [usize; 3], layers: usize) -> usize {
    let [slices, height, width] = extents(shape, layers)[layers];
    slices * (height / 2) * (width / 2)
}

impl SpatialEncoder {
    pub(super) fn new(kind: &Kind, widths: &[usize], token_width: usize, device: &Device) -> Self {
        let inputs = std::iter::once(1).chain(widths.iter().copied());
        let make = |(input, output): (usize, &usize)| {
            Conv3dConfig::new([input, *output], [HALVE.kernel; 3])
                .with_stride([HALVE.stride; 3])
                .with_padding(PaddingConfig3d::Explicit(HALVE.padding, HALVE.padding, HALVE.padding))
                .init(device)
        };
        let deepest = widths.last().copied().unwrap_or(1);
        Self {
            layers: inputs.zip(widths).map(make).collect(),
            projection: LinearConfig::new(deepest, token_width).init(device),
            shape: kind.shape(),
        }
    }

    /// `[B, height · width · slices]` → `[B, T, token width]`, a token for every place of the pooled map: slices, rows, columns.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, _] = x.dims();
        let [height, width, slices] = self.shape;
        // Burn's convolutions want `[B, channels, depth, height, width]`.
        let volume = x.reshape([batch, height, width, slices]).permute([0, 3, 1, 2]).unsqueeze_dim::<5>(1);
        let map = self.layers.iter().fold(volume, |x, layer| activation::relu(layer.forward(x)));
        let [_, channels, d, h, w] = map.dims();
        let (h, w) = (h / 2, w / 2);
        let even = map.narrow(3, 0, 2 * h).narrow(4, 0, 2 * w).permute([0, 2, 3, 4, 1]);
        // One axis of pairs after the other: a tensor of seven axes would hold both.
        let rows = even.reshape([batch * d * h, 2, 2 * w * channels]).max_dim(1);
        let columns = rows.reshape([batch * d * h * w, 2, channels]).max_dim(1);
        self.projection.forward(columns.reshape([batch, d * h * w, channels]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec::<f32>().expect("numbers")
    }

    /// One layer of one filter, computed place by place.
    #[test]
    fn a_layer_is_the_sum_over_its_window() {
        let device = Device::flex();
        let kind = Kind::Volume { height: 4, width: 8, slices: 3 };
        let encoder = SpatialEncoder::new(&kind, &[1], 1, &device);
        let x = Tensor::<2>::random([1, kind.values()], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let tokens = values(encoder.forward(x.clone()));
        assert_eq!((tokens.len(), super::tokens(kind.shape(), 1)), (4, 4));
        let (x, weight) = (values(x), values(encoder.layers[0].weight.val()));
        let bias = encoder.layers[0].bias.as_ref().map_or(0.0, |b| values(b.val())[0]);
        let at = |z: i32, y: i32, x_: i32| {
            let inside = (0..3).contains(&z) && (0..4).contains(&y) && (0..8).contains(&x_);
            if inside { x[((y * 8 + x_) * 3 + z) as usize] } else { 0.0 }
        };
        let filter = |z: i32, y: i32, x_: i32| {
            let window = (0..27).map(|i| (i / 9, i / 3 % 3, i % 3));
            let sum: f32 = window
                .map(|(a, b, c)| {
                    weight[(a * 9 + b * 3 + c) as usize] * at(2 * z + a - 1, 2 * y + b - 1, 2 * x_ + c - 1)
                })
                .sum();
            (sum + bias).max(0.0)
        };
        let scale = values(encoder.projection.weight.val())[0];
        let shift = encoder.projection.bias.as_ref().map_or(0.0, |b| values(b.val())[0]);
        for (i, token) in tokens.iter().enumerate() {
            let (z, column) = (i as i32 / 2, i as i32 % 2);
            let pooled = (0..4).map(|k| filter(z, k / 2, 2 * column + k % 2)).fold(f32::MIN, f32::max);
            let wanted = pooled * scale + shift;
            assert!((token - wanted).abs() < 1e-5, "{i}: {token} against {wanted}");
        }
    }
}
