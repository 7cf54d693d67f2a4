use super::*;
use crate::samples::read_batch;
use proptest::prelude::*;

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

fn open(table: &str) -> Result<Manifest, ManifestError> {
    Manifest::open(&folder(table.as_bytes()).path().join("table.csv"), GRID)
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
    let samples = Manifest::open(&folder.path().join("table.csv"), GRID).unwrap();
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
         p1,,valid,a.png,\n\
         p2,ill,test,,\n\
         ,ill,test,a.png,b.png\n\
         p3,ill,test,a.png\n",
    );
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let starts = [
        "line 2, column side: ",
        "line 3: the id \"p1\" is that of line 2 too",
        "line 3: the label is empty",
        "line 3: split \"valid\"",
        "line 4: no picture is named",
        "line 5: the id is empty",
        "line 6: 4 cells, wanted 5",
        "no row has split validation",
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
    assert!(message.contains("33 problems\n  line 2: ") && message.ends_with("and 13 more"), "{message}");
}

#[test]
fn columns_and_classes_are_checked() {
    assert!(matches!(open("id,label,front\n"), Err(ManifestError::Columns { .. })));
    assert!(matches!(open("id,label,split\n"), Err(ManifestError::Columns { .. })));
    assert!(matches!(open(""), Err(ManifestError::Columns { .. })));
    let one_class = GOOD.replace("healthy", "ill");
    assert!(matches!(open(&one_class), Err(ManifestError::Schema { .. })));
    let twice = GOOD.replace("side", "front");
    assert!(matches!(open(&twice), Err(ManifestError::Schema { .. })));
    let absent = Manifest::open(Path::new("/nowhere.csv"), GRID).unwrap_err();
    assert!(absent.to_string().starts_with("/nowhere.csv: "));
}

#[test]
fn other_encodings_are_told() {
    let table = b"id,label,split,front\np1,caf\xe9,train,a.png\n";
    let error = Manifest::open(&folder(table).path().join("table.csv"), GRID).unwrap_err();
    assert!(error.to_string().contains("line 2, column label: not UTF-8"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..150), header: bool) {
        let head: &[u8] = if header { b"id,label,split,front\n" } else { b"" };
        let text = [head, &bytes[..]].concat();
        let _ = parse::parse(&text[..], Path::new("table.csv"), Path::new("/nowhere"));
    }
}
