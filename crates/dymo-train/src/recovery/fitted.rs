//! Recovery models that are fitted in one go: chained regressions, and training samples that lend their values.

use std::sync::atomic::Ordering;
use std::time::Instant;

use dymo_core::ModalitySet;
use dymo_data::{Samples, at_most, complete, read_batch};
use dymo_impute::{Centre, Chain, ChainSettings, Donor, Donors, Field, ImputeError, Round, fields};
use rand::RngExt;

use super::{VALIDATION_SAMPLES, kinds};
use crate::batch::{Purpose, epoch_order, generator};
use crate::error::TrainError;
use crate::trainer::{History, Point, Progress, Run};

/// What was fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum FittedModel {
    /// Regressions over the columns of all tables.
    Chain(Chain),
    /// Training samples, or one that is the middle of all.
    Donors(Donors),
}

/// A fit and how it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// What was fitted.
    pub model: FittedModel,
    /// What moved, round by round.
    pub history: History,
    /// Rounds made.
    pub rounds: usize,
    /// Training samples that it was fitted on.
    pub samples: usize,
    /// Seconds spent.
    pub seconds: f64,
}

/// Samples that are read at a time.
const CHUNK: usize = 256;
/// Share of the known cells of held-out tables that is hidden to see how well it is filled in.
const HIDDEN: f64 = 0.3;

/// Fits IMI on the tables of at most `limit` samples that have one. After every round its convergence and its error on hidden cells of
/// `held_out` go into the history.
///
/// # Errors
/// If a sample cannot be read, no sample has a table, or a regression has no solution; [`TrainError::Stopped`] on request.
pub fn fit_chain(
    settings: &ChainSettings,
    samples: &dyn Samples,
    limit: usize,
    held_out: &dyn Samples,
    run: Run<'_>,
) -> Result<Fitted, TrainError> {
    let began = Instant::now();
    let columns: Vec<Field> = kinds(samples.schema()).iter().filter_map(fields).flatten().collect();
    let rows = tables(samples, limit)?;
    let judge = Hidden::new(&columns, tables(held_out, VALIDATION_SAMPLES)?, run.seed);
    let mut history = History::new();
    let mut rounds = 0;
    let fitted = Chain::fit(&columns, &rows, settings, &mut |chain, round| {
        rounds = round.round;
        let mut ended = moved(round);
        ended.extend(judge.errors(chain));
        let point = |(q, v): &(String, f64)| Point { quantity: q.clone(), epoch: round.round as f64, value: *v };
        history.extend(ended.iter().map(point));
        (run.progress)(&Progress {
            stage: "IMI recovery",
            step: round.round,
            steps: settings.rounds,
            epoch: round.round - 1,
            epochs: settings.rounds,
            loss: round.largest_move,
            ended: Some(&ended),
        });
        !run.stop.load(Ordering::Relaxed)
    });
    let chain = fitted.map_err(|error| match error {
        ImputeError::Stopped => TrainError::Stopped { stage: "IMI recovery".into(), step: rounds },
        other => other.into(),
    })?;
    let (samples, seconds) = (rows.len() / columns.len(), began.elapsed().as_secs_f64());
    Ok(Fitted { model: FittedModel::Chain(chain), history, rounds, samples, seconds })
}

fn moved(round: Round) -> Vec<(String, f64)> {
    vec![
        ("convergence: largest move of a number, deviations".into(), round.largest_move),
        ("convergence: share of categories changed".into(), round.changed),
    ]
}

/// All tables side by side of the first `limit` samples that have one, `[·, columns]`; NaN where a table or an entry is missing.
fn tables(samples: &dyn Samples, limit: usize) -> Result<Vec<f32>, TrainError> {
    let modalities = samples.schema().modalities().iter().enumerate();
    let tables: Vec<(usize, usize)> =
        modalities.filter_map(|(m, modality)| Some((m, modality.columns()?.len()))).collect();
    let all: ModalitySet = tables.iter().map(|(m, _)| *m).collect();
    let width: usize = tables.iter().map(|(_, columns)| columns).sum();
    let having = (0..samples.len()).filter(|i| !samples.observed(*i).intersection(all).is_empty());
    let having = at_most(samples, having, limit);
    let mut rows = vec![f32::NAN; having.len() * width];
    for (row, index) in rows.chunks_exact_mut(width.max(1)).zip(having) {
        let mut start = 0;
        for (m, columns) in &tables {
            if samples.observed(index).contains(*m) {
                samples.read(index, *m, &mut row[start..start + columns])?;
            }
            start += columns;
        }
    }
    Ok(rows)
}

/// Held-out rows, and the same with some known cells hidden.
struct Hidden {
    columns: Vec<Field>,
    truth: Vec<f32>,
    given: Vec<f32>,
}

impl Hidden {
    fn new(columns: &[Field], truth: Vec<f32>, seed: u64) -> Self {
        let mut rng = generator(seed, Purpose::Sources, 1);
        let mut given = truth.clone();
        given.iter_mut().filter(|_| rng.random_bool(HIDDEN)).for_each(|cell| *cell = f32::NAN);
        Self { columns: columns.to_vec(), truth, given }
    }

    /// Errors of the chain on hidden cells, and those of mean and mode.
    fn errors(&self, chain: &Chain) -> Vec<(String, f64)> {
        let width = self.columns.len();
        let mut filled = self.given.clone();
        filled.chunks_exact_mut(width).for_each(|row| {
            chain.fill(row);
        });
        let middle: Vec<f32> = chain.centre().iter().copied().cycle().take(filled.len()).collect();
        let mut found = self.judge(&filled, "");
        found.extend(self.judge(&middle, ", by mean and mode"));
        found
    }

    fn judge(&self, filled: &[f32], by: &str) -> Vec<(String, f64)> {
        let (mut squares, mut numbers, mut right, mut categories) = (0.0, 0u32, 0u32, 0u32);
        for (i, (truth, given)) in self.truth.iter().zip(&self.given).enumerate() {
            if truth.is_nan() || !given.is_nan() {
                continue;
            }
            match self.columns[i % self.columns.len()] {
                Field::Number => {
                    squares += f64::from(filled[i] - truth).powi(2);
                    numbers += 1;
                }
                Field::Categories(_) => {
                    right += u32::from(filled[i] == *truth);
                    categories += 1;
                }
            }
        }
        let mut found = Vec::new();
        if numbers > 0 {
            let error = (squares / f64::from(numbers)).sqrt();
            found.push((format!("validation: error of hidden numbers, deviations{by}"), error));
        }
        if categories > 0 {
            let share = f64::from(right) / f64::from(categories);
            found.push((format!("validation: hidden categories right{by}"), share));
        }
        found
    }
}

/// Keeps at most `limit` complete training samples, to be retrieved from: what is shown must be there, whichever modality is asked
/// for.
///
/// # Errors
/// If a sample cannot be read, or none is complete.
pub fn fit_gallery(samples: &dyn Samples, limit: usize, run: Run<'_>) -> Result<Fitted, TrainError> {
    let indices = at_most(samples, complete(samples), limit);
    keep(samples, indices, "keeping what is retrieved from", run)
}

/// Keeps `limit` training samples, drawn by the run's seed, as donors.
///
/// # Errors
/// If a sample cannot be read, or a modality is missing of all of them.
pub fn fit_donors(samples: &dyn Samples, limit: usize, run: Run<'_>) -> Result<Fitted, TrainError> {
    let mut order = epoch_order(samples.len(), run.seed, 0);
    order.truncate(limit);
    keep(samples, order, "keeping donors", run)
}

/// These samples, as they are.
fn keep(samples: &dyn Samples, indices: Vec<usize>, doing: &str, run: Run<'_>) -> Result<Fitted, TrainError> {
    let began = Instant::now();
    let kinds = kinds(samples.schema());
    let mut donors = Vec::with_capacity(indices.len());
    for index in indices {
        let observed = samples.observed(index);
        let mut values = vec![Vec::new(); kinds.len()];
        for m in observed.iter() {
            values[m].resize(kinds[m].values(), 0.0);
            samples.read(index, m, &mut values[m])?;
        }
        donors.push(Donor { observed, values });
        if run.stop.load(Ordering::Relaxed) {
            return Err(TrainError::Stopped { stage: doing.into(), step: donors.len() });
        }
    }
    let samples = donors.len();
    Ok(at_once(Donors::new(kinds, donors)?, samples, began))
}

/// The mean and mode of every modality over all training samples, as a single donor.
///
/// # Errors
/// If a sample cannot be read, or a modality is missing of all of them.
pub fn fit_centre(samples: &dyn Samples, run: Run<'_>) -> Result<Fitted, TrainError> {
    let began = Instant::now();
    let kinds = kinds(samples.schema());
    let mut values = Vec::with_capacity(kinds.len());
    let mut read = Vec::new();
    for (m, kind) in kinds.iter().enumerate() {
        let mut centre = Centre::new(kind);
        let having: Vec<usize> = (0..samples.len()).filter(|i| samples.observed(*i).contains(m)).collect();
        if having.is_empty() {
            return Err(ImputeError::NeverSeen { modality: m }.into());
        }
        for chunk in having.chunks(CHUNK) {
            read_batch(samples, chunk, m, &mut read)?;
            read.chunks_exact(kind.values()).for_each(|values| centre.add(values));
            if run.stop.load(Ordering::Relaxed) {
                return Err(TrainError::Stopped { stage: "mean and mode".into(), step: m });
            }
        }
        values.push(centre.finish());
    }
    let donor = Donor { observed: ModalitySet::full(kinds.len()), values };
    Ok(at_once(Donors::new(kinds, vec![donor])?, samples.len(), began))
}

fn at_once(donors: Donors, samples: usize, began: Instant) -> Fitted {
    let seconds = began.elapsed().as_secs_f64();
    Fitted { model: FittedModel::Donors(donors), history: History::new(), rounds: 1, samples, seconds }
}
