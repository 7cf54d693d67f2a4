//! A transformer over the columns of a table; a missing cell is an absent token (method, section 8: tabular encoders).

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Int, Tensor};
use dymo_core::Kind;

use crate::flat::{Cells, places};
use crate::transformer::Block;

/// Every cell becomes a token: a number times a direction of its column, or the embedding of its category, plus the embedding of
/// its column. A class token reads them through transformer blocks in which missing cells cannot be seen.
#[derive(Module, Debug)]
pub struct ColumnEncoder {
    /// `[1, d]`.
    class: Param<Tensor<2>>,
    /// What a column of numbers points to, `[numbers, d]`.
    directions: Option<Param<Tensor<2>>>,
    /// Categories of all columns, one after the other, `[Σ categories, d]`.
    categories: Option<Param<Tensor<2>>>,
    /// Columns, numbers first, `[columns, d]`.
    columns: Param<Tensor<2>>,
    blocks: Vec<Block>,
    #[module(skip)]
    cells: Cells,
}

/// Spread of fresh embeddings, as usual for transformers.
const SPREAD: f64 = 0.02;

impl ColumnEncoder {
    /// `None` for a kind that is no table.
    pub(super) fn new(kind: &Kind, width: usize, heads: usize, blocks: usize, device: &Device) -> Option<Self> {
        let cells = Cells::of(kind)?;
        let normal = Initializer::Normal { mean: 0.0, std: SPREAD };
        let table = |rows: usize| (rows > 0).then(|| normal.init([rows, width], device));
        Some(Self {
            class: normal.init([1, width], device),
            // A number of one deviation must not drown in the column's embedding.
            directions: (!cells.numbers.is_empty()).then(|| {
                Initializer::Normal { mean: 0.0, std: 1.0 / (width as f64).sqrt() }
                    .init([cells.numbers.len(), width], device)
            }),
            categories: table(cells.categories.iter().map(|(_, k)| k).sum()),
            columns: normal.init([cells.numbers.len() + cells.categories.len(), width], device),
            blocks: (0..blocks).map(|_| Block::new(width, heads, device)).collect(),
            cells,
        })
    }

    /// `[B, columns]`, NaN where a cell is missing → `[B, 1, d]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let ([batch, _], device) = (x.dims(), x.device());
        let order: Vec<usize> =
            self.cells.numbers.iter().copied().chain(self.cells.categories.iter().map(|(at, _)| *at)).collect();
        let x = x.select(1, places(&order, &device));
        let missing = x.clone().is_nan();
        let known = x.mask_fill(missing.clone(), 0.0);
        let width = self.class.dims()[1];
        let numbers = self.cells.numbers.len();
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
        let cells = Tensor::cat(tokens, 1) + self.columns.val().unsqueeze_dim(0);
        let class = self.class.val().unsqueeze_dim::<3>(0).expand([batch, 1, width]);
        let tokens = Tensor::cat(vec![class, cells], 1);
        // Added to the scores of attention: nothing for the class token and known cells, so much that nothing is left for others.
        let hidden = Tensor::cat(vec![Tensor::zeros([batch, 1], &device), missing.float() * HIDDEN], 1);
        let last = self.blocks.len().saturating_sub(1);
        let read = self.blocks.iter().enumerate().fold(tokens, |tokens, (i, block)| {
            let queries = if i == last { 1 } else { tokens.dims()[1] };
            block.read_masked(tokens, queries, hidden.clone())
        });
        read.narrow(1, 0, 1)
    }
}

/// Added to the score of a missing cell: its exponential is 0 beside any other score.
const HIDDEN: f64 = -1e9;

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Column, Columns};

    fn encoder(device: &Device) -> ColumnEncoder {
        let columns = vec![
            Column::categorical("stage", ["mild", "moderate", "severe"]).expect("a column"),
            Column::continuous("age", 60.0, 10.0, [20.0, 90.0]).expect("a column"),
            Column::categorical("sex", ["f", "m"]).expect("a column"),
        ];
        let kind = Kind::Table { columns: Columns::new(columns).expect("columns") };
        ColumnEncoder::new(&kind, 16, 4, 2, device).expect("a table")
    }

    fn read(encoder: &ColumnEncoder, rows: &[[f32; 3]]) -> Vec<f32> {
        let values: Vec<f32> = rows.iter().flatten().copied().collect();
        let x = Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([rows.len(), 3]);
        encoder.forward(x).into_data().try_to_vec::<f32>().expect("numbers")
    }

    /// Every cell matters when it is there; a missing one is nowhere: a table without that column reads the same.
    #[test]
    fn cells_matter_and_missing_ones_do_not() {
        let device = Device::flex();
        let encoder = encoder(&device);
        let base = read(&encoder, &[[1.0, 0.5, 0.0]]);
        assert_eq!(base.len(), 16);
        assert!(base.iter().all(|v| v.is_finite()));
        for other in [[2.0, 0.5, 0.0], [1.0, -0.5, 0.0], [1.0, 0.5, 1.0], [f32::NAN, 0.5, 0.0], [1.0, f32::NAN, 0.0]] {
            assert_ne!(read(&encoder, &[other]), base, "{other:?}");
        }
        assert!(read(&encoder, &[[f32::NAN; 3]]).iter().all(|v| v.is_finite()), "nothing known is read, too");
    }

    /// The mask equals leaving the token out, computed without a mask.
    #[test]
    fn a_mask_is_an_absent_token() {
        let device = Device::flex();
        let encoder = encoder(&device);
        let tokens = Tensor::<3>::random([2, 4, 16], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let hidden = Tensor::<2>::from_data([[0.0, 0.0, -1e9, 0.0]; 2], &device);
        let masked = encoder.blocks[0].read_masked(tokens.clone(), 1, hidden);
        let absent = Tensor::cat(vec![tokens.clone().narrow(1, 0, 2), tokens.narrow(1, 3, 1)], 1);
        let left_out = encoder.blocks[0].read_by_operators(absent, 1);
        let gap = (masked - left_out).abs().max().into_data().try_to_vec::<f32>().expect("a number")[0];
        assert!(gap < 1e-5, "{gap}");
    }

    #[test]
    fn neighbours_do_not_matter() {
        let encoder = encoder(&Device::flex());
        let together = read(&encoder, &[[1.0, 0.5, 0.0], [f32::NAN, -2.0, 1.0]]);
        let alone = read(&encoder, &[[f32::NAN, -2.0, 1.0]]);
        assert!(together[16..].iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
