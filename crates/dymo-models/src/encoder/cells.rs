//! Cells of a table as tokens: what reads and what recovers tables starts from them.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::columns::SPREAD;
use crate::flat::{Cells, places};

/// A number times a direction of its column, or the embedding of its category, plus the embedding of its column. Tokens of numbers
/// come first, then those of categories, each in the order of the columns.
#[derive(Module, Debug)]
pub struct CellTokens {
    /// What a column of numbers points to, `[numbers, d]`.
    directions: Option<Param<Tensor<2>>>,
    /// Categories of all columns, one after the other, `[Σ categories, d]`.
    categories: Option<Param<Tensor<2>>>,
    /// Columns, numbers first, `[columns, d]`.
    columns: Param<Tensor<2>>,
    #[module(skip)]
    cells: Cells,
}

impl CellTokens {
    /// Fresh weights for tokens of this width.
    pub(crate) fn new(cells: Cells, width: usize, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std: SPREAD };
        let table = |rows: usize| (rows > 0).then(|| normal.init([rows, width], device));
        Self {
            // A number of one deviation must not drown in the column's embedding.
            directions: (!cells.numbers.is_empty()).then(|| {
                Initializer::Normal { mean: 0.0, std: 1.0 / (width as f64).sqrt() }
                    .init([cells.numbers.len(), width], device)
            }),
            categories: table(cells.categories.iter().map(|(_, k)| k).sum()),
            columns: normal.init([cells.numbers.len() + cells.categories.len(), width], device),
            cells,
        }
    }

    /// The columns by what they hold.
    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// `x [B, columns]`, NaN where a cell is missing → tokens `[B, columns, d]` and which of them are missing `[B, columns]`, numbers
    /// first. The token of a missing cell is that of the number 0 or the first category.
    pub fn forward(&self, x: Tensor<2>) -> (Tensor<3>, Tensor<2, Bool>) {
        let (values, missing) = self.values(x);
        (values + self.columns.val().unsqueeze_dim(0), missing)
    }

    /// As [`Self::forward`], with `mask [1, d]` in place of what a missing cell would hold.
    pub fn forward_masked(&self, x: Tensor<2>, mask: Tensor<2>) -> (Tensor<3>, Tensor<2, Bool>) {
        let (values, missing) = self.values(x);
        let hole = missing.clone().float().unsqueeze_dim::<3>(2);
        let known = hole.clone().neg().add_scalar(1.0);
        let values = values * known + hole * mask.unsqueeze_dim(0);
        (values + self.columns.val().unsqueeze_dim(0), missing)
    }

    fn values(&self, x: Tensor<2>) -> (Tensor<3>, Tensor<2, Bool>) {
        let ([batch, _], device) = (x.dims(), x.device());
        let x = x.select(1, places(&self.cells.order(), &device));
        let missing = x.clone().is_nan();
        let known = x.mask_fill(missing.clone(), 0.0);
        let (numbers, width) = (self.cells.numbers.len(), self.columns.dims()[1]);
        let mut tokens = Vec::new();
        if let Some(directions) = &self.directions {
            let values: Tensor<3> = known.clone().narrow(1, 0, numbers).unsqueeze_dim(2);
            tokens.push(values * directions.val().unsqueeze_dim(0));
        }
        if let Some(table) = &self.categories {
            let count = self.cells.categories.len();
            let first: Vec<f32> = self
                .cells
                .categories
                .iter()
                .scan(0usize, |sum, (_, k)| {
                    let first = *sum;
                    *sum += k;
                    Some(first as f32)
                })
                .collect();
            let first = Tensor::<1>::from_floats(first.as_slice(), &device).reshape([1, count]);
            let rows: Tensor<1, Int> = (known.narrow(1, numbers, count) + first).int().reshape([batch * count]);
            tokens.push(table.val().select(0, rows).reshape([batch, count, width]));
        }
        (Tensor::cat(tokens, 1), missing)
    }
}
