//! The label permutation test: is the network better than one that has learned from shuffled labels?

use anyhow::{Context as _, bail};
use dymo_data::checksum::sha256_hex;
use dymo_data::fingerprint;
use dymo_metrics::{Probabilities, auc_one_vs_rest};
use dymo_train::evaluation::Arm;
use dymo_train::experiment::Experiment;
use dymo_train::statistics;
use serde::{Deserialize, Serialize};

use super::{CrossValidateArgs, Pool, fold_of, one_repeat};
use crate::context::Context;
use crate::settings;

/// What shuffled labels have come to so far.
const PERMUTATIONS: &str = "permutations.json";

/// The result of a label permutation test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Permutations {
    /// What was trained on shuffled labels: a checksum of settings, folds and samples.
    run: String,
    /// The first scenario's AUC of DyMo with the true labels.
    observed: f64,
    /// The same with shuffled labels, one a permutation.
    shuffled: Vec<f64>,
}

impl Permutations {
    /// Share of labellings that do at least as well, the true one among them.
    fn p_value(&self) -> f64 {
        let as_good = self.shuffled.iter().filter(|auc| **auc >= self.observed).count();
        (1 + as_good) as f64 / (1 + self.shuffled.len()) as f64
    }

    /// With the AUC of the true labels.
    pub(super) fn of(self, observed: f64) -> Self {
        Self { observed, ..self }
    }

    /// Finds out whether every fold of every labelling that is yet to be learned can be trained: where classes are small, some may be
    /// without one.
    pub(super) fn rehearse(
        &self,
        context: &Context,
        experiment: &Experiment,
        args: &CrossValidateArgs,
    ) -> anyhow::Result<()> {
        let least = least(experiment)?;
        for number in self.shuffled.len()..args.permutations.into() {
            for fold in 0..args.folds {
                let folded = fold_of(&least, args, (0, fold), Some(seed(experiment, number)))?;
                let splits = folded.open(&context.datasets)?;
                statistics::plan(splits.train.as_ref(), &folded.table().statistics).with_context(|| {
                    let (number, fold) = (number + 1, fold + 1);
                    format!(
                        "label permutation {number}, fold {fold}: fewer --folds leave more of each class to learn from"
                    )
                })?;
            }
        }
        Ok(())
    }

    /// The result in a sentence.
    pub(super) fn in_words(&self) -> String {
        let count = self.shuffled.len();
        let mean = self.shuffled.iter().sum::<f64>() / count.max(1) as f64;
        let best = self.shuffled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!(
            "Label permutation test (AUC of DyMo, first metric, recovery and rate, one draw of the folds): {:.3} with the true labels; with labels shuffled, {count} \
             times, {mean:.3} on average and {best:.3} at most; p = {:.3}.",
            self.observed,
            self.p_value()
        )
    }
}

/// One class against the rest, of DyMo in the first scenario.
pub(super) fn area(pool: &Pool) -> anyhow::Result<f64> {
    let judged = pool.judged.first().context("nothing was judged")?;
    let arm = judged.arm(Arm::Dymo).context("evaluation.arms lacks dymo, which the permutation test is about")?;
    Ok(auc_one_vs_rest(&Probabilities::new(&arm.probabilities, judged.classes)?, &judged.labels)?)
}

/// What an earlier run found with the same labels shuffled in the same way; nothing if this one begins anew.
pub(super) fn kept(
    context: &Context,
    experiment: &Experiment,
    args: &CrossValidateArgs,
) -> anyhow::Result<Permutations> {
    let path = args.out.join(PERMUTATIONS);
    let none = Permutations { run: identity(context, experiment, args)?, observed: f64::NAN, shuffled: Vec::new() };
    if !args.training.resume {
        return Ok(none);
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(none),
        Err(error) => {
            return Err(error).with_context(|| format!("{}: cannot be read; check permissions", path.display()));
        }
    };
    let kept: Permutations = serde_json::from_str(&text)
        .with_context(|| format!("{}: not what an earlier run left; delete it to begin again", path.display()))?;
    if kept.run != none.run {
        bail!(
            "{}: it is of another run, with other settings, folds or samples; delete it to begin the permutations again, or name another \
             folder with --out",
            path.display()
        );
    }
    let shuffled = kept.shuffled.into_iter().take(args.permutations.into()).collect();
    Ok(Permutations { shuffled, ..none })
}

/// What shuffles the labels of a permutation.
fn seed(experiment: &Experiment, number: usize) -> u64 {
    experiment.seed().wrapping_add(1 + number as u64)
}

/// What the result of a permutation depends on.
fn identity(context: &Context, experiment: &Experiment, args: &CrossValidateArgs) -> anyhow::Result<String> {
    let first = fold_of(&least(experiment)?, args, (0, 0), None)?;
    let splits = first.open(&context.datasets)?;
    let parts = [&splits.train, &splits.validation, &splits.test];
    let samples = parts.iter().map(|part| fingerprint(part.as_ref())).collect::<Result<Vec<String>, _>>()?;
    Ok(sha256_hex(&serde_json::to_vec(&(first.settings(), samples))?))
}

/// Trains on shuffled labels; what has been found is kept in a file after each.
pub(super) fn run(
    context: &Context,
    experiment: &Experiment,
    args: &CrossValidateArgs,
    mut found: Permutations,
) -> anyhow::Result<Permutations> {
    let path = args.out.join(PERMUTATIONS);
    let least = least(experiment)?;
    let task = context.watch.task("label permutations", args.permutations.into());
    for number in found.shuffled.len()..args.permutations.into() {
        let place = args.out.join("permuted");
        // Another labelling's checkpoints are of no use.
        if place.exists() {
            std::fs::remove_dir_all(&place).with_context(|| place.display().to_string())?;
        }
        let shuffle = Some(seed(experiment, number));
        found.shuffled.push(area(&one_repeat(context, &least, args, 0, shuffle, &place)?)?);
        settings::write(&path, serde_json::to_string_pretty(&found)?.as_bytes())?;
        std::fs::remove_dir_all(&place).with_context(|| place.display().to_string())?;
        task.at(number + 1);
    }
    task.done();
    Ok(found)
}

/// The experiment with its first metric, first recovery and first scenario alone.
fn least(experiment: &Experiment) -> anyhow::Result<Experiment> {
    let mut recoveries: toml::Table = toml::from_str(&toml::to_string(&experiment.table().recovery)?)?;
    if let Some(first) = experiment.recoveries().first() {
        recoveries.retain(|name, _| name == first.name());
    }
    let recovery = recoveries.try_into()?;
    Ok(experiment.with(|table| {
        table.metrics.truncate(1);
        table.recovery = recovery;
        let first = &mut table.evaluation;
        first.rates.truncate(1);
        first.counts.truncate(1 - first.rates.len());
        first.observed.truncate(1 - first.rates.len() - first.counts.len());
        let found = first.rates.len() + first.counts.len() + first.observed.len() > 0;
        first.patterns &= !found;
        first.missing.truncate(usize::from(!found && !first.patterns));
        table.evaluation.compare_with_complete = false;
        table.evaluation.arms = vec![Arm::Dymo];
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_labelling_counts_among_all() {
        let found = Permutations { run: String::new(), observed: 0.8, shuffled: vec![0.5, 0.8, 0.9, 0.4] };
        assert!((found.p_value() - 0.6).abs() < 1e-12);
    }
}
