//! A table row by row, in bounded memory: each is a sample or a list of what is wrong with it.

use std::io::Read;
use std::path::PathBuf;

use csv::ByteRecord;
use dymo_core::ModalitySet;

use super::layout::{Layout, Place, Use};
use super::records::{Broken, Records};
use super::settings::{ManifestSettings, ModalitySettings};
use super::{ManifestError, Problem, Split};

/// One sample as the table has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it begins, counted from 1.
    pub line: u64,
    /// Its name.
    pub id: String,
    /// Its class, where the table says it.
    pub label: Option<String>,
    /// Its part, where the table says it.
    pub split: Option<Split>,
    /// Whose sample it is, where the settings name a column for that.
    pub subject: Option<String>,
    /// By modality.
    pub cells: Vec<Cell>,
}

/// One modality of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Missing.
    Absent,
    /// A file, relative to the table's folder unless absolute.
    File(PathBuf),
    /// A text as it stands.
    Text(String),
    /// The values of a table's columns; NaN where a cell is empty, not all of them NaN.
    Values(Vec<f32>),
}

impl Row {
    /// The modalities that it has.
    pub fn observed(&self) -> ModalitySet {
        let there = self.cells.iter().enumerate().filter(|(_, cell)| **cell != Cell::Absent);
        there.map(|(modality, _)| modality).collect()
    }
}

/// A row that is no sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Where it begins, counted from 1.
    pub line: u64,
    /// Its name, where that much can be read.
    pub id: Option<String>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// Reads a table from its first row to its last. After [`Problem::Broken`] it ends.
pub struct Rows {
    records: Records,
    settings: ManifestSettings,
    layout: Layout,
    wanted: Use,
    record: ByteRecord,
    /// Line of the record.
    line: u64,
    broken: bool,
}

impl Rows {
    /// Opens the table that the settings name.
    ///
    /// # Errors
    /// A [`ManifestError`]: no such file, settings that contradict themselves, a column that is not there.
    pub fn open(settings: &ManifestSettings, wanted: Use) -> Result<Self, ManifestError> {
        Self::new(settings, wanted, Records::open(&settings.path)?)
    }

    /// Reads CSV from a stream; the settings' path is used for messages and relative names only.
    ///
    /// # Errors
    /// As [`Rows::open`].
    pub fn read(
        settings: &ManifestSettings,
        wanted: Use,
        stream: impl Read + Send + 'static,
    ) -> Result<Self, ManifestError> {
        Self::new(settings, wanted, Records::csv(&settings.path, stream)?)
    }

    fn new(settings: &ManifestSettings, wanted: Use, records: Records) -> Result<Self, ManifestError> {
        let layout = Layout::new(settings, records.names().to_vec(), wanted)?;
        let (settings, record) = (settings.clone(), ByteRecord::new());
        Ok(Self { records, settings, layout, wanted, record, line: 0, broken: false })
    }

    /// Bytes of the table read so far.
    pub fn position(&self) -> u64 {
        self.records.position()
    }

    /// The names of the columns, the first row of the table.
    pub fn columns(&self) -> &[String] {
        &self.layout.names
    }

    /// The modalities, those that a grid stands for included.
    pub fn modalities(&self) -> &[ModalitySettings] {
        &self.layout.modalities
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The settings it reads by.
    pub fn settings(&self) -> &ManifestSettings {
        &self.settings
    }

    /// The next record into `self.record`.
    fn advance(&mut self) -> Option<Result<(), BadRow>> {
        if self.broken {
            return None;
        }
        match self.records.next(&mut self.record) {
            Ok(line) => {
                self.line = line?;
                Some(Ok(()))
            }
            Err(Broken { line, cause }) => {
                self.broken = true;
                let problems = vec![Problem::Broken { line, cause }];
                Some(Err(BadRow { line, id: None, problems }))
            }
        }
    }

    fn parse(&self) -> Result<Row, BadRow> {
        let line = self.line;
        let layout = &self.layout;
        let text = |column: usize| self.record.get(column).and_then(|field| str::from_utf8(field).ok());
        let mut problems = Vec::new();
        let id = text(layout.id).filter(|id| !id.is_empty()).map(str::to_owned);
        if self.record.len() != layout.names.len() {
            let (found, wanted) = (self.record.len(), layout.names.len());
            let problem = match super::line_ends(&self.record) {
                0 => Problem::Width { line, found, wanted },
                ends => Problem::Swallowed { line, last: line + ends, found, wanted },
            };
            return Err(BadRow { line, id, problems: vec![problem] });
        }
        let named = self.record.iter().zip(&layout.names);
        let bad = named.filter(|(field, _)| str::from_utf8(field).is_err());
        problems.extend(bad.map(|(_, column)| Problem::Encoding { line, column: column.clone() }));
        if !problems.is_empty() {
            return Err(BadRow { line, id, problems });
        }
        let cell = |column: usize| text(column).unwrap_or_default();
        if id.is_none() {
            problems.push(Problem::Empty { line, column: self.settings.id.clone() });
        }
        let found = layout.label.map(cell);
        let label = found.filter(|label| !self.settings.is_no_label(label));
        if label.is_none() && self.wanted == Use::Training {
            let (column, found) = (self.settings.label.clone(), found.unwrap_or_default());
            problems.push(match found.is_empty() {
                true => Problem::Empty { line, column },
                false => Problem::NoLabel { line, column, found: super::layout::short(found) },
            });
        }
        // In prediction a label is there to be scored: one that is no class is a notice, not a reason to leave the row out.
        if let Some(found) = label.filter(|label| self.wanted == Use::Training && !self.is_class(label)) {
            let (column, known) = (self.settings.label.clone(), self.settings.classes.clone());
            problems.push(Problem::Class { line, column, found: super::layout::short(found), known });
        }
        let before = problems.len();
        let cells = self.cells(line, &mut problems);
        if problems.len() == before && cells.iter().all(|cell| *cell == Cell::Absent) {
            problems.push(Problem::NothingObserved { line });
        }
        let split = self.split(line, &cell, &mut problems);
        let subject = layout.subject.map(cell).filter(|subject| !subject.is_empty()).map(str::to_owned);
        match id {
            Some(id) if problems.is_empty() => {
                Ok(Row { line, id, label: label.map(str::to_owned), split, subject, cells })
            }
            id => Err(BadRow { line, id, problems }),
        }
    }

    fn is_class(&self, label: &str) -> bool {
        let classes = &self.settings.classes;
        classes.is_empty() || classes.iter().any(|class| class == label)
    }

    fn split<'r>(&self, line: u64, cell: &impl Fn(usize) -> &'r str, problems: &mut Vec<Problem>) -> Option<Split> {
        let found = cell(self.layout.split?);
        let split = Split::parse(found);
        if split.is_none() && (self.wanted == Use::Training || !found.is_empty()) {
            problems.push(Problem::Split { line, found: super::layout::short(found) });
        }
        split
    }

    /// By modality: what is there.
    fn cells(&self, line: u64, problems: &mut Vec<Problem>) -> Vec<Cell> {
        let text = |column: usize| {
            let cell = self.record.get(column).and_then(|field| str::from_utf8(field).ok()).unwrap_or_default();
            (!self.settings.is_missing(cell)).then_some(cell)
        };
        let mut cell = |place: &Place| match place {
            Place::File(column) => text(*column).map_or(Cell::Absent, |path| Cell::File(path.into())),
            Place::Text(column) => text(*column).map_or(Cell::Absent, |text| Cell::Text(text.to_owned())),
            Place::Table(readers) => {
                let mut value = |reader: &super::layout::Reader| match text(reader.at) {
                    None => f32::NAN,
                    Some(cell) => reader.read(cell, line).unwrap_or_else(|problem| {
                        problems.push(problem);
                        f32::NAN
                    }),
                };
                let values: Vec<f32> = readers.iter().map(&mut value).collect();
                if values.iter().all(|value| value.is_nan()) { Cell::Absent } else { Cell::Values(values) }
            }
        };
        self.layout.places.iter().map(&mut cell).collect()
    }
}

impl Iterator for Rows {
    type Item = Result<Row, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance()? {
            Ok(()) => Some(self.parse()),
            Err(broken) => Some(Err(broken)),
        }
    }
}
