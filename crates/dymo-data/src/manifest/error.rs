use std::fmt;
use std::io;
use std::path::PathBuf;

use dymo_core::SchemaError;
use thiserror::Error;

use crate::samples::ReadError;
use crate::text::TextError;

/// Problems that a message lists; the others are counted.
const LISTED: usize = 20;

/// Why a table of samples is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{}: {source}; name a CSV file that can be read", path.display())]
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
    /// A first row that is no text: another encoding, a spreadsheet's own format, a compressed file.
    #[error(
        "{}: the first row is no UTF-8 text; save the table as CSV, comma-separated, in UTF-8 (not as UTF-16 or a workbook, not compressed)",
        path.display()
    )]
    NoText {
        /// The table.
        path: PathBuf,
    },
    /// Names that something else than commas separates.
    #[error(
        "{}: {found} separate the names of the first row; save the table comma-separated, in UTF-8, with decimal points",
        path.display()
    )]
    Separator {
        /// The table.
        path: PathBuf,
        /// What separates them, in words.
        found: &'static str,
    },
    /// A Parquet file in a program that cannot read any.
    #[error(
        "{}: this program was built without Parquet; build it with `--features parquet`, or save the table as CSV",
        path.display()
    )]
    NoParquet {
        /// The table.
        path: PathBuf,
    },
    /// A Parquet file that cannot be read.
    #[error("{}: {reason}; write it anew, or save the table as CSV", path.display())]
    Parquet {
        /// The table.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A table that cannot be read on.
    #[error("{}, {}", path.display(), broken(*line, cause))]
    Broken {
        /// The table.
        path: PathBuf,
        /// The line in which the row begins that cannot be read.
        line: u64,
        /// Why.
        cause: String,
    },
    /// A column that must be there is not.
    #[error(
        "{}: no column {}; the first row names {found:?}; add the column (it may be empty where nothing is known) or correct the settings{}",
        path.display(),
        wanted.join(", "),
        parts.as_ref().map_or(String::new(), |column| drawn_instead_of(column))
    )]
    Columns {
        /// The table.
        path: PathBuf,
        /// Columns that are not there.
        wanted: Vec<String>,
        /// The one of the parts, where it is among them.
        parts: Option<String>,
        /// Its first row.
        found: Vec<String>,
    },
    /// Two columns of one name.
    #[error("{}: two columns are called {name:?}, rename one", path.display())]
    ColumnTwice {
        /// The table.
        path: PathBuf,
        /// The name both bear.
        name: String,
    },
    /// Settings that contradict themselves.
    #[error("{}: {source}", path.display())]
    Settings {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        source: SettingsError,
    },
    /// Modalities or classes that make no schema.
    #[error("{}: {source}", path.display())]
    Schema {
        /// The table.
        path: PathBuf,
        /// The rule that is broken.
        source: SchemaError,
    },
    /// Rows that are wrong.
    #[error("{}: {}", path.display(), Listing(problems, *more))]
    Problems {
        /// The table.
        path: PathBuf,
        /// The first of them, in the order of the lines.
        problems: Vec<Problem>,
        /// How many there are beyond these.
        more: u64,
    },
}

/// Settings of a table that contradict themselves.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Two ways at once to say what the columns are.
    #[error(
        "data.grid and data.modalities are both given; remove the grid, or the modalities if all are pictures of one size"
    )]
    GridAndModalities,
    /// No way to know what the columns are.
    #[error("data.modalities is empty, add a [[data.modalities]]")]
    NoModality,
    /// One column for two things.
    #[error("column {column:?} is named twice in [data], use each column once")]
    ColumnTwice {
        /// The column.
        column: String,
    },
    /// Shares that leave nothing.
    #[error("data.division has validation {validation} and test {test}, wanted both above 0 and their sum below 1")]
    Division {
        /// Share that validates.
        validation: f64,
        /// Share that tests.
        test: f64,
    },
    /// A fold that is not there.
    #[error("data.division.fold is number {number} of {of}, wanted at least 2 folds and a number below theirs")]
    Fold {
        /// Which one.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// A modality without a name.
    #[error(
        "number {number} of [[data.modalities]] has the name {name:?}, wanted a word that is not empty; give it one"
    )]
    NoName {
        /// Which one, counted from 1.
        number: usize,
        /// What stands there: nothing, or spaces.
        name: String,
    },
    /// Two modalities of one name.
    #[error(
        "two [[data.modalities]] have the name {name:?}, wanted each its own; rename one (`column` says where it stands)"
    )]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A side or a length that no input has.
    #[error("{place}: {field} is {value}, wanted 1 to {most}; correct it in [data]")]
    Extent {
        /// The modality, or `data.grid`.
        place: String,
        /// What the settings call it.
        field: &'static str,
        /// What it is.
        value: usize,
        /// The largest that is possible.
        most: usize,
    },
    /// Extents that make more values than a sample may have.
    #[error(
        "{place}: {} are more values than the {most} that are possible; make one of them smaller",
        product(extents)
    )]
    Values {
        /// The modality.
        place: String,
        /// What the settings call each, and what it is.
        extents: Vec<(&'static str, usize)>,
        /// The most that are possible.
        most: usize,
    },
    /// A text that cannot be encoded.
    #[error("text modality {modality:?}: {source}")]
    Text {
        /// The modality.
        modality: String,
        /// What is wrong.
        source: TextError,
    },
}

/// What is wrong with one row. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Another number of cells than there are columns.
    #[error("line {line}: {found} cells, wanted {wanted}; put text with commas into quotation marks")]
    Width {
        /// The line.
        line: u64,
        /// Cells there.
        found: usize,
        /// Columns of the table.
        wanted: usize,
    },
    /// Another number of cells than there are columns, and line ends in them: most likely an open quotation mark has swallowed rows.
    #[error(
        "line {line}: {found} cells, wanted {wanted}, and they go on to line {last}: is a quotation mark left open? nothing behind it, to line {last}, \
         could be read; close it or take it out"
    )]
    Swallowed {
        /// The line in which it begins.
        line: u64,
        /// The line in which it ends.
        last: u64,
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
        /// The column's name.
        column: String,
    },
    /// A label that counts as missing.
    #[error(
        "line {line}, column {column}: the label {found:?} is one of `missing`; add it to `classes` if it is one, else remove the row"
    )]
    NoLabel {
        /// The line.
        line: u64,
        /// The column of the label.
        column: String,
        /// What is there.
        found: String,
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
    /// No class of that name.
    #[error(
        "line {line}, column {column}: class {found:?}, wanted {}; add it to classes or correct the cell",
        super::layout::one_of(known, found)
    )]
    Class {
        /// The line.
        line: u64,
        /// The column of the label.
        column: String,
        /// What is there.
        found: String,
        /// The classes.
        known: Vec<String>,
    },
    /// A cell of a column of numbers that is none.
    #[error(
        "line {line}, column {column}: {found:?} is no number; {}, empty the cell, or add it to `missing`",
        if super::has_decimal_comma(found) { "write it with a decimal point" } else { "correct it" }
    )]
    Number {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        found: String,
    },
    /// A number that cannot be computed with.
    #[error(
        "line {line}, column {column}: {found:?} is too large a number: beyond ±3.4e38, as it stands or in deviations from the column's mean; correct it, empty the cell, or add it to `missing`"
    )]
    TooLarge {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        found: String,
    },
    /// A category that the column does not have.
    #[error(
        "line {line}, column {column}: category {found:?}, wanted {known}; correct it or empty the cell (a new category needs a model trained with it)"
    )]
    Category {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        found: String,
        /// What is wanted, in words.
        known: String,
    },
    /// Nothing is observed.
    #[error("line {line}: every modality is missing, fill in at least one or remove the row")]
    NothingObserved {
        /// The line.
        line: u64,
    },
    /// A file that is not there.
    #[error("line {line}, column {column}: {} is no file; leave the cell empty where it is missing", path.display())]
    NoFile {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that is there and cannot be read.
    #[error("line {line}, column {column}: {cause}")]
    Unreadable {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The file, why, and what to do.
        cause: String,
    },
    /// The table ends here, for it cannot be read on.
    #[error("{}", broken(*line, cause))]
    Broken {
        /// The line in which the row begins that cannot be read.
        line: u64,
        /// Why.
        cause: String,
    },
    /// A class that no training sample has.
    #[error("class {class:?} has {rows} rows and none of them trains; move some to train or leave it out")]
    ClassNotTrained {
        /// The class.
        class: String,
        /// Rows that have it.
        rows: u64,
    },
    /// A modality that no training sample has.
    #[error("{modality} is observed in no training sample; remove the modality or add samples that have it")]
    NeverObserved {
        /// The modality.
        modality: String,
    },
    /// A part without samples.
    #[error("{}", no_rows(part, *drawn_of))]
    NoRows {
        /// The part.
        part: &'static str,
        /// Where the parts are drawn: of how many rows.
        drawn_of: Option<u64>,
    },
}

impl Problem {
    /// What a cell's file that could not be read is: absent, or there and unreadable.
    pub(crate) fn of_file(line: u64, column: String, path: PathBuf, refused: &ReadError) -> Self {
        match path.try_exists() {
            Ok(false) => Self::NoFile { line, column, path },
            _ => Self::Unreadable { line, column, cause: refused.to_string() },
        }
    }

    /// The line it is about; `None` for a problem of the whole table.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Width { line, .. }
            | Self::Swallowed { line, .. }
            | Self::Encoding { line, .. }
            | Self::Empty { line, .. }
            | Self::NoLabel { line, .. }
            | Self::SameId { line, .. }
            | Self::Split { line, .. }
            | Self::Class { line, .. }
            | Self::Number { line, .. }
            | Self::TooLarge { line, .. }
            | Self::Category { line, .. }
            | Self::NothingObserved { line }
            | Self::NoFile { line, .. }
            | Self::Unreadable { line, .. }
            | Self::Broken { line, .. } => Some(*line),
            Self::ClassNotTrained { .. } | Self::NeverObserved { .. } | Self::NoRows { .. } => None,
        }
    }

    /// The column it is about, where there is one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Encoding { column, .. }
            | Self::Empty { column, .. }
            | Self::NoLabel { column, .. }
            | Self::Class { column, .. }
            | Self::Number { column, .. }
            | Self::TooLarge { column, .. }
            | Self::Category { column, .. }
            | Self::NoFile { column, .. }
            | Self::Unreadable { column, .. } => Some(column),
            _ => None,
        }
    }
}

fn product(extents: &[(&str, usize)]) -> String {
    let named: Vec<String> = extents.iter().map(|(field, extent)| format!("{field} {extent}")).collect();
    named.join(" × ")
}

fn drawn_instead_of(column: &str) -> String {
    format!(
        "; without a column {column}, [data.division] draws the parts: `division = {{ validation = 0.15, test = 0.15, seed = 2025 }}` in [data]"
    )
}

fn broken(line: u64, cause: &str) -> String {
    format!(
        "line {line}: the row that begins here cannot be read, nor anything behind it ({cause}); correct it, the rows before it are whole"
    )
}

fn no_rows(part: &str, drawn_of: Option<u64>) -> String {
    match drawn_of {
        None => format!("no row has split {part}, each of train, validation and test needs one"),
        Some(rows) => format!(
            "none of the {rows} rows was drawn for {part}: they are too few for these parts and classes; add rows, raise {part}'s share \
             in [data.division], or name the parts in a column"
        ),
    }
}

/// Problems, one a line.
struct Listing<'a>(&'a [Problem], u64);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() as u64 + self.1 {
            1 => f.write_str("1 problem")?,
            all => write!(f, "{all} problems")?,
        }
        self.0.iter().take(LISTED).try_for_each(|problem| write!(f, "\n  {problem}"))?;
        match self.0.len().saturating_sub(LISTED) as u64 + self.1 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more; `dymo data check` shows each kind, with --json the rows"),
        }
    }
}
