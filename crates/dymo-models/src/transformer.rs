//! The pre-norm transformer block of the fusion network (method, section 2.4).

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Device, Tensor, activation};

use dymo_kernels::Sequence;

use crate::layers::normalise;
use crate::ops::{self, BlockParameters};

/// Width of the hidden layer of a block in widths of the block.
const MLP_RATIO: usize = 4;

/// Attention (joint query, key and value without bias; output with bias), then an MLP with exact GELU, each behind a LayerNorm
/// and added to its input.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    heads: usize,
}

/// Tokens of each sample that no other token may see.
#[derive(Debug, Clone)]
pub(crate) struct Hidden {
    /// Added to the scores of attention, `[B, N]`.
    scores: Tensor<2>,
    /// The same for the kernels, row after row; on the CPU only.
    flags: Option<Vec<bool>>,
}

/// Added to the score of a hidden token: its exponential is 0 beside any other score.
const HIDDEN: f64 = -1e9;

impl Hidden {
    /// `flags [B, N]`, true = hidden.
    pub fn new(flags: Tensor<2, Bool>) -> Self {
        let on_cpu = ops::is_cpu(&flags.device());
        let scores = flags.clone().float() * HIDDEN;
        let flags = if on_cpu { flags.into_data().convert::<bool>().try_to_vec::<bool>().ok() } else { None };
        Self { scores, flags }
    }
}

/// What the first token of each sample has read after all blocks: `[B, N, d]` → `[B, 1, d]`. Of the last block it alone is computed.
pub(crate) fn read_first(blocks: &[Block], tokens: Tensor<3>, hidden: &Hidden) -> Tensor<3> {
    let last = blocks.len().saturating_sub(1);
    let read = blocks.iter().enumerate().fold(tokens, |tokens, (i, block)| {
        let queries = if i == last { 1 } else { tokens.dims()[1] };
        block.read_hiding(tokens, queries, hidden)
    });
    read.narrow(1, 0, 1)
}

fn one_sequence(tokens: usize, queries: usize) -> Vec<Sequence> {
    vec![Sequence { tokens: (0..tokens).collect(), queries }]
}

impl Block {
    /// `heads` divides `width`.
    pub fn new(width: usize, heads: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(width).init(device),
            qkv: LinearConfig::new(width, 3 * width).with_bias(false).init(device),
            proj: LinearConfig::new(width, width).init(device),
            norm2: LayerNormConfig::new(width).init(device),
            fc1: LinearConfig::new(width, MLP_RATIO * width).init(device),
            fc2: LinearConfig::new(MLP_RATIO * width, width).init(device),
            heads,
        }
    }

    /// Attention heads.
    pub(crate) fn heads(&self) -> usize {
        self.heads
    }

    /// All tokens: `[B, N, d]` → `[B, N, d]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let tokens = x.dims()[1];
        self.read(x, tokens)
    }

    /// The same output for the first token only: `[B, N, d]` → `[B, 1, d]`. Exact: the other tokens enter as keys and values.
    pub fn forward_first(&self, x: Tensor<3>) -> Tensor<3> {
        self.read(x, 1)
    }

    fn read(&self, x: Tensor<3>, queries: usize) -> Tensor<3> {
        let tokens = x.dims()[1];
        if ops::is_cpu(&x.device()) {
            return self.read_sequences(x, one_sequence(tokens, queries));
        }
        self.read_by_operators(x, queries)
    }

    /// Some sequences of the tokens of every sample, one after the other: `[B, N, d]` → `[B, tokens read out, d]`. Queries, keys and
    /// values of a token that several of them share are made once. For CPU devices only.
    pub(crate) fn read_sequences(&self, x: Tensor<3>, sequences: Vec<Sequence>) -> Tensor<3> {
        ops::transformer_block(x, self.parameters(), self.heads, sequences, None)
    }

    /// The first `queries` tokens where some are hidden from some samples: no token sees them but they themselves.
    pub(crate) fn read_hiding(&self, x: Tensor<3>, queries: usize, hidden: &Hidden) -> Tensor<3> {
        if let Some(flags) = &hidden.flags {
            let sequence = one_sequence(x.dims()[1], queries);
            return ops::transformer_block(x, self.parameters(), self.heads, sequence, Some(flags.clone()));
        }
        self.by_operators(x, queries, Some(&hidden.scores))
    }

    /// Its weights, absent biases as zeros.
    pub(crate) fn parameters(&self) -> BlockParameters {
        let norm = |n: &LayerNorm| {
            let gamma = n.gamma.val();
            let beta = n.beta.as_ref().map_or_else(|| gamma.zeros_like(), |b| b.val());
            (gamma, beta)
        };
        let linear = |l: &Linear| {
            let weight = l.weight.val();
            let outputs = weight.dims()[1];
            let bias = l.bias.as_ref().map_or_else(|| Tensor::zeros([outputs], &weight.device()), |b| b.val());
            (weight, bias)
        };
        BlockParameters {
            norm1: norm(&self.norm1),
            qkv: self.qkv.weight.val(),
            proj: linear(&self.proj),
            norm2: norm(&self.norm2),
            fc1: linear(&self.fc1),
            fc2: linear(&self.fc2),
        }
    }

    /// The block step by step in tensor operators: for devices that the kernels cannot reach, and the yardstick of the kernel.
    pub fn read_by_operators(&self, x: Tensor<3>, queries: usize) -> Tensor<3> {
        self.by_operators(x, queries, None)
    }

    /// [`Self::read_hiding`] step by step.
    #[cfg(test)]
    pub(crate) fn read_hiding_by_operators(&self, x: Tensor<3>, queries: usize, hidden: &Hidden) -> Tensor<3> {
        self.by_operators(x, queries, Some(&hidden.scores))
    }

    fn by_operators(&self, x: Tensor<3>, queries: usize, hidden: Option<&Tensor<2>>) -> Tensor<3> {
        let normal = normalise(&self.norm1, x.clone());
        let x = x.narrow(1, 0, queries) + self.attend(normal, queries, hidden);
        let hidden = ops::gelu(self.fc1.forward(normalise(&self.norm2, x.clone())));
        x + self.fc2.forward(hidden)
    }

    /// Attention of the first `queries` tokens over all: `[B, N, d]` → `[B, queries, d]`.
    fn attend(&self, x: Tensor<3>, queries: usize, hidden: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let head = width / self.heads;
        let weight = self.qkv.weight.val();
        let split = |x: Tensor<3>, first: usize, parts: usize, tokens: usize| {
            let product =
                x.reshape([batch * tokens, width]).matmul(weight.clone().narrow(1, first * width, parts * width));
            product.reshape([batch, tokens, parts, self.heads, head]).permute([2, 0, 3, 1, 4])
        };
        let part = |x: &Tensor<5>, index: usize, tokens: usize| {
            x.clone().narrow(0, index, 1).reshape([batch, self.heads, tokens, head])
        };
        let (q, k, v) = if queries == tokens {
            let qkv = split(x, 0, 3, tokens);
            (part(&qkv, 0, tokens), part(&qkv, 1, tokens), part(&qkv, 2, tokens))
        } else {
            let q = split(x.clone().narrow(1, 0, queries), 0, 1, queries);
            let kv = split(x, 1, 2, tokens);
            (part(&q, 0, queries), part(&kv, 0, tokens), part(&kv, 1, tokens))
        };
        let scores = (q * (1.0 / (head as f64).sqrt())).matmul(k.swap_dims(2, 3));
        let scores = match hidden {
            None => scores,
            Some(hidden) => {
                let own = Tensor::<2>::eye(tokens, &hidden.device()).narrow(0, 0, queries);
                let others = own.neg().add_scalar(1.0).reshape([1, 1, queries, tokens]);
                scores + hidden.clone().reshape([batch, 1, 1, tokens]) * others
            }
        };
        let mixed = activation::softmax(scores, 3).matmul(v);
        self.proj.forward(mixed.swap_dims(1, 2).reshape([batch, queries, width]))
    }
}
