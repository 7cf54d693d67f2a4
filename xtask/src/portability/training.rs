//! A short training on a backend, and its model evaluated once more on the CPU.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::backend::Place;
use super::digits;
use super::golden::wrong;
use super::row::Step;

const EXPERIMENT: &str = include_str!("experiment.toml");

/// What a training left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Training {
    /// One for each network.
    pub stages: Vec<Stage>,
    /// Largest difference of an accuracy between the evaluation on the device and that of the same model on the CPU, 0 to 1.
    pub from_cpu: f64,
    /// Samples of these evaluations.
    pub evaluated: usize,
}

/// The training of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub name: String,
    /// Mean loss of the first and of the last epoch.
    pub loss: (f64, f64),
    /// Training samples in a second, validation included.
    pub samples_per_second: f64,
}

/// `model.json`, as far as it is wanted here.
#[derive(Deserialize)]
struct Model {
    fusion: Vec<Part>,
    recovery: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    file: String,
    provenance: Provenance,
}

#[derive(Deserialize)]
struct Provenance {
    steps: usize,
    seconds: f64,
    schedule: Schedule,
}

#[derive(Deserialize)]
struct Schedule {
    batch: usize,
}

/// A point of `history.json`.
#[derive(Deserialize)]
struct Point {
    quantity: String,
    value: f64,
}

/// `metrics.json`.
#[derive(Deserialize)]
struct Metrics {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    arm: String,
    n: usize,
    accuracy: f64,
}

/// Trains, fits the statistics and evaluates on the device; evaluates again on the CPU.
pub(crate) fn train(place: &Place) -> Result<Step<Training>> {
    let folder = place.root.join("runs/portability").join(place.backend.name());
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let experiment = folder.join("experiment.toml");
    std::fs::write(&experiment, EXPERIMENT).with_context(|| experiment.display().to_string())?;
    digits::write(&place.root.join("datasets/mnist"), &folder)?;
    let (model, results, on_cpu) = (folder.join("model"), folder.join("results"), folder.join("results-cpu"));
    let device = place.backend.name();
    for (verb, flag, results, device) in [("train", "--out", &results, device), ("evaluate", "--model", &on_cpu, "cpu")]
    {
        let mut command = place.program("dymo");
        command.arg(verb).arg(&experiment).arg(flag).arg(&model);
        command.arg(if verb == "train" { "--results" } else { "--out" }).arg(results);
        command.args(["--quiet", "--device", device, "--datasets"]).arg(place.root.join("datasets"));
        let output = command.output().with_context(|| format!("{command:?} did not start"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        eprint!("{}{said}", String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            return Ok(wrong(&said));
        }
    }
    let stages = stages(&read(&model.join("model.json"))?, &read(&model.join("history.json"))?);
    if let Some(stage) = stages.iter().find(|stage| !learned(stage.loss)) {
        let (first, last) = stage.loss;
        return Ok(Step::Failed(format!("{}: the loss went from {first} to {last}", stage.name)));
    }
    let (ours, cpu): (Metrics, Metrics) = (read(&results.join("metrics.json"))?, read(&on_cpu.join("metrics.json"))?);
    let evaluated = ours.records.first().map_or(0, |record| record.n);
    Ok(match largest_difference(&ours.records, &cpu.records) {
        Some(from_cpu) => Step::Done(Training { stages, from_cpu, evaluated }),
        None => Step::Failed("the evaluations on the device and on the CPU have different records".into()),
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

/// Whether a loss fell. A number that is none did not.
fn learned((first, last): (f64, f64)) -> bool {
    last < first
}

fn stages(model: &Model, history: &BTreeMap<String, Vec<Point>>) -> Vec<Stage> {
    let stage = |part: &Part| {
        let name = part.file.trim_end_matches(".safetensors").to_owned();
        let losses = history.get(&name).into_iter().flatten().filter(|point| point.quantity == "training: loss");
        let losses: Vec<f64> = losses.map(|point| point.value).collect();
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        let Provenance { steps, seconds, schedule } = &part.provenance;
        Stage {
            name,
            loss: (end(losses.first()), end(losses.last())),
            samples_per_second: (steps * schedule.batch) as f64 / seconds,
        }
    };
    model.fusion.iter().chain(&model.recovery).map(stage).collect()
}

/// Between the accuracies of the same arms; `None` if they are not the same.
fn largest_difference(ours: &[Record], theirs: &[Record]) -> Option<f64> {
    let same = !ours.is_empty() && ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.arm == b.arm);
    same.then(|| ours.iter().zip(theirs).map(|(a, b)| (a.accuracy - b.accuracy).abs()).fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_speeds_are_read_from_what_a_training_left() {
        let part = r#"{"file": "guided.safetensors", "model": {}, "provenance": {"steps": 30, "seconds": 4.0, "schedule": {"batch": 64}}}"#;
        let model = serde_json::from_str(&format!(r#"{{"fusion": [], "recovery": [{part}]}}"#)).unwrap();
        let history = r#"{"guided": [{"quantity": "training: loss", "epoch": 1, "value": 9.5}, {"quantity": "other", "epoch": 1, "value": 1},
            {"quantity": "training: loss", "epoch": 2, "value": 7.5}]}"#;
        let found = stages(&model, &serde_json::from_str(history).unwrap());
        assert_eq!(found, [Stage { name: "guided".into(), loss: (9.5, 7.5), samples_per_second: 480.0 }]);
        assert!(
            learned(found[0].loss) && !learned((2.0, 2.0)) && !learned((2.0, f64::NAN)) && !learned((f64::NAN, 1.0))
        );
        assert!(stages(&model, &BTreeMap::new())[0].loss.0.is_nan());
    }

    #[test]
    fn evaluations_are_compared_arm_by_arm() {
        let record = |arm: &str, accuracy| Record { arm: arm.into(), n: 200, accuracy };
        let ours = [record("discard", 0.5), record("dymo", 0.75)];
        assert_eq!(largest_difference(&ours, &[record("discard", 0.5), record("dymo", 0.5)]), Some(0.25));
        assert_eq!(largest_difference(&ours, &[record("dymo", 0.5), record("discard", 0.5)]), None);
        assert_eq!(largest_difference(&[], &[]), None);
    }
}
