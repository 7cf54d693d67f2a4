//! Ways in which modalities, or entries of tables, go missing where an experiment is judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dymo_core::{ModalitySet, Schema};
use dymo_data::missingness::{
    EntryMask, MaskError, MaskFileError, Masked, Masks, Mechanism, MechanismError, Protocol, ProtocolError, draw,
    draw_entries, draw_modalities, read_masks,
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

impl Missing {
    /// Whether what goes missing has nothing to do with the sample. Of a file nobody knows.
    pub fn is_at_random(&self) -> bool {
        match self {
            Self::Protocol(_) => true,
            Self::Modalities(how) => how.is_at_random(),
            // A table with gaps of its own loses its last entry more easily than a full one.
            Self::Masks(_) | Self::Entries { .. } | Self::EntryMasks { .. } => false,
        }
    }
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
    /// What it asks for.
    ///
    /// # Errors
    /// A [`Problem`] for a table that is not there, and unless there is one of `how` and `masks`.
    pub fn missing(&self, schema: &Schema) -> Result<Missing, Problem> {
        let field = |key: &str| format!("evaluation.missing ({}): {key}", self.name);
        let table = match &self.entries_of {
            None => None,
            Some(name) => {
                let unknown = || Problem::no_such_modality(field("entries_of"), name, schema);
                let found = schema.modality_index(name).ok_or_else(unknown)?;
                if schema.modalities()[found].columns().is_none() {
                    return Err(Problem::value(field("entries_of"), name, "a table: nothing else has single entries"));
                }
                Some(found)
            }
        };
        match (&self.how, &self.masks, table) {
            (Some(how), None, None) => Ok(Missing::Modalities(how.clone())),
            (Some(how), None, Some(table)) => Ok(Missing::Entries { table, how: how.clone() }),
            (None, Some(masks), None) => Ok(Missing::Masks(masks.clone())),
            (None, Some(masks), Some(table)) => Ok(Missing::EntryMasks { table, masks: masks.clone() }),
            (Some(_), Some(_), _) => Err(Problem::value(field("how"), "given beside masks", "one of the two")),
            (None, None, _) => Err(Problem::value(field("how"), "not given", "a mechanism, or masks")),
        }
    }

    /// A name that no other way of going missing has: reports file figures by it.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let taken = ["bernoulli", "exact"].contains(&self.name.as_str()) || self.name.starts_with("only ");
        if self.name.trim().is_empty() || taken {
            let wanted = "a name that says what happens; bernoulli, exact and \"only ...\" are taken";
            return Err(Problem::value("evaluation.missing: name", format!("{:?}", self.name), wanted));
        }
        Ok(())
    }
}

impl Missing {
    /// Whether it can be drawn for any samples of the schema: what held-out samples are prepared with. Masks are of the samples that
    /// they name.
    pub fn is_drawn(&self) -> bool {
        matches!(self, Self::Protocol(_) | Self::Modalities(_) | Self::Entries { .. })
    }

    /// Whether that, and it takes whole modalities.
    pub fn is_general(&self) -> bool {
        self.is_drawn() && !matches!(self, Self::Entries { .. })
    }

    /// What is left of the samples: of what each has, without what goes missing. One modality of a sample is always left where all that
    /// it has would go; only a file that takes the last entry of a sample's only table is refused.
    ///
    /// # Errors
    /// A [`MissingError`] for a protocol or mechanism that these samples do not allow, or a mask file that is not theirs.
    pub fn show(&self, samples: &Arc<dyn Samples>, seed: u64) -> Result<Shown, MissingError> {
        let (n, m) = (samples.len(), samples.schema().modalities().len());
        let names = || samples.schema().modalities().iter().map(|m| m.name().to_owned()).collect::<Vec<_>>();
        let drawn = match self {
            Self::Protocol(protocol) => draw(*protocol, n, m, seed)?,
            Self::Modalities(how) => draw_modalities(how, samples.as_ref(), seed)?,
            Self::Masks(path) => of_samples(&read_masks(path, &names())?, samples.as_ref(), path)?,
            Self::Entries { table, how } => {
                let mask = draw_entries(how, samples.as_ref(), *table, seed)?;
                return without_entries(samples, *table, mask);
            }
            Self::EntryMasks { table, masks } => {
                let columns = samples.schema().modalities().get(*table).and_then(|modality| modality.columns());
                let columns: Vec<String> =
                    columns.unwrap_or_default().iter().map(|column| column.name().to_owned()).collect();
                let ids: Vec<String> = (0..n).map(|i| samples.id(i)).collect();
                let refuse = |source| MaskFileError { path: masks.clone(), source };
                let mask = EntryMask::open(masks, &columns)?.of(&ids).map_err(refuse)?;
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

impl Shown {
    /// The share that has gone missing: of the modalities that `before` has, or of the entries of a table.
    ///
    /// # Errors
    /// If an entry cannot be read.
    pub fn rate(&self, missing: &Missing, before: &dyn Samples) -> Result<f64, MissingError> {
        let (Missing::Entries { table, .. } | Missing::EntryMasks { table, .. }) = missing else {
            let had: usize = (0..before.len()).map(|i| before.observed(i).len()).sum();
            let left: usize = self.present.iter().map(|left| left.len()).sum();
            return Ok(1.0 - left as f64 / had.max(1) as f64);
        };
        let known = |samples: &dyn Samples| -> Result<usize, ReadError> {
            let width = samples.schema().modalities().get(*table).map_or(0, |modality| modality.kind().values());
            let (mut row, mut known) = (vec![0.0f32; width], 0);
            for i in (0..samples.len()).filter(|i| samples.observed(*i).contains(*table)) {
                samples.read(i, *table, &mut row)?;
                known += row.iter().filter(|value| !value.is_nan()).count();
            }
            Ok(known)
        };
        Ok(1.0 - known(self.samples.as_ref())? as f64 / known(before)?.max(1) as f64)
    }
}

/// The masks of these samples.
fn of_samples(masks: &Masks, samples: &dyn Samples, path: &Path) -> Result<Vec<ModalitySet>, MissingError> {
    if !masks.has_ids() && masks.len() != samples.len() {
        return Err(MissingError::Length { path: path.into(), found: masks.len(), wanted: samples.len() });
    }
    let of_sample = |i| {
        let id = samples.id(i);
        let refuse = |source| MaskFileError { path: path.into(), source };
        masks.get(i, &id).ok_or_else(|| refuse(MaskError::NoRow { id }).into())
    };
    (0..samples.len()).map(of_sample).collect()
}

fn without_entries(samples: &Arc<dyn Samples>, table: usize, mask: EntryMask) -> Result<Shown, MissingError> {
    let masked = Masked::new(samples.clone(), None, vec![(table, mask)])?;
    let present: Vec<ModalitySet> = (0..samples.len()).map(|i| masked.observed(i)).collect();
    match present.iter().position(|left| left.is_empty()) {
        Some(i) => Err(MissingError::NothingLeft { id: samples.id(i) }),
        None => Ok(Shown { samples: Arc::new(masked), present }),
    }
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
    #[error("sample {id} has nothing but the table, and would lose all of it; leave it an entry in the mask file")]
    NothingLeft {
        /// Its [`Samples::id`].
        id: String,
    },
    /// A sample cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
