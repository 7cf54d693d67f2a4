//! The recorded inputs in front of the engine: what was observed as it was, what was recovered as it was recovered.

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::ModalitySet;
use dymo_models::engine::Inputs;
use dymo_models::recovery::{Observed, Recovery, RecoveryError};

/// Inputs of all modalities, of which a run shows some as observed and the others as recovered; sample `i` of a run is sample `i mod N` of the case.
pub struct Recorded {
    /// `[N, values]` for each modality.
    pub inputs: Vec<Vec<f32>>,
    /// N.
    pub samples: usize,
    /// Where they are handed to the engine.
    pub device: Device,
}

impl Recorded {
    /// `[rows, values]` of one modality.
    pub(crate) fn rows(&self, modality: usize, samples: impl ExactSizeIterator<Item = usize>) -> Tensor<2> {
        let (all, count) = (&self.inputs[modality], samples.len());
        let width = all.len() / self.samples;
        let mut values = Vec::with_capacity(count * width);
        for sample in samples {
            let start = sample % self.samples * width;
            values.extend_from_slice(&all[start..start + width]);
        }
        Tensor::from_data(TensorData::new(values, [count, width]), &self.device)
    }
}

impl Inputs for Recorded {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        Ok(self.rows(modality, samples.iter().copied()))
    }
}

impl Recovery for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        Ok(wanted.iter().map(|m| self.rows(m, observed.ids.iter().map(|id| *id as usize))).collect())
    }
}
