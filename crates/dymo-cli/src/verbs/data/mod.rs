//! `dymo data`: look at data, and prepare one's own.

mod own;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_core::{Kind, Schema};
use dymo_data::Samples;
use dymo_data::missingness::{Protocol, draw_entries, write_masks};
use dymo_report::Picture;
use dymo_train::experiment::{Experiment, Missing};

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::{self, SplitArg};
use crate::study::{judged, part};

/// What is done with the data.
#[derive(Debug, clap::Subcommand)]
pub enum DataVerb {
    /// Look at a table of files and propose the experiment that reads it
    #[command(after_help = "\
Examples:
  dymo data init patients.csv
  dymo data init patients.csv --label diagnosis --subject patient --leave-out ejection_fraction --out heart.toml

Columns of paths become pictures or volumes, numbers and categories a table, sentences a text. The file is for you to correct.")]
    Init(own::InitArgs),
    /// Read every file of an experiment and say everything that is wrong or odd, at once
    #[command(after_help = "\
Example:
  dymo data check experiment.toml

Unreadable files, mixed grids of volumes, unknown categories, class balance, what goes missing together, the same file or subject
in two parts, a column that gives the label away. Exit code 2 if something has to be corrected.")]
    Check(own::CheckArgs),
    /// Turn the files of a published data set into a table and an experiment
    #[command(subcommand)]
    Convert(own::ConvertVerb),
    /// Write a picture of the first samples: a row for each modality
    #[command(after_help = "\
Example:
  dymo data sheet experiment.toml --out sheet.png --samples 20")]
    Sheet(SheetArgs),
    /// Write down which modalities will be missing, as a mask file (1 = missing)
    #[command(after_help = "\
Examples:
  dymo data masks experiment.toml --rate 0.8 --out masks.csv        each missing with probability 0.8, one is left
  dymo data masks experiment.toml --missing 4 --seed 7 --out masks.csv
  dymo data masks experiment.toml --like NAME --out masks.csv       as [[evaluation.missing]] of that name says

An experiment reads a mask file back as [[evaluation.missing]] name = \"...\", masks = \"masks.csv\".")]
    Masks(MasksArgs),
}

/// Arguments of `dymo data sheet`.
#[derive(Debug, clap::Args)]
pub struct SheetArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The picture (PNG)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Which part of the data
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitArg,
    /// How many samples
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub samples: u16,
}

/// Arguments of `dymo data masks`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub struct MasksArgs {
    /// The experiment
    pub experiment: PathBuf,
    /// The mask file (CSV)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Which part of the data; the one that the experiment evaluates if nothing is said, and as many samples of it
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    /// Each modality is missing with this probability, from 0 to below 1
    #[arg(long, value_name = "RATE", group = "what", value_parser = rate)]
    pub rate: Option<f64>,
    /// Exactly so many modalities are missing
    #[arg(long, value_name = "N", group = "what")]
    pub missing: Option<usize>,
    /// What the experiment's [[evaluation.missing]] of this name draws: for a reason, or entries of a table
    #[arg(long, value_name = "NAME", group = "what")]
    pub like: Option<String>,
}

/// As `[evaluation]` takes them.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
        _ => Err("wanted a number from 0 to below 1".into()),
    }
}

pub(crate) fn run(context: &Context, verb: DataVerb, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match verb {
        DataVerb::Init(args) => own::init(context, &args, out),
        DataVerb::Check(args) => own::check_data(context, &args, out),
        DataVerb::Convert(verb) => own::convert(context, &verb, out),
        DataVerb::Sheet(args) => sheet(context, &args, out),
        DataVerb::Masks(args) => masks(context, &args, out),
    }
}

/// The experiment file, and the table where it has one.
fn read_here(experiment: &Experiment) -> Vec<&Path> {
    [experiment.path()].into_iter().chain(experiment.source().table()).collect()
}

fn masks(context: &Context, args: &MasksArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |_| ())?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    settings::not_over(&args.out, "--out", &read_here(&experiment))?;
    let splits = experiment.open(&context.datasets)?;
    let samples = match args.split {
        Some(split) => part(&splits, split.into()),
        None => judged(&experiment, &splits),
    };
    let (missing, seed) = (wanted(&experiment, samples.schema(), args)?, experiment.seed());
    let ids: Vec<String> = (0..samples.len()).map(|i| samples.id(i)).collect();
    let share = match &missing {
        Missing::Masks(path) | Missing::EntryMasks { masks: path, .. } => {
            bail!("{} is a mask file already", path.display())
        }
        Missing::Entries { table, how } => {
            let mask = draw_entries(how, samples.as_ref(), *table, seed)?;
            mask.write(&args.out, Some(&ids))?;
            mask.rate()
        }
        Missing::Protocol(_) | Missing::Modalities(_) => {
            let names: Vec<String> = samples.schema().modalities().iter().map(|m| m.name().into()).collect();
            let drawn = missing.show(&samples, seed)?.present;
            write_masks(&args.out, &names, Some(&ids), &drawn)?;
            let missing: usize = drawn.iter().map(|present| names.len() - present.len()).sum();
            missing as f64 / (drawn.len() * names.len()).max(1) as f64
        }
    };
    let text = format!("{} rows, {:.1} % missing, are in {}", samples.len(), 100.0 * share, args.out.display());
    context.result(out, &text, &serde_json::json!({ "masks": args.out, "samples": samples.len(), "missing": share }))
}

/// What the flags ask for.
fn wanted(experiment: &Experiment, schema: &Schema, args: &MasksArgs) -> anyhow::Result<Missing> {
    match (args.rate, args.missing, &args.like) {
        (Some(rate), ..) => Ok(Missing::Protocol(Protocol::Bernoulli { rate })),
        (_, Some(missing), _) => Ok(Missing::Protocol(Protocol::ExactCount { missing })),
        (.., name) => {
            let tables = &experiment.evaluation().missing;
            let found = tables.iter().find(|table| Some(&table.name) == name.as_ref());
            let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            let path = experiment.path().display();
            let found = found.with_context(|| match known.is_empty() {
                true => format!("{path} has no [[evaluation.missing]]: write one, or use --rate or --missing"),
                false => format!("{path}: [[evaluation.missing]] has the names {}", known.join(", ")),
            })?;
            found.missing(schema).with_context(|| path.to_string())
        }
    }
}

fn sheet(context: &Context, args: &SheetArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |_| ())?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    let samples = part(&experiment.open(&context.datasets)?, args.split.into());
    let count = usize::from(args.samples).min(samples.len());
    settings::not_over(&args.out, "--out", &read_here(&experiment))?;
    settings::write(&args.out, &contact_sheet(samples.as_ref(), count, &args.experiment)?)?;
    let classes = samples.schema().classes();
    let labels: Vec<&str> = (0..count).map(|i| classes.get(samples.label(i)).map_or("?", String::as_str)).collect();
    let text = format!("{}, classes from left to right: {}", args.out.display(), labels.join(" "));
    context.result(out, &text, &serde_json::json!({ "picture": args.out, "labels": labels }))
}

/// Pixels of white between pictures.
const GAP: usize = 2;

/// A row for each modality, a column for each sample, as PNG. What is missing, or no picture, is grey.
fn contact_sheet(samples: &dyn Samples, count: usize, path: &Path) -> anyhow::Result<Vec<u8>> {
    let kinds: Vec<Kind> = samples.schema().modalities().iter().map(|m| m.kind()).collect();
    let pictures = || kinds.iter().filter(|kind| kind.is_pictorial()).map(Kind::shape);
    let Some(cell) = pictures().map(|[h, w, _]| [h, w]).reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])]) else {
        bail!("{}: none of the modalities is a picture or a volume", path.display());
    };
    let zoom = (48 / cell[0].max(1)).clamp(1, 4);
    let step = [(cell[0] + GAP) * zoom, (cell[1] + GAP) * zoom];
    let shape = [kinds.len() * step[0], count * step[1], 3];
    let mut sheet = vec![1.0f32; shape.iter().product()];
    for (m, kind) in kinds.iter().enumerate() {
        let mut values = vec![0.0; kind.values()];
        for sample in 0..count {
            let seen = samples.observed(sample).contains(m) && kind.is_pictorial();
            if seen {
                samples.read(sample, m, &mut values)?;
            }
            for y in 0..cell[0] * zoom {
                for x in 0..cell[1] * zoom {
                    let to = ((m * step[0] + y) * shape[1] + sample * step[1] + x) * 3;
                    let colour = if seen { pixel(kind, &values, y / zoom, x / zoom) } else { [0.85; 3] };
                    sheet[to..to + 3].copy_from_slice(&colour);
                }
            }
        }
    }
    Ok(Picture::from_values(shape, &sheet)?.png().to_vec())
}

/// Red, green and blue of a place; white outside. Of a volume the middle slice, of other channel numbers the first.
fn pixel(kind: &Kind, values: &[f32], y: usize, x: usize) -> [f32; 3] {
    let [height, width, channels] = kind.shape();
    if y >= height || x >= width {
        return [1.0; 3];
    }
    let place = &values[(y * width + x) * channels..][..channels];
    match (kind, place) {
        (Kind::Image { .. }, [r, g, b]) => [*r, *g, *b],
        (Kind::Volume { slices, .. }, _) => [place[*slices / 2]; 3],
        _ => [place[0]; 3],
    }
}
