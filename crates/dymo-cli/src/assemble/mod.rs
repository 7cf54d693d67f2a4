//! Evaluations turned into the plain records of a report.

mod figures;
mod gallery;

pub(crate) use figures::{BOUND_FLOOR, Confidence, Key, add_bound, add_outcome};
pub(crate) use gallery::gallery;
