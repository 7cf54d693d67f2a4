//! The batch that is measured: samples of the test set that comes along, with the shipped networks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::{Kind, ModalitySet};
use dymo_data::missingness::{Protocol, draw};
use dymo_data::{Samples, labels, read_batch};
use dymo_models::engine::Inputs;
use dymo_models::fusion::FusionNetwork;
use dymo_models::recovery::{Mopoe, MopoeRecovery, MopoeSettings};
use dymo_models::weights::{Precision, from_bytes, to_bytes};
use dymo_reward::{ClassStatistics, Metric};
use dymo_train::experiment::Experiment;
use dymo_train::model_folder::ModelFolder;
use safetensors::tensor::{Dtype, TensorView};

/// Seed of masks and draws.
const SEED: u64 = 2025;

/// Everything that the tasks measure on.
pub struct Case {
    pub device: Device,
    pub experiment: Experiment,
    pub network: FusionNetwork,
    pub statistics: ClassStatistics,
    pub mopoe: Mopoe,
    pub settings: MopoeSettings,
    pub recovery: MopoeRecovery,
    pub kinds: Vec<Kind>,
    /// Of the modalities.
    pub names: Vec<String>,
    /// Complete samples, `[n, values]` per modality.
    pub values: Vec<Vec<f32>>,
    pub labels: Vec<usize>,
    pub present: Vec<ModalitySet>,
    pub ids: Vec<u64>,
    /// Samples to train on.
    pub train: std::sync::Arc<dyn Samples>,
}

impl Case {
    pub fn make(datasets: &Path, batch: usize, rate: f64, device: Device) -> anyhow::Result<Self> {
        let experiment = Experiment::read(&datasets.join("polymnist/experiment.toml"))?;
        let splits = experiment.open(datasets)?;
        let schema = splits.test.schema();
        let kinds: Vec<Kind> = schema.modalities().iter().map(|m| m.kind()).collect();
        let names = schema.modalities().iter().map(|m| m.name().to_string()).collect();
        let path = datasets.join("pretrained/polymnist");
        let folder = ModelFolder::open(&path)?;
        let settings = experiment.mopoe().context("the experiment has no MoPoE")?.clone();
        let file = path.join("mopoe.safetensors");
        let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
        let mopoe = from_bytes(settings.init(&kinds, &device)?, bytes)?;
        // Places spread over the test set, so that all classes are there.
        let step = (splits.test.len() / batch).max(1);
        let indices: Vec<usize> = (0..batch).map(|i| i * step % splits.test.len()).collect();
        let mut values = vec![Vec::new(); kinds.len()];
        for (m, values) in values.iter_mut().enumerate() {
            read_batch(splits.test.as_ref(), &indices, m, values)?;
        }
        Ok(Self {
            network: folder.fusion(Metric::Cosine, &device)?,
            statistics: folder.statistics(Metric::Cosine)?,
            recovery: MopoeRecovery::new(mopoe.clone(), &settings, SEED),
            mopoe,
            settings,
            values,
            labels: labels(splits.test.as_ref(), &indices),
            present: draw(Protocol::Bernoulli { rate }, batch, kinds.len(), SEED)?,
            ids: (0..batch as u64).collect(),
            train: splits.train.clone(),
            experiment,
            device,
            kinds,
            names,
        })
    }

    /// `[samples.len(), values]`.
    pub fn rows(&self, modality: usize, samples: impl Iterator<Item = usize>) -> Tensor<2> {
        let width = self.kinds[modality].values();
        let mut rows = Vec::new();
        samples.for_each(|s| rows.extend_from_slice(&self.values[modality][s * width..(s + 1) * width]));
        let count = rows.len() / width;
        Tensor::from_data(TensorData::new(rows, [count, width]), &self.device)
    }

    /// Share of right predictions.
    pub fn accuracy(&self, predicted: &[usize]) -> f64 {
        let right = predicted.iter().zip(&self.labels).filter(|(p, l)| p == l).count();
        right as f64 / self.labels.len() as f64
    }

    /// Writes inputs, masks, statistics and weights as SafeTensors: `case`, `fusion`, `mopoe`.
    pub fn export(&self, out: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let write = |name: &str, bytes: &[u8]| {
            let path: PathBuf = out.join(name);
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())
        };
        write("fusion.safetensors", &to_bytes(&self.network, Precision::Full)?)?;
        write("mopoe.safetensors", &to_bytes(&self.mopoe, Precision::Full)?)?;
        write("case.safetensors", &self.tensors()?)?;
        self.export_first(out)
    }

    /// The first sample as a table of picture files, `one.csv`; a table has to have a row of every split and class.
    fn export_first(&self, out: &Path) -> anyhow::Result<()> {
        let names = self.names.join(",");
        let mut cells = Vec::new();
        for (m, kind) in self.kinds.iter().enumerate() {
            let [height, width, channels] = kind.shape();
            if !self.present[0].contains(m) || channels != 3 {
                cells.push(String::new());
                continue;
            }
            let bytes = self.values[m][..kind.values()].iter().map(|v| (v * 255.0).round() as u8).collect();
            let picture = image::RgbImage::from_raw(width as u32, height as u32, bytes).context("a picture's size")?;
            picture.save(out.join(format!("m{m}.png")))?;
            cells.push(format!("m{m}.png"));
        }
        let row = |id: &str, label: usize, split: &str| format!("{id},{label},{split},{}\n", cells.join(","));
        let mut text = format!("id,label,split,{names}\n");
        (0..self.statistics.classes()).for_each(|class| text += &row(&format!("class-{class}"), class, "train"));
        text += &row("held-out", self.labels[0], "validation");
        text += &row("first", self.labels[0], "test");
        Ok(std::fs::write(out.join("one.csv"), text)?)
    }

    fn tensors(&self) -> anyhow::Result<Vec<u8>> {
        let parts = self.statistics.parts();
        let n = self.labels.len();
        let m = self.kinds.len();
        let labels: Vec<f32> = self.labels.iter().map(|l| *l as f32).collect();
        let flags = |sets: &[ModalitySet]| -> Vec<f32> {
            sets.iter().flat_map(|s| (0..m).map(|i| f32::from(!s.contains(i))).collect::<Vec<_>>()).collect()
        };
        let (missing, subsets) = (flags(&self.present), flags(&parts.subsets));
        let mut named: Vec<(String, Vec<usize>, &[f32])> = vec![
            ("labels".into(), vec![n], &labels),
            ("missing".into(), vec![n, m], &missing),
            ("subset_missing".into(), vec![parts.subsets.len(), m], &subsets),
            ("prototypes".into(), vec![parts.subsets.len(), parts.classes, parts.width], &parts.prototypes),
            ("overall_prototypes".into(), vec![parts.classes, parts.width], &parts.overall),
            ("dist_std".into(), vec![parts.subsets.len(), parts.classes], &parts.spread),
        ];
        for (i, (kind, values)) in self.kinds.iter().zip(&self.values).enumerate() {
            let [height, width, channels] = kind.shape();
            named.push((format!("input.m{i}"), vec![n, height, width, channels], values));
        }
        let bytes: Vec<Vec<u8>> =
            named.iter().map(|(_, _, v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let mut views = HashMap::new();
        for ((name, shape, _), bytes) in named.iter().zip(&bytes) {
            views.insert(name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes)?);
        }
        Ok(safetensors::serialize(views, None)?)
    }
}

/// Only what is observed is ever asked for.
impl Inputs for Case {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        Ok(self.rows(modality, samples.iter().copied()))
    }
}
