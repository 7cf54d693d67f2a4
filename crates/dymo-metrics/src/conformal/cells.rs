//! Thresholds, and which samples share one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Grouping, SetSettings};
use crate::Interval;
use crate::error::{MetricError, check_level};
use crate::shares::beta_quantile;

/// Samples that share a threshold, and the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which samples.
    pub scope: Scope,
    /// Held-out samples that it was fitted to.
    pub n: usize,
    /// The largest score of a class in a set; `None` lets every class in.
    pub threshold: Option<f64>,
}

/// Which samples a cell holds: those of no cell before it that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Those of one group of one grouping.
    Group {
        /// Place of the grouping, the finest first.
        level: usize,
        /// Its group.
        group: u64,
    },
    /// All that no group holds.
    Rest,
    /// All for which there were too few samples to fit anything. The widest threshold of all cells, and of all samples
    /// together, stands in; **it promises nothing**.
    StandIn,
}

impl Cell {
    /// Between which ends the coverage over all samples to come lies with that confidence, now that the held-out ones are
    /// drawn: it follows a beta distribution if scores have no ties, and is above it if they have. `None` where nothing
    /// is promised, or where all classes are let in.
    ///
    /// # Errors
    /// A level outside 0..1.
    pub fn coverage_to_come(&self, settings: &SetSettings, level: f64) -> Result<Option<Interval>, MetricError> {
        check_level(level)?;
        if self.scope == Scope::StandIn || self.threshold.is_none() {
            return Ok(None);
        }
        let rank = rank(self.n, settings.coverage) as f64;
        let (a, b) = (rank, self.n as f64 + 1.0 - rank);
        let tail = (1.0 - level) / 2.0;
        let (low, high) = (beta_quantile(a, b, tail), beta_quantile(a, b, 1.0 - tail));
        Ok(Some(Interval { estimate: a / (a + b), low, high, n: self.n }))
    }
}

/// The cells of held-out samples with these scores, in the order in which they are looked through. Groups of the first grouping
/// are of all rows, everything else of those for which `counts`.
pub(super) fn fit(
    scores: &[f64],
    groupings: &[Grouping<'_>],
    counts: impl Fn(usize) -> bool,
    settings: &SetSettings,
) -> Vec<Cell> {
    let possible = fewest(settings.coverage);
    let least = settings.least.max(possible);
    let mut left: Vec<usize> = (0..scores.len()).collect();
    let mut cells = Vec::new();
    let cell = |scope, members: &[usize]| {
        let own = members.iter().map(|&i| scores[i]).collect();
        Cell { scope, n: members.len(), threshold: threshold(own, settings.coverage) }
    };
    for (level, grouping) in groupings.iter().enumerate() {
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for &i in &left {
            groups.entry(grouping.of[i]).or_default().push(i);
        }
        groups.retain(|_, members| members.len() >= least);
        cells.extend(groups.iter().map(|(&group, members)| cell(Scope::Group { level, group }, members)));
        left.retain(|&i| !groups.contains_key(&grouping.of[i]) && counts(i));
    }
    left.retain(|&i| counts(i));
    if left.len() >= possible {
        cells.push(cell(Scope::Rest, &left));
    }
    let all: Vec<usize> = (0..scores.len()).filter(|&i| counts(i)).collect();
    let together = cell(Scope::StandIn, &all);
    let widest = cells.iter().map(|cell| cell.threshold).fold(together.threshold, |a, b| Some(a?.max(b?)));
    cells.push(Cell { threshold: widest, ..together });
    cells
}

/// The smallest score that, of n + 1 exchangeable ones, is at least as large as the last with the stated
/// probability: the ⌈(n + 1)·coverage⌉-th smallest of n. `None` if that is beyond the n-th.
fn threshold(mut scores: Vec<f64>, coverage: f64) -> Option<f64> {
    let rank = rank(scores.len(), coverage);
    scores.sort_by(f64::total_cmp);
    scores.get(rank - 1).copied()
}

/// ⌈(n + 1)·coverage⌉, at least 1. What rounding puts above a whole number is not rounded up.
fn rank(n: usize, coverage: f64) -> usize {
    (((n + 1) as f64 * coverage - 1e-9).ceil() as usize).max(1)
}

/// The fewest samples that promise a coverage with less than all classes.
fn fewest(coverage: f64) -> usize {
    let mut n = ((coverage / (1.0 - coverage)).floor() as usize).max(1);
    while rank(n, coverage) > n {
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_counts_the_sample_to_come() {
        let scores: Vec<f64> = (1..=9).map(f64::from).collect();
        assert_eq!(threshold(scores.clone(), 0.9), Some(9.0));
        assert_eq!(threshold(scores[..8].to_vec(), 0.9), None);
        assert_eq!(threshold(scores, 0.5), Some(5.0));
        assert_eq!([0.9, 0.95, 0.5, 0.01].map(fewest), [9, 19, 1, 1]);
        for n in 1..400 {
            assert!(rank(n, 0.7) as f64 >= (n + 1) as f64 * 0.7 - 1e-6);
        }
    }

    #[test]
    fn the_coverage_to_come_is_a_beta() {
        let cell = Cell { scope: Scope::Rest, n: 1_000, threshold: Some(0.5) };
        let found = cell.coverage_to_come(&SetSettings::new(0.9), 0.9).unwrap().unwrap();
        // Beta(901, 100): mean 0.9001, standard deviation 0.0095
        assert!((found.estimate - 901.0 / 1001.0).abs() < 1e-12);
        assert!(
            (found.low - (0.9001 - 1.645 * 0.0095)).abs() < 1e-3 && (found.high - 0.9152).abs() < 1e-3,
            "{found:?}"
        );
        let promises_nothing = Cell { scope: Scope::StandIn, ..cell };
        assert_eq!(promises_nothing.coverage_to_come(&SetSettings::new(0.9), 0.9).unwrap(), None);
    }
}
