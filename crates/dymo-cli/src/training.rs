//! One stage of an experiment, trained into a model folder, and the statistics that follow it.

use std::time::Duration;

use dymo_data::Splits;
use dymo_models::weights::Precision;
use dymo_reward::Metric;
use dymo_train::experiment::{Experiment, Stage};
use dymo_train::model_folder::{ModelFolder, Provenance, RecoveryModel};
use dymo_train::statistics;
use dymo_train::trainer::{Progress, Run};

use crate::context::Context;

/// Flags of every training.
#[derive(Debug, Clone, clap::Args)]
pub struct TrainingArgs {
    /// Go on where an earlier run of the same command stopped, or was killed
    #[arg(long)]
    pub resume: bool,
    /// Seconds between checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, hide = true, value_parser = seconds)]
    pub checkpoint_every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..1e9).contains(&value) => Ok(value),
        _ => Err("wanted a number of seconds from 0".into()),
    }
}

/// What a training took.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Effort {
    pub stage: &'static str,
    /// The epoch whose weights were kept, from 1.
    pub epoch: usize,
    pub steps: usize,
    pub seconds: f64,
}

/// Trains a stage and adds it to the folder.
pub(crate) fn train(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    stage: Stage,
    folder: &mut ModelFolder,
    args: &TrainingArgs,
) -> anyhow::Result<Effort> {
    let task = context.watch.task(stage.name(), 0);
    let mut progress = |moment: &Progress<'_>| task.training(moment);
    let run = Run {
        seed: experiment.seed(),
        checkpoint: Some(folder.checkpoint(stage)),
        resume: args.resume,
        every: Duration::from_secs_f64(args.checkpoint_every),
        stop: context.stop.flag(),
        progress: &mut progress,
    };
    let saving = context.stop.training();
    let trained = experiment.train(splits, stage, &context.device, run)?;
    drop(saving);
    let (best, steps, seconds) = trained.effort();
    let provenance = Provenance {
        seed: experiment.seed(),
        schedule: experiment.schedule(stage).unwrap_or_default(),
        epoch: best + 1,
        steps,
        seconds,
        samples: splits.train.len(),
        device: context.device_words.clone(),
        data: experiment.source_settings(),
        version: env!("CARGO_PKG_VERSION").into(),
        imported: None,
    };
    let model = match stage {
        Stage::Fusion(_) => None,
        Stage::Guided => experiment.guided().cloned().map(RecoveryModel::Guided),
        Stage::Mopoe => experiment.mopoe().cloned().map(RecoveryModel::Mopoe),
    };
    folder.add(&trained, model, Precision::Full, provenance)?;
    task.done();
    Ok(Effort { stage: stage.name(), epoch: best + 1, steps, seconds })
}

/// Fits the class statistics of a metric's fusion network and adds them to the folder.
pub(crate) fn fit(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    metric: Metric,
    folder: &mut ModelFolder,
) -> anyhow::Result<usize> {
    let limit = experiment.table().statistics.limit;
    let samples = limit.unwrap_or(usize::MAX).min(splits.train.len());
    let network = folder.fusion(metric, &context.device)?;
    let task = context.watch.task(&format!("statistics, {}", metric_name(metric)), samples);
    let fitted =
        statistics::fit(&network, splits.train.as_ref(), limit, &context.device, &mut |done, _| task.at(done))?;
    folder.add_statistics(&fitted, samples)?;
    task.done();
    Ok(samples)
}

/// A metric as files and reports call it.
pub(crate) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "cosine",
        Metric::Euclid => "euclid",
    }
}
