//! Adding parts: weights, and what speaks of them, in one change of the folder.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use dymo_data::checksum::{Checksums, sha256_hex};
use dymo_models::recovery::donors_to_bytes;
use dymo_models::weights::{self, Precision};
use dymo_reward::{ClassStatistics, Edges, Metric};

use super::error::metric_name;
use super::{
    CARD, FusionPart, HISTORY, MODEL, ModelFolder, ModelFolderError, Provenance, RecoveryModel, RecoveryPart,
    StatisticsPart, TrustPart, card, commit,
};
use crate::experiment::{RecoveryKind, Stage, StatisticsSamples, TrainedStage};
use crate::recovery::{Fitted, FittedModel};
use crate::trainer::History;
use crate::trust::Trust;

impl ModelFolder {
    /// Adds what a stage has left, in place of what was there. Statistics of a replaced fusion network are dropped, what was fitted
    /// on held-out samples, and the stored sample: they would describe another network. `model` is asked for recovery models only:
    /// the settings that they were built with.
    ///
    /// # Errors
    /// [`ModelFolderError`]; weights that are not finite are refused by name before anything is written.
    pub fn add(
        &mut self,
        trained: &TrainedStage,
        model: Option<RecoveryModel>,
        precision: Precision,
        provenance: Provenance,
    ) -> Result<(), ModelFolderError> {
        let name = trained.name().to_owned();
        let file = match trained {
            TrainedStage::Fitted(_, Fitted { model: FittedModel::Chain(_), .. }) => format!("{name}.json"),
            _ => format!("{name}.safetensors"),
        };
        let bytes = match trained {
            TrainedStage::Fusion(_, t) => self.to_bytes(&file, &t.model, precision)?,
            TrainedStage::Guided(t) => self.to_bytes(&file, &t.model, precision)?,
            TrainedStage::Mopoe(t) => self.to_bytes(&file, &t.model, precision)?,
            TrainedStage::Tip(t) => self.to_bytes(&file, &t.model, precision)?,
            TrainedStage::Fitted(_, t) => self.fitted_to_bytes(&file, &t.model)?,
        };
        match (trained, model) {
            (TrainedStage::Fusion(metric, t), _) => self.put_fusion(FusionPart {
                metric: *metric,
                file: file.clone(),
                layout: t.model.layout().clone(),
                // Whoever imports a network wants the decisions that were published with it.
                edges: if provenance.imported.is_some() { Edges::Published } else { Edges::Defined },
                provenance,
                statistics: None,
            }),
            (_, Some(model)) => {
                self.contents.trust.retain(|part| part.recovery != model.kind());
                self.contents.recovery.retain(|part| part.model.kind() != model.kind());
                self.contents.recovery.push(RecoveryPart { model, draws: 1, file: file.clone(), provenance });
            }
            (_, None) => {
                let reason = format!("the settings of {name} were not given");
                return Err(ModelFolderError::Parse { path: self.path.join(MODEL), reason });
            }
        }
        self.history.insert(name, trained.history().clone());
        // Its answers would be another model's.
        self.contents.sample = None;
        self.save(BTreeMap::from([(file, bytes)]))
    }

    /// Takes the parts of these stages away, with their checkpoints and all that rests on them, so that they are trained from the beginning
    /// however often that is interrupted.
    ///
    /// # Errors
    /// [`ModelFolderError`]: a file cannot be written or removed.
    pub fn take_away(&mut self, stages: &[Stage]) -> Result<(), ModelFolderError> {
        for stage in stages {
            let path = self.checkpoint(*stage);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ModelFolderError::File { path, source });
                }
                _ => {}
            }
        }
        let goes = |stage: Stage| stages.contains(&stage);
        let contents = &mut self.contents;
        let before = (contents.fusion.len(), contents.recovery.len());
        contents.fusion.retain(|part| !goes(Stage::Fusion(part.metric)));
        contents.recovery.retain(|part| !goes(part.model.kind().stage()));
        if before == (contents.fusion.len(), contents.recovery.len()) {
            return Ok(());
        }
        contents.trust.retain(|part| !goes(part.recovery.stage()) && !goes(Stage::Fusion(part.metric)));
        contents.sample = None;
        for stage in stages {
            self.history.remove(stage.name());
        }
        self.save(BTreeMap::new())
    }

    /// Says how much of a recovery model is offered to selection: how often it draws, and which tables' missing entries it fills.
    ///
    /// # Errors
    /// [`ModelFolderError`]: there is no such model, or a file cannot be written.
    pub fn offer(&mut self, kind: RecoveryKind, draws: usize, fill_entries: &[String]) -> Result<(), ModelFolderError> {
        let before = self.recovery_part(kind)?.draws;
        if before == draws && self.contents.fill_entries == fill_entries {
            return Ok(());
        }
        for part in self.contents.recovery.iter_mut().filter(|part| part.model.kind() == kind) {
            part.draws = draws;
        }
        self.contents.fill_entries = fill_entries.to_vec();
        self.contents.sample = None;
        self.save(BTreeMap::new())
    }

    /// Adds class statistics of the fusion network for their metric.
    ///
    /// # Errors
    /// [`ModelFolderError`]: there is no such network, or a file cannot be written.
    pub fn add_statistics(
        &mut self,
        statistics: &ClassStatistics,
        samples: usize,
        of: StatisticsSamples,
    ) -> Result<(), ModelFolderError> {
        let metric = statistics.metric();
        self.fusion_part(metric)?;
        let file = format!("statistics-{}.json", metric_name(metric));
        let refuse =
            |e: serde_json::Error| ModelFolderError::Parse { path: self.path.join(&file), reason: e.to_string() };
        let bytes = serde_json::to_vec(statistics).map_err(refuse)?;
        for part in self.contents.fusion.iter_mut().filter(|part| part.metric == metric) {
            part.statistics = Some(StatisticsPart { file: file.clone(), samples, of });
        }
        self.contents.trust.retain(|part| part.metric != metric);
        self.contents.sample = None;
        self.save(BTreeMap::from([(file, bytes)]))
    }

    /// Adds what was fitted on held-out samples, in place of what was there for the same recovery model and metric. Whatever
    /// network, statistics or recovery model it rests on drops it when it is replaced.
    ///
    /// # Errors
    /// [`ModelFolderError`]: there is no such network, or a file cannot be written.
    pub fn add_trust(&mut self, trust: &Trust) -> Result<(), ModelFolderError> {
        let (recovery, metric) = (trust.recovery, trust.metric);
        self.fusion_part(metric)?;
        let file = format!("trust-{recovery}-{}.json", metric_name(metric));
        let refuse =
            |e: serde_json::Error| ModelFolderError::Parse { path: self.path.join(&file), reason: e.to_string() };
        let mut bytes = serde_json::to_vec_pretty(trust).map_err(refuse)?;
        bytes.push(b'\n');
        self.contents.trust.retain(|part| (part.recovery, part.metric) != (recovery, metric));
        let samples = trust.guarantee.subjects.unwrap_or(trust.fitted_on.samples);
        self.contents.trust.push(TrustPart { recovery, metric, file: file.clone(), samples });
        self.save(BTreeMap::from([(file, bytes)]))
    }

    /// Writes all of it to another folder, weights in another precision.
    ///
    /// # Errors
    /// [`ModelFolderError`]: a part cannot be read or written.
    pub fn export(&self, to: &Path, precision: Precision, device: &Device) -> Result<Self, ModelFolderError> {
        let sums = Checksums::of(&self.path)?;
        let mut files = BTreeMap::new();
        for part in &self.contents.fusion {
            let network = self.fusion(part.metric, device)?;
            files.insert(part.file.clone(), self.to_bytes(&part.file, &network, precision)?);
            if let Some(statistics) = &part.statistics {
                files.insert(statistics.file.clone(), sums.read(&statistics.file)?);
            }
        }
        for part in &self.contents.trust {
            files.insert(part.file.clone(), sums.read(&part.file)?);
        }
        let kinds: Vec<_> = self.schema().modalities().iter().map(|m| m.kind()).collect();
        let refuse = |source| ModelFolderError::Recovery { path: self.path.join(MODEL), source };
        for part in &self.contents.recovery {
            let bytes = match &part.model {
                RecoveryModel::Guided(settings) => {
                    let fresh = settings.init(&kinds, self.schema().classes().len(), device).map_err(refuse)?;
                    self.to_bytes(&part.file, &self.weights(&part.file, fresh)?, precision)?
                }
                RecoveryModel::Mopoe(settings) => {
                    let fresh = settings.init(&kinds, device).map_err(refuse)?;
                    self.to_bytes(&part.file, &self.weights(&part.file, fresh)?, precision)?
                }
                RecoveryModel::Tip(settings) => {
                    let fresh = settings.init(&kinds, device).map_err(refuse)?;
                    self.to_bytes(&part.file, &self.weights(&part.file, fresh)?, precision)?
                }
                RecoveryModel::Retrieval { .. }
                | RecoveryModel::Imi(_)
                | RecoveryModel::Mean
                | RecoveryModel::Neighbours { .. }
                | RecoveryModel::HotDeck => sums.read(&part.file)?,
            };
            files.insert(part.file.clone(), bytes);
        }
        let mut copy = Self { path: to.into(), contents: self.contents.clone(), history: self.history.clone() };
        copy.contents.sample = None;
        copy.save(files)?;
        if let Some((sample, _)) = self.stored_sample()? {
            // Weights of another precision have answers of their own.
            copy.put_sample(&sample, device)?;
        }
        Ok(copy)
    }

    /// Adds the learning curves and writes nothing else; for curves measured beside training.
    ///
    /// # Errors
    /// [`ModelFolderError`] if a file cannot be written.
    pub fn add_history(&mut self, stage: &str, history: History) -> Result<(), ModelFolderError> {
        self.history.insert(stage.into(), history);
        self.save(BTreeMap::new())
    }

    fn put_fusion(&mut self, part: FusionPart) {
        self.contents.fusion.retain(|other| other.metric != part.metric);
        self.contents.trust.retain(|other| other.metric != part.metric);
        self.contents.fusion.push(part);
        self.contents.fusion.sort_by_key(|part| part.metric == Metric::Euclid);
    }

    fn fitted_to_bytes(&self, file: &str, model: &FittedModel) -> Result<Vec<u8>, ModelFolderError> {
        let path = self.path.join(file);
        match model {
            FittedModel::Chain(chain) => {
                serde_json::to_vec(chain).map_err(|e| ModelFolderError::Parse { path, reason: e.to_string() })
            }
            FittedModel::Donors(donors) => {
                donors_to_bytes(donors).map_err(|source| ModelFolderError::Weights { path, source })
            }
        }
    }

    fn to_bytes<M: Module>(&self, file: &str, module: &M, precision: Precision) -> Result<Vec<u8>, ModelFolderError> {
        let refuse = |source| ModelFolderError::Weights { path: self.path.join(file), source };
        weights::to_bytes(module, precision).map_err(refuse)
    }

    /// Writes `files` and everything that speaks of them. Files that stay are compared with their checksums.
    pub(super) fn save(&self, mut files: BTreeMap<String, Vec<u8>>) -> Result<(), ModelFolderError> {
        let json = |name: &str, value: Result<String, serde_json::Error>| {
            let refuse =
                |e: serde_json::Error| ModelFolderError::Parse { path: self.path.join(name), reason: e.to_string() };
            value.map(|text| (text + "\n").into_bytes()).map_err(refuse)
        };
        let mut sums = BTreeMap::new();
        if self.contents.files().any(|name| !files.contains_key(name)) {
            let before = Checksums::of(&self.path)?;
            for name in self.contents.files().filter(|name| !files.contains_key(*name)) {
                sums.insert(name.to_owned(), sha256_hex(&before.read(name)?));
            }
        }
        files.insert(MODEL.into(), json(MODEL, serde_json::to_string_pretty(&self.contents))?);
        files.insert(HISTORY.into(), json(HISTORY, serde_json::to_string(&self.history))?);
        files.insert(CARD.into(), card::write(&self.contents).into_bytes());
        sums.extend(files.iter().map(|(name, bytes)| (name.clone(), sha256_hex(bytes))));
        commit::commit(&self.path, &files, &sums)
    }
}
