//! Several draws of one missing modality as candidates of their own.

use dymo_core::ModalitySet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How draws are numbered so that the selector can tell them apart: draw d of modality u stands in slot d·M + u, and a
/// "modality" of a [`Sample`](crate::Sample), a [`Query`](crate::Query) or a [`Decision`](crate::Decision) made with slots is
/// a slot. Slots of draw 0 have the numbers of the modalities themselves; observed modalities stand there. At most one
/// draw of a modality is let in.
///
/// Who answers queries turns a subset of slots back into modalities and draws: [`draws`](Self::draws).
///
/// ```
/// use dymo_core::ModalitySet;
/// use dymo_select::Slots;
/// let slots = Slots::new(3, 4)?;                     // three modalities, four draws of each
/// let sample = slots.sample(ModalitySet::single(0), ModalitySet::from_iter([1, 2]))?;
/// assert_eq!(sample.candidates().len(), 2 * 4);
/// let shown = ModalitySet::from_iter([0, slots.slot(2, 3)]);
/// assert_eq!(slots.draws(shown), [(0, 0), (2, 3)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "SlotsTable")]
pub struct Slots {
    modalities: usize,
    draws: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotsTable {
    modalities: usize,
    draws: usize,
}

impl TryFrom<SlotsTable> for Slots {
    type Error = SlotsError;

    fn try_from(table: SlotsTable) -> Result<Self, SlotsError> {
        Self::new(table.modalities, table.draws)
    }
}

impl Slots {
    /// Slots for `modalities` modalities with `draws` draws each.
    ///
    /// # Errors
    /// None of one, or more slots than a set can hold ([`ModalitySet::MAX`]).
    pub fn new(modalities: usize, draws: usize) -> Result<Self, SlotsError> {
        let fits = modalities.checked_mul(draws).is_some_and(|slots| (1..=ModalitySet::MAX).contains(&slots));
        if fits { Ok(Self { modalities, draws }) } else { Err(SlotsError { modalities, draws }) }
    }

    /// A sample of which `observed` came as it is and every draw of `recovered` is a candidate. Modalities beyond M are
    /// not read.
    ///
    /// # Errors
    /// Nothing observed, or a modality in both sets.
    pub fn sample(self, observed: ModalitySet, recovered: ModalitySet) -> Result<crate::Sample, crate::SampleError> {
        let all = ModalitySet::full(self.modalities);
        let (observed, recovered) = (observed.intersection(all), recovered.intersection(all));
        crate::Sample::with_slots(observed, recovered, self)
    }

    /// The slot of a draw. Of numbers beyond M and the number of draws it makes a slot that holds nothing of them.
    pub const fn slot(self, modality: usize, draw: usize) -> usize {
        draw * self.modalities + modality
    }

    /// Modality and draw of every slot in a set, by ascending modality.
    pub fn draws(self, set: ModalitySet) -> Vec<(usize, usize)> {
        let mut found: Vec<_> = set.iter().map(|slot| (slot % self.modalities, slot / self.modalities)).collect();
        found.sort_unstable();
        found
    }

    /// The modalities of a set of slots, whichever draw.
    pub fn modalities(self, set: ModalitySet) -> ModalitySet {
        set.iter().map(|slot| slot % self.modalities).collect()
    }

    /// All draws of these modalities.
    pub(crate) fn all_draws(self, modalities: ModalitySet) -> ModalitySet {
        modalities.iter().flat_map(|u| (0..self.draws).map(move |draw| self.slot(u, draw))).collect()
    }
}

/// Slots that a set cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{draws} draws of {modalities} modalities, their product must be from 1 to 32; take fewer draws")]
pub struct SlotsError {
    /// Modalities asked for.
    pub modalities: usize,
    /// Draws of each.
    pub draws: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        let slots = Slots::new(5, 6).unwrap();
        for modality in 0..5 {
            for draw in 0..6 {
                let set = ModalitySet::single(slots.slot(modality, draw));
                assert_eq!(slots.draws(set), [(modality, draw)]);
                assert_eq!(slots.modalities(set), ModalitySet::single(modality));
                assert!(set.is_subset_of(slots.all_draws(ModalitySet::single(modality))));
            }
        }
        assert_eq!(slots.slot(3, 0), 3);
    }

    #[test]
    fn refusals() {
        for (modalities, draws) in [(0, 3), (3, 0), (11, 3), (usize::MAX, 2)] {
            assert_eq!(Slots::new(modalities, draws), Err(SlotsError { modalities, draws }));
        }
        assert!(serde_json::from_str::<Slots>(r#"{"modalities":8,"draws":5}"#).is_err());
        let sample = Slots::new(2, 2).unwrap().sample(ModalitySet::single(0), ModalitySet::single(1)).unwrap();
        let text = serde_json::to_string(&sample).unwrap();
        assert_eq!(serde_json::from_str::<crate::Sample>(&text).unwrap(), sample);
    }
}
