//! What of each sample is a candidate: missing modalities that the model recovers, all draws of them, and tables with gaps.

use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_select::{Candidate, Decision, Round, Sample, Slots, Verdict};

use super::Setting;
use crate::error::TrainError;

/// The questions that some samples put to selection.
///
/// A table with gaps that the recovery model fills is, as published, no part of what a sample starts from but a candidate: before it is let
/// in, its known entries are seen all the same (the rest are absent tokens), and class statistics take the sample for one without the
/// table; once let in, it is seen filled. Where nothing else is observed there would be nothing to start from: the table stays as it is
/// then, so that an answer from what was observed never rests on anything else.
pub(super) struct Offered {
    questions: Vec<Sample>,
    filled: Vec<ModalitySet>,
    slots: Option<Slots>,
}

impl Offered {
    /// Of `samples[indices]`, of which `present[i]` is observed.
    pub fn new(
        setting: &Setting<'_>,
        samples: &dyn Samples,
        indices: &[usize],
        present: &[ModalitySet],
    ) -> Result<Self, TrainError> {
        let (modalities, recovery) = (setting.network.layout().modalities(), setting.recovery);
        let slots = match recovery.draws() {
            0 | 1 => None,
            draws => Some(Slots::new(modalities, draws).map_err(|e| TrainError::Selection(e.to_string()))?),
        };
        let (mut questions, mut filled) = (Vec::with_capacity(indices.len()), Vec::with_capacity(indices.len()));
        for (index, present) in indices.iter().zip(present) {
            let fills = |table: &usize| recovery.recoverable(present.without(*table), modalities).contains(*table);
            let gappy = with_gaps(samples, *index, present.intersection(recovery.fills()))?;
            let gappy: ModalitySet = gappy.iter().filter(fills).collect();
            let (start, gappy) = match present.difference(gappy) {
                ModalitySet::EMPTY => (*present, ModalitySet::EMPTY),
                start => (start, gappy),
            };
            let candidates = recovery.recoverable(*present, modalities).union(present.difference(start));
            let question = match slots {
                None => Sample::new(start, candidates),
                Some(slots) => slots.sample(start, candidates),
            };
            questions.push(question.map_err(|_| TrainError::NothingObserved { sample: *index })?);
            filled.push(gappy);
        }
        Ok(Self { questions, filled, slots })
    }

    /// One for each sample.
    pub fn questions(&self) -> &[Sample] {
        &self.questions
    }

    /// Of each sample the observed tables that are filled.
    pub fn filled(&self) -> &[ModalitySet] {
        &self.filled
    }

    /// How draws are numbered, where there are several.
    pub fn slots(&self) -> Option<Slots> {
        self.slots
    }
}

/// Those of the tables in which an entry is missing.
fn with_gaps(samples: &dyn Samples, index: usize, tables: ModalitySet) -> Result<ModalitySet, TrainError> {
    let mut gappy = ModalitySet::EMPTY;
    let mut values = Vec::new();
    for m in tables.iter() {
        values.resize(samples.schema().modalities()[m].kind().values(), 0.0);
        samples.read(index, m, &mut values)?;
        if values.iter().any(|value| value.is_nan()) {
            gappy = gappy.union(ModalitySet::single(m));
        }
    }
    Ok(gappy)
}

/// A decision about draws as one about modalities: in each round a modality is what became of the draw that was let in, else of the one with
/// the largest reward.
pub(super) fn by_modality(decision: Decision, slots: Option<Slots>) -> Decision {
    let Some(slots) = slots else { return decision };
    let round = |round: Round| {
        let mut best: Vec<Candidate> = Vec::new();
        for candidate in round.candidates {
            let told = slots.draws(ModalitySet::single(candidate.modality)).first().copied();
            let (modality, draw) = told.unwrap_or((candidate.modality, 0));
            let candidate = Candidate { modality, draw, ..candidate };
            match best.iter_mut().find(|known| known.modality == candidate.modality) {
                None => best.push(candidate),
                Some(known) if stands_before(&candidate, known) => *known = candidate,
                Some(_) => {}
            }
        }
        best.sort_by_key(|candidate| candidate.modality);
        Round { subset_before: slots.modalities(round.subset_before), candidates: best, ..round }
    };
    Decision {
        observed: slots.modalities(decision.observed),
        final_subset: slots.modalities(decision.final_subset),
        rounds: decision.rounds.into_iter().map(round).collect(),
        ..decision
    }
}

fn stands_before(one: &Candidate, other: &Candidate) -> bool {
    let accepted = |candidate: &Candidate| candidate.verdict == Verdict::Accepted;
    match (accepted(one), accepted(other)) {
        (true, false) => true,
        (false, true) => false,
        // A reward that is no number stands behind every other.
        _ => one.reward > other.reward || (other.reward.is_nan() && !one.reward.is_nan()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_reward::Evidence;
    use dymo_select::Score;

    #[test]
    fn draws_are_told_as_modalities() {
        let slots = Slots::new(3, 2).expect("slots");
        let score = Score { predicted: 1, evidence: Evidence { quality: 0.5, typicality: 0.5 } };
        let candidate = |modality, reward, verdict| Candidate {
            modality,
            draw: 0,
            score,
            calibration_factor: 1.0,
            reward,
            threshold: 0.0,
            verdict,
        };
        let candidates = vec![
            candidate(1, 0.1, Verdict::Rejected),
            candidate(2, f32::NAN, Verdict::Rejected),
            candidate(4, 0.05, Verdict::Accepted),
            candidate(5, 0.2, Verdict::Kept),
        ];
        let decision = Decision {
            observed: ModalitySet::single(0),
            final_subset: [0, 4].into_iter().collect(),
            before: Some(score),
            after: score,
            rounds: vec![Round { subset_before: ModalitySet::single(0), before: score, candidates }],
            tried: Vec::new(),
        };
        let told = by_modality(decision, Some(slots));
        assert_eq!(told.final_subset, ModalitySet::full(2));
        let found: Vec<(usize, f32, Verdict)> =
            told.rounds[0].candidates.iter().map(|c| (c.modality, c.reward, c.verdict)).collect();
        assert_eq!(found, [(1, 0.05, Verdict::Accepted), (2, 0.2, Verdict::Kept)]);
        assert_eq!([0, 1, 2].map(|modality| told.draw_of(modality)), [0, 1, 1]);
    }
}
