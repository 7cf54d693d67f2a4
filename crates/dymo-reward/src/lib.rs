//! What a recovered modality is worth: quality, typicality, calibration, and the reward made of them.
//!
//! Knows features, logits, prototypes and spreads, as slices of numbers (method, sections 1, 4 and 5). Must never know
//! a tensor, a file, a network or a data set's name. Its neighbours: the sets of modalities are `dymo-core`'s; who is
//! asked when, and what becomes of the answer, is decided in `dymo-select`.
//!
//! ```
//! use dymo_reward::{Calibration, Evidence};
//! let before = Evidence { quality: 0.4, typicality: 0.5 };
//! let after = Evidence { quality: 0.9, typicality: 0.25 };
//! // Less typical than before: ln 0.5 / ln 0.25 = one half, so the new quality counts for half.
//! let reward = Calibration::RatioOfLogarithms.reward(before, after);
//! assert!((reward - (0.9 * 0.5 - 0.4)).abs() < 1e-6);
//! ```
//!
//! In reading order: [`Metric`] compares features, [`typicality`] judges a distance, [`Calibration`] turns two
//! [`Evidence`]s into a reward, [`ClassStatistics`] makes an `Evidence` of a network's answer,
//! [`StatisticsBuilder`] fits them, and [`information_bound`] says what a data set's loss proves. [`rank_acquisitions`]
//! asks what a missing modality would be worth if it were observed.

mod acquisition;
mod answer;
mod bound;
mod builder;
mod calibration;
mod metric;
mod statistics;
mod statistics_error;
mod typicality;

pub use acquisition::{Acquisition, AcquisitionError, Drawn, rank_acquisitions};
pub use answer::Answer;
pub use bound::{BoundError, InformationBound, entropy_nats, information_bound};
pub use builder::{SpreadBuilder, StatisticsBuilder, fit};
pub use calibration::{Calibration, Evidence};
pub use metric::Metric;
pub use statistics::{ClassStatistics, DEFAULT_TEMPERATURE, Parts};
pub use statistics_error::StatisticsError;
pub use typicality::{Edges, typicality};

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
