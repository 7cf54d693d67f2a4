//! Columns of tables as statistics see them.

use dymo_core::Kind;
use serde::{Deserialize, Serialize};

/// What the cells of a column hold; NaN is a missing cell of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Standardised numbers.
    Number,
    /// Places of so many categories, from 0.
    Categories(usize),
}

impl Field {
    /// Features that a regression sees in place of a cell: the number, or a flag for each category.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Categories(k) => k,
        }
    }

    /// The category of a cell; the nearest one for a value beyond them.
    pub(crate) fn category(value: f32, categories: usize) -> usize {
        // The cast saturates: a value below 0 is the first category.
        (value.round() as usize).min(categories.saturating_sub(1))
    }
}

/// The columns of a table; `None` for everything else.
pub fn fields(kind: &Kind) -> Option<Vec<Field>> {
    let field = |column: &dymo_core::Column| column.cardinality().map_or(Field::Number, Field::Categories);
    Some(kind.columns()?.iter().map(field).collect())
}
