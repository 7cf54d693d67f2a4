//! Fitting on held-out samples.

use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_metrics::{
    Conformal, MetricError, Probabilities, Trial, fit_temperature, learn_threshold_in_looks, logits_of,
};
use dymo_select::Selector;

use super::{Confidence, FittedOn, Trust, by_pattern};
use crate::error::TrainError;
use crate::evaluation::{Setting, Way, select};
use crate::experiment::{RecoveryKind, TrustTable};

/// Samples that played no part in training, and what is left of each in every way of going missing.
pub struct HeldOut<'a> {
    /// The samples.
    pub samples: &'a dyn Samples,
    /// `present[s][i]` is left of sample i in scenario s; never nothing.
    pub present: &'a [Vec<ModalitySet>],
}

impl HeldOut<'_> {
    /// The scenario in which sample i counts for what needs every sample once: each in turn, two samples at a time, so that no
    /// order of the samples falls in with it.
    pub fn scenario_of(&self, sample: usize) -> usize {
        sample / 2 % self.present.len().max(1)
    }

    /// What is left of each sample in its own scenario.
    pub fn present_once(&self) -> Vec<ModalitySet> {
        let of = |i| self.present.get(self.scenario_of(i)).and_then(|present| present.get(i));
        (0..self.samples.len()).map(|i| of(i).copied().unwrap_or(ModalitySet::EMPTY)).collect()
    }
}

/// Learns the threshold, then fits temperature and sets to what selection with it, and discarding, say of the same samples. Every
/// sample is looked at in every scenario for the threshold, as one observation; for temperature and sets it counts once.
///
/// Threshold and temperature are chosen on the samples that the sets are fitted to. A handful of thresholds and one number leave
/// little to overfit, but little is not nothing: what coverage comes of it is measured on the test split. `progress(done, all)`
/// counts samples and scenarios.
///
/// # Errors
/// There is no held-out sample, one cannot be read, or a recovery fails.
pub fn fit(
    setting: &Setting<'_>,
    held_out: &HeldOut<'_>,
    recovery: RecoveryKind,
    table: &TrustTable,
    fitted_on: FittedOn,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Trust, TrainError> {
    let (samples, looks) = (held_out.samples, held_out.present.len());
    let indices: Vec<usize> = (0..samples.len()).collect();
    if indices.is_empty() || looks == 0 {
        return Err(TrainError::TooFewSamples { split: "validation".into(), found: 0, wanted: 1 });
    }
    let labels: Vec<usize> = indices.iter().map(|i| samples.label(*i)).collect();
    let way = |selector| Way { selector, statistics: setting.statistics };
    let thresholds = table.thresholds.iter().map(|threshold| setting.selector().with_threshold(*threshold));
    let ways: Vec<Way<'_>> = [Selector::discard(), setting.selector()].into_iter().chain(thresholds).map(way).collect();

    // `[way][sample · looks + look]` for the threshold, `[way]` with each sample once for confidence.
    let mut right = vec![vec![false; indices.len() * looks]; ways.len()];
    let mut once = vec![vec![Vec::new(); indices.len()]; ways.len()];
    for (look, present) in held_out.present.iter().enumerate() {
        let before = look * indices.len();
        let mut tell = |done: usize| progress(before + done, looks * indices.len());
        let found = select(setting, samples, &indices, present, &ways, &mut tell)?;
        for (place, found) in found.iter().enumerate() {
            let classes = found.probabilities.len() / indices.len();
            let rows = found.probabilities.chunks_exact(classes.max(1));
            for ((sample, is_right), row) in found.right(&labels).into_iter().enumerate().zip(rows) {
                right[place][sample * looks + look] = is_right;
                if held_out.scenario_of(sample) == look {
                    once[place][sample] = row.to_vec();
                }
            }
        }
    }
    let trials = table.thresholds.iter().zip(&right[2..]);
    let trials: Vec<Trial<'_>> = trials.map(|(threshold, right)| Trial { threshold: *threshold, right }).collect();
    let guarantee = learn_threshold_in_looks(&right[0], &trials, looks, table.guarantee())?;

    let chosen = guarantee.threshold.and_then(|t| table.thresholds.iter().position(|own| *own == t));
    let observed = held_out.present_once();
    let confidence = |place: usize| confidence(&once[place].concat(), &labels, &observed, setting, table);
    Ok(Trust {
        recovery,
        metric: setting.statistics.metric(),
        selection: confidence(chosen.map_or(1, |place| place + 2))?,
        discard: confidence(0)?,
        guarantee,
        fitted_on,
    })
}

fn confidence(
    probabilities: &[f32],
    labels: &[usize],
    observed: &[ModalitySet],
    setting: &Setting<'_>,
    table: &TrustTable,
) -> Result<Confidence, MetricError> {
    let classes = setting.network.layout().classes();
    let temperature = fit_temperature(&logits_of(&Probabilities::new(probabilities, classes)?), labels, classes)?;
    let scaled = temperature.apply_to_probabilities(&Probabilities::new(probabilities, classes)?)?;
    let scaled = Probabilities::new(&scaled, classes)?;
    let sets = by_pattern(observed, |groupings| Conformal::fit(&scaled, labels, groupings, table.sets()))?;
    Ok(Confidence { temperature, sets })
}
