//! What a regression sees of some samples.

use crate::field::Field;

/// Features `[rows, width]` of all columns but one: numbers as they are, a flag for each category, and a 1 at the end.
#[derive(Debug, Clone)]
pub(super) struct Design {
    width: usize,
    values: Vec<f64>,
}

impl Design {
    /// Of these rows of `table [·, columns]`, without the column `left_out`.
    pub fn without(fields: &[Field], table: &[f32], left_out: usize, rows: &[usize]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * width(fields, left_out));
        for row in rows {
            features(fields, &table[row * fields.len()..(row + 1) * fields.len()], left_out, &mut values);
        }
        Self { width: width(fields, left_out), values }
    }

    /// Features of a sample, with the 1.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }
}

fn width(fields: &[Field], left_out: usize) -> usize {
    1 + fields.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, field)| field.width()).sum::<usize>()
}

/// Appends the features of one sample.
pub(super) fn features(fields: &[Field], row: &[f32], left_out: usize, out: &mut Vec<f64>) {
    for (_, (field, value)) in fields.iter().zip(row).enumerate().filter(|(i, _)| *i != left_out) {
        match field {
            Field::Number => out.push(f64::from(*value)),
            Field::Categories(k) => {
                let category = Field::category(*value, *k);
                out.extend((0..*k).map(|i| f64::from(u8::from(i == category))));
            }
        }
    }
    out.push(1.0);
}
