//! MoPoE: a product of experts inside a subset, a mixture over all subsets (method, section 6; details, section 5).

use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, ModalitySet, subsets};
use dymo_kernels::Recycled;
use serde::{Deserialize, Serialize};

use super::latent::{LatentDecoder, LatentEncoder};
use super::mixed::{MixedBatch, MixedRecovery, Products, decode_wanted};
use super::noise::standard_normal;
use super::picture::Gaussian;
use super::{Draw, Observed, Recovery, RecoveryError, RecoveryLayoutError, check_inputs, check_pictures};
use crate::ops::{self, Mixture};
use crate::ready::{ReadyDecoder, ReadyEncoder};

/// Scale of the Laplace likelihood of pictures.
const LAPLACE_SCALE: f64 = 0.75;
/// Added to every expert's variance, as published.
const VARIANCE_FLOOR: f64 = 1e-8;
/// Precision of the standard normal expert that joins where all modalities are in.
const PRIOR_PRECISION: f64 = 1.0 / (1.0 + VARIANCE_FLOOR);

/// Shape of a MoPoE and the weight of its divergence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MopoeSettings {
    /// Width of the latent. Published: 512.
    pub latent: usize,
    /// Filters of the convolutions.
    pub widths: Vec<usize>,
    /// Width of the layer between convolutions and heads; the released networks use the latent's width.
    pub hidden: Option<usize>,
    /// Weight β of the divergence: 5 in the published model file, 2.5 in the scripts that most likely made the released weights.
    pub beta: f64,
    /// Whether recovery draws from the posterior, as published, or takes its mean.
    pub draw: Draw,
}

impl Default for MopoeSettings {
    fn default() -> Self {
        Self { latent: 512, widths: vec![32, 64, 128], hidden: None, beta: 2.5, draw: Draw::Sample }
    }
}

impl MopoeSettings {
    /// A model with fresh weights for these modalities.
    ///
    /// # Errors
    /// If a picture is too small, or an extent is zero.
    pub fn init(&self, kinds: &[Kind], device: &Device) -> Result<Mopoe, RecoveryLayoutError> {
        if self.latent == 0 {
            return Err(RecoveryLayoutError::Zero { field: "latent" });
        }
        check_pictures("MoPoE", kinds, self.widths.len())?;
        let hidden = self.hidden.unwrap_or(self.latent);
        Ok(Mopoe {
            encoders: kinds.iter().map(|k| LatentEncoder::new(k, &self.widths, hidden, self.latent, device)).collect(),
            decoders: kinds.iter().map(|k| LatentDecoder::new(k, &self.widths, hidden, self.latent, device)).collect(),
        })
    }
}

/// The model: an encoder and a decoder for each modality, one shared latent.
#[derive(Module, Debug)]
pub struct Mopoe {
    encoders: Vec<LatentEncoder>,
    decoders: Vec<LatentDecoder>,
}

/// The parts of a training step's loss, each `[1]`.
#[derive(Debug, Clone)]
pub struct MopoeLoss {
    /// Reconstruction of all modalities, nats per sample.
    pub reconstruction: Tensor<1>,
    /// Mean divergence over all subsets, nats per sample, not weighted.
    pub divergence: Tensor<1>,
    /// What is minimised.
    pub total: Tensor<1>,
}

impl Mopoe {
    /// The posterior of a subset of complete or partial data: inputs of its modalities, ascending, `[n, values]`.
    pub fn posterior(&self, present: ModalitySet, inputs: &[Tensor<2>]) -> Gaussian {
        let experts: Vec<Gaussian> =
            present.iter().zip(inputs).map(|(m, x)| self.encoders[m].forward(x.clone())).collect();
        let refs: Vec<&Gaussian> = experts.iter().collect();
        product_of_experts(&refs, present.len() == self.encoders.len())
    }

    /// Decoder of one modality: `[n, Z]` → `[n, values]`.
    pub fn decode(&self, modality: usize, latent: Tensor<2>) -> Tensor<2> {
        self.decoders[modality].forward(latent)
    }

    /// The published objective on complete data, one tensor per modality; `noise` `[B, Z]`; `nominal_batch` divides the divergence
    /// as published (the configured batch, also for a smaller last one).
    pub fn loss(&self, inputs: &[Tensor<2>], noise: Tensor<2>, beta: f64, nominal_batch: usize) -> MopoeLoss {
        let batch = inputs[0].dims()[0];
        let experts: Vec<Gaussian> = self.encoders.iter().zip(inputs).map(|(e, x)| e.forward(x.clone())).collect();
        let (mixture, divergence) = mixture_and_divergence(&experts, batch);
        let divergence = divergence / (nominal_batch * subsets(experts.len()).len()) as f64;
        let latent = mixture.draw(noise);
        let mut reconstruction = Tensor::zeros([1], &latent.device());
        for (decoder, x) in self.decoders.iter().zip(inputs) {
            reconstruction = reconstruction + decoder.loss(latent.clone(), x.clone(), LAPLACE_SCALE, None);
        }
        let total = reconstruction.clone() + divergence.clone() * beta;
        MopoeLoss { reconstruction, divergence, total }
    }
}

/// Every sample's Gaussian in the mixture over all subsets, and the sum over subsets and samples of the divergence, `[1]`.
fn mixture_and_divergence(experts: &[Gaussian], batch: usize) -> (Gaussian, Tensor<1>) {
    if ops::is_cpu(&experts[0].mean.device()) { in_memory(experts, batch) } else { by_operators(experts, batch) }
}

/// The mixture goes by place in the batch: the last subset takes what is left over.
fn chosen_subset(sample: usize, batch: usize, subsets: usize) -> usize {
    match batch / subsets {
        0 => subsets - 1,
        share => (sample / share).min(subsets - 1),
    }
}

fn in_memory(experts: &[Gaussian], batch: usize) -> (Gaussian, Tensor<1>) {
    let all = subsets(experts.len());
    let [_, width] = experts[0].mean.dims();
    let stacked = |of: fn(&Gaussian) -> Tensor<2>| Tensor::stack::<3>(experts.iter().map(of).collect(), 0);
    let mixture = Mixture {
        subsets: all.iter().map(|subset| subset.bits()).collect(),
        chosen: (0..batch).map(|sample| chosen_subset(sample, batch, all.len())).collect(),
        floor: VARIANCE_FLOOR as f32,
        prior: PRIOR_PRECISION as f32,
    };
    let rows = ops::mixture_of_products(stacked(|e| e.mean.clone()), stacked(|e| e.log_variance.clone()), mixture);
    let part = |first: usize, wide: usize| rows.clone().narrow(1, first, wide);
    let gaussian = Gaussian { mean: part(0, width), log_variance: part(width, width) };
    (gaussian, part(2 * width, 1).sum())
}

fn by_operators(experts: &[Gaussian], batch: usize) -> (Gaussian, Tensor<1>) {
    let all = subsets(experts.len());
    let (mut means, mut logs) = (Vec::new(), Vec::new());
    let mut divergence = Tensor::zeros([1], &experts[0].mean.device());
    let mut start = 0;
    for (place, subset) in all.iter().enumerate() {
        let members: Vec<&Gaussian> = subset.iter().map(|m| &experts[m]).collect();
        let joint = product_of_experts(&members, members.len() == experts.len());
        divergence = divergence + joint.divergence_from_standard().sum();
        let count = (start..batch).take_while(|sample| chosen_subset(*sample, batch, all.len()) == place).count();
        if count > 0 {
            means.push(joint.mean.narrow(0, start, count));
            logs.push(joint.log_variance.narrow(0, start, count));
        }
        start += count;
    }
    (Gaussian { mean: Tensor::cat(means, 0), log_variance: Tensor::cat(logs, 0) }, divergence)
}

/// Precision-weighted product; a standard normal expert joins only where all modalities are in (`complete`).
fn product_of_experts(experts: &[&Gaussian], complete: bool) -> Gaussian {
    let mut precision: Option<Tensor<2>> = None;
    let mut weighted: Option<Tensor<2>> = None;
    for expert in experts {
        let p = (expert.log_variance.clone().exp() + VARIANCE_FLOOR).recip();
        let w = expert.mean.clone() * p.clone();
        precision = Some(precision.map_or(p.clone(), |sum| sum + p));
        weighted = Some(weighted.map_or(w.clone(), |sum| sum + w));
    }
    match (precision, weighted) {
        (Some(precision), Some(weighted)) => {
            let precision = if complete { precision + PRIOR_PRECISION } else { precision };
            Gaussian { mean: weighted / precision.clone(), log_variance: -precision.log() }
        }
        _ => unreachable_product(),
    }
}

/// No subset is empty, so there is always an expert; the empty product is the prior of no width.
fn unreachable_product() -> Gaussian {
    let empty = Tensor::zeros([0, 0], &Device::default());
    Gaussian { mean: empty.clone(), log_variance: empty }
}

/// A trained MoPoE as recovery model.
#[derive(Debug)]
pub struct MopoeRecovery {
    model: Mopoe,
    draw: Draw,
    seed: u64,
    latent: usize,
    ready: OnceLock<Option<ReadyMopoe>>,
}

/// The model in plain memory.
#[derive(Debug)]
struct ReadyMopoe {
    encoders: Vec<ReadyEncoder>,
    decoders: Vec<ReadyDecoder>,
    draw: Option<u64>,
}

impl ReadyMopoe {
    fn new(model: &Mopoe, draw: Option<u64>) -> Option<Self> {
        let device = model.encoders.first()?.device();
        if !ops::is_cpu(&device) {
            return None;
        }
        let encoders = model.encoders.iter().map(LatentEncoder::ready).collect::<Option<_>>()?;
        let decoders = model.decoders.iter().map(LatentDecoder::ready).collect::<Option<_>>()?;
        Some(Self { encoders, decoders, draw })
    }
}

impl MixedRecovery for ReadyMopoe {
    fn recover_mixed(&self, batch: &MixedBatch<'_>) -> Vec<Recycled> {
        let mut products = Products::of(&self.encoders, batch, VARIANCE_FLOOR as f32);
        for (place, present) in batch.present.iter().enumerate() {
            if present.len() == self.encoders.len() {
                products.add_prior(place, PRIOR_PRECISION as f32);
            }
        }
        let (latents, width) = (products.latents(self.draw, batch.ids), self.encoders[0].latent());
        decode_wanted(&self.decoders, batch.wanted, |_, place, codes| {
            codes.extend_from_slice(&latents[place * width..(place + 1) * width]);
        })
    }
}

impl MopoeRecovery {
    /// `seed` settles the draws.
    pub fn new(model: Mopoe, settings: &MopoeSettings, seed: u64) -> Self {
        Self { model, draw: settings.draw, seed, latent: settings.latent, ready: OnceLock::new() }
    }
}

impl Recovery for MopoeRecovery {
    fn name(&self) -> &'static str {
        "mopoe"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let posterior = self.model.posterior(observed.present, &observed.inputs);
        let latent = match self.draw {
            Draw::Mean => posterior.mean,
            Draw::Sample => {
                let device = posterior.mean.device();
                posterior.draw(standard_normal(self.seed, &observed.ids, self.latent, &device))
            }
        };
        Ok(wanted.iter().map(|m| self.model.decode(m, latent.clone())).collect())
    }

    fn mixed(&self) -> Option<&dyn MixedRecovery> {
        let draw = (self.draw == Draw::Sample).then_some(self.seed);
        let ready = self.ready.get_or_init(|| ReadyMopoe::new(&self.model, draw));
        ready.as_ref().map(|ready| ready as &dyn MixedRecovery)
    }

    fn drawing(&self) -> Option<Box<dyn Recovery>> {
        let (model, seed, latent) = (self.model.clone(), self.seed, self.latent);
        Some(Box::new(Self { model, draw: Draw::Sample, seed, latent, ready: OnceLock::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec().expect("single precision")
    }

    #[test]
    fn memory_and_operators_agree() {
        let device = Device::default();
        device.seed(3);
        let random = || Tensor::<2>::random([70, 6], Distribution::Normal(0.0, 1.0), &device);
        for modalities in [1, 3, 5] {
            let experts: Vec<Gaussian> =
                (0..modalities).map(|_| Gaussian { mean: random(), log_variance: random() }).collect();
            let (a, kl_a) = in_memory(&experts, 70);
            let (b, kl_b) = by_operators(&experts, 70);
            let pairs = [(a.mean, b.mean), (a.log_variance, b.log_variance)];
            for (a, b) in pairs.map(|(a, b)| (floats(a), floats(b))) {
                assert_eq!(a.len(), b.len());
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{modalities} modalities");
            }
            let (a, b) = (floats(kl_a)[0], floats(kl_b)[0]);
            assert!((a - b).abs() < 1e-5 * b.abs(), "{modalities} modalities: {a}, {b}");
        }
    }

    #[test]
    fn a_batch_is_shared_out_among_the_subsets() {
        let of = |batch: usize| (0..batch).map(|i| chosen_subset(i, batch, 3)).collect::<Vec<_>>();
        assert_eq!(of(7), [0, 0, 1, 1, 2, 2, 2]);
        assert_eq!(of(2), [2, 2]);
    }
}
