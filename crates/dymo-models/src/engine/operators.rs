//! The route through Burn's operators: queries are grouped by subset, so that absent tokens are never computed.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use dymo_core::ModalitySet;

use super::forms::{Forms, Wanted};
use super::task::{Made, Task};
use super::{Answer, CHUNK, EngineError, values};

/// Tokens of one form of a modality for the samples that have been asked about: `[rows, T, d]`.
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
    forms: Forms,
    /// One for each form.
    pools: Vec<Pool>,
}

impl Operators {
    pub fn new(device: Device, forms: Forms, samples: usize) -> Self {
        let pool = || Pool { tokens: None, row_of: vec![None; samples], rows: 0 };
        Self { device, forms, pools: (0..forms.len()).map(|_| pool()).collect() }
    }

    /// Answers the open queries, which need what is `wanted` of each sample.
    pub fn answer(
        &mut self,
        task: &Task<'_>,
        wanted: &[Wanted],
        open: &BTreeMap<ModalitySet, Vec<usize>>,
    ) -> Result<Made, EngineError> {
        let mut made = Made::default();
        let wanted: Vec<Wanted> = wanted.iter().enumerate().map(|(s, set)| self.lacking(s, *set)).collect();
        self.encode_observed(task, &wanted)?;
        for draw in 0..self.forms.draws {
            made.recovered += self.recover_missing(task, &task.to_recover(&wanted, self.forms, draw), draw)?;
        }
        for (subset, samples) in open {
            let mut groups: BTreeMap<ModalitySet, Vec<usize>> = BTreeMap::new();
            for sample in samples {
                groups.entry(task.fills(*sample)).or_default().push(*sample);
            }
            for (gappy, samples) in groups {
                for chunk in samples.chunks(CHUNK) {
                    self.fuse(task, (*subset, gappy), chunk, &mut made.answers)?;
                }
            }
        }
        Ok(made)
    }

    /// What of that has no tokens yet.
    fn lacking(&self, sample: usize, wanted: Wanted) -> Wanted {
        let lacks = |form: usize| self.pools[form].row_of[sample].is_none();
        Wanted {
            forms: wanted.forms.iter().filter(|form| lacks(*form)).collect(),
            with_gaps: wanted.with_gaps.iter().filter(|m| lacks(self.forms.with_gaps(*m))).collect(),
        }
    }

    fn encode_observed(&mut self, task: &Task<'_>, wanted: &[Wanted]) -> Result<(), EngineError> {
        for m in 0..self.forms.modalities {
            for (form, with_gaps) in [(m, false), (self.forms.with_gaps(m), true)] {
                for chunk in task.observed_wanting(wanted, m, with_gaps).chunks(CHUNK) {
                    self.pools[form].keep(chunk, task.network.tokens(m, task.read(m, chunk)?));
                }
            }
        }
        Ok(())
    }

    fn recover_missing(&mut self, task: &Task<'_>, missing: &[ModalitySet], draw: usize) -> Result<usize, EngineError> {
        let mut recovered = 0;
        for ((present, missing), samples) in task.by_missing(missing) {
            for chunk in samples.chunks(CHUNK) {
                for (m, x) in missing.iter().zip(task.recover(present, missing, chunk, draw)?) {
                    recovered += chunk.len();
                    self.pools[draw * self.forms.modalities + m].keep(chunk, task.network.tokens(m, x));
                }
            }
        }
        Ok(recovered)
    }

    /// Fuses one subset for some samples, whose tables with gaps are the same.
    fn fuse(
        &self,
        task: &Task<'_>,
        (subset, gappy): (ModalitySet, ModalitySet),
        samples: &[usize],
        answers: &mut Vec<((usize, ModalitySet), Answer)>,
    ) -> Result<(), EngineError> {
        let mut tokens = Vec::with_capacity(subset.len());
        for form in self.forms.fused(subset, gappy) {
            let pool = &self.pools[form];
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
