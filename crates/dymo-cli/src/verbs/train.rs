//! `dymo train`: an experiment as a whole, or one part of it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_data::Splits;
use dymo_train::experiment::{Experiment, ExperimentTable, RecoveryKind, Stage};
use dymo_train::model_folder::ModelFolder;
use dymo_train::statistics;

use super::{calibrate, evaluate};
use crate::context::Context;
use crate::dropped::Fitted;
use crate::outcome::{Outcome, after_training};
use crate::settings::{self, MetricArg, SETTINGS, ScheduleArgs};
use crate::study;
use crate::training::{self, Effort, TrainingArgs};
use crate::watch::duration;

/// Arguments of `dymo train`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  dymo train experiment.toml                             networks, statistics, calibration, then the report
  dymo train experiment.toml --out model --resume        after Ctrl-C, or a crash
  dymo train fusion experiment.toml --out model          one part; see `dymo train fusion --help`
  dymo train recovery guided experiment.toml --out model
  tensorboard --logdir model/tensorboard                 watch it

Left in the folder: the model, and in evaluation/ the report.html of what it does on held-out samples.")]
pub struct TrainArgs {
    /// One part only.
    #[command(subcommand)]
    pub part: Option<TrainVerb>,
    /// The experiment, all parts of which are trained
    #[arg(required = true)]
    pub experiment: Option<PathBuf>,
    /// The model folder; made if it is not there, added to if it is. `model` beside the experiment if nothing is said
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder of the report; evaluation/ in the model folder if nothing is said
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// How it is resumed.
    #[command(flatten)]
    pub training: TrainingArgs,
}

/// What is trained.
#[derive(Debug, clap::Subcommand)]
pub enum TrainVerb {
    /// Train the fusion network, for one metric or for all of the experiment
    #[command(after_help = "\
Examples:
  dymo train fusion experiment.toml --out model
  dymo train fusion experiment.toml --out model --metric cosine --epochs 5
  dymo train fusion experiment.toml --out model --resume        after Ctrl-C, or a crash")]
    Fusion(FusionArgs),
    /// Train or fit a recovery model: guided, mopoe, tip, imi, retrieval, mean, neighbours or hot-deck
    #[command(after_help = "\
Examples:
  dymo train recovery guided experiment.toml --out model
  dymo train recovery mopoe experiment.toml --out model --epochs 20 --resume
  dymo train recovery tip experiment.toml --out model           tables from pictures
  dymo train recovery imi experiment.toml --out model           tables from tables, by chained regressions
  dymo train recovery retrieval experiment.toml --out model     keeps training samples, the nearest of which fill in
  dymo train recovery hot-deck experiment.toml --out model      a baseline; so are mean and neighbours

More epochs than before with --resume go on from the last checkpoint.")]
    Recovery(RecoveryArgs),
}

/// Arguments of `dymo train fusion`.
#[derive(Debug, clap::Args)]
pub struct FusionArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The model folder; made if it is not there, added to if it is. `model` beside the experiment if nothing is said
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Train for this metric only
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// Changes of the schedule.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// How it is resumed.
    #[command(flatten)]
    pub training: TrainingArgs,
}

/// Arguments of `dymo train recovery`.
#[derive(Debug, clap::Args)]
pub struct RecoveryArgs {
    /// Which model: guided, mopoe, retrieval, tip, imi, mean, neighbours or hot-deck
    #[arg(value_name = "NAME")]
    pub model: RecoveryKind,
    /// The experiment
    pub experiment: PathBuf,
    /// The model folder; made if it is not there, added to if it is. `model` beside the experiment if nothing is said
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Changes of the schedule.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// How it is resumed.
    #[command(flatten)]
    pub training: TrainingArgs,
}

pub(crate) fn run(context: &Context, args: TrainArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match (args.part, args.experiment) {
        (Some(part), _) => run_part(context, part, out),
        (None, Some(experiment)) => {
            let experiment = settings::experiment(context, &experiment, settle)?;
            if settings::shown(context, &experiment, out)? {
                return Ok(Outcome::Done);
            }
            let folder = settings::new_model(context, &experiment, args.out)?;
            let splits = experiment.open(&context.datasets)?;
            let results = args.results.unwrap_or_else(|| folder.join("evaluation"));
            whole(context, &experiment, &splits, folder, &args.training, &results, out)
        }
        // The parser asks for one of them.
        _ => bail!("name an experiment"),
    }
}

/// What an imported network would settle is the default for one that is trained.
pub(crate) fn settle(table: &mut ExperimentTable) {
    table.selection.edges.get_or_insert_default();
}

/// Trains every part, fits the statistics and what can be promised, and evaluates.
pub(crate) fn whole(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    folder: PathBuf,
    training: &TrainingArgs,
    results: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    // Found after the training, it would have been for nothing.
    let table = &experiment.table().statistics;
    let plan =
        statistics::plan(splits.train.as_ref(), table).with_context(|| experiment.path().display().to_string())?;
    plan.notes.iter().chain(&study::unfilled(experiment, splits)).for_each(|note| context.watch.note(note));
    study::rehearse(experiment, splits)?;
    settings::report_spares(results, "--results", &settings::inputs(experiment))?;
    let (mut folder, _) = into_folder(context, experiment, splits, &experiment.stages(), folder, training)?;
    let mut rest = || {
        for metric in experiment.metrics() {
            training::fit(context, experiment, splits, *metric, &mut folder)?;
        }
        study::train_complete_only(context, experiment, splits, &folder, training)?;
        calibrate::into_folder(context, experiment, splits, &mut folder)?;
        evaluate::into_folder(context, experiment, &folder, splits, results, out)
    };
    rest().map_err(after_training)
}

fn run_part(context: &Context, verb: TrainVerb, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match verb {
        TrainVerb::Fusion(args) => {
            let change = |table: &mut ExperimentTable| {
                args.schedule.over(&mut table.fusion.schedule);
                for own in [&mut table.fusion.cosine, &mut table.fusion.euclid].into_iter().flatten() {
                    args.schedule.over(own);
                }
                if let Some(metric) = args.metric {
                    table.metrics = vec![metric.into()];
                }
            };
            let experiment = settings::experiment(context, &args.experiment, change)?;
            let stages: Vec<Stage> = experiment.metrics().iter().map(|m| Stage::Fusion(*m)).collect();
            train_all(context, &experiment, &stages, args.out, &args.training, out)
        }
        TrainVerb::Recovery(args) => {
            let stage = args.model.stage();
            if stage.is_in_one_go() && args.schedule.says_something() {
                bail!(
                    "{} recovery is fitted in one go and has no epochs, batches or steps: leave the flags out",
                    args.model
                );
            }
            let change = |table: &mut ExperimentTable| recovery_flags(table, args.model, &args.schedule);
            let experiment = settings::experiment(context, &args.experiment, change)?;
            train_all(context, &experiment, &[stage], args.out, &args.training, out)
        }
    }
}

/// Puts flags over a recovery model's schedule; a model that is asked for by name needs no table in the file.
fn recovery_flags(table: &mut ExperimentTable, model: RecoveryKind, flags: &ScheduleArgs) {
    table.recovery.add(model);
    if let Some(schedule) = table.recovery.schedule_mut(model) {
        flags.over(schedule);
    }
}

fn train_all(
    context: &Context,
    experiment: &Experiment,
    stages: &[Stage],
    folder: Option<PathBuf>,
    training: &TrainingArgs,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    if settings::shown(context, experiment, out)? {
        return Ok(Outcome::Done);
    }
    let folder = settings::new_model(context, experiment, folder)?;
    let splits = experiment.open(&context.datasets)?;
    let before = ModelFolder::open(&folder).map(|folder| Fitted::of(&folder)).unwrap_or_default();
    let (folder, efforts) = into_folder(context, experiment, &splits, stages, folder, training)?;
    let dropped = before.dropped(&folder);
    let effort =
        |e: &Effort| format!("{}: weights of epoch {}, {} steps, {}", e.stage, e.epoch, e.steps, duration(e.seconds));
    let mut lines: Vec<String> = efforts.iter().map(effort).collect();
    lines.extend(dropped.in_words(experiment.path(), folder.path()));
    lines.push(format!("The model: {}", folder.path().display()));
    let json = serde_json::json!({
        "model": folder.path(), "trained": efforts,
        "statistics_dropped": dropped.statistics(), "calibrations_dropped": dropped.calibrations(),
    });
    context.result(out, &lines.join("\n"), &json)
}

/// What took long to train is not trained over unasked, be it finished or not.
fn spare(folder: &ModelFolder, stages: &[Stage]) -> anyhow::Result<()> {
    let holds = |stage: &&Stage| match RecoveryKind::ALL.into_iter().find(|kind| kind.stage() == **stage) {
        Some(kind) => folder.recoveries().contains(&kind),
        None => folder.metrics().iter().any(|metric| Stage::Fusion(*metric) == **stage),
    };
    let held =
        stages.iter().find(|stage| !stage.is_in_one_go() && (holds(stage) || folder.checkpoint(**stage).exists()));
    let Some(stage) = held else { return Ok(()) };
    bail!(
        "{}: {} is there already, or has been begun: --resume goes on with it, --force trains over it, --out DIR names another folder",
        folder.path().display(),
        stage.name()
    )
}

/// Trains stages into a folder, with the effective settings beside them.
pub(crate) fn into_folder(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    stages: &[Stage],
    folder: PathBuf,
    training: &TrainingArgs,
) -> anyhow::Result<(ModelFolder, Vec<Effort>)> {
    let mut folder = ModelFolder::create(&folder, experiment.name(), splits.train.schema())?;
    if training.force {
        folder.take_away(stages)?;
    } else if !training.resume {
        spare(&folder, stages)?;
    }
    settings::not_over(&folder.path().join(SETTINGS), "--out", &settings::inputs(experiment))?;
    settings::write(&folder.path().join(SETTINGS), experiment.settings().as_bytes())?;
    let mut efforts = Vec::new();
    for stage in stages {
        efforts.push(training::train(context, experiment, splits, *stage, &mut folder, training)?);
    }
    Ok((folder, efforts))
}
