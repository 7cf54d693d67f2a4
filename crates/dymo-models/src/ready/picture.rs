//! Encoder and decoder of the recovery models.

use burn::nn::Linear;
use dymo_kernels::{Finish, Layer, Recycled};

use super::chain::Chain;
use super::{bias, numbers};
use crate::recovery::{PictureDecoder, PictureEncoder};

/// A [`PictureEncoder`]: pictures to mean and log variance.
#[derive(Debug, Clone)]
pub(crate) struct ReadyEncoder {
    chain: Chain,
    values: usize,
    latent: usize,
}

impl ReadyEncoder {
    /// `None` if a weight cannot be read.
    pub fn new(encoder: &PictureEncoder) -> Option<Self> {
        let mut chain = Chain::default();
        let [height, width, channels] = chain.push_convolutions(&encoder.stack, encoder.shape)?;
        let [inputs, outputs] = encoder.hidden.weight.dims();
        let weight = numbers(encoder.hidden.weight.val())?;
        // The module flattens channels first, the map has them last.
        let rows: Vec<f32> = channels_last(channels, height * width)
            .flat_map(|row| &weight[row * outputs..(row + 1) * outputs])
            .copied()
            .collect();
        let hidden = Layer::dense(inputs, outputs, &rows, bias(&encoder.hidden)?.as_deref());
        chain.push(hidden.with_finish(Finish::Relu));
        chain.push(side_by_side(&encoder.mean, &encoder.log_variance)?);
        let values = encoder.shape.iter().product();
        Some(Self { chain, values, latent: encoder.mean.weight.dims()[1] })
    }

    /// Width Z of the latent.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// `x [n, values]` → `[n, 2Z]`: the mean, then the log variance.
    pub fn forward(&self, x: &[f32]) -> Recycled {
        self.chain.forward(x, self.values, 2 * self.latent, |made, out| out.copy_from_slice(made))
    }
}

/// A [`PictureDecoder`]: latents to pictures.
#[derive(Debug, Clone)]
pub(crate) struct ReadyDecoder {
    chain: Chain,
    latent: usize,
    values: usize,
}

impl ReadyDecoder {
    /// `None` if a weight cannot be read.
    pub fn new(decoder: &PictureDecoder) -> Option<Self> {
        let mut chain = Chain::default();
        let [channels, height, width] = decoder.map;
        let [latent, outputs] = decoder.hidden.weight.dims();
        let weight = numbers(decoder.hidden.weight.val())?;
        let turned = |row: &[f32]| channels_last(channels, height * width).map(|c| row[c]).collect::<Vec<f32>>();
        let rows: Vec<f32> = weight.chunks_exact(outputs).flat_map(turned).collect();
        let bias = bias(&decoder.hidden)?.map(|b| turned(&b));
        chain.push(Layer::dense(latent, outputs, &rows, bias.as_deref()).with_finish(Finish::Relu));
        chain.push_transposed(&decoder.stack)?;
        let [rows, columns] = decoder.stack.sizes.last().copied().unwrap_or([height, width]);
        let colours = decoder.stack.layers.last().map_or(channels, |layer| layer.weight.dims()[1]);
        Some(Self { chain, latent, values: rows * columns * colours })
    }

    /// `latents [n, latent]` → pictures `[n, values]`.
    pub fn forward(&self, latents: &[f32]) -> Recycled {
        self.chain.forward(latents, self.latent, self.values, |made, out| out.copy_from_slice(made))
    }
}

/// For each place of `[pixels, channels]` in order, its place in `[channels, pixels]`.
fn channels_last(channels: usize, pixels: usize) -> impl Iterator<Item = usize> {
    (0..pixels).flat_map(move |p| (0..channels).map(move |c| c * pixels + p))
}

/// Two linear modules of the same input as one layer, outputs one after the other.
fn side_by_side(left: &Linear, right: &Linear) -> Option<Layer> {
    let ([inputs, a], [_, b]) = (left.weight.dims(), right.weight.dims());
    let (wl, wr) = (numbers(left.weight.val())?, numbers(right.weight.val())?);
    let rows: Vec<f32> =
        wl.chunks_exact(a).zip(wr.chunks_exact(b)).flat_map(|(l, r)| l.iter().chain(r)).copied().collect();
    let zeros = |bias: Option<Vec<f32>>, len| bias.unwrap_or_else(|| vec![0.0; len]);
    let biases = [zeros(bias(left)?, a), zeros(bias(right)?, b)].concat();
    Some(Layer::dense(inputs, a + b, &rows, Some(&biases)))
}
