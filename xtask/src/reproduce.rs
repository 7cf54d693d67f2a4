//! A reproduction: stages run one after another by the `dymo` command, each resumable by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::page;

/// Cross-validation instead of one split.
#[derive(Debug, clap::Args)]
pub(crate) struct Folds {
    /// Cross-validate with so many folds instead of training on one split
    #[arg(long, value_name = "K", default_value_t = 0)]
    folds: u16,
    /// How often the folds are drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeats: u16,
    /// Trainings on shuffled labels, with --folds
    #[arg(long, value_name = "N", default_value_t = 0)]
    permutations: u16,
}

impl Folds {
    /// Whether there is to be any.
    pub(crate) fn wanted(&self) -> bool {
        self.folds > 0
    }
}

/// An experiment and where it is run.
pub(crate) struct Reproduction {
    /// As it was asked for.
    asked: String,
    /// As files are called.
    name: String,
    root: PathBuf,
    experiment: PathBuf,
    store: PathBuf,
    dymo: Vec<String>,
}

impl Reproduction {
    /// Finds `datasets/NAME/experiment.toml`; for a name such as `cardiac/patients` the experiment `datasets/cardiac/patients.toml`.
    pub(crate) fn new(name: &str, store: Option<PathBuf>, dymo: Vec<String>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let (folder, file) = name.split_once('/').unwrap_or((name, "experiment"));
        let experiment = root.join("datasets").join(folder).join(format!("{file}.toml"));
        if !experiment.is_file() {
            bail!("{} is not there: name a folder of datasets/ that has an experiment.toml", experiment.display());
        }
        let (asked, name) = (name.to_owned(), &name.replace('/', "-"));
        let store = store.unwrap_or_else(|| root.join("runs").join(name));
        Ok(Self { asked, name: name.into(), root, experiment, store, dymo })
    }

    /// The experiment file.
    pub(crate) fn experiment(&self) -> &Path {
        &self.experiment
    }

    /// Says how data that are not there are made; it does not make them, since they may be somebody's own.
    fn look_for_data(&self) -> Result<()> {
        let text = std::fs::read_to_string(&self.experiment).with_context(|| self.experiment.display().to_string())?;
        let table: toml::Table = toml::from_str(&text).with_context(|| self.experiment.display().to_string())?;
        let path = table.get("data").and_then(|data| data.get("path")).and_then(|path| path.as_str());
        let Some(path) = path.map(|path| self.experiment.with_file_name("").join(path)) else { return Ok(()) };
        if path.exists() {
            return Ok(());
        }
        let folder = self.asked.split('/').next().unwrap_or_default();
        bail!("{} is not there; `cargo xtask prepare {folder}` makes it (datasets/{folder}/README.md)", path.display());
    }

    /// Trains (unless the shipped weights are used), fits, evaluates, and writes the page.
    pub(crate) fn all(&self, shipped: bool) -> Result<()> {
        self.look_for_data()?;
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

    /// Cross-validates, for a table that is too small for one split, and writes the page.
    pub(crate) fn cross_validated(&self, folds: &Folds) -> Result<()> {
        self.look_for_data()?;
        self.cargo_build()?;
        let results = self.results().to_string_lossy().into_owned();
        let [k, repeats, permutations] = [folds.folds, folds.repeats, folds.permutations].map(|n| n.to_string());
        let rest =
            ["--out", &results, "--folds", &k, "--repeats", &repeats, "--permutations", &permutations, "--resume"];
        self.stage("cross-validate", "cross-validate", &rest)?;
        self.page()
    }

    /// Writes `docs/results/NAME.md` from the results.
    pub(crate) fn page(&self) -> Result<()> {
        let path = self.root.join("docs/results").join(format!("{}.md", self.name));
        let remarks = match self.experiment.file_stem().and_then(|stem| stem.to_str()) {
            Some(stem) if stem != "experiment" => self.experiment.with_file_name(format!("{stem}.md")),
            _ => self.experiment.with_file_name("remarks.md"),
        };
        let text = page::write(&self.asked, &self.results(), &remarks)?;
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
