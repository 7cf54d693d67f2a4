//! Convolution and transposed convolution, which is the same geometry read backwards, with their gradients. Forward they are
//! [`Layer`]s; for the gradient of the weights the patches of a block of images are gathered, multiplied, and forgotten while
//! still in cache.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::layer::{Finish, Layer};
use crate::matrix::{View, product};

/// Shape of a convolution from an *image* to a *map*: `image [batch, height, width, channels]` → `map [batch, map_height,
/// map_width, filters]`. A transposed convolution goes from the map to the image of the same geometry.
/// Weights are `[filters, channels, kernel, kernel]`, as PyTorch and Burn keep them for both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Number of images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Channels of the map.
    pub filters: usize,
    /// Side of the square window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

/// Floats of patches that one block holds: half of a typical second-level cache.
const BLOCK: usize = 64 * 1024;
/// Weight gradients are summed in this many pieces, whatever the number of threads, so that bits do not depend on it.
const PIECES: usize = 8;
/// Floats of a weight gradient that are added up together.
const ADDED: usize = 16 * 1024;

thread_local! {
    static PATCHES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Geometry {
    /// Rows of the map.
    pub fn map_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the map.
    pub fn map_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Floats of all images.
    pub fn image_len(&self) -> usize {
        self.batch * self.image_size()
    }

    /// Floats of all maps.
    pub fn map_len(&self) -> usize {
        self.batch * self.map_size()
    }

    /// Floats of the weights.
    pub fn weight_len(&self) -> usize {
        self.filters * self.patch_size()
    }

    fn image_size(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn pixels(&self) -> usize {
        self.map_height() * self.map_width()
    }

    fn map_size(&self) -> usize {
        self.pixels() * self.filters
    }

    fn patch_size(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// A window that is the image itself: patches need no gathering.
    fn pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    fn images_per_block(&self) -> usize {
        (BLOCK / (self.pixels() * self.patch_size()).max(1)).clamp(1, self.batch.max(1))
    }

    /// `[filters, channels, k, k]` → `[k, k, channels, filters]`, the order in which patches are gathered.
    pub(crate) fn pack(&self, weight: &[f32]) -> Vec<f32> {
        let window = self.kernel * self.kernel;
        let mut packed = vec![0.0; weight.len()];
        for f in 0..self.filters {
            for c in 0..self.channels {
                for w in 0..window {
                    packed[(w * self.channels + c) * self.filters + f] = weight[(f * self.channels + c) * window + w];
                }
            }
        }
        packed
    }

    fn unpack(&self, packed: &[f32], weight: &mut [f32]) {
        let window = self.kernel * self.kernel;
        for f in 0..self.filters {
            for c in 0..self.channels {
                for w in 0..window {
                    weight[(f * self.channels + c) * window + w] = packed[(w * self.channels + c) * self.filters + f];
                }
            }
        }
    }

    /// For map row `y` and window row `i`, the image row that lies under it.
    pub(crate) fn source(&self, y: usize, i: usize, extent: usize) -> Option<usize> {
        (y * self.stride + i).checked_sub(self.padding).filter(|row| *row < extent)
    }

    /// The map row whose window has its row `i` on image row `y`, if there is one: the inverse of [`Geometry::source`].
    pub(crate) fn target(&self, y: usize, i: usize, extent: usize) -> Option<usize> {
        let steps = (y + self.padding).checked_sub(i)?;
        Some(steps / self.stride).filter(|row| steps.is_multiple_of(self.stride) && *row < extent)
    }

    /// Window columns that lie inside the image for map column `x`.
    pub(crate) fn columns(&self, x: usize) -> std::ops::Range<usize> {
        let start = x * self.stride;
        let first = self.padding.saturating_sub(start).min(self.kernel);
        let last = (self.width + self.padding).saturating_sub(start).min(self.kernel).max(first);
        first..last
    }

    /// Writes the patch of every map pixel of one image: `[pixels, k, k, channels]`.
    fn gather(&self, image: &[f32], patches: &mut [f32]) {
        let (k, c) = (self.kernel, self.channels);
        let mut rows = patches.chunks_exact_mut(k * c);
        for y in 0..self.map_height() {
            for x in 0..self.map_width() {
                for i in 0..k {
                    let Some(row) = rows.next() else { return };
                    match self.source(y, i, self.height) {
                        Some(source) => self.gather_row(&image[source * self.width * c..][..self.width * c], x, row),
                        None => row.fill(0.0),
                    }
                }
            }
        }
    }

    /// One window row: a contiguous copy where the window lies inside the image, zeros outside.
    fn gather_row(&self, image_row: &[f32], x: usize, row: &mut [f32]) {
        let (c, start) = (self.channels, x * self.stride);
        let std::ops::Range { start: first, end: last } = self.columns(x);
        row[..first * c].fill(0.0);
        if last > first {
            let from = (start + first - self.padding) * c;
            row[first * c..last * c].copy_from_slice(&image_row[from..from + (last - first) * c]);
        }
        row[last * c..].fill(0.0);
    }
}

/// Lends the thread's scratch for patches; contents are whatever was left there.
pub(crate) fn with_patches<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    PATCHES.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        work(&mut buffer[..len])
    })
}

/// `map = relu?(conv(image) + bias)`. Lengths: `image` [`Geometry::image_len`], `weight` [`Geometry::weight_len`], `bias`
/// `[filters]`, `map` [`Geometry::map_len`].
///
/// # Panics
/// If a slice has another length than the geometry says.
pub fn conv2d(g: &Geometry, image: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool, map: &mut [f32]) {
    assert_eq!((image.len(), weight.len(), map.len()), (g.image_len(), g.weight_len(), g.map_len()), "conv2d {g:?}");
    assert!(bias.is_none_or(|b| b.len() == g.filters), "one bias a filter");
    if map.is_empty() {
        return;
    }
    let finish = if relu { Finish::Relu } else { Finish::Linear };
    let layer = if g.pointwise() {
        Layer::dense(g.channels, g.filters, &g.pack(weight), bias)
    } else {
        Layer::conv2d(g, weight, bias)
    };
    layer.with_finish(finish).forward_batch(image, map);
}

/// `image = relu?(convᵀ(map) + bias)` with `bias` `[channels]`: the transposed convolution of the geometry.
///
/// # Panics
/// If a slice has another length than the geometry says.
pub fn conv_transpose2d(
    g: &Geometry,
    map: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
    image: &mut [f32],
) {
    assert_eq!(
        (image.len(), weight.len(), map.len()),
        (g.image_len(), g.weight_len(), g.map_len()),
        "conv_transpose2d {g:?}"
    );
    assert!(bias.is_none_or(|b| b.len() == g.channels), "one bias a channel");
    if image.is_empty() {
        return;
    }
    let finish = if relu { Finish::Relu } else { Finish::Linear };
    let layer = if g.pointwise() {
        Layer::dense(g.filters, g.channels, weight, bias)
    } else {
        Layer::conv_transpose2d(g, weight, bias)
    };
    layer.with_finish(finish).forward_batch(map, image);
}

/// Gradient of [`conv2d`] (without its ReLU) with respect to the image.
///
/// # Panics
/// If a slice has another length than the geometry says.
pub fn conv2d_input_gradient(g: &Geometry, map_gradient: &[f32], weight: &[f32], image_gradient: &mut [f32]) {
    conv_transpose2d(g, map_gradient, weight, None, false, image_gradient);
}

/// Gradient of [`conv2d`] (without its ReLU) with respect to the weights: `image` and the gradient of the map. For the
/// transposed convolution hand in the gradient of the image and the map itself: the formula is the same.
///
/// # Panics
/// If a slice has another length than the geometry says.
pub fn conv2d_weight_gradient(g: &Geometry, image: &[f32], map: &[f32], weight_gradient: &mut [f32]) {
    assert_eq!(
        (image.len(), weight_gradient.len(), map.len()),
        (g.image_len(), g.weight_len(), g.map_len()),
        "conv2d_weight_gradient {g:?}"
    );
    weight_gradient.fill(0.0);
    if map.is_empty() || image.is_empty() {
        return;
    }
    let per_piece = g.batch.div_ceil(PIECES);
    let pieces: Vec<Vec<f32>> = image
        .par_chunks(per_piece * g.image_size())
        .zip(map.par_chunks(per_piece * g.map_size()))
        .map(|(images, maps)| weight_gradient_piece(g, images, maps))
        .collect();
    let mut total = vec![0.0; g.weight_len()];
    total.par_chunks_mut(ADDED).enumerate().for_each(|(part, total)| {
        for piece in &pieces {
            total.iter_mut().zip(&piece[part * ADDED..]).for_each(|(t, p)| *t += p);
        }
    });
    g.unpack(&total, weight_gradient);
}

fn weight_gradient_piece(g: &Geometry, images: &[f32], maps: &[f32]) -> Vec<f32> {
    let (per_block, patch) = (g.images_per_block(), g.patch_size());
    let mut sum = vec![0.0; g.weight_len()];
    let blocks = images.chunks(per_block * g.image_size()).zip(maps.chunks(per_block * g.map_size()));
    for (index, (block, map)) in blocks.enumerate() {
        let rows = map.len() / g.filters;
        let gradient = View::new(map, rows, g.filters);
        if g.pointwise() {
            product(&mut sum, View::new(block, rows, patch).transposed(), gradient, index > 0);
            continue;
        }
        with_patches(rows * patch, |patches| {
            for (one, into) in block.chunks_exact(g.image_size()).zip(patches.chunks_exact_mut(g.pixels() * patch)) {
                g.gather(one, into);
            }
            product(&mut sum, View::new(patches, rows, patch).transposed(), gradient, index > 0);
        });
    }
    sum
}

/// Column sums of `rows [n, width]`: the gradient of a bias. Added in order, pieces in parallel.
///
/// # Panics
/// If `width` is zero or does not divide the length.
pub fn sum_rows(rows: &[f32], width: usize) -> Vec<f32> {
    assert!(width > 0 && rows.len().is_multiple_of(width), "{} floats are no rows of {width}", rows.len());
    let per_piece = (rows.len() / width).div_ceil(PIECES).max(1) * width;
    let pieces: Vec<Vec<f32>> = rows
        .par_chunks(per_piece)
        .map(|piece| {
            let mut sum = vec![0.0; width];
            for row in piece.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
            sum
        })
        .collect();
    let mut total = vec![0.0; width];
    for piece in &pieces {
        total.iter_mut().zip(piece).for_each(|(t, p)| *t += p);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, one multiplication at a time, in double precision.
    fn naive(g: &Geometry, image: &[f32], weight: &[f32], map: Option<&[f32]>) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (mh, mw, k) = (g.map_height(), g.map_width(), g.kernel);
        let mut forward = vec![0.0; g.map_len()];
        let mut image_gradient = vec![0.0; g.image_len()];
        let mut weight_gradient = vec![0.0; g.weight_len()];
        for n in 0..g.batch {
            for (y, x, f) in (0..mh).flat_map(|y| (0..mw).flat_map(move |x| (0..g.filters).map(move |f| (y, x, f)))) {
                let m = ((n * mh + y) * mw + x) * g.filters + f;
                for (i, j, c) in (0..k).flat_map(|i| (0..k).flat_map(move |j| (0..g.channels).map(move |c| (i, j, c))))
                {
                    let (sy, sx) = (g.source(y, i, g.height), g.source(x, j, g.width));
                    let (Some(sy), Some(sx)) = (sy, sx) else { continue };
                    let at = ((n * g.height + sy) * g.width + sx) * g.channels + c;
                    let w = ((f * g.channels + c) * k + i) * k + j;
                    forward[m] += f64::from(image[at]) * f64::from(weight[w]);
                    if let Some(map) = map {
                        image_gradient[at] += f64::from(map[m]) * f64::from(weight[w]);
                        weight_gradient[w] += f64::from(map[m]) * f64::from(image[at]);
                    }
                }
            }
        }
        (forward, image_gradient, weight_gradient)
    }

    fn values(len: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            })
            .collect()
    }

    fn close(ours: &[f32], theirs: &[f64]) -> Result<(), TestCaseError> {
        prop_assert_eq!(ours.len(), theirs.len());
        for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
            prop_assert!((f64::from(*a) - b).abs() <= 1e-4 * (1.0 + b.abs()), "at {}: {} is not {}", i, a, b);
        }
        Ok(())
    }

    fn geometries() -> impl Strategy<Value = Geometry> {
        (1usize..15, 1usize..9, 1usize..9, 1usize..12, 1usize..40, 1usize..5, 1usize..4, 0usize..3).prop_filter_map(
            "the window must fit",
            |(batch, height, width, channels, filters, kernel, stride, padding)| {
                let fits = height + 2 * padding >= kernel && width + 2 * padding >= kernel;
                fits.then_some(Geometry { batch, height, width, channels, filters, kernel, stride, padding })
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn equals_the_definition(g in geometries(), seed in any::<u64>()) {
            let image = values(g.image_len(), seed);
            let weight = values(g.weight_len(), seed ^ 1);
            let map = values(g.map_len(), seed ^ 2);
            let (forward, image_gradient, weight_gradient) = naive(&g, &image, &weight, Some(&map));
            let mut ours = vec![f32::NAN; g.map_len()];
            conv2d(&g, &image, &weight, None, false, &mut ours);
            close(&ours, &forward)?;
            let mut ours = vec![f32::NAN; g.image_len()];
            conv_transpose2d(&g, &map, &weight, None, false, &mut ours);
            close(&ours, &image_gradient)?;
            let mut ours = vec![f32::NAN; g.weight_len()];
            conv2d_weight_gradient(&g, &image, &map, &mut ours);
            close(&ours, &weight_gradient)?;
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        let g =
            Geometry { batch: 37, height: 14, width: 14, channels: 8, filters: 16, kernel: 3, stride: 2, padding: 1 };
        let (image, weight, map) = (values(g.image_len(), 3), values(g.weight_len(), 4), values(g.map_len(), 5));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let (mut f, mut w) = (vec![0.0; g.map_len()], vec![0.0; g.weight_len()]);
                conv2d(&g, &image, &weight, Some(&[0.1; 16]), true, &mut f);
                conv2d_weight_gradient(&g, &image, &map, &mut w);
                (f, w, sum_rows(&map, 16))
            })
        };
        assert!(run(1) == run(3));
    }

    #[test]
    fn bias_and_relu_are_applied_last() {
        let g = Geometry { batch: 1, height: 1, width: 2, channels: 1, filters: 2, kernel: 1, stride: 1, padding: 0 };
        let mut out = vec![0.0; 4];
        conv2d(&g, &[1.0, -1.0], &[1.0, 2.0], Some(&[0.5, -3.0]), true, &mut out);
        assert_eq!(out, [1.5, 0.0, 0.0, 0.0]);
    }
}
