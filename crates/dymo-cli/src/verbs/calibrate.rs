//! `dymo calibrate`.

use std::io::Write;
use std::path::PathBuf;

use dymo_data::Splits;
use dymo_train::experiment::Experiment;
use dymo_train::model_folder::ModelFolder;
use dymo_train::trust::Trust;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings;
use crate::study::Study;
use crate::training::metric_name;

/// Arguments of `dymo calibrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo calibrate experiment.toml --model model
  dymo calibrate experiment.toml --model model --samples 1000

On the validation split, with modalities missing as in [evaluation]: a threshold on the reward under which selection is shown not to
be worse than discarding (or the finding that there is none, and selection is off), a temperature for the confidence, and
prediction sets with a stated coverage for every missing pattern. Settings: [trust] in the experiment. `dymo train` does it
by itself; `dymo predict` uses it, and `dymo evaluate` measures on the test split what came of it.")]
pub struct CalibrateArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The model folder, in place of the experiment's
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Fit on at most so many validation samples
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
}

pub(crate) fn run(context: &Context, args: CalibrateArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |table| {
        table.trust.samples = args.samples.unwrap_or(table.trust.samples);
    })?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    let mut folder = settings::model(&experiment, args.model)?;
    let splits = experiment.open(&context.datasets)?;
    let fitted = into_folder(context, &experiment, &splits, &mut folder)?;
    let line = |trust: &Trust| {
        format!("{} recovery, {}: {}", trust.recovery, metric_name(trust.metric), trust.guarantee.in_words())
    };
    let lines = fitted.iter().map(line).chain([format!("The model: {}", folder.path().display())]);
    let text = lines.collect::<Vec<_>>().join("\n");
    let json = fitted.iter().map(|trust| {
        serde_json::json!({
            "recovery": trust.recovery, "metric": metric_name(trust.metric), "threshold": trust.guarantee.threshold,
            "temperature": trust.in_use().temperature.value,
            // Temperature and sets see one sample of each subject.
            "samples": trust.guarantee.subjects.unwrap_or(trust.fitted_on.samples), "subjects": trust.guarantee.subjects,
        })
    });
    let json = serde_json::json!({ "model": folder.path(), "calibrated": json.collect::<Vec<_>>() });
    context.result(out, &text, &json)
}

/// Fits everything and adds it to the folder.
pub(crate) fn into_folder(
    context: &Context,
    experiment: &Experiment,
    splits: &Splits,
    folder: &mut ModelFolder,
) -> anyhow::Result<Vec<Trust>> {
    let fitted = Study { context, experiment, folder, splits }.calibrate()?;
    for trust in &fitted {
        folder.add_trust(trust)?;
    }
    Ok(fitted)
}
