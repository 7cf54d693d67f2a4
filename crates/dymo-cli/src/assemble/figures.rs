//! Numbers: accuracy and its like for every arm, paired differences, reliability, what was let in, the information bound.

use std::collections::BTreeMap;

use anyhow::Result;
use dymo_metrics::{
    DEFAULT_BINS, Interval, MetricError, Probabilities, Subjects, auc_one_vs_rest, correctness, macro_f1, reliability,
};
use dymo_report::{AcceptedBySubset, Bound, PairedDifference, Record, Reliability, ReliabilityBin, Report, Resolution};
use dymo_reward::{entropy_nats, information_bound};
use dymo_train::evaluation::{Arm, ArmOutcome, Outcome};

/// What an outcome is filed under.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub recovery: String,
    pub metric: String,
    pub protocol: String,
    pub rate: f64,
}

/// How intervals are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confidence {
    pub level: f64,
    pub resamples: usize,
    pub seed: u64,
}

impl Confidence {
    /// Of the mean of values of samples of these subjects.
    pub(crate) fn mean(self, values: &[f64], subjects: &Subjects) -> Result<Interval, MetricError> {
        subjects.mean_interval_within([0.0, 1.0], values, self.level, self.resamples, self.seed)
    }

    /// Of the mean of a − b.
    pub(crate) fn difference(self, a: &[f64], b: &[f64], subjects: &Subjects) -> Result<Interval, MetricError> {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        subjects.mean_interval_within([-1.0, 1.0], &differences, self.level, self.resamples, self.seed)
    }
}

/// Arms that DyMo is compared with on the same samples.
const BASELINES: [Arm; 3] = [Arm::Discard, Arm::FuseAll, Arm::SecondOpinion];

/// Files every arm of an outcome: records, differences, reliability, and how many recovered modalities were let in.
pub(crate) fn add_outcome(report: &mut Report, key: &Key, outcome: &Outcome, confidence: Confidence) -> Result<()> {
    for arm in &outcome.arms {
        report.records.push(record(key, outcome, arm, confidence)?);
        report.reliability.push(diagram(key, outcome, arm)?);
    }
    let Some(dymo) = outcome.arm(Arm::Dymo) else { return Ok(()) };
    for baseline in BASELINES.iter().filter_map(|arm| outcome.arm(*arm)) {
        report.differences.push(difference(key, outcome, dymo, baseline, confidence)?);
    }
    add_accepted(report, key, dymo);
    report.resolution.push(resolution(key, dymo));
    Ok(())
}

/// How many decisions rounding has had a say in.
fn resolution(key: &Key, dymo: &ArmOutcome) -> Resolution {
    let within = |count: &dyn Fn(usize) -> usize| -> usize {
        dymo.decisions.iter().map(|d| count(d.rounds_within_resolution())).sum()
    };
    Resolution {
        recovery: key.recovery.clone(),
        metric: key.metric.clone(),
        protocol: key.protocol.clone(),
        rate: key.rate,
        samples: dymo.decisions.iter().filter(|d| !d.rounds.is_empty()).count(),
        samples_within: within(&|rounds| usize::from(rounds > 0)),
        rounds: dymo.decisions.iter().map(|d| d.rounds.len()).sum(),
        rounds_within: within(&|rounds| rounds),
    }
}

fn record(key: &Key, outcome: &Outcome, arm: &ArmOutcome, confidence: Confidence) -> Result<Record> {
    let right = correctness(&arm.predictions, &outcome.labels)?;
    let interval = confidence.mean(&right, &Subjects::new(&outcome.subjects))?;
    let probabilities = Probabilities::new(&arm.probabilities, outcome.classes)?;
    Ok(Record {
        recovery: key.recovery.clone(),
        metric: key.metric.clone(),
        protocol: key.protocol.clone(),
        rate: key.rate,
        arm: arm.arm.name().into(),
        n: interval.n,
        accuracy: interval.estimate,
        low: interval.low,
        high: interval.high,
        macro_f1: macro_f1(&arm.predictions, &outcome.labels, outcome.classes)?,
        auc: auc_one_vs_rest(&probabilities, &outcome.labels).unwrap_or(f64::NAN),
        calibration_error: reliability(&probabilities, &outcome.labels, DEFAULT_BINS)?.expected_error,
    })
}

fn diagram(key: &Key, outcome: &Outcome, arm: &ArmOutcome) -> Result<Reliability> {
    let probabilities = Probabilities::new(&arm.probabilities, outcome.classes)?;
    let found = reliability(&probabilities, &outcome.labels, DEFAULT_BINS)?;
    let bins = found.bins.iter().filter_map(|bin| {
        Some(ReliabilityBin { confidence: bin.confidence?, accuracy: bin.accuracy?, count: bin.count })
    });
    Ok(Reliability {
        recovery: key.recovery.clone(),
        metric: key.metric.clone(),
        protocol: key.protocol.clone(),
        rate: key.rate,
        arm: arm.arm.name().into(),
        bins: bins.collect(),
        ece: found.expected_error,
    })
}

fn difference(
    key: &Key,
    outcome: &Outcome,
    arm: &ArmOutcome,
    baseline: &ArmOutcome,
    confidence: Confidence,
) -> Result<PairedDifference> {
    let ours = correctness(&arm.predictions, &outcome.labels)?;
    let theirs = correctness(&baseline.predictions, &outcome.labels)?;
    let mut interval = confidence.difference(&ours, &theirs, &Subjects::new(&outcome.subjects))?;
    let decides = arm.decisions.is_empty() || arm.decisions.iter().any(|decision| !decision.offered().is_empty());
    // Where there was nothing to be decided, the two are one and the same.
    if !decides && baseline.arm != Arm::SecondOpinion && ours == theirs {
        (interval.low, interval.high) = (0.0, 0.0);
    }
    Ok(PairedDifference {
        recovery: key.recovery.clone(),
        metric: key.metric.clone(),
        protocol: key.protocol.clone(),
        rate: key.rate,
        arm: arm.arm.name().into(),
        baseline: baseline.arm.name().into(),
        n: interval.n,
        difference: interval.estimate,
        low: interval.low,
        high: interval.high,
    })
}

/// Adds to what earlier outcomes of the same recovery and metric have filed for a subset.
fn add_accepted(report: &mut Report, key: &Key, dymo: &ArmOutcome) {
    let mut tally: BTreeMap<Vec<usize>, (usize, usize, usize)> = BTreeMap::new();
    for decision in &dymo.decisions {
        let observed: Vec<usize> = decision.observed.iter().collect();
        let offered = decision.offered().len();
        let accepted = decision.final_subset.len() - decision.observed.len();
        let entry = tally.entry(observed).or_default();
        *entry = (entry.0 + 1, entry.1 + offered, entry.2 + accepted);
    }
    for (observed, (samples, offered, accepted)) in tally {
        let same =
            |a: &&mut AcceptedBySubset| a.recovery == key.recovery && a.metric == key.metric && a.observed == observed;
        match report.accepted.iter_mut().find(same) {
            Some(entry) => {
                entry.samples += samples;
                entry.offered += offered;
                entry.accepted += accepted;
            }
            None => report.accepted.push(AcceptedBySubset {
                recovery: key.recovery.clone(),
                metric: key.metric.clone(),
                observed,
                samples,
                offered,
                accepted,
            }),
        }
    }
}

/// Share ε of the uniform distribution that is mixed into probabilities before the bound is taken: no loss can then exceed
/// G = ln(C/ε), which the bound needs to know *before* it sees the samples.
pub(crate) const BOUND_FLOOR: f64 = 1e-3;

/// Files the information bound (method, section 1) of DyMo's final subsets and of the observed ones. `delta` is the probability
/// with which it may fail. What was observed is filed once for a metric, not again for every recovery.
pub(crate) fn add_bound(report: &mut Report, key: &Key, outcome: &Outcome, delta: f64) -> Result<()> {
    let subjects = Subjects::new(&outcome.subjects);
    // Of a sample of a subject taken at random, as the loss is.
    let share = |class: usize| -> Result<f64> {
        let of_class: Vec<f64> = outcome.labels.iter().map(|label| f64::from(u8::from(*label == class))).collect();
        Ok(subjects.means(&of_class)?.iter().sum::<f64>() / subjects.count().max(1) as f64)
    };
    let shares = (0..outcome.classes).map(share).collect::<Result<Vec<f64>>>()?;
    let entropy = entropy_nats(&shares);
    let classes = outcome.classes as f64;
    let largest = (classes / BOUND_FLOOR).ln();
    let place = format!("{} at {}", key.protocol, key.rate);
    for (arm, text, recovery) in
        [(Arm::Discard, "what was observed", None), (Arm::Dymo, "what DyMo fused", Some(key.recovery.clone()))]
    {
        let Some(found) = outcome.arm(arm) else { continue };
        let subset_text = format!("{text}, {place}");
        let filed = |b: &Bound| b.recovery.is_none() && b.metric == key.metric && b.subset_text == subset_text;
        if recovery.is_none() && report.bounds.iter().any(filed) {
            continue;
        }
        let probabilities = Probabilities::new(&found.probabilities, outcome.classes)?;
        let loss = |(row, label): (&[f32], &usize)| {
            -((1.0 - BOUND_FLOOR) * f64::from(row[*label]) + BOUND_FLOOR / classes).ln()
        };
        let losses: Vec<f64> = probabilities.rows().zip(&outcome.labels).map(loss).collect();
        // It is subjects that are independent.
        let mean = subjects.means(&losses)?.iter().sum::<f64>() / subjects.count().max(1) as f64;
        let bound = information_bound(mean, entropy, subjects.count(), delta, largest)?;
        report.bounds.push(Bound {
            recovery,
            metric: key.metric.clone(),
            subset_text,
            cross_entropy: bound.cross_entropy,
            entropy,
            n: bound.samples,
            delta: bound.delta,
            g: bound.loss_bound,
            bound_nats: bound.value,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::ModalitySet;

    fn arm(arm: Arm, predictions: Vec<usize>) -> ArmOutcome {
        let row = |k: &usize| if *k == 0 { [0.9, 0.1] } else { [0.2, 0.8] };
        let probabilities = predictions.iter().flat_map(row).collect();
        ArmOutcome { arm, predictions, probabilities, decisions: Vec::new() }
    }

    /// 3,000 samples of which DyMo has one more right than discarding: a difference that resampling often loses.
    fn outcome() -> Outcome {
        let labels: Vec<usize> = (0..3000).map(|i| i % 2).collect();
        let mut one_wrong = labels.clone();
        one_wrong[7] = 0;
        let arms = vec![arm(Arm::Discard, one_wrong), arm(Arm::Dymo, labels.clone())];
        let present = vec![ModalitySet::single(0); labels.len()];
        let subjects = (0..labels.len() as u64).collect();
        Outcome { labels, subjects, present, classes: 2, arms, recovered: 0, fused: 0, seconds: 0.0 }
    }

    fn key() -> Key {
        Key { recovery: "guided".into(), metric: "cosine".into(), protocol: "bernoulli".into(), rate: 0.2 }
    }

    #[test]
    fn an_end_at_zero_is_zero_and_not_what_rounding_made_of_it() {
        let mut report = Report::default();
        add_outcome(&mut report, &key(), &outcome(), Confidence { level: 0.95, resamples: 2000, seed: 2025 }).unwrap();
        let found = &report.differences[0];
        assert_eq!((found.low, found.baseline.as_str()), (0.0, "discard"));
        assert!(found.difference > 0.0 && found.high > found.difference);
        assert_eq!(report.records.len(), 2);
    }

    #[test]
    fn the_bound_is_taken_of_a_loss_that_cannot_exceed_g() {
        let mut report = Report::default();
        let twice = || outcome();
        add_bound(&mut report, &key(), &twice(), 0.05).unwrap();
        add_bound(&mut report, &Key { recovery: "mopoe".into(), ..key() }, &twice(), 0.05).unwrap();
        // What was observed is the same for both recoveries and filed once.
        assert_eq!(report.bounds.iter().map(|b| b.recovery.is_some()).collect::<Vec<_>>(), [false, true, true]);
        let bound = &report.bounds[1];
        assert!((bound.g - (2.0f64 / 1e-3).ln()).abs() < 1e-12);
        let loss = -0.5 * ((0.999 * 0.9f32 as f64 + 5e-4).ln() + (0.999 * 0.8f32 as f64 + 5e-4).ln());
        assert!((bound.cross_entropy - loss).abs() < 1e-9);
        assert!((bound.bound_nats - (2f64.ln() - loss - bound.g * (20f64.ln() / 6000.0).sqrt())).abs() < 1e-9);
    }
}
