//! The block against its definition in double precision, and its gradients against the slopes of that definition.

use proptest::prelude::*;

use super::*;
use crate::repeatable;

const EPSILON: f32 = 1e-5;

/// Repeatable values in −1..1.
fn values(len: usize, seed: u64) -> Vec<f32> {
    repeatable::values(len, seed).into_iter().map(|v| 2.0 * v).collect()
}

/// Weights in the order of [`BlockShape::weight_parts`], x, and the gradient of the output.
struct Case {
    shape: BlockShape,
    /// `None` for all tokens in one.
    sequences: Option<Vec<Sequence>>,
    parts: Vec<Vec<f32>>,
    x: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(shape: BlockShape, seed: u64) -> Self {
        let lengths = shape.weight_parts();
        let inputs = [1, 1, shape.width, shape.width, 1, 1, 1, shape.width, 1, shape.hidden, 1];
        let parts = lengths.iter().zip(inputs).enumerate().map(|(i, (len, input))| {
            let mut part = values(*len, seed + 10 + i as u64);
            part.iter_mut().for_each(|v| *v *= 1.0 / (input as f32).sqrt());
            part
        });
        let (x, dy) = (values(shape.input_len(), seed + 1), values(shape.output_len(), seed + 2));
        Self { shape, sequences: None, parts: parts.collect(), x, dy }
    }

    fn reading(&self) -> Reading {
        self.sequences.clone().map_or_else(|| self.shape.into(), |sequences| Reading::new(self.shape, sequences))
    }

    fn weights(&self) -> BlockWeights<'_> {
        let p = |i: usize| self.parts[i].as_slice();
        let (norm1, norm2) = ((p(0), p(1)), (p(5), p(6)));
        BlockWeights {
            norm1,
            qkv: p(2),
            proj: (p(3), p(4)),
            norm2,
            fc1: (p(7), p(8)),
            fc2: (p(9), p(10)),
            epsilon: EPSILON,
        }
    }

    fn forward(&self) -> (Vec<f32>, BlockSaved) {
        let (mut out, mut saved) = (vec![f32::NAN; self.reading().output_len()], BlockSaved::default());
        block_forward(&self.reading(), &self.weights(), &self.x, None, &mut out, Some(&mut saved));
        (out, saved)
    }

    fn backward(&self) -> (Vec<f32>, Vec<Vec<f32>>) {
        let (_, saved) = self.forward();
        let mut dx = vec![f32::NAN; self.x.len()];
        let g = block_backward(&self.reading(), &self.weights(), &self.x, &saved, &self.dy, &mut dx);
        let parts =
            [g.norm1.0, g.norm1.1, g.qkv, g.proj.0, g.proj.1, g.norm2.0, g.norm2.1, g.fc1.0, g.fc1.1, g.fc2.0, g.fc2.1];
        (dx, parts.into())
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Φ by its series.
fn cdf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..120 {
        term *= x * x / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 + (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
}

fn linear(row: &[f64], matrix: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let columns = matrix.len() / row.len();
    (0..columns)
        .map(|c| {
            let sum: f64 = row.iter().enumerate().map(|(r, v)| v * matrix[r * columns + c]).sum();
            sum + bias.map_or(0.0, |bias| bias[c])
        })
        .collect()
}

fn norm(row: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    let scale = 1.0 / (variance + f64::from(EPSILON)).sqrt();
    row.iter().zip(gamma).zip(beta).map(|((v, g), b)| (v - mean) * scale * g + b).collect()
}

/// The definition, one sample after another, one token after another.
fn literal(shape: &BlockShape, p: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let (d, head) = (shape.width, shape.head());
    let mut out = Vec::new();
    for x in x.chunks(shape.tokens * d) {
        let qkv: Vec<Vec<f64>> = x.chunks(d).map(|x| linear(&norm(x, &p[0], &p[1]), &p[2], None)).collect();
        for query in 0..shape.queries {
            let mut mixed = vec![0.0; d];
            for h in 0..shape.heads {
                let part = |token: usize, which: usize| &qkv[token][which * d + h * head..][..head];
                let dot = |key: usize| part(query, 0).iter().zip(part(key, 1)).map(|(a, b)| a * b).sum::<f64>();
                let powers: Vec<f64> = (0..shape.tokens).map(|key| (dot(key) / (head as f64).sqrt()).exp()).collect();
                let sum: f64 = powers.iter().sum();
                for (key, power) in powers.iter().enumerate() {
                    for (c, v) in part(key, 2).iter().enumerate() {
                        mixed[h * head + c] += power / sum * v;
                    }
                }
            }
            let add = |a: &[f64], b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
            let x1 = add(&x[query * d..][..d], linear(&mixed, &p[3], Some(&p[4])));
            let mut hidden = linear(&norm(&x1, &p[5], &p[6]), &p[7], Some(&p[8]));
            hidden.iter_mut().for_each(|v| *v *= cdf(*v));
            out.extend(add(&x1, linear(&hidden, &p[9], Some(&p[10]))));
        }
    }
    out
}

fn shapes() -> impl Strategy<Value = BlockShape> {
    let sizes = (1usize..6, 1usize..8, 1usize..5, 1usize..12, 1usize..24);
    (sizes, 0usize..3).prop_map(|((batch, tokens, heads, head, hidden), read)| {
        let queries = [1, tokens, tokens.div_ceil(2)][read];
        BlockShape { batch, tokens, width: heads * head, heads, hidden, queries }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn equals_the_definition(shape in shapes(), seed in 0u64..1000) {
        let case = Case::new(shape, seed);
        let (out, _) = case.forward();
        let mut bare = vec![f32::NAN; out.len()];
        block_forward(&shape.into(), &case.weights(), &case.x, None, &mut bare, None);
        prop_assert_eq!(&out, &bare);
        let parts: Vec<Vec<f64>> = case.parts.iter().map(|p| wide(p)).collect();
        for (i, (ours, exact)) in out.iter().zip(literal(&shape, &parts, &wide(&case.x))).enumerate() {
            prop_assert!((f64::from(*ours) - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{} at {}, not {}", ours, i, exact);
        }
    }

    /// Along a random direction of x and of each weight, the gradient is the slope of the definition.
    #[test]
    fn gradients_are_slopes(shape in shapes(), seed in 0u64..1000) {
        // Rows of one or two values that nearly agree have LayerNorms too steep for a difference.
        prop_assume!(shape.width > 2);
        let case = Case::new(shape, seed);
        let (dx, gradients) = case.backward();
        let parts: Vec<Vec<f64>> = case.parts.iter().map(|p| wide(p)).collect();
        let (x, dy) = (wide(&case.x), wide(&case.dy));
        let loss = |p: &[Vec<f64>], x: &[f64]| literal(&shape, p, x).iter().zip(&dy).map(|(a, b)| a * b).sum::<f64>();
        for which in 0..=parts.len() {
            let gradient = gradients.get(which).unwrap_or(&dx);
            prop_assert!(gradient.iter().all(|v| v.is_finite()));
            let direction = wide(&values(gradient.len(), seed + 77 + which as u64));
            let step = |h: f64| {
                let (mut parts, mut x) = (parts.clone(), x.clone());
                let target = parts.get_mut(which).unwrap_or(&mut x);
                target.iter_mut().zip(&direction).for_each(|(t, d)| *t += h * d);
                loss(&parts, &x)
            };
            let slope = (step(1e-5) - step(-1e-5)) / 2e-5;
            let ours: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
            let size: f64 = gradient.iter().zip(&direction).map(|(g, d)| (f64::from(*g) * d).abs()).sum();
            prop_assert!((ours - slope).abs() < 1e-3 * (0.1 + size), "part {}: {}, not {}", which, ours, slope);
        }
    }
}

/// Tokens that are hidden from one sample and left out of another give the same, forwards and backwards.
#[test]
fn hidden_tokens_are_absent_tokens() {
    let shape = BlockShape { batch: 3, tokens: 9, width: 12, heads: 3, hidden: 20, queries: 1 };
    let case = Case::new(shape, 11);
    let hidden: Vec<bool> = (0..27).map(|i| i % 9 > 0 && (i * 7) % 4 == 0).collect();
    let (mut out, mut saved) = (vec![f32::NAN; shape.output_len()], BlockSaved::default());
    block_forward(&shape.into(), &case.weights(), &case.x, Some(&hidden), &mut out, Some(&mut saved));
    let mut dx = vec![f32::NAN; case.x.len()];
    block_backward(&shape.into(), &case.weights(), &case.x, &saved, &case.dy, &mut dx);
    for sample in 0..3 {
        let known: Vec<usize> = (0..9).filter(|token| !hidden[sample * 9 + token]).collect();
        assert!(known.len() < 9, "something is hidden");
        let rows = |from: &[f32]| -> Vec<f32> {
            known.iter().flat_map(|token| from[(sample * 9 + token) * 12..][..12].to_vec()).collect()
        };
        let dy = case.dy[sample * 12..][..12].to_vec();
        let shape = BlockShape { batch: 1, tokens: known.len(), ..shape };
        let less = Case { shape, sequences: None, parts: case.parts.clone(), x: rows(&case.x), dy };
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs()));
        assert!(close(&out[sample * 12..][..12], &less.forward().0), "output of sample {sample}");
        assert!(close(&rows(&dx), &less.backward().0), "gradient of sample {sample}");
    }
    for token in (0..27).filter(|token| hidden[*token]) {
        assert!(dx[token * 12..][..12].iter().all(|v| *v == 0.0), "a hidden token has no gradient");
    }
}

/// Sequences that share tokens: each gives what it would alone, and gradients are the sums of theirs.
#[test]
fn sequences_of_a_sample_are_read_as_if_alone() {
    let shape = BlockShape { batch: 19, tokens: 7, width: 12, heads: 3, hidden: 20, queries: 0 };
    let whole = |tokens: &[usize]| Sequence { tokens: tokens.to_vec(), queries: tokens.len() };
    let first = |tokens: &[usize]| Sequence { tokens: tokens.to_vec(), queries: 1 };
    for sequences in [
        vec![whole(&[0, 1, 2]), whole(&[0, 3, 4, 5, 6]), whole(&[0, 6])],
        vec![first(&[0, 2, 1]), whole(&[0]), Sequence { tokens: vec![5, 0, 6], queries: 2 }],
        // In order, so that nothing is gathered.
        vec![first(&[0, 1, 2]), first(&[3]), first(&[4, 5, 6])],
        vec![whole(&[0, 1, 2]), whole(&[3, 4, 5, 6])],
    ] {
        let read: usize = sequences.iter().map(|s| s.queries).sum();
        let mut case = Case::new(shape, 3);
        case.dy = values(shape.batch * read * shape.width, 4);
        case.sequences = Some(sequences.clone());
        let (out, (dx, gradients)) = (case.forward().0, case.backward());
        let mut sum_dx = vec![0.0; dx.len()];
        let mut sums: Vec<Vec<f32>> = gradients.iter().map(|g| vec![0.0; g.len()]).collect();
        let close = |a: &[f32], b: &[f32]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs()))
        };
        let mut before = 0;
        for Sequence { tokens, queries } in &sequences {
            let rows = |from: &[f32], per_sample: usize, which: &[usize]| -> Vec<f32> {
                let row = |sample: usize, token: usize| &from[(sample * per_sample + token) * 12..][..12];
                (0..19).flat_map(|sample| which.iter().flat_map(move |t| row(sample, *t).to_vec())).collect()
            };
            let own: Vec<usize> = (before..before + queries).collect();
            before += queries;
            let alone = Case {
                shape: BlockShape { tokens: tokens.len(), queries: *queries, ..shape },
                sequences: None,
                parts: case.parts.clone(),
                x: rows(&case.x, 7, tokens),
                dy: rows(&case.dy, read, &own),
            };
            assert!(close(&rows(&out, read, &own), &alone.forward().0), "{tokens:?} of {sequences:?}");
            let (own_dx, own_gradients) = alone.backward();
            for (place, row) in own_dx.chunks_exact(12).enumerate() {
                let at = (place / tokens.len() * 7 + tokens[place % tokens.len()]) * 12;
                sum_dx[at..at + 12].iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
            }
            for (sum, own) in sums.iter_mut().flatten().zip(own_gradients.iter().flatten()) {
                *sum += own;
            }
        }
        assert!(close(&dx, &sum_dx), "gradient of {sequences:?}");
        for (which, (all, sum)) in gradients.iter().zip(&sums).enumerate() {
            assert!(close(all, sum), "gradient of weight {which} of {sequences:?}");
        }
    }
}

fn large(queries: usize) -> Case {
    Case::new(BlockShape { batch: 203, tokens: 11, width: 32, heads: 4, hidden: 48, queries }, 5)
}

#[test]
fn bits_do_not_depend_on_threads() {
    for queries in [1, 11] {
        let case = large(queries);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| (case.forward().0, case.backward()))
        };
        assert!(run(1) == run(3), "{queries} queries");
    }
}

#[test]
fn many_chunks_equal_one_sample_at_a_time() {
    for queries in [1, 11] {
        let case = large(queries);
        let (out, (dx, gradients)) = (case.forward().0, case.backward());
        let mut sums: Vec<Vec<f64>> = gradients.iter().map(|g| vec![0.0; g.len()]).collect();
        let shape = BlockShape { batch: 1, ..case.shape };
        for sample in 0..case.shape.batch {
            let part = |v: &[f32], len: usize| v[sample * len..][..len].to_vec();
            let (x, dy) = (part(&case.x, shape.input_len()), part(&case.dy, shape.output_len()));
            let one = Case { shape, sequences: None, parts: case.parts.clone(), x, dy };
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs()));
            assert!(close(&part(&out, shape.output_len()), &one.forward().0), "output of sample {sample}");
            let (one_dx, one_gradients) = one.backward();
            assert!(close(&part(&dx, shape.input_len()), &one_dx), "gradient of sample {sample}");
            for (sum, part) in sums.iter_mut().flatten().zip(one_gradients.iter().flatten()) {
                *sum += f64::from(*part);
            }
        }
        for (all, sum) in gradients.iter().flatten().zip(sums.iter().flatten()) {
            assert!((f64::from(*all) - sum).abs() < 1e-3 * (1.0 + sum.abs()), "{all}, not {sum}");
        }
    }
}

#[test]
fn an_empty_batch_has_gradients_of_zero() {
    let case = Case::new(BlockShape { batch: 0, tokens: 3, width: 4, heads: 2, hidden: 8, queries: 1 }, 1);
    let (dx, gradients) = case.backward();
    assert!(dx.is_empty() && gradients.iter().flatten().all(|v| *v == 0.0));
}

#[test]
#[should_panic(expected = "not the shape of a block")]
fn heads_must_divide_the_width() {
    Case::new(BlockShape { batch: 1, tokens: 3, width: 4, heads: 3, hidden: 8, queries: 1 }, 1).forward();
}
