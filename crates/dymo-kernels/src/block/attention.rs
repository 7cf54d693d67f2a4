//! Attention of one sample, head by head.

use super::BlockShape;
use super::small::{Left, Rows, Size, small_product};
use crate::activation::exp_negative;
use crate::dispatch::dispatch;

/// `target [head, stride] = source [tokens, ..]` transposed; source rows stand `step` apart. Columns from `tokens` on stay.
fn transpose(source: &[f32], step: usize, (tokens, head): (usize, usize), target: &mut [f32], stride: usize) {
    for (token, row) in source.chunks(step).take(tokens).enumerate() {
        for (c, value) in row[..head].iter().enumerate() {
            target[c * stride + token] = *value;
        }
    }
}

/// `row ← softmax(scale · row)` over the first `tokens` values, zeros behind.
#[inline(always)]
fn softmax_body<const FUSED: bool>(rows: &mut [f32], stride: usize, tokens: usize, scale: f32) {
    for row in rows.chunks_exact_mut(stride) {
        let top = row[..tokens].iter().fold(f32::NEG_INFINITY, |top, value| top.max(*value));
        row[tokens..].fill(f32::NEG_INFINITY);
        for value in row.iter_mut() {
            *value = exp_negative::<FUSED>((*value - top) * scale);
        }
        let over = 1.0 / row[..tokens].iter().sum::<f32>();
        row.iter_mut().for_each(|value| *value *= over);
    }
}

pub(crate) fn softmax(rows: &mut [f32], stride: usize, tokens: usize, scale: f32) {
    dispatch!(wide, softmax_body::<true>, softmax_body::<false>, (rows: &mut [f32], stride: usize, tokens: usize, scale: f32))
}

/// `dp ← scale · p · (dp − Σ p·dp)` per row: the gradient of the unscaled scores.
#[inline(always)]
fn softmax_backward_body(p: &[f32], dp: &mut [f32], stride: usize, scale: f32) {
    for (p, dp) in p.chunks_exact(stride).zip(dp.chunks_exact_mut(stride)) {
        let (p8, _) = p.as_chunks::<8>();
        let (dp8, _) = dp.as_chunks_mut::<8>();
        let mut lanes = [0.0; 8];
        for (p, dp) in p8.iter().zip(dp8.iter()) {
            for i in 0..8 {
                lanes[i] += p[i] * dp[i];
            }
        }
        let dot: f32 = lanes.iter().sum();
        for (p, dp) in p8.iter().zip(dp8) {
            for i in 0..8 {
                dp[i] = scale * p[i] * (dp[i] - dot);
            }
        }
    }
}

fn softmax_backward(p: &[f32], dp: &mut [f32], stride: usize, scale: f32) {
    dispatch!(wide, softmax_backward_body, (p: &[f32], dp: &mut [f32], stride: usize, scale: f32))
}

/// What one sample's tokens ask, offer and hold: each a row of all heads per token.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub q: Rows<'a>,
    pub k: Rows<'a>,
    pub v: Rows<'a>,
    /// Tokens that no other token sees, `[tokens]`; nothing is hidden without it.
    pub hidden: Option<&'a [bool]>,
}

impl<'a> Asked<'a> {
    /// Of `q [queries, d]` and `kv [tokens, 2d]`.
    pub fn apart(q: &'a [f32], kv: &'a [f32], d: usize) -> Self {
        let (k, v) = (Rows { data: kv, stride: 2 * d }, Rows { data: &kv[d..], stride: 2 * d });
        Self { q: Rows { data: q, stride: d }, k, v, hidden: None }
    }

    /// The same where some tokens are hidden.
    pub fn hiding(self, hidden: Option<&'a [bool]>) -> Self {
        Self { hidden, ..self }
    }

    /// Of `qkv [tokens, 3d]`.
    pub fn joint(qkv: &'a [f32], d: usize) -> Self {
        let rows = |part: usize| Rows { data: &qkv[part * d..], stride: 3 * d };
        Self { q: rows(0), k: rows(1), v: rows(2), hidden: None }
    }
}

/// Scores of hidden tokens become −∞, but for a token's own: its probability is then an exact 0, and so is its gradient.
fn hide(scores: &mut [f32], stride: usize, hidden: &[bool]) {
    for (query, row) in scores.chunks_exact_mut(stride).enumerate() {
        for (key, (score, hidden)) in row.iter_mut().zip(hidden).enumerate() {
            if *hidden && key != query {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

/// One sample → `probabilities [heads, queries, padded]`, `mixed [queries, d]`.
/// `turned` is scratch `[head, padded]` whose columns from `tokens` on hold zeros.
pub(crate) fn attend(
    shape: &BlockShape,
    asked: Asked<'_>,
    probabilities: &mut [f32],
    mixed: &mut [f32],
    turned: &mut [f32],
) {
    let (d, head, padded, BlockShape { tokens, queries, .. }) = (shape.width, shape.head(), shape.padded(), *shape);
    for (h, p) in probabilities.chunks_exact_mut(queries * padded).enumerate() {
        let at = h * head;
        let Asked { q, k, v, hidden } = asked;
        transpose(&k.data[at..], k.stride, (tokens, head), turned, padded);
        let q = Left { data: &q.data[at..], row: q.stride, step: 1 };
        let size = Size { rows: queries, columns: padded, depth: head };
        small_product(p, padded, q, Rows { data: turned, stride: padded }, size);
        if let Some(hidden) = hidden {
            hide(p, padded, hidden);
        }
        softmax(p, padded, tokens, shape.scale());
        let v = Rows { data: &v.data[at..], stride: v.stride };
        let size = Size { rows: queries, columns: head, depth: tokens };
        small_product(&mut mixed[at..], d, Left { data: p, row: padded, step: 1 }, v, size);
    }
}

/// What [`attend`] read and wrote for one sample.
#[derive(Clone, Copy)]
pub(super) struct Attended<'a> {
    pub q: &'a [f32],
    pub kv: &'a [f32],
    pub probabilities: &'a [f32],
}

/// Gradients of [`attend`]: `dmixed [queries, d]` → `dq [queries, d]`, `dkv [tokens, 2d]`. `turned` as there, `dp` is scratch
/// `[queries, padded]`.
pub(super) fn attend_backward(
    shape: &BlockShape,
    saved: Attended<'_>,
    dmixed: &[f32],
    (dq, dkv): (&mut [f32], &mut [f32]),
    turned: &mut [f32],
    dp: &mut [f32],
) {
    let (d, head, padded, BlockShape { tokens, queries, .. }) = (shape.width, shape.head(), shape.padded(), *shape);
    let to_queries = Size { rows: queries, columns: head, depth: tokens };
    let to_tokens = Size { rows: tokens, columns: head, depth: queries };
    for (h, p) in saved.probabilities.chunks_exact(queries * padded).enumerate() {
        let at = h * head;
        let dmixed = Rows { data: &dmixed[at..], stride: d };
        let transposed = |data| Left { data, row: 1, step: padded };
        small_product(&mut dkv[d + at..], 2 * d, transposed(p), dmixed, to_tokens);
        transpose(&saved.kv[d + at..], 2 * d, (tokens, head), turned, padded);
        let size = Size { rows: queries, columns: padded, depth: head };
        let left = Left { data: dmixed.data, row: d, step: 1 };
        small_product(dp, padded, left, Rows { data: turned, stride: padded }, size);
        softmax_backward(p, dp, padded, shape.scale());
        let k = Rows { data: &saved.kv[at..], stride: 2 * d };
        small_product(&mut dq[at..], d, Left { data: dp, row: padded, step: 1 }, k, to_queries);
        let q = Rows { data: &saved.q[at..], stride: d };
        small_product(&mut dkv[at..], 2 * d, transposed(dp), q, to_tokens);
    }
}
