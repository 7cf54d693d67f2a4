//! `dymo predict MODELDIR DATA`: a row in, a row out, whatever the row holds.

mod begun;
mod explain;
mod growing;
mod input;
mod judge;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::builder::RangedU64ValueParser;
use dymo_core::Schema;
use dymo_data::Source;
use dymo_data::manifest::Problem;
use dymo_data::missingness::{Masks, read_masks};
use dymo_data::whole::Target;
use dymo_report::ExplainedRun;
use dymo_reward::{Calibration, Edges, Metric};
use dymo_train::experiment::RecoveryKind;
use dymo_train::model_folder::ModelFolder;
use dymo_train::trust::Trust;

use self::begun::begun;
use self::explain::{Limits, Page};
use self::growing::with;
use self::input::{Input, Numbered};
use self::judge::Judge;
use self::table::Table;
use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::{self, EdgesArg, MetricArg, SplitArg};
use crate::study::Reader;
use crate::training::metric_name;

/// Rows that are read, classified and written at a time: what memory is bounded by.
const ROWS: usize = 512;

/// More say nothing new, and all of a sample's are in memory at a time.
const MOST_DRAWS: u64 = 1000;

/// Arguments of `dymo predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo predict model patients.csv --out predictions.csv
      patients.csv has a column id and the columns that the model was trained on; an empty cell is a missing modality,
      labels and splits are not needed. A table of any length is read piece by piece
  dymo predict model patients.csv --out predictions.csv --resume        go on after a crash
  dymo predict model patients.csv --out predictions.csv --explain why.html
      and a page that shows what was recovered, what was let in or kept out and why, and how the prediction moved
  dymo predict model experiment.toml --masks masks.csv --out predictions.csv
      masks.csv has a row for each sample and a column for each modality, 1 = missing; a column id says which sample
  dymo predict model experiment.toml --split validation --samples 10

Every row says what was observed, the class and its probability, which recovered modalities were let in, and why. A model that is
calibrated (`dymo calibrate`, part of `dymo train`) adds calibrated confidence, the prediction set and what it promises, and
lets in only what held-out samples support. Last comes the missing modality that is most worth acquiring. A row that cannot
be read or classified says so in its column `error`, and the others go on. Where a table cannot be read to its end, as with a quotation
mark left open, the rows before are kept, and the exit code is 1.")]
pub struct PredictArgs {
    /// The model folder
    pub model: PathBuf,
    /// A table of samples (CSV), or an experiment (TOML)
    pub data: PathBuf,
    /// Where the predictions go; standard output if nothing is said, with --json an object of JSON a line
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
    /// The first so many samples; --resume may go on to more
    #[arg(long, value_name = "N")]
    pub samples: Option<u64>,
    /// With the fusion network for this metric; the model's first if nothing is said
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// With this recovery model; the model's first if nothing is said
    #[arg(long, value_name = "NAME")]
    pub recovery: Option<RecoveryKind>,
    /// Recover nothing for samples that cannot gain as much; as calibrated if nothing is said, 0 is the method as published
    #[arg(long, value_name = "TAU", value_parser = settings::share)]
    pub min_gain: Option<f32>,
    /// Let a recovered modality in only for a reward of at least this; as calibrated if nothing is said, 0 is the method as published
    #[arg(long, value_name = "LAMBDA", value_parser = settings::share)]
    pub threshold: Option<f32>,
    /// Draws of each missing modality behind the suggestion what to acquire next; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = RangedU64ValueParser::<usize>::new().range(..=MOST_DRAWS))]
    pub draws: usize,
    /// A page (HTML) that explains every prediction: what was recovered, what was let in or kept out and why, how the answer moved
    #[arg(long, value_name = "FILE")]
    pub explain: Option<PathBuf>,
    /// Rows of that page that are shown with pictures and every round
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub explain_pictures: u64,
    /// Rows that are on that page at all
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub explain_rows: u64,
    /// What is done where numbers run out; as calibrated, or else as the model has it recorded, if nothing is said
    #[arg(long, value_enum)]
    pub edges: Option<EdgesArg>,
}

/// The effective settings, as `--show-settings` prints them: flags first, then what was fitted, then what the model has recorded.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
struct Effective {
    metric: Metric,
    recovery: RecoveryKind,
    calibration: Calibration,
    edges: Edges,
    min_gain: f32,
    seed: u64,
}

impl Effective {
    fn of(context: &Context, args: &PredictArgs, folder: &ModelFolder) -> anyhow::Result<(Self, Option<Trust>)> {
        let Some(metric) = args.metric.map(Into::into).or(folder.metrics().first().copied()) else {
            bail!("{}: there is no fusion network; train it with `dymo train fusion`", folder.path().display());
        };
        let Some(recovery) = args.recovery.or(folder.recoveries().first().copied()) else {
            bail!(
                "{}: there is no recovery model in it; train one with `dymo train recovery`",
                folder.path().display()
            );
        };
        let trust = folder.trust(recovery, metric)?;
        let fitted = trust.as_ref().map(|trust| &trust.fitted_on);
        let recorded = fitted.map_or(folder.fusion_part(metric)?.edges, |on| on.edges);
        let effective = Self {
            metric,
            recovery,
            calibration: fitted.map_or(Calibration::default_for(metric), |on| on.calibration),
            edges: args.edges.map_or(recorded, Into::into),
            min_gain: args.min_gain.or(fitted.map(|on| on.min_gain)).unwrap_or(0.0),
            seed: context.seed.unwrap_or(folder.recovery_part(recovery)?.provenance.seed),
        };
        Ok((effective, trust))
    }
}

pub(crate) fn run(context: &Context, args: PredictArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let folder = ModelFolder::open(&args.model)?;
    let (effective, trust) = Effective::of(context, &args, &folder)?;
    if context.show_settings {
        out.write_all(toml::to_string(&effective)?.as_bytes())?;
        return Ok(Outcome::Done);
    }
    let (kind, metric) = (effective.recovery, metric_name(effective.metric));
    let reader = Reader::load(context, &folder, effective.metric)?;
    let recovery = folder.recovery(kind, effective.metric, effective.seed, &context.device)?;
    let mut input = Input::open(context, &args, &folder)?;
    spare(&args, input.table(), &folder)?;
    let masks = masks(&args, folder.schema())?;
    if let (Some(masks), Some(path), Some(all)) = (&masks, &args.masks, input.rows()) {
        let wanted = args.samples.unwrap_or(u64::MAX).min(all);
        if !masks.has_ids() && (masks.len() as u64) < wanted {
            bail!("{}: {} rows for {wanted} samples; write one for each", path.display(), masks.len());
        }
    }
    let judge = Judge::new(context, &args, &effective, &reader, recovery.as_ref(), trust.as_ref());
    // From the first row on, and before it too, the same command can go on; but what a pipe has handed over, or taken, is gone.
    if args.data.is_file() && args.out.as_deref().map(Target::of).is_some_and(|out| matches!(out, Target::File(_))) {
        context.stop.saved();
    }
    let mut table = match &args.out {
        Some(path) => {
            Table::file(path, args.resume, folder.schema(), &begun(&args, &folder, &effective, input.table())?)?
        }
        None => Table::stream(out, context.json, folder.schema())?,
    };
    let (mut done, mut failed) = (table.done(), table.failed());
    let most = args.samples.unwrap_or(u64::MAX);
    if let (true, Some(path)) = (done > most, &args.out) {
        bail!(
            "{}.part: it has {done} rows already, more than --samples {most}; ask for at least {done}, or delete it to \
             start again",
            path.display()
        );
    }
    let mut page = page(context, &args, &folder, kind, &judge, done)?;
    input.skip(done);
    let task = context.watch.task("predicting", input.length());
    while done < most {
        let rows = usize::try_from(most - done).map_or(ROWS, |left| left.min(ROWS));
        let Some(piece) = input.next(rows)? else { break };
        let lines = piece.lines();
        let samples = Numbered::new(piece.samples(), &lines, done);
        let all = judge.answer(&samples, lines, masks.as_ref(), done)?;
        failed += all.answers.iter().filter(|answer| answer.result.is_err()).count() as u64;
        done += all.answers.len() as u64;
        // The page first: rows that it has and the table has not are written again, the other way round they would be lost.
        if let Some(page) = &mut page {
            page.add(&judge, &samples, &all)?;
        }
        table.write(&all.answers)?;
        task.at(input.position());
    }
    task.done();
    if done == 0 {
        table.discard()?;
        page.map_or(Ok(()), Page::discard)?;
        bail!("{}: there is no sample to classify", args.data.display());
    }
    // The table first: as long as it is not whole, going on needs the page as it grows. Stopped between the two, both are made anew.
    table.finish()?;
    if let Some(page) = page {
        page.finish()?;
    }
    let unread = input.unread();
    let lost = unread.map(|problem| {
        format!(
            "{}: {problem}. Rows are lost with it that are not among the predictions: then run the command again",
            args.data.display()
        )
    });
    let ended = if lost.is_some() { Outcome::Stopped } else { Outcome::Done };
    let Some(path) = &args.out else {
        // Standard output has rows alone.
        lost.iter().for_each(|lost| eprintln!("{lost}"));
        return Ok(ended);
    };
    let mut text =
        format!("{} predictions with {kind} recovery and the {metric} metric are in {}", done - failed, path.display());
    if let Some(page) = &args.explain {
        text += &format!(", why in {}", page.display());
    }
    text += &format!("\n{}", judge.in_words());
    if failed > 0 {
        text += &format!("\n{failed} of {done} rows have no prediction: their column `error` says why");
    }
    lost.iter().for_each(|lost| text += &format!("\n{lost}"));
    let json = serde_json::json!({
        "unread_from_line": unread.and_then(Problem::line),
        "predictions": path, "samples": done, "failed": failed, "recovery": kind, "metric": reader.metric,
        "edges": effective.edges, "explained": args.explain, "selection_off": judge.is_off(),
        "calibrated": trust.is_some(), "decides": judge.in_words(),
    });
    context.result(out, &text, &json)?;
    Ok(ended)
}

/// Refuses to write over what is read, or one result over the other.
fn spare(args: &PredictArgs, table: Option<&Path>, folder: &ModelFolder) -> anyhow::Result<()> {
    let read: Vec<&Path> = [Some(args.data.as_path()), args.masks.as_deref(), table].into_iter().flatten().collect();
    for (path, flag) in [(&args.out, "--out"), (&args.explain, "--explain")] {
        if let Some(path) = path {
            settings::not_over(path, flag, &read)?;
            if folder.owns(path) {
                bail!("{}: {flag} is a file of the model, or among them: name another", path.display());
            }
        }
    }
    let [out, explain] = [&args.out, &args.explain].map(|path| path.as_deref().map(Target::of));
    for (target, flag) in [(&out, "--out"), (&explain, "--explain")] {
        if let Some(folder) = target.as_ref().map(Target::path).filter(|path| path.is_dir()) {
            bail!("{}: {flag} is a folder: name a file in it", folder.display());
        }
    }
    // While they grow, files have other names.
    let all = |target: &Target| ["", ".part", ".part.toml"].map(|ending| with(target.path(), ending));
    if let (Some(out), Some(explain)) = (&out, &explain)
        && all(out).iter().any(|name| all(explain).contains(name))
    {
        bail!("{}: --out and --explain are one file: name two", explain.path().display());
    }
    if args.resume && std::fs::metadata(&args.data).is_ok_and(|data| !data.is_file()) {
        bail!(
            "{}: --resume reads the table from its beginning, and this is no file: write it to one",
            args.data.display()
        );
    }
    Ok(())
}

/// The page that explains, where one is wanted.
fn page(
    context: &Context,
    args: &PredictArgs,
    folder: &ModelFolder,
    kind: RecoveryKind,
    judge: &Judge<'_>,
    done: u64,
) -> anyhow::Result<Option<Page>> {
    let Some(path) = &args.explain else { return Ok(None) };
    let metric = metric_name(judge.setting.statistics.metric());
    let fact = |name: &str, words: String| (name.to_owned(), words);
    let mut facts = vec![
        fact("Data", args.data.display().to_string()),
        fact("Model", format!("{}, {kind} recovery, {metric} metric", args.model.display())),
        fact("Decides", judge.in_words()),
    ];
    if let (Some(trust), true) = (judge.trust, judge.confidence.is_some()) {
        let words = match trust.guarantee.subjects {
            Some(subjects) => format!("{subjects} subjects of the validation part"),
            None => format!("{} validation samples", trust.fitted_on.samples),
        };
        facts.push(fact("Fitted on", words));
    }
    let mut notes = vec![
        "What is recovered is computed from what was observed: it is a second opinion, not a measurement.".to_owned(),
        "Expected changes are estimated from draws of the recovery model; the report of the model's evaluation says how good \
         such suggestions were."
            .to_owned(),
    ];
    if judge.setting.recovery.shows_training_data() {
        notes.push("The recovery model fills in what is missing with training samples: they are shown here.".into());
    }
    let run = ExplainedRun { title: folder.contents().name.clone(), command: context.command.clone(), facts, notes };
    let limits = Limits { rows: args.explain_rows, pictures: args.explain_pictures };
    let source = folder.data_settings().and_then(|text| toml::from_str::<Source>(text).ok());
    let told = (folder.schema(), source.as_ref());
    Page::open(path, (args.resume, done), run, limits, told).map(Some)
}

/// The mask file.
fn masks(args: &PredictArgs, schema: &Schema) -> anyhow::Result<Option<Masks>> {
    let names: Vec<String> = schema.modalities().iter().map(|m| m.name().into()).collect();
    Ok(args.masks.as_ref().map(|path| read_masks(path, &names)).transpose()?)
}
