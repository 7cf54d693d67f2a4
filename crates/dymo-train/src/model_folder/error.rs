//! Why a model folder cannot be read or written.

use std::path::PathBuf;

use dymo_data::checksum::ChecksumError;
use dymo_models::weights::WeightsError;
use dymo_reward::Metric;

use crate::experiment::RecoveryKind;

/// What is wrong with a model folder, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFolderError {
    /// There is no model.
    #[error("{}: there is no model (no model.json); train one with `dymo train fusion` and `dymo train recovery`", path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the name of one of ours, where there is no model.
    #[error("{}: it is there and of no model, and would be written over; name another folder", file.display())]
    Occupied {
        /// The file.
        file: PathBuf,
    },
    /// A file is damaged, was changed, or is missing.
    #[error("{0}; or train that part of the model again")]
    Checksum(#[from] ChecksumError),
    /// A file of the system.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// JSON that is no model.
    #[error("{}: {reason}; fetch the file again, or train into another folder", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where it broke off or did not fit.
        reason: String,
    },
    /// Made by another version.
    #[error("{}: format {found}, this program reads {wanted}; train again, or use the version that wrote it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        wanted: u32,
    },
    /// Weights that cannot be taken up or stored.
    #[error("{}: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: WeightsError,
    },
    /// A recovery model whose settings do not fit the modalities.
    #[error("{}: {source}", path.display())]
    Recovery {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: dymo_models::recovery::RecoveryLayoutError,
    },
    /// The model has no answer to the samples that it keeps.
    #[error("{}: the stored sample cannot be answered: {source}", path.display())]
    Sample {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: Box<crate::TrainError>,
    },
    /// A model of other modalities or classes.
    #[error("{}: the model belongs to other data: {difference}; choose another folder, or the experiment that it was trained for", path.display())]
    OtherSchema {
        /// The folder.
        path: PathBuf,
        /// How they differ.
        difference: String,
    },
    /// No fusion network for this metric.
    #[error("{}: there is no fusion network for the {} metric; train it with `dymo train fusion --metric {}`", path.display(), metric_name(*metric), metric_name(*metric))]
    NoFusion {
        /// The folder.
        path: PathBuf,
        /// The metric.
        metric: Metric,
    },
    /// No statistics for this metric.
    #[error("{}: there are no class statistics for the {} metric; make them with `dymo fit-statistics`", path.display(), metric_name(*metric))]
    NoStatistics {
        /// The folder.
        path: PathBuf,
        /// The metric.
        metric: Metric,
    },
    /// No such recovery model.
    #[error("{}: there is no {recovery} recovery; train it with `dymo train recovery {recovery}`", path.display())]
    NoRecovery {
        /// The folder.
        path: PathBuf,
        /// Its name.
        recovery: RecoveryKind,
    },
}

/// A metric as files and the command line call it.
pub(crate) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "cosine",
        Metric::Euclid => "euclid",
    }
}
