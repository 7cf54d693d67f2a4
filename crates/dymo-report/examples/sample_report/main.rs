//! Renders a report of **synthetic** records, to look at the page and to copy from.
//!
//! ```sh
//! cargo run -p dymo-report --example sample_report -- /tmp/sample-report
//! ```
//! Nothing in it was measured: every number comes from a formula in `numbers.rs` or `trust.rs`, every picture from `pictures.rs`.

mod numbers;
mod pictures;
mod trust;

use dymo_report::{Provenance, Report};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("sample-report"), PathBuf::from);
    let written = sample()?.write(&folder)?;
    println!("{}", written.page.display());
    Ok(())
}

fn sample() -> Result<Report, Box<dyn std::error::Error>> {
    Ok(Report {
        provenance: Provenance {
            title: "Example with synthetic numbers: nothing here was measured".into(),
            command: "cargo run -p dymo-report --example sample_report -- sample-report".into(),
            seed: 2025,
            device: "none".into(),
            threads: 1,
            duration_seconds: 143.0,
            versions: vec![("dymo".into(), env!("CARGO_PKG_VERSION").into())],
            settings_toml:
                "# synthetic\n[evaluation]\nrates = [0.2, 0.4, 0.6, 0.8]\nmetrics = [\"cosine\", \"euclid\"]\n".into(),
            data_note: "None. All numbers come from formulas, all pictures are drawn by this example.".into(),
            weights_note: "None.".into(),
            notes: vec!["Synthetic: do not quote any number of this page.".into()],
        },
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
