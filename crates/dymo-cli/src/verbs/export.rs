//! `dymo export MODEL --out DIR`: a model to hand on.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use dymo_models::weights::Precision;
use dymo_train::model_folder::ModelFolder;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings;

/// Arguments of `dymo export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo export model --out shipped               weights in half precision: half the size, three digits
  dymo export model --out copy --full           every bit kept

Checkpoints stay behind: what is exported can be used, but its training cannot be resumed.")]
pub struct ExportArgs {
    /// The model folder
    pub model: PathBuf,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace what is there: files of other things, or another model
    #[arg(long)]
    pub force: bool,
    /// Keep single precision
    #[arg(long)]
    pub full: bool,
}

pub(crate) fn run(context: &Context, args: &ExportArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let precision = if args.full { Precision::Full } else { Precision::Half };
    let folder = ModelFolder::open(&args.model)?;
    if args.out.canonicalize().is_ok_and(|out| args.model.canonicalize().is_ok_and(|model| model == out)) {
        bail!("{}: --out is the model itself, and would be written over: name another folder", args.out.display());
    }
    for name in folder.file_names() {
        settings::not_lost(&args.out.join(name), "--out", args.force)?;
    }
    let copy = folder.export(&args.out, precision, &context.device)?;
    let text = format!("The model: {}", copy.path().display());
    context.result(out, &text, &serde_json::json!({ "model": copy.path() }))
}
