//! Passes over the rows of one chunk while it is in cache.

use crate::activation::{NORMAL_PEAK, normal_cdf};
use crate::dispatch::dispatch;

#[inline(always)]
fn bias_gelu_body<const FUSED: bool>(hidden: &mut [f32], bias: &[f32], active: &mut [f32]) {
    for (hidden, active) in hidden.chunks_exact_mut(bias.len()).zip(active.chunks_exact_mut(bias.len())) {
        for ((hidden, active), bias) in hidden.iter_mut().zip(active).zip(bias) {
            *hidden += bias;
            *active = *hidden * normal_cdf::<FUSED>(*hidden).0;
        }
    }
}

/// `hidden += bias` per row, `active = gelu(hidden)`.
pub(super) fn bias_gelu(hidden: &mut [f32], bias: &[f32], active: &mut [f32]) {
    dispatch!(wide, bias_gelu_body::<true>, bias_gelu_body::<false>, (hidden: &mut [f32], bias: &[f32], active: &mut [f32]))
}

#[inline(always)]
fn gelu_again_body<const FUSED: bool>(hidden: &[f32], active: &mut [f32], gradient: &mut [f32], dbias: &mut [f32]) {
    let width = dbias.len();
    let rows = hidden.chunks_exact(width).zip(active.chunks_exact_mut(width)).zip(gradient.chunks_exact_mut(width));
    for ((hidden, active), gradient) in rows {
        for (((hidden, active), gradient), dbias) in hidden.iter().zip(active).zip(gradient).zip(dbias.iter_mut()) {
            let (cdf, e) = normal_cdf::<FUSED>(*hidden);
            *active = hidden * cdf;
            *gradient *= cdf + hidden * e * NORMAL_PEAK;
            *dbias += *gradient;
        }
    }
}

/// Backwards through [`bias_gelu`]: `active = gelu(hidden)` once more, `gradient` turns from that of the output into that of the
/// input, and its column sums are added to `dbias`.
pub(super) fn gelu_again(hidden: &[f32], active: &mut [f32], gradient: &mut [f32], dbias: &mut [f32]) {
    dispatch!(wide, gelu_again_body::<true>, gelu_again_body::<false>, (hidden: &[f32], active: &mut [f32], gradient: &mut [f32], dbias: &mut [f32]))
}

#[inline(always)]
fn with_bias_body(x: &[f32], bias: &[f32], out: &mut [f32]) {
    for (x, out) in x.chunks_exact(bias.len()).zip(out.chunks_exact_mut(bias.len())) {
        for ((x, out), bias) in x.iter().zip(out).zip(bias) {
            *out = x + bias;
        }
    }
}

/// `out = x + bias` per row: what a product with its residual is then added to.
pub(super) fn with_bias(x: &[f32], bias: &[f32], out: &mut [f32]) {
    dispatch!(wide, with_bias_body, (x: &[f32], bias: &[f32], out: &mut [f32]))
}

#[inline(always)]
fn add_columns_body(rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

/// Adds the column sums of `rows` to `sums`.
pub(crate) fn add_columns(rows: &[f32], sums: &mut [f32]) {
    dispatch!(wide, add_columns_body, (rows: &[f32], sums: &mut [f32]))
}
