use super::*;
use crate::picture::{Colour, Picture};
use std::path::PathBuf;

/// A folder with pictures `0.png` to `9.png` that differ, `black.png`, `glass.png` with a transparent column and a broken `bad.png`.
fn folder(table: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let picture = |side: usize, value: u8| Picture::new(side, 4, Colour::Grey, vec![value; side * 4]).unwrap();
    for i in 0..10u8 {
        picture(4, 20 + i).save_png(&folder.path().join(format!("{i}.png"))).unwrap();
    }
    picture(8, 0).save_png(&folder.path().join("black.png")).unwrap();
    let glass = image::RgbaImage::from_fn(4, 4, |x, y| image::Rgba([9, 9, y as u8, if x == 0 { 128 } else { 255 }]));
    glass.save(folder.path().join("glass.png")).unwrap();
    fs::write(folder.path().join("bad.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    let path = folder.path().join("table.csv");
    fs::write(&path, table).unwrap();
    (folder, path)
}

fn settings(path: &std::path::Path) -> ManifestSettings {
    let json = r#"{"path": "", "subject": "who", "modalities": [
        {"name": "photo", "kind": "image", "height": 4, "width": 4, "colour": "grey"},
        {"name": "clinic", "kind": "table", "columns": [
            {"name": "age", "type": "continuous", "mean": 50.0, "deviation": 10.0, "range": [0.0, 100.0]},
            {"name": "stage", "type": "categorical", "categories": ["a", "b", "c"]}]},
        {"name": "echo", "kind": "image", "height": 4, "width": 4, "colour": "grey"}]}"#;
    serde_json::from_str::<ManifestSettings>(json).unwrap().at(path)
}

const HEAD: &str = "id,who,label,split,photo,age,stage,echo\n";

fn report(rows: &str) -> CheckReport {
    let (_folder, path) = folder(&format!("{HEAD}{rows}"));
    let mut last = None;
    let report = check(&settings(&path), &mut |progress| last = Some(progress)).unwrap();
    let last = last.unwrap();
    assert_eq!((last.rows, last.bytes), (report.rows, last.of_bytes));
    report
}

fn said(report: &CheckReport, part: &str) -> bool {
    report.findings.iter().any(|finding| finding.to_string().contains(part))
}

#[test]
fn everything_is_reported_at_once() {
    let report = report(
        "p1,w1,ill,train,0.png,50,a,\n\
         p2,w2,well,train,1.png,60,b,\n\
         p3,w1,ill,test,0.png,70,,\n\
         p4,w4,rare,test,black.png,,a,2.png\n\
         p5,w5,ill,validation,bad.png,50,a,\n\
         p6,w6,ill,validation,gone.png,50,a,\n\
         p1,w7,ill,train,,high,d,\n\
         p8,w8,ill,train,3.png,150,a,\n\
         p9,w9,ill,train,glass.png,55,a,\n",
    );
    for part in [
        "line 10, column photo: 4 pixels are transparent, which is dropped",
        "line 6, column photo: ",
        "line 7, column photo: ",
        "line 8, column age: \"high\" is no number",
        "line 8, column stage: category \"d\", wanted one of a, b, c",
        "line 8: the id \"p1\" is that of line 2 too",
        "line 4, column photo: the same content as in line 2, once in train and once in test",
        "line 4: subject \"w1\" is in train and test",
        "line 5, column photo: the picture is all black",
        "class \"rare\" has 1 rows and none of them trains",
        "class \"well\" has 1 training samples",
        "echo is observed in no training sample",
        "gone.png is no file; leave the cell empty where it is missing",
        "bad.png: unexpected end of file; the file is cut short or damaged",
        "photo: files of 2 different grids",
        "column age: 1 values outside 0 to 100",
        "column age: 7 numbers, and from line 8 on 1 cells that are none, such as \"high\"",
        "column stage: no row has category \"c\"",
    ] {
        assert!(said(&report, part), "{part}\n{report}");
    }
    assert_eq!((report.rows, report.bad_rows, report.parts), (9, 3, [4, 2, 2]));
    assert_eq!(report.worst(), Some(Severity::Error));
    let photo = &report.modalities[0];
    assert_eq!((photo.present, photo.unreadable, photo.blank), (8, 2, 1));
    let stage = &report.modalities[1].columns[1];
    assert_eq!((stage.present, stage.missing, stage.unknown.as_slice()), (7, 1, &[("d".to_owned(), 1)][..]));
    assert_eq!(report.modalities[1].columns[0].range, Some([50.0, 150.0]));
    assert_eq!((report.patterns[0].present.to_string().as_str(), report.patterns[0].rows()), ("{0,1}", 7));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][0]["severity"], "error");
}

#[test]
fn dark_pictures_of_16_bits_are_not_called_black() {
    let (folder, path) = folder(&format!("{HEAD}p1,w1,ill,train,dark.png,50,a,\n"));
    image::ImageBuffer::from_pixel(4, 4, image::Luma([99u16])).save(folder.path().join("dark.png")).unwrap();
    let report = check(&settings(&path), &mut |_| ()).unwrap();
    let wanted = "line 2, column photo: values of 16 bits, of which the upper 8 are read; the largest is 99 of 65535; write the pictures";
    assert!(said(&report, wanted) && !said(&report, "all black"), "{report}");
    assert_eq!(report.modalities[0].blank, 0);
}

/// What training would stop at, and what it would not see.
#[test]
fn crops_beyond_a_picture_are_told() {
    let (folder, path) = folder(&format!(
        "{HEAD}p1,w1,ill,train,0.png,50,a,\np2,w2,well,train,tall.png,50,b,\np3,w3,well,train,dark.png,50,b,\n"
    ));
    let save = |name: &str, values: Vec<u8>| {
        Picture::new(8, 4, Colour::Grey, values).unwrap().save_png(&folder.path().join(name)).unwrap();
    };
    save("tall.png", vec![9; 32]);
    save("dark.png", (0..32).map(|place| if place < 8 { 9 } else { 0 }).collect());
    let mut settings = settings(&path);
    let Form::Image { crop, .. } = &mut settings.modalities[0].form else { panic!() };
    *crop = Some(crate::picture::Crop { top: 2, left: 0, height: 6, width: 4 });
    let report = check(&settings, &mut |_| ()).unwrap();
    let wanted = "0.png: 4×4 pixels, wanted 6 rows from 2 and 4 columns from 0; correct the crop, or leave";
    let found = report.findings.iter().find(|finding| finding.to_string().contains(wanted));
    assert_eq!(found.map(Finding::place), Some((Some(2), Some("photo"))), "{report}");
    assert_eq!((found.map(Finding::severity), report.bad_rows), (Some(Severity::Error), 1));
    let photo = &report.modalities[0];
    assert_eq!((photo.present, photo.unreadable, photo.blank), (3, 1, 1), "of the last one, the part is black");
    assert!(said(&report, "line 4, column photo: the picture is all black"), "{report}");
}

fn many(row: impl Fn(usize) -> String) -> CheckReport {
    report(&(0..60).map(row).collect::<String>())
}

#[test]
fn a_column_that_gives_the_class_away() {
    let part = |i: usize| ["train", "train", "validation", "test"][i / 2 % 4];
    let class = |i: usize| ["ill", "well"][i % 2];
    // A threshold at 40 on age; stage says nothing.
    let by_value = many(|i| {
        format!("p{i},,{},{},,{},{},\n", class(i), part(i), 30 * (i % 2) + i % 29, ["a", "b", "c"][i / 2 % 3])
    });
    assert!(said(&by_value, "column age: its value tells class"), "{by_value}");
    assert!(!said(&by_value, "column stage: its value"), "{by_value}");
    let by_name = many(|i| format!("p{i},,{},{},,{},{},\n", class(i), part(i), i, ["a", "b"][i % 2]));
    assert!(said(&by_name, "column stage: its value tells the class in 100.0 %"), "{by_name}");
    let by_absence = many(|i| {
        format!(
            "p{i},,{},{},,{},{},\n",
            class(i),
            part(i),
            if i % 2 == 0 { "" } else { "50" },
            ["a", "b", "c"][i / 2 % 3]
        )
    });
    assert!(said(&by_absence, "column age: whether it is filled tells the class"), "{by_absence}");
    let clean = many(|i| format!("p{i},,{},{},,{},{},\n", class(i), part(i), i, ["a", "b", "c"][i / 2 % 3]));
    assert!(!said(&clean, "tells"), "{clean}");
}

/// One class of several: by bands of a number, a number that stands for it, a category, a gap, a file that it alone has.
#[test]
fn a_column_that_gives_one_class_away() {
    /// Photo, age and stage of row i.
    type Cells<'a> = &'a dyn Fn(usize) -> [String; 3];
    let report = |row: Cells| {
        many(|i| {
            let [photo, age, stage] = row(i);
            let part = ["train", "train", "validation", "test"][i / 3 % 4];
            format!("p{i},,{},{part},{photo},{age},{stage},\n", ["ill", "well", "healed"][i % 3])
        })
    };
    let other = |i: usize| (["a", "b", "c"][i / 3 % 3].to_owned(), (17 * i % 100).to_string());
    let healed = |i: usize| i % 3 == 2;
    let both_sides = |i: usize| {
        let age = if healed(i) { 45 + i % 7 } else { (17 * i % 30) + 70 * (i % 2) };
        [String::new(), age.to_string(), other(i).0]
    };
    let code = |i: usize| [String::new(), if healed(i) { "50.1".into() } else { other(i).1 }, other(i).0];
    let category = |i: usize| [String::new(), other(i).1, if healed(i) { "c" } else { ["a", "b"][i / 3 % 2] }.into()];
    let gap = |i: usize| [String::new(), if healed(i) { String::new() } else { other(i).1 }, other(i).0];
    let file = |i: usize| [if healed(i) { format!("{}.png", i % 10) } else { String::new() }, other(i).1, other(i).0];
    let rows: [(&str, Cells); 5] = [
        ("column age: its value", &both_sides),
        ("column age: its value", &code),
        ("column stage: its value", &category),
        ("column age: whether it is filled", &gap),
        ("column photo: whether it is filled", &file),
    ];
    for (told, row) in rows {
        let found = report(row);
        assert!(said(&found, &format!("{told} tells class \"healed\" in ")), "{told}\n{found}");
        assert_eq!(found.to_string().matches(" tells ").count(), 1, "{found}");
    }
}

/// What only samples have that do not train is new to every network.
#[test]
fn a_category_that_no_training_row_has() {
    let report = many(|i| {
        let part = ["train", "train", "validation", "test"][i / 2 % 4];
        format!("p{i},,{},{part},,{i},{},\n", ["ill", "well"][i % 2], if part == "test" { "c" } else { "a" })
    });
    assert!(said(&report, "column stage: category \"c\" stands in 14 rows and none of them trains"), "{report}");
}

#[test]
fn drawn_parts_are_checked_too() {
    let rows: String = (0..40)
        .map(|i| format!("p{i},w{},{},,{}.png,5{},a,\n", i / 2, ["ill", "well"][i / 2 % 2], i % 10, i % 10))
        .collect();
    let (_folder, path) = folder(&format!("{HEAD}{rows}"));
    let mut settings = settings(&path);
    settings.division =
        Some(crate::manifest::Division { validation: 0.25, test: 0.25, seed: 1, fold: None, shuffle: None });
    let report = check(&settings, &mut |_| ()).unwrap();
    assert_eq!(report.parts, [16, 12, 12]);
    assert!(said(&report, "the same content"), "{report}");
    assert!(!said(&report, "subject"), "{report}");
}

/// One row that is no sample takes nothing from what is said of the others.
#[test]
fn rows_with_problems_do_not_keep_the_others_from_being_divided() {
    let row = |i: usize| match i {
        7 => "p7,w7,,,7.png,50,a,\n".to_owned(),
        8 => "p8,w8,ill,,,,,\n".to_owned(),
        _ => format!("p{i},w{i},{},,{}.png,5{},{},\n", ["ill", "well"][i % 2], i % 10, i % 10, ["a", "b"][i / 2 % 2]),
    };
    let (_folder, path) = folder(&format!("{HEAD}{}", (0..40).map(row).collect::<String>()));
    let mut settings = settings(&path);
    settings.division =
        Some(crate::manifest::Division { validation: 0.25, test: 0.25, seed: 1, fold: None, shuffle: None });
    let report = check(&settings, &mut |_| ()).unwrap();
    assert_eq!((report.rows, report.bad_rows, report.parts.iter().sum::<u64>()), (40, 2, 38), "{report}");
    assert!(report.parts[0] > 10 && report.classes.iter().all(|class| class.parts[0] > 5), "{report}");
    assert_eq!(report.patterns.iter().map(Pattern::rows).sum::<u64>(), 38);
    for part in [
        "line 9: the label is empty",
        "line 10: every modality is missing",
        "the same content as in line ",
        "2 rows were left out when the parts were drawn; once corrected, all are drawn anew",
    ] {
        assert!(said(&report, part), "{part}\n{report}");
    }
    assert!(!said(&report, "no training sample has a value"), "{report}");
}

/// Where no row trains, nothing is said of what training lacks.
#[test]
fn a_table_of_wrong_rows_is_not_blamed_on_its_columns() {
    let report = many(|i| format!("p{i},,ill,nowhere,,{i},a,\n"));
    assert_eq!((report.bad_rows, report.parts), (60, [0; 3]));
    assert!(!said(&report, "training"), "{report}");
}

#[test]
fn what_is_not_listed_is_counted() {
    let report = report(&(0..2500).map(|i| format!("p{i},,ill,train,,none,a,\n")).collect::<String>());
    assert_eq!((report.bad_rows, report.count(Severity::Error)), (2500, 2500), "without the columns' own");
    assert!(said(&report, "and 500 more problems of rows"));
    let twins = many(|i| format!("p{i},,{},train,{}.png,{i},a,\n", ["ill", "well"][i % 2], i % 9));
    assert!(
        said(&twins, "51 files have the content of another one: line 11, column photo, that of line 2; line 12, "),
        "{twins}"
    );
    assert!(said(&twins, "; and 46 more"), "{twins}");
}

#[test]
fn every_geometry_is_counted() {
    let rows: String =
        (0..14).map(|i| format!("p{i},,{},train,g{}.png,5{i},a,\n", ["ill", "well"][i % 2], i % 7)).collect();
    let (folder, path) = folder(&format!("{HEAD}{rows}"));
    for side in 0..7usize {
        let picture = Picture::new(side + 1, 4, Colour::Grey, vec![side as u8 + 9; (side + 1) * 4]).unwrap();
        picture.save_png(&folder.path().join(format!("g{side}.png"))).unwrap();
    }
    let report = check(&settings(&path), &mut |_| ()).unwrap();
    assert!(report.to_string().contains("    4 × 2 other geometries\n"), "{report}");
}

/// Beyond the range of the training rows is no surprise in the others.
#[test]
fn a_value_out_of_range_weighs_by_its_part() {
    let row = |i: usize, age: u32, split: &str| format!("p{i},,{},{split},,{age},a,\n", ["ill", "well"][i % 2]);
    let table = |split: &str| report(&format!("{}{}{}", row(0, 50, "train"), row(1, 60, "train"), row(2, 120, split)));
    let weight = |report: &CheckReport| {
        report.findings.iter().find(|found| matches!(found, Finding::OutOfRange { .. })).unwrap().severity()
    };
    assert_eq!((weight(&table("train")), weight(&table("test"))), (Severity::Warning, Severity::Note));
    assert!(said(
        &table("test"),
        "column age: 1 values outside 0 to 100, the range in the settings; none of them trains"
    ));
}

#[test]
fn a_header_that_does_not_fit_is_an_error() {
    let (_folder, path) = folder("id,label\n");
    let error = check(&settings(&path), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("no column split, who, photo, age, stage, echo"), "{error}");
}

#[test]
fn one_class_is_none_to_tell() {
    let rows = |classes: &[&str]| -> String {
        (0..12)
            .map(|i| {
                format!(
                    "p{i},w{i},{},{},,5{i},a,\n",
                    classes[i % classes.len()],
                    ["train", "validation", "test"][i % 3]
                )
            })
            .collect()
    };
    let one = report(&rows(&["ill"]));
    assert!(said(&one, "every row has class \"ill\": at least two are needed to classify"), "{one}");
    assert_eq!(one.findings[0].severity(), Severity::Error, "{one}");
    assert!(!said(&report(&rows(&["ill", "well"])), "at least two"));
}

#[test]
fn texts_that_are_cut_are_counted() {
    let text = |i: usize| if i < 3 { "m".repeat(i + 9) } else { "mild".into() };
    let rows: String = (0..30).map(|i| format!("p{i},{},{}\n", ["ill", "well"][i % 2], text(i))).collect();
    let (_folder, path) = folder(&format!("id,label,note\n{rows}"));
    let json = r#"{"path": "", "division": {"validation": 0.2, "test": 0.2, "seed": 1},
        "modalities": [{"name": "note", "kind": "text", "length": 8}]}"#;
    let settings = serde_json::from_str::<ManifestSettings>(json).unwrap().at(&path);
    let found = check(&settings, &mut |_| ()).unwrap();
    assert!(said(&found, "column note: 3 texts are longer than what is read, the longest 11; raise"), "{found}");
    let longer = serde_json::from_str::<ManifestSettings>(&json.replace("8", "11")).unwrap().at(&path);
    assert!(!said(&check(&longer, &mut |_| ()).unwrap(), "longer"));
}

#[test]
fn too_few_rows_to_divide_are_told_so() {
    let (_folder, path) = folder(&format!("{HEAD}p0,w0,ill,,0.png,50,a,\np1,w1,well,,1.png,50,a,\n"));
    let mut settings = settings(&path);
    settings.division =
        Some(crate::manifest::Division { validation: 0.25, test: 0.25, seed: 1, fold: None, shuffle: None });
    let report = check(&settings, &mut |_| ()).unwrap();
    assert!(said(&report, "none of the 2 rows was drawn for validation: they are too few"), "{report}");
    let refused = crate::manifest::Manifest::open(&settings).unwrap_err().to_string();
    assert!(refused.contains("none of the 2 rows was drawn for validation"), "{refused}");
}

/// A thousand files that are alike do not scroll away what is said above them.
#[test]
fn warnings_of_a_kind_are_shown_twenty_times() {
    let photo = |i: usize| if i % 3 == 2 { "glass.png" } else { "black.png" };
    let report = many(|i| format!("p{i},,{},train,{},{i},a,\n", ["ill", "well"][i % 2], photo(i)));
    let text = report.to_string();
    assert_eq!(text.matches("the picture is all black; ").count(), 20, "{text}");
    assert_eq!(text.matches("4 pixels are transparent").count(), 20, "{text}");
    assert!(text.contains("warning: and 20 more of this kind\n"), "{text}");
    assert_eq!(text.matches(" more of this kind").count(), 1, "{text}");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(json.matches("the picture is all black; ").count(), 40);
}

/// Nor do a thousand rows that are wrong in one way scroll away those that are wrong in another.
#[test]
fn errors_of_a_kind_and_a_column_are_shown_twenty_times() {
    let report = many(|i| match i {
        0..30 => format!("p{i},,,train,,{i},a,\n"),
        30..59 => format!("p{i},,ill,train,,high,d,\n"),
        _ => format!("p{i},,ill,train,,50,e,\n"),
    });
    let text = report.to_string();
    for (part, count) in [(": the label is empty", 20), ("\"high\" is no number; ", 20), ("category \"d\", wanted", 20)]
    {
        assert_eq!(text.matches(part).count(), count, "{part}\n{text}");
    }
    assert!(text.contains("error: and 10 more of this kind\n"), "{text}");
    assert!(text.contains("error: and 9 more of this kind\n"), "{text}");
    assert_eq!(text.matches(" more of this kind\n").count(), 3, "{text}");
    // The last of 30 categories that are none is counted only; in the data it is there.
    assert!(!text.contains("category \"e\"") && said(&report, "line 61, column stage: category \"e\""), "{text}");
}
