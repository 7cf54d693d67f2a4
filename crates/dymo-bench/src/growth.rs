//! Selection at one size: networks with random weights, everything missing but one modality, everything recovered.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use dymo_core::{Kind, ModalitySet, subsets};
use dymo_models::encoder::EncoderSettings;
use dymo_models::engine::{Inputs, Session};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
use dymo_models::recovery::{Observed, Recovery, RecoveryError};
use dymo_reward::{Calibration, ClassStatistics, Metric, Parts};
use dymo_select::{Sample, Selector};
use serde_json::{Value, json};

use crate::inference::Judge;

const WIDTH: usize = 32;
const FEATURE: usize = 16;
const CLASSES: usize = 10;

/// What grows.
#[derive(clap::Args)]
pub struct Size {
    /// Modalities M
    #[arg(long, default_value_t = 4)]
    modalities: usize,
    /// Samples
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Tokens of a modality, a square number
    #[arg(long, default_value_t = 4)]
    tokens: usize,
}

/// Pictures of noise, whichever sample and modality; also what is recovered.
struct Noise {
    kind: Kind,
    device: Device,
}

impl Noise {
    fn rows(&self, count: usize) -> Tensor<2> {
        Tensor::random([count, self.kind.values()], Distribution::Uniform(0.0, 1.0), &self.device)
    }
}

impl Inputs for Noise {
    fn read(&self, _: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        Ok(self.rows(samples.len()))
    }
}

impl Recovery for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        Ok(wanted.iter().map(|_| self.rows(observed.len())).collect())
    }
}

/// Statistics with which about every second candidate is let in.
fn statistics(modalities: usize) -> anyhow::Result<ClassStatistics> {
    let subsets = subsets(modalities);
    let wave = |len: usize| -> Vec<f32> { (0..len).map(|i| ((i * 37 % 101) as f32 / 50.5 - 1.0) * 0.5).collect() };
    let rows = subsets.len();
    Ok(ClassStatistics::try_from(Parts {
        metric: Metric::Cosine,
        temperature: 0.1,
        modalities,
        classes: CLASSES,
        width: FEATURE,
        subsets,
        prototypes: wave(rows * CLASSES * FEATURE),
        overall: wave(CLASSES * FEATURE),
        spread: vec![1.0; rows * CLASSES],
        counts: None,
    })?)
}

impl Size {
    /// Seconds, peak memory in MiB, queries that went through the network, and MiB of the class statistics.
    pub fn measure(&self) -> anyhow::Result<Value> {
        let device = Device::flex();
        device.seed(1);
        let side = 4 * self.tokens.isqrt();
        anyhow::ensure!(side * side == 16 * self.tokens, "{} tokens are no square", self.tokens);
        let kind = Kind::Image { height: side, width: side, channels: 1 };
        let encoder = EncoderSettings::Convolutional { widths: vec![8], token_width: WIDTH };
        let layout = FusionLayout::try_from(FusionTable {
            inputs: vec![Input { kind: kind.clone(), encoder }; self.modalities],
            width: WIDTH,
            heads: 2,
            blocks: 2,
            feature_width: FEATURE,
            classes: CLASSES,
            scale: FeatureScale::Unit,
            embedding_rows: EmbeddingRows::OnePerModality,
        })?;
        let network = layout.init(&device);
        let statistics = statistics(self.modalities)?;
        let noise = Noise { kind: kind.clone(), device: device.clone() };
        let present: Vec<ModalitySet> = (0..self.batch).map(|i| ModalitySet::single(i % self.modalities)).collect();
        let ids: Vec<u64> = (0..self.batch as u64).collect();
        let selector = Selector::dymo(Calibration::default_for(Metric::Cosine));
        let before = memory("VmRSS");
        let began = Instant::now();
        let mut queries = 0;
        let at_once = Session::samples_at_once(network.layout());
        for (present, ids) in present.chunks(at_once).zip(ids.chunks(at_once)) {
            let session = Session::new(&network, &noise, &noise, present, ids, device.clone());
            let mut judge = Judge::new(session, &statistics);
            let samples = present.iter().map(|p| Sample::with_rest_recovered(*p, self.modalities));
            selector.select(&mut judge, &samples.collect::<Result<Vec<_>, _>>()?)?;
            queries += judge.session.fused();
        }
        let seconds = began.elapsed().as_secs_f64();
        let numbers = subsets(self.modalities).len() * CLASSES * (FEATURE + 1);
        let statistics = (numbers * size_of::<f32>()) as f64 / (1024.0 * 1024.0);
        Ok(json!({ "seconds": seconds, "mib": memory("VmHWM") - before, "queries": queries, "statistics": statistics }))
    }
}

/// MiB that the system counts for this process, 0 where it does not say.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
