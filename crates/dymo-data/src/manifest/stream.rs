//! A table of any length for prediction: chunk by chunk, every value in memory, every row accounted for.

use std::collections::HashSet;
use std::fmt;

use dymo_core::{Column, ModalitySet, Schema};
use rayon::prelude::*;

use super::layout::{Layout, Use};
use super::rows::{BadRow, Cell, Row, Rows};
use super::settings::ManifestSettings;
use super::{Blank, Changed, ManifestError, Problem, Split, values};
use crate::checksum::short_hash;
use crate::samples::{ReadError, Samples, check_read, number_of};

/// Rows whose ids are remembered to find one that comes again: some 40 MB. Of the rows after them, an id that was among these is
/// still found.
const IDS: usize = 1 << 21;

/// Reads a table for prediction in bounded memory. Labels and parts may be absent. What is wrong with a row, its files
/// included, is that row's outcome and ends nothing.
///
/// ```no_run
/// # use dymo_data::manifest::{ManifestSettings, ManifestStream};
/// # fn predict(settings: &ManifestSettings, classes: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
/// let mut stream = ManifestStream::open(&settings.at("new.csv"), classes)?;
/// while let Some(chunk) = stream.next_chunk(256) {
///     // `chunk.samples()` are the good rows, read already; `chunk.outcomes()` has one entry for every row, in order.
///     for outcome in chunk.outcomes() {
///         println!("line {}: {:?}", outcome.line, outcome.sample);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct ManifestStream {
    rows: Rows,
    schema: Schema,
    done: u64,
    /// Hashes of ids.
    ids: HashSet<u64>,
    unread: Option<Problem>,
}

impl ManifestStream {
    /// Opens the table that the settings name; `classes` are the model's, in its order.
    ///
    /// # Errors
    /// A [`ManifestError`] for the file, the settings or the header; never for a row.
    pub fn open(settings: &ManifestSettings, classes: Vec<String>) -> Result<Self, ManifestError> {
        let settings = ManifestSettings { classes, ..settings.clone() };
        let rows = Rows::open(&settings, Use::Prediction)?;
        let schema = rows.layout().schema(&settings.path, settings.classes.clone())?;
        Ok(Self { rows, schema, done: 0, ids: HashSet::new(), unread: None })
    }

    /// Modalities and classes.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Passes over so many rows, to go on where an earlier run ended.
    pub fn skip_rows(&mut self, rows: u64) {
        for row in self.rows.by_ref().take(usize::try_from(rows).unwrap_or(usize::MAX)) {
            let id = match &row {
                Ok(row) => Some(row.id.as_str()),
                Err(bad) => {
                    self.unread = self.unread.take().or_else(|| lost_with(bad).cloned());
                    bad.id.as_deref()
                }
            };
            repeats(&mut self.ids, id);
        }
        self.done += rows;
    }

    /// Rows given so far, those passed over included.
    pub fn rows_done(&self) -> u64 {
        self.done
    }

    /// The first row so far with which others were lost that have no outcome of their own, those passed over included.
    pub fn unread(&self) -> Option<&Problem> {
        self.unread.as_ref()
    }

    /// Bytes of the table read so far, for a progress bar.
    pub fn position(&self) -> u64 {
        self.rows.position()
    }

    /// The next rows, at most `count`, with all their values; `None` after the last. Files are read in parallel.
    pub fn next_chunk(&mut self, count: usize) -> Option<Chunk> {
        let rows: Vec<Result<Row, BadRow>> = self.rows.by_ref().take(count.max(1)).collect();
        if rows.is_empty() {
            return None;
        }
        self.done += rows.len() as u64;
        let mut bad = rows.iter().filter_map(|row| row.as_ref().err());
        self.unread = self.unread.take().or_else(|| bad.find_map(lost_with).cloned());
        let again: Vec<bool> = rows
            .iter()
            .map(|row| match row {
                Ok(row) => repeats(&mut self.ids, Some(&row.id)),
                Err(bad) => repeats(&mut self.ids, bad.id.as_deref()),
            })
            .collect();
        let (layout, settings) = (self.rows.layout(), self.rows.settings());
        let read: Vec<Result<Loaded, BadRow>> =
            rows.into_par_iter().map(|row| load(row?, layout, settings, &self.schema)).collect();
        let mut chunk = Chunk::new(read, self.schema.clone());
        for (outcome, _) in chunk.outcomes.iter_mut().zip(again).filter(|(_, again)| *again) {
            outcome.notices.push(Notice { column: settings.id.clone(), odd: Oddity::SameId });
        }
        Some(chunk)
    }
}

/// What other rows are lost with: those behind it, or those that it has swallowed.
fn lost_with(row: &BadRow) -> Option<&Problem> {
    row.problems.iter().find(|problem| matches!(problem, Problem::Broken { .. } | Problem::Swallowed { .. }))
}

/// Whether an id was there before, as far as it is remembered.
fn repeats(ids: &mut HashSet<u64>, id: Option<&str>) -> bool {
    let Some(id) = id else { return false };
    let hash = short_hash(id.as_bytes()) as u64;
    if ids.len() < IDS { !ids.insert(hash) } else { ids.contains(&hash) }
}

/// A row with its values.
struct Loaded {
    row: Row,
    values: Vec<Vec<f32>>,
    notices: Vec<Notice>,
}

fn load(row: Row, layout: &Layout, settings: &ManifestSettings, schema: &Schema) -> Result<Loaded, BadRow> {
    let (mut values, mut notices, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(found) = row.label.as_deref().filter(|label| schema.class_index(label).is_none()) {
        let odd = Oddity::UnknownClass { found: super::short(found) };
        notices.push(Notice { column: settings.label.clone(), odd });
    }
    for (modality, cell) in row.cells.iter().enumerate() {
        if *cell == Cell::Absent {
            values.push(Vec::new());
            continue;
        }
        let mut out = vec![0.0; schema.modalities()[modality].kind().values()];
        let column = || layout.column(modality).to_owned();
        match values::write(layout, modality, cell, settings.folder(), &mut out) {
            Ok(told) => {
                let odd =
                    told.blank.map(Oddity::Blank).into_iter().chain(told.changed.into_iter().map(Oddity::Changed));
                notices.extend(odd.map(|odd| Notice { column: column(), odd }));
            }
            Err(error) => problems.push(match cell {
                Cell::File(path) => Problem::of_file(row.line, column(), settings.folder().join(path), &error),
                _ => Problem::Unreadable { line: row.line, column: column(), cause: error.to_string() },
            }),
        }
        let columns = schema.modalities()[modality].columns().unwrap_or_default();
        let far = columns.iter().zip(&out).filter_map(|(column, value)| {
            let (value, [low, high]) = far_outside(column, *value)?;
            let odd = Oddity::FarOutside { value, low, high };
            Some(Notice { column: column.name().to_owned(), odd })
        });
        notices.extend(far);
        values.push(out);
    }
    match problems.is_empty() {
        true => Ok(Loaded { row, values, notices }),
        false => Err(BadRow { line: row.line, id: Some(row.id), problems }),
    }
}

/// How far from the observed range, in widths of it, a number may lie before that is said: a little is to be expected of new samples.
const FAR: f64 = 0.5;

/// A number that lies far outside what was observed in training, and that range.
fn far_outside(column: &Column, value: f32) -> Option<(String, [String; 2])> {
    let [low, high] = column.range().filter(|_| !value.is_nan())?;
    let (number, room) = (column.restore(value), FAR * (high - low));
    let words = |end: f64| column.describe(column.standardise(end));
    (number < low - room || number > high + room).then(|| (column.describe(value), [words(low), words(high)]))
}

/// What is odd about a row that is predicted all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The column.
    pub column: String,
    /// What is odd.
    pub odd: Oddity,
}

/// What can be odd about a cell that keeps no row from being predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// There, and shows nothing.
    Blank(Blank),
    /// There, and not taken as it is.
    Changed(Changed),
    /// A number far outside the range that was observed in training: of such a sample the model knows nothing.
    FarOutside {
        /// What is there.
        value: String,
        /// The smallest that was observed.
        low: String,
        /// The largest.
        high: String,
    },
    /// A label that is none of the model's classes: it cannot be scored.
    UnknownClass {
        /// What is there.
        found: String,
    },
    /// An id that an earlier row has.
    SameId,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank(blank) => f.write_str(blank.words()),
            Self::Changed(changed) => changed.fmt(f),
            Self::FarOutside { value, low, high } => {
                write!(f, "{value} is far outside {low} to {high}, all that was observed in training")
            }
            Self::UnknownClass { found } => write!(f, "{found:?} is no class of the model"),
            Self::SameId => f.write_str("an earlier row has the same id"),
        }
    }
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where it begins, counted from 1.
    pub line: u64,
    /// Its name, where it can be read.
    pub id: Option<String>,
    /// Its number in [`Chunk::samples`], or everything that is wrong.
    pub sample: Result<usize, Vec<Problem>>,
    /// What is odd.
    pub notices: Vec<Notice>,
}

/// Some rows of a table, read.
pub struct Chunk {
    outcomes: Vec<Outcome>,
    samples: Memory,
}

impl Chunk {
    fn new(rows: Vec<Result<Loaded, BadRow>>, schema: Schema) -> Self {
        let mut samples = Memory { schema, rows: Vec::new() };
        let outcomes = rows.into_iter().map(|row| match row {
            Err(BadRow { line, id, problems }) => Outcome { line, id, sample: Err(problems), notices: Vec::new() },
            Ok(Loaded { row, values, notices }) => {
                let (line, id) = (row.line, Some(row.id.clone()));
                samples.rows.push((row, values));
                Outcome { line, id, sample: Ok(samples.rows.len() - 1), notices }
            }
        });
        Self { outcomes: outcomes.collect(), samples }
    }

    /// One entry for every row of the table, in its order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The good rows. [`Samples::known_label`] is `None` where the table has no label.
    pub fn samples(&self) -> &dyn Samples {
        &self.samples
    }

    /// The part that sample `index` of [`Chunk::samples`] belongs to, where the table says it.
    pub fn split(&self, index: usize) -> Option<Split> {
        self.samples.rows.get(index).and_then(|(row, _)| row.split)
    }
}

/// Samples whose values are in memory.
struct Memory {
    schema: Schema,
    rows: Vec<(Row, Vec<Vec<f32>>)>,
}

impl Samples for Memory {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn label(&self, index: usize) -> usize {
        self.known_label(index).unwrap_or(0)
    }

    fn known_label(&self, index: usize) -> Option<usize> {
        self.rows[index].0.label.as_deref().and_then(|label| self.schema.class_index(label))
    }

    fn observed(&self, index: usize) -> ModalitySet {
        self.rows[index].0.observed()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        let values = &self.rows[index].1[modality];
        if values.is_empty() {
            let modality = self.schema.modalities()[modality].name().to_owned();
            return Err(ReadError::Missing { id: self.id(index), modality });
        }
        out.copy_from_slice(values);
        Ok(())
    }

    fn id(&self, index: usize) -> String {
        self.rows[index].0.id.clone()
    }

    fn number(&self, index: usize) -> u64 {
        number_of(&self.rows[index].0.id)
    }

    fn subject(&self, index: usize) -> u64 {
        self.rows[index].0.subject.as_deref().map_or_else(|| self.number(index), number_of)
    }
}
