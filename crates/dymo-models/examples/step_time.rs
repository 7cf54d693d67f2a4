use burn::tensor::{Device, Distribution, Tensor, activation::log_softmax};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::module::Module;
use dymo_core::Kind;
use dymo_models::encoder::EncoderSettings;
use dymo_models::fusion::*;
use std::time::Instant;
fn main() {
    let device = Device::flex().autodiff();
    let input = Input { kind: Kind::Image { height: 28, width: 28, channels: 3 }, encoder: EncoderSettings::Convolutional { widths: vec![32, 64, 128], token_width: 128 } };
    let layout = FusionLayout::try_from(FusionTable { inputs: vec![input; 5], width: 128, heads: 4, blocks: 2, feature_width: 64, classes: 10, scale: FeatureScale::Unit, embedding_rows: EmbeddingRows::OnePerModality }).unwrap();
    let mut net = layout.init(&device);
    let mut optim = AdamConfig::new().init();
    let xs: Vec<Tensor<2>> = (0..5).map(|_| Tensor::random([256, 28 * 28 * 3], Distribution::Uniform(0.0, 1.0), &device)).collect();
    for _ in 0..6 {
        let t = Instant::now();
        let tokens: Vec<_> = (0..5).map(|m| net.tokens(m, xs[m].clone())).collect();
        let a = t.elapsed();
        let mut loss: Option<Tensor<1>> = None;
        for s in [&[0usize][..], &[1, 2], &[0, 3, 4], &[0, 1, 2, 3], &[0, 1, 3, 4]] {
            let f = net.fuse(s.iter().map(|m| tokens[*m].clone()).collect());
            let l = -log_softmax(f.logits, 1).narrow(1, 3, 1).mean() ;
            loss = Some(match loss { None => l, Some(x) => x + l });
        }
        let b = t.elapsed();
        let loss = loss.unwrap();
        let g = loss.backward();
        let c = t.elapsed();
        let g = GradientsParams::from_grads(g, &net);
        net = optim.step(1e-3, net, g);
        println!("tokens {a:?} forward {b:?} backward {c:?} all {:?} loss {}", t.elapsed(), loss.into_scalar::<f32>());
    }
    let _ = net.num_params();
}
