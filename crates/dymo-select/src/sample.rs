//! What is known of a sample before anything is decided.

use dymo_core::ModalitySet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Slots;

/// A sample to decide upon: what was observed, and which of the missing modalities have been recovered.
/// Checked: something is observed, and nothing is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "SampleTable")]
pub struct Sample {
    observed: ModalitySet,
    candidates: ModalitySet,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<Slots>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleTable {
    observed: ModalitySet,
    candidates: ModalitySet,
    #[serde(default)]
    slots: Option<Slots>,
}

impl TryFrom<SampleTable> for Sample {
    type Error = SampleError;

    fn try_from(table: SampleTable) -> Result<Self, SampleError> {
        match table.slots {
            None => Self::new(table.observed, table.candidates),
            Some(slots) => slots.sample(table.observed, slots.modalities(table.candidates)),
        }
    }
}

impl Sample {
    /// A sample of which `observed` came as it is and `candidates` were recovered.
    ///
    /// # Errors
    /// Nothing observed, or a modality in both sets.
    pub fn new(observed: ModalitySet, candidates: ModalitySet) -> Result<Self, SampleError> {
        if observed.is_empty() {
            return Err(SampleError::NothingObserved);
        }
        let both = observed.intersection(candidates);
        if !both.is_empty() {
            return Err(SampleError::ObservedAndRecovered { both });
        }
        Ok(Self { observed, candidates, slots: None })
    }

    /// A sample of `modalities` modalities of which `observed` came as it is and all others were recovered.
    ///
    /// # Errors
    /// Nothing observed.
    pub fn with_rest_recovered(observed: ModalitySet, modalities: usize) -> Result<Self, SampleError> {
        Self::new(observed, observed.complement(modalities))
    }

    /// A sample of which every draw of `recovered` is a candidate.
    pub(crate) fn with_slots(observed: ModalitySet, recovered: ModalitySet, slots: Slots) -> Result<Self, SampleError> {
        let plain = Self::new(observed, recovered)?;
        Ok(Self { candidates: slots.all_draws(recovered), slots: Some(slots), ..plain })
    }

    /// The modalities that came with the sample.
    pub fn observed(&self) -> ModalitySet {
        self.observed
    }

    /// The recovered modalities, to be let in or not.
    pub fn candidates(&self) -> ModalitySet {
        self.candidates
    }

    /// How draws are numbered, where there are several of a modality.
    pub fn slots(&self) -> Option<Slots> {
        self.slots
    }

    /// The other draws of the candidate's modality: they can only join in its stead.
    pub(crate) fn rivals(&self, candidate: usize) -> ModalitySet {
        let Some(slots) = self.slots else { return ModalitySet::EMPTY };
        slots.all_draws(slots.modalities(ModalitySet::single(candidate))).without(candidate)
    }

    /// One draw of each recovered modality.
    pub(crate) fn first_draws(&self) -> ModalitySet {
        self.slots.map_or(self.candidates, |slots| slots.modalities(self.candidates))
    }
}

/// Why a sample cannot be decided upon. The caller adds which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Recovery and selection start from something observed.
    #[error("nothing is observed, at least one modality must be; leave such samples out")]
    NothingObserved,
    /// A modality is either observed or recovered.
    #[error("modalities {both} are both observed and recovered, each must be one of the two")]
    ObservedAndRecovered {
        /// What stands in both sets.
        both: ModalitySet,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refusal_per_rule() {
        let set = ModalitySet::from_bits;
        assert_eq!(Sample::new(set(0), set(1)), Err(SampleError::NothingObserved));
        assert_eq!(Sample::new(set(0b110), set(0b011)), Err(SampleError::ObservedAndRecovered { both: set(0b010) }));
        let rest = Sample::with_rest_recovered(set(0b010), 3).unwrap();
        assert_eq!(rest, Sample::new(set(0b010), set(0b101)).unwrap());
    }

    #[test]
    fn a_file_passes_through_the_same_check() {
        assert!(serde_json::from_str::<Sample>(r#"{"observed":1,"candidates":6}"#).is_ok());
        let message = serde_json::from_str::<Sample>(r#"{"observed":0,"candidates":6}"#).unwrap_err().to_string();
        assert!(message.contains("nothing is observed"), "{message}");
    }
}
