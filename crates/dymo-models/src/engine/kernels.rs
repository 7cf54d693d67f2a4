//! The route through the CPU kernels: plain numbers from the inputs to the answers. Queries of all subsets go together, and so do
//! recoveries of all patterns, for neither costs anything there.

use std::collections::BTreeMap;

use dymo_core::ModalitySet;
use dymo_kernels::Recycled;

use super::forms::{Forms, Wanted};
use super::task::{Made, Task, draw_id};
use super::{Answer, CHUNK, EngineError, values};
use crate::ready::ReadyNetwork;
use crate::recovery::{MixedBatch, MixedRecovery};

/// Floats of inputs that wait to be encoded together, about (64 MiB).
const HELD: usize = 16 * 1024 * 1024;

/// What some samples have of one form of a modality, `[samples.len(), values]`, on its way to tokens.
struct Inputs {
    form: usize,
    samples: Vec<usize>,
    x: Recycled,
}

/// Prepared tokens of one form of a modality for the samples that have been asked about, batch after batch as they were made.
struct Pool {
    batches: Vec<Recycled>,
    /// Floats of one sample.
    len: usize,
    /// Batch and place in it.
    place_of: Vec<Option<(usize, usize)>>,
}

impl Pool {
    fn keep(&mut self, samples: &[usize], tokens: Recycled) {
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
    forms: Forms,
    /// One for each form.
    pools: Vec<Pool>,
}

impl Kernels {
    pub fn new(network: ReadyNetwork, forms: Forms, samples: usize) -> Self {
        let len = |form| network.prepared_len(forms.modality(form));
        let pool = |form| Pool { batches: Vec::new(), len: len(form), place_of: vec![None; samples] };
        let pools = (0..forms.len()).map(pool).collect();
        Self { network, forms, pools }
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
        let (mut observed, mut held) = (Vec::new(), 0);
        for m in 0..self.forms.modalities {
            for (form, with_gaps) in [(m, false), (self.forms.with_gaps(m), true)] {
                for chunk in task.observed_wanting(&wanted, m, with_gaps).chunks(CHUNK) {
                    let x = values(task.read(m, chunk)?)?;
                    held += x.len();
                    observed.push(Inputs { form, samples: chunk.to_vec(), x: x.into() });
                    if held > HELD {
                        self.keep(task, std::mem::take(&mut observed))?;
                        held = 0;
                    }
                }
            }
        }
        self.keep(task, observed)?;
        for draw in 0..self.forms.draws {
            let missing = task.to_recover(&wanted, self.forms, draw);
            // The form for all patterns at once knows no gaps.
            let overlaps =
                missing.iter().zip(task.present).any(|(missing, present)| !missing.intersection(*present).is_empty());
            made.recovered += match task.recovery.mixed() {
                Some(recovery) if !overlaps => self.recover_mixed(task, recovery, &missing, draw)?,
                _ => self.recover_by_pattern(task, &missing, draw)?,
            };
        }
        let queries: Vec<(usize, ModalitySet)> =
            open.iter().flat_map(|(subset, samples)| samples.iter().map(|s| (*s, *subset))).collect();
        self.fuse(task, &queries, &mut made.answers);
        Ok(made)
    }

    /// What of that has no tokens yet.
    fn lacking(&self, sample: usize, wanted: Wanted) -> Wanted {
        let lacks = |form: usize| self.pools[form].place_of[sample].is_none();
        Wanted {
            forms: wanted.forms.iter().filter(|form| lacks(*form)).collect(),
            with_gaps: wanted.with_gaps.iter().filter(|m| lacks(self.forms.with_gaps(*m))).collect(),
        }
    }

    /// Encodes, all together, and keeps the tokens.
    fn keep(&mut self, task: &Task<'_>, inputs: Vec<Inputs>) -> Result<(), EngineError> {
        let (places, asked): (Vec<_>, Vec<_>) =
            inputs.into_iter().map(|it| ((it.form, it.samples), (self.forms.modality(it.form), it.x))).unzip();
        let tokens = self
            .network
            .tokens(task.network, asked)
            .ok_or_else(|| EngineError::Device { reason: "an encoder's tokens are not in single precision".into() })?;
        for ((form, samples), tokens) in places.iter().zip(tokens) {
            self.pools[*form].keep(samples, tokens);
        }
        Ok(())
    }

    fn recover_mixed(
        &mut self,
        task: &Task<'_>,
        recovery: &dyn MixedRecovery,
        missing: &[ModalitySet],
        draw: usize,
    ) -> Result<usize, EngineError> {
        let modalities = self.forms.modalities;
        let samples: Vec<usize> = (0..missing.len()).filter(|s| !missing[*s].is_empty()).collect();
        let mut recovered = 0;
        for chunk in samples.chunks(CHUNK) {
            let present: Vec<ModalitySet> = chunk.iter().map(|s| task.present[*s]).collect();
            let wanted: Vec<ModalitySet> = chunk.iter().map(|s| missing[*s]).collect();
            let ids: Vec<u64> = chunk.iter().map(|s| draw_id(task.ids[*s], draw)).collect();
            let mut inputs = Vec::with_capacity(modalities);
            for m in 0..modalities {
                let have: Vec<usize> = chunk.iter().copied().filter(|s| task.present[*s].contains(m)).collect();
                inputs.push(if have.is_empty() { Vec::new() } else { values(task.read(m, &have)?)? });
            }
            let batch = MixedBatch { present: &present, wanted: &wanted, inputs: &inputs, ids: &ids };
            let mut made = Vec::new();
            for (m, x) in recovery.recover_mixed(&batch).into_iter().enumerate() {
                let samples: Vec<usize> = chunk.iter().copied().filter(|s| missing[*s].contains(m)).collect();
                recovered += samples.len();
                if !samples.is_empty() {
                    made.push(Inputs { form: draw * modalities + m, samples, x });
                }
            }
            self.keep(task, made)?;
        }
        Ok(recovered)
    }

    fn recover_by_pattern(
        &mut self,
        task: &Task<'_>,
        missing: &[ModalitySet],
        draw: usize,
    ) -> Result<usize, EngineError> {
        let mut recovered = 0;
        for ((present, missing), samples) in task.by_missing(missing) {
            for chunk in samples.chunks(CHUNK) {
                let mut made = Vec::new();
                for (m, x) in missing.iter().zip(task.recover(present, missing, chunk, draw)?) {
                    let form = draw * self.forms.modalities + m;
                    made.push(Inputs { form, samples: chunk.to_vec(), x: values(x)?.into() });
                    recovered += chunk.len();
                }
                self.keep(task, made)?;
            }
        }
        Ok(recovered)
    }

    fn fuse(
        &self,
        task: &Task<'_>,
        queries: &[(usize, ModalitySet)],
        answers: &mut Vec<((usize, ModalitySet), Answer)>,
    ) {
        let parts = |(sample, subset): &(usize, ModalitySet)| {
            let forms = self.forms.fused(*subset, task.fills(*sample));
            forms.into_iter().filter_map(|form| self.pools[form].get(*sample)).collect::<Vec<&[f32]>>()
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
