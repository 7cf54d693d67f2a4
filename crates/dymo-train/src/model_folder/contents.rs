//! What `model.json` says.

use std::collections::BTreeMap;
use std::path::Path;

use dymo_core::Schema;
use dymo_impute::ChainSettings;
use dymo_models::fusion::FusionLayout;
use dymo_models::recovery::{GuidedSettings, MopoeSettings, TipSettings};
use dymo_reward::{Edges, Metric};
use serde::{Deserialize, Serialize};

use super::ModelFolderError;
use crate::experiment::{RecoveryKind, StatisticsSamples};
use crate::trainer::{History, Schedule};

/// The format that this version writes and reads.
pub(super) const FORMAT: u32 = 1;

/// The parts of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Version of this file's form.
    pub format: u32,
    /// Name of the experiment.
    pub name: String,
    /// Modalities and classes.
    pub schema: Schema,
    /// Fusion networks, one for a metric.
    pub fusion: Vec<FusionPart>,
    /// Recovery models.
    pub recovery: Vec<RecoveryPart>,
    /// What was fitted on held-out samples, for a recovery model and a metric each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<TrustPart>,
    /// Tables whose missing entries are filled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fill_entries: Vec<String>,
    /// Samples with the model's answers. Folders of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SamplePart>,
}

/// Samples that are kept with what the model says of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplePart {
    /// File of the inputs.
    pub inputs: String,
    /// File of the answers.
    pub answers: String,
    /// How many there are.
    pub samples: usize,
}

/// A fusion network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionPart {
    /// The metric that it was trained for.
    pub metric: Metric,
    /// Its weights.
    pub file: String,
    /// How it is built.
    pub layout: FusionLayout,
    /// Where it came from.
    pub provenance: Provenance,
    /// Its class statistics, once fitted.
    pub statistics: Option<StatisticsPart>,
    /// What selection does with it where numbers run out, unless an experiment says otherwise: as published for a network that
    /// was imported.
    #[serde(default)]
    pub edges: Edges,
}

/// Class statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsPart {
    /// The file.
    pub file: String,
    /// Training samples that they were fitted on.
    pub samples: usize,
    /// Whether those were complete.
    #[serde(default)]
    pub of: StatisticsSamples,
}

/// Threshold, temperature and prediction sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustPart {
    /// For this recovery model,
    pub recovery: RecoveryKind,
    /// read by the fusion network for this metric.
    pub metric: Metric,
    /// The file.
    pub file: String,
    /// Held-out samples that it was fitted on; where several are of one subject, as many as there are subjects.
    pub samples: usize,
}

/// A recovery model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPart {
    /// Which, and how it is built.
    pub model: RecoveryModel,
    /// Candidates for each missing modality: so many draws.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub draws: usize,
    /// Its weights.
    pub file: String,
    /// Where it came from.
    pub provenance: Provenance,
}

fn one() -> usize {
    1
}

fn is_one(draws: &usize) -> bool {
    *draws == 1
}

/// Settings of a recovery model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "settings", rename_all = "kebab-case")]
pub enum RecoveryModel {
    /// Guided.
    Guided(GuidedSettings),
    /// MoPoE.
    Mopoe(MopoeSettings),
    /// Retrieval.
    Retrieval {
        /// One of so many nearest samples is taken.
        neighbours: usize,
    },
    /// TIP.
    Tip(TipSettings),
    /// IMI.
    Imi(ChainSettings),
    /// Mean and mode.
    Mean,
    /// Nearest neighbours.
    Neighbours {
        /// How many are taken together.
        neighbours: usize,
    },
    /// Hot deck.
    HotDeck,
}

impl RecoveryModel {
    /// Whether training samples stand in the folder as they are.
    pub fn holds_samples(&self) -> bool {
        matches!(self, Self::Retrieval { .. } | Self::Neighbours { .. } | Self::HotDeck)
    }

    /// Which model it is.
    pub fn kind(&self) -> RecoveryKind {
        match self {
            Self::Guided(_) => RecoveryKind::Guided,
            Self::Mopoe(_) => RecoveryKind::Mopoe,
            Self::Retrieval { .. } => RecoveryKind::Retrieval,
            Self::Tip(_) => RecoveryKind::Tip,
            Self::Imi(_) => RecoveryKind::Imi,
            Self::Mean => RecoveryKind::Mean,
            Self::Neighbours { .. } => RecoveryKind::Neighbours,
            Self::HotDeck => RecoveryKind::HotDeck,
        }
    }
}

/// Where trained weights came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Seed of the training.
    pub seed: u64,
    /// What the training was told.
    pub schedule: Schedule,
    /// The epoch whose weights these are, from 1.
    pub epoch: usize,
    /// Steps made in all.
    pub steps: usize,
    /// Seconds spent in all, over all restarts.
    pub seconds: f64,
    /// Training samples.
    pub samples: usize,
    /// Device and threads.
    pub device: String,
    /// Settings of the data, as TOML.
    pub data: String,
    /// Version of the program.
    pub version: String,
    /// The file that it was imported from, with its checksum; training was elsewhere then, and is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// Encoders that started from published weights: the modality, the file and its checksum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pretrained: Vec<String>,
}

impl Contents {
    pub(super) fn new(name: &str, schema: &Schema) -> Self {
        Self {
            format: FORMAT,
            name: name.into(),
            schema: schema.clone(),
            fusion: Vec::new(),
            recovery: Vec::new(),
            trust: Vec::new(),
            fill_entries: Vec::new(),
            sample: None,
        }
    }

    /// The files of weights, statistics, what was fitted on held-out samples, and stored samples.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let fusion = self.fusion.iter().flat_map(|p| [Some(&p.file), p.statistics.as_ref().map(|s| &s.file)]);
        let others = self.recovery.iter().map(|p| &p.file).chain(self.trust.iter().map(|p| &p.file));
        let sample = self.sample.iter().flat_map(|p| [&p.inputs, &p.answers]);
        fusion.flatten().chain(others).chain(sample).map(String::as_str)
    }
}

/// Reads `model.json`; the format comes first, so that another version is called by its number.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, ModelFolderError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let refuse = |reason: String| ModelFolderError::Parse { path: path.into(), reason };
    let Format { format } = serde_json::from_slice(bytes).map_err(|e| refuse(format!("not a model ({e})")))?;
    if format != FORMAT {
        return Err(ModelFolderError::Format { path: path.into(), found: format, wanted: FORMAT });
    }
    let contents: Contents = serde_json::from_slice(bytes).map_err(|e| refuse(format!("not a model ({e})")))?;
    if let Some(name) = contents.files().find(|name| Path::new(name).file_name() != Some(name.as_ref())) {
        return Err(refuse(format!("the file {name:?} is not a plain name in this folder")));
    }
    Ok(contents)
}

pub(super) fn parse_history(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, History>, ModelFolderError> {
    let refuse = |e: serde_json::Error| ModelFolderError::Parse {
        path: path.into(),
        reason: format!("no learning curves ({e})"),
    };
    serde_json::from_slice(bytes).map_err(refuse)
}
