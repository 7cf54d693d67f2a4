//! Random networks and statistics from one seed.

use burn::tensor::Device;
use dymo_core::{Kind, ModalitySet, subsets};
use dymo_models::encoder::{ConvLayer, EncoderSettings};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};
use dymo_models::weights;
use dymo_reward::{ClassStatistics, Metric, Parts};
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

/// An input of any kind, with any number of tokens.
fn input(chance: &mut Chance) -> Input {
    let layer = |filters, kernel, stride, padding| ConvLayer { filters, kernel, stride, padding };
    match chance.below(4) {
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
        _ => {
            let kind = Kind::Text { length: 7 + chance.below(3), symbols: 3, vocabulary: None };
            let layers = vec![layer(4, 1, 1, 0), layer(4, 4, 2, 1), layer(3, 3, 2, 0)];
            Input { kind, encoder: EncoderSettings::SequenceToken { layers, token_width: 6 } }
        }
    }
}

/// A network with random weights everywhere, and its heads.
pub fn network(chance: &mut Chance, modalities: usize, metric: Metric) -> (FusionNetwork, usize) {
    let heads = [1, 2, 4][chance.below(3)];
    let rows = [EmbeddingRows::OnePerModality, EmbeddingRows::Published][chance.below(2)];
    let layout = FusionLayout::try_from(FusionTable {
        inputs: (0..modalities).map(|_| input(chance)).collect(),
        width: 8,
        heads,
        blocks: 1 + chance.below(2),
        feature_width: 4,
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

/// Statistics in the range of a network's features.
pub fn statistics(chance: &mut Chance, layout: &FusionLayout, metric: Metric) -> ClassStatistics {
    let (subsets, classes, width) = (subsets(layout.modalities()), layout.classes(), layout.feature_width());
    let count = subsets.len() * classes;
    ClassStatistics::try_from(Parts {
        metric,
        temperature: 0.1,
        modalities: layout.modalities(),
        classes,
        width,
        prototypes: chance.numbers(count * width, 0.8),
        overall: chance.numbers(classes * width, 0.4),
        spread: (0..count)
            .map(|_| 0.4 + chance.number(0.3))
            .map(|s| s * if metric == Metric::Euclid { 3.0 } else { 1.0 })
            .collect(),
        counts: None,
        subsets,
    })
    .expect("statistics")
}
