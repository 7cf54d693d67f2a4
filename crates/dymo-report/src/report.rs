//! The report as one plain value.

use crate::gallery::GallerySample;
use crate::records::{
    AcceptedBySubset, Bound, IncompleteTraining, LearningCurve, MinGain, PairedDifference, Record, RecoveryQuality,
    Reliability, Resolution,
};
use crate::trust::{
    AcquisitionRecord, ConfidenceRecord, GreedyRecord, GuaranteeRecord, PatternRecord, RobustnessRecord,
};
use serde::{Deserialize, Serialize};

/// Everything that the page shows. Every list may be empty; its section is then left out or says so.
///
/// Lists that an older file does not have are empty. Comes out of [`Report::read`] as it went into [`Report::write`], except that infinities become NaN.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What was run, with what, for how long.
    pub provenance: Provenance,
    /// Names of the modalities, by number; used where subsets are explained.
    pub modalities: Vec<String>,
    /// How every arm did.
    pub records: Vec<Record>,
    /// Arms against each other on the same samples.
    pub differences: Vec<PairedDifference>,
    /// Training, where anything was trained.
    pub learning_curves: Vec<LearningCurve>,
    /// What training samples bring that lack modalities.
    pub incomplete_training: Vec<IncompleteTraining>,
    /// Whether confidence can be believed.
    pub reliability: Vec<Reliability>,
    /// What selection let in.
    pub accepted: Vec<AcceptedBySubset>,
    /// How many decisions single precision could not make for sure.
    pub resolution: Vec<Resolution>,
    /// How good the recovered modalities are.
    pub recovery_quality: Vec<RecoveryQuality>,
    /// The information bound.
    pub bounds: Vec<Bound>,
    /// Accuracy against the least gain asked for.
    pub min_gain: Vec<MinGain>,
    /// What makes confidence keep its word.
    pub confidence: Vec<ConfidenceRecord>,
    /// Every missing pattern apart.
    pub patterns: Vec<PatternRecord>,
    /// Whether selection is shown not to be worse than discarding.
    pub guarantees: Vec<GuaranteeRecord>,
    /// What choosing one at a time missed.
    pub greedy: Vec<GreedyRecord>,
    /// Whether the suggestion what to acquire next is worth anything.
    pub acquisitions: Vec<AcquisitionRecord>,
    /// How much hangs on settings.
    pub robustness: Vec<RobustnessRecord>,
    /// Samples to look at.
    pub gallery: Vec<GallerySample>,
}

/// Where the numbers come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Title of the page.
    pub title: String,
    /// The command that was given.
    pub command: String,
    /// The seed that everything random follows.
    pub seed: u64,
    /// The device, as in `cpu`.
    pub device: String,
    /// Threads used.
    pub threads: usize,
    /// Wall-clock time of the whole run.
    #[serde(with = "crate::number")]
    pub duration_seconds: f64,
    /// `(name, version)` of programs and libraries.
    pub versions: Vec<(String, String)>,
    /// The effective settings, as TOML.
    pub settings_toml: String,
    /// What the data are, where from, under which licence.
    pub data_note: String,
    /// Which weights were used and how they came about.
    pub weights_note: String,
    /// Anything else that a reader must know.
    pub notes: Vec<String>,
}
