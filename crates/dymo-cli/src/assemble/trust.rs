//! How far answers can be trusted: confidence, every missing pattern apart, the guarantee, settings changed one at a time.

use anyhow::Result;
use dymo_core::ModalitySet;
use dymo_metrics::{
    DEFAULT_BINS, GroupSettings, Membership, PredictionSet, Probabilities, SetScore, Subjects, by_group, correctness,
    covered, reliability,
};
use dymo_report::{
    ConfidenceRecord, GuaranteeRecord, PatternRecord, Report, RobustnessRecord, TestedThreshold, Varied,
};
use dymo_train::evaluation::Arm;
use dymo_train::trust::{self, Trust};

use super::{Confidence, Key};

/// What one way of classifying said of samples, and what was fitted for it.
pub(crate) struct Told<'a> {
    pub key: &'a Key,
    pub arm: Arm,
    /// `[N]`.
    pub labels: &'a [usize],
    /// Of the same samples.
    pub subjects: &'a Subjects,
    /// What came of each sample, `[N]`.
    pub observed: &'a [ModalitySet],
    /// `[N, C]`, as the network gives them.
    pub probabilities: &'a [f32],
    pub classes: usize,
    /// What was fitted, and on how many held-out samples.
    pub fitted: Option<(&'a trust::Confidence, usize)>,
    pub intervals: Confidence,
    /// Names of the modalities.
    pub names: &'a [String],
    /// Patterns with samples of fewer subjects are called too few.
    pub few: usize,
}

/// With temperature and sets, where there are any.
struct Judged {
    probabilities: Vec<f32>,
    sets: Option<Vec<PredictionSet>>,
}

impl Told<'_> {
    fn judged(&self) -> Result<Judged> {
        Ok(match self.fitted {
            None => Judged { probabilities: self.probabilities.to_vec(), sets: None },
            Some((confidence, _)) => {
                let judged = confidence.judge(self.probabilities, self.observed)?;
                Judged { probabilities: judged.probabilities, sets: Some(judged.sets) }
            }
        })
    }

    /// Files temperature and sets over all samples; nothing where nothing was fitted.
    pub(crate) fn add_confidence(&self, report: &mut Report) -> Result<()> {
        let Some((confidence, fitted_on)) = self.fitted else { return Ok(()) };
        let judged = self.judged()?;
        let sets = judged.sets.unwrap_or_default();
        let n = self.labels.len();
        let error = |values: &[f32]| -> Result<f64> {
            Ok(reliability(&Probabilities::new(values, self.classes)?, self.labels, DEFAULT_BINS)?.expected_error)
        };
        let Confidence { level, resamples, seed } = self.intervals;
        let coverage = self.subjects.mean_of_shares(&covered(&sets, self.labels)?, level, resamples, seed)?;
        let score = match confidence.sets.settings.score {
            SetScore::Lac => "LAC",
            SetScore::Aps => "APS",
            SetScore::Raps { .. } => "RAPS",
        };
        report.confidence.push(ConfidenceRecord {
            recovery: self.key.recovery.clone(),
            metric: self.key.metric.clone(),
            arm: self.arm.name().into(),
            fitted_on,
            n,
            temperature: confidence.temperature.value,
            temperature_words: confidence.temperature.in_words(),
            calibration_error_before: error(self.probabilities)?,
            calibration_error_after: error(&judged.probabilities)?,
            score: score.into(),
            asked_coverage: confidence.sets.settings.coverage,
            coverage: coverage.estimate,
            low: coverage.low,
            high: coverage.high,
            set_size: sets.iter().map(|set| set.classes.len()).sum::<usize>() as f64 / n.max(1) as f64,
        });
        Ok(())
    }

    /// Files every missing pattern apart.
    pub(crate) fn add_patterns(&self, report: &mut Report) -> Result<()> {
        let judged = self.judged()?;
        let groups: Vec<u64> = self.observed.iter().map(|set| u64::from(set.bits())).collect();
        let settings = GroupSettings {
            level: self.intervals.level,
            least: self.few,
            resamples: self.intervals.resamples,
            seed: self.intervals.seed,
            ..GroupSettings::default()
        };
        let probabilities = Probabilities::new(&judged.probabilities, self.classes)?;
        let members = Membership { groups: &groups, subjects: self.subjects };
        let found = by_group(&probabilities, self.labels, members, judged.sets.as_deref(), &settings)?;
        let mut records = Vec::with_capacity(found.len());
        for group in found {
            let observed = self.observed.iter().zip(&groups).position(|(_, bits)| *bits == group.group);
            let set = observed.map_or(ModalitySet::EMPTY, |place| self.observed[place]);
            let own = observed.zip(judged.sets.as_ref()).map(|(place, sets)| &sets[place]);
            let promise = own.zip(self.fitted).map(|(set, (confidence, _))| confidence.promise(set, self.names));
            let unknown = dymo_metrics::Interval { estimate: f64::NAN, low: f64::NAN, high: f64::NAN, n: group.n };
            let (coverage, size) = (group.coverage.unwrap_or(unknown), group.set_size.unwrap_or(unknown));
            records.push((
                set,
                PatternRecord {
                    recovery: self.key.recovery.clone(),
                    metric: self.key.metric.clone(),
                    arm: self.arm.name().into(),
                    observed: set.iter().collect(),
                    n: group.n,
                    few: group.few,
                    accuracy: group.accuracy.estimate,
                    low: group.accuracy.low,
                    high: group.accuracy.high,
                    calibration_error: group.calibration_error.estimate,
                    calibration_error_low: group.calibration_error.low,
                    calibration_error_high: group.calibration_error.high,
                    asked_coverage: self.fitted.map_or(f64::NAN, |(fitted, _)| fitted.sets.settings.coverage),
                    coverage: coverage.estimate,
                    coverage_low: coverage.low,
                    coverage_high: coverage.high,
                    set_size: size.estimate,
                    set_size_low: size.low,
                    set_size_high: size.high,
                    promise: promise.unwrap_or_default(),
                },
            ));
        }
        // By size, then by members, as subsets are listed everywhere.
        records.sort_by_key(|(set, record)| (set.len(), record.observed.clone()));
        report.patterns.extend(records.into_iter().map(|(_, record)| record));
        Ok(())
    }
}

/// Files the guarantee, and what came of it on test samples: `selected` and `discarded` say which of those are right.
pub(crate) fn add_guarantee(
    report: &mut Report,
    key: &Key,
    trust: &Trust,
    (selected, discarded): (&[bool], &[bool]),
    subjects: &Subjects,
    intervals: Confidence,
) -> Result<()> {
    let guarantee = &trust.guarantee;
    let tested = guarantee.tested.iter().map(|test| TestedThreshold {
        threshold: exactly(test.threshold),
        wins: test.wins,
        losses: test.losses,
        accuracy: test.accuracy,
        p_value: test.p_value,
        level: test.level,
        passed: test.passed,
    });
    let number = |right: &[bool]| right.iter().map(|r| f64::from(u8::from(*r))).collect::<Vec<f64>>();
    let tried = match guarantee.threshold {
        None => None,
        Some(_) => Some(intervals.difference(&number(selected), &number(discarded), subjects)?),
    };
    let unknown = f64::NAN;
    report.guarantees.push(GuaranteeRecord {
        recovery: key.recovery.clone(),
        metric: key.metric.clone(),
        threshold: guarantee.threshold.map(exactly),
        confidence: guarantee.settings.confidence,
        n: guarantee.n,
        words: guarantee.in_words(),
        tested: tested.collect(),
        test_n: tried.map_or(0, |interval| interval.n),
        test_difference: tried.map_or(unknown, |interval| interval.estimate),
        test_low: tried.map_or(unknown, |interval| interval.low),
        test_high: tried.map_or(unknown, |interval| interval.high),
    });
    Ok(())
}

/// The number that a person wrote, not its nearest single-precision neighbour.
fn exactly(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// Accuracy with one setting changed.
pub(crate) fn robustness(
    key: &Key,
    (varied, setting, usual): (Varied, String, bool),
    arm: Arm,
    (predictions, labels): (&[usize], &[usize]),
    subjects: &Subjects,
    intervals: Confidence,
) -> Result<RobustnessRecord> {
    let right = correctness(predictions, labels)?;
    let interval = intervals.mean(&right, subjects)?;
    Ok(RobustnessRecord {
        recovery: key.recovery.clone(),
        metric: key.metric.clone(),
        varied,
        setting,
        usual,
        arm: arm.name().into(),
        n: interval.n,
        accuracy: interval.estimate,
        low: interval.low,
        high: interval.high,
    })
}
