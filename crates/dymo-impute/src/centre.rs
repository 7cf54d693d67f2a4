//! The middle of many samples: means of numbers, most frequent categories and symbols.

use dymo_core::Kind;

use crate::field::{Field, fields};

/// Mean and mode of one modality, sample by sample.
///
/// A pixel, a voxel and a number of a table get the mean of the samples that have it; a category of a table and a symbol of a text the
/// most frequent one, the lowest of equals. A place of a text that is mostly blank stays blank.
/// ```
/// use dymo_core::Kind;
/// use dymo_impute::Centre;
/// let mut centre = Centre::new(&Kind::Image { height: 1, width: 2, channels: 1 });
/// centre.add(&[0.0, 1.0]);
/// centre.add(&[0.5, 0.0]);
/// assert_eq!(centre.finish(), [0.25, 0.5]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Centre {
    /// Width of one cell: symbols of a text, else 1.
    step: usize,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Number {
        sum: f64,
        known: u32,
    },
    /// Votes for each category.
    Category {
        votes: Vec<u32>,
    },
    /// Votes for each symbol, and for a blank.
    Symbol {
        votes: Vec<u32>,
        blank: u32,
    },
}

impl Centre {
    /// Of no sample yet.
    pub fn new(kind: &Kind) -> Self {
        let number = Cell::Number { sum: 0.0, known: 0 };
        if let Some(fields) = fields(kind) {
            let cell = |field: Field| match field {
                Field::Number => number.clone(),
                Field::Categories(k) => Cell::Category { votes: vec![0; k] },
            };
            return Self { step: 1, cells: fields.into_iter().map(cell).collect() };
        }
        match kind {
            Kind::Text { length, symbols, .. } => {
                Self { step: *symbols, cells: vec![Cell::Symbol { votes: vec![0; *symbols], blank: 0 }; *length] }
            }
            _ => Self { step: 1, cells: vec![number; kind.values()] },
        }
    }

    /// Adds a sample, `[values]`; NaN counts for nothing. Values beyond those of the kind are not read.
    pub fn add(&mut self, values: &[f32]) {
        for (cell, values) in self.cells.iter_mut().zip(values.chunks_exact(self.step.max(1))) {
            match cell {
                Cell::Number { sum, known } if !values[0].is_nan() => {
                    *sum += f64::from(values[0]);
                    *known += 1;
                }
                Cell::Category { votes } if !values[0].is_nan() => {
                    let category = Field::category(values[0], votes.len());
                    votes[category] += 1;
                }
                Cell::Symbol { votes, blank } => match shown(values) {
                    Some(symbol) => votes[symbol] += 1,
                    None => *blank += 1,
                },
                _ => {}
            }
        }
    }

    /// `[values]`; NaN for a cell of a table that nobody knew.
    pub fn finish(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.cells.len() * self.step];
        for (cell, out) in self.cells.iter().zip(out.chunks_exact_mut(self.step.max(1))) {
            match cell {
                Cell::Number { known: 0, .. } => out[0] = f32::NAN,
                Cell::Number { sum, known } => out[0] = (sum / f64::from(*known)) as f32,
                Cell::Category { votes } => {
                    out[0] = if votes.iter().all(|v| *v == 0) { f32::NAN } else { largest(votes) as f32 };
                }
                Cell::Symbol { votes, blank } => {
                    let symbol = largest(votes);
                    if votes[symbol] > *blank {
                        out[symbol] = 1.0;
                    }
                }
            }
        }
        out
    }
}

/// The symbol that a place shows; `None` for a blank.
pub(crate) fn shown(place: &[f32]) -> Option<usize> {
    let best = largest(place);
    (place[best] > 0.0).then_some(best)
}

/// Place of the largest value, the first of equals.
pub(crate) fn largest<T: PartialOrd>(values: &[T]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Column, Columns};

    #[test]
    fn means_and_modes_of_known_cells() {
        let columns = vec![
            Column::continuous("age", 0.0, 1.0, [-3.0, 3.0]).expect("a column"),
            Column::categorical("stage", ["a", "b", "c"]).expect("a column"),
            Column::categorical("empty", ["a", "b"]).expect("a column"),
        ];
        let mut centre = Centre::new(&Kind::Table { columns: Columns::new(columns).expect("columns") });
        for row in [[1.0, 2.0, f32::NAN], [f32::NAN, 1.0, f32::NAN], [2.0, 2.0, f32::NAN], [-6.0, 1.0, f32::NAN]] {
            centre.add(&row);
        }
        let found = centre.finish();
        assert_eq!(found[..2], [-1.0, 1.0], "the mean of three, and the lower of equals");
        assert!(found[2].is_nan());
    }

    #[test]
    fn a_text_keeps_its_most_frequent_symbols() {
        let mut centre = Centre::new(&Kind::Text { length: 2, symbols: 3, vocabulary: None });
        centre.add(&[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        centre.add(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        centre.add(&[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(centre.finish(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], "the second place is blank");
    }
}
