//! Rules of the house that no compiler checks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Crates that must compile without a tensor framework.
const WITHOUT_BURN: [&str; 9] = [
    "dymo-core",
    "dymo-reward",
    "dymo-select",
    "dymo-metrics",
    "dymo-kernels",
    "dymo-data",
    "dymo-impute",
    "dymo-report",
    "dymo-pickle",
];

#[test]
fn the_light_crates_do_not_depend_on_burn() {
    for name in WITHOUT_BURN {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--package", name])
            .current_dir(root())
            .output()
            .expect("cargo tree runs");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let text = String::from_utf8_lossy(&tree.stdout);
        let heavy: Vec<&str> = text.lines().filter(|line| line.starts_with("burn")).collect();
        assert!(heavy.is_empty(), "{name} brings {heavy:?}");
    }
}

/// Packages with their features, as Cargo would build them for these arguments.
fn packages(arguments: &[&str]) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--format", "{p} {f}"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8_lossy(&tree.stdout).lines().map(|line| line.trim_end_matches(" (*)").trim().to_owned()).collect()
}

/// Burn takes minutes to compile; one feature more below it, asked by a tool of the tests, would have it compiled twice.
#[test]
fn running_and_testing_share_one_build() {
    let run = packages(&["--edges", "normal,build", "--package", "dymo-cli"]);
    let test = packages(&["--edges", "normal,build,dev", "--workspace"]);
    assert!(run.iter().any(|p| p.starts_with("burn ")), "the tree was read");
    let twice: Vec<&String> = run.difference(&test).collect();
    assert!(
        twice.is_empty(),
        "the tests build these with other features, and what stands on them again: {twice:#?}\n\
         name the missing features in dymo-cli's Cargo.toml"
    );
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
}

/// Code that may know a data set by name: its reader, the table of readers, and its recipe. Comments and tests may speak of it
/// anywhere.
const MAY_NAME: [&str; 3] = ["dymo-data/src/polymnist", "dymo-data/src/source.rs", "xtask/src/prepare/"];

/// Data sets as code would name them. Strings with a name in them are messages or paths; identifiers are knowledge. (Names that
/// are words of their own, such as flags, cannot be told apart from the words.)
const NAMES: [&str; 5] = ["PolyMnist", "polymnist::", "digits_views", "DigitsViews", "emoji::"];

#[test]
fn a_data_set_is_data_not_code() {
    let mut files = Vec::new();
    for name in [
        "core", "reward", "select", "metrics", "kernels", "report", "pickle", "models", "train", "cli", "data",
        "impute",
    ] {
        sources(&root().join(format!("crates/dymo-{name}/src")), &mut files);
    }
    sources(&root().join("xtask/src"), &mut files);
    assert!(files.len() > 50, "the sources were found");
    let allowed = |path: &str| {
        MAY_NAME.iter().any(|part| path.contains(part))
            || path.ends_with("dymo-data/src/lib.rs")
            || path.ends_with("tests.rs")
    };
    for file in files {
        let path = file.to_string_lossy().replace('\\', "/");
        if allowed(&path) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for line in code.lines() {
            let statement = line.split("//").next().unwrap_or("");
            let knows = NAMES.iter().any(|name| statement.contains(name));
            assert!(!knows, "{path} knows a data set by name: {line}");
        }
    }
}

#[test]
fn every_crate_has_a_readme_and_says_what_it_knows() {
    for entry in std::fs::read_dir(root().join("crates")).expect("crates").map(|e| e.expect("a crate").path()) {
        let name = entry.display();
        assert!(entry.join("README.md").exists(), "{name} has no README.md");
        let lib = entry.join("src/lib.rs");
        if lib.exists() {
            let text = std::fs::read_to_string(&lib).expect("lib.rs").replace("\n//! ", " ");
            assert!(text.starts_with("//!"), "{name}: lib.rs begins with what the crate is for");
            assert!(text.contains("ust never know"), "{name}: lib.rs says what it must never know");
        }
    }
}

/// Code that a crate's README shows compiles: as a test of the documentation, or as lines of an example.
#[test]
fn code_in_a_readme_is_compiled() {
    for entry in std::fs::read_dir(root().join("crates")).expect("the crates").flatten() {
        let folder = entry.path();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        if read(&folder.join("src/lib.rs")).contains("include_str!(\"../README.md\")") {
            continue;
        }
        let mut examples = Vec::new();
        if folder.join("examples").is_dir() {
            sources(&folder.join("examples"), &mut examples);
        }
        let compiled: String = examples.iter().map(|path| read(path)).collect();
        let readme = read(&folder.join("README.md"));
        for block in readme.split("```rust\n").skip(1) {
            let code = block.split("```").next().unwrap_or_default();
            for line in code
                .lines()
                .map(|line| line.split("  //").next().unwrap_or_default().trim())
                .filter(|line| !line.is_empty())
            {
                assert!(compiled.contains(line), "{}: {line:?} is in no example", folder.join("README.md").display());
            }
        }
    }
}
