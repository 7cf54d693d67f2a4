//! What is trained, one stage at a time.

use std::sync::Arc;

use burn::tensor::Device;
use dymo_data::{Samples, Splits, Subset};
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{Guided, Mopoe};
use dymo_reward::Metric;

use super::{Experiment, ExperimentError, Problem};
use crate::error::TrainError;
use crate::fusion::FusionObjective;
use crate::recovery::{GuidedObjective, HeldOut, MopoeObjective};
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
}

impl Stage {
    /// Its name in files: `fusion-cosine`, `fusion-euclid`, `guided`, `mopoe`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fusion(Metric::Cosine) => "fusion-cosine",
            Self::Fusion(Metric::Euclid) => "fusion-euclid",
            Self::Guided => "guided",
            Self::Mopoe => "mopoe",
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
}

impl TrainedStage {
    /// Its learning curves.
    pub fn history(&self) -> &History {
        match self {
            Self::Fusion(_, t) => &t.history,
            Self::Guided(t) => &t.history,
            Self::Mopoe(t) => &t.history,
        }
    }

    /// Best epoch (from 0), steps and seconds in all.
    pub fn effort(&self) -> (usize, usize, f64) {
        match self {
            Self::Fusion(_, t) => (t.best_epoch, t.steps, t.seconds),
            Self::Guided(t) => (t.best_epoch, t.steps, t.seconds),
            Self::Mopoe(t) => (t.best_epoch, t.steps, t.seconds),
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

/// The samples that have every modality.
fn complete(samples: &Arc<dyn Samples>) -> Result<Arc<dyn Samples>, TrainError> {
    let full = samples.schema().full();
    let indices: Vec<usize> = (0..samples.len()).filter(|i| samples.observed(*i) == full).collect();
    if indices.len() == samples.len() {
        Ok(samples.clone())
    } else {
        Ok(Arc::new(Subset::new(samples.clone(), indices)?))
    }
}

impl Experiment {
    /// Trains one stage on the training split. `reader` is a fusion network that reads what a recovery model recovers after each
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
        let schedule = self.schedule(stage).ok_or_else(absent)?;
        let samples = splits.train.as_ref();
        let held_out = HeldOut { samples: splits.validation.clone(), reader: reader.clone(), device: device.clone() };
        // A closure of this function's own: the loop wants everything it borrows to live equally long.
        let tell = run.progress;
        let mut progress = |moment: &Progress<'_>| tell(moment);
        let Run { seed, checkpoint, resume, every, stop, .. } = run;
        let run = Run { seed, checkpoint, resume, every, stop, progress: &mut progress };
        match stage {
            Stage::Fusion(metric) => {
                let layout = self.layout(samples.schema(), metric)?;
                let mut objective =
                    FusionObjective::new(layout, self.fusion_loss().clone(), held_out.samples, device.clone());
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
                let (samples, held_out) = (complete(&splits.train)?, complete(&held_out.samples)?);
                let held_out = HeldOut { samples: held_out, reader, device: device.clone() };
                let mut objective = MopoeObjective::new(settings, schedule.batch, held_out);
                Ok(TrainedStage::Mopoe(train(&mut objective, &schedule, samples.as_ref(), device, run)?))
            }
        }
    }
}
