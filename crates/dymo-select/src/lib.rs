//! Which recovered modalities to let into the fusion of a sample: the greedy selector, search over whole sets, and the rules
//! they are compared with.
//!
//! Knows sets of modalities, the reward of `dymo-reward`, and someone who answers questions ([`Scorer`]). Must never
//! know a tensor, a network, a file, or how an answer is computed. What it did, and why, comes out as plain data
//! ([`Decision`]).
//!
//! ```
//! use std::convert::Infallible;
//! use dymo_core::ModalitySet;
//! use dymo_reward::{Calibration, Evidence};
//! use dymo_select::{Query, Sample, Score, Scorer, Selector};
//!
//! /// A stand-in for a network: modality 1 helps, modality 2 is noise.
//! struct Table;
//! impl Scorer for Table {
//!     type Error = Infallible;
//!     fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Infallible> {
//!         Ok(queries.iter().map(|query| {
//!             let helps = if query.subset.contains(1) { 0.4 } else { 0.0 };
//!             let harms = if query.subset.contains(2) { 0.3 } else { 0.0 };
//!             let evidence = Evidence { quality: 0.5 + helps - harms, typicality: 0.8 };
//!             Score { predicted: 7, evidence }
//!         }).collect())
//!     }
//! }
//!
//! let sample = Sample::new(ModalitySet::single(0), ModalitySet::from_iter([1, 2]))?;
//! let selector = Selector::dymo(Calibration::Ratio);
//! let decisions = selector.select(&mut Table, &[sample])?;
//! assert_eq!(decisions[0].final_subset.to_string(), "{0,1}");
//! assert_eq!(decisions[0].rounds[0].reason(2), Some("rejected: quality fell from 0.50 to 0.20".into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In reading order: a [`Sample`] is decided upon, a [`Scorer`] is asked, a [`Selector`] has a [`Rule`], and leaves a
//! [`Decision`]; [`check_greedy`] says what choosing one at a time missed, [`Slots`] make several draws of a modality
//! candidates, [`laws`] tests scorers.

mod compare;
mod decision;
mod greedy;
pub mod laws;
mod reason;
mod resolution;
mod sample;
mod scorer;
mod search;
mod selector;
mod slots;

pub use compare::{CompareError, GreedyCheck, MissedSet, check_greedy};
pub use decision::{Candidate, Decision, Round, TriedSet, Verdict};
pub use resolution::RESOLUTION;
pub use sample::{Sample, SampleError};
pub use scorer::{Query, Score, Scorer};
pub use search::MAX_EXACT;
pub use selector::{Rule, SelectError, Selector};
pub use slots::{Slots, SlotsError};

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
