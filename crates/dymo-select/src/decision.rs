//! What was decided about a sample, round by round, as plain data.

use dymo_core::ModalitySet;
use serde::Serialize;

use crate::Score;

/// What became of a candidate in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It has joined the subset.
    Accepted,
    /// It will not be asked about again for this sample: its reward is negative, or not a number, or another draw of the
    /// same modality has joined.
    Rejected,
    /// Its reward is positive, but another one's was larger: it is asked about again in the next round.
    Kept,
    /// Its reward is zero, or positive but below the threshold. It is asked about again if there is a next round.
    Neutral,
}

/// A candidate as one round saw it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Candidate {
    /// Which modality; the slot of a draw where there are several ([`Slots`](crate::Slots)).
    pub modality: usize,
    /// Which draw of it, once slots are turned back into modalities; 0 else.
    pub draw: usize,
    /// The answer with this modality added to the round's subset.
    pub score: Score,
    /// G: 1 unless the feature became less typical (`dymo_reward::Calibration::factor`).
    pub calibration_factor: f32,
    /// R = q_u·G − q.
    pub reward: f32,
    /// The reward that it had to reach, beyond being positive ([`Selector::threshold`](crate::Selector::threshold)).
    pub threshold: f32,
    /// What became of it.
    pub verdict: Verdict,
}

/// One round: every candidate that was still open, tried alone on top of one subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// What was in the fusion when the round began.
    pub subset_before: ModalitySet,
    /// The answer for it.
    pub before: Score,
    /// The candidates asked about, by ascending modality.
    pub candidates: Vec<Candidate>,
}

impl Round {
    /// The candidates that joined: at most one in an iterative round, any number in one shot.
    pub fn accepted(&self) -> ModalitySet {
        self.candidates
            .iter()
            .filter(|candidate| candidate.verdict == Verdict::Accepted)
            .map(|candidate| candidate.modality)
            .collect()
    }

    /// Why that modality was accepted, rejected or left, in plain words; `None` if it was not asked about.
    pub fn reason(&self, modality: usize) -> Option<String> {
        self.candidates
            .iter()
            .find(|candidate| candidate.modality == modality)
            .map(|candidate| candidate.reason(&self.before))
    }
}

/// A set of recovered modalities, tried as a whole on top of what was observed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TriedSet {
    /// The recovered modalities.
    pub added: ModalitySet,
    /// The answer with all of them added.
    pub score: Score,
    /// G, against what was observed.
    pub calibration_factor: f32,
    /// R of the set: q·G − q₀.
    pub reward: f32,
}

/// What was decided about one sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// What came with the sample.
    pub observed: ModalitySet,
    /// What the prediction rests on: the observed and the accepted modalities.
    pub final_subset: ModalitySet,
    /// The answer for what was observed. `None` for a rule that never asks ([`Rule::FuseAll`](crate::Rule::FuseAll)).
    pub before: Option<Score>,
    /// The answer for the final subset: its `predicted` is the prediction.
    pub after: Score,
    /// The rounds, in order; none for the rules that do not choose one at a time, and for samples without candidates.
    pub rounds: Vec<Round>,
    /// The sets tried by the rules that judge whole sets, by size, then by members; none for all others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<TriedSet>,
}

impl Decision {
    /// The recovered modalities that were let in.
    pub fn accepted(&self) -> ModalitySet {
        self.final_subset.difference(self.observed)
    }

    /// Which draw of a recovered modality was let in, or was looked at last where none was; 0 where there is one alone. Of decisions of which
    /// slots are turned back into modalities.
    pub fn draw_of(&self, modality: usize) -> usize {
        let candidates = self.rounds.iter().rev().flat_map(|round| &round.candidates);
        candidates.into_iter().find(|candidate| candidate.modality == modality).map_or(0, |candidate| candidate.draw)
    }

    /// The class predicted in the end.
    pub fn predicted(&self) -> usize {
        self.after.predicted
    }
}
