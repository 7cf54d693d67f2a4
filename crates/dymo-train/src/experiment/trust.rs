//! What is promised of a trained model, and how it is checked.

use dymo_metrics::{GuaranteeSettings, Procedure, SetScore, SetSettings};
use serde::{Deserialize, Deserializer, Serialize};

use super::Problem;
use super::tables::at_least_one;

/// `[trust]`: what `dymo calibrate` fits to the validation split, with modalities missing as in `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustTable {
    /// How often a prediction set must hold the true class.
    pub coverage: f64,
    /// How classes are scored for sets: `"lac"`, `"aps"`, or `{ raps = { penalty = 0.01, free = 2 } }`, for which `"raps"` is short.
    #[serde(deserialize_with = "score")]
    pub score: SetScore,
    /// Held-out samples that a missing pattern needs for a threshold of its own; rarer ones share.
    pub least: usize,
    /// Probability with which selection is not worse than discarding.
    pub confidence: f64,
    /// Accuracy that selection may lose against discarding.
    pub tolerance: f64,
    /// Thresholds on the reward that are tried.
    pub thresholds: Vec<f32>,
    /// At most so many held-out samples.
    pub samples: usize,
    /// Patterns with fewer test samples are reported as too few to conclude from.
    pub few: usize,
    /// Draws of each missing modality behind a suggestion what to acquire next.
    pub draws: usize,
    /// `[trust.checks]`
    pub checks: ChecksTable,
}

impl Default for TrustTable {
    fn default() -> Self {
        Self {
            coverage: 0.9,
            score: SetScore::Lac,
            least: 100,
            confidence: 0.95,
            tolerance: 0.0,
            thresholds: vec![0.0, 0.01, 0.05, 0.2],
            samples: 5000,
            few: 50,
            draws: 8,
            checks: ChecksTable::default(),
        }
    }
}

/// A score by its name, or with its numbers.
fn score<'de, D: Deserializer<'de>>(from: D) -> Result<SetScore, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Word {
        Raps,
    }
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "wanted \"lac\", \"aps\", \"raps\", or { raps = { penalty = 0.01, free = 2 } }")]
    enum Said {
        Word(Word),
        Whole(SetScore),
    }
    Ok(match Said::deserialize(from)? {
        Said::Word(Word::Raps) => SetScore::Raps { penalty: 0.01, free: 2 },
        Said::Whole(score) => score,
    })
}

/// `[trust.checks]`: what costs more than it shows every day. The numbers of samples are those of the test split; 0 leaves a
/// check out, and `dymo evaluate --robustness` makes all of them with at least their usual number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChecksTable {
    /// Choosing one at a time against all sets of recovered modalities.
    pub greedy_samples: usize,
    /// Whether the suggestion what to acquire next is worth anything.
    pub acquisition_samples: usize,
    /// One setting changed at a time, and every one of the 2^M − 1 patterns.
    pub robustness_samples: usize,
    /// Temperatures of the posterior behind quality.
    pub temperatures: Vec<f32>,
    /// Missing rates.
    pub rates: Vec<f64>,
    /// Shares of the samples whose recovery is made bad.
    pub bad_recovery: Vec<f64>,
    /// Sets kept of each size where there are too many to try all.
    pub beam: usize,
}

impl Default for ChecksTable {
    fn default() -> Self {
        Self {
            greedy_samples: 0,
            acquisition_samples: 0,
            robustness_samples: 0,
            temperatures: vec![0.02, 0.05, 0.1, 0.2, 0.5],
            rates: vec![0.1, 0.3, 0.5, 0.7, 0.9, 0.95],
            bad_recovery: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            beam: 16,
        }
    }
}

/// Samples of each check where all are asked for and the file says nothing.
const USUAL: usize = 1000;

impl ChecksTable {
    /// Makes every check.
    pub fn all(&mut self) {
        for samples in [&mut self.greedy_samples, &mut self.acquisition_samples, &mut self.robustness_samples] {
            if *samples == 0 {
                *samples = USUAL;
            }
        }
    }
}

impl TrustTable {
    /// What sets are asked for.
    pub fn sets(&self) -> SetSettings {
        SetSettings::new(self.coverage).with_score(self.score).with_least(self.least)
    }

    /// What is promised of selection.
    pub fn guarantee(&self) -> GuaranteeSettings {
        let (confidence, tolerance) = (self.confidence, self.tolerance);
        GuaranteeSettings { confidence, tolerance, procedure: Procedure::Fallback }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        for (field, value) in [("coverage", self.coverage), ("confidence", self.confidence)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Problem::value(format!("trust.{field}"), value, "a number between 0 and 1"));
            }
        }
        if !(0.0..1.0).contains(&self.tolerance) {
            return Err(Problem::value("trust.tolerance", self.tolerance, "a number from 0 to below 1"));
        }
        if let SetScore::Raps { penalty, .. } = self.score
            && !(penalty.is_finite() && penalty >= 0.0)
        {
            return Err(Problem::value("trust.score.raps.penalty", penalty, "a number from 0"));
        }
        let distinct = self.thresholds.iter().enumerate().all(|(i, t)| !self.thresholds[..i].contains(t));
        if self.thresholds.is_empty() || !distinct || self.thresholds.iter().any(|t| !(0.0..=1.0).contains(t)) {
            let found = format!("{:?}", self.thresholds);
            return Err(Problem::value("trust.thresholds", found, "numbers from 0 to 1, each once"));
        }
        at_least_one("trust.samples", Some(self.samples))?;
        let checks = &self.checks;
        at_least_one("trust.checks.beam", Some(checks.beam))?;
        if let Some(found) = checks.temperatures.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
            return Err(Problem::value("trust.checks.temperatures", found, "numbers above 0"));
        }
        if let Some(found) = checks.rates.iter().find(|rate| !(0.0..1.0).contains(*rate)) {
            return Err(Problem::value("trust.checks.rates", found, "numbers from 0 to below 1"));
        }
        if let Some(found) = checks.bad_recovery.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(Problem::value("trust.checks.bad_recovery", found, "numbers from 0 to 1"));
        }
        Ok(())
    }
}
