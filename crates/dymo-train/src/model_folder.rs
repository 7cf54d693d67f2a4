//! A trained model is one folder, which may grow part by part:
//!
//! ```text
//! model.json                 what is in it: schema, networks, settings, where each part came from
//! fusion-cosine.safetensors  one fusion network for each metric,
//! statistics-cosine.json     and its class statistics
//! guided.safetensors         recovery models; neighbours and hot-deck hold training samples
//! imi.json
//! trust-guided-cosine.json   threshold, temperature and prediction sets, fitted on held-out samples
//! sample.safetensors         a few samples' inputs, without names and labels,
//! sample.json                and what the model answered when it was written: [`verify`] asks again
//! history.json               learning curves
//! README.md                  the model card, written from the above
//! SHA256SUMS                 written last: `sha256sum --check SHA256SUMS` holds
//! checkpoints/               where trainings stand; not part of the model
//! complete-only/             a fusion network for comparison, trained on the complete samples alone; not part of the model either
//! ```
//!
//! Any part may be absent. Every file is replaced whole or not at all, and what is read is what was written: checksums are
//! compared, weights are finite, and tensors have the shapes of the network in `model.json`.

mod card;
mod commit;
mod contents;
mod error;
mod load;
mod sample;
mod save;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dymo_core::Schema;
use dymo_data::checksum::{Checksums, SHA256SUMS};
use dymo_data::whole::Target;
use dymo_reward::Metric;

use crate::experiment::{RecoveryKind, Stage};
use crate::trainer::History;

pub use contents::{
    Contents, FusionPart, Provenance, RecoveryModel, RecoveryPart, SamplePart, StatisticsPart, TrustPart,
};
pub use error::ModelFolderError;
pub(crate) use error::metric_name;
pub use sample::{StoredAnswer, StoredAnswers, StoredSample};
pub use verify::{ALLOWED, BESIDE, SampleCheck, Verification, verify};

const MODEL: &str = "model.json";
const HISTORY: &str = "history.json";
const CARD: &str = "README.md";
const CHECKPOINTS: &str = "checkpoints";
/// Beside a model that was trained on incomplete samples, too: the folder of a fusion network that was trained on the complete ones alone.
pub const COMPLETE_ONLY: &str = "complete-only";

/// A model folder, opened.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    contents: Contents,
    history: BTreeMap<String, History>,
}

impl ModelFolder {
    /// A folder to add parts to: made if it is not there, opened if it is. Nothing is written before the first part.
    ///
    /// # Errors
    /// [`ModelFolderError::OtherSchema`] for a folder of other modalities or classes; else as [`ModelFolder::open`].
    pub fn create(path: &Path, name: &str, schema: &Schema) -> Result<Self, ModelFolderError> {
        commit::finish(path)?;
        // The list of checksums comes last: without it, whatever stands there was never a model.
        if path.join(SHA256SUMS).exists() {
            let found = Self::open_to_write(path)?;
            return if found.contents.schema == *schema {
                Ok(found)
            } else {
                Err(ModelFolderError::OtherSchema {
                    path: path.into(),
                    difference: difference(&found.contents.schema, schema),
                })
            };
        }
        // A training that was stopped before its first part has left checkpoints, and nothing of these names.
        if let Some(file) = [MODEL, HISTORY, CARD].into_iter().map(|name| path.join(name)).find(|file| file.exists()) {
            return Err(ModelFolderError::Occupied { file });
        }
        Ok(Self { path: path.into(), contents: Contents::new(name, schema), history: BTreeMap::new() })
    }

    /// Whether a file belongs to the model, or stands where what belongs to it does: nothing else may be written there.
    pub fn owns(&self, file: &Path) -> bool {
        let target = Target::of(file);
        let (Ok(folder), Some(parent), Some(name)) =
            (self.path.canonicalize(), target.path().parent(), target.path().file_name())
        else {
            return false;
        };
        let Ok(inside) = parent.strip_prefix(&folder) else { return false };
        match inside.components().next() {
            Some(first) => BESIDE.iter().any(|beside| first.as_os_str() == *beside),
            None => {
                let name = name.to_string_lossy();
                let name = commit::settled(&name);
                let listed = Checksums::of(&self.path).is_ok_and(|sums| sums.names().any(|own| own == name));
                listed || name == SHA256SUMS || BESIDE.contains(&name)
            }
        }
    }

    /// Names of all the files that are the model: what a copy of it writes.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        [MODEL, HISTORY, CARD, SHA256SUMS].into_iter().chain(self.contents.files())
    }

    /// Opens a folder and compares every file in its list with its checksum.
    ///
    /// # Errors
    /// [`ModelFolderError`], with the file and what to do.
    pub fn open(path: &Path) -> Result<Self, ModelFolderError> {
        if !path.join(SHA256SUMS).exists() && !path.join(MODEL).exists() && !commit::is_begun(path) {
            return Err(ModelFolderError::Absent { path: path.into() });
        }
        commit::finish(path)?;
        let sums = Checksums::of(path)?;
        for name in sums.names() {
            sums.read(name)?;
        }
        let contents = contents::parse(&path.join(MODEL), &sums.read(MODEL)?)?;
        let history = contents::parse_history(&path.join(HISTORY), &sums.read(HISTORY)?)?;
        Ok(Self { path: path.into(), contents, history })
    }

    /// As [`ModelFolder::open`], but believes `model.json` and `history.json` as they stand: a writer that was stopped between
    /// them and the list must be able to go on. Weights are still compared when they are carried over.
    fn open_to_write(path: &Path) -> Result<Self, ModelFolderError> {
        let read = |name: &str| {
            let file = path.join(name);
            std::fs::read(&file).map_err(|source| ModelFolderError::File { path: file, source })
        };
        let contents = contents::parse(&path.join(MODEL), &read(MODEL)?)?;
        let history = contents::parse_history(&path.join(HISTORY), &read(HISTORY)?)?;
        Ok(Self { path: path.into(), contents, history })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Modalities and classes.
    pub fn schema(&self) -> &Schema {
        &self.contents.schema
    }

    /// Where the training samples came from, as TOML: what reads a table of new ones. `None` for a model without a network.
    pub fn data_settings(&self) -> Option<&str> {
        let fusion = self.contents.fusion.iter().map(|part| part.provenance.data.as_str());
        fusion.chain(self.contents.recovery.iter().map(|part| part.provenance.data.as_str())).next()
    }

    /// Learning curves by stage.
    pub fn history(&self) -> &BTreeMap<String, History> {
        &self.history
    }

    /// The metrics that have a fusion network.
    pub fn metrics(&self) -> Vec<Metric> {
        self.contents.fusion.iter().map(|part| part.metric).collect()
    }

    /// The recovery models that it has, in the order of reports.
    pub fn recoveries(&self) -> Vec<RecoveryKind> {
        let mut kinds: Vec<RecoveryKind> = self.contents.recovery.iter().map(|part| part.model.kind()).collect();
        kinds.sort();
        kinds
    }

    /// Where the training of a stage stands; the file need not be there.
    pub fn checkpoint(&self, stage: Stage) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{}.checkpoint", stage.name()))
    }

    /// Says how the schema of `data` differs from the model's.
    ///
    /// # Errors
    /// [`ModelFolderError::OtherSchema`] if it does.
    pub fn check_schema(&self, data: &Schema) -> Result<(), ModelFolderError> {
        if *self.schema() == *data {
            return Ok(());
        }
        Err(ModelFolderError::OtherSchema { path: self.path.clone(), difference: difference(self.schema(), data) })
    }

    /// As [`ModelFolder::check_schema`] for modalities alone: data to predict need not show every class.
    ///
    /// # Errors
    /// [`ModelFolderError::OtherSchema`] if they differ.
    pub fn check_modalities(&self, data: &Schema) -> Result<(), ModelFolderError> {
        if self.schema().modalities() == data.modalities() {
            return Ok(());
        }
        Err(ModelFolderError::OtherSchema { path: self.path.clone(), difference: difference(self.schema(), data) })
    }
}

/// How two schemas differ, in words.
fn difference(model: &Schema, data: &Schema) -> String {
    let modalities = |schema: &Schema| {
        let words = |m: &dymo_core::Modality| format!("{} {:?}", m.name(), m.kind().shape());
        schema.modalities().iter().map(words).collect::<Vec<_>>().join(", ")
    };
    if model.modalities() == data.modalities() {
        format!("its classes are {}, the data's {}", model.classes().join(", "), data.classes().join(", "))
    } else {
        let (ours, theirs) = (modalities(model), modalities(data));
        let inside = if ours == theirs { ", and columns, categories or words within them differ" } else { "" };
        format!("its modalities are {ours}, the data's {theirs}{inside}")
    }
}
