use std::sync::Arc; use std::sync::atomic::AtomicBool; use std::time::{Duration, Instant};
use burn::tensor::Device; use dymo_core::Kind; use dymo_data::Source;
use dymo_models::encoder::EncoderSettings; use dymo_models::fusion::*; use dymo_models::recovery::*;
use dymo_train::{fusion::*, recovery::*, trainer::*};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let stage = args[1].as_str(); let epochs: usize = args[2].parse().unwrap(); let out = &args[3];
    let batch: usize = args[4].parse().unwrap(); let lr: f64 = args[5].parse().unwrap();
    let limit = args.get(6).map(|v| v.parse().unwrap());
    let splits = Source::Polymnist { seed: 2025, train_limit: limit }.open(std::path::Path::new("datasets")).unwrap();
    let device = Device::flex();
    let began = Instant::now();
    let mut progress = |p: &Progress<'_>| { if p.step % 20 == 0 || p.ended.is_some() { println!("{} step {}/{} epoch {} loss {:.4} {:?} {:?}", p.stage, p.step, p.steps, p.epoch, p.loss, began.elapsed(), p.ended); } };
    let run = Run { seed: 2025, checkpoint: Some(format!("{out}/{stage}.checkpoint").into()), resume: true, every: Duration::from_secs(120), stop: Arc::new(AtomicBool::new(false)), progress: &mut progress };
    let schedule = Schedule { epochs, batch, learning_rate: lr, patience: Some(20), ..Default::default() };
    match stage {
        "guided" => { let mut o = GuidedObjective::new(GuidedSettings::default(), splits.validation.clone(), device.clone()); train(&mut o, &schedule, splits.train.as_ref(), &device, run).unwrap(); }
        "mopoe" => { let mut o = MopoeObjective::new(MopoeSettings::default(), batch, splits.validation.clone(), device.clone()); train(&mut o, &schedule, splits.train.as_ref(), &device, run).unwrap(); }
        s => { let scale = if s == "cosine" { FeatureScale::Unit } else { FeatureScale::Free };
            let input = Input { kind: Kind::Image { height: 28, width: 28, channels: 3 }, encoder: EncoderSettings::Convolutional { widths: vec![32, 64, 128], token_width: 128 } };
            let layout = FusionLayout::try_from(FusionTable { inputs: vec![input; 5], width: 128, heads: 4, blocks: 2, feature_width: 64, classes: 10, scale, embedding_rows: EmbeddingRows::OnePerModality }).unwrap();
            let mut o = FusionObjective::new(layout, FusionLoss::default(), splits.validation.clone(), device.clone());
            train(&mut o, &schedule, splits.train.as_ref(), &device, run).unwrap(); }
    }
}
