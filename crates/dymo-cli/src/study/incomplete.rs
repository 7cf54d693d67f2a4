//! What training samples bring that lack modalities.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use dymo_data::{Samples, Splits, Subset, complete};
use dymo_metrics::correctness;
use dymo_models::fusion::FusionNetwork;
use dymo_report::{IncompleteTraining, Report};
use dymo_train::evaluation::{Arm, Setting, evaluate};
use dymo_train::experiment::{Experiment, Stage};
use dymo_train::model_folder::{COMPLETE_ONLY, FusionPart, ModelFolder, Provenance};

use super::{Case, Reader, Study, subjects};
use crate::context::Context;
use crate::training::{self, TrainingArgs, metric_name};

/// Whether complete samples show every class that the training part has.
fn show_every_class(train: &dyn Samples, complete: &[usize]) -> bool {
    let among: BTreeSet<usize> = complete.iter().map(|i| train.label(*i)).collect();
    (0..train.len()).all(|i| among.contains(&train.label(i)))
}

/// Trains the first metric's fusion network on the complete samples alone, into a folder beside the model, if there is something to
/// compare: incomplete samples, and complete ones of every class. Else the folder of an earlier training goes.
pub(crate) fn train_complete_only(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    model: &ModelFolder,
    args: &TrainingArgs,
) -> anyhow::Result<()> {
    let train = splits.train.as_ref();
    let whole: Vec<usize> = complete(train).collect();
    let path = model.path().join(COMPLETE_ONLY);
    let wanted = experiment.evaluation().compare_with_complete && whole.len() < train.len();
    let metric = experiment.metrics().first().filter(|_| wanted && show_every_class(train, &whole));
    let Some(metric) = metric else {
        if path.exists() {
            std::fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
        return Ok(());
    };
    context.watch.note(&format!(
        "the same network once more on the {} complete of {} training samples, to tell what the others bring (leave it out with \
         compare_with_complete = false in [evaluation])",
        whole.len(),
        train.len()
    ));
    let splits = Splits { train: Arc::new(Subset::new(splits.train.clone(), whole)?), ..splits.clone() };
    let mut folder = ModelFolder::create(&path, experiment.name(), splits.train.schema())?;
    training::train(context, experiment, &splits, Stage::Fusion(*metric), &mut folder, args)?;
    Ok(())
}

/// A network that was trained on complete samples alone, beside the model's own.
pub(super) struct Comparison {
    network: FusionNetwork,
    metric: &'static str,
    ours: Provenance,
    theirs: Provenance,
}

/// Whether two networks differ in nothing but their training samples.
fn are_alike(ours: &FusionPart, theirs: &FusionPart) -> bool {
    let told = |part: &FusionPart| {
        let p = &part.provenance;
        (p.seed, p.schedule.clone(), p.data.clone(), p.pretrained.clone())
    };
    ours.layout == theirs.layout && told(ours) == told(theirs)
}

impl Study<'_> {
    /// The network to compare with, if there is one that was trained as the model's own was; one that was not is said.
    pub(super) fn complete_only(&self, reader: &Reader) -> Option<Comparison> {
        let path = self.folder.path().join(COMPLETE_ONLY);
        if !self.experiment.evaluation().compare_with_complete || !path.is_dir() {
            return None;
        }
        let load = || -> anyhow::Result<Option<Comparison>> {
            let folder = ModelFolder::open(&path)?;
            let (ours, theirs) = (self.folder.fusion_part(reader.metric)?, folder.fusion_part(reader.metric)?);
            if !are_alike(ours, theirs) {
                return Ok(None);
            }
            let network = folder.fusion(reader.metric, &self.context.device)?;
            let (ours, theirs) = (ours.provenance.clone(), theirs.provenance.clone());
            Ok(Some(Comparison { network, metric: metric_name(reader.metric), ours, theirs }))
        };
        let why = match load() {
            Ok(Some(found)) => return Some(found),
            Ok(None) => "it belongs to another training".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        self.context
            .watch
            .note(&format!("{}: not compared with the model ({why}); `dymo train` makes it anew", path.display()));
        None
    }

    /// Discarding by the model's network and by the one trained on complete samples alone.
    pub(super) fn incomplete_training(
        &self,
        report: &mut Report,
        comparison: &Comparison,
        setting: &Setting<'_>,
        cases: &[Case],
    ) -> anyhow::Result<()> {
        let intervals = self.intervals();
        let task = self.context.watch.task("trained on complete samples alone", cases.len());
        for (place, Case { scenario, shown }) in cases.iter().enumerate() {
            let left = shown.samples.as_ref();
            let indices: Vec<usize> = (0..left.len()).collect();
            let subjects = subjects(left, &indices);
            let right = |setting: &Setting<'_>| {
                let arms = [Arm::Discard];
                let outcome = evaluate(setting, left, &indices, &shown.present, &arms, &mut |_, _| ())?;
                let predictions = outcome.arms.first().map(|arm| arm.predictions.clone()).unwrap_or_default();
                anyhow::Ok(correctness(&predictions, &outcome.labels)?)
            };
            let (ours, theirs) = (right(setting)?, right(&Setting { network: &comparison.network, ..*setting })?);
            let gain = intervals.difference(&ours, &theirs, &subjects)?;
            let mean = |right: &[f64]| right.iter().sum::<f64>() / right.len().max(1) as f64;
            report.incomplete_training.push(IncompleteTraining {
                metric: comparison.metric.into(),
                protocol: scenario.protocol_name.clone(),
                rate: scenario.rate,
                trained_on: comparison.ours.samples,
                steps: comparison.ours.steps,
                complete: comparison.theirs.samples,
                steps_of_complete: comparison.theirs.steps,
                n: ours.len(),
                accuracy: mean(&ours),
                accuracy_of_complete: mean(&theirs),
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
