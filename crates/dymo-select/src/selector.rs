//! The selector: a rule, a calibration, and what to do at the edges.

use std::error::Error;

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Edges};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Decision, Query, Sample, Score, Scorer};
use crate::{greedy, search};

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
    /// The set of candidates with the largest reward R(S) = q_S·G − q₀, added as a whole to what was observed, where that is
    /// positive: of all sets, so that modalities which only help together are found. Asks 2^k questions of a sample with k
    /// candidates, at most [`MAX_EXACT`](crate::MAX_EXACT). On ties the smaller set, then the one with the lower members.
    ///
    /// It is the reward of one candidate, method section 5, with a set in its place. The iterative rule adds up rewards
    /// against subsets that grow, so its own sum may be larger or smaller than R of what it let in.
    Exact,
    /// The same over fewer sets, size by size: those of the next size are made from the `width` best of this one, positive
    /// or not. With room for all it is exact.
    Beam {
        /// Sets kept of each size; 0 counts as 1.
        width: usize,
    },
}

/// Decides for samples which recovered modalities are let into the fusion. A plain value: the paper's arms and the two
/// searches are constructors, everything else a field.
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
    /// λ: a candidate, or a set of them, joins only for a reward of at least this, beyond being positive. 0, the default, is
    /// the method as published; what no held-out data support is better left out (`dymo_metrics::learn_threshold`). NaN
    /// lets nothing in. A [`min_gain`](Self::min_gain) of λ beside it saves questions and, with
    /// defined edges, changes no result.
    #[serde(default)]
    pub threshold: f32,
    /// τ: a subset with a quality above 1 − τ cannot be improved by as much as τ, so its sample is finished and its
    /// candidates are not asked about. 0, the default, asks about all: the method as published. Larger values trade
    /// answers for time and are an approximation.
    #[serde(default)]
    pub min_gain: f32,
}

impl Selector {
    const fn new(rule: Rule, calibration: Calibration) -> Self {
        Self { rule, calibration, edges: Edges::Defined, threshold: 0.0, min_gain: 0.0 }
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

    /// The best of all sets of recovered modalities.
    pub const fn exact(calibration: Calibration) -> Self {
        Self::new(Rule::Exact, calibration)
    }

    /// The best of the sets that a beam of that width comes upon.
    pub const fn beam(calibration: Calibration, width: usize) -> Self {
        Self::new(Rule::Beam { width }, calibration)
    }

    /// The same with another [`threshold`](Self::threshold).
    #[must_use]
    pub const fn with_threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
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
    /// once more for the subsets that nobody has asked about yet. The rules that try sets call it once for every size of
    /// set. An accepted candidate's score is the next
    /// round's "before" and is not asked for again. Discard and fuse-all ask once.
    ///
    /// # Errors
    /// The scorer's own error, another number of answers than of questions, or more candidates than the exact rule takes.
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
            Rule::Exact => search::exact(self, scorer, samples),
            Rule::Beam { width } => search::beam(self, scorer, samples, width),
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
        tried: Vec::new(),
    };
    Ok(samples.iter().zip(scores).map(decide).collect())
}

fn fuse_all<S: Scorer>(scorer: &mut S, samples: &[Sample]) -> Result<Vec<Decision>, SelectError<S::Error>> {
    let everything = |sample: &Sample| sample.observed().union(sample.first_draws());
    let scores = ask_each(scorer, samples, everything)?;
    let decide = |(sample, score): (&Sample, Score)| Decision {
        observed: sample.observed(),
        final_subset: everything(sample),
        before: sample.candidates().is_empty().then_some(score),
        after: score,
        rounds: Vec::new(),
        tried: Vec::new(),
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
    /// The exact rule would have to try more sets than is sensible.
    #[error("sample {sample} has {found} candidates, the exact rule takes at most {limit}; take a beam")]
    TooManyCandidates {
        /// Which sample.
        sample: usize,
        /// Its candidates.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// The scorer breaks its first law.
    #[error("{asked} queries had {found} answers, the scorer must give one each")]
    AnswerCount {
        /// Questions.
        asked: usize,
        /// Answers.
        found: usize,
    },
}
