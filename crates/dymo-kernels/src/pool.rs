//! 2×2 max-pooling, stride 2, in NHWC.

use rayon::prelude::*;

use crate::dispatch::dispatch;
use crate::memory::zeros;

fn corners(width: usize, channels: usize) -> impl Fn(usize, usize) -> [usize; 4] {
    move |y, x| {
        let at = |dy: usize, dx: usize| ((2 * y + dy) * width + 2 * x + dx) * channels;
        [at(0, 0), at(0, 1), at(1, 0), at(1, 1)]
    }
}

/// `x [batch, height, width, channels]` → `[batch, height/2, width/2, channels]`; an odd last row or column is dropped.
///
/// # Panics
/// If the length of `x` is no multiple of one image.
pub fn max_pool2(x: &[f32], height: usize, width: usize, channels: usize) -> Vec<f32> {
    let (size, h, w) = (height * width * channels, height / 2, width / 2);
    assert!(size > 0 && x.len().is_multiple_of(size), "max_pool2: {} floats are no images of {size}", x.len());
    let mut y = zeros(x.len() / size * h * w * channels);
    if y.is_empty() {
        return y;
    }
    y.par_chunks_mut(h * w * channels)
        .zip(x.par_chunks(size))
        .for_each(|(y, x)| max_pool2_image(x, [height, width, channels], y));
    y
}

/// [`max_pool2`] of one image of this `[height, width, channels]`, in the calling thread.
///
/// # Panics
/// If a length does not fit.
pub fn max_pool2_image(x: &[f32], [height, width, channels]: [usize; 3], y: &mut [f32]) {
    let w = width / 2;
    assert_eq!((x.len(), y.len()), (height * width * channels, height / 2 * w * channels), "max_pool2_image");
    let corners = corners(width, channels);
    for (pixel, out) in y.chunks_exact_mut(channels).enumerate() {
        let [a, b, c, d] = corners(pixel / w, pixel % w).map(|at| &x[at..at + channels]);
        for i in 0..channels {
            out[i] = a[i].max(b[i]).max(c[i].max(d[i]));
        }
    }
}

/// Gradient of [`max_pool2`]: goes to the first of the four places that holds the maximum.
///
/// # Panics
/// If a length does not fit.
pub fn max_pool2_backward(x: &[f32], height: usize, width: usize, channels: usize, dy: &[f32]) -> Vec<f32> {
    let (size, h, w) = (height * width * channels, height / 2, width / 2);
    assert!(size > 0 && x.len().is_multiple_of(size), "max_pool2: {} floats are no images of {size}", x.len());
    assert_eq!(dy.len(), x.len() / size * h * w * channels, "max_pool2_backward");
    let mut dx = zeros(x.len());
    if dy.is_empty() {
        return dx;
    }
    let extents = [height, width, channels];
    dx.par_chunks_mut(size)
        .zip(x.par_chunks(size))
        .zip(dy.par_chunks(h * w * channels))
        .for_each(|((dx, x), dy)| image_backward_on(x, extents, dy, dx));
    dx
}

/// Nothing is jumped over, so that the loop over channels becomes vectors.
#[inline(always)]
fn image_backward(x: &[f32], [_, width, channels]: [usize; 3], dy: &[f32], dx: &mut [f32]) {
    let w = width / 2;
    let line = width * channels;
    let windows = dx.chunks_exact_mut(2 * line).zip(x.chunks_exact(2 * line)).zip(dy.chunks_exact(w * channels));
    for ((dx, x), dy) in windows {
        let ((dx_top, dx_low), (top, low)) = (dx.split_at_mut(line), x.split_at(line));
        for (pixel, dy) in dy.chunks_exact(channels).enumerate() {
            let (left, right, end) = (2 * pixel * channels, (2 * pixel + 1) * channels, (2 * pixel + 2) * channels);
            let (da, db) = dx_top[left..end].split_at_mut(channels);
            let (dc, dd) = dx_low[left..end].split_at_mut(channels);
            let (a, b) = (&top[left..right], &top[right..end]);
            let (c, d) = (&low[left..right], &low[right..end]);
            for i in 0..channels {
                let first = (a[i] >= b[i]) & (a[i] >= c[i]) & (a[i] >= d[i]);
                let second = !first & (b[i] >= c[i]) & (b[i] >= d[i]);
                let third = !first & !second & (c[i] >= d[i]);
                let send = |yes: bool| f32::from_bits(dy[i].to_bits() & 0u32.wrapping_sub(u32::from(yes)));
                da[i] = send(first);
                db[i] = send(second);
                dc[i] = send(third);
                dd[i] = send(!first & !second & !third);
            }
        }
    }
}

fn image_backward_on(x: &[f32], extents: [usize; 3], dy: &[f32], dx: &mut [f32]) {
    dispatch!(wide, image_backward, (x: &[f32], extents: [usize; 3], dy: &[f32], dx: &mut [f32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_largest_and_sends_the_gradient_there() {
        let x = [1.0, 5.0, 2.0, 2.0, 3.0, 4.0, 2.0, 2.0];
        assert_eq!(max_pool2(&x, 2, 4, 1), [5.0, 2.0]);
        assert_eq!(max_pool2_backward(&x, 2, 4, 1, &[7.0, 9.0]), [0.0, 7.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    /// Of equal maxima the first of a window gets the gradient, on any channel, and an odd edge gets none.
    #[test]
    fn sends_the_gradient_as_the_definition_does() {
        let (h, w, c) = (5, 7, 19);
        let x: Vec<f32> = (0..2 * h * w * c).map(|i| ((i * 7919) % 5) as f32).collect();
        let dy: Vec<f32> = (0..2 * (h / 2) * (w / 2) * c).map(|i| i as f32 + 1.0).collect();
        let mut expected = vec![0.0; x.len()];
        for (place, dy) in dy.iter().enumerate() {
            let (channel, pixel) = (place % c, place / c);
            let (column, row, image) = (pixel % (w / 2), pixel / (w / 2) % (h / 2), pixel / (w / 2) / (h / 2));
            let at = |dy: usize, dx: usize| ((image * h + 2 * row + dy) * w + 2 * column + dx) * c + channel;
            let mut best = at(0, 0);
            for other in [at(0, 1), at(1, 0), at(1, 1)] {
                if x[other] > x[best] {
                    best = other;
                }
            }
            expected[best] += dy;
        }
        assert_eq!(max_pool2_backward(&x, h, w, c, &dy), expected);
    }

    #[test]
    fn an_odd_edge_is_dropped() {
        let x: Vec<f32> = (0..9).map(|v| v as f32).collect();
        assert_eq!(max_pool2(&x, 3, 3, 1), [4.0]);
    }
}
