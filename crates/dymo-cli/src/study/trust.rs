//! What can be promised: fitted on held-out samples, measured on test samples.

use std::sync::Arc;

use dymo_core::{ModalitySet, subsets};
use dymo_data::missingness::Protocol;
use dymo_data::{Samples, Subset, labels};
use dymo_select::Selector;
use dymo_train::evaluation::{Arm, Selected, Setting, Way, select};
use dymo_train::experiment::{Missing, RecoveryKind, Scenario, SplitName};
use dymo_train::trust::{FittedOn, Trust, fit};

use super::case::looks;
use super::{Case, Reader, Study, part};
use crate::assemble::{Filing, Key, Promised, Said};
use crate::training::metric_name;

/// Most modalities for which every pattern is looked at: their number doubles with each.
const MOST_FOR_ALL_PATTERNS: usize = 8;

impl Study<'_> {
    /// Fits threshold, temperature and prediction sets for every recovery model and metric of the experiment on its validation
    /// split; nothing where that is empty, which is said.
    pub(crate) fn calibrate(&self) -> anyhow::Result<Vec<Trust>> {
        self.folder.check_schema(self.splits.train.schema())?;
        let held_out = part(self.splits, SplitName::Validation);
        if held_out.is_empty() {
            self.context.watch.note("the validation split is empty: nothing is promised of the model");
            return Ok(Vec::new());
        }
        let table = self.experiment.trust();
        let samples: Arc<dyn Samples> = Arc::new(Subset::some(held_out, table.samples));
        let scenarios = self.experiment.drawn_scenarios(samples.schema())?;
        let cases = Case::all(self.experiment, scenarios, &samples)?;
        if let Some(missing) = self.experiment.evaluation().missing.iter().find(|missing| missing.masks.is_some()) {
            // Its rows are test samples.
            self.context.watch.note(&format!(
                "calibration cannot go by the mask file of [[evaluation.missing]] {:?}, whose rows are not those of the validation split: it is fitted \
                 with modalities missing as in: {}",
                missing.name,
                all_in_words(cases.iter().map(|case| &case.scenario)).join(", ")
            ));
        }
        let held_out = looks(&cases);
        let mut found = Vec::new();
        for metric in self.experiment.metrics() {
            let reader = Reader::load(self.context, self.folder, *metric)?;
            for kind in self.experiment.recoveries() {
                let recovery = self.recovery(kind, &reader)?;
                let setting = self.setting(&reader, recovery.as_ref());
                let fitted_on = self.fitted_on(&setting, &cases, samples.len());
                let name = format!("calibration, {kind}, {}", metric_name(*metric));
                let task = self.context.watch.task(&name, samples.len() * cases.len());
                let mut tell = |done: usize, _| task.at(done);
                found.push(fit(&setting, &held_out, kind, table, fitted_on, &mut tell)?);
                task.done();
            }
        }
        Ok(found)
    }

    fn fitted_on(&self, setting: &Setting<'_>, cases: &[Case], samples: usize) -> FittedOn {
        FittedOn {
            split: SplitName::Validation,
            samples,
            missing: all_in_words(cases.iter().map(|case| &case.scenario)),
            seed: self.experiment.seed(),
            calibration: setting.calibration,
            edges: setting.edges,
            min_gain: setting.min_gain,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// What was promised of a recovery model and a metric, measured on the samples under evaluation as all that can be drawn leaves
    /// them, and in every missing pattern; what hangs on no recovery model for the `first` one only. Where selection is off, DyMo stands as
    /// published, or, to tell what `decides`, what was observed in its place.
    pub(super) fn promised(
        &self,
        (kind, first): (RecoveryKind, bool),
        setting: &Setting<'_>,
        cases: &[&Case],
        samples: &dyn Samples,
        decides: bool,
    ) -> anyhow::Result<Option<Promised>> {
        let trust = self.folder.trust(kind, setting.statistics.metric())?;
        let held_out = looks(cases.iter().copied());
        let (once, Some(shown)) = (held_out.present_once(), held_out.once()) else { return Ok(None) };
        let key = self.key(kind, setting);
        // Discarding recovers nothing, so it is filed once for a metric.
        let told = Told { arms: if first { 2 } else { 1 }, decides };
        let all: Vec<usize> = (0..samples.len()).collect();
        let found = self.select_both(setting, trust.as_ref(), &shown, (&all, &once), &key)?;
        let labels: Vec<usize> = all.iter().map(|i| samples.label(*i)).collect();
        let discarded = found[1].right(&labels);
        let guarantees: Vec<_> = trust.iter().map(|trust| trust.guarantee.clone()).collect();
        let is_off = guarantees.first().is_some_and(|guarantee| guarantee.threshold.is_none());
        let decided = if is_off { discarded.clone() } else { found[0].right(&labels) };
        let once = said(samples, trust.as_ref(), found, (&all, &once), told)?;
        let every = match self.every_pattern(samples) {
            None => Vec::new(),
            Some((indices, every)) => {
                let found = self.select_both(setting, trust.as_ref(), samples, (&indices, &every), &key)?;
                said(samples, trust.as_ref(), found, (&indices, &every), told)?
            }
        };
        Ok(Some(Promised { key, once, every, guarantees, decided, discarded }))
    }

    /// How promises are filed.
    pub(super) fn filing(&self) -> Filing {
        Filing { intervals: self.intervals(), few: self.experiment.trust().few }
    }

    /// Selection and discarding on some samples, of each of which `present` is left.
    fn select_both(
        &self,
        setting: &Setting<'_>,
        trust: Option<&Trust>,
        samples: &dyn Samples,
        (indices, present): (&[usize], &[ModalitySet]),
        key: &Key,
    ) -> anyhow::Result<Vec<Selected>> {
        let threshold = trust.and_then(|trust| trust.guarantee.threshold).unwrap_or(0.0);
        let way = |selector| Way { selector, statistics: setting.statistics };
        let ways = [way(setting.selector().with_threshold(threshold)), way(Selector::discard())];
        let task = self.context.watch.task(&format!("promises, {}, {}", key.recovery, key.metric), indices.len());
        let found = select(setting, samples, indices, present, &ways, &mut |done| task.at(done))?;
        task.done();
        Ok(found)
    }

    /// Each of the 2^M − 1 patterns on some of the samples that have all of it, where they are asked for: the samples, one pattern
    /// after the other, and what is left of each. In one pattern no sample comes twice.
    fn every_pattern(&self, samples: &dyn Samples) -> Option<(Vec<usize>, Vec<ModalitySet>)> {
        let (wanted, m) = (self.experiment.trust().checks.robustness_samples, samples.schema().modalities().len());
        if wanted == 0 || m > MOST_FOR_ALL_PATTERNS {
            return None;
        }
        let all = subsets(m);
        // As many as make a sentence about a pattern, if there are so many samples.
        let each = wanted.div_ceil(all.len()).max(self.experiment.trust().few);
        let of_pattern = |(number, pattern): (usize, ModalitySet)| {
            let have: Vec<usize> = (0..samples.len()).filter(|i| pattern.is_subset_of(samples.observed(*i))).collect();
            let count = have.len().min(each);
            // Spread over all of them: tables are often sorted by class.
            (0..count).map(move |k| (have[(k * have.len() / count + number) % have.len()], pattern))
        };
        Some(all.into_iter().enumerate().flat_map(of_pattern).unzip())
    }

    /// What was fitted on what, and what that does not say.
    pub(super) fn trust_notes(&self, kinds: &[RecoveryKind], cases: &[&Case], none: bool) -> Vec<String> {
        let mut notes = Vec::new();
        let first = kinds.iter().zip(self.experiment.metrics()).next();
        let fitted = first.and_then(|(kind, metric)| self.folder.trust(*kind, *metric).ok().flatten());
        if let Some(trust) = fitted {
            let on = &trust.fitted_on;
            let here = all_in_words(cases.iter().map(|case| &case.scenario));
            let measured = match here == on.missing {
                true => "in one of these ways, in turn".to_owned(),
                false => format!(
                    "in other ways, in turn: {}. So the promises were not made for them; `dymo calibrate` fits them to these",
                    here.join(", ")
                ),
            };
            let of_subjects = trust.guarantee.subjects.map_or_else(String::new, |count| {
                format!(
                    " of {count} subjects (each one observation for the threshold, one of its samples for the others)"
                )
            });
            notes.push(format!(
                "Threshold, temperature and prediction sets were fitted on {} validation samples{of_subjects}, with modalities missing as in: {}. \
                 They hold for samples like these. The same split has chosen the best epoch of training, so it is not quite as \
                 untouched as the test samples, on which they are measured here; there each sample is missing modalities {measured}.",
                on.samples,
                on.missing.join(", ")
            ));
            notes.push(
                "Confidence, patterns and guarantee are those of DyMo with its threshold where selection is on, of DyMo as \
                 published where it is off; all other figures are of DyMo as published."
                    .into(),
            );
        }
        if none {
            notes.push(
                "Not everything in the model folder is calibrated: without `dymo calibrate` there are no prediction sets, no \
                 temperature and no guarantee."
                    .into(),
            );
        }
        notes
    }

    pub(super) fn key(&self, kind: RecoveryKind, setting: &Setting<'_>) -> Key {
        Key {
            recovery: kind.name().into(),
            metric: metric_name(setting.statistics.metric()).into(),
            protocol: String::new(),
            rate: f64::NAN,
        }
    }
}

/// What is told of DyMo and discarding.
#[derive(Clone, Copy)]
struct Told {
    /// The first so many of both.
    arms: usize,
    /// Whether discarding stands in DyMo's place where selection is off.
    decides: bool,
}

/// What selection and discarding said of some samples, of each of which `observed` was left, judged by what was fitted.
fn said(
    samples: &dyn Samples,
    trust: Option<&Trust>,
    mut found: Vec<Selected>,
    (indices, observed): (&[usize], &[ModalitySet]),
    told: Told,
) -> anyhow::Result<Vec<(Arm, Said)>> {
    let is_off = told.decides && trust.is_some_and(|trust| trust.guarantee.threshold.is_none());
    if let (true, [dymo, discard]) = (is_off, found.as_mut_slice()) {
        dymo.clone_from(discard);
    }
    let schema = samples.schema();
    let names: Vec<String> = schema.modalities().iter().map(|m| m.name().to_owned()).collect();
    let both = [Arm::Dymo, Arm::Discard].into_iter().zip(found).take(told.arms);
    both.map(|(arm, found)| {
        let of = (labels(samples, indices), dymo_data::subjects(samples, indices), observed.to_vec());
        let said = Said::new(of, found.probabilities, schema.classes().len());
        Ok((
            arm,
            match trust {
                None => said,
                Some(trust) => {
                    let fitted = if arm == Arm::Dymo && !is_off { &trust.selection } else { &trust.discard };
                    said.judged_by(fitted, trust.guarantee.subjects.unwrap_or(trust.fitted_on.samples), &names)?
                }
            },
        ))
    })
    .collect()
}

/// Scenarios in words; where every set of observed modalities is one, they are told by their number.
fn all_in_words<'a>(scenarios: impl Iterator<Item = &'a Scenario> + Clone) -> Vec<String> {
    const MOST: usize = 6;
    let count = scenarios.clone().filter(|scenario| is_fixed(scenario)).count();
    if count <= MOST {
        return scenarios.map(in_words).collect();
    }
    let others = scenarios.filter(|scenario| !is_fixed(scenario)).map(in_words);
    others.chain([format!("each of {count} sets of observed modalities")]).collect()
}

fn is_fixed(scenario: &Scenario) -> bool {
    matches!(scenario.missing, Missing::Protocol(Protocol::Fixed { .. }))
}

fn in_words(scenario: &Scenario) -> String {
    match (&scenario.missing, is_fixed(scenario)) {
        (Missing::Protocol(_), false) => format!("{} at {}", scenario.protocol_name, scenario.rate),
        // Their rates differ a little from samples to samples, or stand in their names.
        _ => scenario.protocol_name.clone(),
    }
}
