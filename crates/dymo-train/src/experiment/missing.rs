//! Ways in which modalities, or entries of tables, go missing where an experiment is judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dymo_core::{ModalitySet, Schema};
use dymo_data::missingness::{
    EntryMask, MaskFileError, Masked, Mechanism, MechanismError, Protocol, ProtocolError, draw, draw_entries,
    draw_modalities, read_masks,
};
use dymo_data::{ReadError, Samples};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Problem;

/// `[[evaluation.missing]]`: one more way in which something goes missing, drawn by a mechanism or read from a mask file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingTable {
    /// What reports call it.
    pub name: String,
    /// How it is drawn: this or `masks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<Mechanism>,
    /// A mask file for the samples that are judged, one row each, 1 = missing, as `dymo data masks` writes it; seen from the
    /// experiment file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<PathBuf>,
    /// Single entries of this table go missing instead of whole modalities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_of: Option<String>,
}

/// How something goes missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Missing {
    /// Whole modalities by chance.
    Protocol(Protocol),
    /// Whole modalities, for a reason.
    Modalities(Mechanism),
    /// Whole modalities, as a file says.
    Masks(PathBuf),
    /// Entries of a table modality, for a reason.
    Entries {
        /// Number of the modality.
        table: usize,
        /// Why.
        how: Mechanism,
    },
    /// Entries of a table modality, as a file says.
    EntryMasks {
        /// Number of the modality.
        table: usize,
        /// The file.
        masks: PathBuf,
    },
}

/// Samples of which something has gone missing.
#[derive(Clone)]
pub struct Shown {
    /// The samples; where entries go missing, without those.
    pub samples: Arc<dyn Samples>,
    /// The modalities that are left of each.
    pub present: Vec<ModalitySet>,
}

impl MissingTable {
    /// What it asks for. `folder` is the experiment's.
    pub(super) fn missing(&self, schema: &Schema, folder: &Path) -> Result<Missing, Problem> {
        let field = |key: &str| format!("evaluation.missing ({}): {key}", self.name);
        let table = match &self.entries_of {
            None => None,
            Some(name) => {
                let unknown = || Problem::no_such_modality(field("entries_of"), name, schema);
                Some(schema.modality_index(name).ok_or_else(unknown)?)
            }
        };
        match (&self.how, &self.masks, table) {
            (Some(how), None, None) => Ok(Missing::Modalities(how.clone())),
            (Some(how), None, Some(table)) => Ok(Missing::Entries { table, how: how.clone() }),
            (None, Some(masks), None) => Ok(Missing::Masks(folder.join(masks))),
            (None, Some(masks), Some(table)) => Ok(Missing::EntryMasks { table, masks: folder.join(masks) }),
            (Some(_), Some(_), _) => Err(Problem::value(field("how"), "given beside masks", "one of the two")),
            (None, None, _) => Err(Problem::value(field("how"), "not given", "a mechanism, or masks")),
        }
    }
}

/// The rate that a mechanism aims at; of single classes or patterns what they come to on the whole, classes counted alike.
pub(super) fn nominal_rate(how: &Mechanism, width: usize) -> f64 {
    match how {
        Mechanism::Completely { rate } | Mechanism::Exactly { rate } => *rate,
        Mechanism::GivenObserved { rate, .. } | Mechanism::ByValue { rate, .. } => *rate,
        Mechanism::ByLabel { rates } => rates.values().sum::<f64>() / rates.len().max(1) as f64,
        Mechanism::Patterns { patterns } => {
            let all: f64 = patterns.iter().map(|p| p.weight).sum();
            let missing: f64 = patterns.iter().map(|p| p.weight * p.missing.len() as f64).sum();
            missing / (all * width as f64).max(f64::MIN_POSITIVE)
        }
    }
}

impl Missing {
    /// Whether it can be drawn for any samples of the schema, and takes whole modalities: what held-out samples are prepared with.
    pub fn is_general(&self) -> bool {
        matches!(self, Self::Protocol(_) | Self::Modalities(_))
    }

    /// What is left of the samples: of what each has, without what goes missing. One modality of a sample is always left, another in
    /// turn, where all that it has would go.
    ///
    /// # Errors
    /// A [`MissingError`] for a protocol or mechanism that these samples do not allow, or a mask file that is not theirs.
    pub fn show(&self, samples: &Arc<dyn Samples>, seed: u64) -> Result<Shown, MissingError> {
        let (n, m) = (samples.len(), samples.schema().modalities().len());
        let names = || samples.schema().modalities().iter().map(|m| m.name().to_owned()).collect::<Vec<_>>();
        let drawn = match self {
            Self::Protocol(protocol) => draw(*protocol, n, m, seed)?,
            Self::Modalities(how) => draw_modalities(how, samples.as_ref(), seed)?,
            Self::Masks(path) => of_length(read_masks(path, &names())?, n, path)?,
            Self::Entries { table, how } => {
                let mask = draw_entries(how, samples.as_ref(), *table, seed)?;
                return without_entries(samples, *table, mask);
            }
            Self::EntryMasks { table, masks } => {
                let columns = samples.schema().modalities()[*table].columns().unwrap_or_default();
                let columns: Vec<String> = columns.iter().map(|column| column.name().to_owned()).collect();
                let mask = EntryMask::open(masks, &columns)?;
                if mask.len() != n {
                    return Err(MissingError::Length { path: masks.clone(), found: mask.len(), wanted: n });
                }
                return without_entries(samples, *table, mask);
            }
        };
        let left = |(i, kept): (usize, &ModalitySet)| {
            let observed = samples.observed(i);
            match kept.intersection(observed) {
                ModalitySet::EMPTY => {
                    observed.iter().nth(i % observed.len().max(1)).map_or(observed, ModalitySet::single)
                }
                left => left,
            }
        };
        let present = drawn.iter().enumerate().map(left).collect();
        Ok(Shown { samples: samples.clone(), present })
    }
}

fn of_length(masks: Vec<ModalitySet>, wanted: usize, path: &Path) -> Result<Vec<ModalitySet>, MissingError> {
    match masks.len() == wanted {
        true => Ok(masks),
        false => Err(MissingError::Length { path: path.into(), found: masks.len(), wanted }),
    }
}

fn without_entries(samples: &Arc<dyn Samples>, table: usize, mask: EntryMask) -> Result<Shown, MissingError> {
    let masked = Masked::new(samples.clone(), None, vec![(table, mask)])?;
    let emptied = |i: usize| masked.observed(i).is_empty();
    if (0..samples.len()).any(emptied) {
        return Err(MissingError::NothingLeft { sample: (0..samples.len()).find(|i| emptied(*i)).unwrap_or(0) });
    }
    let present = (0..samples.len()).map(|i| masked.observed(i)).collect();
    Ok(Shown { samples: Arc::new(masked), present })
}

/// Why something cannot go missing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MissingError {
    /// A protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A mechanism.
    #[error(transparent)]
    Mechanism(#[from] MechanismError),
    /// A mask file.
    #[error(transparent)]
    MaskFile(#[from] MaskFileError),
    /// A mask file of other samples.
    #[error("{}: {found} rows for {wanted} samples; write it again with `dymo data masks`", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its rows.
        found: usize,
        /// Samples that are judged.
        wanted: usize,
    },
    /// A mask file takes the last entry of a sample's only modality.
    #[error("sample {sample} (counted from 0) has nothing but the table, and would lose all of it; leave it an entry")]
    NothingLeft {
        /// Its number.
        sample: usize,
    },
    /// A sample cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
