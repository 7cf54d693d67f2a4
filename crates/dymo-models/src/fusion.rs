//! The fusion network: any number of modalities, any tokens per modality, any encoder (method, section 2).
//!
//! What does not depend on the subset is computed once: [`FusionNetwork::tokens`] encodes a modality and adds its embedding
//! and positions; [`FusionNetwork::fuse`] takes the tokens of the modalities that are present and nothing else. Leaving absent
//! tokens out is exact, because nothing ever attends to them and only the class token is read.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use dymo_core::{Kind, ModalitySet};
use dymo_kernels::Sequence;
use serde::{Deserialize, Serialize};

use crate::encoder::{Encoder, EncoderSettings};
use crate::layers::normalise;
use crate::ops;
use crate::transformer::Block;

/// How features are compared, which settles whether the network scales them to length one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureScale {
    /// Length one: for the cosine metric.
    Unit,
    /// As they come: for the Euclidean metric.
    Free,
}

/// Which row of the modality embedding a modality uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbeddingRows {
    /// A row of its own.
    #[default]
    OnePerModality,
    /// As in the released networks: modality 0 uses row 0 and every other modality row 1.
    Published,
}

/// One modality as the network sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What a sample of it looks like as numbers.
    pub kind: Kind,
    /// What turns it into tokens.
    pub encoder: EncoderSettings,
}

/// Everything needed to build the network: checked, so that what takes it cannot fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FusionTable")]
pub struct FusionLayout {
    inputs: Vec<Input>,
    width: usize,
    heads: usize,
    blocks: usize,
    feature_width: usize,
    classes: usize,
    scale: FeatureScale,
    embedding_rows: EmbeddingRows,
}

/// A layout as it stands in a file, before the check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionTable {
    /// The modalities, in order.
    pub inputs: Vec<Input>,
    /// Width d of a token.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Transformer blocks L.
    pub blocks: usize,
    /// Width D of the fused feature.
    pub feature_width: usize,
    /// Classes C.
    pub classes: usize,
    /// Whether features have length one.
    pub scale: FeatureScale,
    /// Which embedding rows are used.
    #[serde(default)]
    pub embedding_rows: EmbeddingRows,
}

/// Why a fusion network cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// No modality, or more than a [`ModalitySet`] holds.
    #[error("{found} modalities, the fusion network takes 1 to {}", ModalitySet::MAX)]
    Modalities {
        /// Number of modalities given.
        found: usize,
    },
    /// Heads must divide the width.
    #[error("width {width} cannot be split into {heads} heads: choose heads that divide the width")]
    Heads {
        /// Width given.
        width: usize,
        /// Heads given.
        heads: usize,
    },
    /// An extent of zero.
    #[error("{field} is 0, at least {least} is needed")]
    TooSmall {
        /// Name of the setting.
        field: &'static str,
        /// Smallest value that works.
        least: usize,
    },
    /// The encoder leaves no token of this kind of input.
    #[error(
        "the encoder of modality {modality} makes no token of an input of shape {shape:?}: either it reads another kind of input, or its heads do \
         not divide its width, or its layers leave nothing; choose an encoder of that kind, or fewer layers"
    )]
    Encoder {
        /// Number of the modality.
        modality: usize,
        /// Its shape, `[height, width, channels]`.
        shape: [usize; 3],
    },
}

impl TryFrom<FusionTable> for FusionLayout {
    type Error = LayoutError;

    fn try_from(t: FusionTable) -> Result<Self, LayoutError> {
        if t.inputs.is_empty() || t.inputs.len() > ModalitySet::MAX {
            return Err(LayoutError::Modalities { found: t.inputs.len() });
        }
        for (field, value, least) in [
            ("width", t.width, 1),
            ("heads", t.heads, 1),
            ("blocks", t.blocks, 1),
            ("feature_width", t.feature_width, 1),
        ] {
            if value < least {
                return Err(LayoutError::TooSmall { field, least });
            }
        }
        if t.classes < 2 {
            return Err(LayoutError::TooSmall { field: "classes", least: 2 });
        }
        if !t.width.is_multiple_of(t.heads) {
            return Err(LayoutError::Heads { width: t.width, heads: t.heads });
        }
        if let Some(modality) = t.inputs.iter().position(|i| !i.encoder.fits(&i.kind)) {
            return Err(LayoutError::Encoder { modality, shape: t.inputs[modality].kind.shape() });
        }
        Ok(Self {
            inputs: t.inputs,
            width: t.width,
            heads: t.heads,
            blocks: t.blocks,
            feature_width: t.feature_width,
            classes: t.classes,
            scale: t.scale,
            embedding_rows: t.embedding_rows,
        })
    }
}

impl FusionLayout {
    /// The modalities, in order.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Number of modalities M.
    pub fn modalities(&self) -> usize {
        self.inputs.len()
    }

    /// Width d of a token.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of classes C.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Width D of the fused feature.
    pub fn feature_width(&self) -> usize {
        self.feature_width
    }

    /// Whether features have length one.
    pub fn scale(&self) -> FeatureScale {
        self.scale
    }

    /// Tokens T_m of a modality.
    pub fn tokens(&self, modality: usize) -> usize {
        self.inputs.get(modality).map_or(0, |i| i.encoder.tokens(&i.kind))
    }

    /// The network with fresh weights: Burn's defaults, class token and positions zero, as the released PolyMNIST runs start
    /// (method, section 2).
    pub fn init(&self, device: &Device) -> FusionNetwork {
        let (d, m) = (self.width, self.modalities());
        let tokens: usize = (0..m).map(|i| self.tokens(i)).sum();
        let zeros = |shape: [usize; 2]| -> Param<Tensor<2>> { Initializer::Zeros.init(shape, device) };
        let projections = self.inputs.iter().map(|i| {
            let width = i.encoder.token_width();
            (width != d).then(|| LinearConfig::new(width, d).init(device))
        });
        FusionNetwork {
            encoders: self.inputs.iter().map(|i| i.encoder.init(&i.kind, device)).collect(),
            projections: projections.collect(),
            norms: (0..m).map(|_| LayerNormConfig::new(d).init(device)).collect(),
            modality_embedding: EmbeddingConfig::new(m, d).init(device),
            class_token: zeros([1, d]),
            positions: zeros([1 + tokens, d]),
            blocks: (0..self.blocks).map(|_| Block::new(d, self.heads, device)).collect(),
            classifier: LinearConfig::new(d, self.classes).init(device),
            projection: LinearConfig::new(d, self.feature_width).init(device),
            layout: self.clone(),
        }
    }
}

/// The network. Weights have the names of these fields.
#[derive(Module, Debug)]
pub struct FusionNetwork {
    pub(crate) encoders: Vec<Encoder>,
    pub(crate) projections: Vec<Option<Linear>>,
    pub(crate) norms: Vec<LayerNorm>,
    modality_embedding: Embedding,
    pub(crate) class_token: Param<Tensor<2>>,
    pub(crate) positions: Param<Tensor<2>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) classifier: Linear,
    pub(crate) projection: Linear,
    #[module(skip)]
    layout: FusionLayout,
}

/// What the network says of a batch under one subset.
#[derive(Debug, Clone)]
pub struct Fused {
    /// Classifier outputs, `[B, C]`.
    pub logits: Tensor<2>,
    /// Fused features z, `[B, D]`.
    pub feature: Tensor<2>,
}

impl FusionNetwork {
    /// How it was built.
    pub fn layout(&self) -> &FusionLayout {
        &self.layout
    }

    /// Tokens of one modality, ready to be fused under any subset: `[B, values]` → `[B, T_m, d]`. Encoder, LayerNorm,
    /// modality embedding and positions, in the order of method section 2 (the embedding of an absent modality is never read).
    pub fn tokens(&self, modality: usize, x: Tensor<2>) -> Tensor<3> {
        let mut tokens = self.encoders[modality].forward(x);
        if let Some(projection) = &self.projections[modality] {
            tokens = projection.forward(tokens);
        }
        let tokens = normalise(&self.norms[modality], tokens);
        let (first, count) = (1 + self.first_token(modality), self.layout.tokens(modality));
        let positions = self.positions.val().narrow(0, first, count);
        tokens + (positions + self.embedding_row(modality)).unsqueeze::<3>()
    }

    /// The last map of a modality's residual network, before its places become tokens: `[B, values]` → `[B, H', W', F]`; `None` for
    /// another encoder.
    pub fn feature_map(&self, modality: usize, x: Tensor<2>) -> Option<Tensor<4>> {
        match &self.encoders[modality] {
            Encoder::Residual(encoder) => Some(encoder.map(x)),
            _ => None,
        }
    }

    /// Fuses the tokens of the present modalities, in ascending order of their number: each `[B, T_m, d]`, at least one.
    pub fn fuse(&self, tokens: Vec<Tensor<3>>) -> Fused {
        let x = self.behind_class_token(tokens);
        let (last, before) = match self.blocks.split_last() {
            Some(split) => split,
            None => return self.read(x.narrow(1, 0, 1)),
        };
        let x = before.iter().fold(x, |x, block| block.forward(x));
        self.read(last.forward_first(x))
    }

    /// Fuses the same samples under several subsets: `tokens[m]` `[B, T_m, d]` of every modality that a subset names; others are not
    /// looked at. Rows of the result go subset after subset, `[subsets · B, ..]`. On the CPU, what the first block makes of a token by itself is
    /// made once for all subsets.
    pub fn fuse_subsets(&self, tokens: &[Option<Tensor<3>>], subsets: &[ModalitySet]) -> Fused {
        let of = |subset: &ModalitySet| subset.iter().filter_map(|m| tokens.get(m)?.clone()).collect::<Vec<_>>();
        let named = subsets.iter().fold(ModalitySet::EMPTY, |all, subset| all.union(*subset));
        let known = of(&named);
        let on_cpu = known.first().is_some_and(|t| ops::is_cpu(&t.device()));
        if !on_cpu || self.blocks.is_empty() {
            let (logits, features) =
                subsets.iter().map(|s| self.fuse(of(s))).map(|fused| (fused.logits, fused.feature)).unzip();
            return Fused { logits: Tensor::cat(logits, 0), feature: Tensor::cat(features, 0) };
        }
        // Of every modality its first token behind the class token, and how many there are.
        let mut places = Vec::new();
        let mut next = 1;
        for (m, tokens) in tokens.iter().enumerate() {
            let count = tokens.as_ref().filter(|_| named.contains(m)).map_or(0, |t| t.dims()[1]);
            places.push(next..next + count);
            next += count;
        }
        let mut lists: Vec<Vec<usize>> = subsets
            .iter()
            .map(|subset| std::iter::once(0).chain(subset.iter().flat_map(|m| places[m].clone())).collect())
            .collect();
        let mut x = self.behind_class_token(known);
        for (place, block) in self.blocks.iter().enumerate() {
            let last = place + 1 == self.blocks.len();
            let sequence =
                |tokens: &Vec<usize>| Sequence { tokens: tokens.clone(), queries: if last { 1 } else { tokens.len() } };
            x = block.read_sequences(x, lists.iter().map(sequence).collect());
            // From the second block on every subset has tokens of its own, side by side.
            let mut next = 0;
            for list in &mut lists {
                *list = (next..next + list.len()).collect();
                next += list.len();
            }
        }
        self.read(x.swap_dims(0, 1))
    }

    /// The class token in front of the tokens of some modalities: `[B, 1 + tokens, d]`.
    fn behind_class_token(&self, tokens: Vec<Tensor<3>>) -> Tensor<3> {
        let [batch, _, width] = tokens[0].dims();
        let class = (self.class_token.val() + self.positions.val().narrow(0, 0, 1)).unsqueeze::<3>();
        Tensor::cat(std::iter::once(class.expand([batch, 1, width])).chain(tokens).collect(), 1)
    }

    /// Classifier and projection on class tokens `[.., .., d]`, row after row.
    fn read(&self, class_tokens: Tensor<3>) -> Fused {
        let [groups, rows, width] = class_tokens.dims();
        let token = class_tokens.reshape([groups * rows, width]);
        let feature = self.projection.forward(token.clone());
        let feature = match self.layout.scale {
            FeatureScale::Unit => unit_length(feature),
            FeatureScale::Free => feature,
        };
        Fused { logits: self.classifier.forward(token), feature }
    }

    pub(crate) fn first_token(&self, modality: usize) -> usize {
        (0..modality).map(|m| self.layout.tokens(m)).sum()
    }

    pub(crate) fn embedding_row(&self, modality: usize) -> Tensor<2> {
        let row = match self.layout.embedding_rows {
            EmbeddingRows::OnePerModality => modality,
            EmbeddingRows::Published => modality.min(1),
        };
        let table = self.modality_embedding.weight.val();
        table.narrow(0, row, 1)
    }
}

/// Rows scaled to length one (length below 1e-12 stays, as in PyTorch's normalise).
fn unit_length(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    x / length
}
