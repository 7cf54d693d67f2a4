//! The experiments under datasets/, each at a small setting, on made-up files of the form that it asks for.

use std::path::Path;

use dymo_data::picture::{Colour, Picture};
use serde_json::Value;
use toml::Table;

use crate::place::{Place, datasets};
use crate::tutorial::scan;

/// Rows of each class: training, validation and test.
const PARTS: [(&str, usize); 3] = [("train", 5), ("validation", 2), ("test", 2)];

/// Laid over the experiment: small networks, one epoch.
const SMALL: &str = r#"
metrics = ["cosine"]
[fusion]
width = 8
heads = 2
blocks = 1
feature_width = 8
[fusion.loss]
prototypes_from = 0
[fusion.schedule]
epochs = 1
batch = 16
[recovery.guided.model]
shared = 8
private = 4
widths = [4, 8]
hidden = 16
[recovery.guided.schedule]
epochs = 1
batch = 16
[recovery.tip]
model = { width = 8, heads = 2, table_blocks = 1, joint_blocks = 1, widths = [4, 8], projection = 4 }
schedule = { epochs = 1, batch = 16 }
[evaluation]
resamples = 50
coherence_samples = 5
min_gain = { thresholds = [0.0], samples = 5 }
"#;

/// `small` over `whole`, tables within tables; a recovery model that the experiment does not have is left out.
fn lay_over(whole: &mut Table, small: &Table) {
    for (key, value) in small {
        match (whole.get_mut(key), value) {
            (None, _) if key == "tip" => {}
            (Some(toml::Value::Table(there)), toml::Value::Table(table)) => lay_over(there, table),
            _ => {
                whole.insert(key.clone(), value.clone());
            }
        }
    }
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(|value| value.as_str()).unwrap_or_default()
}

fn list<'a>(table: &'a Table, key: &str) -> &'a [toml::Value] {
    table.get(key).and_then(|value| value.as_array()).map_or(&[], Vec::as_slice)
}

/// What the cells of sample `row`, of class `class`, hold for one modality: name of the column, content.
fn cells(place: &Place, modality: &Table, row: usize, class: usize) -> Vec<(String, String)> {
    let name = text(modality, "name");
    let column = modality.get("column").and_then(|value| value.as_str()).unwrap_or(name).to_owned();
    match text(modality, "kind") {
        "image" => {
            let light = (40 + 20 * class + row % 7) as u8;
            let pixels: Vec<u8> = (0..16 * 16 * 3).map(|p| if p % 5 == 0 { light } else { 255 - light }).collect();
            let file = format!("{name}-{row}.png");
            let picture = Picture::new(16, 16, Colour::Rgb, pixels).expect("a picture");
            picture.save_png(&place.path("data").join(&file)).expect("a file");
            vec![(column, file)]
        }
        "volume" => {
            let file = format!("{name}-{row}.nii");
            place.write(&format!("data/{file}"), scan(4.0 + class as f32, row as f32 * 0.02));
            vec![(column, file)]
        }
        "text" => vec![(column, format!("the flag of {}", ["islands", "saint", "red"][class % 3]))],
        "table" => {
            let columns = list(modality, "columns").iter().filter_map(|column| column.as_table());
            columns
                .map(|column| {
                    let value = match (list(column, "categories"), list(column, "range")) {
                        ([], [low, high]) => {
                            let end = |value: &toml::Value| value.as_float().unwrap_or_default();
                            let share = ((class * 3 + row % 4) % 10) as f64 / 10.0;
                            (end(low) + share * (end(high) - end(low))).to_string()
                        }
                        (categories, _) => categories[class % categories.len()].as_str().unwrap_or_default().to_owned(),
                    };
                    (text(column, "name").to_owned(), value)
                })
                .collect()
        }
        other => panic!("a modality of kind {other:?}"),
    }
}

/// Writes the table that the experiment reads, with gaps in what trains and validates.
fn write_samples(place: &Place, data: &Table) {
    std::fs::create_dir_all(place.path("data")).expect("a folder");
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = false;
    let classes = list(data, "classes").iter().enumerate();
    let rows = classes.flat_map(|(class, name)| {
        PARTS
            .iter()
            .flat_map(move |(part, count)| (0..*count).map(move |_| (class, name.as_str().unwrap_or_default(), *part)))
    });
    for (row, (class, label, part)) in rows.enumerate() {
        let mut line: Vec<(String, String)> =
            [("id", format!("s{row}")), ("label", label.to_owned()), ("split", part.to_owned())]
                .map(|(k, v)| (k.to_owned(), v))
                .into();
        for (m, modality) in list(data, "modalities").iter().filter_map(|m| m.as_table()).enumerate() {
            let mut found = cells(place, modality, row, class);
            if part != "test" && m > 0 && (row + 2 * m).is_multiple_of(7) {
                found.iter_mut().for_each(|(_, value)| value.clear());
            }
            line.extend(found);
        }
        if !header {
            writer.write_record(line.iter().map(|(column, _)| column)).expect("a line");
            header = true;
        }
        writer.write_record(line.iter().map(|(_, value)| value)).expect("a line");
    }
    place.write(text(data, "path"), writer.into_inner().expect("a table"));
}

/// Every experiment of a table of samples: its path under datasets.
fn experiments() -> Vec<String> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(datasets()).expect("the data sets").flatten() {
        let Ok(files) = std::fs::read_dir(folder.path()) else { continue };
        for file in files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "toml"))
        {
            let text = std::fs::read_to_string(&file).expect("an experiment");
            if text.contains("maker = \"manifest\"") {
                found.push(file.strip_prefix(datasets()).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_shipped_experiment_runs_at_a_small_setting() {
    let known = experiments();
    for name in
        ["cardiac/experiment.toml", "cardiac/patients.toml", "digits-views/experiment.toml", "emoji/person.toml"]
    {
        assert!(known.iter().any(|found| found == name), "{name} is not in {known:?}");
    }
    let small: Table = SMALL.parse().expect("settings");
    for name in known {
        let whole = std::fs::read_to_string(Path::new(datasets()).join(&name)).expect("an experiment");
        let mut whole: Table = whole.parse().expect("TOML");
        let place = Place::new();
        write_samples(&place, whole["data"].as_table().expect("[data]"));
        let mut laid = small.clone();
        if !whole.contains_key("evaluation") {
            laid.insert("evaluation".into(), "rates = [0.5]\nresamples = 50".parse::<Table>().expect("TOML").into());
        }
        lay_over(&mut whole, &laid);
        place.write("experiment.toml", whole.to_string());
        place.run("train experiment.toml --out model").well();
        let metrics = std::fs::read(place.path("model/evaluation/metrics.json")).expect("metrics");
        let metrics: Value = serde_json::from_slice(&metrics).expect("JSON");
        let records = metrics["records"].as_array().expect("a list");
        let modalities = whole["data"]["modalities"].as_array().map_or(0, Vec::len);
        let patterns = whole["evaluation"].get("patterns").and_then(|value| value.as_bool()) == Some(true);
        let wanted = if patterns { (1 << modalities) - 2 } else { 1 };
        let named = whole.get("recovery").and_then(|value| value.as_table());
        let recoveries = named.map_or(vec!["guided"], |table| table.keys().map(String::as_str).collect());
        for recovery in recoveries {
            let own = |r: &&Value| r["recovery"] == recovery && r["arm"] == "dymo" && r["metric"] == "cosine";
            let dymo = records.iter().filter(own).count();
            assert!(dymo >= wanted, "{name}, {recovery}: {dymo} results of selection, wanted {wanted} or more");
        }
    }
}
