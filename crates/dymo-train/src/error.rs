//! What can go wrong while training or evaluating.

use std::path::PathBuf;

use dymo_data::ReadError;
use dymo_models::recovery::{RecoveryError, RecoveryLayoutError};

/// Why training, fitting or evaluation stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A sample could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A sample could not be read in the midst of a training, which is saved.
    #[error(
        "{source}; {stage} stopped after step {step} and is saved: mend the file (`dymo data check` names all that cannot be read) and go on with --resume"
    )]
    Unread {
        /// Which sample, and why.
        source: Box<ReadError>,
        /// Stage in training.
        stage: String,
        /// Steps done.
        step: usize,
    },
    /// A loss or weight is no longer a number.
    #[error(
        "the {quantity} of {stage} became {value} in step {step}: lower the learning rate, or look for broken inputs"
    )]
    NotFinite {
        /// Stage in training.
        stage: String,
        /// What was looked at.
        quantity: String,
        /// Its value.
        value: f64,
        /// Step since the start.
        step: usize,
    },
    /// There is nothing to train or evaluate on.
    #[error("{split} has {found} samples, at least {wanted} are needed")]
    TooFewSamples {
        /// Which split.
        split: String,
        /// Samples found.
        found: usize,
        /// Samples wanted.
        wanted: usize,
    },
    /// Class statistics are to be fitted on training samples that lack nothing, and there are none.
    #[error(
        "none of the {samples} training samples has every modality, and samples = \"complete\" under [statistics] wants some that do; add \
         such samples, leave out {rarest}, which only {having} have, or say samples = \"observed\""
    )]
    NothingComplete {
        /// Training samples.
        samples: usize,
        /// The modality that fewest of them have.
        rarest: String,
        /// How many have it.
        having: usize,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint that cannot be used.
    #[error("{path}: {reason}; delete it to start again", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A sound checkpoint of another run than the one that was to go on from it.
    #[error(
        "{path}: {reason}; set that back, or train afresh in its place with --force instead of --resume, or name another folder with --out",
        path = path.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// In which way it differs.
        reason: String,
    },
    /// Weights that an encoder was to start from.
    #[error("{path}: {source}", path = path.display())]
    Pretrained {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: Box<dymo_models::published::PublishedError>,
    },
    /// A recovery model that cannot be built.
    #[error(transparent)]
    RecoveryLayout(#[from] RecoveryLayoutError),
    /// Statistics that cannot be fitted.
    #[error(transparent)]
    Impute(#[from] dymo_impute::ImputeError),
    /// A recovery that failed.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Class statistics that do not fit.
    #[error(transparent)]
    Statistics(#[from] dymo_reward::StatisticsError),
    /// Probabilities or settings that a measure cannot be taken of.
    #[error(transparent)]
    Metric(#[from] dymo_metrics::MetricError),
    /// Draws from which nothing can be expected.
    #[error(transparent)]
    Acquisition(#[from] dymo_reward::AcquisitionError),
    /// The engine could not answer.
    #[error(transparent)]
    Engine(dymo_models::engine::EngineError),
    /// The selector was answered wrongly.
    #[error("{0}")]
    Selection(String),
    /// A sample of which nothing is observed cannot be classified.
    #[error("nothing is observed of sample {sample}: remove it, or correct its line in the mask file")]
    NothingObserved {
        /// Number of the sample in its split.
        sample: usize,
    },
    /// Stopped on request; everything so far is saved.
    #[error("stopped on request after step {step} of {stage}")]
    Stopped {
        /// Stage in training.
        stage: String,
        /// Steps done.
        step: usize,
    },
}

impl TrainError {
    /// Attaches a path to an error of the system.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
