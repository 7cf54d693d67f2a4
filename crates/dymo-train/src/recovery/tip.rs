//! Pre-training of TIP on samples that have every picture and every table.

use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, ModalitySet};
use dymo_data::Samples;
use dymo_models::recovery::{Tip, TipBatch, TipRecovery, TipSettings};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{HeldOut, VALIDATION_BATCH, VALIDATION_SAMPLES, kinds};
use crate::batch::{Batch, Purpose, generator, scalar};
use crate::error::TrainError;
use crate::trainer::{Moment, Objective, StepLoss};

/// Training of [`Tip`]. Samples must have what [`TipObjective::needs`] says.
pub struct TipObjective {
    settings: TipSettings,
    kinds: Vec<Kind>,
    held_out: HeldOut,
}

impl TipObjective {
    /// Trains on samples of the held-out samples' schema.
    pub fn new(settings: TipSettings, held_out: HeldOut) -> Self {
        Self { settings, kinds: kinds(held_out.samples.schema()), held_out }
    }

    /// The modalities that a sample must have: pictures, volumes and tables.
    pub fn needs(samples: &dyn Samples) -> ModalitySet {
        let modalities = samples.schema().modalities().iter().enumerate();
        modalities.filter(|(_, m)| m.kind().is_pictorial() || m.columns().is_some()).map(|(m, _)| m).collect()
    }

    fn batch(&self, inputs: &[Tensor<2>], rng: &mut ChaCha8Rng) -> Option<TipBatch> {
        TipBatch::new(&self.settings, &self.kinds, inputs, rng)
    }
}

impl Objective for TipObjective {
    type Model = Tip;

    fn stage(&self) -> &str {
        "TIP recovery"
    }

    fn init(&self, device: &Device) -> Result<Tip, TrainError> {
        Ok(self.settings.init(&self.kinds, device)?)
    }

    fn step(&mut self, model: &Tip, batch: &Batch, moment: Moment) -> Result<StepLoss, TrainError> {
        let mut rng = generator(moment.seed, Purpose::Noise, moment.step as u64);
        // The check of the settings made sure of a table and a picture.
        let Some(batch) = self.batch(&batch.inputs, &mut rng) else {
            return Err(dymo_models::recovery::RecoveryLayoutError::NoTable { model: "TIP" }.into());
        };
        let loss = model.loss(&batch, self.settings.temperature);
        let parts = vec![
            ("reconstruction", loss.reconstruction.detach()),
            ("contrast", loss.contrast.detach()),
            ("matching", loss.matching.detach()),
        ];
        Ok(StepLoss { total: loss.total, parts })
    }

    /// How well hidden cells of held-out tables are told: all of them from the pictures, and the usual share from the rest.
    fn validate(&mut self, model: &Tip, moment: Moment) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let indices: Vec<usize> = (0..self.held_out.samples.len().min(VALIDATION_SAMPLES)).collect();
        // The same cells are hidden after every epoch.
        let mut rng = generator(moment.seed, Purpose::Sources, 0);
        let (mut whole, mut some, mut count) = (0.0, 0.0, 0.0);
        for chunk in indices.chunks(VALIDATION_BATCH) {
            let inputs = self.held_out.batch(chunk)?.inputs;
            let weight = chunk.len() as f64;
            let seed: u64 = rng.random();
            let mut draws = generator(seed, Purpose::Noise, 0);
            if let (Some(all), Some(part)) =
                (TipBatch::whole(&self.kinds, &inputs, &mut draws), self.batch(&inputs, &mut draws))
            {
                whole += scalar(model.hidden_loss(&all)) * weight;
                some += scalar(model.hidden_loss(&part)) * weight;
                count += weight;
            }
        }
        if count == 0.0 {
            return Ok(Vec::new());
        }
        let mut found = vec![
            ("negative loss", -(whole + some) / (2.0 * count)),
            ("loss, whole tables from pictures", whole / count),
            ("loss, hidden cells", some / count),
        ];
        found.extend(self.held_out.coherence(&TipRecovery::new(model.clone(), &self.kinds)?)?);
        Ok(found)
    }
}
