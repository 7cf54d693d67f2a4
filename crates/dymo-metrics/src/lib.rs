//! How well a classifier does, and how far it can be trusted: accuracy, F1, AUC, calibration, losses, with intervals;
//! and what is fitted to held-out samples so that confidence keeps its word.
//!
//! Knows predictions, probabilities and labels, as slices. Must never know another dymo crate, a model or a file.
//!
//! ```
//! use dymo_metrics::{accuracy, correctness, mean_interval};
//! let (predicted, labels) = ([0, 1, 1, 0], [0, 1, 0, 0]);
//! assert_eq!(accuracy(&predicted, &labels)?, 0.75);
//! let interval = mean_interval(&correctness(&predicted, &labels)?, 0.95, 2_000, 7)?;
//! assert!(interval.low < 0.75 && 0.75 < interval.high);
//! # Ok::<(), dymo_metrics::MetricError>(())
//! ```
//!
//! In reading order: labels against [predictions](macro_f1), checked [`Probabilities`], what needs only their
//! order ([`auc`]), what needs their values ([`negative_log_likelihood`], [`reliability`]), the
//! [bootstrap](mean_interval); then [`fit_temperature`], prediction sets ([`Conformal`]), every missing pattern apart
//! ([`by_group`]), and a threshold that is shown not to harm ([`learn_threshold`]). Where several samples stem from one patient,
//! [`Subjects`] say so.

mod bootstrap;
mod conformal;
mod error;
mod groups;
mod guarantee;
mod predictions;
mod probabilities;
mod ranking;
mod reliability;
mod shares;
mod subjects;
mod temperature;

pub use bootstrap::{Interval, statistic_interval};
pub use conformal::{Cell, Conformal, Grouping, PredictionSet, Scope, SetScore, SetSettings, covered};
pub use error::MetricError;
pub use groups::{GroupMeasures, GroupSettings, Membership, by_group};
pub use guarantee::{
    Guarantee, GuaranteeSettings, Procedure, Signal, TestedThreshold, Trial, learn_threshold, learn_threshold_in_looks,
    learn_threshold_of_subjects, reward_signal,
};
pub use predictions::{accuracy, confusion, correctness, macro_f1};
pub use probabilities::{Probabilities, brier, cross_entropy, negative_log_likelihood, softmax};
pub use ranking::{auc, auc_one_vs_rest};
pub use reliability::{Bin, DEFAULT_BINS, Reliability, reliability};
pub use shares::{clopper_pearson, wilson};
pub use subjects::{Subjects, mean_interval, paired_difference};
pub use temperature::{Temperature, fit_temperature, logits_of};

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
