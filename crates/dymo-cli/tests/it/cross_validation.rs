//! Small tables: every sample judged once by networks that have not seen it.

use std::fmt::Write;

use serde_json::Value;

use crate::place::{EXPERIMENT, Place};
#[cfg(unix)]
use crate::resume::{interrupted, without};

const SMALL: &str = r#"
name = "two tables"
metrics = ["cosine"]
[data]
maker = "manifest"
path = "table.csv"
classes = ["high", "low"]
[[data.modalities]]
name = "left"
kind = "table"
columns = [{ name = "a", type = "continuous", mean = 0.0, deviation = 1.0, range = [-3.0, 3.0] }]
[[data.modalities]]
name = "right"
kind = "table"
columns = [{ name = "b", type = "continuous", mean = 0.0, deviation = 1.0, range = [-3.0, 3.0] }]
[fusion]
width = 16
heads = 2
blocks = 1
feature_width = 8
[fusion.loss]
prototypes_from = 1
[fusion.schedule]
epochs = 8
batch = 8
learning_rate = 1e-2
[recovery.guided.schedule]
epochs = 2
batch = 8
[evaluation]
rates = [0.3]
resamples = 200
"#;

/// Sixty samples whose class both columns tell, one subject having two of them.
fn table() -> String {
    let mut text = "id,label,a,b\n".to_owned();
    for i in 0..60 {
        let class = i % 2;
        let side = 2.0 * f64::from(class) - 1.0;
        let wobble = f64::from(i % 7 - 3) * 0.2;
        writeln!(text, "s{i},{},{},{}", ["low", "high"][class as usize], side + wobble, side - wobble).unwrap();
    }
    text
}

fn metrics(place: &Place) -> Value {
    serde_json::from_slice(&std::fs::read(place.path("cv/report.json")).expect("a report")).expect("JSON")
}

#[test]
fn every_sample_is_judged_once_and_chance_is_ruled_out() {
    let place = Place::new();
    place.write("table.csv", table());
    place.write("small.toml", SMALL);
    let line = "cross-validate small.toml --out cv --folds 3 --repeats 2 --permutations 2";
    place.run(line).well();
    let found = metrics(&place);
    let records = found["records"].as_array().expect("records");
    let dymo = records.iter().find(|r| r["arm"] == "dymo").expect("DyMo was measured");
    assert_eq!(dymo["n"], 60, "each sample counts once, whatever the repeats");
    assert!(dymo["accuracy"].as_f64().expect("a number") > 0.9, "{dymo}");
    let notes = found["provenance"]["notes"].to_string();
    assert!(notes.contains("Samples of each class: high 30, low 30"), "{notes}");
    assert!(notes.contains("with labels shuffled, 2 times") && notes.contains("p = 0.333"), "{notes}");
    assert!(place.path("cv/report.html").is_file() && !place.path("cv/permuted").exists());

    // What each fold promises is measured on the samples that had no say in it, each once.
    let promised = found["confidence"].as_array().expect("a list");
    assert_eq!(promised.iter().map(|c| c["arm"].as_str().expect("a name")).collect::<Vec<_>>(), ["dymo", "discard"]);
    for confidence in promised {
        assert_eq!((&confidence["n"], &confidence["asked_coverage"]), (&60.into(), &0.9.into()));
        assert!(confidence["coverage"].as_f64().expect("a share") >= 0.9, "{confidence}");
        assert!(
            confidence["temperature_words"].as_str().expect("words").starts_with("each of 3 folds"),
            "{confidence}"
        );
    }
    let patterns = found["patterns"].as_array().expect("a list").iter();
    let of_dymo: u64 = patterns.filter(|p| p["arm"] == "dymo").map(|p| p["n"].as_u64().expect("a number")).sum();
    assert_eq!(of_dymo, 60);
    let guarantee = found["guarantees"][0]["words"].as_str().expect("words");
    assert!(
        guarantee.contains("of 3 folds") && found["guarantees"].as_array().expect("a list").len() == 1,
        "{guarantee}"
    );

    let decided = std::fs::read_to_string(place.path("cv/decided.csv")).expect("a table");
    assert!(decided.lines().count() == 2 && decided.contains(",3,") && decided.contains("of 3 folds"), "{decided}");

    // A run that goes on finds everything done, and the same.
    std::fs::remove_file(place.path("cv/report.json")).expect("removed");
    place.run(&format!("{line} --resume")).well();
    for list in ["records", "confidence", "patterns", "guarantees"] {
        assert_eq!(metrics(&place)[list], found[list]);
    }
    // Of fewer permutations the first; none of another run.
    place.run(&format!("{} --resume", line.replace("--permutations 2", "--permutations 1"))).well();
    assert!(metrics(&place)["provenance"]["notes"].to_string().contains("with labels shuffled, 1 times"));
    let other = line.replace("--folds 3", "--folds 4").replace("--repeats 2", "--repeats 1");
    // Other values of the same samples are another run, too.
    let text = std::fs::read_to_string(place.path("table.csv")).expect("the table");
    place.write("table.csv", text.replace("s5,high,1.4,", "s5,high,1.5,"));
    assert_ne!(std::fs::read_to_string(place.path("table.csv")).expect("the table"), text);
    place.run(&format!("{line} --resume")).refused(&["cv/permutations.json: it is of another run"]);
    place.write("table.csv", text);
    place.run(&format!("{other} --resume")).refused(&["cv/permutations.json: it is of another run", "--out"]);
    place.run(line).refused(&["fold-1: fusion-cosine is there already", "--resume"]);
}

/// What the folds before have cost is not lost, and it is said.
#[test]
#[cfg(unix)]
fn an_interrupt_between_trainings_says_how_to_go_on() {
    let place = Place::new();
    place.write("table.csv", table());
    place.write("small.toml", SMALL.replace("resamples = 200", "resamples = 20000"));
    let line = "cross-validate small.toml --out cv --folds 3";
    let file = "cv/repeat-1/fold-3/statistics-cosine.json";
    assert_eq!(interrupted(&place, line, file, |place| without(place, "cv")), format!("{line} --resume"));
    assert!(!place.path("cv/report.json").exists());
    place.run(&format!("{line} --resume")).well();
    assert_eq!(metrics(&place)["records"][0]["n"], 60);
}

/// Ten copies of every sample are no more to go by than the samples.
#[test]
fn samples_of_one_subject_are_counted_once() {
    let place = Place::new();
    let (header, rows) =
        table().split_once('\n').map(|(head, rows)| (head.to_owned(), rows.to_owned())).expect("a header");
    let mut text = format!("{header},who\n");
    for copy in 0..3 {
        for row in rows.lines() {
            // A third of the labels is wrong, else there is nothing to be unsure of.
            let (id, rest) = row.split_once(',').expect("an id");
            let number: usize = id[1..].parse().expect("a number");
            let rest = match number % 3 {
                0 => rest.replace("high", "other").replace("low", "high").replace("other", "low"),
                _ => rest.to_owned(),
            };
            writeln!(text, "{id}-{copy},{rest},{id}").unwrap();
        }
    }
    place.write("table.csv", text);
    let drawn = "path = \"table.csv\"\ndivision = { validation = 0.3, test = 0.3, seed = 3 }";
    let alone = SMALL.replace("path = \"table.csv\"", drawn);
    place.write("whole.toml", alone.replace(drawn, &format!("{drawn}\nsubject = \"who\"")));
    place.write("alone.toml", alone);
    let width = |experiment: &str| {
        place.run(&format!("train {experiment}.toml --out {experiment}")).well();
        let path = place.path(&format!("{experiment}/evaluation/metrics.json"));
        let found: Value = serde_json::from_slice(&std::fs::read(path).expect("metrics")).expect("JSON");
        let records = found["records"].as_array().expect("records").clone();
        let record = records.into_iter().find(|r| r["arm"] == "discard").expect("discarding was measured");
        let end = |name: &str| record[name].as_f64().expect("a number");
        (end("high") - end("low"), found)
    };
    let ((alone, without), (whole, with)) = (width("alone"), width("whole"));
    assert!(whole > 1.3 * alone, "{whole} against {alone}: three samples of each subject are one");
    let notes = |found: &Value| found["provenance"]["notes"].to_string();
    assert!(notes(&with).contains("samples stem from") && !notes(&without).contains("stem from"), "{}", notes(&with));
    let words = with["guarantees"][0]["words"].as_str().expect("a guarantee");
    assert!(words.contains(" subjects"), "{words}");
    // Whoever asks what it was fitted on is told of subjects, everywhere.
    let calibrated = place.run("calibrate whole.toml --model whole --json").well().out;
    let calibrated: Value = serde_json::from_str(&calibrated).expect("JSON");
    let fitted = &calibrated["calibrated"][0];
    let subjects = fitted["subjects"].as_u64().expect("subjects");
    assert!(fitted["samples"] == subjects && words.contains(&format!("of {subjects} subjects")), "{fitted}: {words}");
    assert!(place.run("inspect whole").well().out.contains(&format!("on {subjects} held-out samples")));
    place.run("predict whole whole.toml --samples 2 --out p.csv --explain why.html").well();
    let page = std::fs::read_to_string(place.path("why.html")).expect("a page");
    assert!(page.contains(&format!("{subjects} subjects of the validation part")));
}

#[test]
fn data_with_splits_of_its_own_is_refused() {
    let place = Place::new();
    place.write("experiment.toml", EXPERIMENT);
    place.run("cross-validate experiment.toml --out cv").refused(&["experiment.toml", "maker = \"manifest\""]);
    assert!(!place.path("cv").exists());
    place.write("table.csv", table());
    place.write("small.toml", SMALL);
    place.run("cross-validate small.toml --out cv --folds 1").refused(&["--folds"]);
}
