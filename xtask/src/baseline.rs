//! `cargo xtask baseline`: what a strong method makes of each modality alone. No well-kept crate grows boosted trees with missing
//! entries and categories, so scikit-learn does, and answers for the other kinds too.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::reproduce::Reproduction;
use crate::whole;

/// What `cargo xtask baseline` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct BaselineArgs {
    /// Folder under datasets with an experiment.toml on a table of samples
    name: String,
    /// A Python with scikit-learn
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// Folds of a stratified cross-validation, instead of the table's own parts
    #[arg(long, value_name = "K", default_value_t = 0)]
    folds: usize,
    /// How often the folds are drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeats: usize,
    /// Where results are kept
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// Measures, and shows what was found.
pub(crate) fn run(args: &BaselineArgs) -> Result<()> {
    let run = Reproduction::new(&args.name, args.store.clone(), Vec::new())?;
    measure(&run, &args.python, args.folds, args.repeats)
}

/// Leaves `baseline.json` beside the results, where the page finds it.
pub(crate) fn measure(run: &Reproduction, python: &Path, folds: usize, repeats: usize) -> Result<()> {
    let request = request(&run.table()?, run.experiment(), folds, repeats)?;
    let answer = ask(python, &request)?;
    let path = run.results().join("baseline.json");
    whole::write(&path, serde_json::to_string_pretty(&answer)?)?;
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(())
}

/// The modalities of a table of samples, as the experiment says them; empty for data of another maker.
fn modalities(experiment: &toml::Table) -> Vec<toml::Value> {
    let modalities = experiment.get("data").and_then(|d| d.get("modalities")).and_then(|m| m.as_array());
    modalities.cloned().unwrap_or_default()
}

/// Whether there is something that a method could learn from.
pub(crate) fn has_modalities(experiment: &toml::Table) -> bool {
    !modalities(experiment).is_empty()
}

/// What the Python peer is to do.
fn request(experiment: &toml::Table, path: &Path, folds: usize, repeats: usize) -> Result<Value> {
    let data = experiment.get("data").and_then(|d| d.as_table()).context("the experiment has no [data]")?;
    let text = |key: &str, default: &str| data.get(key).and_then(|v| v.as_str()).unwrap_or(default).to_owned();
    let list = |key: &str| data.get(key).cloned().unwrap_or(toml::Value::Array(Vec::new()));
    let modalities = modalities(experiment);
    if modalities.is_empty() {
        bail!("{}: no [[data.modalities]], so there is nothing to learn from", path.display());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(json!({
        "manifest": folder.join(text("path", "manifest.csv")),
        "label": text("label", "label"),
        "split": text("split", "split"),
        "classes": list("classes"),
        "missing": list("missing"),
        "modalities": modalities,
        "folds": folds,
        "repeats": repeats.max(1),
        "seed": experiment.get("seed").and_then(toml::Value::as_integer).unwrap_or(2025),
    }))
}

fn ask(python: &Path, request: &Value) -> Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/alone.py");
    let mut child = Command::new(python)
        .arg(&script)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} did not start; --python names a Python with scikit-learn", python.display()))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(request.to_string().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{} ended with {}; its own words are above", script.display(), output.status);
    }
    serde_json::from_slice(&output.stdout).context("the answer of alone.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_modalities_of_an_experiment_are_asked_about() {
        let text = "seed = 7\n[data]\nmaker = 'manifest'\npath = 'data/t.csv'\nlabel = 'region'\nclasses = ['a', 'b']\n\
                    [[data.modalities]]\nname = 'p'\nkind = 'image'\nheight = 4\nwidth = 4\ncolour = 'grey'\n\
                    [[data.modalities]]\nname = 't'\nkind = 'table'\ncolumns = [{ name = 'x', type = 'continuous', mean = 0.0, deviation = 1.0, range = [0.0, 1.0] }]\n\
                    [[data.modalities]]\nname = 'u'\nkind = 'table'\ncolumns = [{ name = 'c', type = 'categorical', categories = ['l', 'r'] }]\n";
        let experiment: toml::Table = toml::from_str(text).expect("TOML");
        let request = request(&experiment, Path::new("/d/experiment.toml"), 0, 1).expect("a request");
        assert_eq!(request["manifest"], "/d/data/t.csv");
        assert_eq!(
            (&request["label"], &request["split"], &request["seed"]),
            (&json!("region"), &json!("split"), &json!(7))
        );
        let asked = request["modalities"].as_array().expect("modalities").iter();
        let asked: Vec<_> =
            asked.map(|m| (m["name"].as_str().unwrap_or(""), m["kind"].as_str().unwrap_or(""))).collect();
        assert_eq!(asked, [("p", "image"), ("t", "table"), ("u", "table")]);
        assert_eq!(request["modalities"][2]["columns"][0]["categories"], json!(["l", "r"]));
    }

    #[test]
    fn an_experiment_on_no_table_of_samples_is_refused() {
        let experiment: toml::Table = toml::from_str("[data]\nmaker = 'polymnist'\nseed = 1").expect("TOML");
        let error = request(&experiment, Path::new("e.toml"), 0, 1).expect_err("nothing to learn from");
        assert!(error.to_string().contains("no [[data.modalities]]"), "{error}");
        assert!(!has_modalities(&experiment));
    }
}
