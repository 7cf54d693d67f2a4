//! Forms of a modality: as it was observed, drawn once or several times, or a table with its gaps.

use dymo_core::ModalitySet;

/// How the forms of modalities are numbered: draw d of modality m is d·M + m. Tables with their gaps stand behind all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    pub(super) modalities: usize,
    pub(super) draws: usize,
}

impl Forms {
    pub(super) fn len(self) -> usize {
        self.modalities * (self.draws + 1)
    }

    /// Number of a table with its gaps.
    pub(super) fn with_gaps(self, modality: usize) -> usize {
        self.modalities * self.draws + modality
    }

    pub(super) fn modality(self, form: usize) -> usize {
        form % self.modalities
    }

    pub(super) fn modalities_of(self, forms: ModalitySet) -> ModalitySet {
        forms.iter().map(|form| self.modality(form)).collect()
    }

    /// What of one draw is wanted, as modalities.
    pub(super) fn of_draw(self, forms: ModalitySet, draw: usize) -> ModalitySet {
        let own = forms.iter().filter(|form| form / self.modalities == draw);
        own.map(|form| self.modality(form)).collect()
    }

    /// What a query fuses, by ascending modality: the forms that it names, and `gappy` tables that it does not.
    pub(super) fn fused(self, query: ModalitySet, gappy: ModalitySet) -> Vec<usize> {
        let named = self.modalities_of(query);
        let rest = gappy.difference(named);
        let mut parts: Vec<usize> = query.iter().chain(rest.iter().map(|m| self.with_gaps(m))).collect();
        parts.sort_by_key(|form| self.modality(*form));
        parts
    }
}

/// What of a sample is needed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// Observed modalities and draws of missing ones.
    pub(super) forms: ModalitySet,
    /// Tables with their gaps.
    pub(super) with_gaps: ModalitySet,
}
