//! Data sets in layouts of their own, turned into a table and an experiment file.
//!
//! [`ArrayLayout`] is that of tables with an array of pixels for each row, as the code of the paper and of TIP reads them:
//! [`ArrayLayout::cars`] names the files of DVM, a TOML file those of a cardiac data set. [`faces`] reads CelebA's
//! attribute files. Nothing is copied: the table names the pictures where they are.

mod arrays;
mod faces;
mod lists;

pub use arrays::{ArrayLayout, ArrayPart, arrays};
pub use faces::{FaceOptions, faces};

use std::io;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use dymo_core::ColumnError;
use serde::Serialize;
use thiserror::Error;

use crate::manifest::{ManifestSettings, SettingsError};
use crate::npy::NpyError;
use crate::source::Source;
use crate::whole;

/// What a conversion has written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Converted {
    /// The table.
    pub table: PathBuf,
    /// The experiment file that reads it.
    pub experiment: PathBuf,
    /// Rows of train, validation and test.
    pub parts: [u64; 3],
    /// What differs from the original, or should be looked at.
    pub remarks: Vec<String>,
}

/// A table that is being written: whole, or not at all.
struct Table {
    path: PathBuf,
    writer: csv::Writer<AtomicWriteFile>,
    parts: [u64; 3],
}

impl Table {
    fn create(folder: &Path, columns: &[String]) -> Result<Self, ConvertError> {
        let path = folder.join("manifest.csv");
        let failed = |source| ConvertError::Write { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut writer = csv::Writer::from_writer(AtomicWriteFile::open(&path).map_err(failed)?);
        writer.write_record(columns).map_err(|source| failed(source.into()))?;
        Ok(Self { path, writer, parts: [0; 3] })
    }

    fn row(&mut self, split: crate::manifest::Split, cells: &[String]) -> Result<(), ConvertError> {
        self.parts[split as usize] += 1;
        let failed = |source: csv::Error| ConvertError::Write { path: self.path.clone(), source: source.into() };
        self.writer.write_record(cells).map_err(failed)
    }

    /// Commits the table, and writes the experiment file beside it.
    fn finish(self, settings: &ManifestSettings, remarks: Vec<String>) -> Result<Converted, ConvertError> {
        let Self { path, writer, parts } = self;
        let failed = |path: &Path, source| ConvertError::Write { path: path.to_owned(), source };
        let experiment = path.with_file_name("experiment.toml");
        settings.check()?;
        let text = experiment_text(settings, &remarks)?;
        let file = writer.into_inner().map_err(|error| failed(&path, error.into_error()))?;
        file.commit().map_err(|source| failed(&path, source))?;
        whole::write(&experiment, text).map_err(|source| failed(&experiment, source))?;
        Ok(Converted { table: path, experiment, parts, remarks })
    }
}

fn experiment_text(settings: &ManifestSettings, remarks: &[String]) -> Result<String, ConvertError> {
    #[derive(Serialize)]
    struct Experiment {
        data: Source,
    }
    let body = toml::to_string(&Experiment { data: Source::Manifest(settings.at("manifest.csv")) })?;
    let lines: String = remarks.iter().map(|remark| format!("# {}\n", remark.replace('\n', " "))).collect();
    Ok(format!("{lines}\n{body}"))
}

/// Why a data set cannot be converted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A file that is not there or cannot be read.
    #[error("{}: {source}; it should hold {role}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it is for.
        role: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A list that is none.
    #[error("{}: {cause}; wanted a list of {role}, pickled or one a line", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What it is for.
        role: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// An array that is none.
    #[error("{}: {source}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NpyError,
    },
    /// A mask of other extents than its table.
    #[error("{}: a mask of extents {found:?}, the table has {wanted:?} rows and columns", path.display())]
    Mask {
        /// The file.
        path: PathBuf,
        /// Its extents.
        found: Vec<usize>,
        /// Rows and columns of the table.
        wanted: [usize; 2],
    },
    /// Files of one part that do not belong together.
    #[error("{}: {found} {what}, wanted {wanted}; take all files from the same release", path.display())]
    Counts {
        /// The file.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many belong there.
        wanted: usize,
    },
    /// A cell that does not fit its column.
    #[error("{}, line {line}, column {column}: {found:?}, wanted {wanted}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        found: String,
        /// What would do.
        wanted: String,
    },
    /// Columns that make no table.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// Settings that contradict themselves: a column called like one of ours.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A name that TOML cannot hold.
    #[error("the experiment cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
    /// The result cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
