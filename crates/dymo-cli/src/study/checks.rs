//! Two checks on the method: what choosing one at a time missed, and whether the suggestion what to acquire is worth anything.

use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_metrics::{Probabilities, Subjects, Temperature};
use dymo_models::recovery::Recovery;
use dymo_report::{AcquisitionRecord, GreedyRecord, Report};
use dymo_select::{MAX_EXACT, Selector, check_greedy};
use dymo_train::evaluation::{Fused, Setting, Way, probabilities, select};
use dymo_train::experiment::RecoveryKind;
use dymo_train::trust::{SURE, acquisitions};

use super::{Case, Study, subjects};

/// Examples that the report tells.
const EXAMPLES: usize = 4;
/// Samples whose tokens are held at once.
const AT_ONCE: usize = 256;

impl Study<'_> {
    /// Greedy selection against all sets of recovered modalities (a beam, where they are too many).
    pub(super) fn beyond_greedy(
        &self,
        report: &mut Report,
        kind: RecoveryKind,
        setting: &Setting<'_>,
        Case { scenario, shown }: &Case,
    ) -> anyhow::Result<()> {
        let (samples, present) = (shown.samples.as_ref(), &shown.present);
        let checks = &self.experiment.trust().checks;
        let indices: Vec<usize> = (0..samples.len().min(checks.greedy_samples)).collect();
        if indices.is_empty() {
            return Ok(());
        }
        let present = &present[..indices.len()];
        let all = samples.schema().full();
        // Every draw of a modality is a candidate, and so is a table whose gaps are filled.
        let candidates = |set: &ModalitySet| {
            let missing = all.difference(*set).union(setting.recovery.fills().intersection(*set));
            missing.len() * setting.recovery.draws()
        };
        let searched = if present.iter().all(|set| candidates(set) <= MAX_EXACT) {
            Selector::exact(setting.calibration)
        } else {
            Selector::beam(setting.calibration, checks.beam)
        };
        let way = |selector: Selector| Way { selector, statistics: setting.statistics };
        let ways = [way(Selector::dymo(setting.calibration)), way(searched)]
            .map(|way| Way { selector: way.selector.with_edges(setting.edges), ..way });
        let key = self.key(kind, setting);
        let task = self.context.watch.task(&format!("all sets, {}, {}", key.recovery, key.metric), indices.len());
        let found = select(setting, samples, &indices, present, &ways, &mut |done| task.at(done))?;
        task.done();
        let check = check_greedy(&found[0].decisions, &found[1].decisions, setting.calibration)?;
        let mut costliest: Vec<&dymo_select::MissedSet> = check.missed.iter().collect();
        let cost = |missed: &dymo_select::MissedSet| missed.best_objective - missed.greedy_objective;
        costliest.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
        let labels: Vec<usize> = indices.iter().map(|i| samples.label(*i)).collect();
        let right = |place: usize| numbers(&found[place].right(&labels));
        let cost = self.intervals().difference(&right(1), &right(0), &subjects(samples, &indices))?;
        let example = |missed: &dymo_select::MissedSet| {
            let place = format!("sample {}", missed.sample);
            missed.in_words().replacen(&place, &samples.id(missed.sample), 1)
        };
        report.greedy.push(GreedyRecord {
            recovery: key.recovery,
            metric: key.metric,
            protocol: scenario.protocol_name.clone(),
            rate: scenario.rate,
            samples: check.samples,
            missed: check.missed.len(),
            only_together: check.only_together,
            predictions_differ: check.predictions_differ,
            mean_cost: check.mean_cost,
            largest_cost: check.largest_cost,
            difference: cost.estimate,
            low: cost.low,
            high: cost.high,
            examples: costliest.into_iter().take(EXAMPLES).map(example).collect(),
        });
        Ok(())
    }

    /// Whether observing the suggested modality makes more answers right than observing any of the missing ones, on samples
    /// that have them all.
    pub(super) fn check_acquisitions(
        &self,
        report: &mut Report,
        kind: RecoveryKind,
        setting: &Setting<'_>,
        Case { shown, .. }: &Case,
    ) -> anyhow::Result<()> {
        let (samples, present) = (shown.samples.as_ref(), &shown.present);
        let table = self.experiment.trust();
        let full = samples.schema().full();
        let wanted = table.checks.acquisition_samples;
        let Some(drawing) = setting.recovery.drawing().filter(|_| wanted > 0 && table.draws > 1) else {
            return Ok(());
        };
        let trust = self.folder.trust(kind, setting.statistics.metric())?;
        let temperature = trust.map_or(Temperature::IDENTITY, |trust| trust.discard.temperature);
        let lacking = (0..samples.len()).filter(|i| samples.observed(*i) == full && present[*i] != full);
        let lacking: Vec<usize> = lacking.collect();
        let mut indices = Vec::new();
        for chunk in lacking.chunks(AT_ONCE) {
            if indices.len() < wanted {
                indices.extend(unsure(setting, samples, chunk, present, &temperature)?);
            }
        }
        indices.truncate(wanted);
        if indices.is_empty() {
            return Ok(());
        }
        let mut tally = Tally::default();
        let key = self.key(kind, setting);
        let task = self.context.watch.task(&format!("acquiring, {}, {}", key.recovery, key.metric), indices.len());
        for chunk in indices.chunks(AT_ONCE) {
            let left: Vec<ModalitySet> = chunk.iter().map(|i| present[*i]).collect();
            tally.add(setting, drawing.as_ref(), samples, (chunk, &left), (table.draws, &temperature))?;
            task.at(tally.now.len());
        }
        task.done();
        let of = Subjects::new(&tally.subjects);
        let gain = self.intervals().difference(&tally.suggested, &tally.random, &of)?;
        let mean = |right: &[f64]| right.iter().sum::<f64>() / right.len().max(1) as f64;
        report.acquisitions.push(AcquisitionRecord {
            recovery: key.recovery,
            metric: key.metric,
            n: indices.len(),
            now: mean(&tally.now),
            random: mean(&tally.random),
            suggested: mean(&tally.suggested),
            difference: gain.estimate,
            low: gain.low,
            high: gain.high,
            examples: tally.examples,
        });
        Ok(())
    }
}

/// Those of some samples whose answer, from what is left of them, is not sure already.
fn unsure(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    indices: &[usize],
    present: &[ModalitySet],
    temperature: &Temperature,
) -> anyhow::Result<Vec<usize>> {
    let left: Vec<ModalitySet> = indices.iter().map(|i| present[*i]).collect();
    let queries: Vec<(usize, Fused)> = left.iter().copied().map(Fused::from).enumerate().collect();
    let answers = probabilities(setting, samples, indices, &left, &queries)?.concat();
    let classes = setting.network.layout().classes();
    let answers = temperature.apply_to_probabilities(&Probabilities::new(&answers, classes)?)?;
    let open = |row: &[f32]| row.iter().all(|p| *p < SURE);
    Ok(indices.iter().zip(answers.chunks_exact(classes)).filter(|(_, row)| open(row)).map(|(i, _)| *i).collect())
}

/// How often answers are right, sample by sample.
#[derive(Default)]
struct Tally {
    now: Vec<f64>,
    /// With each of the missing modalities, on average: what one drawn at random can be expected to give.
    random: Vec<f64>,
    suggested: Vec<f64>,
    subjects: Vec<u64>,
    examples: Vec<String>,
}

impl Tally {
    fn add(
        &mut self,
        setting: &Setting<'_>,
        drawing: &dyn Recovery,
        samples: &dyn Samples,
        (indices, present): (&[usize], &[ModalitySet]),
        (draws, temperature): (usize, &Temperature),
    ) -> anyhow::Result<()> {
        let schema = samples.schema();
        let expected = acquisitions(setting, drawing, samples, (indices, present), draws, temperature)?;
        // What the true modalities give: everything is there, and only what is asked about is shown.
        let complete = vec![schema.full(); indices.len()];
        let (mut queries, mut of) = (Vec::new(), Vec::new());
        for (place, observed) in present.iter().enumerate() {
            of.push(queries.len());
            queries.push((place, Fused::from(*observed)));
            queries.extend(schema.full().difference(*observed).iter().map(|m| (place, observed.with(m).into())));
        }
        let answers = probabilities(setting, samples, indices, &complete, &queries)?;
        for (place, expected) in expected.iter().enumerate() {
            let label = samples.label(indices[place]);
            let right = |answer: &Vec<f32>| f64::from(u8::from(largest(answer) == label));
            let missing = schema.full().difference(present[place]);
            let with: Vec<f64> = answers[of[place] + 1..=of[place] + missing.len()].iter().map(right).collect();
            let Some(best) = expected.first() else { continue };
            let suggested = missing.iter().position(|m| m == best.modality).unwrap_or_default();
            self.now.push(right(&answers[of[place]]));
            self.random.push(with.iter().sum::<f64>() / with.len() as f64);
            self.suggested.push(with[suggested]);
            self.subjects.push(samples.subject(indices[place]));
            if self.examples.len() < EXAMPLES && best.class_change > 0.0 {
                let words = best.in_words(schema.modalities()[best.modality].name());
                self.examples.push(format!("{}: {words}", samples.id(indices[place])));
            }
        }
        Ok(())
    }
}

/// Place of the largest, the first of equals.
fn largest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
}

fn numbers(right: &[bool]) -> Vec<f64> {
    right.iter().map(|right| f64::from(u8::from(*right))).collect()
}
