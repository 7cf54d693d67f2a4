//! What cannot be fitted.

/// Why nothing was fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImputeError {
    /// There is no sample to fit on.
    #[error("there is no sample to fit on, at least one is needed")]
    NoSample,
    /// No sample has this modality.
    #[error("no sample has modality {modality}, so nothing can be learnt of it: leave it out")]
    NeverSeen {
        /// Number of the modality.
        modality: usize,
    },
    /// Values of another number than the modality or the columns have.
    #[error("{found} values given, wanted {wanted}")]
    Width {
        /// Values given.
        found: usize,
        /// Values wanted.
        wanted: usize,
    },
    /// A normal equation that has no solution: values that are not finite, or no penalty and columns that say the same.
    #[error(
        "the regression of column {column} has no solution: raise the penalty, or look for values that are not finite"
    )]
    Singular {
        /// Number of the column.
        column: usize,
    },
    /// The caller asked to stop.
    #[error("stopped on request")]
    Stopped,
}
