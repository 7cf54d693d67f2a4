//! What is promised is fitted on held-out samples, kept with the model, measured by `evaluate`, and used by `predict`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::place::{EXPERIMENT, Place};
use crate::resume::{stopped, without};

/// Few samples for every check: what they show means nothing, that they are made does.
const CHECKS: &str = r#"
[trust]
samples = 1500
thresholds = [0.0, 0.05]
few = 5
draws = 4
[trust.checks]
temperatures = [0.1, 0.5]
rates = [0.5, 0.95]
bad_recovery = [0.0, 1.0]
greedy_samples = 40
acquisition_samples = 30
robustness_samples = 60
"#;

fn calibrated() -> Place {
    let place = Place::with_model();
    place.write("experiment.toml", format!("{EXPERIMENT}\n{CHECKS}"));
    let ran = place.run("calibrate experiment.toml --model model").well();
    assert!(ran.out.contains("guided recovery, cosine: selection is "), "{}", ran.out);
    place
}

fn metrics(place: &Place, folder: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(folder).join("metrics.json")).expect("metrics")).expect("JSON")
}

/// Rows by the names of their columns.
fn rows(place: &Place, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path(name)).expect("a table");
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn a_calibrated_model_keeps_its_word_on_other_samples() {
    let place = calibrated();
    let sums = std::fs::read_to_string(place.path("model/SHA256SUMS")).unwrap();
    assert!(sums.contains("trust-guided-cosine.json"), "{sums}");
    let trust: Value =
        serde_json::from_slice(&std::fs::read(place.path("model/trust-guided-cosine.json")).unwrap()).unwrap();
    assert_eq!(trust["fitted_on"]["samples"], 1500);
    assert_eq!(trust["fitted_on"]["missing"][0], "bernoulli at 0.8");
    assert!(place.run("inspect model").well().out.contains("calibrated   guided, cosine: on 1500 held-out samples"));

    place.run("evaluate experiment.toml --model model --out results --samples 1000").well();
    let found = metrics(&place, "results");
    let confidence = found["confidence"].as_array().unwrap();
    assert_eq!(confidence.iter().map(|c| c["arm"].as_str().unwrap()).collect::<Vec<_>>(), ["dymo", "discard"]);
    for record in confidence {
        let number = |key: &str| record[key].as_f64().unwrap_or_else(|| panic!("{key} of {record}"));
        // 0.9 was asked for: less than that only by the luck of 1,000 samples, and little more.
        assert!(number("high") >= 0.9 && number("coverage") <= 0.95, "{record}");
        assert!((1.0..=10.0).contains(&number("set_size")), "{record}");
        assert!(number("calibration_error_after") <= number("calibration_error_before") + 0.02, "{record}");
    }
    // All 31 patterns for both arms, with intervals, and what the sets promise.
    let patterns = found["patterns"].as_array().unwrap();
    assert_eq!(patterns.len(), 2 * 31);
    for pattern in patterns {
        let number = |key: &str| pattern[key].as_f64().unwrap_or_else(|| panic!("{key} of {pattern}"));
        for what in ["", "coverage_", "calibration_error_", "set_size_"] {
            assert!(number(&format!("{what}low")) <= number(&format!("{what}high")), "{pattern}");
        }
        assert_eq!(pattern["few"], pattern["n"].as_u64().unwrap() < 5, "{pattern}");
        assert!(!pattern["promise"].as_str().unwrap().is_empty(), "{pattern}");
    }
    let guarantee = &found["guarantees"][0];
    assert_eq!((guarantee["n"].as_u64(), guarantee["tested"].as_array().unwrap().len()), (Some(1500), 2));

    let greedy = &found["greedy"][0];
    assert_eq!(greedy["samples"], 40);
    let count = |key: &str| greedy[key].as_u64().unwrap_or_else(|| panic!("{key} of {greedy}"));
    assert!(count("only_together") <= count("missed") && count("missed") <= 40);
    let acquired = &found["acquisitions"][0];
    assert!(acquired["n"].as_u64().is_some_and(|n| n > 0 && n <= 30), "{acquired}");
    let varied: Vec<(&str, &str, &str)> = found["robustness"].as_array().unwrap().iter().map(triple).collect();
    for wanted in [
        ("temperature", "0.5", "dymo"),
        ("calibration", "ratio", "dymo"),
        ("threshold", "0.05", "dymo"),
        ("bad-recovery", "100 %", "fuse-all"),
        ("rate", "0.95", "discard"),
    ] {
        assert!(varied.contains(&wanted), "{wanted:?} is not in {varied:?}");
    }
    let page = std::fs::read_to_string(place.path("results/report.html")).unwrap();
    for section in ["confidence", "patterns", "guarantee", "greedy", "acquire", "robustness"] {
        assert!(page.contains(&format!("<section id=\"{section}\"")), "{section}");
    }
}

/// Statistics that are fitted anew take with them what was calibrated with the old ones: it is said by whoever does it, and by whoever
/// classifies with what is left.
#[test]
fn what_is_not_calibrated_any_more_is_told() {
    let place = calibrated();
    let predict = "predict model experiment.toml --samples 5 --draws 0 --out p.csv --quiet";
    assert!(place.run(predict).well().out.contains("selection is o"));
    let fit = "fit-statistics experiment.toml --model model";
    let said = "dropped (guided, cosine): fit it again with dymo calibrate experiment.toml --model model";
    let out = place.run(fit).well().out;
    assert!(out.contains(said), "{out}");
    let out = place.run(predict).well().out;
    let rule = "nothing is calibrated: a recovered modality is let in for every positive reward, as published; nothing is promised";
    assert!(out.contains(rule), "{out}");
    let json: Value = serde_json::from_str(&place.run(&format!("{predict} --json")).well().out).unwrap();
    assert_eq!((&json["calibrated"], json["decides"].as_str()), (&Value::Bool(false), Some(rule)));
    // Once only: the second time there is nothing to drop.
    let json: Value = serde_json::from_str(&place.run(&format!("{fit} --json")).well().out).unwrap();
    assert_eq!(json["calibrations_dropped"], serde_json::json!([]));
    place.run("calibrate experiment.toml --model model").well();
    let json: Value = serde_json::from_str(&place.run(&format!("{fit} --json")).well().out).unwrap();
    assert_eq!(json["calibrations_dropped"], serde_json::json!([{ "recovery": "guided", "metric": "cosine" }]));
    // A network that is trained anew takes its statistics along as well.
    place.run("calibrate experiment.toml --model model").well();
    let out = place.run("train fusion experiment.toml --out model --max-steps 1 --force").well().out;
    let again = "dropped (cosine): fit them again with dymo fit-statistics experiment.toml --model model";
    assert!(out.contains(again) && out.contains(said), "{out}");
}

fn triple(record: &Value) -> (&str, &str, &str) {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    (text("varied"), text("setting"), text("arm"))
}

/// A recovery model of one step: what it recovers is noise, no threshold passes, and nothing is let in.
#[test]
fn selection_is_off_for_a_recovery_that_does_not_help() {
    let place = calibrated();
    place.run("train recovery guided experiment.toml --out model --max-steps 1 --force").well();
    assert!(!place.run("inspect model").well().out.contains("calibrated"), "it spoke of another recovery model");
    let ran = place.run("calibrate experiment.toml --model model").well();
    assert!(ran.out.contains("selection is off, only what was observed is used"), "{}", ran.out);

    place.run("data masks experiment.toml --missing 3 --out masks.csv").well();
    let predict = "predict model experiment.toml --masks masks.csv --samples 30 --draws 0";
    let ran = place.run(&format!("{predict} --out off.csv --explain off.html --explain-pictures 1")).well();
    assert!(ran.out.contains("selection is off"), "{}", ran.out);
    for row in rows(&place, "off.csv") {
        assert_eq!((row["let_in"].as_str(), &row["prediction"]), ("", &row["prediction_from_observed"]), "{row:?}");
        assert!(row["why"].contains("selection is off") && !row["prediction_set"].is_empty(), "{row:?}");
        assert_eq!(row["acquire_why"], "", "no draws, no suggestion");
    }
    let page = std::fs::read_to_string(place.path("off.html")).unwrap();
    assert!(
        page.contains("selection is off") && page.contains("kept out"),
        "the recovered ones are shown all the same"
    );

    // The published method can still be asked for; what was fitted for discarding does not speak for it.
    place.run(&format!("{predict} --threshold 0 --min-gain 0.3 --out as-published.csv")).well();
    assert!(rows(&place, "as-published.csv").iter().all(|row| row["prediction_set"].is_empty()));

    // Nothing can gain as much as everything: nothing is recovered, nothing drawn, and each row says so.
    let alone =
        "predict model experiment.toml --masks masks.csv --samples 10 --threshold 0 --min-gain 1 --out alone.csv";
    place.run(alone).well();
    for row in rows(&place, "alone.csv") {
        assert!(row["why"].contains("not recovered: nothing could gain more than"), "{row:?}");
        let next = &row["acquire_why"];
        assert!(next.starts_with("not asked") || next == "nothing: the answer is sure already", "{row:?}");
    }

    place.run("evaluate experiment.toml --model model --out results --samples 100").well();
    let guarantee = &metrics(&place, "results")["guarantees"][0];
    assert!(guarantee["threshold"].is_null() && guarantee["words"].as_str().unwrap().contains("selection is off"));
}

#[test]
fn predictions_have_confidence_sets_and_a_page_that_explains() {
    let place = calibrated();
    place.run("data masks experiment.toml --missing 3 --out masks.csv").well();
    let line = "predict model experiment.toml --masks masks.csv --samples 40 --draws 3 --out p.csv --explain why.html \
                --explain-pictures 5 --explain-rows 20";
    let ran = place.run(line).well();
    assert!(ran.out.contains("why in why.html"), "{}", ran.out);
    let table = rows(&place, "p.csv");
    assert_eq!(table.len(), 40);
    let mut suggested = 0;
    for row in &table {
        let confidence: f64 = row["confidence"].parse().expect("a number");
        assert!((0.0..=1.0).contains(&confidence), "{row:?}");
        assert!(row["prediction_set"].split('+').any(|class| class == row["prediction"]), "{row:?}");
        assert!(row["promise"].starts_with("at least 90 %"), "{row:?}");
        assert!(!row["acquire_why"].is_empty(), "{row:?}");
        if !row["acquire_next"].is_empty() {
            suggested += 1;
            assert!(!row["observed"].split('+').any(|name| name == row["acquire_next"]), "{row:?}");
            assert!(row["acquire_why"].contains(&format!("observing {}", row["acquire_next"])), "{row:?}");
        }
    }
    assert!(suggested > 0, "a network that has seen 320 samples is unsure of some");

    // For programs a row is an object.
    let told =
        place.run("predict model experiment.toml --masks masks.csv --samples 40 --draws 3 --json --quiet").well().out;
    let objects: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!(objects.len(), 40);
    for (row, object) in table.iter().zip(&objects) {
        assert_eq!(
            (object["id"].as_str(), object["why"].as_str()),
            (Some(row["id"].as_str()), Some(row["why"].as_str()))
        );
        assert!(object["error"].is_null() && (0.0..=1.0).contains(&object["confidence"].as_f64().expect("a number")));
    }

    let page = std::fs::read_to_string(place.path("why.html")).unwrap();
    assert_eq!(page.matches("<article").count(), 20);
    assert_eq!(page.matches("data:image/png;base64,").count(), 5 * 5, "five modalities of five samples");
    assert!(page.contains("20 of 40 rows are on this page; 20 more are in the table alone."));
    assert_eq!(page.matches("observed m").count(), 20, "how each prediction moved begins with what was observed");
    for outside in ["src=\"http", "<link", "<script", "url(http", "@import"] {
        assert!(!page.contains(outside), "an outside resource, or a script: {outside}");
    }

    // Stopped between rows and in the middle of one: both are taken up, and end as they would have.
    let whole = std::fs::read(place.path("p.csv")).unwrap();
    let lines: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    let longer = line.replace("--samples 40", "--samples 2000");
    stopped(&place, &longer, "p.csv.part.toml", "KILL", |place| without(place, "p.csv"));
    place.write("p.csv.part", &whole[..lines[8] + 30]);
    place.write("why.html.part", &page[..page.find("<!-- row 11 ends -->").unwrap() + 40]);
    std::fs::remove_file(place.path("why.html")).unwrap();
    place.run(&format!("{line} --resume")).well();
    assert!(std::fs::read(place.path("p.csv")).unwrap() == whole);
    assert_eq!(std::fs::read_to_string(place.path("why.html")).unwrap(), page);
}

/// A folder from before there was anything to promise.
#[test]
fn a_model_without_calibration_works_and_says_so_once() {
    let place = Place::with_model();
    let ran = place.run("predict model experiment.toml --samples 5 --out p.csv").well();
    assert_eq!(ran.err.matches("nothing is calibrated").count(), 1, "{}", ran.err);
    for row in rows(&place, "p.csv") {
        assert_eq!((row["confidence"].as_str(), row["prediction_set"].as_str(), row["error"].as_str()), ("", "", ""));
    }
    let ran = place.run("evaluate experiment.toml --model model --out results --samples 60 --robustness").well();
    assert_eq!(ran.err.matches("dymo calibrate").count(), 1, "{}", ran.err);
    let found = metrics(&place, "results");
    for check in ["greedy", "acquisitions", "robustness"] {
        assert!(!found[check].as_array().unwrap().is_empty(), "{check} needs no calibration");
    }
    assert!(found["confidence"].as_array().unwrap().is_empty() && found["guarantees"].as_array().unwrap().is_empty());
    let patterns = found["patterns"].as_array().unwrap();
    assert!(!patterns.is_empty() && patterns.iter().all(|p| p["coverage"].is_null() && p["accuracy"].is_f64()));
}

#[test]
fn settings_of_trust_that_cannot_be() {
    let place = Place::new();
    let with = |line: &str| {
        place.write("bad.toml", format!("{EXPERIMENT}\n[trust]\n{line}\n"));
        place.run("calibrate bad.toml --model model")
    };
    with("coverage = 1.0").refused(&["trust.coverage is 1", "between 0 and 1"]);
    with("thresholds = [0.1, 0.1]").refused(&["trust.thresholds", "each once"]);
    with("tolerance = 1.5").refused(&["trust.tolerance"]);
    with("checks = { bad_recovery = [2.0] }").refused(&["trust.checks.bad_recovery is 2"]);
    let wanted = "wanted \"lac\", \"aps\", \"raps\", or { raps = { penalty = 0.01, free = 2 } }";
    for score in ["\"best\"", "{ raps = { penalty = 0.01 } }", "{ raps = {} }", "3"] {
        with(&format!("score = {score}")).refused(&["bad.toml", "score", wanted]);
    }
    with("score = { raps = { penalty = -1.0, free = 2 } }").refused(&["trust.score.raps.penalty is -1"]);
}

/// What is shown can be read back.
#[test]
fn scores_of_sets_have_names_and_numbers() {
    let place = Place::new();
    let numbers = "raps = { penalty = 0.01, free = 2 }";
    let shown = |score: &str| {
        place.write("scored.toml", format!("{EXPERIMENT}\n[trust]\nscore = {score}\n"));
        place.run("calibrate scored.toml --show-settings").well().out
    };
    let of_word = shown("\"raps\"");
    assert_eq!(of_word, shown(&format!("{{ {numbers} }}")));
    assert!(of_word.contains("penalty = 0.01") && of_word.contains("free = 2"), "{of_word}");
    assert!(shown("\"aps\"").contains("score = \"aps\"") && shown("\"lac\"").contains("score = \"lac\""));
    place.write("again.toml", &of_word);
    assert_eq!(place.run("calibrate again.toml --show-settings").well().out, of_word);
}
