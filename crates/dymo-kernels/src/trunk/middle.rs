//! A block all of whose tokens are needed.

use super::{HIDDEN_ROWS, Mlp, Norm, Together};
use crate::block::attention::{Asked, attend};
use crate::block::{BlockShape, BlockWeights};
use crate::layer::{Finish, Layer};
use crate::memory::with_scratch;

#[derive(Debug, Clone)]
pub(super) struct MiddleBlock {
    shape: BlockShape,
    norm: Norm,
    qkv: Layer,
    proj: Layer,
    mlp: Mlp,
}

impl MiddleBlock {
    pub fn new(shape: BlockShape, w: &BlockWeights<'_>) -> Self {
        let d = shape.width;
        Self {
            shape,
            norm: Norm::new(w.norm1, w.epsilon),
            qkv: Layer::dense(d, 3 * d, w.qkv, None),
            proj: Layer::dense(d, d, w.proj.0, Some(w.proj.1)).with_finish(Finish::Add),
            mlp: Mlp::new(d, shape.hidden, w),
        }
    }

    /// What tokens ask, offer and hold: `x [n, d]` → `[n, 3d]`, rows `stride` apart.
    pub fn ask(&self, x: &[f32], out: &mut [f32], stride: usize) {
        with_scratch([x.len()], |[normal]| {
            self.norm.apply(x, normal);
            self.qkv.forward_strided(x.len() / self.shape.width, (normal, self.shape.width), (out, stride));
        });
    }

    /// The first block: what was asked stands in the prepared tokens behind each token.
    pub fn apply_prepared(&self, sequences: &[Vec<&[f32]>], together: Together<'_>, x: &mut [f32]) {
        let d = self.shape.width;
        self.with_room(together, together.longest, |room| {
            let mut mixed = &mut *room.mixed;
            for parts in sequences {
                let mut tokens = 0;
                for token in parts.iter().flat_map(|part| part.chunks_exact(4 * d)) {
                    room.qkv[tokens * 3 * d..][..3 * d].copy_from_slice(&token[d..]);
                    tokens += 1;
                }
                let (own, others) = std::mem::take(&mut mixed).split_at_mut(tokens * d);
                self.attend(tokens, &room.qkv[..tokens * 3 * d], own, room.probabilities, room.turned);
                mixed = others;
            }
            self.rest(x, room.mixed, room.normal, room.hidden);
        });
    }

    /// A later block.
    pub fn apply(&self, together: Together<'_>, x: &mut [f32]) {
        let d = self.shape.width;
        self.with_room(together, together.rows, |room| {
            // `mixed` is free until the attention writes it.
            self.norm.apply(x, room.mixed);
            self.qkv.forward(room.mixed, room.qkv);
            let (mut mixed, mut qkv) = (&mut *room.mixed, &*room.qkv);
            for tokens in together.lengths {
                let (own, others) = std::mem::take(&mut mixed).split_at_mut(tokens * d);
                let (asked, later) = qkv.split_at(tokens * 3 * d);
                self.attend(*tokens, asked, own, room.probabilities, room.turned);
                (mixed, qkv) = (others, later);
            }
            self.rest(x, room.mixed, room.normal, room.hidden);
        });
    }

    fn attend(&self, tokens: usize, qkv: &[f32], mixed: &mut [f32], probabilities: &mut [f32], turned: &mut [f32]) {
        let shape = BlockShape { tokens, queries: tokens, ..self.shape };
        let (p, turned) = (shape.heads * tokens * shape.padded(), &mut turned[..shape.head() * shape.padded()]);
        turned.fill(0.0);
        attend(&shape, Asked::joint(qkv, shape.width), &mut probabilities[..p], mixed, turned);
    }

    /// Behind the attention.
    fn rest(&self, x: &mut [f32], mixed: &[f32], normal: &mut [f32], hidden: &mut [f32]) {
        self.proj.forward(mixed, x);
        self.mlp.apply(x, normal, hidden);
    }

    fn with_room(&self, together: Together<'_>, asked: usize, work: impl FnOnce(Room<'_>)) {
        let (d, longest) = (self.shape.width, together.longest);
        let padded = longest.next_multiple_of(8);
        let lengths = [
            asked * 3 * d,
            together.rows * d,
            self.shape.heads * longest * padded,
            self.shape.head() * padded,
            HIDDEN_ROWS * d,
            HIDDEN_ROWS * self.shape.hidden,
        ];
        with_scratch(lengths, |[qkv, mixed, probabilities, turned, normal, hidden]| {
            work(Room { qkv, mixed, probabilities, turned, normal, hidden });
        });
    }
}

/// Scratch of a block.
struct Room<'a> {
    /// `[tokens, 3d]`: of all tokens, or of one sequence.
    qkv: &'a mut [f32],
    /// Output of the attention before its projection `[rows, d]`.
    mixed: &'a mut [f32],
    probabilities: &'a mut [f32],
    turned: &'a mut [f32],
    normal: &'a mut [f32],
    hidden: &'a mut [f32],
}
