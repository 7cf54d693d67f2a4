//! A threshold on the reward under which selection is not worse than discarding, shown by a test on held-out samples
//! (Learn then Test: Angelopoulos, Bates, Candès, Jordan, Lei 2021).
//!
//! The risk of a threshold is the accuracy that selection loses against discarding on the same sample:
//! P(selection wrong and discarding right) − P(discarding wrong and selection right). A threshold passes if its
//! hypothesis "the risk is above the tolerance" is rejected; all thresholds together are falsely passed with at most the
//! probability 1 − confidence. It holds for samples like the held-out ones, with modalities missing in the same way.

mod test;

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, check_length, check_level, check_some};
use crate::subjects::Subjects;

/// What came of one threshold on the held-out samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial<'a> {
    /// λ: rewards below it let nothing in.
    pub threshold: f32,
    /// `[N]`: whether selection with that threshold is right.
    pub right: &'a [bool],
}

/// In which order, and at which levels, thresholds are tested. Both keep the probability of any false pass below
/// 1 − confidence, whatever ties the tests to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Procedure {
    /// From the most conservative threshold on, each at the full level, until the first that does not pass. Strong
    /// where the most conservative thresholds already show a gain; lets in nothing where they change too few samples to
    /// show any.
    FixedSequence,
    /// In the same order, each at an equal part of the level and what its predecessor handed on by passing (Wiens
    /// 2003). A threshold that does not pass stops no other.
    Fallback,
}

/// What is to be promised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuaranteeSettings {
    /// 1 − δ: the probability with which the promise holds.
    pub confidence: f64,
    /// Loss of accuracy that is tolerated, in 0..1. With 0, the default, an exact sign test of the samples on which
    /// selection and discarding differ must show a gain; above 0 a betting test must show that no more than this is lost,
    /// which can also be shown where nothing is gained.
    pub tolerance: f64,
    /// How several thresholds are tested.
    pub procedure: Procedure,
}

impl Default for GuaranteeSettings {
    fn default() -> Self {
        Self { confidence: 0.95, tolerance: 0.0, procedure: Procedure::Fallback }
    }
}

/// How one threshold did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestedThreshold {
    /// λ.
    pub threshold: f32,
    /// Samples that only selection has right.
    pub wins: usize,
    /// Samples that only discarding has right.
    pub losses: usize,
    /// Accuracy of selection.
    pub accuracy: f64,
    /// Probability of such a success, or a greater one, if the risk were above the tolerance.
    pub p_value: f64,
    /// The level at which it was tested; 0 if the procedure had stopped.
    pub level: f64,
    /// Whether the risk was shown not to be above the tolerance.
    pub passed: bool,
}

/// A threshold with its promise, or the finding that none can be promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guarantee {
    /// What was to be promised.
    pub settings: GuaranteeSettings,
    /// Of the thresholds that passed the one with the best accuracy, the most conservative on ties. `None`: selection is
    /// off, only what was observed is used.
    pub threshold: Option<f32>,
    /// All thresholds, the most conservative first.
    pub tested: Vec<TestedThreshold>,
    /// Accuracy of discarding.
    pub discard_accuracy: f64,
    /// Held-out samples.
    pub n: usize,
    /// How many times each was looked at, with other modalities missing; wins and losses are counted in looks at samples.
    #[serde(default = "once")]
    pub looks: usize,
    /// How many subjects the samples stem from, where these are fewer: each counts as one observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<usize>,
}

fn once() -> usize {
    1
}

impl Guarantee {
    /// What stands behind the chosen threshold; `None` where selection is off.
    pub fn chosen(&self) -> Option<&TestedThreshold> {
        let threshold = self.threshold?;
        self.tested.iter().find(|test| test.threshold == threshold)
    }

    /// The result in sentences.
    pub fn in_words(&self) -> String {
        let per_cent = |share: f64| format!("{} %", (1e4 * share).round() / 100.0);
        let counts = |test: &TestedThreshold| {
            let all = if self.looks > 1 {
                format!("of {} answers, each sample with {} ways of missing, ", self.n * self.looks, self.looks)
            } else {
                String::new()
            };
            format!("{all}{} put right, {} put wrong", test.wins, test.losses)
        };
        let confidence = per_cent(self.settings.confidence);
        let tolerance = self.settings.tolerance;
        let of_subjects = self.subjects.map_or_else(String::new, |count| format!(" of {count} subjects"));
        let (n, discard) = (self.n, per_cent(self.discard_accuracy));
        if let Some(chosen) = self.chosen() {
            let claim = if tolerance > 0.0 {
                format!("selection loses at most {} of accuracy against discarding", per_cent(tolerance))
            } else {
                "selection is not worse than discarding".into()
            };
            let gate = if chosen.threshold > 0.0 {
                format!("a recovered modality is let in only for a reward of at least {}", chosen.threshold)
            } else {
                "every positive reward counts".into()
            };
            return format!(
                "selection is on: {gate}. With confidence {confidence}, {claim} on samples like the {n} held-out ones{of_subjects} \
                 ({discard} with discarding, {} with selection: {})",
                per_cent(chosen.accuracy),
                counts(chosen)
            );
        }
        // One that changes nothing shows nothing: what the others did is what there is to say.
        let changing = || self.tested.iter().filter(|test| test.wins + test.losses > 0);
        let best = changing().min_by(|a, b| a.p_value.total_cmp(&b.p_value).then(b.accuracy.total_cmp(&a.accuracy)));
        let why = best.map_or("; no threshold changed whether any of them was classified right".to_owned(), |best| {
            let still = self.tested.len() - changing().count();
            let still = if still > 0 {
                format!(", {still} of them changed no answer for better or worse")
            } else {
                String::new()
            };
            format!(
                "{still}; the best case, threshold {}, has {} (p = {:.3}, {:.3} was needed)",
                best.threshold,
                counts(best),
                best.p_value,
                if best.level > 0.0 { best.level } else { 1.0 - self.settings.confidence }
            )
        });
        format!(
            "selection is off, only what was observed is used: for none of {} thresholds could {n} held-out samples{of_subjects} show, with \
             confidence {confidence}, that selection is {} ({discard} with discarding){why}",
            self.tested.len(),
            if tolerance > 0.0 { "hardly worse than discarding" } else { "not worse than discarding" },
        )
    }
}

/// Tests thresholds on held-out samples with simulated missingness and chooses one. `discard_right[i]` says whether
/// discarding is right on sample i. The samples must be independent, have played no part in training, and the
/// thresholds must have been chosen without them; the order of trials is of no matter. A betting test (tolerance
/// above 0) reads samples in their order, which must not depend on what they are.
///
/// ```
/// use dymo_metrics::{GuaranteeSettings, Trial, learn_threshold};
/// // Of 400 samples discarding has 300 right. Without a threshold selection puts 30 right and 25 wrong,
/// // with 0.2 it puts 20 right and 2 wrong.
/// let discard: Vec<bool> = (0..400).map(|i| i < 300).collect();
/// let with = |wins: usize, losses: usize| -> Vec<bool> {
///     (0..400).map(|i| if i < 300 { i >= losses } else { i < 300 + wins }).collect()
/// };
/// let (all, some) = (with(30, 25), with(20, 2));
/// let trials = [Trial { threshold: 0.0, right: &all }, Trial { threshold: 0.2, right: &some }];
/// let found = learn_threshold(&discard, &trials, GuaranteeSettings::default())?;
/// assert_eq!(found.threshold, Some(0.2));
/// assert!(found.in_words().starts_with("selection is on: a recovered modality is let in only for a reward of at least 0.2"));
/// # Ok::<(), dymo_metrics::MetricError>(())
/// ```
///
/// # Errors
/// No samples or trials, slices of different lengths, a confidence outside 0..1, a tolerance outside 0..1, a threshold
/// that is not a number.
pub fn learn_threshold(
    discard_right: &[bool],
    trials: &[Trial<'_>],
    settings: GuaranteeSettings,
) -> Result<Guarantee, MetricError> {
    learn_threshold_in_looks(discard_right, trials, 1, settings)
}

/// The same where every sample was looked at `looks` times, with other modalities missing each time: entries `i·looks` to
/// `(i + 1)·looks` belong to sample i. The looks of a sample are not independent, so they count as one observation, their
/// mean, and the betting test judges those for any tolerance. The promise is about the mean over looks; wins and losses
/// are counted in looks.
///
/// # Errors
/// As [`learn_threshold`]; also if the entries are not whole samples.
pub fn learn_threshold_in_looks(
    discard_right: &[bool],
    trials: &[Trial<'_>],
    looks: usize,
    settings: GuaranteeSettings,
) -> Result<Guarantee, MetricError> {
    let samples = discard_right.len().div_ceil(looks.max(1));
    learn_threshold_of_subjects(discard_right, trials, looks, &Subjects::alone(samples), settings)
}

/// The same where several samples may stem from one subject: all looks at all samples of a subject count as one observation. The promise
/// stays about the mean over samples: a subject counts for as much as it has samples.
///
/// # Errors
/// As [`learn_threshold_in_looks`]; also unless there is one subject a sample.
pub fn learn_threshold_of_subjects(
    discard_right: &[bool],
    trials: &[Trial<'_>],
    looks: usize,
    subjects: &Subjects,
    settings: GuaranteeSettings,
) -> Result<Guarantee, MetricError> {
    check_level(settings.confidence)?;
    if !(0.0..1.0).contains(&settings.tolerance) {
        let wanted = "from 0 to below 1; 0 promises not to be worse at all";
        return Err(MetricError::Setting { what: "tolerance", found: settings.tolerance, wanted });
    }
    check_some("held-out samples", discard_right)?;
    check_some("thresholds", trials)?;
    let looks = looks.max(1);
    check_length("held-out samples", discard_right.len(), discard_right.len().next_multiple_of(looks))?;
    check_length("subjects", subjects.samples(), discard_right.len() / looks)?;
    let mut tested = Vec::with_capacity(trials.len());
    for trial in trials {
        check_length("right", trial.right.len(), discard_right.len())?;
        if trial.threshold.is_nan() {
            let found = f64::from(trial.threshold);
            return Err(MetricError::Setting { what: "threshold", found, wanted: "a number" });
        }
        tested.push(examine(discard_right, trial, (looks, subjects), settings.tolerance));
    }
    tested.sort_by(|a, b| b.threshold.total_cmp(&a.threshold));
    assign_levels(&mut tested, 1.0 - settings.confidence, settings.procedure);
    let mut best: Option<&TestedThreshold> = None;
    for test in tested.iter().filter(|test| test.passed) {
        if best.is_none_or(|top| test.accuracy > top.accuracy) {
            best = Some(test);
        }
    }
    Ok(Guarantee {
        settings,
        threshold: best.map(|test| test.threshold),
        discard_accuracy: share(discard_right),
        n: discard_right.len() / looks,
        looks,
        subjects: (!subjects.are_samples()).then(|| subjects.count()),
        tested,
    })
}

fn examine(
    discard_right: &[bool],
    trial: &Trial<'_>,
    (looks, subjects): (usize, &Subjects),
    tolerance: f64,
) -> TestedThreshold {
    let pairs = || discard_right.iter().zip(trial.right);
    let wins = pairs().filter(|(discard, right)| !**discard && **right).count();
    let losses = pairs().filter(|(discard, right)| **discard && !**right).count();
    let several = looks > 1 || !subjects.are_samples();
    let p_value = if several || tolerance > 0.0 {
        // A mean over several looks seldom loses everything at once, so more can be put at stake.
        let boldness = if several { 0.9 } else { 0.5 };
        // The sum over a subject's samples, as a part of the most that any subject has: its mean has the sign of the mean over samples, which
        // is what the promise is about, and it stays within −1..1.
        let most = subjects.largest() as f64;
        let mut lost = vec![0.0; subjects.count()];
        for (entry, (discard, right)) in pairs().enumerate() {
            let loss = f64::from(*discard as i8 - *right as i8);
            lost[subjects.of()[entry / looks]] += (loss - tolerance) / looks as f64 / most;
        }
        test::betting(lost.into_iter().map(|sum| tolerance + sum), tolerance, boldness)
    } else {
        test::sign(wins, losses)
    };
    TestedThreshold {
        threshold: trial.threshold,
        wins,
        losses,
        accuracy: share(trial.right),
        p_value,
        level: 0.0,
        passed: false,
    }
}

/// Goes through the tests in their order and lets pass what the procedure lets pass.
fn assign_levels(tested: &mut [TestedThreshold], delta: f64, procedure: Procedure) {
    let own = match procedure {
        Procedure::FixedSequence => 0.0,
        Procedure::Fallback => delta / tested.len() as f64,
    };
    let mut handed_on = delta - own * tested.len() as f64;
    for test in tested {
        // Rounding must not hand on more than there is.
        test.level = (own + handed_on).clamp(0.0, delta);
        test.passed = test.level > 0.0 && test.p_value <= test.level;
        handed_on = if test.passed { test.level } else { 0.0 };
    }
}

fn share(right: &[bool]) -> f64 {
    right.iter().filter(|right| **right).count() as f64 / right.len() as f64
}

/// Whether a reward tells a recovery that helps from one that harms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Area under the ROC curve: the probability that the reward of a sample that is put right is above that of one
    /// that is put wrong. One half: it tells nothing.
    pub auc: f64,
    /// Samples that are put right.
    pub wins: usize,
    /// Samples that are put wrong.
    pub losses: usize,
}

/// Measures the reward as a signal on the samples on which letting in changes whether the prediction is right; all
/// others count neither way. `rewards[i]` is that of letting the recovered modalities of sample i in.
///
/// # Errors
/// Slices of different lengths, a reward that is not finite, or no sample put right, or none put wrong.
pub fn reward_signal(rewards: &[f32], before_right: &[bool], after_right: &[bool]) -> Result<Signal, MetricError> {
    check_length("right before", before_right.len(), rewards.len())?;
    check_length("right after", after_right.len(), rewards.len())?;
    let differ = before_right.iter().zip(after_right).zip(rewards).filter(|((before, after), _)| before != after);
    let (won, scores): (Vec<bool>, Vec<f32>) = differ.map(|((_, after), reward)| (*after, *reward)).unzip();
    let wins = won.iter().filter(|won| **won).count();
    if wins == 0 || wins == won.len() {
        return Err(MetricError::OneSided { positives: wins, negatives: won.len() - wins });
    }
    Ok(Signal { auc: crate::auc(&scores, &won)?, wins, losses: won.len() - wins })
}

#[cfg(test)]
mod tests;
