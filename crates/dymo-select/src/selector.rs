//! The selector: a rule, a calibration, and what to do at the edges.

use std::error::Error;

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Edges};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::greedy;
use crate::{Decision, Query, Sample, Score, Scorer};

/// How it is decided which recovered modalities join (method, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// None: what was observed must do.
    Discard,
    /// All, unseen.
    FuseAll,
    /// Every candidate with a positive reward, all at once, each judged on top of what was observed.
    OneShot,
    /// One per round, the one with the largest reward, until no reward is positive.
    Iterative,
}

/// Decides for samples which recovered modalities are let into the fusion. A plain value: the paper's arms are five
/// constructors, everything else a field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// How it is decided.
    pub rule: Rule,
    /// How a fall of typicality is priced; without meaning to rules that do not choose.
    pub calibration: Calibration,
    /// Whether a reward that is not a number is rejected (defined) or accepted (published, iterative rule only).
    #[serde(default)]
    pub edges: Edges,
    /// τ: a subset with a quality above 1 − τ cannot be improved by as much as τ, so its sample is finished and its
    /// candidates are not asked about. 0, the default, asks about all: the method as published. Larger values trade
    /// answers for time and are an approximation.
    #[serde(default)]
    pub min_gain: f32,
}

impl Selector {
    const fn new(rule: Rule, calibration: Calibration) -> Self {
        Self { rule, calibration, edges: Edges::Defined, min_gain: 0.0 }
    }

    /// Observed modalities only.
    pub const fn discard() -> Self {
        Self::new(Rule::Discard, Calibration::None)
    }

    /// Everything recovered.
    pub const fn fuse_all() -> Self {
        Self::new(Rule::FuseAll, Calibration::None)
    }

    /// "S": all with R > 0 at once.
    pub const fn one_shot(calibration: Calibration) -> Self {
        Self::new(Rule::OneShot, calibration)
    }

    /// "I": iterative without calibration.
    pub const fn iterative() -> Self {
        Self::new(Rule::Iterative, Calibration::None)
    }

    /// "I+C": DyMo itself.
    pub const fn dymo(calibration: Calibration) -> Self {
        Self::new(Rule::Iterative, calibration)
    }

    /// The same with other [`edges`](Self::edges).
    #[must_use]
    pub const fn with_edges(mut self, edges: Edges) -> Self {
        self.edges = edges;
        self
    }

    /// The same with another [`min_gain`](Self::min_gain).
    #[must_use]
    pub const fn with_min_gain(mut self, min_gain: f32) -> Self {
        self.min_gain = min_gain;
        self
    }

    /// Decides about all samples; `decisions[i]` belongs to `samples[i]`, and queries name samples by that place.
    ///
    /// The scorer is called once per round with every question of that round, whatever its sample: once for what was
    /// observed, once per round of candidates (at most as many rounds as a sample has candidates), and for one shot
    /// once more for the subsets that nobody has asked about yet. An accepted candidate's score is the next
    /// round's "before" and is not asked for again. Discard and fuse-all ask once.
    ///
    /// # Errors
    /// The scorer's own error, or another number of answers than of questions.
    pub fn select<S: Scorer>(
        &self,
        scorer: &mut S,
        samples: &[Sample],
    ) -> Result<Vec<Decision>, SelectError<S::Error>> {
        match self.rule {
            Rule::Discard => discard(scorer, samples),
            Rule::FuseAll => fuse_all(scorer, samples),
            Rule::OneShot => greedy::one_shot(self, scorer, samples),
            Rule::Iterative => greedy::iterative(self, scorer, samples),
        }
    }
}

fn discard<S: Scorer>(scorer: &mut S, samples: &[Sample]) -> Result<Vec<Decision>, SelectError<S::Error>> {
    let scores = ask_each(scorer, samples, Sample::observed)?;
    let decide = |(sample, score): (&Sample, Score)| Decision {
        observed: sample.observed(),
        final_subset: sample.observed(),
        before: Some(score),
        after: score,
        rounds: Vec::new(),
    };
    Ok(samples.iter().zip(scores).map(decide).collect())
}

fn fuse_all<S: Scorer>(scorer: &mut S, samples: &[Sample]) -> Result<Vec<Decision>, SelectError<S::Error>> {
    let everything = |sample: &Sample| sample.observed().union(sample.candidates());
    let scores = ask_each(scorer, samples, everything)?;
    let decide = |(sample, score): (&Sample, Score)| Decision {
        observed: sample.observed(),
        final_subset: everything(sample),
        before: sample.candidates().is_empty().then_some(score),
        after: score,
        rounds: Vec::new(),
    };
    Ok(samples.iter().zip(scores).map(decide).collect())
}

/// One question for each sample.
pub(crate) fn ask_each<S: Scorer>(
    scorer: &mut S,
    samples: &[Sample],
    subset_of: impl Fn(&Sample) -> ModalitySet,
) -> Result<Vec<Score>, SelectError<S::Error>> {
    let queries: Vec<Query> =
        samples.iter().enumerate().map(|(sample, it)| Query { sample, subset: subset_of(it) }).collect();
    ask(scorer, &queries)
}

/// One call of the scorer, none if there is no question; the answers are counted.
pub(crate) fn ask<S: Scorer>(scorer: &mut S, queries: &[Query]) -> Result<Vec<Score>, SelectError<S::Error>> {
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    let scores = scorer.score(queries).map_err(SelectError::Scorer)?;
    if scores.len() == queries.len() {
        Ok(scores)
    } else {
        Err(SelectError::AnswerCount { asked: queries.len(), found: scores.len() })
    }
}

/// Why nothing could be decided.
#[derive(Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectError<E: Error> {
    /// The scorer failed; the whole error is its own.
    #[error(transparent)]
    Scorer(E),
    /// The scorer breaks its first law.
    #[error("{asked} queries had {found} answers, the scorer must give one each")]
    AnswerCount {
        /// Questions.
        asked: usize,
        /// Answers.
        found: usize,
    },
}
