//! One column of a table, counted by class in bounded memory; whether it gives the class away.

use std::collections::BTreeMap;

use dymo_core::{Column, Values};

use super::finding::{By, Finding};
use super::report::ColumnReport;
use crate::manifest::Problem;

/// Bins of a column of numbers over the range in the settings; one more at either end for what lies outside.
const BINS: usize = 256;
/// Rows below which nothing is said about a column that gives the class away.
const LEAST: u64 = 20;
/// Rows of a class, and of the others, that a threshold must tell apart.
const LEAST_SIDE: u64 = 5;
/// Unknown categories that are kept.
const UNKNOWN: usize = 50;

/// One column so far.
pub(super) struct Tally {
    column: Column,
    present: u64,
    missing: u64,
    /// Training rows with a value.
    trained: u64,
    /// The same by category; of numbers nothing.
    trained_in: Vec<u64>,
    /// By bin or category, by class.
    counts: Vec<Vec<u64>>,
    /// By class: rows without a value.
    absent: Vec<u64>,
    unknown: BTreeMap<String, u64>,
    words: u64,
    first_word: Option<(u64, String)>,
    low: f64,
    high: f64,
    outside: u64,
    /// Of those outside: training rows.
    outside_trained: u64,
}

impl Tally {
    pub(super) fn new(column: &Column) -> Self {
        let bins = column.cardinality().unwrap_or(BINS + 2);
        Self {
            column: column.clone(),
            present: 0,
            missing: 0,
            trained: 0,
            trained_in: vec![0; column.cardinality().unwrap_or(0)],
            counts: vec![Vec::new(); bins],
            absent: Vec::new(),
            unknown: BTreeMap::new(),
            words: 0,
            first_word: None,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            outside: 0,
            outside_trained: 0,
        }
    }

    /// A value of a row of that class; NaN is missing.
    pub(super) fn add(&mut self, value: f32, class: usize, train: bool) {
        if value.is_nan() {
            self.missing += 1;
            return count(&mut self.absent, class);
        }
        self.present += 1;
        self.trained += u64::from(train);
        let bin = match self.column.range() {
            None => {
                let category = value as usize;
                if let Some(trained) = self.trained_in.get_mut(category) {
                    *trained += u64::from(train);
                }
                category
            }
            Some([low, high]) => {
                let number = self.column.restore(value);
                (self.low, self.high) = (self.low.min(number), self.high.max(number));
                // Standardised values are f32: the ends of the range come back nearly.
                let slack = 1e-5 * (high - low).max(low.abs()).max(high.abs());
                let outside = number < low - slack || number > high + slack;
                self.outside += u64::from(outside);
                self.outside_trained += u64::from(outside && train);
                let share = if high > low { (number - low) / (high - low) } else { 0.5 };
                // The cast saturates: what lies below is 0.
                ((share * BINS as f64).floor() + 1.0).min(BINS as f64 + 1.0) as usize
            }
        };
        if let Some(classes) = self.counts.get_mut(bin) {
            count(classes, class);
        }
    }

    /// A cell that could not be understood.
    pub(super) fn problem(&mut self, problem: &Problem) {
        match problem {
            Problem::Number { line, found, .. } => {
                self.words += 1;
                self.first_word.get_or_insert_with(|| (*line, found.clone()));
            }
            Problem::Category { found, .. } if self.unknown.len() < UNKNOWN || self.unknown.contains_key(found) => {
                *self.unknown.entry(found.clone()).or_default() += 1;
            }
            _ => {}
        }
    }

    pub(super) fn name(&self) -> &str {
        self.column.name()
    }

    pub(super) fn report(&self) -> ColumnReport {
        let total = |bin: usize| self.counts[bin].iter().sum();
        let names = self.column.categories().unwrap_or_default();
        ColumnReport {
            name: self.name().to_owned(),
            present: self.present,
            missing: self.missing,
            categories: names.iter().enumerate().map(|(bin, name)| (name.clone(), total(bin))).collect(),
            unknown: self.unknown.iter().map(|(name, &count)| (name.clone(), count)).collect(),
            range: (self.low <= self.high).then_some([self.low, self.high]),
        }
    }

    /// `trains`: whether there are training rows at all.
    pub(super) fn findings(&self, classes: &[String], trains: bool) -> Vec<Finding> {
        let column = || self.name().to_owned();
        let mut found = Vec::new();
        if let (Some((line, word)), true) = (&self.first_word, self.present > 0) {
            let (line, word, words, numbers) = (*line, word.clone(), self.words, self.present);
            found.push(Finding::TypeChange { column: column(), line, found: word, words, numbers });
        }
        if self.trained == 0 && trains {
            found.push(Finding::ColumnEmpty { column: column() });
        } else if self.counts.iter().filter(|bin| bin.iter().sum::<u64>() > 0).count() == 1
            && (self.column.cardinality().is_some() || self.low == self.high)
        {
            found.push(Finding::ColumnConstant { column: column() });
        }
        if let (true, Some(range)) = (self.outside > 0, self.column.range()) {
            let (count, training) = (self.outside, self.outside_trained);
            found.push(Finding::OutOfRange { column: column(), count, training, range });
        }
        for (bin, category) in self.column.categories().unwrap_or_default().iter().enumerate() {
            let (rows, category): (u64, _) = (self.counts[bin].iter().sum(), || category.clone());
            if self.present > 0 && rows == 0 {
                found.push(Finding::CategoryUnused { column: column(), category: category() });
            } else if self.trained > 0 && rows > 0 && self.trained_in[bin] == 0 {
                found.push(Finding::CategoryNotTrained { column: column(), category: category(), rows });
            }
        }
        found.extend(self.gives_away(classes));
        found
    }

    fn gives_away(&self, classes: &[String]) -> Option<Finding> {
        let all = classes.len();
        let filled: Vec<u64> = (0..all).map(|class| self.counts.iter().map(|bin| at(bin, class)).sum()).collect();
        if let Some(found) = filling_gives_away(self.name(), &[filled, self.absent.clone()], classes) {
            return Some(found);
        }
        let told = match self.column.values() {
            Values::Categorical { .. } => every_class(&self.counts).or_else(|| one_class(&self.counts, all)),
            Values::Continuous { .. } => by_threshold(&self.counts, all)
                .map(|(class, accuracy)| (Some(class), accuracy))
                .or_else(|| WIDTHS.iter().find_map(|width| one_class(&pooled(&self.counts, *width), all))),
        };
        told.map(|told| gives_away(self.name(), By::Value, told, classes))
    }
}

/// Whether it is filled tells the class: by class, the rows where it is and those where it is not.
pub(super) fn filling_gives_away(column: &str, rows: &[Vec<u64>; 2], classes: &[String]) -> Option<Finding> {
    let told = every_class(rows).or_else(|| one_class(rows, classes.len()))?;
    Some(gives_away(column, By::Absence, told, classes))
}

fn gives_away(column: &str, by: By, (class, accuracy): (Option<usize>, f64), classes: &[String]) -> Finding {
    let class = class.and_then(|class| classes.get(class)).cloned();
    Finding::GivesAway { column: column.to_owned(), by, class, accuracy }
}

/// Bins that are taken together to find values, or ranges of values, that one class has: few rows leave most of the narrow ones with one.
const WIDTHS: [usize; 3] = [1, 4, 16];

/// Neighbouring bins as one; those at either end, for what lies outside the range, stay alone.
fn pooled(counts: &[Vec<u64>], width: usize) -> Vec<Vec<u64>> {
    let Some(([first], [inner @ .., last])) = counts.split_first_chunk::<1>() else { return counts.to_vec() };
    let together = |bins: &[Vec<u64>]| {
        let classes = bins.iter().map(Vec::len).max().unwrap_or(0);
        (0..classes).map(|class| bins.iter().map(|bin| at(bin, class)).sum()).collect()
    };
    let ends = |bin: &Vec<u64>| std::iter::once(bin.clone());
    ends(first).chain(inner.chunks(width).map(together)).chain(ends(last)).collect()
}

/// Whether a row's category tells its class, whichever that is.
fn every_class(counts: &[Vec<u64>]) -> Option<(Option<usize>, f64)> {
    by_category(counts).map(|accuracy| (None, accuracy))
}

/// The class that a row's category tells best from all others, where it does.
fn one_class(counts: &[Vec<u64>], classes: usize) -> Option<(Option<usize>, f64)> {
    let against_others = |class: usize| -> Vec<Vec<u64>> {
        let split = |bin: &Vec<u64>| vec![at(bin, class), bin.iter().sum::<u64>() - at(bin, class)];
        counts.iter().map(split).collect()
    };
    let told = |class: usize| {
        let sides = against_others(class);
        let enough = (0..2).all(|side| sides.iter().map(|bin| bin[side]).sum::<u64>() >= LEAST_SIDE);
        Some((Some(class), by_category(&sides).filter(|_| enough)?))
    };
    (0..classes).filter_map(told).max_by(|a, b| a.1.total_cmp(&b.1))
}

pub(super) fn count(classes: &mut Vec<u64>, class: usize) {
    if classes.len() <= class {
        classes.resize(class + 1, 0);
    }
    classes[class] += 1;
}

fn at(classes: &[u64], class: usize) -> u64 {
    classes.get(class).copied().unwrap_or(0)
}

/// How often the most frequent class of a row's category is its own, each row judged by the others; `None` unless that
/// leaves less than a fifth of the errors that guessing the most frequent class makes, and at most one in twenty.
fn by_category(counts: &[Vec<u64>]) -> Option<f64> {
    let classes = counts.iter().map(Vec::len).max()?;
    let total: u64 = counts.iter().flatten().sum();
    let most = (0..classes).map(|class| counts.iter().map(|bin| at(bin, class)).sum::<u64>()).max()?;
    let right: u64 = counts
        .iter()
        .map(|bin| {
            let mut sorted = bin.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let (first, second) = (at(&sorted, 0), at(&sorted, 1));
            // Without itself, a row of the first class still finds it in front.
            if first > second + 1 { first } else { 0 }
        })
        .sum();
    let (accuracy, guess) = (right as f64 / total.max(1) as f64, most as f64 / total.max(1) as f64);
    (total >= LEAST && accuracy >= 0.95 && 1.0 - accuracy <= 0.2 * (1.0 - guess) && guess < 1.0).then_some(accuracy)
}

/// The class that one threshold tells best from all others, and the mean of the two rates of right answers; `None`
/// below 97 %.
fn by_threshold(counts: &[Vec<u64>], classes: usize) -> Option<(usize, f64)> {
    let total: u64 = counts.iter().flatten().sum();
    let mut best: Option<(usize, f64)> = None;
    for class in 0..classes {
        let own: u64 = counts.iter().map(|bin| at(bin, class)).sum();
        let others = total - own;
        if own < LEAST_SIDE || others < LEAST_SIDE || total < LEAST {
            continue;
        }
        let (mut own_below, mut others_below) = (0, 0);
        for bin in counts {
            own_below += at(bin, class);
            others_below += bin.iter().sum::<u64>() - at(bin, class);
            let balanced = (own_below as f64 / own as f64 + 1.0 - others_below as f64 / others as f64) / 2.0;
            let balanced = balanced.max(1.0 - balanced);
            if balanced >= 0.97 && best.is_none_or(|(_, rate)| balanced > rate) {
                best = Some((class, balanced));
            }
        }
    }
    best
}
