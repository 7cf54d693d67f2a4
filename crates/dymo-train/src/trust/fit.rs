//! Fitting on held-out samples.

use std::collections::BTreeMap;

use dymo_core::{ModalitySet, Schema};
use dymo_data::{ReadError, Samples};
use dymo_metrics::{
    Conformal, MetricError, Probabilities, Subjects, Trial, fit_temperature, learn_threshold_of_subjects, logits_of,
};
use dymo_select::Selector;

use super::{Confidence, FittedOn, Trust, by_pattern};
use crate::error::TrainError;
use crate::evaluation::{Setting, Way, select};
use crate::experiment::{RecoveryKind, TrustTable};

/// Samples that played no part in training, in every way of going missing that they are looked at in.
pub struct HeldOut<'a> {
    /// Of the same samples, in the same order; at least one.
    pub looks: Vec<Look<'a>>,
}

/// Samples in one way of going missing.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The samples; where entries of tables go missing, without those.
    pub samples: &'a dyn Samples,
    /// What is left of each, never nothing.
    pub present: &'a [ModalitySet],
    /// Whether what goes missing has nothing to do with the sample.
    pub at_random: bool,
}

impl<'a> HeldOut<'a> {
    /// The look in which sample i counts for what needs every sample once: by its number, which comes from its name in tables, so that no
    /// order of theirs falls in with it; by twos, as places may alternate between classes.
    pub fn look_of(&self, sample: usize) -> usize {
        let number = self.looks.first().map_or(0, |look| look.samples.number(sample));
        (number / 2 % self.looks.len().max(1) as u64) as usize
    }

    /// The samples by their numbers: an order that says nothing of them, whatever order they stand in.
    fn order(&self) -> Vec<usize> {
        let Some(Look { samples, .. }) = self.looks.first() else { return Vec::new() };
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_key(|sample| samples.number(*sample));
        order
    }

    /// What is left of each sample in its own look.
    pub fn present_once(&self) -> Vec<ModalitySet> {
        let samples = self.looks.first().map_or(0, |look| look.samples.len());
        let of = |i| self.looks.get(self.look_of(i)).and_then(|look| look.present.get(i));
        (0..samples).map(|i| of(i).copied().unwrap_or(ModalitySet::EMPTY)).collect()
    }

    /// Whether every sample comes in a pattern as easily as any other. Only then may a pattern's sets rest on all samples that any
    /// look shows in it: else those that seldom come so would count for as much there as those that often do, and the coverage
    /// promised for the next one, which is seen once, would not hold.
    fn is_at_random(&self) -> bool {
        let whole = |samples: &dyn Samples| {
            let full = samples.schema().full();
            (0..samples.len()).all(|i| samples.observed(i) == full)
        };
        self.looks.iter().all(|look| look.at_random) && self.looks.first().is_none_or(|look| whole(look.samples))
    }

    /// Whether this look is the first in which sample i comes in its pattern of what is observed, its own look before all others.
    fn is_first_of_pattern(&self, sample: usize, look: usize) -> bool {
        let of = |look: usize| self.looks.get(look).and_then(|look| look.present.get(sample));
        let own = self.look_of(sample);
        look == own || (0..look).chain([own]).all(|before| of(before) != of(look))
    }

    /// The samples that temperature and sets are fitted to as this look shows them.
    fn counted(&self, look: usize) -> Vec<usize> {
        let at_random = self.is_at_random();
        let counts = |sample: &usize| match at_random {
            true => self.is_first_of_pattern(*sample, look),
            false => self.look_of(*sample) == look,
        };
        self.one_of_each_subject().into_iter().filter(counts).collect()
    }

    /// One sample of each subject, chosen by its name alone: what is promised for a sample to come needs samples that come as
    /// independently.
    fn one_of_each_subject(&self) -> Vec<usize> {
        let Some(Look { samples, .. }) = self.looks.first() else { return Vec::new() };
        let mut chosen = BTreeMap::new();
        for sample in 0..samples.len() {
            let first = chosen.entry(samples.subject(sample)).or_insert(sample);
            if samples.number(sample) < samples.number(*first) {
                *first = sample;
            }
        }
        let mut chosen: Vec<usize> = chosen.into_values().collect();
        chosen.sort_unstable();
        chosen
    }

    /// Each sample as its own look shows it; `None` without looks.
    pub fn once(&'a self) -> Option<Once<'a>> {
        Some(Once { held_out: self, first: self.looks.first()?.samples })
    }
}

/// See [`HeldOut::once`].
pub struct Once<'a> {
    held_out: &'a HeldOut<'a>,
    first: &'a dyn Samples,
}

impl Once<'_> {
    fn own(&self, index: usize) -> &dyn Samples {
        self.held_out.looks.get(self.held_out.look_of(index)).map_or(self.first, |look| look.samples)
    }
}

impl Samples for Once<'_> {
    fn schema(&self) -> &Schema {
        self.first.schema()
    }

    fn len(&self) -> usize {
        self.first.len()
    }

    fn behind(&self, index: usize) -> Option<(&dyn Samples, usize)> {
        Some((self.own(index), index))
    }

    fn label(&self, index: usize) -> usize {
        self.first.label(index)
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        self.own(index).read(index, modality, out)
    }

    fn id(&self, index: usize) -> String {
        self.first.id(index)
    }
}

/// Learns the threshold, then fits temperature and sets to what selection with it, and discarding, say of the same samples. Every
/// sample is looked at in every way of going missing for the threshold, as one observation; for the temperature it counts once, for
/// sets once in every pattern where all of it goes missing at random, else once in all. Where several samples stem from one subject,
/// these count as one observation for the threshold, and one of them stands for all elsewhere.
///
/// Threshold and temperature are chosen on the samples that the sets are fitted to. A handful of thresholds and one number leave
/// little to overfit, but little is not nothing: what coverage comes of it is measured on the test split. `progress(done, all)`
/// counts samples and looks.
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
    let looks = held_out.looks.len();
    let too_few = || TrainError::TooFewSamples { split: "validation".into(), found: 0, wanted: 1 };
    let samples = held_out.looks.first().filter(|look| !look.samples.is_empty()).ok_or_else(too_few)?.samples;
    let indices: Vec<usize> = (0..samples.len()).collect();
    let labels: Vec<usize> = indices.iter().map(|i| samples.label(*i)).collect();
    let way = |selector| Way { selector, statistics: setting.statistics };
    let thresholds = table.thresholds.iter().map(|threshold| setting.selector().with_threshold(*threshold));
    let ways: Vec<Way<'_>> = [Selector::discard(), setting.selector()].into_iter().chain(thresholds).map(way).collect();

    // The betting test reads one sample after the other, and in a table sorted by class it would bet on what comes next.
    let order = held_out.order();
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, sample)| rank[*sample] = place);
    // `[way][rank · looks + look]` for the threshold; for confidence the rows of `seen`, of each way.
    let mut right = vec![vec![false; indices.len() * looks]; ways.len()];
    let mut rows = vec![Vec::new(); ways.len()];
    let mut seen = Seen::default();
    for (look, Look { samples, present, .. }) in held_out.looks.iter().enumerate() {
        let before = look * indices.len();
        let mut tell = |done: usize| progress(before + done, looks * indices.len());
        let found = select(setting, *samples, &indices, present, &ways, &mut tell)?;
        let kept = held_out.counted(look);
        for sample in &kept {
            seen.labels.push(labels[*sample]);
            seen.observed.push(present[*sample]);
            seen.once.push(held_out.look_of(*sample) == look);
        }
        for (place, found) in found.iter().enumerate() {
            for (sample, is_right) in found.right(&labels).into_iter().enumerate() {
                right[place][rank[sample] * looks + look] = is_right;
            }
            let classes = found.probabilities.len() / indices.len();
            rows[place].extend(kept.iter().flat_map(|i| &found.probabilities[i * classes..(i + 1) * classes]));
        }
    }
    let trials = table.thresholds.iter().zip(&right[2..]);
    let trials: Vec<Trial<'_>> = trials.map(|(threshold, right)| Trial { threshold: *threshold, right }).collect();
    let subjects = Subjects::new(&dymo_data::subjects(samples, &order));
    let guarantee = learn_threshold_of_subjects(&right[0], &trials, looks, &subjects, table.guarantee())?;

    let chosen = guarantee.threshold.and_then(|t| table.thresholds.iter().position(|own| *own == t));
    let confidence = |place: usize| {
        let mut fitted = confidence(&rows[place], &seen, setting, table)?;
        fitted.sets.of_subjects = !subjects.are_samples();
        Ok::<Confidence, MetricError>(fitted)
    };
    Ok(Trust {
        recovery,
        metric: setting.statistics.metric(),
        selection: confidence(chosen.map_or(1, |place| place + 2))?,
        discard: confidence(0)?,
        guarantee,
        fitted_on,
    })
}

/// Samples as they were seen, each once in every pattern of what is observed that it came in.
#[derive(Default)]
struct Seen {
    labels: Vec<usize>,
    observed: Vec<ModalitySet>,
    /// Marks one row of each sample.
    once: Vec<bool>,
}

/// Temperature by one row of each sample; sets for a pattern by all samples that were seen in it.
fn confidence(
    probabilities: &[f32],
    seen: &Seen,
    setting: &Setting<'_>,
    table: &TrustTable,
) -> Result<Confidence, MetricError> {
    let classes = setting.network.layout().classes();
    let rows = probabilities.chunks_exact(classes.max(1)).zip(&seen.labels).zip(&seen.once);
    let (once, labels): (Vec<&[f32]>, Vec<usize>) =
        rows.filter(|(_, once)| **once).map(|((row, label), _)| (row, *label)).unzip();
    let temperature = fit_temperature(&logits_of(&Probabilities::new(&once.concat(), classes)?), &labels, classes)?;
    let scaled = temperature.apply_to_probabilities(&Probabilities::new(probabilities, classes)?)?;
    let scaled = Probabilities::new(&scaled, classes)?;
    let sets = by_pattern(&seen.observed, |groupings| {
        Conformal::fit_looks(&scaled, &seen.labels, groupings, &seen.once, table.sets())
    })?;
    Ok(Confidence { temperature, sets })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of two modalities of which the first lacks the second, if so.
    struct Two {
        schema: Schema,
        whole: bool,
        /// Samples of each subject.
        per_subject: u64,
        numbers: [u64; 4],
    }

    impl Samples for Two {
        fn schema(&self) -> &Schema {
            &self.schema
        }

        fn len(&self) -> usize {
            4
        }

        fn label(&self, _: usize) -> usize {
            0
        }

        fn observed(&self, index: usize) -> ModalitySet {
            if self.whole || index > 0 { ModalitySet::full(2) } else { ModalitySet::single(0) }
        }

        fn read(&self, _: usize, _: usize, out: &mut [f32]) -> Result<(), ReadError> {
            out.fill(0.0);
            Ok(())
        }

        fn id(&self, index: usize) -> String {
            index.to_string()
        }

        fn number(&self, index: usize) -> u64 {
            self.numbers[index]
        }

        fn subject(&self, index: usize) -> u64 {
            index as u64 / self.per_subject
        }
    }

    /// Of which the first lacks the second modality, unless all are whole.
    fn four(whole: bool, per_subject: u64, numbers: [u64; 4]) -> Two {
        let schema = serde_json::from_str(
            r#"{"modalities":[{"name":"a","kind":"image","height":1,"width":1,"channels":1},
                {"name":"b","kind":"image","height":1,"width":1,"channels":1}],"classes":["x","y"]}"#,
        );
        Two { schema: schema.expect("a schema"), whole, per_subject, numbers }
    }

    /// A table that is sorted otherwise is read in the same order.
    #[test]
    fn the_order_is_that_of_the_names() {
        let present = [ModalitySet::full(2); 4];
        let of = |numbers| {
            let samples = four(true, 1, numbers);
            let look = Look { samples: &samples, present: &present, at_random: true };
            let held_out = HeldOut { looks: vec![look, look] };
            let order = held_out.order();
            let looks: Vec<usize> = order.iter().map(|sample| held_out.look_of(*sample)).collect();
            (order.into_iter().map(|sample| numbers[sample]).collect::<Vec<u64>>(), looks)
        };
        assert_eq!(of([10, 13, 8, 11]), (vec![8, 10, 11, 13], vec![0, 1, 1, 0]));
        assert_eq!(of([10, 13, 8, 11]), of([13, 11, 10, 8]));
    }

    fn counted(whole: bool, at_random: [bool; 2], shown: [ModalitySet; 2]) -> [Vec<usize>; 2] {
        counted_of(1, whole, at_random, shown)
    }

    /// Which samples count in each of two looks, by the pattern that each look shows all of them in.
    fn counted_of(per_subject: u64, whole: bool, at_random: [bool; 2], shown: [ModalitySet; 2]) -> [Vec<usize>; 2] {
        let samples = four(whole, per_subject, [0, 1, 2, 3]);
        let present = shown.map(|set| [set; 4]);
        let look = |i: usize| Look { samples: &samples, present: &present[i], at_random: at_random[i] };
        let held_out = HeldOut { looks: vec![look(0), look(1)] };
        [0, 1].map(|look| held_out.counted(look))
    }

    /// Each sample's own look is 0, 0, 1, 1.
    #[test]
    fn a_sample_counts_once_unless_its_patterns_are_drawn_blindly() {
        let (full, first) = (ModalitySet::full(2), ModalitySet::single(0));
        let all = vec![0, 1, 2, 3];
        assert_eq!(counted(true, [true, true], [full, first]), [all.clone(), all]);
        let own = [vec![0, 1], vec![2, 3]];
        assert_eq!(counted(true, [true, true], [first, first]), own, "no pattern has a sample twice");
        assert_eq!(counted(true, [true, false], [full, first]), own, "one look has its reasons");
        assert_eq!(counted(false, [true, true], [full, first]), own, "one sample has no choice");
    }

    #[test]
    fn one_sample_stands_for_its_subject() {
        let (full, first) = (ModalitySet::full(2), ModalitySet::single(0));
        let both = vec![0, 2];
        assert_eq!(counted_of(2, true, [true, true], [full, first]), [both.clone(), both]);
        assert_eq!(counted_of(2, true, [true, false], [full, first]), [vec![0], vec![2]]);
        assert_eq!(counted_of(4, true, [true, true], [full, first]), [vec![0], vec![0]]);
    }
}
