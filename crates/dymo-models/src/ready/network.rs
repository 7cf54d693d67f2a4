//! The fusion network.

use burn::nn::LayerNorm;
use burn::tensor::{Device, Tensor, TensorData};
use dymo_kernels::{BlockWeights, Finish, Layer, Recycled, Trunk, norm_rows};
use rayon::prelude::*;

use super::chain::Chain;
use super::{dense, numbers};
use crate::encoder::Encoder;
use crate::fusion::{FeatureScale, FusionNetwork};
use crate::ops::{BlockParameters, NORM_EPSILON};

/// A [`FusionNetwork`] whose tokens and answers are plain numbers.
#[derive(Debug, Clone)]
pub(crate) struct ReadyNetwork {
    modalities: Vec<Modality>,
    /// The class token with its position, prepared.
    class: Vec<f32>,
    trunk: Trunk,
    classifier: Layer,
    projection: Layer,
    scale: FeatureScale,
    width: usize,
}

/// What turns one modality's input into tokens.
#[derive(Debug, Clone)]
struct Modality {
    values: usize,
    tokens: usize,
    /// To tokens of the network's width; `None` where the encoder has no such form and its module is asked.
    chain: Option<Chain>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    /// Embedding and positions, `[T, d]`.
    offset: Vec<f32>,
}

impl ReadyNetwork {
    /// `None` if a weight cannot be read.
    pub fn new(network: &FusionNetwork) -> Option<Self> {
        let layout = network.layout();
        let parameters: Vec<BlockParameters> = network.blocks.iter().map(|b| b.parameters()).collect();
        let weights: Vec<OwnedBlock> = parameters.into_iter().map(OwnedBlock::new).collect::<Option<_>>()?;
        let views: Vec<BlockWeights<'_>> = weights.iter().map(OwnedBlock::view).collect();
        let width = network.class_token.dims()[1];
        let trunk = Trunk::new(width, network.blocks.first()?.heads(), &views);
        let token = numbers(network.class_token.val() + network.positions.val().narrow(0, 0, 1))?;
        let mut class = vec![0.0; trunk.prepared_len()];
        trunk.prepare(&token, &mut class);
        let modalities = (0..layout.modalities()).into_par_iter().map(|m| Modality::new(network, m));
        let modalities = modalities.collect::<Option<_>>()?;
        let (classifier, projection) = (dense(&network.classifier)?, dense(&network.projection)?);
        Some(Self { modalities, class, trunk, classifier, projection, scale: layout.scale(), width })
    }

    /// Floats of one sample's prepared tokens of a modality.
    pub fn prepared_len(&self, modality: usize) -> usize {
        self.modalities[modality].tokens * self.trunk.prepared_len()
    }

    /// Modalities with inputs `[n, values]` → for each prepared tokens `[n, prepared_len]`; `network` is the one that this was made
    /// of. `None` if a module's answer is not in single precision.
    pub fn tokens(&self, network: &FusionNetwork, inputs: Vec<(usize, Recycled)>) -> Option<Vec<Recycled>> {
        // At once, so that threads have work until the last block of the last modality.
        let chained: Vec<Option<Recycled>> = inputs.par_iter().map(|(m, x)| self.chained(*m, x)).collect();
        let made = chained.into_iter().zip(inputs);
        made.map(|(tokens, (m, x))| tokens.or_else(|| self.by_module(network, m, x))).collect()
    }

    fn chained(&self, modality: usize, x: &[f32]) -> Option<Recycled> {
        let (it, output) = (&self.modalities[modality], self.prepared_len(modality));
        let end = |tokens: &[f32], out: &mut [f32]| {
            let mut normal = Recycled::take(tokens.len());
            norm_rows(tokens, &it.gamma, &it.beta, NORM_EPSILON as f32, &mut normal);
            for row in normal.chunks_exact_mut(it.offset.len()) {
                row.iter_mut().zip(&it.offset).for_each(|(v, o)| *v += o);
            }
            self.trunk.prepare(&normal, out);
        };
        Some(it.chain.as_ref()?.forward(x, it.values, output, end))
    }

    fn by_module(&self, network: &FusionNetwork, modality: usize, x: Recycled) -> Option<Recycled> {
        let values = self.modalities[modality].values;
        let rows = x.len() / values;
        let x = TensorData::new(x.into_vec(), [rows, values]);
        let tokens = numbers(network.tokens(modality, Tensor::from_data(x, &Device::flex())))?;
        let mut out = Recycled::take(tokens.len() / self.width * self.trunk.prepared_len());
        self.trunk.prepare(&tokens, &mut out);
        Some(out)
    }

    /// `queries[i]` lists the prepared tokens of the modalities that are present, ascending → logits `[n, C]`, features `[n, D]`.
    pub fn fuse<'t>(&'t self, mut queries: Vec<Vec<&'t [f32]>>) -> (Vec<f32>, Vec<f32>) {
        queries.iter_mut().for_each(|parts| parts.insert(0, &self.class));
        let read = self.trunk.read(&queries);
        let mut logits = vec![0.0; queries.len() * self.classifier.outputs()];
        let mut features = vec![0.0; queries.len() * self.projection.outputs()];
        self.classifier.forward(&read, &mut logits);
        self.projection.forward(&read, &mut features);
        if self.scale == FeatureScale::Unit {
            features.chunks_exact_mut(self.projection.outputs()).for_each(to_unit_length);
        }
        (logits, features)
    }

    /// Classes C and feature width D.
    pub fn answer_len(&self) -> (usize, usize) {
        (self.classifier.outputs(), self.projection.outputs())
    }
}

/// As the module does: a length below 1e-12 stays.
fn to_unit_length(row: &mut [f32]) {
    let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    row.iter_mut().for_each(|v| *v /= length);
}

impl Modality {
    fn new(network: &FusionNetwork, m: usize) -> Option<Self> {
        let layout = network.layout();
        let (kind, tokens) = (&layout.inputs()[m].kind, layout.tokens(m));
        let (first, count) = (1 + network.first_token(m), tokens);
        let offset = numbers(network.positions.val().narrow(0, first, count) + network.embedding_row(m))?;
        let (gamma, beta) = norm(&network.norms[m])?;
        let mut chain = encoder(&network.encoders[m]);
        if let (Some(chain), Some(projection)) = (&mut chain, &network.projections[m]) {
            chain.push(dense(projection)?);
        }
        // A pooling stands at the end of a chain, so a projection behind it has to be a module.
        let chain =
            chain.filter(|_| network.projections[m].is_none() || matches!(network.encoders[m], Encoder::Perceptron(_)));
        Some(Self { values: kind.values(), tokens, chain, gamma, beta, offset })
    }
}

/// The chain of an encoder, where there is one.
fn encoder(encoder: &Encoder) -> Option<Chain> {
    let mut chain = Chain::default();
    match encoder {
        Encoder::Convolutional(it) => {
            let [height, width, _] = chain.push_convolutions(&it.stack, it.shape)?;
            chain.push_pointwise(&it.projection)?;
            Some(chain.pooled([height, width, it.projection.weight.dims()[0]]))
        }
        // The features of a table are made by its module.
        Encoder::Perceptron(it) if it.features.width() == it.features.outputs() => {
            chain.push(dense(&it.hidden)?.with_finish(Finish::Relu));
            chain.push(dense(&it.output)?);
            Some(chain)
        }
        _ => None,
    }
}

/// γ and β.
fn norm(norm: &LayerNorm) -> Option<(Vec<f32>, Vec<f32>)> {
    let gamma = numbers(norm.gamma.val())?;
    let beta = match &norm.beta {
        Some(beta) => numbers(beta.val())?,
        None => vec![0.0; gamma.len()],
    };
    Some((gamma, beta))
}

/// A block's weights in plain memory.
struct OwnedBlock {
    norm1: (Vec<f32>, Vec<f32>),
    qkv: Vec<f32>,
    proj: (Vec<f32>, Vec<f32>),
    norm2: (Vec<f32>, Vec<f32>),
    fc1: (Vec<f32>, Vec<f32>),
    fc2: (Vec<f32>, Vec<f32>),
}

impl OwnedBlock {
    fn new(p: BlockParameters) -> Option<Self> {
        Some(Self {
            norm1: (numbers(p.norm1.0)?, numbers(p.norm1.1)?),
            qkv: numbers(p.qkv)?,
            proj: (numbers(p.proj.0)?, numbers(p.proj.1)?),
            norm2: (numbers(p.norm2.0)?, numbers(p.norm2.1)?),
            fc1: (numbers(p.fc1.0)?, numbers(p.fc1.1)?),
            fc2: (numbers(p.fc2.0)?, numbers(p.fc2.1)?),
        })
    }

    fn view(&self) -> BlockWeights<'_> {
        BlockWeights {
            norm1: (&self.norm1.0, &self.norm1.1),
            qkv: &self.qkv,
            proj: (&self.proj.0, &self.proj.1),
            norm2: (&self.norm2.0, &self.norm2.1),
            fc1: (&self.fc1.0, &self.fc1.1),
            fc2: (&self.fc2.0, &self.fc2.1),
            epsilon: NORM_EPSILON as f32,
        }
    }
}
