//! Normal draws that depend on a seed and a sample's id only.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// `[ids.len(), width]` standard normal numbers; row i depends on `seed` and `ids[i]` only.
pub fn standard_normal(seed: u64, ids: &[u64], width: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(normal_values(seed, ids, width), [ids.len(), width]), device)
}

/// [`standard_normal`] as plain numbers, row after row.
pub(crate) fn normal_values(seed: u64, ids: &[u64], width: usize) -> Vec<f32> {
    let mut values = vec![0.0; ids.len() * width];
    values.par_chunks_mut(width.max(1)).zip(ids).for_each(|(row, id)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(*id);
        row.fill_with(|| normal(&mut rng));
    });
    values
}

fn normal(rng: &mut impl Rng) -> f32 {
    rand::RngExt::sample::<f32, _>(rng, StandardNormal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_depends_on_its_id_only() {
        let device = Device::flex();
        let both = standard_normal(7, &[4, 9], 3, &device).into_data().try_to_vec::<f32>().unwrap();
        let one = standard_normal(7, &[9], 3, &device).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(both[3..], one[..]);
        assert_ne!(both[..3], both[3..]);
    }
}
