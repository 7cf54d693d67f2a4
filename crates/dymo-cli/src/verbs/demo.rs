//! `dymo demo`: whichever data set has a `demo.toml` is shown.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::{evaluate, train};
use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings;
use crate::training::TrainingArgs;

/// What `demo` evaluates with the weights that come along.
const DEMO: &str = "demo.toml";
/// What `demo --train` trains and evaluates.
const DEMO_TRAIN: &str = "demo-train.toml";

/// Arguments of `dymo demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo demo                     evaluate the weights that come along; a minute or two on two cores
  dymo demo --train             train everything from scratch first; 10 minutes on two cores
  dymo demo --samples 500 --out quick

Left in the folder: report.html (open it in a browser), metrics.json, a CSV file for each table, settings.toml.")]
pub struct DemoArgs {
    /// Train all networks first, at a small setting
    #[arg(long)]
    pub train: bool,
    /// Folder of the results
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    pub out: PathBuf,
    /// Evaluate so many test samples
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// How training is resumed.
    #[command(flatten)]
    pub training: TrainingArgs,
}

pub(crate) fn run(context: &Context, args: DemoArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let file = find(&context.datasets, if args.train { DEMO_TRAIN } else { DEMO })?;
    let experiment = settings::experiment(context, &file, |table| {
        table.evaluation.samples = args.samples.or(table.evaluation.samples);
        if args.train {
            train::settle(table);
        }
    })?;
    if !args.train {
        return evaluate::with_model(context, &experiment, None, &args.out, out);
    }
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    let splits = experiment.open(&context.datasets)?;
    train::whole(context, &experiment, &splits, args.out.join("model"), &args.training, &args.out, out)
}

/// The first data set, in alphabetical order, that has such a file.
fn find(datasets: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir(datasets).with_context(|| {
        format!("{}: the data sets are not there; name their folder with --datasets", datasets.display())
    })?;
    let mut found: Vec<PathBuf> =
        folders.filter_map(Result::ok).map(|entry| entry.path().join(name)).filter(|path| path.is_file()).collect();
    found.sort();
    match found.into_iter().next() {
        Some(path) => Ok(path),
        None => bail!("{}: no data set there has a {name}; name the right folder with --datasets", datasets.display()),
    }
}
