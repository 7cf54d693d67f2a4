//! From `x` to `out`, chunk by chunk.

use rayon::prelude::*;

use super::attention::{Asked, attend};
use super::reading::gather;
use super::rows::{bias_gelu, with_bias};
use super::{BlockSaved, BlockShape, BlockWeights, Chunk, Reading};
use crate::matrix::{View, product};
use crate::memory::{cut, with_scratch};
use crate::norm::norm_rows;

/// `x [batch, tokens, width]` → `out [batch, queries, width]`; `saved` is filled for [`block_backward`](super::block_backward),
/// whatever it held. Of `hidden [batch, tokens]` a token that is set is seen by itself only, as if it had been left out.
///
/// # Panics
/// If the shape is not that of a block (a width that is no multiple of the heads, no or too many queries), or a length does not
/// fit it.
pub fn block_forward(
    reading: &Reading,
    weights: &BlockWeights<'_>,
    x: &[f32],
    hidden: Option<&[bool]>,
    out: &mut [f32],
    saved: Option<&mut BlockSaved>,
) {
    let shape = &reading.shape;
    weights.check(shape);
    assert_eq!((x.len(), out.len()), (shape.input_len(), shape.output_len()), "block_forward {shape:?}");
    let flags = shape.batch * shape.tokens;
    assert!(hidden.is_none_or(|hidden| hidden.len() == flags), "hidden tokens of a block {shape:?}");
    let (samples, tokens, queries) = (reading.chunk(), shape.tokens * shape.width, shape.queries * shape.width);
    let part = |chunk: usize| {
        let first = chunk * samples * shape.tokens;
        hidden.map(|hidden| &hidden[first..flags.min(first + samples * shape.tokens)])
    };
    let chunks = x.par_chunks(samples * tokens).zip(out.par_chunks_mut(samples * queries)).enumerate();
    if let Some(saved) = saved {
        saved.fit(reading);
        chunks.zip(saved.0.par_chunks_mut(samples * reading.saved())).for_each(|((i, (x, out)), saved)| {
            with_chunk_scratch(reading, x, 0, |_, s| forward(reading, weights, (x, part(i)), out, saved, s))
        });
    } else {
        chunks.for_each(|(i, (x, out))| {
            let len = x.len() / tokens * reading.saved();
            with_chunk_scratch(reading, x, len, |saved, s| forward(reading, weights, (x, part(i)), out, saved, s));
        });
    }
}

/// Room for what a chunk need not keep.
struct Scratch<'a> {
    /// A normalised input `[rows, d]`.
    normal: &'a mut [f32],
    /// Rows of the queries `[read, d]`: of the normalised input, of the input, then normalised.
    picked: &'a mut [f32],
    /// The hidden layer behind GELU `[read, hidden]`.
    active: &'a mut [f32],
    /// For the attention.
    attention: &'a mut [f32],
}

/// Lends scratch for the chunk `x`, and `extra` more floats.
fn with_chunk_scratch(reading: &Reading, x: &[f32], extra: usize, work: impl FnOnce(&mut [f32], Scratch<'_>)) {
    let shape = &reading.shape;
    let Chunk { rows, read, .. } = reading.chunk_of(x.len() / (shape.tokens * shape.width));
    let d = shape.width;
    let lengths = [extra, rows * d, read * d, read * shape.hidden, attention_scratch(reading).iter().sum()];
    with_scratch(lengths, |[extra, normal, picked, active, attention]| {
        work(extra, Scratch { normal, picked, active, attention });
    });
}

/// A transposed head, and queries, keys and values of a sequence whose tokens do not stand in order.
fn attention_scratch(reading: &Reading) -> [usize; 3] {
    let longest = BlockShape { tokens: reading.longest, ..reading.shape };
    let gathered = if reading.straight { 0 } else { longest.tokens * longest.width };
    [longest.head() * longest.padded(), gathered, 2 * gathered]
}

/// One chunk, in the calling thread.
fn forward(
    reading: &Reading,
    w: &BlockWeights<'_>,
    (x, hidden_tokens): (&[f32], Option<&[bool]>),
    out: &mut [f32],
    saved: &mut [f32],
    scratch: Scratch<'_>,
) {
    let shape = &reading.shape;
    let (d, hidden) = (shape.width, shape.hidden);
    let Chunk { samples, rows, asking, read } = reading.chunk_of(x.len() / (shape.tokens * d));
    let [q, kv, probabilities, mixed, x1, before] = cut(saved, reading.saved_parts(samples));
    let Scratch { normal, picked, active, attention } = scratch;

    norm_rows(x, w.norm1.0, w.norm1.1, w.epsilon, normal);
    product(kv, View::new(normal, rows, d), View::columns(w.qkv, d, 3 * d, d, 2 * d), false);
    let from = if asking == rows {
        &*normal
    } else {
        reading.take_picked(normal, picked);
        &*picked
    };
    product(q, View::new(from, asking, d), View::columns(w.qkv, d, 3 * d, 0, d), false);
    attend_all(reading, (q, kv), hidden_tokens, probabilities, mixed, attention);

    if reading.all() {
        with_bias(x, w.proj.1, x1);
    } else {
        reading.take_picked(x, picked);
        with_bias(picked, w.proj.1, x1);
    }
    product(x1, View::new(mixed, read, d), View::new(w.proj.0, d, d), true);

    let normal = if read * d <= normal.len() { &mut normal[..read * d] } else { picked };
    norm_rows(x1, w.norm2.0, w.norm2.1, w.epsilon, normal);
    product(before, View::new(normal, read, d), View::new(w.fc1.0, d, hidden), false);
    bias_gelu(before, w.fc1.1, active);
    with_bias(x1, w.fc2.1, out);
    product(out, View::new(active, read, hidden), View::new(w.fc2.0, hidden, d), true);
}

/// [`attend`] in every sequence of every sample of a chunk.
fn attend_all(
    reading: &Reading,
    (q, kv): (&[f32], &[f32]),
    hidden: Option<&[bool]>,
    probabilities: &mut [f32],
    mixed: &mut [f32],
    scratch: &mut [f32],
) {
    let (BlockShape { tokens, width: d, .. }, queries) = (reading.shape, reading.queries());
    let [turned, some_q, some_kv] = cut(scratch, attention_scratch(reading));
    let asked = q.chunks_exact(reading.asking() * d).zip(kv.chunks_exact(tokens * 2 * d));
    let heads = probabilities.chunks_exact_mut(reading.probabilities).zip(mixed.chunks_exact_mut(queries * d));
    for (sample, ((q, kv), (probabilities, mixed))) in asked.zip(heads).enumerate() {
        let hidden = hidden.map(|hidden| &hidden[sample * tokens..][..tokens]);
        for part in &reading.parts {
            let (q, kv) = if reading.straight {
                (&q[part.query * d..], &kv[part.token * 2 * d..])
            } else {
                gather(q, d, &part.tokens[..part.shape.queries], some_q);
                gather(kv, 2 * d, &part.tokens, some_kv);
                (&*some_q, &*some_kv)
            };
            let turned = &mut turned[..part.shape.head() * part.shape.padded()];
            turned.fill(0.0);
            let hidden: Option<Vec<bool>> = hidden.map(|hidden| part.tokens.iter().map(|t| hidden[*t]).collect());
            let asked = Asked::apart(q, kv, d).hiding(hidden.as_deref());
            let (p, rows) = (&mut probabilities[part.probability..], &mut mixed[part.query * d..]);
            attend(&part.shape, asked, &mut p[..part.probabilities()], rows, turned);
        }
    }
}
