//! What the weights of a stage depend on, as checksums: a training goes on from a checkpoint only under the settings that made it.

use std::collections::BTreeMap;

use dymo_data::checksum::sha256_hex;
use dymo_data::{Samples, Source, Splits, fingerprint};
use dymo_models::recovery::{Draw, GuidedSettings, MopoeSettings};
use serde::Serialize;

use super::{Experiment, Stage, StageError};
use crate::error::TrainError;
use crate::model_folder::RecoveryModel;

impl Experiment {
    /// By what people call it. The schedule is not among it: the trainer knows which of it may be changed.
    pub(super) fn checksums(&self, splits: &Splits, stage: Stage) -> Result<BTreeMap<String, String>, StageError> {
        let samples = [&splits.train, &splits.validation].map(|samples| identity(samples.as_ref())).concat();
        let mut found = BTreeMap::from([
            ("[data]".into(), of(&self.data())),
            ("modalities and classes".into(), of(splits.train.schema())),
            ("names, classes and gaps of the samples".into(), sha256_hex(&samples)),
        ]);
        let [train, validation] =
            [&splits.train, &splits.validation].map(|samples| fingerprint(samples.as_ref()).map_err(TrainError::from));
        found.insert("what files, tables and texts hold".into(), of(&(train?, validation?)));
        match (stage, self.recovery_model(stage)) {
            (Stage::Fusion(metric), _) => {
                let layout = self.layout(splits.train.schema(), metric)?;
                found.insert("the network of [fusion] and [modality]".into(), of(&layout));
                found.insert("[fusion.loss]".into(), of(self.fusion_loss()));
                found.insert("pretrained weights".into(), of(&self.started_from(stage)?));
            }
            (_, Some(model)) => _ = found.insert(format!("[recovery.{}.model]", stage.name()), of(&taught(model))),
            (_, None) => {}
        }
        Ok(found)
    }

    /// Where the samples come from, but for how many of them stay in memory.
    fn data(&self) -> Source {
        let mut data = self.source().clone();
        if let Source::Manifest(settings) = &mut data {
            settings.keep_mib = 0;
        }
        data
    }
}

/// What training knows of a recovery model: how recovery draws later changes no weights.
fn taught(model: RecoveryModel) -> RecoveryModel {
    let draw = Draw::default();
    match model {
        RecoveryModel::Guided(settings) => RecoveryModel::Guided(GuidedSettings { draw, ..settings }),
        RecoveryModel::Mopoe(settings) => RecoveryModel::Mopoe(MopoeSettings { draw, ..settings }),
        other => other,
    }
}

/// The samples as far as that is known without reading files: each one's number, class and modalities, in order.
fn identity(samples: &dyn Samples) -> Vec<u8> {
    let count = samples.schema().modalities().len();
    let sample = |index: usize| {
        let head = [samples.number(index), samples.label(index) as u64].map(u64::to_le_bytes).concat();
        head.into_iter().chain(samples.observed(index).missing_flags(count).into_iter().map(u8::from))
    };
    (0..samples.len()).flat_map(sample).collect()
}

fn of(settings: &impl Serialize) -> String {
    // Settings are plain tables, which JSON can always hold; floats of any value included.
    sha256_hex(&serde_json::to_vec(settings).unwrap_or_default())
}
