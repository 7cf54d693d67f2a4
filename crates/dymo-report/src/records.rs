//! What an evaluation measured: plain values, one struct per table of the report.
//!
//! Shares (accuracy, F1, AUC, calibration error, …) are in 0..1 everywhere and become per cent only on the page.
//! A number that is not known is NaN here and `null` in JSON.

use serde::{Deserialize, Serialize};

/// How one arm did under one protocol at one missing rate. One entry of `records` in `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the recovery model that filled in what was missing.
    pub recovery: String,
    /// Distance of the fused features: `cosine`, `euclid`.
    pub metric: String,
    /// How modalities were taken away: `bernoulli`, `exact`, `fixed`, …
    pub protocol: String,
    /// Share of modalities missing in 0..1, or their number where the protocol takes away an exact count.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub rate: f64,
    /// Which way of classifying; see [`crate::arms`] for the names that the report knows.
    pub arm: String,
    /// Samples evaluated.
    pub n: usize,
    /// Share classified right.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// Lower end of the accuracy's 95 % bootstrap interval, of the exact one where all samples are alike.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of the accuracy's 95 % bootstrap interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
    /// F1 averaged over classes, each class counting the same.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub macro_f1: f64,
    /// Area under the ROC curve, averaged over classes one against the rest.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub auc: f64,
    /// Expected calibration error.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration_error: f64,
}

/// Accuracy of `arm` minus accuracy of `baseline` on the same samples, with its interval.
/// One entry of `differences` in `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// See [`Record::recovery`].
    pub recovery: String,
    /// See [`Record::metric`].
    pub metric: String,
    /// See [`Record::protocol`].
    pub protocol: String,
    /// See [`Record::rate`].
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub rate: f64,
    /// The arm that is compared.
    pub arm: String,
    /// The arm that it is compared with.
    pub baseline: String,
    /// Samples, each classified by both arms.
    pub n: usize,
    /// Accuracy of the arm minus that of the baseline, in −1..1.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub difference: f64,
    /// Lower end of the 95 % paired bootstrap interval, of the exact one where all samples are alike.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end of the 95 % paired bootstrap interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
}

/// One quantity over the epochs of one training stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// The stage, as in "fusion network, cosine".
    pub stage: String,
    /// What was measured, as in "validation accuracy".
    pub quantity: String,
    /// `(epoch, value)`, in the order in which they were measured.
    #[serde(with = "crate::number::points")]
    pub points: Vec<(f64, f64)>,
}

/// Whether confidence can be believed: samples binned by the confidence of their prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// See [`Record::recovery`].
    pub recovery: String,
    /// See [`Record::metric`].
    pub metric: String,
    /// See [`Record::protocol`].
    pub protocol: String,
    /// See [`Record::rate`].
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub rate: f64,
    /// See [`Record::arm`].
    pub arm: String,
    /// Bins in ascending order of confidence.
    pub bins: Vec<ReliabilityBin>,
    /// Expected calibration error: mean distance of confidence from accuracy, weighted by count.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub ece: f64,
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean confidence of the bin's samples.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub confidence: f64,
    /// Share of them classified right.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// How many samples fell into the bin.
    pub count: usize,
}

/// How many recovered modalities selection let in, for the samples that came with one subset observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedBySubset {
    /// See [`Record::recovery`].
    pub recovery: String,
    /// See [`Record::metric`].
    pub metric: String,
    /// Numbers of the observed modalities, ascending.
    pub observed: Vec<usize>,
    /// Samples that came with this subset.
    pub samples: usize,
    /// Recovered modalities offered, all samples together.
    pub offered: usize,
    /// Of these, how many joined the fusion.
    pub accepted: usize,
}

/// How many of DyMo's decisions single precision could not make for sure: rewards nearer to zero, or to each other, than it
/// can tell apart. Such decisions are defined and repeatable, but another order of additions may decide otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// See [`Record::recovery`].
    pub recovery: String,
    /// See [`Record::metric`].
    pub metric: String,
    /// See [`Record::protocol`].
    pub protocol: String,
    /// See [`Record::rate`].
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub rate: f64,
    /// Samples with anything to decide.
    pub samples: usize,
    /// Of these, how many with at least one such round.
    pub samples_within: usize,
    /// Rounds of all samples.
    pub rounds: usize,
    /// Of these, how many in which rounding has had a say.
    pub rounds_within: usize,
}

/// What training samples bring that lack modalities: discarding by the network trained on all samples, and by one trained on the complete
/// ones alone, on the same samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncompleteTraining {
    /// See [`Record::metric`].
    pub metric: String,
    /// See [`Record::protocol`].
    pub protocol: String,
    /// See [`Record::rate`].
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub rate: f64,
    /// Training samples,
    pub trained_on: usize,
    /// and steps that were made with them;
    pub steps: usize,
    /// of the samples so many lack nothing,
    pub complete: usize,
    /// with which so many steps were made.
    pub steps_of_complete: usize,
    /// Samples that were classified.
    pub n: usize,
    /// Accuracy after training on all,
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// and on the complete ones alone.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy_of_complete: f64,
    /// The first less the second.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub difference: f64,
    /// Lower end of its paired interval.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub low: f64,
    /// Upper end.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub high: f64,
}

/// Conditional coherence: how often a recovered modality shows the right class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryQuality {
    /// See [`Record::recovery`].
    pub recovery: String,
    /// How many modalities the recovery was given.
    pub given: usize,
    /// Share of recovered modalities that a classifier of real ones reads as the right class.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub read_as_right_class: f64,
    /// Recovered modalities that were read.
    pub n: usize,
}

/// The information bound `I(Y; Z) ≥ H(Y) − L − G·sqrt(ln(1/δ) / (2n))` (method, section 1) for one subset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Recovery model, where recovered modalities were fused; `None` for observed ones only.
    #[serde(default)]
    pub recovery: Option<String>,
    /// See [`Record::metric`].
    pub metric: String,
    /// Which modalities the network was shown, in words or as `{0,2}`.
    pub subset_text: String,
    /// Mean cross-entropy L over the n samples, nats.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub cross_entropy: f64,
    /// Entropy H(Y) of the labels, nats.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub entropy: f64,
    /// Samples.
    pub n: usize,
    /// The bound may be false with at most this probability.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub delta: f64,
    /// G, an upper bound on the loss of a single sample, nats.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub g: f64,
    /// The bound itself, nats. At or below zero it says nothing.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub bound_nats: f64,
}

/// What happens when samples are recovered only where the gain may reach `tau`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MinGain {
    /// The least gain asked for.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub tau: f64,
    /// Share classified right.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub accuracy: f64,
    /// Share of samples for which anything was recovered at all.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub samples_recovered_share: f64,
    /// Time for the whole evaluation, the median where it was short enough to be repeated.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub seconds: f64,
}
