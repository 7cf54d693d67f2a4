//! The inference engine: answers queries "what does the network say of this sample under this subset?".
//!
//! Each modality of a sample is encoded once, whatever the number of subsets it is asked for in. A missing modality is recovered
//! when a query first asks for it, from the observed subset alone. Queries are grouped by subset, so that absent tokens are never
//! computed, and an answer once given is kept.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Int, Tensor, TensorData};
use dymo_core::ModalitySet;

use crate::fusion::FusionNetwork;
use crate::recovery::{Observed, Recovery, RecoveryError};

/// Samples that pass through the network at once: bounds memory, and keeps a group's tokens in cache.
const CHUNK: usize = 256;

/// Where observed inputs come from.
pub trait Inputs {
    /// `[samples.len(), values]`: one observed modality of these samples.
    ///
    /// # Errors
    /// In words, if a sample cannot be read.
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String>;
}

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An observed input could not be read.
    #[error("{reason}")]
    Input {
        /// What went wrong.
        reason: String,
    },
    /// A recovery failed.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// A query that has no answer: no such sample, or an empty subset.
    #[error(
        "sample {sample} was asked about under {subset}: there are {samples} samples, and a subset holds at least one of {modalities} modalities"
    )]
    Query {
        /// Sample asked about.
        sample: usize,
        /// Subset asked about.
        subset: ModalitySet,
        /// Number of samples.
        samples: usize,
        /// Number of modalities.
        modalities: usize,
    },
    /// The device gave back something that is no single-precision number.
    #[error("the device returned values that cannot be read: {reason}")]
    Device {
        /// What it said.
        reason: String,
    },
}

/// The network's answer to one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Classifier outputs, `[C]`.
    pub logits: Vec<f32>,
    /// Fused feature, `[D]`.
    pub feature: Vec<f32>,
}

/// Tokens of one modality for the samples that have been asked about: `[rows, T, d]`.
struct Pool {
    tokens: Option<Tensor<3>>,
    row_of: Vec<Option<usize>>,
    rows: usize,
}

/// A set of samples under one network and one recovery model.
pub struct Session<'a> {
    network: &'a FusionNetwork,
    recovery: &'a dyn Recovery,
    inputs: &'a dyn Inputs,
    present: &'a [ModalitySet],
    ids: &'a [u64],
    device: Device,
    pools: Vec<Pool>,
    answers: HashMap<(usize, ModalitySet), Answer>,
    recovered: usize,
    fused: usize,
}

impl<'a> Session<'a> {
    /// `present[i]` are the observed modalities of sample i, `ids[i]` is the number that seeds its draws.
    pub fn new(
        network: &'a FusionNetwork,
        recovery: &'a dyn Recovery,
        inputs: &'a dyn Inputs,
        present: &'a [ModalitySet],
        ids: &'a [u64],
        device: Device,
    ) -> Self {
        let pool = || Pool { tokens: None, row_of: vec![None; present.len()], rows: 0 };
        let pools = (0..network.layout().modalities()).map(|_| pool()).collect();
        Self { network, recovery, inputs, present, ids, device, pools, answers: HashMap::new(), recovered: 0, fused: 0 }
    }

    /// Answers in the order of the queries.
    ///
    /// # Errors
    /// See [`EngineError`]; nothing is kept of a call that failed in the middle of recovery.
    pub fn answer(&mut self, queries: &[(usize, ModalitySet)]) -> Result<Vec<Answer>, EngineError> {
        let mut open: BTreeMap<ModalitySet, Vec<usize>> = BTreeMap::new();
        for (sample, subset) in queries.iter().copied() {
            self.check(sample, subset)?;
            if !self.answers.contains_key(&(sample, subset)) {
                open.entry(subset).or_default().push(sample);
            }
        }
        for samples in open.values_mut() {
            samples.sort_unstable();
            samples.dedup();
        }
        self.make_tokens(&open)?;
        for (subset, samples) in &open {
            for chunk in samples.chunks(CHUNK) {
                self.fuse(*subset, chunk)?;
            }
        }
        Ok(queries.iter().filter_map(|query| self.answers.get(query).cloned()).collect())
    }

    /// Recovered modalities made so far, counted per sample and modality.
    pub fn recovered(&self) -> usize {
        self.recovered
    }

    /// Queries that went through the network so far.
    pub fn fused(&self) -> usize {
        self.fused
    }

    /// The recovery model's own class probabilities for each sample from what is observed, `[C]` each; `None` where it has none.
    ///
    /// # Errors
    /// If an input cannot be read.
    pub fn second_opinion(&self) -> Result<Option<Vec<Vec<f32>>>, EngineError> {
        let mut opinions = vec![Vec::new(); self.present.len()];
        for (present, samples) in self.by_pattern(0..self.present.len()) {
            for chunk in samples.chunks(CHUNK) {
                let observed = self.observed(present, chunk)?;
                let Some(probabilities) = self.recovery.class_probabilities(&observed) else { return Ok(None) };
                let width = probabilities.dims()[1];
                for (sample, row) in chunk.iter().zip(values(probabilities)?.chunks_exact(width)) {
                    opinions[*sample] = row.to_vec();
                }
            }
        }
        Ok(Some(opinions))
    }

    /// Recovered modalities of one sample as values, ascending: what [`Session::answer`] fuses.
    ///
    /// # Errors
    /// If an input cannot be read or the recovery fails.
    pub fn show(&self, sample: usize, wanted: ModalitySet) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check(sample, wanted)?;
        let observed = self.observed(self.present[sample], &[sample])?;
        self.recovery.recover(&observed, wanted)?.into_iter().map(values).collect()
    }

    fn check(&self, sample: usize, subset: ModalitySet) -> Result<(), EngineError> {
        let (samples, modalities) = (self.present.len(), self.pools.len());
        let fits = sample < samples && !subset.is_empty() && subset.is_subset_of(ModalitySet::full(modalities));
        if fits { Ok(()) } else { Err(EngineError::Query { sample, subset, samples, modalities }) }
    }

    fn by_pattern(&self, samples: impl Iterator<Item = usize>) -> BTreeMap<ModalitySet, Vec<usize>> {
        let mut groups: BTreeMap<ModalitySet, Vec<usize>> = BTreeMap::new();
        for sample in samples {
            groups.entry(self.present[sample]).or_default().push(sample);
        }
        groups
    }

    fn observed(&self, present: ModalitySet, samples: &[usize]) -> Result<Observed, EngineError> {
        let inputs = present
            .iter()
            .map(|m| self.inputs.read(m, samples).map_err(|reason| EngineError::Input { reason }))
            .collect::<Result<_, _>>()?;
        Ok(Observed { present, inputs, ids: samples.iter().map(|s| self.ids[*s]).collect() })
    }

    /// Makes every token that the open queries need and that does not exist yet.
    fn make_tokens(&mut self, open: &BTreeMap<ModalitySet, Vec<usize>>) -> Result<(), EngineError> {
        let mut wanted = vec![ModalitySet::EMPTY; self.present.len()];
        for (subset, samples) in open {
            for sample in samples {
                wanted[*sample] = wanted[*sample].union(*subset);
            }
        }
        for (m, pool) in self.pools.iter().enumerate() {
            for (sample, row) in pool.row_of.iter().enumerate() {
                if row.is_some() {
                    wanted[sample] = wanted[sample].without(m);
                }
            }
        }
        self.encode_observed(&wanted)?;
        self.recover_missing(&wanted)
    }

    fn encode_observed(&mut self, wanted: &[ModalitySet]) -> Result<(), EngineError> {
        for m in 0..self.pools.len() {
            let samples: Vec<usize> =
                (0..wanted.len()).filter(|s| wanted[*s].contains(m) && self.present[*s].contains(m)).collect();
            for chunk in samples.chunks(CHUNK) {
                let input = self.inputs.read(m, chunk).map_err(|reason| EngineError::Input { reason })?;
                self.keep(m, chunk, self.network.tokens(m, input));
            }
        }
        Ok(())
    }

    fn recover_missing(&mut self, wanted: &[ModalitySet]) -> Result<(), EngineError> {
        let mut groups: BTreeMap<(ModalitySet, ModalitySet), Vec<usize>> = BTreeMap::new();
        for (sample, wanted) in wanted.iter().enumerate() {
            let missing = wanted.difference(self.present[sample]);
            if !missing.is_empty() {
                groups.entry((self.present[sample], missing)).or_default().push(sample);
            }
        }
        for ((present, missing), samples) in groups {
            for chunk in samples.chunks(CHUNK) {
                let observed = self.observed(present, chunk)?;
                let recovered = self.recovery.recover(&observed, missing)?;
                for (m, x) in missing.iter().zip(recovered) {
                    self.recovered += chunk.len();
                    self.keep(m, chunk, self.network.tokens(m, x));
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, modality: usize, samples: &[usize], tokens: Tensor<3>) {
        let pool = &mut self.pools[modality];
        for sample in samples {
            pool.row_of[*sample] = Some(pool.rows);
            pool.rows += 1;
        }
        pool.tokens = Some(match pool.tokens.take() {
            Some(before) => Tensor::cat(vec![before, tokens], 0),
            None => tokens,
        });
    }

    /// Fuses one subset for some samples and keeps the answers.
    fn fuse(&mut self, subset: ModalitySet, samples: &[usize]) -> Result<(), EngineError> {
        let mut tokens = Vec::with_capacity(subset.len());
        for m in subset.iter() {
            let pool = &self.pools[m];
            let rows: Vec<i32> =
                samples.iter().filter_map(|s| pool.row_of[*s]).map(|r| i32::try_from(r).unwrap_or(i32::MAX)).collect();
            let count = rows.len();
            let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &self.device);
            if let Some(all) = &pool.tokens {
                tokens.push(all.clone().select(0, rows));
            }
        }
        let fused = self.network.fuse(tokens);
        let (classes, width) = (fused.logits.dims()[1], fused.feature.dims()[1]);
        let (logits, features) = (values(fused.logits)?, values(fused.feature)?);
        let rows = logits.chunks_exact(classes).zip(features.chunks_exact(width));
        for (sample, (logits, feature)) in samples.iter().zip(rows) {
            self.fused += 1;
            self.answers.insert((*sample, subset), Answer { logits: logits.to_vec(), feature: feature.to_vec() });
        }
        Ok(())
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_to_vec::<f32>()
        .map_err(|e| EngineError::Device { reason: format!("{e:?}") })
}
