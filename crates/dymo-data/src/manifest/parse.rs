//! From text to rows, collecting everything that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::{ManifestError, Problem, Split};

/// One sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) split: Split,
    /// Place in the table's classes.
    pub(super) label: usize,
    /// By modality.
    pub(super) pictures: Vec<Option<PathBuf>>,
}

/// A table without problems.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) modalities: Vec<String>,
    /// Ascending.
    pub(super) classes: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// Where the columns are.
struct Columns {
    names: Vec<String>,
    id: usize,
    label: usize,
    split: usize,
    modalities: Vec<usize>,
}

/// Reads the whole table. `path` is for messages; pictures are looked for relative to `folder`.
pub(super) fn parse(text: impl Read, path: &Path, folder: &Path) -> Result<Table, ManifestError> {
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text);
    let failed = |source| ManifestError::Csv { path: path.to_owned(), source };
    let columns = find_columns(&mut reader, path)?;
    let mut collected = Collected::default();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(failed)? {
        let line = record.position().map_or(0, csv::Position::line);
        collected.add(&record, line, &columns, folder);
    }
    collected.finish(columns, path)
}

fn find_columns(reader: &mut Reader<impl Read>, path: &Path) -> Result<Columns, ManifestError> {
    let header = reader.byte_headers().map_err(|source| ManifestError::Csv { path: path.to_owned(), source })?;
    let name = |field| String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_owned();
    let names: Vec<String> = header.iter().map(name).collect();
    let place = |wanted| names.iter().position(|name| name == wanted);
    let (Some(id), Some(label), Some(split)) = (place("id"), place("label"), place("split")) else {
        return Err(ManifestError::Columns { path: path.to_owned(), found: names });
    };
    let modalities: Vec<usize> = (0..names.len()).filter(|i| ![id, label, split].contains(i)).collect();
    if modalities.is_empty() {
        return Err(ManifestError::Columns { path: path.to_owned(), found: names });
    }
    Ok(Columns { names, id, label, split, modalities })
}

/// Rows so far, their labels by name, and what was wrong.
#[derive(Default)]
struct Collected {
    rows: Vec<Row>,
    labels: Vec<String>,
    lines_of_ids: BTreeMap<String, u64>,
    problems: Vec<Problem>,
}

impl Collected {
    fn add(&mut self, record: &ByteRecord, line: u64, columns: &Columns, folder: &Path) {
        if record.len() != columns.names.len() {
            let (found, wanted) = (record.len(), columns.names.len());
            self.problems.push(Problem::Width { line, found, wanted });
            return;
        }
        let mut cells = Vec::new();
        for (field, column) in record.iter().zip(&columns.names) {
            match str::from_utf8(field) {
                Ok(cell) => cells.push(cell),
                Err(_) => return self.problems.push(Problem::Encoding { line, column: column.clone() }),
            }
        }
        self.check_id(cells[columns.id], line);
        if cells[columns.label].is_empty() {
            self.problems.push(Problem::Empty { line, column: "label" });
        }
        let pictures = self.pictures(&cells, line, columns, folder);
        let split = Split::ALL.into_iter().find(|split| split.name() == cells[columns.split]);
        let Some(split) = split else {
            self.problems.push(Problem::Split { line, found: cells[columns.split].to_owned() });
            return;
        };
        self.labels.push(cells[columns.label].to_owned());
        // The label's number is known when all labels are.
        self.rows.push(Row { id: cells[columns.id].to_owned(), split, label: 0, pictures });
    }

    fn check_id(&mut self, id: &str, line: u64) {
        if id.is_empty() {
            self.problems.push(Problem::Empty { line, column: "id" });
        } else if let Some(&first) = self.lines_of_ids.get(id) {
            self.problems.push(Problem::SameId { line, first, id: id.to_owned() });
        } else {
            self.lines_of_ids.insert(id.to_owned(), line);
        }
    }

    fn pictures(&mut self, cells: &[&str], line: u64, columns: &Columns, folder: &Path) -> Vec<Option<PathBuf>> {
        let mut pictures = Vec::new();
        for &column in &columns.modalities {
            let picture = (!cells[column].is_empty()).then(|| folder.join(cells[column]));
            if let Some(path) = picture.as_ref().filter(|path| !path.is_file()) {
                let (column, path) = (columns.names[column].clone(), path.clone());
                self.problems.push(Problem::NoPicture { line, column, path });
            }
            pictures.push(picture);
        }
        if pictures.iter().all(Option::is_none) {
            self.problems.push(Problem::NothingObserved { line });
        }
        pictures
    }

    fn finish(mut self, columns: Columns, path: &Path) -> Result<Table, ManifestError> {
        for split in Split::ALL {
            if !self.rows.iter().any(|row| row.split == split) {
                self.problems.push(Problem::NoRows { part: split.name() });
            }
        }
        if !self.problems.is_empty() {
            return Err(ManifestError::Problems { path: path.to_owned(), problems: self.problems });
        }
        let distinct: BTreeSet<&String> = self.labels.iter().collect();
        let classes: Vec<String> = distinct.into_iter().cloned().collect();
        for (row, label) in self.rows.iter_mut().zip(&self.labels) {
            row.label = classes.partition_point(|class| class < label);
        }
        let modalities = columns.modalities.iter().map(|&column| columns.names[column].clone());
        Ok(Table { modalities: modalities.collect(), classes, rows: self.rows })
    }
}
