//! From the gradient of `out` to that of `x` and of the weights.

use rayon::prelude::*;

use super::attention::{Attended, attend_backward};
use super::memory::{Recycled, cut, cut_shared, with_scratch};
use super::rows::{add_columns, gelu_again};
use super::{BlockGradients, BlockSaved, BlockShape, BlockWeights, Chunk, SavedParts, add_queries, take_queries};
use crate::matrix::{View, product, product_into};
use crate::norm::{norm_rows, norm_rows_backward};

/// Weight gradients are summed in at most this many pieces, whatever the number of threads, so that bits do not depend on it.
const PIECES: usize = 8;

/// Gradients of [`block_forward`](super::block_forward), which filled `saved` from the same `x` and weights: `dy [batch, queries,
/// width]` → `dx [batch, tokens, width]` and the gradients of the weights, summed over the batch.
///
/// # Panics
/// If the shape is not that of a block, or a length does not fit it (that of `saved`, too).
pub fn block_backward(
    shape: &BlockShape,
    weights: &BlockWeights<'_>,
    x: &[f32],
    saved: &BlockSaved,
    dy: &[f32],
    dx: &mut [f32],
) -> BlockGradients {
    shape.check();
    weights.check(shape);
    assert_eq!((x.len(), dx.len(), dy.len()), (shape.input_len(), shape.input_len(), shape.output_len()), "{shape:?}");
    assert_eq!(saved.0.len(), shape.batch * shape.saved(), "saved by another block than {shape:?}");
    let lengths = shape.weight_parts();
    let total: usize = lengths.iter().sum();
    let samples = shape.chunk();
    let chunks = shape.batch.div_ceil(samples);
    let per_piece = chunks.div_ceil(PIECES).max(1) * samples;
    let turned = Turned::of(shape, weights);

    let mut sums = Recycled::take(shape.batch.div_ceil(per_piece) * total);
    let (tokens, queries) = (shape.tokens * shape.width, shape.queries * shape.width);
    sums.par_chunks_mut(total)
        .zip(x.par_chunks(per_piece * tokens))
        .zip(saved.0.par_chunks(per_piece * shape.saved()))
        .zip(dy.par_chunks(per_piece * queries))
        .zip(dx.par_chunks_mut(per_piece * tokens))
        .for_each(|((((sums, x), saved), dy), dx)| {
            sums.fill(0.0);
            let mut sums = Sums::of(shape, sums);
            let chunks = x.chunks(samples * tokens).zip(saved.chunks(samples * shape.saved()));
            let gradients = dy.chunks(samples * queries).zip(dx.chunks_mut(samples * tokens));
            for ((x, saved), (dy, dx)) in chunks.zip(gradients) {
                backward(shape, weights, &turned, x, saved, dy, dx, &mut sums);
            }
        });
    add_pieces(shape, &sums)
}
