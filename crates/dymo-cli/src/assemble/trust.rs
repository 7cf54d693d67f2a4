//! How far answers can be trusted: confidence, every missing pattern apart, the guarantee, settings changed one at a time.

use anyhow::Result;
use dymo_core::ModalitySet;
use dymo_metrics::{
    DEFAULT_BINS, GroupSettings, Guarantee, Membership, PredictionSet, Probabilities, SetScore, Subjects, by_group,
    correctness, covered, reliability,
};
use dymo_report::{
    ConfidenceRecord, GuaranteeRecord, PatternRecord, Report, RobustnessRecord, TestedThreshold, Varied,
};
use dymo_train::evaluation::Arm;
use dymo_train::trust;

use super::{Confidence, Key};

/// What one way of classifying said of samples, each judged by what was fitted for it, where something was.
pub(crate) struct Said {
    /// `[N]`.
    labels: Vec<usize>,
    /// Whom each sample is of, `[N]`.
    subjects: Vec<u64>,
    /// What came of each sample, `[N]`.
    observed: Vec<ModalitySet>,
    /// `[N, C]`, as the network gives them.
    probabilities: Vec<f32>,
    classes: usize,
    judged: Option<Judged>,
}

/// With temperature and sets.
struct Judged {
    probabilities: Vec<f32>,
    sets: Vec<PredictionSet>,
    /// What each set promises, in words.
    promises: Vec<String>,
    /// What was fitted, and on how many held-out samples: once, or for every fold.
    fitted: Vec<(trust::Confidence, usize)>,
}

impl Said {
    /// Of samples, of each of which `observed` came; `probabilities` are `[N, C]`.
    pub(crate) fn new(
        (labels, subjects, observed): (Vec<usize>, Vec<u64>, Vec<ModalitySet>),
        probabilities: Vec<f32>,
        classes: usize,
    ) -> Self {
        Self { labels, subjects, observed, probabilities, classes, judged: None }
    }

    /// With what was fitted on so many held-out samples; `names` are those of the modalities.
    pub(crate) fn judged_by(mut self, fitted: &trust::Confidence, on: usize, names: &[String]) -> Result<Self> {
        let trust::Judged { probabilities, sets } = fitted.judge(&self.probabilities, &self.observed)?;
        let promises = sets.iter().map(|set| fitted.promise(set, names)).collect();
        self.judged = Some(Judged { probabilities, sets, promises, fitted: vec![(fitted.clone(), on)] });
        Ok(self)
    }

    /// Puts what was said of other samples, judged by what was fitted for these, behind it.
    fn append(&mut self, other: Self) {
        self.labels.extend(other.labels);
        self.subjects.extend(other.subjects);
        self.observed.extend(other.observed);
        self.probabilities.extend(other.probabilities);
        // What was fitted for some of the samples only is no promise for all.
        self.judged = self.judged.take().zip(other.judged).map(|(mut judged, other)| {
            judged.probabilities.extend(other.probabilities);
            judged.sets.extend(other.sets);
            judged.promises.extend(other.promises);
            judged.fitted.extend(other.fitted);
            judged
        });
    }
}

/// What was promised of one recovery model and metric, and what came of it on samples that had no say in it.
pub(crate) struct Promised {
    pub key: Key,
    /// Each sample once, in one of the ways in which modalities go missing: DyMo, and discarding where that is told here.
    pub once: Vec<(Arm, Said)>,
    /// The same in every missing pattern apart, where they were gone through.
    pub every: Vec<(Arm, Said)>,
    /// The thresholds: one, or one for every fold. None where nothing was fitted.
    pub guarantees: Vec<Guarantee>,
    /// Which of the samples of [`once`](Self::once) are right by what decides: DyMo, or discarding where selection is off.
    pub decided: Vec<bool>,
    /// Which of them discarding has right.
    pub discarded: Vec<bool>,
}

/// How promises are filed.
#[derive(Clone, Copy)]
pub(crate) struct Filing {
    pub intervals: Confidence,
    /// Patterns with samples of fewer subjects are called too few.
    pub few: usize,
}

impl Promised {
    /// Puts another fold behind it.
    pub(crate) fn append(&mut self, fold: Self) {
        let both = |all: &mut Vec<(Arm, Said)>, fold: Vec<(Arm, Said)>| {
            all.iter_mut().zip(fold).for_each(|((_, all), (_, fold))| all.append(fold));
        };
        both(&mut self.once, fold.once);
        both(&mut self.every, fold.every);
        self.guarantees.extend(fold.guarantees);
        self.decided.extend(fold.decided);
        self.discarded.extend(fold.discarded);
    }

    /// Files it.
    pub(crate) fn add_to(&self, report: &mut Report, filing: Filing) -> Result<()> {
        for (arm, said) in &self.once {
            report.confidence.extend(self.confidence(*arm, said, filing)?);
        }
        for (arm, said) in if self.every.is_empty() { &self.once } else { &self.every } {
            report.patterns.extend(self.patterns(*arm, said, filing)?);
        }
        report.guarantees.extend(self.guarantee(filing)?);
        Ok(())
    }

    /// Temperature and sets over all samples; nothing where nothing was fitted.
    fn confidence(&self, arm: Arm, said: &Said, filing: Filing) -> Result<Option<ConfidenceRecord>> {
        let Some(judged) = &said.judged else { return Ok(None) };
        let Some((first, _)) = judged.fitted.first() else { return Ok(None) };
        let n = said.labels.len();
        let error = |values: &[f32]| -> Result<f64> {
            Ok(reliability(&Probabilities::new(values, said.classes)?, &said.labels, DEFAULT_BINS)?.expected_error)
        };
        let subjects = Subjects::new(&said.subjects);
        let coverage = subjects.mean_of_shares(&covered(&judged.sets, &said.labels)?, filing.intervals.level)?;
        let settings = &first.sets.settings;
        let score = match settings.score {
            SetScore::Lac => "LAC",
            SetScore::Aps => "APS",
            SetScore::Raps { .. } => "RAPS",
        };
        let mut temperatures: Vec<f64> = judged.fitted.iter().map(|(fitted, _)| fitted.temperature.value).collect();
        temperatures.sort_by(f64::total_cmp);
        let (least, most) = (temperatures[0], temperatures[temperatures.len() - 1]);
        let temperature_words = match temperatures.len() {
            1 => first.temperature.in_words(),
            folds => {
                format!("each of {folds} folds divides logits by a temperature of its own, {least:.2} to {most:.2}")
            }
        };
        Ok(Some(ConfidenceRecord {
            recovery: self.key.recovery.clone(),
            metric: self.key.metric.clone(),
            arm: arm.name().into(),
            fitted_on: judged.fitted.iter().map(|(_, on)| *on).min().unwrap_or(0),
            n,
            temperature: temperatures[temperatures.len() / 2],
            temperature_words,
            calibration_error_before: error(&said.probabilities)?,
            calibration_error_after: error(&judged.probabilities)?,
            score: score.into(),
            asked_coverage: settings.coverage,
            coverage: coverage.estimate,
            low: coverage.low,
            high: coverage.high,
            set_size: judged.sets.iter().map(|set| set.classes.len()).sum::<usize>() as f64 / n.max(1) as f64,
        }))
    }

    /// Every missing pattern apart.
    fn patterns(&self, arm: Arm, said: &Said, filing: Filing) -> Result<Vec<PatternRecord>> {
        let groups: Vec<u64> = said.observed.iter().map(|set| u64::from(set.bits())).collect();
        let settings = GroupSettings {
            level: filing.intervals.level,
            least: filing.few,
            resamples: filing.intervals.resamples,
            seed: filing.intervals.seed,
            ..GroupSettings::default()
        };
        let judged = said.judged.as_ref();
        let values = judged.map_or(&said.probabilities, |judged| &judged.probabilities);
        let probabilities = Probabilities::new(values, said.classes)?;
        let subjects = Subjects::new(&said.subjects);
        let members = Membership { groups: &groups, subjects: &subjects };
        let sets = judged.map(|judged| judged.sets.as_slice());
        let asked = judged.and_then(|judged| judged.fitted.first()).map(|(fitted, _)| fitted.sets.settings.coverage);
        let mut records = Vec::new();
        for group in by_group(&probabilities, &said.labels, members, sets, &settings)? {
            let places = || (0..groups.len()).filter(|place| groups[*place] == group.group);
            let set = places().next().map_or(ModalitySet::EMPTY, |place| said.observed[place]);
            let unknown = dymo_metrics::Interval { estimate: f64::NAN, low: f64::NAN, high: f64::NAN, n: group.n };
            let (coverage, size) = (group.coverage.unwrap_or(unknown), group.set_size.unwrap_or(unknown));
            records.push((
                set,
                PatternRecord {
                    recovery: self.key.recovery.clone(),
                    metric: self.key.metric.clone(),
                    arm: arm.name().into(),
                    observed: set.iter().collect(),
                    n: group.n,
                    few: group.few,
                    accuracy: group.accuracy.estimate,
                    low: group.accuracy.low,
                    high: group.accuracy.high,
                    calibration_error: group.calibration_error.estimate,
                    calibration_error_low: group.calibration_error.low,
                    calibration_error_high: group.calibration_error.high,
                    asked_coverage: asked.unwrap_or(f64::NAN),
                    coverage: coverage.estimate,
                    coverage_low: coverage.low,
                    coverage_high: coverage.high,
                    set_size: size.estimate,
                    set_size_low: size.low,
                    set_size_high: size.high,
                    promise: judged.map(|judged| one_of(places().map(|at| &judged.promises[at]))).unwrap_or_default(),
                },
            ));
        }
        // By size, then by members, as subsets are listed everywhere.
        records.sort_by_key(|(set, record)| (set.len(), record.observed.clone()));
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// The thresholds, and what came of them on samples that had no say in it; nothing where nothing was fitted.
    fn guarantee(&self, filing: Filing) -> Result<Option<GuaranteeRecord>> {
        let Some(first) = self.guarantees.first() else { return Ok(None) };
        let mut thresholds: Vec<f32> = self.guarantees.iter().filter_map(|fitted| fitted.threshold).collect();
        thresholds.sort_by(f32::total_cmp);
        let n = self.guarantees.iter().map(|fitted| fitted.n).min().unwrap_or(0);
        let single = self.guarantees.len() == 1;
        let words = match (single, thresholds.first().zip(thresholds.last())) {
            (true, _) => first.in_words(),
            (false, None) => format!(
                "in none of {} folds did the held-out samples, {n} at least, show that selection does no worse than discarding: \
                 it is off, and what was observed decides",
                self.guarantees.len()
            ),
            (false, Some((least, most))) => format!(
                "in {} of {} folds the held-out samples, {n} at least, show that selection does no worse than discarding, with \
                 thresholds of {least} to {most}; in the others it is off, and what was observed decides",
                thresholds.len(),
                self.guarantees.len()
            ),
        };
        let tested = first.tested.iter().filter(|_| single).map(|test| TestedThreshold {
            threshold: exactly(test.threshold),
            wins: test.wins,
            losses: test.losses,
            accuracy: test.accuracy,
            p_value: test.p_value,
            level: test.level,
            passed: test.passed,
        });
        let number = |right: &[bool]| right.iter().map(|r| f64::from(u8::from(*r))).collect::<Vec<f64>>();
        let tried = match (thresholds.is_empty(), self.once.first()) {
            (false, Some((_, said))) => {
                let (decided, discarded) = (number(&self.decided), number(&self.discarded));
                Some(filing.intervals.difference(&decided, &discarded, &Subjects::new(&said.subjects))?)
            }
            _ => None,
        };
        let unknown = f64::NAN;
        Ok(Some(GuaranteeRecord {
            recovery: self.key.recovery.clone(),
            metric: self.key.metric.clone(),
            threshold: thresholds.get(thresholds.len() / 2).copied().map(exactly),
            folds: (!single).then_some([thresholds.len(), self.guarantees.len()]),
            confidence: first.settings.confidence,
            n,
            words,
            tested: tested.collect(),
            test_n: tried.map_or(0, |interval| interval.n),
            test_difference: tried.map_or(unknown, |interval| interval.estimate),
            test_low: tried.map_or(unknown, |interval| interval.low),
            test_high: tried.map_or(unknown, |interval| interval.high),
        }))
    }
}

/// What all of them say, or that it differs.
fn one_of<'a>(mut promises: impl Iterator<Item = &'a String>) -> String {
    let Some(first) = promises.next() else { return String::new() };
    match promises.all(|other| other == first) {
        true => first.clone(),
        false => format!("as fitted in each fold; in one of them: {first}"),
    }
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
