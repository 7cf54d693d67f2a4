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

/// Operations of the whole inference: those of selection, and of recovering every modality that these queries hold and that was not
/// observed, from encodings of what was.
pub fn whole(case: &Case, queries: &HashSet<(usize, ModalitySet)>) -> f64 {
    let missing = |(s, set): &(usize, ModalitySet)| set.difference(case.present[*s]);
    let recovered: HashSet<(usize, usize)> =
        queries.iter().flat_map(|query| missing(query).iter().map(|m| (query.0, m))).collect();
    let asking: HashSet<usize> = recovered.iter().map(|(s, _)| *s).collect();
    let observed = asking.iter().flat_map(|s| case.present[*s].iter());
    let encoding: usize = observed.map(|m| posterior(case, m)).sum();
    let decoding: usize = recovered.iter().map(|(_, m)| decoder(case, *m)).sum();
    selection(case, queries) + 2.0 * (encoding + decoding) as f64
}

/// Multiplications of one picture: convolutions of side 3 that halve the map, then one of side 1.
fn encoder(case: &Case, m: usize) -> usize {
    let input = &case.network.layout().inputs()[m];
    let EncoderSettings::Convolutional { widths, token_width } = &input.encoder else { return 0 };
    let (sum, [height, width, channels]) = halving(input.kind.shape(), widths);
    sum + height * width * channels * token_width
}

/// Multiplications of one picture's posterior in MoPoE: convolutions, a hidden layer, two heads.
fn posterior(case: &Case, m: usize) -> usize {
    let (latent, hidden) = (case.settings.latent, case.settings.hidden.unwrap_or(case.settings.latent));
    let (sum, map) = halving(case.kinds[m].shape(), &case.settings.widths);
    sum + map.iter().product::<usize>() * hidden + 2 * hidden * latent
}

/// Multiplications of one decoded picture: a hidden layer, then transposed convolutions that double the map.
fn decoder(case: &Case, m: usize) -> usize {
    let (sum, map) = halving(case.kinds[m].shape(), &case.settings.widths);
    // A transposed convolution has as many as the convolution that it turns round.
    sum + map.iter().product::<usize>() * case.settings.latent
}

/// Multiplications of convolutions of side 3 that halve the map, and the last map.
fn halving([mut height, mut width, mut channels]: [usize; 3], widths: &[usize]) -> (usize, [usize; 3]) {
    let mut sum = 0;
    for filters in widths {
        (height, width) = (height.div_ceil(2), width.div_ceil(2));
        sum += height * width * 9 * channels * filters;
        channels = *filters;
    }
    (sum, [height, width, channels])
}
