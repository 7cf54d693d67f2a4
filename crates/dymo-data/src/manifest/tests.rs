use super::*;
use crate::picture::Picture;
use crate::samples::read_batch;
use proptest::prelude::*;

mod lines;

const GRID: Grid = Grid { height: 4, width: 6, colour: Colour::Grey };

/// A folder with a table and grey pictures `a.png` (value 100, 8×8) and `b.png` (value 200, 4×6).
fn folder(table: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.csv"), table).unwrap();
    for (name, side, value) in [("a.png", [8, 8], 100), ("b.png", [4, 6], 200)] {
        Picture::new(side[0], side[1], Colour::Grey, vec![value; side[0] * side[1]])
            .unwrap()
            .save_png(&folder.path().join(name))
            .unwrap();
    }
    folder
}

fn settings(folder: &tempfile::TempDir) -> ManifestSettings {
    ManifestSettings::pictures(folder.path().join("table.csv"), GRID)
}

fn open(table: &str) -> Result<Manifest, ManifestError> {
    Manifest::open(&settings(&folder(table.as_bytes())))
}

fn problems(table: &str) -> Vec<Problem> {
    match open(table) {
        Err(ManifestError::Problems { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

const GOOD: &str =
    "\u{feff}split,front,id,side,label\ntrain,a.png,p1,b.png,ill\nvalidation,,p2, b.png ,healthy\ntest,a.png,p3,,ill\n";

#[test]
fn reads_a_table_with_a_missing_picture() {
    let folder = folder(GOOD.as_bytes());
    let samples = Manifest::open(&settings(&folder)).unwrap();
    assert_eq!(samples.schema().classes(), ["healthy", "ill"]);
    assert_eq!(samples.schema().modality_index("side"), Some(1));
    let labels: Vec<_> = (0..3).map(|i| samples.label(i)).collect();
    let observed: Vec<_> = (0..3).map(|i| samples.observed(i).to_string()).collect();
    assert_eq!((labels, observed), (vec![1, 0, 1], vec!["{0,1}".into(), "{1}".into(), "{0}".to_string()]));
    assert_eq!((samples.part(Split::Validation), samples.id(1)), (vec![1], "p2".to_owned()));
    let mut out = Vec::new();
    read_batch(&samples, &[2, 0], 0, &mut out).unwrap();
    assert_eq!(out, [100.0 / 255.0; 48]);
    let message = samples.read(1, 0, &mut out[..24]).unwrap_err().to_string();
    assert!(message.starts_with("sample p2 has no front"), "{message}");
}

#[test]
fn all_problems_come_at_once() {
    let found = problems(
        "id,label,split,front,side\n\
         p1,ill,train,a.png,gone.png\n\
         p1,,vaild,a.png,\n\
         p2,ill,test,,\n\
         ,ill,test,a.png,b.png\n\
         p3,ill,test,a.png\n",
    );
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let starts = [
        "line 2, column side: ",
        "line 3: the label is empty",
        "line 3: split \"vaild\"",
        "line 3: the id \"p1\" is that of line 2 too",
        "line 4: every modality is missing",
        "line 5: the id is empty",
        "line 6: 4 cells, wanted 5",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line} / {start}");
    }
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let rows: String = (0..30).map(|i| format!("p{i},ill,nowhere,a.png\n")).collect();
    let message = open(&format!("id,label,split,front\n{rows}")).unwrap_err().to_string();
    assert!(
        message.contains("30 problems\n  line 2: ")
            && message.ends_with("and 10 more; `dymo data check` shows each kind, with --json the rows"),
        "{message}"
    );
}

#[test]
fn every_part_needs_a_row() {
    let found = problems("id,label,split,front\np1,ill,train,a.png\np2,well,Val,b.png\n");
    assert_eq!(found, [Problem::NoRows { part: "test", drawn_of: None }]);
}

const MIXED: &str = r#"{
    "path": "", "id": "patient", "label": "diagnosis", "missing": ["NA"], "classes": ["well", "ill"],
    "division": {"validation": 0.25, "test": 0.25, "seed": 3},
    "modalities": [
        {"name": "photo", "kind": "image", "column": "file", "height": 2, "width": 2, "colour": "grey"},
        {"name": "scan", "kind": "volume", "height": 2, "width": 2, "slices": 1, "plane": "stored"},
        {"name": "clinic", "kind": "table", "columns": [
            {"name": "age", "type": "continuous", "mean": 50.0, "deviation": 10.0, "range": [18.0, 90.0]},
            {"name": "stage", "type": "categorical", "categories": ["0", "1", "severe"]}]},
        {"name": "note", "kind": "text", "length": 2, "symbols": {"vocabulary": ["short", "breath"]}}
    ]
}"#;

fn mixed(folder: &tempfile::TempDir) -> ManifestSettings {
    let settings: ManifestSettings = serde_json::from_str(MIXED).unwrap();
    let again: ManifestSettings = serde_json::from_str(&serde_json::to_string(&settings).unwrap()).unwrap();
    assert_eq!(again, settings);
    settings.at(folder.path().join("table.csv"))
}

/// A NIfTI-1 volume of 2×2×1 bytes.
fn tiny_volume(values: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    for (place, value) in [3i16, 2, 2, 1, 1, 1, 1, 1].into_iter().enumerate() {
        bytes[40 + 2 * place..][..2].copy_from_slice(&value.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&2i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&8i16.to_le_bytes());
    for place in 0..4 {
        bytes[76 + 4 * place..][..4].copy_from_slice(&1f32.to_le_bytes());
    }
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend(values);
    bytes
}

#[test]
fn kinds_are_mixed_and_entries_may_be_missing() {
    let rows: String =
        (0..12).map(|i| format!("p{i},{},a.png,v.nii,60,1.0,breath NOW\n", ["ill", "well"][i % 2])).collect();
    let table = format!("patient,diagnosis,file,scan,age,stage,note\nq0,ill,NA,,NA,severe,\nq1,well,,v.nii,,,\n{rows}");
    let folder = folder(table.as_bytes());
    std::fs::write(folder.path().join("v.nii"), tiny_volume([0, 10, 20, 40])).unwrap();
    let samples = Manifest::open(&mixed(&folder)).unwrap();
    assert_eq!(samples.schema().classes(), ["well", "ill"]);
    assert_eq!((samples.label(0), samples.observed(0).to_string().as_str()), (1, "{2}"));
    assert_eq!(
        (samples.observed(1).to_string().as_str(), samples.observed(2).to_string().as_str()),
        ("{1}", "{0,1,2,3}")
    );
    let mut row = [0.0; 2];
    samples.read(0, 2, &mut row).unwrap();
    assert!(row[0].is_nan() && row[1] == 2.0, "{row:?}");
    samples.read(2, 2, &mut row).unwrap();
    assert_eq!(row, [1.0, 1.0]);
    let mut words = [9.0; 4];
    samples.read(2, 3, &mut words).unwrap();
    assert_eq!(words, [0.0, 1.0, 0.0, 0.0]);
    let mut scan = [0.0; 4];
    samples.read(2, 1, &mut scan).unwrap();
    scan.sort_by(f32::total_cmp);
    assert_eq!(scan, [0.0, 0.25, 0.5, 1.0]);
    let parts = Split::ALL.map(|split| samples.part(split).len());
    assert_eq!((parts.iter().sum::<usize>(), parts), (14, [6, 4, 4]));
}

#[test]
fn a_stream_tells_what_is_not_taken_as_it_is() {
    let folder = folder(b"patient,file,scan,age,stage,note\nq0,glass.png,twice.nii,61,severe,\n");
    let glass = image::RgbaImage::from_fn(3, 2, |x, _| image::Rgba([200, 9, 9, if x == 0 { 0 } else { 255 }]));
    glass.save(folder.path().join("glass.png")).unwrap();
    let mut twice = tiny_volume([0, 10, 20, 40]);
    twice[40..42].copy_from_slice(&4i16.to_le_bytes());
    twice[48..50].copy_from_slice(&2i16.to_le_bytes());
    twice.extend([1, 2, 3, 4]);
    std::fs::write(folder.path().join("twice.nii"), twice).unwrap();
    let mut stream = ManifestStream::open(&mixed(&folder), vec!["well".into(), "ill".into()]).unwrap();
    let chunk = stream.next_chunk(5).unwrap();
    let notices: Vec<String> = chunk.outcomes()[0].notices.iter().map(|n| format!("{}: {}", n.column, n.odd)).collect();
    assert_eq!(
        notices,
        [
            "file: 2 pixels are transparent, which is dropped: what they hide is seen",
            "scan: 2 frames; the first is taken"
        ]
    );
}

/// Darker than the bits that are read is not black.
#[test]
fn pictures_of_16_bits_are_told() {
    let folder = folder(b"patient,file,scan,age,stage,note\nq0,dark.png,,61,severe,\nq1,black.png,,61,severe,\n");
    for (name, value) in [("dark.png", 99u16), ("black.png", 0)] {
        let deep = image::ImageBuffer::from_pixel(3, 2, image::Luma([value]));
        deep.save(folder.path().join(name)).unwrap();
    }
    let mut stream = ManifestStream::open(&mixed(&folder), vec!["well".into(), "ill".into()]).unwrap();
    let chunk = stream.next_chunk(5).unwrap();
    let said = |row: usize| chunk.outcomes()[row].notices.iter().map(|n| n.odd.to_string()).collect::<Vec<_>>();
    assert_eq!(said(0), ["values of 16 bits, of which the upper 8 are read; the largest is 99 of 65535"]);
    assert_eq!(said(1)[0], "the picture is all black");
}

#[test]
fn a_stream_accounts_for_every_row() {
    let table = "patient,file,scan,age,stage,note\n\
        q0,a.png,,61,severe,\nq1,gone.png,,sixty,mild,\nq2,,,,,\nq3,table.csv,,40,,\nq4,,,,,no words known\nq5,,v.nii,40,0,short\n";
    let folder = folder(table.as_bytes());
    std::fs::write(folder.path().join("v.nii"), tiny_volume([7; 4])).unwrap();
    let open = || ManifestStream::open(&mixed(&folder), vec!["well".into(), "ill".into()]).unwrap();
    let mut stream = open();
    let chunk = stream.next_chunk(5).unwrap();
    let said: Vec<String> = chunk.outcomes().iter().map(|outcome| format!("{:?}", outcome.sample)).collect();
    assert_eq!((said[0].as_str(), said[4].as_str()), ("Ok(0)", "Ok(1)"));
    assert!(
        said[1].contains("Number") && said[1].contains("Category") && said[2].contains("NothingObserved"),
        "{said:?}"
    );
    assert!(said[3].contains("Unreadable") && said[3].contains("table.csv"), "{said:?}");
    assert_eq!(chunk.outcomes()[4].notices, [Notice { column: "note".into(), odd: Oddity::Blank(Blank::UnknownText) }]);
    assert_eq!((chunk.samples().len(), chunk.samples().known_label(0), chunk.samples().label(0)), (2, None, 0));
    let mut row = [0.0; 2];
    chunk.samples().read(0, 2, &mut row).unwrap();
    assert_eq!(row, [1.1, 2.0]);
    assert!(chunk.samples().read(0, 1, &mut [0.0; 4]).is_err());
    let last = stream.next_chunk(5).unwrap();
    let odd = &last.outcomes()[0].notices[0].odd;
    assert_eq!((last.outcomes().len(), odd), (1, &Oddity::Blank(Blank::ConstantVolume)));
    assert!(stream.next_chunk(5).is_none());
    let mut later = open();
    later.skip_rows(5);
    assert_eq!(later.next_chunk(9).unwrap().outcomes(), last.outcomes());
}

/// A label is there to be scored: the row is a sample, whatever it says.
#[test]
fn labels_and_ids_of_a_stream_are_noticed() {
    let table = "patient,diagnosis,file,scan,age,stage,note\n\
        q0,healthy,,,61,severe,\nq1,ill,,,61,severe,\nq0,,,,61,severe,\nq0,,,,sixty,,\n";
    let folder = folder(table.as_bytes());
    let open = || ManifestStream::open(&mixed(&folder), vec!["well".into(), "ill".into()]).unwrap();
    let chunk = open().next_chunk(9).unwrap();
    let labels: Vec<Option<usize>> = (0..3).map(|i| chunk.samples().known_label(i)).collect();
    assert_eq!(labels, [None, Some(1), None]);
    let notices: Vec<Vec<String>> = chunk
        .outcomes()
        .iter()
        .map(|o| o.notices.iter().map(|n| format!("{}: {}", n.column, n.odd)).collect())
        .collect();
    let same = "patient: an earlier row has the same id";
    assert_eq!(notices, [vec!["diagnosis: \"healthy\" is no class of the model"], vec![], vec![same], vec![same]]);
    let mut later = open();
    later.skip_rows(2);
    assert_eq!(
        later.next_chunk(9).unwrap().outcomes(),
        &chunk.outcomes()[2..].iter().cloned().map(renumbered).collect::<Vec<_>>()
    );
}

/// What the network never saw is told with the answer: numbers far outside, ends of texts.
#[test]
fn what_lies_far_outside_and_what_is_cut_is_noticed() {
    let folder = folder(
        b"patient,file,scan,age,stage,note\nq0,,,130,,short breath\nq1,,,1e30,,Short breath NOW, that\nq2,,,-30,0,\n",
    );
    let path = folder.path().join("table.csv");
    std::fs::write(
        &path,
        std::fs::read_to_string(&path).unwrap().replace("Short breath NOW, that", "\"Short breath NOW, that\""),
    )
    .unwrap();
    let mut stream = ManifestStream::open(&mixed(&folder), vec!["well".into(), "ill".into()]).unwrap();
    let chunk = stream.next_chunk(5).unwrap();
    let said = |row: usize| -> Vec<String> {
        chunk.outcomes()[row].notices.iter().map(|n| format!("{}: {}", n.column, n.odd)).collect()
    };
    // 18 to 90 was observed: 126 is half the width beyond, and would still do.
    assert_eq!(said(0), ["age: 130 is far outside 18 to 90, all that was observed in training"]);
    assert!(said(1)[0].contains("is far outside 18 to 90"), "{:?}", said(1));
    assert_eq!(said(1)[1], "note: a text of 4, of which the first 2 are read");
    assert!(said(2)[0].starts_with("age: -30 is far outside"), "{:?}", said(2));
}

/// Samples of one subject are known by it, wherever they are shown.
#[test]
fn subjects_are_known_by_their_column() {
    let table = "id,label,split,who,a\ns0,x,train,anna,1\ns1,y,train,ben,2\ns2,x,train,anna,3\ns3,y,validation,,4\ns4,x,test,s9,5\n";
    let folder = folder(table.as_bytes());
    let json = r#"{"path": "", "subject": "who", "modalities": [{"name": "t", "kind": "table", "columns": [
        {"name": "a", "type": "continuous", "mean": 0.0, "deviation": 1.0, "range": [0.0, 9.0]}]}]}"#;
    let settings = serde_json::from_str::<ManifestSettings>(json).unwrap().at(folder.path().join("table.csv"));
    let samples = Manifest::open(&settings).unwrap();
    assert_eq!(samples.subject(0), samples.subject(2));
    let others: std::collections::BTreeSet<u64> = [0, 1, 3, 4].map(|i| samples.subject(i)).into();
    assert_eq!((others.len(), samples.subject(3)), (4, samples.number(3)), "without a subject a sample is its own");
    let mut stream = ManifestStream::open(&settings, vec!["x".into(), "y".into()]).unwrap();
    let chunk = stream.next_chunk(9).unwrap();
    assert_eq!(crate::subjects(chunk.samples(), &[0, 2, 3]), [0, 2, 3].map(|i| samples.subject(i)));
}

/// The same outcome in a chunk that begins two samples later.
fn renumbered(mut outcome: Outcome) -> Outcome {
    outcome.sample = outcome.sample.map(|index| index - 2);
    outcome
}

#[test]
fn what_cannot_be_learned_is_said_before_training() {
    let table = "id,label,split,front,side\np1,ill,train,a.png,\np2,well,train,a.png,\n\
        p3,ill,validation,b.png,a.png\np4,rare,test,a.png,a.png\np5,rare,test,a.png,b.png\n";
    let message = open(table).unwrap().check_training().unwrap_err().to_string();
    assert!(message.contains("class \"rare\" has 2 rows and none of them trains"), "{message}");
    assert!(message.contains("side is observed in no training sample"), "{message}");
    open(&table.replace("p5,rare,test", "p5,rare,train")).unwrap().check_training().unwrap();
}

#[test]
fn a_vanished_file_is_an_error_with_its_cell() {
    let folder = folder(GOOD.as_bytes());
    let samples = Manifest::open(&settings(&folder)).unwrap();
    std::fs::remove_file(folder.path().join("a.png")).unwrap();
    let message = samples.read(2, 0, &mut [0.0; 24]).unwrap_err().to_string();
    assert!(message.contains("table.csv, line 4, column front: ") && message.contains("a.png"), "{message}");
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let folder = folder(b"");
    let refused = |change: &dyn Fn(&mut ManifestSettings)| {
        let mut settings = mixed(&folder);
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    };
    assert!(refused(&|s| s.grid = Some(GRID)).contains("both given"));
    assert!(refused(&|s| s.modalities.clear()).contains("add a [[data.modalities]]"));
    assert!(refused(&|s| s.label = "age".into()).contains("\"age\" is named twice"));
    assert!(refused(&|s| s.division.as_mut().unwrap().test = 0.9).contains("their sum below 1"));
    let both = Form::Text { column: None, length: 0, symbols: Default::default() };
    assert!(refused(&|s| s.modalities[3].form = both.clone()).contains("\"note\": a text has length 0"));
    let mut known = mixed(&folder);
    known.modalities.truncate(1);
    let unknown = serde_json::to_string(&known).unwrap().replace("\"height\"", "\"hight\"");
    assert!(serde_json::from_str::<ManifestSettings>(&unknown).is_err());
}

/// Each would pass as settings and fail, or end the program, once something is read.
#[test]
fn names_and_sizes_that_no_input_has_are_refused() {
    let folder = folder(b"");
    let checked = |change: &dyn Fn(&mut ManifestSettings)| {
        let mut settings = mixed(&folder);
        change(&mut settings);
        settings.check().map_err(|refused| refused.to_string())
    };
    let refused = |change: &dyn Fn(&mut ManifestSettings)| checked(change).unwrap_err();
    let said = refused(&|s| s.modalities[1].name = "photo".into());
    assert!(said.starts_with("two [[data.modalities]] have the name \"photo\", wanted each its own"), "{said}");
    let said = refused(&|s| s.modalities[2].name = " ".into());
    assert!(said.starts_with("number 3 of [[data.modalities]] has the name \" \", wanted a word"), "{said}");
    let grey = |height, width| Form::Image { column: None, height, width, colour: Colour::Grey, crop: None };
    let said = refused(&|s| s.modalities[0].form = grey(4, 0));
    assert_eq!(said, "modality \"photo\": width is 0, wanted 1 to 8192; correct it in [data]");
    assert!(refused(&|s| s.modalities[0].form = grey(8193, 4)).contains("height is 8193, wanted 1 to 8192"));
    assert_eq!(checked(&|s| s.modalities[0].form = grey(8192, 8192)), Ok(()));
    let volume = |side: usize| {
        let json = format!(r#"{{"name": "scan", "kind": "volume", "height": {side}, "width": 1024, "slices": 256}}"#);
        serde_json::from_str::<ModalitySettings>(&json).unwrap()
    };
    let said = refused(&|s| s.modalities[1] = volume(1025));
    let wanted =
        "modality \"scan\": height 1025 × width 1024 × slices 256 are more values than the 268435456 that are possible";
    assert!(said.starts_with(wanted), "{said}");
    assert!(refused(&|s| s.modalities[1] = volume(0)).contains("height is 0, wanted 1 to 268435456"));
    assert_eq!(checked(&|s| s.modalities[1] = volume(1024)), Ok(()));
    let text = |length| Form::Text { column: None, length, symbols: Default::default() };
    let said = refused(&|s| s.modalities[3].form = text(2_000_000_000));
    assert_eq!(said, "modality \"note\": length is 2000000000, wanted 1 to 65536; correct it in [data]");
    assert_eq!(checked(&|s| s.modalities[3].form = text(65_536)), Ok(()));
    let words: Vec<String> = (0..4097).map(|i| format!("w{i}")).collect();
    let symbols = crate::text::Symbols { vocabulary: Some(words), ..Default::default() };
    let many = Form::Text { column: None, length: 65_536, symbols };
    assert!(refused(&|s| s.modalities[3].form = many.clone()).contains("length 65536 × symbols 4097 are more"));
    let mut pictures = settings(&folder);
    pictures.grid = Some(Grid { height: 4, width: 20_000, colour: Colour::Grey });
    let said = pictures.check().unwrap_err().to_string();
    assert!(said.starts_with("data.grid: width is 20000, wanted 1 to 8192"), "{said}");
}

/// What single precision cannot hold is wrong in its cell; the other rows go on.
#[test]
fn numbers_beyond_single_precision_are_told() {
    let table = "patient,file,scan,age,stage,note\nq0,,,60,0,\nq1,,,1e39,0,\nq2,,,-1.797e308,0,\nq3,,,1e400,0,\nq4,,,3.4e38,0,\nq5,,,inf,0,\n";
    let folder = folder(table.as_bytes());
    let classes = || vec!["well".into(), "ill".into()];
    let mut stream = ManifestStream::open(&mixed(&folder), classes()).unwrap();
    let chunk = stream.next_chunk(9).unwrap();
    let good: Vec<bool> = chunk.outcomes().iter().map(|outcome| outcome.sample.is_ok()).collect();
    assert_eq!(good, [true, false, false, false, true, false]);
    let said = |row: usize| chunk.outcomes()[row].sample.as_ref().unwrap_err()[0].to_string();
    assert!(said(1).starts_with("line 3, column age: \"1e39\" is too large a number: beyond ±3.4e38"), "{}", said(1));
    assert!(said(1).ends_with("correct it, empty the cell, or add it to `missing`"), "{}", said(1));
    assert!(said(5).contains("\"inf\" is no number"), "{}", said(5));
    // A deviation near 0 makes any number too large.
    let narrow = MIXED.replace("\"deviation\": 10.0", "\"deviation\": 1e-9");
    let narrow = serde_json::from_str::<ManifestSettings>(&narrow).unwrap().at(folder.path().join("table.csv"));
    let chunk = ManifestStream::open(&narrow, classes()).unwrap().next_chunk(9).unwrap();
    let wrong = Problem::TooLarge { line: 6, column: "age".into(), found: "3.4e38".into() };
    assert_eq!(chunk.outcomes()[4].sample, Err(vec![wrong]));
    // So it is before training.
    let rows: String = (0..9).map(|i| format!("p{i},{},,,{i},0,\n", ["ill", "well"][i % 2])).collect();
    let table = format!("patient,diagnosis,file,scan,age,stage,note\n{rows}p9,ill,,,1e308,0,\n");
    std::fs::write(folder.path().join("table.csv"), table).unwrap();
    let refused = Manifest::open(&mixed(&folder)).unwrap_err().to_string();
    assert!(refused.contains(": 1 problem\n  line 11, column age: \"1e308\" is too large a number"), "{refused}");
    let report = crate::check::check(&mixed(&folder), &mut |_| ()).unwrap();
    assert!(report.to_string().contains("error: line 11, column age: \"1e308\" is too large"), "{report}");
}

#[test]
fn without_parts_the_other_way_is_told() {
    let told = open("id,label,front\n").unwrap_err().to_string();
    assert!(told.contains("no column split; the first row names"), "{told}");
    assert!(
        told.ends_with("draws the parts: `division = { validation = 0.15, test = 0.15, seed = 2025 }` in [data]"),
        "{told}"
    );
    let toml = "path = \"t.csv\"\ndivision = { validation = 0.15, test = 0.15, seed = 2025 }";
    assert!(toml::from_str::<ManifestSettings>(toml).unwrap().division.is_some());
    let label = open("id,split,front\n").unwrap_err().to_string();
    assert!(!label.contains("division"), "{label}");
}

#[test]
fn a_decimal_comma_is_told() {
    let folder = folder(b"patient,file,scan,age,stage,note\nq0,a.png,,\"61,5\",severe,\n");
    let mut stream = ManifestStream::open(&mixed(&folder), vec!["well".into(), "ill".into()]).unwrap();
    let said = format!("{}", stream.next_chunk(5).unwrap().outcomes()[0].sample.as_ref().unwrap_err()[0]);
    assert!(said.contains("\"61,5\" is no number; write it with a decimal point, empty the cell"), "{said}");
}

#[test]
fn columns_and_classes_are_checked() {
    assert!(matches!(open("id,label,front\n"), Err(ManifestError::Columns { .. })));
    assert!(matches!(open("id,label,split\n"), Err(ManifestError::Settings { .. })));
    assert!(matches!(open(""), Err(ManifestError::Columns { .. })));
    let one_class = GOOD.replace("healthy", "ill");
    assert!(matches!(open(&one_class), Err(ManifestError::Schema { .. })));
    let twice = GOOD.replace("side", "front");
    assert!(matches!(open(&twice), Err(ManifestError::ColumnTwice { .. })));
    let absent = Manifest::open(&ManifestSettings::pictures("/nowhere.csv", GRID)).unwrap_err();
    assert!(absent.to_string().starts_with("/nowhere.csv: "));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_without_its_feature_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    std::fs::write(&path, "PAR1").unwrap();
    let error = Manifest::open(&ManifestSettings::pictures(&path, GRID)).unwrap_err().to_string();
    assert!(error.contains("table.parquet: ") && error.contains("--features parquet"), "{error}");
}

#[test]
fn other_encodings_are_told() {
    let table = b"id,label,split,front\np1,caf\xe9,train,a.png\n";
    let error = Manifest::open(&settings(&folder(table))).unwrap_err();
    assert!(error.to_string().contains("line 2, column label: not UTF-8"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..150), header: bool) {
        let head: &[u8] = if header { b"id,label,split,front\n" } else { b"" };
        let text = [head, &bytes[..]].concat();
        for wanted in [Use::Training, Use::Prediction] {
            let settings = ManifestSettings::pictures("table.csv", GRID);
            if let Ok(rows) = Rows::read(&settings, wanted, std::io::Cursor::new(text.clone())) {
                rows.for_each(drop);
            }
        }
    }
}

/// Files are told apart by what they hold, without being decoded, and by whichever view of the samples is asked.
#[test]
fn a_fingerprint_knows_the_files() {
    let folder = folder(GOOD.as_bytes());
    let print = || {
        let samples: std::sync::Arc<dyn Samples> = std::sync::Arc::new(Manifest::open(&settings(&folder)).unwrap());
        let view = crate::samples::Subset::first(samples.clone(), 3);
        let (whole, seen) = (crate::fingerprint(samples.as_ref()).unwrap(), crate::fingerprint(&view).unwrap());
        assert_eq!(whole, seen);
        whole
    };
    let before = print();
    let path = folder.path().join("a.png");
    let whole = std::fs::read(&path).unwrap();
    Picture::new(8, 8, Colour::Grey, vec![101; 64]).unwrap().save_png(&path).unwrap();
    assert_ne!(print(), before, "another picture of the same name");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(print(), before);
}
