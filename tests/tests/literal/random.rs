//! Random networks and statistics from one seed.

use burn::tensor::Device;
use dymo_core::{Column, Columns, Kind, ModalitySet, subsets};
use dymo_models::encoder::{ConvLayer, EncoderSettings};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};
use dymo_models::weights;
use dymo_reward::{ClassStatistics, Edges, Metric, Parts};
use safetensors::tensor::{Dtype, TensorView};

/// A stream of numbers that is the same everywhere (splitmix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Between −scale and scale.
    pub fn number(&mut self, scale: f32) -> f32 {
        ((self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    }

    pub fn numbers(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.number(scale)).collect()
    }

    /// A non-empty set.
    pub fn subset(&mut self, modalities: usize) -> ModalitySet {
        let all = subsets(modalities);
        all[self.below(all.len())]
    }
}

/// An input of any kind, with up to nine tokens.
fn input(chance: &mut Chance) -> Input {
    let layer = |filters, kernel, stride, padding| ConvLayer { filters, kernel, stride, padding };
    match chance.below(5) {
        0 => {
            let kind =
                Kind::Image { height: 4 + chance.below(8), width: 4 + chance.below(8), channels: 1 + chance.below(3) };
            Input { kind, encoder: EncoderSettings::Convolutional { widths: vec![3], token_width: 5 } }
        }
        1 => {
            let kind = Kind::Image { height: 2, width: 1 + chance.below(3), channels: 1 };
            Input { kind, encoder: EncoderSettings::Perceptron { hidden: 6, token_width: 8 } }
        }
        2 => {
            let kind = Kind::Image { height: 6, width: 5 + chance.below(3), channels: 2 };
            let layers = vec![layer(3, 4, 2, 1), layer(4, 2, 2, 0)];
            Input { kind, encoder: EncoderSettings::PictureToken { layers, token_width: 8 } }
        }
        3 => {
            let kind = Kind::Text { length: 7 + chance.below(3), symbols: 3, vocabulary: None };
            let layers = vec![layer(4, 1, 1, 0), layer(4, 4, 2, 1), layer(3, 3, 2, 0)];
            Input { kind, encoder: EncoderSettings::SequenceToken { layers, token_width: 6 } }
        }
        _ => {
            let columns = vec![
                Column::categorical("stage", ["mild", "moderate", "severe"]).expect("a column"),
                Column::continuous("age", 60.0, 10.0, [20.0, 90.0]).expect("a column"),
                Column::categorical("sex", ["f", "m"]).expect("a column"),
                Column::continuous("weight", 70.0, 10.0, [40.0, 150.0]).expect("a column"),
            ];
            let kind = Kind::Table { columns: Columns::new(columns).expect("columns") };
            Input { kind, encoder: EncoderSettings::Columns { token_width: 8, heads: 2, blocks: 1 + chance.below(2) } }
        }
    }
}

/// A picture of 64 tokens.
fn large(chance: &mut Chance) -> Input {
    let kind = Kind::Image { height: 32, width: 32, channels: 1 + chance.below(2) };
    Input { kind, encoder: EncoderSettings::Convolutional { widths: vec![3], token_width: 5 } }
}

/// So many samples of a kind; a fifth of a table's cells is missing.
pub fn samples(chance: &mut Chance, kind: &Kind, count: usize) -> Vec<f32> {
    let Some(columns) = kind.columns() else { return chance.numbers(count * kind.values(), 1.0) };
    let mut values = Vec::new();
    for column in (0..count).flat_map(|_| columns) {
        values.push(match column.categories() {
            _ if chance.below(5) == 0 => f32::NAN,
            Some(names) => chance.below(names.len()) as f32,
            None => chance.number(2.0),
        });
    }
    values
}

/// A network with random weights everywhere, and its heads.
pub fn network(chance: &mut Chance, modalities: usize, metric: Metric) -> (FusionNetwork, usize) {
    let heads = [1, 2, 4][chance.below(3)];
    let rows = [EmbeddingRows::OnePerModality, EmbeddingRows::Published][chance.below(2)];
    let mut inputs: Vec<Input> = (0..modalities).map(|_| input(chance)).collect();
    if chance.below(3) == 0 {
        inputs[chance.below(modalities)] = large(chance);
    }
    let layout = FusionLayout::try_from(FusionTable {
        inputs,
        width: [8, 12, 16][chance.below(3)],
        heads,
        blocks: 1 + chance.below(2),
        feature_width: [4, 7][chance.below(2)],
        classes: 2 + chance.below(3),
        scale: if metric == Metric::Cosine { FeatureScale::Unit } else { FeatureScale::Free },
        // One modality has one row, and no second one.
        embedding_rows: if modalities > 1 { rows } else { EmbeddingRows::OnePerModality },
    })
    .expect("a layout that can be built");
    let fresh = layout.init(&Device::flex());
    let shapes = weights::shapes(&fresh);
    let values: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let centre = if name.ends_with("gamma") { 1.0 } else { 0.0 };
            let count = shape.iter().product();
            let bytes = chance.numbers(count, 0.6).iter().flat_map(|v| (v + centre).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = values.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a view"))
    });
    let file = safetensors::serialize(views, None).expect("a file");
    (weights::from_bytes(fresh, file).expect("weights"), heads)
}

/// Statistics in the range of a network's features. Some spreads are so small that p is 0; where edges are ours, some are 0, and now
/// and then a class has no samples.
pub fn statistics(chance: &mut Chance, layout: &FusionLayout, metric: Metric, edges: Edges) -> ClassStatistics {
    let (subsets, classes, width) = (subsets(layout.modalities()), layout.classes(), layout.feature_width());
    let count = subsets.len() * classes;
    let unit = if metric == Metric::Euclid { 3.0 } else { 1.0 };
    let defined = edges == Edges::Defined;
    let mut spread = || match chance.below(12) {
        0 if defined => 0.0,
        0 | 1 => 0.02 * unit,
        _ => (0.4 + chance.number(0.3)) * unit,
    };
    let spread = (0..count).map(|_| spread()).collect();
    let mut counts = vec![9; classes];
    let empty = defined && classes > 2 && chance.below(3) == 0;
    if empty {
        counts[chance.below(classes)] = 0;
    }
    ClassStatistics::try_from(Parts {
        metric,
        temperature: 0.1,
        modalities: layout.modalities(),
        classes,
        width,
        prototypes: chance.numbers(count * width, 0.8),
        // Euclidean posteriors would be saturated if prototypes lay farther apart.
        overall: chance.numbers(classes * width, if metric == Metric::Euclid { 0.1 } else { 0.4 }),
        spread,
        counts: empty.then_some(counts),
        subsets,
    })
    .expect("statistics")
}
