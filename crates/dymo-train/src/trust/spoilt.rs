//! A recovery model that is bad in a known share of the cases.

use std::collections::HashMap;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::ModalitySet;
use dymo_data::{Samples, complete};
use dymo_models::recovery::{Observed, Recovery, RecoveryError};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Replaces what another model recovers, for a share of the samples, by the modalities of a complete training sample of another
/// class: what looks real, agrees with itself, and is wrong.
pub struct Spoilt<'a> {
    inner: &'a dyn Recovery,
    train: Arc<dyn Samples>,
    /// Complete training samples.
    complete: Vec<usize>,
    label_of: HashMap<u64, usize>,
    share: f64,
    seed: u64,
    device: Device,
}

/// Draws of a training sample before its class does not matter any more: with two classes in balance one in a million stays right.
const TRIES: usize = 20;

impl<'a> Spoilt<'a> {
    /// `judged` are the samples whose recoveries are spoilt: their class is the one that they do not get. Those that are spoilt at one
    /// share are spoilt at every larger one, too. `None` where no training sample is complete.
    pub fn new(
        inner: &'a dyn Recovery,
        train: Arc<dyn Samples>,
        judged: &dyn Samples,
        share: f64,
        seed: u64,
        device: Device,
    ) -> Option<Self> {
        let complete: Vec<usize> = complete(train.as_ref()).collect();
        let label_of = (0..judged.len()).map(|i| (judged.number(i), judged.label(i))).collect();
        (!complete.is_empty()).then_some(Self { inner, train, complete, label_of, share, seed, device })
    }

    /// The training sample that stands in for what is recovered of this one; `None` where that stays.
    fn stand_in(&self, id: u64) -> Option<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(id);
        if rng.random::<f64>() >= self.share {
            return None;
        }
        let label = self.label_of.get(&id);
        let mut draw = || self.complete[rng.random_range(0..self.complete.len())];
        let first = draw();
        let other = |found: &usize| Some(&self.train.label(*found)) != label;
        Some(std::iter::once(first).chain((1..TRIES).map(|_| draw())).find(other).unwrap_or(first))
    }
}

impl Recovery for Spoilt<'_> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        let found = self.inner.recover(observed, wanted)?;
        let stand_ins: Vec<Option<usize>> = observed.ids.iter().map(|id| self.stand_in(*id)).collect();
        if stand_ins.iter().all(Option::is_none) {
            return Ok(found);
        }
        let mut spoilt = Vec::with_capacity(found.len());
        for (m, found) in wanted.iter().zip(found) {
            let [n, width] = found.dims();
            let mut values = found.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default();
            for (row, stand_in) in values.chunks_exact_mut(width.max(1)).zip(&stand_ins) {
                let Some(index) = *stand_in else { continue };
                let refuse = |e: dymo_data::ReadError| RecoveryError::Gallery { index, reason: e.to_string() };
                self.train.read(index, m, row).map_err(refuse)?;
            }
            spoilt.push(Tensor::from_data(TensorData::new(values, [n, width]), &self.device));
        }
        Ok(spoilt)
    }

    fn recoverable(&self, present: ModalitySet, modalities: usize) -> ModalitySet {
        self.inner.recoverable(present, modalities)
    }

    fn fills(&self) -> ModalitySet {
        self.inner.fills()
    }

    fn draws(&self) -> usize {
        self.inner.draws()
    }

    fn shows_training_data(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::Schema;
    use dymo_data::ReadError;

    /// So many samples of two modalities of one number: its class, plus ten times the modality. Numbered as if by name, as those of a
    /// table are.
    struct Numbers(Schema, usize);

    fn numbered(index: usize) -> u64 {
        (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    impl Samples for Numbers {
        fn schema(&self) -> &Schema {
            &self.0
        }

        fn len(&self) -> usize {
            self.1
        }

        fn label(&self, index: usize) -> usize {
            index % 3
        }

        fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
            out.fill((self.label(index) + 10 * modality) as f32);
            Ok(())
        }

        fn id(&self, index: usize) -> String {
            index.to_string()
        }

        fn number(&self, index: usize) -> u64 {
            numbered(index)
        }
    }

    struct Nothing;

    impl Recovery for Nothing {
        fn name(&self) -> &'static str {
            "nothing"
        }

        fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
            let device = Device::flex();
            Ok(wanted.iter().map(|_| Tensor::full([observed.len(), 1], -1.0, &device)).collect())
        }
    }

    #[test]
    fn the_share_is_spoilt_by_one_sample_of_another_class() {
        let schema: Schema = serde_json::from_str(
            r#"{"modalities":[{"name":"a","kind":"image","height":1,"width":1,"channels":1},
                {"name":"b","kind":"image","height":1,"width":1,"channels":1}],"classes":["x","y","z"]}"#,
        )
        .expect("a schema");
        let train: Arc<dyn Samples> = Arc::new(Numbers(schema.clone(), 60));
        let judged = Numbers(schema, 600);
        let recovered = |share: f64| -> Vec<[f32; 2]> {
            let spoilt = Spoilt::new(&Nothing, train.clone(), &judged, share, 5, Device::flex());
            let observed =
                Observed { present: ModalitySet::EMPTY, inputs: Vec::new(), ids: (0..600).map(numbered).collect() };
            let found = spoilt.expect("complete samples").recover(&observed, ModalitySet::full(2)).expect("recovered");
            let columns: Vec<Vec<f32>> =
                found.into_iter().map(|x| x.into_data().try_to_vec::<f32>().expect("numbers")).collect();
            columns[0].iter().zip(&columns[1]).map(|(a, b)| [*a, *b]).collect()
        };
        assert!(recovered(0.0).iter().all(|row| *row == [-1.0, -1.0]));
        let (some, all) = (recovered(0.3), recovered(1.0));
        let spoilt = some.iter().filter(|row| row[0] >= 0.0).count();
        // 180 of 600 are expected, with a standard deviation of 11.
        assert!((130..230).contains(&spoilt), "{spoilt}");
        for (i, (some, all)) in some.iter().zip(&all).enumerate() {
            assert!(
                all[0] != judged.label(i) as f32 && all[1] == all[0] + 10.0,
                "one sample of another class: {all:?}"
            );
            assert!(some[0] < 0.0 || some == all, "spoilt at one share, spoilt alike at a larger one");
        }
    }
}
