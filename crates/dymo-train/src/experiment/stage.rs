//! What is trained, one stage at a time.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use dymo_core::{ModalitySet, Schema};
use dymo_data::checksum::sha256_hex;
use dymo_data::{Samples, Splits, Subset};
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{Guided, Mopoe, Tip};
use dymo_reward::Metric;

use super::{Experiment, ExperimentError, Problem, RecoveryKind};
use crate::error::TrainError;
use crate::fusion::FusionObjective;
use crate::model_folder::RecoveryModel;
use crate::recovery::{
    Fitted, GuidedObjective, HeldOut, MopoeObjective, TipObjective, fit_centre, fit_chain, fit_donors, fit_gallery,
};
use crate::trainer::{History, Progress, Run, Trained, train};

/// One network of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The fusion network for a metric.
    Fusion(Metric),
    /// The guided recovery model.
    Guided,
    /// The MoPoE recovery model.
    Mopoe,
    /// What retrieval takes from.
    Retrieval,
    /// TIP.
    Tip,
    /// IMI.
    Imi,
    /// Mean and mode.
    Mean,
    /// Nearest neighbours.
    Neighbours,
    /// Hot deck.
    HotDeck,
}

impl Stage {
    /// Its name in files: `fusion-cosine`, `fusion-euclid`, or the recovery model's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fusion(Metric::Cosine) => "fusion-cosine",
            Self::Fusion(Metric::Euclid) => "fusion-euclid",
            Self::Guided => RecoveryKind::Guided.name(),
            Self::Mopoe => RecoveryKind::Mopoe.name(),
            Self::Retrieval => RecoveryKind::Retrieval.name(),
            Self::Tip => RecoveryKind::Tip.name(),
            Self::Imi => RecoveryKind::Imi.name(),
            Self::Mean => RecoveryKind::Mean.name(),
            Self::Neighbours => RecoveryKind::Neighbours.name(),
            Self::HotDeck => RecoveryKind::HotDeck.name(),
        }
    }
}

impl Stage {
    /// Whether it is fitted in one go, without steps or a schedule.
    pub fn is_in_one_go(self) -> bool {
        match self {
            Self::Fusion(_) | Self::Guided | Self::Mopoe | Self::Tip => false,
            Self::Retrieval | Self::Imi | Self::Mean | Self::Neighbours | Self::HotDeck => true,
        }
    }
}

/// A stage that has been trained.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a training: it is never copied or kept in a list")]
pub enum TrainedStage {
    /// A fusion network and the metric that it is for.
    Fusion(Metric, Trained<FusionNetwork>),
    /// A guided model.
    Guided(Trained<Guided>),
    /// A MoPoE.
    Mopoe(Trained<Mopoe>),
    /// A TIP.
    Tip(Trained<Tip>),
    /// A model that is fitted in one go, and which.
    Fitted(RecoveryKind, Fitted),
}

impl TrainedStage {
    /// The name of its stage.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fusion(metric, _) => Stage::Fusion(*metric).name(),
            Self::Guided(_) => Stage::Guided.name(),
            Self::Mopoe(_) => Stage::Mopoe.name(),
            Self::Tip(_) => Stage::Tip.name(),
            Self::Fitted(kind, _) => kind.name(),
        }
    }

    /// Its learning curves.
    pub fn history(&self) -> &History {
        match self {
            Self::Fusion(_, t) => &t.history,
            Self::Guided(t) => &t.history,
            Self::Mopoe(t) => &t.history,
            Self::Tip(t) => &t.history,
            Self::Fitted(_, t) => &t.history,
        }
    }

    /// Training samples that it was fitted on, where those are fewer than all.
    pub fn samples(&self) -> Option<usize> {
        match self {
            Self::Fitted(_, t) => Some(t.samples),
            _ => None,
        }
    }

    /// Best epoch (from 0), steps and seconds in all.
    pub fn effort(&self) -> (usize, usize, f64) {
        match self {
            Self::Fusion(_, t) => (t.best_epoch, t.steps, t.seconds),
            Self::Guided(t) => (t.best_epoch, t.steps, t.seconds),
            Self::Mopoe(t) => (t.best_epoch, t.steps, t.seconds),
            Self::Tip(t) => (t.best_epoch, t.steps, t.seconds),
            Self::Fitted(_, t) => (t.rounds.saturating_sub(1), t.rounds, t.seconds),
        }
    }
}

/// Why a stage was not trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The experiment does not allow it.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// Training failed or was stopped.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// The samples that have every modality of `needed`.
fn having(samples: &Arc<dyn Samples>, needed: ModalitySet) -> Result<Arc<dyn Samples>, TrainError> {
    let indices: Vec<usize> = (0..samples.len()).filter(|i| needed.is_subset_of(samples.observed(*i))).collect();
    if indices.len() == samples.len() {
        Ok(samples.clone())
    } else {
        Ok(Arc::new(Subset::new(samples.clone(), indices)?))
    }
}

impl Experiment {
    /// Files that encoders start from, by the number of the modality.
    fn pretrained(&self, schema: &Schema) -> Vec<(usize, PathBuf)> {
        let tables = self.table.modality.iter();
        tables.filter_map(|(name, table)| Some((schema.modality_index(name)?, table.pretrained.clone()?))).collect()
    }

    /// What the encoders of a stage started from, in words: the modality, the file's name and its checksum.
    ///
    /// # Errors
    /// [`TrainError::File`] for a file that cannot be read.
    pub fn started_from(&self, stage: Stage) -> Result<Vec<String>, TrainError> {
        let Stage::Fusion(_) = stage else { return Ok(Vec::new()) };
        let tables = self.table.modality.iter().filter_map(|(name, table)| Some((name, table.pretrained.as_ref()?)));
        let words = |(name, path): (&String, &PathBuf)| {
            let bytes = std::fs::read(path).map_err(TrainError::file(path))?;
            let file = path.file_name().map_or_else(String::new, |file| file.to_string_lossy().into_owned());
            Ok(format!("{name} from {file}, sha256 {}", sha256_hex(&bytes)))
        };
        tables.map(words).collect()
    }

    /// Trains one stage on the training split; its checkpoint is taken up only if its settings and samples are those of this experiment,
    /// except for how long it trains. `reader` is a fusion network that reads what a recovery model recovers after each
    /// epoch, for the learning curve alone: the weights do not depend on it.
    ///
    /// # Errors
    /// [`StageError`]; a stop on request is [`TrainError::Stopped`], with the checkpoint written.
    pub fn train(
        &self,
        splits: &Splits,
        stage: Stage,
        reader: Option<FusionNetwork>,
        device: &Device,
        run: Run<'_>,
    ) -> Result<TrainedStage, StageError> {
        let absent = || self.fail(Problem::NoRecovery { name: stage.name().into() });
        if stage.is_in_one_go() {
            return self.fit(splits, stage, run);
        }
        let schedule = self.schedule(stage).ok_or_else(absent)?;
        let samples = splits.train.as_ref();
        let held_out = HeldOut { samples: splits.validation.clone(), reader: reader.clone(), device: device.clone() };
        // A closure of this function's own: the loop wants everything it borrows to live equally long.
        let tell = run.progress;
        let mut progress = |moment: &Progress<'_>| tell(moment);
        let Run { seed, checkpoint, resume, mut settings, every, stop, .. } = run;
        settings.extend(self.checksums(splits, stage)?);
        let run = Run { seed, checkpoint, resume, settings, every, stop, progress: &mut progress };
        match stage {
            Stage::Fusion(metric) => {
                let layout = self.layout(samples.schema(), metric)?;
                let loss = self.fusion_loss().clone();
                let mut objective = FusionObjective::new(layout, loss, held_out.samples, device.clone())
                    .starting_from(self.pretrained(samples.schema()));
                Ok(TrainedStage::Fusion(metric, train(&mut objective, &schedule, samples, device, run)?))
            }
            Stage::Guided => {
                let settings = self.guided().ok_or_else(absent)?.clone();
                let mut objective = GuidedObjective::new(settings, held_out);
                Ok(TrainedStage::Guided(train(&mut objective, &schedule, samples, device, run)?))
            }
            Stage::Mopoe => {
                let settings = self.mopoe().ok_or_else(absent)?.clone();
                // Published for complete samples, and its mixture over all subsets is defined for no others.
                let full = samples.schema().full();
                let (samples, held_out) = (having(&splits.train, full)?, having(&held_out.samples, full)?);
                let held_out = HeldOut { samples: held_out, reader, device: device.clone() };
                let mut objective = MopoeObjective::new(settings, schedule.batch, held_out);
                Ok(TrainedStage::Mopoe(train(&mut objective, &schedule, samples.as_ref(), device, run)?))
            }
            Stage::Tip => {
                let settings = self.tip().ok_or_else(absent)?.clone();
                let needed = TipObjective::needs(samples);
                let (samples, held_out) = (having(&splits.train, needed)?, having(&held_out.samples, needed)?);
                let mut objective =
                    TipObjective::new(settings, HeldOut { samples: held_out, reader, device: device.clone() });
                Ok(TrainedStage::Tip(train(&mut objective, &schedule, samples.as_ref(), device, run)?))
            }
            Stage::Retrieval | Stage::Imi | Stage::Mean | Stage::Neighbours | Stage::HotDeck => {
                self.fit(splits, stage, run)
            }
        }
    }

    /// Fits what needs no steps.
    fn fit(&self, splits: &Splits, stage: Stage, run: Run<'_>) -> Result<TrainedStage, StageError> {
        let absent = || self.fail(Problem::NoRecovery { name: stage.name().into() });
        let (train, table) = (splits.train.as_ref(), &self.table().recovery);
        let (kind, fitted) = match stage {
            Stage::Retrieval => {
                let limit = table.retrieval.as_ref().ok_or_else(absent)?.train_limit;
                (RecoveryKind::Retrieval, fit_gallery(train, limit, run)?)
            }
            Stage::Imi => {
                let imi = table.imi.as_ref().ok_or_else(absent)?;
                let fitted = fit_chain(&imi.model, train, imi.train_limit, splits.validation.as_ref(), run)?;
                (RecoveryKind::Imi, fitted)
            }
            Stage::Mean => {
                table.mean.as_ref().ok_or_else(absent)?;
                (RecoveryKind::Mean, fit_centre(train, run)?)
            }
            Stage::Neighbours => {
                let limit = table.neighbours.as_ref().ok_or_else(absent)?.train_limit;
                (RecoveryKind::Neighbours, fit_donors(train, limit, run)?)
            }
            Stage::HotDeck => {
                let limit = table.hot_deck.as_ref().ok_or_else(absent)?.train_limit;
                (RecoveryKind::HotDeck, fit_donors(train, limit, run)?)
            }
            Stage::Fusion(_) | Stage::Guided | Stage::Mopoe | Stage::Tip => return Err(absent().into()),
        };
        Ok(TrainedStage::Fitted(kind, fitted))
    }

    /// What a model folder must know of a recovery model besides its weights; `None` for a stage that trains none.
    pub fn recovery_model(&self, stage: Stage) -> Option<RecoveryModel> {
        let table = &self.table().recovery;
        match stage {
            Stage::Fusion(_) => None,
            Stage::Guided => self.guided().cloned().map(RecoveryModel::Guided),
            Stage::Mopoe => self.mopoe().cloned().map(RecoveryModel::Mopoe),
            Stage::Retrieval => table.retrieval.as_ref().map(|t| RecoveryModel::Retrieval { neighbours: t.neighbours }),
            Stage::Tip => self.tip().cloned().map(RecoveryModel::Tip),
            Stage::Imi => table.imi.as_ref().map(|imi| RecoveryModel::Imi(imi.model.clone())),
            Stage::Mean => table.mean.as_ref().map(|_| RecoveryModel::Mean),
            Stage::Neighbours => {
                table.neighbours.as_ref().map(|t| RecoveryModel::Neighbours { neighbours: t.neighbours })
            }
            Stage::HotDeck => table.hot_deck.as_ref().map(|_| RecoveryModel::HotDeck),
        }
    }
}
