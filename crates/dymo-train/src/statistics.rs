//! Class statistics of a trained fusion network on the training set (method, section 4).

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use dymo_core::subsets;
use dymo_data::{Samples, at_most, complete};
use dymo_models::fusion::{FeatureScale, FusionNetwork};
use dymo_reward::{ClassStatistics, Metric, StatisticsBuilder};

use crate::batch::{Batch, label_tensor, values};
use crate::error::TrainError;
use crate::experiment::{StatisticsSamples, StatisticsTable};

const BATCH: usize = 256;

/// The metric that a network's features were trained for.
pub fn metric_of(network: &FusionNetwork) -> Metric {
    match network.layout().scale() {
        FeatureScale::Unit => Metric::Cosine,
        FeatureScale::Free => Metric::Euclid,
    }
}

/// Complete samples of a class from which on they are enough.
const ENOUGH: usize = 10;

/// What [`fit`] will go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which samples.
    pub samples: StatisticsSamples,
    /// Numbers of the samples, ascending.
    pub indices: Vec<usize>,
    /// What a user should know of it, in words.
    pub notes: Vec<String>,
}

/// Decides which samples class statistics are fitted on, to be asked before anything is trained: the complete ones if every class
/// has enough of them (ten, or all that it has), else all for the subsets that they have; or as the table says.
///
/// # Errors
/// [`TrainError::NothingComplete`] if complete ones are asked for and there are none, [`TrainError::TooFewSamples`] if no sample
/// has anything.
pub fn plan(samples: &dyn Samples, table: &StatisticsTable) -> Result<Plan, TrainError> {
    let whole: Vec<usize> = complete(samples).collect();
    let of_class = |indices: &mut dyn Iterator<Item = usize>| {
        let mut counts = BTreeMap::<usize, usize>::new();
        indices.for_each(|i| *counts.entry(samples.label(i)).or_default() += 1);
        counts
    };
    let (all, shown) = (of_class(&mut (0..samples.len())), of_class(&mut whole.iter().copied()));
    let name = |label: &usize| samples.schema().classes().get(*label).cloned().unwrap_or_else(|| label.to_string());
    let mut notes = Vec::new();
    let few = all.iter().map(|(label, all)| (shown.get(label).copied().unwrap_or(0), *all, label));
    let fewest = few.filter(|(shown, all, _)| *shown < ENOUGH.min(*all)).min();
    let chosen = match (table.samples, fewest) {
        (Some(samples), _) => samples,
        (None, None) => StatisticsSamples::Complete,
        (None, Some((shown, all, label))) => {
            notes.push(format!(
                "class statistics take every training sample, for the subsets of modalities that it has: of {} only {shown} of {all} are \
                 complete (samples = \"complete\" under [statistics] takes complete ones alone, as the paper does)",
                name(label)
            ));
            StatisticsSamples::Observed
        }
    };
    let indices = match chosen {
        StatisticsSamples::Complete => whole,
        StatisticsSamples::Observed => (0..samples.len()).filter(|i| !samples.observed(*i).is_empty()).collect(),
    };
    if indices.is_empty() {
        if chosen == StatisticsSamples::Observed {
            return Err(TrainError::TooFewSamples { split: "train".into(), found: 0, wanted: 1 });
        }
        let having = |m: usize| (0..samples.len()).filter(|i| samples.observed(*i).contains(m)).count();
        let modalities = samples.schema().modalities().iter().enumerate();
        let rarest = modalities.map(|(m, modality)| (having(m), modality.name())).min().unwrap_or_default();
        return Err(TrainError::NothingComplete { samples: samples.len(), rarest: rarest.1.into(), having: rarest.0 });
    }
    let unseen: Vec<String> = all.keys().filter(|label| !shown.contains_key(label)).map(name).collect();
    if chosen == StatisticsSamples::Complete && !unseen.is_empty() {
        notes.push(format!(
            "no training sample of {} is complete: selection judges as if there were no such class; add complete samples of it, or leave \
             out samples = \"complete\" under [statistics]",
            unseen.join(" and of ")
        ));
    }
    let indices = at_most(samples, indices, table.limit.unwrap_or(usize::MAX));
    Ok(Plan { samples: chosen, indices, notes })
}

/// Fits prototypes and spreads for every non-empty subset on the samples of a plan.
///
/// `progress(done, all)` is called after each batch; features are kept in memory, `[31, N, D]` floats for five modalities.
///
/// # Errors
/// If a sample cannot be read.
pub fn fit(
    network: &FusionNetwork,
    samples: &dyn Samples,
    plan: &Plan,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<ClassStatistics, TrainError> {
    let layout = network.layout();
    let (width, classes) = (layout.feature_width(), layout.classes());
    let all = subsets(layout.modalities());
    let count = plan.indices.len();
    let mut means = StatisticsBuilder::new(metric_of(network), layout.modalities(), classes, width, all.clone())?;
    if plan.samples == StatisticsSamples::Observed {
        means = means.uneven();
    }
    // Of each subset the features that it has seen, and their classes.
    let mut seen: Vec<(Vec<f32>, Vec<usize>)> = vec![Default::default(); all.len()];
    for (place, chunk) in plan.indices.chunks(BATCH).enumerate() {
        let batch = Batch::read(samples, chunk, device)?;
        let tokens: Vec<Tensor<3>> =
            batch.inputs.iter().enumerate().map(|(m, x)| network.tokens(m, x.clone())).collect();
        for (subset, (features, labels)) in all.iter().zip(&mut seen) {
            let rows = batch.rows_with(*subset);
            if rows.is_empty() {
                continue;
            }
            let chosen = (rows.len() < chunk.len()).then(|| label_tensor(&rows, device));
            let of_rows = |m: usize| match &chosen {
                Some(rows) => tokens[m].clone().select(0, rows.clone()),
                None => tokens[m].clone(),
            };
            let fused = values(network.fuse(subset.iter().map(of_rows).collect()).feature);
            for (feature, row) in fused.chunks_exact(width).zip(&rows) {
                means.add(*subset, batch.labels[*row], feature)?;
                labels.push(batch.labels[*row]);
            }
            features.extend_from_slice(&fused);
        }
        progress(place * BATCH + chunk.len(), count);
    }
    let mut spreads = means.prototypes()?;
    for (subset, (features, labels)) in all.iter().zip(&seen) {
        for (feature, label) in features.chunks_exact(width).zip(labels) {
            spreads.add_distance(*subset, *label, feature)?;
        }
    }
    Ok(spreads.finish()?)
}
