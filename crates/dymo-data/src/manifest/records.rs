//! The rows of a table as cells of bytes, whatever file they stand in.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

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
    Csv(Box<csv::Reader<Guarded<Box<dyn Read + Send>>>>),
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
        let stream: Box<dyn Read + Send> = Box::new(stream);
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(Guarded::new(stream));
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
            Source::Csv(reader) => reader.position().byte(),
            #[cfg(feature = "parquet")]
            Source::Columnar(table) => table.position(),
        }
    }

    /// Reads the next row into `record` and gives its line, counted from 1; a row of a Parquet file has the line that it would have as
    /// CSV. `None` after the last.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, Broken> {
        match &mut self.source {
            Source::Csv(reader) => {
                reader.get_mut().allow();
                match reader.read_byte_record(record) {
                    Ok(true) => {
                        let line = first_line(reader, record);
                        record.trim();
                        Ok(Some(line))
                    }
                    Ok(false) => Ok(None),
                    Err(error) => Err(Broken { line: reader.position().line(), cause: error.to_string() }),
                }
            }
            #[cfg(feature = "parquet")]
            Source::Columnar(table) => table.next(record),
        }
    }
}

/// What stands between the names of the first row, where commas do not.
fn other_separator(names: &[String]) -> Option<&'static str> {
    let count = |sign: char| names.iter().map(|name| name.matches(sign).count()).sum::<usize>();
    let others = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];
    let most = others.into_iter().max_by_key(|(sign, _)| count(*sign))?;
    (!names.is_empty() && count(most.0) >= names.len()).then_some(most.1)
}

/// The line in which a record begins that was just read and not yet trimmed. The reader knows where it stopped: behind a line feed,
/// or behind a carriage return whose line feed it has not yet seen. What it says of a record is where it began to look for it.
fn first_line<R: Read>(reader: &csv::Reader<Guarded<R>>, record: &ByteRecord) -> u64 {
    let position = reader.position();
    let inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
    let ended = u64::from(reader.get_ref().byte_before(position.byte()) == Some(b'\n'));
    position.line().saturating_sub(inside + ended).max(1)
}

/// Whether the first line that ends in here ends with a carriage return alone; `None` where none ends, or what follows is not yet there.
fn ends_with_return(bytes: &[u8]) -> Option<bool> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    if bytes[end] == b'\n' { Some(false) } else { bytes.get(end + 1).map(|next| *next != b'\n') }
}

/// Gives so many bytes until somebody allows more, and remembers the last that it gave. Where carriage returns alone end the lines, it
/// gives line feeds for them, for these are counted.
struct Guarded<R> {
    inner: R,
    /// What ends the first line: true for a carriage return alone; `None` before its end.
    returns: Option<bool>,
    allowance: u64,
    last: Vec<u8>,
    /// Bytes given so far, those of `last` included.
    given: u64,
}

impl<R> Guarded<R> {
    fn new(inner: R) -> Self {
        Self { inner, returns: None, allowance: MAX_ROW, last: Vec::new(), given: 0 }
    }

    fn allow(&mut self) {
        self.allowance = MAX_ROW;
    }

    /// The byte before a place of the stream; `None` before the last piece that was given.
    fn byte_before(&self, place: u64) -> Option<u8> {
        let start = self.given - self.last.len() as u64;
        let at = place.checked_sub(start + 1)?;
        self.last.get(usize::try_from(at).ok()?).copied()
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            let text = format!("a row longer than {} MiB: is a quotation mark left open?", MAX_ROW >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let most = buffer.len().min(usize::try_from(self.allowance).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowance -= read as u64;
        if self.returns.is_none() {
            self.returns = ends_with_return(&buffer[..read]);
        }
        if self.returns == Some(true) {
            buffer[..read].iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
        }
        if read > 0 {
            self.last.clear();
            self.last.extend_from_slice(&buffer[..read]);
            self.given += read as u64;
        }
        Ok(read)
    }
}
