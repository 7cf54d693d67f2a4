//! Training loops, statistics fitting, checkpoints and evaluation.

mod batch;
mod checkpoint;
mod error;
pub mod evaluation;
pub mod experiment;
pub mod fusion;
pub mod model_folder;
pub mod recovery;
pub mod statistics;
pub mod trainer;

pub use batch::{Batch, read_modality};
pub use error::TrainError;
