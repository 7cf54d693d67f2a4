//! Linear layers made ready for inference: dense, convolution and transposed convolution in one form.
//!
//! Every output pixel of a sample is a sum over *runs*: stretches of consecutive inputs that meet consecutive rows of the
//! weights. A dense layer has one pixel with one run; a convolution has one run for each window row that lies inside the
//! image, so that the zeros around the image are never multiplied and no patches are copied; a transposed convolution has one
//! for each map pixel that reaches the image pixel. Weights are packed once. The inner loop takes the same pixel of
//! several samples, which all have the same runs.

pub(crate) mod tile;

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::conv::Geometry;
use crate::memory::with_layout;
use tile::{Level, run_layer};

/// What happens to a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// Nothing.
    #[default]
    Linear,
    /// Negative values become 0.
    Relu,
    /// GELU with the exact error function.
    Gelu,
    /// It is added to what the output holds: the residual.
    Add,
}

/// Consecutive inputs of a sample that meet consecutive rows of the weights.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// First input, counted in the sample.
    input: usize,
    /// First row of the weights.
    weight: usize,
    len: usize,
}

/// One pixel of the output: `filters` values from `output` on, made of some runs.
#[derive(Debug, Clone)]
struct Pixel {
    output: usize,
    runs: std::ops::Range<usize>,
}

/// Channels below which a transposed convolution takes blocks of `stride × stride` image pixels as one pixel of more filters:
/// alone, its few channels would fill a fraction of a vector.
const FEW: usize = 8;

/// Floats of a line of the nearest cache.
pub(crate) const LINE: usize = 16;

/// A line of it: a vector that lies across two takes twice the time to load.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LINE]);

/// A layer `[n, inputs]` → `[n, outputs]` with its weights packed for the processor at hand.
#[derive(Debug, Clone)]
pub struct Layer {
    inputs: usize,
    outputs: usize,
    /// Set for a transposed convolution of few channels, whose pixels are blocks of the image.
    blocks: Option<Blocks>,
    filters: usize,
    depth: usize,
    pixels: Vec<Pixel>,
    runs: Vec<Run>,
    /// Per panel of filters `[depth, width of the panel]`.
    packed: Vec<Line>,
    /// One a filter, zeros up to whole panels.
    bias: Vec<f32>,
    finish: Finish,
    level: Level,
}

/// An image in blocks of `step × step` pixels.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    step: usize,
    height: usize,
    width: usize,
    channels: usize,
    /// Floats of a block: those of its pixels, and zeros up to whole vectors.
    size: usize,
}

impl Blocks {
    fn floats(self) -> usize {
        let [rows, columns] = [self.height, self.width].map(|extent| extent.div_ceil(self.step));
        rows * columns * self.size
    }

    /// `[block rows, block columns, size]`, of a block first `[step, step, channels]` → `[height, width, channels]`.
    fn lay_out(self, blocks: &[f32], image: &mut [f32]) {
        let (width, row) = (self.width * self.channels, self.step * self.channels);
        let band = self.width.div_ceil(self.step) * self.size;
        for (y, image) in image.chunks_exact_mut(width).enumerate() {
            let blocks = blocks[y / self.step * band..][..band].chunks_exact(self.size);
            for (target, block) in image.chunks_mut(row).zip(blocks) {
                // Not a call for a handful of floats.
                target.iter_mut().zip(&block[y % self.step * row..][..row]).for_each(|(target, v)| *target = *v);
            }
        }
    }
}

impl Layer {
    /// `y = x · weight + bias` with `weight [inputs, outputs]` in rows and `bias [outputs]`, zero where there is none. A 1×1
    /// convolution is a dense layer on pixels.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn dense(inputs: usize, outputs: usize, weight: &[f32], bias: Option<&[f32]>) -> Self {
        assert_eq!(weight.len(), inputs * outputs, "weights of a dense layer {inputs} → {outputs}");
        let runs = vec![Run { input: 0, weight: 0, len: inputs }];
        let pixels = vec![Pixel { output: 0, runs: 0..1 }];
        Self::new(Level::detect(), [inputs, outputs, outputs], (pixels, runs), weight, bias)
    }

    /// The convolution of this geometry (its `batch` is of no meaning): `weight [filters, channels, k, k]`, `bias [filters]`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn conv2d(g: &Geometry, weight: &[f32], bias: Option<&[f32]>) -> Self {
        assert_eq!(weight.len(), g.weight_len(), "weights of a convolution {g:?}");
        let (k, c) = (g.kernel, g.channels);
        let (mut pixels, mut runs) = (Vec::new(), Vec::new());
        for (y, x) in places(g.map_height(), g.map_width()) {
            let (first, columns) = (runs.len(), g.columns(x));
            for i in 0..k {
                if let (Some(row), false) = (g.source(y, i, g.height), columns.is_empty()) {
                    let column = x * g.stride + columns.start - g.padding;
                    let (input, weight) = ((row * g.width + column) * c, (i * k + columns.start) * c);
                    runs.push(Run { input, weight, len: columns.len() * c });
                }
            }
            pixels.push(Pixel { output: (y * g.map_width() + x) * g.filters, runs: first..runs.len() });
        }
        let sizes = [g.height * g.width * c, g.map_height() * g.map_width() * g.filters, g.filters];
        Self::new(Level::detect(), sizes, (pixels, runs), &g.pack(weight), bias)
    }

    /// The transposed convolution of this geometry, from its map to its image: `weight [filters, channels, k, k]`, `bias
    /// [channels]`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn conv_transpose2d(g: &Geometry, weight: &[f32], bias: Option<&[f32]>) -> Self {
        assert_eq!(weight.len(), g.weight_len(), "weights of a transposed convolution {g:?}");
        if g.channels < FEW {
            return Self::in_blocks(g, weight, bias);
        }
        let (mut pixels, mut runs) = (Vec::new(), Vec::new());
        for (y, x) in places(g.height, g.width) {
            let first = runs.len();
            for (i, j) in places(g.kernel, g.kernel) {
                // The map pixel whose window has its element (i, j) here, if there is one.
                if let (Some(row), Some(column)) = (g.target(y, i, g.map_height()), g.target(x, j, g.map_width())) {
                    let input = (row * g.map_width() + column) * g.filters;
                    runs.push(Run { input, weight: (i * g.kernel + j) * g.filters, len: g.filters });
                }
            }
            pixels.push(Pixel { output: (y * g.width + x) * g.channels, runs: first..runs.len() });
        }
        let sizes = [g.map_height() * g.map_width() * g.filters, g.height * g.width * g.channels, g.channels];
        Self::new(Level::detect(), sizes, (pixels, runs), &turned(g, weight), bias)
    }

    /// A transposed convolution whose pixels are blocks. All blocks see the same window of the map, at other places.
    fn in_blocks(g: &Geometry, weight: &[f32], bias: Option<&[f32]>) -> Self {
        let (s, level) = (g.stride, Level::detect());
        // Whole vectors, so that they are stored whole.
        let filters = level.padded(s * s * g.channels);
        // Map rows `block − before ..= block + after` reach a block's image rows.
        let before = (g.kernel - 1).saturating_sub(g.padding) / s;
        let after = g.padding.div_ceil(s);
        let side = before + after + 1;
        let mut rows = vec![0.0; side * side * g.filters * filters];
        for ((oy, ox), (dy, dx)) in places(side, side).flat_map(|o| places(s, s).map(move |d| (o, d))) {
            let element =
                |d: usize, o: usize| (d + g.padding + s * before).checked_sub(s * o).filter(|i| *i < g.kernel);
            let (Some(i), Some(j)) = (element(dy, oy), element(dx, ox)) else { continue };
            for (f, c) in places(g.filters, g.channels) {
                let row = ((oy * side + ox) * g.filters + f) * filters;
                rows[row + (dy * s + dx) * g.channels + c] =
                    weight[((f * g.channels + c) * g.kernel + i) * g.kernel + j];
            }
        }
        let (mut pixels, mut runs) = (Vec::new(), Vec::new());
        let inside = |block: usize, extent: usize| before.saturating_sub(block)..side.min(extent + before - block);
        for (y, x) in places(g.height.div_ceil(s), g.width.div_ceil(s)) {
            let (first, columns) = (runs.len(), inside(x, g.map_width()));
            for oy in inside(y, g.map_height()) {
                if !columns.is_empty() {
                    let input = ((y + oy - before) * g.map_width() + x + columns.start - before) * g.filters;
                    let weight = (oy * side + columns.start) * g.filters;
                    runs.push(Run { input, weight, len: columns.len() * g.filters });
                }
            }
            pixels.push(Pixel { output: pixels.len() * filters, runs: first..runs.len() });
        }
        let blocks = Blocks { step: s, height: g.height, width: g.width, channels: g.channels, size: filters };
        let inputs = g.map_height() * g.map_width() * g.filters;
        let sizes = [inputs, g.height * g.width * g.channels, filters];
        let bias = bias.map(|bias| {
            let mut whole = bias.repeat(s * s);
            whole.resize(filters, 0.0);
            whole
        });
        let layer = Self::new(level, sizes, (pixels, runs), &rows, bias.as_deref());
        Self { blocks: Some(blocks), ..layer }
    }

    /// `rows` are the weights `[depth, filters]`.
    fn new(
        level: Level,
        [inputs, outputs, filters]: [usize; 3],
        (pixels, runs): (Vec<Pixel>, Vec<Run>),
        rows: &[f32],
        bias: Option<&[f32]>,
    ) -> Self {
        assert!(filters > 0 && inputs > 0, "a layer of {inputs} inputs and {filters} filters");
        assert!(bias.is_none_or(|b| b.len() == filters), "one bias a filter");
        let depth = rows.len() / filters;
        let mut packed = vec![Line([0.0; LINE]); (depth * level.padded(filters)).div_ceil(LINE)];
        let mut places = bytemuck::cast_slice_mut::<Line, f32>(&mut packed);
        for panel in level.panels(filters) {
            let valid = panel.start..panel.end.min(filters);
            for row in rows.chunks_exact(filters) {
                let (place, rest) = places.split_at_mut(panel.len());
                place[..valid.len()].copy_from_slice(&row[valid.clone()]);
                places = rest;
            }
        }
        let mut bias = bias.map_or_else(|| vec![0.0; filters], <[f32]>::to_vec);
        bias.resize(level.padded(filters), 0.0);
        Self {
            inputs,
            outputs,
            blocks: None,
            filters,
            depth,
            pixels,
            runs,
            packed,
            bias,
            finish: Finish::Linear,
            level,
        }
    }

    /// The same layer with another end.
    #[must_use]
    pub fn with_finish(mut self, finish: Finish) -> Self {
        self.finish = finish;
        self
    }

    /// Floats of a sample that goes in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Floats of a sample that comes out.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Floats that the inner loop makes of a sample: whole blocks, where its pixels are such.
    fn outputs_made(&self) -> usize {
        self.blocks.map_or(self.outputs, Blocks::floats)
    }

    /// Multiplications of one sample, each with its addition.
    pub fn multiplications(&self) -> usize {
        self.pixels.iter().flat_map(|p| &self.runs[p.runs.clone()]).map(|run| run.len).sum::<usize>() * self.filters
    }

    /// `x [n, inputs]` → `out [n, outputs]`, in the calling thread. A sample's result does not depend on its neighbours.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, x: &[f32], out: &mut [f32]) {
        assert!(x.len().is_multiple_of(self.inputs), "{} floats are no samples of {}", x.len(), self.inputs);
        let n = x.len() / self.inputs;
        assert_eq!(out.len(), n * self.outputs, "output of {n} samples");
        self.forward_strided(n, (x, self.inputs), (out, self.outputs));
    }

    /// [`Layer::forward`] with the samples shared among threads.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward_batch(&self, x: &[f32], out: &mut [f32]) {
        // Whole tiles, and enough rows to make up for a call where a sample is one row.
        let samples = if self.pixels.len() == 1 { 192 } else { 12 };
        assert_eq!(x.len() / self.inputs * self.outputs, out.len(), "output of {} floats", x.len());
        let blocks = x.par_chunks(samples * self.inputs).zip(out.par_chunks_mut(samples * self.outputs));
        blocks.for_each(|(x, out)| self.forward(x, out));
    }

    /// [`Layer::forward`] between windows of wider rows: sample i begins at `i · stride` of its slice.
    ///
    /// # Panics
    /// If the samples do not lie inside their slices, or outputs would overlap.
    pub fn forward_strided(&self, n: usize, (x, x_stride): (&[f32], usize), (out, out_stride): (&mut [f32], usize)) {
        if n == 0 {
            return;
        }
        assert!((n - 1) * x_stride + self.inputs <= x.len(), "{n} samples must lie inside their slice");
        assert!(self.outputs <= out_stride, "outputs of {} may not overlap at {out_stride}", self.outputs);
        assert!((n - 1) * out_stride + self.outputs <= out.len(), "{n} results must lie inside their slice");
        let Some(blocks) = self.blocks else {
            return run_layer(self, self.finish, n, (x, x_stride), (out, out_stride));
        };
        let (size, last) = (blocks.floats(), if self.finish == Finish::Add { Finish::Linear } else { self.finish });
        with_layout(n * size + self.outputs, |scratch| {
            let (made, image) = scratch.split_at_mut(n * size);
            run_layer(self, last, n, (x, x_stride), (&mut *made, size));
            for (i, made) in made.chunks_exact(size).enumerate() {
                let out = &mut out[i * out_stride..][..self.outputs];
                if self.finish == Finish::Add {
                    blocks.lay_out(made, image);
                    out.iter_mut().zip(&*image).for_each(|(out, v)| *out += v);
                } else {
                    blocks.lay_out(made, out);
                }
            }
        });
    }
}

fn places(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (y, x)))
}

/// `[filters, channels, k, k]` → `[k, k, filters, channels]`.
fn turned(g: &Geometry, weight: &[f32]) -> Vec<f32> {
    let window = g.kernel * g.kernel;
    let mut rows = vec![0.0; weight.len()];
    for (f, c) in places(g.filters, g.channels) {
        for w in 0..window {
            rows[(w * g.filters + f) * g.channels + c] = weight[(f * g.channels + c) * window + w];
        }
    }
    rows
}
