//! One experiment = one TOML file: the data, what is trained on it, how it is selected and judged.
//!
//! Everything has a default except where the samples come from, so the shortest experiment is three lines:
//!
//! ```toml
//! [data]
//! maker = "manifest"                        # a table of samples with picture files
//! path = "patients.csv"                     # relative to this file
//! grid = { height = 64, width = 64, colour = "grey" }
//! ```
//!
//! Reading the file is the check: an [`Experiment`] can be run as far as that can be known without opening the data, and
//! what needs the data's schema is checked where the data are opened ([`Experiment::open`]).

mod checksums;
mod error;
mod evaluation;
mod missing;
mod recoveries;
mod recovery_tables;
mod schedule;
mod stage;
mod tables;
#[cfg(test)]
mod tests;
mod trust;

use std::path::{Path, PathBuf};

use dymo_core::Schema;
use dymo_data::{Source, Splits};
use dymo_models::encoder::EncoderSettings;
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
use dymo_models::recovery::{
    GuidedSettings, MopoeSettings, Offering, Recovery, RecoveryLayoutError, TableColumns, TipSettings,
};
use dymo_reward::{Calibration, Edges, Metric};
use dymo_select::Slots;

use crate::fusion::FusionLoss;
use crate::trainer::Schedule;

pub use error::{ExperimentError, Problem};
pub use evaluation::{EvaluationTable, GalleryTable, MinGainTable, Scenario, SplitName};
pub use missing::{Missing, MissingError, MissingTable, Shown};
pub use recoveries::RecoveryKind;
pub use recovery_tables::{
    GuidedTable, HotDeckTable, ImiTable, MeanTable, MopoeTable, NeighboursTable, RecoveryTable, RetrievalTable,
    TipTable,
};
pub use schedule::ScheduleTable;
pub use stage::{Stage, StageError, TrainedStage};
pub use tables::{
    CalibrationTable, ExperimentTable, FusionSettings, ModalityTable, SelectionTable, StatisticsSamples,
    StatisticsTable,
};
pub use trust::{ChecksTable, TrustTable};

/// A checked experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    path: PathBuf,
    table: ExperimentTable,
}

impl Experiment {
    /// Reads a file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ExperimentError`] with the file's path; for text that is no experiment, with line, column and the text itself.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let fail = |problem| ExperimentError { path: path.into(), problem };
        let text = std::fs::read_to_string(path).map_err(|source| fail(Problem::Read { source }))?;
        let table: ExperimentTable = toml::from_str(&text).map_err(|error| fail(Problem::of_text(&text, error)))?;
        Self::check(table, path)
    }

    /// Checks a table, fills in every default, and makes its paths absolute. `path` is the file it came from.
    ///
    /// # Errors
    /// [`ExperimentError`] for the first value that cannot be.
    pub fn check(table: ExperimentTable, path: &Path) -> Result<Self, ExperimentError> {
        let fail = |problem| ExperimentError { path: path.into(), problem };
        let table = table.complete(path).map_err(fail)?;
        table.check().map_err(fail)?;
        Ok(Self { path: path.into(), table })
    }

    /// The same experiment with some values changed, checked again.
    ///
    /// # Errors
    /// As [`Experiment::check`].
    pub fn with(&self, change: impl FnOnce(&mut ExperimentTable)) -> Result<Self, ExperimentError> {
        let mut table = self.table.clone();
        change(&mut table);
        Self::check(table, &self.path)
    }

    /// The file that it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All settings, defaults filled in.
    pub fn table(&self) -> &ExperimentTable {
        &self.table
    }

    /// The effective settings as TOML: reading them gives this experiment again.
    pub fn settings(&self) -> String {
        toml::to_string(&self.table).unwrap_or_else(|e| format!("# the settings have no TOML form: {e}\n"))
    }

    /// Its name: as set, else the file's.
    pub fn name(&self) -> &str {
        self.table.name.as_deref().unwrap_or("experiment")
    }

    /// The seed that everything random follows, except the making of the data.
    pub fn seed(&self) -> u64 {
        self.table.seed
    }

    /// Where the samples come from.
    pub fn source(&self) -> &Source {
        &self.table.data
    }

    /// The where-from of the samples as TOML, for provenance.
    pub fn source_settings(&self) -> String {
        toml::to_string(&self.table.data).unwrap_or_default()
    }

    /// The metrics that a fusion network is trained for, in order.
    pub fn metrics(&self) -> &[Metric] {
        &self.table.metrics
    }

    /// Opens the data and checks what depends on their schema.
    ///
    /// # Errors
    /// [`ExperimentError`]: the data cannot be opened, or settings name a modality that they do not have.
    pub fn open(&self, datasets: &Path) -> Result<Splits, ExperimentError> {
        let splits = self.table.data.open(datasets).map_err(|e| self.fail(Problem::Source(Box::new(e))))?;
        self.check_schema(splits.train.schema())?;
        Ok(splits)
    }

    /// Checks the settings against a schema.
    ///
    /// # Errors
    /// [`ExperimentError`] for the first setting that does not fit.
    pub fn check_schema(&self, schema: &Schema) -> Result<(), ExperimentError> {
        if let Some(name) = self.table.modality.keys().find(|name| schema.modality_index(name).is_none()) {
            return Err(self.fail(Problem::no_such_modality(format!("modality.{name}"), name, schema)));
        }
        self.check_recoveries(schema)?;
        self.scenarios(schema)?;
        for metric in self.metrics() {
            self.layout(schema, *metric)?;
        }
        Ok(())
    }

    /// Models for tables need some, and TIP a picture besides.
    fn check_recoveries(&self, schema: &Schema) -> Result<(), ExperimentError> {
        let kinds: Vec<_> = schema.modalities().iter().map(|m| m.kind()).collect();
        let refuse = |kind: RecoveryKind, source| self.fail(Problem::Recovery { name: kind.name().into(), source });
        if let Some(tip) = self.tip() {
            tip.check(&kinds).map_err(|source| refuse(RecoveryKind::Tip, source))?;
        }
        for kind in self.recoveries() {
            let draws = self.table.recovery.draws(kind);
            if draws > 1 {
                let refused =
                    |e: dymo_select::SlotsError| Problem::value(format!("recovery.{kind}.draws"), draws, e.to_string());
                Slots::new(kinds.len(), draws).map_err(|e| self.fail(refused(e)))?;
            }
        }
        let fills = |m: &&dymo_core::Modality| self.table.modality.get(m.name()).is_some_and(|t| t.fill_entries);
        let tableless = schema.modalities().iter().filter(fills).find(|m| m.columns().is_none());
        if let Some(m) = tableless {
            let field = format!("modality.{}.fill_entries", m.name());
            return Err(self.fail(Problem::value(field, true, "false: only tables have entries to fill")));
        }
        if self.table.recovery.has(RecoveryKind::Imi) && TableColumns::of(&kinds).is_none() {
            return Err(refuse(RecoveryKind::Imi, RecoveryLayoutError::NoTable { model: "imi" }));
        }
        Ok(())
    }

    /// The fusion network for a metric.
    ///
    /// # Errors
    /// [`ExperimentError`] if it cannot be built for these modalities.
    pub fn layout(&self, schema: &Schema, metric: Metric) -> Result<FusionLayout, ExperimentError> {
        let inputs = schema.modalities().iter().map(|m| {
            let set = self.table.modality.get(m.name()).and_then(|t| t.encoder.clone());
            let encoder = set.unwrap_or_else(|| default_encoder(&m.kind(), self.table.fusion.width));
            Input { kind: m.kind(), encoder }
        });
        let fusion = &self.table.fusion;
        let table = FusionTable {
            inputs: inputs.collect(),
            width: fusion.width,
            heads: fusion.heads,
            blocks: fusion.blocks,
            feature_width: fusion.feature_width,
            classes: schema.classes().len(),
            scale: match metric {
                Metric::Cosine => FeatureScale::Unit,
                Metric::Euclid => FeatureScale::Free,
            },
            embedding_rows: EmbeddingRows::OnePerModality,
        };
        FusionLayout::try_from(table).map_err(|e| self.fail(Problem::Layout(e)))
    }

    /// The loss of fusion training.
    pub fn fusion_loss(&self) -> &FusionLoss {
        &self.table.fusion.loss
    }

    /// The schedule of a stage; `None` for a recovery model that the experiment does not have, or that is fitted in one go.
    pub fn schedule(&self, stage: Stage) -> Option<Schedule> {
        match stage {
            Stage::Fusion(metric) => {
                let fusion = &self.table.fusion;
                let shared = fusion.schedule.over(&schedule::fusion());
                Some(fusion.of_metric(metric).map_or(shared.clone(), |own| own.over(&shared)))
            }
            Stage::Guided => self.table.recovery.guided.as_ref().map(|t| t.schedule.over(&schedule::guided())),
            Stage::Mopoe => self.table.recovery.mopoe.as_ref().map(|t| t.schedule.over(&schedule::mopoe())),
            Stage::Tip => self.table.recovery.tip.as_ref().map(|t| t.schedule.over(&schedule::tip())),
            Stage::Retrieval | Stage::Imi | Stage::Mean | Stage::Neighbours | Stage::HotDeck => None,
        }
    }

    /// Settings of the guided model, if the experiment has it.
    pub fn guided(&self) -> Option<&GuidedSettings> {
        self.table.recovery.guided.as_ref().map(|t| &t.model)
    }

    /// Settings of MoPoE, if the experiment has it.
    pub fn mopoe(&self) -> Option<&MopoeSettings> {
        self.table.recovery.mopoe.as_ref().map(|t| &t.model)
    }

    /// A recovery model, and how much of it the experiment offers to selection.
    pub fn offering(&self, kind: RecoveryKind, model: Box<dyn Recovery>, schema: &Schema) -> Box<dyn Recovery> {
        let fills = self.fill_entries().filter_map(|name| schema.modality_index(name)).collect();
        Box::new(Offering::new(model, fills, self.table.recovery.draws(kind)))
    }

    /// Names of the tables whose missing entries are filled.
    pub fn fill_entries(&self) -> impl Iterator<Item = &str> {
        self.table.modality.iter().filter(|(_, table)| table.fill_entries).map(|(name, _)| name.as_str())
    }

    /// Settings of TIP, if the experiment has it.
    pub fn tip(&self) -> Option<&TipSettings> {
        self.table.recovery.tip.as_ref().map(|t| &t.model)
    }

    /// The recovery models of the experiment, in the order of reports.
    pub fn recoveries(&self) -> Vec<RecoveryKind> {
        RecoveryKind::ALL.into_iter().filter(|kind| self.table.recovery.has(*kind)).collect()
    }

    /// Everything that is trained, in the order in which it is best trained.
    pub fn stages(&self) -> Vec<Stage> {
        let fusion = self.metrics().iter().map(|m| Stage::Fusion(*m));
        fusion.chain(self.recoveries().into_iter().map(RecoveryKind::stage)).collect()
    }

    /// The calibration for a metric.
    pub fn calibration(&self, metric: Metric) -> Calibration {
        let set = &self.table.selection.calibration;
        let set = match metric {
            Metric::Cosine => set.cosine,
            Metric::Euclid => set.euclid,
        };
        set.unwrap_or(Calibration::default_for(metric))
    }

    /// Numerical edges of selection; `None` where the model's own are wanted.
    pub fn edges(&self) -> Option<Edges> {
        self.table.selection.edges
    }

    /// The least gain τ that selection asks for.
    pub fn min_gain(&self) -> f32 {
        self.table.selection.min_gain
    }

    /// What is promised of it, and how that is checked.
    pub fn trust(&self) -> &TrustTable {
        &self.table.trust
    }

    /// How it is judged.
    pub fn evaluation(&self) -> &EvaluationTable {
        &self.table.evaluation
    }

    /// What goes missing in evaluation, in order.
    ///
    /// # Errors
    /// [`ExperimentError`] for a protocol that these modalities do not allow.
    pub fn scenarios(&self, schema: &Schema) -> Result<Vec<Scenario>, ExperimentError> {
        self.table.evaluation.scenarios(schema).map_err(|problem| self.fail(problem))
    }

    /// What held-out samples are prepared with: those of [`scenarios`](Self::scenarios) that any samples can be put through, entries of
    /// tables included, or every fifth of rates from 0.2 to 0.8 where there is none.
    ///
    /// # Errors
    /// As [`scenarios`](Self::scenarios).
    pub fn drawn_scenarios(&self, schema: &Schema) -> Result<Vec<Scenario>, ExperimentError> {
        self.or_rates(schema, Missing::is_drawn)
    }

    /// The same, of whole modalities only.
    ///
    /// # Errors
    /// As [`scenarios`](Self::scenarios).
    pub fn general_scenarios(&self, schema: &Schema) -> Result<Vec<Scenario>, ExperimentError> {
        self.or_rates(schema, Missing::is_general)
    }

    fn or_rates(&self, schema: &Schema, wanted: fn(&Missing) -> bool) -> Result<Vec<Scenario>, ExperimentError> {
        let mut found = self.scenarios(schema)?;
        found.retain(|scenario| wanted(&scenario.missing));
        if found.is_empty() {
            found = EvaluationTable::default().rates.into_iter().map(Scenario::bernoulli).collect();
        }
        Ok(found)
    }

    fn fail(&self, problem: Problem) -> ExperimentError {
        ExperimentError { path: self.path.clone(), problem }
    }
}

/// What reads a modality that the file says nothing about.
fn default_encoder(kind: &dymo_core::Kind, token_width: usize) -> EncoderSettings {
    match kind {
        // A transformer over words; characters through a perceptron.
        dymo_core::Kind::Text { vocabulary: Some(_), .. } => {
            EncoderSettings::Words { token_width, heads: 4, blocks: 2 }
        }
        dymo_core::Kind::Text { .. } => EncoderSettings::Perceptron { hidden: 256, token_width },
        // Attention over columns grows with their square, and hundreds of them are measurements of one kind.
        dymo_core::Kind::Table { columns } if columns.len() > MOST_COLUMN_TOKENS => {
            EncoderSettings::Perceptron { hidden: 256, token_width }
        }
        dymo_core::Kind::Table { .. } => {
            EncoderSettings::Columns { token_width: token_width.min(CELL_WIDTH), heads: 4, blocks: 2 }
        }
        dymo_core::Kind::Image { .. } | dymo_core::Kind::Volume { .. } => {
            let [height, width, _] = kind.shape();
            // Every layer halves the map and pooling once more: at most 4×4 places are left as tokens.
            let halvings = (3..).find(|layers| height.max(width).div_ceil(1 << layers) <= 8).unwrap_or(3);
            let widths = (0..halvings).map(|layer| [32, 64, 128][layer.min(2)]).collect();
            EncoderSettings::Convolutional { widths, token_width }
        }
    }
}

/// Width of a cell's token, where the fusion network's is not narrower: a cell says less than a patch of a picture, and the cost grows
/// with the square of the width.
const CELL_WIDTH: usize = 64;

/// Columns up to which a table is read cell by cell if nothing is said.
const MOST_COLUMN_TOKENS: usize = 64;
