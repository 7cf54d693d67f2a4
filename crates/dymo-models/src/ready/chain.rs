//! Layers one after the other over blocks of samples that stay in cache.

use burn::nn::conv::Conv2d;
use dymo_kernels::{Finish, Geometry, Layer, max_pool2_image};
use rayon::prelude::*;

use super::numbers;
use crate::layers::{ConvStack, DeconvStack, HALVE};

/// Samples that pass through a chain together: whole tiles of the inner loop, whose maps fit the second-level cache.
const BLOCK: usize = 12;

/// Layers one after the other; a layer of fewer inputs than come in is applied to every pixel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    layers: Vec<Layer>,
    /// `[height, width, channels]` in front of a 2×2 max-pooling at the end.
    pool: Option<[usize; 3]>,
}

impl Chain {
    pub fn push(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// Ends in a 2×2 max-pooling of a map of this `[height, width, channels]`.
    pub fn pooled(mut self, map: [usize; 3]) -> Self {
        self.pool = Some(map);
        self
    }

    /// The convolutions of a stack over pictures of this `[height, width, channels]`; and the shape of the last map.
    pub fn push_convolutions(&mut self, stack: &ConvStack, mut shape: [usize; 3]) -> Option<[usize; 3]> {
        for conv in &stack.layers {
            let [filters, channels, kernel, _] = conv.weight.dims();
            let g = geometry([shape[0], shape[1], channels], filters, kernel);
            let bias = conv_bias(conv)?;
            let layer = Layer::conv2d(&g, &numbers(conv.weight.val())?, bias.as_deref());
            self.push(layer.with_finish(Finish::Relu));
            shape = [g.map_height(), g.map_width(), filters];
        }
        Some(shape)
    }

    /// A 1×1 convolution.
    pub fn push_pointwise(&mut self, conv: &Conv2d) -> Option<()> {
        let [filters, channels, _, _] = conv.weight.dims();
        let weight = numbers(conv.weight.val())?;
        let rows: Vec<f32> = (0..channels).flat_map(|c| weight.iter().skip(c).step_by(channels)).copied().collect();
        self.push(Layer::dense(channels, filters, &rows, conv_bias(conv)?.as_deref()));
        Some(())
    }

    /// The transposed convolutions of a stack, ReLU between.
    pub fn push_transposed(&mut self, stack: &DeconvStack) -> Option<()> {
        let last = stack.layers.len().saturating_sub(1);
        for (i, (conv, [height, width])) in stack.layers.iter().zip(&stack.sizes).enumerate() {
            let [filters, channels, kernel, _] = conv.weight.dims();
            let bias = match &conv.bias {
                Some(bias) => Some(numbers(bias.val())?),
                None => None,
            };
            let g = geometry([*height, *width, channels], filters, kernel);
            let layer = Layer::conv_transpose2d(&g, &numbers(conv.weight.val())?, bias.as_deref());
            self.push(layer.with_finish(if i < last { Finish::Relu } else { Finish::Linear }));
        }
        Some(())
    }

    /// Floats of a sample behind each layer, the input's first.
    fn sizes(&self, input: usize) -> Vec<usize> {
        let mut sizes = vec![input];
        for layer in &self.layers {
            sizes.push(sizes[sizes.len() - 1] / layer.inputs() * layer.outputs());
        }
        sizes
    }

    /// `x [n, input]` → `[n, output]` through `end`, which turns what the last layer made of a block of samples into the
    /// block's part of the output. Threads share the blocks.
    pub fn forward(&self, x: &[f32], input: usize, output: usize, end: impl Fn(&[f32], &mut [f32]) + Sync) -> Vec<f32> {
        let sizes = self.sizes(input);
        let room = BLOCK * sizes.iter().copied().max().unwrap_or(0);
        let mut out = vec![0.0; x.len() / input * output];
        let blocks = x.par_chunks(BLOCK * input).zip(out.par_chunks_mut(BLOCK * output));
        blocks.for_each_init(
            || (vec![0.0; room], vec![0.0; room]),
            |(here, there), (x, out)| {
                let n = x.len() / input;
                for (i, layer) in self.layers.iter().enumerate() {
                    let from = if i == 0 { x } else { &here[..n * sizes[i]] };
                    layer.forward(from, &mut there[..n * sizes[i + 1]]);
                    std::mem::swap(here, there);
                }
                let size = sizes[self.layers.len()];
                match self.pool {
                    None => end(&here[..n * size], out),
                    Some([height, width, channels]) => {
                        let small = height / 2 * (width / 2) * channels;
                        let maps = here[..n * size].chunks_exact(size).zip(there.chunks_exact_mut(small));
                        maps.for_each(|(map, pooled)| max_pool2_image(map, [height, width, channels], pooled));
                        end(&there[..n * small], out);
                    }
                }
            },
        );
        out
    }
}

fn geometry([height, width, channels]: [usize; 3], filters: usize, kernel: usize) -> Geometry {
    Geometry { batch: 1, height, width, channels, filters, kernel, stride: HALVE.stride, padding: HALVE.padding }
}

fn conv_bias(conv: &Conv2d) -> Option<Option<Vec<f32>>> {
    match &conv.bias {
        Some(bias) => Some(Some(numbers(bias.val())?)),
        None => Some(None),
    }
}
