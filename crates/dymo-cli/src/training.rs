//! One stage of an experiment, trained into a model folder, and the statistics that follow it.

use std::collections::BTreeMap;
use std::time::Duration;

use dymo_data::Splits;
use dymo_models::fusion::FusionNetwork;
use dymo_models::weights::Precision;
use dymo_reward::Metric;
use dymo_train::events::EventWriter;
use dymo_train::experiment::{Experiment, Stage};
use dymo_train::model_folder::{ModelFolder, Provenance, RecoveryModel};
use dymo_train::statistics;
use dymo_train::trainer::{Progress, Run, Schedule};

use crate::context::Context;
use crate::outcome::after_training;
use crate::verbs;

/// Flags of every training.
#[derive(Debug, Clone, clap::Args)]
pub struct TrainingArgs {
    /// Go on where an earlier run of the same command stopped, or was killed; other settings than its are refused, except for how long
    /// it trains
    #[arg(long)]
    pub resume: bool,
    /// Train over networks that the folder holds already, from the beginning
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
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

/// The run as TensorBoard shows it. What cannot be written is said once: no training ends for it.
struct Events {
    writer: Option<EventWriter>,
}

impl Events {
    fn of(folder: &ModelFolder, stage: Stage) -> Self {
        let place = folder.path().join("tensorboard").join(stage.name());
        let writer = EventWriter::create(&place);
        if let Err(e) = &writer {
            eprintln!("{}: no event files for TensorBoard ({e}); training goes on", place.display());
        }
        Self { writer: writer.ok() }
    }

    fn tell(&mut self, moment: &Progress<'_>) {
        let Some(writer) = &mut self.writer else { return };
        let written = match moment.ended {
            None => writer.scalar("step/loss", moment.step, moment.loss),
            Some(quantities) => quantities
                .iter()
                .try_for_each(|(name, value)| writer.scalar(&name.replace(": ", "/"), moment.step, *value)),
        };
        if let Err(e) = written {
            eprintln!("no more event files for TensorBoard ({e}); training goes on");
            self.writer = None;
        }
    }
}

/// What reads recovered modalities while a recovery model learns: the folder's first fusion network, if it has one.
fn reader(context: &Context, folder: &ModelFolder, stage: Stage) -> anyhow::Result<Option<FusionNetwork>> {
    match (stage, folder.metrics().first()) {
        (Stage::Fusion(_), _) | (_, None) => Ok(None),
        (_, Some(metric)) => Ok(Some(folder.fusion(*metric, &context.device)?)),
    }
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
    let mut events = Events::of(folder, stage);
    let mut progress = |moment: &Progress<'_>| {
        events.tell(moment);
        task.training(moment);
    };
    let run = Run {
        seed: experiment.seed(),
        checkpoint: Some(folder.checkpoint(stage)),
        resume: args.resume,
        settings: BTreeMap::new(),
        every: Duration::from_secs_f64(args.checkpoint_every),
        stop: context.stop.flag(),
        progress: &mut progress,
    };
    let saving = context.stop.training();
    let reader = reader(context, folder, stage)?;
    let trained = experiment.train(splits, stage, reader, &context.device, run)?;
    drop(saving);
    let (best, steps, seconds) = trained.effort();
    let provenance = Provenance {
        seed: experiment.seed(),
        schedule: experiment.schedule(stage).unwrap_or_else(Schedule::in_one_go),
        epoch: best + 1,
        steps,
        seconds,
        samples: trained.samples().unwrap_or_else(|| splits.train.len()),
        device: context.device_words.clone(),
        data: experiment.source_settings(),
        version: env!("CARGO_PKG_VERSION").into(),
        imported: None,
        pretrained: experiment.started_from(stage)?,
    };
    let model = experiment.recovery_model(stage);
    let kind = model.as_ref().map(RecoveryModel::kind);
    folder.add(&trained, model, Precision::Full, provenance)?;
    if let Some(kind) = kind {
        let fill_entries: Vec<String> = experiment.fill_entries().map(Into::into).collect();
        folder.offer(kind, experiment.table().recovery.draws(kind), &fill_entries)?;
    }
    verbs::model::store(context, experiment, splits, folder).map_err(after_training)?;
    task.done();
    context.stop.saved();
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
    let plan = statistics::plan(splits.train.as_ref(), &experiment.table().statistics)?;
    let network = folder.fusion(metric, &context.device)?;
    let task = context.watch.task(&format!("statistics, {}", metric_name(metric)), 0);
    let fitted = statistics::fit(&network, splits.train.as_ref(), &plan, &context.device, &mut |done, all| {
        task.of(done as u64, all as u64);
    })?;
    let samples = plan.indices.len();
    folder.add_statistics(&fitted, samples, plan.samples)?;
    verbs::model::store(context, experiment, splits, folder)?;
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
