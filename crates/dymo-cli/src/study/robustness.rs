//! How much hangs on settings: one is changed at a time.

use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_metrics::Subjects;
use dymo_report::{Report, Varied};
use dymo_reward::{Calibration, ClassStatistics, Parts};
use dymo_select::Selector;
use dymo_train::evaluation::{Arm, Selected, Setting, Way, select};
use dymo_train::experiment::{RecoveryKind, Scenario};
use dymo_train::trust::Spoilt;

use super::{Case, Study, subjects};
use crate::assemble::{Key, robustness};

/// A setting that was changed, as the report calls it, and whether it is that of all other figures.
type Change = (Varied, String, bool);

impl Study<'_> {
    /// Temperature, form of calibration and threshold, the missing rate, and a recovery that is bad in a share of the cases.
    pub(super) fn robustness(
        &self,
        report: &mut Report,
        kind: RecoveryKind,
        setting: &Setting<'_>,
        Case { shown, .. }: &Case,
    ) -> anyhow::Result<()> {
        let samples = shown.samples.as_ref();
        let checks = &self.experiment.trust().checks;
        let count = samples.len().min(checks.robustness_samples);
        if count == 0 {
            return Ok(());
        }
        let run = Run {
            study: self,
            key: self.key(kind, setting),
            samples,
            indices: (0..count).collect(),
            labels: (0..count).map(|i| samples.label(i)).collect(),
            subjects: subjects(samples, &(0..count).collect::<Vec<usize>>()),
        };
        let steps = 1 + checks.rates.len() + checks.bad_recovery.len();
        let task = self.context.watch.task(&format!("robustness, {kind}, {}", run.key.metric), steps);
        let present = &shown.present[..count];
        run.selection(report, setting, present)?;
        for (place, rate) in checks.rates.iter().enumerate() {
            task.at(1 + place);
            let other = Case::new(self.experiment, Scenario::bernoulli(*rate), &shown.samples)?.shown.present;
            let change = (Varied::Rate, rate.to_string(), self.experiment.evaluation().rates.contains(rate));
            run.three_arms(report, setting, &other[..count], &change)?;
        }
        for (place, share) in checks.bad_recovery.iter().enumerate() {
            task.at(1 + checks.rates.len() + place);
            let (train, seed) = (self.splits.train.clone(), self.experiment.seed());
            let device = self.context.device.clone();
            let bad = Spoilt::new(setting.recovery, train, samples, *share, seed, device);
            let Some(bad) = bad else { break };
            let change = (Varied::BadRecovery, format!("{} %", (share * 1e4).round() / 1e2), *share == 0.0);
            run.three_arms(report, &Setting { recovery: &bad, ..*setting }, present, &change)?;
        }
        task.done();
        Ok(())
    }
}

struct Run<'a> {
    study: &'a Study<'a>,
    key: Key,
    samples: &'a dyn Samples,
    indices: Vec<usize>,
    labels: Vec<usize>,
    subjects: Subjects,
}

impl Run<'_> {
    /// What changes the decisions and no answer: all in one session.
    fn selection(&self, report: &mut Report, setting: &Setting<'_>, present: &[ModalitySet]) -> anyhow::Result<()> {
        let table = self.study.experiment.trust();
        let mut statistics: Vec<ClassStatistics> = Vec::new();
        for temperature in &table.checks.temperatures {
            let parts = Parts { temperature: *temperature, ..setting.statistics.parts().clone() };
            statistics.push(ClassStatistics::try_from(parts)?);
        }
        let usual = setting.selector();
        let mut ways = vec![Way { selector: Selector::discard(), statistics: setting.statistics }];
        let mut changes: Vec<Change> = Vec::new();
        for (temperature, statistics) in table.checks.temperatures.iter().zip(&statistics) {
            ways.push(Way { selector: usual, statistics });
            let as_elsewhere = *temperature == setting.statistics.temperature();
            changes.push((Varied::Temperature, temperature.to_string(), as_elsewhere));
        }
        for form in [Calibration::None, Calibration::RatioOfLogarithms, Calibration::Ratio] {
            let selector = Selector { calibration: form, ..usual };
            ways.push(Way { selector, statistics: setting.statistics });
            changes.push((Varied::Calibration, form_name(form).into(), form == setting.calibration));
        }
        for threshold in &table.thresholds {
            ways.push(Way { selector: usual.with_threshold(*threshold), statistics: setting.statistics });
            changes.push((Varied::Threshold, threshold.to_string(), *threshold == 0.0));
        }
        let found = select(setting, self.samples, &self.indices, present, &ways, &mut |_| ())?;
        for (change, selected) in changes.iter().zip(&found[1..]) {
            self.file(report, change, Arm::Dymo, selected)?;
            self.file(report, change, Arm::Discard, &found[0])?;
        }
        Ok(())
    }

    /// What changes the answers: DyMo, fusing everything, discarding.
    fn three_arms(
        &self,
        report: &mut Report,
        setting: &Setting<'_>,
        present: &[ModalitySet],
        change: &Change,
    ) -> anyhow::Result<()> {
        let arms = [
            (Arm::Dymo, setting.selector()),
            (Arm::FuseAll, Selector::fuse_all()),
            (Arm::Discard, Selector::discard()),
        ];
        let ways = arms.map(|(_, selector)| Way { selector, statistics: setting.statistics });
        let found = select(setting, self.samples, &self.indices, present, &ways, &mut |_| ())?;
        for ((arm, _), selected) in arms.iter().zip(&found) {
            self.file(report, change, *arm, selected)?;
        }
        Ok(())
    }

    fn file(&self, report: &mut Report, change: &Change, arm: Arm, selected: &Selected) -> anyhow::Result<()> {
        let predictions = selected.predictions();
        let told = (predictions.as_slice(), self.labels.as_slice());
        report.robustness.push(robustness(
            &self.key,
            change.clone(),
            arm,
            told,
            &self.subjects,
            self.study.intervals(),
        )?);
        Ok(())
    }
}

fn form_name(form: Calibration) -> &'static str {
    match form {
        Calibration::None => "none",
        Calibration::RatioOfLogarithms => "logarithms",
        Calibration::Ratio => "ratio",
    }
}
