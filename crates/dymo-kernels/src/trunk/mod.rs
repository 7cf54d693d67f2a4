//! A stack of transformer blocks for inference, of which the first token is read, over sequences of different lengths.
//!
//! Nothing is padded and nothing computed that is not read (method, section 2): what the first block asks, offers and holds of a
//! token does not depend on the other tokens, so it is part of the *prepared* token and made once, however many sequences
//! the token stands in. Of the last block only the first token's row is made. That row's keys and values are never made either:
//! ⟨q, W·n⟩ = ⟨Wᵀ·q, n⟩ and Σ p·(W·n) = W·(Σ p·n), so one row a head takes the place of one row a token.

mod last;
mod middle;

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::block::{BlockShape, BlockWeights};
use crate::layer::{Finish, Layer};
use crate::norm::norm_rows;
use last::LastBlock;
use middle::MiddleBlock;

/// Rows of tokens that pass through the stack together, about: few enough for the second-level cache.
const ROWS: usize = 160;
/// Rows of the hidden layer of an MLP that are made at once.
const HIDDEN_ROWS: usize = 48;

/// The stack, its weights packed.
#[derive(Debug, Clone)]
pub struct Trunk {
    width: usize,
    middle: Vec<MiddleBlock>,
    last: LastBlock,
}

/// γ, β and ε of a LayerNorm.
#[derive(Debug, Clone)]
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    fn new((gamma, beta): (&[f32], &[f32]), epsilon: f32) -> Self {
        Self { gamma: gamma.to_vec(), beta: beta.to_vec(), epsilon }
    }

    fn apply(&self, x: &[f32], out: &mut [f32]) {
        norm_rows(x, &self.gamma, &self.beta, self.epsilon, out);
    }
}

/// The second half of a block: `x += fc2(gelu(fc1(norm(x))))`.
#[derive(Debug, Clone)]
struct Mlp {
    norm: Norm,
    fc1: Layer,
    fc2: Layer,
}

impl Mlp {
    fn new(width: usize, hidden: usize, w: &BlockWeights<'_>) -> Self {
        Self {
            norm: Norm::new(w.norm2, w.epsilon),
            fc1: Layer::dense(width, hidden, w.fc1.0, Some(w.fc1.1)).with_finish(Finish::Gelu),
            fc2: Layer::dense(hidden, width, w.fc2.0, Some(w.fc2.1)).with_finish(Finish::Add),
        }
    }

    /// `x [n, d]` in place; `normal` has room for `HIDDEN_ROWS` rows of it, `hidden` for as many of the hidden layer.
    fn apply(&self, x: &mut [f32], normal: &mut [f32], hidden: &mut [f32]) {
        let (width, wide) = (self.fc1.inputs(), self.fc1.outputs());
        for x in x.chunks_mut(HIDDEN_ROWS * width) {
            let rows = x.len() / width;
            let (normal, hidden) = (&mut normal[..rows * width], &mut hidden[..rows * wide]);
            self.norm.apply(x, normal);
            self.fc1.forward(normal, hidden);
            self.fc2.forward(hidden, x);
        }
    }
}

/// Lengths of some sequences that are computed together.
#[derive(Debug, Clone, Copy)]
struct Together<'a> {
    /// Tokens of each sequence.
    lengths: &'a [usize],
    /// All of them.
    rows: usize,
    /// The largest.
    longest: usize,
}

impl<'a> Together<'a> {
    fn of(lengths: &'a [usize]) -> Self {
        Self { lengths, rows: lengths.iter().sum(), longest: lengths.iter().copied().max().unwrap_or(0) }
    }
}

impl Trunk {
    /// A stack of these blocks, first to last, of this width and number of heads.
    ///
    /// # Panics
    /// If there is no block, heads do not divide the width, or a length does not fit.
    pub fn new(width: usize, heads: usize, blocks: &[BlockWeights<'_>]) -> Self {
        assert!(heads > 0 && width.is_multiple_of(heads), "{heads} heads must divide the width {width}");
        let Some((last, middle)) = blocks.split_last() else { panic!("a stack has at least one block") };
        let shape =
            |w: &BlockWeights<'_>| BlockShape { batch: 1, tokens: 1, width, heads, hidden: w.fc1.1.len(), queries: 1 };
        for block in blocks {
            block.check(&shape(block));
        }
        Self {
            width,
            middle: middle.iter().map(|w| MiddleBlock::new(shape(w), w)).collect(),
            last: LastBlock::new(shape(last), last),
        }
    }

    /// Floats of a prepared token: the token, and what it asks, offers and holds in the first block unless that is the last.
    pub fn prepared_len(&self) -> usize {
        if self.middle.is_empty() { self.width } else { 4 * self.width }
    }

    /// `x [n, d]` → `out [n, prepared_len]`, in the calling thread.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn prepare(&self, x: &[f32], out: &mut [f32]) {
        let (d, len) = (self.width, self.prepared_len());
        assert!(x.len().is_multiple_of(d) && out.len() == x.len() / d * len, "{} floats of tokens", x.len());
        for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(len)) {
            out[..d].copy_from_slice(x);
        }
        if let Some(first) = self.middle.first() {
            first.ask(x, &mut out[d..], len);
        }
    }

    /// The first token's output of every sequence: `sequences[i]` lists prepared tokens in order, some at a time; → `[n, d]`.
    /// Threads share the sequences; a result does not depend on which others there are.
    ///
    /// # Panics
    /// If a sequence is empty or holds a part of a token.
    pub fn read(&self, sequences: &[Vec<&[f32]>]) -> Vec<f32> {
        let (d, len) = (self.width, self.prepared_len());
        let lengths: Vec<usize> = sequences
            .iter()
            .map(|parts| {
                let floats: usize = parts.iter().map(|part| part.len()).sum();
                assert!(floats > 0 && parts.iter().all(|p| p.len().is_multiple_of(len)), "{floats} floats of tokens");
                floats / len
            })
            .collect();
        let mut out = vec![0.0; sequences.len() * d];
        let mut work = Vec::new();
        let (mut first, mut rest) = (0, out.as_mut_slice());
        for count in together(&lengths) {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(count * d);
            work.push((first..first + count, own));
            (first, rest) = (first + count, others);
        }
        work.into_par_iter().for_each(|(range, out)| {
            self.read_together(&sequences[range.clone()], Together::of(&lengths[range]), out);
        });
        out
    }

    /// Some sequences, in the calling thread.
    fn read_together(&self, sequences: &[Vec<&[f32]>], together: Together<'_>, out: &mut [f32]) {
        let (d, len) = (self.width, self.prepared_len());
        let mut x = Vec::with_capacity(together.rows * d);
        for token in sequences.iter().flatten().flat_map(|part| part.chunks_exact(len)) {
            x.extend_from_slice(&token[..d]);
        }
        if let Some((first, others)) = self.middle.split_first() {
            first.apply_prepared(sequences, together, &mut x);
            for block in others {
                block.apply(together, &mut x);
            }
        }
        self.last.read(together, &x, out);
    }
}

/// How many sequences are computed together, one number after the other.
fn together(lengths: &[usize]) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut count, mut rows) = (0, 0);
    for length in lengths {
        if count > 0 && rows + length > ROWS {
            counts.push(count);
            (count, rows) = (0, 0);
        }
        (count, rows) = (count + 1, rows + length);
    }
    if count > 0 {
        counts.push(count);
    }
    counts
}
