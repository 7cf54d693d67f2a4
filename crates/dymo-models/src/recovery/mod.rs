//! Recovery models: they fill in what is missing from what is observed, and from nothing else.

mod chained;
mod guided;
mod latent;
mod lent;
mod mixed;
mod mopoe;
mod noise;
mod offering;
mod oracle;
mod picture;
mod retrieval;
mod table;
mod tip;

use burn::tensor::Tensor;
use dymo_core::{Kind, ModalitySet};
use serde::{Deserialize, Serialize};

pub use chained::ChainedRecovery;
pub use dymo_kernels::Recycled;
pub use guided::{Guided, GuidedBatch, GuidedLoss, GuidedRecovery, GuidedSettings};
pub use latent::{FlatDecoder, FlatEncoder, LatentDecoder, LatentEncoder};
pub use lent::{Lender, LentRecovery, donors_from_bytes, donors_to_bytes};
pub use mixed::{MixedBatch, MixedRecovery};
pub use mopoe::{Mopoe, MopoeLoss, MopoeRecovery, MopoeSettings};
pub use noise::standard_normal;
pub use offering::Offering;
pub use oracle::Oracle;
pub use picture::{Gaussian, PictureDecoder, PictureEncoder};
pub use retrieval::{Gallery, Retrieval};
pub use table::TableColumns;
pub use tip::{Tip, TipBatch, TipLoss, TipRecovery, TipSettings};

/// Samples that have the same modalities observed.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The observed modalities; never empty.
    pub present: ModalitySet,
    /// One tensor per observed modality, ascending: `[n, values]`.
    pub inputs: Vec<Tensor<2>>,
    /// A number for each sample, from which its random draws are made: the same id and seed give the same draw in any batch.
    pub ids: Vec<u64>,
}

impl Observed {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Whether a latent is drawn from its posterior or taken at its mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// A sample of the posterior, seeded per sample.
    Sample,
    /// The posterior mean.
    #[default]
    Mean,
}

/// Why a recovery could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// A training sample could not be read while its modality was to be shown.
    #[error("training sample {index} could not be read for retrieval: {reason}")]
    Gallery {
        /// Number of the training sample.
        index: usize,
        /// What went wrong.
        reason: String,
    },
    /// Retrieval with an empty gallery.
    #[error("retrieval has no sample to take from: it needs a training sample with every modality")]
    NothingKept,
    /// The device gave back something that cannot be read.
    #[error("the device returned values that cannot be read: {reason}")]
    Device {
        /// What it gave.
        reason: String,
    },
    /// Something was wanted that the model does not recover: see [`Recovery::recoverable`].
    #[error("{model} does not recover modality {modality} from {present}")]
    NotRecoverable {
        /// Name of the model.
        model: &'static str,
        /// Number of the modality.
        modality: usize,
        /// The observed set.
        present: ModalitySet,
    },
    /// Nothing is observed, or the inputs do not belong to the observed set.
    #[error("{inputs} inputs for the observed set {present}: one is needed for each, and at least one")]
    Inputs {
        /// Tensors handed in.
        inputs: usize,
        /// The observed set.
        present: ModalitySet,
    },
}

/// A model that fills in missing modalities.
///
/// Law 1: the result for a sample depends on its observed inputs, its id and the model's seed, never on its neighbours.
/// Law 2: only the wanted modalities are computed; observed ones are not touched.
pub trait Recovery: Send + Sync {
    /// Its name in settings and reports.
    fn name(&self) -> &'static str;

    /// One tensor `[n, values]` for each wanted modality, ascending. A *table* that is observed may be wanted, too: its missing entries
    /// are then what is asked for, and what comes back for its known ones is not read.
    ///
    /// # Errors
    /// See [`RecoveryError`].
    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError>;

    /// Which of the missing ones of `modalities` modalities it recovers from `present`; all of them, unless the model is for some kinds
    /// only.
    fn recoverable(&self, present: ModalitySet, modalities: usize) -> ModalitySet {
        present.complement(modalities)
    }

    /// Tables whose missing entries it fills where the table is observed: the filled table is then a candidate like a missing one. None,
    /// unless [`Offering`] says so.
    fn fills(&self) -> ModalitySet {
        ModalitySet::EMPTY
    }

    /// How often it draws each missing modality: every draw is a candidate of its own. 1, unless [`Offering`] says so.
    fn draws(&self) -> usize {
        1
    }

    /// The model's form for samples of any patterns at once, where it has one: on the CPU.
    fn mixed(&self) -> Option<&dyn MixedRecovery> {
        None
    }

    /// The model's own class probabilities from what is observed, `[n, C]`, where it has any.
    fn class_probabilities(&self, _observed: &Observed) -> Option<Tensor<2>> {
        None
    }

    /// The same model, drawing from what a modality may be where it now takes the likeliest: another id, another draw. `None` where
    /// it knows one value only.
    fn drawing(&self) -> Option<Box<dyn Recovery>> {
        None
    }

    /// Whether recovered modalities are copies of training data, which a report must say.
    fn shows_training_data(&self) -> bool {
        false
    }
}

/// Why a recovery model cannot be built for these modalities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryLayoutError {
    /// A picture or volume is too small for its decoder.
    #[error(
        "modality {modality} has shape {shape:?}, the {model} model decodes pictures of at least {least}×{least}: choose retrieval for it"
    )]
    NoDecoder {
        /// Name of the model.
        model: &'static str,
        /// Number of the modality.
        modality: usize,
        /// Its shape.
        shape: [usize; 3],
        /// Smallest side.
        least: usize,
    },
    /// A model for tables alone.
    #[error("the {model} model recovers tables, and there is none: choose another recovery")]
    NoTable {
        /// Name of the model.
        model: &'static str,
    },
    /// A model that reads pictures or volumes.
    #[error(
        "the {model} model recovers tables from pictures or volumes, and there is none: choose imi or another recovery"
    )]
    NoPicture {
        /// Name of the model.
        model: &'static str,
    },
    /// A picture or volume is too small for the convolutions that read it.
    #[error(
        "modality {modality} has shape {shape:?}, of which the {model} model's convolutions leave nothing: give it fewer widths"
    )]
    NoToken {
        /// Name of the model.
        model: &'static str,
        /// Number of the modality.
        modality: usize,
        /// Its shape.
        shape: [usize; 3],
    },
    /// Heads must divide the width.
    #[error("width {width} cannot be split into {heads} heads: choose heads that divide the width")]
    Heads {
        /// Width of a token.
        width: usize,
        /// Heads.
        heads: usize,
    },
    /// An extent of zero.
    #[error("{field} is 0, at least 1 is needed")]
    Zero {
        /// Name of the setting.
        field: &'static str,
    },
}

/// Checks that every picture and volume can be decoded by a stack of `layers` transposed convolutions.
fn check_pictures(model: &'static str, kinds: &[Kind], layers: usize) -> Result<(), RecoveryLayoutError> {
    let least = 1 << layers;
    for (modality, kind) in kinds.iter().enumerate() {
        let shape = kind.shape();
        if kind.is_pictorial() && (shape[0] < least || shape[1] < least) {
            return Err(RecoveryLayoutError::NoDecoder { model, modality, shape, least });
        }
    }
    Ok(())
}

fn check_inputs(observed: &Observed) -> Result<(), RecoveryError> {
    let (inputs, present) = (observed.inputs.len(), observed.present);
    if inputs == 0 || inputs != present.len() { Err(RecoveryError::Inputs { inputs, present }) } else { Ok(()) }
}
