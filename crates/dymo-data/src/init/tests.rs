use super::*;
use crate::manifest::{Form, ManifestSettings};
use crate::picture::{Colour, Picture};
use crate::source::Source;
use dymo_core::Values;
use proptest::prelude::*;

fn propose_text(table: &str) -> (tempfile::TempDir, Proposal) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    std::fs::write(&path, table).unwrap();
    let red = Picture::new(8, 4, Colour::Rgb, [200, 0, 0].repeat(32)).unwrap();
    red.save_png(&folder.path().join("a.png")).unwrap();
    let proposal = propose(&path, &InitOptions::default()).unwrap();
    (folder, proposal)
}

fn table() -> String {
    let mut table = String::from("patient,photo,age,stage,smoker,remark,score,constant,diagnosis\n");
    for i in 0..60 {
        let (stage, class) = (["severe", "mild", "moderate"][i % 3], ["ill", "well"][i % 2]);
        let age = if i == 7 { "NA".to_owned() } else { format!("{}.5", 20 + i) };
        let score = if i < 40 { i.to_string() } else { "high".into() };
        let photo = if i % 4 == 0 { "" } else { "a.png" };
        table +=
            &format!("p{i},{photo},{age},{stage},{},patient number {i} came in walking,{score},x,{class}\n", i % 2);
    }
    table
}

fn read_back(proposal: &Proposal) -> ManifestSettings {
    #[derive(serde::Deserialize)]
    struct Experiment {
        data: Source,
    }
    let text = proposal.to_toml().unwrap();
    let experiment: Experiment = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let Source::Manifest(settings) = experiment.data else { panic!("{text}") };
    settings
}

#[test]
fn kinds_categories_ranges_and_remarks() {
    let (folder, proposal) = propose_text(&table());
    let settings = &proposal.settings;
    assert_eq!((settings.id.as_str(), settings.label.as_str()), ("patient", "diagnosis"));
    assert_eq!(
        (settings.classes.as_slice(), settings.missing.as_slice()),
        (&["ill".into(), "well".into()][..], &["NA".into()][..])
    );
    assert!(proposal.summary().contains("note: cells that read NA count as missing"), "{}", proposal.summary());
    let names: Vec<&str> = settings.modalities.iter().map(|modality| modality.name.as_str()).collect();
    assert_eq!(names, ["photo", "remark", "table"]);
    assert_eq!(
        settings.modalities[0].form,
        Form::Image { column: None, height: 8, width: 4, colour: Colour::Rgb, crop: None }
    );
    assert!(matches!(settings.modalities[1].form, Form::Text { length: 33, .. }), "{:?}", settings.modalities[1]);
    let Form::Table { columns } = &settings.modalities[2].form else { panic!() };
    let named: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    assert_eq!(named, ["age", "stage", "smoker", "score"]);
    assert_eq!(columns[0].range(), Some([20.5, 79.5]));
    assert_eq!(columns[1].categories().unwrap(), ["mild", "moderate", "severe"]);
    assert_eq!(columns[2].cardinality(), Some(2));
    assert!(matches!(columns[3].values(), Values::Continuous { .. }));
    let remarks = proposal.remarks.join("\n");
    assert!(remarks.contains("score: 40 numbers and 20 that are none, the first is \"high\" in line 42"), "{remarks}");
    assert!(remarks.contains("drawn from a seed"), "{remarks}");
    assert_eq!(proposal.patterns.iter().map(|pattern| pattern.1).collect::<Vec<_>>(), [45, 15]);
    let summary = proposal.summary();
    assert!(summary.contains("constant") && summary.contains("always the same"), "{summary}");
    assert!(summary.contains("45 rows have photo + remark + table"), "{summary}");
    assert_eq!(read_back(&proposal), *settings);
    drop(folder);
}

#[test]
fn what_is_proposed_can_be_read() {
    let (folder, proposal) = propose_text(&table().replace(",high,", ",7,"));
    let settings = read_back(&proposal);
    let samples = crate::manifest::Manifest::open(&settings.at(folder.path().join("patients.csv"))).unwrap();
    assert_eq!(crate::samples::Samples::len(&samples), 60);
}

#[test]
fn training_rows_alone_give_mean_and_deviation() {
    let rows: String = (0..20)
        .map(|i| {
            format!(
                "{i}a,{},{},{}\n",
                ["x", "y"][i % 2],
                ["train", "test"][usize::from(i >= 10)],
                if i < 10 { (i % 7) as f64 } else { 900.0 + i as f64 }
            )
        })
        .collect();
    let (_folder, proposal) = propose_text(&format!("id,label,split,dose\n{rows}"));
    let Form::Table { columns } = &proposal.settings.modalities[0].form else { panic!() };
    let Values::Continuous { mean, range, .. } = columns[0].values() else { panic!() };
    assert_eq!((*mean, *range), (2.4, [0.0, 919.0]));
    assert_eq!(proposal.settings.division, None);
}

#[test]
fn an_empty_or_absent_table_is_no_panic() {
    for table in ["", "a\n", "a,a,\n,,\n", "id,label\n1,x\n"] {
        let (_folder, proposal) = propose_text(table);
        assert!(!proposal.remarks.is_empty(), "{table:?}");
        proposal.to_toml().unwrap();
    }
    let error = propose(std::path::Path::new("/nowhere.csv"), &InitOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere.csv: "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_tables_give_a_proposal_that_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..200), cells in "[a-c0-2,\n\"]{0,120}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        for text in [bytes.as_slice(), cells.as_bytes()] {
            std::fs::write(&path, text).unwrap();
            if let Ok(proposal) = propose(&path, &InitOptions::default()) {
                prop_assert_eq!(&read_back(&proposal), &proposal.settings);
            }
        }
    }
}
