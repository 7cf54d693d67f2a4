//! What is proposed, as text for a file and for a person.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::draft::{ColumnSummary, Draft, there, values};
use super::profile::Profile;
use super::roles::{self, Roles};
use super::{InitOptions, Seen};
use crate::manifest::{Division, ManifestError, ManifestSettings};
use crate::source::Source;

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
    mut profiles: Vec<Profile>,
    seen: Seen,
    options: &InitOptions,
) -> Result<Proposal, ProposalError> {
    let roles = Roles::find(&profiles, options);
    let words = roles.label.map_or(Vec::new(), |at| profiles[at].take_words_for_classes());
    let folder = path.parent().unwrap_or(Path::new(""));
    let parts_known = roles.split.is_some_and(|split| profiles[split].names_parts());
    let mut draft = Draft::new(parts_known);
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
            settings.classes = draft.classes(&profiles[at], &words);
        }
    }
    let mut markers: Vec<String> = profiles.iter().flat_map(|profile| profile.markers.keys().cloned()).collect();
    markers.sort();
    markers.dedup();
    if !markers.is_empty() {
        let in_label =
            if words.iter().any(|(word, _)| markers.contains(word)) { ", but for the label's classes" } else { "" };
        draft.remarks.push(format!(
            "cells that read {} count as missing{in_label}; correct data.missing if they do not",
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
