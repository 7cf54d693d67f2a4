//! Why a file or a tensor cannot be read.

use crate::tensor::Element;

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// Neither container, and no pickle either.
    #[error("no file of PyTorch and no pickle ({reason}): fetch the file again")]
    Foreign {
        /// Where reading it as a plain pickle broke off.
        reason: String,
    },
    /// A zip that is damaged or of a sort that PyTorch does not write.
    #[error("the zip archive cannot be read ({reason}): fetch the file again, or save it again with torch.save")]
    Zip {
        /// What the reader said.
        reason: String,
    },
    /// A zip without values in it.
    #[error("the zip archive has no data.pkl: it was not written by torch.save")]
    NoPickle,
    /// Code instead of values.
    #[error("a TorchScript program, not saved values: save the state_dict of the module instead")]
    TorchScript,
    /// PyTorch before 0.1.10.
    #[error("written by PyTorch before 0.1.10 (tar): load it with a PyTorch below 2.6 and save it again")]
    Tar,
    /// The file breaks off.
    #[error("the file breaks off at byte {at} of the pickle, where {wanted} more bytes were expected: fetch it again")]
    Truncated {
        /// Place in the pickle.
        at: usize,
        /// Bytes that the file claims to follow.
        wanted: u64,
    },
    /// A byte that is no opcode, or one that no saved file needs.
    #[error("opcode {opcode:#04x} at byte {at} of the pickle is {what}")]
    Opcode {
        /// Place in the pickle.
        at: usize,
        /// The byte.
        opcode: u8,
        /// In words.
        what: &'static str,
    },
    /// An opcode that finds too little, or the wrong thing, to work on.
    #[error("the pickle contradicts itself at byte {at}: {what}")]
    Contradiction {
        /// Place in the pickle.
        at: usize,
        /// In words.
        what: &'static str,
    },
    /// More values than are taken in.
    #[error("more than {limit} values: this is no checkpoint")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// Numbers of a type that is not read here, in the container before PyTorch 1.6: nothing says how long they are.
    #[error("numbers of type {name}, which are not read here: save them as float32")]
    Numbers {
        /// PyTorch's name of the type.
        name: String,
    },
    /// A storage that the values speak of is not in the file.
    #[error("storage {key:?} is not in the file: fetch it again")]
    NoStorage {
        /// Its name.
        key: String,
    },
}

/// Why a tensor has no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// Extents and strides lead outside the storage, or cannot be counted.
    #[error(
        "extents {shape:?} with strides {strides:?} from value {offset} reach beyond its storage of {stored} values"
    )]
    OutOfBounds {
        /// Extents.
        shape: Vec<usize>,
        /// Strides, in values.
        strides: Vec<usize>,
        /// First value.
        offset: usize,
        /// Values in the storage.
        stored: usize,
    },
    /// A few stored values, repeated to very many.
    #[error("extents {shape:?} repeat a storage of {stored} values too often: save a copy of the tensor")]
    Stretched {
        /// Extents.
        shape: Vec<usize>,
        /// Values in the storage.
        stored: usize,
    },
    /// Numbers of another sort were wanted.
    #[error("its numbers are {found:?}, which are no {wanted}")]
    Type {
        /// What it holds.
        found: Element,
        /// In words.
        wanted: &'static str,
    },
}
