//! Sets of classes that hold the true one as often as promised (split conformal prediction).
//!
//! Fitted on held-out samples, which must be like those to come: drawn from the same source, with modalities missing in
//! the same way, and without a part in training. Then, over the drawing of both, a set holds the true class with at
//! least the stated coverage (Vovk, Gammerman, Shafer 2005), separately for every [`Cell`]. It is a promise on
//! average over the samples of a cell, not for each of them.

mod cells;
mod score;

pub use cells::{Cell, Scope};
pub use score::{SetScore, SetSettings};

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, check_length};
use crate::probabilities::Probabilities;

/// Which group each sample is of, under one way of grouping: its missing pattern, the number of its observed modalities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping<'a> {
    /// In words, as in "missing pattern".
    pub name: &'a str,
    /// `[N]`: the group of every sample, any number that stands for one (the bits of a set of modalities, a count).
    pub of: &'a [u64],
}

/// Thresholds for prediction sets, fitted on held-out samples. A plain value, to be kept with a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// What was asked for.
    pub settings: SetSettings,
    /// Number of classes.
    pub classes: usize,
    /// Names of the groupings, finest first.
    pub levels: Vec<String>,
    /// All thresholds. The last one is always [`Scope::StandIn`].
    pub cells: Vec<Cell>,
    /// Whether one sample stood for each of several subjects, so that the promise is about subjects: the words say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_subjects: bool,
}

/// Classes that may be the true one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionSet {
    /// The classes, the most probable first.
    pub classes: Vec<usize>,
    /// Place in [`Conformal::cells`] of the threshold that was used.
    pub cell: usize,
}

impl PredictionSet {
    /// Whether that class is among them.
    pub fn contains(&self, class: usize) -> bool {
        self.classes.contains(&class)
    }
}

impl Conformal {
    /// Fits thresholds to held-out samples. `groupings` go from the finest to the coarsest, and may be none. A group with
    /// at least [`SetSettings::least`] samples gets a threshold of its own; what is left over is grouped by the next
    /// grouping, and so on; what is left in the end shares one. So every sample belongs to one cell, and cells share
    /// no samples: the coverage of each is its own.
    ///
    /// ```
    /// use dymo_metrics::{Conformal, Grouping, Probabilities, SetSettings};
    /// // 200 samples whose class 0 has 0.8 in four of five cases, and 0.3 in the fifth.
    /// let values: Vec<f32> = (0..200).flat_map(|i| if i % 5 > 0 { [0.8, 0.2] } else { [0.3, 0.7] }).collect();
    /// let held_out = Probabilities::new(&values, 2)?;
    /// let pattern = [0b011; 200];
    /// let groupings = [Grouping { name: "missing pattern", of: &pattern }];
    /// let fitted = Conformal::fit(&held_out, &[0; 200], &groupings, SetSettings::new(0.9))?;
    /// let sets = fitted.sets(&held_out, &groupings)?;
    /// // To be right in nine of ten cases, the doubtful fifth needs both classes.
    /// assert_eq!((sets[0].classes.as_slice(), sets[1].classes.as_slice()), (&[1, 0][..], &[0][..]));
    /// # Ok::<(), dymo_metrics::MetricError>(())
    /// ```
    ///
    /// # Errors
    /// Settings outside their range, labels of another number or not below C, a grouping of another length.
    pub fn fit(
        probabilities: &Probabilities<'_>,
        labels: &[usize],
        groupings: &[Grouping<'_>],
        settings: SetSettings,
    ) -> Result<Self, MetricError> {
        Self::of_rows(probabilities, labels, groupings, |_| true, settings)
    }

    /// The same where samples come in several rows, in each with another group of the first grouping, such as another missing
    /// pattern: no group of it may hold a sample twice. `once[i]` marks one row of each sample. A group of the first grouping is
    /// fitted to all of its rows, for they are different samples; what is shared between groups, to the marked rows alone.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); also if `once` has another length.
    pub fn fit_looks(
        probabilities: &Probabilities<'_>,
        labels: &[usize],
        groupings: &[Grouping<'_>],
        once: &[bool],
        settings: SetSettings,
    ) -> Result<Self, MetricError> {
        check_length("once", once.len(), probabilities.len())?;
        Self::of_rows(probabilities, labels, groupings, |row| once[row], settings)
    }

    fn of_rows(
        probabilities: &Probabilities<'_>,
        labels: &[usize],
        groupings: &[Grouping<'_>],
        counts: impl Fn(usize) -> bool,
        settings: SetSettings,
    ) -> Result<Self, MetricError> {
        settings.check()?;
        check_groupings(groupings, probabilities.len())?;
        let own_score = |(place, (row, label)): (usize, (&[f32], usize))| {
            settings.score.of_classes(row, settings.draw(place, true))[label]
        };
        let scores: Vec<f64> = probabilities.with_labels(labels)?.enumerate().map(own_score).collect();
        Ok(Self {
            settings,
            classes: probabilities.classes(),
            levels: groupings.iter().map(|g| g.name.to_owned()).collect(),
            cells: cells::fit(&scores, groupings, counts, &settings),
            of_subjects: false,
        })
    }

    /// The set of each sample, `groupings` being those of [`fit`](Self::fit) in the same order. Where sets are randomised,
    /// the draw belongs to the place of a row, so rows that come in pieces must say where they begin:
    /// [`sets_from`](Self::sets_from).
    ///
    /// # Errors
    /// Another number of classes or groupings than was fitted, a grouping of another length than N.
    pub fn sets(
        &self,
        probabilities: &Probabilities<'_>,
        groupings: &[Grouping<'_>],
    ) -> Result<Vec<PredictionSet>, MetricError> {
        self.sets_from(0, probabilities, groupings)
    }

    /// The same for rows of which the first has that place among all.
    ///
    /// # Errors
    /// As [`sets`](Self::sets).
    pub fn sets_from(
        &self,
        first: usize,
        probabilities: &Probabilities<'_>,
        groupings: &[Grouping<'_>],
    ) -> Result<Vec<PredictionSet>, MetricError> {
        check_length("classes", probabilities.classes(), self.classes)?;
        check_length("groupings", groupings.len(), self.levels.len())?;
        check_groupings(groupings, probabilities.len())?;
        let set = |(place, row): (usize, &[f32])| {
            let cell = self.cell_of(|level| groupings[level].of[place]);
            let draw = self.settings.draw(first + place, false);
            PredictionSet { classes: self.classes_of(row, draw, self.cells[cell].threshold), cell }
        };
        Ok(probabilities.rows().enumerate().map(set).collect())
    }

    /// The classes with a score up to the threshold, the most probable first.
    fn classes_of(&self, row: &[f32], draw: f64, threshold: Option<f64>) -> Vec<usize> {
        let order = score::descending(row);
        let Some(threshold) = threshold else { return order };
        let scores = self.settings.score.of_classes(row, draw);
        let mut inside: Vec<usize> = order.iter().copied().filter(|&class| scores[class] <= threshold).collect();
        if inside.is_empty() && !self.settings.allow_empty {
            inside.extend(order.first());
        }
        inside
    }

    /// The first cell that holds a sample of these groups.
    fn cell_of(&self, group_at: impl Fn(usize) -> u64) -> usize {
        let holds = |cell: &Cell| match cell.scope {
            Scope::Group { level, group } => group_at(level) == group,
            Scope::Rest | Scope::StandIn => true,
        };
        // Cells stand in the order of levels, and the last one holds everything.
        self.cells.iter().position(holds).unwrap_or_default()
    }

    /// What a cell promises and on what that rests, in a sentence. `name` says what a group of a grouping is called, as
    /// in "image and text"; where it has no name the number is shown.
    pub fn in_words(&self, cell: &Cell, name: impl Fn(&str, u64) -> Option<String>) -> String {
        let per_cent = (1e4 * self.settings.coverage).round() / 100.0;
        let n = cell.n;
        let (samples, of_subjects) = match self.of_subjects {
            false => ("samples", ""),
            true => ("subjects", " of subjects, of each a sample taken at random"),
        };
        match cell.scope {
            Scope::StandIn => format!(
                "no promise: too few held-out {samples} were like this one; the widest of all thresholds stands in for the \
                 {per_cent} % that were asked for"
            ),
            Scope::Rest => {
                format!(
                    "at least {per_cent} %{of_subjects}, on average over all {samples} without a group of their own ({n})"
                )
            }
            Scope::Group { level, group } => {
                let level_name = self.levels.get(level).map_or("group", String::as_str);
                let group_name = name(level_name, group).unwrap_or_else(|| group.to_string());
                let fallback = if level == 0 {
                    ""
                } else {
                    "; patterns too rare for a threshold of their own share this one, so it holds on average over them"
                };
                format!(
                    "at least {per_cent} %{of_subjects}, by {n} held-out {samples} of {level_name} {group_name}{fallback}"
                )
            }
        }
    }
}

fn check_groupings(groupings: &[Grouping<'_>], samples: usize) -> Result<(), MetricError> {
    groupings.iter().try_for_each(|grouping| check_length("grouping", grouping.of.len(), samples))
}

/// For each sample whether its set holds its label.
///
/// # Errors
/// Slices of different lengths.
pub fn covered(sets: &[PredictionSet], labels: &[usize]) -> Result<Vec<bool>, MetricError> {
    check_length("labels", labels.len(), sets.len())?;
    Ok(sets.iter().zip(labels).map(|(set, &label)| set.contains(label)).collect())
}

#[cfg(test)]
mod tests;
