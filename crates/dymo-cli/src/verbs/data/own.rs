//! `dymo data init`, `check` and `convert`: from files of one's own to an experiment.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_data::Source;
use dymo_data::check::{Severity, check};
use dymo_data::convert::{ArrayLayout, Converted, FaceOptions, arrays, faces};
use dymo_data::init::{InitOptions, propose};

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings;

/// Arguments of `dymo data init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The table (CSV): a row for each sample
    pub table: PathBuf,
    /// The experiment to write; experiment.toml beside the table if nothing is said
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace an experiment that is there
    #[arg(long)]
    pub force: bool,
    /// The column of the class
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// The column that names each sample
    #[arg(long, value_name = "COLUMN")]
    pub id: Option<String>,
    /// The column that says train, validation or test
    #[arg(long, value_name = "COLUMN")]
    pub split: Option<String>,
    /// The column of what must not lie in two parts, such as the patient
    #[arg(long, value_name = "COLUMN")]
    pub subject: Option<String>,
    /// Columns that are not used
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub leave_out: Vec<String>,
}

/// Arguments of `dymo data check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The experiment
    pub experiment: PathBuf,
}

/// What is converted.
#[derive(Debug, clap::Subcommand)]
pub enum ConvertVerb {
    /// Car pictures with a table: the NumPy and CSV files of DVM
    #[command(after_help = "\
Examples:
  dymo data convert dvm features/ --out dvm
  dymo data convert dvm features/ --masks value_0.3 --out dvm-gaps       what TIP's mask files take away, in features/missing_mask")]
    Dvm(CarArgs),
    /// Faces with attributes: list_attr_celeba, its partition and pictures
    #[command(after_help = "\
Examples:
  dymo data convert celeba celeba/ --out faces
  dymo data convert celeba celeba/ --attribute Smiling --side 64 --out smiles")]
    Celeba(FaceArgs),
    /// Arrays and tables of any names, said in a TOML file
    #[command(after_help = "\
Example:
  dymo data convert arrays layout.toml --out cardiac")]
    Arrays(ConvertArgs),
}

/// How DVM is taken up.
#[derive(Debug, clap::Args)]
pub struct CarArgs {
    /// Files.
    #[command(flatten)]
    pub files: ConvertArgs,
    /// Entries that TIP's mask files of this strategy and rate take away are missing: value_0.3, feature_0.5, MI_0.1, LI_0.1
    #[arg(long, value_name = "STRATEGY_RATE")]
    pub masks: Option<String>,
}

/// From where, and where to.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// The folder of the files, or the layout (TOML)
    pub from: PathBuf,
    /// Folder of the table and its experiment
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace a table and an experiment that are there
    #[arg(long)]
    pub force: bool,
}

/// What a conversion writes.
const CONVERTED: [&str; 2] = ["manifest.csv", "experiment.toml"];

impl ConvertArgs {
    /// Refuses to write over what is there: most likely an earlier experiment, corrected by hand.
    fn spare(&self) -> anyhow::Result<()> {
        for path in CONVERTED.map(|name| self.out.join(name)) {
            settings::not_over(&path, "--out", &[&self.from])?;
            settings::not_lost(&path, "--out", self.force)?;
        }
        Ok(())
    }
}

/// Arguments of `dymo data convert celeba`.
#[derive(Debug, clap::Args)]
pub struct FaceArgs {
    /// From where, and where to.
    #[command(flatten)]
    pub files: ConvertArgs,
    /// The attribute that is the class
    #[arg(long, value_name = "NAME")]
    pub attribute: Option<String>,
    /// Side of the pictures in pixels
    #[arg(long, value_name = "N")]
    pub side: Option<usize>,
    /// Leave the class's attribute out of the text
    #[arg(long)]
    pub hide_attribute: bool,
}

pub(super) fn init(context: &Context, args: &InitArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let options = InitOptions {
        label: args.label.clone(),
        id: args.id.clone(),
        split: args.split.clone(),
        subject: args.subject.clone(),
        leave_out: args.leave_out.clone(),
        seed: context.seed,
    };
    let to = args.out.clone().unwrap_or_else(|| args.table.with_file_name("experiment.toml"));
    if to.exists() && !args.force {
        bail!("{} is there already; name another file with --out, or replace it with --force", to.display());
    }
    settings::not_over(&to, "--out", &[&args.table])?;
    let mut proposal = propose(&args.table, &options)?;
    proposal.settings.path = seen_from(&to, &args.table)?;
    settings::write(&to, proposal.to_toml()?.as_bytes())?;
    let next = format!("Read {0}, correct it, then: dymo data check {0}", to.display());
    let text = format!("{}\n{next}", proposal.summary().trim_end());
    let mut json = serde_json::to_value(&proposal)?;
    json["experiment"] = serde_json::to_value(&to)?;
    context.result(out, &text, &json)
}

/// The table's path as the experiment names it: relative to the experiment's folder where it lies in there, else absolute.
fn seen_from(experiment: &Path, table: &Path) -> anyhow::Result<PathBuf> {
    let [experiment, table] = [experiment, table].map(std::path::absolute);
    let (experiment, table) = (experiment?, table?);
    let inside = experiment.parent().and_then(|folder| table.strip_prefix(folder).ok().map(Path::to_path_buf));
    Ok(inside.unwrap_or(table))
}

pub(super) fn check_data(context: &Context, args: &CheckArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |_| ())?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    let Source::Manifest(table) = experiment.source() else {
        let splits = experiment.open(&context.datasets)?;
        let counts = [&splits.train, &splits.validation, &splits.test].map(|part| part.len());
        let [train, validation, test] = counts;
        let text = format!("No table to check; the data open: {train} train, {validation} validate, {test} test.");
        return context.result(out, &text, &serde_json::json!({ "parts": counts }));
    };
    let task = context.watch.task("checking", 0);
    let report = check(table, &mut |at| task.of(at.bytes, at.of_bytes))?;
    task.done();
    let outcome = context.result(out, report.to_string().trim_end(), &serde_json::to_value(&report)?)?;
    match report.count(Severity::Error) {
        0 => Ok(outcome),
        1 => bail!("{}: 1 error, listed above; correct it and check again", table.path.display()),
        n => bail!("{}: {n} errors, listed above; correct them and check again", table.path.display()),
    }
}

pub(super) fn convert(context: &Context, verb: &ConvertVerb, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let files = match verb {
        ConvertVerb::Dvm(CarArgs { files, .. }) | ConvertVerb::Celeba(FaceArgs { files, .. }) => files,
        ConvertVerb::Arrays(files) => files,
    };
    files.spare()?;
    let converted = match verb {
        ConvertVerb::Dvm(args) => {
            let layout = ArrayLayout::cars(&args.files.from);
            let layout = args.masks.iter().fold(layout, |layout, name| layout.with_car_masks(&args.files.from, name));
            arrays(&layout, &args.files.out)?
        }
        ConvertVerb::Arrays(args) => arrays(&layout(&args.from)?, &args.out)?,
        ConvertVerb::Celeba(args) => {
            let mut options = FaceOptions { hide_attribute: args.hide_attribute, ..FaceOptions::default() };
            options.attribute = args.attribute.clone().unwrap_or(options.attribute);
            options.side = args.side.unwrap_or(options.side);
            faces(&args.files.from, &options, &args.files.out)?
        }
    };
    let Converted { table, experiment, parts: [train, validation, test], remarks } = &converted;
    let mut text = format!("{train} samples train, {validation} validate, {test} test: {}", table.display());
    for remark in remarks {
        text.push_str("\n* ");
        text.push_str(remark);
    }
    text.push_str(&format!("\nNext: dymo data check {}", experiment.display()));
    let json = serde_json::json!({
        "table": table, "experiment": experiment, "parts": [train, validation, test], "remarks": remarks,
    });
    context.result(out, &text, &json)
}

fn layout(path: &Path) -> anyhow::Result<ArrayLayout> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let layout: ArrayLayout = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(layout.rooted(path.parent().unwrap_or(Path::new(""))))
}
