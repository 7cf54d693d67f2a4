//! CSV row by row, each with the line in which it begins: what messages name, whatever ends the lines.

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};

use crate::manifest::line_ends;

/// Longest row that is read of a CSV file, in bytes: a quotation mark left open would make one row of the rest of the file.
pub const MAX_ROW: u64 = 16 << 20;

/// A reader of CSV that knows the line of every row.
pub(crate) struct NumberedReader<R> {
    inner: csv::Reader<Guarded<R>>,
    /// The line in which the row begins that was read last, or could not be read.
    began: u64,
}

impl<R: Read> NumberedReader<R> {
    /// Reads as `builder` says, which must not trim: line feeds at the ends of a quoted cell are counted here, and then trimmed.
    pub(crate) fn new(builder: &ReaderBuilder, stream: R) -> Self {
        Self { inner: builder.from_reader(Guarded::new(stream)), began: 1 }
    }

    /// The first row, as it stands.
    pub(crate) fn byte_headers(&mut self) -> csv::Result<&ByteRecord> {
        self.inner.byte_headers()
    }

    /// Reads the next row into `record`, its cells trimmed, and gives its line, counted from 1. `None` after the last. One that
    /// ends with the file, within quotation marks, is refused: they have swallowed all rows behind it.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> csv::Result<Option<u64>> {
        self.inner.get_mut().allow();
        self.began = self.next_line();
        if !self.inner.read_byte_record(record)? {
            return Ok(None);
        }
        // Of a cell that nothing closes, the last line end of the file is a part.
        let open = record.as_slice().ends_with(b"\n") && !self.ends_with_a_closed_cell();
        self.began = (self.last_line() + u64::from(open)).saturating_sub(line_ends(record)).max(1);
        if open {
            let text = "a quotation mark is left open to the end of the file";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
        }
        record.trim();
        Ok(Some(self.began))
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.inner.position().byte()
    }

    /// The line in which the row begins that was read last, or could not be read, counted from 1.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// The line behind the last row: where the next one begins, but for empty lines between.
    fn next_line(&self) -> u64 {
        if self.bytes() == 0 { 1 } else { self.last_line() + 1 }
    }

    /// The line in which the row ends that was just read. The reader knows where it stopped: behind a line feed, or behind a carriage
    /// return whose line feed it has not yet seen. What it says of a record is where it began to look for it.
    fn last_line(&self) -> u64 {
        let position = self.inner.position();
        let ended = self.inner.get_ref().byte_before(position.byte()) == Some(b'\n');
        position.line() - u64::from(ended)
    }

    /// Whether what was read ends with a line end, a quotation mark, and the line end behind it; true where that is not known.
    fn ends_with_a_closed_cell(&self) -> bool {
        let place = self.bytes();
        let before = |back: u64| place.checked_sub(back).and_then(|place| self.inner.get_ref().byte_before(place));
        let mark = match (before(0), before(1)) {
            (Some(b'\n'), Some(b'\r')) => 2,
            (Some(b'\n'), _) => 1,
            // A carriage return, behind which the reader stops.
            _ => return true,
        };
        let is = |back: u64, byte: u8| before(back).is_none_or(|found| found == byte);
        is(mark, b'"') && is(mark + 1, b'\n')
    }
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
