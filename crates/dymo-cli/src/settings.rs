//! From flags and a file to a checked experiment: flag, else file, else default, asked once.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_data::whole;
use dymo_report::{METRICS, PAGE, Report};
use dymo_train::experiment::{Experiment, ExperimentTable, ScheduleTable, SplitName};
use dymo_train::model_folder::ModelFolder;

use crate::context::Context;

/// The name of the effective settings beside results.
pub const SETTINGS: &str = "settings.toml";

/// `--split`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum SplitArg {
    /// To fit
    Train,
    /// To choose the best epoch
    Validation,
    /// To report
    Test,
}

impl From<SplitArg> for SplitName {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Self::Train,
            SplitArg::Validation => Self::Validation,
            SplitArg::Test => Self::Test,
        }
    }
}

/// `--metric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MetricArg {
    /// Cosine similarity of unit-length features
    Cosine,
    /// Euclidean distance
    Euclid,
}

impl From<MetricArg> for dymo_reward::Metric {
    fn from(metric: MetricArg) -> Self {
        match metric {
            MetricArg::Cosine => Self::Cosine,
            MetricArg::Euclid => Self::Euclid,
        }
    }
}

/// `--edges`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EdgesArg {
    /// Every case has an answer that a reader would call right
    Defined,
    /// As the published code
    Published,
}

impl From<EdgesArg> for dymo_reward::Edges {
    fn from(edges: EdgesArg) -> Self {
        match edges {
            EdgesArg::Defined => Self::Defined,
            EdgesArg::Published => Self::Published,
        }
    }
}

/// Flags that change a training's schedule.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ScheduleArgs {
    /// Passes over the training samples, in place of the experiment's
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Samples per step
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Adam's learning rate
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// Stop after so many steps, in the middle of an epoch if need be
    #[arg(long, value_name = "N")]
    pub max_steps: Option<usize>,
}

impl ScheduleArgs {
    /// Whether any of them is given.
    pub fn says_something(&self) -> bool {
        self.epochs.is_some() || self.batch.is_some() || self.learning_rate.is_some() || self.max_steps.is_some()
    }

    /// Puts the flags over a schedule of the file.
    pub fn over(&self, schedule: &mut ScheduleTable) {
        schedule.epochs = self.epochs.or(schedule.epochs);
        schedule.batch = self.batch.or(schedule.batch);
        schedule.learning_rate = self.learning_rate.or(schedule.learning_rate);
        schedule.max_steps = self.max_steps.or(schedule.max_steps);
    }
}

/// Reads an experiment and puts the flags over it.
///
/// # Errors
/// If the file cannot be read or a value cannot be.
pub fn experiment(
    context: &Context,
    path: &Path,
    change: impl FnOnce(&mut ExperimentTable),
) -> anyhow::Result<Experiment> {
    let experiment = Experiment::read(path)?.with(|table| {
        table.seed = context.seed.unwrap_or(table.seed);
        change(table);
    })?;
    Ok(experiment)
}

/// Prints the effective settings if that is all that was asked for.
///
/// # Errors
/// If standard output cannot be written.
pub fn shown(context: &Context, experiment: &Experiment, out: &mut dyn Write) -> anyhow::Result<bool> {
    if context.show_settings {
        out.write_all(experiment.settings().as_bytes())?;
    }
    Ok(context.show_settings)
}

/// The experiment with everything settled that it leaves to the model: the numerical edges, as the folder has them recorded.
/// Networks for two metrics that differ in them, one imported and one trained, leave the setting open: each then has its own.
///
/// # Errors
/// If the folder lacks a network that the experiment asks for.
pub fn settled_by(experiment: &Experiment, folder: &ModelFolder) -> anyhow::Result<Experiment> {
    let recorded = experiment.metrics().iter().map(|metric| Ok(folder.fusion_part(*metric)?.edges));
    let recorded = recorded.collect::<anyhow::Result<Vec<_>>>()?;
    let same = recorded.first().copied().filter(|first| recorded.iter().all(|edges| edges == first));
    Ok(experiment.with(|table| table.selection.edges = table.selection.edges.or(same))?)
}

/// The model folder: as the flag says, else as the experiment says, else the one that training makes beside the experiment.
///
/// # Errors
/// If neither says and there is none, or the folder cannot be used.
pub fn model(experiment: &Experiment, flag: Option<PathBuf>) -> anyhow::Result<ModelFolder> {
    let said = flag.or_else(|| experiment.table().model.clone());
    let beside = || Some(beside(experiment)).filter(|path| path.is_dir());
    match said.or_else(beside) {
        Some(path) => Ok(ModelFolder::open(&path)?),
        None => bail!(
            "{}: no model is named; add --model DIR, or `model = \"DIR\"` to the file",
            experiment.path().display()
        ),
    }
}

/// The folder of a model that is to be trained: as the flag says, else beside the experiment.
///
/// # Errors
/// If the flag says nothing and the experiment has a trained model, which would be lost.
pub fn new_model(context: &Context, experiment: &Experiment, flag: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let (None, Some(trained)) = (&flag, &experiment.table().model) {
        bail!(
            "{}: its `model` is {}, which stays as it is unless told otherwise; say with --out DIR where to train",
            experiment.path().display(),
            trained.display()
        );
    }
    Ok(flag.unwrap_or_else(|| {
        let folder = beside(experiment);
        context.watch.note(&format!("the model: {}", folder.display()));
        folder
    }))
}

/// Where a model is trained to if nothing is said.
fn beside(experiment: &Experiment) -> PathBuf {
    experiment.path().with_file_name("model")
}

/// Writes a file whole or not at all, making its folder.
///
/// # Errors
/// With the path.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    whole::write(path, bytes)
        .with_context(|| format!("cannot write {}; check free space and permissions", path.display()))
}

/// Refuses a file to be written that is one of those that are read, under whatever name: it would be lost.
pub(crate) fn not_over(output: &Path, flag: &str, inputs: &[&Path]) -> anyhow::Result<()> {
    // What cannot be found is not there yet, so nothing of it can be lost.
    let Ok(place) = output.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == place)) {
        bail!("{}: {flag} is a file that is read here, and would be written over: name another", output.display());
    }
    Ok(())
}

/// Refuses to write over a file that is there, whosever it is, unless `--force` was given.
pub(crate) fn not_lost(output: &Path, flag: &str, force: bool) -> anyhow::Result<()> {
    // Of a device or a pipe nothing is lost.
    if force || !output.is_file() {
        return Ok(());
    }
    bail!("{}: it is there, and would be written over; name another with {flag}, or add --force", output.display())
}

/// Refuses a folder for a report in which files would be lost that are no earlier report's: those that are read here, and others of the
/// same names.
pub(crate) fn report_spares(folder: &Path, flag: &str, inputs: &[&Path]) -> anyhow::Result<()> {
    let names = || Report::file_names().into_iter().chain([SETTINGS.to_owned()]).map(|name| folder.join(name));
    for path in names() {
        not_over(&path, flag, inputs)?;
    }
    // An earlier report is written over, and so is what a run has left that was stopped before its own: its settings.
    let is_ours = Report::read(folder).is_ok() || [METRICS, PAGE].iter().all(|name| folder.join(name).exists());
    match names().find(|path| path.exists() && !path.ends_with(SETTINGS)) {
        Some(path) if !is_ours => bail!(
            "{}: it is there and of no report of dymo, and {flag} would write over it: name another folder",
            path.display()
        ),
        _ => Ok(()),
    }
}

/// What an experiment reads that could be lost: its file, and its table.
pub(crate) fn inputs(experiment: &Experiment) -> Vec<&Path> {
    [Some(experiment.path()), experiment.source().table()].into_iter().flatten().collect()
}

/// A number from 0 to 1, for a flag.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    let number = text.parse::<f32>().map_err(|e| e.to_string())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err(format!("{number} is not from 0 to 1")) }
}
