//! `dymo completions SHELL`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::outcome::Outcome;

/// Arguments of `dymo completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo completions bash > ~/.local/share/bash-completion/completions/dymo
  dymo completions zsh > ~/.zfunc/_dymo")]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dymo", &mut script);
    out.write_all(&script)?;
    Ok(Outcome::Done)
}
