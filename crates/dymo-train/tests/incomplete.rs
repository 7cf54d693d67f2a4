//! Training on samples that lack modalities: what is missing is never read, and what is there still teaches.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use burn::module::Module;
use burn::tensor::Device;
use dymo_core::{ModalitySet, Schema};
use dymo_data::{Protocol, ReadError, Samples, Source, Splits, Subset, draw};
use dymo_models::encoder::EncoderSettings;
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
use dymo_models::recovery::GuidedSettings;
use dymo_train::TrainError;
use dymo_train::experiment::{StatisticsSamples, StatisticsTable};
use dymo_train::fusion::{FusionLoss, FusionObjective};
use dymo_train::recovery::{GuidedObjective, HeldOut};
use dymo_train::statistics;
use dymo_train::trainer::{Objective, Run, Schedule, Trained, train};

/// Hides modalities of samples, and remembers when somebody looks all the same.
struct Hiding {
    whole: Arc<dyn Samples>,
    observed: Vec<ModalitySet>,
    peeked: Mutex<Vec<(usize, usize)>>,
}

impl Samples for Hiding {
    fn schema(&self) -> &Schema {
        self.whole.schema()
    }
    fn len(&self) -> usize {
        self.observed.len()
    }
    fn label(&self, index: usize) -> usize {
        self.whole.label(index)
    }
    fn observed(&self, index: usize) -> ModalitySet {
        self.observed[index]
    }
    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        if !self.observed[index].contains(modality) {
            self.peeked.lock().expect("a lock").push((index, modality));
        }
        self.whole.read(index, modality, out)
    }
    fn id(&self, index: usize) -> String {
        self.whole.id(index)
    }
}

fn splits() -> Splits {
    let datasets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    Source::Polymnist { seed: 5, train_limit: Some(96) }.open(&datasets).expect("the data")
}

fn hiding(splits: &Splits, rate: f64) -> Arc<Hiding> {
    let whole: Arc<dyn Samples> = Arc::new(Subset::first(splits.train.clone(), 96));
    let observed = draw(Protocol::Bernoulli { rate }, 96, 5, 3).expect("a mask");
    Arc::new(Hiding { whole, observed, peeked: Mutex::default() })
}

fn learn<O: Objective>(mut objective: O, samples: &dyn Samples) -> Result<Trained<O::Model>, TrainError> {
    let schedule = Schedule { epochs: 2, batch: 32, patience: None, ..Schedule::default() };
    let run = Run {
        seed: 1,
        checkpoint: None,
        resume: false,
        settings: BTreeMap::new(),
        every: Duration::MAX,
        stop: Arc::new(AtomicBool::new(false)),
        progress: &mut |_| (),
    };
    train(&mut objective, &schedule, samples, &Device::flex(), run)
}

fn fusion(validation: Arc<dyn Samples>) -> FusionObjective {
    let encoder = EncoderSettings::Convolutional { widths: vec![4, 8], token_width: 16 };
    let table = FusionTable {
        inputs: validation
            .schema()
            .modalities()
            .iter()
            .map(|m| Input { kind: m.kind(), encoder: encoder.clone() })
            .collect(),
        width: 16,
        heads: 2,
        blocks: 1,
        feature_width: 8,
        classes: 10,
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    let loss = FusionLoss { prototypes_from: 1, ..FusionLoss::default() };
    FusionObjective::new(FusionLayout::try_from(table).expect("a layout"), loss, validation, Device::flex())
}

fn guided(validation: Arc<dyn Samples>) -> GuidedObjective {
    let settings = GuidedSettings { widths: vec![4, 8, 8], hidden: 16, shared: 8, private: 4, ..Default::default() };
    GuidedObjective::new(settings, HeldOut { samples: validation, reader: None, device: Device::flex() })
}

/// Bytes of the weights.
fn bytes<M: Module>(model: M) -> Vec<u8> {
    model.into_record().into_bytes().expect("a record").to_vec()
}

#[test]
fn what_is_missing_is_never_read_and_what_is_there_teaches() {
    let splits = splits();
    let (complete, some) = (hiding(&splits, 0.0), hiding(&splits, 0.6));
    let one = bytes(learn(fusion(complete.clone()), complete.as_ref()).expect("trained").model);
    let other = learn(fusion(some.clone()), some.as_ref()).expect("trained");
    assert!(other.history.iter().all(|point| point.value.is_finite()), "{:?}", other.history);
    assert!(one != bytes(other.model), "it learnt from what it had");
    let one = bytes(learn(guided(complete.clone()), complete.as_ref()).expect("trained").model);
    let other = learn(guided(some.clone()), some.as_ref()).expect("trained");
    assert!(other.history.iter().all(|point| point.value.is_finite()), "{:?}", other.history);
    assert!(one != bytes(other.model));
    assert!(some.peeked.lock().expect("a lock").is_empty(), "{:?}", some.peeked);
}

#[test]
fn statistics_take_complete_samples_or_all_for_what_they_have() {
    let splits = splits();
    let some = hiding(&splits, 0.3);
    let network = learn(fusion(some.clone()), some.as_ref()).expect("trained").model;
    let table = |samples| StatisticsTable { samples, limit: None };
    let plan = |samples: &dyn Samples, which| statistics::plan(samples, &table(which));
    let fit = |samples: &dyn Samples, which| {
        let plan = plan(samples, which)?;
        statistics::fit(&network, samples, &plan, &Device::flex(), &mut |_, _| ())
    };

    let complete: Vec<usize> = (0..96).filter(|i| some.observed[*i].len() == 5).collect();
    let subset = Subset::new(splits.train.clone(), complete).expect("a subset");
    let of_complete = fit(some.as_ref(), Some(StatisticsSamples::Complete)).expect("fitted");
    assert_eq!(of_complete, fit(&subset, None).expect("fitted"));

    // Some of 96 samples are complete, but not ten of each class: all are taken, and that is said.
    let chosen = plan(some.as_ref(), None).expect("a plan");
    assert!(chosen.indices.len() > 90 && chosen.samples == StatisticsSamples::Observed, "{chosen:?}");
    assert!(chosen.notes.len() == 1 && chosen.notes[0].contains("are complete"), "{:?}", chosen.notes);
    let of_all = fit(some.as_ref(), None).expect("fitted");
    let alone = of_all.row(ModalitySet::single(0)).expect("a row");
    assert!(of_all.prototype(alone, 3) != of_complete.prototype(alone, 3), "more samples have the first modality");
    // With nothing missing both are the same.
    let whole = hiding(&splits, 0.0);
    let observed = fit(whole.as_ref(), Some(StatisticsSamples::Observed)).expect("fitted");
    assert_eq!(observed, fit(whole.as_ref(), None).expect("fitted"));
    assert!(some.peeked.lock().expect("a lock").is_empty(), "{:?}", some.peeked);

    let one =
        Hiding { whole: splits.train.clone(), observed: vec![ModalitySet::single(0); 96], peeked: Mutex::default() };
    let statistics = fit(&one, None).expect("what there is");
    let (seen, never) = (ModalitySet::single(0), ModalitySet::single(1));
    let row = |subset| statistics.row(subset).expect("a row");
    assert_eq!(statistics.prototype(row(never), 2), statistics.prototype(row(seen), 2));
    let refused = fit(&one, Some(StatisticsSamples::Complete)).expect_err("nothing is complete");
    assert!(refused.to_string().contains("none of the 96 training samples has every modality"), "{refused}");
    let nothing =
        Hiding { whole: splits.train.clone(), observed: vec![ModalitySet::EMPTY; 96], peeked: Mutex::default() };
    assert!(fit(&nothing, None).is_err());
}

/// Modalities that no sample has both of: subsets of the others are whole for all, those of one of the two for half, those of both for
/// none.
#[test]
fn modalities_that_never_come_together_do_not_stop_a_training() {
    let splits = splits();
    let apart = |whole: Arc<dyn Samples>| {
        let full = whole.schema().full();
        let observed = (0..whole.len()).map(|i| full.without(i % 2)).collect();
        Arc::new(Hiding { whole, observed, peeked: Mutex::default() })
    };
    let (train, validation) = (apart(splits.train.clone()), apart(splits.validation.clone()));
    let trained = learn(fusion(validation), train.as_ref()).expect("trained");
    assert!(trained.history.iter().all(|point| point.value.is_finite()), "{:?}", trained.history);
    assert!(train.peeked.lock().expect("a lock").is_empty(), "what is hidden was read");
}
