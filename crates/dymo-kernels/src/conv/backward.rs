//! All gradients of a convolution or a transposed one, some images at a time while they are in cache.

use rayon::prelude::*;

use super::Geometry;
use super::outer::Outer;
use crate::activation::relu_backward_on;
use crate::block::rows::add_columns;
use crate::layer::Layer;
use crate::memory::Recycled;

/// Samples that go through together: a whole tile of the layer that makes the gradient of the input.
const TOGETHER: usize = 12;
/// Sums are made in at most this many pieces, whatever the number of threads, so that bits do not depend on it;
const PIECES: usize = 32;
/// in fewer where they would take more than this many floats, which have to be added up,
const SUMS: usize = 512 * 1024;
/// but not in less than this.
const FEWEST: usize = 8;
/// Filters whose pieces are added up together: a line of the cache.
const ADDED: usize = 16;

/// Gradients of a convolution's parameters, summed over the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvGradients {
    /// `[filters, channels, kernel, kernel]`.
    pub weight: Vec<f32>,
    /// One a filter; of a transposed convolution one a channel.
    pub bias: Vec<f32>,
}

/// Gradients of [`conv2d`](super::conv2d). `map` is its result if it ended in ReLU; `dmap`, the gradient of the result, becomes
/// that before the ReLU; `dimage` is overwritten with the gradient of `image`, where it is wanted.
///
/// # Panics
/// If a slice has another length than the geometry says.
pub fn conv2d_backward(
    g: &Geometry,
    image: &[f32],
    weight: &[f32],
    map: Option<&[f32]>,
    dmap: &mut [f32],
    dimage: Option<&mut [f32]>,
) -> ConvGradients {
    assert_eq!((image.len(), weight.len()), (g.image_len(), g.weight_len()), "conv2d_backward {g:?}");
    assert_eq!(dmap.len(), g.map_len(), "conv2d_backward {g:?}");
    let layer = dimage.is_some().then(|| g.transposed_layer(weight, None));
    let sizes = Sizes { input: g.image_size(), output: g.map_size(), width: g.filters };
    let add = |outer: &Outer, image: &[f32], dmap: &[f32], sums: &mut [f32]| outer.add(image, dmap, sums);
    backward(g, sizes, layer.as_ref(), add, Slices { input: image, output: map, dy: dmap, dx: dimage })
}

/// Gradients of [`conv_transpose2d`](super::conv_transpose2d). `image` is its result if it ended in ReLU; `dimage`, the gradient of
/// the result, becomes that before the ReLU; `dmap` is overwritten with the gradient of `map`, where it is wanted.
///
/// # Panics
/// If a slice has another length than the geometry says.
pub fn conv_transpose2d_backward(
    g: &Geometry,
    map: &[f32],
    weight: &[f32],
    image: Option<&[f32]>,
    dimage: &mut [f32],
    dmap: Option<&mut [f32]>,
) -> ConvGradients {
    assert_eq!((map.len(), weight.len()), (g.map_len(), g.weight_len()), "conv_transpose2d_backward {g:?}");
    assert_eq!(dimage.len(), g.image_len(), "conv_transpose2d_backward {g:?}");
    let layer = dmap.is_some().then(|| g.layer(weight, None));
    let sizes = Sizes { input: g.map_size(), output: g.image_size(), width: g.channels };
    // The weights meet what they do in the convolution of this geometry: image and map are exchanged, the formula is the same.
    let add = |outer: &Outer, map: &[f32], dimage: &[f32], sums: &mut [f32]| outer.add(dimage, map, sums);
    backward(g, sizes, layer.as_ref(), add, Slices { input: map, output: image, dy: dimage, dx: dmap })
}

/// Floats of a sample's input and output, and of a pixel of the output.
#[derive(Clone, Copy)]
struct Sizes {
    input: usize,
    output: usize,
    width: usize,
}

/// What a backward pass reads and writes, of the batch or of a part of it.
struct Slices<'a> {
    input: &'a [f32],
    output: Option<&'a [f32]>,
    dy: &'a mut [f32],
    dx: Option<&'a mut [f32]>,
}

impl<'a> Slices<'a> {
    /// Cuts the first samples off; `None` if there are none left.
    fn split(&mut self, samples: usize, sizes: Sizes) -> Option<Slices<'a>> {
        let samples = samples.min(self.input.len() / sizes.input);
        if samples == 0 {
            return None;
        }
        let input = self.input.split_off(..samples * sizes.input)?;
        let output = match &mut self.output {
            Some(output) => Some(output.split_off(..samples * sizes.output)?),
            None => None,
        };
        let dy = self.dy.split_off_mut(..samples * sizes.output)?;
        let dx = match &mut self.dx {
            Some(dx) => Some(dx.split_off_mut(..samples * sizes.input)?),
            None => None,
        };
        Some(Slices { input, output, dy, dx })
    }
}

fn backward(
    g: &Geometry,
    sizes: Sizes,
    layer: Option<&Layer>,
    add: impl Fn(&Outer, &[f32], &[f32], &mut [f32]) + Sync,
    mut slices: Slices<'_>,
) -> ConvGradients {
    assert!(slices.output.is_none_or(|output| output.len() == slices.dy.len()), "result of {g:?}");
    assert!(slices.dx.as_ref().is_none_or(|dx| dx.len() == slices.input.len()), "gradient of the input of {g:?}");
    let outer = Outer::new(g);
    let size = outer.len() + sizes.width;
    let groups = g.batch.div_ceil(TOGETHER);
    let pieces = (SUMS / size.max(1)).clamp(FEWEST, PIECES).min(groups);
    let ends = (1..=pieces).map(|piece| piece * groups / pieces * TOGETHER);
    let parts: Vec<Slices<'_>> = ends
        .scan(0, |done, end| {
            let samples = end - std::mem::replace(done, end);
            slices.split(samples, sizes)
        })
        .collect();
    let mut sums = Recycled::take(parts.len() * size);
    parts.into_par_iter().zip(sums.par_chunks_mut(size)).for_each(|(mut part, sums)| {
        sums.fill(0.0);
        let (weight, bias) = sums.split_at_mut(outer.len());
        while let Some(few) = part.split(TOGETHER, sizes) {
            if let Some(output) = few.output {
                relu_backward_on(output, few.dy);
            }
            add_columns(few.dy, bias);
            add(&outer, few.input, few.dy, weight);
            if let (Some(layer), Some(dx)) = (layer, few.dx) {
                layer.forward(few.dy, dx);
            }
        }
    });
    add_pieces(g, &outer, sizes.width, &sums)
}

/// Adds the pieces up, in order, and brings the weights from the order of a window into their own.
fn add_pieces(g: &Geometry, outer: &Outer, width: usize, pieces: &[f32]) -> ConvGradients {
    let (size, window) = (outer.len() + width, g.kernel * g.kernel);
    let per_filter = g.channels * window;
    let mut weight = vec![0.0; g.weight_len()];
    weight.par_chunks_mut(ADDED * per_filter).enumerate().for_each(|(index, weight)| {
        let (first, filters) = (index * ADDED, weight.len() / per_filter);
        for (row, (w, c)) in (0..window).flat_map(|w| (0..g.channels).map(move |c| (w, c))).enumerate() {
            let mut sums = [0.0; ADDED];
            for piece in pieces.chunks_exact(size) {
                let part = &piece[row * outer.width() + first..][..filters];
                sums.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
            }
            for (f, sum) in sums[..filters].iter().enumerate() {
                weight[f * per_filter + c * window + w] = *sum;
            }
        }
    });
    let mut bias = vec![0.0; width];
    for piece in pieces.chunks_exact(size) {
        bias.iter_mut().zip(&piece[outer.len()..]).for_each(|(sum, v)| *sum += v);
    }
    ConvGradients { weight, bias }
}
