//! From a table to a proposal: which column is what, ready to be corrected by who knows the data.
//!
//! The table is read once, in bounded memory; of pictures and volumes the first few are opened. Nothing is decided for
//! good: the proposal is the text of an experiment file, with a remark on every guess.
//!
//! ```no_run
//! let proposal = dymo_data::init::propose(std::path::Path::new("patients.csv"), &Default::default())?;
//! println!("{}", proposal.summary());
//! std::fs::write("experiment.toml", proposal.to_toml()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod draft;
mod files;
mod profile;
mod proposal;
mod roles;
mod written;

pub use draft::ColumnSummary;
pub use proposal::{Proposal, ProposalError};

use std::path::Path;

use csv::ByteRecord;

use crate::manifest::{ManifestError, Records, Split, line_ends};
use profile::Profile;

/// What a proposal may be told beforehand.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The column of the class, where its name does not say so.
    pub label: Option<String>,
    /// The column that names each sample.
    pub id: Option<String>,
    /// The column of the part.
    pub split: Option<String>,
    /// The column of what must not lie in two parts.
    pub subject: Option<String>,
    /// Columns to leave out.
    pub leave_out: Vec<String>,
    /// Seed of the parts, where there is no column of them.
    pub seed: Option<u64>,
}

/// Reads a table and proposes how to use it.
///
/// # Errors
/// A [`ProposalError`] when the file cannot be read, is no table, or breaks off; when `options` name a column that it does not have;
/// when nothing of it can be used.
pub fn propose(path: &Path, options: &InitOptions) -> Result<Proposal, ProposalError> {
    let mut records = Records::open(path)?;
    let names = records.names().to_vec();
    options.check(path, &names)?;
    let mut profiles: Vec<Profile> = names.iter().map(|name| Profile::new(name, path.parent())).collect();
    let split = roles::split_column(&names, options);
    let mut seen = Seen::default();
    let mut record = ByteRecord::new();
    loop {
        let next = records.next(&mut record);
        let next = next.map_err(|b| ManifestError::Broken { path: path.to_owned(), line: b.line, cause: b.cause })?;
        let Some(line) = next else { break };
        if record.len() != names.len() {
            seen.odd += 1;
            let ends = line_ends(&record);
            seen.swallowed = seen.swallowed.or((ends > 0).then_some([line, line + ends]));
            continue;
        }
        let cells: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        let train = split.is_some_and(|split| Split::parse(&cells[split]) == Some(Split::Train));
        for (profile, cell) in profiles.iter_mut().zip(&cells) {
            profile.add(cell, line, train);
        }
        seen.rows += 1;
        seen.pattern(&cells, line);
    }
    if seen.rows == 0 {
        return Err(ProposalError::NoRow { path: path.to_owned(), columns: names.len(), odd: seen.odd });
    }
    proposal::build(path, profiles, seen, options)
}

impl InitOptions {
    /// Sees that every column that is named is there, and none for two things; a subject may be the id.
    fn check(&self, path: &Path, names: &[String]) -> Result<(), ProposalError> {
        let one = |what, column: &Option<String>| column.clone().map(|column| (what, column));
        let roles =
            [one("id", &self.id), one("label", &self.label), one("split", &self.split), one("subject", &self.subject)];
        let left_out = self.leave_out.iter().map(|column| ("column to leave out", column.clone()));
        let mut seen: Vec<(&'static str, String)> = Vec::new();
        for (what, column) in roles.into_iter().flatten().chain(left_out) {
            let path = path.to_owned();
            if !names.contains(&column) {
                return Err(ProposalError::NoColumn { path, what, column, found: names.to_vec() });
            }
            let other = seen.iter().find(|(other, known)| *known == column && (*other, what) != ("id", "subject"));
            if let Some((other, _)) = other.filter(|(other, _)| *other != what) {
                return Err(ProposalError::TwoUses { path, column, uses: [other, what] });
            }
            seen.push((what, column));
        }
        Ok(())
    }
}

/// Missing patterns that are kept apart; a table of many columns may have as many as rows.
const PATTERNS: usize = 4096;

/// What is counted over whole rows.
#[derive(Debug, Default)]
struct Seen {
    rows: u64,
    /// Rows with another number of cells than columns.
    odd: u64,
    /// Where the first of these that goes over several lines begins and ends.
    swallowed: Option<[u64; 2]>,
    /// By which columns are filled: how many rows, and the line of the first. Beyond [`PATTERNS`], only those already there.
    patterns: std::collections::HashMap<Vec<bool>, (u64, u64)>,
}

impl Seen {
    fn pattern(&mut self, cells: &[std::borrow::Cow<'_, str>], line: u64) {
        let filled: Vec<bool> = cells.iter().map(|cell| !profile::looks_missing(cell)).collect();
        if self.patterns.len() < PATTERNS || self.patterns.contains_key(&filled) {
            self.patterns.entry(filled).or_insert((0, line)).0 += 1;
        }
    }
}

#[cfg(test)]
mod tests;
