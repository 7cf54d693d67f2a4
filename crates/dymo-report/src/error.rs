//! What can go wrong between a report and its folder.

use std::{io, path::PathBuf};

/// Why a report could not be written or read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder could not be made.
    #[error("cannot make the folder {}; choose another with --out, or check its permissions", path.display())]
    Folder {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written. What stood there before is untouched.
    #[error("cannot write {}; check free space and permissions (the file that was there before is unchanged)", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The report could not be opened.
    #[error("cannot read {}; give a folder that an evaluation has written", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a report.
    #[error("{} is not a report; evaluate again to write a new one", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where the JSON broke off or did not fit.
        source: serde_json::Error,
    },
    /// The values could not be turned into JSON.
    #[error("cannot turn the report into JSON")]
    Json(#[source] serde_json::Error),
    /// The page could not be rendered.
    #[error("cannot render the page")]
    Page(#[from] askama::Error),
    /// A table could not be turned into CSV.
    #[error("cannot turn table {table} into CSV")]
    Csv {
        /// Name of the table.
        table: &'static str,
        /// What the writer said.
        source: csv::Error,
    },
}
