//! What of a recovery model stands as candidates: several draws, and tables with their gaps filled.

use burn::tensor::Tensor;
use dymo_core::ModalitySet;

use super::{MixedRecovery, Observed, Recovery, RecoveryError};

/// A recovery model, and how much of it is offered to selection.
pub struct Offering {
    model: Box<dyn Recovery>,
    fills: ModalitySet,
    draws: usize,
}

impl Offering {
    /// Fills the entries that these tables lack, and draws each missing modality so often (once at least). More than one draw wants a model
    /// that draws; the draws of another are all the same.
    pub fn new(model: Box<dyn Recovery>, fills: ModalitySet, draws: usize) -> Self {
        Self { model, fills, draws: draws.max(1) }
    }
}

impl Recovery for Offering {
    fn name(&self) -> &'static str {
        self.model.name()
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        self.model.recover(observed, wanted)
    }

    fn recoverable(&self, present: ModalitySet, modalities: usize) -> ModalitySet {
        self.model.recoverable(present, modalities)
    }

    fn fills(&self) -> ModalitySet {
        self.fills
    }

    fn draws(&self) -> usize {
        self.draws
    }

    fn mixed(&self) -> Option<&dyn MixedRecovery> {
        self.model.mixed()
    }

    fn class_probabilities(&self, observed: &Observed) -> Option<Tensor<2>> {
        self.model.class_probabilities(observed)
    }

    fn drawing(&self) -> Option<Box<dyn Recovery>> {
        self.model.drawing()
    }

    fn shows_training_data(&self) -> bool {
        self.model.shows_training_data()
    }
}
