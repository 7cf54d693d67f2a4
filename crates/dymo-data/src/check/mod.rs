//! Everything that can be wrong with a table and its files, found at once and before anything is trained.
//!
//! The table is read in pieces and its files in parallel; memory does not grow with the table, but for some 80 bytes a
//! row and a file, which tell ids, subjects and contents that come twice.

mod examine;
mod finding;
mod report;
mod tally;

pub use finding::{By, Finding, Repeat, Severity};
pub use report::{CheckReport, ClassCount, ColumnReport, Geometry, ModalityReport, Pattern};

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use dymo_core::ModalitySet;
use rayon::prelude::*;

use crate::checksum::short_hash;
use crate::manifest::{
    BadRow, Cell, Form, ManifestError, ManifestSettings, ModalitySettings, Problem, Row, Rows, Split, Told, Use,
    drawn_parts,
};
use crate::samples::ReadError;
use crate::text::TextEncoder;
use examine::{Facts, examine};
use tally::{Tally, count, filling_gives_away};

/// Rows that are looked at together.
const CHUNK: usize = 512;
/// Problems of rows that are kept; the others are counted.
const KEPT: usize = 2000;
/// Blank files, leaks and the like that are kept, each kind for itself.
const KEPT_EACH: usize = 200;
/// Files of a repeated content that are named.
const NAMED: usize = 5;
/// Classes beyond which a label is taken for none.
const CLASSES: usize = 10_000;
/// Training samples of a class below which the report warns.
const FEW: u64 = 10;

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows looked at.
    pub rows: u64,
    /// Bytes of the table read.
    pub bytes: u64,
    /// Bytes that the table has.
    pub of_bytes: u64,
}

/// Reads a table and every file that it names. What is wrong with rows and files is in the report; `progress` is
/// called after every few hundred rows.
///
/// # Errors
/// A [`ManifestError`] when the table cannot be opened, or its header does not fit the settings.
pub fn check(settings: &ManifestSettings, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport, ManifestError> {
    let of_bytes = fs::metadata(&settings.path).map_or(0, |metadata| metadata.len());
    let mut rows = Rows::open(settings, Use::Training)?;
    let modalities = rows.modalities().to_vec();
    let mut state = State::new(settings, &modalities, drawn_parts(settings)?);
    loop {
        let chunk: Vec<Result<Row, BadRow>> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        let looked: Vec<_> = chunk.into_par_iter().map(|row| row.map(|row| look(row, settings, &modalities))).collect();
        for row in looked {
            match row {
                Ok((row, files)) => state.row(row, files),
                Err(bad) => state.bad_row(bad),
            }
        }
        progress(Progress { rows: state.rows, bytes: rows.position(), of_bytes });
    }
    Ok(state.report(settings))
}

/// What was seen of one modality of a row.
enum Look {
    Nothing,
    File(Box<Result<Facts, (PathBuf, ReadError)>>),
    Text(TextLook),
}

/// What is odd about a text.
struct TextLook {
    unknown: bool,
    /// Symbols of one that is cut off.
    cut: Option<usize>,
}

/// A row, and by modality what its files show.
fn look(row: Row, settings: &ManifestSettings, modalities: &[ModalitySettings]) -> (Row, Vec<Look>) {
    let one = |(modality, cell): (&ModalitySettings, &Cell)| match (cell, &modality.form) {
        (Cell::File(path), form) => {
            let path = settings.folder().join(path);
            match examine(form, &path) {
                Some(facts) => Look::File(Box::new(facts.map_err(|refused| (path, refused)))),
                None => Look::Nothing,
            }
        }
        (Cell::Text(text), Form::Text { length, symbols, .. }) => match TextEncoder::new(*length, symbols) {
            Ok(encoder) => {
                let unknown = encoder.places(text).iter().all(Option::is_none);
                Look::Text(TextLook { unknown, cut: encoder.cut(text) })
            }
            Err(_) => Look::Nothing,
        },
        _ => Look::Nothing,
    };
    let looks = modalities.iter().zip(&row.cells).map(one).collect();
    (row, looks)
}

/// One modality so far.
struct Seen {
    name: String,
    column: String,
    kind: &'static str,
    present: u64,
    trained: u64,
    unreadable: u64,
    blank: u64,
    /// Texts that are longer than their places, and the longest.
    cut: u64,
    longest: usize,
    geometries: BTreeMap<Geometry, u64>,
    tallies: Vec<Tally>,
    /// By class: rows where it is there, and where it is not.
    filling: [Vec<u64>; 2],
}

/// Where a content or a subject came first, and in which parts it is.
struct First {
    line: u64,
    split: Option<Split>,
}

struct State {
    rows: u64,
    bad_rows: u64,
    parts: [u64; 3],
    /// By line: the part that is drawn of the rows that can be used, where parts are drawn.
    drawn: HashMap<u64, Split>,
    classes: BTreeMap<String, usize>,
    class_parts: Vec<[u64; 3]>,
    modalities: Vec<Seen>,
    patterns: HashMap<ModalitySet, [u64; 3]>,
    /// By the hash of an id: the line that has it first.
    ids: HashMap<u128, u64>,
    subjects: HashMap<u128, First>,
    contents: HashMap<u128, First>,
    repeated: Repeats,
    /// Rows that are no sample: parts that are drawn leave them out.
    undivided: u64,
    problems: Cut,
    blanks: Cut,
    leaks: Cut,
}

/// Files whose content was there before, in the same part: the first of them, and how many.
#[derive(Default)]
struct Repeats {
    count: u64,
    first: Vec<Repeat>,
}

/// Findings of a kind, of which so many are kept and the others are counted.
struct Cut {
    kept: Vec<Finding>,
    most: usize,
    more: u64,
}

impl Cut {
    fn to(most: usize) -> Self {
        Self { kept: Vec::new(), most, more: 0 }
    }

    fn push(&mut self, finding: Finding) {
        if self.kept.len() < self.most { self.kept.push(finding) } else { self.more += 1 }
    }

    /// What is kept, by line, and how many there are beyond: as grave as those.
    fn take(&mut self, what: &'static str) -> Vec<Finding> {
        let mut all = std::mem::take(&mut self.kept);
        all.sort_by_key(|finding| finding.place().0.unwrap_or(u64::MAX));
        if let (1.., Some(severity)) = (self.more, all.iter().map(Finding::severity).max()) {
            all.push(Finding::More { count: self.more, what, severity });
        }
        all
    }
}

impl State {
    fn new(settings: &ManifestSettings, modalities: &[ModalitySettings], drawn: HashMap<u64, Split>) -> Self {
        let seen = modalities.iter().map(|modality| Seen {
            name: modality.name.clone(),
            column: modality.columns().first().map_or(String::new(), |column| (*column).to_owned()),
            kind: modality.form.word(),
            present: 0,
            trained: 0,
            unreadable: 0,
            blank: 0,
            cut: 0,
            longest: 0,
            geometries: BTreeMap::new(),
            tallies: match &modality.form {
                Form::Table { columns } => columns.iter().map(Tally::new).collect(),
                _ => Vec::new(),
            },
            filling: [Vec::new(), Vec::new()],
        });
        let classes: BTreeMap<String, usize> =
            settings.classes.iter().enumerate().map(|(number, name)| (name.clone(), number)).collect();
        Self {
            rows: 0,
            bad_rows: 0,
            parts: [0; 3],
            drawn,
            class_parts: vec![[0; 3]; classes.len()],
            classes,
            modalities: seen.collect(),
            patterns: HashMap::new(),
            ids: HashMap::new(),
            subjects: HashMap::new(),
            contents: HashMap::new(),
            repeated: Repeats::default(),
            undivided: 0,
            problems: Cut::to(KEPT),
            blanks: Cut::to(KEPT_EACH),
            leaks: Cut::to(KEPT_EACH),
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(Finding::Row(problem));
    }

    fn bad_row(&mut self, bad: BadRow) {
        self.rows += 1;
        self.bad_rows += 1;
        self.undivided += 1;
        if let Some(id) = &bad.id {
            self.id(id, bad.line);
        }
        for problem in bad.problems {
            let column = problem.column().map(str::to_owned);
            let mut tallies = self.modalities.iter_mut().flat_map(|modality| &mut modality.tallies);
            if let Some(tally) = tallies.find(|tally| Some(tally.name()) == column.as_deref()) {
                tally.problem(&problem);
            }
            self.problem(problem);
        }
    }

    fn row(&mut self, row: Row, looks: Vec<Look>) {
        self.rows += 1;
        let split = row.split.or_else(|| self.drawn.get(&row.line).copied());
        self.id(&row.id, row.line);
        let class = self.class(row.label.as_deref().unwrap_or_default());
        if let Some(split) = split {
            self.parts[split as usize] += 1;
            self.class_parts[class][split as usize] += 1;
            self.patterns.entry(row.observed()).or_default()[split as usize] += 1;
        }
        if let Some(subject) = &row.subject {
            self.subject(subject, row.line, split);
        }
        let mut bad = false;
        for (modality, (cell, look)) in row.cells.iter().zip(looks).enumerate() {
            count(&mut self.modalities[modality].filling[usize::from(*cell == Cell::Absent)], class);
            bad |= self.look(modality, cell, look, row.line, split);
            if let Cell::Values(values) = cell {
                let train = split == Some(Split::Train);
                let tallies = self.modalities[modality].tallies.iter_mut();
                tallies.zip(values).for_each(|(tally, &value)| tally.add(value, class, train));
            }
        }
        self.bad_rows += u64::from(bad);
    }

    /// The number of a class; beyond the last that is kept, the last.
    fn class(&mut self, name: &str) -> usize {
        if let Some(&class) = self.classes.get(name) {
            return class;
        }
        let next = self.classes.len();
        if next >= CLASSES {
            return next - 1;
        }
        self.classes.insert(name.to_owned(), next);
        self.class_parts.push([0; 3]);
        next
    }

    fn subject(&mut self, subject: &str, line: u64, split: Option<Split>) {
        let first = self.subjects.entry(short_hash(subject.as_bytes())).or_insert(First { line, split });
        if let (Some(a), Some(b)) = (first.split, split)
            && a != b
        {
            let parts = vec![a.min(b), a.max(b)];
            self.leaks.push(Finding::SubjectInTwoParts { line, subject: crate::manifest::short(subject), parts });
        }
    }

    /// Takes in one modality of a row; true if its file cannot be read.
    fn look(&mut self, modality: usize, cell: &Cell, look: Look, line: u64, split: Option<Split>) -> bool {
        let seen = &mut self.modalities[modality];
        let there = *cell != Cell::Absent;
        seen.present += u64::from(there);
        seen.trained += u64::from(there && split == Some(Split::Train));
        let column = seen.column.clone();
        let blank = match look {
            Look::Nothing => None,
            Look::Text(TextLook { unknown, cut }) => {
                seen.cut += u64::from(cut.is_some());
                seen.longest = seen.longest.max(cut.unwrap_or(0));
                unknown.then_some(crate::manifest::Blank::UnknownText)
            }
            Look::File(facts) => match *facts {
                Err((path, refused)) => {
                    seen.unreadable += 1;
                    self.problem(Problem::of_file(line, column, path, &refused));
                    return true;
                }
                Ok(Facts { geometry, told: Told { blank, changed }, content }) => {
                    *seen.geometries.entry(geometry).or_default() += 1;
                    let told = |changed| Finding::Changed { line, column: column.clone(), changed };
                    changed.into_iter().map(told).for_each(|finding| self.blanks.push(finding));
                    // All black pictures are alike, and no leak.
                    if blank.is_none() {
                        self.content(content, line, &column, split);
                    }
                    blank
                }
            },
        };
        if let Some(blank) = blank {
            self.modalities[modality].blank += 1;
            self.blanks.push(Finding::Blank { line, column, blank });
        }
        false
    }

    fn content(&mut self, content: u128, line: u64, column: &str, split: Option<Split>) {
        let Some(first) = self.contents.get(&content) else {
            self.contents.insert(content, First { line, split });
            return;
        };
        match (first.split, split) {
            (Some(a), Some(b)) if a != b => {
                let (first, column) = (first.line, column.to_owned());
                self.leaks.push(Finding::SameContent { line, first, column, parts: [a, b] });
            }
            _ => {
                let Repeats { count, first: named } = &mut self.repeated;
                *count += 1;
                if named.len() < NAMED {
                    named.push(Repeat { line, column: column.to_owned(), first: first.line });
                }
            }
        }
    }

    fn id(&mut self, id: &str, line: u64) {
        let first = *self.ids.entry(short_hash(id.as_bytes())).or_insert(line);
        if first != line {
            self.problem(Problem::SameId { line, first, id: crate::manifest::short(id) });
        }
    }

    fn report(mut self, settings: &ManifestSettings) -> CheckReport {
        let mut names = vec![String::new(); self.classes.len()];
        self.classes.iter().for_each(|(name, &number)| names[number].clone_from(name));
        let mut findings = self.problems.take("problems of rows");
        findings.extend(self.leaks.take("files or subjects in two parts"));
        findings.extend(self.blanks.take("files that show nothing or are not taken as they are"));
        findings.extend(self.of_parts(&names));
        findings.extend(self.of_modalities(&names));
        let Repeats { count, first } = std::mem::take(&mut self.repeated);
        if count > 0 {
            findings.push(Finding::Repeated { count, first });
        }
        if settings.division.is_some() && self.undivided > 0 {
            findings.push(Finding::Undivided { rows: self.undivided });
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
        let class = |(name, parts): (String, [u64; 3])| ClassCount { name, parts };
        let mut classes: Vec<ClassCount> = names.into_iter().zip(self.class_parts).map(class).collect();
        if settings.classes.is_empty() {
            classes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let mut patterns: Vec<Pattern> =
            self.patterns.into_iter().map(|(present, parts)| Pattern { present, parts }).collect();
        patterns.sort_by(|a, b| b.rows().cmp(&a.rows()).then(a.present.cmp(&b.present)));
        let modalities = self.modalities.into_iter().map(Seen::report).collect();
        let (rows, bad_rows, parts) = (self.rows, self.bad_rows, self.parts);
        CheckReport { rows, bad_rows, parts, classes, modalities, patterns, findings }
    }

    /// Parts and classes.
    fn of_parts(&self, names: &[String]) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.bad_rows == 0 {
            let empty = Split::ALL.into_iter().filter(|&split| self.parts[split as usize] == 0);
            let drawn_of = (!self.drawn.is_empty()).then_some(self.drawn.len() as u64);
            found.extend(empty.map(|split| Finding::Row(Problem::NoRows { part: split.name(), drawn_of })));
        }
        if self.parts[Split::Train as usize] == 0 {
            return found;
        }
        let trained: Vec<(String, u64)> = names
            .iter()
            .zip(&self.class_parts)
            .map(|(name, parts)| (name.clone(), parts[Split::Train as usize]))
            .collect();
        for ((class, train), parts) in trained.iter().cloned().zip(&self.class_parts) {
            match (train, parts.iter().sum()) {
                (0, 0) => found.push(Finding::ClassUnused { class }),
                (0, rows) => found.push(Finding::ClassNotTrained { class, rows }),
                (1..FEW, _) => found.push(Finding::FewOfClass { class, rows: train }),
                _ => {}
            }
        }
        if let [(class, _)] = trained.as_slice() {
            found.push(Finding::OneClass { class: class.clone() });
        }
        let most = trained.iter().max_by_key(|class| class.1);
        let least = trained.iter().filter(|class| class.1 > 0).min_by_key(|class| class.1);
        if let (Some(most), Some(least)) = (most, least)
            && most.1 >= 10 * least.1
        {
            found.push(Finding::Imbalance { most: most.clone(), least: least.clone() });
        }
        found
    }

    fn of_modalities(&self, classes: &[String]) -> Vec<Finding> {
        let mut found = Vec::new();
        for seen in &self.modalities {
            let modality = || seen.name.clone();
            if seen.trained == 0 && self.parts[Split::Train as usize] > 0 {
                found.push(Finding::NeverObserved { modality: modality() });
            }
            // Columns of a table are looked at one by one.
            if seen.tallies.is_empty() {
                found.extend(filling_gives_away(&seen.column, &seen.filling, classes));
            }
            if seen.cut > 0 {
                let (column, longest) = (seen.column.clone(), seen.longest);
                found.push(Finding::TextsCut { column, count: seen.cut, longest });
            }
            let mut mixed = |what, kinds: usize| {
                if kinds > 1 {
                    found.push(Finding::MixedGeometry { modality: seen.name.clone(), what, kinds });
                }
            };
            mixed("grid", distinct(seen.geometries.keys().map(|geometry| &geometry.size)));
            mixed("spacing", distinct(seen.geometries.keys().map(|geometry| &geometry.spacing_thousandths)));
            mixed("orientation", distinct(seen.geometries.keys().map(|geometry| &geometry.orientation)));
            let count = seen.geometries.iter().filter(|(geometry, _)| !geometry.known).map(|(_, count)| count).sum();
            if count > 0 {
                found.push(Finding::NoOrientation { modality: modality(), count });
            }
            // Where nothing trains, that no training sample has a value says nothing of the column.
            let trains = self.parts[Split::Train as usize] > 0;
            found.extend(seen.tallies.iter().flat_map(|tally| tally.findings(classes, trains)));
        }
        found
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<std::collections::BTreeSet<_>>().len()
}

impl Seen {
    fn report(self) -> ModalityReport {
        let mut geometries: Vec<(Geometry, u64)> = self.geometries.into_iter().collect();
        geometries.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ModalityReport {
            name: self.name,
            kind: self.kind,
            present: self.present,
            unreadable: self.unreadable,
            blank: self.blank,
            geometries,
            columns: self.tallies.iter().map(Tally::report).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
