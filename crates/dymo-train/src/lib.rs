//! From samples to a model that can be trusted: training, class statistics, evaluation, experiments, model folders.
//!
//! Knows how weights are fitted, when an epoch is the best, how a run is resumed, and what selection does on a split. Must never
//! know a command line, a progress bar, a page, or the name of a data set. Below it, `dymo-data` gives samples, `dymo-models`
//! networks, `dymo-select` and `dymo-reward` decisions; above it, `dymo-cli` drives.
//!
//! The shortest experiment is three lines of TOML; everything else has a default:
//!
//! ```
//! use dymo_train::experiment::{Experiment, ExperimentTable};
//! let text = "[data]\nmaker = 'manifest'\npath = 'patients.csv'\ngrid = { height = 64, width = 64, colour = 'grey' }";
//! let table: ExperimentTable = toml::from_str(text)?;
//! let experiment = Experiment::check(table, "experiment.toml".as_ref())?;
//! assert_eq!(experiment.seed(), 2025);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adam;
mod batch;
mod checkpoint;
mod error;
pub mod evaluation;
pub mod events;
pub mod experiment;
pub mod fusion;
pub mod import;
pub mod model_folder;
pub mod recovery;
pub mod statistics;
pub mod trainer;
pub mod trust;

pub use adam::Adam;
pub use batch::{Batch, read_modality};
pub use error::TrainError;
