//! A few samples that a model folder keeps, with the answers that it gave when it was written: whoever receives the folder can
//! see that it answers the same.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use dymo_core::{ModalitySet, Schema};
use dymo_data::checksum::Checksums;
use dymo_data::{ReadError, Samples};
use dymo_models::recovery::{Observed, Recovery, RecoveryError};
use dymo_reward::{Calibration, Edges, Metric};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{ModelFolder, ModelFolderError, SamplePart};
use crate::TrainError;
use crate::evaluation::{Arm, Setting, evaluate};
use crate::experiment::RecoveryKind;

/// Inputs of the stored samples, a tensor for each sample and observed modality, named `0/front`.
pub(super) const INPUTS: &str = "sample.safetensors";
/// What was answered.
pub(super) const ANSWERS: &str = "sample.json";

/// Arms that are asked: what is observed alone, everything recovered, and the selection between them.
const ARMS: [Arm; 3] = [Arm::Discard, Arm::FuseAll, Arm::Dymo];

/// Samples without name and label. Of what a sample has, about half is kept, another half in turn, so that something is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSample {
    schema: Schema,
    observed: Vec<ModalitySet>,
    /// By sample and modality.
    inputs: BTreeMap<(usize, usize), Vec<f32>>,
}

impl StoredSample {
    /// The first `count` samples, or all where there are fewer.
    ///
    /// # Errors
    /// A sample that cannot be read.
    pub fn take(samples: &dyn Samples, count: usize) -> Result<Self, ReadError> {
        let schema = samples.schema().clone();
        let (mut observed, mut inputs) = (Vec::new(), BTreeMap::new());
        for index in 0..samples.len().min(count) {
            let kept = half(samples.observed(index), index);
            for modality in kept.iter() {
                let mut values = vec![0.0; schema.modalities()[modality].kind().values()];
                samples.read(index, modality, &mut values)?;
                inputs.insert((index, modality), values);
            }
            observed.push(kept);
        }
        Ok(Self { schema, observed, inputs })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = self
            .inputs
            .iter()
            .map(|((sample, modality), values)| {
                let of = &self.schema.modalities()[*modality];
                let values = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (format!("{sample}/{}", of.name()), of.kind().shape().to_vec(), values)
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, shape, values)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), values)?)));
        let views: BTreeMap<&str, TensorView<'_>> = views.collect::<Result<_, safetensors::SafeTensorError>>()?;
        safetensors::serialize(views, None)
    }

    /// `observed` says which tensors there must be; `Err` says in words what does not fit.
    fn from_bytes(bytes: &[u8], schema: &Schema, observed: Vec<ModalitySet>) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let mut inputs = BTreeMap::new();
        for (sample, kept) in observed.iter().enumerate() {
            for modality in kept.iter() {
                let of = &schema.modalities()[modality];
                let name = format!("{sample}/{}", of.name());
                let view = file.tensor(&name).map_err(|e| e.to_string())?;
                let values: Vec<f32> =
                    view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                if view.dtype() != Dtype::F32 || values.len() != of.kind().values() {
                    let wanted = of.kind().shape();
                    return Err(format!("{name} is {:?} {:?}, wanted F32 {wanted:?}", view.dtype(), view.shape()));
                }
                inputs.insert((sample, modality), values);
            }
        }
        Ok(Self { schema: schema.clone(), observed, inputs })
    }
}

/// Half of a set, rounded up, beginning with another modality for each sample.
fn half(set: ModalitySet, sample: usize) -> ModalitySet {
    let all: Vec<usize> = set.iter().collect();
    (0..all.len().div_ceil(2)).map(|i| all[(sample + i) % all.len()]).collect()
}

impl Samples for StoredSample {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.observed.len()
    }

    fn label(&self, _: usize) -> usize {
        0
    }

    fn known_label(&self, _: usize) -> Option<usize> {
        None
    }

    fn observed(&self, index: usize) -> ModalitySet {
        self.observed[index]
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        let Some(values) = self.inputs.get(&(index, modality)) else {
            let modality = self.schema.modalities().get(modality).map_or(String::new(), |m| m.name().to_owned());
            return Err(ReadError::Missing { id: self.id(index), modality });
        };
        if out.len() != values.len() {
            return Err(ReadError::Room { found: out.len(), wanted: values.len() });
        }
        out.copy_from_slice(values);
        Ok(())
    }

    fn id(&self, index: usize) -> String {
        format!("stored sample {index}")
    }
}

/// What `sample.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredAnswers {
    /// Names of the modalities that each sample shows.
    pub observed: Vec<Vec<String>>,
    /// One for every network and recovery model.
    pub answers: Vec<StoredAnswer>,
}

/// What one network and recovery model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredAnswer {
    /// The network's metric.
    pub metric: Metric,
    /// The recovery model; none in a folder without one.
    pub recovery: Option<RecoveryKind>,
    /// How what was recovered was used.
    pub arm: Arm,
    /// Class probabilities of each sample.
    pub probabilities: Vec<Vec<f32>>,
    /// Names of the modalities that each sample was classified by.
    pub used: Vec<Vec<String>>,
}

impl ModelFolder {
    /// Keeps the first `count` samples with the model's answers, in place of those that were there. Without a network that can
    /// answer, which needs its class statistics, nothing is kept.
    ///
    /// # Errors
    /// [`ModelFolderError`]: a sample cannot be read, the model cannot answer, a file cannot be written.
    pub fn store_sample(
        &mut self,
        samples: &dyn Samples,
        count: usize,
        device: &Device,
    ) -> Result<usize, ModelFolderError> {
        let answers = self.contents.fusion.iter().any(|part| part.statistics.is_some());
        if count == 0 || samples.is_empty() || !answers {
            return Ok(0);
        }
        let sample = StoredSample::take(samples, count).map_err(|e| self.unanswered(e.into()))?;
        self.put_sample(&sample, device)?;
        Ok(sample.len())
    }

    pub(super) fn put_sample(&mut self, sample: &StoredSample, device: &Device) -> Result<(), ModelFolderError> {
        let answers = StoredAnswers {
            observed: sample.observed.iter().map(|set| names(&sample.schema, *set)).collect(),
            answers: self.answers(sample, device)?,
        };
        let refuse = |file: &str, reason: String| ModelFolderError::Parse { path: self.path.join(file), reason };
        let inputs = sample.to_bytes().map_err(|e| refuse(INPUTS, e.to_string()))?;
        let text = serde_json::to_vec(&answers).map_err(|e| refuse(ANSWERS, e.to_string()))?;
        let part = SamplePart { inputs: INPUTS.into(), answers: ANSWERS.into(), samples: sample.len() };
        self.contents.sample = Some(part);
        self.save(BTreeMap::from([(INPUTS.to_owned(), inputs), (ANSWERS.to_owned(), text)]))
    }

    /// The stored samples and what was answered; `None` in a folder without.
    ///
    /// # Errors
    /// [`ModelFolderError`]: a file is damaged, or does not fit the schema.
    pub fn stored_sample(&self) -> Result<Option<(StoredSample, StoredAnswers)>, ModelFolderError> {
        let Some(part) = &self.contents.sample else { return Ok(None) };
        let sums = Checksums::of(&self.path)?;
        let refuse = |file: &str, reason: String| ModelFolderError::Parse { path: self.path.join(file), reason };
        let answers: StoredAnswers =
            serde_json::from_slice(&sums.read(&part.answers)?).map_err(|e| refuse(&part.answers, e.to_string()))?;
        let schema = self.schema();
        let set = |names: &Vec<String>| -> Option<ModalitySet> {
            names.iter().map(|name| schema.modality_index(name)).collect::<Option<ModalitySet>>()
        };
        let observed: Option<Vec<ModalitySet>> = answers.observed.iter().map(set).collect();
        let observed =
            observed.ok_or_else(|| refuse(&part.answers, "it names a modality that the model does not have".into()))?;
        let bytes = sums.read(&part.inputs)?;
        let sample =
            StoredSample::from_bytes(&bytes, schema, observed).map_err(|reason| refuse(&part.inputs, reason))?;
        Ok(Some((sample, answers)))
    }

    /// What the model says of the samples now: every network that has statistics, with every recovery model.
    ///
    /// # Errors
    /// [`ModelFolderError`]: a part cannot be read, or cannot answer.
    pub fn answers(&self, sample: &StoredSample, device: &Device) -> Result<Vec<StoredAnswer>, ModelFolderError> {
        let mut kinds: Vec<Option<RecoveryKind>> = self.recoveries().into_iter().map(Some).collect();
        if kinds.is_empty() {
            kinds.push(None);
        }
        let mut answers = Vec::new();
        for part in self.contents.fusion.iter().filter(|part| part.statistics.is_some()) {
            let (network, statistics) = (self.fusion(part.metric, device)?, self.statistics(part.metric)?);
            for kind in &kinds {
                let recovery: Box<dyn Recovery> = match kind {
                    Some(kind) => {
                        let seed = self.recovery_part(*kind)?.provenance.seed;
                        self.recovery(*kind, part.metric, seed, device)?
                    }
                    None => Box::new(Nothing),
                };
                // As `dymo predict` asks if it is told nothing.
                let setting = Setting {
                    network: &network,
                    statistics: &statistics,
                    recovery: recovery.as_ref(),
                    calibration: Calibration::default_for(part.metric),
                    edges: Edges::Defined,
                    min_gain: 0.0,
                    device,
                };
                let arms = if kind.is_some() { &ARMS[..] } else { &ARMS[..1] };
                let indices: Vec<usize> = (0..sample.len()).collect();
                let outcome = evaluate(&setting, sample, &indices, &sample.observed, arms, &mut |_, _| ())
                    .map_err(|e| self.unanswered(e))?;
                answers.extend(outcome.arms.iter().map(|arm| StoredAnswer {
                    metric: part.metric,
                    recovery: *kind,
                    arm: arm.arm,
                    probabilities: arm.probabilities.chunks(outcome.classes).map(<[f32]>::to_vec).collect(),
                    used: arm.decisions.iter().map(|d| names(&sample.schema, d.final_subset)).collect(),
                }));
            }
        }
        Ok(answers)
    }

    fn unanswered(&self, source: TrainError) -> ModelFolderError {
        ModelFolderError::Sample { path: self.path.clone(), source: Box::new(source) }
    }
}

fn names(schema: &Schema, set: ModalitySet) -> Vec<String> {
    set.iter().map(|m| schema.modalities()[m].name().to_owned()).collect()
}

/// Stands in for a recovery model where there is none and none is asked.
struct Nothing;

impl Recovery for Nothing {
    fn name(&self) -> &'static str {
        "none"
    }

    fn recover(&self, observed: &Observed, _: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        Err(RecoveryError::Inputs { inputs: observed.inputs.len(), present: observed.present })
    }
}
