//! Reward and greedy rule, one sample at a time, in double precision (method, section 5): nothing of dymo-reward computes here.

use dymo_core::ModalitySet;
use dymo_reward::{ClassStatistics, Edges, Metric, Parts};
use dymo_select::{Decision, Score};

use crate::forward::{Literal, erf};
use crate::{MARGIN, Made};

/// Divides similarities in the softmax.
const TEMPERATURE: f64 = 0.1;
/// Kept away from zero, in both calibrations.
const TINY: f64 = 1e-9;
/// p is a multiple of this.
const STEP: f64 = 1.0 / (1 << 23) as f64;
/// Part of a distance by which single precision and double may differ.
const NEAR: f64 = 2e-5;

/// What was decided, and whether single precision must decide the same.
pub struct Found {
    pub made: Made,
    pub clear: bool,
    rounds: Vec<Asked>,
}

/// One round: what the subset is worth before, and each candidate after with its reward.
struct Asked {
    before: Worth,
    after: Vec<(usize, Worth, Range)>,
}

impl Found {
    /// What of the numbers behind a decision is not as it should be.
    pub fn differs(&self, decision: &Decision) -> Option<String> {
        let score = |what: &str, ours: &Score, wanted: &Worth| {
            let (q, p) = (f64::from(ours.evidence.quality), f64::from(ours.evidence.typicality));
            let same = (q - wanted.quality).abs() <= wanted.off && wanted.around.holds(p, 0.0);
            (!same).then(|| format!("{what}: q {q}, not {}; p {p}, not {}", wanted.quality, wanted.typicality))
        };
        for (round, asked) in decision.rounds.iter().zip(&self.rounds) {
            if let Some(found) = score("before", &round.before, &asked.before) {
                return Some(found);
            }
            for (candidate, (m, worth, reward)) in round.candidates.iter().zip(&asked.after) {
                let what = format!("with {m}");
                if let Some(found) = score(&what, &candidate.score, worth) {
                    return Some(found);
                }
                // The difference of two qualities, each of which may be off.
                let off = asked.before.off + worth.off;
                if candidate.modality != *m || !reward.holds(candidate.reward.into(), off) {
                    return Some(format!("{what}: R {}, not in {reward:?}", candidate.reward));
                }
            }
        }
        (decision.rounds.len() != self.rounds.len()).then(|| "another number of rounds".into())
    }
}

/// A number that single precision may have anywhere in between.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn holds(&self, value: f64, by: f64) -> bool {
        self.low - by <= value && value <= self.high + by
    }

    fn of(values: impl Iterator<Item = f64>) -> Self {
        let empty = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };
        values.fold(empty, |range, v| Self { low: range.low.min(v), high: range.high.max(v) })
    }
}

/// What one subset is worth.
#[derive(Clone, Copy)]
struct Worth {
    predicted: usize,
    quality: f64,
    typicality: f64,
    around: Range,
    /// How far single precision may be from `quality`.
    off: f64,
}

/// The method's numbers of one data set.
pub struct Rule<'a> {
    pub literal: &'a Literal,
    pub statistics: &'a ClassStatistics,
    pub edges: Edges,
}

impl Rule<'_> {
    fn parts(&self) -> &Parts {
        self.statistics.parts()
    }

    fn has_samples(&self, class: usize) -> bool {
        self.parts().counts.as_ref().is_none_or(|counts| counts[class] > 0)
    }

    fn worth(&self, inputs: &[Vec<f32>], subset: ModalitySet, clear: &mut bool) -> Worth {
        let (logits, z) = self.literal.answer(inputs, subset);
        let predicted = first_largest(&logits);
        let others = (0..logits.len()).filter(|class| *class != predicted).map(|class| logits[class]);
        *clear &= others.fold(f64::INFINITY, |gap, other| gap.min(logits[predicted] - other)) >= f64::from(MARGIN);
        let (typicality, around) = self.typicality(subset, predicted, &z);
        let (quality, off) = self.quality(&z);
        Worth { predicted, quality, typicality, around, off }
    }

    /// q = max softmax(⟨z, c⟩ / 0.1), or of −‖z − c‖² / 0.1, over the overall prototypes of classes that have samples; and how far single
    /// precision may be from it: squared distances are off by some 4e-6 of their size, q by q·(1 − q) times what scores are.
    fn quality(&self, z: &[f64]) -> (f64, f64) {
        let parts = self.parts();
        let classes = (0..parts.classes).filter(|class| self.has_samples(*class));
        let scores: Vec<f64> = classes
            .map(|class| {
                let c = &parts.overall[class * parts.width..(class + 1) * parts.width];
                match parts.metric {
                    Metric::Cosine => dot(z, c) / TEMPERATURE,
                    Metric::Euclid => -squared_distance(z, c) / TEMPERATURE,
                }
            })
            .collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let q = 1.0 / scores.iter().map(|score| (score - top).exp()).sum::<f64>();
        // The classes that count are about as far as the nearest.
        let size = if parts.metric == Metric::Euclid { -top } else { 0.0 };
        (q, f64::from(MARGIN) + 2.0 * q * (1.0 - q) * 4e-6 * size)
    }

    /// p = 2·(1 − Φ(d / σ)) of the predicted class's own prototype for this subset, and where single precision may have it.
    fn typicality(&self, subset: ModalitySet, class: usize, z: &[f64]) -> (f64, Range) {
        let parts = self.parts();
        let exactly = |p: f64| (p, Range { low: p, high: p });
        if !self.has_samples(class) {
            return exactly(0.0);
        }
        let row = parts.subsets.iter().position(|other| *other == subset).expect("a row for every subset");
        let cell = row * parts.classes + class;
        let c = &parts.prototypes[cell * parts.width..(cell + 1) * parts.width];
        let distance = match parts.metric {
            Metric::Cosine => 1.0 - dot(z, c),
            Metric::Euclid => squared_distance(z, c).sqrt(),
        };
        let spread = f64::from(parts.spread[cell]);
        let p = |distance: f64| {
            let distance = if self.edges == Edges::Defined { distance.max(0.0) } else { distance };
            match (spread == 0.0, distance == 0.0) {
                (true, same) => f64::from(u8::from(same)),
                // 1 − erf(d / (σ√2)), to the steps that single precision has.
                _ => ((1.0 - erf(distance / (spread * std::f64::consts::SQRT_2))) / STEP).round() * STEP,
            }
        };
        let by = NEAR * (1.0 + distance.abs());
        let (far, near) = (p(distance + by), p(distance - by));
        // Beyond the last step there is no other number.
        let step = if near > 0.0 && spread > 0.0 { 2.0 * STEP } else { 0.0 };
        let ceiling = if self.edges == Edges::Defined { 1.0 } else { f64::INFINITY };
        (p(distance), Range { low: (far - step).max(0.0), high: (near + step).min(ceiling) })
    }

    /// G: 1 unless p_u < p, else ln p / ln(p_u + 1e-9) for cosine and p_u / (p + 1e-9) for Euclid.
    fn factor(&self, p: f64, p_u: f64) -> f64 {
        match self.parts().metric {
            _ if p_u >= p => 1.0,
            Metric::Cosine => p.ln() / (p_u + TINY).ln(),
            Metric::Euclid => p_u / (p + TINY),
        }
    }

    /// R = q_u·G − q, and where single precision may have it.
    fn reward(&self, before: &Worth, after: &Worth) -> (f64, Range) {
        let with = |factor: f64| after.quality * factor - before.quality;
        let (p, p_u) = (before.around, after.around);
        let corners = [(p.low, p_u.low), (p.low, p_u.high), (p.high, p_u.low), (p.high, p_u.high)];
        let may_not_fall = (p_u.high >= p.low).then_some(1.0);
        let factors = corners.into_iter().map(|(p, p_u)| self.factor(p, p_u)).chain(may_not_fall);
        (with(self.factor(before.typicality, after.typicality)), Range::of(factors.map(with)))
    }

    /// Asks about everything again in every round.
    pub fn decide(&self, inputs: &[Vec<f32>], observed: ModalitySet) -> Found {
        let mut clear = true;
        let mut subset = observed;
        let mut open: Vec<usize> = observed.complement(inputs.len()).iter().collect();
        let (mut actions, mut rounds) = (Vec::new(), Vec::new());
        while !open.is_empty() {
            let before = self.worth(inputs, subset, &mut clear);
            let (mut rewards, mut asked) = (Vec::new(), Vec::new());
            for m in &open {
                let after = self.worth(inputs, subset.with(*m), &mut clear);
                let (reward, around) = self.reward(&before, &after);
                let off = before.off + after.off;
                clear &= around.low >= off || around.high <= -off;
                rewards.push((*m, reward, Range { low: around.low - off, high: around.high + off }));
                asked.push((*m, after, around));
            }
            rounds.push(Asked { before, after: asked });
            open.retain(|m| rewards.iter().any(|(other, reward, _)| other == m && *reward >= 0.0));
            let mut best: Option<(usize, f64, Range)> = None;
            for (m, reward, around) in &rewards {
                if *reward > 0.0 && best.is_none_or(|(_, top, _)| *reward > top) {
                    best = Some((*m, *reward, *around));
                }
            }
            actions.push(best.map(|(m, _, _)| m));
            let Some((taken, _, around)) = best else { break };
            let lead = |other: &(usize, f64, Range)| other.0 == taken || around.low >= other.2.high;
            clear &= rewards.iter().all(lead);
            subset = subset.with(taken);
            open.retain(|m| *m != taken);
        }
        let predicted = self.worth(inputs, subset, &mut clear).predicted;
        Found { made: Made { actions, subset, predicted }, clear, rounds }
    }
}

fn first_largest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, place| if values[place] > values[best] { place } else { best })
}

fn dot(z: &[f64], c: &[f32]) -> f64 {
    z.iter().zip(c).map(|(a, b)| a * f64::from(*b)).sum()
}

fn squared_distance(z: &[f64], c: &[f32]) -> f64 {
    z.iter().zip(c).map(|(a, b)| (a - f64::from(*b)).powi(2)).sum()
}
