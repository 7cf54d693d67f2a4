//! Evaluations turned into the plain records of a report.

mod content;
mod figures;
mod gallery;
mod trust;

pub(crate) use content::{Reader, cells};
pub(crate) use figures::{BOUND_FLOOR, Confidence, Key, add_bound, add_outcome};
pub(crate) use gallery::{gallery, shown_round};
pub(crate) use trust::{Filing, Promised, Said, robustness};
