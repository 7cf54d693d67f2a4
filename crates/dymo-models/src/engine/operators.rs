//! The route through Burn's operators: queries are grouped by subset, so that absent tokens are never computed.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use dymo_core::ModalitySet;

use super::{Answer, CHUNK, EngineError, Made, Task, values};

/// Tokens of one modality for the samples that have been asked about: `[rows, T, d]`.
struct Pool {
    tokens: Option<Tensor<3>>,
    row_of: Vec<Option<usize>>,
    rows: usize,
}

impl Pool {
    fn keep(&mut self, samples: &[usize], tokens: Tensor<3>) {
        for sample in samples {
            self.row_of[*sample] = Some(self.rows);
            self.rows += 1;
        }
        self.tokens = Some(match self.tokens.take() {
            Some(before) => Tensor::cat(vec![before, tokens], 0),
            None => tokens,
        });
    }
}

pub(super) struct Operators {
    device: Device,
    pools: Vec<Pool>,
}

impl Operators {
    pub fn new(device: Device, modalities: usize, samples: usize) -> Self {
        let pool = || Pool { tokens: None, row_of: vec![None; samples], rows: 0 };
        Self { device, pools: (0..modalities).map(|_| pool()).collect() }
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
        self.encode_observed(task, &wanted)?;
        made.recovered = self.recover_missing(task, &wanted)?;
        for (subset, samples) in open {
            for chunk in samples.chunks(CHUNK) {
                self.fuse(task, *subset, chunk, &mut made.answers)?;
            }
        }
        Ok(made)
    }

    /// Those of a sample's wanted modalities that have no tokens yet.
    fn lacking(&self, sample: usize, wanted: ModalitySet) -> ModalitySet {
        wanted.iter().filter(|m| self.pools[*m].row_of[sample].is_none()).collect()
    }

    fn encode_observed(&mut self, task: &Task<'_>, wanted: &[ModalitySet]) -> Result<(), EngineError> {
        for (m, pool) in self.pools.iter_mut().enumerate() {
            for chunk in task.observed_wanting(wanted, m).chunks(CHUNK) {
                pool.keep(chunk, task.network.tokens(m, task.read(m, chunk)?));
            }
        }
        Ok(())
    }

    fn recover_missing(&mut self, task: &Task<'_>, wanted: &[ModalitySet]) -> Result<usize, EngineError> {
        let mut recovered = 0;
        for ((present, missing), samples) in task.by_missing(wanted) {
            for chunk in samples.chunks(CHUNK) {
                let made = task.recovery.recover(&task.observed(present, chunk)?, missing)?;
                for (m, x) in missing.iter().zip(made) {
                    recovered += chunk.len();
                    self.pools[m].keep(chunk, task.network.tokens(m, x));
                }
            }
        }
        Ok(recovered)
    }

    /// Fuses one subset for some samples.
    fn fuse(
        &self,
        task: &Task<'_>,
        subset: ModalitySet,
        samples: &[usize],
        answers: &mut Vec<((usize, ModalitySet), Answer)>,
    ) -> Result<(), EngineError> {
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
        let fused = task.network.fuse(tokens);
        let (classes, width) = (fused.logits.dims()[1], fused.feature.dims()[1]);
        let (logits, features) = (values(fused.logits)?, values(fused.feature)?);
        let rows = logits.chunks_exact(classes).zip(features.chunks_exact(width));
        answers.extend(samples.iter().zip(rows).map(|(sample, (logits, feature))| {
            ((*sample, subset), Answer { logits: logits.to_vec(), feature: feature.to_vec() })
        }));
        Ok(())
    }
}
