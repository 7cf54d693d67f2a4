//! What selection does on a split: every arm on the same samples, with the same missing modalities and the same recoveries.

mod offered;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use dymo_core::{ModalitySet, subsets};
use dymo_data::Samples;
use dymo_models::engine::{EngineError, Inputs, Session};
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{Gallery, Recovery};
use dymo_reward::{Calibration, ClassStatistics, Edges};
use dymo_select::{Decision, Query, Sample, Score, Scorer, SelectError, Selector, Slots};
use serde::{Deserialize, Serialize};

use crate::batch::read_modality;
use crate::error::TrainError;

pub use ways::{Fused, Selected, Way, probabilities, select};

use offered::{Offered, by_modality};

/// A way to use what was recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Observed modalities only.
    Discard,
    /// Everything recovered joins.
    FuseAll,
    /// All with a positive reward at once ("S").
    OneShot,
    /// Greedy without calibration ("I").
    Iterative,
    /// Greedy with calibration ("I+C").
    Dymo,
    /// No recovered modality at all, but the mean of the fusion network's and the recovery model's own class probabilities.
    SecondOpinion,
}

impl Arm {
    /// All, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Discard, Self::FuseAll, Self::OneShot, Self::Iterative, Self::Dymo, Self::SecondOpinion];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::FuseAll => "fuse-all",
            Self::OneShot => "one-shot",
            Self::Iterative => "iterative",
            Self::Dymo => "dymo",
            Self::SecondOpinion => "second-opinion",
        }
    }

    fn selector(self, calibration: Calibration) -> Selector {
        match self {
            Self::Discard | Self::SecondOpinion => Selector::discard(),
            Self::FuseAll => Selector::fuse_all(),
            Self::OneShot => Selector::one_shot(calibration),
            Self::Iterative => Selector::iterative(),
            Self::Dymo => Selector::dymo(calibration),
        }
    }
}

/// Everything that answers for a sample.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The fusion network, not on an autodiff device.
    pub network: &'a FusionNetwork,
    /// Its class statistics.
    pub statistics: &'a ClassStatistics,
    /// What fills in the missing modalities.
    pub recovery: &'a dyn Recovery,
    /// Form of the calibration.
    pub calibration: Calibration,
    /// Numerical edges.
    pub edges: Edges,
    /// τ: a sample whose best possible reward is below it is left alone.
    pub min_gain: f32,
    /// Where the networks live.
    pub device: &'a Device,
}

/// What one arm said of every sample.
#[derive(Debug, Clone)]
pub struct ArmOutcome {
    /// The arm.
    pub arm: Arm,
    /// Predicted classes, `[N]`.
    pub predictions: Vec<usize>,
    /// Class probabilities, `[N, C]`.
    pub probabilities: Vec<f32>,
    /// How each sample was decided; empty for [`Arm::SecondOpinion`].
    pub decisions: Vec<Decision>,
}

/// An evaluation.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// True classes, `[N]`.
    pub labels: Vec<usize>,
    /// For each sample the number of its subject, `[N]`.
    pub subjects: Vec<u64>,
    /// What was observed of each sample, `[N]`. A decision starts from less where a table's gaps are filled: the table is a candidate then.
    pub present: Vec<ModalitySet>,
    /// Number of classes C.
    pub classes: usize,
    /// One entry per arm that was asked for and that the recovery model can give.
    pub arms: Vec<ArmOutcome>,
    /// Recovered modalities that were made, counted per sample and modality.
    pub recovered: usize,
    /// Queries that went through the fusion network: an answer serves all arms.
    pub fused: usize,
    /// Seconds in all.
    pub seconds: f64,
}

impl Outcome {
    /// The outcome of an arm, if it was evaluated.
    pub fn arm(&self, arm: Arm) -> Option<&ArmOutcome> {
        self.arms.iter().find(|a| a.arm == arm)
    }
}

/// Evaluates arms on `samples[indices]`, of which `present[i]` is observed. `progress(done, all)` is called now and then.
///
/// # Errors
/// If a sample cannot be read, a recovery fails, or nothing is observed of a sample.
pub fn evaluate(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    indices: &[usize],
    present: &[ModalitySet],
    arms: &[Arm],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Outcome, TrainError> {
    let began = Instant::now();
    let classes = setting.network.layout().classes();
    let mut outcome = Outcome {
        labels: indices.iter().map(|i| samples.label(*i)).collect(),
        subjects: dymo_data::subjects(samples, indices),
        present: present.to_vec(),
        classes,
        arms: arms.iter().map(|arm| ArmOutcome::empty(*arm)).collect(),
        recovered: 0,
        fused: 0,
        seconds: 0.0,
    };
    let mut done = 0;
    let at_once = Session::samples_at_once(setting.network.layout());
    for (chunk, present) in indices.chunks(at_once).zip(present.chunks(at_once)) {
        let inputs = SampleInputs { samples, indices: chunk, device: setting.device };
        let ids: Vec<u64> = chunk.iter().map(|i| samples.number(*i)).collect();
        let offered = Offered::new(setting, samples, chunk, present)?;
        let session = Session::new(setting.network, setting.recovery, &inputs, present, &ids, setting.device.clone());
        let session = session.filling(offered.filled());
        let slots = offered.slots();
        let mut scorer = StatisticsScorer { session, statistics: setting.statistics, edges: setting.edges, slots };
        for arm in &mut outcome.arms {
            arm.extend(setting, &mut scorer, offered.questions())?;
        }
        outcome.recovered += scorer.session.recovered();
        outcome.fused += scorer.session.fused();
        done += chunk.len();
        progress(done, indices.len());
    }
    outcome.arms.retain(|arm| arm.predictions.len() == indices.len());
    outcome.seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

impl ArmOutcome {
    fn empty(arm: Arm) -> Self {
        Self { arm, predictions: Vec::new(), probabilities: Vec::new(), decisions: Vec::new() }
    }

    fn extend(
        &mut self,
        setting: &Setting<'_>,
        scorer: &mut StatisticsScorer<'_>,
        questions: &[Sample],
    ) -> Result<(), TrainError> {
        let selector = self.arm.selector(setting.calibration).with_edges(setting.edges).with_min_gain(setting.min_gain);
        let decisions = selector.select(scorer, questions)?;
        let finals: Vec<(usize, ModalitySet)> = decisions.iter().map(|d| d.final_subset).enumerate().collect();
        let mut rows: Vec<Vec<f32>> =
            scorer.session.answer(&finals)?.iter().map(|answer| softmax(&answer.logits)).collect();
        if self.arm == Arm::SecondOpinion {
            let Some(opinions) = scorer.session.second_opinion()? else { return Ok(()) };
            for (row, opinion) in rows.iter_mut().zip(opinions) {
                row.iter_mut().zip(opinion).for_each(|(p, o)| *p = (*p + o) / 2.0);
            }
            self.predictions.extend(rows.iter().map(|row| largest(row)));
        } else {
            self.predictions.extend(decisions.iter().map(Decision::predicted));
            self.decisions.extend(decisions.into_iter().map(|decision| by_modality(decision, scorer.slots)));
        }
        self.probabilities.extend(rows.into_iter().flatten());
        Ok(())
    }
}

/// Observed inputs from samples.
pub(crate) struct SampleInputs<'a> {
    pub samples: &'a dyn Samples,
    pub indices: &'a [usize],
    pub device: &'a Device,
}

impl Inputs for SampleInputs<'_> {
    fn read(&self, modality: usize, places: &[usize]) -> Result<Tensor<2>, String> {
        let indices: Vec<usize> = places.iter().map(|p| self.indices[*p]).collect();
        read_modality(self.samples, &indices, modality, self.device).map_err(|e| e.to_string())
    }
}

/// The engine's answers as evidence.
struct StatisticsScorer<'a> {
    session: Session<'a>,
    statistics: &'a ClassStatistics,
    edges: Edges,
    /// How draws are numbered, where there are several.
    slots: Option<Slots>,
}

impl Scorer for StatisticsScorer<'_> {
    type Error = TrainError;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, TrainError> {
        let asked: Vec<(usize, ModalitySet)> = queries.iter().map(|q| (q.sample, q.subset)).collect();
        let answers = self.session.answer(&asked)?;
        asked
            .iter()
            .zip(answers)
            .map(|((_, subset), a)| {
                let subset = self.slots.map_or(*subset, |slots| slots.modalities(*subset));
                Ok(self.statistics.evidence(subset, &a.logits, &a.feature, self.edges).map(Score::from)?)
            })
            .collect()
    }
}

impl From<EngineError> for TrainError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<SelectError<TrainError>> for TrainError {
    fn from(error: SelectError<TrainError>) -> Self {
        match error {
            SelectError::Scorer(error) => error,
            other => Self::Selection(other.to_string()),
        }
    }
}

pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|l| (l - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

/// Place of the largest value, the first of equals.
pub(crate) fn largest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
}

/// How often what is recovered is read as the right class, by the number of modalities given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coherence {
    /// Number of observed modalities.
    pub given: usize,
    /// Share of recovered modalities that the fusion network, shown nothing else, reads as the true class.
    pub share: f64,
    /// Recovered modalities judged.
    pub n: usize,
}

/// Conditional coherence: every recoverable modality of every observed subset of `given` modalities, on `samples[indices]`. The reader
/// is the fusion network with the recovered modality as its only input.
///
/// # Errors
/// As [`evaluate`].
pub fn coherence(
    network: &FusionNetwork,
    recovery: &dyn Recovery,
    device: &Device,
    samples: &dyn Samples,
    indices: &[usize],
    given: usize,
) -> Result<Coherence, TrainError> {
    let modalities = network.layout().modalities();
    let (mut right, mut n) = (0, 0);
    let at_once = Session::samples_at_once(network.layout());
    for subset in subsets(modalities).into_iter().filter(|s| s.len() == given && given < modalities) {
        for chunk in indices.chunks(at_once) {
            let inputs = SampleInputs { samples, indices: chunk, device };
            let ids: Vec<u64> = chunk.iter().map(|i| samples.number(*i)).collect();
            let present = vec![subset; chunk.len()];
            let mut session = Session::new(network, recovery, &inputs, &present, &ids, device.clone());
            let missing = recovery.recoverable(subset, modalities);
            let queries: Vec<(usize, ModalitySet)> =
                (0..chunk.len()).flat_map(|s| missing.iter().map(move |m| (s, ModalitySet::single(m)))).collect();
            for ((sample, _), answer) in queries.iter().zip(session.answer(&queries)?) {
                right += usize::from(largest(&answer.logits) == samples.label(chunk[*sample]));
                n += 1;
            }
        }
    }
    Ok(Coherence { given, share: right as f64 / n.max(1) as f64, n })
}

/// Recovered modalities of one sample as values `[height, width, channels]`, ascending; those that the model recovers. `draw_of` says
/// which draw of each.
///
/// # Errors
/// As [`evaluate`].
pub fn recovered_values(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    index: usize,
    present: ModalitySet,
    draw_of: impl Fn(usize) -> usize,
) -> Result<Vec<(usize, Vec<f32>)>, TrainError> {
    let offered = Offered::new(setting, samples, &[index], &[present])?;
    let draws = offered.questions().first().map_or(ModalitySet::EMPTY, Sample::candidates);
    let missing = offered.slots().map_or(draws, |slots| slots.modalities(draws));
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let inputs = SampleInputs { samples, indices: &[index], device: setting.device };
    let (present, ids) = ([present], [samples.number(index)]);
    let session = Session::new(setting.network, setting.recovery, &inputs, &present, &ids, setting.device.clone());
    let slot = |modality: usize| offered.slots().map_or(modality, |slots| slots.slot(modality, draw_of(modality)));
    let shown: ModalitySet = missing.iter().map(slot).collect();
    let modalities = missing.iter().map(|modality| (slot(modality), modality)).collect::<BTreeMap<usize, usize>>();
    let mut found: Vec<_> = modalities.into_values().zip(session.show(0, shown)?).collect();
    found.sort_by_key(|(modality, _)| *modality);
    Ok(found)
}

/// Training samples for retrieval.
pub struct SampleGallery(pub Arc<dyn Samples>);

impl Gallery for SampleGallery {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), String> {
        self.0.read(index, modality, out).map_err(|e| e.to_string())
    }
}
