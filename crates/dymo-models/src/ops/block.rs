//! The whole transformer block as one operator on the `Flex` backend.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Backend, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use dymo_kernels::{BlockSaved, BlockShape, BlockWeights, Reading, Sequence, block_backward, block_forward, zeros};

use super::NORM_EPSILON;
use super::fast::{settled, shape, slice, tensor};

/// The block from `dymo-kernels`. Only tensors of the `Flex` backend may be handed in.
#[backend_extension(Autodiff, Flex)]
pub trait BlockOps: Backend {
    /// See [`super::transformer_block`]; weights in the order of `super::BlockParameters`.
    #[allow(clippy::too_many_arguments, reason = "the macro wants a flat signature")]
    fn dymo_block(
        x: FloatTensor<Self>,
        norm1_gamma: FloatTensor<Self>,
        norm1_beta: FloatTensor<Self>,
        qkv: FloatTensor<Self>,
        proj_weight: FloatTensor<Self>,
        proj_bias: FloatTensor<Self>,
        norm2_gamma: FloatTensor<Self>,
        norm2_beta: FloatTensor<Self>,
        fc1_weight: FloatTensor<Self>,
        fc1_bias: FloatTensor<Self>,
        fc2_weight: FloatTensor<Self>,
        fc2_bias: FloatTensor<Self>,
        heads: usize,
        sequences: Vec<Sequence>,
        hidden: Option<Vec<bool>>,
    ) -> FloatTensor<Self>;
}

/// Input and weights, settled in memory: `[x, norm1 γ β, qkv, proj W b, norm2 γ β, fc1 W b, fc2 W b]`.
type Operands = [FlexTensor; 12];

fn reading(operands: &Operands, heads: usize, sequences: Vec<Sequence>) -> Reading {
    let (x, fc1) = (shape(&operands[0]), shape(&operands[8]));
    let shape = BlockShape { batch: x[0], tokens: x[1], width: x[2], heads, hidden: fc1[1], queries: x[1] };
    Reading::new(shape, sequences)
}

fn weights(operands: &Operands) -> BlockWeights<'_> {
    let [_, g1, b1, qkv, pw, pb, g2, b2, w1, v1, w2, v2] = operands;
    BlockWeights {
        norm1: (slice(g1), slice(b1)),
        qkv: slice(qkv),
        proj: (slice(pw), slice(pb)),
        norm2: (slice(g2), slice(b2)),
        fc1: (slice(w1), slice(v1)),
        fc2: (slice(w2), slice(v2)),
        epsilon: NORM_EPSILON as f32,
    }
}

fn forward(
    reading: &Reading,
    operands: &Operands,
    hidden: Option<&[bool]>,
    saved: Option<&mut BlockSaved>,
) -> FlexTensor {
    let [batch, _, width] = [0, 1, 2].map(|i| shape(&operands[0])[i]);
    let mut out = zeros(reading.output_len());
    block_forward(reading, &weights(operands), slice(&operands[0]), hidden, &mut out, saved);
    tensor(out, Shape::new([batch, reading.queries(), width]))
}

impl BlockOps for Flex {
    fn dymo_block(
        x: FlexTensor,
        norm1_gamma: FlexTensor,
        norm1_beta: FlexTensor,
        qkv: FlexTensor,
        proj_weight: FlexTensor,
        proj_bias: FlexTensor,
        norm2_gamma: FlexTensor,
        norm2_beta: FlexTensor,
        fc1_weight: FlexTensor,
        fc1_bias: FlexTensor,
        fc2_weight: FlexTensor,
        fc2_bias: FlexTensor,
        heads: usize,
        sequences: Vec<Sequence>,
        hidden: Option<Vec<bool>>,
    ) -> FlexTensor {
        let operands = [
            x,
            norm1_gamma,
            norm1_beta,
            qkv,
            proj_weight,
            proj_bias,
            norm2_gamma,
            norm2_beta,
            fc1_weight,
            fc1_bias,
            fc2_weight,
            fc2_bias,
        ]
        .map(settled);
        forward(&reading(&operands, heads, sequences), &operands, hidden.as_deref(), None)
    }
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct BlockState {
    reading: Reading,
    operands: Operands,
    saved: Arc<BlockSaved>,
}

#[derive(Debug)]
struct BlockBackward;

impl Backward<Flex, 12> for BlockBackward {
    type State = BlockState;

    fn backward(self, ops: Ops<BlockState, 12>, grads: &mut Gradients, _: &mut Checkpointer) {
        let BlockState { reading, operands, saved } = ops.state;
        let dy = settled(grads.consume::<Flex>(&ops.node));
        let mut dx = zeros(reading.input_len());
        let g = block_backward(&reading, &weights(&operands), slice(&operands[0]), &saved, slice(&dy), &mut dx);
        let gradients = [
            dx, g.norm1.0, g.norm1.1, g.qkv, g.proj.0, g.proj.1, g.norm2.0, g.norm2.1, g.fc1.0, g.fc1.1, g.fc2.0,
            g.fc2.1,
        ];
        for ((parent, gradient), operand) in ops.parents.into_iter().zip(gradients).zip(&operands) {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, tensor(gradient, operand.layout().shape().clone()));
            }
        }
    }
}

impl<C: CheckpointStrategy> BlockOps for Autodiff<Flex, C> {
    fn dymo_block(
        x: FloatTensor<Self>,
        norm1_gamma: FloatTensor<Self>,
        norm1_beta: FloatTensor<Self>,
        qkv: FloatTensor<Self>,
        proj_weight: FloatTensor<Self>,
        proj_bias: FloatTensor<Self>,
        norm2_gamma: FloatTensor<Self>,
        norm2_beta: FloatTensor<Self>,
        fc1_weight: FloatTensor<Self>,
        fc1_bias: FloatTensor<Self>,
        fc2_weight: FloatTensor<Self>,
        fc2_bias: FloatTensor<Self>,
        heads: usize,
        sequences: Vec<Sequence>,
        hidden: Option<Vec<bool>>,
    ) -> FloatTensor<Self> {
        let tracked = [
            x,
            norm1_gamma,
            norm1_beta,
            qkv,
            proj_weight,
            proj_bias,
            norm2_gamma,
            norm2_beta,
            fc1_weight,
            fc1_bias,
            fc2_weight,
            fc2_bias,
        ];
        let nodes = tracked.each_ref().map(|t| t.node());
        let operands = tracked.each_ref().map(|t| settled(t.primitive().clone()));
        let reading = reading(&operands, heads, sequences);
        match BlockBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let mut saved = BlockSaved::default();
                let out = forward(&reading, &operands, hidden.as_deref(), Some(&mut saved));
                prep.finish(BlockState { reading, operands, saved: Arc::new(saved) }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(&reading, &operands, hidden.as_deref(), None)),
        }
    }
}
