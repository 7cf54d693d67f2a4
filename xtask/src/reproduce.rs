//! A reproduction: stages run one after another by the `dymo` command, each resumable by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::page;

/// An experiment and where it is run.
pub(crate) struct Reproduction {
    name: String,
    root: PathBuf,
    experiment: PathBuf,
    store: PathBuf,
    dymo: Vec<String>,
}

impl Reproduction {
    /// Finds `datasets/NAME/experiment.toml`.
    pub(crate) fn new(name: &str, store: Option<PathBuf>, dymo: Vec<String>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let experiment = root.join("datasets").join(name).join("experiment.toml");
        if !experiment.is_file() {
            bail!("{} is not there: name a folder of datasets/ that has an experiment.toml", experiment.display());
        }
        let store = store.unwrap_or_else(|| root.join("runs").join(name));
        Ok(Self { name: name.into(), root, experiment, store, dymo })
    }

    /// The experiment file.
    pub(crate) fn experiment(&self) -> &Path {
        &self.experiment
    }

    /// Trains (unless the shipped weights are used), fits, evaluates, and writes the page.
    pub(crate) fn all(&self, shipped: bool) -> Result<()> {
        self.cargo_build()?;
        let model = self.store.join("model").to_string_lossy().into_owned();
        let results = self.results().to_string_lossy().into_owned();
        if shipped {
            self.stage("evaluate", "evaluate", &["--out", &results])?;
        } else {
            // Every training in it goes on where it was stopped, and one that has ended is not repeated.
            self.stage("train and evaluate", "train", &["--out", &model, "--results", &results, "--resume"])?;
        }
        self.page()
    }

    /// Writes `docs/results/NAME.md` from the results.
    pub(crate) fn page(&self) -> Result<()> {
        let path = self.root.join("docs/results").join(format!("{}.md", self.name));
        let text = page::write(&self.name, &self.results())?;
        std::fs::create_dir_all(self.root.join("docs/results"))?;
        let half = path.with_extension("md.half");
        std::fs::write(&half, text).with_context(|| half.display().to_string())?;
        std::fs::rename(&half, &path).with_context(|| path.display().to_string())?;
        println!("{}", path.display());
        Ok(())
    }

    /// Where `dymo evaluate` leaves its report.
    pub(crate) fn results(&self) -> PathBuf {
        self.store.join("results")
    }

    fn cargo_build(&self) -> Result<()> {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "--package", "dymo-cli"])
            .current_dir(&self.root)
            .status()?;
        if status.success() { Ok(()) } else { bail!("dymo does not build") }
    }

    /// One `dymo` command: verb, experiment, the rest.
    fn stage(&self, what: &str, verb: &str, rest: &[&str]) -> Result<()> {
        let began = Instant::now();
        let binary = self.root.join("target/release").join(format!("dymo{}", std::env::consts::EXE_SUFFIX));
        let mut command = Command::new(binary);
        command.arg(verb).arg(&self.experiment).args(rest).args(&self.dymo).current_dir(&self.root);
        println!("== {what}: {command:?}");
        let status = command.status().with_context(|| format!("stage {what} did not start"))?;
        if !status.success() {
            bail!("stage {what} ended with {status}; run the same command again to go on from there");
        }
        println!("   {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }
}
