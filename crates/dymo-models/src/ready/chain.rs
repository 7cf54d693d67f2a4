//! Layers one after the other over blocks of samples that stay in cache.

use std::cell::RefCell;

use burn::nn::conv::Conv2d;
use dymo_kernels::{Finish, Geometry, Layer, Recycled, max_pool2_image};
use rayon::prelude::*;

use super::numbers;
use crate::layers::{ConvStack, DeconvStack, HALVE};

/// Samples that pass through convolutions together: whole tiles of the inner loop, whose maps fit the second-level cache.
const MAPS: usize = 12;
/// Samples that pass through dense layers together, at least and at most: their weights do not fit that cache, and reading them
/// again for every few rows would decide.
const ROWS: [usize; 2] = [48, 192];

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Layers one after the other; a layer of fewer inputs than come in is applied to every pixel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    parts: Vec<Part>,
    /// `[height, width, channels]` in front of a 2×2 max-pooling at the end.
    pool: Option<[usize; 3]>,
}

/// Layers of one sort.
#[derive(Debug, Clone)]
struct Part {
    layers: Vec<Layer>,
    /// Over maps of pixels, or over rows.
    maps: bool,
}

/// Floats of a sample behind a layer that gets so many.
fn behind(layer: &Layer, input: usize) -> usize {
    input / layer.inputs() * layer.outputs()
}

impl Part {
    /// Floats of a sample behind it.
    fn output(&self, input: usize) -> usize {
        self.layers.iter().fold(input, |size, layer| behind(layer, size))
    }

    /// How many of `n` samples pass together.
    fn together(&self, n: usize) -> usize {
        // Some chains run at the same time, so a few threads have enough to do even if a chain is not divided.
        let share = n.div_ceil(rayon::current_num_threads().div_ceil(4));
        if self.maps { MAPS } else { share.clamp(ROWS[0], ROWS[1]) }
    }

    /// A block of samples `x [n, input]` to what `end`, which must not enter the thread pool, does with `[n, output]`.
    fn forward(&self, x: &[f32], input: usize, end: impl FnOnce(&[f32])) {
        let n = x.len() / input;
        let sizes: Vec<usize> = self
            .layers
            .iter()
            .scan(input, |size, layer| {
                *size = behind(layer, *size);
                Some(*size)
            })
            .collect();
        let room = n * sizes.iter().copied().max().unwrap_or(0);
        SCRATCH.with_borrow_mut(|buffer| {
            if buffer.len() < 2 * room {
                buffer.resize(2 * room, 0.0);
            }
            let (mut here, mut there) = buffer[..2 * room].split_at_mut(room);
            let mut size = input;
            for (i, (layer, next)) in self.layers.iter().zip(&sizes).enumerate() {
                layer.forward(if i == 0 { x } else { &here[..n * size] }, &mut there[..n * next]);
                (size, here, there) = (*next, there, here);
            }
            end(&here[..n * size]);
        });
    }
}

impl Chain {
    /// A dense layer.
    pub fn push(&mut self, layer: Layer) {
        self.push_to(false, layer);
    }

    fn push_to(&mut self, maps: bool, layer: Layer) {
        match self.parts.last_mut() {
            Some(part) if part.maps == maps => part.layers.push(layer),
            _ => self.parts.push(Part { layers: vec![layer], maps }),
        }
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
            self.push_to(true, layer.with_finish(Finish::Relu));
            shape = [g.map_height(), g.map_width(), filters];
        }
        Some(shape)
    }

    /// A 1×1 convolution.
    pub fn push_pointwise(&mut self, conv: &Conv2d) -> Option<()> {
        let [filters, channels, _, _] = conv.weight.dims();
        let weight = numbers(conv.weight.val())?;
        let rows: Vec<f32> = (0..channels).flat_map(|c| weight.iter().skip(c).step_by(channels)).copied().collect();
        self.push_to(true, Layer::dense(channels, filters, &rows, conv_bias(conv)?.as_deref()));
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
            self.push_to(true, layer.with_finish(if i < last { Finish::Relu } else { Finish::Linear }));
        }
        Some(())
    }

    /// `x [n, input]` → `[n, output]` through `end`, which turns what the last layer made of a block of samples into the
    /// block's part of the output. Threads share the blocks.
    pub fn forward(&self, x: &[f32], input: usize, output: usize, end: impl Fn(&[f32], &mut [f32]) + Sync) -> Recycled {
        let n = x.len() / input;
        let Some((last, before)) = self.parts.split_last() else { return Recycled::default() };
        let (mut held, mut size) = (None, input);
        for part in before {
            let next = part.output(size);
            held =
                Some(pass(part, held.as_deref().unwrap_or(x), size, (n, next), |made, out| out.copy_from_slice(made)));
            size = next;
        }
        pass(last, held.as_deref().unwrap_or(x), size, (n, output), |made, out| match self.pool {
            None => end(made, out),
            Some(map) => end(&pooled(made, map), out),
        })
    }
}

/// All blocks through one part.
fn pass(
    part: &Part,
    x: &[f32],
    input: usize,
    (n, output): (usize, usize),
    end: impl Fn(&[f32], &mut [f32]) + Sync,
) -> Recycled {
    let (mut out, together) = (Recycled::take(n * output), part.together(n));
    let blocks = x.par_chunks(together * input).zip(out.par_chunks_mut(together * output));
    blocks.for_each(|(x, out)| part.forward(x, input, |made| end(made, out)));
    out
}

/// 2×2 max-pooling of maps of this `[height, width, channels]`.
fn pooled(maps: &[f32], map: [usize; 3]) -> Recycled {
    let [height, width, channels] = map;
    let (size, small) = (height * width * channels, height / 2 * (width / 2) * channels);
    let mut out = Recycled::take(maps.len() / size * small);
    for (map_of_one, out) in maps.chunks_exact(size).zip(out.chunks_exact_mut(small)) {
        max_pool2_image(map_of_one, map, out);
    }
    out
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
