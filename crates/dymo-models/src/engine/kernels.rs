//! The route through the CPU kernels: plain numbers from the inputs to the answers. Queries of all subsets go together, and so do
//! recoveries of all patterns, for neither costs anything there.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::ModalitySet;

use super::{Answer, CHUNK, EngineError, Made, Task, values};
use crate::ready::ReadyNetwork;
use crate::recovery::{MixedBatch, MixedRecovery};

/// Prepared tokens of one modality for the samples that have been asked about, batch after batch as they were made.
struct Pool {
    batches: Vec<Vec<f32>>,
    /// Floats of one sample.
    len: usize,
    /// Batch and place in it.
    place_of: Vec<Option<(usize, usize)>>,
}

impl Pool {
    fn keep(&mut self, samples: &[usize], tokens: Vec<f32>) {
        for (place, sample) in samples.iter().enumerate() {
            self.place_of[*sample] = Some((self.batches.len(), place));
        }
        self.batches.push(tokens);
    }

    fn get(&self, sample: usize) -> Option<&[f32]> {
        self.place_of[sample].map(|(batch, place)| &self.batches[batch][place * self.len..(place + 1) * self.len])
    }
}

pub(super) struct Kernels {
    network: ReadyNetwork,
    pools: Vec<Pool>,
}

impl Kernels {
    pub fn new(network: ReadyNetwork, modalities: usize, samples: usize) -> Self {
        let pool = |m| Pool { batches: Vec::new(), len: network.prepared_len(m), place_of: vec![None; samples] };
        let pools = (0..modalities).map(pool).collect();
        Self { network, pools }
    }

    /// Answers the open queries; `wanted` are the modalities of each sample that they need.
    pub fn answer(
        &mut self,
        task: &Task<'_>,
        wanted: &[ModalitySet],
        open: &BTreeMap<ModalitySet, Vec<usize>>,
    ) -> Result<Made, EngineError> {
        let mut made = Made::default();
        let wanted: Vec<ModalitySet> = wanted.iter().enumerate().map(|(s, set)| self.lacking(s, *set)).collect();
        for m in 0..self.pools.len() {
            for chunk in task.observed_wanting(&wanted, m).chunks(CHUNK) {
                self.keep(task, m, chunk, task.read(m, chunk)?)?;
            }
        }
        made.recovered = match task.recovery.mixed() {
            Some(recovery) => self.recover_mixed(task, recovery, &wanted)?,
            None => self.recover_by_pattern(task, &wanted)?,
        };
        let queries: Vec<(usize, ModalitySet)> =
            open.iter().flat_map(|(subset, samples)| samples.iter().map(|s| (*s, *subset))).collect();
        self.fuse(&queries, &mut made.answers);
        Ok(made)
    }

    /// Those of a sample's wanted modalities that have no tokens yet.
    fn lacking(&self, sample: usize, wanted: ModalitySet) -> ModalitySet {
        wanted.iter().filter(|m| self.pools[*m].place_of[sample].is_none()).collect()
    }

    fn keep(&mut self, task: &Task<'_>, m: usize, samples: &[usize], x: Tensor<2>) -> Result<(), EngineError> {
        let tokens = self.network.tokens(task.network, m, x).ok_or_else(|| EngineError::Device {
            reason: format!("the input of modality {m} is not in single precision"),
        })?;
        self.pools[m].keep(samples, tokens);
        Ok(())
    }

    fn recover_mixed(
        &mut self,
        task: &Task<'_>,
        recovery: &dyn MixedRecovery,
        wanted: &[ModalitySet],
    ) -> Result<usize, EngineError> {
        let missing = |s: usize| wanted[s].difference(task.present[s]);
        let samples: Vec<usize> = (0..wanted.len()).filter(|s| !missing(*s).is_empty()).collect();
        let mut recovered = 0;
        for chunk in samples.chunks(CHUNK) {
            let present: Vec<ModalitySet> = chunk.iter().map(|s| task.present[*s]).collect();
            let wanted: Vec<ModalitySet> = chunk.iter().map(|s| missing(*s)).collect();
            let ids: Vec<u64> = chunk.iter().map(|s| task.ids[*s]).collect();
            let mut inputs = Vec::with_capacity(self.pools.len());
            for m in 0..self.pools.len() {
                let have: Vec<usize> = chunk.iter().copied().filter(|s| task.present[*s].contains(m)).collect();
                inputs.push(if have.is_empty() { Vec::new() } else { values(task.read(m, &have)?)? });
            }
            let batch = MixedBatch { present: &present, wanted: &wanted, inputs: &inputs, ids: &ids };
            for (m, x) in recovery.recover_mixed(&batch).into_iter().enumerate() {
                let want: Vec<usize> = chunk.iter().copied().filter(|s| missing(*s).contains(m)).collect();
                if !want.is_empty() {
                    let shape = [want.len(), x.len() / want.len()];
                    let x = Tensor::from_data(TensorData::new(x, shape), &Device::flex());
                    self.keep(task, m, &want, x)?;
                    recovered += want.len();
                }
            }
        }
        Ok(recovered)
    }

    fn recover_by_pattern(&mut self, task: &Task<'_>, wanted: &[ModalitySet]) -> Result<usize, EngineError> {
        let mut recovered = 0;
        for ((present, missing), samples) in task.by_missing(wanted) {
            for chunk in samples.chunks(CHUNK) {
                let made = task.recovery.recover(&task.observed(present, chunk)?, missing)?;
                for (m, x) in missing.iter().zip(made) {
                    self.keep(task, m, chunk, x)?;
                    recovered += chunk.len();
                }
            }
        }
        Ok(recovered)
    }

    fn fuse(&self, queries: &[(usize, ModalitySet)], answers: &mut Vec<((usize, ModalitySet), Answer)>) {
        let parts = |(sample, subset): &(usize, ModalitySet)| {
            subset.iter().filter_map(|m| self.pools[m].get(*sample)).collect::<Vec<&[f32]>>()
        };
        let (logits, features) = self.network.fuse(queries.iter().map(parts).collect());
        let (classes, width) = self.network.answer_len();
        let rows = logits.chunks_exact(classes).zip(features.chunks_exact(width));
        answers.extend(
            queries.iter().zip(rows).map(|(query, (logits, feature))| {
                (*query, Answer { logits: logits.to_vec(), feature: feature.to_vec() })
            }),
        );
    }
}
