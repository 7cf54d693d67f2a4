//! Training that is interrupted ends with the same bits as training that is not; damaged checkpoints are refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use burn::tensor::Device;
use dymo_core::{Kind, Schema};
use dymo_data::{Samples, Source, Splits};
use dymo_models::encoder::EncoderSettings;
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
use dymo_models::recovery::{GuidedSettings, MopoeSettings};
use dymo_models::weights::{self, Precision};
use dymo_train::TrainError;
use dymo_train::fusion::{FusionLoss, FusionObjective};
use dymo_train::recovery::{GuidedObjective, HeldOut, MopoeObjective};
use dymo_train::trainer::{History, Objective, Point, Progress, Run, Schedule, train};
use safetensors::SafeTensors;

fn splits() -> Splits {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let splits = Source::Polymnist { seed: 1, train_limit: Some(96) }.open(&datasets).expect("the digits");
    let few: Arc<dyn Samples> = Arc::new(dymo_data::Subset::first(splits.validation.clone(), 40));
    Splits { validation: few, ..splits }
}

fn schedule() -> Schedule {
    Schedule { epochs: 3, batch: 40, learning_rate: 1e-3, patience: None, ..Schedule::default() }
}

fn kinds(schema: &Schema) -> Vec<Kind> {
    schema.modalities().iter().map(|m| m.kind()).collect()
}

fn fusion(splits: &Splits) -> FusionObjective {
    let encoder = EncoderSettings::Convolutional { widths: vec![4, 8, 8], token_width: 8 };
    let input = |kind| Input { kind, encoder: encoder.clone() };
    let table = FusionTable {
        inputs: kinds(splits.train.schema()).into_iter().map(input).collect(),
        width: 16,
        heads: 2,
        blocks: 2,
        feature_width: 8,
        classes: 10,
        scale: FeatureScale::Free,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    let loss = FusionLoss { prototypes_from: 1, ..FusionLoss::default() };
    let layout = FusionLayout::try_from(table).expect("a layout");
    FusionObjective::new(layout, loss, splits.validation.clone(), Device::flex())
}

fn held_out(splits: &Splits) -> HeldOut {
    HeldOut { samples: splits.validation.clone(), reader: None, device: Device::flex() }
}

fn guided(splits: &Splits) -> GuidedObjective {
    let settings = GuidedSettings { widths: vec![4, 8, 8], hidden: 16, shared: 8, private: 4, ..Default::default() };
    GuidedObjective::new(settings, held_out(splits))
}

fn mopoe(splits: &Splits) -> MopoeObjective {
    let settings = MopoeSettings { widths: vec![4, 8, 8], latent: 8, ..Default::default() };
    MopoeObjective::new(settings, schedule().batch, held_out(splits))
}

/// Trains, stopping after `stop_after` steps if given, and returns the weights' bytes.
fn run<O: Objective>(
    mut objective: O,
    splits: &Splits,
    checkpoint: &Path,
    stop_after: Option<usize>,
) -> Result<Vec<u8>, TrainError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let mut progress = |p: &Progress<'_>| {
        if stop_after.is_some_and(|most| p.step >= most) {
            flag.store(true, Ordering::Relaxed);
        }
    };
    let run = Run {
        seed: 7,
        checkpoint: Some(checkpoint.into()),
        resume: true,
        settings: BTreeMap::new(),
        every: Duration::from_secs(3600),
        stop,
        progress: &mut progress,
    };
    let trained = train(&mut objective, &schedule(), splits.train.as_ref(), &Device::flex(), run)?;
    Ok(weights::to_bytes(&trained.model, Precision::Full).expect("finite weights"))
}

/// Compares two SafeTensors files tensor by tensor, bit for bit.
fn assert_same(a: &[u8], b: &[u8]) {
    let (a, b) = (SafeTensors::deserialize(a).expect("weights"), SafeTensors::deserialize(b).expect("weights"));
    assert_eq!(a.len(), b.len());
    for (name, view) in a.iter() {
        assert!(view.data() == b.tensor(name).expect("the same names").data(), "{name} differs");
    }
}

fn interrupted_equals_straight<O: Objective>(make: impl Fn(&Splits) -> O) {
    let splits = splits();
    let folder = tempfile::tempdir().expect("a folder");
    let straight = run(make(&splits), &splits, &folder.path().join("straight"), None).expect("trained");
    let checkpoint = folder.path().join("interrupted");
    // In the middle of the first epoch, at the end of the second, and in the middle of the third.
    for stop in [2, 6, 8] {
        let stopped = run(make(&splits), &splits, &checkpoint, Some(stop));
        assert!(matches!(stopped, Err(TrainError::Stopped { step, .. }) if step == stop), "{stopped:?}");
    }
    let resumed = run(make(&splits), &splits, &checkpoint, None).expect("trained");
    assert_same(&straight, &resumed);
    let again = run(make(&splits), &splits, &checkpoint, None).expect("a finished run is taken up as it is");
    assert_same(&straight, &again);
}

#[test]
fn fusion_resumes_bit_for_bit() {
    interrupted_equals_straight(fusion);
}

#[test]
fn guided_recovery_resumes_bit_for_bit() {
    interrupted_equals_straight(guided);
}

#[test]
fn mopoe_resumes_bit_for_bit() {
    interrupted_equals_straight(mopoe);
}

/// Trains on from a checkpoint, under settings as an experiment tells them.
fn go_on(splits: &Splits, checkpoint: &Path, settings: &[(&str, &str)]) -> Result<(), TrainError> {
    let settings = settings.iter().map(|(name, sum)| ((*name).to_owned(), (*sum).to_owned())).collect();
    let run = Run {
        seed: 7,
        checkpoint: Some(checkpoint.into()),
        resume: true,
        settings,
        every: Duration::from_secs(3600),
        stop: Arc::default(),
        progress: &mut |_| (),
    };
    train(&mut guided(splits), &schedule(), splits.train.as_ref(), &Device::flex(), run).map(|_| ())
}

#[test]
fn a_checkpoint_of_other_settings_is_refused_by_what_changed() {
    let splits = splits();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.checkpoint");
    go_on(&splits, &path, &[("[data]", "1"), ("[fusion.loss]", "2")]).expect("trained");
    go_on(&splits, &path, &[("[data]", "1"), ("[fusion.loss]", "2")]).expect("the same settings");
    for (settings, wanted) in [
        (&[("[data]", "1"), ("[fusion.loss]", "3")][..], "other settings: [fusion.loss] changed"),
        (&[("[data]", "0"), ("[fusion.loss]", "2"), ("more", "4")], "other settings: [data], more changed"),
        (&[], "other settings: [data], [fusion.loss] changed"),
    ] {
        let error = go_on(&splits, &path, settings).expect_err(wanted).to_string();
        for words in ["a.checkpoint", wanted, "--force instead of --resume", "--out"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

/// Earlier versions wrote checkpoints that do not know their settings.
#[test]
fn a_checkpoint_without_settings_is_refused() {
    let splits = splits();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.checkpoint");
    let _ = run(guided(&splits), &splits, &path, Some(1));
    let whole = std::fs::read(&path).expect("a checkpoint");
    let length = u64::from_le_bytes(whole[8..16].try_into().expect("eight bytes")) as usize;
    let mut place: serde_json::Value = serde_json::from_slice(&whole[16..16 + length]).expect("a header");
    place.as_object_mut().expect("a table").remove("settings").expect("settings were written");
    let place = serde_json::to_vec(&place).expect("JSON");
    let old = [&whole[..8], &(place.len() as u64).to_le_bytes(), &place, &whole[16 + length..]].concat();
    std::fs::write(&path, old).expect("written");
    let error = run(guided(&splits), &splits, &path, None).expect_err("an old one").to_string();
    assert!(error.contains("does not say which settings") && error.contains("--force instead of --resume"), "{error}");
}

/// Compares curves; a decimal number may come back from a checkpoint as its neighbour.
fn assert_near(a: &History, b: &History) {
    let near = |(a, b): (&Point, &Point)| {
        a.quantity == b.quantity && a.epoch == b.epoch && (a.value - b.value).abs() <= 1e-12 * b.value.abs()
    };
    assert!(a.len() == b.len() && a.iter().zip(b).all(near), "{a:?}\n{b:?}");
}

/// No epoch is an improvement but the first that may be; and steps end in the midst of an epoch.
#[test]
fn more_patience_or_steps_go_on_as_if_they_had_been_there_from_the_start() {
    let splits = splits();
    let folder = tempfile::tempdir().expect("a folder");
    let tired = Schedule { epochs: 6, patience: Some(1), least_improvement: 10.0, ..schedule() };
    let patient = Schedule { patience: Some(3), ..tired.clone() };
    let cut = Schedule { patience: None, max_steps: Some(4), ..tired.clone() };
    let long = Schedule { max_steps: Some(8), ..cut.clone() };
    for (name, short, long, steps) in [("patience", tired, patient, [9, 15]), ("steps", cut, long, [4, 8])] {
        let learn = |file: &str, schedule: &Schedule| {
            let run = Run {
                seed: 7,
                checkpoint: Some(folder.path().join(format!("{name}-{file}"))),
                resume: true,
                settings: BTreeMap::new(),
                every: Duration::from_secs(3600),
                stop: Arc::default(),
                progress: &mut |_| (),
            };
            let trained = train(&mut fusion(&splits), schedule, splits.train.as_ref(), &Device::flex(), run);
            trained.expect("trained")
        };
        let bytes = |model| weights::to_bytes(model, Precision::Full).expect("finite weights");
        let first = learn("resumed", &short);
        let again = learn("resumed", &short);
        assert_eq!((first.steps, again.steps), (steps[0], steps[0]), "{name}");
        assert_near(&again.history, &first.history);
        assert_same(&bytes(&first.model), &bytes(&again.model));
        let (resumed, straight) = (learn("resumed", &long), learn("straight", &long));
        assert_eq!((resumed.steps, straight.steps), (steps[1], steps[1]), "{name}");
        assert_near(&resumed.history, &straight.history);
        assert_same(&bytes(&resumed.model), &bytes(&straight.model));
    }
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused_with_its_path() {
    let splits = splits();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.checkpoint");
    let _ = run(guided(&splits), &splits, &path, Some(1));
    let whole = std::fs::read(&path).expect("a checkpoint");
    for (what, bytes) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("text", b"not a checkpoint at all".to_vec()),
        ("a length that lies", [&whole[..8], &u64::MAX.to_le_bytes()[..], &whole[16..]].concat()),
    ] {
        std::fs::write(&path, bytes).expect("written");
        let error = run(guided(&splits), &splits, &path, None).expect_err(what).to_string();
        assert!(error.contains("a.checkpoint") && error.contains("delete it"), "{what}: {error}");
    }
    std::fs::write(&path, &whole).expect("written");
    let error = run(mopoe(&splits), &splits, &path, None).expect_err("another stage").to_string();
    assert!(error.contains("another run"), "{error}");
}
