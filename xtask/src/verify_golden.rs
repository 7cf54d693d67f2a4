//! Golden cases, checked by the binary `verify-golden` of the workspace's tests: this crate stays without a tensor framework.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Builds and runs it with these arguments, where we stand, and ends as it ends.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "dymo-tests",
        "--bin",
        "verify-golden",
        "--manifest-path",
    ]);
    command.arg(manifest);
    if let Some(feature) = feature(arguments) {
        command.args(["--features", feature]);
    }
    let status = command.arg("--").args(arguments).status().context("cargo did not start")?;
    // The exit code is the answer.
    std::process::exit(status.code().unwrap_or(2));
}

/// The feature that brings the device asked for.
fn feature(arguments: &[OsString]) -> Option<&'static str> {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let device = words.iter().enumerate().find_map(|(place, word)| match word.strip_prefix("--device") {
        Some("") => words.get(place + 1).map(|next| next.to_string()),
        Some(rest) => rest.strip_prefix('=').map(str::to_string),
        None => None,
    })?;
    ["wgpu", "cuda", "tch"].into_iter().find(|feature| device.split(':').next() == Some(feature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_brings_its_feature() {
        let of = |words: &[&str]| feature(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["a", "--device", "cuda:1"]), Some("cuda"));
        assert_eq!(of(&["--device=wgpu", "a"]), Some("wgpu"));
        assert_eq!(of(&["a", "--device", "cpu"]), None);
        assert_eq!(of(&["a", "--time", "64"]), None);
    }
}
