//! Training-free recovery: the missing modalities of the training samples that are nearest in the fused feature of the observed
//! subset. It works for any kind of modality, and what it shows is training data.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::ModalitySet;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Observed, Recovery, RecoveryError, check_inputs};
use crate::fusion::{FeatureScale, FusionNetwork};

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
/// first asked for.
pub struct Retrieval {
    network: FusionNetwork,
    gallery: Arc<dyn Gallery>,
    neighbours: usize,
    seed: u64,
    device: Device,
    tables: Mutex<HashMap<ModalitySet, Tensor<2>>>,
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
        Self { network, gallery, neighbours: neighbours.max(1), seed, device, tables: Mutex::default() }
    }

    /// Fused features `[N, D]` of the gallery under a subset.
    fn table(&self, subset: ModalitySet) -> Result<Tensor<2>, RecoveryError> {
        let known = self.tables.lock().unwrap_or_else(PoisonError::into_inner).get(&subset).cloned();
        if let Some(table) = known {
            return Ok(table);
        }
        let mut parts = Vec::new();
        for start in (0..self.gallery.len()).step_by(CHUNK) {
            let indices: Vec<usize> = (start..self.gallery.len().min(start + CHUNK)).collect();
            let mut tokens = Vec::with_capacity(subset.len());
            for m in subset.iter() {
                tokens.push(self.network.tokens(m, self.read(&indices, m)?));
            }
            parts.push(self.network.fuse(tokens).feature);
        }
        let table = Tensor::cat(parts, 0);
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).insert(subset, table.clone());
        Ok(table)
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
        if self.gallery.is_empty() {
            return Err(RecoveryError::NothingKept);
        }
        let table = self.table(observed.present)?;
        let tokens = observed.present.iter().zip(&observed.inputs).map(|(m, x)| self.network.tokens(m, x.clone()));
        let query = self.network.fuse(tokens.collect()).feature;
        // Larger is nearer: ⟨q, t⟩, or for free lengths ⟨q, t⟩ − ‖t‖²/2, which orders as −‖q − t‖² does.
        let mut scores = query.matmul(table.clone().transpose());
        if self.network.layout().scale() == FeatureScale::Free {
            scores = scores - (table.powi_scalar(2).sum_dim(1) * 0.5).transpose();
        }
        let count = self.gallery.len();
        let scores = scores.into_data().convert::<f32>();
        let scores = scores.as_slice::<f32>().unwrap_or(&[]);
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
