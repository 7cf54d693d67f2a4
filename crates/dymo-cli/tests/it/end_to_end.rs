//! From digits to a report and to predictions, through the binary.

use serde_json::Value;

use crate::place::Place;

#[test]
fn a_trained_model_is_evaluated_into_a_report() {
    let place = Place::with_model();
    let ran = place.run("evaluate experiment.toml --model model --out results").well();
    assert!(ran.out.contains("DyMo classifies") && ran.out.contains("results/report.html"), "{}", ran.out);
    let page = std::fs::read_to_string(place.path("results/report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") || page.starts_with("<!doctype html>"));
    for outside in ["src=\"http", "<link", "<script", "url(http", "@import"] {
        assert!(!page.contains(outside), "an outside resource, or a script: {outside}");
    }

    let metrics: Value = serde_json::from_slice(&std::fs::read(place.path("results/metrics.json")).unwrap()).unwrap();
    let records = metrics["records"].as_array().unwrap();
    let arms: Vec<&str> = records.iter().map(|r| r["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["discard", "fuse-all", "one-shot", "iterative", "dymo", "second-opinion"]);
    for record in records {
        let number = |key: &str| record[key].as_f64().unwrap_or_else(|| panic!("{key} of {record} is finite"));
        assert!(number("low") <= number("accuracy") && number("accuracy") <= number("high"), "{record}");
        assert!((0.0..=1.0).contains(&number("macro_f1")) && (0.0..=1.0).contains(&number("calibration_error")));
        assert_eq!(record["n"], 200);
    }
    for difference in metrics["differences"].as_array().unwrap() {
        assert!(difference["low"].as_f64().unwrap() <= difference["high"].as_f64().unwrap(), "{difference}");
    }
    for table in ["reliability", "accepted", "recovery_quality", "bounds", "min_gain", "learning_curves"] {
        assert!(!metrics[table].as_array().unwrap().is_empty(), "{table} is filled in");
    }
    assert_eq!(metrics["recovery_quality"].as_array().unwrap().len(), 4, "given 1, 2, 3 and 4 modalities");
    assert!(place.path("results/records.csv").exists());

    // The settings beside the results give the same results, and the report is made again from its values.
    let again = place.run("evaluate results/settings.toml --model model --out again").well();
    assert_eq!(again.out.lines().next(), ran.out.lines().next());
    std::fs::remove_file(place.path("results/report.html")).unwrap();
    place.run("report results").well();
    assert_eq!(std::fs::read_to_string(place.path("results/report.html")).unwrap(), page);
}

/// One command for all parts gives the weights that the parts give one by one, and ends with the report; `--resume` changes
/// nothing of what has ended.
#[test]
fn an_experiment_is_trained_as_a_whole() {
    let (parts, whole) = (Place::with_model(), Place::new());
    let ran = whole.run("train experiment.toml").well();
    assert!(ran.err.contains("the model: model"), "{}", ran.err);
    assert!(ran.out.contains("model/evaluation/report.html"), "{}", ran.out);
    let files = ["fusion-cosine.safetensors", "statistics-cosine.json", "guided.safetensors"];
    let read = |place: &Place| files.map(|file| std::fs::read(place.path("model").join(file)).unwrap());
    assert!(read(&whole) == read(&parts), "weights and statistics");

    let metrics = std::fs::read(whole.path("model/evaluation/metrics.json")).unwrap();
    let metrics: Value = serde_json::from_slice(&metrics).unwrap();
    let curves = metrics["learning_curves"].as_array().unwrap();
    let read_as = "validation: recovered from one, read as the right class";
    assert!(curves.iter().any(|c| c["stage"] == "guided" && c["quantity"] == read_as), "{curves:?}");
    for stage in ["fusion-cosine", "guided"] {
        let files = whole.names(&format!("model/tensorboard/{stage}"));
        assert!(files.len() == 1 && files[0].starts_with("events.out.tfevents."), "{files:?}");
    }

    let before = read(&whole);
    whole.run("train experiment.toml --resume --results again").well();
    assert!(read(&whole) == before && whole.path("again/report.html").exists());
}

#[test]
fn machines_read_json() {
    let place = Place::with_model();
    let ran =
        place.run("evaluate experiment.toml --model model --out results --samples 50 --counts 4 --json --quiet").well();
    assert_eq!(ran.err, "", "quiet");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["records"][0]["protocol"], "exact");
    assert_eq!(json["records"][0]["rate"], 4.0);
    let json: Value = serde_json::from_str(&place.run("inspect model --json").well().out).unwrap();
    assert_eq!(json["fusion"][0]["metric"], "cosine");
}

#[test]
fn predictions_say_what_was_let_in_and_why() {
    let place = Place::with_model();
    place.run("data masks experiment.toml --missing 4 --out masks.csv").well();
    place.run("predict model experiment.toml --masks masks.csv --samples 30 --out predictions.csv").well();
    let mut rows = csv::Reader::from_path(place.path("predictions.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 30);
    for row in &rows {
        assert!(!row[1].contains('+'), "one of five is observed: {row:?}");
        let probability: f64 = row[3].parse().unwrap();
        assert!((0.0..=1.0).contains(&probability));
        let let_in = row[4].split('+').filter(|name| !name.is_empty()).count();
        let not_let_in = row[5].split('+').filter(|name| !name.is_empty()).count();
        assert_eq!(let_in + not_let_in, 4, "{row:?}");
        assert_eq!(row[7].matches(" accepted: ").count(), let_in, "{row:?}");
    }
}

/// A table of one's own: two pictures are there, the others are missing.
#[test]
fn a_table_of_pictures_is_predicted() {
    let place = Place::with_model();
    place.run("data sheet experiment.toml --out sheet.png --samples 3").well();
    let rows = "p1,1,test,sheet.png,,,sheet.png,\np2,2,test,,,sheet.png,,\n\
                p3,1,train,sheet.png,,,,\np4,1,validation,sheet.png,,,,\n";
    place.write("table.csv", format!("id,label,split,m0,m1,m2,m3,m4\n{rows}"));
    let out = place.run("predict model table.csv").well().out;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "a row for each, whatever its split");
    assert!(lines[1].starts_with("p1,m0+m3,") && lines[2].starts_with("p2,m2,"), "{out}");
}

/// Readers that have seen enough end the command without a complaint.
#[test]
#[cfg(unix)]
fn a_closed_pipe_is_no_failure() {
    let place = Place::with_model();
    let mut child = place
        .command("predict model experiment.toml --samples 2000 --quiet")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A file in its place would break whoever reads there; for `/dev/null` that is the whole machine.
#[test]
#[cfg(unix)]
fn a_pipe_is_written_to_and_stays_a_pipe() {
    use std::os::unix::fs::FileTypeExt as _;
    use std::process::{Command, Stdio};

    let place = Place::with_model();
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (line, first, last) in [
        ("predict model experiment.toml --samples 3 --out", "id,observed", ""),
        ("predict model experiment.toml --samples 3 --out rows.csv --explain", "<!doctype html>", "</html>"),
        ("data masks experiment.toml --rate 0.5 --out", "id,m0", ""),
    ] {
        let mut reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
        let ran = place.run(&format!("{line} pipe"));
        if !std::fs::metadata(&pipe).unwrap().file_type().is_fifo() {
            reader.kill().unwrap();
            panic!("{line}: there is a file now");
        }
        ran.well();
        let text = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
        assert!(text.to_lowercase().starts_with(first) && text.trim_end().ends_with(last), "{line}: {text}");
    }
    let resumed = place.run("predict model experiment.toml --samples 3 --resume --out pipe");
    resumed.refused(&["pipe", "--resume"]);
    assert!(place.names("").iter().all(|name| !name.contains(".part")), "{:?}", place.names(""));
}
