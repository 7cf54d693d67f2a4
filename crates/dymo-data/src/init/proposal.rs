//! What is proposed, as text for a file and for a person.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dymo_core::{Column, Columns};
use serde::Serialize;
use thiserror::Error;

use super::profile::Profile;
use super::roles::Roles;
use super::{InitOptions, Seen, files};
use crate::manifest::{Division, Form, ManifestSettings, ModalitySettings};
use crate::source::Source;
use crate::text::Symbols;

/// Most categories of a column that is proposed as categorical.
const CATEGORIES: usize = 40;
/// Most different whole numbers that are proposed as categories.
const WHOLE: usize = 6;
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

/// Why a proposal has no text.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// A value that TOML cannot hold.
    #[error("the proposal cannot be written as TOML: {0}; rename what is odd in the table's first row")]
    Toml(#[from] toml::ser::Error),
}

pub(super) fn build(path: &Path, profiles: Vec<Profile>, seen: Seen, options: &InitOptions) -> Proposal {
    let roles = Roles::find(&profiles, options);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut draft = Draft::default();
    for (at, profile) in profiles.iter().enumerate() {
        if !roles.contains(at) {
            draft.column(at, profile, folder, options.leave_out.contains(&profile.name));
        } else {
            let role = [(roles.id, "id"), (roles.label, "label"), (roles.split, "split"), (roles.subject, "subject")];
            let role = role.iter().find(|(place, _)| *place == Some(at)).map_or("", |(_, role)| role);
            draft.note(profile, role, values(profile));
        }
    }
    let (modalities, places) = draft.modalities();
    let mut settings = ManifestSettings::new(path.file_name().map_or(path.into(), PathBuf::from), modalities);
    let name = |at: Option<usize>| at.map(|at| profiles[at].name.clone());
    name(roles.id).into_iter().for_each(|name| settings.id = name);
    name(roles.label).into_iter().for_each(|name| settings.label = name);
    name(roles.split).into_iter().for_each(|name| settings.split = name);
    settings.subject = name(roles.subject);
    if roles.split.is_none() {
        settings.division =
            Some(Division { validation: 0.15, test: 0.15, seed: options.seed.unwrap_or(2025), fold: None });
        draft.remarks.push("no column of parts: they are drawn from a seed, see [data.division]".into());
    }
    if roles.id.is_none() {
        draft.remarks.push("no column names each row differently: add one, or set data.id".into());
    }
    match roles.label {
        None => draft.remarks.push("no column looks like the class: set data.label".into()),
        Some(at) => settings.classes = profiles[at].categories(),
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
    let classes = roles.label.map_or(Vec::new(), |at| {
        let count = |name: &String| (name.clone(), profiles[at].distinct.get(name).copied().unwrap_or(0));
        settings.classes.iter().map(count).collect()
    });
    let patterns = patterns(&seen, &places);
    Proposal { settings, rows: seen.rows, classes, columns: draft.columns, patterns, remarks: draft.remarks }
}

/// By modality: rows in which at least one of its columns is filled.
fn patterns(seen: &Seen, places: &[Vec<usize>]) -> Vec<(Vec<bool>, u64)> {
    let mut counts = std::collections::BTreeMap::<Vec<bool>, u64>::new();
    for (filled, count) in &seen.patterns {
        let there = places.iter().map(|columns| columns.iter().any(|&at| filled[at])).collect();
        *counts.entry(there).or_default() += count;
    }
    let mut patterns: Vec<_> = counts.into_iter().collect();
    patterns.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.cmp(&a.0)));
    patterns
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
}

impl Draft {
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
        if profile.distinct.len() == 1 && !profile.many {
            return self.leave_out(profile, "always the same");
        }
        self.type_change(profile);
        match most(profile.numbers) {
            true => self.numbers(at, profile),
            false => self.words(at, profile),
        }
    }

    fn type_change(&mut self, profile: &Profile) {
        if let (Some((line, word)), true) = (&profile.first_word, profile.numbers > 0) {
            let (numbers, words) = (profile.numbers, profile.words);
            self.remark(profile, format!("{numbers} numbers and {words} that are none, the first is {word:?} in line {line}; correct them, or add them to `missing`"));
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
        let few = !profile.many && profile.words == 0 && profile.distinct.len() <= WHOLE;
        let repeated = profile.filled >= 5 * profile.distinct.len() as u64 || profile.distinct.len() == 2;
        if few && repeated && profile.whole == profile.numbers {
            return self.categorical(at, profile);
        }
        if profile.is_unique()
            && profile.whole == profile.numbers
            && profile.high - profile.low + 1.0 == profile.filled as f64
        {
            return self.leave_out(profile, "numbers the rows");
        }
        let train = profile.train;
        let column =
            Column::continuous(&profile.name, round(train.mean), round(train.deviation()), [profile.low, profile.high]);
        match column {
            Ok(column) => {
                let values = format!("{} to {}, mean {}", profile.low, profile.high, round(train.mean));
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
        let form = text_form(profile);
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
        if all.is_empty() {
            self.remarks.push("no column can be used: there is nothing to classify by".into());
        }
        all.into_iter().unzip()
    }
}

/// Words where texts are long and repeat them, with a symbol for those that are rare or come later; else characters.
fn text_form(profile: &Profile) -> Form {
    let mut words: Vec<(&String, u64)> = profile.vocabulary.iter().map(|(word, &count)| (word, count)).collect();
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
