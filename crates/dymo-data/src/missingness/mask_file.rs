//! Mask files: CSV, one row a sample, one column a modality, **1 or true = missing**. The first row may name the
//! modalities; columns are then found by name, in any order, and one called `id` says which sample a row is of.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder};
use dymo_core::ModalitySet;
use thiserror::Error;

use crate::numbered::NumberedReader;
use crate::whole;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Longest piece of a file that a message repeats.
const QUOTED: usize = 40;
/// The column that says which sample a row is of.
const ID: &str = "id";

/// What is present in each sample, as a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masks {
    present: Vec<ModalitySet>,
    row_of: Option<HashMap<String, usize>>,
}

impl Masks {
    /// Rows, one a sample.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Whether rows say which samples they are of; else they are in the samples' order.
    pub fn has_ids(&self) -> bool {
        self.row_of.is_some()
    }

    /// What is present in sample `row`, called `id`; `None` if the file has no row for it.
    pub fn get(&self, row: usize, id: &str) -> Option<ModalitySet> {
        self.present.get(place(self.row_of.as_ref(), row, id)?).copied()
    }
}

/// The row of a sample.
pub(super) fn place(row_of: Option<&HashMap<String, usize>>, row: usize, id: &str) -> Option<usize> {
    match row_of {
        Some(row_of) => row_of.get(id).copied(),
        None => Some(row),
    }
}

/// Reads a mask file for modalities of these names.
///
/// # Errors
/// [`MaskFileError`]: the path, and why.
pub fn read_masks(path: &Path, names: &[String]) -> Result<Masks, MaskFileError> {
    let read = || parse_masks(BufReader::new(File::open(path)?), names);
    read().map_err(|source| MaskFileError { path: path.to_owned(), source })
}

/// Reads masks from text: `0`, `1`, `true` and `false` in any case, spaces around them allowed; a byte order mark and
/// empty lines are passed over.
///
/// # Errors
/// A [`MaskError`] for the first row that is wrong.
pub fn parse_masks(text: impl Read, names: &[String]) -> Result<Masks, MaskError> {
    let flags = Flags::read(text, names, false)?;
    // Also without modalities each row is one.
    let rows = (0..flags.lines.len()).map(|row| &flags.missing[row * names.len()..(row + 1) * names.len()]);
    let present = rows.zip(&flags.lines).map(|(missing, &line)| match ModalitySet::from_missing(missing) {
        present if present.is_empty() => Err(MaskError::NothingObserved { line }),
        present => Ok(present),
    });
    Ok(Masks { present: present.collect::<Result<_, _>>()?, row_of: flags.row_of })
}

/// Rows of flags.
pub(super) struct Flags {
    /// `[rows, names]`, true = missing.
    pub(super) missing: Vec<bool>,
    /// Where each row stands, counted from 1.
    lines: Vec<u64>,
    /// The rows by their ids, where the file has them.
    pub(super) row_of: Option<HashMap<String, usize>>,
}

impl Flags {
    /// Reads flags for columns of these names; unless they must be `named`, the first row may be left out, and columns are in order.
    pub(super) fn read(text: impl Read, names: &[String], named: bool) -> Result<Self, MaskError> {
        let mut reader = NumberedReader::new(ReaderBuilder::new().has_headers(false).flexible(true), text);
        let mut columns: Vec<usize> = (0..names.len()).collect();
        let (mut id, mut row_of, mut width) = (None, HashMap::new(), names.len());
        let (mut missing, mut lines) = (Vec::new(), Vec::new());
        let mut record = ByteRecord::new();
        let mut first = true;
        while let Some(line) = reader.next(&mut record)? {
            if std::mem::take(&mut first) {
                record = without_mark(&record);
                if named || is_header(&record, names) {
                    (columns, id) = header_columns(&record, names)?;
                    width = record.len();
                    continue;
                }
            }
            if record.len() != width {
                return Err(MaskError::Width { line, found: record.len(), wanted: width });
            }
            for &column in &columns {
                let field = &record[column];
                let token = || MaskError::Token { line, column: column + 1, found: quoted(field) };
                missing.push(parse_flag(field).ok_or_else(token)?);
            }
            if let Some(id) = id {
                let id = String::from_utf8_lossy(&record[id]).into_owned();
                if row_of.contains_key(&id) {
                    return Err(MaskError::Repeated { line, id });
                }
                row_of.insert(id, lines.len());
            }
            lines.push(line);
        }
        if first && named {
            return Err(MaskError::Header { found: Vec::new(), wanted: names.to_vec() });
        }
        Ok(Self { missing, lines, row_of: id.map(|_| row_of) })
    }
}

/// Writes a mask file with the samples' ids and the modalities' names in its first row (without ids if there are none, or a modality
/// is called so): whole, or not at all.
///
/// # Errors
/// [`MaskFileError`]: the path, and why; a set that names a modality without a name, or none at all.
pub fn write_masks(
    path: &Path,
    names: &[String],
    ids: Option<&[String]>,
    masks: &[ModalitySet],
) -> Result<(), MaskFileError> {
    let write = || {
        let text = format_masks(names, ids, masks)?;
        Ok(whole::write(path, text)?)
    };
    write().map_err(|source| MaskFileError { path: path.to_owned(), source })
}

fn format_masks(names: &[String], ids: Option<&[String]>, masks: &[ModalitySet]) -> Result<Vec<u8>, MaskError> {
    for (index, &mask) in masks.iter().enumerate() {
        // The names are the first line.
        let line = index as u64 + 2;
        if !mask.is_subset_of(ModalitySet::full(names.len())) {
            let found = mask.iter().last().map_or(0, |last| last + 1);
            return Err(MaskError::Width { line, found, wanted: names.len() });
        }
        if mask.is_empty() {
            return Err(MaskError::NothingObserved { line });
        }
    }
    format_flags(names, ids, masks.iter().map(|mask| mask.missing_flags(names.len())))
}

/// Flags as CSV. Ids that are not one for each row, or not all different, would say nothing.
pub(super) fn format_flags<R: AsRef<[bool]>>(
    names: &[String],
    ids: Option<&[String]>,
    rows: impl ExactSizeIterator<Item = R>,
) -> Result<Vec<u8>, MaskError> {
    let different = |ids: &&[String]| ids.iter().collect::<HashSet<_>>().len() == ids.len();
    let ids = ids.filter(|ids| ids.len() == rows.len() && !names.iter().any(|name| name == ID)).filter(different);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(ids.map(|_| ID).into_iter().chain(names.iter().map(String::as_str)))?;
    for (i, row) in rows.enumerate() {
        let flags = row.as_ref().iter().map(|&missing| if missing { "1" } else { "0" });
        writer.write_record(ids.map(|ids| ids[i].as_str()).into_iter().chain(flags))?;
    }
    writer.into_inner().map_err(|error| MaskError::Io(error.into_error()))
}

/// The record, its first field without a byte order mark.
fn without_mark(record: &ByteRecord) -> ByteRecord {
    let strip = |field| <[u8]>::strip_prefix(field, BYTE_ORDER_MARK).unwrap_or(field);
    record.iter().map(strip).collect()
}

/// Whether a first row is names: exactly those of the modalities (and the ids'), or nothing that could be a flag.
fn is_header(record: &ByteRecord, names: &[String]) -> bool {
    let named = |field: &[u8]| field == ID.as_bytes() || names.iter().any(|name| name.as_bytes() == field);
    record.iter().all(named) || record.iter().all(|field| parse_flag(field).is_none())
}

/// By modality its column, and the column of ids.
fn header_columns(record: &ByteRecord, names: &[String]) -> Result<(Vec<usize>, Option<usize>), MaskError> {
    let column = |name: &str| record.iter().position(|field| field == name.as_bytes());
    let id = if names.iter().any(|name| name == ID) { None } else { column(ID) };
    let fits = |name: &String| record.iter().filter(|&f| f == name.as_bytes()).count() == 1;
    if record.len() != names.len() + usize::from(id.is_some()) || !names.iter().all(fits) {
        return Err(MaskError::Header { found: record.iter().map(quoted).collect(), wanted: names.to_vec() });
    }
    Ok((names.iter().filter_map(|name| column(name)).collect(), id))
}

fn parse_flag(field: &[u8]) -> Option<bool> {
    match field {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if field.eq_ignore_ascii_case(b"true") => Some(true),
        _ if field.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// A field as a message repeats it.
fn quoted(field: &[u8]) -> String {
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
    /// A sample that has two rows.
    #[error("line {line}: the id {id:?} has a row already, give each sample one")]
    Repeated {
        /// Counted from 1.
        line: u64,
        /// The id.
        id: String,
    },
    /// A sample that has no row.
    #[error("no row has the id {id:?}, each sample needs one")]
    NoRow {
        /// The id.
        id: String,
    },
    /// A row with too few or too many columns.
    #[error(
        "line {line}: {found} columns, wanted {wanted}, one a modality (a column of ids is called id in the first row)"
    )]
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
        Ok(masks.present.iter().map(ToString::to_string).collect())
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
        assert_eq!(masks.present, [ModalitySet::single(1)]);
    }

    #[test]
    fn a_column_of_ids_says_which_sample_a_row_is_of() {
        let read = |text: &str, names_of: &[&str]| parse_masks(text.as_bytes(), &names(names_of));
        let masks = read("b,id,a\n1,s2,0\n0,s1,1\n", &["a", "b"]).unwrap();
        assert!(masks.has_ids() && masks.len() == 2 && !masks.is_empty());
        assert_eq!(masks.get(0, "s1"), Some(ModalitySet::single(1)));
        assert_eq!(masks.get(7, "s2"), Some(ModalitySet::single(0)));
        assert_eq!(masks.get(0, "s3"), None);
        let ordered = read("0,1\n", &["a", "b"]).unwrap();
        assert_eq!((ordered.get(0, "whoever"), ordered.get(1, "s1")), (Some(ModalitySet::single(0)), None));
        let message = |text| read(text, &["a", "b"]).unwrap_err().to_string();
        assert!(message("id,a,b\ns,0,1\ns,1,0\n").starts_with("line 3: the id \"s\" has a row already"));
        assert!(message("id,a,b\ns,0\n").starts_with("line 2: 2 columns, wanted 3"));
        // A modality may be called so.
        assert_eq!(read("id,b\n1,0\n", &["id", "b"]).unwrap().present, [ModalitySet::single(1)]);
    }

    #[test]
    fn one_refusal_per_rule() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("0,1,1\n0,1\n").starts_with("line 2: 2 columns, wanted 3"));
        assert!(message("a,b,c\n0,yes,1\n").starts_with("line 2, column 2: \"yes\", wanted"));
        assert!(message("0,1,1\n1,1,1\n").starts_with("line 2: every modality is missing"));
        assert!(message("a,b,d\n0,0,0\n").contains(r#"["a", "b", "d"], wanted"#));
        assert!(message("a,b,b\n").contains("each once"));
        // A first row that is half a header is a row with a bad field.
        assert!(message("0,b,1\n").starts_with("line 1, column 2"));
        assert!(message(&format!("0,{},1\n", "é".repeat(90))).contains(&format!("{}…", "é".repeat(40))));
        // Lines are counted as an editor counts them, whatever ends them, empty ones included.
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b,c", "", "0,1,1", "", "", "0,yes,1", ""].join(end);
            assert!(message(&text).starts_with("line 6, column 2: \"yes\""), "{end:?}: {}", message(&text));
            let text = ["0,1,1", "", "1,1,1", ""].join(end);
            assert!(message(&text).starts_with("line 3: every modality"), "{end:?}: {}", message(&text));
        }
        assert!(message("0,\"\n1\",1\r\n0,1").starts_with("line 3: 2 columns"), "a quoted cell of two lines");
        let error = read_masks(Path::new("/nowhere.csv"), &names(&["a"])).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere.csv: "));
    }

    #[test]
    fn nothing_is_written_when_a_row_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("masks.csv");
        for wrong in [ModalitySet::EMPTY, ModalitySet::single(2)] {
            assert!(write_masks(&path, &names(&["a", "b"]), None, &[ModalitySet::full(2), wrong]).is_err());
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
            let ids: Vec<String> = (0..masks.len()).rev().map(|i| format!("s {i}, \"x\"")).collect();
            for ids in [None, Some(&*ids)] {
                write_masks(&path, &names, ids, &masks).unwrap();
                let read = read_masks(&path, &names).unwrap();
                prop_assert!(read.has_ids() == ids.is_some() && read.len() == masks.len());
                for (row, mask) in masks.iter().enumerate() {
                    let id = ids.map_or("", |ids| ids[row].as_str());
                    prop_assert_eq!(read.get(if ids.is_some() { 0 } else { row }, id), Some(*mask));
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse_masks(&bytes[..], &names(&["a", "b", "c"]));
        }

        #[test]
        fn nearly_right_text_never_panics_and_never_gives_an_empty_set(text in "[01,\n\"ab]{0,60}") {
            if let Ok(masks) = parse_masks(text.as_bytes(), &names(&["a", "b"])) {
                prop_assert!(masks.present.iter().all(|set| !set.is_empty()));
            }
        }
    }
}
