//! The inference engine: answers queries "what does the network say of this sample under this subset?".
//!
//! Each modality of a sample is encoded once, whatever the number of subsets it is asked for in. A missing modality is recovered
//! when a query first asks for it, from the observed subset alone. Absent tokens are never computed, and an answer once given is
//! kept.
//!
//! Two routes give the same answers: on the CPU the kernels of `dymo-kernels`, which take queries of all subsets together; on other
//! devices Burn's operators, which take the queries of one subset at a time.

mod kernels;
mod operators;

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor};
use dymo_core::ModalitySet;

use crate::fusion::{FusionLayout, FusionNetwork};
use crate::ops;
use crate::ready::ReadyNetwork;
use crate::recovery::{Observed, Recovery, RecoveryError};

use kernels::Kernels;
use operators::Operators;

/// Samples that pass through the network at once: bounds memory, and keeps a group's tokens in cache.
const CHUNK: usize = 256;

/// Bytes that the tokens of one session may take, about: see [`Session::samples_at_once`].
const TOKEN_BYTES: usize = 256 * 1024 * 1024;

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

/// Who computes: the kernels where tensors live in plain memory, Burn's operators elsewhere. Both keep tokens.
enum Route {
    Operators(Operators),
    Kernels(Box<Kernels>),
}

/// A set of samples under one network and one recovery model.
pub struct Session<'a> {
    network: &'a FusionNetwork,
    recovery: &'a dyn Recovery,
    inputs: &'a dyn Inputs,
    present: &'a [ModalitySet],
    ids: &'a [u64],
    route: Route,
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
        let ready = if ops::is_cpu(&device) { ReadyNetwork::new(network) } else { None };
        let route = match ready {
            Some(ready) => Route::Kernels(Box::new(Kernels::new(ready, network.layout().modalities(), present.len()))),
            None => Route::Operators(Operators::new(device, network.layout().modalities(), present.len())),
        };
        Self { network, recovery, inputs, present, ids, route, answers: HashMap::new(), recovered: 0, fused: 0 }
    }

    /// How many samples one session should hold, so that its memory is bounded whatever the number of modalities and tokens: their
    /// tokens stay until it ends. From 1 to 1024.
    pub fn samples_at_once(layout: &FusionLayout) -> usize {
        // A token, and on the kernels' route what it asks, offers and holds in the first block.
        let tokens: usize = (0..layout.modalities()).map(|m| layout.tokens(m)).sum();
        (TOKEN_BYTES / (tokens * 4 * layout.width() * size_of::<f32>()).max(1)).clamp(1, 1024)
    }

    /// The same through Burn's operators, whatever the device: the yardstick of the kernels. Call it before the first question.
    #[must_use]
    pub fn by_operators(mut self, device: Device) -> Self {
        self.route = Route::Operators(Operators::new(device, self.network.layout().modalities(), self.present.len()));
        self
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
        let wanted = self.wanted(&open);
        let task = self.task();
        let made = match &mut self.route {
            Route::Operators(route) => route.answer(&task, &wanted, &open)?,
            Route::Kernels(route) => route.answer(&task, &wanted, &open)?,
        };
        self.recovered += made.recovered;
        self.fused += made.answers.len();
        self.answers.extend(made.answers);
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
        let task = self.task();
        for (present, samples) in task.by_pattern(0..self.present.len()) {
            for chunk in samples.chunks(CHUNK) {
                let observed = task.observed(present, chunk)?;
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
        let observed = self.task().observed(self.present[sample], &[sample])?;
        self.recovery.recover(&observed, wanted)?.into_iter().map(values).collect()
    }

    fn check(&self, sample: usize, subset: ModalitySet) -> Result<(), EngineError> {
        let (samples, modalities) = (self.present.len(), self.network.layout().modalities());
        let fits = sample < samples && !subset.is_empty() && subset.is_subset_of(ModalitySet::full(modalities));
        if fits { Ok(()) } else { Err(EngineError::Query { sample, subset, samples, modalities }) }
    }

    /// Modalities of each sample that the open queries need.
    fn wanted(&self, open: &BTreeMap<ModalitySet, Vec<usize>>) -> Vec<ModalitySet> {
        let mut wanted = vec![ModalitySet::EMPTY; self.present.len()];
        for (subset, samples) in open {
            for sample in samples {
                wanted[*sample] = wanted[*sample].union(*subset);
            }
        }
        wanted
    }

    fn task(&self) -> Task<'a> {
        Task {
            network: self.network,
            recovery: self.recovery,
            inputs: self.inputs,
            present: self.present,
            ids: self.ids,
        }
    }
}

/// What a route is asked with.
struct Task<'a> {
    network: &'a FusionNetwork,
    recovery: &'a dyn Recovery,
    inputs: &'a dyn Inputs,
    present: &'a [ModalitySet],
    ids: &'a [u64],
}

/// What a route has made.
#[derive(Default)]
struct Made {
    answers: Vec<((usize, ModalitySet), Answer)>,
    recovered: usize,
}

impl Task<'_> {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, EngineError> {
        self.inputs.read(modality, samples).map_err(|reason| EngineError::Input { reason })
    }

    /// Samples that want a modality which is observed of them.
    fn observed_wanting(&self, wanted: &[ModalitySet], modality: usize) -> Vec<usize> {
        let both = |s: &usize| wanted[*s].contains(modality) && self.present[*s].contains(modality);
        (0..wanted.len()).filter(both).collect()
    }

    /// Samples by what is observed of them.
    fn by_pattern(&self, samples: impl Iterator<Item = usize>) -> BTreeMap<ModalitySet, Vec<usize>> {
        let mut groups: BTreeMap<ModalitySet, Vec<usize>> = BTreeMap::new();
        for sample in samples {
            groups.entry(self.present[sample]).or_default().push(sample);
        }
        groups
    }

    /// Samples by what is observed and what is still missing of them; a sample that lacks nothing is in no group.
    fn by_missing(&self, wanted: &[ModalitySet]) -> BTreeMap<(ModalitySet, ModalitySet), Vec<usize>> {
        let mut groups: BTreeMap<(ModalitySet, ModalitySet), Vec<usize>> = BTreeMap::new();
        for (sample, wanted) in wanted.iter().enumerate() {
            let missing = wanted.difference(self.present[sample]);
            if !missing.is_empty() {
                groups.entry((self.present[sample], missing)).or_default().push(sample);
            }
        }
        groups
    }

    fn observed(&self, present: ModalitySet, samples: &[usize]) -> Result<Observed, EngineError> {
        let inputs = present.iter().map(|m| self.read(m, samples)).collect::<Result<_, _>>()?;
        Ok(Observed { present, inputs, ids: samples.iter().map(|s| self.ids[*s]).collect() })
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    tensor.into_data().try_into_vec_as::<f32>().map_err(|e| EngineError::Device { reason: format!("{e:?}") })
}
