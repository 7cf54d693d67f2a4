//! Several ways of selecting on the same samples, with the same recoveries: every answer of the network serves all of them.

use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_models::engine::Session;
use dymo_reward::ClassStatistics;
use dymo_select::{Decision, Selector, Verdict};

use super::{Offered, SampleInputs, Setting, StatisticsScorer, by_modality, softmax};
use crate::error::TrainError;

/// One way of selecting.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// How it is decided.
    pub selector: Selector,
    /// What judges answers; usually those of the setting.
    pub statistics: &'a ClassStatistics,
}

/// What one way came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selected {
    /// How each sample was decided, `[N]`.
    pub decisions: Vec<Decision>,
    /// Class probabilities of the final subsets, `[N, C]`.
    pub probabilities: Vec<f32>,
}

impl Selected {
    /// Predicted classes, `[N]`.
    pub fn predictions(&self) -> Vec<usize> {
        self.decisions.iter().map(Decision::predicted).collect()
    }

    /// For each sample whether its prediction is its label.
    pub fn right(&self, labels: &[usize]) -> Vec<bool> {
        self.decisions.iter().zip(labels).map(|(decision, label)| decision.predicted() == *label).collect()
    }
}

/// Selects in each of these ways on `samples[indices]`, of which `present[i]` is observed: one entry for each way.
/// `progress(done)` is called now and then.
///
/// # Errors
/// As [`super::evaluate`].
pub fn select(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    indices: &[usize],
    present: &[ModalitySet],
    ways: &[Way<'_>],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Selected>, TrainError> {
    let mut found = vec![Selected::default(); ways.len()];
    let mut done = 0;
    let at_once = Session::samples_at_once(setting.network.layout());
    for (chunk, present) in indices.chunks(at_once).zip(present.chunks(at_once)) {
        let offered = Offered::new(setting, samples, chunk, present)?;
        let slots = offered.slots();
        let inputs = SampleInputs { samples, indices: chunk, device: setting.device };
        let ids: Vec<u64> = chunk.iter().map(|i| samples.number(*i)).collect();
        let session = Session::new(setting.network, setting.recovery, &inputs, present, &ids, setting.device.clone());
        let mut session = session.filling(offered.filled());
        for (way, found) in ways.iter().zip(&mut found) {
            let (statistics, edges) = (way.statistics, way.selector.edges);
            let mut scorer = StatisticsScorer { session, statistics, edges, slots };
            let decisions = way.selector.select(&mut scorer, offered.questions())?;
            session = scorer.session;
            let finals: Vec<(usize, ModalitySet)> = decisions.iter().map(|d| d.final_subset).enumerate().collect();
            found.probabilities.extend(session.answer(&finals)?.iter().flat_map(|answer| softmax(&answer.logits)));
            found.decisions.extend(decisions.into_iter().map(|decision| by_modality(decision, slots)));
        }
        done += chunk.len();
        progress(done);
    }
    Ok(found)
}

/// What is in the fusion at one step of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fused {
    /// What selection started from.
    pub observed: ModalitySet,
    /// What has been let in, each with its draw.
    pub recovered: Vec<(usize, usize)>,
}

impl From<ModalitySet> for Fused {
    fn from(observed: ModalitySet) -> Self {
        Self { observed, recovered: Vec::new() }
    }
}

impl Fused {
    /// Everything that was in the fusion in the course of a decision: what was observed alone, then with each modality that was let in.
    pub fn all_of(decision: &Decision) -> Vec<Self> {
        let mut fused = Self::from(decision.observed);
        let mut all = vec![fused.clone()];
        for round in &decision.rounds {
            for candidate in round.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Accepted) {
                fused.recovered.push((candidate.modality, candidate.draw));
                all.push(fused.clone());
            }
        }
        all
    }
}

/// Class probabilities `[C]` for queries `(i, what is fused)` about `samples[indices[i]]`, of which `present[i]` is observed: the
/// network's answers at every step of a decision.
///
/// # Errors
/// As [`super::evaluate`].
pub fn probabilities(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    indices: &[usize],
    present: &[ModalitySet],
    queries: &[(usize, Fused)],
) -> Result<Vec<Vec<f32>>, TrainError> {
    let inputs = SampleInputs { samples, indices, device: setting.device };
    let ids: Vec<u64> = indices.iter().map(|i| samples.number(*i)).collect();
    let offered = Offered::new(setting, samples, indices, present)?;
    let session = Session::new(setting.network, setting.recovery, &inputs, present, &ids, setting.device.clone());
    let mut session = session.filling(offered.filled());
    let slot =
        |(modality, draw): &(usize, usize)| offered.slots().map_or(*modality, |slots| slots.slot(*modality, *draw));
    let asked = queries
        .iter()
        .map(|(sample, fused)| (*sample, fused.recovered.iter().map(slot).fold(fused.observed, ModalitySet::with)));
    Ok(session.answer(&asked.collect::<Vec<_>>())?.iter().map(|answer| softmax(&answer.logits)).collect())
}
