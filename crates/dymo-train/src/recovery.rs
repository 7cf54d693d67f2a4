//! Training of the recovery models.

mod fitted;
mod tip;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::{Kind, ModalitySet, Schema};
use dymo_data::{Samples, complete};
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{
    Guided, GuidedBatch, GuidedRecovery, GuidedSettings, Mopoe, MopoeRecovery, MopoeSettings, Recovery, standard_normal,
};
use rand::RngExt;

use crate::batch::{Batch, Purpose, generator, label_tensor, scalar, values};
use crate::error::TrainError;
use crate::evaluation::coherence;
use crate::trainer::{Moment, Objective, StepLoss};

pub use fitted::{Fitted, FittedModel, fit_centre, fit_chain, fit_donors, fit_gallery};
pub use tip::TipObjective;

const VALIDATION_BATCH: usize = 256;
/// Held-out samples that a recovery model is judged on after an epoch.
const VALIDATION_SAMPLES: usize = 1024;
/// Held-out samples whose recovered modalities are read after an epoch: every one from each of the others alone.
const COHERENCE_SAMPLES: usize = 200;

fn kinds(schema: &Schema) -> Vec<Kind> {
    schema.modalities().iter().map(|m| m.kind()).collect()
}

/// A seed for a step's noise.
fn noise_seed(moment: Moment) -> u64 {
    generator(moment.seed, Purpose::Noise, moment.step as u64).random()
}

/// What a recovery model is judged on after an epoch.
#[derive(Clone)]
pub struct HeldOut {
    /// Samples that are not trained on.
    pub samples: Arc<dyn Samples>,
    /// A trained fusion network that reads what is recovered: with it, the learning curve shows how often a modality that is
    /// recovered from one other shows the right class.
    pub reader: Option<FusionNetwork>,
    /// Where both are.
    pub device: Device,
}

impl HeldOut {
    fn batch(&self, indices: &[usize]) -> Result<Batch, TrainError> {
        Ok(Batch::read(self.samples.as_ref(), indices, &self.device)?)
    }

    /// Conditional coherence from one modality, on complete samples.
    fn coherence(&self, recovery: &dyn Recovery) -> Result<Option<(&'static str, f64)>, TrainError> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let samples = self.samples.as_ref();
        let indices: Vec<usize> = complete(samples).take(COHERENCE_SAMPLES).collect();
        let found = coherence(reader, recovery, &self.device, samples, &indices, 1)?;
        Ok((found.n > 0).then_some(("recovered from one, read as the right class", found.share)))
    }
}

/// Training of [`Guided`].
pub struct GuidedObjective {
    settings: GuidedSettings,
    schema: Schema,
    held_out: HeldOut,
}

impl GuidedObjective {
    /// Trains on samples of the held-out samples' schema.
    pub fn new(settings: GuidedSettings, held_out: HeldOut) -> Self {
        Self { settings, schema: held_out.samples.schema().clone(), held_out }
    }

    /// The batch, sorted by source, with its noise.
    fn sorted(&self, batch: &Batch, sources: &[usize], moment: Moment) -> GuidedBatch {
        let device = batch.inputs[0].device();
        let mut order: Vec<usize> = (0..sources.len()).collect();
        order.sort_by_key(|i| sources[*i]);
        let rows = label_tensor(&order, &device);
        let ids: Vec<u64> = order.iter().map(|i| *i as u64).collect();
        let labels: Vec<usize> = order.iter().map(|i| batch.labels[*i]).collect();
        let seed = noise_seed(moment);
        let noise = |place: u64, width| standard_normal(seed.wrapping_add(place), &ids, width, &device);
        let modalities = batch.inputs.len();
        GuidedBatch {
            counts: (0..modalities).map(|m| sources.iter().filter(|s| **s == m).count()).collect(),
            inputs: batch.inputs.iter().map(|x| x.clone().select(0, rows.clone())).collect(),
            has: has(batch, &order),
            labels: label_tensor(&labels, &device),
            shared_noise: noise(0, self.settings.shared),
            private_noise: (0..modalities).map(|m| noise(1 + m as u64, self.settings.private)).collect(),
        }
    }
}

/// For each modality which of the samples, in the order given, have it: `[n, 1]` each; `None` if all have all.
fn has(batch: &Batch, order: &[usize]) -> Option<Vec<Tensor<2>>> {
    let modalities = batch.inputs.len();
    if batch.observed.iter().all(|observed| observed.len() == modalities) {
        return None;
    }
    let device = batch.inputs[0].device();
    let column = |m: usize| {
        let flags: Vec<f32> = order.iter().map(|i| f32::from(u8::from(batch.observed[*i].contains(m)))).collect();
        Tensor::from_data(TensorData::new(flags, [order.len(), 1]), &device)
    };
    Some((0..modalities).map(column).collect())
}

impl Objective for GuidedObjective {
    type Model = Guided;

    fn stage(&self) -> &str {
        "guided recovery"
    }

    fn init(&self, device: &Device) -> Result<Guided, TrainError> {
        Ok(self.settings.init(&kinds(&self.schema), self.schema.classes().len(), device)?)
    }

    fn step(&mut self, model: &Guided, batch: &Batch, moment: Moment) -> Result<StepLoss, TrainError> {
        let mut rng = generator(moment.seed, Purpose::Sources, moment.step as u64);
        let source = |observed: &ModalitySet| {
            let place = rng.random_range(0..observed.len().max(1));
            observed.iter().nth(place).unwrap_or(0)
        };
        let sources: Vec<usize> = batch.observed.iter().map(source).collect();
        let loss = model.loss(&self.sorted(batch, &sources, moment), self.settings.label_weight);
        let parts = vec![
            ("reconstruction", loss.reconstruction.detach()),
            ("divergence", loss.divergence.detach()),
            ("label", loss.label.detach()),
        ];
        Ok(StepLoss { total: loss.total, parts })
    }

    /// The class is named long before the pictures are good: no quantity at hand says which epoch recovers best.
    fn chooses_best(&self, _epoch: usize) -> bool {
        false
    }

    /// Share of held-out pictures whose shared latent names the right class, from one modality and from all.
    fn validate(&mut self, model: &Guided, moment: Moment) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let modalities = self.schema.modalities().len();
        let indices: Vec<usize> = (0..self.held_out.samples.len().min(VALIDATION_SAMPLES)).collect();
        // Right and judged: from all modalities, and from each alone.
        let (mut all, mut one) = ((0.0, 0.0), (0.0, 0.0));
        for chunk in indices.chunks(VALIDATION_BATCH) {
            let batch = self.held_out.batch(chunk)?;
            let judge = |present: ModalitySet, sum: &mut (f64, f64)| {
                let rows = batch.rows_with(present);
                if rows.is_empty() {
                    return;
                }
                let places = label_tensor(&rows, &self.held_out.device);
                let inputs: Vec<Tensor<2>> =
                    present.iter().map(|m| batch.inputs[m].clone().select(0, places.clone())).collect();
                let labels: Vec<usize> = rows.iter().map(|row| batch.labels[*row]).collect();
                sum.0 += count_right(model.classify(model.posterior(present, &inputs).mean), &labels);
                sum.1 += rows.len() as f64;
            };
            for m in 0..modalities {
                judge(ModalitySet::single(m), &mut one);
            }
            judge(ModalitySet::full(modalities), &mut all);
        }
        let share = |(right, judged): (f64, f64)| right / f64::max(judged, 1.0);
        let mut found = vec![("class from all modalities", share(all)), ("class from one modality", share(one))];
        found.extend(self.held_out.coherence(&GuidedRecovery::new(model.clone(), &self.settings, moment.seed))?);
        Ok(found)
    }
}

/// How many rows `[n, C]` have their maximum at the label.
fn count_right(scores: Tensor<2>, labels: &[usize]) -> f64 {
    let classes = scores.dims()[1];
    let scores = values(scores);
    let rows = scores.chunks_exact(classes).zip(labels);
    rows.filter(|(row, label)| (0..classes).all(|k| row[k] <= row[**label])).count() as f64
}

/// Training of [`Mopoe`].
pub struct MopoeObjective {
    settings: MopoeSettings,
    nominal_batch: usize,
    schema: Schema,
    held_out: HeldOut,
}

impl MopoeObjective {
    /// `nominal_batch` is the batch of the schedule: the published divergence is divided by it.
    pub fn new(settings: MopoeSettings, nominal_batch: usize, held_out: HeldOut) -> Self {
        Self { settings, nominal_batch, schema: held_out.samples.schema().clone(), held_out }
    }

    fn loss(&self, model: &Mopoe, batch: &Batch, seed: u64) -> dymo_models::recovery::MopoeLoss {
        let ids: Vec<u64> = (0..batch.labels.len() as u64).collect();
        let noise = standard_normal(seed, &ids, self.settings.latent, &batch.inputs[0].device());
        model.loss(&batch.inputs, noise, self.settings.beta, self.nominal_batch)
    }
}

impl Objective for MopoeObjective {
    type Model = Mopoe;

    fn stage(&self) -> &str {
        "MoPoE recovery"
    }

    fn init(&self, device: &Device) -> Result<Mopoe, TrainError> {
        Ok(self.settings.init(&kinds(&self.schema), device)?)
    }

    fn step(&mut self, model: &Mopoe, batch: &Batch, moment: Moment) -> Result<StepLoss, TrainError> {
        let loss = self.loss(model, batch, noise_seed(moment));
        let parts = vec![("reconstruction", loss.reconstruction.detach()), ("divergence", loss.divergence.detach())];
        Ok(StepLoss { total: loss.total, parts })
    }

    /// As published: the last epoch.
    fn chooses_best(&self, _epoch: usize) -> bool {
        false
    }

    /// The negative loss of held-out samples, its parts for the record.
    fn validate(&mut self, model: &Mopoe, moment: Moment) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let indices: Vec<usize> = (0..self.held_out.samples.len().min(VALIDATION_SAMPLES)).collect();
        let (mut total, mut reconstruction, mut divergence, mut batches) = (0.0, 0.0, 0.0, 0.0);
        for chunk in indices.chunks(self.nominal_batch) {
            let batch = self.held_out.batch(chunk)?;
            let loss = self.loss(model, &batch, 0);
            let weight = chunk.len() as f64;
            total += scalar(loss.total) * weight;
            reconstruction += scalar(loss.reconstruction) * weight;
            divergence += scalar(loss.divergence) * weight;
            batches += weight;
        }
        let mut found = vec![
            ("negative loss", -total / batches),
            ("reconstruction", reconstruction / batches),
            ("divergence", divergence / batches),
        ];
        found.extend(self.held_out.coherence(&MopoeRecovery::new(model.clone(), &self.settings, moment.seed))?);
        Ok(found)
    }
}
