//! What the routes of the engine have in common: who has what, who wants what, and recovery of a group.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use dymo_core::ModalitySet;

use super::forms::{Forms, Wanted};
use super::{Answer, EngineError, Inputs};
use crate::fusion::FusionNetwork;
use crate::recovery::{Observed, Recovery};

/// What a route is asked with.
pub(super) struct Task<'a> {
    pub(super) network: &'a FusionNetwork,
    pub(super) recovery: &'a dyn Recovery,
    pub(super) inputs: &'a dyn Inputs,
    pub(super) present: &'a [ModalitySet],
    pub(super) ids: &'a [u64],
    pub(super) filling: Option<&'a [ModalitySet]>,
}

/// What a route has made.
#[derive(Default)]
pub(super) struct Made {
    pub(super) answers: Vec<((usize, ModalitySet), Answer)>,
    pub(super) recovered: usize,
}

impl Task<'_> {
    pub(super) fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, EngineError> {
        self.inputs.read(modality, samples).map_err(|reason| EngineError::Input { reason })
    }

    /// The observed tables of a sample whose gaps are filled.
    pub(super) fn fills(&self, sample: usize) -> ModalitySet {
        let tables = self.filling.and_then(|filling| filling.get(sample)).copied().unwrap_or(ModalitySet::EMPTY);
        tables.intersection(self.present[sample])
    }

    /// Samples that want a modality as it was observed of them: into its own place, or with its gaps.
    pub(super) fn observed_wanting(&self, wanted: &[Wanted], modality: usize, with_gaps: bool) -> Vec<usize> {
        let wants = |s: &usize| {
            if with_gaps {
                return wanted[*s].with_gaps.contains(modality);
            }
            let as_it_is = self.present[*s].difference(self.fills(*s));
            wanted[*s].forms.contains(modality) && as_it_is.contains(modality)
        };
        (0..wanted.len()).filter(wants).collect()
    }

    /// The modalities of each sample that must be recovered for a draw.
    pub(super) fn to_recover(&self, wanted: &[Wanted], forms: Forms, draw: usize) -> Vec<ModalitySet> {
        let missing = |(s, wanted): (usize, &Wanted)| {
            let as_it_is = self.present[s].difference(self.fills(s));
            forms.of_draw(wanted.forms, draw).difference(as_it_is)
        };
        wanted.iter().enumerate().map(missing).collect()
    }

    /// Samples by what is observed of them.
    pub(super) fn by_pattern(&self, samples: impl Iterator<Item = usize>) -> BTreeMap<ModalitySet, Vec<usize>> {
        let mut groups: BTreeMap<ModalitySet, Vec<usize>> = BTreeMap::new();
        for sample in samples {
            groups.entry(self.present[sample]).or_default().push(sample);
        }
        groups
    }

    /// Samples by what is observed and what must be recovered of them; a sample that lacks nothing is in no group.
    pub(super) fn by_missing(&self, missing: &[ModalitySet]) -> BTreeMap<(ModalitySet, ModalitySet), Vec<usize>> {
        let mut groups: BTreeMap<(ModalitySet, ModalitySet), Vec<usize>> = BTreeMap::new();
        for (sample, missing) in missing.iter().enumerate().filter(|(_, missing)| !missing.is_empty()) {
            groups.entry((self.present[sample], *missing)).or_default().push(sample);
        }
        groups
    }

    /// One draw of what is missing of samples that have the same observed. Of an observed table the gaps are filled.
    pub(super) fn recover(
        &self,
        present: ModalitySet,
        missing: ModalitySet,
        samples: &[usize],
        draw: usize,
    ) -> Result<Vec<Tensor<2>>, EngineError> {
        let mut observed = self.observed(present, samples)?;
        observed.ids.iter_mut().for_each(|id| *id = draw_id(*id, draw));
        let mut made = self.recovery.recover(&observed, missing)?;
        for (m, made) in missing.iter().zip(&mut made) {
            if let Some(place) = present.iter().position(|p| p == m) {
                let known = &observed.inputs[place];
                *made = known.clone().mask_where(known.clone().is_nan(), made.clone());
            }
        }
        Ok(made)
    }

    pub(super) fn observed(&self, present: ModalitySet, samples: &[usize]) -> Result<Observed, EngineError> {
        let inputs = present.iter().map(|m| self.read(m, samples)).collect::<Result<_, _>>()?;
        Ok(Observed { present, inputs, ids: samples.iter().map(|s| self.ids[*s]).collect() })
    }
}

/// The number that seeds a draw of a sample: its own for the first one.
pub(super) fn draw_id(id: u64, draw: usize) -> u64 {
    id ^ ((draw as u64) << 48)
}
