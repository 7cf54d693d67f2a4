//! A table of samples: CSV (or Parquet, a feature), one row a sample, with pictures, volumes, text and columns of numbers and categories.
//!
//! ```text
//! id,label,split,front,scan,age,stage
//! p1,healthy,train,scans/p1-front.png,scans/p1.nii.gz,61,mild
//! p2,ill,validation,scans/p2-front.png,,70,            empty cells: p2 has no scan, and its stage is not known
//! p3,ill,test,,scans/p3.nii.gz,,                       paths are relative to the table
//! ```
//!
//! What the columns are is said by [`ManifestSettings`]. Three things are kept apart: an empty cell is **absent**, which
//! is data; a cell or file that cannot be understood is an error with line, column, cause and remedy; a file that shows
//! nothing is **blank**, a warning. [`Manifest`] reads a table for training, whole but for its files; [`ManifestStream`]
//! reads one of any length for prediction; [`Rows`] is below both.

#[cfg(feature = "parquet")]
mod columnar;
mod division;
mod error;
mod index;
mod layout;
mod records;
mod rows;
mod settings;
mod shuffle;
mod stream;
mod values;

pub(crate) use layout::{has_decimal_comma, is_too_large, meant, number, short};
pub(crate) use records::{Records, line_ends};

pub use crate::numbered::MAX_ROW;
pub use error::{ManifestError, Problem, SettingsError};
pub use layout::Use;
pub use rows::{BadRow, Cell, Row, Rows};
pub use settings::{Division, Fold, Form, ManifestSettings, ModalitySettings};
pub use stream::{Chunk, ManifestStream, Notice, Oddity, Outcome};
pub(crate) use values::Told;
pub use values::{Blank, Changed};

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use dymo_core::{ModalitySet, Schema};
use serde::{Deserialize, Serialize};

use crate::picture::Colour;
use crate::samples::{ReadError, Samples, check_read, number_of};
use index::{Store, Texts};
use layout::{Layout, Place};

/// The grid that every picture of a table is brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// What a pixel consists of.
    pub colour: Colour,
}

impl Grid {
    fn form(self) -> Form {
        Form::Image { column: None, height: self.height, width: self.width, colour: self.colour, crop: None }
    }
}

/// The part that a row's `split` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// `train`
    Train,
    /// `validation`
    Validation,
    /// `test`
    Test,
}

impl Split {
    /// All of them, in the order of the work.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// As the table writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The part that a cell names, in any case; the common short forms are understood.
    pub fn parse(cell: &str) -> Option<Self> {
        match cell.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "validation" | "valid" | "val" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Problems that are kept; the others are counted.
const KEPT: usize = 1000;

/// The samples of a table, all parts. Files are decoded when they are read, each time ([`Source::open`](crate::Source::open) puts them
/// behind a memory of them); everything else is in memory.
#[derive(Debug)]
pub struct Manifest {
    settings: ManifestSettings,
    layout: Layout,
    schema: Schema,
    ids: Texts,
    lines: Vec<u64>,
    labels: Vec<u32>,
    splits: Vec<Split>,
    /// Numbers of the subjects, where the table knows any.
    subjects: Option<Vec<u64>>,
    stores: Vec<Store>,
}

impl Manifest {
    /// Reads a table for training and sees that its files are there (not that they can be decoded: that is
    /// [`check`](crate::check::check)'s). Classes are in the settings' order, else alphabetical.
    ///
    /// # Errors
    /// A [`ManifestError`]; what is wrong with rows is reported all at once, as [`ManifestError::Problems`].
    pub fn open(settings: &ManifestSettings) -> Result<Self, ManifestError> {
        let mut rows = Rows::open(settings, Use::Training)?;
        let mut read = Reading::new(rows.layout());
        for row in &mut rows {
            read.add(row);
        }
        read.finish(settings, rows.layout().clone())
    }

    /// The indices of the samples of one part, in the table's order.
    pub fn part(&self, split: Split) -> Vec<usize> {
        (0..self.splits.len()).filter(|&index| self.splits[index] == split).collect()
    }

    /// Sees that the training part can teach what the table asks for: it has samples of every class that a sample has, and of
    /// every modality.
    ///
    /// # Errors
    /// [`ManifestError::Problems`] with the classes and modalities that it lacks.
    pub fn check_training(&self) -> Result<(), ManifestError> {
        let train = self.part(Split::Train);
        let mut counts = vec![[0u64; 2]; self.schema.classes().len()];
        self.labels.iter().for_each(|label| counts[*label as usize][0] += 1);
        train.iter().for_each(|index| counts[self.label(*index)][1] += 1);
        let untrained =
            self.schema.classes().iter().zip(&counts).filter(|(_, [rows, trained])| *rows > 0 && *trained == 0);
        let mut problems: Vec<Problem> = untrained
            .map(|(class, [rows, _])| Problem::ClassNotTrained { class: class.clone(), rows: *rows })
            .collect();
        let observed = train.iter().fold(ModalitySet::EMPTY, |all, index| all.union(self.observed(*index)));
        let unseen = observed.complement(self.schema.modalities().len());
        problems.extend(
            unseen.iter().map(|m| Problem::NeverObserved { modality: self.schema.modalities()[m].name().into() }),
        );
        if problems.is_empty() {
            return Ok(());
        }
        Err(ManifestError::Problems { path: self.settings.path.clone(), problems, more: 0 })
    }

    /// How the table is read.
    pub fn settings(&self) -> &ManifestSettings {
        &self.settings
    }

    /// The line of sample `index` in the table, counted from 1.
    ///
    /// # Panics
    /// When there is no such sample, as indexing a slice does.
    pub fn line(&self, index: usize) -> u64 {
        self.lines[index]
    }
}

impl Samples for Manifest {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, index: usize) -> usize {
        self.labels[index] as usize
    }

    fn observed(&self, index: usize) -> ModalitySet {
        let stores = self.stores.iter().enumerate();
        stores.filter(|(_, store)| store.is_present(index)).map(|(modality, _)| modality).collect()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        let cell = self.stores[modality].cell(index);
        if cell == Cell::Absent {
            let modality = self.schema.modalities()[modality].name().to_owned();
            return Err(ReadError::Missing { id: self.id(index), modality });
        }
        let read = values::write(&self.layout, modality, &cell, self.settings.folder(), out);
        read.map(|_| ()).map_err(|source| {
            let (table, column) = (self.settings.path.clone(), self.layout.column(modality).to_owned());
            ReadError::Cell { table, line: self.lines[index], column, source: Box::new(source) }
        })
    }

    fn file(&self, index: usize, modality: usize) -> Option<PathBuf> {
        match self.stores.get(modality)?.cell(index) {
            Cell::File(path) => Some(self.settings.folder().join(path)),
            _ => None,
        }
    }

    fn id(&self, index: usize) -> String {
        self.ids.get(index).to_owned()
    }

    fn number(&self, index: usize) -> u64 {
        number_of(self.ids.get(index))
    }

    fn subject(&self, index: usize) -> u64 {
        self.subjects.as_ref().map_or_else(|| self.number(index), |subjects| subjects[index])
    }
}

/// The parts that a division draws of the rows that can be used, by line, whatever is wrong with the others; files are not looked at.
/// Nothing where the parts stand in a column.
///
/// # Errors
/// A [`ManifestError`] when the table cannot be opened, or its header does not fit the settings.
pub(crate) fn drawn_parts(settings: &ManifestSettings) -> Result<HashMap<u64, Split>, ManifestError> {
    if settings.division.is_none() {
        return Ok(HashMap::new());
    }
    let rows = Rows::open(settings, Use::Training)?;
    let mut read = Reading { stores: Vec::new(), ..Reading::new(rows.layout()) };
    rows.for_each(|row| read.add(row));
    let (_, labels) = read.classes(settings);
    let splits = read.splits(settings, &labels);
    Ok(read.lines.into_iter().zip(splits).collect())
}

/// A table that is being read.
struct Reading {
    ids: Texts,
    lines: Vec<u64>,
    labels: Vec<u32>,
    /// By name: the number in `labels`, in the order of their coming.
    classes: BTreeMap<String, u32>,
    splits: Vec<Option<Split>>,
    subjects: Option<Texts>,
    stores: Vec<Store>,
    problems: Vec<Problem>,
    more: u64,
    /// Names of rows that have problems, and their lines.
    bad_ids: Vec<(String, u64)>,
}

impl Reading {
    fn new(layout: &Layout) -> Self {
        let store = |place: &Place| match place {
            Place::File(_) => Store::Files(Texts::default()),
            Place::Text(_) => Store::Texts(Texts::default()),
            Place::Table(readers) => Store::Table { width: readers.len(), values: Vec::new() },
        };
        Self {
            ids: Texts::default(),
            lines: Vec::new(),
            labels: Vec::new(),
            classes: BTreeMap::new(),
            splits: Vec::new(),
            subjects: layout.subject.map(|_| Texts::default()),
            stores: layout.places.iter().map(store).collect(),
            problems: Vec::new(),
            more: 0,
            bad_ids: Vec::new(),
        }
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < KEPT { self.problems.push(problem) } else { self.more += 1 }
    }

    fn add(&mut self, row: Result<Row, BadRow>) {
        let row = match row {
            Ok(row) => row,
            Err(bad) => {
                self.bad_ids.extend(bad.id.filter(|_| self.problems.len() < KEPT).map(|id| (id, bad.line)));
                return bad.problems.into_iter().for_each(|problem| self.problem(problem));
            }
        };
        self.ids.push(&row.id);
        self.lines.push(row.line);
        let label = row.label.unwrap_or_default();
        let next = self.classes.len() as u32;
        self.labels.push(*self.classes.entry(label).or_insert(next));
        self.splits.push(row.split);
        if let Some(subjects) = &mut self.subjects {
            // Without a subject, a sample is a subject of its own.
            subjects.push(row.subject.as_deref().unwrap_or(&row.id));
        }
        self.stores.iter_mut().zip(&row.cells).for_each(|(store, cell)| store.push(cell));
    }

    fn finish(mut self, settings: &ManifestSettings, layout: Layout) -> Result<Manifest, ManifestError> {
        self.find_files(settings, &layout);
        self.find_same_ids();
        let (classes, labels) = self.classes(settings);
        let labels = self.shuffled(settings, labels);
        let splits = self.splits(settings, &labels);
        // A row with problems may be the one that is looked for.
        let complete = self.problems.is_empty();
        for part in Split::ALL {
            if complete && !splits.contains(&part) {
                let drawn_of = settings.division.map(|_| self.lines.len() as u64);
                self.problem(Problem::NoRows { part: part.name(), drawn_of });
            }
        }
        if !self.problems.is_empty() {
            // Problems of the whole table come last.
            self.problems.sort_by_key(|problem| problem.line().unwrap_or(u64::MAX));
            let (path, problems, more) = (settings.path.clone(), self.problems, self.more);
            return Err(ManifestError::Problems { path, problems, more });
        }
        let schema = layout.schema(&settings.path, classes)?;
        let Self { ids, lines, stores, subjects, .. } = self;
        let subjects = subjects.map(|names| (0..names.len()).map(|row| number_of(names.get(row))).collect());
        Ok(Manifest { settings: settings.clone(), layout, schema, ids, lines, labels, splits, subjects, stores })
    }

    /// The labels, given to other subjects where a permutation test wants that.
    fn shuffled(&self, settings: &ManifestSettings, labels: Vec<u32>) -> Vec<u32> {
        let Some(seed) = settings.division.and_then(|division| division.shuffle) else { return labels };
        let names: Vec<&str> = (0..self.ids.len()).map(|row| self.ids.get(row)).collect();
        shuffle::shuffled(&labels, &names, &self.groups(), seed)
    }

    /// The subject of each row, which is itself where the table knows none.
    fn groups(&self) -> Vec<&str> {
        let subjects = self.subjects.as_ref().unwrap_or(&self.ids);
        (0..subjects.len()).map(|row| subjects.get(row)).collect()
    }

    /// The part of each row: its own, or the one that is drawn.
    fn splits(&self, settings: &ManifestSettings, labels: &[u32]) -> Vec<Split> {
        let Some(division) = settings.division else { return self.splits.iter().copied().flatten().collect() };
        division::divide(division, labels, &self.groups())
    }

    /// The classes in their order, and the class of each row.
    fn classes(&self, settings: &ManifestSettings) -> (Vec<String>, Vec<u32>) {
        let names: Vec<String> = match settings.classes.is_empty() {
            true => self.classes.keys().cloned().collect(),
            false => settings.classes.clone(),
        };
        let mut number = vec![0; self.classes.len()];
        for (name, &came) in &self.classes {
            number[came as usize] = names.iter().position(|known| known == name).unwrap_or(0) as u32;
        }
        let labels = self.labels.iter().map(|&came| number[came as usize]).collect();
        (names, labels)
    }

    fn find_files(&mut self, settings: &ManifestSettings, layout: &Layout) {
        let mut absent = Vec::new();
        for (modality, store) in self.stores.iter().enumerate() {
            let files = (0..self.lines.len()).filter_map(|row| Some((row, settings.folder().join(store.file(row)?))));
            for (row, path) in
                files.filter(|(_, path)| !(path.is_file() || layout.takes_folders(modality) && path.is_dir()))
            {
                let (line, column) = (self.lines[row], layout.column(modality).to_owned());
                absent.push(Problem::NoFile { line, column, path });
                if absent.len() > KEPT * self.stores.len() {
                    break;
                }
            }
        }
        absent.sort_by_key(Problem::line);
        absent.into_iter().for_each(|problem| self.problem(problem));
    }

    fn find_same_ids(&mut self) {
        let good = (0..self.ids.len()).map(|row| (self.ids.get(row), self.lines[row]));
        let bad = self.bad_ids.iter().map(|(id, line)| (id.as_str(), *line));
        let mut named: Vec<(&str, u64)> = good.chain(bad).collect();
        named.sort_unstable();
        let mut found = Vec::new();
        for same in named.chunk_by(|a, b| a.0 == b.0) {
            let first = same[0].1;
            found.extend(same[1..].iter().map(|&(id, line)| Problem::SameId { line, first, id: short(id) }));
        }
        found.into_iter().for_each(|problem| self.problem(problem));
    }
}

#[cfg(test)]
mod tests;
