//! The network of method section 2 as it is written there, in double precision, from the weights as they stand in a file.

use std::collections::BTreeMap;

use dymo_core::{Kind, ModalitySet};
use dymo_models::encoder::{ConvLayer, EncoderSettings};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork};
use dymo_models::weights::{self, Precision};
use safetensors::SafeTensors;

/// Rows of numbers: one a token.
type Rows = Vec<Vec<f64>>;

const EPSILON: f64 = 1e-5;
const HIDDEN: f64 = -1e9;

pub struct Literal {
    weights: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    layout: FusionLayout,
    heads: usize,
    rows: EmbeddingRows,
}

impl Literal {
    pub fn new(network: &FusionNetwork, heads: usize) -> Self {
        let bytes = weights::to_bytes(network, Precision::Full).expect("weights");
        let file = SafeTensors::deserialize(&bytes).expect("a file");
        let read = |view: safetensors::tensor::TensorView<'_>| {
            let values = view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
            (view.shape().to_vec(), values.collect())
        };
        let weights = file.iter().map(|(name, view)| (name.to_string(), read(view))).collect();
        let layout = network.layout().clone();
        let text = serde_json::to_value(&layout).expect("a layout");
        let published = text["embedding_rows"] == "published";
        let rows = if published { EmbeddingRows::Published } else { EmbeddingRows::OnePerModality };
        Self { weights, layout, heads, rows }
    }

    fn get(&self, name: &str) -> &(Vec<usize>, Vec<f64>) {
        self.weights.get(name).unwrap_or_else(|| panic!("{name} is no weight"))
    }

    /// `[input, output]` and a bias, if there is one.
    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (shape, weight) = self.get(&format!("{name}.weight"));
        let bias = self.weights.get(&format!("{name}.bias")).map(|(_, b)| b);
        (0..shape[1])
            .map(|o| {
                bias.map_or(0.0, |b| b[o])
                    + x.iter().enumerate().map(|(i, v)| v * weight[i * shape[1] + o]).sum::<f64>()
            })
            .collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (gamma, beta) = (&self.get(&format!("{name}.gamma")).1, &self.get(&format!("{name}.beta")).1);
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        x.iter().zip(gamma).zip(beta).map(|((v, g), b)| (v - mean) * scale * g + b).collect()
    }

    /// A convolution over `[height, width, channels]` with a window of `kernel` = `[rows, columns]`.
    fn convolve(&self, name: &str, x: &Map, kernel: [usize; 2], stride: usize, padding: [usize; 2]) -> Map {
        let (shape, weight) = self.get(&format!("{name}.weight"));
        let bias = &self.get(&format!("{name}.bias")).1;
        let out = |extent: usize, d: usize| (extent + 2 * padding[d] - kernel[d]) / stride + 1;
        let mut map = Map { height: out(x.height, 0), width: out(x.width, 1), channels: shape[0], values: Vec::new() };
        for i in 0..map.height {
            for j in 0..map.width {
                for f in 0..shape[0] {
                    let mut sum = bias[f];
                    for c in 0..x.channels {
                        for a in 0..kernel[0] {
                            for b in 0..kernel[1] {
                                let w = weight[((f * x.channels + c) * kernel[0] + a) * kernel[1] + b];
                                sum += w * x.at(i * stride + a, j * stride + b, c, padding);
                            }
                        }
                    }
                    map.values.push(sum);
                }
            }
        }
        map
    }

    fn encode(&self, modality: usize, x: &[f32]) -> Rows {
        let input = &self.layout.inputs()[modality];
        let [height, width, channels] = input.kind.shape();
        let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        let map = Map { height, width, channels, values: x.clone() };
        let name = |part: &str| format!("encoders.{modality}.{part}");
        match &input.encoder {
            EncoderSettings::Columns { heads, .. } => vec![self.columns(&name("Columns"), &input.kind, *heads, &x)],
            EncoderSettings::Words { .. }
            | EncoderSettings::Spatial { .. }
            | EncoderSettings::Residual(_)
            | EncoderSettings::ResNet50 { .. } => {
                unreachable!("random networks here have the released encoders, and tables")
            }
            EncoderSettings::Perceptron { .. } => {
                let hidden = relu(self.linear(&name("Perceptron.hidden"), &x));
                vec![self.linear(&name("Perceptron.output"), &hidden)]
            }
            EncoderSettings::Convolutional { widths, .. } => {
                let mut map = map;
                for i in 0..widths.len() {
                    map = self
                        .convolve(&name(&format!("Convolutional.stack.layers.{i}")), &map, [3, 3], 2, [1, 1])
                        .relu();
                }
                self.convolve(&name("Convolutional.projection"), &map, [1, 1], 1, [0, 0]).pooled()
            }
            EncoderSettings::PictureToken { layers, .. } => {
                let map = self.stack(&name("PictureToken.layers"), map, layers, false);
                vec![self.linear(&name("PictureToken.output"), &map.channels_first())]
            }
            EncoderSettings::SequenceToken { layers, .. } => {
                let map = self.stack(&name("SequenceToken.layers"), map, layers, true);
                vec![self.linear(&name("SequenceToken.output"), &map.channels_first())]
            }
        }
    }

    /// A row of a table: numbers first, then categories; a missing cell is hidden. Read by a class token.
    fn columns(&self, name: &str, kind: &Kind, heads: usize, x: &[f64]) -> Vec<f64> {
        let columns = kind.columns().expect("a table");
        let (width, class) = (self.get(&format!("{name}.class")).0[1], self.get(&format!("{name}.class")).1.clone());
        let row = |table: &str, row: usize| {
            let values = &self.get(&format!("{name}.cells.{table}")).1;
            values[row * width..(row + 1) * width].to_vec()
        };
        let (mut tokens, mut hidden) = (vec![class], vec![false]);
        let (mut numbers, mut categories) = (0, 0);
        for wanted in [false, true] {
            for (column, cell) in columns.iter().zip(x).filter(|(column, _)| column.categories().is_some() == wanted) {
                let known = if cell.is_nan() { 0.0 } else { *cell };
                let value: Vec<f64> = match column.categories() {
                    None => {
                        numbers += 1;
                        row("directions", numbers - 1).iter().map(|v| v * known).collect()
                    }
                    Some(names) => {
                        categories += names.len();
                        row("categories", categories - names.len() + known as usize)
                    }
                };
                let place = row("columns", tokens.len() - 1);
                tokens.push(value.iter().zip(place).map(|(a, b)| a + b).collect());
                hidden.push(cell.is_nan());
            }
        }
        self.blocks(name, tokens, &hidden, heads).swap_remove(0)
    }

    fn stack(&self, name: &str, map: Map, layers: &[ConvLayer], sequence: bool) -> Map {
        layers.iter().enumerate().fold(map, |map, (i, layer)| {
            let (k, p) = (layer.kernel, layer.padding);
            let (kernel, padding) = if sequence { ([k, 1], [p, 0]) } else { ([k, k], [p, p]) };
            self.convolve(&format!("{name}.{i}"), &map, kernel, layer.stride, padding).relu()
        })
    }

    /// Logits and feature of one sample under one subset; nothing is left out, absent tokens are masked.
    pub fn answer(&self, inputs: &[Vec<f32>], subset: ModalitySet) -> (Vec<f64>, Vec<f64>) {
        let positions = &self.get("positions").1;
        let width = self.get("class_token").0[1];
        let mut tokens: Rows = vec![self.get("class_token").1.clone()];
        let mut hidden = vec![false];
        for (m, x) in inputs.iter().enumerate() {
            let row = if self.rows == EmbeddingRows::Published { m.min(1) } else { m };
            let embedding = &self.get("modality_embedding.weight").1[row * width..(row + 1) * width];
            for token in self.encode(m, x) {
                let projected =
                    if token.len() == width { token } else { self.linear(&format!("projections.{m}"), &token) };
                let normed = self.norm(&format!("norms.{m}"), &projected);
                let kept = if subset.contains(m) { normed } else { vec![0.0; width] };
                tokens.push(kept.iter().zip(embedding).map(|(a, b)| a + b).collect());
                hidden.push(!subset.contains(m));
            }
        }
        for (token, position) in tokens.iter_mut().zip(positions.chunks_exact(width)) {
            token.iter_mut().zip(position).for_each(|(a, b)| *a += b);
        }
        let tokens = self.blocks("", tokens, &hidden, self.heads);
        let logits = self.linear("classifier", &tokens[0]);
        let mut feature = self.linear("projection", &tokens[0]);
        if self.layout.scale() == FeatureScale::Unit {
            let length = feature.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
            feature.iter_mut().for_each(|v| *v /= length);
        }
        (logits, feature)
    }

    /// All blocks below a name, one after the other.
    fn blocks(&self, name: &str, mut tokens: Rows, hidden: &[bool], heads: usize) -> Rows {
        let name = |block: usize| format!("{name}.blocks.{block}").trim_start_matches('.').to_string();
        let count = (0..).take_while(|i| self.weights.contains_key(&format!("{}.qkv.weight", name(*i)))).count();
        for block in 0..count {
            tokens = self.block(&name(block), tokens, hidden, heads);
        }
        tokens
    }

    fn block(&self, name: &str, mut tokens: Rows, hidden: &[bool], heads: usize) -> Rows {
        let width = tokens[0].len();
        let qkv: Rows = tokens
            .iter()
            .map(|t| self.linear(&format!("{name}.qkv"), &self.norm(&format!("{name}.norm1"), t)))
            .collect();
        let size = width / heads;
        for (i, token) in tokens.iter_mut().enumerate() {
            let mut mixed = vec![0.0; width];
            for head in 0..heads {
                let part = |row: &[f64], which: usize| row[which * width + head * size..][..size].to_vec();
                let query = part(&qkv[i], 0);
                let scores: Vec<f64> = qkv
                    .iter()
                    .zip(hidden)
                    .map(|(row, hidden)| {
                        let dot: f64 = query.iter().zip(part(row, 1)).map(|(a, b)| a * b).sum();
                        dot / (size as f64).sqrt() + if *hidden { HIDDEN } else { 0.0 }
                    })
                    .collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
                let total: f64 = powers.iter().sum();
                for (power, row) in powers.iter().zip(&qkv) {
                    for (k, value) in part(row, 2).iter().enumerate() {
                        mixed[head * size + k] += power / total * value;
                    }
                }
            }
            let out = self.linear(&format!("{name}.proj"), &mixed);
            token.iter_mut().zip(out).for_each(|(a, b)| *a += b);
        }
        for token in &mut tokens {
            let inner = self.linear(&format!("{name}.fc1"), &self.norm(&format!("{name}.norm2"), token));
            let inner: Vec<f64> = inner.iter().map(|v| 0.5 * v * (1.0 + erf(v / std::f64::consts::SQRT_2))).collect();
            let out = self.linear(&format!("{name}.fc2"), &inner);
            token.iter_mut().zip(out).for_each(|(a, b)| *a += b);
        }
        tokens
    }
}

fn relu(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(|v| v.max(0.0)).collect()
}

/// By its series, and by its continued fraction farther out.
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    let value = if a < 2.5 {
        let (mut term, mut sum) = (a, a);
        for n in 1..60 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let fraction = (1..60).rev().fold(a, |f, n| a + f64::from(n) / 2.0 / f);
        1.0 - (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

/// `[height, width, channels]`.
struct Map {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<f64>,
}

impl Map {
    /// The value at a place of the padded map.
    fn at(&self, i: usize, j: usize, c: usize, padding: [usize; 2]) -> f64 {
        let (Some(i), Some(j)) = (i.checked_sub(padding[0]), j.checked_sub(padding[1])) else { return 0.0 };
        if i < self.height && j < self.width { self.values[(i * self.width + j) * self.channels + c] } else { 0.0 }
    }

    fn relu(mut self) -> Self {
        self.values = relu(self.values);
        self
    }

    fn channels_first(&self) -> Vec<f64> {
        let place = |c: usize| (0..self.height * self.width).map(move |p| self.values[p * self.channels + c]);
        (0..self.channels).flat_map(place).collect()
    }

    /// 2×2 maxima as tokens, in row order.
    fn pooled(&self) -> Rows {
        let places = (0..self.height / 2).flat_map(|i| (0..self.width / 2).map(move |j| (2 * i, 2 * j)));
        let most = |i: usize, j: usize, c: usize| {
            let near = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)];
            near.iter().map(|(i, j)| self.at(*i, *j, c, [0, 0])).fold(f64::NEG_INFINITY, f64::max)
        };
        places.map(|(i, j)| (0..self.channels).map(|c| most(i, j, c)).collect()).collect()
    }
}
