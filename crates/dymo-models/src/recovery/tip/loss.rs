//! The three parts of TIP's pre-training.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::{Tip, TipBatch};
use crate::flat::{one_hot, places};

/// The parts of a training step's loss, each `[1]`.
#[derive(Debug, Clone)]
pub struct TipLoss {
    /// Hidden cells: half the mean squared error of numbers and half the mean cross-entropy of categories (nats), or all of it where the
    /// table has one sort only.
    pub reconstruction: Tensor<1>,
    /// Finding the picture of a table and the table of a picture among those of the batch, nats.
    pub contrast: Tensor<1>,
    /// Telling true pairs from likely wrong ones, nats.
    pub matching: Tensor<1>,
    /// What is minimised: the mean of the three.
    pub total: Tensor<1>,
}

impl Tip {
    /// The loss of a batch. Contrast and matching need two samples: they are 0 for one.
    pub fn loss(&self, batch: &TipBatch, temperature: f64) -> TipLoss {
        let pictures = self.picture_tokens(&batch.pictures);
        let outputs = self.read(self.join(self.table.forward(batch.masked.clone()), pictures.clone()));
        let reconstruction = self.reconstruction(outputs, batch);
        let zero = || Tensor::zeros([1], &batch.device());
        let (contrast, matching) = match batch.draws.len() {
            0 | 1 => (zero(), zero()),
            _ => self.pairs(batch, pictures, temperature),
        };
        let total = (reconstruction.clone() + contrast.clone() + matching.clone()) / 3.0;
        TipLoss { reconstruction, contrast, matching, total }
    }

    /// [`TipLoss::reconstruction`] alone.
    pub fn hidden_loss(&self, batch: &TipBatch) -> Tensor<1> {
        self.reconstruction(self.reconstruct(batch.masked.clone(), &batch.pictures), batch)
    }

    /// What of hidden cells the model says: `[B, R]` → `[1]`.
    fn reconstruction(&self, outputs: Tensor<2>, batch: &TipBatch) -> Tensor<1> {
        let cells = self.table.cells();
        let device = batch.device();
        let known = batch.table.clone().mask_fill(batch.table.clone().is_nan(), 0.0);
        let mean = |costs: Tensor<2>, hidden: Tensor<2>| (costs * hidden.clone()).sum() / hidden.sum().clamp_min(1.0);
        let mut parts = Vec::new();
        let mut start = cells.numbers.len();
        if start > 0 {
            let columns = places(&cells.numbers, &device);
            let gap = outputs.clone().narrow(1, 0, start) - known.clone().select(1, columns.clone());
            parts.push(mean(gap.powi_scalar(2), batch.hidden.clone().select(1, columns)));
        }
        let mut costs = Vec::new();
        for (column, k) in &cells.categories {
            let scores = activation::log_softmax(outputs.clone().narrow(1, start, *k), 1);
            costs.push(-(scores * one_hot(known.clone().narrow(1, *column, 1), *k)).sum_dim(1));
            start += k;
        }
        if !costs.is_empty() {
            let columns: Vec<usize> = cells.categories.iter().map(|(column, _)| *column).collect();
            let hidden = batch.hidden.clone().select(1, places(&columns, &device));
            parts.push(mean(Tensor::cat(costs, 1), hidden));
        }
        let count = parts.len().max(1) as f64;
        parts.into_iter().fold(Tensor::zeros([1], &device), |sum, part| sum + part) / count
    }

    /// Contrast and matching of the corrupted tables with the pictures.
    fn pairs(&self, batch: &TipBatch, pictures: Tensor<3>, temperature: f64) -> (Tensor<1>, Tensor<1>) {
        let size = batch.draws.len();
        let tables = self.table.forward(batch.corrupted.clone());
        let table = self.table_head.forward(tables.clone().narrow(1, 0, 1).squeeze_dim(1));
        let picture = self.picture_head.forward(pictures.clone().mean_dim(1).squeeze_dim(1));
        let likeness = table.matmul(picture.transpose()) / temperature;
        let own = Tensor::<2>::eye(size, &batch.device());
        let found = |likeness: Tensor<2>| -(activation::log_softmax(likeness, 1) * own.clone()).sum() / size as f64;
        let contrast = (found(likeness.clone()) + found(likeness.clone().transpose())) / 2.0;

        let rows = |likeness: Tensor<2>| {
            let shares = activation::softmax(likeness.detach(), 1);
            shares.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default()
        };
        let (by_table, by_picture) = (rows(likeness.clone()), rows(likeness.transpose()));
        let partners = |shares: &[f32], which: usize| {
            let partner = |i: usize| unlike(&shares[i * size..(i + 1) * size], i, batch.draws[i][which]);
            indices((0..size).map(partner).collect(), &batch.device())
        };
        let wrong_pictures = pictures.clone().select(0, partners(&by_table, 0));
        let wrong_tables = tables.clone().select(0, partners(&by_picture, 1));
        let joint = self.join(
            Tensor::cat(vec![tables.clone(), tables, wrong_tables], 0),
            Tensor::cat(vec![pictures.clone(), wrong_pictures, pictures], 0),
        );
        let scores: Tensor<2> = self.matching.forward(joint.narrow(1, 0, 1).squeeze_dim(1));
        let scores = activation::log_softmax(scores, 1);
        let right = scores.clone().narrow(0, 0, size).narrow(1, 1, 1).sum();
        let wrong = scores.narrow(0, size, 2 * size).narrow(1, 0, 1).sum();
        (contrast, -(right + wrong) / (3 * size) as f64)
    }
}

fn indices(places: Vec<usize>, device: &Device) -> Tensor<1, Int> {
    let places: Vec<i32> = places.into_iter().map(|i| i32::try_from(i).unwrap_or(i32::MAX)).collect();
    let count = places.len();
    Tensor::from_data(TensorData::new(places, [count]), device)
}

/// Added to each share, so that every pair can come up.
const FLOOR: f64 = 1e-4;

/// A place other than `own`, drawn by these shares with a number in 0..1.
fn unlike(shares: &[f32], own: usize, draw: f64) -> usize {
    let weight = |i: usize| if i == own { 0.0 } else { f64::from(shares[i]) + FLOOR };
    let mut left = draw * (0..shares.len()).map(weight).sum::<f64>();
    let mut last = own;
    for i in (0..shares.len()).filter(|i| *i != own) {
        last = i;
        left -= weight(i);
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::unlike;

    #[test]
    fn partners_are_others_and_likely() {
        let shares = [0.7, 0.25, 0.05];
        assert_eq!([0.0, 0.5, 0.9, 0.999].map(|draw| unlike(&shares, 0, draw)), [1, 1, 2, 2]);
        assert_eq!([0.0, 0.5, 0.999].map(|draw| unlike(&shares, 2, draw)), [0, 0, 1]);
    }
}
