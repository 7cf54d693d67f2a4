//! Single entries of a table that are missing, as a mask; and samples seen through masks.
//!
//! A mask file is CSV: the columns' names, then one row a sample, **1 = missing**; a column called `id` says which sample.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use dymo_core::{ModalitySet, Schema};

use super::mask_file::{Flags, MaskError, MaskFileError, format_flags};
use crate::samples::{ReadError, Samples, check_read};
use crate::whole;

/// Which entries of a table go missing, `[samples, columns]`, true = missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryMask {
    columns: Vec<String>,
    missing: Vec<bool>,
    row_of: Option<HashMap<String, usize>>,
}

impl EntryMask {
    /// `missing` has a whole number of rows, one place a column.
    pub(super) fn new(columns: Vec<String>, missing: Vec<bool>) -> Self {
        Self { columns, missing, row_of: None }
    }

    /// Rows, one a sample.
    pub fn len(&self) -> usize {
        self.missing.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// By column: what goes missing of sample `index`; empty where there is no such row.
    pub fn row(&self, index: usize) -> &[bool] {
        let width = self.columns.len();
        self.missing.get(index * width..(index + 1) * width).unwrap_or_default()
    }

    /// Share of all entries that goes missing.
    pub fn rate(&self) -> f64 {
        self.missing.iter().filter(|&&missing| missing).count() as f64 / self.missing.len().max(1) as f64
    }

    /// Reads a mask file for columns of these names, in any order.
    ///
    /// # Errors
    /// [`MaskFileError`]: the path, and why.
    pub fn open(path: &Path, columns: &[String]) -> Result<Self, MaskFileError> {
        let read = || Self::read(BufReader::new(File::open(path)?), columns);
        read().map_err(|source| MaskFileError { path: path.to_owned(), source })
    }

    /// Reads a mask from text.
    ///
    /// # Errors
    /// A [`MaskError`] for the first row that is wrong.
    pub fn read(text: impl Read, columns: &[String]) -> Result<Self, MaskError> {
        let Flags { missing, row_of, .. } = Flags::read(text, columns, true)?;
        Ok(Self { columns: columns.to_vec(), missing, row_of })
    }

    /// Rows in the order of these samples: by their ids where the file has them, else as they stand.
    ///
    /// # Errors
    /// [`MaskError::NoRow`] for a sample whose id no row has.
    pub fn of(self, ids: &[String]) -> Result<Self, MaskError> {
        let Some(row_of) = &self.row_of else { return Ok(self) };
        let mut missing = Vec::with_capacity(ids.len() * self.columns.len());
        for id in ids {
            let row = row_of.get(id).ok_or_else(|| MaskError::NoRow { id: id.clone() })?;
            missing.extend_from_slice(self.row(*row));
        }
        Ok(Self { missing, row_of: None, columns: self.columns })
    }

    /// Writes a mask file, with the samples' ids if they are given: whole, or not at all.
    ///
    /// # Errors
    /// [`MaskFileError`]: the path, and what the system said.
    pub fn write(&self, path: &Path, ids: Option<&[String]>) -> Result<(), MaskFileError> {
        let write = || {
            let text = format_flags(&self.columns, ids, self.missing.chunks_exact(self.columns.len().max(1)))?;
            Ok(whole::write(path, text)?)
        };
        write().map_err(|source| MaskFileError { path: path.to_owned(), source })
    }
}

/// Samples of which more is missing than before: modalities, and entries of tables.
#[derive(Clone)]
pub struct Masked {
    whole: Arc<dyn Samples>,
    present: Option<Vec<ModalitySet>>,
    entries: Vec<(usize, EntryMask)>,
}

impl Masked {
    /// `present[i]` is what sample i keeps of what it has; `entries` are masks of table modalities, by number. A table
    /// of which no entry is left is missing.
    ///
    /// # Errors
    /// [`ReadError::Room`] for masks of another length or width, [`ReadError::Modality`] for a modality that is not
    /// there.
    pub fn new(
        whole: Arc<dyn Samples>,
        present: Option<Vec<ModalitySet>>,
        entries: Vec<(usize, EntryMask)>,
    ) -> Result<Self, ReadError> {
        let wanted = whole.len();
        let lengths = present.iter().map(Vec::len).chain(entries.iter().map(|(_, mask)| mask.len()));
        if let Some(found) = lengths.into_iter().find(|&found| found != wanted) {
            return Err(ReadError::Room { found, wanted });
        }
        let modalities = whole.schema().modalities();
        for (modality, mask) in &entries {
            let Some(found) = modalities.get(*modality) else {
                return Err(ReadError::Modality { modality: *modality, count: modalities.len() });
            };
            let wanted = found.columns().map_or(0, <[_]>::len);
            if mask.columns.len() != wanted {
                return Err(ReadError::Room { found: mask.columns.len(), wanted });
            }
        }
        Ok(Self { whole, present, entries })
    }

    fn mask(&self, index: usize, modality: usize, values: &mut [f32]) {
        for (_, mask) in self.entries.iter().filter(|(masked, _)| *masked == modality) {
            let hide = values.iter_mut().zip(mask.row(index)).filter(|(_, missing)| **missing);
            hide.for_each(|(value, _)| *value = f32::NAN);
        }
    }

    /// Whether any entry of a table is left; a table that cannot be read counts, and says so when it is read.
    fn is_left(&self, index: usize, modality: usize) -> bool {
        let mut values = vec![0.0; self.schema().modalities()[modality].kind().values()];
        if self.whole.read(index, modality, &mut values).is_err() {
            return true;
        }
        self.mask(index, modality, &mut values);
        values.iter().any(|value| !value.is_nan())
    }
}

impl Samples for Masked {
    fn schema(&self) -> &Schema {
        self.whole.schema()
    }

    fn len(&self) -> usize {
        self.whole.len()
    }

    fn behind(&self, index: usize) -> Option<(&dyn Samples, usize)> {
        Some((self.whole.as_ref(), index))
    }

    fn label(&self, index: usize) -> usize {
        self.whole.label(index)
    }

    fn observed(&self, index: usize) -> ModalitySet {
        let there = self.whole.observed(index);
        let kept = self.present.as_ref().map_or(there, |present| present[index].intersection(there));
        let masked = self.entries.iter().map(|(modality, _)| *modality).filter(|&modality| kept.contains(modality));
        masked.filter(|&modality| !self.is_left(index, modality)).fold(kept, ModalitySet::without)
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        let missing = || {
            let modality = self.schema().modalities()[modality].name().to_owned();
            ReadError::Missing { id: self.id(index), modality }
        };
        if self.present.as_ref().is_some_and(|present| !present[index].contains(modality)) {
            return Err(missing());
        }
        self.whole.read(index, modality, out)?;
        self.mask(index, modality, out);
        let masked = self.entries.iter().any(|(masked, _)| *masked == modality);
        if masked && out.iter().all(|value| value.is_nan()) { Err(missing()) } else { Ok(()) }
    }

    fn id(&self, index: usize) -> String {
        self.whole.id(index)
    }
}
