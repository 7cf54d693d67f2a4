//! Schedules in a file: what is not said is the stage's own default.

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::trainer::Schedule;

/// A [`Schedule`] of which everything may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleTable {
    /// Passes over the training samples.
    pub epochs: Option<usize>,
    /// Samples per step.
    pub batch: Option<usize>,
    /// Adam's learning rate.
    pub learning_rate: Option<f64>,
    /// Stop after so many epochs without improvement; 0 never stops early.
    pub patience: Option<usize>,
    /// What counts as an improvement for `patience`.
    pub least_improvement: Option<f64>,
    /// Stop after so many steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
}

/// Fusion network (method, section 2).
pub(super) fn fusion() -> Schedule {
    Schedule::default()
}

/// Guided recovery: coherent after a few epochs.
pub(super) fn guided() -> Schedule {
    Schedule { epochs: 10, batch: 128, ..Schedule::default() }
}

/// MoPoE, at the published batch and learning rate.
pub(super) fn mopoe() -> Schedule {
    Schedule { epochs: 100, learning_rate: 5e-4, ..Schedule::default() }
}

/// TIP: the epoch that tells hidden cells of held-out tables best is kept.
pub(super) fn tip() -> Schedule {
    Schedule { epochs: 50, batch: 128, ..Schedule::default() }
}

impl ScheduleTable {
    /// The schedule, with `default` where nothing is said.
    pub fn over(&self, default: &Schedule) -> Schedule {
        Schedule {
            epochs: self.epochs.unwrap_or(default.epochs),
            batch: self.batch.unwrap_or(default.batch),
            learning_rate: self.learning_rate.unwrap_or(default.learning_rate),
            patience: match self.patience {
                None => default.patience,
                Some(0) => None,
                some => some,
            },
            least_improvement: self.least_improvement.unwrap_or(default.least_improvement),
            max_steps: self.max_steps.or(default.max_steps),
        }
    }

    /// The same with everything said.
    pub(super) fn completed(&self, default: &Schedule) -> Self {
        let full = self.over(default);
        Self {
            epochs: Some(full.epochs),
            batch: Some(full.batch),
            learning_rate: Some(full.learning_rate),
            patience: Some(full.patience.unwrap_or(0)),
            least_improvement: Some(full.least_improvement),
            max_steps: full.max_steps,
        }
    }

    pub(super) fn check(&self, field: &str) -> Result<(), Problem> {
        let positive = [("epochs", self.epochs), ("batch", self.batch), ("max_steps", self.max_steps)];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == Some(0)) {
            return Err(Problem::value(format!("{field}.{key}"), 0, "at least 1"));
        }
        match self.learning_rate {
            Some(rate) if !(rate.is_finite() && rate > 0.0) => {
                Err(Problem::value(format!("{field}.learning_rate"), rate, "a number above 0, such as 1e-3"))
            }
            _ => Ok(()),
        }
    }
}
