//! The report as a reader of its files sees it: nothing hostile comes through, nothing breaks on what is missing,
//! and what was written can be read back and written again to the same bytes.

#[path = "../examples/sample_report/numbers.rs"]
mod numbers;
#[path = "../examples/sample_report/pictures.rs"]
mod pictures;
#[path = "../examples/sample_report/trust.rs"]
mod trust;

use dymo_report::{
    Content, METRICS, PAGE, Provenance, Record, Report, ReportError, ShownModality, State, arms, charts, findings,
};
use proptest::prelude::*;
use std::fs;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn sample() -> Result<Report, Box<dyn std::error::Error>> {
    Ok(Report {
        provenance: Provenance { title: "sample".into(), seed: 7, ..Provenance::default() },
        modalities: (0..5).map(|m| format!("view {m}")).collect(),
        records: numbers::records(),
        differences: numbers::differences(),
        learning_curves: numbers::learning_curves(),
        reliability: numbers::reliability(),
        accepted: numbers::accepted(),
        incomplete_training: numbers::incomplete_training(),
        resolution: numbers::resolution(),
        recovery_quality: numbers::recovery_quality(),
        bounds: numbers::bounds(),
        min_gain: numbers::min_gain(),
        confidence: trust::confidence(),
        patterns: trust::patterns(),
        guarantees: trust::guarantees(),
        greedy: trust::greedy(),
        acquisitions: trust::acquisitions(),
        robustness: trust::robustness(),
        gallery: pictures::gallery()?,
    })
}

/// The sample with `text` wherever a report can hold a name or a sentence.
fn filled_with(text: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let mut report = sample()?;
    let t = || text.to_string();
    report.provenance = Provenance {
        title: t(),
        command: t(),
        device: t(),
        versions: vec![(t(), t())],
        settings_toml: t(),
        data_note: t(),
        weights_note: t(),
        notes: vec![t()],
        ..Provenance::default()
    };
    report.modalities = vec![t()];
    for r in &mut report.records {
        (r.recovery, r.metric, r.protocol) = (t(), t(), t());
    }
    report.records.push(Record { arm: t(), ..report.records[0].clone() });
    for d in &mut report.differences {
        (d.recovery, d.metric, d.protocol) = (t(), t(), t());
    }
    for c in &mut report.learning_curves {
        (c.stage, c.quantity) = (t(), t());
    }
    for r in &mut report.reliability {
        (r.recovery, r.metric, r.protocol, r.arm) = (t(), t(), t(), t());
    }
    for a in &mut report.accepted {
        (a.recovery, a.metric) = (t(), t());
    }
    for r in &mut report.incomplete_training {
        (r.metric, r.protocol) = (t(), t());
    }
    for r in &mut report.resolution {
        (r.recovery, r.metric, r.protocol) = (t(), t(), t());
    }
    for q in &mut report.recovery_quality {
        q.recovery = t();
    }
    for b in &mut report.bounds {
        (b.recovery, b.metric, b.subset_text) = (Some(t()), t(), t());
    }
    for c in &mut report.confidence {
        (c.recovery, c.metric, c.arm, c.score, c.temperature_words) = (t(), t(), t(), t(), t());
    }
    for p in &mut report.patterns {
        (p.recovery, p.metric, p.arm, p.promise) = (t(), t(), t(), t());
    }
    for g in &mut report.guarantees {
        (g.recovery, g.metric, g.words) = (t(), t(), t());
    }
    for g in &mut report.greedy {
        (g.recovery, g.metric, g.protocol, g.examples) = (t(), t(), t(), vec![t()]);
    }
    for a in &mut report.acquisitions {
        (a.recovery, a.metric, a.examples) = (t(), t(), vec![t()]);
    }
    for r in &mut report.robustness {
        (r.recovery, r.metric, r.setting, r.arm) = (t(), t(), t(), t());
    }
    for s in &mut report.gallery {
        (s.id, s.headline, s.setting, s.truth_class) = (t(), t(), t(), t());
        (s.prediction_before, s.prediction_after) = (t(), t());
        s.modalities.push(ShownModality {
            name: t(),
            state: State::Recovered,
            accepted: true,
            content: Content::Text(t()),
            truth: Some(Content::Text(t())),
        });
        for round in &mut s.rounds {
            (round.subset, round.predicted_before) = (t(), t());
            for c in &mut round.candidates {
                (c.name, c.predicted, c.reason) = (t(), t(), t());
            }
        }
    }
    Ok(report)
}

#[test]
fn hostile_names_stay_text() -> Outcome {
    for hostile in
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'/><svg onload=x>", "{{ 7 }}{% if %}"]
    {
        let page = filled_with(hostile)?.page()?;
        for broken in ["<script", "<img src=x", "<svg onload"] {
            assert!(!page.contains(broken), "{hostile} came through as {broken}");
        }
    }
    Ok(())
}

#[test]
fn the_page_asks_nothing_of_the_outside() -> Outcome {
    let page = filled_with("https://evil.example/x.png")?.page()?;
    let mut addresses = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.split(attribute).skip(1) {
            let address = rest.split('"').next().unwrap_or_default();
            let inside = address.starts_with('#') || address.starts_with("data:image/png;base64,");
            let paper = address.starts_with("https://arxiv.org/") || address.starts_with("https://doi.org/");
            assert!(inside || paper, "{address}");
            addresses += 1;
        }
    }
    assert!(addresses > 20, "pictures and sections have addresses");
    for forbidden in ["<script", "<link", "@import", "url(", "<iframe", "@font-face"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    Ok(())
}

#[test]
fn every_section_is_there_and_every_link_within_leads_somewhere() -> Outcome {
    let page = sample()?.page()?;
    let targets = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    let mut count = 0;
    for target in targets {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        count += 1;
    }
    // One link of the navigation for each section, and one from the limits to what was measured of them.
    assert_eq!(count, 14 + 6 + 1);
    assert_eq!(page.matches("<svg ").count(), page.matches("role=\"img\"").count());
    Ok(())
}

#[test]
fn an_empty_report_is_a_page_too() -> Outcome {
    let folder = tempfile::tempdir()?;
    let written = Report::default().write(folder.path())?;
    assert_eq!(written.files.len(), 21);
    let page = fs::read_to_string(written.page)?;
    assert!(page.contains("no result of selection"));
    assert!(!page.contains("<figure"));
    assert_eq!(Report::read(folder.path())?.records, []);
    Ok(())
}

#[test]
fn what_is_written_reads_back_and_renders_to_the_same_bytes() -> Outcome {
    let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let report = sample()?;
    report.write(one.path())?;
    let again = Report::read(one.path())?;
    assert_eq!(again, report);
    let written = again.write(two.path())?;
    for file in written.files {
        let name = file.file_name().ok_or("a file has a name")?;
        assert_eq!(fs::read(one.path().join(name))?, fs::read(&file)?, "{name:?}");
    }
    Ok(())
}

#[test]
fn a_report_of_before_these_lists_still_reads() -> Outcome {
    let folder = tempfile::tempdir()?;
    let report = sample()?;
    let mut json = serde_json::to_value(&report)?;
    let object = json.as_object_mut().ok_or("a report is an object")?;
    for list in ["confidence", "patterns", "guarantees", "greedy", "acquisitions", "robustness"] {
        assert!(object.remove(list).is_some(), "{list}");
    }
    fs::write(folder.path().join("report.json"), serde_json::to_vec(&json)?)?;
    let old = Report::read(folder.path())?;
    assert_eq!((old.records, old.patterns), (report.records, Vec::new()));
    assert!(!Report::read(folder.path())?.page()?.contains("id=\"patterns\""));
    Ok(())
}

#[test]
fn decisions_too_close_to_call_are_told_over_all_rates() -> Outcome {
    let mut report = sample()?;
    let first = report.resolution[0].clone();
    report.resolution = [(1000, 30, 1500, 33), (4000, 20, 6500, 27)]
        .map(|(samples, samples_within, rounds, rounds_within)| dymo_report::Resolution {
            samples,
            samples_within,
            rounds,
            rounds_within,
            ..first.clone()
        })
        .into();
    let page = report.page()?;
    assert!(page.contains("50 of 5,000 samples with anything to decide (1.0\u{a0}%), in 60 of 8,000 rounds"), "summed");
    report.resolution.clear();
    assert!(!report.page()?.contains("id=\"resolution\""), "nothing to tell");
    Ok(())
}

#[test]
fn what_incomplete_training_samples_bring_is_told() -> Outcome {
    let mut report = sample()?;
    let words = "90.0\u{a0}% right after training on all 1,200 samples (190 steps), 85.0\u{a0}% on the 300 complete ones alone (50 \
                 steps): +5.0 points (+2.0 to +8.0), clearly higher.";
    assert!(report.page()?.contains(words));
    let harm = dymo_report::IncompleteTraining { low: -0.08, high: -0.02, ..numbers::incomplete_training()[0].clone() };
    report.incomplete_training = vec![harm];
    assert!(report.page()?.contains("clearly lower"));
    report.incomplete_training.clear();
    assert!(!report.page()?.contains("id=\"incomplete\""), "nothing to tell");
    Ok(())
}

#[test]
fn a_guarantee_that_is_off_is_shown_as_off() -> Outcome {
    let mut report = sample()?;
    report.guarantees.retain(|g| g.threshold.is_none());
    let page = report.page()?;
    assert!(page.contains("selection off</span>") && !page.contains("selection on</span>"));
    assert!(page.contains("Selection is off, only what was observed is used"));
    Ok(())
}

#[test]
fn metrics_json_holds_the_records_and_no_pictures() -> Outcome {
    let folder = tempfile::tempdir()?;
    let report = sample()?;
    report.write(folder.path())?;
    let text = fs::read_to_string(folder.path().join(METRICS))?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    let records: Vec<Record> = serde_json::from_value(json["records"].clone())?;
    assert_eq!(records, report.records);
    assert_eq!(json["differences"].as_array().map(Vec::len), Some(report.differences.len()));
    assert!(json.get("gallery").is_none());
    Ok(())
}

#[test]
fn csv_keeps_every_digit() -> Outcome {
    let folder = tempfile::tempdir()?;
    let report = sample()?;
    report.write(folder.path())?;
    let mut reader = csv::Reader::from_path(folder.path().join("records.csv"))?;
    let rows: Vec<Record> = reader.deserialize().collect::<Result<_, _>>()?;
    assert_eq!(rows, report.records);
    Ok(())
}

#[test]
fn unknown_numbers_are_null_and_come_back_unknown() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut report = sample()?;
    report.records[0].auc = f64::NAN;
    report.learning_curves[0].points[0].1 = f64::INFINITY;
    report.write(folder.path())?;
    let again = Report::read(folder.path())?;
    assert!(again.records[0].auc.is_nan());
    assert!(again.learning_curves[0].points[0].1.is_nan());
    assert_eq!(again.records[1], report.records[1]);
    Ok(())
}

#[test]
fn the_page_is_honest_where_selection_loses() -> Outcome {
    let mut report = sample()?;
    for d in &mut report.differences {
        (d.difference, d.low, d.high) = (-0.02, -0.03, -0.01);
    }
    let page = report.page()?;
    assert!(page.contains("choosing what to let in did harm"));
    assert!(page.contains("2.0 points fewer than discarding"));
    assert!(page.contains("The plain second opinion wins"));
    assert!(!page.contains(">better</span>"));
    assert!(findings(&report).iter().all(|f| f.against(arms::DISCARD).is_some()));
    Ok(())
}

#[test]
fn an_interval_that_holds_zero_is_no_gain() -> Outcome {
    let mut report = sample()?;
    for d in &mut report.differences {
        (d.difference, d.low, d.high) = (0.004, -0.001, 0.009);
    }
    let page = report.page()?;
    assert!(page.contains("made no clear difference"));
    assert!(!page.contains(">better</span>"));
    Ok(())
}

#[test]
fn errors_name_the_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let missing = Report::read(folder.path());
    assert!(matches!(missing, Err(ReportError::Read { ref path, .. }) if path.ends_with("report.json")));
    fs::write(folder.path().join("report.json"), "{\"records\": 3}")?;
    assert!(matches!(Report::read(folder.path()), Err(ReportError::Parse { .. })));
    let blocked = folder.path().join("report.json").join("inside");
    assert!(matches!(Report::default().write(&blocked), Err(ReportError::Folder { .. })));
    assert!(!folder.path().join(PAGE).exists());
    Ok(())
}

/// Any double, unknown ones and infinities among them.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MAX),
        Just(0.0),
        0.0..1.0f64,
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let arm = prop_oneof![Just("dymo".to_string()), Just("discard".to_string()), any::<String>()];
    (arm, any::<String>(), prop::array::uniform7(number()), any::<usize>()).prop_map(|(arm, recovery, v, n)| Record {
        recovery,
        metric: "cosine".into(),
        protocol: "exact".into(),
        rate: v[0],
        arm,
        n,
        accuracy: v[1],
        low: v[2],
        high: v[3],
        macro_f1: v[4],
        auc: v[5],
        calibration_error: v[6],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_value_breaks_the_page(
        records in prop::collection::vec(record(), 0..6),
        points in prop::collection::vec((number(), number()), 0..5),
        seconds in number(),
        observed in prop::collection::vec(any::<usize>().prop_map(|m| m >> 1), 0..4),
        (samples, offered, accepted) in any::<(usize, usize, usize)>(),
    ) {
        let mut report = Report { records, ..Report::default() };
        report.provenance.duration_seconds = seconds;
        report.learning_curves = vec![dymo_report::LearningCurve { stage: "s".into(), quantity: "q".into(), points }];
        report.accepted = vec![dymo_report::AcceptedBySubset {
            recovery: "r".into(), metric: "m".into(), observed, samples, offered, accepted,
        }];
        let mut pattern = trust::patterns()[0].clone();
        pattern.observed = report.accepted[0].observed.clone();
        (pattern.n, pattern.accuracy, pattern.coverage, pattern.asked_coverage) = (samples, seconds, -seconds, seconds);
        report.patterns = vec![pattern; 2];
        report.robustness = trust::robustness();
        report.robustness[0].accuracy = seconds;
        report.guarantees = trust::guarantees();
        report.guarantees[0].test_difference = seconds;
        report.greedy = trust::greedy();
        report.greedy[0].mean_cost = seconds;
        report.acquisitions = trust::acquisitions();
        report.acquisitions[0].now = seconds;
        report.confidence = trust::confidence();
        report.confidence[0].coverage = seconds;
        let page = report.page();
        prop_assert!(page.is_ok());
        let page = page.unwrap_or_default();
        prop_assert!(!page.contains("NaN"));
        prop_assert_eq!(&page, &report.page().unwrap_or_default());
    }

    #[test]
    fn a_chart_is_well_formed_whatever_it_is_called(label in any::<String>(), records in prop::collection::vec(record(), 0..6)) {
        let svg = charts::accuracy_over_rate(&records, None, &label);
        prop_assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        prop_assert!(!svg.contains("NaN") && !svg.contains("\"inf"));
        prop_assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }
}
