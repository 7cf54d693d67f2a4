//! Dense layers in every compilation; convolutions are held to their definition in the tests of [`crate::conv2d`].

use proptest::prelude::*;

use super::tile::Level;
use super::{Finish, Layer, Pixel, Run};
use crate::conv::Geometry;
use crate::repeatable::values;

fn close(ours: &[f32], theirs: &[f32]) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        prop_assert!((a - b).abs() <= 1e-4 * (1.0 + b.abs()), "at {}: {} is not {}", i, a, b);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Every way to compile the loop against the definition, in windows of wider rows.
    #[test]
    fn dense_layers_equal_the_definition(
        (n, inputs, outputs) in (1usize..30, 1usize..40, 1usize..70),
        (finish, wide) in (0usize..4, 0usize..3),
        seed in any::<u64>(),
    ) {
        let finish = [Finish::Linear, Finish::Relu, Finish::Gelu, Finish::Add][finish];
        let (x, weight, bias) =
            (values(n * (inputs + wide), seed), values(inputs * outputs, seed ^ 1), values(outputs, seed ^ 2));
        let before = values(n * (outputs + wide), seed ^ 3);
        let mut expected = before.clone();
        for r in 0..n {
            for o in 0..outputs {
                let mut sum = bias[o];
                for i in 0..inputs {
                    sum += x[r * (inputs + wide) + i] * weight[i * outputs + o];
                }
                let place = &mut expected[r * (outputs + wide) + o];
                *place = match finish {
                    Finish::Linear => sum,
                    Finish::Relu => sum.max(0.0),
                    Finish::Gelu => { let mut y = [0.0]; crate::gelu(&[sum], &mut y); y[0] }
                    Finish::Add => *place + sum,
                };
            }
        }
        for level in [Level::detect(), Level::Portable, Level::Wide] {
            let sizes = [inputs, outputs, outputs];
            let parts = (vec![Pixel { output: 0, runs: 0..1 }], vec![Run { input: 0, weight: 0, len: inputs }]);
            let layer = Layer::new(level, sizes, parts, &weight, Some(&bias)).with_finish(finish);
            let mut ours = before.clone();
            layer.forward_strided(n, (&x, inputs + wide), (&mut ours, outputs + wide));
            close(&ours, &expected)?;
        }
    }
}

#[test]
fn a_result_does_not_depend_on_its_neighbours() {
    let layer = Layer::dense(37, 45, &values(37 * 45, 1), None).with_finish(Finish::Gelu);
    let x = values(37 * 13, 2);
    let mut all = vec![0.0; 45 * 13];
    layer.forward(&x, &mut all);
    for (x, row) in x.chunks_exact(37).zip(all.chunks_exact(45)) {
        let mut one = vec![0.0; 45];
        layer.forward(x, &mut one);
        assert!(one == row);
    }
}

#[test]
fn zeros_around_the_image_are_not_multiplied() {
    let g = Geometry { batch: 1, height: 7, width: 7, channels: 64, filters: 128, kernel: 3, stride: 2, padding: 1 };
    // 4×4 pixels of 9 window places, of which the outer ring falls outside: 10 of 12 places along each axis are inside.
    assert_eq!(Layer::conv2d(&g, &values(g.weight_len(), 1), None).multiplications(), 10 * 10 * 64 * 128);
}
