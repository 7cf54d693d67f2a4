//! Times the fused transformer block: `RAYON_NUM_THREADS=1 cargo run --release -p dymo-kernels --example block_time`.
//! Prints the best of many repetitions, in milliseconds and GFLOP/s (matrix products only), per number of tokens read out.

use std::time::Instant;

use dymo_kernels::{BlockSaved, BlockShape, BlockWeights, Reading, block_backward, block_forward};

const REPETITIONS: usize = 60;

fn values(len: usize, scale: f32) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 % 1013) as f32 / 506.5 - 1.0) * scale).collect()
}

/// Multiplications and additions of the products of one forward pass; a backward pass has twice as many.
fn operations(s: &BlockShape) -> f64 {
    let (rows, read, d) = (s.batch * s.tokens, s.batch * s.queries, s.width);
    let linear = rows * 2 * d * d + read * (2 * d * d + 2 * d * s.hidden);
    2.0 * (linear + 2 * read * s.tokens * d) as f64
}

fn best(mut work: impl FnMut()) -> f64 {
    (0..REPETITIONS).map(|_| Instant::now()).fold(f64::INFINITY, |best, _| {
        let start = Instant::now();
        work();
        best.min(start.elapsed().as_secs_f64())
    })
}

fn main() {
    for queries in [12, 1] {
        let shape = BlockShape { batch: 256, tokens: 12, width: 128, heads: 4, hidden: 512, queries };
        let reading = Reading::from(shape);
        let (d, hidden) = (shape.width, shape.hidden);
        let (qkv, proj) = (values(d * 3 * d, 0.1), values(d * d, 0.1));
        let (fc1, fc2) = (values(d * hidden, 0.1), values(hidden * d, 0.05));
        let (one, zero, wide) = (vec![1.0; d], vec![0.0; d], vec![0.0; hidden]);
        let weights = BlockWeights {
            norm1: (&one, &zero),
            qkv: &qkv,
            proj: (&proj, &zero),
            norm2: (&one, &zero),
            fc1: (&fc1, &wide),
            fc2: (&fc2, &zero),
            epsilon: 1e-5,
        };
        let (x, dy) = (values(shape.input_len(), 1.0), values(shape.output_len(), 1.0));
        let (mut out, mut dx) = (vec![0.0; shape.output_len()], vec![0.0; shape.input_len()]);
        let bare = best(|| block_forward(&reading, &weights, &x, None, &mut out, None));
        let kept = best(|| block_forward(&reading, &weights, &x, None, &mut out, Some(&mut BlockSaved::default())));
        let both = best(|| {
            let mut saved = BlockSaved::default();
            block_forward(&reading, &weights, &x, None, &mut out, Some(&mut saved));
            let _gradients = block_backward(&reading, &weights, &x, &saved, &dy, &mut dx);
        });
        let flop = operations(&shape);
        for (name, time, flop) in
            [("forward", bare, flop), ("forward, kept", kept, flop), ("forward + backward", both, 3.0 * flop)]
        {
            println!("queries {queries:2}  {name:18}  {:7.2} ms  {:5.1} GFLOP/s", time * 1e3, flop / time / 1e9);
        }
    }
}
