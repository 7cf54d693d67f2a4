//! Why released files cannot be imported.

use std::path::{Path, PathBuf};

use dymo_models::published::PublishedError;
use dymo_reward::StatisticsError;

use crate::model_folder::ModelFolderError;

/// What is wrong with a released file, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{}: {source}; name a file of the release", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What follows is about this file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ImportError>,
    },
    /// Weights of something else.
    #[error(
        "weights of a network that is not known (its tensors are {found}, …): a fusion network, its statistics or a MoPoE was expected"
    )]
    Unknown {
        /// The first names.
        found: String,
    },
    /// A network cannot be taken up.
    #[error(transparent)]
    Network(#[from] PublishedError),
    /// The file is none of PyTorch's.
    #[error(transparent)]
    Pickle(#[from] dymo_pickle::PickleError),
    /// Entries of the statistics are missing.
    #[error("these entries of class statistics are missing: {}", .names.join(", "))]
    Missing {
        /// Their names.
        names: Vec<&'static str>,
    },
    /// An entry of the statistics is not what it should be.
    #[error("{name}: {found}, {wanted} was expected")]
    Entry {
        /// Its name.
        name: &'static str,
        /// In words.
        found: String,
        /// In words.
        wanted: String,
    },
    /// The numbers of the statistics contradict each other.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// Statistics of another network.
    #[error("the statistics belong to another network: {field} is {found}, the network's {wanted}")]
    OtherNetwork {
        /// What differs.
        field: &'static str,
        /// In the statistics.
        found: usize,
        /// In the network.
        wanted: usize,
    },
    /// One network too many.
    #[error("{}: a second {what}; import one at a time", path.display())]
    Twice {
        /// The second file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A hint does not fit.
    #[error("{flag} gives {found}, the file has {wanted}")]
    Hint {
        /// The flag.
        flag: &'static str,
        /// What was given.
        found: String,
        /// What would fit.
        wanted: String,
    },
    /// Modalities and classes that are no schema.
    #[error(transparent)]
    Schema(#[from] dymo_core::SchemaError),
    /// The model folder.
    #[error(transparent)]
    Folder(#[from] ModelFolderError),
}

impl ImportError {
    /// The same, about that file; an error that names one already stays as it is.
    pub(super) fn of(self, path: &Path) -> Self {
        match self {
            Self::Read { .. } | Self::File { .. } | Self::Twice { .. } | Self::Folder(_) | Self::Hint { .. } => self,
            other => Self::File { path: path.into(), source: Box::new(other) },
        }
    }
}
