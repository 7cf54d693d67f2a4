//! The columns of all tables side by side: what models of tables read and fill.

use burn::tensor::{Tensor, TensorData};
use dymo_core::{Column, Columns, Kind, ModalitySet};

use super::Observed;

/// Where the columns of each table stand among those of all tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumns {
    /// Number of each table, its first column, and how many it has; ascending.
    tables: Vec<(usize, usize, usize)>,
    width: usize,
}

impl TableColumns {
    /// Of these modalities; `None` where no one is a table.
    pub fn of(kinds: &[Kind]) -> Option<Self> {
        let mut width = 0;
        let mut tables = Vec::new();
        for (m, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.columns().is_some()) {
            tables.push((m, width, kind.values()));
            width += kind.values();
        }
        (width > 0).then_some(Self { tables, width })
    }

    /// One table of all columns, for what reads a single one. Names get the number of their table in front, so that they differ.
    pub(crate) fn joined(kinds: &[Kind]) -> Option<Kind> {
        let columns = kinds.iter().enumerate().filter_map(|(m, kind)| Some((m, kind.columns()?)));
        let named =
            |(m, column): (usize, &Column)| Column::new(format!("{m}.{}", column.name()), column.values().clone());
        let all = columns.flat_map(|(m, columns)| columns.iter().map(move |column| (m, column)));
        let all = all.map(named).collect::<Result<Vec<_>, _>>().ok()?;
        Some(Kind::Table { columns: Columns::new(all).ok()? })
    }

    /// The tables.
    pub fn modalities(&self) -> ModalitySet {
        self.tables.iter().map(|(m, ..)| *m).collect()
    }

    /// Columns of all tables together.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The observed tables side by side, `[n, columns]`, NaN for the columns of those that are missing.
    pub fn join(&self, observed: &Observed) -> Tensor<2> {
        let device = observed.inputs[0].device();
        let part = |(m, _, columns): &(usize, usize, usize)| match observed.present.iter().position(|p| p == *m) {
            Some(place) => observed.inputs[place].clone(),
            None => Tensor::full([observed.len(), *columns], f32::NAN, &device),
        };
        Tensor::cat(self.tables.iter().map(part).collect(), 1)
    }

    /// The columns of one table out of `[n, columns]` of all; `None` for what is no table.
    pub fn cut(&self, all: &Tensor<2>, modality: usize) -> Option<Tensor<2>> {
        let (_, start, columns) = self.tables.iter().find(|(m, ..)| *m == modality)?;
        Some(all.clone().narrow(1, *start, *columns))
    }
}

/// Values on the host, row after row.
pub(super) fn rows(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default()
}

/// The way back.
pub(super) fn tensor(values: Vec<f32>, n: usize, device: &burn::tensor::Device) -> Tensor<2> {
    let width = values.len().checked_div(n).unwrap_or(0);
    Tensor::from_data(TensorData::new(values, [n, width]), device)
}
