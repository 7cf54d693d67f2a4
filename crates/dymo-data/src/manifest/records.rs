//! The rows of a table as cells of bytes, whatever file they stand in.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::ManifestError;
#[cfg(feature = "parquet")]
use super::columnar::Columnar;

/// Longest row that is read of a CSV file, in bytes: a quotation mark left open would make one row of the rest of the file.
pub const MAX_ROW: u64 = 16 << 20;

/// Rows from the first to the last, one in memory at a time.
pub(crate) struct Records {
    names: Vec<String>,
    source: Source,
}

enum Source {
    Csv {
        reader: csv::Reader<Guarded<Box<dyn Read + Send>>>,
        allowance: Arc<AtomicU64>,
    },
    #[cfg(feature = "parquet")]
    Columnar(Box<Columnar>),
}

/// A table that cannot be read on.
pub(crate) struct Broken {
    /// The line after which it happened, counted from 1.
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
        let allowance = Arc::new(AtomicU64::new(MAX_ROW));
        let stream: Box<dyn Read + Send> = Box::new(stream);
        let guarded = Guarded { inner: stream, allowance: allowance.clone() };
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(guarded);
        let header = reader.byte_headers().map_err(|source| ManifestError::Csv { path: path.to_owned(), source })?;
        // The first row, without a byte order mark.
        let name = |field| String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_owned();
        Ok(Self { names: header.iter().map(name).collect(), source: Source::Csv { reader, allowance } })
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Bytes of the file read so far.
    pub(crate) fn position(&self) -> u64 {
        match &self.source {
            Source::Csv { reader, .. } => reader.position().byte(),
            #[cfg(feature = "parquet")]
            Source::Columnar(table) => table.position(),
        }
    }

    /// Reads the next row into `record` and gives its line, counted from 1; a row of a Parquet file has the line that it would have as
    /// CSV. `None` after the last.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, Broken> {
        match &mut self.source {
            Source::Csv { reader, allowance } => {
                allowance.store(MAX_ROW, Ordering::Relaxed);
                match reader.read_byte_record(record) {
                    Ok(more) => Ok(more.then(|| record.position().map_or(0, csv::Position::line))),
                    Err(error) => Err(Broken { line: reader.position().line(), cause: error.to_string() }),
                }
            }
            #[cfg(feature = "parquet")]
            Source::Columnar(table) => table.next(record),
        }
    }
}

/// Gives so many bytes until somebody allows more.
struct Guarded<R> {
    inner: R,
    allowance: Arc<AtomicU64>,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowance.load(Ordering::Relaxed);
        if allowed == 0 {
            let text = format!("a row longer than {} MiB: is a quotation mark left open?", MAX_ROW >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let most = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowance.store(allowed - read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
