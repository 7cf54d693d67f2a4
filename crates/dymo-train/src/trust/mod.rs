//! How far a model's answers can be trusted, fitted on held-out samples from which modalities were taken away: a threshold on
//! the reward under which selection is not worse than discarding, a temperature for its confidence, prediction sets with a
//! stated coverage for every missing pattern; and, beside it, [what to acquire next](acquisitions) and
//! [a recovery that is bad on purpose](Spoilt).
//!
//! What was fitted ([`Trust`]) is a plain value and stays in the model folder. It holds for samples like the held-out ones, with
//! modalities missing in the same way.

mod acquire;
mod fit;
mod spoilt;

use dymo_core::ModalitySet;
use dymo_metrics::{Conformal, Grouping, Guarantee, MetricError, PredictionSet, Probabilities, Temperature};
use dymo_reward::{Calibration, Edges, Metric};
use dymo_select::Selector;
use serde::{Deserialize, Serialize};

use crate::evaluation::Setting;
use crate::experiment::{RecoveryKind, SplitName};

pub use acquire::{Expected, SURE, acquisitions};
pub use fit::{HeldOut, Look, Once, fit};
pub use spoilt::Spoilt;

/// What was fitted for one recovery model and one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The recovery model.
    pub recovery: RecoveryKind,
    /// The metric.
    pub metric: Metric,
    /// What it was fitted on.
    pub fitted_on: FittedOn,
    /// The threshold on the reward, or that selection is off.
    pub guarantee: Guarantee,
    /// Of selection: with the threshold, or as published (without one) where none passed.
    pub selection: Confidence,
    /// Of discarding.
    pub discard: Confidence,
}

/// What was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOn {
    /// Which part of the data.
    pub split: SplitName,
    /// Samples of it.
    pub samples: usize,
    /// How modalities were taken away, in words; each sample was looked at in each of these ways for the threshold, once for the
    /// temperature, and for prediction sets as [`fit`] says.
    pub missing: Vec<String>,
    /// Seed of what was taken away.
    pub seed: u64,
    /// Form of the calibration by typicality.
    pub calibration: Calibration,
    /// Numerical edges.
    pub edges: Edges,
    /// τ of selection.
    pub min_gain: f32,
    /// Version of the program.
    pub version: String,
}

/// What makes the confidence of one way of classifying keep its word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// What logits are divided by.
    pub temperature: Temperature,
    /// Prediction sets.
    pub sets: Conformal,
}

/// Probabilities with their temperature, and the sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// `[N, C]`.
    pub probabilities: Vec<f32>,
    /// `[N]`.
    pub sets: Vec<PredictionSet>,
}

impl Trust {
    /// What decides: with the threshold that was learned, or discarding where selection is off.
    pub fn selector(&self, setting: &Setting<'_>) -> Selector {
        match self.guarantee.threshold {
            Some(threshold) => setting.selector().with_threshold(threshold),
            None => Selector::discard(),
        }
    }

    /// Of what [`Trust::selector`] decides.
    pub fn in_use(&self) -> &Confidence {
        if self.guarantee.threshold.is_some() { &self.selection } else { &self.discard }
    }
}

impl Setting<'_> {
    /// DyMo itself, under this setting.
    pub fn selector(&self) -> Selector {
        Selector::dymo(self.calibration).with_edges(self.edges).with_min_gain(self.min_gain)
    }
}

impl Confidence {
    /// Applies both to class probabilities `[N, C]` of samples of which `observed[i]` came.
    ///
    /// # Errors
    /// Another number of classes than was fitted, or values that are no probabilities.
    pub fn judge(&self, probabilities: &[f32], observed: &[ModalitySet]) -> Result<Judged, MetricError> {
        let classes = self.sets.classes;
        let checked = Probabilities::new(probabilities, classes)?;
        let probabilities = self.temperature.apply_to_probabilities(&checked)?;
        let sets =
            by_pattern(observed, |groupings| self.sets.sets(&Probabilities::new(&probabilities, classes)?, groupings))?;
        Ok(Judged { probabilities, sets })
    }

    /// What a set promises and on what that rests, in words; `names` are those of the modalities.
    pub fn promise(&self, set: &PredictionSet, names: &[String]) -> String {
        let Some(cell) = self.sets.cells.get(set.cell) else { return String::new() };
        self.sets.in_words(cell, |level, group| {
            if level == COUNT {
                return Some(format!("{group} observed"));
            }
            let members =
                ModalitySet::from_bits(u32::try_from(group).ok()?).iter().filter_map(|m| names.get(m).cloned());
            Some(members.collect::<Vec<_>>().join("+"))
        })
    }
}

/// The finest grouping.
const PATTERN: &str = "pattern";
/// The one that rare patterns fall back to.
const COUNT: &str = "patterns with";

/// Calls `with` with the groupings of samples of which `observed[i]` came.
fn by_pattern<T>(observed: &[ModalitySet], with: impl FnOnce(&[Grouping<'_>]) -> T) -> T {
    let patterns: Vec<u64> = observed.iter().map(|set| u64::from(set.bits())).collect();
    let counts: Vec<u64> = observed.iter().map(|set| set.len() as u64).collect();
    with(&[Grouping { name: PATTERN, of: &patterns }, Grouping { name: COUNT, of: &counts }])
}
