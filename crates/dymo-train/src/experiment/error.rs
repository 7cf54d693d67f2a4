//! Why an experiment cannot be run.

use std::path::PathBuf;

use dymo_core::Schema;
use dymo_data::missingness::ProtocolError;
use dymo_data::{Source, SourceError};
use dymo_models::fusion::LayoutError;
use dymo_models::recovery::RecoveryLayoutError;

/// The file of an experiment, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ExperimentError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("{source}; name the TOML file of an experiment")]
    Read {
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or TOML that is no experiment: an unknown key, a wrong type.
    #[error("{0}")]
    Toml(Box<toml::de::Error>),
    /// TOML whose `[data]` says something that no data set understands.
    #[error("{mistake}; `dymo data init` proposes a [data] for a table of samples")]
    Data {
        /// Where, and what.
        mistake: String,
    },
    /// A value that cannot be.
    #[error("{field} is {found}, wanted {wanted}")]
    Value {
        /// Key in the file, with dots.
        field: String,
        /// The value.
        found: String,
        /// What would do.
        wanted: String,
    },
    /// A modality that the data do not have.
    #[error("{field} names the modality {found:?}, the data have {known}")]
    NoSuchModality {
        /// Key in the file.
        field: String,
        /// The name.
        found: String,
        /// The modalities of the data.
        known: String,
    },
    /// The data cannot be opened.
    #[error("the data cannot be opened: {0}")]
    Source(Box<SourceError>),
    /// The fusion network cannot be built.
    #[error("[fusion] and [modality.*]: {0}")]
    Layout(LayoutError),
    /// A recovery model that is not for these modalities.
    #[error("[recovery.{name}]: {source}")]
    Recovery {
        /// Name of the model.
        name: String,
        /// What does not fit.
        source: RecoveryLayoutError,
    },
    /// A protocol of evaluation cannot be applied.
    #[error("[evaluation]: {0}")]
    Protocol(ProtocolError),
    /// A stage of a recovery model that the experiment does not have.
    #[error("there is no [recovery.{name}], add the table (it may be empty)")]
    NoRecovery {
        /// Name of the model.
        name: String,
    },
}

impl Problem {
    /// Of a text that is no experiment.
    pub(super) fn of_text(text: &str, error: toml::de::Error) -> Self {
        // What stands below [data] is read as a whole, so the error knows no more than that.
        let whole = toml::from_str::<toml::Table>(text).ok();
        let data = whole.as_ref().and_then(|whole| whole.get("data")).and_then(|data| data.as_table());
        match data.and_then(Source::mistake) {
            Some(mistake) => Self::Data { mistake },
            None => Self::Toml(Box::new(error)),
        }
    }

    pub(super) fn value(field: impl Into<String>, found: impl ToString, wanted: impl Into<String>) -> Self {
        Self::Value { field: field.into(), found: found.to_string(), wanted: wanted.into() }
    }

    pub(super) fn no_such_modality(field: String, found: &str, schema: &Schema) -> Self {
        let known: Vec<&str> = schema.modalities().iter().map(|m| m.name()).collect();
        Self::NoSuchModality { field, found: found.into(), known: known.join(", ") }
    }
}
