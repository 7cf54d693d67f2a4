//! What an evaluation says about how far its answers can be trusted: every missing pattern apart, confidence, the guarantee,
//! what greedy selection missed, what to acquire next, and how much hangs on settings.
//!
//! Values as in [`crate::Record`]: shares in 0..1, NaN for what is not known.

pub(crate) mod tables;
pub(crate) mod words;

use serde::{Deserialize, Serialize};

/// How one arm did on the samples that came with one subset observed. One row of `patterns.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternRecord {
    /// See [`Record::recovery`](crate::Record::recovery).
    pub recovery: String,
    /// See [`Record::metric`](crate::Record::metric).
    pub metric: String,
    /// See [`Record::arm`](crate::Record::arm).
    pub arm: String,
    /// Numbers of the observed modalities, ascending.
    pub observed: Vec<usize>,
    /// Samples.
    pub n: usize,
    /// Whether these are too few to conclude anything from.
    #[serde(default)]
    pub few: bool,
    /// Share classified right.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
    /// Expected calibration error.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration_error: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration_error_low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration_error_high: f64,
    /// Coverage that prediction sets were asked for; unknown where there are none.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub asked_coverage: f64,
    /// Share of samples whose set holds the true class.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub coverage: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub coverage_low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub coverage_high: f64,
    /// Mean number of classes in a set.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub set_size: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub set_size_low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub set_size_high: f64,
    /// What the sets promise for this pattern and on what that rests, in words; may be empty.
    #[serde(default)]
    pub promise: String,
}

/// What was fitted to held-out samples so that confidence keeps its word, and whether it does on others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceRecord {
    /// See [`Record::recovery`](crate::Record::recovery).
    pub recovery: String,
    /// See [`Record::metric`](crate::Record::metric).
    pub metric: String,
    /// See [`Record::arm`](crate::Record::arm).
    pub arm: String,
    /// Held-out samples that temperature and sets were fitted to.
    pub fitted_on: usize,
    /// Samples that all shares were measured on.
    pub n: usize,
    /// The temperature in use; 1 leaves confidence as it is.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub temperature: f64,
    /// Why that temperature, in words; may be empty.
    #[serde(default)]
    pub temperature_words: String,
    /// Calibration error without it.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration_error_before: f64,
    /// Calibration error with it.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration_error_after: f64,
    /// How classes are scored: `LAC`, `APS`, `RAPS`.
    #[serde(default)]
    pub score: String,
    /// Coverage that sets were asked for.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub asked_coverage: f64,
    /// Share of samples whose set holds the true class.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub coverage: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
    /// Mean number of classes in a set.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub set_size: f64,
}

/// Whether selection could be shown not to be worse than discarding, and from which reward on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuaranteeRecord {
    /// See [`Record::recovery`](crate::Record::recovery).
    pub recovery: String,
    /// See [`Record::metric`](crate::Record::metric).
    pub metric: String,
    /// The threshold on the reward; `None` where none passed, so that selection is off.
    pub threshold: Option<f64>,
    /// Of a cross-validation: in how many folds a threshold passed, and of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<[usize; 2]>,
    /// The probability with which the promise holds.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub confidence: f64,
    /// Held-out samples that it was tested on.
    pub n: usize,
    /// The result in words.
    pub words: String,
    /// All thresholds, in the order of testing.
    #[serde(default)]
    pub tested: Vec<TestedThreshold>,
    /// Samples of the test set, on which the chosen threshold was tried afterwards; 0 if it was not.
    #[serde(default)]
    pub test_n: usize,
    /// On these: accuracy of selection with the threshold minus accuracy of discarding.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub test_difference: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub test_low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub test_high: f64,
}

/// One threshold that was tested.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestedThreshold {
    /// The threshold.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub threshold: f64,
    /// Held-out samples that only selection had right.
    pub wins: usize,
    /// Held-out samples that only discarding had right.
    pub losses: usize,
    /// Accuracy of selection.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// Probability of such a success if selection were worse.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub p_value: f64,
    /// The level that it had to reach.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub level: f64,
    /// Whether it did.
    pub passed: bool,
}

/// What choosing one at a time missed against the best of all sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GreedyRecord {
    /// See [`Record::recovery`](crate::Record::recovery).
    pub recovery: String,
    /// See [`Record::metric`](crate::Record::metric).
    pub metric: String,
    /// See [`Record::protocol`](crate::Record::protocol).
    pub protocol: String,
    /// See [`Record::rate`](crate::Record::rate).
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub rate: f64,
    /// Samples compared.
    pub samples: usize,
    /// Of these, samples in which another set has a larger reward.
    pub missed: usize,
    /// Of these, those that need modalities which bring nothing alone.
    pub only_together: usize,
    /// Samples in which the prediction is another one.
    pub predictions_differ: usize,
    /// Mean over all samples of the reward that was missed.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub mean_cost: f64,
    /// The most that was missed in a sample.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub largest_cost: f64,
    /// Accuracy of the best sets minus accuracy of the greedy ones: what it cost in right answers.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub difference: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
    /// Some of the missed sets, each in words.
    #[serde(default)]
    pub examples: Vec<String>,
}

/// Whether acquiring the suggested modality pays more than acquiring any, checked where the truth is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcquisitionRecord {
    /// See [`Record::recovery`](crate::Record::recovery).
    pub recovery: String,
    /// See [`Record::metric`](crate::Record::metric).
    pub metric: String,
    /// Samples.
    pub n: usize,
    /// Accuracy with what was observed.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub now: f64,
    /// Accuracy with one more true modality, drawn at random.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub random: f64,
    /// Accuracy with the suggested one.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub suggested: f64,
    /// Suggested minus random, on the same samples.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub difference: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
    /// Some suggestions, each in words.
    #[serde(default)]
    pub examples: Vec<String>,
}

/// What was varied to see how much hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Varied {
    /// The temperature of the posterior behind quality.
    Temperature,
    /// The form of the calibration by typicality.
    Calibration,
    /// The threshold on the reward.
    Threshold,
    /// The share of samples with a bad recovery.
    BadRecovery,
    /// The missing rate, beyond what was trained on.
    Rate,
}

/// Accuracy of one arm with one setting changed. One row of `robustness.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustnessRecord {
    /// See [`Record::recovery`](crate::Record::recovery).
    pub recovery: String,
    /// See [`Record::metric`](crate::Record::metric).
    pub metric: String,
    /// What was varied.
    pub varied: Varied,
    /// What it was set to, as the page shows it: `0.1`, `ratio`, `30 %`.
    pub setting: String,
    /// Whether this is the setting of all other figures.
    #[serde(default)]
    pub usual: bool,
    /// See [`Record::arm`](crate::Record::arm).
    pub arm: String,
    /// Samples.
    pub n: usize,
    /// Share classified right.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// Lower end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of its 95 % interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
}
