//! `dymo evaluate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use dymo_data::Splits;
use dymo_train::experiment::Experiment;
use dymo_train::model_folder::ModelFolder;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::{self, SETTINGS, SplitArg};
use crate::study::{Study, summary};

/// Arguments of `dymo evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo evaluate experiment.toml --model model --out results
  dymo evaluate experiment.toml --model model --out results --samples 1000 --rates 0.5,0.8
  dymo evaluate experiment.toml --model model --out results --counts 4 --split validation
  dymo evaluate experiment.toml --model model --out results --robustness       every check; sample numbers in [trust.checks]

Left in the folder: report.html (one file, open it in a browser), metrics.json, a CSV file for each table, settings.toml.")]
pub struct EvaluateArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The model folder, in place of the experiment's
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Folder of the results
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Leave a sample alone whose best possible reward is below this: nothing is recovered for it; 0 asks about all
    #[arg(long, value_name = "TAU", value_parser = settings::share)]
    pub min_gain: Option<f32>,
    /// Make the expensive checks too: all missing patterns, settings changed one at a time, bad recoveries, search over all sets, what
    /// to acquire next
    #[arg(long)]
    pub robustness: bool,
    /// What is evaluated.
    #[command(flatten)]
    pub what: WhatArgs,
}

/// Changes of what is evaluated.
#[derive(Debug, Default, clap::Args)]
pub struct WhatArgs {
    /// So many samples, whatever order they stand in
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Which part of the data
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    /// Missing rates, in place of everything that the experiment lets go missing; with --counts, both
    #[arg(long, value_name = "RATE,…", value_delimiter = ',')]
    pub rates: Vec<f64>,
    /// Exact numbers of missing modalities, in place of rates
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub counts: Vec<usize>,
}

impl WhatArgs {
    /// Puts the flags over the experiment's.
    pub(crate) fn over(&self, table: &mut dymo_train::experiment::EvaluationTable) {
        table.samples = self.samples.or(table.samples);
        table.split = self.split.map_or(table.split, Into::into);
        if !(self.rates.is_empty() && self.counts.is_empty()) {
            table.rates.clone_from(&self.rates);
            table.counts.clone_from(&self.counts);
            table.observed.clear();
            table.patterns = false;
            table.missing.clear();
        }
    }
}

pub(crate) fn run(context: &Context, args: EvaluateArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |table| {
        args.what.over(&mut table.evaluation);
        if args.robustness {
            table.trust.checks.all();
        }
        table.selection.min_gain = args.min_gain.unwrap_or(table.selection.min_gain);
    })?;
    with_model(context, &experiment, args.model, &args.out, out)
}

/// Shows the settings if that is all that was asked for, else evaluates a model that is there.
pub(crate) fn with_model(
    context: &Context,
    experiment: &Experiment,
    model: Option<PathBuf>,
    results: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let folder = settings::model(experiment, model);
    // What a model settles is shown where there is one; an experiment's settings can be looked at before there is.
    let settled = folder.as_ref().ok().and_then(|folder| settings::settled_by(experiment, folder).ok());
    if settings::shown(context, settled.as_ref().unwrap_or(experiment), out)? {
        return Ok(Outcome::Done);
    }
    // The model first: without it nothing else is worth the time.
    let folder = folder?;
    settings::report_spares(results, "--out", &settings::inputs(experiment))?;
    let splits = experiment.open(&context.datasets)?;
    into_folder(context, experiment, &folder, &splits, results, out)
}

/// Evaluates and writes the report with the effective settings beside it.
pub(crate) fn into_folder(
    context: &Context,
    experiment: &Experiment,
    folder: &ModelFolder,
    splits: &Splits,
    results: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let experiment = &settings::settled_by(experiment, folder)?;
    let report = Study { context, experiment, folder, splits }.run()?;
    settings::write(&results.join(SETTINGS), experiment.settings().as_bytes())?;
    let written = report.write(results)?;
    let (text, json) = summary(&report, &written.page)?;
    context.result(out, &text, &json)
}
