use proptest::prelude::*;

use super::Trunk;
use crate::block::{BlockShape, BlockWeights, block_forward};
use crate::repeatable::values;

/// Weights of one block in the order of the fields of [`BlockWeights`].
fn weights(shape: &BlockShape, seed: u64) -> [Vec<f32>; 11] {
    let mut place = seed;
    shape.weight_parts().map(|len| {
        place = place.wrapping_add(1);
        values(len, place)
    })
}

fn view([g1, b1, qkv, proj, bias, g2, b2, fc1, bias1, fc2, bias2]: &[Vec<f32>; 11]) -> BlockWeights<'_> {
    BlockWeights {
        norm1: (g1, b1),
        qkv,
        proj: (proj, bias),
        norm2: (g2, b2),
        fc1: (fc1, bias1),
        fc2: (fc2, bias2),
        epsilon: 1e-5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Against whole blocks on one sequence at a time, of which the first token is taken.
    #[test]
    fn equals_whole_blocks(
        (heads, head, blocks) in (1usize..4, 1usize..20, 1usize..4),
        lengths in prop::collection::vec(1usize..23, 1..30),
        seed in any::<u64>(),
    ) {
        let width = heads * head;
        let shape = BlockShape { batch: 1, tokens: 1, width, heads, hidden: 2 * width + 3, queries: 1 };
        let weights: Vec<_> = (0..blocks).map(|b| weights(&shape, seed ^ (b as u64) << 8)).collect();
        let views: Vec<BlockWeights<'_>> = weights.iter().map(view).collect();
        let trunk = Trunk::new(width, heads, &views);

        let inputs: Vec<Vec<f32>> =
            lengths.iter().enumerate().map(|(i, n)| values(n * width, seed ^ 7 ^ (i as u64) << 16)).collect();
        let prepared: Vec<Vec<f32>> = inputs
            .iter()
            .map(|x| {
                let mut out = vec![0.0; x.len() / width * trunk.prepared_len()];
                trunk.prepare(x, &mut out);
                out
            })
            .collect();
        // Every sequence in two parts.
        let sequences: Vec<Vec<&[f32]>> = prepared
            .iter()
            .map(|p| { let (a, b) = p.split_at(p.len() / trunk.prepared_len() / 2 * trunk.prepared_len()); vec![a, b] })
            .collect();
        let all = trunk.read(&sequences);
        for ((x, ours), sequence) in inputs.iter().zip(all.chunks_exact(width)).zip(&sequences) {
            let tokens = x.len() / width;
            let mut x = x.clone();
            for view in &views {
                let mut out = vec![0.0; x.len()];
                block_forward(&BlockShape { tokens, queries: tokens, ..shape }.into(), view, &x, None, &mut out, None);
                x = out;
            }
            for (i, (a, b)) in ours.iter().zip(&x).enumerate() {
                prop_assert!((a - b).abs() <= 1e-3 * (1.0 + b.abs()), "at {}: {} is not {}", i, a, b);
            }
            // Alone it is the same to the last bit.
            prop_assert!(trunk.read(std::slice::from_ref(sequence)) == ours);
        }
    }
}

#[test]
fn no_sequence_has_no_result() {
    let shape = BlockShape { batch: 1, tokens: 1, width: 4, heads: 2, hidden: 8, queries: 1 };
    let weights = weights(&shape, 3);
    assert_eq!(Trunk::new(4, 2, &[view(&weights)]).read(&[]), Vec::<f32>::new());
}
