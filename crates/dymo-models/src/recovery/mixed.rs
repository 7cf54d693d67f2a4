//! Recovery of samples that differ in what is observed and wanted, in plain memory: encoders and decoders see all samples of a
//! modality at once, whatever else is observed of them.

use dymo_core::ModalitySet;
use dymo_kernels::Recycled;
use rayon::prelude::*;

use super::noise::normal_values;
use crate::ready::{ReadyDecoder, ReadyEncoder};

/// Samples of any patterns.
#[derive(Debug, Clone, Copy)]
pub struct MixedBatch<'a> {
    /// What is observed of each sample; never empty.
    pub present: &'a [ModalitySet],
    /// What is wanted of each sample; nothing that is observed.
    pub wanted: &'a [ModalitySet],
    /// Per modality the values of the samples that have it observed, in their order: `[·, values]`.
    pub inputs: &'a [Vec<f32>],
    /// A number for each sample, from which its random draws are made.
    pub ids: &'a [u64],
}

/// A recovery model that takes such samples, under the laws of [`super::Recovery`] and with the same answers to rounding.
pub trait MixedRecovery: Send + Sync {
    /// Per modality the values of the samples that want it, in their order: `[·, values]`.
    fn recover_mixed(&self, batch: &MixedBatch<'_>) -> Vec<Recycled>;
}

/// Places of the samples whose set holds a modality.
pub(super) fn places(sets: &[ModalitySet], modality: usize) -> impl Iterator<Item = usize> {
    sets.iter().enumerate().filter(move |(_, set)| set.contains(modality)).map(|(place, _)| place)
}

/// For every sample the product of its observed modalities' posteriors.
pub(super) struct Products {
    /// Width Z of the latent.
    latent: usize,
    /// `[n, Z]`.
    precision: Vec<f32>,
    /// Precision times mean, `[n, Z]`.
    weighted: Vec<f32>,
}

impl Products {
    /// `floor` is added to every expert's variance.
    pub fn of(encoders: &[ReadyEncoder], batch: &MixedBatch<'_>, floor: f32) -> Self {
        let latent = encoders.first().map_or(0, ReadyEncoder::latent);
        let len = batch.present.len() * latent;
        let (mut precision, mut weighted) = (vec![0.0; len], vec![0.0; len]);
        let posteriors: Vec<Recycled> = encoders.par_iter().zip(batch.inputs).map(|(e, x)| e.forward(x)).collect();
        // Of each sample the posteriors of what it has, by modality.
        let mut experts: Vec<Vec<&[f32]>> = vec![Vec::new(); batch.present.len()];
        for (m, posteriors) in posteriors.iter().enumerate() {
            for (place, posterior) in places(batch.present, m).zip(posteriors.chunks_exact(2 * latent)) {
                experts[place].push(posterior);
            }
        }
        let rows = precision.par_chunks_mut(latent.max(1)).zip(weighted.par_chunks_mut(latent.max(1)));
        rows.zip(&experts).for_each(|((precision, weighted), experts)| {
            for (mean, log_variance) in experts.iter().map(|posterior| posterior.split_at(latent)) {
                let sums = precision.iter_mut().zip(weighted.iter_mut());
                for ((precision, weighted), (mean, log)) in sums.zip(mean.iter().zip(log_variance)) {
                    let p = 1.0 / (log.exp() + floor);
                    *precision += p;
                    *weighted += mean * p;
                }
            }
        });
        Self { latent, precision, weighted }
    }

    /// A standard normal expert of this precision joins the product of one sample.
    pub fn add_prior(&mut self, place: usize, precision: f32) {
        self.precision[place * self.latent..(place + 1) * self.latent].iter_mut().for_each(|p| *p += precision);
    }

    /// Means `[n, Z]`; with a seed draws, seeded by it and the samples' ids.
    pub fn latents(&self, draw: Option<u64>, ids: &[u64]) -> Vec<f32> {
        let mut latents: Vec<f32> = self.weighted.iter().zip(&self.precision).map(|(w, p)| w / p).collect();
        if let Some(seed) = draw {
            let noise = normal_values(seed, ids, self.latent);
            for ((z, noise), p) in latents.iter_mut().zip(&noise).zip(&self.precision) {
                *z += noise / p.sqrt();
            }
        }
        latents
    }
}

/// Decodes for every modality the samples that want it: `code(m, place, row)` appends the latent of one sample.
pub(super) fn decode_wanted(
    decoders: &[ReadyDecoder],
    wanted: &[ModalitySet],
    code: impl Fn(usize, usize, &mut Vec<f32>) + Sync,
) -> Vec<Recycled> {
    let decode = |(m, decoder): (usize, &ReadyDecoder)| {
        let mut codes = Vec::new();
        places(wanted, m).for_each(|place| code(m, place, &mut codes));
        decoder.forward(&codes)
    };
    decoders.par_iter().enumerate().map(decode).collect()
}
