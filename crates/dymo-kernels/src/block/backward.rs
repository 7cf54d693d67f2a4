//! From the gradient of `out` to that of `x` and of the weights.

use rayon::prelude::*;

use super::attention::{Attended, attend_backward};
use super::reading::{gather, scatter};
use super::rows::{add_columns, gelu_again};
use super::{BlockGradients, BlockSaved, BlockShape, BlockWeights, Chunk, Reading, SavedParts};
use crate::matrix::{View, product, product_into};
use crate::memory::{Recycled, cut, with_scratch};
use crate::norm::{norm_rows, norm_rows_backward};

/// Weight gradients are summed in at most this many pieces, whatever the number of threads, so that bits do not depend on it.
const PIECES: usize = 8;
/// Floats of a weight gradient that are added up together.
const ADDED: usize = 16 * 1024;

/// Gradients of [`block_forward`](super::block_forward), which filled `saved` from the same `x` and weights: `dy [batch, queries,
/// width]` → `dx [batch, tokens, width]` and the gradients of the weights, summed over the batch.
///
/// # Panics
/// If the shape is not that of a block, or a length does not fit it (that of `saved`, too).
pub fn block_backward(
    reading: &Reading,
    weights: &BlockWeights<'_>,
    x: &[f32],
    saved: &BlockSaved,
    dy: &[f32],
    dx: &mut [f32],
) -> BlockGradients {
    let shape = &reading.shape;
    weights.check(shape);
    assert_eq!((x.len(), dx.len(), dy.len()), (shape.input_len(), shape.input_len(), shape.output_len()), "{shape:?}");
    assert_eq!(saved.0.len(), shape.batch * reading.saved(), "saved by another block than {shape:?}");
    let lengths = shape.weight_parts();
    let total: usize = lengths.iter().sum();
    let samples = reading.chunk();
    let chunks = shape.batch.div_ceil(samples);
    let per_piece = chunks.div_ceil(PIECES).max(1) * samples;

    let mut sums = Recycled::take(shape.batch.div_ceil(per_piece) * total);
    let (tokens, queries) = (shape.tokens * shape.width, shape.queries * shape.width);
    sums.par_chunks_mut(total)
        .zip(x.par_chunks(per_piece * tokens))
        .zip(saved.0.par_chunks(per_piece * reading.saved()))
        .zip(dy.par_chunks(per_piece * queries))
        .zip(dx.par_chunks_mut(per_piece * tokens))
        .for_each(|((((sums, x), saved), dy), dx)| {
            let mut sums = Sums::of(shape, sums);
            let chunks = x.chunks(samples * tokens).zip(saved.chunks(samples * reading.saved()));
            let gradients = dy.chunks(samples * queries).zip(dx.chunks_mut(samples * tokens));
            for ((x, saved), (dy, dx)) in chunks.zip(gradients) {
                backward(reading, weights, x, saved, dy, dx, &mut sums);
                sums.begun = true;
            }
        });
    add_pieces(shape, &sums)
}

/// Adds the pieces up, in order.
fn add_pieces(shape: &BlockShape, pieces: &[f32]) -> BlockGradients {
    let lengths = shape.weight_parts();
    let total: usize = lengths.iter().sum();
    let mut parts = lengths.map(|len| vec![0.0; len]);
    // All of them in one call: most are too small to be worth one.
    let mut chunks = Vec::new();
    let mut first = 0;
    for part in &mut parts {
        for chunk in part.chunks_mut(ADDED) {
            let at = first;
            first += chunk.len();
            chunks.push((at, chunk));
        }
    }
    chunks.into_par_iter().for_each(|(at, sum)| {
        for piece in pieces.chunks_exact(total) {
            sum.iter_mut().zip(&piece[at..]).for_each(|(sum, value)| *sum += value);
        }
    });
    let [g1, b1, qkv, proj, bias, g2, b2, fc1, bias1, fc2, bias2] = parts;
    BlockGradients { norm1: (g1, b1), qkv, proj: (proj, bias), norm2: (g2, b2), fc1: (fc1, bias1), fc2: (fc2, bias2) }
}

/// The gradients of the weights that one piece adds up.
struct Sums<'a> {
    /// Whether the matrices hold sums already: the first chunk overwrites them.
    begun: bool,
    norm1: (&'a mut [f32], &'a mut [f32]),
    qkv: &'a mut [f32],
    proj: (&'a mut [f32], &'a mut [f32]),
    norm2: (&'a mut [f32], &'a mut [f32]),
    fc1: (&'a mut [f32], &'a mut [f32]),
    fc2: (&'a mut [f32], &'a mut [f32]),
}

impl<'a> Sums<'a> {
    fn of(shape: &BlockShape, sums: &'a mut [f32]) -> Self {
        let parts = cut(sums, shape.weight_parts());
        for index in [0, 1, 4, 5, 6, 8, 10] {
            parts[index].fill(0.0);
        }
        let [g1, b1, qkv, proj, bias, g2, b2, fc1, bias1, fc2, bias2] = parts;
        let (norm1, norm2) = ((g1, b1), (g2, b2));
        Self { begun: false, norm1, qkv, proj: (proj, bias), norm2, fc1: (fc1, bias1), fc2: (fc2, bias2) }
    }
}

/// One chunk, in the calling thread.
fn backward(
    reading: &Reading,
    w: &BlockWeights<'_>,
    x: &[f32],
    saved: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    sums: &mut Sums<'_>,
) {
    let shape = &reading.shape;
    let (d, hidden) = (shape.width, shape.hidden);
    let Chunk { samples, rows, asking, read } = reading.chunk_of(x.len() / (shape.tokens * d));
    let saved = SavedParts::of(reading, samples, saved);
    let more = rows.max(read) * d;
    let attention = attention_scratch(reading).iter().sum();
    let lengths = [read * hidden, read * hidden, more, more, read * d, read * d, asking * d, rows * 2 * d, attention];
    with_scratch(lengths, |[active, dhidden, normal, dnormal, dx1, narrow, dq, dkv, attention]| {
        // out = x1 + bias + gelu(hidden) · fc2
        product(dhidden, View::new(dy, read, d), View::new(w.fc2.0, hidden, d).transposed(), false);
        gelu_again(saved.hidden, active, dhidden, sums.fc1.1);
        product(sums.fc2.0, View::new(active, read, hidden).transposed(), View::new(dy, read, d), sums.begun);
        add_columns(dy, sums.fc2.1);

        // hidden = norm2(x1) · fc1 + bias
        let (few, dfew) = (&mut normal[..read * d], &mut dnormal[..read * d]);
        norm_rows(saved.x1, w.norm2.0, w.norm2.1, w.epsilon, few);
        product(sums.fc1.0, View::new(few, read, d).transposed(), View::new(dhidden, read, hidden), sums.begun);
        product(dfew, View::new(dhidden, read, hidden), View::new(w.fc1.0, d, hidden).transposed(), false);
        dx1.copy_from_slice(dy);
        norm_rows_backward(saved.x1, w.norm2.0, w.epsilon, dfew, dx1, sums.norm2.0, sums.norm2.1);

        // x1 = x + bias + mixed · proj
        product(sums.proj.0, View::new(saved.mixed, read, d).transposed(), View::new(dx1, read, d), sums.begun);
        add_columns(dx1, sums.proj.1);
        let dmixed = &mut *narrow;
        product(dmixed, View::new(dx1, read, d), View::new(w.proj.0, d, d).transposed(), false);

        // mixed = attention(q, k, v)
        attend_all_backward(reading, saved, dmixed, (dq, dkv), attention);

        // q, k, v = norm1(x) · qkv
        let (normal, dnormal) = (&mut normal[..rows * d], &mut dnormal[..rows * d]);
        norm_rows(x, w.norm1.0, w.norm1.1, w.epsilon, normal);
        let (kv, dkv) = (View::columns(w.qkv, d, 3 * d, d, 2 * d), View::new(dkv, rows, 2 * d));
        let (query, dq) = (View::columns(w.qkv, d, 3 * d, 0, d), View::new(dq, asking, d));
        product_into(&mut sums.qkv[d..], 3 * d, View::new(normal, rows, d).transposed(), dkv, sums.begun);
        product(dnormal, dkv, kv.transposed(), false);
        if asking == rows {
            product_into(sums.qkv, 3 * d, View::new(normal, rows, d).transposed(), dq, sums.begun);
            product(dnormal, dq, query.transposed(), true);
        } else {
            reading.take_picked(normal, narrow);
            product_into(sums.qkv, 3 * d, View::new(narrow, read, d).transposed(), dq, sums.begun);
            product(narrow, dq, query.transposed(), false);
            reading.add_picked(narrow, dnormal);
        }
        if reading.all() {
            dx.copy_from_slice(dx1);
        } else {
            dx.fill(0.0);
            reading.add_picked(dx1, dx);
        }
        norm_rows_backward(x, w.norm1.0, w.epsilon, dnormal, dx, sums.norm1.0, sums.norm1.1);
    });
}

/// A transposed head, gradients of its probabilities, and queries, keys, values and their gradients of a sequence whose tokens do
/// not stand in order.
fn attention_scratch(reading: &Reading) -> [usize; 6] {
    let longest = BlockShape { tokens: reading.longest, ..reading.shape };
    let gathered = if reading.straight { 0 } else { longest.tokens * longest.width };
    let (turned, dp) = (longest.head() * longest.padded(), longest.tokens * longest.padded());
    [turned, dp, gathered, 2 * gathered, gathered, 2 * gathered]
}

/// [`attend_backward`] in every sequence of every sample of a chunk.
fn attend_all_backward(
    reading: &Reading,
    saved: SavedParts<'_>,
    dmixed: &[f32],
    (dq, dkv): (&mut [f32], &mut [f32]),
    scratch: &mut [f32],
) {
    let d = reading.shape.width;
    let (few, many, read) = (reading.asking() * d, reading.shape.tokens * 2 * d, reading.queries() * d);
    let [turned, dp, some_q, some_kv, some_dq, some_dkv] = cut(scratch, attention_scratch(reading));
    if !reading.straight {
        dq.fill(0.0);
        dkv.fill(0.0);
    }
    let probabilities = saved.probabilities.chunks_exact(reading.probabilities);
    let inputs = saved.q.chunks_exact(few).zip(saved.kv.chunks_exact(many)).zip(probabilities);
    let gradients = dmixed.chunks_exact(read).zip(dq.chunks_exact_mut(few)).zip(dkv.chunks_exact_mut(many));
    for (((q, kv), probabilities), ((dmixed, dq), dkv)) in inputs.zip(gradients) {
        for part in &reading.parts {
            let shape = &part.shape;
            let turned = &mut turned[..shape.head() * shape.padded()];
            turned.fill(0.0);
            let probabilities = &probabilities[part.probability..][..part.probabilities()];
            let dmixed = &dmixed[part.query * d..];
            if reading.straight {
                let at = Attended { q: &q[part.query * d..], kv: &kv[part.token * 2 * d..], probabilities };
                let to = (&mut dq[part.query * d..], &mut dkv[part.token * 2 * d..]);
                attend_backward(shape, at, dmixed, to, turned, dp);
            } else {
                let asking = &part.tokens[..shape.queries];
                gather(q, d, asking, some_q);
                gather(kv, 2 * d, &part.tokens, some_kv);
                let at = Attended { q: some_q, kv: some_kv, probabilities };
                attend_backward(shape, at, dmixed, (&mut *some_dq, &mut *some_dkv), turned, dp);
                scatter(some_dq, d, asking, dq);
                scatter(some_dkv, 2 * d, &part.tokens, dkv);
            }
        }
    }
}
