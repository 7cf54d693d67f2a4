//! Values for what is missing, by statistics alone: means and modes, donors among the training samples, chained regressions over
//! the columns of tables.
//!
//! Knows what the values of a [`Kind`](dymo_core::Kind) are and how they are compared. Must never know a tensor, a file, a class or a
//! network: what is filled in does not depend on labels.
//!
//! Everything is fitted on training samples and then answers for one sample at a time: the same sample gets the same answer whatever
//! stands beside it.
//!
//! ```
//! use dymo_impute::{Chain, ChainSettings, Field};
//! // The second column is twice the first.
//! let rows: Vec<f32> = (0..50).flat_map(|i| [i as f32 / 25.0 - 1.0, i as f32 / 12.5 - 2.0]).collect();
//! let settings = ChainSettings { penalty: 1e-3, ..ChainSettings::default() };
//! let chain = Chain::fit(&[Field::Number, Field::Number], &rows, &settings, &mut |_, _| true)?;
//! let mut row = [0.5, f32::NAN];
//! chain.fill(&mut row);
//! assert!((row[1] - 1.0).abs() < 1e-3);
//! # Ok::<(), dymo_impute::ImputeError>(())
//! ```

mod centre;
mod chained;
mod difference;
mod donors;
mod error;
mod field;

pub use centre::Centre;
pub use chained::{Chain, ChainSettings, Filled, Round};
pub use difference::difference;
pub use donors::{Donor, Donors};
pub use error::ImputeError;
pub use field::{Field, fields};

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
