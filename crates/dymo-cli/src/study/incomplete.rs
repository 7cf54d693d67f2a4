//! What training samples bring that lack modalities.

use std::collections::BTreeSet;
use std::sync::Arc;

use dymo_data::{Samples, Splits, Subset};
use dymo_metrics::{correctness, paired_difference};
use dymo_report::{IncompleteTraining, Report};
use dymo_train::evaluation::{Arm, Setting, evaluate};
use dymo_train::experiment::{Experiment, Scenario, Stage};
use dymo_train::model_folder::{COMPLETE_ONLY, ModelFolder};

use super::{Reader, Study};
use crate::context::Context;
use crate::training::{self, TrainingArgs, metric_name};

/// The numbers of the complete training samples.
fn complete(train: &dyn Samples) -> Vec<usize> {
    (0..train.len()).filter(|i| train.observed(*i) == train.schema().full()).collect()
}

/// Whether complete samples show every class that the training part has.
fn show_every_class(train: &dyn Samples, complete: &[usize]) -> bool {
    let among: BTreeSet<usize> = complete.iter().map(|i| train.label(*i)).collect();
    (0..train.len()).all(|i| among.contains(&train.label(i)))
}

/// Trains the first metric's fusion network on the complete samples alone, into a folder beside the model, if there is something to
/// compare: incomplete samples, and complete ones of every class.
pub(crate) fn train_complete_only(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    model: &ModelFolder,
    args: &TrainingArgs,
) -> anyhow::Result<()> {
    let (train, whole) = (splits.train.as_ref(), complete(splits.train.as_ref()));
    let (true, Some(metric)) = (experiment.evaluation().compare_with_complete, experiment.metrics().first()) else {
        return Ok(());
    };
    if whole.len() == train.len() {
        return Ok(());
    }
    if !show_every_class(train, &whole) {
        context.watch.note(&format!(
            "{} of {} training samples are complete, and not of every class: what the others bring cannot be told",
            whole.len(),
            train.len()
        ));
        return Ok(());
    }
    context.watch.note(&format!(
        "the same network once more on the {} complete of {} training samples, to tell what the others bring (leave it out with \
         compare_with_complete = false in [evaluation])",
        whole.len(),
        train.len()
    ));
    let splits = Splits { train: Arc::new(Subset::new(splits.train.clone(), whole)?), ..splits.clone() };
    let path = model.path().join(COMPLETE_ONLY);
    let mut folder = ModelFolder::create(&path, experiment.name(), splits.train.schema())?;
    training::train(context, experiment, &splits, Stage::Fusion(*metric), &mut folder, args)?;
    Ok(())
}

impl Study<'_> {
    /// Discarding by the model's network and by the one trained on complete samples alone, where there is one.
    pub(super) fn incomplete_training(
        &self,
        report: &mut Report,
        reader: &Reader,
        setting: &Setting<'_>,
        scenarios: &[Scenario],
        samples: &Arc<dyn Samples>,
    ) -> anyhow::Result<()> {
        let path = self.folder.path().join(COMPLETE_ONLY);
        if !self.experiment.evaluation().compare_with_complete || !path.is_dir() {
            return Ok(());
        }
        let folder = ModelFolder::open(&path)?;
        folder.check_schema(self.splits.train.schema())?;
        let other = folder.fusion(reader.metric, &self.context.device)?;
        let (train, intervals) = (self.splits.train.as_ref(), self.intervals());
        let complete = complete(train).len();
        let indices: Vec<usize> = (0..samples.len()).collect();
        let task = self.context.watch.task("trained on complete samples alone", scenarios.len());
        for (place, scenario) in scenarios.iter().enumerate() {
            let shown = self.shown(scenario, samples)?;
            let right = |setting: &Setting<'_>| {
                let arms = [Arm::Discard];
                let outcome =
                    evaluate(setting, shown.samples.as_ref(), &indices, &shown.present, &arms, &mut |_, _| ())?;
                let predictions = outcome.arms.first().map(|arm| arm.predictions.clone()).unwrap_or_default();
                anyhow::Ok(correctness(&predictions, &outcome.labels)?)
            };
            let (ours, others) = (right(setting)?, right(&Setting { network: &other, ..*setting })?);
            let gain = paired_difference(&ours, &others, intervals.level, intervals.resamples, intervals.seed)?;
            let mean = |right: &[f64]| right.iter().sum::<f64>() / right.len().max(1) as f64;
            report.incomplete_training.push(IncompleteTraining {
                metric: metric_name(reader.metric).into(),
                protocol: scenario.protocol_name.clone(),
                rate: scenario.rate,
                trained_on: train.len(),
                complete,
                n: ours.len(),
                accuracy: mean(&ours),
                accuracy_of_complete: mean(&others),
                difference: gain.estimate,
                low: gain.low,
                high: gain.high,
            });
            task.at(place + 1);
        }
        task.done();
        Ok(())
    }
}
