//! Golden cases: what the published PyTorch implementation computed, reproduced by the engine and the selector.
//!
//! A case is a folder with `weights.safetensors` and `case.safetensors`. Those under `tests/golden` always run; further
//! folders are named, separated by colons, in the variable `DYMO_GOLDEN`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::{Kind, ModalitySet};
use dymo_models::engine::{Inputs, Session};
use dymo_models::fusion::FeatureScale;
use dymo_models::published;
use dymo_models::recovery::{Observed, Recovery, RecoveryError};
use dymo_reward::{Calibration, ClassStatistics, Edges, Metric, Parts};
use dymo_select::{Query, Sample, Score, Scorer, Selector};
use safetensors::{Dtype, SafeTensors};

/// Largest difference of logits, features and rewards: the published code in single and in double precision agrees to 2e-5 on
/// these samples, and our sums run in another order.
const BOUND: f32 = 1e-4;
/// What a case holds where no modality was taken.
const NO_ACTION: f32 = 100.0;
const SIDE: usize = 28;
const CHANNELS: usize = 3;

/// Tensors of a case, all as single-precision numbers.
struct Case(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Case {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tensors = file.iter().map(|(name, view)| {
            let data = view.data();
            let values: Vec<f32> = match view.dtype() {
                Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
                Dtype::I64 => data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32).collect(),
                Dtype::U8 => data.iter().map(|b| f32::from(*b)).collect(),
                other => panic!("{name} has type {other:?}"),
            };
            (name.to_string(), (view.shape().to_vec(), values))
        });
        Self(tensors.collect())
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.0.get(name).unwrap_or_else(|| panic!("{name} is not in the case")).1
    }

    fn extent(&self, name: &str, place: usize) -> usize {
        self.0[name].0[place]
    }

    /// Sets of present modalities from a table `[rows, M]` with 1 = missing.
    fn sets(&self, name: &str) -> Vec<ModalitySet> {
        let width = *self.0[name].0.last().unwrap();
        self.get(name)
            .chunks_exact(width)
            .map(|row| ModalitySet::from_missing(&row.iter().map(|v| *v > 0.5).collect::<Vec<_>>()))
            .collect()
    }

    fn statistics(&self, metric: Metric) -> ClassStatistics {
        ClassStatistics::try_from(Parts {
            metric,
            temperature: 0.1,
            modalities: self.extent("subset_missing", 1),
            classes: self.extent("overall_prototypes", 0),
            width: self.extent("overall_prototypes", 1),
            subsets: self.sets("subset_missing"),
            prototypes: self.get("prototypes").to_vec(),
            overall: self.get("overall_prototypes").to_vec(),
            spread: self.get("dist_std").to_vec(),
            counts: None,
        })
        .expect("the case's statistics fit together")
    }

    /// One modality `[N, 3, 28, 28]` as pictures in row order with channels last.
    fn pictures(&self, modality: usize) -> Vec<f32> {
        let pixels = SIDE * SIDE;
        let turn = |image: &[f32]| -> Vec<f32> {
            (0..pixels).flat_map(|p| (0..CHANNELS).map(move |c| (c, p))).map(|(c, p)| image[c * pixels + p]).collect()
        };
        self.get(&format!("input.m{modality}")).chunks_exact(CHANNELS * pixels).flat_map(turn).collect()
    }
}

/// The case's inputs: observed ones as observed, recovered ones as recovered.
struct Recorded {
    inputs: Vec<Vec<f32>>,
}

impl Recorded {
    fn rows(&self, modality: usize, samples: impl Iterator<Item = usize>) -> Tensor<2> {
        let width = SIDE * SIDE * CHANNELS;
        let values: Vec<f32> =
            samples.flat_map(|s| self.inputs[modality][s * width..(s + 1) * width].to_vec()).collect();
        let count = values.len() / width;
        Tensor::from_data(TensorData::new(values, [count, width]), &Device::flex())
    }
}

impl Inputs for Recorded {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        Ok(self.rows(modality, samples.iter().copied()))
    }
}

impl Recovery for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn recover(&self, observed: &Observed, wanted: ModalitySet) -> Result<Vec<Tensor<2>>, RecoveryError> {
        Ok(wanted.iter().map(|m| self.rows(m, observed.ids.iter().map(|id| *id as usize))).collect())
    }
}

struct Judge<'a> {
    session: Session<'a>,
    statistics: &'a ClassStatistics,
}

impl Scorer for Judge<'_> {
    type Error = std::convert::Infallible;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Self::Error> {
        let asked: Vec<_> = queries.iter().map(|q| (q.sample, q.subset)).collect();
        let answers = self.session.answer(&asked).expect("every query of a case has an answer");
        let scores = asked.iter().zip(answers).map(|((_, subset), a)| {
            Score::from(self.statistics.evidence(*subset, &a.logits, &a.feature, Edges::Published).expect("evidence"))
        });
        Ok(scores.collect())
    }
}

fn close(case: &Path, what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{}: {what}", case.display());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= BOUND, "{}: {what}[{i}] is {a}, published {b}", case.display());
    }
}

fn fusion_folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(own).expect("tests/golden").map(|entry| entry.expect("a folder").path()).collect();
    if let Some(more) = std::env::var_os("DYMO_GOLDEN") {
        folders.extend(std::env::split_paths(&more));
    }
    let polymnist = |f: &PathBuf| {
        f.join("weights.safetensors").exists()
            && f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("polymnist-"))
    };
    folders.retain(polymnist);
    folders.sort();
    assert!(!folders.is_empty(), "at least one golden case comes with the repository");
    folders
}

#[test]
fn the_published_choices_are_made() {
    for folder in fusion_folders() {
        makes_the_published_choices(&folder);
    }
}

fn makes_the_published_choices(folder: &Path) {
    let case = Case::read(&folder.join("case.safetensors"));
    let cosine = folder.to_string_lossy().contains("cosine");
    let (metric, scale) =
        if cosine { (Metric::Cosine, FeatureScale::Unit) } else { (Metric::Euclid, FeatureScale::Free) };
    let device = Device::flex();
    let bytes = std::fs::read(folder.join("weights.safetensors")).expect("weights");
    let kind = Kind::Image { height: SIDE, width: SIDE, channels: CHANNELS };
    let tensors = published::read_safetensors(&bytes).expect("weights");
    let network = published::fusion_network(&tensors, kind, 4, scale, &device).expect("a released network");
    let statistics = case.statistics(metric);
    let present = case.sets("missing");
    let modalities = statistics.modalities();
    let recorded = Recorded { inputs: (0..modalities).map(|m| case.pictures(m)).collect() };
    let ids: Vec<u64> = (0..present.len() as u64).collect();
    let mut session = Session::new(&network, &recorded, &recorded, &present, &ids, device);
    let first: Vec<_> = present.iter().copied().enumerate().collect();
    let features: Vec<f32> = session.answer(&first).expect("answers").into_iter().flat_map(|a| a.feature).collect();
    close(folder, "features_initial", &features, case.get("features_initial"));

    let questions: Vec<Sample> =
        present.iter().map(|p| Sample::with_rest_recovered(*p, modalities).expect("a sample")).collect();
    let mut judge = Judge { session, statistics: &statistics };
    let selector = Selector::dymo(Calibration::default_for(metric)).with_edges(Edges::Published);
    let decisions = selector.select(&mut judge, &questions).expect("decisions");

    let finals: Vec<ModalitySet> = decisions.iter().map(|d| d.final_subset).collect();
    assert_eq!(finals, case.sets("missing_final"), "{}: final subsets", folder.display());
    let asked: Vec<_> = finals.iter().copied().enumerate().collect();
    let logits: Vec<f32> = judge.session.answer(&asked).expect("answers").into_iter().flat_map(|a| a.logits).collect();
    close(folder, "logits", &logits, case.get("logits"));

    let (samples, actions, rewards) = (present.len(), case.get("action_history"), case.get("reward_history"));
    for (sample, decision) in decisions.iter().enumerate() {
        for round in 0..case.extent("action_history", 0) {
            let action = actions[round * samples + sample];
            let ours = decision.rounds.get(round).and_then(|r| r.accepted().first());
            let theirs = (action < NO_ACTION).then_some(action as usize);
            assert_eq!(ours, theirs, "{}: sample {sample}, round {round}", folder.display());
        }
        for (round, taken) in decision.rounds.iter().enumerate() {
            for candidate in &taken.candidates {
                let at = (round * samples + sample) * modalities + candidate.modality;
                let name = format!("reward_history[{round}, {sample}, {}]", candidate.modality);
                close(folder, &name, &[candidate.reward], &rewards[at..=at]);
            }
        }
    }
}

#[test]
fn released_mopoe_weights_give_the_published_posterior_and_pictures() {
    let Some(folder) = std::env::var_os("DYMO_GOLDEN")
        .and_then(|all| std::env::split_paths(&all).find(|f| f.join("mopoe.safetensors").exists()))
    else {
        return;
    };
    let case = Case::read(&folder.join("case.safetensors"));
    let tensors = published::read_safetensors(&std::fs::read(folder.join("mopoe.safetensors")).unwrap()).unwrap();
    let kind = Kind::Image { height: SIDE, width: SIDE, channels: CHANNELS };
    let (model, settings) = published::mopoe(&tensors, kind, &Device::flex()).expect("a released MoPoE");
    let present = case.sets("missing");
    let recorded = Recorded { inputs: (0..5).map(|m| case.pictures(m)).collect() };
    let width = SIDE * SIDE * CHANNELS;
    for (sample, set) in present.iter().enumerate() {
        let inputs: Vec<_> = set.iter().map(|m| recorded.rows(m, std::iter::once(sample))).collect();
        let posterior = model.posterior(*set, &inputs);
        let values = |t: Tensor<2>| t.into_data().try_to_vec::<f32>().unwrap();
        let z = settings.latent;
        let row = sample * z..(sample + 1) * z;
        close(&folder, "mu", &values(posterior.mean), &case.get("mu")[row.clone()]);
        close(&folder, "logvar", &values(posterior.log_variance), &case.get("logvar")[row.clone()]);
        let mean = Tensor::from_data(TensorData::new(case.get("mu")[row].to_vec(), [1, z]), &Device::flex());
        for m in 0..5 {
            let decoded = values(model.decode(m, mean.clone()));
            let theirs = &case.get(&format!("decoded.m{m}"))[sample * width..(sample + 1) * width];
            let pixels = SIDE * SIDE;
            let turned: Vec<f32> =
                (0..pixels).flat_map(|p| (0..CHANNELS).map(move |c| theirs[c * pixels + p])).collect();
            close(&folder, "decoded", &decoded, &turned);
        }
    }
}
