//! Turns plain evaluation records and pictures into a folder that a person can read and a program can use:
//! `report.html` (one file, no outside resources, no scripts), `metrics.json`, one CSV file per table, and
//! `report.json`, from which the same page can be made again.
//!
//! It knows numbers, names and PNG bytes. It must never know Burn, a model or the name of a data set: whoever has
//! evaluated something fills in a [`Report`].
//!
//! ```
//! use dymo_report::{PairedDifference, Record, Report, findings, Outcome};
//!
//! let record = |arm: &str, accuracy| Record {
//!     recovery: "guided".into(), metric: "cosine".into(), protocol: "exact".into(), rate: 0.8, arm: arm.into(),
//!     n: 2000, accuracy, low: accuracy - 0.01, high: accuracy + 0.01,
//!     macro_f1: accuracy, auc: 0.99, calibration_error: 0.02,
//! };
//! let report = Report {
//!     records: vec![record("dymo", 0.953), record("discard", 0.932)],
//!     differences: vec![PairedDifference {
//!         recovery: "guided".into(), metric: "cosine".into(), protocol: "exact".into(), rate: 0.8,
//!         arm: "dymo".into(), baseline: "discard".into(), n: 2000, difference: 0.021, low: 0.012, high: 0.029,
//!     }],
//!     ..Report::default()
//! };
//! let found = &findings(&report)[0];
//! assert_eq!(found.comparisons[0].outcome, Outcome::Better);
//! assert_eq!(found.comparisons[0].in_words(), "2.1 points more than discarding (95\u{a0}% interval +1.2 to +2.9)");
//! assert!(report.page()?.contains("95.3\u{a0}%"));
//! # Ok::<(), dymo_report::ReportError>(())
//! ```

mod number;

mod gallery;
mod picture;
mod records;
mod report;
mod trust;

pub mod arms;
mod findings;
mod group;

mod table;
mod tables;

pub mod charts;
mod scale;
mod svg;

mod error;
mod explain;
mod page;
mod write;

// The README is compiled, so that its example stays true.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
pub struct Readme;

pub use error::ReportError;
pub use explain::{ExplainedCell, ExplainedModality, ExplainedRun, ExplainedSample, Step};
pub use findings::{Comparison, Finding, Outcome, findings};
pub use gallery::{Candidate, Content, GallerySample, Round, ShownModality, State, Story, Verdict};
pub use picture::{Picture, PictureError};
pub use records::{
    AcceptedBySubset, Bound, IncompleteTraining, LearningCurve, MinGain, PairedDifference, Record, RecoveryQuality,
    Reliability, ReliabilityBin, Resolution,
};
pub use report::{Provenance, Report};
pub use trust::{
    AcquisitionRecord, ConfidenceRecord, GreedyRecord, GuaranteeRecord, PatternRecord, RobustnessRecord,
    TestedThreshold, Varied,
};
pub use write::{METRICS, PAGE, REPORT, Written};
