//! A table of samples: CSV with the columns `id`, `label` and `split`, and one column for each image modality.
//!
//! ```text
//! id,label,split,front,side
//! p1,healthy,train,scans/p1-front.png,scans/p1-side.png
//! p2,ill,validation,scans/p2-front.png,                      an empty cell: p2 has no side view
//! p3,ill,test,,scans/p3-side.jpg                             paths are relative to the table
//! ```

mod error;
mod parse;

pub use error::{ManifestError, Problem};

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use dymo_core::{Kind, Modality, ModalitySet, Schema};
use serde::{Deserialize, Serialize};

use crate::picture::{Colour, Picture};
use crate::samples::{ReadError, Samples, check_read};
use parse::{Row, Table};

/// The grid that every picture of a table is brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// What a pixel consists of.
    pub colour: Colour,
}

/// The part that a row's `split` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// `train`
    Train,
    /// `validation`
    Validation,
    /// `test`
    Test,
}

impl Split {
    /// All of them, in the order of the work.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// As the table writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The samples of a table, all parts. Pictures are decoded and resized when they are read.
#[derive(Debug)]
pub struct Manifest {
    schema: Schema,
    grid: Grid,
    rows: Vec<Row>,
}

impl Manifest {
    /// Reads a table and sees that its pictures are there (not that they can be decoded). Modalities are in the order
    /// of their columns, classes in alphabetical order.
    ///
    /// # Errors
    /// A [`ManifestError`]; what is wrong with rows is reported all at once, as [`ManifestError::Problems`].
    pub fn open(path: &Path, grid: Grid) -> Result<Self, ManifestError> {
        let file = File::open(path).map_err(|source| ManifestError::File { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let Table { modalities, classes, rows } = parse::parse(BufReader::new(file), path, folder)?;
        let kind = Kind::Image { height: grid.height, width: grid.width, channels: grid.colour.channels() };
        let modalities = modalities.into_iter().map(|name| Modality::new(name, kind)).collect();
        let schema = Schema::new(modalities, classes)
            .map_err(|source| ManifestError::Schema { path: path.to_owned(), source })?;
        Ok(Self { schema, grid, rows })
    }

    /// The indices of the samples of one part, in the table's order.
    pub fn part(&self, split: Split) -> Vec<usize> {
        (0..self.rows.len()).filter(|&index| self.rows[index].split == split).collect()
    }

    fn picture_path(&self, index: usize, modality: usize) -> Option<&PathBuf> {
        self.rows[index].pictures[modality].as_ref()
    }
}

impl Samples for Manifest {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn label(&self, index: usize) -> usize {
        self.rows[index].label
    }

    fn observed(&self, index: usize) -> ModalitySet {
        let pictures = self.rows[index].pictures.iter().enumerate();
        pictures.filter(|(_, picture)| picture.is_some()).map(|(modality, _)| modality).collect()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        let Some(path) = self.picture_path(index, modality) else {
            let modality = self.schema.modalities()[modality].name().to_owned();
            return Err(ReadError::Missing { id: self.id(index), modality });
        };
        let picture = Picture::open(path, self.grid.colour)?;
        picture
            .resized(self.grid.height, self.grid.width)
            .and_then(|picture| picture.write_f32(out))
            .map_err(|source| source.of(path).into())
    }

    fn id(&self, index: usize) -> String {
        self.rows[index].id.clone()
    }
}

#[cfg(test)]
mod tests;
