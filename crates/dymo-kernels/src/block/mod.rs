//! The pre-norm transformer block as one operation, forward and backward (method, section 2.4): some samples at a time go
//! through all of its steps while they are in cache.
//!
//! ```text
//! x ── norm1 ── qkv ── attention ── proj ──(+ x)── x1 ── norm2 ── fc1 ── gelu ── fc2 ──(+ x1)── out
//! ```

pub(crate) mod attention;
mod backward;
mod forward;
mod reading;
pub(crate) mod rows;
pub(crate) mod small;
#[cfg(test)]
mod tests;

pub use backward::block_backward;
pub use forward::block_forward;
pub use reading::{Reading, Sequence};

use crate::memory::{Recycled, cut_shared};
use reading::{gather, scatter};

/// Rows of all products of one chunk, about: enough to make up for the packing of the weights, few enough for the second-level
/// cache. Where few tokens are read out most products have few rows, so such a chunk takes [`CHUNK_MORE`] times as many samples.
const CHUNK_ROWS: usize = 256;
/// See [`CHUNK_ROWS`].
const CHUNK_MORE: usize = 3;

/// Sizes of a block: `x [batch, tokens, width]` → `out [batch, queries, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockShape {
    /// Samples.
    pub batch: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Width of a token; a multiple of `heads`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the hidden layer of the MLP.
    pub hidden: usize,
    /// How many leading tokens are read out: `tokens`, or fewer where the rest is not needed (1 for the class token only). Keys
    /// and values are still of all tokens. See [`Reading`] for more than one sequence of tokens.
    pub queries: usize,
}

impl BlockShape {
    /// Floats of the input `[batch, tokens, width]`.
    pub fn input_len(&self) -> usize {
        self.batch * self.tokens * self.width
    }

    /// Floats of the output `[batch, queries, width]`.
    pub fn output_len(&self) -> usize {
        self.batch * self.queries * self.width
    }

    fn check(&self) {
        let whole = self.heads > 0 && self.width > 0 && self.width.is_multiple_of(self.heads) && self.hidden > 0;
        assert!(whole && (1..=self.tokens).contains(&self.queries), "not the shape of a block: {self:?}");
    }

    pub(crate) fn head(&self) -> usize {
        self.width / self.heads
    }

    /// 1/√head: what scores are multiplied by.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (self.head() as f32).sqrt()
    }

    /// Tokens, filled up to whole vectors: the stride of a row of probabilities.
    pub(crate) fn padded(&self) -> usize {
        self.tokens.next_multiple_of(8)
    }

    /// Lengths of the weights in the order of the fields of [`BlockWeights`].
    pub(crate) fn weight_parts(&self) -> [usize; 11] {
        let (d, hidden) = (self.width, self.hidden);
        [d, d, 3 * d * d, d * d, d, d, d, d * hidden, hidden, hidden * d, d]
    }
}

impl Reading {
    /// Samples that go through the block together. Depends on the shape only: how sums are split must not depend on threads.
    fn chunk(&self) -> usize {
        let BlockShape { batch, tokens, queries, .. } = self.shape;
        let rows = if 2 * queries >= tokens { CHUNK_ROWS } else { CHUNK_MORE * CHUNK_ROWS };
        (rows / tokens.max(queries)).clamp(1, batch.max(1))
    }

    fn chunk_of(&self, samples: usize) -> Chunk {
        let BlockShape { tokens, queries, .. } = self.shape;
        Chunk { samples, rows: samples * tokens, asking: samples * self.asking(), read: samples * queries }
    }

    /// Floats that [`BlockSaved`] holds per sample.
    fn saved(&self) -> usize {
        self.saved_parts(1).iter().sum()
    }

    /// Lengths of what is saved of a chunk: q `[asking, d]`, k and v `[rows, 2d]`, probabilities, mixed values `[read, d]`,
    /// x1 `[read, d]`, hidden layer before GELU `[read, hidden]`.
    fn saved_parts(&self, samples: usize) -> [usize; 6] {
        let (Chunk { rows, asking, read, .. }, d) = (self.chunk_of(samples), self.shape.width);
        [asking * d, rows * 2 * d, samples * self.probabilities, read * d, read * d, read * self.shape.hidden]
    }

    /// Copies the tokens that are read out: `[samples, tokens, width]` → `[samples, queries, width]`.
    fn take_picked(&self, x: &[f32], out: &mut [f32]) {
        let (BlockShape { tokens, width, .. }, queries) = (self.shape, self.queries());
        for (x, out) in x.chunks_exact(tokens * width).zip(out.chunks_exact_mut(queries * width)) {
            gather(x, width, &self.picked, out);
        }
    }

    /// Adds `[samples, queries, width]` to the tokens that are read out, `[samples, tokens, width]`.
    fn add_picked(&self, from: &[f32], into: &mut [f32]) {
        let (BlockShape { tokens, width, .. }, queries) = (self.shape, self.queries());
        for (into, from) in into.chunks_exact_mut(tokens * width).zip(from.chunks_exact(queries * width)) {
            scatter(from, width, &self.picked, into);
        }
    }
}

/// Counts of one chunk: `rows` of the input, `asking` rows of queries, `read` rows of the output.
#[derive(Clone, Copy)]
struct Chunk {
    samples: usize,
    rows: usize,
    asking: usize,
    read: usize,
}

/// Weights of a block. Matrices are row-major `[input, output]`; pairs are (matrix, bias) or (gamma, beta).
#[derive(Debug, Clone, Copy)]
pub struct BlockWeights<'a> {
    /// LayerNorm before the attention: two of `[width]`.
    pub norm1: (&'a [f32], &'a [f32]),
    /// Queries, keys and values `[width, 3·width]`: columns q, k, v, each head after head. No bias.
    pub qkv: &'a [f32],
    /// Output of the attention: `[width, width]`, `[width]`.
    pub proj: (&'a [f32], &'a [f32]),
    /// LayerNorm before the MLP: two of `[width]`.
    pub norm2: (&'a [f32], &'a [f32]),
    /// First layer of the MLP: `[width, hidden]`, `[hidden]`.
    pub fc1: (&'a [f32], &'a [f32]),
    /// Second layer of the MLP: `[hidden, width]`, `[width]`.
    pub fc2: (&'a [f32], &'a [f32]),
    /// ε of both LayerNorms.
    pub epsilon: f32,
}

impl BlockWeights<'_> {
    pub(crate) fn check(&self, shape: &BlockShape) {
        let Self { norm1, qkv, proj, norm2, fc1, fc2, .. } = self;
        let all = [norm1.0, norm1.1, qkv, proj.0, proj.1, norm2.0, norm2.1, fc1.0, fc1.1, fc2.0, fc2.1];
        assert_eq!(all.map(<[f32]>::len), shape.weight_parts(), "weights of a block {shape:?}");
    }
}

/// Gradients of [`BlockWeights`], field by field.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockGradients {
    /// Of gamma and beta before the attention.
    pub norm1: (Vec<f32>, Vec<f32>),
    /// Of queries, keys and values `[width, 3·width]`.
    pub qkv: Vec<f32>,
    /// Of the output of the attention.
    pub proj: (Vec<f32>, Vec<f32>),
    /// Of gamma and beta before the MLP.
    pub norm2: (Vec<f32>, Vec<f32>),
    /// Of the first layer of the MLP.
    pub fc1: (Vec<f32>, Vec<f32>),
    /// Of the second layer of the MLP.
    pub fc2: (Vec<f32>, Vec<f32>),
}

/// What [`block_forward`] keeps for [`block_backward`]: about `7·width + hidden + 8·heads` floats a token. Its memory is used
/// again by a later block once it is dropped.
#[derive(Debug, Default)]
pub struct BlockSaved(Recycled);

impl BlockSaved {
    /// Makes it fit what is read.
    fn fit(&mut self, reading: &Reading) {
        let len = reading.shape.batch * reading.saved();
        if self.0.len() != len {
            self.0 = Recycled::take(len);
        }
    }
}

/// The parts of what was saved of one chunk.
#[derive(Clone, Copy)]
struct SavedParts<'a> {
    q: &'a [f32],
    kv: &'a [f32],
    probabilities: &'a [f32],
    mixed: &'a [f32],
    x1: &'a [f32],
    hidden: &'a [f32],
}

impl<'a> SavedParts<'a> {
    fn of(reading: &Reading, samples: usize, saved: &'a [f32]) -> Self {
        let [q, kv, probabilities, mixed, x1, hidden] = cut_shared(saved, reading.saved_parts(samples));
        Self { q, kv, probabilities, mixed, x1, hidden }
    }
}
