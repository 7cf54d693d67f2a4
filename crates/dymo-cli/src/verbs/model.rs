//! `dymo model`: a model folder as a thing that is handed on.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use dymo_data::Splits;
use dymo_train::experiment::Experiment;
use dymo_train::model_folder::{ALLOWED, ModelFolder, SampleCheck, Verification, verify};

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings;

/// What is done with a model folder.
#[derive(Debug, clap::Subcommand)]
pub enum ModelVerb {
    /// Check a folder's files and ask its own stored sample again
    #[command(after_help = "\
Examples:
  dymo model verify model
  dymo model verify shipped --json

Names every file that is missing, changed or superfluous, loads every part, and compares the model's answers to the samples that
it keeps with those that it gave when it was written. Folders without such samples are checked as far as they go, and it is said.
Exit code 2 if anything is wrong.")]
    Verify(VerifyArgs),
    /// Store a few test samples and the model's answers in its folder, in place of those that are there
    #[command(after_help = "\
Examples:
  dymo model sample experiment.toml --model model
  dymo model sample experiment.toml --model model --samples 10

Training does this by itself (`stored_samples` in the experiment says how many, 0 for none); this is for models that were imported,
or trained before. Inputs are stored without names and labels, half of each sample's modalities.")]
    Sample(SampleArgs),
}

/// Arguments of `dymo model verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The model folder
    pub model: PathBuf,
}

/// Arguments of `dymo model sample`.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The model folder, in place of the experiment's
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// How many samples, in place of the experiment's `stored_samples`
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
}

pub(crate) fn run(context: &Context, verb: ModelVerb, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match verb {
        ModelVerb::Verify(args) => check(context, &args, out),
        ModelVerb::Sample(args) => sample(context, args, out),
    }
}

/// Stores the first test samples with the folder's answers, where the folder can answer.
pub(crate) fn store(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    folder: &mut ModelFolder,
) -> anyhow::Result<usize> {
    Ok(folder.store_sample(splits.test.as_ref(), experiment.table().stored_samples, &context.device)?)
}

fn sample(context: &Context, args: SampleArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |table| {
        table.stored_samples = args.samples.unwrap_or(table.stored_samples);
    })?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    let mut folder = settings::model(&experiment, args.model)?;
    let splits = experiment.open(&context.datasets)?;
    folder.check_schema(splits.train.schema())?;
    let stored = store(context, &experiment, &splits, &mut folder)?;
    if stored == 0 {
        bail!(
            "{}: nothing was stored: the model needs class statistics (`dymo fit-statistics`), the data a test part, and \
             `stored_samples` at least 1",
            folder.path().display()
        );
    }
    let text = format!("{stored} samples with the model's answers are in {}", folder.path().display());
    context.result(out, &text, &serde_json::json!({ "model": folder.path(), "samples": stored }))
}

fn check(context: &Context, args: &VerifyArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let found = verify(&args.model, &context.device)?;
    let problems = found.problems();
    let outcome = context.result(out, &lines(&found, &problems).join("\n"), &serde_json::to_value(&found)?)?;
    match problems.len() {
        0 => Ok(outcome),
        1 => bail!("{}: {}; fetch it again, or train that part again", args.model.display(), problems[0]),
        n => bail!("{}: {n} things are wrong, listed above; fetch the folder again", args.model.display()),
    }
}

fn lines(found: &Verification, problems: &[String]) -> Vec<String> {
    let wrong = found.missing.len() + found.changed.len();
    let mut lines = vec![match wrong {
        0 => format!("files        all {} are as they were written", found.whole),
        n => format!("files        {} of {} are as they were written", found.whole, found.whole + n),
    }];
    lines.push(match &found.sample {
        SampleCheck::NotStored => {
            "sample       none is stored: checked are files and parts alone (`dymo model sample` stores one)".into()
        }
        SampleCheck::NotRun => "sample       not asked, for what it needs is wrong".into(),
        SampleCheck::Ran { samples, answers, largest, decided_otherwise, .. } => format!(
            "sample       {samples} samples, {answers} answers: largest difference of a probability {largest:.1e} ({ALLOWED} \
             passes), {} decided otherwise",
            decided_otherwise.len()
        ),
    });
    lines.extend(problems.iter().map(|problem| format!("wrong        {problem}")));
    if problems.is_empty() {
        lines.push("model        can be used".into());
    }
    lines
}
