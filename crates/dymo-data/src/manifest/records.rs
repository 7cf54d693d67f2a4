//! The rows of a table as cells of bytes, whatever file they stand in.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::ManifestError;
#[cfg(feature = "parquet")]
use super::columnar::Columnar;
use crate::numbered::NumberedReader;

/// Rows from the first to the last, one in memory at a time.
pub(crate) struct Records {
    names: Vec<String>,
    source: Source,
}

enum Source {
    Csv(Box<NumberedReader<Box<dyn Read + Send>>>),
    #[cfg(feature = "parquet")]
    Columnar(Box<Columnar>),
}

/// A table that cannot be read on.
pub(crate) struct Broken {
    /// The line in which the row begins that cannot be read, counted from 1.
    pub(crate) line: u64,
    /// Why.
    pub(crate) cause: String,
}

impl Records {
    /// Opens a CSV file, or a Parquet file by its name.
    pub(crate) fn open(path: &Path) -> Result<Self, ManifestError> {
        let file = File::open(path).map_err(|source| ManifestError::File { path: path.to_owned(), source })?;
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet")) {
            return Self::columnar(path, file);
        }
        Self::csv(path, file)
    }

    #[cfg(feature = "parquet")]
    fn columnar(path: &Path, file: File) -> Result<Self, ManifestError> {
        let table = Columnar::open(path, file)?;
        Ok(Self { names: table.names().to_vec(), source: Source::Columnar(Box::new(table)) })
    }

    #[cfg(not(feature = "parquet"))]
    fn columnar(path: &Path, _: File) -> Result<Self, ManifestError> {
        Err(ManifestError::NoParquet { path: path.to_owned() })
    }

    /// Reads CSV from a stream; the path is used for messages only.
    pub(crate) fn csv(path: &Path, stream: impl Read + Send + 'static) -> Result<Self, ManifestError> {
        let stream: Box<dyn Read + Send> = Box::new(stream);
        let mut reader = NumberedReader::new(ReaderBuilder::new().flexible(true), stream);
        let header = reader.byte_headers().map_err(|source| ManifestError::Csv { path: path.to_owned(), source })?;
        let text = |field: &[u8]| str::from_utf8(field).is_ok_and(|name| !name.contains('\0'));
        if !header.iter().all(text) {
            return Err(ManifestError::NoText { path: path.to_owned() });
        }
        // The first row, without a byte order mark.
        let name = |field| String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_owned();
        let names: Vec<String> = header.iter().map(name).collect();
        match other_separator(&names) {
            Some(found) => Err(ManifestError::Separator { path: path.to_owned(), found }),
            None => Ok(Self { names, source: Source::Csv(Box::new(reader)) }),
        }
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Bytes of the file read so far.
    pub(crate) fn position(&self) -> u64 {
        match &self.source {
            Source::Csv(reader) => reader.bytes(),
            #[cfg(feature = "parquet")]
            Source::Columnar(table) => table.position(),
        }
    }

    /// Reads the next row into `record` and gives its line, counted from 1; a row of a Parquet file has the line that it would have as
    /// CSV. `None` after the last.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, Broken> {
        match &mut self.source {
            Source::Csv(reader) => {
                reader.next(record).map_err(|error| Broken { line: reader.began(), cause: error.to_string() })
            }
            #[cfg(feature = "parquet")]
            Source::Columnar(table) => table.next(record),
        }
    }
}

/// Line ends within the cells of a row.
pub(crate) fn line_ends(record: &ByteRecord) -> u64 {
    record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64
}

/// What stands between the names of the first row, where commas do not.
fn other_separator(names: &[String]) -> Option<&'static str> {
    let count = |sign: char| names.iter().map(|name| name.matches(sign).count()).sum::<usize>();
    let others = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];
    let most = others.into_iter().max_by_key(|(sign, _)| count(*sign))?;
    (!names.is_empty() && count(most.0) >= names.len()).then_some(most.1)
}
