use super::*;
use crate::manifest::{Form, ManifestSettings};
use crate::picture::{Colour, Picture};
use crate::samples::Samples;
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
        Form::Image { column: None, height: 16, width: 16, colour: Colour::Rgb, crop: None }
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
    assert_eq!((*mean, *range), (2.4, [0.0, 6.0]));
    assert_eq!(proposal.settings.division, None);
}

fn refused(table: &str, options: &InitOptions) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    std::fs::write(&path, table).unwrap();
    propose(&path, options).unwrap_err().to_string()
}

#[test]
fn a_table_that_is_not_understood_is_refused() {
    let plain = |table: &str| refused(table, &InitOptions::default());
    for table in ["", "a\n", "id,label\n", "id,label\nx\n"] {
        assert!(plain(table).contains("no row to learn from"), "{table:?}: {}", plain(table));
    }
    assert!(plain("id,label\nx\n").contains("1 have another number of cells than the first row, which has 2"));
    assert!(
        plain("a,a,\n,,\n")
            .contains("no column can be used to classify by (a: left out, another column has the same name")
    );
    assert!(plain("id;diagnosis;age\np1;ill;50\n").contains("semicolons separate the names of the first row"));
    assert!(plain("id\tdiagnosis, at last\tage\np1\till\t50\n").contains("tabs separate the names"));
    assert!(plain("i\0d\0,\0a\0\n\0").contains("the first row is no UTF-8 text"));
    let commas: String = (0..9).map(|i| format!("p{i},{},\"{i},5\"\n", ["ill", "well"][i % 2])).collect();
    let message = plain(&format!("id,label,dose\n{commas}"));
    assert!(message.contains("dose: left out, numbers with a decimal comma"), "{message}");
    let error = propose(std::path::Path::new("/nowhere.csv"), &InitOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere.csv: "));
}

#[test]
fn a_column_that_is_told_must_be_there() {
    let nope = || Some("nope".to_owned());
    let wrong = [
        InitOptions { id: nope(), ..InitOptions::default() },
        InitOptions { label: nope(), ..InitOptions::default() },
        InitOptions { split: nope(), ..InitOptions::default() },
        InitOptions { subject: nope(), ..InitOptions::default() },
        InitOptions { leave_out: vec!["age".into(), "nope".into()], ..InitOptions::default() },
    ];
    for options in wrong {
        let message = refused(&table(), &options);
        assert!(message.contains("no column \"nope\"") && message.contains("names patient, photo, age"), "{message}");
    }
    let twice = InitOptions { label: Some("stage".into()), leave_out: vec!["stage".into()], ..InitOptions::default() };
    assert!(refused(&table(), &twice).contains("named as the label and as the column to leave out"));
    let same = InitOptions { id: Some("patient".into()), subject: Some("patient".into()), ..InitOptions::default() };
    assert!(same.check(std::path::Path::new(""), &["patient".into()]).is_ok());
}

/// Twenty rows: an id, a class, a part, a number.
fn with_parts(change: impl Fn(usize, &mut [String; 4])) -> String {
    let row = |i: usize| {
        let part = ["train", "train", "validation", "test"][i / 2 % 4];
        let mut cells = [format!("s{i}"), ["ill", "well"][i % 2].into(), part.into(), format!("{}.5", i % 7)];
        change(i, &mut cells);
        cells.join(",") + "\n"
    };
    format!("id,diagnosis,part,dose\n{}", (0..20).map(row).collect::<String>())
}

fn roles_of(proposal: &Proposal) -> Vec<(&str, &str)> {
    proposal.columns.iter().map(|column| (column.name.as_str(), column.role.as_str())).collect()
}

const ROLES: [(&str, &str); 4] = [("id", "id"), ("diagnosis", "label"), ("part", "split"), ("dose", "continuous")];

/// "none" is a usual name of a class, and elsewhere a usual word for nothing.
#[test]
fn frequent_words_for_nothing_are_classes_in_the_label() {
    let with = |label: &dyn Fn(usize) -> &'static str, drug: &dyn Fn(usize) -> &'static str| {
        let rows: String = (0..40).map(|i| format!("s{i},{},{},{}.5\n", label(i), drug(i), i % 7)).collect();
        propose_text(&format!("id,label,drug,dose\n{rows}"))
    };
    let smile = |i: usize| ["none", "smile"][i % 2];
    let (folder, proposal) = with(&smile, &|i| ["a", "b"][i % 2]);
    let settings = read_back(&proposal);
    assert_eq!(roles_of(&proposal)[1], ("label", "label"));
    assert_eq!((settings.classes.as_slice(), settings.missing.len()), (&["none".into(), "smile".into()][..], 0));
    assert_eq!(proposal.classes, [("none".to_owned(), 20), ("smile".to_owned(), 20)]);
    assert_eq!(proposal.columns[1].missing, 0);
    let remarks = proposal.remarks.join("\n");
    let wanted =
        "column label: \"none\" stands in 20 of 40 rows and counts as a class; if it means that the class is not";
    assert!(remarks.contains(wanted) && !remarks.contains("count as missing"), "{remarks}");
    let read = |folder: &tempfile::TempDir, settings: ManifestSettings| {
        crate::manifest::Manifest::open(&settings.at(folder.path().join("patients.csv")))
    };
    assert_eq!(read(&folder, settings).unwrap().len(), 40);
    // In another column the same word is one for nothing still.
    let (folder, proposal) = with(&smile, &|i| ["a", "b", "none"][i % 3]);
    let settings = read_back(&proposal);
    assert_eq!((settings.missing.as_slice(), settings.classes.len()), (&["none".into()][..], 2));
    assert_eq!((proposal.columns[1].missing, proposal.columns[2].missing), (0, 13));
    let wanted = "cells that read none count as missing, but for the label's classes; correct";
    assert!(proposal.remarks.iter().any(|remark| remark.starts_with(wanted)), "{:?}", proposal.remarks);
    let samples = read(&folder, settings.clone()).unwrap();
    assert_eq!((samples.len(), samples.label(0), samples.label(1)), (40, 0, 1));
    // Where it is not listed, it is no class.
    let message = read(&folder, ManifestSettings { classes: Vec::new(), ..settings }).unwrap_err().to_string();
    assert!(
        message.contains("line 2, column label: the label \"none\" is one of `missing`; add it to `classes`"),
        "{message}"
    );
    // Once in 40 rows is less than one in 20; what programs write for nothing is no class ever.
    let rare = |i: usize| if i == 3 { "unknown" } else { ["ill", "well"][i % 2] };
    let (_folder, proposal) = with(&rare, &|i| ["a", "b"][i % 2]);
    assert_eq!(proposal.settings.classes, ["ill", "well"]);
    assert!(proposal.remarks.join("\n").contains("column label: no label in line 5; fill it in"));
    let (_folder, proposal) = with(&|i| ["ill", "well", "NA"][i % 3], &|i| ["a", "b"][i % 2]);
    assert_eq!((proposal.settings.classes.len(), proposal.settings.missing.as_slice()), (2, &["NA".to_owned()][..]));
}

#[test]
fn an_id_that_comes_twice_stays_the_id() {
    let (folder, proposal) = propose_text(&with_parts(|i, cells| {
        if i == 11 {
            cells[0] = "s3".into();
        }
        if i == 15 {
            cells[0].clear();
        }
    }));
    assert_eq!(roles_of(&proposal), ROLES);
    let remarks = proposal.remarks.join("\n");
    assert!(remarks.contains("column id: the id \"s3\" in line 13 is that of line 5 too; give each"), "{remarks}");
    assert!(remarks.contains("column id: no id in line 17; fill it in"), "{remarks}");
    let settings = read_back(&proposal).at(folder.path().join("patients.csv"));
    let message = crate::manifest::Manifest::open(&settings).unwrap_err().to_string();
    assert!(message.contains("line 13: the id \"s3\" is that of line 5 too"), "{message}");
    // Called `id` it is never what to classify by, even where all but nothing of it is its own.
    let (_folder, proposal) = propose_text(&with_parts(|i, cells| cells[0] = format!("s{}", i / 5)));
    assert_eq!(roles_of(&proposal), ROLES);
    assert!(proposal.remarks[0].contains("is that of line 2 too, and 15 more repeat an earlier one"));
}

#[test]
fn a_cell_that_is_no_part_leaves_the_parts_what_they_are() {
    let (_folder, proposal) = propose_text(&with_parts(|i, cells| {
        if i == 4 {
            cells[2] = "holdout".into();
        }
    }));
    assert_eq!((roles_of(&proposal), proposal.settings.division), (ROLES.to_vec(), None));
    let remarks = proposal.remarks.join("\n");
    assert!(remarks.contains("column part: \"holdout\" in line 6 is no part; write train, validation"), "{remarks}");
    // Mostly something else, it is no column of parts, and means are those of all rows.
    let (_folder, proposal) = propose_text(&with_parts(|i, cells| cells[2] = ["head", "hand"][i % 3 / 2].into()));
    assert_eq!(roles_of(&proposal)[2..], [("part", "categorical"), ("dose", "continuous")]);
    assert!(proposal.settings.division.is_some());
    assert!(proposal.remarks.iter().any(|remark| remark.contains("column part: called as a column of parts is")));
}

#[test]
fn a_column_of_parts_is_left_out_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    std::fs::write(&path, with_parts(|_, _| ())).unwrap();
    let options = InitOptions { leave_out: vec!["part".into()], ..InitOptions::default() };
    let proposal = propose(&path, &options).unwrap();
    assert_eq!(roles_of(&proposal)[2], ("part", "left out"));
    assert!(proposal.settings.division.is_some());
}

#[test]
fn rows_that_have_nothing_are_told() {
    let (_folder, proposal) = propose_text(&with_parts(|i, cells| {
        if i % 8 == 5 {
            cells[3].clear();
        }
    }));
    let remarks = proposal.remarks.join("\n");
    assert!(
        remarks.contains("line 7 has nothing to classify by, and 1 more have nothing: `dymo data check`"),
        "{remarks}"
    );
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

#[test]
fn a_name_that_stands_twice_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    let rows: String = (0..20).map(|i| format!("p{i},{},{},5{i}\n", ["ill", "well"][i % 2], i % 3)).collect();
    std::fs::write(&path, format!("id,label,label,a\n{rows}")).unwrap();
    let proposal = propose(&path, &InitOptions::default()).unwrap();
    assert!(
        proposal
            .remarks
            .iter()
            .any(|remark| remark.starts_with("column label: the first row has this name 2 times; rename")),
        "{:?}",
        proposal.remarks
    );
}

/// A column for the class is named by who knows it; those with few values are proposed.
#[test]
fn without_a_label_the_flag_and_candidates_are_named() {
    let rows: String =
        (0..30).map(|i| format!("p{i},{},{},{}.5,a.png,a{}\n", ["ill", "well"][i % 2], i % 3, i, i % 11)).collect();
    let (_folder, proposal) = propose_text(&format!("id,DX,stage,age,photo,ward\n{rows}"));
    let wanted = "no column looks like the class: propose again with `--label NAME`; columns of few different values, one of which may be it: DX, stage";
    assert!(proposal.remarks.iter().any(|remark| remark == wanted), "{:?}", proposal.remarks);
    let rows: String = (0..30).map(|i| format!("p{i},{i}.5\n")).collect();
    let (_folder, proposal) = propose_text(&format!("id,age\n{rows}"));
    assert!(proposal.remarks.iter().any(|remark| remark.ends_with("propose again with `--label NAME`")));
}

#[test]
fn numbers_beyond_single_precision_are_no_numbers() {
    let rows: String = (0..30)
        .map(|i| {
            let dose = if i == 7 { "1e308".to_owned() } else { format!("{i}.5") };
            format!("p{i},{},{dose}\n", ["ill", "well"][i % 2])
        })
        .collect();
    let (_folder, proposal) = propose_text(&format!("id,label,dose\n{rows}"));
    let remarks = proposal.remarks.join("\n");
    let wanted =
        "column dose: \"1e308\" in line 9 is too large a number (beyond ±3.4e38) and counts as none; correct it";
    assert!(remarks.contains(wanted) && !remarks.contains("that are none"), "{remarks}");
    assert_eq!(roles_of(&proposal)[2], ("dose", "continuous"));
    assert_eq!(proposal.columns[2].values, "0.5 to 29.5, mean 15.2586");
}

#[test]
fn numbers_that_look_like_codes_for_nothing_are_told() {
    let with = |age: &dyn Fn(usize) -> String| {
        let rows: String = (0..300).map(|i| format!("p{i},{},{}\n", ["ill", "well"][i % 2], age(i))).collect();
        let (_folder, proposal) = propose_text(&format!("id,label,age\n{rows}"));
        proposal.remarks.into_iter().filter(|remark| remark.contains("far from all others")).collect::<Vec<_>>()
    };
    let age = |i: usize| (40 + i % 30).to_string();
    let told = with(&|i| match i {
        0..18 => "999".into(),
        18..30 => "-1.0".into(),
        _ => age(i),
    });
    assert!(told[0].starts_with("column age: -1.0 stands in 12 cells, far from all others (40 to 69): if"), "{told:?}");
    let wanted =
        "column age: 999 stands in 18 cells, far from all others (40 to 69): if it means missing, add it to `missing`";
    assert!(told.len() == 2 && told[1].starts_with(wanted), "{told:?}");
    // Twice in 300 cells is rare; 99 is not far from 40 to 109; another number is no code.
    assert!(with(&|i| if i < 2 { "999".into() } else { age(i) }).is_empty());
    assert!(with(&|i| if i < 20 { "99".into() } else { (40 + i % 70).to_string() }).is_empty());
    assert!(with(&|i| if i < 20 { "998".into() } else { age(i) }).is_empty());
}

#[test]
fn rows_that_a_quotation_mark_swallows_are_told() {
    let rows: String = (0..20).map(|i| format!("p{i},{},{}.5\n", ["ill", "well"][i % 2], i % 7)).collect();
    let open = format!("id,label,dose\n{}", rows.replace("p12,", "\"p12,"));
    let message = refused(&open, &InitOptions::default());
    assert!(
        message.contains("patients.csv, line 14: the row that begins here cannot be read, nor anything behind it"),
        "{message}"
    );
    let (_folder, proposal) = propose_text(&open.replace("p15,well", "p15,\"well\""));
    let remarks = proposal.remarks.join("\n");
    let wanted = "the cells of the row in line 14 go on to line 17: is a quotation mark left open? nothing behind it, to line 17, could";
    assert!(proposal.rows == 16 && remarks.contains(wanted), "{remarks}");
}

#[test]
fn what_reading_a_picture_changes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    let rows: String = (0..20).map(|i| format!("p{i},{},{}.png\n", ["ill", "well"][i % 2], i % 2)).collect();
    std::fs::write(&path, format!("id,label,scan\n{rows}")).unwrap();
    for name in ["0.png", "1.png"] {
        image::ImageBuffer::from_pixel(4, 4, image::Luma([2_000u16])).save(folder.path().join(name)).unwrap();
    }
    let remarks = propose(&path, &InitOptions::default()).unwrap().remarks.join("\n");
    let wanted =
        "column scan: 0.png: values of 16 bits, of which the upper 8 are read; the largest is 2000 of 65535; write";
    assert!(remarks.contains(wanted) && !remarks.contains("1.png"), "{remarks}");
}

/// A table of forty rows with one more column.
fn with_column(name: &str, cell: impl Fn(usize) -> String) -> Proposal {
    let rows: String = (0..40).map(|i| format!("s{i},{},{}.5,{}\n", ["ill", "well"][i % 2], i, cell(i))).collect();
    propose_text(&format!("id,diagnosis,dose,{name}\n{rows}")).1
}

#[test]
fn numbers_with_something_beside_them_and_days_are_told() {
    let told = |proposal: &Proposal, wanted: &str| {
        let remarks = proposal.remarks.join("\n");
        assert!(remarks.contains(wanted), "{remarks}");
    };
    let share = with_column("share", |i| format!("{} %", i + 1));
    told(
        &share,
        "column share: numbers with something beside them, such as \"1 %\" in line 2, is left out; write the numbers alone",
    );
    assert_eq!(roles_of(&share)[3], ("share", "left out"));
    // Few of them are categories still.
    let dose = with_column("step", |i| format!("{} mg", 5 * (1 + i % 3)));
    told(&dose, "column step: numbers with something beside them, such as \"5 mg\" in line 2, count as categories");
    assert_eq!(roles_of(&dose)[3], ("step", "categorical"));
    let day = with_column("seen", |i| format!("2024-03-{:02}", 1 + i % 28));
    told(&day, "column seen: days, such as \"2024-03-01\" in line 2, is left out");
    assert_eq!(roles_of(&day)[3], ("seen", "left out"));
    let time = with_column("seen", |i| format!("{}:{:02}", 6 + i % 12, i));
    told(
        &time,
        "column seen: times of day, such as \"6:00\" in line 2, is left out; write what matters of them as a number",
    );
    assert_eq!(roles_of(&time)[3], ("seen", "left out"));
    let pressure = with_column("pressure", |i| format!("{}/{}", 110 + i, 70 + i % 9));
    told(
        &pressure,
        "column pressure: two numbers in a cell, such as \"110/70\" in line 2, is left out; make a column of each",
    );
    assert_eq!(roles_of(&pressure)[3], ("pressure", "left out"));
    let pressure = with_column("pressure", |i| format!("{}/{} mmHg", 110 + i, 70 + i % 9));
    told(&pressure, "column pressure: two numbers in a cell, such as \"110/70 mmHg\" in line 2, is left out");
    let postcode = with_column("postcode", |i| format!("{:05}", 1067 + 4000 * i));
    told(
        &postcode,
        "column postcode: \"01067\" in line 2 begins with a zero, as codes do, and 2 more are as well, and here",
    );
    assert_eq!(roles_of(&postcode)[3], ("postcode", "continuous"));
    // Half of these could be times of day.
    let titre = with_column("titre", |i| format!("1:{}", 10 << (i % 6)));
    told(&titre, "column titre: two numbers in a cell, such as \"1:80\" in line 5, count as categories; make a column");
    assert_eq!(roles_of(&titre)[3], ("titre", "categorical"));
    // Stages look like numbers with a unit, each with another.
    let stage = with_column("stage", |i| ["1a", "1b", "2a", "2b"][i % 4].into());
    assert!(stage.remarks.iter().all(|remark| !remark.contains("column stage")), "{:?}", stage.remarks);
}

#[test]
fn names_that_are_written_in_two_ways_are_told() {
    let proposal = with_column("smoker", |i| ["yes", "no", "Yes", "no "][i % 4].into());
    let remarks = proposal.remarks.join("\n");
    assert!(
        remarks.contains("\"Yes\" and \"yes\"") && remarks.contains("count as different; write them alike"),
        "{remarks}"
    );
    let classes: String = (0..20).map(|i| format!("s{i},{},{i}.5\n", ["caf\u{e9}", "cafe\u{301}"][i % 2])).collect();
    let proposal = propose_text(&format!("id,label,dose\n{classes}")).1;
    assert!(proposal.remarks.iter().any(|remark| remark.starts_with("column label: ") && remark.contains("encoding")));
    assert!(with_column("smoker", |i| ["yes", "no"][i % 2].into()).remarks.iter().all(|r| !r.contains("alike")));
}

#[test]
fn a_label_of_which_every_row_has_its_own_is_questioned() {
    let rows: String = (0..60).map(|i| format!("{},k{i},{i}.5\n", ["ill", "well"][i % 2])).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    std::fs::write(&path, format!("outcome,key,dose\n{rows}")).unwrap();
    let with = |label: &str| {
        let options = InitOptions { label: Some(label.into()), ..InitOptions::default() };
        propose(&path, &options).unwrap().remarks.join("\n")
    };
    let wanted = "column key: 60 different values in 60 rows: is it the class? nearly every row has one of its own";
    assert!(with("key").contains(wanted), "{}", with("key"));
    assert!(!with("outcome").contains("is it the class?"), "{}", with("outcome"));
}

/// What another run was divided by is nothing to classify by.
#[test]
fn a_column_of_other_parts_is_left_out() {
    let fold = with_column("split_r01_f1", |i| ["train", "validation", "test"][i / 2 % 3].into());
    assert_eq!(roles_of(&fold)[3], ("split_r01_f1", "left out"));
    assert!(fold.columns[3].values.contains("names parts") && fold.settings.division.is_some(), "{:?}", fold.columns);
}

/// Labels are names: that two are the same number is for the user to say.
#[test]
fn classes_that_are_the_same_number_are_kept_apart_and_told() {
    let rows: String = (0..40).map(|i| format!("s{i},{},{i}.5\n", ["1", "2", "2.0", "1"][i % 4])).collect();
    let (folder, proposal) = propose_text(&format!("id,label,dose\n{rows}"));
    assert_eq!(proposal.settings.classes, ["1", "2", "2.0"]);
    let remarks = proposal.remarks.join("\n");
    assert!(remarks.contains("column label: \"2\" and \"2.0\" differ in how a number is written only"), "{remarks}");
    assert_eq!(proposal.classes.iter().map(|(_, count)| count).sum::<u64>(), 40);
    let settings = read_back(&proposal).at(folder.path().join("patients.csv"));
    assert!(crate::manifest::Manifest::open(&settings).is_ok());
    // Categories are read as numbers, so there it is one.
    let stage = with_column("stage", |i| ["1", "2", "2.0"][i % 3].into());
    assert!(!stage.remarks.join("\n").contains("differ"), "{:?}", stage.remarks);
}

#[test]
fn files_of_other_kinds_are_told() {
    let scans = with_column("scan", |i| format!("scans/{i}.tiff"));
    assert_eq!(roles_of(&scans)[3], ("scan", "left out"));
    let wanted =
        "column scan: files that are not read, such as \"scans/0.tiff\" in line 2, are left out; write pictures as PNG";
    assert!(scans.remarks.iter().any(|remark| remark.starts_with(wanted)), "{:?}", scans.remarks);
    let slices = with_column("scan", |i| format!("scans/{i}.dcm"));
    assert!(slices.remarks.join("\n").contains("--features dicom"), "{:?}", slices.remarks);
    // Found where they are, whatever they are called.
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..40).map(|i| format!("s{i},{},a{i}\n", ["ill", "well"][i % 2])).collect();
    std::fs::write(
        folder.path().join("table.csv"),
        format!("id,diagnosis,scan,dose\n{}", rows.replace('\n', ",1.5\n")),
    )
    .unwrap();
    let told = |wanted: bool| {
        let proposal = propose(&folder.path().join("table.csv"), &InitOptions::default());
        let text = match proposal {
            Ok(proposal) => proposal.remarks.join("\n"),
            Err(error) => error.to_string(),
        };
        assert_eq!(text.contains("files that are not read, such as \"a0\""), wanted, "{text}");
    };
    told(false);
    (0..40).for_each(|i| std::fs::write(folder.path().join(format!("a{i}")), "x").unwrap());
    told(true);
}
