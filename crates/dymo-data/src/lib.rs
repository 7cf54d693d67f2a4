//! Samples, and the files they come from: readers, data sets, splits and missingness.
//!
//! Knows file formats, pictures, and which file belongs to which sample; gives f32 in `[height, width, channels]`, images
//! in 0..1. Must never know a tensor, a network or a reward. `dymo-core` below it has the words (schema, sets of
//! modalities); the training crate above it makes tensors of what is read here.
//!
//! Every reader takes arbitrary bytes: it answers with values or with a typed error, allocates no more than what arrives,
//! and does not panic.
//!
//! ```
//! use dymo_data::missingness::{Protocol, draw};
//! let present = draw(Protocol::ExactCount { missing: 4 }, 100, 5, 2025)?;      // 100 samples of 5 modalities
//! assert!(present.iter().all(|set| set.len() == 1));
//! # Ok::<(), dymo_data::missingness::ProtocolError>(())
//! ```

pub mod samples;

pub mod source;

pub mod missingness;

pub mod polymnist;

pub mod manifest;

pub mod init;

pub mod check;

pub mod convert;

pub mod checksum;
pub mod idx;
pub mod npy;
pub mod picture;
pub mod text;
pub mod volume;
pub mod whole;

mod kept;
mod leak;
mod numbered;
mod refused;
mod stream;

pub use kept::Kept;
pub use leak::{Leak, Shared, leaks};
pub use missingness::{Protocol, draw};
pub use samples::{ReadError, Samples, Subset, at_most, complete, fingerprint, labels, read_batch, subjects};
pub use source::{Source, SourceError, Splits};

/// The example of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
