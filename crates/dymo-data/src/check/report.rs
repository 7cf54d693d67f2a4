//! What a check reports.

use std::collections::HashMap;
use std::fmt;
use std::mem::{Discriminant, discriminant};

use dymo_core::ModalitySet;
use serde::Serialize;

use super::finding::{Finding, Severity};
use crate::manifest::{Blank, Changed, Problem};

/// Sizes of a modality's files that are shown one by one.
const GEOMETRIES: usize = 5;
/// Findings of one kind about rows and files that are shown one by one; all are in the data.
const LISTED: u64 = 20;

/// All that was found in a table and its files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// Rows of the table.
    pub rows: u64,
    /// Rows that are no sample, or have a file that cannot be read.
    pub bad_rows: u64,
    /// Rows of train, validation and test.
    pub parts: [u64; 3],
    /// Classes in their order.
    pub classes: Vec<ClassCount>,
    /// Modalities in their order.
    pub modalities: Vec<ModalityReport>,
    /// What is there together, the most frequent first.
    pub patterns: Vec<Pattern>,
    /// What should be looked at, the gravest first.
    pub findings: Vec<Finding>,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// Rows of train, validation and test.
    pub parts: [u64; 3],
}

/// One modality.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModalityReport {
    /// Its name.
    pub name: String,
    /// `image`, `volume`, `table` or `text`.
    pub kind: &'static str,
    /// Rows that have it.
    pub present: u64,
    /// Files that cannot be read.
    pub unreadable: u64,
    /// Files or texts that show nothing.
    pub blank: u64,
    /// Different sizes of its pictures or volumes, the most frequent first.
    pub geometries: Vec<(Geometry, u64)>,
    /// Columns of a table.
    pub columns: Vec<ColumnReport>,
}

/// How pictures or volumes lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Geometry {
    /// `[height, width]` of a picture, `[x, y, z]` of a volume.
    pub size: Vec<usize>,
    /// Size of a voxel in thousandths of the file's unit; empty for a picture.
    pub spacing_thousandths: Vec<u64>,
    /// Letters of a volume's axes, `RAS`; empty for a picture.
    pub orientation: String,
    /// Whether the file says how it lies; true for a picture.
    pub known: bool,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Cells with a value, among rows that can be read.
    pub present: u64,
    /// Cells without one.
    pub missing: u64,
    /// Categories and how often they came; empty for numbers.
    pub categories: Vec<(String, u64)>,
    /// Categories that the settings do not have, and how often they came; the first of them.
    pub unknown: Vec<(String, u64)>,
    /// Smallest and largest number seen; `None` for categories and where there is none.
    pub range: Option<[f64; 2]>,
}

/// Modalities that are there together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pattern {
    /// The modalities, by number.
    pub present: ModalitySet,
    /// Rows of train, validation and test that have just these.
    pub parts: [u64; 3],
}

impl Pattern {
    /// Rows of all parts.
    pub fn rows(&self) -> u64 {
        self.parts.iter().sum()
    }
}

impl CheckReport {
    /// The gravest finding's weight; `None` where nothing was found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(Finding::severity).max()
    }

    /// How many findings have that weight, those that are counted only included.
    pub fn count(&self, severity: Severity) -> u64 {
        self.findings.iter().filter(|finding| finding.severity() == severity).map(Finding::count).sum()
    }
}

impl CheckReport {
    /// What goes missing together, as a picture: a box for each modality, a bar for the number of rows.
    fn draw_patterns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 16;
        const LONGEST: u64 = 24;
        let largest = self.patterns.iter().map(Pattern::rows).max().unwrap_or(0).max(1);
        for pattern in self.patterns.iter().take(MOST) {
            let name = |i: usize| self.modalities.get(i).map_or("?", |modality| modality.name.as_str());
            let names: Vec<&str> = pattern.present.iter().map(name).collect();
            let boxes = (0..self.modalities.len()).map(|i| if pattern.present.contains(i) { '■' } else { '□' });
            let length = (pattern.rows() * LONGEST).div_ceil(largest) as usize;
            let bar = "█".repeat(length) + &" ".repeat(LONGEST as usize - length);
            writeln!(f, "  {} {bar} {} rows have {}", boxes.collect::<String>(), pattern.rows(), names.join(" + "))?;
        }
        match self.patterns.len().checked_sub(MOST) {
            Some(left @ 1..) => writeln!(f, "  and {left} patterns more"),
            _ => Ok(()),
        }
    }
}

impl CheckReport {
    /// One a line; of what is told of rows and files one by one, the first of each kind.
    fn list_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: HashMap<Kind<'_>, u64> = HashMap::new();
        for kind in self.findings.iter().filter_map(Kind::of) {
            *all.entry(kind).or_default() += 1;
        }
        let mut shown: HashMap<Kind<'_>, u64> = HashMap::new();
        for finding in &self.findings {
            let word = match finding.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let Some(kind) = Kind::of(finding) else {
                writeln!(f, "{word}: {finding}")?;
                continue;
            };
            let nth = shown.entry(kind).or_default();
            *nth += 1;
            if *nth <= LISTED {
                writeln!(f, "{word}: {finding}")?;
            }
            if let (LISTED, more @ 1..) = (*nth, all[&kind].saturating_sub(LISTED)) {
                writeln!(f, "{word}: and {more} more of this kind")?;
            }
        }
        Ok(())
    }
}

/// A kind of what is told of each row or file for itself. What is wrong with cells counts by column: another column has another cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind<'a> {
    Row(Discriminant<Problem>, Option<&'a str>),
    Blank(Discriminant<Blank>),
    Changed(Discriminant<Changed>),
    SameContent,
    SubjectInTwoParts,
}

impl<'a> Kind<'a> {
    fn of(finding: &'a Finding) -> Option<Self> {
        match finding {
            Finding::Row(problem) => Some(Self::Row(discriminant(problem), problem.column())),
            Finding::Blank { blank, .. } => Some(Self::Blank(discriminant(blank))),
            Finding::Changed { changed, .. } => Some(Self::Changed(discriminant(changed))),
            Finding::SameContent { .. } => Some(Self::SameContent),
            Finding::SubjectInTwoParts { .. } => Some(Self::SubjectInTwoParts),
            _ => None,
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [train, validation, test] = self.parts;
        writeln!(
            f,
            "{} rows: {train} train, {validation} validation, {test} test; {} cannot be used",
            self.rows, self.bad_rows
        )?;
        for ClassCount { name, parts: [train, validation, test] } in &self.classes {
            writeln!(f, "  class {name}: {train} train, {validation} validation, {test} test")?;
        }
        for modality in &self.modalities {
            write!(f, "  {} ({}): {} present", modality.name, modality.kind, modality.present)?;
            if modality.unreadable + modality.blank > 0 {
                write!(f, ", {} unreadable, {} blank", modality.unreadable, modality.blank)?;
            }
            writeln!(f)?;
            for (geometry, count) in modality.geometries.iter().take(GEOMETRIES) {
                writeln!(f, "    {count} × {geometry}")?;
            }
            let others = modality.geometries.get(GEOMETRIES..).unwrap_or_default();
            if !others.is_empty() {
                let files: u64 = others.iter().map(|(_, count)| count).sum();
                writeln!(f, "    {files} × {} other geometries", others.len())?;
            }
        }
        self.draw_patterns(f)?;
        self.list_findings(f)
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size: Vec<String> = self.size.iter().map(ToString::to_string).collect();
        f.write_str(&size.join("×"))?;
        if self.spacing_thousandths.is_empty() {
            return Ok(());
        }
        let spacing: Vec<String> = self.spacing_thousandths.iter().map(|&n| (n as f64 / 1000.0).to_string()).collect();
        let known = if self.known { "" } else { " (assumed)" };
        write!(f, " voxels of {}, {}{known}", spacing.join("×"), self.orientation)
    }
}
