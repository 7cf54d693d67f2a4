//! Training-free recovery: the missing modalities of the training samples that are nearest in the fused feature of the observed
//! subset. It works for any kind of modality, and what it shows is training data.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::ModalitySet;
use dymo_kernels::Layer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Observed, Recovery, RecoveryError, check_inputs};
use crate::fusion::{FeatureScale, FusionNetwork};
use crate::ops;
use crate::ready::{ReadyNetwork, numbers};

/// Complete training samples to retrieve from.
pub trait Gallery: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes modality `modality` of sample `index`.
    ///
    /// # Errors
    /// In words, if the sample cannot be read.
    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), String>;
}

/// Nearest samples among which draws choose, where no more were asked for.
const DRAWN_AMONG: usize = 10;

/// Samples of the gallery that are encoded at once.
const CHUNK: usize = 512;

/// Exact nearest neighbours by comparing with every training sample; one table of features per observed subset, made when it is
/// first asked for. Where tensors live in plain memory, what a sample is compared with, and in which order its products are summed,
/// does not depend on the samples beside it, so that near-equal neighbours keep their order in any batch.
pub struct Retrieval {
    network: FusionNetwork,
    /// The network on plain numbers; `None` on other devices.
    ready: Option<ReadyNetwork>,
    gallery: Arc<dyn Gallery>,
    neighbours: usize,
    seed: u64,
    device: Device,
    tables: Mutex<HashMap<ModalitySet, Arc<Table>>>,
}

/// Fused features of samples under one subset.
enum Features {
    /// `[n, D]` in rows.
    Numbers(Vec<f32>),
    /// `[n, D]`.
    Tensor(Box<Tensor<2>>),
}

/// What queries are compared with: larger is nearer, ⟨q, t⟩, or for free lengths ⟨q, t⟩ − ‖t‖²/2, which orders as −‖q − t‖² does.
enum Table {
    /// A layer whose outputs are the scores.
    Numbers(Layer),
    /// Features `[N, D]`, and what is subtracted `[1, N]`.
    Tensor(Box<(Tensor<2>, Option<Tensor<2>>)>),
}

impl Retrieval {
    /// Takes one of the `neighbours` nearest samples, drawn by `seed` and the sample's id; 1 is the nearest itself.
    pub fn new(
        network: FusionNetwork,
        gallery: Arc<dyn Gallery>,
        neighbours: usize,
        seed: u64,
        device: Device,
    ) -> Self {
        let ready = if ops::is_cpu(&device) { ReadyNetwork::new(&network) } else { None };
        Self { network, ready, gallery, neighbours: neighbours.max(1), seed, device, tables: Mutex::default() }
    }

    /// The gallery under a subset.
    fn table(&self, subset: ModalitySet) -> Result<Arc<Table>, RecoveryError> {
        let known = self.tables.lock().unwrap_or_else(PoisonError::into_inner).get(&subset).cloned();
        if let Some(table) = known {
            return Ok(table);
        }
        let (mut rows, mut parts) = (Vec::new(), Vec::new());
        for start in (0..self.gallery.len()).step_by(CHUNK) {
            let indices: Vec<usize> = (start..self.gallery.len().min(start + CHUNK)).collect();
            let inputs = subset.iter().map(|m| self.read(&indices, m)).collect::<Result<_, _>>()?;
            match self.features(subset, inputs)? {
                Features::Numbers(features) => rows.extend(features),
                Features::Tensor(features) => parts.push(*features),
            }
        }
        let table = Arc::new(match parts.is_empty() {
            true => self.layer(&rows),
            false => self.tensor(Tensor::cat(parts, 0)),
        });
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).insert(subset, table.clone());
        Ok(table)
    }

    /// Whether the lengths of features say something.
    fn is_free(&self) -> bool {
        self.network.layout().scale() == FeatureScale::Free
    }

    fn layer(&self, rows: &[f32]) -> Table {
        let count = self.gallery.len();
        let width = rows.len() / count.max(1);
        let columns: Vec<f32> = (0..width).flat_map(|d| rows.iter().skip(d).step_by(width)).copied().collect();
        let half = |row: &[f32]| -0.5 * row.iter().map(|v| v * v).sum::<f32>();
        let halves = self.is_free().then(|| rows.chunks_exact(width).map(half).collect::<Vec<f32>>());
        Table::Numbers(Layer::dense(width, count, &columns, halves.as_deref()))
    }

    fn tensor(&self, features: Tensor<2>) -> Table {
        let halves = self.is_free().then(|| (features.clone().powi_scalar(2).sum_dim(1) * 0.5).transpose());
        Table::Tensor(Box::new((features, halves)))
    }

    /// Fused features of samples of which this set is observed.
    fn features(&self, present: ModalitySet, inputs: Vec<Tensor<2>>) -> Result<Features, RecoveryError> {
        let Some(ready) = &self.ready else {
            let tokens = present.iter().zip(inputs).map(|(m, x)| self.network.tokens(m, x)).collect();
            return Ok(Features::Tensor(Box::new(self.network.fuse(tokens).feature)));
        };
        let samples = inputs.first().map_or(0, |x| x.dims()[0]);
        let inputs = present.iter().zip(inputs).map(|(m, x)| Some((m, numbers(x)?.into()))).collect::<Option<_>>();
        let tokens = inputs.and_then(|inputs| ready.tokens(&self.network, inputs)).ok_or_else(unreadable)?;
        let of = |sample: usize| {
            let own = present.iter().zip(&tokens).map(|(m, tokens)| {
                let len = ready.prepared_len(m);
                &tokens[sample * len..][..len]
            });
            own.collect::<Vec<&[f32]>>()
        };
        Ok(Features::Numbers(ready.fuse((0..samples).map(of).collect()).1))
    }

    /// `[n, values]` of one modality of these training samples.
    fn read(&self, indices: &[usize], modality: usize) -> Result<Tensor<2>, RecoveryError> {
        let width = self.network.layout().inputs()[modality].kind.values();
        let mut values = vec![0.0; indices.len() * width];
        for (row, index) in values.chunks_exact_mut(width).zip(indices) {
            self.gallery
                .read(*index, modality, row)
                .map_err(|reason| RecoveryError::Gallery { index: *index, reason })?;
        }
        Ok(Tensor::from_data(TensorData::new(values, [indices.len(), width]), &self.device))
    }

    /// For each query the chosen training sample.
    fn nearest(&self, observed: &Observed) -> Result<Vec<usize>, RecoveryError> {
        let count = self.gallery.len();
        if count == 0 {
            return Err(RecoveryError::NothingKept);
        }
        let table = self.table(observed.present)?;
        let scores = match (&*table, self.features(observed.present, observed.inputs.clone())?) {
            (Table::Numbers(layer), Features::Numbers(queries)) => {
                let mut scores = vec![0.0; observed.len() * count];
                layer.forward_batch(&queries, &mut scores);
                scores
            }
            (Table::Tensor(table), Features::Tensor(queries)) => {
                let (features, halves) = &**table;
                let products = queries.matmul(features.clone().transpose());
                let scores = match halves {
                    Some(halves) => products - halves.clone(),
                    None => products,
                };
                numbers(scores).ok_or_else(unreadable)?
            }
            // A model is on one device.
            _ => return Err(unreadable()),
        };
        Ok(scores.chunks_exact(count).zip(&observed.ids).map(|(row, id)| self.choose(row, *id)).collect())
    }

    fn choose(&self, scores: &[f32], id: u64) -> usize {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let k = self.neighbours.min(order.len());
        // Ties go to the lower index, so that the choice does not depend on the sort.
        let nearer = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        if k < order.len() {
            order.select_nth_unstable_by(k - 1, nearer);
            order.truncate(k);
        }
        order.sort_unstable_by(nearer);
        if k == 1 {
            return order[0];
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(id);
        order[rng.random_range(0..k)]
    }
}

fn unreadable() -> RecoveryError {
    RecoveryError::Device { reason: "features are not in single precision".into() }
}

impl Recovery for Retrieval {
    fn name(&self) -> &'static str {
        "retrieval"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let nearest = self.nearest(observed)?;
        wanted.iter().map(|m| self.read(&nearest, m)).collect()
    }

    fn drawing(&self) -> Option<Box<dyn Recovery>> {
        let neighbours = self.neighbours.max(DRAWN_AMONG);
        let (network, gallery) = (self.network.clone(), self.gallery.clone());
        Some(Box::new(Self::new(network, gallery, neighbours, self.seed, self.device.clone())))
    }

    fn shows_training_data(&self) -> bool {
        true
    }
}
