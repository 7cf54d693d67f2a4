//! Milliseconds of a training step of the column encoder: `cargo run --release -p dymo-models --example columns_time`.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use dymo_core::{Column, Columns, Kind};
use dymo_models::encoder::EncoderSettings;

const COLUMNS: usize = 64;
const BATCH: usize = 128;
const STEPS: usize = 10;

fn main() {
    let device = Device::flex().autodiff();
    let column = |i: usize| match i % 2 {
        0 => Column::continuous(format!("c{i}"), 0.0, 1.0, [-9.0, 9.0]),
        _ => Column::categorical(format!("c{i}"), ["a", "b", "c", "d", "e"]),
    };
    let columns = (0..COLUMNS).map(|i| column(i).expect("a column"));
    let kind = Kind::Table { columns: Columns::new(columns.collect()).expect("columns") };
    let encoder = EncoderSettings::Columns { token_width: 128, heads: 4, blocks: 2 }.init(&kind, &device);
    let x = Tensor::<2>::random([BATCH, COLUMNS], Distribution::Uniform(0.0, 4.0), &device).round();
    let missing = Tensor::<2>::random([BATCH, COLUMNS], Distribution::Uniform(0.0, 1.0), &device).lower_elem(0.1);
    let x = x.mask_fill(missing, f32::NAN);
    let mut best = [f64::INFINITY; 2];
    for _ in 0..STEPS {
        let began = Instant::now();
        let loss = encoder.forward(x.clone()).powi_scalar(2).mean();
        let forward = began.elapsed();
        let gradients = loss.backward();
        let both = began.elapsed();
        drop(gradients);
        best = [best[0].min(ms(forward)), best[1].min(ms(both))];
    }
    println!("the best of {STEPS}: forward {:.0} ms, forward and backward {:.0} ms", best[0], best[1]);
    let (plain, x) = (encoder.valid(), x.inner());
    let began = Instant::now();
    let _ = plain.forward(x).into_data();
    println!("inference {:.0} ms", ms(began.elapsed()));
}

fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
