//! What is proposed, as text for a file and for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dymo_core::{Column, Columns};
use serde::Serialize;
use thiserror::Error;

use super::profile::{Profile, Repeat};
use super::roles::{self, Roles};
use super::{InitOptions, Seen, files};
use crate::manifest::{Division, Form, ManifestError, ManifestSettings, ModalitySettings};
use crate::source::Source;
use crate::text::Symbols;

/// Most categories of a column that is proposed as categorical.
const CATEGORIES: usize = 40;
/// Most different whole numbers that are proposed as categories.
const WHOLE: usize = 6;
/// Different values of a column that is named as one that may be the class.
const CLASSES: std::ops::RangeInclusive<usize> = 2..=10;
/// Most of these that are named.
const CANDIDATES: usize = 8;
/// Words of a proposed vocabulary.
const VOCABULARY: usize = 2000;

/// A proposal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// The settings, as good as they could be guessed.
    pub settings: ManifestSettings,
    /// Rows that were read.
    pub rows: u64,
    /// Classes and how many rows have them, in order.
    pub classes: Vec<(String, u64)>,
    /// What each column was taken for.
    pub columns: Vec<ColumnSummary>,
    /// By which modalities are there (in the order of the settings): how many rows; the most frequent first.
    pub patterns: Vec<(Vec<bool>, u64)>,
    /// What should be looked at.
    pub remarks: Vec<String>,
}

/// What one column was taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// `id`, `label`, `image`, `categorical`, `left out` …
    pub role: String,
    /// Values in words.
    pub values: String,
    /// Rows without a value.
    pub missing: u64,
}

impl ColumnSummary {
    /// What it was taken for, and why it is left out if it is.
    fn in_words(&self) -> String {
        if self.role == "left out" { format!("left out, {}", self.values) } else { self.role.clone() }
    }
}

/// Why there is no proposal, or no text of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] ManifestError),
    /// A column that the table does not have.
    #[error("{}: no column {column:?}, which is named as the {what}; the first row names {}: name one of these", path.display(), found.join(", "))]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// What it was to be.
        what: &'static str,
        /// The column.
        column: String,
        /// Its first row.
        found: Vec<String>,
    },
    /// One column for two things.
    #[error("{}: column {column:?} is named as the {} and as the {}; name it once", path.display(), uses[0], uses[1])]
    TwoUses {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it was to be.
        uses: [&'static str; 2],
    },
    /// A table without rows.
    #[error(
        "{}: no row to learn from{}; wanted a first row of names and below it one row for each sample, comma-separated",
        path.display(),
        if *odd > 0 { format!(": {odd} have another number of cells than the first row, which has {columns}") } else { String::new() }
    )]
    NoRow {
        /// The table.
        path: PathBuf,
        /// Names of its first row.
        columns: usize,
        /// Rows with another number of cells.
        odd: u64,
    },
    /// No column that a sample could be classified by.
    #[error("{}: no column can be used to classify by ({}); add columns of files, numbers, categories or text", path.display(), columns.join("; "))]
    NothingToUse {
        /// The table.
        path: PathBuf,
        /// What each column was taken for.
        columns: Vec<String>,
    },
    /// A value that TOML cannot hold.
    #[error("the proposal cannot be written as TOML: {0}; rename what is odd in the table's first row")]
    Toml(#[from] toml::ser::Error),
}

pub(super) fn build(
    path: &Path,
    profiles: Vec<Profile>,
    seen: Seen,
    options: &InitOptions,
) -> Result<Proposal, ProposalError> {
    let roles = Roles::find(&profiles, options);
    let folder = path.parent().unwrap_or(Path::new(""));
    let parts_known = roles.split.is_some_and(|split| profiles[split].names_parts());
    let mut draft = Draft { parts_known, ..Draft::default() };
    let again = draft.same_names(&profiles);
    for (at, profile) in profiles.iter().enumerate() {
        if again.contains(profile.name.as_str()) {
            draft.leave_out(profile, "another column has the same name");
        } else if !roles.contains(at) {
            draft.column(at, profile, folder, options.leave_out.contains(&profile.name));
        } else {
            let role = [(roles.id, "id"), (roles.label, "label"), (roles.split, "split"), (roles.subject, "subject")];
            let role = role.iter().find(|(place, _)| *place == Some(at)).map_or("", |(_, role)| role);
            draft.note(profile, role, values(profile));
        }
    }
    let (modalities, places) = draft.modalities();
    if modalities.is_empty() {
        let columns = draft.columns.iter().map(|column| format!("{}: {}", column.name, column.in_words())).collect();
        return Err(ProposalError::NothingToUse { path: path.to_owned(), columns });
    }
    let mut settings = ManifestSettings::new(path.file_name().map_or(path.into(), PathBuf::from), modalities);
    let name = |at: Option<usize>| at.map(|at| profiles[at].name.clone());
    name(roles.id).into_iter().for_each(|name| settings.id = name);
    name(roles.label).into_iter().for_each(|name| settings.label = name);
    name(roles.split).into_iter().for_each(|name| settings.split = name);
    settings.subject = name(roles.subject);
    draft.id(roles.id.map(|at| &profiles[at]));
    match roles.split {
        Some(split) => draft.parts(&profiles[split]),
        None => {
            settings.division = Some(Division {
                validation: 0.15,
                test: 0.15,
                seed: options.seed.unwrap_or(2025),
                fold: None,
                shuffle: None,
            });
            draft.remarks.push("no column of parts: they are drawn from a seed, see [data.division]; means and ranges are those of all rows".into());
            let names: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
            if let Some(at) = roles::split_column(&names, options).filter(|at| !roles.contains(*at)) {
                draft.remark(&profiles[at], "called as a column of parts is, but most cells name none; if it is that, write train, validation or test");
            }
        }
    }
    match roles.label {
        None => draft.no_label(&profiles, &|at| {
            let profile = &profiles[at];
            !roles.contains(at) && !again.contains(profile.name.as_str()) && !options.leave_out.contains(&profile.name)
        }),
        Some(at) => {
            settings.classes = draft.classes(&profiles[at]);
        }
    }
    let mut markers: Vec<String> = profiles.iter().flat_map(|profile| profile.markers.keys().cloned()).collect();
    markers.sort();
    markers.dedup();
    if !markers.is_empty() {
        draft.remarks.push(format!(
            "cells that read {} count as missing; correct data.missing if they do not",
            markers.join(", ")
        ));
    }
    settings.missing = markers;
    if seen.odd > 0 {
        draft.remarks.push(format!("{} rows have another number of cells than the first row has names", seen.odd));
    }
    if let Some([line, last]) = seen.swallowed {
        draft.remarks.push(format!(
            "the cells of the row in line {line} go on to line {last}: is a quotation mark left open? nothing behind it, to line {last}, \
             could be read; close it or take it out, and propose again"
        ));
    }
    draft.empty_rows(&seen, &places);
    let classes = roles.label.map_or(Vec::new(), |at| {
        let count = |name: &String| (name.clone(), profiles[at].distinct.get(name).map_or(0, |came| came.count));
        settings.classes.iter().map(count).collect()
    });
    let patterns = patterns(&seen, &places);
    Ok(Proposal { settings, rows: seen.rows, classes, columns: draft.columns, patterns, remarks: draft.remarks })
}

/// Which modalities a row has of which these columns are filled.
fn there(filled: &[bool], places: &[Vec<usize>]) -> Vec<bool> {
    places.iter().map(|columns| columns.iter().any(|&at| filled[at])).collect()
}

/// By modality: rows in which at least one of its columns is filled.
fn patterns(seen: &Seen, places: &[Vec<usize>]) -> Vec<(Vec<bool>, u64)> {
    let mut counts = std::collections::BTreeMap::<Vec<bool>, u64>::new();
    for (filled, (count, _)) in &seen.patterns {
        *counts.entry(there(filled, places)).or_default() += count;
    }
    let mut patterns: Vec<_> = counts.into_iter().collect();
    patterns.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.cmp(&a.0)));
    patterns
}

/// How many more there are of what was named once.
fn others(count: u64, what: &str) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more {what}"),
    }
}

/// Values of a column in words.
fn values(profile: &Profile) -> String {
    if profile.many {
        return format!("more than {} different", profile.distinct.len());
    }
    let names = profile.categories();
    match names.len() {
        0 => "none".into(),
        1..=8 => names.join(", "),
        more => format!("{more} different, such as {}", names[..3].join(", ")),
    }
}

/// Columns taken so far.
#[derive(Default)]
struct Draft {
    modalities: Vec<(ModalitySettings, Vec<usize>)>,
    table: Vec<(Column, usize)>,
    columns: Vec<ColumnSummary>,
    remarks: Vec<String>,
    /// Whether a column says which rows train.
    parts_known: bool,
}

impl Draft {
    /// Names that several columns have: nobody can say which is meant.
    fn same_names<'a>(&mut self, profiles: &'a [Profile]) -> BTreeSet<&'a str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for profile in profiles.iter().filter(|profile| !profile.name.is_empty()) {
            *counts.entry(&profile.name).or_default() += 1;
        }
        counts.retain(|_, count| *count > 1);
        let said = counts.iter().map(|(name, count)| {
            format!("column {name}: the first row has this name {count} times; rename the columns, until then they are left out")
        });
        self.remarks.extend(said);
        counts.into_keys().collect()
    }

    /// What is to be said of the column of the ids.
    fn id(&mut self, profile: Option<&Profile>) {
        let Some(profile) = profile else {
            return self.remarks.push("no column names each row differently: add one, or set data.id".into());
        };
        if let Some(Repeat { value, line, first }) = &profile.first_repeat {
            let more = others(profile.repeats, "repeat an earlier one");
            self.remark(profile, format!("the id {value:?} in line {line} is that of line {first} too{more}; give each sample its own, or name another column with --id"));
        }
        self.gaps(profile, "id");
    }

    /// What is to be said of the column of the parts.
    fn parts(&mut self, profile: &Profile) {
        if let Some((line, value)) = &profile.first_no_part {
            let more = others(profile.no_part, "name no part");
            self.remark(profile, format!("{value:?} in line {line} is no part{more}; write train, validation or test"));
        }
        self.gaps(profile, "part");
    }

    /// Rows without an id, a part or a label.
    fn gaps(&mut self, profile: &Profile, what: &str) {
        if let Some(line) = profile.first_missing {
            let more = others(profile.missing(), &format!("have no {what}"));
            self.remark(profile, format!("no {what} in line {line}{more}; fill it in or remove the row"));
        }
    }

    /// The classes in their order; none where they are too many to be listed.
    fn classes(&mut self, profile: &Profile) -> Vec<String> {
        self.gaps(profile, "label");
        if profile.many {
            self.remark(profile, format!("has {}: is it the class?", values(profile)));
            return Vec::new();
        }
        if profile.distinct.len() < 2 {
            self.remark(profile, "all rows have the same class, wanted two or more");
        }
        profile.categories()
    }

    /// Where no column is called as that of the class is: which could be it, by their few values.
    fn no_label(&mut self, profiles: &[Profile], free: &dyn Fn(usize) -> bool) {
        let few = |profile: &Profile| {
            !profile.name.is_empty()
                && profile.pictures + profile.volumes == 0
                && !profile.many
                && CLASSES.contains(&profile.distinct.len())
                && profile.repeats > 0
        };
        let names: Vec<&str> = (0..profiles.len())
            .filter(|at| free(*at) && few(&profiles[*at]))
            .map(|at| profiles[at].name.as_str())
            .take(CANDIDATES)
            .collect();
        let which = match names.is_empty() {
            true => String::new(),
            false => format!("; columns of few different values, one of which may be it: {}", names.join(", ")),
        };
        self.remarks.push(format!("no column looks like the class: propose again with `--label NAME`{which}"));
    }

    /// Rows that have none of the modalities.
    fn empty_rows(&mut self, seen: &Seen, places: &[Vec<usize>]) {
        let empty = seen.patterns.iter().filter(|(filled, _)| !there(filled, places).contains(&true));
        let (count, first) =
            empty.fold((0, u64::MAX), |(all, first), (_, (count, line))| (all + count, first.min(*line)));
        if count > 0 {
            let more = others(count, "have nothing");
            self.remarks.push(format!(
                "line {first} has nothing to classify by{more}: `dymo data check` and `dymo train` refuse such rows; fill something in or remove them"
            ));
        }
    }

    fn note(&mut self, profile: &Profile, role: &str, values: String) {
        let (name, missing) = (profile.name.clone(), profile.missing());
        self.columns.push(ColumnSummary { name, role: role.into(), values, missing });
    }

    fn leave_out(&mut self, profile: &Profile, why: &str) {
        self.note(profile, "left out", why.into());
    }

    fn remark(&mut self, profile: &Profile, remark: impl AsRef<str>) {
        self.remarks.push(format!("column {}: {}", profile.name, remark.as_ref()));
    }

    fn column(&mut self, at: usize, profile: &Profile, folder: &Path, left_out: bool) {
        let most = |count: u64| 2 * count > profile.filled;
        if profile.name.is_empty() {
            return self.leave_out(profile, "has no name");
        }
        if left_out {
            return self.leave_out(profile, "as told");
        }
        if profile.filled == 0 {
            return self.leave_out(profile, "always empty");
        }
        if most(profile.pictures) || most(profile.volumes) {
            return self.files(at, profile, folder);
        }
        // As default names of [data] they would stand for two things.
        if roles::names_samples(&profile.name) || profile.name == "label" {
            return self.leave_out(
                profile,
                "called as the samples' names or classes are; set data.id, data.label or data.subject if it is that",
            );
        }
        if profile.distinct.len() == 1 && !profile.many {
            return self.leave_out(profile, "always the same");
        }
        if let (Some((line, value)), true) = (&profile.first_decimal_comma, most(profile.decimal_commas)) {
            let what = format!("numbers with a decimal comma, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, is left out; write them with a point and propose again"));
            return self.leave_out(profile, &format!("{what}: write them with a point"));
        }
        self.type_change(profile);
        match most(profile.numbers) {
            true => self.numbers(at, profile),
            false => self.words(at, profile),
        }
    }

    fn type_change(&mut self, profile: &Profile) {
        // Numbers that are too large are told for themselves.
        let words = profile.words > profile.too_large;
        if let (Some((line, word)), true) = (&profile.first_word, words && profile.numbers > 0) {
            let (numbers, words) = (profile.numbers, profile.words);
            self.remark(profile, format!("{numbers} numbers and {words} that are none, the first is {word:?} in line {line}; correct them, or add them to `missing`"));
        }
        if let Some((line, found)) = &profile.first_too_large {
            let more = others(profile.too_large, "are as well");
            self.remark(profile, format!("{found:?} in line {line} is too large a number (beyond ±3.4e38) and counts as none{more}; correct it, empty the cell, or add it to `missing`"));
        }
    }

    /// Numbers that may be codes for nothing.
    fn codes(&mut self, profile: &Profile) {
        let (codes, [low, high]) = profile.codes();
        for (code, count) in codes {
            let cells = if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") };
            self.remark(
                profile,
                format!(
                    "{code} stands in {cells}, far from all others ({low} to {high}): if it means missing, add it to `missing` and correct \
                     what is proposed of the column, or empty the cells and propose again"
                ),
            );
        }
    }

    fn files(&mut self, at: usize, profile: &Profile, folder: &Path) {
        let (form, remarks) = match profile.pictures >= profile.volumes {
            true => files::image(folder, &profile.paths),
            false => files::volume(folder, &profile.paths),
        };
        let (role, values) = match &form {
            Form::Image { height, width, colour, .. } => (
                "image",
                format!("brought to {height}×{width}, {}", if colour.channels() == 1 { "grey" } else { "rgb" }),
            ),
            Form::Volume { height, width, slices, .. } => ("volume", format!("brought to {height}×{width}×{slices}")),
            Form::Table { .. } | Form::Text { .. } => ("", String::new()),
        };
        let others = profile.filled - profile.pictures.max(profile.volumes);
        if others > 0 {
            self.remark(profile, format!("{others} cells name no file of that kind"));
        }
        remarks.iter().for_each(|remark| self.remark(profile, remark));
        self.note(profile, role, values);
        self.modalities.push((ModalitySettings { name: profile.name.clone(), form }, vec![at]));
    }

    fn numbers(&mut self, at: usize, profile: &Profile) {
        self.codes(profile);
        let few = !profile.many && profile.words == 0 && profile.distinct.len() <= WHOLE;
        let repeated = profile.filled >= 5 * profile.distinct.len() as u64 || profile.distinct.len() == 2;
        if few && repeated && profile.whole == profile.numbers {
            return self.categorical(at, profile);
        }
        if profile.is_unique()
            && profile.whole == profile.numbers
            && profile.all.high - profile.all.low + 1.0 == profile.filled as f64
        {
            return self.leave_out(profile, "numbers the rows");
        }
        let train = profile.moments(self.parts_known);
        if train.count == 0 {
            return self.leave_out(profile, "empty in all training rows");
        }
        let column =
            Column::continuous(&profile.name, round(train.mean), round(train.deviation()), [train.low, train.high]);
        match column {
            Ok(column) => {
                let values = format!("{} to {}, mean {}", train.low, train.high, round(train.mean));
                self.note(profile, "continuous", values);
                self.table.push((column, at));
            }
            Err(_) => self.leave_out(profile, "the same in all training rows"),
        }
    }

    fn words(&mut self, at: usize, profile: &Profile) {
        let repeated = profile.filled >= 2 * profile.distinct.len() as u64;
        if !profile.many && profile.distinct.len() <= CATEGORIES && repeated {
            return self.categorical(at, profile);
        }
        let text = 2 * profile.spaced > profile.filled || profile.longest > 40;
        if profile.is_unique() && !text {
            return self.leave_out(profile, "another word in every row; add it as text if it means something");
        }
        if !text && !profile.many && repeated {
            return self.categorical(at, profile);
        }
        let form = text_form(profile, self.parts_known);
        let values = match &form {
            Form::Text { length, symbols: Symbols { vocabulary: Some(words), .. }, .. } => {
                format!("{} words, {length} places", words.len())
            }
            Form::Text { length, .. } => format!("characters, {length} places"),
            _ => String::new(),
        };
        self.note(profile, "text", values);
        self.modalities.push((ModalitySettings { name: profile.name.clone(), form }, vec![at]));
    }

    fn categorical(&mut self, at: usize, profile: &Profile) {
        if let Ok(column) = Column::categorical(&profile.name, profile.categories()) {
            self.note(profile, "categorical", values(profile));
            self.table.push((column, at));
        }
    }

    /// The modalities and the columns of each; the table comes last.
    fn modalities(&mut self) -> (Vec<ModalitySettings>, Vec<Vec<usize>>) {
        let (columns, places): (Vec<Column>, Vec<usize>) = std::mem::take(&mut self.table).into_iter().unzip();
        let mut all = std::mem::take(&mut self.modalities);
        if let Ok(columns) = Columns::new(columns) {
            let taken = |name: &str| all.iter().any(|(modality, _)| modality.name == name);
            let name = if taken("table") { "table of values" } else { "table" };
            all.push((ModalitySettings { name: name.into(), form: Form::Table { columns } }, places));
        }
        all.into_iter().unzip()
    }
}

/// Words where texts are long and repeat them, with a symbol for those that are rare or come later; else characters.
/// As means and deviations are, the words are those of the training rows, where it is known which they are.
fn text_form(profile: &Profile, parts_known: bool) -> Form {
    let counted = profile.vocabulary.iter().map(|(word, counts)| (word, counts[usize::from(parts_known)]));
    let mut words: Vec<(&String, u64)> = counted.collect();
    words.retain(|(_, count)| *count >= 2);
    words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let vocabulary: Vec<String> = words.into_iter().take(VOCABULARY).map(|(word, _)| word.clone()).collect();
    if profile.longest > 64 && vocabulary.len() >= 8 {
        // Words of about six letters and a space.
        let length = (profile.longest / 7).clamp(8, 128);
        return Form::Text {
            column: None,
            length,
            symbols: Symbols { vocabulary: Some(vocabulary), unknown: true, ..Symbols::default() },
        };
    }
    Form::Text { column: None, length: profile.longest.clamp(1, 256), symbols: Symbols::default() }
}

/// To six significant digits: what a person can read and correct.
fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

impl Proposal {
    /// The text of an experiment file, its path relative to the table's folder; remarks stand above it.
    ///
    /// # Errors
    /// [`ProposalError`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, ProposalError> {
        #[derive(Serialize)]
        struct Experiment<'a> {
            data: &'a Source,
        }
        let source = Source::Manifest(self.settings.clone());
        let body = toml::to_string(&Experiment { data: &source })?;
        let mut text = String::from(
            "# Proposed from the table; correct what is wrong, then run `dymo data check` on this file.\n",
        );
        self.remarks.iter().for_each(|remark| comment(&mut text, remark));
        self.columns.iter().filter(|column| column.role == "left out").for_each(|column| {
            comment(&mut text, &format!("column {} is left out: {}", column.name, column.values));
        });
        text.push('\n');
        text.push_str(&body);
        Ok(text)
    }

    /// What was found, for a person.
    pub fn summary(&self) -> String {
        let mut text = format!("{} rows\n", self.rows);
        let width =
            |get: fn(&ColumnSummary) -> &str| self.columns.iter().map(|c| get(c).chars().count()).max().unwrap_or(0);
        let (names, roles) = (width(|column| &column.name), width(|column| &column.role));
        for ColumnSummary { name, role, values, missing } in &self.columns {
            let gap = if *missing == 0 { String::new() } else { format!(" ({missing} missing)") };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:names$}  {role:roles$}  {values}{gap}");
        }
        if !self.classes.is_empty() {
            let classes: Vec<String> = self.classes.iter().map(|(name, count)| format!("{name} {count}")).collect();
            let _ = writeln!(text, "classes: {}", classes.join(", "));
        }
        for (there, count) in self.patterns.iter().take(12) {
            let named = self.settings.modalities.iter().zip(there).filter(|(_, there)| **there);
            let names: Vec<&str> = named.map(|(modality, _)| modality.name.as_str()).collect();
            let names = if names.is_empty() { "nothing".into() } else { names.join(" + ") };
            let _ = writeln!(text, "{count:>8} rows have {names}");
        }
        self.remarks.iter().for_each(|remark| {
            let _ = writeln!(text, "note: {remark}");
        });
        text
    }
}

/// A remark, on one line whatever a cell holds.
fn comment(text: &mut String, remark: &str) {
    let flat: String = remark.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(text, "# {flat}");
}
