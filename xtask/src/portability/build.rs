//! Builds by cargo, and what to say of one that failed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use super::backend::Place;
use super::row::Step;

/// Runs cargo in the backend's target folder; seconds, or the first error. Its words are passed on as they come.
pub(crate) fn cargo(place: &Place, words: &[String], variables: &[(&str, &str)]) -> Result<Step<f64>> {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO"));
    place.prepare(&mut command);
    command.args(words).arg("--target-dir").arg(&place.target).current_dir(&place.root);
    command.envs(variables.iter().copied()).env("CARGO_TERM_COLOR", "never");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().map_err(|e| anyhow::anyhow!("cargo did not start: {e}"))?;
    let mut lines = Vec::new();
    for line in BufReader::new(child.stderr.take().context("no standard error")?).lines() {
        let line = line?;
        eprintln!("{line}");
        lines.push(line);
    }
    if child.wait()?.success() {
        return Ok(Step::Done(began.elapsed().as_secs_f64()));
    }
    Ok(Step::Failed(first_error(&lines)))
}

/// The first error in a build's words; of a build script the first line that it said itself, too.
fn first_error(lines: &[String]) -> String {
    let Some(place) = lines.iter().position(|line| line.starts_with("error")) else {
        return lines.last().map_or_else(|| "cargo said nothing".into(), |line| line.trim().to_owned());
    };
    let error = lines[place].trim();
    if !error.contains("custom build command") {
        return error.to_owned();
    }
    let own = lines[place..].iter().skip_while(|line| line.trim() != "--- stderr").skip(1);
    match own.map(|line| line.trim()).find(|line| !line.is_empty()) {
        Some(own) => format!("{error}: {own}"),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        first_error(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_error_is_told() {
        let text = "   Compiling a v1.0\nwarning: unused\nerror[E0308]: mismatched types\n --> a.rs\nerror: aborting";
        assert_eq!(error_of(text), "error[E0308]: mismatched types");
        assert_eq!(error_of("  Blocking waiting for file lock \n"), "Blocking waiting for file lock");
        assert_eq!(error_of(""), "cargo said nothing");
    }

    #[test]
    fn a_build_script_speaks_for_itself() {
        let text = "error: failed to run custom build command for `llvm`\n\nCaused by:\n  process\n  --- stdout\n  cargo:x\n\n  \
                    --- stderr\n\n  cannot download\n";
        assert_eq!(error_of(text), "error: failed to run custom build command for `llvm`: cannot download");
    }
}
