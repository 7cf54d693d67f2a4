//! 2×2 max-pooling, stride 2, in NHWC.

use rayon::prelude::*;

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
    let mut y = vec![0.0; x.len() / size * h * w * channels];
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
    let mut dx = vec![0.0; x.len()];
    if dy.is_empty() {
        return dx;
    }
    let corners = corners(width, channels);
    dx.par_chunks_mut(size).zip(x.par_chunks(size)).zip(dy.par_chunks(h * w * channels)).for_each(|((dx, x), dy)| {
        for (pixel, dy) in dy.chunks_exact(channels).enumerate() {
            let places = corners(pixel / w, pixel % w);
            for i in 0..channels {
                let mut best = places[0] + i;
                for place in &places[1..] {
                    if x[place + i] > x[best] {
                        best = place + i;
                    }
                }
                dx[best] += dy[i];
            }
        }
    });
    dx
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

    #[test]
    fn an_odd_edge_is_dropped() {
        let x: Vec<f32> = (0..9).map(|v| v as f32).collect();
        assert_eq!(max_pool2(&x, 3, 3, 1), [4.0]);
    }
}
