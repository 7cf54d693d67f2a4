//! One safe door to the matrix product of the `gemm` crate.

/// A matrix inside a slice: element (r, c) stands at `r * row_stride + c * column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Columns `first..first + columns` of a row-major matrix of `width` columns.
    pub fn columns(data: &'a [f32], rows: usize, width: usize, first: usize, columns: usize) -> Self {
        Self { data: data.get(first..).unwrap_or(&[]), rows, columns, row_stride: width, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    fn fits(&self) -> bool {
        self.rows == 0
            || self.columns == 0
            || (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride < self.data.len()
    }
}

/// `out = a · b`, or `out += a · b` when `accumulate`; `out` is row-major `[a.rows, b.columns]`. One thread.
pub(crate) fn product(out: &mut [f32], a: View<'_>, b: View<'_>, accumulate: bool) {
    assert_eq!(out.len(), a.rows * b.columns, "size of a product");
    product_into(out, b.columns, a, b, accumulate);
}

/// [`product`] into a window of a wider row-major matrix: `out` begins at the window, its rows stand `row_stride` apart.
pub(crate) fn product_into(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, accumulate: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner widths of a product");
    assert!(a.fits() && b.fits(), "a matrix must lie inside its slice");
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= row_stride && (m - 1) * row_stride + n <= out.len(), "a product must lie inside its target");
    // SAFETY: the assertions above bound every address that the product reads or writes, and `out` is borrowed
    // exclusively, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
