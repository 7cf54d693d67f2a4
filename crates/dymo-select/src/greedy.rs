//! The two rules that choose: round by round, and in one shot.

use dymo_core::ModalitySet;
use dymo_reward::Edges;

use crate::selector::{SelectError, ask, ask_each};
use crate::{Candidate, Decision, Query, Round, Sample, Score, Scorer, Selector, Verdict};

/// A sample while it is being decided upon.
struct Progress {
    sample: usize,
    it: Sample,
    subset: ModalitySet,
    /// Candidates neither accepted nor rejected.
    open: ModalitySet,
    initial: Score,
    /// The answer for `subset`.
    now: Score,
    rounds: Vec<Round>,
    finished: bool,
}

impl Progress {
    fn begin(sample: usize, it: &Sample, initial: Score) -> Self {
        Self {
            sample,
            it: *it,
            subset: it.observed(),
            open: it.candidates(),
            initial,
            now: initial,
            rounds: Vec::new(),
            finished: false,
        }
    }

    /// What this sample asks in a round: each open candidate alone on top of what is in. Nothing once it is finished,
    /// has no candidate left, or cannot gain as much as `min_gain`.
    fn questions(&mut self, min_gain: f32) -> ModalitySet {
        // False for a NaN, which says nothing about what can be gained.
        let hopeless = 1.0 - self.now.evidence.quality < min_gain;
        self.finished |= hopeless || self.open.is_empty();
        if self.finished { ModalitySet::EMPTY } else { self.open }
    }

    /// Lets the candidate at that place in. Other draws of the same modality are out.
    fn accept(&mut self, candidates: &mut [Candidate], place: usize) {
        let joining = candidates[place].modality;
        let rivals = self.it.rivals(joining);
        for rival in candidates.iter_mut().filter(|candidate| rivals.contains(candidate.modality)) {
            rival.verdict = Verdict::Rejected;
        }
        candidates[place].verdict = Verdict::Accepted;
        self.subset = self.subset.with(joining);
        self.open = self.open.without(joining).difference(rivals);
    }

    fn decision(self) -> Decision {
        Decision {
            observed: self.it.observed(),
            final_subset: self.subset,
            before: Some(self.initial),
            after: self.now,
            rounds: self.rounds,
            tried: Vec::new(),
        }
    }
}

/// One candidate per round, the one with the largest reward, until no reward is positive.
pub(crate) fn iterative<S: Scorer>(
    selector: &Selector,
    scorer: &mut S,
    samples: &[Sample],
) -> Result<Vec<Decision>, SelectError<S::Error>> {
    let mut progress = begin(scorer, samples)?;
    while try_candidates(selector, scorer, &mut progress, end_of_iterative_round)? {}
    Ok(progress.into_iter().map(Progress::decision).collect())
}

/// All candidates with a positive reward, after a single round.
pub(crate) fn one_shot<S: Scorer>(
    selector: &Selector,
    scorer: &mut S,
    samples: &[Sample],
) -> Result<Vec<Decision>, SelectError<S::Error>> {
    let mut progress = begin(scorer, samples)?;
    try_candidates(selector, scorer, &mut progress, end_of_only_round)?;
    score_joint_subsets(scorer, &mut progress)?;
    Ok(progress.into_iter().map(Progress::decision).collect())
}

/// The answers for what was observed, in one call.
fn begin<S: Scorer>(scorer: &mut S, samples: &[Sample]) -> Result<Vec<Progress>, SelectError<S::Error>> {
    let scores = ask_each(scorer, samples, Sample::observed)?;
    let begin = |(i, (it, score))| Progress::begin(i, it, score);
    Ok(samples.iter().zip(scores).enumerate().map(begin).collect())
}

/// One round: all questions of all samples in one call, then each sample ends its round. False if nobody had any.
fn try_candidates<S: Scorer>(
    selector: &Selector,
    scorer: &mut S,
    progress: &mut [Progress],
    end_of_round: fn(&mut Progress, Vec<Candidate>, &Selector),
) -> Result<bool, SelectError<S::Error>> {
    let mut queries = Vec::new();
    let mut modalities = Vec::new();
    for it in progress.iter_mut() {
        for modality in it.questions(selector.min_gain) {
            queries.push(Query { sample: it.sample, subset: it.subset.with(modality) });
            modalities.push(modality);
        }
    }
    let scores = ask(scorer, &queries)?;
    let mut answers = modalities.into_iter().zip(scores);
    for it in progress.iter_mut().filter(|it| !it.finished) {
        let candidates = answers
            .by_ref()
            .take(it.open.len())
            .map(|(modality, score)| judge(selector, it.now, modality, score))
            .collect();
        end_of_round(it, candidates, selector);
    }
    Ok(!queries.is_empty())
}

/// The candidate's reward, and what follows from it alone.
fn judge(selector: &Selector, before: Score, modality: usize, score: Score) -> Candidate {
    let Selector { calibration, threshold, .. } = *selector;
    let reward = calibration.reward(before.evidence, score.evidence);
    let verdict = if reward > 0.0 && reward >= threshold {
        Verdict::Kept
    } else if reward >= 0.0 {
        Verdict::Neutral
    } else {
        Verdict::Rejected
    };
    Candidate {
        modality,
        draw: 0,
        score,
        calibration_factor: calibration.factor(before.evidence, score.evidence),
        reward,
        threshold,
        verdict,
    }
}

fn end_of_iterative_round(it: &mut Progress, mut candidates: Vec<Candidate>, selector: &Selector) {
    // What is not a number reaches no threshold.
    if selector.edges == Edges::Published && selector.threshold <= 0.0 {
        for candidate in candidates.iter_mut().filter(|c| c.reward.is_nan()) {
            candidate.verdict = Verdict::Kept;
        }
    }
    let (subset_before, before) = (it.subset, it.now);
    for candidate in candidates.iter().filter(|c| c.verdict == Verdict::Rejected) {
        it.open = it.open.without(candidate.modality);
    }
    match best(&candidates) {
        Some(place) => {
            it.now = candidates[place].score;
            it.accept(&mut candidates, place);
        }
        None => it.finished = true,
    }
    it.rounds.push(Round { subset_before, before, candidates });
}

/// The place of the largest reward among the kept ones, the first on ties. A NaN that was kept (published edges) is
/// larger than anything, as it is to the published argmax.
fn best(candidates: &[Candidate]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (place, candidate) in candidates.iter().enumerate() {
        if candidate.verdict != Verdict::Kept {
            continue;
        }
        if candidate.reward.is_nan() {
            return Some(place);
        }
        if best.is_none_or(|top| candidate.reward > candidates[top].reward) {
            best = Some(place);
        }
    }
    best
}

/// Every reward that is large enough joins; of several draws of a modality the one with the largest. With published edges
/// too, a NaN does not: it is not above 0.
fn end_of_only_round(it: &mut Progress, mut candidates: Vec<Candidate>, _: &Selector) {
    let (subset_before, before) = (it.subset, it.now);
    while let Some(place) = best(&candidates) {
        it.accept(&mut candidates, place);
    }
    it.finished = true;
    it.rounds.push(Round { subset_before, before, candidates });
}

/// After one shot: a subset of one accepted candidate has been asked about already, one of several has not.
fn score_joint_subsets<S: Scorer>(scorer: &mut S, progress: &mut [Progress]) -> Result<(), SelectError<S::Error>> {
    let mut queries = Vec::new();
    for it in progress.iter_mut() {
        let Some(round) = it.rounds.last() else { continue };
        let mut accepted = round.candidates.iter().filter(|c| c.verdict == Verdict::Accepted);
        match (accepted.next(), accepted.next()) {
            (None, _) => {}
            (Some(only), None) => it.now = only.score,
            _ => queries.push(Query { sample: it.sample, subset: it.subset }),
        }
    }
    let scores = ask(scorer, &queries)?;
    for (query, score) in queries.iter().zip(scores) {
        progress[query.sample].now = score;
    }
    Ok(())
}
