//! The published schedule in our own code: for every candidate of every round all modalities of its samples are encoded anew,
//! before and after; recovery decodes every subset of modalities into every modality for the whole batch.

use burn::tensor::Tensor;
use dymo_core::{ModalitySet, subsets};
use dymo_models::engine::Answer;
use dymo_models::recovery::standard_normal;
use dymo_reward::{Calibration, Edges, Evidence, Metric};
use serde_json::Value;

use crate::case::Case;
use crate::clock::Clock;

/// Everything.
pub fn whole(case: &Case) -> anyhow::Result<Value> {
    let clock = Clock::start();
    let inputs = recover(case)?;
    finish(case, clock, &inputs)
}

/// Selection alone, what is missing being known.
pub fn selection(case: &Case) -> anyhow::Result<Value> {
    finish(case, Clock::start(), &case.values)
}

fn finish(case: &Case, clock: Clock, inputs: &[Vec<f32>]) -> anyhow::Result<Value> {
    let predicted = select(case, inputs)?;
    let mut answer = clock.stop();
    answer["accuracy"] = case.accuracy(&predicted).into();
    Ok(answer)
}

fn numbers(tensor: Tensor<2>) -> anyhow::Result<Vec<f32>> {
    tensor.into_data().try_to_vec::<f32>().map_err(|e| anyhow::anyhow!("{e:?}"))
}

/// Observed modalities as observed; a missing one from the sample's own subset, of all that were decoded.
fn recover(case: &Case) -> anyhow::Result<Vec<Vec<f32>>> {
    let all: Vec<Tensor<2>> = (0..case.kinds.len()).map(|m| case.rows(m, 0..case.ids.len())).collect();
    let mut inputs = case.values.clone();
    for subset in subsets(case.kinds.len()) {
        let members: Vec<Tensor<2>> = subset.iter().map(|m| all[m].clone()).collect();
        let posterior = case.mopoe.posterior(subset, &members);
        let noise = standard_normal(subset.bits() as u64, &case.ids, case.settings.latent, &case.device);
        let latent = posterior.draw(noise);
        for (m, kind) in case.kinds.iter().enumerate() {
            let decoded = numbers(case.mopoe.decode(m, latent.clone()))?;
            for (sample, present) in case.present.iter().enumerate() {
                if *present == subset && !present.contains(m) {
                    let own = sample * kind.values()..(sample + 1) * kind.values();
                    inputs[m][own.clone()].copy_from_slice(&decoded[own]);
                }
            }
        }
    }
    Ok(inputs)
}

/// Answers for these samples under these sets, everything encoded anew.
fn answer(case: &Case, inputs: &[Vec<f32>], asked: &[(usize, ModalitySet)]) -> anyhow::Result<Vec<Answer>> {
    let row = |m: usize, s: usize| {
        let width = case.kinds[m].values();
        inputs[m][s * width..(s + 1) * width].iter().copied()
    };
    let mut tokens = Vec::new();
    for m in 0..case.kinds.len() {
        let values: Vec<f32> = asked.iter().flat_map(|(s, _)| row(m, *s)).collect();
        let shape = [asked.len(), case.kinds[m].values()];
        let x = Tensor::from_data(burn::tensor::TensorData::new(values, shape), &case.device);
        tokens.push(case.network.tokens(m, x));
    }
    let mut answers = vec![Answer { logits: Vec::new(), feature: Vec::new() }; asked.len()];
    for subset in subsets(case.kinds.len()) {
        let places: Vec<usize> = (0..asked.len()).filter(|i| asked[*i].1 == subset).collect();
        if places.is_empty() {
            continue;
        }
        let index: Vec<i32> = places.iter().map(|p| *p as i32).collect();
        let count = index.len();
        let index =
            Tensor::<1, burn::tensor::Int>::from_data(burn::tensor::TensorData::new(index, [count]), &case.device);
        let fused = case.network.fuse(subset.iter().map(|m| tokens[m].clone().select(0, index.clone())).collect());
        let (classes, width) = (fused.logits.dims()[1], fused.feature.dims()[1]);
        let (logits, features) = (numbers(fused.logits)?, numbers(fused.feature)?);
        for ((place, logits), feature) in
            places.iter().zip(logits.chunks_exact(classes)).zip(features.chunks_exact(width))
        {
            answers[*place] = Answer { logits: logits.to_vec(), feature: feature.to_vec() };
        }
    }
    Ok(answers)
}

fn evidence(case: &Case, subset: ModalitySet, answer: &Answer) -> anyhow::Result<(usize, Evidence)> {
    let judged = case.statistics.evidence(subset, &answer.logits, &answer.feature, Edges::Defined)?;
    Ok((judged.predicted, judged.evidence))
}

/// Rounds as published: R of every candidate, then the best joins.
fn select(case: &Case, inputs: &[Vec<f32>]) -> anyhow::Result<Vec<usize>> {
    let calibration = Calibration::default_for(Metric::Cosine);
    let (n, m) = (case.ids.len(), case.kinds.len());
    let mut subset = case.present.clone();
    let mut bad = vec![ModalitySet::EMPTY; n];
    let mut finished = vec![false; n];
    let rounds = case.present.iter().map(|p| m - p.len()).max().unwrap_or(0);
    for _ in 0..rounds {
        let mut reward = vec![0.0f32; n * m];
        for u in 0..m {
            let places: Vec<usize> = (0..n).filter(|s| !subset[*s].contains(u) && !bad[*s].contains(u)).collect();
            if places.is_empty() {
                continue;
            }
            let before: Vec<_> = places.iter().map(|s| (*s, subset[*s])).collect();
            let after: Vec<_> = places.iter().map(|s| (*s, subset[*s].with(u))).collect();
            let answers = (answer(case, inputs, &before)?, answer(case, inputs, &after)?);
            for (i, s) in places.iter().enumerate() {
                let old = evidence(case, before[i].1, &answers.0[i])?.1;
                let new = evidence(case, after[i].1, &answers.1[i])?.1;
                reward[s * m + u] = calibration.reward(old, new);
            }
        }
        for (s, row) in reward.chunks_exact(m).enumerate() {
            (0..m).filter(|u| row[*u] < 0.0).for_each(|u| bad[s] = bad[s].with(u));
            finished[s] |= row.iter().all(|r| *r <= 0.0);
            if !finished[s] {
                let best = (0..m).fold(0, |best, u| if row[u] > row[best] { u } else { best });
                subset[s] = subset[s].with(best);
            }
        }
        if finished.iter().all(|f| *f) {
            break;
        }
    }
    let asked: Vec<_> = subset.iter().copied().enumerate().collect();
    let answers = answer(case, inputs, &asked)?;
    asked.iter().zip(&answers).map(|((_, subset), a)| Ok(evidence(case, *subset, a)?.0)).collect()
}
