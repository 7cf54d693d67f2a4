//! The inference engine: answers queries "what does the network say of this sample under this subset?".
//!
//! Each modality of a sample is encoded once, whatever the number of subsets it is asked for in. A missing modality is recovered
//! when a query first asks for it, from the observed subset alone. Absent tokens are never computed, and an answer once given is
//! kept.
//!
//! A query may speak of several draws of a missing modality: draw d of modality m is number d·M + m, and draw 0 the modality itself.
//! A table whose gaps are to be filled ([`Session::filling`]) stands in two forms: filled where a query names it, with its gaps (absent
//! tokens) where it does not.
//!
//! Two routes give the same answers: on the CPU the kernels of `dymo-kernels`, which take queries of all subsets together; on other
//! devices Burn's operators, which take the queries of one subset at a time.

mod forms;
mod kernels;
mod operators;
mod task;

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor};
use dymo_core::ModalitySet;

use crate::fusion::{FusionLayout, FusionNetwork};
use crate::ops;
use crate::ready::ReadyNetwork;
use crate::recovery::{Recovery, RecoveryError};

use forms::{Forms, Wanted};
use kernels::Kernels;
use operators::Operators;
use task::Task;

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
    filling: Option<&'a [ModalitySet]>,
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
        let forms = Forms { modalities: network.layout().modalities(), draws: recovery.draws() };
        let route = match ready {
            Some(ready) => Route::Kernels(Box::new(Kernels::new(ready, forms, present.len()))),
            None => Route::Operators(Operators::new(device, forms, present.len())),
        };
        let answers = HashMap::new();
        Self { network, recovery, inputs, present, ids, filling: None, route, answers, recovered: 0, fused: 0 }
    }

    /// Of each sample the observed tables whose gaps the recovery model fills. A query that names such a table sees it filled; any
    /// other query sees it as it is, beside what it names. Call it before the first question.
    #[must_use]
    pub fn filling(mut self, tables: &'a [ModalitySet]) -> Self {
        self.filling = Some(tables);
        self
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
        self.route = Route::Operators(Operators::new(device, self.forms(), self.present.len()));
        self
    }

    fn forms(&self) -> Forms {
        Forms { modalities: self.network.layout().modalities(), draws: self.recovery.draws() }
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

    /// Recovered modalities of one sample as values: what [`Session::answer`] fuses. They are numbered as queries number them, and come in
    /// that order: draw d of modality m is d·M + m.
    ///
    /// # Errors
    /// If an input cannot be read or the recovery fails.
    pub fn show(&self, sample: usize, wanted: ModalitySet) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check(sample, wanted)?;
        let (task, forms) = (self.task(), self.forms());
        let mut shown = Vec::with_capacity(wanted.len());
        for draw in 0..self.recovery.draws().max(1) {
            let own = forms.of_draw(wanted, draw);
            if !own.is_empty() {
                shown.extend(task.recover(self.present[sample], own, &[sample], draw)?);
            }
        }
        shown.into_iter().map(values).collect()
    }

    fn check(&self, sample: usize, subset: ModalitySet) -> Result<(), EngineError> {
        let (samples, modalities) = (self.present.len(), self.network.layout().modalities());
        let named = self.forms().modalities_of(subset);
        let fits = sample < samples && !subset.is_empty() && named.is_subset_of(ModalitySet::full(modalities));
        let fits = fits && subset.iter().all(|form| form < modalities * self.recovery.draws());
        if fits { Ok(()) } else { Err(EngineError::Query { sample, subset, samples, modalities }) }
    }

    /// What of each sample the open queries need.
    fn wanted(&self, open: &BTreeMap<ModalitySet, Vec<usize>>) -> Vec<Wanted> {
        let (task, forms) = (self.task(), self.forms());
        let mut wanted = vec![Wanted::default(); self.present.len()];
        for (subset, samples) in open {
            let named = forms.modalities_of(*subset);
            for sample in samples {
                let own = &mut wanted[*sample];
                own.forms = own.forms.union(*subset);
                own.with_gaps = own.with_gaps.union(task.fills(*sample).difference(named));
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
            filling: self.filling,
        }
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    tensor.into_data().try_into_vec_as::<f32>().map_err(|e| EngineError::Device { reason: format!("{e:?}") })
}
