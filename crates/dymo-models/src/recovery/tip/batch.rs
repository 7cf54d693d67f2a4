//! A batch of pre-training: what is hidden, what is corrupted, and what pairs are drawn by.

use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, ModalitySet};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::super::table::{TableColumns, rows, tensor};
use super::{TipSettings, pictures};

/// Samples that have every picture and every table, with their views.
#[derive(Debug, Clone)]
pub struct TipBatch {
    /// The pictures shown, each with its place among all of them: `[B, values]`.
    pub(super) pictures: Vec<(usize, Tensor<2>)>,
    /// All tables side by side, `[B, columns]`; NaN where a sample has a gap of its own.
    pub(super) table: Tensor<2>,
    /// The same with some cells hidden (NaN).
    pub(super) masked: Tensor<2>,
    /// 1 for each cell that was known and is hidden, `[B, columns]`.
    pub(super) hidden: Tensor<2>,
    /// The table with some cells of other samples.
    pub(super) corrupted: Tensor<2>,
    /// Two numbers in 0..1 for each sample, by which unlike partners are drawn.
    pub(super) draws: Vec<[f64; 2]>,
}

impl TipBatch {
    /// Of `inputs`, one tensor `[B, values]` for each modality. One non-empty set of the pictures is shown, the same for all samples.
    /// Everything is drawn from `rng`. `None` where there is no table or no picture.
    pub fn new(settings: &TipSettings, kinds: &[Kind], inputs: &[Tensor<2>], rng: &mut impl Rng) -> Option<Self> {
        let columns = TableColumns::of(kinds)?;
        let all = pictures(kinds);
        if all.is_empty() {
            return None;
        }
        let tables = columns.modalities().iter().map(|m| inputs[m].clone()).collect();
        let table: Tensor<2> = Tensor::cat(tables, 1);
        let [batch, width] = table.dims();
        let device = table.device();
        let values = rows(table.clone());
        let (masked, hidden) = hide(settings, &values, width, rng);
        let corrupted = corrupt(settings.corrupted, &values, width, rng);
        let draws = (0..batch).map(|_| [rng.random(), rng.random()]).collect();
        Some(Self {
            pictures: shown(all, inputs, rng),
            table,
            masked: tensor(masked, batch, &device),
            hidden: tensor(hidden, batch, &device),
            corrupted: tensor(corrupted, batch, &device),
            draws,
        })
    }

    /// All cells hidden and every picture shown: what recovering whole tables from pictures is judged by.
    pub fn whole(kinds: &[Kind], inputs: &[Tensor<2>], rng: &mut impl Rng) -> Option<Self> {
        let settings = TipSettings { whole: 1.0, corrupted: 0.0, ..TipSettings::default() };
        let mut batch = Self::new(&settings, kinds, inputs, rng)?;
        batch.pictures = pictures(kinds).iter().enumerate().map(|(place, m)| (place, inputs[m].clone())).collect();
        Some(batch)
    }

    pub(super) fn device(&self) -> Device {
        self.table.device()
    }
}

/// A non-empty set of the pictures, each as likely.
fn shown(all: ModalitySet, inputs: &[Tensor<2>], rng: &mut impl Rng) -> Vec<(usize, Tensor<2>)> {
    let bits: u64 = rng.random_range(1..1u64 << all.len());
    let places = all.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
    places.map(|(place, m)| (place, inputs[m].clone())).collect()
}

/// Hides the share of each row's columns, all of them in some rows → the rows with NaN there, and 1 where a known cell was hidden.
fn hide(settings: &TipSettings, values: &[f32], width: usize, rng: &mut impl Rng) -> (Vec<f32>, Vec<f32>) {
    let (mut masked, mut hidden) = (values.to_vec(), vec![0.0; values.len()]);
    let some = ((settings.hidden * width as f64).round() as usize).clamp(1, width);
    for (masked, hidden) in masked.chunks_exact_mut(width).zip(hidden.chunks_exact_mut(width)) {
        let count = if rng.random::<f64>() < settings.whole { width } else { some };
        for column in drawn(width, count, rng) {
            hidden[column] = f32::from(u8::from(!masked[column].is_nan()));
            masked[column] = f32::NAN;
        }
    }
    (masked, hidden)
}

/// Puts cells of other rows into the share of each row's columns.
fn corrupt(share: f64, values: &[f32], width: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut corrupted = values.to_vec();
    let (rows, count) = (values.len() / width, (share * width as f64) as usize);
    for row in corrupted.chunks_exact_mut(width) {
        for column in drawn(width, count, rng) {
            row[column] = values[rng.random_range(0..rows) * width + column];
        }
    }
    corrupted
}

/// So many different columns.
fn drawn(width: usize, count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..width).collect();
    columns.shuffle(rng);
    columns.truncate(count);
    columns
}
