//! Why a number cannot be computed.

use thiserror::Error;

/// What is wrong with the input of a metric.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Nothing to measure.
    #[error("{what} is empty, a metric needs at least one sample")]
    Empty {
        /// Which input.
        what: &'static str,
    },
    /// Two inputs that belong together differ in length.
    #[error("{what} has {found} entries, {wanted} are needed")]
    Length {
        /// Which input.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of what it belongs to.
        wanted: usize,
    },
    /// A NaN or an infinity.
    #[error("{what} holds {found} at place {place}, every value must be finite")]
    NotFinite {
        /// Which input.
        what: &'static str,
        /// Where in it.
        place: usize,
        /// The value.
        found: f64,
    },
    /// A row that is no distribution over classes.
    #[error(
        "row {row} of the probabilities sums to {sum} or leaves 0..1, each must be a distribution; logits go through softmax first"
    )]
    NoDistribution {
        /// Which row, counted from 0.
        row: usize,
        /// Its sum.
        sum: f64,
    },
    /// A label or prediction beyond the number of classes.
    #[error("class {found} at place {place}, there are {classes} counted from 0")]
    Class {
        /// The class.
        found: usize,
        /// Where.
        place: usize,
        /// How many there are.
        classes: usize,
    },
    /// Fewer than two classes.
    #[error("{found} classes, at least 2 are needed")]
    Classes {
        /// How many.
        found: usize,
    },
    /// A ranking needs both sides.
    #[error("{positives} positive and {negatives} negative samples, the AUC needs at least one of each")]
    OneSided {
        /// Positive samples.
        positives: usize,
        /// Negative samples.
        negatives: usize,
    },
    /// A reliability diagram without bins.
    #[error("0 bins, at least 1 is needed; 15 is usual")]
    NoBins,
    /// A confidence level that is none.
    #[error("level {found}, it must lie between 0 and 1, both excluded; 0.95 is usual")]
    Level {
        /// Its value.
        found: f64,
    },
    /// A setting outside its range.
    #[error("{what} is {found}, it must be {wanted}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: f64,
        /// What would have passed.
        wanted: &'static str,
    },
    /// More successes than trials.
    #[error("{hits} of {n}, a share needs at least one trial and no more hits than trials")]
    Share {
        /// Successes.
        hits: usize,
        /// Trials.
        n: usize,
    },
    /// Too few or too many resamples, or too many values, for a bootstrap.
    #[error("{found} {what}, from 1 to {limit} are possible")]
    Bootstrap {
        /// What there are so many of.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most.
        limit: usize,
    },
}

/// Not empty.
pub(crate) fn check_some<T>(what: &'static str, values: &[T]) -> Result<(), MetricError> {
    if values.is_empty() { Err(MetricError::Empty { what }) } else { Ok(()) }
}

/// As long as what it belongs to.
pub(crate) fn check_length(what: &'static str, found: usize, wanted: usize) -> Result<(), MetricError> {
    if found == wanted { Ok(()) } else { Err(MetricError::Length { what, found, wanted }) }
}

/// Without NaN and infinities.
pub(crate) fn check_finite(what: &'static str, values: impl IntoIterator<Item = f64>) -> Result<(), MetricError> {
    match values.into_iter().enumerate().find(|(_, x)| !x.is_finite()) {
        None => Ok(()),
        Some((place, found)) => Err(MetricError::NotFinite { what, place, found }),
    }
}

/// Strictly between 0 and 1, as a confidence level is.
pub(crate) fn check_level(level: f64) -> Result<(), MetricError> {
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(MetricError::Level { found: level }) }
}

/// Within the number of classes.
pub(crate) fn check_classes(values: &[usize], classes: usize) -> Result<(), MetricError> {
    match values.iter().enumerate().find(|(_, class)| **class >= classes) {
        None => Ok(()),
        Some((place, &found)) => Err(MetricError::Class { found, place, classes }),
    }
}
