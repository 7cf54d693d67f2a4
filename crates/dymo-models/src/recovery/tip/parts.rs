//! The parts of a TIP that no other network has.

use burn::module::{Initializer, Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

use crate::encoder::CellTokens;
use crate::flat::Cells;
use crate::layers::normalise;
use crate::transformer::{Block, Hidden};

/// Columns to tokens that know of each other; missing cells are a mask token that only they themselves see.
#[derive(Module, Debug)]
pub struct TableEncoder {
    /// `[1, d]`.
    class: Param<Tensor<2>>,
    /// In place of what a missing cell would hold, `[1, d]`.
    mask: Param<Tensor<2>>,
    tokens: CellTokens,
    norm: LayerNorm,
    blocks: Vec<Block>,
}

impl TableEncoder {
    pub(super) fn new(cells: Cells, width: usize, heads: usize, blocks: usize, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            class: normal.init([1, width], device),
            mask: normal.init([1, width], device),
            tokens: CellTokens::new(cells, width, device),
            norm: LayerNormConfig::new(width).init(device),
            blocks: (0..blocks).map(|_| Block::new(width, heads, device)).collect(),
        }
    }

    /// The columns by what they hold.
    pub(super) fn cells(&self) -> &Cells {
        self.tokens.cells()
    }

    /// `[B, columns]`, NaN where a cell is missing → the class token and a token for each column, numbers first: `[B, 1 + columns, d]`.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let ([batch, _], device) = (x.dims(), x.device());
        let (cells, missing) = self.tokens.forward_masked(x, self.mask.val());
        let class = self.class.val().unsqueeze_dim::<3>(0).expand([batch, 1, self.class.dims()[1]]);
        let tokens = normalise(&self.norm, Tensor::cat(vec![class, cells], 1));
        let seen = Tensor::<2>::zeros([batch, 1], &device).bool();
        let hidden = Hidden::new(Tensor::cat(vec![seen, missing], 1));
        self.blocks.iter().fold(tokens, |tokens, block| {
            let all = tokens.dims()[1];
            block.read_hiding(tokens, all, &hidden)
        })
    }
}

/// Cross-attention to the pictures' tokens, then a transformer block.
#[derive(Module, Debug)]
pub struct JointBlock {
    norm: LayerNorm,
    query: Linear,
    key_value: Linear,
    proj: Linear,
    block: Block,
    #[module(skip)]
    heads: usize,
}

impl JointBlock {
    pub(super) fn new(width: usize, heads: usize, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(width).init(device),
            query: LinearConfig::new(width, width).init(device),
            key_value: LinearConfig::new(width, 2 * width).with_bias(false).init(device),
            proj: LinearConfig::new(width, width).init(device),
            block: Block::new(width, heads, device),
            heads,
        }
    }

    /// `tokens [B, N, d]`, `pictures [B, T, d]` → `[B, N, d]`.
    pub(super) fn forward(&self, tokens: Tensor<3>, pictures: Tensor<3>) -> Tensor<3> {
        let [batch, n, width] = tokens.dims();
        let (t, head) = (pictures.dims()[1], width / self.heads);
        let asking = self.query.forward(normalise(&self.norm, tokens.clone()));
        let query = asking.reshape([batch, n, self.heads, head]).swap_dims(1, 2);
        let offered =
            self.key_value.forward(pictures).reshape([batch, t, 2, self.heads, head]).permute([2, 0, 3, 1, 4]);
        let part = |index: usize| offered.clone().narrow(0, index, 1).reshape([batch, self.heads, t, head]);
        let scores = (query * (1.0 / (head as f64).sqrt())).matmul(part(0).swap_dims(2, 3));
        let mixed = activation::softmax(scores, 3).matmul(part(1)).swap_dims(1, 2).reshape([batch, n, width]);
        self.block.forward(tokens + self.proj.forward(mixed))
    }
}

/// To an embedding of length one: a hidden layer with ReLU, a linear layer.
#[derive(Module, Debug)]
pub struct Head {
    hidden: Linear,
    output: Linear,
}

impl Head {
    pub(super) fn new(width: usize, projection: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(width, width).init(device),
            output: LinearConfig::new(width, projection).init(device),
        }
    }

    /// `[B, d]` → `[B, projection]`.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.output.forward(activation::relu(self.hidden.forward(x)));
        let length = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
        x / length
    }
}
