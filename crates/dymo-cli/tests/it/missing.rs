//! Values that go missing for a reason, or as a file says; and what training samples bring that lack something.

use serde_json::Value;

use crate::place::Place;
use crate::tables;

const REASONS: &str = r#"
[[evaluation.missing]]
name = "by-age"
how = { mechanism = "given-observed", rate = 0.5, by = "clinic.age", strength = 3.0 }
[[evaluation.missing]]
name = "of-the-ill"
how = { mechanism = "by-label", rates = { ill = 0.8 } }
[[evaluation.missing]]
name = "gaps"
how = { mechanism = "by-value", rate = 0.4, strength = 2.0 }
entries_of = "clinic"
"#;

const FILES: &str = r#"
[[evaluation.missing]]
name = "read"
masks = "by-age.csv"
[[evaluation.missing]]
name = "read-gaps"
masks = "gaps.csv"
entries_of = "clinic"
"#;

/// The experiment of [`tables`] with one recovery model, and `rest` of its evaluation.
fn experiment(rest: &str) -> String {
    let (start, _) = tables::EXPERIMENT.split_once("[recovery.guided]").expect("recovery models");
    let (_, evaluation) = tables::EXPERIMENT.split_once("[evaluation]").expect("an evaluation");
    format!("{start}[recovery.mean]\n[evaluation]{evaluation}{rest}")
}

fn metrics(place: &Place, folder: &str) -> Value {
    let bytes = std::fs::read(place.path(&format!("{folder}/metrics.json"))).expect("metrics");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// By arm: accuracy and its area under the curve, for one way of going missing.
fn found(metrics: &Value, protocol: &str) -> Vec<String> {
    let records = metrics["records"].as_array().expect("a list").iter();
    let of = records.filter(|record| record["protocol"] == protocol);
    of.map(|r| format!("{} {} {}", r["arm"], r["accuracy"], r["auc"])).collect()
}

#[test]
fn reasons_are_drawn_written_and_read_back() {
    let place = tables::place();
    place.write("experiment.toml", experiment(REASONS));
    place.run("train experiment.toml --out model").well();
    let drawn = metrics(&place, "model/evaluation");
    for name in ["bernoulli", "by-age", "of-the-ill", "gaps"] {
        assert!(found(&drawn, name).len() >= 5, "{name}: every arm");
    }
    assert_ne!(found(&drawn, "by-age"), found(&drawn, "bernoulli"));

    // What is promised was fitted to all of them, entries of tables included, and is measured in the same ways.
    let notes = drawn["provenance"]["notes"].as_array().expect("notes").iter().filter_map(Value::as_str);
    let promise: Vec<&str> = notes.filter(|note| note.contains("were fitted on")).collect();
    assert!(promise.len() == 1 && promise[0].contains("by-age, of-the-ill, gaps"), "{promise:?}");
    assert!(promise[0].contains("in one of these ways, in turn"), "{promise:?}");

    // Rates are those that were found.
    let rate = |protocol: &str| {
        let records = drawn["records"].as_array().expect("a list");
        records.iter().find(|r| r["protocol"] == protocol).and_then(|r| r["rate"].as_f64()).expect("a rate")
    };
    assert!(rate("by-age") > 0.1 && rate("of-the-ill") > 0.1 && rate("of-the-ill") < 0.6 && rate("gaps") > 0.2);

    for name in ["by-age", "gaps"] {
        place.run(&format!("data masks experiment.toml --like {name} --out {name}.csv")).well();
    }
    let masks = std::fs::read_to_string(place.path("gaps.csv")).expect("masks");
    assert!(masks.starts_with("id,age,dose,stage\n") && masks.contains('1'), "{masks}");
    // By their ids, in whatever order the rows stand.
    let whole = std::fs::read_to_string(place.path("by-age.csv")).expect("masks");
    let mut turned: Vec<&str> = whole.lines().collect();
    turned[1..].reverse();
    place.write("by-age.csv", turned.join("\n"));

    place.write("experiment.toml", experiment(&format!("{REASONS}{FILES}")));
    place.run("evaluate experiment.toml --model model --out again").well();
    let read = metrics(&place, "again");
    assert_eq!(found(&read, "read"), found(&drawn, "by-age"));
    assert_eq!(found(&read, "read-gaps"), found(&drawn, "gaps"));
    // Its rows are test samples, so calibration goes by the others.
    let told = place.run("calibrate experiment.toml --model model").well().err;
    let words = "calibration cannot go by the mask file of [[evaluation.missing]] \"read\"";
    assert!(told.contains(words) && told.contains("missing as in: "), "{told}");

    let rows: Vec<&str> = masks.lines().take(5).collect();
    place.write("gaps.csv", rows.join("\n"));
    place.run("evaluate experiment.toml --model model --out again").refused(&["gaps.csv", "no row has the id"]);
    let nameless: Vec<&str> = rows.iter().filter_map(|row| row.split_once(',')).map(|(_, flags)| flags).collect();
    place.write("gaps.csv", nameless.join("\n"));
    place.run("evaluate experiment.toml --model model --out again").refused(&["gaps.csv", "4 rows", "data masks"]);
    // The effective settings find the file from elsewhere, too; a fold has other rows than the file.
    place.run("evaluate again/settings.toml --model model --out once-more").refused(&["gaps.csv", "4 rows"]);
    place.run("cross-validate experiment.toml --out cv --folds 2").refused(&["\"read\"", "mask file"]);
    place
        .run("data masks experiment.toml --like nothing --out x.csv")
        .refused(&["experiment.toml", "by-age, of-the-ill"]);
    place.run("data masks experiment.toml --like read --out x.csv").refused(&["by-age.csv", "already"]);
    place.write("experiment.toml", experiment(&FILES.replace("masks = \"gaps.csv\"\n", "")));
    place.run("evaluate experiment.toml --model model --out again").refused(&["read-gaps", "a mechanism, or masks"]);
    for name in ["bernoulli", "only photo", " "] {
        place.write("experiment.toml", experiment(&REASONS.replace("by-age", name)));
        place.run("evaluate experiment.toml --model model --out again").refused(&["evaluation.missing", "are taken"]);
    }
    // What cannot be done is said before anything is trained.
    for (right, wrong) in [
        ("clinic.age", "clinic.height"),
        ("rate = 0.5, by", "rate = 1.5, by"),
        ("ill = 0.8", "sick = 0.8"),
        ("by-value\", rate = 0.4,", "given-observed\", by = \"clinic\", rate = 0.4,"),
    ] {
        place.write("experiment.toml", experiment(&REASONS.replace(right, wrong)));
        place.run("train experiment.toml --out never").refused(&["experiment.toml"]);
    }
    assert!(place.names("never").is_empty());
}

/// A second network is trained on the complete samples alone, and the report compares the two; or it is left out.
#[test]
fn what_incomplete_samples_bring_is_measured() {
    let place = tables::place();
    place.write("experiment.toml", experiment(""));
    let told = place.run("train experiment.toml --out model").well().err;
    assert!(told.contains("compare_with_complete"), "it says so: {told}");
    let metrics = metrics(&place, "model/evaluation");
    let brought = metrics["incomplete_training"].as_array().expect("a list");
    assert_eq!(brought.len(), 1, "one way of going missing: {brought:?}");
    let number = |key: &str| brought[0][key].as_f64().expect("a number");
    assert!(number("complete") > 10.0 && number("complete") < number("trained_on"), "{brought:?}");
    let difference = number("accuracy") - number("accuracy_of_complete");
    assert!((difference - number("difference")).abs() < 1e-9, "{brought:?}");
    let page = std::fs::read_to_string(place.path("model/evaluation/report.html")).expect("the page");
    assert!(page.contains("What incomplete training samples bring"));
    place.run("model verify model").well();

    // A comparison that was not finished, or belongs to another training, is left out and said.
    let weights = place.path("model/complete-only/model.json");
    let contents = std::fs::read(&weights).expect("a model");
    std::fs::remove_file(&weights).expect("removed");
    let told = place.run("evaluate experiment.toml --model model --out again").well().err;
    assert!(told.contains("complete-only"), "{told}");
    assert!(self::metrics(&place, "again")["incomplete_training"].as_array().expect("a list").is_empty());
    std::fs::write(&weights, contents).expect("the model");
    place.run("train fusion experiment.toml --out model --epochs 5 --force").well();
    place.run("fit-statistics experiment.toml --model model").well();
    let told = place.run("evaluate experiment.toml --model model --out again").well().err;
    assert!(told.contains("another training"), "{told}");

    place.write("experiment.toml", experiment("compare_with_complete = false\n"));
    place.run("train experiment.toml --out other").well();
    assert!(!place.path("other/complete-only").exists());
}

/// Class statistics do without complete samples; where complete ones are asked for and there are none, nothing is trained in vain.
#[test]
fn no_sample_need_be_complete() {
    let place = tables::place();
    place.write("experiment.toml", experiment(""));
    let rows = std::fs::read_to_string(place.path("rows.csv")).expect("the rows");
    let apart = |(i, line): (usize, &str)| {
        let cells: Vec<&str> = line.split(',').collect();
        match i {
            0 => line.to_owned(),
            _ if i % 4 == 0 || cells[4..].concat().is_empty() => format!("{},,,", cells[..4].join(",")),
            _ => format!("{},,{}", cells[..3].join(","), cells[4..].join(",")),
        }
    };
    let rows: Vec<String> = rows.lines().enumerate().map(apart).filter(|line| !line.ends_with(",,,,")).collect();
    place.write("rows.csv", rows.join("\n"));
    let told = place.run("train experiment.toml --out model").well().err;
    assert!(told.contains("for the subsets of modalities that it has"), "{told}");
    let card = std::fs::read_to_string(place.path("model/README.md")).expect("the card");
    assert!(card.contains("training samples, each for the subsets of modalities that it has"), "{card}");
    let page = std::fs::read_to_string(place.path("model/evaluation/report.html")).expect("the page");
    assert!(page.contains("each for the subsets of modalities that it has"));
    place.run("model verify model").well();
    let again = place.run("fit-statistics experiment.toml --model model").well().err;
    assert!(again.contains("for the subsets of modalities that it has"), "{again}");

    place.write("experiment.toml", format!("{}\n[statistics]\nsamples = \"complete\"\n", experiment("")));
    for command in ["train experiment.toml --out never", "cross-validate experiment.toml --out cv --folds 2"] {
        place.run(command).refused(&["experiment.toml", "training samples has every modality", "photo", "observed"]);
    }
    assert!(place.names("never").is_empty());
}

/// Where complete samples alone count, a class without any is no class for selection, and that is said.
#[test]
fn a_class_without_complete_samples_is_told() {
    let place = tables::place();
    place.write("experiment.toml", format!("{}\n[statistics]\nsamples = \"complete\"\n", experiment("")));
    let rows = std::fs::read_to_string(place.path("rows.csv")).expect("the rows");
    let without = |line: &str| match line.split(',').collect::<Vec<_>>()[..] {
        [id, "ill", "train", _, age, dose, stage] if !format!("{age}{dose}{stage}").is_empty() => {
            format!("{id},ill,train,,{age},{dose},{stage}")
        }
        _ => line.to_owned(),
    };
    place.write("rows.csv", rows.lines().map(without).collect::<Vec<_>>().join("\n"));
    let told = place.run("train experiment.toml --out model").well().err;
    assert!(told.contains("no training sample of ill is complete"), "{told}");
}

/// Predictions of an experiment go on only with its text, its table and its masks as they were.
#[test]
fn what_decides_rows_is_what_it_was() {
    let place = tables::place();
    let text = experiment("compare_with_complete = false\n");
    place.write("experiment.toml", &text);
    place.run("train experiment.toml --out model").well();
    let rows = std::fs::read_to_string(place.path("rows.csv")).expect("the rows");
    place.run("predict model experiment.toml --out p.csv").well();
    let answered = std::fs::read_to_string(place.path("p.csv")).expect("predictions");
    let ids = answered.lines().skip(1).filter_map(|line| line.split(',').next());
    let flags = |first: &str| {
        let masks: Vec<String> = ids.clone().map(|id| format!("{id},{first},0")).collect();
        format!("id,photo,clinic\n{}\n", masks.join("\n"))
    };
    place.write("masks.csv", flags("0"));
    std::fs::remove_file(place.path("p.csv")).expect("removed");
    let nine = "predict model experiment.toml --masks masks.csv --samples 9 --out p.csv";
    place.run(nine).well();
    std::fs::create_dir(place.path("why.html.part")).expect("a page that cannot be begun stops a run whose table is");
    place.run(&format!("{nine} --explain why.html")).refused(&["why.html.part"]);
    std::fs::rename(place.path("p.csv"), place.path("p.csv.part"))
        .expect("as if it had been stopped before its last step");
    let go_on = |line: &str| place.run(&format!("predict model experiment.toml --out p.csv --resume {line}"));
    let masked = "--masks masks.csv";
    go_on("").refused(&["p.csv.part: it was begun with another masks"]);
    place.write("masks.csv", flags("1"));
    go_on(masked).refused(&["another masks", "delete it to start again"]);
    place.write("masks.csv", flags("0"));
    place.write("rows.csv", rows.replacen("r1,", "q1,", 1));
    go_on(masked).refused(&["another table"]);
    place.write("rows.csv", &rows);
    place.write("experiment.toml", format!("{text}\n"));
    go_on(masked).refused(&["another data"]);
    place.write("experiment.toml", &text);
    go_on(&format!("{masked} --samples 4")).refused(&["p.csv.part: it has 9 rows already, more than --samples 4"]);
    // More rows than were asked for first are the same rows, and others.
    go_on(masked).well();
    let ended = std::fs::read_to_string(place.path("p.csv")).expect("predictions");
    assert_eq!(ended.lines().count(), answered.lines().count());
}

/// A file that cannot be read costs the row that names it, not the run.
#[test]
fn an_unreadable_file_of_an_experiment_is_told_in_its_row() {
    let place = tables::place();
    place.write("experiment.toml", experiment("compare_with_complete = false\n"));
    place.run("train experiment.toml --out model").well();
    place.write("p8.png", "no picture");
    place.run("predict model experiment.toml --out p.csv").well();
    let mut rows = csv::Reader::from_path(place.path("p.csv")).expect("predictions");
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.expect("a row")).collect();
    let bad: Vec<&csv::StringRecord> = rows.iter().filter(|row| !row[8].is_empty()).collect();
    assert!(rows.len() > 30 && bad.len() == 1, "{bad:?}");
    assert!(&bad[0][0] == "r8" && bad[0][8].contains("p8.png") && bad[0][2].is_empty(), "{bad:?}");
}
