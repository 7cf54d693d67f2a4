//! A reproduction: stages run one after another by the `dymo` command, each resumable by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::whole;
use crate::{baseline, page, prepare};

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

/// What the stages before and after `dymo` need.
#[derive(Debug, clap::Args)]
pub(crate) struct Around {
    /// Folder of real data, for a recipe that no package serves
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// A Python with scikit-learn: what it makes of each modality alone, beside ours on the page
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
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

    /// Trains and evaluates, or cross-validates, or evaluates shipped weights; measures baselines; writes the page. A stage
    /// that has ended is not repeated, one that was stopped goes on.
    pub(crate) fn all(&self, shipped: bool, folds: &Folds, around: &Around) -> Result<()> {
        self.data(around)?;
        self.cargo_build()?;
        let model = self.store.join("model").to_string_lossy().into_owned();
        let results = self.results().to_string_lossy().into_owned();
        if folds.wanted() {
            let [k, repeats, permutations] = [folds.folds, folds.repeats, folds.permutations].map(|n| n.to_string());
            let rest =
                ["--out", &results, "--folds", &k, "--repeats", &repeats, "--permutations", &permutations, "--resume"];
            self.stage("cross-validate", "cross-validate", &rest)?;
        } else if shipped {
            self.stage("evaluate", "evaluate", &["--out", &results])?;
        } else {
            self.stage("train and evaluate", "train", &["--out", &model, "--results", &results, "--resume"])?;
        }
        self.baselines(folds, around)?;
        self.page()
    }

    /// Makes the data that are not there, by the recipe of their folder.
    fn data(&self, around: &Around) -> Result<()> {
        let data = self.table()?.get("data").cloned();
        let path = data.as_ref().and_then(|data| data.get("path")).and_then(|path| path.as_str());
        let Some(path) = path.map(|path| self.experiment.with_file_name("").join(path)) else { return Ok(()) };
        if path.exists() {
            return Ok(());
        }
        let folder = self.asked.split('/').next().unwrap_or_default();
        // What a recipe makes of nothing belongs to the folder's first experiment.
        if around.from.is_none() && self.asked != folder && !prepare::has_packages(folder) {
            bail!(
                "{} is not there: --from names the folder of real data (datasets/{folder}/README.md)",
                path.display()
            );
        }
        println!("== prepare {folder}");
        prepare::prepare(folder, around.from.clone(), None, prepare::SEED)
    }

    /// Each modality alone, where there is a table of samples and a Python for it.
    fn baselines(&self, folds: &Folds, around: &Around) -> Result<()> {
        if !baseline::has_modalities(&self.table()?) {
            return Ok(());
        }
        let Some(python) = &around.python else {
            println!("== baselines left out: --python names a Python with scikit-learn");
            return Ok(());
        };
        println!("== each modality alone, through scikit-learn: {}", python.display());
        baseline::measure(self, python, folds.folds.into(), folds.repeats.into())
    }

    /// The experiment file as it stands.
    pub(crate) fn table(&self) -> Result<toml::Table> {
        let place = || self.experiment.display().to_string();
        toml::from_str(&std::fs::read_to_string(&self.experiment).with_context(place)?).with_context(place)
    }

    /// Writes `docs/results/NAME.md` from the results.
    pub(crate) fn page(&self) -> Result<()> {
        let path = self.root.join("docs/results").join(format!("{}.md", self.name));
        let remarks = match self.experiment.file_stem().and_then(|stem| stem.to_str()) {
            Some(stem) if stem != "experiment" => self.experiment.with_file_name(format!("{stem}.md")),
            _ => self.experiment.with_file_name("remarks.md"),
        };
        let text = page::write(&self.asked, &self.results(), &remarks)?;
        whole::write(&path, text)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An experiment of that name in a house of its own, with these lines.
    fn run(root: &Path, asked: &str, text: &str) -> Reproduction {
        let (folder, file) = asked.split_once('/').unwrap_or((asked, "experiment"));
        let experiment = root.join("datasets").join(folder).join(format!("{file}.toml"));
        std::fs::create_dir_all(experiment.with_file_name("")).expect("a folder");
        std::fs::write(&experiment, text).expect("an experiment");
        let (asked, name, store) = (asked.to_owned(), asked.replace('/', "-"), root.join("runs"));
        Reproduction { asked, name, root: root.to_owned(), experiment, store, dymo: Vec::new() }
    }

    #[test]
    fn data_that_are_somebodys_own_are_asked_for() {
        let root = tempfile::tempdir().expect("a folder");
        let around = Around { from: None, python: None };
        let own = run(root.path(), "cardiac/patients", "[data]\nmaker = 'manifest'\npath = 'data/manifest.csv'\n");
        let message = own.data(&around).expect_err("nothing is there").to_string();
        assert!(message.contains("manifest.csv") && message.contains("--from"), "{message}");
        std::fs::create_dir_all(own.experiment.with_file_name("data")).expect("a folder");
        std::fs::write(own.experiment.with_file_name("data/manifest.csv"), "id\n").expect("a table");
        own.data(&around).expect("it is there");
        let made = run(root.path(), "polymnist", "[data]\nmaker = 'polymnist'\nseed = 1\n");
        made.data(&around).expect("made as it is read");
        let nobody = run(root.path(), "unknown", "[data]\nmaker = 'manifest'\npath = 'data/manifest.csv'\n");
        assert!(nobody.data(&around).expect_err("no recipe").to_string().contains("no recipe is called unknown"));
    }

    #[test]
    fn baselines_need_a_table_of_samples_and_a_python() {
        let root = tempfile::tempdir().expect("a folder");
        let folds = Folds { folds: 0, repeats: 1, permutations: 0 };
        let python = Some(PathBuf::from("/nowhere/python"));
        let around = Around { from: None, python };
        run(root.path(), "a", "[data]\nmaker = 'polymnist'\nseed = 1\n")
            .baselines(&folds, &around)
            .expect("nothing to learn from");
        let table = "[data]\nmaker = 'manifest'\npath = 't.csv'\n[[data.modalities]]\nname = 't'\nkind = 'table'\n\
                     columns = [{ name = 'c', type = 'categorical', categories = ['l', 'r'] }]\n";
        let tables = run(root.path(), "b", table);
        let refused = tables.baselines(&folds, &around).expect_err("no such Python");
        assert!(format!("{refused:#}").contains("/nowhere/python did not start"), "{refused:#}");
        tables.baselines(&folds, &Around { python: None, ..around }).expect("left out, and said");
        assert!(!tables.results().join("baseline.json").exists());
    }
}
