//! `cargo xtask fuzz`: the readers of dymo-data under libFuzzer, with the stable compiler and without cargo-fuzz.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The targets, and how the names of files end that are good beginnings.
const TARGETS: [(&str, &[&str]); 4] = [
    ("nifti", &[".nii", ".nii.gz"]),
    ("idx", &["ubyte", "ubyte.gz", ".npy"]),
    ("picture", &[".png", ".jpg"]),
    ("table", &[".csv"]),
];

/// What cargo-fuzz hands to the compiler for `--sanitizer none`.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Longest seed: mutations of a long one take their time and find little.
const LONGEST_SEED: u64 = 64 << 10;

/// Seeds taken of one folder.
const SEEDS: usize = 20;

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArgs {
    /// Which readers: nifti, idx, picture, table; all if nothing is said
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Folder of files to begin with, beside those under datasets
    #[arg(long, value_name = "DIR")]
    seeds: Option<PathBuf>,
}

pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let place = root.join("crates/dymo-data/fuzz");
    if let Some(other) = args.targets.iter().find(|name| TARGETS.iter().all(|(target, _)| target != name)) {
        bail!("there is no target {other}; the targets are {}", TARGETS.map(|(name, _)| name).join(", "));
    }
    let wanted =
        |name: &&(&str, &[&str])| args.targets.is_empty() || args.targets.iter().any(|target| target == name.0);
    for (name, ends) in TARGETS.iter().filter(wanted) {
        let corpus = place.join("corpus").join(name);
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        for folder in [Some(root.join("datasets")), args.seeds.clone()].into_iter().flatten() {
            gather(&folder, ends, &corpus)?;
        }
        let artifacts = place.join("artifacts").join(name);
        std::fs::create_dir_all(&artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--release", "--bin", name, "--manifest-path"]).arg(place.join("Cargo.toml"));
        // A target named on purpose keeps the flags off build scripts and macros.
        cargo.args(["--target", &host()?]).env("RUSTFLAGS", FLAGS).arg("--").arg(&corpus);
        cargo.arg(format!("-max_total_time={}", args.seconds)).arg("-print_final_stats=1").arg("-rss_limit_mb=1024");
        cargo.arg(format!("-artifact_prefix={}/", artifacts.display()));
        if !cargo.status().context("cargo did not start")?.success() {
            bail!("{name}: a find, in {}; make a test of it", artifacts.display());
        }
    }
    Ok(())
}

/// Copies the first small files of a folder and those in it into a corpus; a folder that is not there has none.
fn gather(folder: &Path, ends: &[&str], corpus: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut copied = 0;
    for path in paths {
        if path.is_dir() {
            gather(&path, ends, corpus)?;
            continue;
        }
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let small = std::fs::metadata(&path).is_ok_and(|file| file.len() <= LONGEST_SEED);
        if small && copied < SEEDS && ends.iter().any(|end| name.ends_with(end)) {
            let to = corpus.join(&name);
            std::fs::copy(&path, &to).with_context(|| format!("cannot copy to {}", to.display()))?;
            copied += 1;
        }
    }
    Ok(())
}

/// The machine's own target, as the compiler names it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc did not start")?;
    let text = String::from_utf8(output.stdout).context("rustc's version is no text")?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not say its host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every target has its program, and every program is a target.
    #[test]
    fn targets_are_those_that_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/dymo-data/fuzz/fuzz_targets");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        found.sort();
        let mut known = TARGETS.map(|(name, _)| name.to_owned()).to_vec();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn a_target_that_is_none_is_told() {
        let args = FuzzArgs { targets: vec!["nifty".into()], seconds: 1, seeds: None };
        let message = run(&args).unwrap_err().to_string();
        assert!(message.contains("no target nifty") && message.contains("nifti, idx"), "{message}");
    }
}
