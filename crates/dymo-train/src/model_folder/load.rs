//! From the folder's files to networks.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use dymo_core::Kind;
use dymo_data::checksum::Checksums;
use dymo_impute::{Chain, Donors};
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{
    ChainedRecovery, GuidedRecovery, Lender, LentRecovery, MopoeRecovery, Offering, Recovery, Retrieval, TipRecovery,
    donors_from_bytes,
};
use dymo_models::weights;
use dymo_reward::{ClassStatistics, Metric};

use super::{FusionPart, ModelFolder, ModelFolderError, RecoveryModel, RecoveryPart, TrustPart};
use crate::experiment::RecoveryKind;
use crate::trust::Trust;

impl ModelFolder {
    /// The fusion network for a metric.
    ///
    /// # Errors
    /// [`ModelFolderError`]: there is none, or its weights cannot be used.
    pub fn fusion(&self, metric: Metric, device: &Device) -> Result<FusionNetwork, ModelFolderError> {
        let part = self.fusion_part(metric)?;
        self.weights(&part.file, part.layout.init(device))
    }

    /// The class statistics for a metric.
    ///
    /// # Errors
    /// [`ModelFolderError`]: there are none, or the file cannot be used.
    pub fn statistics(&self, metric: Metric) -> Result<ClassStatistics, ModelFolderError> {
        let absent = || ModelFolderError::NoStatistics { path: self.path.clone(), metric };
        let part = self.fusion_part(metric)?.statistics.as_ref().ok_or_else(absent)?;
        let bytes = Checksums::of(&self.path)?.read(&part.file)?;
        let refuse =
            |e: serde_json::Error| ModelFolderError::Parse { path: self.path.join(&part.file), reason: e.to_string() };
        serde_json::from_slice(&bytes).map_err(refuse)
    }

    /// What was fitted on held-out samples for a recovery model and a metric; `None` where nothing was.
    ///
    /// # Errors
    /// [`ModelFolderError`]: the file cannot be used.
    pub fn trust(&self, recovery: RecoveryKind, metric: Metric) -> Result<Option<Trust>, ModelFolderError> {
        let same = |part: &&TrustPart| (part.recovery, part.metric) == (recovery, metric);
        let Some(part) = self.contents.trust.iter().find(same) else { return Ok(None) };
        let bytes = Checksums::of(&self.path)?.read(&part.file)?;
        let refuse =
            |e: serde_json::Error| ModelFolderError::Parse { path: self.path.join(&part.file), reason: e.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(refuse)
    }

    /// A trained recovery model; `seed` settles its draws. Retrieval looks for likeness with the fusion network for `metric`; the
    /// others are the same for every metric.
    ///
    /// # Errors
    /// [`ModelFolderError`]: there is none, or its weights cannot be used.
    pub fn recovery(
        &self,
        kind: RecoveryKind,
        metric: Metric,
        seed: u64,
        device: &Device,
    ) -> Result<Box<dyn Recovery>, ModelFolderError> {
        let part = self.recovery_part(kind)?;
        let kinds: Vec<Kind> = self.schema().modalities().iter().map(|m| m.kind()).collect();
        let refuse = |source| ModelFolderError::Recovery { path: self.path.join(super::MODEL), source };
        let model: Box<dyn Recovery> = match &part.model {
            RecoveryModel::Guided(settings) => {
                let fresh = settings.init(&kinds, self.schema().classes().len(), device).map_err(refuse)?;
                Box::new(GuidedRecovery::new(self.weights(&part.file, fresh)?, settings, seed))
            }
            RecoveryModel::Mopoe(settings) => {
                let fresh = settings.init(&kinds, device).map_err(refuse)?;
                Box::new(MopoeRecovery::new(self.weights(&part.file, fresh)?, settings, seed))
            }
            RecoveryModel::Retrieval { neighbours } => {
                let (gallery, network) = (self.donors(part, &kinds)?, self.fusion(metric, device)?);
                Box::new(Retrieval::new(network, Arc::new(gallery), *neighbours, seed, device.clone()))
            }
            RecoveryModel::Tip(settings) => {
                let fresh = settings.init(&kinds, device).map_err(refuse)?;
                Box::new(TipRecovery::new(self.weights(&part.file, fresh)?, &kinds).map_err(refuse)?)
            }
            RecoveryModel::Imi(_) => Box::new(ChainedRecovery::new(self.chain(&part.file)?, &kinds).map_err(refuse)?),
            RecoveryModel::Mean => Box::new(self.lender(part, &kinds, Lender::Centre)?),
            RecoveryModel::Neighbours { neighbours } => {
                Box::new(self.lender(part, &kinds, Lender::Nearest(*neighbours))?)
            }
            RecoveryModel::HotDeck => Box::new(self.lender(part, &kinds, Lender::HotDeck(seed))?),
        };
        let fills = self.contents.fill_entries.iter().filter_map(|name| self.schema().modality_index(name));
        Ok(Box::new(Offering::new(model, fills.collect(), part.draws)))
    }

    fn chain(&self, file: &str) -> Result<Chain, ModelFolderError> {
        let refuse = |reason: String| ModelFolderError::Parse { path: self.path.join(file), reason };
        let bytes = Checksums::of(&self.path)?.read(file)?;
        let chain: Chain = serde_json::from_slice(&bytes).map_err(|e| refuse(e.to_string()))?;
        if chain.is_sound() { Ok(chain) } else { Err(refuse("its columns do not fit together".into())) }
    }

    fn lender(&self, part: &RecoveryPart, kinds: &[Kind], lender: Lender) -> Result<LentRecovery, ModelFolderError> {
        Ok(LentRecovery::new(self.donors(part, kinds)?, lender))
    }

    fn donors(&self, part: &RecoveryPart, kinds: &[Kind]) -> Result<Donors, ModelFolderError> {
        let bytes = Checksums::of(&self.path)?.read(&part.file)?;
        let refuse = |source| ModelFolderError::Weights { path: self.path.join(&part.file), source };
        donors_from_bytes(kinds, &bytes).map_err(refuse)
    }

    /// Where a recovery model came from.
    ///
    /// # Errors
    /// [`ModelFolderError::NoRecovery`].
    pub fn recovery_part(&self, kind: RecoveryKind) -> Result<&RecoveryPart, ModelFolderError> {
        let absent = || ModelFolderError::NoRecovery { path: self.path.clone(), recovery: kind };
        self.contents.recovery.iter().find(|part| part.model.kind() == kind).ok_or_else(absent)
    }

    /// Where a fusion network came from.
    ///
    /// # Errors
    /// [`ModelFolderError::NoFusion`].
    pub fn fusion_part(&self, metric: Metric) -> Result<&FusionPart, ModelFolderError> {
        let absent = || ModelFolderError::NoFusion { path: self.path.clone(), metric };
        self.contents.fusion.iter().find(|part| part.metric == metric).ok_or_else(absent)
    }

    pub(super) fn weights<M: Module>(&self, file: &str, fresh: M) -> Result<M, ModelFolderError> {
        let bytes = Checksums::of(&self.path)?.read(file)?;
        let refuse = |source| ModelFolderError::Weights { path: self.path.join(file), source };
        weights::from_bytes(fresh, bytes).map_err(refuse)
    }
}
