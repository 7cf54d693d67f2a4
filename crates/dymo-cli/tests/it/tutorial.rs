//! Every command of docs/TUTORIAL.md, in its order, on made-up files of the form that it speaks of.

use std::fmt::Write;

use serde_json::Value;

use crate::place::Place;

const TUTORIAL: &str = include_str!("../../../../docs/TUTORIAL.md");
const ROWS: usize = 60;

/// A NIfTI-1 file, single precision, `[16, 16, 4]`, 2 × 2 × 5 mm: a ball whose size tells the class.
pub fn scan(radius: f32, shift: f32) -> Vec<u8> {
    let mut file = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    let extents: Vec<u8> = [3i16, 16, 16, 4, 1, 1, 1, 1].iter().flat_map(|d| d.to_le_bytes()).collect();
    put(40, &extents);
    put(70, &16i16.to_le_bytes());
    put(72, &32i16.to_le_bytes());
    let spacing: Vec<u8> = [1f32, 2.0, 2.0, 5.0, 0.0, 0.0, 0.0, 0.0].iter().flat_map(|d| d.to_le_bytes()).collect();
    put(76, &spacing);
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    for z in 0..4 {
        for y in 0..16 {
            for x in 0..16 {
                let [x, y, z] = [x as f32 - 8.0 + shift, y as f32 - 8.0, (z as f32 - 1.5) * 2.5];
                let inside = (x * x + y * y + z * z).sqrt() < radius;
                file.extend((if inside { 100.0f32 } else { 10.0 } + shift).to_le_bytes());
            }
        }
    }
    file
}

/// The spreadsheet: the class shows in every column, less in some, and each lacks a third of its cells.
fn records(place: &Place, label: bool) -> String {
    let mut table =
        String::from(if label { "id,diagnosis,patient,scan,age,stage,note\n" } else { "id,scan,age,stage,note\n" });
    for i in 0..ROWS {
        let ill = i % 2 == 1;
        let name = format!("scans/s{}.nii", i + 1);
        std::fs::create_dir_all(place.path("scans")).expect("a folder");
        place.write(&name, scan(if ill { 6.0 } else { 4.0 }, i as f32 * 0.02));
        let scan = if i % 3 == 1 { "" } else { &name };
        let age = if i % 4 == 3 { String::new() } else { (50 + (i * 7) % 20 + usize::from(ill) * 10).to_string() };
        let stage = match (i % 5, ill) {
            (4, _) => "",
            (0, true) | (1, false) => "moderate",
            (_, true) => "severe",
            (_, false) => "mild",
        };
        let note = if ill { "short of breath for" } else { "no complaint since" };
        let note = if i % 6 == 5 { String::new() } else { format!("{note} {} days", i + 3) };
        let known = if label { format!("{},p{i},", if ill { "ill" } else { "well" }) } else { String::new() };
        writeln!(table, "s{},{known}{scan},{age},{stage},{note}", i + 1).expect("a line");
    }
    table
}

#[test]
fn every_command_of_the_tutorial_runs() {
    let place = Place::new();
    std::fs::remove_file(place.path("experiment.toml")).expect("an empty folder");
    place.write("patients.csv", records(&place, true));
    let commands: Vec<&str> = TUTORIAL.lines().filter_map(|line| line.strip_prefix("    dymo ")).collect();
    assert_eq!(commands.len(), 8, "inspect, init, check, train, predict, masks, calibrate, evaluate");
    let settings = |place| TUTORIAL.split("```toml\n").nth(place).and_then(|rest| rest.split("```").next());
    let (small, missing) = (settings(1).expect("settings"), settings(2).expect("more settings"));
    for command in commands {
        if command.starts_with("train") {
            let proposed = std::fs::read_to_string(place.path("experiment.toml")).expect("the proposal");
            place.write("experiment.toml", format!("{proposed}\n{small}"));
        }
        if command.starts_with("data masks") {
            let known = std::fs::read_to_string(place.path("experiment.toml")).expect("the experiment");
            place.write("experiment.toml", format!("{known}\n{missing}"));
        }
        if command.starts_with("predict") {
            // One scan that is no scan, and one row of which nothing is known.
            let table = records(&place, false).replace("s1,scans/s1.nii", "s1,scans/s1.nii.bad") + "nobody,,,,\n";
            place.write("scans/s1.nii.bad", "not a volume");
            place.write("new.csv", table);
        }
        place.run(command).well();
    }
    assert!(place.path("s1.png").exists());

    let metrics: Value =
        serde_json::from_slice(&std::fs::read(place.path("model/evaluation/metrics.json")).unwrap()).unwrap();
    assert!(!metrics["records"].as_array().unwrap().is_empty());
    assert!(!metrics["incomplete_training"].as_array().unwrap().is_empty());
    let again = std::fs::read_to_string(place.path("again/records.csv")).unwrap();
    assert!(["old-lack-more", "gaps-of-the-ill"].iter().all(|name| again.contains(name)), "{again}");
    assert!(std::fs::read_to_string(place.path("masks.csv")).unwrap().contains('1'));
    let mut rows = csv::Reader::from_path(place.path("predictions.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), ROWS + 1, "a row for a row");
    for (i, row) in rows.iter().enumerate() {
        let known = i > 0 && i < ROWS;
        assert_eq!(row[8].is_empty(), known, "{row:?}");
        assert_eq!(["ill", "well"].contains(&&row[2]), known, "{row:?}");
    }
    assert!(rows[0][8].contains("scan"), "{:?}", rows[0]);
    assert!(rows[ROWS][8].contains("missing"), "{:?}", rows[ROWS]);

    // The page explains every row: the recovered values beside their range, and the two that have no prediction.
    let page = std::fs::read_to_string(place.path("why.html")).unwrap();
    assert_eq!(page.matches("<article").count(), ROWS + 1);
    assert_eq!(page.matches("No prediction: ").count(), 2);
    for words in ["data:image/png;base64,", "class=\"cells\"", "kept out", "May be"] {
        assert!(page.contains(words), "{words}");
    }

    // Cut off in the middle, it goes on and ends with the same table: a page that cannot be begun stops a run whose table is.
    place.run("predict model new.csv --out predictions.csv").well();
    let whole = std::fs::read(place.path("predictions.csv")).unwrap();
    std::fs::remove_file(place.path("predictions.csv")).unwrap();
    std::fs::create_dir(place.path("never.html.part")).unwrap();
    place.run("predict model new.csv --out predictions.csv --explain never.html").refused(&["never.html.part"]);
    place.write("predictions.csv.part", &whole[..whole.len() / 2]);
    // With other rows or settings it does not go on.
    place.write("other.csv", "id,scan,age,stage,note\nz1,,50,,\n");
    place
        .run("predict model other.csv --out predictions.csv --resume")
        .refused(&["predictions.csv.part", "another data"]);
    place.run("predict model new.csv --min-gain 0.5 --out predictions.csv --resume").refused(&["another settings"]);
    // Nor with other rows of as many bytes, with masks, or with fewer rows than there are.
    let table = std::fs::read_to_string(place.path("new.csv")).unwrap();
    place.write("new.csv", table.replacen("short of breath", "short of wreath", 1));
    place.run("predict model new.csv --out predictions.csv --resume").refused(&["another data"]);
    place.write("new.csv", table);
    place
        .run("predict model new.csv --out predictions.csv --resume --samples 1")
        .refused(&["predictions.csv.part", "rows already, more than --samples 1"]);
    place.run("predict model new.csv --masks masks.csv --out predictions.csv --resume").refused(&["another masks"]);
    place.run("predict model new.csv --out predictions.csv --resume").well();
    assert!(std::fs::read(place.path("predictions.csv")).unwrap() == whole);
    assert!(!place.path("predictions.csv.part.toml").exists());

    // A table without rows leaves nothing.
    place.write("empty.csv", "id,scan,age,stage,note\n");
    std::fs::create_dir(place.path("none")).unwrap();
    place
        .run("predict model empty.csv --out none/p.csv --explain none/why.html")
        .refused(&["empty.csv: there is no sample to classify"]);
    assert!(place.names("none").is_empty(), "{:?}", place.names("none"));
}

/// The experiment that the README shows is whole.
#[test]
fn the_example_of_the_readme_passes_the_check() {
    let readme = include_str!("../../../../README.md");
    let own = readme.split("## Your own data").nth(1).expect("the section");
    let example = own.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the experiment");
    let place = Place::new();
    // Without the notes, which the example leaves out, one sample has nothing.
    let table = records(&place, true);
    let rows: Vec<&str> = table.lines().filter(|row| !row.starts_with("s20,")).collect();
    place.write("patients.csv", rows.join("\n"));
    place.write("experiment.toml", example);
    let told = place.run("data check experiment.toml").well().out;
    for words in ["59 rows: ", "class ill: ", "scan (volume): 40 present", "clinic (table): "] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // Without its parts, it is told how to get them.
    let parts = example.find("[data.division]").expect("the parts");
    let end = parts + example[parts..].find("[[").expect("the modalities");
    place.write("experiment.toml", example.replace(&example[parts..end], ""));
    place.run("data check experiment.toml").refused(&["no column split", "[data.division]", "in [data]"]);
}

#[test]
fn a_proposal_is_not_overwritten() {
    let place = Place::new();
    place.write("patients.csv", records(&place, true));
    place.run("data init patients.csv --label diagnosis").refused(&["experiment.toml", "--force"]);
    place.run("data init patients.csv --label diagnosis --force").well();
    // What is said of it, a program is told as well.
    let told = place.run("data init patients.csv --label diagnosis --force --json").well().out;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["experiment"], &told["settings"]["label"]), (&"experiment.toml".into(), &"diagnosis".into()));
    for key in ["classes", "columns", "patterns", "remarks"] {
        assert!(told[key].as_array().is_some_and(|list| !list.is_empty()), "{key}: {told}");
    }
}

/// What is told to `init` must be there; so must a table that it understands. Nothing is written otherwise.
#[test]
fn what_cannot_be_proposed_is_refused() {
    let place = Place::new();
    std::fs::remove_file(place.path("experiment.toml")).expect("an empty folder");
    place.write("patients.csv", records(&place, true));
    for flag in ["--label", "--id", "--split", "--subject", "--leave-out"] {
        let line = format!("data init patients.csv {flag} nope");
        place
            .run(&line)
            .refused(&["patients.csv: no column \"nope\"", "id, diagnosis, patient, scan, age, stage, note"]);
    }
    place.write("other.csv", records(&place, true).replace(',', ";"));
    place.run("data init other.csv").refused(&["semicolons separate the names", "save the table comma-separated"]);
    place.write("other.csv", "id,diagnosis,age\n");
    place.run("data init other.csv").refused(&["other.csv: no row to learn from"]);
    assert!(!place.path("experiment.toml").exists());
}

#[test]
fn a_check_that_finds_an_error_ends_with_two() {
    let place = Place::new();
    place.write("patients.csv", records(&place, true));
    place.run("data init patients.csv --label diagnosis --subject patient --force").well();
    place.write("scans/s3.nii", &scan(4.0, 0.0)[..700]);
    let ran = place.run("data check experiment.toml");
    ran.refused(&["patients.csv", "1 error, listed above; correct it"]);
    assert!(ran.out.contains("s3.nii"), "{}", ran.out);
}

/// What would be changed on reading is said, and what goes missing together is drawn.
#[test]
fn a_check_tells_what_reading_changes() {
    let place = Place::new();
    place.write("patients.csv", records(&place, true));
    place.run("data init patients.csv --label diagnosis --subject patient --force").well();
    let mut hole = scan(4.0, 0.5);
    hole[352..356].copy_from_slice(&f32::NAN.to_le_bytes());
    place.write("scans/s3.nii", hole);
    let mut twice = scan(6.0, 0.6);
    twice[40..42].copy_from_slice(&4i16.to_le_bytes());
    twice[48..50].copy_from_slice(&2i16.to_le_bytes());
    twice.extend_from_within(352..);
    place.write("scans/s4.nii", twice);
    let told = place.run("data check experiment.toml").well().out;
    for words in ["line 4, column scan: 1 voxels are no number", "line 5, column scan: 2 frames", "■□■ ", "█"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// An experiment that does not lie beside its table finds it all the same.
#[test]
fn a_proposal_elsewhere_finds_its_table() {
    let place = Place::new();
    place.write("patients.csv", records(&place, true));
    std::fs::create_dir_all(place.path("below/table")).expect("a folder");
    let table = records(&place, true).replace("scans/", "../../scans/");
    place.write("below/table/patients.csv", table);
    for (table, out) in [("patients.csv", "below/up.toml"), ("below/table/patients.csv", "below/down.toml")] {
        place.run(&format!("data init {table} --label diagnosis --subject patient --out {out}")).well();
        place.run(&format!("data check {out}")).well();
    }
    let down = std::fs::read_to_string(place.path("below/down.toml")).expect("the proposal");
    assert!(down.contains("path = \"table/patients.csv\""), "{down}");
}
