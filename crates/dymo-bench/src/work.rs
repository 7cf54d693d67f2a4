//! The arithmetic of the exact method, done plainly: every modality encoded once, every query by itself.

use std::collections::HashSet;

use dymo_core::ModalitySet;
use dymo_models::encoder::EncoderSettings;

use crate::case::Case;

/// Operations (multiplications and additions) of encoding every modality that these queries hold, and of the queries.
pub fn selection(case: &Case, queries: &HashSet<(usize, ModalitySet)>) -> f64 {
    let encoded: HashSet<(usize, usize)> =
        queries.iter().flat_map(|(s, set)| set.iter().map(move |m| (*s, m))).collect();
    let layout = case.network.layout();
    let d = layout.width();
    let tokens = |set: &ModalitySet| 1 + set.iter().map(|m| layout.tokens(m)).sum::<usize>();
    // Two blocks with an MLP of ratio 4, of the second only the class token behind keys and values.
    let query = |n: usize| 12 * d * d * n + 2 * d * d * n + 10 * d * d + 2 * d * n * n + 2 * d * n;
    let fusing: usize = queries.iter().map(|(_, set)| query(tokens(set))).sum();
    let encoding: usize = encoded.iter().map(|(_, m)| encoder(case, *m)).sum();
    2.0 * (fusing + encoding) as f64
}

/// Multiplications of one picture: convolutions of side 3 that halve the map, then one of side 1.
fn encoder(case: &Case, m: usize) -> usize {
    let input = &case.network.layout().inputs()[m];
    let [mut height, mut width, mut channels] = input.kind.shape();
    let EncoderSettings::Convolutional { widths, token_width } = &input.encoder else { return 0 };
    let mut sum = 0;
    for filters in widths {
        (height, width) = (height.div_ceil(2), width.div_ceil(2));
        sum += height * width * 9 * channels * filters;
        channels = *filters;
    }
    sum + height * width * channels * token_width
}
