//! What a part that is made anew takes with it: statistics and calibrations that were fitted with the part before.

use std::path::Path;

use dymo_reward::Metric;
use dymo_train::experiment::RecoveryKind;
use dymo_train::model_folder::ModelFolder;

use crate::training::metric_name;

/// What is fitted in a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fitted {
    statistics: Vec<Metric>,
    calibrations: Vec<(RecoveryKind, Metric)>,
}

impl Fitted {
    /// Of a folder as it stands.
    pub(crate) fn of(folder: &ModelFolder) -> Self {
        let contents = folder.contents();
        let with_statistics = contents.fusion.iter().filter(|part| part.statistics.is_some());
        Self {
            statistics: with_statistics.map(|part| part.metric).collect(),
            calibrations: contents.trust.iter().map(|part| (part.recovery, part.metric)).collect(),
        }
    }

    /// What of it the folder does not have any more.
    pub(crate) fn dropped(mut self, after: &ModelFolder) -> Self {
        let after = Self::of(after);
        self.statistics.retain(|metric| !after.statistics.contains(metric));
        self.calibrations.retain(|pair| !after.calibrations.contains(pair));
        self
    }

    /// What was dropped, a line each that says how to fit it again.
    pub(crate) fn in_words(&self, experiment: &Path, folder: &Path) -> Vec<String> {
        let (experiment, folder) = (experiment.display(), folder.display());
        let mut lines = Vec::new();
        if !self.statistics.is_empty() {
            let metrics: Vec<&str> = self.statistics.iter().map(|metric| metric_name(*metric)).collect();
            lines.push(format!(
                "Class statistics of the network before are dropped ({}): fit them again with dymo fit-statistics {experiment} --model {folder}",
                metrics.join("; ")
            ));
        }
        if !self.calibrations.is_empty() {
            let pair = |(recovery, metric): &(RecoveryKind, Metric)| format!("{recovery}, {}", metric_name(*metric));
            let pairs: Vec<String> = self.calibrations.iter().map(pair).collect();
            lines.push(format!(
                "What was calibrated before is dropped ({}): fit it again with dymo calibrate {experiment} --model {folder}",
                pairs.join("; ")
            ));
        }
        lines
    }

    /// The calibrations, as results have them.
    pub(crate) fn calibrations(&self) -> Vec<serde_json::Value> {
        let pair = |(recovery, metric): &(RecoveryKind, Metric)| serde_json::json!({ "recovery": recovery, "metric": metric_name(*metric) });
        self.calibrations.iter().map(pair).collect()
    }

    /// The metrics whose statistics they are, as results have them.
    pub(crate) fn statistics(&self) -> Vec<&'static str> {
        self.statistics.iter().map(|metric| metric_name(*metric)).collect()
    }
}
