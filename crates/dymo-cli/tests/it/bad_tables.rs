//! Tables that are wrong in the ways in which tables are wrong: a clear message for each, nothing lost, nothing half written.
//! Through the library's entry, as another program would call it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dymo_data::picture::{Colour, Picture};

use crate::place::{Place, datasets};

/// Two pictures, a column of numbers and one of categories; networks that train in no time.
const EXPERIMENT: &str = r#"
metrics = ["cosine"]
[data]
maker = "manifest"
path = "table.csv"
[[data.modalities]]
name = "front"
kind = "image"
height = 8
width = 8
colour = "grey"
[[data.modalities]]
name = "clinic"
kind = "table"
columns = [
    { name = "age", type = "continuous", mean = 50.0, deviation = 10.0, range = [20.0, 80.0] },
    { name = "stage", type = "categorical", categories = ["mild", "severe"] },
]
[modality.front.encoder]
type = "perceptron"
hidden = 8
token_width = 8
[fusion]
width = 8
heads = 2
blocks = 1
feature_width = 4
[fusion.loss]
prototypes_from = 0
[fusion.schedule]
epochs = 2
batch = 16
[recovery.guided.model]
shared = 4
private = 4
widths = [4]
hidden = 8
[recovery.guided.schedule]
epochs = 2
batch = 16
"#;

/// A table that is right: forty rows, pictures `0.png` to `3.png`.
fn table() -> String {
    let row = |i: usize| {
        let split = ["train", "train", "validation", "test"][i / 2 % 4];
        let (label, stage) = [("ill", "severe"), ("well", "mild")][i % 2];
        format!("p{i},{label},{split},{}.png,{},{stage}\n", i % 4, 40 + i)
    };
    format!("id,label,split,front,age,stage\n{}", (0..40).map(row).collect::<String>())
}

fn place() -> Place {
    let place = Place::new();
    place.write("experiment.toml", EXPERIMENT);
    place.write("table.csv", table());
    for i in 0..4u8 {
        let shade = Picture::new(4, 4, Colour::Grey, vec![40 * i + 20; 16]).unwrap();
        shade.save_png(&place.path(&format!("{i}.png"))).unwrap();
    }
    place
}

/// What `dymo_cli::run` says of a line in which `@` stands for the folder: what it printed, or why it failed.
fn run(place: &Place, line: &str) -> Result<String, String> {
    let folder = place.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let line = format!("dymo {} --quiet --datasets {}", line.replace('@', &folder), datasets());
    let mut out = Vec::new();
    match dymo_cli::run(line.split_whitespace(), &mut out) {
        Ok(_) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => Err(format!("{}{error:#}", String::from_utf8(out).unwrap())),
    }
}

const TRAIN: &str = "train @/experiment.toml --out @/model";
const CHECK: &str = "data check @/experiment.toml";

/// Both refuse with these words, and no model is begun.
fn refused(place: &Place, words: &[&str]) {
    for line in [CHECK, TRAIN] {
        let message = run(place, line).unwrap_err();
        for word in words {
            assert!(message.contains(word), "{line}: {word:?} is not in: {message}");
        }
    }
    assert_eq!(place.names("model"), Vec::<String>::new());
}

/// Predictions of a table, a row each.
fn predicted(place: &Place, rows: &str) -> Vec<csv::StringRecord> {
    place.write("new.csv", rows);
    run(place, "predict @/model @/new.csv --out @/predictions.csv").unwrap();
    assert!(!place.path("predictions.csv.part").exists());
    let mut rows = csv::Reader::from_path(place.path("predictions.csv")).unwrap();
    rows.records().map(Result::unwrap).collect()
}

const PREDICTION: usize = 2;
const ERROR: usize = 8;
const WARNING: usize = 9;

#[test]
fn an_id_that_comes_twice() {
    let place = place();
    place.write("table.csv", table().replace("p17,", "p4,"));
    let words = ["table.csv", "line 19: the id \"p4\" is that of line 6 too, give each sample its own"];
    refused(&place, &words);
    // As a spreadsheet writes it, and by the proposal.
    place.write("table.csv", table().replace("p17,", "p4,").replace('\n', "\r\n"));
    refused(&place, &words);
    let proposal = run(&place, "data init @/table.csv --out @/experiment.toml --force").unwrap();
    assert!(proposal.contains("column id: the id \"p4\" in line 19 is that of line 6 too"), "{proposal}");
    refused(&place, &words);
}

/// The parts are drawn of the other rows, and what is said of these holds.
#[test]
fn a_row_without_a_label_where_parts_are_drawn() {
    let place = place();
    let division = "path = \"table.csv\"\ndivision = { validation = 0.2, test = 0.2, seed = 1 }\n";
    place.write("experiment.toml", EXPERIMENT.replace("path = \"table.csv\"\n", division));
    place.write("table.csv", table().replace("p17,well", "p17,"));
    refused(&place, &["line 19: the label is empty, fill it in or remove the row"]);
    let found = run(&place, CHECK).unwrap_err();
    for words in
        ["40 rows: 23 train, 8 validation, 8 test; 1 cannot be used", "class ill: 12 train", "39 rows have front"]
    {
        assert!(found.contains(words), "{words:?} is not in: {found}");
    }
    assert!(!found.contains("no training sample has a value"), "{found}");
    // Four pictures for all rows: the leak shows, too; of its 21 lines the first 20.
    assert_eq!(found.matches("the same content as in line").count(), 20, "{found}");
    let told = "table.csv: 22 errors, listed above; correct them and check again";
    assert!(found.contains("error: and 1 more of this kind\n") && found.ends_with(told), "{found}");
}

#[test]
fn a_class_that_only_the_test_part_has() {
    let place = place();
    place.write("table.csv", table().replace("p6,ill", "p6,rare"));
    refused(&place, &["class \"rare\" has 1 rows and none of them trains; move some to train or leave it out"]);
}

#[test]
fn a_modality_that_training_never_shows() {
    let place = place();
    let without = |line: &str| match line.contains(",train,") {
        true => {
            line.split(',').enumerate().map(|(i, cell)| if i == 3 { "" } else { cell }).collect::<Vec<_>>().join(",")
                + "\n"
        }
        false => format!("{line}\n"),
    };
    place.write("table.csv", table().lines().map(without).collect::<String>());
    refused(&place, &["front is observed in no training sample; remove the modality or add samples that have it"]);
}

#[test]
fn a_column_that_changes_its_type_half_way() {
    let place = place();
    let text = (20..40).fold(table(), |text, i| text.replace(&format!(",{},", 40 + i), ",old,"));
    place.write("table.csv", text);
    refused(&place, &["line 22, column age: \"old\" is no number; correct it, empty the cell, or add it to `missing`"]);
    let found = run(&place, CHECK).unwrap_err();
    assert!(
        found.contains("column age: 20 numbers, and from line 22 on 20 cells that are none, such as \"old\""),
        "{found}"
    );
    let proposal = run(&place, "data init @/table.csv --out @/proposed.toml").unwrap();
    assert!(proposal.contains("age"), "{proposal}");
    let proposed = std::fs::read_to_string(place.path("proposed.toml")).unwrap();
    assert!(proposed.contains("old"), "{proposed}");
}

/// Every row has its answer or its reason; a label that is no class costs nothing but a warning.
#[test]
fn rows_to_predict() {
    let place = place();
    run(&place, TRAIN).unwrap();
    let rows = "id,label,front,age,stage\na,healthy,0.png,50,mild\nb,ill,,61,unheard-of\nc,,gone.png,61,mild\n\
                a,,1.png,,\nd,,,sixty,mild\ne,,,,\nf,ill,2.png\ng,well,3.png,44,severe\n";
    let found = predicted(&place, rows);
    let wanted: [(&str, &str, &str); 8] = [
        ("a", "", "label: \"healthy\" is no class of the model"),
        ("b", "column stage: category \"unheard-of\", wanted one of mild, severe", ""),
        ("c", "gone.png is no file; leave the cell empty where it is missing", ""),
        ("a", "", "id: an earlier row has the same id"),
        ("d", "column age: \"sixty\" is no number", ""),
        ("e", "every modality is missing", ""),
        ("f", "3 cells, wanted 5", ""),
        ("g", "", ""),
    ];
    assert_eq!(found.len(), wanted.len());
    for (row, (id, error, warning)) in found.iter().zip(wanted) {
        assert_eq!(&row[0], id);
        assert_eq!(row[PREDICTION].is_empty(), !error.is_empty(), "{row:?}");
        assert!(row[ERROR].contains(error) && row[ERROR].is_empty() == error.is_empty(), "{row:?}");
        assert_eq!(&row[WARNING], warning, "{row:?}");
    }
    // Rows do not depend on their neighbours.
    let alone = predicted(&place, "id,front,age,stage\ng,3.png,44,severe\n");
    assert_eq!(alone[0].iter().take(8).collect::<Vec<_>>(), found[7].iter().take(8).collect::<Vec<_>>());
}

/// What a quotation mark swallows has no row to say so: the result says it, and the exit code.
#[test]
fn a_table_that_cannot_be_read_to_its_end() {
    let place = place();
    run(&place, TRAIN).unwrap();
    let head = "id,front,age,stage\na,0.png,50,mild\n";
    let tail = "c,1.png,44,mild\nd,2.png,61,severe\n";
    let words =
        "line 3: the row that begins here cannot be read, nor anything behind it (a quotation mark is left open";
    for open in ["\"b,0.png,50,mild\n", "b,0.png,50,\"mild\n"] {
        place.write("new.csv", format!("{head}{open}{tail}"));
        let ran = place.run("predict model new.csv --out p.csv");
        assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
        for told in [words, "1 of 2 rows have no prediction", "new.csv: line 3", "run the command again"] {
            assert!(ran.out.contains(told), "{told:?} is not in: {}", ran.out);
        }
        let rows = std::fs::read_to_string(place.path("p.csv")).unwrap();
        assert!(rows.contains("\na,") && !place.path("p.csv.part").exists(), "what could be read is kept: {rows}");
        let ran = place.run("predict model new.csv --quiet");
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), rows.as_str()));
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    // Where another closes it, only those between are lost.
    place.write("new.csv", format!("{head}b,0.png,50,\"mild\n{tail}e,\"3.png\",44,mild\n{tail}"));
    let ran = place.run("predict model new.csv --out p.csv --json");
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["unread_from_line"]), (Some(1), &3.into()), "{json}");
    place.write("new.csv", format!("{head}{tail}"));
    place.run("predict model new.csv --out p.csv").well();
}

/// A NIfTI-1 volume of bytes, growing along the first axis.
fn volume([x, y, z]: [i16; 3]) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    for (place, extent) in [3, x, y, z, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * place, &extent.to_le_bytes());
    }
    put(70, &2i16.to_le_bytes());
    put(72, &8i16.to_le_bytes());
    for place in 0..8 {
        put(76 + 4 * place, &1f32.to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    let voxels = i32::from(x) * i32::from(y) * i32::from(z);
    bytes.extend((0..voxels).map(|i| (i % i32::from(x)) as u8));
    bytes
}

#[test]
fn volumes_of_several_grids() {
    let place = place();
    let experiment =
        EXPERIMENT.replacen("kind = \"image\"", "kind = \"volume\"", 1).replacen("colour = \"grey\"", "slices = 2", 1);
    place.write("experiment.toml", experiment);
    place.write("table.csv", table().replace(".png", ".nii"));
    for (i, grid) in [[8, 8, 2], [12, 9, 3], [8, 8, 2], [6, 10, 4]].into_iter().enumerate() {
        place.write(&format!("{i}.nii"), volume(grid));
    }
    let found = run(&place, CHECK).unwrap_or_else(|found| found);
    assert!(found.contains("front: files of 3 different grids; all are brought to one grid"), "{found}");
    run(&place, TRAIN).unwrap();
    assert!(place.path("model/guided.safetensors").exists());
}

/// What a training says of which a file goes away as soon as the fusion network has a checkpoint.
fn failed_while_it_went(place: &Place, file: &Path, away: &Path) -> String {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let checkpoint = place.path("model/checkpoints/fusion-cosine.checkpoint");
            while !checkpoint.exists() && !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::fs::rename(file, away).unwrap();
        });
        let ended = run(place, &format!("{TRAIN} --checkpoint-every 0"));
        over.store(true, Ordering::Relaxed);
        ended.unwrap_err()
    })
}

/// A file that goes away while networks learn: the run says which, keeps what it has, and goes on once the file is back.
#[test]
fn a_file_that_vanishes_during_the_run() {
    let place = place();
    place.write("experiment.toml", EXPERIMENT.replacen("epochs = 2", "epochs = 4000\npatience = 4000", 1));
    let (picture, away) = (place.path("1.png"), place.path("1.away"));
    let message = failed_while_it_went(&place, &picture, &away);
    for words in ["table.csv, line ", "column front: ", "1.png", "is saved", "go on with --resume"] {
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
    assert_eq!(place.names("model"), ["checkpoints", "settings.toml", "tensorboard"], "no part is there by halves");
    let missing = run(&place, TRAIN).unwrap_err();
    assert!(missing.contains("column front: ") && missing.contains("is no file"), "{missing}");
    std::fs::rename(&away, &picture).unwrap();
    // As many epochs more as there were when the file went, at most; the schedule may be cut.
    place.write("experiment.toml", EXPERIMENT.replacen("epochs = 2", "epochs = 1", 1));
    run(&place, &format!("{TRAIN} --resume")).unwrap();
    assert!(Path::new(&place.path("model/fusion-cosine.safetensors")).exists());
    run(&place, "model verify @/model").unwrap();
}

/// A file of the test part that goes away meanwhile is missed when all is trained: the networks stay, and the same command ends it.
#[test]
fn a_file_that_vanishes_before_the_evaluation() {
    let place = place();
    place.write("experiment.toml", EXPERIMENT.replacen("epochs = 2", "epochs = 300\npatience = 300", 1));
    let tested = |line: &str| match line.contains(",test,") {
        true => line.replace(".png", "-tested.png") + "\n",
        false => format!("{line}\n"),
    };
    place.write("table.csv", table().lines().map(tested).collect::<String>());
    for i in 0..4 {
        std::fs::copy(place.path(&format!("{i}.png")), place.path(&format!("{i}-tested.png"))).unwrap();
    }
    let (picture, away) = (place.path("3-tested.png"), place.path("3.away"));
    let message = failed_while_it_went(&place, &picture, &away);
    for words in ["column front: ", "3-tested.png", "put the file back; what was trained is saved", "on with --resume"]
    {
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
    assert!(place.path("model/guided.safetensors").exists());
    std::fs::rename(&away, &picture).unwrap();
    run(&place, &format!("{TRAIN} --resume")).unwrap();
    assert!(place.path("model/evaluation/report.html").exists());
}
