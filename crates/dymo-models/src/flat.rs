//! Cells of a table and symbols of a text as plain features, and back: what perceptrons read and decode.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use dymo_core::Kind;

/// How the values of a kind lie in its features.
///
/// A table's features: its numbers (0 where missing), a flag for each (1 where missing), then for each categorical column one place
/// per category, all 0 where it is missing. Any other kind is its values, as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Features {
    values: usize,
    table: Option<Cells>,
    /// Symbols of a text, one of which each place shows.
    symbols: Option<usize>,
}

/// Columns of a table by what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells {
    /// Places of the columns of numbers.
    pub numbers: Vec<usize>,
    /// Places of the columns of categories, and how many each has.
    pub categories: Vec<(usize, usize)>,
}

impl Cells {
    /// `None` for a kind that is no table.
    pub fn of(kind: &Kind) -> Option<Self> {
        let columns = kind.columns()?;
        let place = |(i, column): (usize, &dymo_core::Column)| column.cardinality().map(|k| (i, k));
        Some(Self {
            numbers: (0..columns.len()).filter(|i| columns[*i].cardinality().is_none()).collect(),
            categories: columns.iter().enumerate().filter_map(place).collect(),
        })
    }

    /// Places of the columns, numbers first.
    pub fn order(&self) -> Vec<usize> {
        self.numbers.iter().copied().chain(self.categories.iter().map(|(at, _)| *at)).collect()
    }

    /// Numbers and category places that a decoder gives: what [`Features::loss`] and [`Features::values`] read.
    fn outputs(&self) -> usize {
        self.numbers.len() + self.categories.iter().map(|(_, k)| k).sum::<usize>()
    }
}

impl Features {
    pub fn of(kind: &Kind) -> Self {
        let symbols = match kind {
            Kind::Text { symbols, .. } => Some(*symbols),
            _ => None,
        };
        Self { values: kind.values(), table: Cells::of(kind), symbols }
    }

    /// Width F of the features.
    pub fn width(&self) -> usize {
        self.table.as_ref().map_or(self.values, |cells| cells.outputs() + cells.numbers.len())
    }

    /// Width R of what a decoder gives.
    pub fn outputs(&self) -> usize {
        self.table.as_ref().map_or(self.values, Cells::outputs)
    }

    /// `[B, values]` → `[B, F]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let Some(cells) = &self.table else { return x };
        let mut parts = Vec::new();
        if !cells.numbers.is_empty() {
            let numbers = x.clone().select(1, places(&cells.numbers, &x.device()));
            let missing = numbers.clone().is_nan();
            parts.push(numbers.mask_fill(missing.clone(), 0.0));
            parts.push(missing.float());
        }
        parts.extend(cells.categories.iter().map(|(column, k)| one_hot(x.clone().narrow(1, *column, 1), *k)));
        Tensor::cat(parts, 1)
    }

    /// Negative log likelihood of each sample under what a decoder gave, nats: Laplace of this scale for numbers, categorical for
    /// categories and symbols; what is missing costs nothing. `outputs [B, R]`, `x [B, values]` → `[B, 1]`.
    pub fn loss(&self, outputs: Tensor<2>, x: Tensor<2>, scale: f64) -> Tensor<2> {
        let [batch, _] = x.dims();
        let Some(cells) = &self.table else {
            let symbols = self.symbols.unwrap_or(self.values);
            let scores = activation::log_softmax(outputs.reshape([-1, symbols as i64]), 1);
            return -(scores.reshape([batch, self.values]) * x).sum_dim(1);
        };
        let mut loss = Tensor::zeros([batch, 1], &x.device());
        let mut start = cells.numbers.len();
        if start > 0 {
            let numbers = x.clone().select(1, places(&cells.numbers, &x.device()));
            let missing = numbers.clone().is_nan();
            let gap = (numbers.mask_fill(missing.clone(), 0.0) - outputs.clone().narrow(1, 0, start)).abs() / scale;
            let cost = (gap + (2.0 * scale).ln()).mask_fill(missing, 0.0);
            loss = loss + cost.sum_dim(1);
        }
        for (column, k) in &cells.categories {
            let scores = activation::log_softmax(outputs.clone().narrow(1, start, *k), 1);
            loss = loss - (scores * one_hot(x.clone().narrow(1, *column, 1), *k)).sum_dim(1);
            start += k;
        }
        loss
    }

    /// What a decoder gave as values of the kind: numbers as they are, the likeliest category or symbol. `[B, R]` → `[B, values]`.
    pub fn values(&self, outputs: Tensor<2>) -> Tensor<2> {
        let [batch, _] = outputs.dims();
        let Some(cells) = &self.table else {
            let symbols = self.symbols.unwrap_or(self.values);
            let likeliest = outputs.reshape([-1, symbols as i64]).argmax(1).float();
            return one_hot(likeliest, symbols).reshape([batch, self.values]);
        };
        let mut columns: Vec<(usize, Tensor<2>)> =
            cells.numbers.iter().enumerate().map(|(i, at)| (*at, outputs.clone().narrow(1, i, 1))).collect();
        let mut start = cells.numbers.len();
        for (column, k) in &cells.categories {
            columns.push((*column, outputs.clone().narrow(1, start, *k).argmax(1).float()));
            start += k;
        }
        columns.sort_by_key(|(at, _)| *at);
        Tensor::cat(columns.into_iter().map(|(_, column)| column).collect(), 1)
    }
}

/// `[B, 1]` category places → `[B, k]`; a row of zeros for NaN.
pub(crate) fn one_hot(places: Tensor<2>, k: usize) -> Tensor<2> {
    let [batch, _] = places.dims();
    let all = Tensor::<1, Int>::arange(0..k as i64, &places.device()).float().reshape([1, k]).expand([batch, k]);
    places.expand([batch, k]).equal(all).float()
}

/// Numbers of columns as a tensor.
pub(crate) fn places(columns: &[usize], device: &Device) -> Tensor<1, Int> {
    let columns: Vec<i32> = columns.iter().map(|c| i32::try_from(*c).unwrap_or(i32::MAX)).collect();
    let count = columns.len();
    Tensor::from_data(TensorData::new(columns, [count]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Column, Columns};

    fn table() -> Kind {
        let columns = vec![
            Column::categorical("stage", ["mild", "moderate", "severe"]).expect("a column"),
            Column::continuous("age", 60.0, 10.0, [20.0, 90.0]).expect("a column"),
            Column::categorical("sex", ["f", "m"]).expect("a column"),
        ];
        Kind::Table { columns: Columns::new(columns).expect("columns") }
    }

    fn numbers(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec::<f32>().expect("numbers")
    }

    #[test]
    fn cells_become_features() {
        let device = Device::flex();
        let features = Features::of(&table());
        assert_eq!((features.width(), features.outputs()), (7, 6));
        let x = Tensor::<2>::from_data([[2.0, 0.5, 1.0], [f32::NAN, f32::NAN, 0.0]], &device);
        let found = numbers(features.forward(x));
        assert_eq!(found, [0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn what_is_decoded_comes_back_in_the_order_of_the_columns() {
        let device = Device::flex();
        let features = Features::of(&table());
        let outputs = Tensor::<2>::from_data([[-1.5, 0.0, 3.0, 1.0, 2.0, 0.0]], &device);
        assert_eq!(numbers(features.values(outputs)), [1.0, -1.5, 0.0]);
        let text = Features::of(&Kind::Text { length: 2, symbols: 3, vocabulary: None });
        let outputs = Tensor::<2>::from_data([[0.1, 0.9, 0.2, 5.0, 1.0, 2.0]], &device);
        assert_eq!(numbers(text.values(outputs)), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    }

    /// The cost of a sample is the sum over its known cells, and a missing cell costs nothing.
    #[test]
    fn missing_cells_cost_nothing() {
        let device = Device::flex();
        let features = Features::of(&table());
        let outputs = || Tensor::<2>::from_data([[1.0, 0.0, 0.0, 0.0, 2.0, 2.0]], &device);
        let cost = |x: [f32; 3]| numbers(features.loss(outputs(), Tensor::<2>::from_data([x], &device), 0.75))[0];
        let laplace = (2.0f32 * 0.75).ln() + 0.5 / 0.75;
        assert!((cost([f32::NAN, 0.5, f32::NAN]) - laplace).abs() < 1e-6);
        assert!((cost([1.0, f32::NAN, f32::NAN]) - 3.0f32.ln()).abs() < 1e-6);
        assert!((cost([1.0, 0.5, 0.0]) - (3.0f32.ln() + laplace + 2.0f32.ln())).abs() < 1e-6);
        assert_eq!(cost([f32::NAN; 3]), 0.0);
    }
}
