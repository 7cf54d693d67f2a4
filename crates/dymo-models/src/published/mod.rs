//! Networks of the released implementation, from files that it has written or that others have made of them.
//!
//! [`Checkpoint`] reads a file (`torch.save` in either container, or SafeTensors) into tensors under their released names and the
//! settings that stand beside them; [`fusion_network`] and [`mopoe`] turn tensors into networks. The released networks are
//! `DynamicTransformer` (PolyMNIST and MNIST-SVHN-Text) and `mm_vae` (MoPoE of PolyMNIST). [`pretrained`] takes up torchvision's
//! ResNets. What the shapes and settings say is
//! read from the file; what they do not say is asked for ([`PublishedError::Unsaid`]).
//!
//! Linear weights are `[output, input]` there and become `[input, output]` here; everything else keeps its shape but for leading
//! dimensions of one.

mod fusion;
mod listing;
mod mopoe;
mod names;
mod read;
mod reading;
mod resnet;
mod take_up;

use std::collections::BTreeMap;

use crate::fusion::LayoutError;
use crate::recovery::RecoveryLayoutError;
use crate::weights::WeightsError;
use listing::listing;

pub use fusion::{FusionHints, fusion_layout, fusion_network};
pub use mopoe::{mopoe, mopoe_modalities};
pub use read::{Checkpoint, CheckpointSettings, read_safetensors};
pub use resnet::pretrained;

/// A tensor as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Extents.
    pub shape: Vec<usize>,
    /// Values, the last dimension running fastest.
    pub values: Vec<f32>,
}

/// Tensors by their released names.
pub type NamedTensors = BTreeMap<String, NamedTensor>;

/// Why a released network could not be taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// Another number of tokens than pictures of the size at hand give.
    #[error(
        "pos_embeddings is {found:?}, pictures of {}x{} need {wanted:?}: give the size of the pictures with --picture HEIGHTxWIDTH",
        picture[0],
        picture[1]
    )]
    Positions {
        /// Extents in the file.
        found: Vec<usize>,
        /// Extents for these pictures.
        wanted: Vec<usize>,
        /// Height and width taken.
        picture: [usize; 2],
    },
    /// Entries of a state dictionary that are no dense tensors.
    #[error(
        "no dense tensors with values: {}; save them with torch.save as dense tensors on the CPU",
        listing(entries)
    )]
    NotDense {
        /// Name and sort of each.
        entries: Vec<String>,
    },
    /// Weights in whole numbers, complex ones, or some of 8 bits.
    #[error(
        "weights are read in half, single and double precision, these are others: {}; save them as float32",
        listing(entries)
    )]
    NotFloating {
        /// Name and type of each.
        entries: Vec<String>,
    },
    /// Weights that are NaN or infinite.
    #[error(
        "not all numbers are finite in {}: these weights cannot be used; export them again from a training that went well",
        listing(entries)
    )]
    NotFinite {
        /// Their released names.
        entries: Vec<String>,
    },
    /// The encoder of a modality is none of those that are known.
    #[error(
        "the encoder of modality {modality} is none that is known (its tensors are {found}, …): import a network of PolyMNIST or of \
         MNIST-SVHN-Text, or train one of your own"
    )]
    Encoder {
        /// Its released name.
        modality: String,
        /// Some of its tensors.
        found: String,
    },
    /// Weights of a residual network for an encoder that is none.
    #[error(
        "the encoder of modality {modality} is no residual network: published weights need `type = \"resnet50\"` (or \"residual\")"
    )]
    NotResidual {
        /// Number of the modality.
        modality: usize,
    },
    /// Something that neither shapes nor settings say.
    #[error("the file does not say {what}: give it with {flag}")]
    Unsaid {
        /// In words.
        what: &'static str,
        /// The flag of the command, which is also the field of [`FusionHints`].
        flag: &'static str,
    },
    /// Tensors that share or repeat what the file stores far beyond its length.
    #[error(
        "its tensors have {values} values together, the file {bytes} bytes: they share or repeat what is stored; save copies, \
         `{{name: tensor.clone() for name, tensor in state_dict.items()}}`"
    )]
    Repeated {
        /// Values of all tensors.
        values: usize,
        /// Length of the file.
        bytes: usize,
    },
    /// Names or shapes do not fit; every one is here, under its released name. The message names each of them too, as far as they are
    /// not very many.
    #[error(
        "the file does not fit: {}; fetch it again, or take the file of this network",
        listed(.missing, .superfluous, .shapes)
    )]
    Mismatch {
        /// Names that the network has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the network lacks.
        superfluous: Vec<String>,
        /// Name, extents in the file, extents wanted.
        shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
    /// The layout cannot be built.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The recovery model cannot be built.
    #[error(transparent)]
    Recovery(#[from] RecoveryLayoutError),
    /// Numbers that cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file cannot be read as SafeTensors.
    #[error("not readable as SafeTensors ({reason}): fetch or make the file again")]
    Unreadable {
        /// What the reader said.
        reason: String,
    },
    /// The file cannot be read as PyTorch's.
    #[error(transparent)]
    Pickle(#[from] dymo_pickle::PickleError),
    /// A tensor of a file of PyTorch has no values.
    #[error("{name}: {source}")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// What is wrong with it.
        source: dymo_pickle::TensorError,
    },
    /// A file of PyTorch without weights in it.
    #[error(
        "there are no weights in the file (it holds {found}): a dictionary of named tensors, or one with a state_dict, was expected"
    )]
    NoWeights {
        /// What it holds, in words.
        found: String,
    },
}

fn listed(missing: &[String], superfluous: &[String], shapes: &[(String, Vec<usize>, Vec<usize>)]) -> String {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing: {}", listing(missing)));
    }
    if !superfluous.is_empty() {
        parts.push(format!("superfluous: {}", listing(superfluous)));
    }
    if !shapes.is_empty() {
        let words = shapes.iter().map(|(name, found, wanted)| format!("{name} is {found:?}, not {wanted:?}"));
        parts.push(format!("of another shape: {}", listing(&words.collect::<Vec<_>>())));
    }
    parts.join("; ")
}
