//! Why released files cannot be imported.

use std::path::{Path, PathBuf};

use dymo_core::ModalitySet;
use dymo_models::published::PublishedError;
use dymo_reward::{Metric, StatisticsError};

use crate::model_folder::{ModelFolderError, metric_name};

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
        "weights of a network that is not known (its tensors are {found}, …): import a fusion network of PolyMNIST or MNIST-SVHN-Text, \
         its statistics, or PolyMNIST's MoPoE"
    )]
    Unknown {
        /// The first names.
        found: String,
    },
    /// A recovery model of modalities that are not numbered.
    #[error(
        "a recovery model of the modalities {modalities}, such as the MoPoE of MNIST-SVHN-Text or CelebA: only PolyMNIST's (m0, m1, …) \
         can be taken over; train one of your own with `dymo train recovery`"
    )]
    OtherRecovery {
        /// Their names.
        modalities: String,
    },
    /// A network cannot be taken up.
    #[error(transparent)]
    Network(#[from] PublishedError),
    /// The file is none of PyTorch's.
    #[error(transparent)]
    Pickle(#[from] dymo_pickle::PickleError),
    /// Entries of the statistics are missing.
    #[error("these entries of class statistics are missing: {}; fetch the file again, or fit it anew", .names.join(", "))]
    Missing {
        /// Their names.
        names: Vec<&'static str>,
    },
    /// An entry of the statistics is not what it should be.
    #[error("{name}: {found}, {wanted} was expected; fetch the file again, or fit it anew")]
    Entry {
        /// Its name.
        name: &'static str,
        /// In words.
        found: String,
        /// In words.
        wanted: String,
    },
    /// Subsets without statistics: nothing could be decided as soon as one of them is asked about.
    #[error("no class statistics for {}; fetch the file again, or fit it anew", subsets(absent, *more))]
    Subsets {
        /// The first of them.
        absent: Vec<ModalitySet>,
        /// How many there are beyond these.
        more: u64,
    },
    /// The numbers of the statistics contradict each other.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// Statistics or a MoPoE of another network.
    #[error(
        "this {what} belongs to another network: {field} is {found}, the network's {wanted}; import the one released with it"
    )]
    OtherNetwork {
        /// What it is.
        what: &'static str,
        /// What differs.
        field: &'static str,
        /// In the file.
        found: usize,
        /// In the network.
        wanted: usize,
    },
    /// A MoPoE of pictures beside a network of other modalities.
    #[error(
        "a MoPoE of pictures of one size, but the network's modalities are of several kinds or sizes; import the one released with it"
    )]
    OtherKinds,
    /// Statistics whose name says another metric.
    #[error(
        "{}: by its name class statistics of the {} metric, but {whose} {}: import {} instead, or rename the file if its name is wrong",
        path.display(), metric_name(*named), metric_name(*wanted), released_name(*wanted)
    )]
    OtherMetric {
        /// The file.
        path: PathBuf,
        /// By its name.
        named: Metric,
        /// The network's or the hinted one.
        wanted: Metric,
        /// Who says so.
        whose: &'static str,
    },
    /// A part of a network that is not there.
    #[error(
        "{}: there is no {} here to which {} could belong; import the checkpoint of the network first, or together with it",
        folder.display(), network(*metric), path.display()
    )]
    NoNetwork {
        /// The model folder.
        folder: PathBuf,
        /// The part.
        path: PathBuf,
        /// The metric of statistics.
        metric: Option<Metric>,
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
    #[error("{flag} gives {found}, the file has {wanted}; give as many")]
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

/// The released statistics of that metric.
fn released_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "subset_gaussian.pt",
        Metric::Euclid => "subset_gaussian_EU.pt",
    }
}

fn subsets(absent: &[ModalitySet], more: u64) -> String {
    let names = absent.iter().map(|subset| format!("subset {subset}"));
    let rest = (more > 0).then(|| format!("{more} more"));
    names.chain(rest).collect::<Vec<_>>().join(", ")
}

fn network(metric: Option<Metric>) -> String {
    match metric {
        Some(metric) => format!("fusion network for the {} metric", metric_name(metric)),
        None => "fusion network".into(),
    }
}

impl ImportError {
    /// The same, about that file; an error that names one already stays as it is.
    pub(super) fn of(self, path: &Path) -> Self {
        match self {
            Self::Read { .. }
            | Self::File { .. }
            | Self::Twice { .. }
            | Self::Folder(_)
            | Self::Hint { .. }
            | Self::OtherMetric { .. }
            | Self::NoNetwork { .. } => self,
            other => Self::File { path: path.into(), source: Box::new(other) },
        }
    }
}
