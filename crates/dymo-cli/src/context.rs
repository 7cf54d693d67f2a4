//! What every verb is given: resolved flags, progress, and where the result is printed.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use burn::tensor::Device;

use crate::args::Common;
use crate::outcome::Outcome;
use crate::stop::Stop;
use crate::watch::Watch;

/// Resolved flags.
#[derive(Debug)]
pub struct Context {
    /// Where the networks live.
    pub device: Device,
    /// Device and threads in words, for provenance.
    pub device_words: String,
    /// CPU threads.
    pub threads: usize,
    /// `--seed`.
    pub seed: Option<u64>,
    /// Folder of the data sets that come along.
    pub datasets: PathBuf,
    /// `--json`.
    pub json: bool,
    /// `--show-settings`.
    pub show_settings: bool,
    /// The command as it was given.
    pub command: String,
    /// Progress.
    pub(crate) watch: Watch,
    /// Ctrl-C.
    pub(crate) stop: Stop,
}

impl Context {
    /// Resolves the flags and takes over Ctrl-C. `words` are the command line.
    ///
    /// # Errors
    /// A device that was not built in, threads that cannot be started.
    pub fn new(common: Common, words: &[OsString]) -> anyhow::Result<Self> {
        let device = common.device.open()?;
        if let Some(threads) = common.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.into())
                .build_global()
                .context("--threads: the threads cannot be started")?;
        }
        let threads = rayon::current_num_threads();
        let words = words.iter().map(|word| word.to_string_lossy());
        let command: Vec<String> = words.enumerate().map(|(i, word)| shell_word(i, &word)).collect();
        let stop = Stop::listen(&resumed(&command));
        if command.iter().any(|word| word == "--resume") {
            stop.saved();
        }
        Ok(Self {
            device,
            device_words: format!("{}, {threads} thread{}", common.device, if threads == 1 { "" } else { "s" }),
            threads,
            seed: common.seed,
            datasets: common.datasets.unwrap_or_else(datasets),
            json: common.json,
            show_settings: common.show_settings,
            command: command.join(" "),
            watch: Watch::new(common.quiet),
            stop,
        })
    }

    /// Prints a result: `json` for machines, else `text` for people.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn result(&self, out: &mut dyn Write, text: &str, json: &serde_json::Value) -> anyhow::Result<Outcome> {
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(json)?)?;
        } else {
            writeln!(out, "{text}")?;
        }
        Ok(Outcome::Done)
    }
}

/// The command that goes on where this one was stopped; what it forced is forced already.
fn resumed(command: &[String]) -> String {
    let words = command.iter().map(String::as_str).filter(|word| !["--force", "--resume"].contains(word));
    words.chain(["--resume"]).collect::<Vec<_>>().join(" ")
}

/// The folder `datasets` here, or else where this program was built.
fn datasets() -> PathBuf {
    let here = Path::new("datasets");
    if here.is_dir() {
        return here.into();
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    built.canonicalize().unwrap_or(built)
}

/// A word as a shell reads it back; the program itself by the name that everybody's has.
fn shell_word(place: usize, word: &str) -> String {
    if place == 0 {
        return "dymo".into();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_forces_nothing_again() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(resumed(&words("dymo train a.toml --force --seed 9")), "dymo train a.toml --seed 9 --resume");
        assert_eq!(resumed(&words("dymo train --resume a.toml")), "dymo train a.toml --resume");
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(shell_word(0, "target/release/dymo-new"), "dymo");
        assert_eq!(shell_word(1, "--out=a/b.c"), "--out=a/b.c");
        assert_eq!(shell_word(1, "it's here"), r"'it'\''s here'");
        assert_eq!(shell_word(1, ""), "''");
    }
}
