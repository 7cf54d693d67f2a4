//! Evaluations turned into the plain records of a report.

mod figures;
mod gallery;

pub(crate) use figures::{Confidence, Key, add_bound, add_outcome};
pub(crate) use gallery::{GallerySettings, gallery};
