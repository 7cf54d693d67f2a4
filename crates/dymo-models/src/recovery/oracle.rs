//! What if recovery were right in so many of the cases? A test device that knows the truth.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::{Kind, ModalitySet};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Gallery, Observed, Recovery, RecoveryError, check_inputs};

/// With some probability all missing modalities of a sample are its own, else all are those of another sample drawn at random.
///
/// It is for experiments on selection: whoever uses it must hold the truth, so no command offers it. Samples are found by their id, which
/// is their number in `truth`; all must be complete.
pub struct Oracle {
    truth: Arc<dyn Gallery>,
    kinds: Vec<Kind>,
    share: f64,
    seed: u64,
    device: Device,
}

impl Oracle {
    /// `share` of the samples get their own modalities, as `seed` and their id decide.
    pub fn new(truth: Arc<dyn Gallery>, kinds: Vec<Kind>, share: f64, seed: u64, device: Device) -> Self {
        Self { truth, kinds, share, seed, device }
    }

    /// The sample whose modalities sample `id` gets.
    pub fn source(&self, id: u64) -> usize {
        let (own, count) = (usize::try_from(id).unwrap_or(usize::MAX), self.truth.len());
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(id);
        if rng.random::<f64>() < self.share || count < 2 {
            return own;
        }
        // Any of the others, each as likely.
        let other = rng.random_range(0..count - 1);
        if other >= own { other + 1 } else { other }
    }
}

impl Recovery for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        check_inputs(observed)?;
        let read = |m: usize| {
            let width = self.kinds[m].values();
            let mut values = vec![0.0; observed.len() * width];
            for (row, id) in values.chunks_exact_mut(width).zip(&observed.ids) {
                let index = self.source(*id);
                let read = self.truth.read(index, m, row);
                read.map_err(|reason| RecoveryError::Gallery { index, reason })?;
            }
            Ok(Tensor::from_data(TensorData::new(values, [observed.len(), width]), &self.device))
        };
        wanted.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers;

    impl Gallery for Numbers {
        fn len(&self) -> usize {
            500
        }

        fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), String> {
            out.fill((index * 10 + modality) as f32);
            Ok(())
        }
    }

    fn oracle(share: f64) -> Oracle {
        let kinds = vec![Kind::Image { height: 1, width: 1, channels: 1 }; 3];
        Oracle::new(Arc::new(Numbers), kinds, share, 5, Device::flex())
    }

    #[test]
    fn so_many_are_right_and_the_rest_anybodys() {
        let own = |share: f64| {
            let oracle = oracle(share);
            (0..500).filter(|id| oracle.source(*id) == *id as usize).count()
        };
        assert_eq!((own(1.0), own(0.0)), (500, 0));
        assert!((320..380).contains(&own(0.7)), "{}", own(0.7));
        let sources: std::collections::BTreeSet<usize> = (0..500).map(|id| oracle(0.0).source(id)).collect();
        assert!(sources.len() > 250 && sources.iter().all(|s| *s < 500));
    }

    #[test]
    fn all_that_is_missing_comes_from_the_same_sample() {
        let device = Device::flex();
        let observed = Observed {
            present: ModalitySet::single(0),
            inputs: vec![Tensor::<2>::zeros([2, 1], &device)],
            ids: vec![3, 4],
        };
        let oracle = oracle(0.5);
        let made = oracle.recover(&observed, ModalitySet::single(0).complement(3)).expect("recovered");
        let values: Vec<Vec<f32>> = made.into_iter().map(|t| t.into_data().try_to_vec().expect("numbers")).collect();
        for (place, id) in observed.ids.iter().enumerate() {
            let source = oracle.source(*id) as f32 * 10.0;
            assert_eq!((values[0][place], values[1][place]), (source + 1.0, source + 2.0));
        }
    }
}
