//! An empty folder with a small experiment in it, and a small trained model that tests share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A few hundred digits and networks that train in a second; the numbers they give mean nothing.
pub const EXPERIMENT: &str = r#"
metrics = ["cosine"]
[data]
maker = "polymnist"
seed = 2025
train_limit = 320
[fusion]
width = 16
heads = 2
blocks = 1
feature_width = 8
[fusion.schedule]
epochs = 1
batch = 64
[recovery.guided.model]
shared = 8
private = 4
widths = [8, 16, 32]
hidden = 16
[recovery.guided.schedule]
epochs = 2
batch = 64
[evaluation]
samples = 200
rates = [0.8]
resamples = 200
coherence_samples = 10
min_gain = { thresholds = [0.0, 0.5], samples = 50 }
"#;

/// A temporary folder.
pub struct Place {
    folder: TempDir,
}

/// What a run of the command left.
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Fails the test unless it ended well.
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// Fails the test unless it ended with exit code 2 and one message that holds all of `words`.
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{}{}", self.out, self.err);
        let messages: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(messages.len(), 1, "one message: {}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

impl Place {
    /// An empty folder with `experiment.toml`.
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        place.write("experiment.toml", EXPERIMENT);
        place
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file in a temporary folder");
        path
    }

    /// The command, in this folder.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dymo"));
        command.args(line.split_whitespace()).args(["--datasets", datasets()]).current_dir(self.folder.path());
        command
    }

    /// Runs the command in this folder.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(&self.command(line).output().expect("the command runs"))
    }

    /// A copy of the shared model, as `model`.
    pub fn with_model() -> Self {
        static SHARED: OnceLock<Place> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let place = Self::new();
            place.run("train fusion experiment.toml --out model").well();
            place.run("train recovery guided experiment.toml --out model").well();
            place.run("fit-statistics experiment.toml --model model").well();
            place
        });
        let place = Self::new();
        std::fs::create_dir(place.path("model")).expect("a folder");
        for entry in
            std::fs::read_dir(shared.path("model")).expect("the model").flatten().filter(|e| e.path().is_file())
        {
            std::fs::copy(entry.path(), place.path("model").join(entry.file_name())).expect("a copy");
        }
        place
    }

    /// Names of everything in a folder, hidden files too; none where there is no folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The data sets that come along.
pub fn datasets() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets")
}

/// Makes a file shorter by some bytes.
pub fn cut(path: &Path, bytes: usize) {
    let whole = std::fs::read(path).expect("a file");
    std::fs::write(path, &whole[..whole.len() - bytes]).expect("a shorter file");
}
