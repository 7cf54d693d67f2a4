//! Times the layers of a small picture encoder and of a transformer's MLP: `cargo run --release -p dymo-kernels --example
//! layer_time`. One thread; prints the best of many repetitions, in GFLOP/s of the multiplications that are made.

use std::time::Instant;

use dymo_kernels::{Finish, Geometry, Layer};

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1013) as f32 / 506.5 - 1.0).collect()
}

fn time(name: &str, layer: &Layer, samples: usize, rows: usize) {
    let x = values(samples * rows * layer.inputs());
    let mut out = vec![0.0; samples * rows * layer.outputs()];
    let repetitions = 200;
    let best = (0..repetitions)
        .map(|_| {
            let start = Instant::now();
            layer.forward(&x, &mut out);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let flop = 2.0 * (layer.multiplications() * samples * rows) as f64;
    println!("{name:24} {samples:3} × {rows:3}  {:8.1} µs  {:6.1} GFLOP/s", best * 1e6, flop / best / 1e9);
}

fn main() {
    for samples in [6, 12, 24] {
        for (side, channels, filters) in [(28, 3, 32), (14, 32, 64), (7, 64, 128)] {
            let g =
                Geometry { batch: 1, height: side, width: side, channels, filters, kernel: 3, stride: 2, padding: 1 };
            let weight = values(g.weight_len());
            let name = format!("conv {side}² {channels} → {filters}");
            time(&name, &Layer::conv2d(&g, &weight, None).with_finish(Finish::Relu), samples, 1);
            let name = format!("transposed {filters} → {channels} {side}²");
            time(&name, &Layer::conv_transpose2d(&g, &weight, None).with_finish(Finish::Relu), samples, 1);
        }
        time("pointwise 128 → 128", &Layer::dense(128, 128, &values(128 * 128), None), samples, 16);
    }
    for rows in [12, 48, 96] {
        for (inputs, outputs) in [(2048, 512), (512, 2048), (512, 1024)] {
            let layer = Layer::dense(inputs, outputs, &values(inputs * outputs), None).with_finish(Finish::Relu);
            time(&format!("dense {inputs} → {outputs} Relu"), &layer, 1, rows);
        }
    }
    for rows in [12, 48, 96, 192] {
        for (inputs, outputs, finish) in
            [(128, 384, Finish::Linear), (128, 128, Finish::Add), (128, 512, Finish::Gelu), (512, 128, Finish::Add)]
        {
            let layer = Layer::dense(inputs, outputs, &values(inputs * outputs), None).with_finish(finish);
            time(&format!("dense {inputs} → {outputs} {finish:?}"), &layer, 1, rows);
        }
    }
}
