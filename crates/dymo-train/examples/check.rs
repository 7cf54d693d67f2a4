use burn::tensor::{Bytes, Device}; use burn::module::Module; use burn::store::ModuleRecord;
use dymo_core::{Kind, ModalitySet}; use dymo_data::{Source, Samples, missingness::{Protocol, draw}};
use dymo_models::{encoder::EncoderSettings, fusion::*, recovery::*};
use dymo_reward::*; use dymo_train::{evaluation::*, statistics};
fn part(path: &str, which: usize) -> Vec<u8> { let b = std::fs::read(path).unwrap(); let mut at = 8; for i in 0.. { let n = u64::from_le_bytes(b[at..at+8].try_into().unwrap()) as usize; at += 8; if i == which { return b[at..at+n].to_vec(); } at += n; } unreachable!() }
fn load<M: Module>(m: M, path: &str, which: usize) -> M { m.try_load_record(ModuleRecord::from_bytes(Bytes::from_bytes_vec(part(path, which))).unwrap()).unwrap() }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: usize = a[3].parse().unwrap();
    let splits = Source::Polymnist { seed: 2025, train_limit: None }.open(std::path::Path::new("datasets")).unwrap();
    let device = Device::flex();
    let kind = Kind::Image { height: 28, width: 28, channels: 3 };
    let input = Input { kind, encoder: EncoderSettings::Convolutional { widths: vec![32, 64, 128], token_width: 128 } };
    let scale = if a[1].contains("cosine") { FeatureScale::Unit } else { FeatureScale::Free };
    let layout = FusionLayout::try_from(FusionTable { inputs: vec![input; 5], width: 128, heads: 4, blocks: 2, feature_width: 64, classes: 10, scale, embedding_rows: EmbeddingRows::OnePerModality }).unwrap();
    let net = load(layout.init(&device), &a[1], 3);
    let rec: Box<dyn Recovery> = if a[2].contains("guided") { let mut s = GuidedSettings::default(); if std::env::var("SAMPLE").is_ok() { s.draw = Draw::Sample; } Box::new(GuidedRecovery::new(load(s.init(&[kind; 5], 10, &device).unwrap(), &a[2], 3), &s, 1)) } else { let s = MopoeSettings::default(); Box::new(MopoeRecovery::new(load(s.init(&[kind; 5], &device).unwrap(), &a[2], 3), &s, 1)) };
    let t = std::time::Instant::now();
    let stats = statistics::fit(&net, splits.train.as_ref(), Some(if std::env::var("FAST").is_ok() { 600 } else { 5000 }), &device, &mut |_, _| ()).unwrap();
    println!("statistics {:?}", t.elapsed());
    let setting = Setting { network: &net, statistics: &stats, recovery: rec.as_ref(), calibration: Calibration::default_for(stats.metric()), edges: Edges::Defined, min_gain: 0.0, device: &device };
    let indices: Vec<usize> = (0..n).collect();
    for p in [Protocol::ExactCount { missing: 4 }, Protocol::Bernoulli { rate: 0.8 }, Protocol::Bernoulli { rate: 0.4 }] {
        let present: Vec<ModalitySet> = draw(p, n, 5, 7).unwrap();
        let o = evaluate(&setting, splits.test.as_ref(), &indices, &present, &Arm::ALL, &mut |_, _| ()).unwrap();
        print!("{p:?} ");
        for arm in &o.arms { let c = arm.predictions.iter().zip(&o.labels).filter(|(a, b)| a == b).count(); print!("{} {:.2}  ", arm.arm.name(), 100.0 * c as f64 / n as f64); }
        println!(" {:.1}s fused {} recovered {}", o.seconds, o.fused, o.recovered);
    }
    for g in 1..5 { println!("{:?}", coherence(&setting, splits.test.as_ref(), &indices[..200], g).unwrap()); }
}
