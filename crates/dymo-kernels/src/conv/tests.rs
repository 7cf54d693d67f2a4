use proptest::prelude::*;

use super::outer::Outer;
use super::*;
use crate::layer::tile::Level;
use crate::repeatable::values;

/// The definition, one multiplication at a time, in double precision.
fn naive(g: &Geometry, image: &[f32], weight: &[f32], map: Option<&[f32]>) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mh, mw, k) = (g.map_height(), g.map_width(), g.kernel);
    let mut forward = vec![0.0; g.map_len()];
    let mut image_gradient = vec![0.0; g.image_len()];
    let mut weight_gradient = vec![0.0; g.weight_len()];
    for n in 0..g.batch {
        for (y, x, f) in (0..mh).flat_map(|y| (0..mw).flat_map(move |x| (0..g.filters).map(move |f| (y, x, f)))) {
            let m = ((n * mh + y) * mw + x) * g.filters + f;
            for (i, j, c) in (0..k).flat_map(|i| (0..k).flat_map(move |j| (0..g.channels).map(move |c| (i, j, c)))) {
                let (sy, sx) = (g.source(y, i, g.height), g.source(x, j, g.width));
                let (Some(sy), Some(sx)) = (sy, sx) else { continue };
                let at = ((n * g.height + sy) * g.width + sx) * g.channels + c;
                let w = ((f * g.channels + c) * k + i) * k + j;
                forward[m] += f64::from(image[at]) * f64::from(weight[w]);
                if let Some(map) = map {
                    image_gradient[at] += f64::from(map[m]) * f64::from(weight[w]);
                    weight_gradient[w] += f64::from(map[m]) * f64::from(image[at]);
                }
            }
        }
    }
    (forward, image_gradient, weight_gradient)
}

fn close(ours: &[f32], theirs: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        prop_assert!((f64::from(*a) - b).abs() <= 1e-4 * (1.0 + b.abs()), "at {}: {} is not {}", i, a, b);
    }
    Ok(())
}

fn geometries() -> impl Strategy<Value = Geometry> {
    (1usize..15, 1usize..9, 1usize..9, 1usize..12, 1usize..40, 1usize..5, 1usize..4, 0usize..3).prop_filter_map(
        "the window must fit",
        |(batch, height, width, channels, filters, kernel, stride, padding)| {
            let fits = height + 2 * padding >= kernel && width + 2 * padding >= kernel;
            fits.then_some(Geometry { batch, height, width, channels, filters, kernel, stride, padding })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn equals_the_definition(g in geometries(), seed in any::<u64>()) {
        let image = values(g.image_len(), seed);
        let weight = values(g.weight_len(), seed ^ 1);
        let map = values(g.map_len(), seed ^ 2);
        let (forward, image_gradient, weight_gradient) = naive(&g, &image, &weight, Some(&map));
        let mut ours = vec![f32::NAN; g.map_len()];
        conv2d(&g, &image, &weight, None, false, &mut ours);
        close(&ours, &forward)?;
        let mut ours = vec![f32::NAN; g.image_len()];
        conv_transpose2d(&g, &map, &weight, None, false, &mut ours);
        close(&ours, &image_gradient)?;
        for level in [Level::detect(), Level::Portable, Level::Wide] {
            let outer = Outer::on(&g, level);
            let mut sums = vec![0.0; outer.len()];
            outer.add(&image, &map, &mut sums);
            for (row, (w, c)) in (0..g.kernel * g.kernel).flat_map(|w| (0..g.channels).map(move |c| (w, c))).enumerate() {
                let at = |f: usize| (f * g.channels + c) * g.kernel * g.kernel + w;
                let expected: Vec<f64> = (0..g.filters).map(|f| weight_gradient[at(f)]).collect();
                close(&sums[row * outer.width()..][..g.filters], &expected)?;
            }
        }
    }

    #[test]
    fn gradients_equal_the_definition(g in geometries(), seed in any::<u64>(), relu in any::<bool>()) {
        let (image, weight, map) =
            (values(g.image_len(), seed), values(g.weight_len(), seed ^ 1), values(g.map_len(), seed ^ 2));
        let masked = |y: &[f32], dy: &[f32]| -> Vec<f32> {
            y.iter().zip(dy).map(|(y, dy)| if relu && *y <= 0.0 { 0.0 } else { *dy }).collect()
        };
        let column_sums = |rows: &[f32], width: usize| -> Vec<f64> {
            (0..width).map(|c| rows.iter().skip(c).step_by(width).map(|v| f64::from(*v)).sum()).collect()
        };

        // Of a convolution: the map is its result.
        let (result, mut dmap) = (values(g.map_len(), seed ^ 3), map.clone());
        let before = masked(&result, &map);
        let (_, dimage, dweight) = naive(&g, &image, &weight, Some(&before));
        let mut ours = vec![f32::NAN; g.image_len()];
        let gradients = conv2d_backward(&g, &image, &weight, relu.then_some(&result), &mut dmap, Some(&mut ours));
        prop_assert!(dmap == before);
        close(&ours, &dimage)?;
        close(&gradients.weight, &dweight)?;
        close(&gradients.bias, &column_sums(&before, g.filters))?;

        // Of its transpose: the image is the result, and what meets the weights is exchanged.
        let (result, mut dimage) = (values(g.image_len(), seed ^ 4), image.clone());
        let before = masked(&result, &image);
        let (dmap, _, dweight) = naive(&g, &before, &weight, Some(&map));
        let mut ours = vec![f32::NAN; g.map_len()];
        let given = (relu.then_some(&*result), Some(&mut *ours));
        let gradients = conv_transpose2d_backward(&g, &map, &weight, given.0, &mut dimage, given.1);
        prop_assert!(dimage == before);
        close(&ours, &dmap)?;
        close(&gradients.weight, &dweight)?;
        close(&gradients.bias, &column_sums(&before, g.channels))?;
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let g = Geometry { batch: 37, height: 14, width: 14, channels: 8, filters: 16, kernel: 3, stride: 2, padding: 1 };
    let (image, weight, map) = (values(g.image_len(), 3), values(g.weight_len(), 4), values(g.map_len(), 5));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let (mut f, mut dx, mut dy) = (vec![0.0; g.map_len()], vec![0.0; g.image_len()], map.clone());
            conv2d(&g, &image, &weight, Some(&[0.1; 16]), true, &mut f);
            let gradients = conv2d_backward(&g, &image, &weight, Some(&f), &mut dy, Some(&mut dx));
            (f, dx, gradients)
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn bias_and_relu_are_applied_last() {
    let g = Geometry { batch: 1, height: 1, width: 2, channels: 1, filters: 2, kernel: 1, stride: 1, padding: 0 };
    let mut out = vec![0.0; 4];
    conv2d(&g, &[1.0, -1.0], &[1.0, 2.0], Some(&[0.5, -3.0]), true, &mut out);
    assert_eq!(out, [1.5, 0.0, 0.0, 0.0]);
}
