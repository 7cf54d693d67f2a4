//! Mask files: CSV, one row a sample, one column a modality, **1 or true = missing**. The first row may name the
//! modalities; columns are then found by name, in any order.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use csv::{ByteRecord, ReaderBuilder, Trim};
use dymo_core::ModalitySet;
use thiserror::Error;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Longest piece of a file that a message repeats.
const QUOTED: usize = 40;

/// Reads a mask file for modalities of these names: what is present in each sample, in the file's order.
///
/// # Errors
/// [`MaskFileError`]: the path, and why.
pub fn read_masks(path: &Path, names: &[String]) -> Result<Vec<ModalitySet>, MaskFileError> {
    let read = || parse_masks(BufReader::new(File::open(path)?), names);
    read().map_err(|source| MaskFileError { path: path.to_owned(), source })
}

/// Reads masks from text: `0`, `1`, `true` and `false` in any case, spaces around them allowed; a byte order mark and
/// empty lines are passed over.
///
/// # Errors
/// A [`MaskError`] for the first row that is wrong.
pub fn parse_masks(text: impl Read, names: &[String]) -> Result<Vec<ModalitySet>, MaskError> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text);
    let mut columns: Vec<usize> = (0..names.len()).collect();
    let mut masks = Vec::new();
    let mut record = ByteRecord::new();
    let mut first = true;
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        if std::mem::take(&mut first) {
            record = without_mark(&record);
            if is_header(&record, names) {
                columns = header_columns(&record, names)?;
                continue;
            }
        }
        masks.push(parse_row(&record, line, &columns)?);
    }
    Ok(masks)
}

/// Writes a mask file with the modalities' names in its first row: whole, or not at all.
///
/// # Errors
/// [`MaskFileError`]: the path, and why; a set that names a modality without a name, or none at all.
pub fn write_masks(path: &Path, names: &[String], masks: &[ModalitySet]) -> Result<(), MaskFileError> {
    let write = || {
        let text = format_masks(names, masks)?;
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(&text)?;
        Ok(file.commit()?)
    };
    write().map_err(|source| MaskFileError { path: path.to_owned(), source })
}

fn format_masks(names: &[String], masks: &[ModalitySet]) -> Result<Vec<u8>, MaskError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names)?;
    for (index, &mask) in masks.iter().enumerate() {
        // The names are the first line.
        let line = index as u64 + 2;
        if !mask.is_subset_of(ModalitySet::full(names.len())) {
            return Err(MaskError::Width {
                line,
                found: mask.iter().last().map_or(0, |last| last + 1),
                wanted: names.len(),
            });
        }
        if mask.is_empty() {
            return Err(MaskError::NothingObserved { line });
        }
        let flags = mask.missing_flags(names.len());
        writer.write_record(flags.iter().map(|&missing| if missing { "1" } else { "0" }))?;
    }
    writer.into_inner().map_err(|error| MaskError::Io(error.into_error()))
}

/// The record, its first field without a byte order mark.
pub(super) fn without_mark(record: &ByteRecord) -> ByteRecord {
    let strip = |field| <[u8]>::strip_prefix(field, BYTE_ORDER_MARK).unwrap_or(field);
    record.iter().map(strip).collect()
}

/// Whether a first row is names: exactly those of the modalities, or nothing that could be a flag.
fn is_header(record: &ByteRecord, names: &[String]) -> bool {
    let named = |field: &[u8]| names.iter().any(|name| name.as_bytes() == field);
    record.iter().all(named) || record.iter().all(|field| parse_flag(field).is_none())
}

/// By modality: its column.
pub(super) fn header_columns(record: &ByteRecord, names: &[String]) -> Result<Vec<usize>, MaskError> {
    let fits = |name: &String| record.iter().filter(|&f| f == name.as_bytes()).count() == 1;
    if record.len() != names.len() || !names.iter().all(fits) {
        return Err(MaskError::Header { found: record.iter().map(quoted).collect(), wanted: names.to_vec() });
    }
    let column = |name: &String| record.iter().position(|field| field == name.as_bytes());
    Ok(names.iter().filter_map(column).collect())
}

fn parse_row(record: &ByteRecord, line: u64, columns: &[usize]) -> Result<ModalitySet, MaskError> {
    if record.len() != columns.len() {
        return Err(MaskError::Width { line, found: record.len(), wanted: columns.len() });
    }
    let flag = |&column: &usize| {
        let field = &record[column];
        parse_flag(field).ok_or_else(|| MaskError::Token { line, column: column + 1, found: quoted(field) })
    };
    let missing = columns.iter().map(flag).collect::<Result<Vec<bool>, _>>()?;
    match ModalitySet::from_missing(&missing) {
        present if present.is_empty() => Err(MaskError::NothingObserved { line }),
        present => Ok(present),
    }
}

pub(super) fn parse_flag(field: &[u8]) -> Option<bool> {
    match field {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if field.eq_ignore_ascii_case(b"true") => Some(true),
        _ if field.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// A field as a message repeats it.
pub(super) fn quoted(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Why a mask file is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// A first row of other names.
    #[error(
        "the first row names {found:?}, wanted {wanted:?}, each once (a mask of modalities may leave out the names)"
    )]
    Header {
        /// The row.
        found: Vec<String>,
        /// The modalities.
        wanted: Vec<String>,
    },
    /// A row with too few or too many columns.
    #[error("line {line}: {found} columns, wanted {wanted}, one a modality (and no column of row numbers)")]
    Width {
        /// Counted from 1.
        line: u64,
        /// Columns there.
        found: usize,
        /// Modalities.
        wanted: usize,
    },
    /// A field that is no flag.
    #[error("line {line}, column {column}: {found:?}, wanted 1 or true (missing), 0 or false (present)")]
    Token {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: usize,
        /// The field, its first characters if it is long.
        found: String,
    },
    /// A sample of which nothing is there.
    #[error(
        "line {line}: every modality is missing (1 = missing), at least one must be observed; leave the sample out"
    )]
    NothingObserved {
        /// Counted from 1.
        line: u64,
    },
}

/// A [`MaskError`] and the file it came from.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct MaskFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: MaskError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn parse(text: &str) -> Result<Vec<String>, MaskError> {
        let masks = parse_masks(text.as_bytes(), &names(&["a", "b", "c"]))?;
        Ok(masks.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_means_missing_with_and_without_names() {
        assert_eq!(parse("0,1,1\n1,0,0\n").unwrap(), ["{0}", "{1,2}"]);
        assert_eq!(parse("\u{feff}a,b,c\r\nFalse, TRUE ,true\r\n\r\n1,0,0").unwrap(), ["{0}", "{1,2}"]);
        assert_eq!(parse("c,a,b\n0,1,1\n").unwrap(), ["{2}"]);
        assert_eq!(parse("\u{feff}0,1,1").unwrap(), ["{0}"]);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn modalities_named_like_flags_are_still_a_header() {
        let masks = parse_masks(&b"1,0\n0,1\n"[..], &names(&["0", "1"])).unwrap();
        assert_eq!(masks, [ModalitySet::single(1)]);
    }

    #[test]
    fn one_refusal_per_rule() {
        let message = |text| parse(text).unwrap_err().to_string();
        assert!(message("0,1,1\n0,1\n").starts_with("line 2: 2 columns, wanted 3"));
        assert!(message("a,b,c\n0,yes,1\n").starts_with("line 2, column 2: \"yes\", wanted"));
        assert!(message("0,1,1\n1,1,1\n").starts_with("line 2: every modality is missing"));
        assert!(message("a,b,d\n0,0,0\n").contains(r#"["a", "b", "d"], wanted"#));
        assert!(message("a,b,b\n").contains("each once"));
        // A first row that is half a header is a row with a bad field.
        assert!(message("0,b,1\n").starts_with("line 1, column 2"));
        assert!(message(&format!("0,{},1\n", "é".repeat(90))).contains(&format!("{}…", "é".repeat(40))));
        let error = read_masks(Path::new("/nowhere.csv"), &names(&["a"])).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere.csv: "));
    }

    #[test]
    fn nothing_is_written_when_a_row_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("masks.csv");
        for wrong in [ModalitySet::EMPTY, ModalitySet::single(2)] {
            assert!(write_masks(&path, &names(&["a", "b"]), &[ModalitySet::full(2), wrong]).is_err());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read(bits in proptest::collection::vec(1u32..32, 0..40)) {
            let masks: Vec<_> = bits.into_iter().map(ModalitySet::from_bits).collect();
            let names = names(&["m0", "a, quoted \"name\"", "m2", "é", "m4"]);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("masks.csv");
            write_masks(&path, &names, &masks).unwrap();
            prop_assert_eq!(read_masks(&path, &names).unwrap(), masks);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse_masks(&bytes[..], &names(&["a", "b", "c"]));
        }

        #[test]
        fn nearly_right_text_never_panics_and_never_gives_an_empty_set(text in "[01,\n\"ab]{0,60}") {
            if let Ok(masks) = parse_masks(text.as_bytes(), &names(&["a", "b"])) {
                prop_assert!(masks.iter().all(|set| !set.is_empty()));
            }
        }
    }
}
