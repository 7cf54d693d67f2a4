//! What is kept in memory of a table that is read whole: few allocations, whatever the number of rows.

use std::path::Path;

use super::rows::Cell;

/// Many short texts in one piece of memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// One modality of all rows. An empty text or a row of NaN is absent.
#[derive(Debug, Clone)]
pub(super) enum Store {
    Files(Texts),
    Texts(Texts),
    Table { width: usize, values: Vec<f32> },
}

impl Store {
    pub(super) fn push(&mut self, cell: &Cell) {
        match (self, cell) {
            (Self::Files(texts), Cell::File(path)) => texts.push(&path.to_string_lossy()),
            (Self::Texts(texts), Cell::Text(text)) => texts.push(text),
            (Self::Table { values, .. }, Cell::Values(row)) => values.extend_from_slice(row),
            // What is left is absent.
            (Self::Files(texts) | Self::Texts(texts), _) => texts.push(""),
            (Self::Table { width, values }, _) => values.extend(std::iter::repeat_n(f32::NAN, *width)),
        }
    }

    pub(super) fn is_present(&self, row: usize) -> bool {
        match self {
            Self::Files(texts) | Self::Texts(texts) => !texts.get(row).is_empty(),
            Self::Table { .. } => self.values(row).iter().any(|value| !value.is_nan()),
        }
    }

    pub(super) fn cell(&self, row: usize) -> Cell {
        match self {
            _ if !self.is_present(row) => Cell::Absent,
            Self::Files(texts) => Cell::File(Path::new(texts.get(row)).to_owned()),
            Self::Texts(texts) => Cell::Text(texts.get(row).to_owned()),
            Self::Table { .. } => Cell::Values(self.values(row).to_vec()),
        }
    }

    pub(super) fn file(&self, row: usize) -> Option<&Path> {
        match self {
            Self::Files(texts) => Some(texts.get(row)).filter(|path| !path.is_empty()).map(Path::new),
            _ => None,
        }
    }

    fn values(&self, row: usize) -> &[f32] {
        match self {
            Self::Table { width, values } => &values[row * width..][..*width],
            _ => &[],
        }
    }
}
