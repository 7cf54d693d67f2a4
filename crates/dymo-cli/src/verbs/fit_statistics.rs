//! `dymo fit-statistics`.

use std::io::Write;
use std::path::PathBuf;

use dymo_train::statistics;

use crate::context::Context;
use crate::dropped::Fitted;
use crate::outcome::Outcome;
use crate::settings::{self, MetricArg};
use crate::training::{self, metric_name};

/// Arguments of `dymo fit-statistics`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo fit-statistics experiment.toml --model model
  dymo fit-statistics experiment.toml --model model --metric cosine --limit 20000

For every subset of modalities and every class: the mean of the fused feature and its spread, on the training samples. What was
calibrated with other statistics is dropped: `dymo calibrate` fits it again.")]
pub struct FitArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The model folder, in place of the experiment's
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// For this metric only
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// Fit on at most so many training samples
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

pub(crate) fn run(context: &Context, args: FitArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |table| {
        table.statistics.limit = args.limit.or(table.statistics.limit);
        if let Some(metric) = args.metric {
            table.metrics = vec![metric.into()];
        }
    })?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    let mut folder = settings::model(&experiment, args.model)?;
    let splits = experiment.open(&context.datasets)?;
    folder.check_schema(splits.train.schema())?;
    let plan = statistics::plan(splits.train.as_ref(), &experiment.table().statistics)?;
    plan.notes.iter().for_each(|note| context.watch.note(note));
    let before = Fitted::of(&folder);
    let mut fitted = Vec::new();
    for metric in experiment.metrics() {
        let samples = training::fit(context, &experiment, &splits, *metric, &mut folder)?;
        fitted.push(serde_json::json!({ "metric": metric_name(*metric), "samples": samples }));
    }
    let names: Vec<&str> = experiment.metrics().iter().map(|m| metric_name(*m)).collect();
    let dropped = before.dropped(&folder);
    let mut lines = vec![format!("Class statistics for {} are in {}", names.join(" and "), folder.path().display())];
    lines.extend(dropped.in_words(&args.experiment, folder.path()));
    let json =
        serde_json::json!({ "model": folder.path(), "fitted": fitted, "calibrations_dropped": dropped.calibrations() });
    context.result(out, &lines.join("\n"), &json)
}
