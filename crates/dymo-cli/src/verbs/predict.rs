//! `dymo predict MODELDIR DATA`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use dymo_core::{Kind, ModalitySet, Schema};
use dymo_data::manifest::Grid;
use dymo_data::missingness::read_masks;
use dymo_data::picture::Colour;
use dymo_data::{Samples, Source, Subset};
use dymo_models::recovery::Recovery;
use dymo_reward::{Calibration, Edges};
use dymo_select::{Decision, Verdict};
use dymo_train::evaluation::{Arm, Outcome as Evaluated, Setting, evaluate};
use dymo_train::experiment::RecoveryKind;
use dymo_train::model_folder::ModelFolder;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::{self, MetricArg, SplitArg};
use crate::study::{Reader, part};
use crate::training::metric_name;

/// Arguments of `dymo predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo predict model patients.csv --out predictions.csv
      patients.csv has the columns id, label and split and one column of picture files for each modality; an empty cell
      is a missing modality. The rows of one split are classified: test, if nothing is said
  dymo predict model experiment.toml --masks masks.csv --out predictions.csv
      masks.csv has a row for each sample and a column for each modality, 1 = missing
  dymo predict model experiment.toml --split validation --samples 10

Every row says what was observed, the class and its probability, which recovered modalities were let in, and why.")]
pub struct PredictArgs {
    /// The model folder
    pub model: PathBuf,
    /// A table of samples (CSV), or an experiment (TOML)
    pub data: PathBuf,
    /// Where the predictions go; standard output if nothing is said
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A CSV file that says what is missing (1 = missing), a row for each sample
    #[arg(long, value_name = "FILE")]
    pub masks: Option<PathBuf>,
    /// Which part of the data
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitArg,
    /// The first so many samples
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// With the fusion network for this metric; the model's first if nothing is said
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// With this recovery model; the model's first if nothing is said
    #[arg(long, value_name = "NAME")]
    pub recovery: Option<RecoveryKind>,
    /// Leave a sample alone whose best possible reward is below this: nothing is recovered for it; 0 asks about all
    #[arg(long, value_name = "TAU", value_parser = settings::share)]
    pub min_gain: Option<f32>,
}

pub(crate) fn run(context: &Context, args: PredictArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let folder = ModelFolder::open(&args.model)?;
    let samples = samples(context, &args, &folder)?;
    let (reader, kind, recovery) = networks(context, &args, &folder)?;
    let present = present(&args, samples.as_ref())?;
    let setting = Setting {
        network: &reader.network,
        statistics: &reader.statistics,
        recovery: recovery.as_ref(),
        calibration: Calibration::default_for(reader.metric),
        edges: Edges::Defined,
        min_gain: args.min_gain.unwrap_or(0.0),
        device: &context.device,
    };
    let indices: Vec<usize> = (0..samples.len()).collect();
    let task = context.watch.task("predicting", samples.len());
    let arms = [Arm::Discard, Arm::Dymo];
    let evaluated = evaluate(&setting, samples.as_ref(), &indices, &present, &arms, &mut |done, _| task.at(done))?;
    task.done();
    let csv = table(samples.as_ref(), folder.schema(), &evaluated)?;
    let Some(path) = &args.out else {
        out.write_all(&csv)?;
        return Ok(Outcome::Done);
    };
    settings::write(path, &csv)?;
    let text = format!(
        "{} predictions with {kind} recovery and the {} metric are in {}",
        samples.len(),
        metric_name(reader.metric),
        path.display()
    );
    let json =
        serde_json::json!({ "predictions": path, "samples": samples.len(), "recovery": kind, "metric": reader.metric });
    context.result(out, &text, &json)
}

/// What is to be classified.
fn samples(context: &Context, args: &PredictArgs, folder: &ModelFolder) -> anyhow::Result<Arc<dyn Samples>> {
    let is_experiment = args.data.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let all = if is_experiment {
        let experiment = settings::experiment(context, &args.data, |_| ())?;
        part(&experiment.open(&context.datasets)?, args.split.into())
    } else {
        let source = Source::Manifest { path: args.data.clone(), grid: grid(folder.schema(), &args.data)? };
        part(&source.open(&context.datasets)?, args.split.into())
    };
    folder.check_modalities(all.schema()).with_context(|| format!("{}", args.data.display()))?;
    if all.is_empty() {
        bail!("{}: there is no sample to classify", args.data.display());
    }
    Ok(match args.samples {
        Some(limit) if limit < all.len() => Arc::new(Subset::first(all, limit)),
        _ => all,
    })
}

/// The grid that a table's pictures are brought to: the model's.
fn grid(schema: &Schema, data: &Path) -> anyhow::Result<Grid> {
    let kinds: Vec<Kind> = schema.modalities().iter().map(|m| m.kind()).collect();
    let same = kinds.iter().all(|kind| *kind == kinds[0]);
    match kinds.first() {
        Some(Kind::Image { height, width, channels }) if same && [1, 3].contains(channels) => {
            let colour = if *channels == 1 { Colour::Grey } else { Colour::Rgb };
            Ok(Grid { height: *height, width: *width, colour })
        }
        _ => bail!(
            "{}: the model wants more than pictures of one size; name an experiment (TOML) that reads them",
            data.display()
        ),
    }
}

fn networks(
    context: &Context,
    args: &PredictArgs,
    folder: &ModelFolder,
) -> anyhow::Result<(Reader, RecoveryKind, Box<dyn Recovery>)> {
    let metric = args.metric.map(Into::into).or(folder.metrics().first().copied());
    let Some(metric) = metric else {
        bail!("{}: there is no fusion network; train it with `dymo train fusion`", folder.path().display());
    };
    let Some(kind) = args.recovery.or(folder.recoveries().first().copied()) else {
        bail!("{}: there is no recovery model; train one with `dymo train recovery`", folder.path().display());
    };
    let reader = Reader::load(context, folder, metric)?;
    let seed = context.seed.unwrap_or(folder.recovery_part(kind)?.provenance.seed);
    Ok((reader, kind, folder.recovery(kind, seed, &context.device)?))
}

/// What is present of each sample: what it has, without what the mask file takes away.
fn present(args: &PredictArgs, samples: &dyn Samples) -> anyhow::Result<Vec<ModalitySet>> {
    let names: Vec<String> = samples.schema().modalities().iter().map(|m| m.name().into()).collect();
    let masks = match &args.masks {
        None => vec![samples.schema().full(); samples.len()],
        Some(path) => {
            let masks = read_masks(path, &names)?;
            if masks.len() < samples.len() {
                bail!("{}: {} rows for {} samples; write one for each", path.display(), masks.len(), samples.len());
            }
            masks
        }
    };
    let left = |i: usize| masks[i].intersection(samples.observed(i));
    if let Some(empty) = (0..samples.len()).find(|i| left(*i).is_empty()) {
        let file = args.masks.as_ref().unwrap_or(&args.data);
        bail!(
            "{}: nothing is observed of sample {}; leave it out, or give it a modality",
            file.display(),
            samples.id(empty)
        );
    }
    Ok((0..samples.len()).map(left).collect())
}

/// The predictions as CSV.
fn table(samples: &dyn Samples, schema: &Schema, evaluated: &Evaluated) -> anyhow::Result<Vec<u8>> {
    let (Some(before), Some(after)) = (evaluated.arm(Arm::Discard), evaluated.arm(Arm::Dymo)) else {
        bail!("the evaluation gave no predictions");
    };
    let class = |k: usize| schema.classes().get(k).map_or("?", String::as_str);
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "id",
        "observed",
        "prediction",
        "probability",
        "let_in",
        "not_let_in",
        "prediction_from_observed",
        "why",
    ])?;
    for (i, decision) in after.decisions.iter().enumerate() {
        let predicted = after.predictions[i];
        let probability = after.probabilities.get(i * evaluated.classes + predicted).copied().unwrap_or(f32::NAN);
        let rejected = decision.final_subset.complement(schema.modalities().len());
        csv.write_record([
            samples.id(i).as_str(),
            &names(schema, decision.observed),
            class(predicted),
            &format!("{probability:.4}"),
            &names(schema, decision.accepted()),
            &names(schema, rejected),
            class(before.predictions[i]),
            &why(schema, decision),
        ])?;
    }
    Ok(csv.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

fn names(schema: &Schema, set: ModalitySet) -> String {
    let name = |m: usize| schema.modalities().get(m).map_or("?", |found| found.name());
    set.iter().map(name).collect::<Vec<_>>().join("+")
}

/// Every decision that was final, in words.
fn why(schema: &Schema, decision: &Decision) -> String {
    let last = decision.rounds.len().saturating_sub(1);
    let mut clauses = Vec::new();
    for (number, round) in decision.rounds.iter().enumerate() {
        for candidate in &round.candidates {
            let settled = matches!(candidate.verdict, Verdict::Accepted | Verdict::Rejected) || number == last;
            if settled {
                let name = names(schema, ModalitySet::single(candidate.modality));
                clauses.push(format!("{name} {}", candidate.reason(&round.before)));
            }
        }
    }
    clauses.join("; ")
}
