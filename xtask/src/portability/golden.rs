//! The golden cases on a backend, by the program `verify-golden` that was built for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::backend::Place;
use super::row::Step;

/// Samples for which selecting is timed: those of a case, repeated.
const TIMED: &str = "256";

/// What was found in one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Name of its folder.
    pub name: String,
    /// Whether no decision differs and every difference is within bounds.
    pub same: bool,
    /// From the published numbers; `None` if it is not finite.
    pub largest_difference: Option<f64>,
    /// Samples selected for in a second, median.
    pub selected_per_second: Option<f64>,
    /// Everything, in words.
    pub words: String,
}

/// A line of `verify-golden --json`.
#[derive(Deserialize)]
struct Line {
    folder: PathBuf,
    same: bool,
    largest_difference: Option<f64>,
    selected_per_second: Option<f64>,
    words: String,
}

/// The folders of cases in a folder, by name.
pub(crate) fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(parent).with_context(|| parent.display().to_string())?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// Checks all of them. A device that this machine does not have is left out, with what to do about it.
pub(crate) fn check(place: &Place, folders: &[PathBuf]) -> Result<Step<Vec<Case>>> {
    let mut command = place.program("verify-golden");
    command.args(["--json", "--time", TIMED, "--device", place.backend.name()]).args(folders);
    let output = command.output().with_context(|| format!("{command:?} did not start"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{text}{said}");
    let cases = text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(|line: Line| Case {
        name: line.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        same: line.same,
        largest_difference: line.largest_difference,
        selected_per_second: line.selected_per_second,
        words: line.words,
    });
    Ok(match output.status.code() {
        Some(0 | 1) => Step::Done(cases.collect()),
        _ => wrong(&said),
    })
}

/// Why a program ended badly: the device is not here, or something is wrong.
pub(super) fn wrong<T>(said: &str) -> Step<T> {
    let line = said.lines().find(|line| line.starts_with("error:") || line.contains("panicked"));
    let line = line.or_else(|| said.lines().last()).unwrap_or("it ended without a word").trim();
    match line.contains("cannot be used on this machine") {
        true => Step::left(line.trim_start_matches("error: ")),
        false => Step::Failed(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_here_is_no_failure() {
        let absent = "error: wgpu cannot be used on this machine (no adapter): install a driver";
        assert_eq!(
            wrong::<()>(absent),
            Step::left("wgpu cannot be used on this machine (no adapter): install a driver")
        );
        let broken = "thread 'main' panicked at a.rs:1:\nout of memory\nnote: run with";
        assert_eq!(wrong::<()>(broken), Step::Failed("thread 'main' panicked at a.rs:1:".into()));
        assert_eq!(wrong::<()>(""), Step::Failed("it ended without a word".into()));
    }
}
