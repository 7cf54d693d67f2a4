//! A small fusion network and a guided recovery, trained on a thousand digits, then every arm on five hundred held-out ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::tensor::Device;
use dymo_core::Kind;
use dymo_data::{Protocol, Source, draw};
use dymo_models::encoder::EncoderSettings;
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
use dymo_models::recovery::{GuidedRecovery, GuidedSettings};
use dymo_reward::{Calibration, Edges};
use dymo_train::evaluation::{Arm, Setting, evaluate};
use dymo_train::experiment::StatisticsTable;
use dymo_train::fusion::{FusionLoss, FusionObjective};
use dymo_train::recovery::{GuidedObjective, HeldOut};
use dymo_train::statistics;
use dymo_train::trainer::{Objective, Progress, Run, Schedule, Trained, train};

fn learn<O: Objective>(
    objective: &mut O,
    samples: &dyn dymo_data::Samples,
) -> Result<Trained<O::Model>, Box<dyn std::error::Error>> {
    let mut progress = |p: &Progress<'_>| {
        if p.ended.is_some() {
            println!("{}: epoch {} of {}, loss {:.3}", p.stage, p.epoch + 1, p.epochs, p.loss);
        }
    };
    let run = Run {
        seed: 1,
        checkpoint: None,
        resume: false,
        settings: BTreeMap::new(),
        every: Duration::MAX,
        stop: Arc::new(AtomicBool::new(false)),
        progress: &mut progress,
    };
    let schedule = Schedule { epochs: 6, batch: 64, ..Schedule::default() };
    Ok(train(objective, &schedule, samples, &Device::flex(), run)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let splits = Source::Polymnist { seed: 1, train_limit: Some(1000) }.open(&datasets)?;
    let schema = splits.train.schema().clone();
    let kinds: Vec<Kind> = schema.modalities().iter().map(|m| m.kind()).collect();
    let encoder = EncoderSettings::Convolutional { widths: vec![16, 32, 64], token_width: 64 };
    let layout = FusionLayout::try_from(FusionTable {
        inputs: kinds.iter().map(|kind| Input { kind: kind.clone(), encoder: encoder.clone() }).collect(),
        width: 64,
        heads: 4,
        blocks: 2,
        feature_width: 32,
        classes: schema.classes().len(),
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    })?;
    let held_out: Arc<dyn dymo_data::Samples> = Arc::new(dymo_data::Subset::first(splits.validation.clone(), 200));
    let mut fusion = FusionObjective::new(layout, FusionLoss::default(), held_out.clone(), device.clone());
    let network = learn(&mut fusion, splits.train.as_ref())?.model;
    let settings = GuidedSettings::default();
    let held_out = HeldOut { samples: held_out, reader: Some(network.clone()), device: device.clone() };
    let mut guided = GuidedObjective::new(settings.clone(), held_out);
    let recovery = GuidedRecovery::new(learn(&mut guided, splits.train.as_ref())?.model, &settings, 1);

    let plan = statistics::plan(splits.train.as_ref(), &StatisticsTable::default())?;
    let fitted = statistics::fit(&network, splits.train.as_ref(), &plan, &device, &mut |_, _| ())?;
    let setting = Setting {
        network: &network,
        statistics: &fitted,
        recovery: &recovery,
        calibration: Calibration::default_for(fitted.metric()),
        edges: Edges::Defined,
        min_gain: 0.0,
        device: &device,
    };
    let indices: Vec<usize> = (0..500).collect();
    let present = draw(Protocol::ExactCount { missing: 3 }, indices.len(), kinds.len(), 1)?;
    let outcome = evaluate(&setting, splits.test.as_ref(), &indices, &present, &Arm::ALL, &mut |_, _| ())?;
    for arm in &outcome.arms {
        let right = arm.predictions.iter().zip(&outcome.labels).filter(|(p, l)| p == l).count();
        println!("{:>15}: {:.1} % right", arm.arm.name(), 100.0 * right as f64 / indices.len() as f64);
    }
    Ok(())
}
