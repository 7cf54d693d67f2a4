//! `dymo report DIR`.

use std::io::Write;
use std::path::PathBuf;

use dymo_report::Report;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::study::summary;

/// Arguments of `dymo report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  dymo report results           results/report.html, metrics.json and the tables are made again")]
pub struct ReportArgs {
    /// Folder that `dymo evaluate` or `dymo demo` has written
    pub folder: PathBuf,
}

pub(crate) fn run(context: &Context, args: &ReportArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let report = Report::read(&args.folder)?;
    let written = report.write(&args.folder)?;
    let (text, json) = summary(&report, &written.page)?;
    context.result(out, &text, &json)
}
