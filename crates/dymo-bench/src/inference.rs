//! Recovery, selection and prediction through the engine.

use burn::tensor::Tensor;
use std::collections::HashSet;

use dymo_core::ModalitySet;
use dymo_models::engine::Session;
use dymo_models::recovery::{MixedBatch, MixedRecovery, Observed, Recovery, RecoveryError, Recycled};
use dymo_reward::{Calibration, ClassStatistics, Edges, Metric};
use dymo_select::{Decision, Query, Sample, Score, Scorer, Selector};
use serde_json::Value;

use crate::case::Case;
use crate::clock::Clock;
use crate::work;

/// The engine's answers as evidence.
pub struct Judge<'a> {
    pub session: Session<'a>,
    pub statistics: &'a ClassStatistics,
    /// What was asked, to count its arithmetic.
    pub asked: HashSet<(usize, ModalitySet)>,
}

impl<'a> Judge<'a> {
    /// Over a session's answers.
    pub fn new(session: Session<'a>, statistics: &'a ClassStatistics) -> Self {
        Self { session, statistics, asked: HashSet::new() }
    }
}

/// Whatever went wrong, in words.
#[derive(Debug)]
pub struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl Scorer for Judge<'_> {
    type Error = Failed;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Failed> {
        let asked: Vec<(usize, ModalitySet)> = queries.iter().map(|q| (q.sample, q.subset)).collect();
        self.asked.extend(&asked);
        let answers = self.session.answer(&asked).map_err(|e| Failed(e.to_string()))?;
        let judge = |((_, subset), a): (&(usize, ModalitySet), dymo_models::engine::Answer)| {
            let evidence = self.statistics.evidence(*subset, &a.logits, &a.feature, Edges::Defined);
            evidence.map(Score::from).map_err(|e| Failed(e.to_string()))
        };
        asked.iter().zip(answers).map(judge).collect()
    }
}

/// What an answer costs that holds these queries.
type Work = fn(&Case, &HashSet<(usize, ModalitySet)>) -> f64;

fn select(case: &Case, recovery: &dyn Recovery, work: Work, operators: bool, min_gain: f32) -> anyhow::Result<Value> {
    let selector = Selector::dymo(Calibration::default_for(Metric::Cosine)).with_min_gain(min_gain);
    let clock = Clock::start();
    let session = Session::new(&case.network, recovery, case, &case.present, &case.ids, case.device.clone());
    let session = if operators { session.by_operators(case.device.clone()) } else { session };
    let mut judge = Judge::new(session, &case.statistics);
    let samples: Vec<Sample> = case
        .present
        .iter()
        .map(|present| Sample::with_rest_recovered(*present, case.kinds.len()))
        .collect::<Result<_, _>>()?;
    let decisions = selector.select(&mut judge, &samples)?;
    let mut answer = clock.stop();
    let predicted: Vec<usize> = decisions.iter().map(Decision::predicted).collect();
    let rounds: usize = decisions.iter().map(|d| d.rounds.len()).sum();
    answer["accuracy"] = case.accuracy(&predicted).into();
    answer["recovered"] = judge.session.recovered().into();
    answer["queries"] = judge.session.fused().into();
    answer["gflop"] = (work(case, &judge.asked) / 1e9).into();
    answer["rounds"] = (rounds as f64 / decisions.len() as f64).into();
    Ok(answer)
}

/// Everything, with a threshold τ of the best possible reward.
pub fn whole(case: &Case, min_gain: f32) -> anyhow::Result<Value> {
    select(case, &case.recovery, work::whole, false, min_gain)
}

/// Everything through Burn's operators (which are our kernels one by one).
pub fn whole_by_operators(case: &Case) -> anyhow::Result<Value> {
    select(case, &case.recovery, work::whole, true, 0.0)
}

/// Selection alone: what is missing has been recovered before; here it is the truth.
pub fn selection(case: &Case) -> anyhow::Result<Value> {
    select(case, &Known(case), work::selection, false, 0.0)
}

/// Selection alone through Burn's operators.
pub fn selection_by_operators(case: &Case) -> anyhow::Result<Value> {
    select(case, &Known(case), work::selection, true, 0.0)
}

/// Inputs that are there already, handed on.
struct Known<'a>(&'a Case);

impl Recovery for Known<'_> {
    fn name(&self) -> &'static str {
        "known"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        Ok(wanted.iter().map(|m| self.0.rows(m, observed.ids.iter().map(|id| *id as usize))).collect())
    }

    fn mixed(&self) -> Option<&dyn MixedRecovery> {
        Some(self)
    }
}

impl MixedRecovery for Known<'_> {
    fn recover_mixed(&self, batch: &MixedBatch<'_>) -> Vec<Recycled> {
        let take = |m: usize| {
            let width = self.0.kinds[m].values();
            let wanting = batch.ids.iter().zip(batch.wanted).filter(|(_, wanted)| wanted.contains(m));
            let mut values = Vec::new();
            for (id, _) in wanting {
                values.extend_from_slice(&self.0.values[m][*id as usize * width..][..width]);
            }
            values.into()
        };
        (0..self.0.kinds.len()).map(take).collect()
    }
}
