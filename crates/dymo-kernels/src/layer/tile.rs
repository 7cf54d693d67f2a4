//! The inner loop of a [`Layer`]: some samples times one or two vectors of filters, whose sums stay in registers.

use std::ops::Range;

use super::{Finish, Layer, Run};
use crate::activation::gelu_one;
use crate::dispatch::multiply_add;

/// What the processor can do, found out when the weights are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Whatever the compiler makes of it.
    Portable,
    /// AVX2 and FMA: vectors of 8, sixteen registers.
    Avx2,
    /// AVX-512: vectors of 16, thirty-two registers.
    Avx512,
}

impl Level {
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("fma") {
                return Self::Avx512;
            }
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    fn lanes(self) -> usize {
        match self {
            Self::Portable | Self::Avx2 => 8,
            Self::Avx512 => 16,
        }
    }

    /// Panels of two vectors of filters; the last has one where that is enough.
    pub fn panels(self, filters: usize) -> impl Iterator<Item = Range<usize>> {
        let padded = self.padded(filters);
        (0..padded).step_by(2 * self.lanes()).map(move |start| start..padded.min(start + 2 * self.lanes()))
    }

    /// Filters, filled up to whole vectors.
    pub fn padded(self, filters: usize) -> usize {
        filters.next_multiple_of(self.lanes())
    }
}

/// Calls the loop in the compilation that the layer was packed for.
pub(super) fn run_layer(layer: &Layer, finish: Finish, n: usize, x: (&[f32], usize), out: (&mut [f32], usize)) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(layer: &Layer, finish: Finish, n: usize, x: (&[f32], usize), out: (&mut [f32], usize)) {
            body::<true, 8>(layer, finish, n, x, out);
        }
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512(layer: &Layer, finish: Finish, n: usize, x: (&[f32], usize), out: (&mut [f32], usize)) {
            body::<true, 16>(layer, finish, n, x, out);
        }
        match layer.level {
            // SAFETY: `Level::detect` gives these only where the processor has the features.
            Level::Avx512 => return unsafe { avx512(layer, finish, n, x, out) },
            // SAFETY: as above.
            Level::Avx2 => return unsafe { avx2(layer, finish, n, x, out) },
            Level::Portable => {}
        }
    }
    portable(layer, finish, n, x, out);
}

/// Without a detected feature `mul_add` would be a library call.
pub(super) fn portable(layer: &Layer, finish: Finish, n: usize, x: (&[f32], usize), out: (&mut [f32], usize)) {
    match layer.level.lanes() {
        16 => body::<false, 16>(layer, finish, n, x, out),
        _ => body::<false, 8>(layer, finish, n, x, out),
    }
}

/// All panels of filters; of each all pixels; of each all samples: a panel's weights stay in the nearest cache.
#[inline(always)]
fn body<const FUSED: bool, const L: usize>(
    layer: &Layer,
    finish: Finish,
    n: usize,
    (x, x_stride): (&[f32], usize),
    (out, out_stride): (&mut [f32], usize),
) {
    // GELU goes over whole rows afterwards: long loops become vectors, a tile's short ones do not.
    let (gelu, finish) = (finish == Finish::Gelu, if finish == Finish::Gelu { Finish::Linear } else { finish });
    for panel in layer.level.panels(layer.filters) {
        let task = Task {
            weights: &layer.packed[panel.start * layer.depth..panel.end * layer.depth],
            bias: &layer.bias[panel.clone()],
            valid: panel.end.min(layer.filters) - panel.start,
            finish,
            x,
            x_stride,
            out_stride,
        };
        let two = panel.len() > L;
        for pixel in &layer.pixels {
            let runs = &layer.runs[pixel.runs.clone()];
            let at = pixel.output + panel.start;
            match (two, L) {
                (true, 16) => {
                    tiles::<_, 12>(n, &mut |first, count| tile_12x2::<FUSED, L>(&task, runs, out, at, first, count))
                }
                (true, _) => {
                    tiles::<_, 6>(n, &mut |first, count| tile_6x2::<FUSED, L>(&task, runs, out, at, first, count))
                }
                (false, _) => {
                    tiles::<_, 8>(n, &mut |first, count| tile_8x1::<FUSED, L>(&task, runs, out, at, first, count))
                }
            }
        }
    }
    if gelu {
        for row in out.chunks_mut(out_stride).take(n) {
            row[..layer.outputs_made()].iter_mut().for_each(|v| *v = gelu_one::<FUSED>(*v));
        }
    }
}

/// Splits `n` samples into tiles of `ROWS`, the last with what is left.
#[inline(always)]
fn tiles<F: FnMut(usize, usize), const ROWS: usize>(n: usize, tile: &mut F) {
    let mut first = 0;
    while first < n {
        tile(first, ROWS.min(n - first));
        first += ROWS;
    }
}

/// What all tiles of one panel share.
struct Task<'a> {
    weights: &'a [f32],
    bias: &'a [f32],
    /// Filters of the panel that exist; the others are padding.
    valid: usize,
    finish: Finish,
    x: &'a [f32],
    x_stride: usize,
    out_stride: usize,
}

#[inline(always)]
fn add<const FUSED: bool, const L: usize>(sum: &mut [f32; L], a: f32, b: &[f32; L]) {
    for i in 0..L {
        sum[i] = multiply_add::<FUSED>(a, b[i], sum[i]);
    }
}

/// A tile of some samples times some vectors. Every sum has a name of its own: an array of them would live in memory. A sample
/// past `count` repeats the last one and is not stored.
macro_rules! tile {
    ($name:ident, $vectors:literal vectors, $($row:literal: $($sum:ident $v:literal),+;)+) => {
        #[inline(always)]
        fn $name<const FUSED: bool, const L: usize>(
            task: &Task<'_>,
            runs: &[Run],
            out: &mut [f32],
            at: usize,
            first: usize,
            count: usize,
        ) {
            let (weights, _) = task.weights.as_chunks::<L>().0.as_chunks::<$vectors>();
            let (bias, _) = task.bias.as_chunks::<L>();
            let starts = [$((first + $row.min(count - 1)) * task.x_stride),+];
            $($(let mut $sum = bias[$v];)+)+
            for run in runs {
                let panel = &weights[run.weight..][..run.len];
                let x = [$(&task.x[starts[$row] + run.input..][..run.len]),+];
                for k in 0..run.len {
                    $(
                        let value = x[$row][k];
                        $(add::<FUSED, L>(&mut $sum, value, &panel[k][$v]);)+
                    )+
                }
            }
            $(
                if $row < count {
                    let row = &mut out[(first + $row) * task.out_stride + at..][..task.valid];
                    store::<L, $vectors>(row, [$($sum),+], task.finish);
                }
            )+
        }
    };
}

tile!(tile_6x2, 2 vectors,
    0usize: a0 0, a1 1; 1usize: b0 0, b1 1; 2usize: c0 0, c1 1; 3usize: d0 0, d1 1; 4usize: e0 0, e1 1; 5usize: f0 0, f1 1;);
tile!(tile_12x2, 2 vectors,
    0usize: a0 0, a1 1; 1usize: b0 0, b1 1; 2usize: c0 0, c1 1; 3usize: d0 0, d1 1; 4usize: e0 0, e1 1; 5usize: f0 0, f1 1;
    6usize: g0 0, g1 1; 7usize: h0 0, h1 1; 8usize: i0 0, i1 1; 9usize: j0 0, j1 1; 10usize: k0 0, k1 1; 11usize: l0 0, l1 1;);
tile!(tile_8x1, 1 vectors,
    0usize: a0 0; 1usize: b0 0; 2usize: c0 0; 3usize: d0 0; 4usize: e0 0; 5usize: f0 0; 6usize: g0 0; 7usize: h0 0;);

/// Ends the sums of one sample and writes those that exist.
#[inline(always)]
fn store<const L: usize, const V: usize>(row: &mut [f32], sums: [[f32; L]; V], finish: Finish) {
    // Of a length that the compiler knows, so that stores take the place of calls.
    let whole: Option<&mut [[f32; L]; V]> = row.as_chunks_mut::<L>().0.try_into().ok();
    match (whole, finish) {
        (Some(out), Finish::Add) => {
            for (out, sum) in out.iter_mut().zip(&sums) {
                for i in 0..L {
                    out[i] += sum[i];
                }
            }
        }
        (Some(out), Finish::Relu) => {
            for (out, sum) in out.iter_mut().zip(&sums) {
                for i in 0..L {
                    out[i] = sum[i].max(0.0);
                }
            }
        }
        (Some(out), Finish::Linear | Finish::Gelu) => *out = sums,
        (None, _) => {
            for (out, sum) in row.iter_mut().zip(sums.as_flattened()) {
                *out = match finish {
                    Finish::Add => *out + sum,
                    Finish::Relu => sum.max(0.0),
                    Finish::Linear | Finish::Gelu => *sum,
                };
            }
        }
    }
}
