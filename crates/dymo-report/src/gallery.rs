//! Samples to look at: what came, what was recovered, what was let in, and why.

use crate::picture::Picture;
use serde::{Deserialize, Serialize};

/// One sample with every decision that selection made for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GallerySample {
    /// How the sample is called, as in "test 1041".
    pub id: String,
    /// Why it is shown.
    pub story: Story,
    /// One sentence that sums it up.
    pub headline: String,
    /// Recovery model and metric in words, as in "guided, cosine"; may be empty.
    #[serde(default)]
    pub setting: String,
    /// All modalities, in the order of their numbers.
    pub modalities: Vec<ShownModality>,
    /// Selection, round by round; empty where there was nothing to decide.
    pub rounds: Vec<Round>,
    /// The true class.
    pub truth_class: String,
    /// Class predicted from the observed modalities alone.
    pub prediction_before: String,
    /// Class predicted from the final subset.
    pub prediction_after: String,
}

/// What selection did to the prediction of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Story {
    /// Wrong before, right after.
    Helped,
    /// As right or as wrong after as before.
    DidNotMatter,
    /// Right before, wrong after; or wrong although it could have been right.
    Failed,
}

/// One modality of a gallery sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownModality {
    /// Name of the modality.
    pub name: String,
    /// Whether it came with the sample.
    pub state: State,
    /// Whether a recovered one was let in. Not read for an observed one.
    pub accepted: bool,
    /// What the network was shown, or would have been.
    pub content: Content,
    /// What a missing modality really was, where that is known.
    #[serde(default)]
    pub truth: Option<Content>,
}

/// Whether a modality came with the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It came with the sample.
    Observed,
    /// It was missing and a recovery model filled it in.
    Recovered,
}

/// A modality as a person can look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// An image, or a slice of a volume.
    Picture(Picture),
    /// Text, or a short extract of a table.
    Text(String),
}

/// One round of selection: the state before it, and every candidate that was scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// The subset before the round, in words or as `{0,2}`.
    pub subset: String,
    /// Quality q of that subset (method, section 5).
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub quality_before: f64,
    /// Typicality p of that subset.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub typicality_before: f64,
    /// Class predicted from that subset.
    pub predicted_before: String,
    /// What was scored in this round, in the order of modality numbers.
    pub candidates: Vec<Candidate>,
}

/// One recovered modality, scored in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name of the modality.
    pub name: String,
    /// Quality with it in the subset.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub quality: f64,
    /// Typicality with it in the subset.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub typicality: f64,
    /// Class predicted with it in the subset.
    pub predicted: String,
    /// The factor G on its quality; 1 where nothing became less typical.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub calibration: f64,
    /// R = quality · calibration − quality before.
    #[serde(with = "crate::number", default = "crate::number::unknown")]
    pub reward: f64,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
}

/// What a round decided about a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It joined the subset.
    Accepted,
    /// It will not be asked about again for this sample.
    Rejected,
    /// It may be asked about again in the next round.
    Waiting,
}
