//! Training of the fusion network (method, section 3): K subsets a batch, cross-entropy, and from the fourth epoch on the
//! prototype loss. A batch is encoded once for all its subsets, and absent tokens are never computed: both are exact for
//! encoders without batch norm. With it (residual networks), encoding once is a change to the published training: running statistics
//! move once a batch instead of once a subset.
//!
//! Published for complete samples. A sample that lacks a modality is seen under those of the drawn subsets that it has whole;
//! on complete samples that is the published training, bit for bit.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData, activation};
use dymo_core::{ModalitySet, subsets};
use dymo_data::Samples;
use dymo_models::fusion::{FeatureScale, Fused, FusionLayout, FusionNetwork};
use dymo_models::published::{Checkpoint, pretrained};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Purpose, choose, generator, label_tensor, values};
use crate::error::TrainError;
use crate::trainer::{Moment, Objective, StepLoss};

/// Settings of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FusionLoss {
    /// Subsets K drawn for each batch.
    pub subsets_per_batch: usize,
    /// First epoch (from 0) with the prototype loss.
    pub prototypes_from: usize,
    /// Weight of the prototype loss.
    pub prototype_weight: f64,
    /// Temperature t of the softmax over prototypes.
    pub temperature: f64,
}

impl Default for FusionLoss {
    fn default() -> Self {
        Self { subsets_per_batch: 5, prototypes_from: 3, prototype_weight: 1.0, temperature: 0.1 }
    }
}

/// Fusion training on one split, validated on another.
pub struct FusionObjective {
    layout: FusionLayout,
    loss: FusionLoss,
    validation: Arc<dyn Samples>,
    device: Device,
    /// Files that encoders start from, by the number of the modality.
    pretrained: Vec<(usize, PathBuf)>,
    all: Vec<ModalitySet>,
    /// Class means of the epoch before, `[C, D]`, once there is one.
    prototypes: Option<Vec<f64>>,
    /// Sums `[C, D]` and counts `[C]` of the running epoch.
    sums: Vec<f64>,
    counts: Vec<f64>,
}

/// Samples that are validated at once,
const VALIDATION_BATCH: usize = 256;
/// under this many subsets.
const SUBSETS_AT_ONCE: usize = 8;

impl FusionObjective {
    /// Trains `layout` on `device`.
    pub fn new(layout: FusionLayout, loss: FusionLoss, validation: Arc<dyn Samples>, device: Device) -> Self {
        let (classes, width) = (layout.classes(), layout.feature_width());
        let all = subsets(layout.modalities());
        Self {
            layout,
            loss,
            validation,
            device,
            pretrained: Vec::new(),
            all,
            prototypes: None,
            sums: vec![0.0; classes * width],
            counts: vec![0.0; classes],
        }
    }

    /// Encoders of these modalities start from published weights.
    #[must_use]
    pub fn starting_from(self, pretrained: Vec<(usize, PathBuf)>) -> Self {
        Self { pretrained, ..self }
    }

    /// Mean cross-entropy of softmax(similarity / t) against the label; prototypes are constants. `[1]`.
    fn prototype_loss(&self, seen: &Seen, prototypes: &[f64]) -> Tensor<1> {
        let feature = seen.fused.feature.clone();
        let device = feature.device();
        let (classes, width) = (self.layout.classes(), self.layout.feature_width());
        let table: Vec<f32> = prototypes.iter().map(|v| *v as f32).collect();
        let table = Tensor::<2>::from_data(TensorData::new(table, [classes, width]), &device);
        let inner = feature.clone().matmul(table.clone().transpose());
        let similarity = match self.layout.scale() {
            FeatureScale::Unit => inner,
            FeatureScale::Free => {
                let lengths = table.powi_scalar(2).sum_dim(1).transpose() + feature.powi_scalar(2).sum_dim(1);
                inner * 2.0 - lengths
            }
        };
        seen.cross_entropy(similarity / self.loss.temperature)
    }

    fn collect(&mut self, feature: Tensor<2>, labels: &[usize]) {
        let width = self.layout.feature_width();
        for (row, label) in values(feature).chunks_exact(width).zip(labels) {
            self.counts[*label] += 1.0;
            let sum = &mut self.sums[label * width..(label + 1) * width];
            sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
        }
    }
}

/// A batch whose modalities are encoded once, each for the samples that have it.
struct Encoded<'a> {
    batch: &'a Batch,
    /// `[n_m, T_m, d]` for each modality, and the places of its samples in the batch; `None` where nothing was encoded.
    tokens: Vec<Option<(Tensor<3>, Vec<usize>)>>,
}

impl<'a> Encoded<'a> {
    fn new(network: &FusionNetwork, batch: &'a Batch, needed: ModalitySet) -> Self {
        let tokens = batch.inputs.iter().enumerate().map(|(m, x)| {
            let rows = batch.rows_with(ModalitySet::single(m));
            let wanted = needed.contains(m) && !rows.is_empty();
            wanted.then(|| (network.tokens(m, select(x.clone(), &rows)), rows))
        });
        Self { tokens: tokens.collect(), batch }
    }

    /// Fuses some subsets, each for the samples that have all of it; `None` where there is no such sample.
    fn fuse(&self, network: &FusionNetwork, subsets: &[ModalitySet]) -> Option<Seen> {
        let groups: Vec<Group> = subsets.iter().map(|subset| (*subset, self.batch.rows_with(*subset))).collect();
        let groups: Vec<Group> = groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
        if groups.is_empty() {
            return None;
        }
        let samples = self.batch.labels.len();
        let fused = match groups.iter().all(|(_, rows)| rows.len() == samples) {
            true => self.fuse_together(network, &groups),
            false => self.fuse_apart(network, &groups),
        };
        let weight = |rows: &Vec<usize>| vec![1.0 / (groups.len() * rows.len()) as f32; rows.len()];
        let weights = groups.iter().flat_map(|(_, rows)| weight(rows)).collect();
        let labels = groups.iter().flat_map(|(_, rows)| rows).map(|row| self.batch.labels[*row]).collect();
        Some(Seen { fused, labels, weights })
    }

    /// Where every sample has all of every subset.
    fn fuse_together(&self, network: &FusionNetwork, groups: &[Group]) -> Fused {
        let tokens: Vec<_> = self.tokens.iter().map(|t| t.as_ref().map(|(tokens, _)| tokens.clone())).collect();
        let subsets: Vec<ModalitySet> = groups.iter().map(|(subset, _)| *subset).collect();
        network.fuse_subsets(&tokens, &subsets)
    }

    fn fuse_apart(&self, network: &FusionNetwork, groups: &[Group]) -> Fused {
        let fused = groups.iter().map(|(subset, rows)| {
            let tokens = subset.iter().filter_map(|m| self.tokens[m].as_ref()).map(|(tokens, has)| {
                // Both lists ascend, and every one of `rows` is in `has`.
                let places: Vec<usize> = rows.iter().filter_map(|row| has.binary_search(row).ok()).collect();
                select(tokens.clone(), &places)
            });
            let fused = network.fuse(tokens.collect());
            (fused.logits, fused.feature)
        });
        let (logits, features) = fused.unzip();
        Fused { logits: Tensor::cat(logits, 0), feature: Tensor::cat(features, 0) }
    }
}

/// A subset, and the places in the batch of the samples that have all of it.
type Group = (ModalitySet, Vec<usize>);

/// What the network says of samples under subsets, row after row, `[N, ..]`.
struct Seen {
    fused: Fused,
    /// The class of each row.
    labels: Vec<usize>,
    /// What each row counts in a mean: every subset that any sample has counts the same.
    weights: Vec<f32>,
}

impl Seen {
    /// Weighted mean of the cross-entropy of `scores [N, C]`, `[1]`.
    fn cross_entropy(&self, scores: Tensor<2>) -> Tensor<1> {
        let device = scores.device();
        let labels = label_tensor(&self.labels, &device);
        let weights = Tensor::<1>::from_data(TensorData::new(self.weights.clone(), [self.weights.len()]), &device);
        let right = activation::log_softmax(scores, 1).gather(1, labels.unsqueeze_dim(1));
        -(right * weights.unsqueeze_dim(1)).sum()
    }
}

/// Rows of a tensor; the tensor itself if they are all of it.
fn select<const D: usize>(tensor: Tensor<D>, rows: &[usize]) -> Tensor<D> {
    if rows.len() == tensor.dims()[0] {
        return tensor;
    }
    let rows = label_tensor(rows, &tensor.device());
    tensor.select(0, rows)
}

impl Objective for FusionObjective {
    type Model = FusionNetwork;

    fn stage(&self) -> &str {
        match self.layout.scale() {
            FeatureScale::Unit => "fusion (cosine)",
            FeatureScale::Free => "fusion (Euclid)",
        }
    }

    fn init(&self, device: &Device) -> Result<FusionNetwork, TrainError> {
        self.pretrained.iter().try_fold(self.layout.init(device), |network, (modality, path)| {
            let bytes = std::fs::read(path).map_err(TrainError::file(path))?;
            let found = Checkpoint::read(&bytes).and_then(|file| pretrained(network, *modality, &file.tensors));
            found.map_err(|source| TrainError::Pretrained { path: path.clone(), source: Box::new(source) })
        })
    }

    fn step(&mut self, model: &FusionNetwork, batch: &Batch, moment: Moment) -> Result<StepLoss, TrainError> {
        let mut rng = generator(moment.seed, Purpose::Subsets, moment.step as u64);
        let drawn = choose(&self.all, self.loss.subsets_per_batch, &mut rng);
        let needed = drawn.iter().fold(ModalitySet::EMPTY, |sum, s| sum.union(*s));
        let device = batch.inputs[0].device();
        let encoded = Encoded::new(model, batch, needed);
        let zero = || Tensor::zeros([1], &device);
        let (mut label, mut prototype) = (zero(), zero());
        let prototypes = self.prototypes.clone();
        if let Some(seen) = encoded.fuse(model, &drawn) {
            label = seen.cross_entropy(seen.fused.logits.clone());
            if let Some(prototypes) = &prototypes {
                prototype = self.prototype_loss(&seen, prototypes);
            }
            self.collect(seen.fused.feature.detach(), &seen.labels);
        }
        let active = prototypes.is_some() && moment.epoch >= self.loss.prototypes_from;
        let total = if active { label.clone() + prototype.clone() * self.loss.prototype_weight } else { label.clone() };
        Ok(StepLoss { total, parts: vec![("cross-entropy", label), ("prototype loss", prototype)] })
    }

    /// Only epochs with the prototype loss: before it sets in, features are not yet what selection compares, and with the
    /// Euclidean metric accuracy takes many epochs to come back to where it was. (Published: any epoch.)
    fn chooses_best(&self, epoch: usize) -> bool {
        epoch >= self.loss.prototypes_from
    }

    fn end_epoch(&mut self) {
        let width = self.layout.feature_width();
        let means = self.sums.iter().enumerate().map(|(i, sum)| sum / self.counts[i / width].max(1.0));
        self.prototypes = Some(means.collect());
        self.sums.fill(0.0);
        self.counts.fill(0.0);
    }

    /// Accuracy over the pooled predictions of all subsets, and the mean cross-entropy.
    fn validate(&mut self, model: &FusionNetwork, _: Moment) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let (mut right, mut loss, mut rows) = (0.0, 0.0, 0.0);
        let indices: Vec<usize> = (0..self.validation.len()).collect();
        for chunk in indices.chunks(VALIDATION_BATCH) {
            let batch = Batch::read(self.validation.as_ref(), chunk, &self.device)?;
            let classes = self.layout.classes();
            let encoded = Encoded::new(model, &batch, ModalitySet::full(batch.inputs.len()));
            for seen in self.all.chunks(SUBSETS_AT_ONCE).filter_map(|subsets| encoded.fuse(model, subsets)) {
                let scores = values(activation::log_softmax(seen.fused.logits, 1));
                for (scores, label) in scores.chunks_exact(classes).zip(seen.labels) {
                    let best = (0..classes).fold(0, |best, k| if scores[k] > scores[best] { k } else { best });
                    right += if best == label { 1.0 } else { 0.0 };
                    loss -= f64::from(scores[label]);
                    rows += 1.0;
                }
            }
        }
        let rows = f64::max(rows, 1.0);
        Ok(vec![("accuracy over all subsets", right / rows), ("cross-entropy", loss / rows)])
    }

    fn carried(&self) -> Vec<f64> {
        let has = if self.prototypes.is_some() { 1.0 } else { 0.0 };
        let prototypes = self.prototypes.clone().unwrap_or_else(|| vec![0.0; self.sums.len()]);
        [vec![has], prototypes, self.sums.clone(), self.counts.clone()].concat()
    }

    fn carry_on(&mut self, carried: &[f64]) {
        let (table, classes) = (self.sums.len(), self.counts.len());
        if carried.len() != 1 + 2 * table + classes {
            return;
        }
        self.prototypes = (carried[0] > 0.0).then(|| carried[1..=table].to_vec());
        self.sums.copy_from_slice(&carried[1 + table..1 + 2 * table]);
        self.counts.copy_from_slice(&carried[1 + 2 * table..]);
    }
}
