//! Products of matrices of a few rows, where a general routine would spend its time on packing.

use crate::dispatch::dispatch;

/// Where the left operand of a small product stands: element (r, k) at `r * row + k * step`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub step: usize,
}

/// Rows of a slice, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub data: &'a [f32],
    pub stride: usize,
}

/// Sizes of a small product: `out [rows, columns] = a [rows, depth] · b [depth, columns]`.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `sum + a · b` of one vector.
#[inline(always)]
fn eight<const FUSED: bool>(a: f32, b: &[f32; 8], sum: [f32; 8]) -> [f32; 8] {
    std::array::from_fn(|i| multiply_add::<FUSED>(a, b[i], sum[i]))
}

/// `R` rows of `8·V` columns in registers over the whole depth.
#[inline(always)]
fn tile<const FUSED: bool, const R: usize, const V: usize>(
    (out, out_stride): (&mut [f32], usize),
    a: Left<'_>,
    b: Rows<'_>,
    (row, column, depth): (usize, usize, usize),
) {
    let mut sums = [[[0.0f32; 8]; V]; R];
    for k in 0..depth {
        let (b, _) = b.data[k * b.stride + column..][..8 * V].as_chunks::<8>();
        let left: [f32; R] = std::array::from_fn(|r| a.data[(row + r) * a.row + k * a.step]);
        sums = std::array::from_fn(|r| std::array::from_fn(|v| eight::<FUSED>(left[r], &b[v], sums[r][v])));
    }
    for (r, sums) in sums.iter().enumerate() {
        let out = &mut out[(row + r) * out_stride + column..][..8 * V];
        for v in 0..V {
            out[8 * v..8 * v + 8].copy_from_slice(&sums[v]);
        }
    }
}

/// All rows of `8·V` columns, `R` at a time while they last.
#[inline(always)]
fn panel<const FUSED: bool, const R: usize, const V: usize>(
    (out, out_stride): (&mut [f32], usize),
    a: Left<'_>,
    b: Rows<'_>,
    column: usize,
    size: Size,
) {
    let mut row = 0;
    while row + R <= size.rows {
        tile::<FUSED, R, V>((out, out_stride), a, b, (row, column, size.depth));
        row += R;
    }
    while row < size.rows {
        tile::<FUSED, 1, V>((out, out_stride), a, b, (row, column, size.depth));
        row += 1;
    }
}

#[inline(always)]
fn small_body<const FUSED: bool>(out: &mut [f32], out_stride: usize, a: Left<'_>, b: Rows<'_>, size: Size) {
    let mut column = 0;
    while column + 32 <= size.columns {
        panel::<FUSED, 3, 4>((out, out_stride), a, b, column, size);
        column += 32;
    }
    if column + 16 <= size.columns {
        panel::<FUSED, 4, 2>((out, out_stride), a, b, column, size);
        column += 16;
    }
    if column + 8 <= size.columns {
        panel::<FUSED, 4, 1>((out, out_stride), a, b, column, size);
        column += 8;
    }
    for row in 0..size.rows {
        for column in column..size.columns {
            let mut sum = 0.0;
            for k in 0..size.depth {
                sum = multiply_add::<FUSED>(a.data[row * a.row + k * a.step], b.data[k * b.stride + column], sum);
            }
            out[row * out_stride + column] = sum;
        }
    }
}

/// `out = a · b`; rows of `out` stand `out_stride` apart.
pub(super) fn small_product(out: &mut [f32], out_stride: usize, a: Left<'_>, b: Rows<'_>, size: Size) {
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
