//! From a report to its folder, and back.

use crate::error::ReportError;
use crate::page;
use crate::report::Report;
use crate::tables;
use atomic_write_file::AtomicWriteFile;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The page.
pub const PAGE: &str = "report.html";
/// The measurements, for machines.
pub const METRICS: &str = "metrics.json";
/// The whole report, pictures too, to be read back by [`Report::read`].
pub const REPORT: &str = "report.json";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The page to open.
    pub page: PathBuf,
    /// All files, the page last.
    pub files: Vec<PathBuf>,
}

/// What `metrics.json` holds: the report without its pictures.
#[derive(Serialize)]
struct Metrics<'a> {
    records: &'a [crate::Record],
    differences: &'a [crate::PairedDifference],
    incomplete_training: &'a [crate::IncompleteTraining],
    reliability: &'a [crate::Reliability],
    accepted: &'a [crate::AcceptedBySubset],
    resolution: &'a [crate::Resolution],
    recovery_quality: &'a [crate::RecoveryQuality],
    bounds: &'a [crate::Bound],
    min_gain: &'a [crate::MinGain],
    confidence: &'a [crate::ConfidenceRecord],
    patterns: &'a [crate::PatternRecord],
    guarantees: &'a [crate::GuaranteeRecord],
    greedy: &'a [crate::GreedyRecord],
    acquisitions: &'a [crate::AcquisitionRecord],
    robustness: &'a [crate::RobustnessRecord],
    learning_curves: &'a [crate::LearningCurve],
    provenance: &'a crate::Provenance,
}

impl Report {
    /// Writes [`PAGE`], [`METRICS`], [`REPORT`] and one CSV file per table into `folder`, which is made if it is not
    /// there. Everything is rendered before the first file is touched; each file is replaced whole or not at all,
    /// the page last.
    ///
    /// # Errors
    /// [`ReportError`], with the file that could not be written.
    pub fn write(&self, folder: &Path) -> Result<Written, ReportError> {
        let rendered = self.render()?;
        fs::create_dir_all(folder).map_err(|source| ReportError::Folder { path: folder.into(), source })?;
        let mut files = Vec::new();
        for (name, bytes) in rendered {
            let path = folder.join(name);
            replace(&path, &bytes).map_err(|source| ReportError::Write { path: path.clone(), source })?;
            files.push(path);
        }
        Ok(Written { page: folder.join(PAGE), files })
    }

    /// Names of all files that [`Report::write`] may write.
    pub fn file_names() -> Vec<String> {
        let tables = tables::all(&Self::default()).into_iter().map(|table| format!("{}.csv", table.name));
        tables.chain([REPORT, METRICS, PAGE].map(String::from)).collect()
    }

    /// Reads the report that [`Report::write`] left in `folder`.
    ///
    /// # Errors
    /// [`ReportError::Read`] when [`REPORT`] cannot be opened, [`ReportError::Parse`] when it is no report.
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join(REPORT);
        let bytes = fs::read(&path).map_err(|source| ReportError::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| ReportError::Parse { path, source })
    }

    /// The page alone, as one self-contained HTML file. The same report gives the same bytes.
    ///
    /// # Errors
    /// [`ReportError::Page`], which no value of a report is known to cause.
    pub fn page(&self) -> Result<String, ReportError> {
        page::render(self)
    }

    /// `metrics.json`: records, differences and all other measurements, without the gallery's pictures.
    ///
    /// # Errors
    /// [`ReportError::Json`], which no value of a report is known to cause.
    pub fn metrics_json(&self) -> Result<String, ReportError> {
        let metrics = Metrics {
            records: &self.records,
            differences: &self.differences,
            incomplete_training: &self.incomplete_training,
            reliability: &self.reliability,
            accepted: &self.accepted,
            resolution: &self.resolution,
            recovery_quality: &self.recovery_quality,
            bounds: &self.bounds,
            min_gain: &self.min_gain,
            confidence: &self.confidence,
            patterns: &self.patterns,
            guarantees: &self.guarantees,
            greedy: &self.greedy,
            acquisitions: &self.acquisitions,
            robustness: &self.robustness,
            learning_curves: &self.learning_curves,
            provenance: &self.provenance,
        };
        let mut json = serde_json::to_string_pretty(&metrics).map_err(ReportError::Json)?;
        json.push('\n');
        Ok(json)
    }

    /// Every file with its content, in the order of writing.
    fn render(&self) -> Result<Vec<(String, Vec<u8>)>, ReportError> {
        let mut files = vec![(REPORT.to_string(), serde_json::to_vec(self).map_err(ReportError::Json)?)];
        for table in tables::all(self) {
            let csv = table.csv().map_err(|source| ReportError::Csv { table: table.name, source })?;
            files.push((format!("{}.csv", table.name), csv));
        }
        files.push((METRICS.to_string(), self.metrics_json()?.into_bytes()));
        files.push((PAGE.to_string(), self.page()?.into_bytes()));
        Ok(files)
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}
