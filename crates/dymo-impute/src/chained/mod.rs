//! Iterative multivariate imputation by chained regressions: every column is predicted from all others, round after round, until what
//! is filled in stays.
//!
//! Gaps start at the mean or the most frequent category. In a round each column, those with the fewest gaps first, is regressed on all
//! others where it is known (ridge regression for numbers, multinomial logistic regression for categories) and its gaps are predicted
//! anew. The method is van Buuren and Groothuis-Oudshoorn's (mice, 2011) without drawing from posteriors.

mod cholesky;
mod design;
mod regression;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::design::{Design, features};
use self::regression::{Regression, logistic, ridge};
use crate::centre::largest;
use crate::error::ImputeError;
use crate::field::Field;

/// How a chain is fitted and followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChainSettings {
    /// Most rounds over all columns, in fitting and in filling.
    pub rounds: usize,
    /// Arrived when no number moves by more than this share of the largest known one, and no category changes.
    pub tolerance: f64,
    /// Weight λ of ‖w‖² in the squared error, and of ½‖w‖² in the cross-entropy, both summed over samples; above 0.
    pub penalty: f64,
}

impl Default for ChainSettings {
    fn default() -> Self {
        Self { rounds: 10, tolerance: 1e-3, penalty: 1.0 }
    }
}

/// What moved in a round of fitting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// The round, from 1.
    pub round: usize,
    /// Largest move of a number that is filled in, in standard deviations.
    pub largest_move: f64,
    /// Share of the categories filled in that changed.
    pub changed: f64,
    /// Whether nothing moves any more by more than the tolerance.
    pub arrived: bool,
}

/// How a row was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Rounds made.
    pub rounds: usize,
    /// Whether they ended because nothing moved any more.
    pub arrived: bool,
}

/// Fitted regressions, one a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    fields: Vec<Field>,
    settings: ChainSettings,
    /// Mean or most frequent category of each column: where gaps start.
    start: Vec<f32>,
    /// Columns in the order in which they are predicted.
    order: Vec<usize>,
    regressions: Vec<Regression>,
    /// Largest known number, in standard deviations.
    largest: f64,
}

impl Chain {
    /// Fits on `rows [n, columns]`, NaN where a cell is missing. `watch` sees the chain after every round and answers whether to go on.
    ///
    /// # Errors
    /// [`ImputeError`]: there is no row, rows of another width, a regression without solution, or `watch` said no.
    pub fn fit(
        fields: &[Field],
        rows: &[f32],
        settings: &ChainSettings,
        watch: &mut dyn FnMut(&Self, Round) -> bool,
    ) -> Result<Self, ImputeError> {
        let width = fields.len();
        if rows.is_empty() || width == 0 {
            return Err(ImputeError::NoSample);
        }
        if !rows.len().is_multiple_of(width) {
            return Err(ImputeError::Width { found: rows.len() % width, wanted: width });
        }
        let mut chain = Self::start(fields, rows, settings);
        let mut table = rows.to_vec();
        table.chunks_exact_mut(width).for_each(|row| chain.begin(row));
        for round in 1..=settings.rounds.max(1) {
            let before = table.clone();
            for column in chain.order.clone() {
                chain.fit_column(column, rows, &mut table)?;
            }
            let moved = chain.moved(rows, &before, &table, round);
            if !watch(&chain, moved) {
                return Err(ImputeError::Stopped);
            }
            if moved.arrived {
                break;
            }
        }
        Ok(chain)
    }

    fn start(fields: &[Field], rows: &[f32], settings: &ChainSettings) -> Self {
        let width = fields.len();
        let column = |c: usize| rows.iter().skip(c).step_by(width).copied().filter(|value| !value.is_nan());
        let middle = |(c, field): (usize, &Field)| match field {
            Field::Number => {
                let (sum, count) = column(c).fold((0.0, 0u32), |(sum, n), value| (sum + f64::from(value), n + 1));
                if count > 0 { (sum / f64::from(count)) as f32 } else { 0.0 }
            }
            Field::Categories(k) => {
                let mut votes = vec![0u32; (*k).max(1)];
                column(c).for_each(|value| votes[Field::category(value, *k)] += 1);
                largest(&votes) as f32
            }
        };
        let start: Vec<f32> = fields.iter().enumerate().map(middle).collect();
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by_key(|c| (std::cmp::Reverse(column(*c).count()), *c));
        let numbers = |c: &usize| fields[*c] == Field::Number;
        let top = (0..width).filter(numbers).flat_map(column).fold(0.0f64, |top, v| top.max(f64::from(v).abs()));
        let regressions = start.iter().map(|value| Regression::Constant(*value)).collect();
        Self { fields: fields.into(), settings: settings.clone(), start, order, regressions, largest: top }
    }

    fn begin(&self, row: &mut [f32]) {
        row.iter_mut().zip(&self.start).filter(|(v, _)| v.is_nan()).for_each(|(value, start)| *value = *start);
    }

    /// Regresses one column on all others, and predicts its gaps.
    fn fit_column(&mut self, column: usize, rows: &[f32], table: &mut [f32]) -> Result<(), ImputeError> {
        let width = self.fields.len();
        let (known, gaps): (Vec<usize>, Vec<usize>) =
            (0..rows.len() / width).partition(|row| !rows[row * width + column].is_nan());
        if known.is_empty() {
            return Ok(());
        }
        let design = Design::without(&self.fields, table, column, &known);
        let penalty = self.settings.penalty;
        let fitted = match self.fields[column] {
            Field::Number => {
                let targets: Vec<f64> = known.iter().map(|row| f64::from(rows[row * width + column])).collect();
                ridge(&design, &targets, penalty).map(Regression::Linear)
            }
            Field::Categories(k) => {
                let category = |row: &usize| Field::category(rows[row * width + column], k);
                let categories: Vec<usize> = known.iter().map(category).collect();
                if categories.iter().all(|c| *c == categories[0]) {
                    Some(Regression::Constant(categories[0] as f32))
                } else {
                    let start = match std::mem::replace(&mut self.regressions[column], Regression::Constant(0.0)) {
                        Regression::Choice(weights) => weights,
                        _ => vec![vec![0.0; design.width()]; k],
                    };
                    logistic(&design, &categories, penalty, start).map(Regression::Choice)
                }
            }
        };
        self.regressions[column] = fitted.ok_or(ImputeError::Singular { column })?;
        for row in gaps {
            let cells = &mut table[row * width..(row + 1) * width];
            let value = self.predict(column, cells);
            cells[column] = value;
        }
        Ok(())
    }

    fn predict(&self, column: usize, row: &[f32]) -> f32 {
        let mut seen = Vec::new();
        features(&self.fields, row, column, &mut seen);
        self.regressions[column].predict(&seen)
    }

    /// What a round has moved where `rows` have gaps.
    fn moved(&self, rows: &[f32], before: &[f32], after: &[f32], round: usize) -> Round {
        let (mut largest_move, mut changed, mut categories) = (0.0f64, 0u32, 0u32);
        for (i, _) in rows.iter().enumerate().filter(|(_, value)| value.is_nan()) {
            match self.fields[i % self.fields.len()] {
                Field::Number => largest_move = largest_move.max(f64::from(after[i] - before[i]).abs()),
                Field::Categories(_) => {
                    categories += 1;
                    changed += u32::from(after[i] != before[i]);
                }
            }
        }
        let arrived = changed == 0 && largest_move <= self.settings.tolerance * self.largest;
        Round { round, largest_move, changed: f64::from(changed) / f64::from(categories.max(1)), arrived }
    }

    /// Fills the gaps of one row, `[columns]`, with the regressions as they were at the end of fitting, over and over until nothing
    /// moves. A row of which nothing is known gets mean and mode. Values beyond the columns are not touched.
    pub fn fill(&self, row: &mut [f32]) -> Filled {
        let width = self.fields.len();
        let Some(row) = row.get_mut(..width) else { return Filled { rounds: 0, arrived: false } };
        let given = row.to_vec();
        self.begin(row);
        let gaps = given.iter().filter(|value| value.is_nan()).count();
        if gaps == 0 || gaps == width {
            return Filled { rounds: 0, arrived: true };
        }
        for round in 1..=self.settings.rounds.max(1) {
            let before = row.to_vec();
            for column in self.order.iter().copied().filter(|c| given[*c].is_nan()) {
                let value = self.predict(column, row);
                row[column] = value;
            }
            if self.moved(&given, &before, row, round).arrived {
                return Filled { rounds: round, arrived: true };
            }
        }
        Filled { rounds: self.settings.rounds.max(1), arrived: false }
    }

    /// Mean or most frequent category of each column.
    pub fn centre(&self) -> &[f32] {
        &self.start
    }

    /// The columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether a chain that was read from a file can be followed: lengths, places and numbers fit together.
    pub fn is_sound(&self) -> bool {
        let width = self.fields.len();
        let seen =
            |column: usize| 1 + (0..width).filter(|c| *c != column).map(|c| self.fields[c].width()).sum::<usize>();
        let fits = |w: &Vec<f64>, column: usize| w.len() == seen(column) && w.iter().all(|v| v.is_finite());
        let regression = |(column, it): (usize, &Regression)| match (it, self.fields[column]) {
            (Regression::Constant(value), _) => value.is_finite(),
            (Regression::Linear(w), Field::Number) => fits(w, column),
            (Regression::Choice(rows), Field::Categories(k)) => rows.len() == k && rows.iter().all(|w| fits(w, column)),
            _ => false,
        };
        self.start.len() == width
            && self.regressions.len() == width
            && self.start.iter().all(|value| value.is_finite())
            && self.order.iter().all(|column| *column < width)
            && self.regressions.iter().enumerate().all(regression)
    }
}
