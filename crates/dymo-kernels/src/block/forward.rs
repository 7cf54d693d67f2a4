//! From `x` to `out`, chunk by chunk.

use rayon::prelude::*;

use super::attention::{Asked, attend};
use super::rows::{bias_gelu, with_bias};
use super::{BlockSaved, BlockShape, BlockWeights, Chunk, take_queries};
use crate::matrix::{View, product};
use crate::memory::{cut, with_scratch};
use crate::norm::norm_rows;

/// `x [batch, tokens, width]` → `out [batch, queries, width]`; `saved` is filled for [`block_backward`](super::block_backward),
/// whatever it held.
///
/// # Panics
/// If the shape is not that of a block (a width that is no multiple of the heads, no or too many queries), or a length does not
/// fit it.
pub fn block_forward(
    shape: &BlockShape,
    weights: &BlockWeights<'_>,
    x: &[f32],
    out: &mut [f32],
    saved: Option<&mut BlockSaved>,
) {
    block_forward_hiding(shape, weights, x, None, out, saved);
}

/// As [`block_forward`] where some tokens are hidden, `hidden [batch, tokens]`: no token sees them but they themselves, as if they had
/// been left out. What is saved is for [`block_backward`](super::block_backward) as it stands.
///
/// # Panics
/// As there, and if `hidden` has another length.
pub fn block_forward_hiding(
    shape: &BlockShape,
    weights: &BlockWeights<'_>,
    x: &[f32],
    hidden: Option<&[bool]>,
    out: &mut [f32],
    saved: Option<&mut BlockSaved>,
) {
    shape.check();
    weights.check(shape);
    assert_eq!((x.len(), out.len()), (shape.input_len(), shape.output_len()), "block_forward {shape:?}");
    let flags = shape.batch * shape.tokens;
    assert!(hidden.is_none_or(|hidden| hidden.len() == flags), "hidden tokens of a block {shape:?}");
    let (samples, tokens, queries) = (shape.chunk(), shape.tokens * shape.width, shape.queries * shape.width);
    let part = |chunk: usize| {
        let first = chunk * samples * shape.tokens;
        hidden.map(|hidden| &hidden[first..flags.min(first + samples * shape.tokens)])
    };
    let chunks = x.par_chunks(samples * tokens).zip(out.par_chunks_mut(samples * queries)).enumerate();
    if let Some(saved) = saved {
        saved.fit(shape);
        chunks.zip(saved.0.par_chunks_mut(samples * shape.saved())).for_each(|((i, (x, out)), saved)| {
            with_chunk_scratch(shape, x, 0, |_, s| forward(shape, weights, (x, part(i)), out, saved, s))
        });
    } else {
        chunks.for_each(|(i, (x, out))| {
            let len = x.len() / tokens * shape.saved();
            with_chunk_scratch(shape, x, len, |saved, s| forward(shape, weights, (x, part(i)), out, saved, s));
        });
    }
}

/// Room for what a chunk need not keep.
struct Scratch<'a> {
    /// A normalised input `[rows, d]`.
    normal: &'a mut [f32],
    /// Rows of the queries `[read, d]`: of the normalised input, then of the input.
    picked: &'a mut [f32],
    /// The hidden layer behind GELU `[read, hidden]`.
    active: &'a mut [f32],
    /// A transposed head `[head, padded]`.
    turned: &'a mut [f32],
}

/// Lends scratch for the chunk `x`, and `extra` more floats.
fn with_chunk_scratch(shape: &BlockShape, x: &[f32], extra: usize, work: impl FnOnce(&mut [f32], Scratch<'_>)) {
    let Chunk { rows, read, .. } = shape.chunk_of(x.len() / (shape.tokens * shape.width));
    let d = shape.width;
    let lengths = [extra, rows * d, read * d, read * shape.hidden, shape.head() * shape.padded()];
    with_scratch(lengths, |[extra, normal, picked, active, turned]| {
        work(extra, Scratch { normal, picked, active, turned });
    });
}

/// One chunk, in the calling thread.
fn forward(
    shape: &BlockShape,
    w: &BlockWeights<'_>,
    (x, hidden_tokens): (&[f32], Option<&[bool]>),
    out: &mut [f32],
    saved: &mut [f32],
    scratch: Scratch<'_>,
) {
    let (d, hidden) = (shape.width, shape.hidden);
    let Chunk { samples, rows, read } = shape.chunk_of(x.len() / (shape.tokens * d));
    let [q, kv, probabilities, mixed, x1, before] = cut(saved, shape.saved_parts(samples));
    let Scratch { normal, picked, active, turned } = scratch;

    norm_rows(x, w.norm1.0, w.norm1.1, w.epsilon, normal);
    product(kv, View::new(normal, rows, d), View::columns(w.qkv, d, 3 * d, d, 2 * d), false);
    let asking = if shape.all() {
        &*normal
    } else {
        take_queries(shape, normal, picked);
        &*picked
    };
    product(q, View::new(asking, read, d), View::columns(w.qkv, d, 3 * d, 0, d), false);

    turned.fill(0.0);
    let heads = probabilities.chunks_exact_mut(shape.heads * shape.queries * shape.padded());
    let tokens = q.chunks_exact(shape.queries * d).zip(kv.chunks_exact(shape.tokens * 2 * d));
    for (i, (((q, kv), p), mixed)) in tokens.zip(heads).zip(mixed.chunks_exact_mut(shape.queries * d)).enumerate() {
        let hidden = hidden_tokens.map(|hidden| &hidden[i * shape.tokens..(i + 1) * shape.tokens]);
        attend(shape, Asked::apart(q, kv, d).hiding(hidden), p, mixed, turned);
    }

    if shape.all() {
        with_bias(x, w.proj.1, x1);
    } else {
        take_queries(shape, x, picked);
        with_bias(picked, w.proj.1, x1);
    }
    product(x1, View::new(mixed, read, d), View::new(w.proj.0, d, d), true);

    let normal = &mut normal[..read * d];
    norm_rows(x1, w.norm2.0, w.norm2.1, w.epsilon, normal);
    product(before, View::new(normal, read, d), View::new(w.fc1.0, d, hidden), false);
    bias_gelu(before, w.fc1.1, active);
    with_bias(x1, w.fc2.1, out);
    product(out, View::new(active, read, hidden), View::new(w.fc2.0, hidden, d), true);
}
