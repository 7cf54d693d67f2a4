//! How strange a class looks, given the probabilities of all of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// The score of a class; a set holds all classes whose score is up to the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetScore {
    /// 1 − p of the class: the smallest sets on average (Sadinle, Lei, Wasserman 2019). Hard samples may be covered less
    /// often than easy ones.
    Lac,
    /// The probability of all classes down to this one: hard samples get larger sets (Romano, Sesia, Candès 2020).
    Aps,
    /// The same, plus `penalty` for each class beyond the first `free` ones: fewer sets with a long tail (Angelopoulos,
    /// Bates, Malik, Jordan 2021, where they are λ and k_reg).
    Raps {
        /// Added per class beyond the free ones, at least 0; 0.01 to 0.1 is usual.
        penalty: f64,
        /// Classes without a penalty.
        free: usize,
    },
}

impl SetScore {
    /// The score of every class, `[C]`. `draw` in 0..=1 is the part of a class's own probability that counts, for APS
    /// and RAPS: 1 unless sets are randomised.
    pub(super) fn of_classes(self, row: &[f32], draw: f64) -> Vec<f64> {
        let mut scores = vec![0.0; row.len()];
        let mut above = 0.0;
        for (rank, class) in descending(row).into_iter().enumerate() {
            let own = f64::from(row[class]);
            scores[class] = match self {
                Self::Lac => 1.0 - own,
                Self::Aps => above + draw * own,
                Self::Raps { penalty, free } => above + draw * own + penalty * (rank + 1).saturating_sub(free) as f64,
            };
            above += own;
        }
        scores
    }
}

/// Classes by falling probability, the lower class first on ties.
pub(super) fn descending(row: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
    order
}

/// What prediction sets are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSettings {
    /// How classes are scored.
    pub score: SetScore,
    /// How often a set must hold the true class, in 0..1.
    pub coverage: f64,
    /// Samples that a group needs for a threshold of its own. Fewer than coverage / (1 − coverage) cannot promise
    /// anything but all classes, so at least that many are always asked for.
    pub least: usize,
    /// Whether a set may be empty, where no class is likely enough. If not, the most probable class is put in, which
    /// can only raise the coverage.
    pub allow_empty: bool,
    /// Seed of randomised APS and RAPS sets: their coverage is then exact and not above what was asked for, but a
    /// sample's set hangs on a draw. `None`, the default, gives the same set to the same sample.
    pub randomised: Option<u64>,
}

impl SetSettings {
    /// LAC with that coverage, groups of 100 samples, no empty sets, nothing random.
    pub const fn new(coverage: f64) -> Self {
        Self { score: SetScore::Lac, coverage, least: 100, allow_empty: false, randomised: None }
    }

    /// The same with another score.
    #[must_use]
    pub const fn with_score(mut self, score: SetScore) -> Self {
        self.score = score;
        self
    }

    /// The same with another least number of samples for a group.
    #[must_use]
    pub const fn with_least(mut self, least: usize) -> Self {
        self.least = least;
        self
    }

    pub(super) fn check(&self) -> Result<(), MetricError> {
        if !(self.coverage > 0.0 && self.coverage < 1.0) {
            let wanted = "between 0 and 1, both excluded; 0.9 is usual";
            return Err(MetricError::Setting { what: "coverage", found: self.coverage, wanted });
        }
        match self.score {
            SetScore::Raps { penalty, .. } if !(penalty.is_finite() && penalty >= 0.0) => {
                let wanted = "a number from 0 up; 0.01 is usual";
                Err(MetricError::Setting { what: "penalty of RAPS", found: penalty, wanted })
            }
            _ => Ok(()),
        }
    }

    /// The part of a class's own probability that counts in the row at that place. Rows that thresholds are fitted to
    /// and rows to be predicted have different draws.
    pub(super) fn draw(&self, place: usize, fitting: bool) -> f64 {
        let Some(seed) = self.randomised else { return 1.0 };
        let mut rng = ChaCha8Rng::seed_from_u64(if fitting { !seed } else { seed });
        rng.set_stream(place as u64);
        rng.random::<f64>()
    }
}
