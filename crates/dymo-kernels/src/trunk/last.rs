//! The block of which only the first token of each sequence is read.

use super::{HIDDEN_ROWS, Mlp, Norm, Together};
use crate::block::attention::softmax;
use crate::block::small::{Left, Rows, Size, small_product};
use crate::block::{BlockShape, BlockWeights};
use crate::dispatch::{dispatch, multiply_add};
use crate::layer::{Finish, Layer};
use crate::memory::with_scratch;

#[derive(Debug, Clone)]
pub(super) struct LastBlock {
    shape: BlockShape,
    norm: Norm,
    query: Layer,
    /// Per head, from its part of the query to what a normalised token is compared with: `[head]` → `[d]`.
    compared: Vec<Layer>,
    /// Per head, from the mixture of normalised tokens to its part of the mixed values: `[d]` → `[head]`.
    values: Vec<Layer>,
    proj: Layer,
    mlp: Mlp,
}

/// The columns `first..first + count` of `w [rows, width]`.
fn columns(w: &[f32], width: usize, first: usize, count: usize) -> Vec<f32> {
    w.chunks_exact(width).flat_map(|row| &row[first..first + count]).copied().collect()
}

fn transposed(w: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|c| w.iter().skip(c).step_by(width)).copied().collect()
}

impl LastBlock {
    pub fn new(shape: BlockShape, w: &BlockWeights<'_>) -> Self {
        let (d, head) = (shape.width, shape.head());
        let part = |part: usize, h: usize| columns(w.qkv, 3 * d, part * d + h * head, head);
        Self {
            shape,
            norm: Norm::new(w.norm1, w.epsilon),
            query: Layer::dense(d, d, &columns(w.qkv, 3 * d, 0, d), None),
            compared: (0..shape.heads).map(|h| Layer::dense(head, d, &transposed(&part(1, h), head), None)).collect(),
            values: (0..shape.heads).map(|h| Layer::dense(d, head, &part(2, h), None)).collect(),
            proj: Layer::dense(d, d, w.proj.0, Some(w.proj.1)).with_finish(Finish::Add),
            mlp: Mlp::new(d, shape.hidden, w),
        }
    }

    /// `x [rows, d]` → the first token of each sequence, `out [n, d]`.
    pub fn read(&self, together: Together<'_>, x: &[f32], out: &mut [f32]) {
        let (d, heads, head, n) = (self.shape.width, self.shape.heads, self.shape.head(), together.lengths.len());
        let padded = together.longest.next_multiple_of(8);
        let per_head = heads * d;
        let lengths = [
            together.rows * d,
            n * d,
            n * d,
            n * per_head,
            heads * padded,
            HIDDEN_ROWS * d,
            HIDDEN_ROWS * self.shape.hidden,
        ];
        with_scratch(lengths, |[normal, first, query, wide, p, few, hidden]| {
            self.norm.apply(x, normal);
            take_first(together.lengths, normal, d, first);
            self.query.forward(first, query);
            for (h, layer) in self.compared.iter().enumerate() {
                layer.forward_strided(n, (&query[h * head..], d), (&mut wide[h * d..], per_head));
            }
            let mut tokens = &*normal;
            for (length, compared) in together.lengths.iter().zip(wide.chunks_exact_mut(per_head)) {
                let (own, others) = tokens.split_at(length * d);
                self.mix(*length, own, compared, p);
                tokens = others;
            }
            let mixed = query;
            for (h, layer) in self.values.iter().enumerate() {
                layer.forward_strided(n, (&wide[h * d..], per_head), (&mut mixed[h * head..], d));
            }
            take_first(together.lengths, x, d, out);
            self.proj.forward(mixed, out);
            self.mlp.apply(out, few, hidden);
        });
    }

    /// One sequence: what its tokens are compared with, `[heads, d]`, becomes their mixture of each head.
    fn mix(&self, length: usize, tokens: &[f32], compared: &mut [f32], p: &mut [f32]) {
        let (d, padded) = (self.shape.width, length.next_multiple_of(8));
        let p = &mut p[..self.shape.heads * padded];
        compare(compared, tokens, d, p, padded);
        softmax(p, padded, length, self.shape.scale());
        let size = Size { rows: self.shape.heads, columns: d, depth: length };
        small_product(compared, d, Left { data: p, row: padded, step: 1 }, Rows { data: tokens, stride: d }, size);
    }
}

/// The first row of every sequence.
fn take_first(lengths: &[usize], rows: &[f32], d: usize, out: &mut [f32]) {
    let mut at = 0;
    for (length, out) in lengths.iter().zip(out.chunks_exact_mut(d)) {
        out.copy_from_slice(&rows[at * d..][..d]);
        at += length;
    }
}

#[inline(always)]
fn compare_body<const FUSED: bool>(compared: &[f32], tokens: &[f32], d: usize, scores: &mut [f32], stride: usize) {
    for (compared, scores) in compared.chunks_exact(d).zip(scores.chunks_exact_mut(stride)) {
        let (wide, rest) = compared.as_chunks::<8>();
        for (token, score) in tokens.chunks_exact(d).zip(scores) {
            let (token, last) = token.as_chunks::<8>();
            let mut lanes = [0.0f32; 8];
            for (a, b) in wide.iter().zip(token) {
                for i in 0..8 {
                    lanes[i] = multiply_add::<FUSED>(a[i], b[i], lanes[i]);
                }
            }
            *score = lanes.iter().sum::<f32>() + rest.iter().zip(last).map(|(a, b)| a * b).sum::<f32>();
        }
    }
}

/// `scores[h, j] = ⟨compared[h], tokens[j]⟩`, rows of scores `stride` apart.
fn compare(compared: &[f32], tokens: &[f32], d: usize, scores: &mut [f32], stride: usize) {
    dispatch!(
        wide,
        compare_body::<true>,
        compare_body::<false>,
        (compared: &[f32], tokens: &[f32], d: usize, scores: &mut [f32], stride: usize)
    )
}
