//! Why class statistics, or a question put to them, were refused.

use dymo_core::ModalitySet;
use thiserror::Error;

/// What is wrong with class statistics, or with a question put to them.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// A size is 0.
    #[error("{field} is 0, it must be at least 1")]
    Zero {
        /// Which size.
        field: &'static str,
    },
    /// More modalities than a set can tell apart.
    #[error("{found} modalities, at most {} are possible", ModalitySet::MAX)]
    TooManyModalities {
        /// How many there were.
        found: usize,
    },
    /// Statistics that memory cannot hold.
    #[error("statistics of shape {shape:?} do not fit into memory")]
    TooLarge {
        /// Subsets, classes and, where it matters, width.
        shape: Vec<usize>,
    },
    /// An array is not as long as the sizes say.
    #[error("{field} has {found} values, its shape {wanted:?} wants another number")]
    Length {
        /// Which array.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The shape it should have.
        wanted: Vec<usize>,
    },
    /// The softmax cannot divide by it.
    #[error("temperature is {found}, it must be finite and above 0; 0.1 is usual")]
    Temperature {
        /// Its value.
        found: f32,
    },
    /// An empty subset, or one with modalities that the experiment does not have.
    #[error("subset {subset} is not a non-empty subset of {modalities} modalities")]
    ImpossibleSubset {
        /// The subset.
        subset: ModalitySet,
        /// How many modalities there are.
        modalities: usize,
    },
    /// Two rows claim one subset.
    #[error("subset {subset} is listed twice")]
    SubsetTwice {
        /// The subset.
        subset: ModalitySet,
    },
    /// A NaN or an infinity where a mean should stand.
    #[error("{field} holds {found} at place {index}, every value must be finite; were the network's weights?")]
    NotFinite {
        /// Which array.
        field: &'static str,
        /// Where in it.
        index: usize,
        /// The value.
        found: f32,
    },
    /// A negative spread, or, with published edges, one that is not positive.
    #[error(
        "spread of class {class} for subset {subset} is {found}; with published edges it must be above 0, with defined ones 0 or more"
    )]
    Spread {
        /// The subset.
        subset: ModalitySet,
        /// The class.
        class: usize,
        /// Its spread.
        found: f32,
    },
    /// No class has a training sample.
    #[error("no class has training samples, fit the statistics on at least one")]
    NoSamples,
    /// A subset without statistics.
    #[error("subset {subset} has no statistics, fit them for it first")]
    UnknownSubset {
        /// The subset.
        subset: ModalitySet,
    },
    /// A class that does not exist.
    #[error("class {found}, there are {classes} counted from 0")]
    UnknownClass {
        /// The class.
        found: usize,
        /// How many there are.
        classes: usize,
    },
    /// While fitting: subsets have seen different samples.
    #[error(
        "subset {subset} has seen {found} samples of class {class}, {wanted} were expected; show every sample with every subset in both passes"
    )]
    Unequal {
        /// The subset.
        subset: ModalitySet,
        /// The class.
        class: usize,
        /// Samples seen.
        found: u64,
        /// Samples that another subset, or the first pass, has seen.
        wanted: u64,
    },
}
