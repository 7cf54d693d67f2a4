use std::fmt;
use std::io;
use std::path::PathBuf;

use dymo_core::SchemaError;
use thiserror::Error;

/// Problems that a message lists; the others are counted.
const LISTED: usize = 20;

/// Why a table of samples is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The table.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not CSV.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The table.
        path: PathBuf,
        /// What the CSV reader said.
        source: csv::Error,
    },
    /// A column that must be there is not, or no modality is.
    #[error(
        "{}: columns {found:?}, wanted id, label, split and at least one more, named after the modality whose pictures it holds",
        path.display()
    )]
    Columns {
        /// The table.
        path: PathBuf,
        /// Its first row.
        found: Vec<String>,
    },
    /// Modalities or classes that make no schema.
    #[error("{}: {source}", path.display())]
    Schema {
        /// The table.
        path: PathBuf,
        /// The rule that is broken.
        source: SchemaError,
    },
    /// Rows that are wrong, all of them.
    #[error("{}: {}", path.display(), Listing(problems))]
    Problems {
        /// The table.
        path: PathBuf,
        /// In the order of the lines.
        problems: Vec<Problem>,
    },
}

/// What is wrong with one row. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Another number of cells than there are columns.
    #[error("line {line}: {found} cells, wanted {wanted}")]
    Width {
        /// The line.
        line: u64,
        /// Cells there.
        found: usize,
        /// Columns of the table.
        wanted: usize,
    },
    /// A cell that is not UTF-8 text.
    #[error("line {line}, column {column}: not UTF-8 text, save the table as UTF-8")]
    Encoding {
        /// The line.
        line: u64,
        /// The column's name.
        column: String,
    },
    /// An empty id or label.
    #[error("line {line}: the {column} is empty, fill it in or remove the row")]
    Empty {
        /// The line.
        line: u64,
        /// `id` or `label`.
        column: &'static str,
    },
    /// An id that has come up before.
    #[error("line {line}: the id {id:?} is that of line {first} too, give each sample its own")]
    SameId {
        /// The line.
        line: u64,
        /// The line that had it first.
        first: u64,
        /// The id.
        id: String,
    },
    /// No part of that name.
    #[error("line {line}: split {found:?}, wanted train, validation or test")]
    Split {
        /// The line.
        line: u64,
        /// What is there.
        found: String,
    },
    /// Every picture's cell is empty.
    #[error("line {line}: no picture is named, name at least one or remove the row")]
    NothingObserved {
        /// The line.
        line: u64,
    },
    /// A picture that is not there.
    #[error("line {line}, column {column}: {} is no file; leave the cell empty where a picture is missing", path.display())]
    NoPicture {
        /// The line.
        line: u64,
        /// The modality.
        column: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A part without samples.
    #[error("no row has split {part}, each of train, validation and test needs one")]
    NoRows {
        /// The part.
        part: &'static str,
    },
}

/// Problems, one a line.
struct Listing<'a>(&'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problems", self.0.len())?;
        self.0.iter().take(LISTED).try_for_each(|problem| write!(f, "\n  {problem}"))?;
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
