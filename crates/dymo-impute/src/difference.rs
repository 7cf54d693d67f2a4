//! How much two samples of one modality differ.

use dymo_core::Kind;

use crate::centre::shown;
use crate::field::{Field, fields};

/// Mean squared difference of the values of `a` and `b`, `[values]` each. Two unlike categories or symbols differ by 2: so do their flags
/// (one-hot), and so do two independent standardised numbers on average. Cells of a table that either lacks are left out; `None` where
/// that leaves nothing.
pub fn difference(kind: &Kind, a: &[f32], b: &[f32]) -> Option<f64> {
    match kind {
        Kind::Text { symbols, .. } => {
            let places = a.chunks_exact(*symbols).zip(b.chunks_exact(*symbols));
            mean(places.map(|(a, b)| unlike(shown(a) != shown(b))))
        }
        Kind::Table { .. } => {
            let cells = fields(kind)?.into_iter().zip(a.iter().zip(b));
            mean(cells.filter(|(_, (a, b))| !a.is_nan() && !b.is_nan()).map(|(field, (a, b))| match field {
                Field::Number => squared(*a, *b),
                Field::Categories(k) => unlike(Field::category(*a, k) != Field::category(*b, k)),
            }))
        }
        _ => mean(a.iter().zip(b).map(|(a, b)| squared(*a, *b))),
    }
}

/// The same from a sample to a donor: a cell that the sample knows and the donor lacks differs as it would on average from donors in general,
/// which are spread by 1 about their `centre` where numbers are standardised. Left out, a donor of which little is known would be nearest
/// to everybody. `None` where they share no cell.
pub(crate) fn difference_to_donor(kind: &Kind, sample: &[f32], donor: &[f32], centre: &[f32]) -> Option<f64> {
    let shared = difference(kind, sample, donor)?;
    let Some(fields) = fields(kind) else { return Some(shared) };
    let (mut known, mut lacked, mut sum) = (0.0, 0.0, 0.0);
    for (place, field) in fields.into_iter().enumerate().filter(|(place, _)| !sample[*place].is_nan()) {
        known += 1.0;
        if donor[place].is_nan() {
            lacked += 1.0;
            sum += match field {
                Field::Number => squared(sample[place], centre[place]) + 1.0,
                Field::Categories(_) => INDEPENDENT,
            };
        }
    }
    Some((shared * (known - lacked) + sum) / known)
}

/// How much two independent values of a column differ: standardised numbers on average, categories where they are unlike.
pub(crate) const INDEPENDENT: f64 = 2.0;

fn squared(a: f32, b: f32) -> f64 {
    let gap = f64::from(a) - f64::from(b);
    gap * gap
}

fn unlike(unlike: bool) -> f64 {
    if unlike { INDEPENDENT } else { 0.0 }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Column, Columns};

    #[test]
    fn known_cells_count() {
        let columns = vec![
            Column::continuous("age", 0.0, 1.0, [-3.0, 3.0]).expect("a column"),
            Column::categorical("stage", ["a", "b", "c"]).expect("a column"),
        ];
        let kind = Kind::Table { columns: Columns::new(columns).expect("columns") };
        assert_eq!(difference(&kind, &[1.0, 2.0], &[-1.0, 0.0]), Some(3.0));
        assert_eq!(difference(&kind, &[f32::NAN, 2.0], &[-1.0, 2.0]), Some(0.0));
        assert_eq!(difference(&kind, &[f32::NAN, 2.0], &[1.0, f32::NAN]), None);
        let text = Kind::Text { length: 2, symbols: 2, vocabulary: None };
        assert_eq!(difference(&text, &[1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 0.0, 0.0]), Some(1.0));
        let picture = Kind::Image { height: 1, width: 2, channels: 1 };
        assert_eq!(difference(&picture, &[0.0, 1.0], &[0.5, 1.0]), Some(0.125));
    }
}
