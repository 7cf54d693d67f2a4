//! A transformer over the columns of a table; a missing cell is an absent token (method, section 8: tabular encoders).

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use dymo_core::Kind;

use super::cells::CellTokens;
use crate::flat::Cells;
use crate::transformer::{Block, Hidden, read_first};

/// Every cell becomes a token ([`CellTokens`]). A class token reads them through transformer blocks in which missing cells cannot be
/// seen.
#[derive(Module, Debug)]
pub struct ColumnEncoder {
    /// `[1, d]`.
    class: Param<Tensor<2>>,
    cells: CellTokens,
    blocks: Vec<Block>,
}

/// Spread of fresh embeddings, as usual for transformers.
pub(crate) const SPREAD: f64 = 0.02;

impl ColumnEncoder {
    /// `None` for a kind that is no table.
    pub(super) fn new(kind: &Kind, width: usize, heads: usize, blocks: usize, device: &Device) -> Option<Self> {
        let cells = Cells::of(kind)?;
        Some(Self {
            class: Initializer::Normal { mean: 0.0, std: SPREAD }.init([1, width], device),
            cells: CellTokens::new(cells, width, device),
            blocks: (0..blocks).map(|_| Block::new(width, heads, device)).collect(),
        })
    }

    /// `[B, columns]`, NaN where a cell is missing → `[B, 1, d]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let ([batch, _], device) = (x.dims(), x.device());
        let (cells, missing) = self.cells.forward(x);
        let class = self.class.val().unsqueeze_dim::<3>(0).expand([batch, 1, self.class.dims()[1]]);
        let tokens = Tensor::cat(vec![class, cells], 1);
        let seen = Tensor::<2>::zeros([batch, 1], &device).bool();
        let hidden = Hidden::new(Tensor::cat(vec![seen, missing], 1));
        read_first(&self.blocks, tokens, &hidden)
    }
}

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

    /// Hiding equals leaving the token out, on both routes.
    #[test]
    fn a_hidden_token_is_an_absent_token() {
        let device = Device::flex();
        let encoder = encoder(&device);
        let tokens = Tensor::<3>::random([2, 4, 16], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let hidden = Hidden::new(Tensor::<2>::from_data([[0.0, 0.0, 1.0, 0.0]; 2], &device).bool());
        let absent = Tensor::cat(vec![tokens.clone().narrow(1, 0, 2), tokens.clone().narrow(1, 3, 1)], 1);
        let block = &encoder.blocks[0];
        let left_out = block.read_by_operators(absent, 3);
        let picked = |x: Tensor<3>| Tensor::cat(vec![x.clone().narrow(1, 0, 2), x.narrow(1, 3, 1)], 1);
        let gap = |x: Tensor<3>| {
            (picked(x) - left_out.clone()).abs().max().into_data().try_to_vec::<f32>().expect("a number")[0]
        };
        let gaps = [
            gap(block.read_hiding(tokens.clone(), 4, &hidden)),
            gap(block.read_hiding_by_operators(tokens, 4, &hidden)),
        ];
        assert!(gaps.iter().all(|gap| *gap < 1e-5), "{gaps:?}");
    }

    #[test]
    fn neighbours_do_not_matter() {
        let encoder = encoder(&Device::flex());
        let together = read(&encoder, &[[1.0, 0.5, 0.0], [f32::NAN, -2.0, 1.0]]);
        let alone = read(&encoder, &[[f32::NAN, -2.0, 1.0]]);
        assert!(together[16..].iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
