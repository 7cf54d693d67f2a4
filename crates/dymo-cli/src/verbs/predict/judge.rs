//! What decides, and what was fitted on held-out samples for it.

use std::collections::BTreeMap;

use anyhow::bail;
use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_data::missingness::Masks;
use dymo_metrics::{Probabilities, Temperature};
use dymo_models::recovery::Recovery;
use dymo_reward::Acquisition;
use dymo_select::{Decision, Selector};
use dymo_train::evaluation::{Setting, Way, select};
use dymo_train::trust::{Confidence, SURE, Trust, acquisitions};

use super::input::Line;
use super::table::{Answer, Found};
use super::{Effective, PredictArgs};
use crate::context::Context;
use crate::study::Reader;

/// Everything that answers for a row.
pub(super) struct Judge<'a> {
    pub setting: Setting<'a>,
    pub selector: Selector,
    pub trust: Option<&'a Trust>,
    /// Of what `selector` decides; `None` where nothing was fitted for it.
    pub confidence: Option<&'a Confidence>,
    /// Draws what is missing, for suggestions; `None` where none are wanted or possible.
    drawing: Option<Box<dyn Recovery>>,
    draws: usize,
}

/// Rows that were classified together.
pub(super) struct Classified {
    pub answers: Vec<Answer>,
    /// Their rows, by which samples are known here, and what is observed of them; a [`Found`] knows its place.
    pub indices: Vec<usize>,
    pub present: Vec<ModalitySet>,
}

impl<'a> Judge<'a> {
    /// What is missing for a promise is said once.
    pub(super) fn new(
        context: &'a Context,
        args: &PredictArgs,
        effective: &Effective,
        reader: &'a Reader,
        recovery: &'a dyn Recovery,
        trust: Option<&'a Trust>,
    ) -> Self {
        let setting = Setting {
            network: &reader.network,
            statistics: &reader.statistics,
            recovery,
            calibration: effective.calibration,
            edges: effective.edges,
            min_gain: effective.min_gain,
            device: &context.device,
        };
        let as_published = setting.selector();
        let as_fitted = trust.map(|trust| &trust.fitted_on);
        let as_fitted = as_fitted.is_some_and(|on| on.min_gain == setting.min_gain && on.edges == setting.edges);
        let (selector, confidence) = match (args.threshold, trust) {
            (Some(threshold), trust) => {
                let of_selection = |trust: &&Trust| trust.guarantee.threshold.unwrap_or(0.0) == threshold;
                let confidence = trust.filter(of_selection).map(|trust| &trust.selection);
                (as_published.with_threshold(threshold), confidence)
            }
            (None, Some(trust)) => (trust.selector(&setting), Some(trust.in_use())),
            (None, None) => (as_published, None),
        };
        let confidence = confidence.filter(|_| as_fitted);
        if trust.is_none() {
            context.watch.note(&format!(
                "{}: nothing is calibrated for this recovery and metric, so there are no prediction sets and no guarantee; \
                 `dymo calibrate EXPERIMENT --model {}` fits them",
                args.model.display(),
                args.model.display()
            ));
        } else if confidence.is_none() {
            context.watch.note(
                "prediction sets and confidence were fitted for another threshold, least gain or edges, so they are left out",
            );
        }
        let drawing = if args.draws > 0 { recovery.drawing() } else { None };
        if args.draws > 0 && drawing.is_none() {
            context.watch.note(
                "this recovery model knows one value for what is missing and none that it may be besides, so nothing is said of what to \
                 acquire next; guided, mopoe, retrieval and hot-deck can",
            );
        }
        Self { setting, selector, trust, confidence, drawing, draws: args.draws }
    }

    /// Whether held-out samples have turned selection off.
    pub(super) fn is_off(&self) -> bool {
        self.selector == Selector::discard()
    }

    /// What decides, in words.
    pub(super) fn in_words(&self) -> String {
        match self.trust {
            Some(trust) if self.is_off() || trust.guarantee.threshold == Some(self.selector.threshold) => {
                trust.guarantee.in_words()
            }
            _ if self.selector.threshold > 0.0 => {
                format!("a recovered modality is let in only for a reward of at least {}", self.selector.threshold)
            }
            None => {
                "nothing is calibrated: a recovered modality is let in for every positive reward, as published; nothing is promised"
                    .into()
            }
            _ => "a recovered modality is let in for every positive reward, as published; nothing is promised of that"
                .into(),
        }
    }

    /// An answer for every line; `before` lines came before these, and `samples` are known by the numbers of their rows.
    pub(super) fn answer(
        &self,
        samples: &dyn Samples,
        lines: Vec<Line>,
        masks: Option<&Masks>,
        before: u64,
    ) -> anyhow::Result<Classified> {
        let mut all = Classified { answers: Vec::with_capacity(lines.len()), indices: Vec::new(), present: Vec::new() };
        for (place, line) in lines.into_iter().enumerate() {
            let row = before as usize + place;
            let result = line.sample.and_then(|_| {
                let left = observed(samples, masks, row, &line.id)?;
                all.indices.push(row);
                all.present.push(left);
                Ok(all.indices.len() - 1)
            });
            all.answers.push(Answer { id: line.id, result: result.map(Into::into), notices: line.notices });
        }
        if !all.indices.is_empty() {
            self.classify(samples, &mut all)?;
        }
        Ok(all)
    }

    /// The most that a sample could gain, where that is less than `--min-gain`, so that nothing was recovered for it.
    fn left_alone(&self, decision: &Decision) -> Option<f32> {
        let before = decision.before.as_ref().filter(|_| decision.rounds.is_empty() && decision.tried.is_empty())?;
        let most = 1.0 - before.evidence.quality;
        (!self.is_off() && most < self.setting.min_gain).then_some(most)
    }

    /// What to acquire next, for samples that lack anything, by their places. `discard` are the probabilities from what was observed.
    fn expected(
        &self,
        samples: &dyn Samples,
        all: &Classified,
        discard: &[f32],
        chosen: &[Decision],
    ) -> anyhow::Result<BTreeMap<usize, Next>> {
        let mut found = BTreeMap::new();
        let Some(drawing) = &self.drawing else {
            let lacking = (0..all.present.len()).filter(|place| all.present[*place] != samples.schema().full());
            found.extend(lacking.filter(|_| self.draws > 0).map(|place| (place, Next::NoDraws)));
            return Ok(found);
        };
        let classes = self.setting.network.layout().classes();
        let temperature = self.trust.map_or(Temperature::IDENTITY, |trust| trust.discard.temperature);
        let scaled = temperature.apply_to_probabilities(&Probabilities::new(discard, classes)?)?;
        let mut open = Vec::new();
        for (place, row) in scaled.chunks_exact(classes).enumerate() {
            if all.present[place] == samples.schema().full() {
                continue;
            }
            if row.iter().any(|p| *p >= SURE) {
                found.insert(place, Next::Sure);
            } else if self.left_alone(&chosen[place]).is_some() {
                found.insert(place, Next::LeftAlone);
            } else {
                open.push(place);
            }
        }
        let indices: Vec<usize> = open.iter().map(|place| all.indices[*place]).collect();
        let present: Vec<ModalitySet> = open.iter().map(|place| all.present[*place]).collect();
        let told = (indices.as_slice(), present.as_slice());
        let expected = acquisitions(&self.setting, drawing.as_ref(), samples, told, self.draws, &temperature)?;
        found.extend(open.into_iter().zip(expected.into_iter().map(Next::Expected)));
        Ok(found)
    }

    fn classify(&self, samples: &dyn Samples, all: &mut Classified) -> anyhow::Result<()> {
        let way = |selector| Way { selector, statistics: self.setting.statistics };
        let ways = [way(Selector::discard()), way(self.selector)];
        let found = select(&self.setting, samples, &all.indices, &all.present, &ways, &mut |_| ())?;
        let [plain, chosen] = found.as_slice() else { bail!("the evaluation gave no predictions") };
        let judged = match self.confidence {
            Some(confidence) => Some((confidence, confidence.judge(&chosen.probabilities, &all.present)?)),
            None => None,
        };
        let mut expected = self.expected(samples, all, &plain.probabilities, &chosen.decisions)?;
        let names: Vec<String> = samples.schema().modalities().iter().map(|m| m.name().into()).collect();
        let classes = self.setting.network.layout().classes();
        for found in all.answers.iter_mut().filter_map(|answer| answer.result.as_mut().ok()) {
            let i = found.place;
            let class = chosen.decisions[i].predicted();
            let present = all.present[i];
            // A table whose gaps are filled is a candidate although it is observed.
            let missing = self.setting.recovery.recoverable(present, names.len());
            let candidates = missing.union(present.difference(chosen.decisions[i].observed));
            *found = Found {
                place: i,
                observed: present,
                candidates,
                from_observed: plain.decisions[i].predicted(),
                class,
                probability: chosen.probabilities.get(i * classes + class).copied(),
                confidence: judged.as_ref().and_then(|(_, j)| j.probabilities.get(i * classes + class).copied()),
                set: judged.as_ref().map(|(_, j)| j.sets[i].classes.clone()),
                promise: judged.as_ref().map(|(fitted, j)| fitted.promise(&j.sets[i], &names)).unwrap_or_default(),
                next: expected.remove(&i),
                selection_off: self.is_off(),
                left_alone: self.left_alone(&chosen.decisions[i]).map(|most| (most, self.setting.min_gain)),
                decision: Some(chosen.decisions[i].clone()),
            };
        }
        Ok(())
    }
}

/// What is to be expected of acquiring what a sample lacks.
pub(super) enum Next {
    /// The answer is sure already, so that nothing was drawn.
    Sure,
    /// Nothing could gain as much as `--min-gain`, so that nothing was drawn.
    LeftAlone,
    /// The recovery model has no draws to estimate it from.
    NoDraws,
    /// Of each missing modality, the most telling first.
    Expected(Vec<Acquisition>),
}

impl Next {
    /// The most telling modality, where any is expected to tell something.
    pub(super) fn best(&self) -> Option<&Acquisition> {
        const LEAST_NATS: f64 = 0.005;
        let Self::Expected(expected) = self else { return None };
        expected.first().filter(|best| best.information >= LEAST_NATS || best.class_change > 0.0)
    }
}

/// What is left of a row's sample, or why it cannot be classified.
fn observed(samples: &dyn Samples, masks: Option<&Masks>, row: usize, id: &str) -> Result<ModalitySet, String> {
    let kept = match masks {
        None => samples.schema().full(),
        Some(masks) => masks.get(row, id).ok_or_else(|| match masks.has_ids() {
            true => format!("the mask file has no row with the id {id:?}; write one for each sample"),
            false => format!("the mask file has {} rows; write one for each sample", masks.len()),
        })?,
    };
    let left = kept.intersection(samples.observed(row));
    if left.is_empty() { Err("nothing is observed; give it at least one modality".into()) } else { Ok(left) }
}
