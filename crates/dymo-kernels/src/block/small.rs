//! Products of matrices of a few rows, where a general routine would spend its time on packing.

use crate::dispatch::{dispatch, multiply_add};

/// Where the left operand of a small product stands: element (r, k) at `r * row + k * step`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub step: usize,
}

/// Rows of a slice, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub data: &'a [f32],
    pub stride: usize,
}

/// Sizes of a small product: `out [rows, columns] = a [rows, depth] · b [depth, columns]`.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
}

/// `sum += a · b` of one vector.
#[inline(always)]
fn add_eight<const FUSED: bool>(sum: &mut [f32; 8], a: f32, b: &[f32; 8]) {
    for i in 0..8 {
        sum[i] = multiply_add::<FUSED>(a, b[i], sum[i]);
    }
}

/// A tile of some rows of some vectors whose sums stay in registers over the whole depth. Every sum has a name of its own: an
/// array of them would live in memory.
macro_rules! tile {
    ($name:ident, $vectors:literal vectors, $($row:literal: $($sum:ident $v:literal),+;)+) => {
        #[inline(always)]
        fn $name<const FUSED: bool>(
            (out, out_stride): (&mut [f32], usize),
            a: Left<'_>,
            b: Rows<'_>,
            (row, column, depth): (usize, usize, usize),
        ) {
            $($(let mut $sum = [0.0f32; 8];)+)+
            for k in 0..depth {
                let (b, _) = b.data[k * b.stride + column..][..8 * $vectors].as_chunks::<8>();
                let a = Left { data: &a.data[row * a.row + k * a.step..], ..a };
                $(
                    let left = a.data[$row * a.row];
                    $(add_eight::<FUSED>(&mut $sum, left, &b[$v]);)+
                )+
            }
            $(
                let (target, _) = out[(row + $row) * out_stride + column..][..8 * $vectors].as_chunks_mut::<8>();
                $(target[$v] = $sum;)+
            )+
        }
    };
}

tile!(tile_3x4, 4 vectors, 0: sum_a 0, sum_b 1, sum_c 2, sum_d 3; 1: sum_e 0, sum_f 1, sum_g 2, sum_h 3; 2: sum_i 0, sum_j 1, sum_k 2, sum_l 3;);
tile!(tile_1x4, 4 vectors, 0: sum_a 0, sum_b 1, sum_c 2, sum_d 3;);
tile!(tile_4x2, 2 vectors, 0: sum_a 0, sum_b 1; 1: sum_c 0, sum_d 1; 2: sum_e 0, sum_f 1; 3: sum_g 0, sum_h 1;);
tile!(tile_1x2, 2 vectors, 0: sum_a 0, sum_b 1;);
tile!(tile_4x1, 1 vectors, 0: sum_a 0; 1: sum_b 0; 2: sum_c 0; 3: sum_d 0;);
tile!(tile_1x1, 1 vectors, 0: sum_a 0;);

/// All rows of one column of tiles: the tall tile while rows last, then the flat one.
macro_rules! panel {
    ($tall:ident, $rows:literal, $flat:ident, $out:expr, $stride:expr, $a:expr, $b:expr, $column:expr, $size:expr) => {
        let mut row = 0;
        while row + $rows <= $size.rows {
            $tall::<FUSED>(($out, $stride), $a, $b, (row, $column, $size.depth));
            row += $rows;
        }
        while row < $size.rows {
            $flat::<FUSED>(($out, $stride), $a, $b, (row, $column, $size.depth));
            row += 1;
        }
    };
}

#[inline(always)]
fn small_body<const FUSED: bool>(out: &mut [f32], stride: usize, a: Left<'_>, b: Rows<'_>, size: Size) {
    let mut column = 0;
    while column + 32 <= size.columns {
        panel!(tile_3x4, 3, tile_1x4, out, stride, a, b, column, size);
        column += 32;
    }
    if column + 16 <= size.columns {
        panel!(tile_4x2, 4, tile_1x2, out, stride, a, b, column, size);
        column += 16;
    }
    if column + 8 <= size.columns {
        panel!(tile_4x1, 4, tile_1x1, out, stride, a, b, column, size);
        column += 8;
    }
    for row in 0..size.rows {
        for column in column..size.columns {
            let mut sum = 0.0;
            for k in 0..size.depth {
                sum = multiply_add::<FUSED>(a.data[row * a.row + k * a.step], b.data[k * b.stride + column], sum);
            }
            out[row * stride + column] = sum;
        }
    }
}

/// `out = a · b`; rows of `out` stand `out_stride` apart.
pub(crate) fn small_product(out: &mut [f32], out_stride: usize, a: Left<'_>, b: Rows<'_>, size: Size) {
    dispatch!(
        wide,
        small_body::<true>,
        small_body::<false>,
        (out: &mut [f32], out_stride: usize, a: Left<'_>, b: Rows<'_>, size: Size)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_at_every_tile_size() {
        for (rows, columns, depth) in
            [(1, 1, 1), (3, 32, 5), (7, 59, 4), (4, 8, 1), (9, 17, 12), (5, 40, 3), (6, 16, 0)]
        {
            let a: Vec<f32> = (0..rows * depth).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..depth * columns).map(|i| (i % 5) as f32 - 2.0).collect();
            let mut out = vec![f32::NAN; rows * columns];
            let left = Left { data: &a, row: 1, step: rows }; // transposed on the way in
            small_product(&mut out, columns, left, Rows { data: &b, stride: columns }, Size { rows, columns, depth });
            for r in 0..rows {
                for c in 0..columns {
                    let sum: f32 = (0..depth).map(|k| a[k * rows + r] * b[k * columns + c]).sum();
                    assert_eq!(out[r * columns + c], sum, "{rows}×{columns}×{depth} at {r}, {c}");
                }
            }
        }
    }
}
