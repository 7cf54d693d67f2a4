//! How a run ends: the one place that knows exit codes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use dymo_train::TrainError;
use dymo_train::experiment::StageError;

use crate::args::Cli;
use crate::{context, verbs};

/// How a verb ended when nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was done: exit code 0.
    Done,
    /// Stopped before the end, everything saved, or not everything could be read: exit code 1.
    Stopped,
}

/// Reads the command line, does what it says, and turns the end into an exit code.
pub fn main() -> ExitCode {
    match run(std::env::args_os(), &mut io::stdout().lock()) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped) => ExitCode::from(STOPPED),
        // Whoever reads has seen enough: `dymo … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<clap::Error>() {
            Some(words) => {
                let _ = words.print();
                ExitCode::from(if words.use_stderr() { FAILED } else { 0 })
            }
            None => {
                eprintln!("error: {}", in_one_line(&error));
                ExitCode::from(FAILED)
            }
        },
    }
}

/// Does what a command line says, the first word being the program's name; results go to `out`, progress to standard error.
///
/// # Errors
/// [`clap::Error`] for words that are no command, and for `--help`, which it prints; else whatever went wrong, naming file and
/// remedy.
pub fn run<W>(words: impl IntoIterator<Item = W>, out: &mut dyn Write) -> anyhow::Result<Outcome>
where
    W: Into<OsString> + Clone,
{
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let cli = Cli::try_parse_from(&words)?;
    let context = context::Context::new(cli.common, &words)?;
    let ended = match verbs::run(&context, cli.verb, out) {
        Err(error) if is_stop(&error) => {
            eprintln!("{}", context.stop.how_to_go_on(&error.to_string()));
            Ok(Outcome::Stopped)
        }
        other => other,
    };
    out.flush()?;
    ended
}

/// Stopped before the end, and the same command can go on.
pub(crate) const STOPPED: u8 = 1;
const FAILED: u8 = 2;
/// What shells expect of a program that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// A failure once something is trained: says that it is kept, unless that is said already or nothing failed.
pub(crate) fn after_training(error: anyhow::Error) -> anyhow::Error {
    let says_so = matches!(train_error(&error), Some(TrainError::Unread { .. } | TrainError::OtherRun { .. }));
    if says_so || is_stop(&error) || is_broken_pipe(&error) {
        return error;
    }
    let told = in_one_line(&error);
    anyhow::anyhow!("{told}; what was trained is saved: mend this and go on with --resume")
}

/// Whether somebody asked to stop.
fn is_stop(error: &anyhow::Error) -> bool {
    matches!(train_error(error), Some(TrainError::Stopped { .. }))
}

/// What went wrong in training, where it was that.
fn train_error(error: &anyhow::Error) -> Option<&TrainError> {
    match error.downcast_ref::<StageError>() {
        Some(StageError::Train(error)) => Some(error),
        _ => error.downcast_ref::<TrainError>(),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    // An error of the csv crate does not give the system's as its cause.
    let table = |e: &csv::Error| matches!(e.kind(), csv::ErrorKind::Io(e) if broken(e));
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(broken) || cause.downcast_ref::<csv::Error>().is_some_and(table)
    })
}

/// The error and its causes; a cause that the message before it already tells is not told twice. Whoever opens a file says which;
/// an error of the system that nobody has named is one of standard output.
fn in_one_line(error: &anyhow::Error) -> String {
    let nameless = error.chain().count() == 1 && error.is::<io::Error>();
    let mut text = if nameless { "cannot write to standard output".to_owned() } else { String::new() };
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_are_told_once() {
        let inner = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        assert_eq!(in_one_line(&inner().into()), "cannot write to standard output: no such file");
        let plain = Err::<(), _>(inner()).context("cannot read a.toml").unwrap_err();
        assert_eq!(in_one_line(&plain), "cannot read a.toml: no such file");
        let telling = Err::<(), _>(inner()).context("a.toml: no such file; name another").unwrap_err();
        assert_eq!(in_one_line(&telling), "a.toml: no such file; name another");
    }

    #[test]
    fn a_failure_after_training_says_how_to_go_on() {
        let failed = |text: &str| after_training(anyhow::anyhow!("{text}")).to_string();
        assert_eq!(failed("no room"), "no room; what was trained is saved: mend this and go on with --resume");
        let reason = "other settings".to_owned();
        let checkpoint = TrainError::OtherRun { path: "a.checkpoint".into(), reason };
        let told = checkpoint.to_string();
        assert_eq!(after_training(checkpoint.into()).to_string(), told, "it says so itself");
        let stopped = TrainError::Stopped { stage: "fusion-cosine".into(), step: 7 };
        assert!(is_stop(&after_training(stopped.into())));
        assert!(is_broken_pipe(&after_training(io::Error::from(io::ErrorKind::BrokenPipe).into())));
    }

    #[test]
    fn a_broken_pipe_is_found_behind_other_errors() {
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(pipe).context("while printing")));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
