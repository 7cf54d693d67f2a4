//! Class statistics of a trained fusion network on the training set (method, section 4).

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor};
use dymo_core::subsets;
use dymo_data::{Samples, complete};
use dymo_models::fusion::{FeatureScale, FusionNetwork};
use dymo_reward::{ClassStatistics, Metric, StatisticsBuilder};

use crate::batch::{Batch, values};
use crate::error::TrainError;

const BATCH: usize = 256;

/// The metric that a network's features were trained for.
pub fn metric_of(network: &FusionNetwork) -> Metric {
    match network.layout().scale() {
        FeatureScale::Unit => Metric::Cosine,
        FeatureScale::Free => Metric::Euclid,
    }
}

/// Whether [`fit`] will find what it needs, to be asked before anything is trained. Answers the classes that have samples, but no complete
/// one: selection judges as if they were not there.
///
/// # Errors
/// [`TrainError::NothingComplete`] if no sample is complete.
pub fn check(samples: &dyn Samples) -> Result<Vec<String>, TrainError> {
    let shown: BTreeSet<usize> = complete(samples).map(|i| samples.label(i)).collect();
    if shown.is_empty() {
        let having = |m: usize| (0..samples.len()).filter(|i| samples.observed(*i).contains(m)).count();
        let modalities = samples.schema().modalities().iter().enumerate();
        let rarest = modalities.map(|(m, modality)| (having(m), modality.name())).min().unwrap_or_default();
        return Err(TrainError::NothingComplete { samples: samples.len(), rarest: rarest.1.into(), having: rarest.0 });
    }
    let all: BTreeSet<usize> = (0..samples.len()).map(|i| samples.label(i)).collect();
    let classes = samples.schema().classes();
    Ok(all.difference(&shown).filter_map(|label| classes.get(*label).cloned()).collect())
}

/// Fits prototypes and spreads for every non-empty subset on the first `limit` complete samples (all without one): what a sample
/// lacks cannot be taken away from it, and every subset must have seen the same samples.
///
/// `progress(done, all)` is called after each batch; features are kept in memory, `[31, N, D]` floats for five modalities.
///
/// # Errors
/// If a sample cannot be read, or none is complete.
pub fn fit(
    network: &FusionNetwork,
    samples: &dyn Samples,
    limit: Option<usize>,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<ClassStatistics, TrainError> {
    let layout = network.layout();
    let (width, classes) = (layout.feature_width(), layout.classes());
    let all = subsets(layout.modalities());
    check(samples)?;
    let indices: Vec<usize> = complete(samples).take(limit.unwrap_or(usize::MAX)).collect();
    let count = indices.len();
    let mut means = StatisticsBuilder::new(metric_of(network), layout.modalities(), classes, width, all.clone())?;
    let mut features: Vec<Vec<f32>> = vec![Vec::with_capacity(count.saturating_mul(width)); all.len()];
    for (place, chunk) in indices.chunks(BATCH).enumerate() {
        let batch = Batch::read(samples, chunk, device)?;
        let tokens: Vec<Tensor<3>> =
            batch.inputs.iter().enumerate().map(|(m, x)| network.tokens(m, x.clone())).collect();
        for (subset, kept) in all.iter().zip(&mut features) {
            let fused = network.fuse(subset.iter().map(|m| tokens[m].clone()).collect());
            let rows = values(fused.feature);
            for (row, label) in rows.chunks_exact(width).zip(&batch.labels) {
                means.add(*subset, *label, row)?;
            }
            kept.extend_from_slice(&rows);
        }
        progress(place * BATCH + chunk.len(), count);
    }
    let mut spreads = means.prototypes()?;
    for (subset, rows) in all.iter().zip(&features) {
        for (row, index) in rows.chunks_exact(width).zip(&indices) {
            spreads.add_distance(*subset, samples.label(*index), row)?;
        }
    }
    Ok(spreads.finish()?)
}
