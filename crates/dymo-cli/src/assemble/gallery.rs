//! Samples worth looking at: where selection helped, where it made no difference, where it failed.

use anyhow::Result;
use dymo_core::{ModalitySet, Schema};
use dymo_data::Samples;
use dymo_report::{Candidate, GallerySample, Round, ShownModality, State, Story, Verdict};
use dymo_select::Decision;
use dymo_train::evaluation::{Arm, Outcome, Setting, recovered_values};
use dymo_train::experiment::GalleryTable;

use super::Reader;

/// The first samples of each story, in the order of the split: none is picked by hand. `indices` are the samples that `outcome`
/// speaks of; `label` says recovery and metric.
pub(crate) fn gallery(
    setting: &Setting<'_>,
    samples: &dyn Samples,
    indices: &[usize],
    outcome: &Outcome,
    label: &str,
    (reader, wanted): (&Reader, &GalleryTable),
) -> Result<Vec<GallerySample>> {
    let (Some(before), Some(after)) = (outcome.arm(Arm::Discard), outcome.arm(Arm::Dymo)) else {
        return Ok(Vec::new());
    };
    let mut shown = Vec::new();
    let stories =
        [(Story::Helped, wanted.helped), (Story::DidNotMatter, wanted.unmoved), (Story::Failed, wanted.failed)];
    for (story, most) in stories {
        let places = (0..indices.len()).filter(|place| {
            let (b, a, truth) = (before.predictions[*place], after.predictions[*place], outcome.labels[*place]);
            let some_right = outcome.arms.iter().any(|arm| arm.predictions[*place] == truth);
            let decision = &after.decisions[*place];
            // Samples with nothing to decide show nothing.
            !decision.rounds.is_empty() && tells(story, b == truth, a == truth, some_right, decision)
        });
        for place in places.take(most) {
            let (index, present) = (indices[place], outcome.present[place]);
            let sample = Shown { setting, samples, reader, index, present, decision: &after.decisions[place] };
            shown.push(sample.describe(story, label, before.predictions[place], outcome.labels[place])?);
        }
    }
    Ok(shown)
}

/// Whether a sample belongs to a story. One that stayed right is shown only if something was let in, one that is wrong only if
/// some way of using the same modalities is right.
fn tells(story: Story, right_before: bool, right_after: bool, some_right: bool, decision: &Decision) -> bool {
    match story {
        Story::Helped => !right_before && right_after,
        Story::DidNotMatter => right_before && right_after && decision.final_subset.len() > decision.observed.len(),
        Story::Failed => !right_after && some_right,
    }
}

struct Shown<'a> {
    setting: &'a Setting<'a>,
    samples: &'a dyn Samples,
    reader: &'a Reader,
    index: usize,
    /// What was observed.
    present: ModalitySet,
    decision: &'a Decision,
}

impl Shown<'_> {
    fn describe(&self, story: Story, label: &str, before: usize, truth: usize) -> Result<GallerySample> {
        let schema = self.samples.schema();
        let class = |k: usize| schema.classes().get(k).cloned().unwrap_or_else(|| k.to_string());
        let (from, to, truth) = (class(before), class(self.decision.predicted()), class(truth));
        let accepted = self.decision.final_subset.len() - self.decision.observed.len();
        let offered = self.decision.offered().len();
        let let_in = format!("{accepted} of {offered} recovered modalities were let in");
        let headline = match story {
            Story::Helped => format!("{let_in}, and the answer moved from {from} to the true class {to}"),
            Story::DidNotMatter => format!("{let_in}; the answer {to} was right before and stayed"),
            Story::Failed if from == truth => {
                format!("{let_in}, and the answer moved from the true class {from} to {to}")
            }
            Story::Failed if from == to => {
                format!("{let_in}; the answer stayed {to}, though another way finds the true class {truth}")
            }
            Story::Failed => format!("{let_in}; the answer was {from} and became {to}, the true class is {truth}"),
        };
        Ok(GallerySample {
            id: self.samples.id(self.index),
            story,
            headline,
            setting: label.into(),
            modalities: self.modalities(schema)?,
            rounds: self.decision.rounds.iter().map(|round| shown_round(round, self.present, schema)).collect(),
            truth_class: truth,
            prediction_before: from,
            prediction_after: to,
        })
    }

    fn modalities(&self, schema: &Schema) -> Result<Vec<ShownModality>> {
        let draw_of = |modality| self.decision.draw_of(modality);
        let recovered = recovered_values(self.setting, self.samples, self.index, self.present, draw_of)?;
        let mut shown = Vec::new();
        for (m, modality) in schema.modalities().iter().enumerate() {
            let kind = modality.kind();
            let mut truth = vec![0.0; kind.values()];
            let known = self.samples.observed(self.index).contains(m);
            if known {
                self.samples.read(self.index, m, &mut truth)?;
            }
            let found = recovered.iter().find(|(place, _)| *place == m);
            let (state, content) = match found {
                Some((_, values)) => (State::Recovered, self.reader.content(m, &kind, values)?),
                None => (State::Observed, self.reader.content(m, &kind, &truth)?),
            };
            shown.push(ShownModality {
                name: modality.name().into(),
                state,
                accepted: self.decision.final_subset.contains(m),
                content,
                truth: if found.is_some() && known { Some(self.reader.content(m, &kind, &truth)?) } else { None },
            });
        }
        Ok(shown)
    }
}

/// A round as the page shows it, of a sample of which `present` is observed: a table with gaps is, whatever may fill them.
pub(crate) fn shown_round(round: &dymo_select::Round, present: ModalitySet, schema: &Schema) -> Round {
    let class = |k: usize| schema.classes().get(k).cloned().unwrap_or_else(|| k.to_string());
    let name = |m: usize| schema.modalities().get(m).map_or_else(|| m.to_string(), |found| found.name().into());
    let member = |m: usize| match round.subset_before.contains(m) {
        true => name(m),
        false => format!("{} with its gaps", name(m)),
    };
    let members: Vec<String> = round.subset_before.union(present).iter().map(member).collect();
    let candidate = |m: usize| match present.contains(m) {
        true => format!("what fills the gaps of {}", name(m)),
        false => name(m),
    };
    let candidates = round.candidates.iter().map(|c| Candidate {
        name: candidate(c.modality),
        quality: f64::from(c.score.evidence.quality),
        typicality: f64::from(c.score.evidence.typicality),
        predicted: class(c.score.predicted),
        calibration: f64::from(c.calibration_factor),
        reward: f64::from(c.reward),
        verdict: match c.verdict {
            dymo_select::Verdict::Accepted => Verdict::Accepted,
            dymo_select::Verdict::Rejected => Verdict::Rejected,
            dymo_select::Verdict::Kept | dymo_select::Verdict::Neutral => Verdict::Waiting,
        },
        reason: c.reason_naming(&round.before, schema.classes()),
    });
    Round {
        subset: members.join(" + "),
        quality_before: f64::from(round.before.evidence.quality),
        typicality_before: f64::from(round.before.evidence.typicality),
        predicted_before: class(round.before.predicted),
        candidates: candidates.collect(),
    }
}
