//! The inner loop of a [`Layer`]: some samples times one or two vectors of filters, whose sums stay in registers.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{Finish, Layer};
use crate::activation::gelu_one;

/// What the processor can do, found out when the weights are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    /// Whatever the compiler makes of plain loops.
    Portable,
    /// The vectors that were found.
    Vectors(Arch),
    /// Vectors of 16 as plain loops: how a processor without AVX-512 can check its tiles.
    #[cfg(test)]
    Wide,
}

impl Level {
    pub fn detect() -> Self {
        match Arch::new() {
            // Its vectors have no fused multiplication, only a call that does as if.
            _ if cfg!(target_family = "wasm") => Self::Portable,
            Arch::Scalar => Self::Portable,
            arch => Self::Vectors(arch),
        }
    }

    /// Numbers of a vector.
    pub fn lanes(self) -> usize {
        /// Numbers of a vector.
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        match self {
            Self::Portable => Lanes.with_simd(pulp::Scalar256b),
            Self::Vectors(arch) => arch.dispatch(Lanes),
            #[cfg(test)]
            Self::Wide => Lanes.with_simd(pulp::Scalar512b),
        }
    }

    /// Panels of two vectors of filters; the last has one where that is enough.
    pub fn panels(self, filters: usize) -> impl Iterator<Item = Range<usize>> {
        let (padded, two) = (self.padded(filters), 2 * self.lanes());
        (0..padded).step_by(two).map(move |start| start..padded.min(start + two))
    }

    /// Filters, filled up to whole vectors.
    pub fn padded(self, filters: usize) -> usize {
        filters.next_multiple_of(self.lanes())
    }
}

/// Calls the loop in the compilation that the layer was packed for.
pub(super) fn run_layer(
    layer: &Layer,
    finish: Finish,
    n: usize,
    (x, x_stride): (&[f32], usize),
    (out, out_stride): (&mut [f32], usize),
) {
    match layer.level {
        // Without the instruction a fused multiplication would be a call.
        Level::Portable => {
            Pass::<false> { layer, finish, n, x, x_stride, out, out_stride }.with_simd(pulp::Scalar256b);
        }
        Level::Vectors(arch) => arch.dispatch(Pass::<true> { layer, finish, n, x, x_stride, out, out_stride }),
        #[cfg(test)]
        Level::Wide => Pass::<false> { layer, finish, n, x, x_stride, out, out_stride }.with_simd(pulp::Scalar512b),
    }
}

/// A layer over `n` samples.
struct Pass<'a, const FUSED: bool> {
    layer: &'a Layer,
    finish: Finish,
    n: usize,
    x: &'a [f32],
    x_stride: usize,
    out: &'a mut [f32],
    out_stride: usize,
}

impl<const FUSED: bool> WithSimd for Pass<'_, FUSED> {
    type Output = ();

    /// All panels of filters; of each all tiles of samples; of each all pixels: a panel's weights stay in the nearest cache.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, finish, n, x, x_stride, out, out_stride } = self;
        // GELU goes over whole rows afterwards: long loops become vectors, a tile's short ones do not.
        let (gelu, finish) = (finish == Finish::Gelu, if finish == Finish::Gelu { Finish::Linear } else { finish });
        let weights: &[f32] = bytemuck::cast_slice(&layer.packed);
        for panel in layer.level.panels(layer.filters) {
            let task = Task {
                layer,
                weights: &weights[panel.start * layer.depth..panel.end * layer.depth],
                bias: &layer.bias[panel.clone()],
                first: panel.start,
                valid: panel.end.min(layer.filters) - panel.start,
                finish,
                x,
                x_stride,
                out_stride,
            };
            // Sums, weights and a value have to fit the registers.
            let one = panel.len() <= S::F32_LANES;
            let large = one || S::F32_LANES == 16 || S::REGISTER_COUNT >= 32;
            let rows = if large { 12 } else { 6 };
            // Called by name: within a closure the tiles would not be compiled for the vectors.
            for first in (0..n).step_by(rows) {
                let count = rows.min(n - first);
                match (one, large) {
                    (true, _) => tile_12x1::<S, FUSED>(simd, &task, out, first, count),
                    (false, true) => tile_12x2::<S, FUSED>(simd, &task, out, first, count),
                    (false, false) => tile_6x2::<S, FUSED>(simd, &task, out, first, count),
                }
            }
        }
        if gelu {
            for row in out.chunks_mut(out_stride).take(n) {
                row[..layer.outputs_made()].iter_mut().for_each(|v| *v = gelu_one::<FUSED>(*v));
            }
        }
    }
}

/// What all tiles of one panel share.
struct Task<'a> {
    layer: &'a Layer,
    weights: &'a [f32],
    bias: &'a [f32],
    /// First filter of the panel.
    first: usize,
    /// Filters of the panel that exist; the others are padding.
    valid: usize,
    finish: Finish,
    x: &'a [f32],
    x_stride: usize,
    out_stride: usize,
}

#[inline(always)]
pub(crate) fn add<S: Simd, const FUSED: bool>(simd: S, value: S::f32s, weight: S::f32s, sum: S::f32s) -> S::f32s {
    if FUSED { simd.mul_add_e_f32s(value, weight, sum) } else { simd.add_f32s(simd.mul_f32s(value, weight), sum) }
}

/// A tile of some samples times some vectors. Every sum has a name of its own: an array of them would live in memory. A sample
/// past `count` repeats the last one and is not stored.
macro_rules! tile {
    ($name:ident, $vectors:literal vectors, $($row:literal: $($sum:ident $v:literal),+;)+) => {
        #[inline(always)]
        fn $name<S: Simd, const FUSED: bool>(simd: S, task: &Task<'_>, out: &mut [f32], first: usize, count: usize) {
            let Layer { inputs, pixels, runs, .. } = task.layer;
            let (weights, _) = S::as_simd_f32s(task.weights).0.as_chunks::<$vectors>();
            let (bias, _) = S::as_simd_f32s(task.bias);
            // All of one length, so that a run is checked once for all of them.
            let samples = [$(&task.x[(first + $row.min(count - 1)) * task.x_stride..][..*inputs]),+];
            for pixel in pixels {
                $($(let mut $sum = bias[$v];)+)+
                for run in &runs[pixel.runs.clone()] {
                    let panel = &weights[run.weight..][..run.len];
                    let x = [$(&samples[$row][run.input..][..run.len]),+];
                    for k in 0..run.len {
                        $(
                            let value = simd.splat_f32s(x[$row][k]);
                            $($sum = add::<S, FUSED>(simd, value, panel[k][$v], $sum);)+
                        )+
                    }
                }
                let at = first * task.out_stride + pixel.output + task.first;
                $(
                    if $row < count {
                        let row = &mut out[$row * task.out_stride + at..][..task.valid];
                        store(simd, row, [$($sum),+], task.finish);
                    }
                )+
            }
        }
    };
}

tile!(tile_6x2, 2 vectors,
    0usize: a0 0, a1 1; 1usize: b0 0, b1 1; 2usize: c0 0, c1 1; 3usize: d0 0, d1 1; 4usize: e0 0, e1 1; 5usize: f0 0, f1 1;);
tile!(tile_12x2, 2 vectors,
    0usize: a0 0, a1 1; 1usize: b0 0, b1 1; 2usize: c0 0, c1 1; 3usize: d0 0, d1 1; 4usize: e0 0, e1 1; 5usize: f0 0, f1 1;
    6usize: g0 0, g1 1; 7usize: h0 0, h1 1; 8usize: i0 0, i1 1; 9usize: j0 0, j1 1; 10usize: k0 0, k1 1; 11usize: l0 0, l1 1;);
tile!(tile_12x1, 1 vectors,
    0usize: a0 0; 1usize: b0 0; 2usize: c0 0; 3usize: d0 0; 4usize: e0 0; 5usize: f0 0; 6usize: g0 0; 7usize: h0 0;
    8usize: i0 0; 9usize: j0 0; 10usize: k0 0; 11usize: l0 0;);

/// Ends the sums of one sample and writes those that exist.
#[inline(always)]
fn store<S: Simd, const V: usize>(simd: S, row: &mut [f32], sums: [S::f32s; V], finish: Finish) {
    let (whole, part) = S::as_mut_simd_f32s(row);
    for (out, sum) in whole.iter_mut().zip(sums) {
        *out = end(simd, *out, sum, finish);
    }
    if let (false, Some(sum)) = (part.is_empty(), sums.get(whole.len())) {
        let ended = end(simd, simd.partial_load_f32s(part), *sum, finish);
        simd.partial_store_f32s(part, ended);
    }
}

#[inline(always)]
fn end<S: Simd>(simd: S, held: S::f32s, sum: S::f32s, finish: Finish) -> S::f32s {
    match finish {
        Finish::Add => simd.add_f32s(held, sum),
        Finish::Relu => simd.max_f32s(sum, simd.splat_f32s(0.0)),
        Finish::Linear | Finish::Gelu => sum,
    }
}
