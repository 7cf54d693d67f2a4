//! Samples as tensors, and the order in which they are seen.

use burn::tensor::{Device, Int, Tensor, TensorData};
use dymo_core::ModalitySet;
use dymo_data::{ReadError, Samples, labels, read_batch};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Samples on a device.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Numbers of the samples in their split.
    pub indices: Vec<usize>,
    /// Class numbers.
    pub labels: Vec<usize>,
    /// What each sample has.
    pub observed: Vec<ModalitySet>,
    /// One tensor per modality, `[n, values]`; zeros for a sample that does not have it.
    pub inputs: Vec<Tensor<2>>,
}

impl Batch {
    /// Reads the samples, all modalities that they have.
    ///
    /// # Errors
    /// The first sample that cannot be read.
    pub fn read(samples: &dyn Samples, indices: &[usize], device: &Device) -> Result<Self, ReadError> {
        let all = ModalitySet::full(samples.schema().modalities().len());
        let observed: Vec<ModalitySet> = indices.iter().map(|i| samples.observed(*i)).collect();
        let inputs =
            all.iter().map(|m| read_filled(samples, indices, &observed, m, device)).collect::<Result<_, _>>()?;
        Ok(Self { indices: indices.to_vec(), labels: labels(samples, indices), observed, inputs })
    }

    /// Places of the samples that have all of `subset`.
    pub fn rows_with(&self, subset: ModalitySet) -> Vec<usize> {
        (0..self.observed.len()).filter(|i| subset.is_subset_of(self.observed[*i])).collect()
    }
}

/// Class numbers as a tensor, `[n]`.
pub(crate) fn label_tensor(labels: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|l| i32::try_from(*l).unwrap_or(i32::MAX)).collect();
    Tensor::from_data(TensorData::new(values, [labels.len()]), device)
}

/// One modality of some samples, `[n, values]`.
///
/// # Errors
/// The first sample that cannot be read.
pub fn read_modality(
    samples: &dyn Samples,
    indices: &[usize],
    modality: usize,
    device: &Device,
) -> Result<Tensor<2>, ReadError> {
    let mut values = Vec::new();
    read_batch(samples, indices, modality, &mut values)?;
    let width = values.len() / indices.len().max(1);
    Ok(Tensor::from_data(TensorData::new(values, [indices.len(), width]), device))
}

/// As [`read_modality`], with zeros for samples that do not have it.
fn read_filled(
    samples: &dyn Samples,
    indices: &[usize],
    observed: &[ModalitySet],
    modality: usize,
    device: &Device,
) -> Result<Tensor<2>, ReadError> {
    let rows: Vec<usize> = (0..indices.len()).filter(|i| observed[*i].contains(modality)).collect();
    if rows.len() == indices.len() {
        return read_modality(samples, indices, modality, device);
    }
    let width = samples.schema().modalities()[modality].kind().values();
    let present: Vec<usize> = rows.iter().map(|i| indices[*i]).collect();
    let mut found = Vec::new();
    read_batch(samples, &present, modality, &mut found)?;
    let mut values = vec![0.0; indices.len() * width];
    for (row, source) in rows.iter().zip(found.chunks_exact(width)) {
        values[row * width..(row + 1) * width].copy_from_slice(source);
    }
    Ok(Tensor::from_data(TensorData::new(values, [indices.len(), width]), device))
}

/// A generator for one purpose of one run: the same for the same seed, purpose and place.
pub(crate) fn generator(seed: u64, purpose: Purpose, place: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((purpose as u64) << 56));
    rng.set_stream(place);
    rng
}

/// What randomness is drawn for; keeps the streams apart.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Order = 1,
    Subsets = 2,
    Sources = 3,
    Noise = 4,
}

/// The order of `count` samples in an epoch.
pub(crate) fn epoch_order(count: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut generator(seed, Purpose::Order, epoch as u64));
    order
}

/// `k` distinct items of `all`, uniformly.
pub(crate) fn choose<T: Copy>(all: &[T], k: usize, rng: &mut ChaCha8Rng) -> Vec<T> {
    let mut items = all.to_vec();
    let k = k.min(items.len());
    for i in 0..k {
        let j = rng.random_range(i..items.len());
        items.swap(i, j);
    }
    items.truncate(k);
    items
}

/// A tensor's values on the host.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default()
}

/// A one-element tensor's value.
pub(crate) fn scalar(tensor: Tensor<1>) -> f64 {
    values(tensor).first().map_or(f64::NAN, |v| f64::from(*v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_every_sample_once_in_its_own_order() {
        let (first, second) = (epoch_order(100, 7, 0), epoch_order(100, 7, 1));
        assert_ne!(first, second);
        assert_eq!(first, epoch_order(100, 7, 0));
        let mut sorted = first;
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..100));
    }

    #[test]
    fn choices_are_distinct() {
        let all: Vec<usize> = (0..31).collect();
        for place in 0..50 {
            let mut chosen = choose(&all, 5, &mut generator(3, Purpose::Subsets, place));
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 5);
        }
    }
}
