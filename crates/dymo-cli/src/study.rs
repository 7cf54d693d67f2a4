//! An evaluation as a whole: every recovery, metric and way of going missing, on the same samples, into one report.

mod case;
mod checks;
mod incomplete;
mod provenance;
mod robustness;
mod trust;

pub(crate) use case::{Case, hardest, rehearse, unfilled};
pub(crate) use incomplete::train_complete_only;
pub(crate) use provenance::versions;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use dymo_data::{Leak, Samples, Splits, Subset, at_most, complete, leaks};
use dymo_metrics::Subjects;
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{Recovery, Retrieval};
use dymo_report::{MinGain, RecoveryQuality, Report, findings};
use dymo_reward::{ClassStatistics, Edges, Metric};
use dymo_train::evaluation::{Arm, Outcome, SampleGallery, Setting, coherence, evaluate};
use dymo_train::experiment::{Experiment, RecoveryKind, Scenario, Shown, SplitName};
use dymo_train::model_folder::ModelFolder;

use crate::assemble::{self, Confidence, Key, Promised, add_bound, add_outcome, gallery};
use crate::context::Context;
use crate::training::metric_name;

/// Most modalities for which every subset's recoveries are read: the number of subsets doubles with each.
const MOST_FOR_COHERENCE: usize = 8;

/// What is evaluated.
pub(crate) struct Study<'a> {
    pub context: &'a Context,
    pub experiment: &'a Experiment,
    pub folder: &'a ModelFolder,
    pub splits: &'a Splits,
}

/// A fusion network with its statistics.
pub(crate) struct Reader {
    pub metric: Metric,
    pub network: FusionNetwork,
    pub statistics: ClassStatistics,
    /// As recorded in the folder.
    pub edges: Edges,
}

impl Reader {
    /// Loads both from a folder.
    pub(crate) fn load(context: &Context, folder: &ModelFolder, metric: Metric) -> anyhow::Result<Self> {
        let network = folder.fusion(metric, &context.device)?;
        let edges = folder.fusion_part(metric)?.edges;
        Ok(Self { metric, network, statistics: folder.statistics(metric)?, edges })
    }
}

impl Study<'_> {
    /// Evaluates everything that the experiment asks for.
    pub(crate) fn run(&self) -> anyhow::Result<Report> {
        let began = Instant::now();
        self.folder.check_schema(self.splits.train.schema())?;
        let samples = self.samples()?;
        let readers = self.experiment.metrics().iter().map(|metric| Reader::load(self.context, self.folder, *metric));
        let readers = readers.collect::<anyhow::Result<Vec<_>>>()?;
        let cases = self.cases(&samples)?;
        let recoveries = self.experiment.recoveries();
        let comparison = self.complete_only(&readers[0]);
        // What is promised holds for all that can be drawn; what is looked into further is about whole modalities.
        let spare = match cases.iter().any(|case| case.scenario.missing.is_general()) {
            true => Vec::new(),
            false => Case::all(self.experiment, self.experiment.general_scenarios(samples.schema())?, &samples)?,
        };
        let general: Vec<&Case> =
            cases.iter().filter(|case| case.scenario.missing.is_general()).chain(&spare).collect();
        let drawn: Vec<&Case> = cases.iter().filter(|case| case.scenario.missing.is_drawn()).collect();
        let promised = if drawn.is_empty() { &general } else { &drawn };
        let mut report = Report {
            modalities: samples.schema().modalities().iter().map(|m| m.name().into()).collect(),
            learning_curves: self.learning_curves(),
            ..Report::default()
        };
        let (mut copies, mut uncalibrated) = (false, false);
        for kind in &recoveries {
            for reader in &readers {
                let recovery = self.recovery(*kind, reader)?;
                copies |= recovery.shows_training_data();
                let setting = self.setting(reader, recovery.as_ref());
                self.measure(&mut report, *kind, &setting, reader.metric, &cases)?;
                if reader.metric == readers[0].metric {
                    self.judge_recovery(&mut report, *kind, &setting, samples.as_ref())?;
                }
                let first = *kind == recoveries[0];
                uncalibrated |= self.folder.trust(*kind, reader.metric)?.is_none();
                if let Some(found) = self.promised((*kind, first), &setting, promised, samples.as_ref(), false)? {
                    found.add_to(&mut report, self.filing())?;
                }
                if let Some(case) = hardest(&general) {
                    self.beyond_greedy(&mut report, *kind, &setting, case)?;
                    self.check_acquisitions(&mut report, *kind, &setting, case)?;
                    self.robustness(&mut report, *kind, &setting, case)?;
                }
                if first && reader.metric == readers[0].metric {
                    if let Some(comparison) = &comparison {
                        self.incomplete_training(&mut report, comparison, &setting, &cases)?;
                    }
                    self.least_gains(&mut report, &setting, hardest(&general))?;
                }
            }
        }
        report.provenance = self.provenance(&recoveries, readers[0].metric, copies, began);
        let all: Vec<usize> = (0..samples.len()).collect();
        report.provenance.notes.extend(subject_note(&subjects(samples.as_ref(), &all)));
        report.provenance.notes.extend(leakage(self.context, self.splits, false));
        report.provenance.notes.extend(self.trust_notes(&recoveries, promised, uncalibrated));
        if uncalibrated {
            let model = self.folder.path().display();
            self.context.watch.note(&format!(
                "{model}: not everything in it is calibrated, so some answers have no prediction sets and no guarantee; \
                 `dymo calibrate {} --model {model}` fits them",
                self.experiment.path().display()
            ));
        }
        Ok(report)
    }

    /// Every way of using what was recovered, for every recovery, metric and scenario, on the samples that are judged.
    pub(crate) fn judge(&self) -> anyhow::Result<Vec<(Key, Outcome)>> {
        let samples = self.samples()?;
        let cases = self.cases(&samples)?;
        let indices: Vec<usize> = (0..samples.len()).collect();
        let mut judged = Vec::new();
        for kind in self.experiment.recoveries() {
            for metric in self.experiment.metrics() {
                let reader = Reader::load(self.context, self.folder, *metric)?;
                let recovery = self.recovery(kind, &reader)?;
                let setting = self.setting(&reader, recovery.as_ref());
                for Case { scenario, shown } in &cases {
                    let arms = &self.experiment.evaluation().arms;
                    let left = shown.samples.as_ref();
                    let outcome = evaluate(&setting, left, &indices, &shown.present, arms, &mut |_, _| ())?;
                    judged.push((key(kind, *metric, scenario), outcome));
                }
            }
        }
        Ok(judged)
    }

    /// What was promised of what decides, for every recovery and metric, measured on the samples that are judged, of which modalities go
    /// missing as of those that it was fitted on.
    pub(crate) fn promises(&self) -> anyhow::Result<Vec<Promised>> {
        let samples = self.samples()?;
        let cases = Case::all(self.experiment, self.experiment.drawn_scenarios(samples.schema())?, &samples)?;
        let cases: Vec<&Case> = cases.iter().collect();
        let mut found = Vec::new();
        for (place, kind) in self.experiment.recoveries().into_iter().enumerate() {
            for metric in self.experiment.metrics() {
                let reader = Reader::load(self.context, self.folder, *metric)?;
                let recovery = self.recovery(kind, &reader)?;
                let setting = self.setting(&reader, recovery.as_ref());
                found.extend(self.promised((kind, place == 0), &setting, &cases, samples.as_ref(), true)?);
            }
        }
        Ok(found)
    }

    /// The samples that are judged.
    fn samples(&self) -> anyhow::Result<Arc<dyn Samples>> {
        let samples = judged(self.experiment, self.splits);
        if samples.is_empty() {
            bail!(
                "{}: the {} split is empty, nothing can be evaluated",
                self.experiment.path().display(),
                split_name(self.experiment.evaluation().split)
            );
        }
        Ok(samples)
    }

    /// What goes missing of them.
    fn cases(&self, samples: &Arc<dyn Samples>) -> anyhow::Result<Vec<Case>> {
        Case::all(self.experiment, self.experiment.scenarios(samples.schema())?, samples)
    }

    fn recovery(&self, kind: RecoveryKind, reader: &Reader) -> anyhow::Result<Box<dyn Recovery>> {
        let model = match kind {
            // A folder that keeps no samples, as one of published weights does not, looks into the experiment's.
            RecoveryKind::Retrieval if !self.folder.recoveries().contains(&kind) => Box::new(self.retrieval(reader)?),
            _ => self.folder.recovery(kind, reader.metric, self.experiment.seed(), &self.context.device)?,
        };
        Ok(self.experiment.offering(kind, model, self.splits.train.schema()))
    }

    fn retrieval(&self, reader: &Reader) -> anyhow::Result<Retrieval> {
        let table = self.experiment.table().recovery.retrieval.clone().unwrap_or_default();
        // What is shown must be there, whichever modality is asked for.
        let train = self.splits.train.clone();
        let whole = at_most(train.as_ref(), complete(train.as_ref()), table.train_limit);
        let train = Arc::new(Subset::new(train, whole)?);
        let (gallery, device) = (Arc::new(SampleGallery(train)), self.context.device.clone());
        Ok(Retrieval::new(reader.network.clone(), gallery, table.neighbours, self.experiment.seed(), device))
    }

    fn setting<'a>(&'a self, reader: &'a Reader, recovery: &'a dyn Recovery) -> Setting<'a> {
        Setting {
            network: &reader.network,
            statistics: &reader.statistics,
            recovery,
            calibration: self.experiment.calibration(reader.metric),
            edges: self.experiment.edges().unwrap_or(reader.edges),
            min_gain: self.experiment.min_gain(),
            device: &self.context.device,
        }
    }

    /// How intervals are made.
    fn intervals(&self) -> Confidence {
        let table = self.experiment.evaluation();
        Confidence { level: table.confidence, resamples: table.resamples, seed: self.experiment.seed() }
    }

    /// Every scenario of one recovery and metric.
    fn measure(
        &self,
        report: &mut Report,
        kind: RecoveryKind,
        setting: &Setting<'_>,
        metric: Metric,
        cases: &[Case],
    ) -> anyhow::Result<()> {
        let table = self.experiment.evaluation();
        let confidence = self.intervals();
        let name = format!("{kind}, {}", metric_name(metric));
        let task = self.context.watch.task(&name, cases.iter().map(|case| case.shown.present.len()).sum());
        let shown_in_gallery = hardest(&cases.iter().collect::<Vec<_>>()).map(|case| &case.scenario);
        let mut before = 0;
        for Case { scenario, shown } in cases {
            let left = shown.samples.as_ref();
            let indices: Vec<usize> = (0..left.len()).collect();
            let outcome = evaluate(setting, left, &indices, &shown.present, &table.arms, &mut |done, _| {
                task.at(before + done);
            })?;
            before += left.len();
            let key = key(kind, metric, scenario);
            add_outcome(report, &key, &outcome, confidence)?;
            add_bound(report, &key, &outcome, table.delta)?;
            if report.gallery.is_empty() && Some(scenario) == shown_in_gallery {
                report.gallery = {
                    let reader = assemble::Reader::new(left.schema(), Some(self.experiment.source()));
                    gallery(setting, left, &indices, &outcome, &name, (&reader, &table.gallery))?
                };
            }
        }
        task.done();
        Ok(())
    }

    /// How often recovered modalities show the right class.
    fn judge_recovery(
        &self,
        report: &mut Report,
        kind: RecoveryKind,
        setting: &Setting<'_>,
        samples: &dyn Samples,
    ) -> anyhow::Result<()> {
        let modalities = samples.schema().modalities().len();
        let wanted = self.experiment.evaluation().coherence_samples;
        let indices = at_most(samples, complete(samples), wanted);
        if indices.is_empty() || modalities > MOST_FOR_COHERENCE {
            return Ok(());
        }
        let task = self.context.watch.task(&format!("{kind}, read alone"), modalities - 1);
        for given in 1..modalities {
            let found = coherence(setting.network, setting.recovery, setting.device, samples, &indices, given)?;
            // A model for tables alone recovers nothing from some sets.
            if found.n > 0 {
                report.recovery_quality.push(RecoveryQuality {
                    recovery: kind.name().into(),
                    given,
                    read_as_right_class: found.share,
                    n: found.n,
                });
            }
            task.at(given);
        }
        task.done();
        Ok(())
    }

    /// What is lost, and what time is won, by leaving samples alone that have little to gain.
    fn least_gains(&self, report: &mut Report, setting: &Setting<'_>, case: Option<&Case>) -> anyhow::Result<()> {
        let table = &self.experiment.evaluation().min_gain;
        let Some(Case { shown: Shown { samples, present }, .. }) = case else { return Ok(()) };
        let indices = at_most(samples.as_ref(), 0..samples.len(), table.samples);
        let present: Vec<_> = indices.iter().map(|index| present[*index]).collect();
        let task = self.context.watch.task("least gain", table.thresholds.len());
        for (place, tau) in table.thresholds.iter().enumerate() {
            let setting = Setting { min_gain: *tau as f32, ..*setting };
            let run = |count: usize| {
                let (indices, present) = (&indices[..count], &present[..count]);
                evaluate(&setting, samples.as_ref(), indices, present, &[Arm::Dymo], &mut |_, _| ())
            };
            if place == 0 {
                // Whatever is made at the first use is not to count as time of the first threshold.
                run(indices.len().min(WARM_UP))?;
            }
            let mut outcome = run(indices.len())?;
            let mut seconds = vec![outcome.seconds];
            while seconds.len() < 3 && seconds[0] < REPEATED_BELOW {
                seconds.push(run(indices.len())?.seconds);
            }
            seconds.sort_by(f64::total_cmp);
            outcome.seconds = seconds[seconds.len() / 2];
            report.min_gain.push(min_gain(*tau, &outcome));
            task.at(place + 1);
        }
        task.done();
        Ok(())
    }
}

/// Samples that go through before the first time is taken.
const WARM_UP: usize = 32;
/// Seconds up to which a measurement of time is made three times.
const REPEATED_BELOW: f64 = 1.0;

/// One mark of the least-gain curve.
fn min_gain(tau: f64, outcome: &Outcome) -> MinGain {
    let n = outcome.labels.len().max(1) as f64;
    let share = |count: usize| count as f64 / n;
    let (mut right, mut asked) = (0, 0);
    for arm in &outcome.arms {
        right = arm.predictions.iter().zip(&outcome.labels).filter(|(p, l)| p == l).count();
        asked = arm.decisions.iter().filter(|d| !d.rounds.is_empty()).count();
    }
    MinGain { tau, accuracy: share(right), samples_recovered_share: share(asked), seconds: outcome.seconds }
}

/// The subjects of `indices`.
fn subjects(samples: &dyn Samples, indices: &[usize]) -> Subjects {
    Subjects::new(&dymo_data::subjects(samples, indices))
}

/// What several samples of a subject mean for all intervals; nothing where no subject has several.
pub(crate) fn subject_note(subjects: &Subjects) -> Option<String> {
    (!subjects.are_samples()).then(|| {
        format!(
            "The {} samples stem from {} subjects: intervals draw whole subjects, and a missing pattern is called one of few samples \
             by its subjects.",
            subjects.samples(),
            subjects.count()
        )
    })
}

/// What lies in more than one part, or would in folds; said at once, and for the report.
pub(crate) fn leakage(context: &Context, splits: &Splits, folds: bool) -> Vec<String> {
    let parts = [("train", &splits.train), ("validation", &splits.validation), ("test", &splits.test)];
    let parts = parts.map(|(name, samples)| (name, samples.as_ref()));
    let told: Vec<String> = leaks(&parts, folds).iter().map(Leak::in_words).collect();
    told.iter().for_each(|words| context.watch.note(words));
    told
}

/// The samples that an experiment's evaluation is about.
pub(crate) fn judged(experiment: &Experiment, splits: &Splits) -> Arc<dyn Samples> {
    let table = experiment.evaluation();
    let split = part(splits, table.split);
    match table.samples {
        Some(limit) if limit < split.len() => Arc::new(Subset::some(split, limit)),
        _ => split,
    }
}

/// One part of the data.
pub(crate) fn part(splits: &Splits, name: SplitName) -> Arc<dyn Samples> {
    match name {
        SplitName::Train => splits.train.clone(),
        SplitName::Validation => splits.validation.clone(),
        SplitName::Test => splits.test.clone(),
    }
}

/// Its name.
pub(crate) fn split_name(name: SplitName) -> &'static str {
    match name {
        SplitName::Train => "training",
        SplitName::Validation => "validation",
        SplitName::Test => "test",
    }
}

/// Where the report is and what it says, for people and for machines.
pub(crate) fn summary(report: &Report, page: &std::path::Path) -> anyhow::Result<(String, serde_json::Value)> {
    let found = findings(report);
    let headline = match found.first() {
        None => "No setting has a DyMo result.".to_owned(),
        Some(first) => {
            let words: Vec<String> = first.comparisons.iter().map(|c| c.in_words()).collect();
            format!(
                "{} recovery, {} metric, {} at {}: DyMo classifies {:.1} % of {} samples right{}{}.",
                first.recovery,
                first.metric,
                first.protocol,
                first.rate,
                100.0 * first.accuracy,
                first.n,
                if words.is_empty() { "" } else { ": " },
                words.join(", ")
            )
        }
    };
    let metrics: serde_json::Value =
        serde_json::from_str(&report.metrics_json()?).context("metrics.json does not read back")?;
    let json = serde_json::json!({
        "page": page, "headline": headline, "records": metrics["records"], "differences": metrics["differences"],
    });
    Ok((format!("{headline}\nThe report: {}", page.display()), json))
}

/// What an outcome is filed under.
fn key(kind: RecoveryKind, metric: Metric, scenario: &Scenario) -> Key {
    Key {
        recovery: kind.name().into(),
        metric: metric_name(metric).into(),
        protocol: scenario.protocol_name.clone(),
        rate: scenario.rate,
    }
}
