//! Guided recovery: a shared–private variational autoencoder whose shared latent must name the class.
//!
//! Each modality has an encoder for a shared latent and one for a private latent, and a decoder from both. In training one
//! modality at random is the source of a sample: *all* modalities are decoded from its shared latent, the source with its own
//! private latent, the others with a draw from a learned private prior. A linear classifier on the shared latent carries the
//! label into it, so that what is recovered shows the right class after minutes, where MoPoE takes hundreds of epochs.

use std::sync::OnceLock;

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, activation};
use dymo_core::{Kind, ModalitySet};
use dymo_kernels::Recycled;
use serde::{Deserialize, Serialize};

use super::latent::{LatentDecoder, LatentEncoder};
use super::mixed::{MixedBatch, MixedRecovery, Products, decode_wanted};
use super::noise::{normal_values, standard_normal};
use super::picture::Gaussian;
use super::{Draw, Observed, Recovery, RecoveryError, RecoveryLayoutError, check_inputs, check_pictures};
use crate::ops;
use crate::ready::{ReadyDecoder, ReadyEncoder, numbers};

const LAPLACE_SCALE: f64 = 0.75;

/// Shape of a guided model and the weights of its loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuidedSettings {
    /// Width of the shared latent.
    pub shared: usize,
    /// Width of each private latent.
    pub private: usize,
    /// Filters of the convolutions.
    pub widths: Vec<usize>,
    /// Width of the layer between convolutions and heads.
    pub hidden: usize,
    /// Weight of the cross-entropy on the shared latent, nats against nats.
    pub label_weight: f64,
    /// Whether the latents are drawn or taken at their means in recovery.
    pub draw: Draw,
}

impl Default for GuidedSettings {
    fn default() -> Self {
        Self { shared: 32, private: 32, widths: vec![32, 64, 128], hidden: 256, label_weight: 200.0, draw: Draw::Mean }
    }
}

impl GuidedSettings {
    /// A model with fresh weights.
    ///
    /// # Errors
    /// If a picture is too small, or an extent is zero.
    pub fn init(&self, kinds: &[Kind], classes: usize, device: &Device) -> Result<Guided, RecoveryLayoutError> {
        for (field, value) in [("shared", self.shared), ("private", self.private), ("hidden", self.hidden)] {
            if value == 0 {
                return Err(RecoveryLayoutError::Zero { field });
            }
        }
        check_pictures("guided", kinds, self.widths.len())?;
        let encoder = |kind: &Kind, latent| LatentEncoder::new(kind, &self.widths, self.hidden, latent, device);
        let zeros = || Initializer::Zeros.init([kinds.len(), self.private], device);
        Ok(Guided {
            shared_encoders: kinds.iter().map(|k| encoder(k, self.shared)).collect(),
            private_encoders: kinds.iter().map(|k| encoder(k, self.private)).collect(),
            decoders: kinds
                .iter()
                .map(|k| LatentDecoder::new(k, &self.widths, self.hidden, self.shared + self.private, device))
                .collect(),
            classifier: LinearConfig::new(self.shared, classes).init(device),
            prior_mean: zeros(),
            prior_log_variance: zeros(),
        })
    }
}

/// The model. `prior_*` are `[M, private]`.
#[derive(Module, Debug)]
pub struct Guided {
    shared_encoders: Vec<LatentEncoder>,
    private_encoders: Vec<LatentEncoder>,
    decoders: Vec<LatentDecoder>,
    classifier: Linear,
    prior_mean: Param<Tensor<2>>,
    prior_log_variance: Param<Tensor<2>>,
}

/// The parts of a training step's loss, each `[1]`.
#[derive(Debug, Clone)]
pub struct GuidedLoss {
    /// Reconstruction of all modalities, nats per sample.
    pub reconstruction: Tensor<1>,
    /// Divergence of the source's shared and private posteriors from their priors, nats per sample.
    pub divergence: Tensor<1>,
    /// Cross-entropy of the label, nats, mean over modalities.
    pub label: Tensor<1>,
    /// What is minimised.
    pub total: Tensor<1>,
}

/// A training batch, sorted by the modality that is each sample's source.
#[derive(Debug, Clone)]
pub struct GuidedBatch {
    /// Samples of each source, in order: the first `counts[0]` samples have source 0, and so on.
    pub counts: Vec<usize>,
    /// One tensor per modality, `[B, values]`; zeros where a sample does not have it.
    pub inputs: Vec<Tensor<2>>,
    /// What each sample has: for each modality 1 or 0, `[B, 1]`. `None` for complete samples.
    pub has: Option<Vec<Tensor<2>>>,
    /// Class numbers, `[B]`.
    pub labels: Tensor<1, Int>,
    /// Standard normal noise for the shared latent, `[B, shared]`.
    pub shared_noise: Tensor<2>,
    /// Standard normal noise for each modality's private latent, `[B, private]`.
    pub private_noise: Vec<Tensor<2>>,
}

impl Guided {
    /// The loss of a batch, means over its samples.
    pub fn loss(&self, batch: &GuidedBatch, label_weight: f64) -> GuidedLoss {
        let size = batch.inputs[0].dims()[0];
        // Every modality's shared latent learns the class, not only the source's: encoders are cheap beside decoders.
        let shared: Vec<Gaussian> =
            self.shared_encoders.iter().zip(&batch.inputs).map(|(e, x)| e.forward(x.clone())).collect();
        let drawn: Vec<Tensor<2>> = shared.iter().map(|q| q.draw(batch.shared_noise.clone())).collect();
        let device = drawn[0].device();
        let zero = || Tensor::<1>::zeros([1], &device);
        let (mut label, mut divergence, mut reconstruction) = (zero(), zero(), zero());
        for (m, latent) in drawn.iter().enumerate() {
            let losses = cross_entropies(self.classifier.forward(latent.clone()), batch.labels.clone());
            label = label
                + match &batch.has {
                    None => losses.mean(),
                    Some(has) => (losses * has[m].clone()).sum() / has[m].clone().sum().clamp_min(1.0),
                };
        }
        let label = label / drawn.len() as f64;
        let mut start = 0;
        let mut latents = Vec::new();
        let mut codes = Vec::new();
        for (m, count) in batch.counts.iter().copied().enumerate() {
            let noise = &batch.private_noise[m];
            if count == 0 {
                codes.push(self.prior(m, size).draw(noise.clone()));
                continue;
            }
            let source = |x: &Tensor<2>| x.clone().narrow(0, start, count);
            let own = self.private_encoders[m].forward(source(&batch.inputs[m]));
            let posterior = Gaussian { mean: source(&shared[m].mean), log_variance: source(&shared[m].log_variance) };
            divergence = divergence
                + posterior.divergence_from_standard().sum()
                + self::divergence(&own, &self.prior(m, count)).sum();
            latents.push(source(&drawn[m]));
            codes.push(self.private_codes(m, own.draw(source(noise)), noise, start));
            start += count;
        }
        let latent = Tensor::cat(latents, 0);
        for (m, code) in codes.into_iter().enumerate() {
            let code = Tensor::cat(vec![latent.clone(), code], 1);
            let has = batch.has.as_ref().map(|has| has[m].clone());
            reconstruction = reconstruction + self.decoders[m].loss(code, batch.inputs[m].clone(), LAPLACE_SCALE, has);
        }
        let divergence = divergence / size as f64;
        let total = reconstruction.clone() + divergence.clone() + label.clone() * label_weight;
        GuidedLoss { reconstruction, divergence, label, total }
    }

    /// Private codes of modality `m` for a whole batch `[B, private]`: `own` where it is the source (from sample `start` on), draws
    /// from its prior elsewhere.
    fn private_codes(&self, m: usize, own: Tensor<2>, noise: &Tensor<2>, start: usize) -> Tensor<2> {
        let (size, end) = (noise.dims()[0], start + own.dims()[0]);
        let mut parts = Vec::with_capacity(3);
        if start > 0 {
            parts.push(self.prior(m, start).draw(noise.clone().narrow(0, 0, start)));
        }
        parts.push(own);
        if end < size {
            parts.push(self.prior(m, size - end).draw(noise.clone().narrow(0, end, size - end)));
        }
        Tensor::cat(parts, 0)
    }

    fn prior(&self, modality: usize, count: usize) -> Gaussian {
        let row = |table: &Param<Tensor<2>>| table.val().narrow(0, modality, 1).expand([count as i64, -1]);
        Gaussian { mean: row(&self.prior_mean), log_variance: row(&self.prior_log_variance) }
    }

    /// Product of the observed modalities' shared posteriors: inputs ascending, `[n, values]` each.
    pub fn posterior(&self, present: ModalitySet, inputs: &[Tensor<2>]) -> Gaussian {
        let mut precision: Option<Tensor<2>> = None;
        let mut weighted: Option<Tensor<2>> = None;
        for (m, x) in present.iter().zip(inputs) {
            let expert = self.shared_encoders[m].forward(x.clone());
            let p = (-expert.log_variance).exp();
            let w = expert.mean * p.clone();
            precision = Some(precision.map_or(p.clone(), |sum| sum + p));
            weighted = Some(weighted.map_or(w.clone(), |sum| sum + w));
        }
        let device = self.prior_mean.val().device();
        let precision = precision.unwrap_or_else(|| Tensor::ones([0, 1], &device));
        let weighted = weighted.unwrap_or_else(|| Tensor::zeros([0, 1], &device));
        Gaussian { mean: weighted / precision.clone(), log_variance: -precision.log() }
    }

    /// Class probabilities of a shared latent: `[n, shared]` → `[n, C]`.
    pub fn classify(&self, shared: Tensor<2>) -> Tensor<2> {
        activation::softmax(self.classifier.forward(shared), 1)
    }
}

/// Cross-entropy of each row: `[n, C]` and class numbers `[n]` → `[n, 1]`.
fn cross_entropies(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<2> {
    -activation::log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1))
}

/// KL(q ‖ p) of each row, `[n]`.
fn divergence(q: &Gaussian, p: &Gaussian) -> Tensor<1> {
    let gap = (q.mean.clone() - p.mean.clone()).powi_scalar(2);
    let ratio = (gap + q.log_variance.clone().exp()) / p.log_variance.clone().exp();
    let terms = (ratio + p.log_variance.clone() - q.log_variance.clone() - 1.0) * 0.5;
    terms.sum_dim(1).squeeze_dim(1)
}

/// A trained guided model as recovery model.
#[derive(Debug)]
pub struct GuidedRecovery {
    model: Guided,
    draw: Draw,
    seed: u64,
    ready: OnceLock<Option<ReadyGuided>>,
}

/// The model in plain memory.
#[derive(Debug)]
struct ReadyGuided {
    encoders: Vec<ReadyEncoder>,
    decoders: Vec<ReadyDecoder>,
    /// `[M, private]` each.
    prior_mean: Vec<f32>,
    prior_log_variance: Vec<f32>,
    draw: Option<u64>,
}

impl ReadyGuided {
    fn new(model: &Guided, draw: Option<u64>) -> Option<Self> {
        if !ops::is_cpu(&model.prior_mean.val().device()) {
            return None;
        }
        Some(Self {
            encoders: model.shared_encoders.iter().map(LatentEncoder::ready).collect::<Option<_>>()?,
            decoders: model.decoders.iter().map(LatentDecoder::ready).collect::<Option<_>>()?,
            prior_mean: numbers(model.prior_mean.val())?,
            prior_log_variance: numbers(model.prior_log_variance.val())?,
            draw,
        })
    }
}

impl MixedRecovery for ReadyGuided {
    fn recover_mixed(&self, batch: &MixedBatch<'_>) -> Vec<Recycled> {
        let shared = Products::of(&self.encoders, batch, 0.0).latents(self.draw, batch.ids);
        let (width, private) = (self.encoders[0].latent(), self.prior_mean.len() / self.encoders.len());
        let noise: Vec<Vec<f32>> = match self.draw {
            None => Vec::new(),
            Some(seed) => (0..self.encoders.len())
                .map(|m| normal_values(seed.wrapping_add(1 + m as u64), batch.ids, private))
                .collect(),
        };
        decode_wanted(&self.decoders, batch.wanted, |m, place, codes| {
            let prior = m * private..(m + 1) * private;
            codes.extend_from_slice(&shared[place * width..(place + 1) * width]);
            match noise.get(m) {
                None => codes.extend_from_slice(&self.prior_mean[prior]),
                Some(noise) => {
                    let spread = self.prior_log_variance[prior.clone()].iter().map(|log| (log * 0.5).exp());
                    let drawn = self.prior_mean[prior].iter().zip(spread).zip(&noise[place * private..]);
                    codes.extend(drawn.map(|((mean, spread), noise)| mean + noise * spread));
                }
            }
        })
    }
}

impl GuidedRecovery {
    /// `seed` settles the draws.
    pub fn new(model: Guided, settings: &GuidedSettings, seed: u64) -> Self {
        Self { model, draw: settings.draw, seed, ready: OnceLock::new() }
    }
}

impl Recovery for GuidedRecovery {
    fn name(&self) -> &'static str {
        "guided"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let posterior = self.model.posterior(observed.present, &observed.inputs);
        let (n, device) = (observed.len(), posterior.mean.device());
        let noise =
            |stream: u64, width: usize| standard_normal(self.seed.wrapping_add(stream), &observed.ids, width, &device);
        let shared = match self.draw {
            Draw::Mean => posterior.mean,
            Draw::Sample => {
                let width = posterior.mean.dims()[1];
                posterior.draw(noise(0, width))
            }
        };
        Ok(wanted
            .iter()
            .map(|m| {
                let prior = self.model.prior(m, n);
                let private = match self.draw {
                    Draw::Mean => prior.mean,
                    Draw::Sample => {
                        let width = prior.mean.dims()[1];
                        prior.draw(noise(1 + m as u64, width))
                    }
                };
                self.model.decoders[m].forward(Tensor::cat(vec![shared.clone(), private], 1))
            })
            .collect())
    }

    fn mixed(&self) -> Option<&dyn MixedRecovery> {
        let draw = (self.draw == Draw::Sample).then_some(self.seed);
        let ready = self.ready.get_or_init(|| ReadyGuided::new(&self.model, draw));
        ready.as_ref().map(|ready| ready as &dyn MixedRecovery)
    }

    fn drawing(&self) -> Option<Box<dyn Recovery>> {
        let (model, seed) = (self.model.clone(), self.seed);
        Some(Box::new(Self { model, draw: Draw::Sample, seed, ready: OnceLock::new() }))
    }

    fn class_probabilities(&self, observed: &Observed) -> Option<Tensor<2>> {
        check_inputs(observed).ok()?;
        let posterior = self.model.posterior(observed.present, &observed.inputs);
        Some(self.model.classify(posterior.mean))
    }
}
