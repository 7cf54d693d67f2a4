//! Convolution and transposed convolution, which is the same geometry read backwards, with their gradients. Forward they are
//! [`Layer`]s.

mod backward;
mod outer;

pub use backward::{ConvGradients, conv_transpose2d_backward, conv2d_backward};

use crate::layer::{Finish, Layer};

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

    /// A window of one pixel: a dense layer on pixels.
    fn pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// `[filters, channels, k, k]` → `[k, k, channels, filters]`, the order of a window in an image.
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

    /// From the image to the map; a window of one pixel makes a layer on pixels, of which an image is many samples.
    fn layer(&self, weight: &[f32], bias: Option<&[f32]>) -> Layer {
        if self.pointwise() {
            Layer::dense(self.channels, self.filters, &self.pack(weight), bias)
        } else {
            Layer::conv2d(self, weight, bias)
        }
    }

    /// From the map to the image, likewise.
    fn transposed_layer(&self, weight: &[f32], bias: Option<&[f32]>) -> Layer {
        if self.pointwise() {
            Layer::dense(self.filters, self.channels, weight, bias)
        } else {
            Layer::conv_transpose2d(self, weight, bias)
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
    g.layer(weight, bias).with_finish(finish).forward_batch(image, map);
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
    g.transposed_layer(weight, bias).with_finish(finish).forward_batch(map, image);
}

#[cfg(test)]
mod tests;
