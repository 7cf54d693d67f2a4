//! Sets of modalities and the schema of an experiment: the words every other dymo crate uses.
//!
//! Knows what a modality is called, which kind of input it is, and which classes there are. Must never know a
//! tensor, a file, a network or the name of a data set.
//!
//! A [`ModalitySet`] always holds the modalities that are **present**. Mask files made by others say the opposite
//! (true = missing); [`ModalitySet::from_missing`] and [`ModalitySet::missing_flags`] are the only two doors between
//! the conventions.
//!
//! ```
//! use dymo_core::{ModalitySet, subsets};
//! let observed = ModalitySet::from_missing(&[false, true, false]);   // modality 1 is missing
//! assert_eq!(observed.to_string(), "{0,2}");
//! assert_eq!(observed.complement(3), ModalitySet::single(1));
//! assert_eq!(subsets(5).len(), 31);
//! ```

mod column;
mod modality_set;
mod schema;
mod subsets;
mod vocabulary;

pub use column::{Column, ColumnError, Columns, Values};
pub use modality_set::{Indices, ModalitySet};
pub use schema::{Kind, Modality, Schema, SchemaError};
pub use subsets::{MAX_ENUMERATED, subsets};
pub use vocabulary::{Vocabulary, VocabularyError};

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
