//! The label permutation test: is the network better than one that has learned from shuffled labels?

use std::sync::Arc;

use anyhow::{Context as _, bail};
use dymo_data::checksum::sha256_hex;
use dymo_data::{Relabelled, Samples, Splits};
use dymo_metrics::{Probabilities, Subjects, auc_one_vs_rest};
use dymo_train::evaluation::Arm;
use dymo_train::experiment::Experiment;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
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

    /// The result in a sentence.
    pub(super) fn in_words(&self) -> String {
        let count = self.shuffled.len();
        let mean = self.shuffled.iter().sum::<f64>() / count.max(1) as f64;
        let best = self.shuffled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!(
            "Label permutation test (AUC of DyMo, first metric, recovery and rate): {:.3} with the true labels; with labels shuffled, {count} \
             times, {mean:.3} on average and {best:.3} at most; p = {:.3}.",
            self.observed,
            self.p_value()
        )
    }
}

/// One class against the rest, of DyMo in the first scenario.
fn area(pool: &Pool) -> anyhow::Result<f64> {
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
    let Some(text) = args.training.resume.then(|| std::fs::read_to_string(&path).ok()).flatten() else {
        return Ok(none);
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

/// What the result of a permutation depends on.
fn identity(context: &Context, experiment: &Experiment, args: &CrossValidateArgs) -> anyhow::Result<String> {
    let first = fold_of(&least(experiment)?, args, 0, 0)?;
    let splits = first.open(&context.datasets)?;
    let mut samples = Vec::new();
    for part in [&splits.train, &splits.validation, &splits.test] {
        samples.extend((0..part.len()).map(|i| (part.id(i), part.label(i), part.subject(i), part.observed(i).bits())));
    }
    samples.sort();
    Ok(sha256_hex(&serde_json::to_vec(&(first.settings(), samples))?))
}

/// Trains on shuffled labels; what has been found is kept in a file after each.
pub(super) fn run(
    context: &Context,
    experiment: &Experiment,
    args: &CrossValidateArgs,
    pool: &Pool,
    kept: Permutations,
) -> anyhow::Result<Permutations> {
    let path = args.out.join(PERMUTATIONS);
    let mut found = Permutations { observed: area(pool)?, ..kept };
    let least = least(experiment)?;
    let task = context.watch.task("label permutations", args.permutations.into());
    for number in found.shuffled.len()..args.permutations.into() {
        let place = args.out.join("permuted");
        // Another labelling's checkpoints are of no use.
        if place.exists() {
            std::fs::remove_dir_all(&place).with_context(|| place.display().to_string())?;
        }
        let seed = experiment.seed().wrapping_add(1 + number as u64);
        found.shuffled.push(area(&one_repeat(context, &least, args, 0, Some(seed), &place)?)?);
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

/// The same samples with the labels of all three parts shuffled: those of whole subjects, where each has one class.
pub(super) fn shuffled(splits: &Splits, seed: u64) -> Splits {
    let parts = [&splits.train, &splits.validation, &splits.test];
    // In the order of the names, so that a sample gets the same label in every fold.
    let mut places: Vec<(String, usize, usize)> = Vec::new();
    for (part, samples) in parts.iter().enumerate() {
        places.extend((0..samples.len()).map(|i| (samples.id(i), part, i)));
    }
    places.sort();
    let known: Vec<(u64, usize)> =
        places.iter().map(|(_, part, i)| (parts[*part].subject(*i), parts[*part].label(*i))).collect();
    let labels = shuffled_labels(&known, seed);
    let mut by_part: [Vec<usize>; 3] = parts.map(|samples| vec![0; samples.len()]);
    for ((_, part, i), label) in places.iter().zip(labels) {
        by_part[*part][*i] = label;
    }
    let [train, validation, test] = by_part;
    let with =
        |samples: &Arc<dyn Samples>, labels| -> Arc<dyn Samples> { Arc::new(Relabelled::new(samples.clone(), labels)) };
    Splits {
        train: with(&splits.train, train),
        validation: with(&splits.validation, validation),
        test: with(&splits.test, test),
    }
}

/// New labels for samples of which subject and label are known. A subject that has samples of several classes keeps their number and gets
/// them in another order: its samples can be told apart by nothing else that does not change what it is.
fn shuffled_labels(known: &[(u64, usize)], seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let subjects = Subjects::new(&known.iter().map(|(subject, _)| *subject).collect::<Vec<u64>>());
    let mut of_subject = vec![Vec::new(); subjects.count()];
    subjects.of().iter().zip(known).for_each(|(subject, (_, label))| of_subject[*subject].push(*label));
    let is_of_one_class = |labels: &[usize]| labels.iter().all(|label| *label == labels[0]);
    let mut classes: Vec<usize> =
        of_subject.iter().filter(|labels| is_of_one_class(labels)).map(|labels| labels[0]).collect();
    classes.shuffle(&mut rng);
    let mut classes = classes.into_iter();
    for labels in &mut of_subject {
        match is_of_one_class(labels) {
            true => labels.fill(classes.next().unwrap_or_default()),
            false => labels.shuffle(&mut rng),
        }
    }
    let mut of_subject: Vec<_> = of_subject.into_iter().map(Vec::into_iter).collect();
    subjects.of().iter().map(|subject| of_subject[*subject].next().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_keep_one_class_if_they_had_one() {
        // 30 subjects of two samples and one class each, and one with a sample of each class.
        let mut known: Vec<(u64, usize)> = (0..60).map(|i| (i / 2, usize::from(i >= 30))).collect();
        known.extend([(99, 0), (99, 1)]);
        let labels = shuffled_labels(&known, 5);
        assert!(labels[..60].chunks(2).all(|pair| pair[0] == pair[1]), "{labels:?}");
        assert_eq!(labels[60] + labels[61], 1);
        assert_eq!(labels.iter().sum::<usize>(), 31, "as many of each class as before");
        assert_ne!(labels[..60], known[..60].iter().map(|(_, label)| *label).collect::<Vec<usize>>());
        assert_ne!(labels, shuffled_labels(&known, 6));
        let alone: Vec<(u64, usize)> = (0..40).map(|i| (i, i as usize % 2)).collect();
        let mut plain: Vec<usize> = alone.iter().map(|(_, label)| *label).collect();
        plain.shuffle(&mut ChaCha8Rng::seed_from_u64(7));
        assert_eq!(shuffled_labels(&alone, 7), plain);
    }

    #[test]
    fn the_true_labelling_counts_among_all() {
        let found = Permutations { run: String::new(), observed: 0.8, shuffled: vec![0.5, 0.8, 0.9, 0.4] };
        assert!((found.p_value() - 0.6).abs() < 1e-12);
    }
}
