//! Bytes as a table of samples: every row is a sample or says what is wrong with it.
#![no_main]

use std::sync::OnceLock;

use dymo_data::manifest::{ManifestSettings, Rows, Use};
use dymo_data::text::TextEncoder;
use libfuzzer_sys::fuzz_target;

const SETTINGS: &str = r#"{
    "path": "table.csv", "classes": ["well", "ill"], "missing": ["NA"],
    "modalities": [
        {"name": "photo", "kind": "image", "height": 2, "width": 2, "colour": "grey"},
        {"name": "clinic", "kind": "table", "columns": [
            {"name": "age", "type": "continuous", "mean": 50.0, "deviation": 10.0, "range": [18.0, 90.0]},
            {"name": "stage", "type": "categorical", "categories": ["0", "1", "severe"]}]},
        {"name": "note", "kind": "text", "length": 3, "symbols": {"vocabulary": ["short", "breath"], "unknown": true}}]}"#;

fuzz_target!(|bytes: &[u8]| {
    static READ: OnceLock<ManifestSettings> = OnceLock::new();
    let settings = READ.get_or_init(|| serde_json::from_str(SETTINGS).expect("settings"));
    for wanted in [Use::Training, Use::Prediction] {
        let Ok(rows) = Rows::read(settings, wanted, std::io::Cursor::new(bytes.to_vec())) else { continue };
        for row in rows {
            match row {
                Ok(row) => assert!(row.cells.len() == 3 && !row.id.is_empty() && !row.observed().is_empty()),
                Err(bad) => assert!(!bad.problems.is_empty()),
            }
        }
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let symbols = serde_json::from_str(r#"{"vocabulary": ["short", "breath"], "unknown": true}"#).expect("symbols");
        let encoder = TextEncoder::new(3, &symbols).expect("an encoder");
        let mut out = [0.0; 9];
        encoder.write(text, &mut out).expect("room");
        assert!(out.chunks(3).all(|place| place.iter().sum::<f32>() <= 1.0));
    }
});
