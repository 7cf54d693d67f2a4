//! The tables of an experiment file, one struct each, before the check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dymo_data::Source;
use dymo_models::encoder::EncoderSettings;
use dymo_reward::{Calibration, Edges, Metric};
use serde::{Deserialize, Serialize};

use super::schedule::{self, ScheduleTable};
use super::{EvaluationTable, Problem, RecoveryTable, TrustTable};
use crate::fusion::FusionLoss;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentTable {
    /// What it is called; the file's name if nothing is said.
    #[serde(default)]
    pub name: Option<String>,
    /// A sentence or two on the data, quoted in reports: what they are, where from, under which licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Seed of everything random but the data.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Metrics that a fusion network is trained for.
    #[serde(default = "default_metrics")]
    pub metrics: Vec<Metric>,
    /// Test samples that the model keeps, without names and labels, with its answers; 0 where none may leave the house.
    #[serde(default = "default_stored")]
    pub stored_samples: usize,
    /// The folder of its trained model, where commands are not told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Where the samples come from.
    pub data: Source,
    /// Encoders of modalities, by name; what is not named has the default of its kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modality: BTreeMap<String, ModalityTable>,
    /// The fusion network.
    #[serde(default)]
    pub fusion: FusionSettings,
    /// Recovery models: those that have a table; the guided one if none has.
    #[serde(default)]
    pub recovery: RecoveryTable,
    /// Class statistics.
    #[serde(default)]
    pub statistics: StatisticsTable,
    /// Selection.
    #[serde(default)]
    pub selection: SelectionTable,
    /// What is promised of the trained model.
    #[serde(default)]
    pub trust: TrustTable,
    /// Evaluation.
    #[serde(default)]
    pub evaluation: EvaluationTable,
}

fn default_seed() -> u64 {
    2025
}

fn default_stored() -> usize {
    4
}

fn default_metrics() -> Vec<Metric> {
    vec![Metric::Cosine, Metric::Euclid]
}

/// `[modality.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModalityTable {
    /// What turns it into tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderSettings>,
    /// Of a table: entries that an observed row lacks are filled by the recovery model, and the filled table is a candidate. Without, they
    /// are absent tokens.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fill_entries: bool,
    /// A file of weights that a residual encoder starts from, as torchvision publishes them (`.pth`, or SafeTensors).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<PathBuf>,
}

/// `[fusion]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FusionSettings {
    /// Width d of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Transformer blocks.
    pub blocks: usize,
    /// Width D of the fused feature.
    pub feature_width: usize,
    /// `[fusion.loss]`
    pub loss: FusionLoss,
    /// `[fusion.schedule]`
    pub schedule: ScheduleTable,
    /// `[fusion.cosine]`: what differs for that metric's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosine: Option<ScheduleTable>,
    /// `[fusion.euclid]`: what differs for that metric's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub euclid: Option<ScheduleTable>,
}

impl FusionSettings {
    /// What differs for the network of a metric.
    pub fn of_metric(&self, metric: Metric) -> Option<&ScheduleTable> {
        match metric {
            Metric::Cosine => self.cosine.as_ref(),
            Metric::Euclid => self.euclid.as_ref(),
        }
    }
}

impl Default for FusionSettings {
    fn default() -> Self {
        Self {
            width: 128,
            heads: 4,
            blocks: 2,
            feature_width: 64,
            loss: FusionLoss::default(),
            schedule: ScheduleTable::default(),
            cosine: None,
            euclid: None,
        }
    }
}

/// `[statistics]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsTable {
    /// Fit on at most so many training samples; on all without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Which training samples; without it the complete ones, unless a class has too few of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<StatisticsSamples>,
}

/// Which training samples class statistics are fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatisticsSamples {
    /// Those that lack nothing, as in the paper: every subset sees the same samples.
    #[default]
    Complete,
    /// All of them, each for the subsets that it has ([`dymo_reward::StatisticsBuilder::uneven`]).
    Observed,
}

/// `[selection]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectionTable {
    /// Form of the calibration for each metric.
    pub calibration: CalibrationTable,
    /// What is done where numbers run out; as the model's folder has it recorded if nothing is said: as published for imported
    /// networks, defined for those trained here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<Edges>,
    /// τ: samples that cannot gain as much are left alone; 0 is the method as published.
    pub min_gain: f32,
}

/// `[selection.calibration]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationTable {
    /// For the cosine metric; ratio of logarithms if nothing is said.
    pub cosine: Option<Calibration>,
    /// For the Euclidean metric; ratio if nothing is said.
    pub euclid: Option<Calibration>,
}

impl ExperimentTable {
    /// Fills in every default, and makes paths absolute, seen from the folder of `file`.
    pub(super) fn complete(mut self, file: &Path) -> Result<Self, Problem> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let absolute = |path: &Path| std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        self.data = self.data.rooted(folder);
        self.model = self.model.map(|path| absolute(&path));
        for modality in self.modality.values_mut() {
            modality.pretrained = modality.pretrained.take().map(|path| absolute(&path));
        }
        for missing in &mut self.evaluation.missing {
            missing.masks = missing.masks.take().map(|path| absolute(&path));
        }
        self.name.get_or_insert_with(|| file.file_stem().map_or("experiment".into(), |s| s.to_string_lossy().into()));
        self.recovery.complete();
        self.fusion.schedule = self.fusion.schedule.completed(&schedule::fusion());
        let calibration = &mut self.selection.calibration;
        calibration.cosine.get_or_insert(Calibration::default_for(Metric::Cosine));
        calibration.euclid.get_or_insert(Calibration::default_for(Metric::Euclid));
        Ok(self)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let distinct = self.metrics.iter().enumerate().all(|(i, m)| !self.metrics[..i].contains(m));
        if self.metrics.is_empty() || !distinct {
            let found = format!("{:?}", self.metrics).to_lowercase();
            return Err(Problem::value("metrics", found, r#"one or both of "cosine" and "euclid", each once"#));
        }
        self.check_loss()?;
        self.fusion.schedule.check("fusion.schedule")?;
        for (field, schedule) in [("fusion.cosine", &self.fusion.cosine), ("fusion.euclid", &self.fusion.euclid)] {
            schedule.as_ref().map_or(Ok(()), |schedule| schedule.check(field))?;
        }
        self.recovery.check()?;
        at_least_one("statistics.limit", self.statistics.limit)?;
        if !(0.0..=1.0).contains(&self.selection.min_gain) {
            return Err(Problem::value("selection.min_gain", self.selection.min_gain, "a number from 0 to 1"));
        }
        self.trust.check()?;
        self.evaluation.check()
    }

    fn check_loss(&self) -> Result<(), Problem> {
        let loss = &self.fusion.loss;
        at_least_one("fusion.loss.subsets_per_batch", Some(loss.subsets_per_batch))?;
        if !(loss.temperature.is_finite() && loss.temperature > 0.0) {
            return Err(Problem::value(
                "fusion.loss.temperature",
                loss.temperature,
                "a number above 0; 0.1 is published",
            ));
        }
        if !(loss.prototype_weight.is_finite() && loss.prototype_weight >= 0.0) {
            return Err(Problem::value("fusion.loss.prototype_weight", loss.prototype_weight, "a number from 0"));
        }
        Ok(())
    }
}

pub(super) fn at_least_one(field: &str, value: Option<usize>) -> Result<(), Problem> {
    if value == Some(0) { Err(Problem::value(field, 0, "at least 1")) } else { Ok(()) }
}
