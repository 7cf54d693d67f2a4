//! `dymo predict MODELDIR DATA`: a row in, a row out, whatever the row holds.

mod input;
mod table;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use dymo_core::{ModalitySet, Schema};
use dymo_data::Samples;
use dymo_data::missingness::read_masks;
use dymo_models::recovery::Recovery;
use dymo_reward::{Calibration, Edges};
use dymo_train::evaluation::{Arm, Setting, evaluate};
use dymo_train::experiment::RecoveryKind;
use dymo_train::model_folder::ModelFolder;

use self::input::{Input, Line};
use self::table::{Answer, Table};
use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::{self, MetricArg, SplitArg};
use crate::study::Reader;
use crate::training::metric_name;

/// Rows that are read, classified and written at a time: what memory is bounded by.
const ROWS: usize = 512;

/// Arguments of `dymo predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo predict model patients.csv --out predictions.csv
      patients.csv has a column id and the columns that the model was trained on; an empty cell is a missing modality,
      labels and splits are not needed. A table of any length is read piece by piece
  dymo predict model patients.csv --out predictions.csv --resume        go on after a crash
  dymo predict model experiment.toml --masks masks.csv --out predictions.csv
      masks.csv has a row for each sample and a column for each modality, 1 = missing
  dymo predict model experiment.toml --split validation --samples 10

Every row says what was observed, the class and its probability, which recovered modalities were let in, and why. A row that
cannot be read or classified says so in its column `error`, and the others go on.")]
pub struct PredictArgs {
    /// The model folder
    pub model: PathBuf,
    /// A table of samples (CSV), or an experiment (TOML)
    pub data: PathBuf,
    /// Where the predictions go; standard output if nothing is said
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Go on where an earlier run of the same command was stopped; needs --out
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// A CSV file that says what is missing (1 = missing), a row for each sample
    #[arg(long, value_name = "FILE")]
    pub masks: Option<PathBuf>,
    /// Which part of an experiment's data
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitArg,
    /// The first so many samples
    #[arg(long, value_name = "N")]
    pub samples: Option<u64>,
    /// With the fusion network for this metric; the model's first if nothing is said
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// With this recovery model; the model's first if nothing is said
    #[arg(long, value_name = "NAME")]
    pub recovery: Option<RecoveryKind>,
    /// Recover nothing for samples that cannot gain as much; 0 is the method as published
    #[arg(long, value_name = "TAU", default_value_t = 0.0, value_parser = settings::share)]
    pub min_gain: f32,
}

pub(crate) fn run(context: &Context, args: PredictArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let folder = ModelFolder::open(&args.model)?;
    let (reader, kind, recovery) = networks(context, &args, &folder)?;
    let mut input = Input::open(context, &args, &folder)?;
    let masks = masks(&args, folder.schema())?;
    if let (Some(masks), Some(path), Some(all)) = (&masks, &args.masks, input.rows()) {
        let wanted = args.samples.unwrap_or(u64::MAX).min(all);
        if (masks.len() as u64) < wanted {
            bail!("{}: {} rows for {wanted} samples; write one for each", path.display(), masks.len());
        }
    }
    let setting = Setting {
        network: &reader.network,
        statistics: &reader.statistics,
        recovery: recovery.as_ref(),
        calibration: Calibration::default_for(reader.metric),
        edges: Edges::Defined,
        min_gain: args.min_gain,
        device: &context.device,
    };
    let mut table = match &args.out {
        Some(path) => Table::file(path, args.resume, folder.schema())?,
        None => Table::stream(out, folder.schema())?,
    };
    let (mut done, mut failed) = (table.done(), table.failed());
    input.skip(done);
    let task = context.watch.task("predicting", input.length());
    let most = args.samples.unwrap_or(u64::MAX);
    while done < most {
        let rows = usize::try_from(most - done).map_or(ROWS, |left| left.min(ROWS));
        let Some(piece) = input.next(rows)? else { break };
        let answers = answer(&setting, piece.samples(), piece.lines(), masks.as_deref(), done)?;
        failed += answers.iter().filter(|answer| answer.result.is_err()).count() as u64;
        done += answers.len() as u64;
        table.write(&answers)?;
        task.at(input.position());
    }
    task.done();
    if done == 0 {
        bail!("{}: there is no sample to classify", args.data.display());
    }
    table.finish()?;
    let Some(path) = &args.out else { return Ok(Outcome::Done) };
    let metric = metric_name(reader.metric);
    let text =
        format!("{} predictions with {kind} recovery and the {metric} metric are in {}", done - failed, path.display());
    let text = match failed {
        0 => text,
        n => format!("{text}\n{n} of {done} rows have no prediction: their column `error` says why"),
    };
    let json = serde_json::json!({
        "predictions": path, "samples": done, "failed": failed, "recovery": kind, "metric": reader.metric,
    });
    context.result(out, &text, &json)
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

/// The mask file, a set of present modalities for each row.
fn masks(args: &PredictArgs, schema: &Schema) -> anyhow::Result<Option<Vec<ModalitySet>>> {
    let names: Vec<String> = schema.modalities().iter().map(|m| m.name().into()).collect();
    Ok(args.masks.as_ref().map(|path| read_masks(path, &names)).transpose()?)
}

/// An answer for every line; `before` lines came before these.
fn answer(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    lines: Vec<Line>,
    masks: Option<&[ModalitySet]>,
    before: u64,
) -> anyhow::Result<Vec<Answer>> {
    let mut indices = Vec::new();
    let mut present = Vec::new();
    let mut answers: Vec<Answer> = Vec::with_capacity(lines.len());
    for (place, line) in lines.into_iter().enumerate() {
        let row = before as usize + place;
        let result = line.sample.and_then(|index| {
            let kept = match masks {
                None => samples.schema().full(),
                Some(masks) => *masks
                    .get(row)
                    .ok_or_else(|| format!("the mask file has {} rows; write one for each sample", masks.len()))?,
            };
            let left = kept.intersection(samples.observed(index));
            if left.is_empty() {
                return Err("nothing is observed; give it at least one modality".to_owned());
            }
            indices.push(index);
            present.push(left);
            Ok(indices.len() - 1)
        });
        answers.push(Answer { id: line.id, result: result.map(Into::into), notices: line.notices });
    }
    let outcome = evaluate(setting, samples, &indices, &present, &[Arm::Discard, Arm::Dymo], &mut |_, _| ())?;
    let (Some(plain), Some(dymo)) = (outcome.arm(Arm::Discard), outcome.arm(Arm::Dymo)) else {
        bail!("the evaluation gave no predictions");
    };
    for answer in &mut answers {
        if let Ok(found) = &mut answer.result {
            let i = found.place;
            found.decision = Some(dymo.decisions[i].clone());
            found.from_observed = plain.predictions[i];
            found.class = dymo.predictions[i];
            found.probability = dymo.probabilities.get(i * outcome.classes + found.class).copied();
        }
    }
    Ok(answers)
}
