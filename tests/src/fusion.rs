//! A network and its selections against the recorded ones.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use dymo_core::ModalitySet;
use dymo_models::engine::Session;
use dymo_models::fusion::{FeatureScale, FusionNetwork};
use dymo_models::published::{self, Checkpoint, FusionHints, NamedTensors, PublishedError};
use dymo_reward::{Calibration, ClassStatistics, DEFAULT_TEMPERATURE, Edges, Metric, Parts};
use dymo_select::{Decision, Query, Sample, Score, Scorer, Selector};
use dymo_train::import::{metric_by_name, metric_of, read_statistics};

use crate::case::Case;
use crate::error::GoldenError;
use crate::recorded::Recorded;
use crate::timing::{self, Timing};
use crate::verdict::{FusionVerdict, Guessed, largest_difference};

/// What a case holds where no modality was taken.
const NO_ACTION: f32 = 100.0;

/// The case's network with its statistics.
pub(crate) struct Network {
    network: FusionNetwork,
    statistics: ClassStatistics,
    /// Names of the modalities in the case, in order.
    inputs: Vec<String>,
    guessed: Guessed,
}

impl Network {
    /// The released checkpoint of a folder, or else its SafeTensors; `None` if there is neither.
    pub(crate) fn find(folder: &Path, case: &Case, device: &Device) -> Result<Option<Self>, GoldenError> {
        let bare = folder.join("weights.safetensors");
        let Some(path) = first(&folder.join("downstream"), "ckpt").or_else(|| bare.exists().then_some(bare)) else {
            return Ok(None);
        };
        let refuse = |source| match source {
            PublishedError::Positions { found, wanted, picture } => {
                GoldenError::Pictures { path: path.clone(), found, wanted, picture }
            }
            source => GoldenError::Network { path: path.clone(), source },
        };
        let checkpoint = Checkpoint::read(&read(&path)?).map_err(refuse)?;
        let gaussian = folder.join("gaussian");
        let said = &checkpoint.settings;
        let guessed = Guessed {
            heads: if said.heads.is_some() { None } else { Some(released_heads(&path, &checkpoint.tensors)?) },
            metric: said.scale.is_none(),
        };
        let hints = FusionHints {
            heads: said.heads.or(guessed.heads),
            scale: Some(said.scale.unwrap_or_else(|| scale(folder, first(&gaussian, "pt").as_deref()))),
            picture: case.picture(),
            modalities: None,
        };
        let hints = hints.or(&checkpoint.settings);
        let (network, names) = published::fusion_network(&checkpoint.tensors, &hints, device).map_err(refuse)?;
        let metric = metric_of(network.layout().scale());
        // A release has the statistics of both metrics in one folder: those of the other one are not taken.
        let of = |named: Option<Metric>| files(&gaussian, "pt").find(|path| metric_by_name(path) == named);
        let statistics = match of(Some(metric)).or_else(|| of(None)) {
            Some(path) => read_statistics(&read(&path)?, metric)
                .map_err(|source| GoldenError::Statistics { path: path.clone(), source })?,
            None => recorded_statistics(case, metric)?,
        };
        let inputs = names.into_iter().map(|n| if n.parse::<usize>().is_ok() { format!("m{n}") } else { n });
        Ok(Some(Self { network, statistics, inputs: inputs.collect(), guessed }))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GoldenError> {
    std::fs::read(path).map_err(|source| GoldenError::Read { path: path.into(), source })
}

/// Files with that extension.
fn files(folder: &Path, extension: &str) -> impl Iterator<Item = PathBuf> {
    let all = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(move |path| path.extension().is_some_and(|e| e == extension))
}

/// The first of them, by name.
fn first(folder: &Path, extension: &str) -> Option<PathBuf> {
    files(folder, extension).min()
}

/// Attention heads of the released networks, which their width tells apart, where the weights do not say.
fn released_heads(path: &Path, tensors: &NamedTensors) -> Result<usize, GoldenError> {
    let width = tensors.get("modality_embeddings.weight").and_then(|tensor| tensor.shape.last().copied());
    match width {
        Some(32) => Ok(2),
        Some(128) => Ok(4),
        _ => Err(GoldenError::Heads { path: path.into() }),
    }
}

/// The metric by the folder's name, else by the name of its statistics.
fn scale(folder: &Path, statistics: Option<&Path>) -> FeatureScale {
    let name = name(folder);
    let euclid = name.contains("eucl")
        || (!name.contains("cos") && statistics.is_some_and(|path| metric_by_name(path) == Some(Metric::Euclid)));
    if euclid { FeatureScale::Free } else { FeatureScale::Unit }
}

fn name(folder: &Path) -> String {
    let full = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    full.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The statistics as the case has recorded them.
fn recorded_statistics(case: &Case, metric: Metric) -> Result<ClassStatistics, GoldenError> {
    let subsets = case.sets("subset_missing")?;
    let (rows, classes) = (subsets.len(), case.extent("overall_prototypes", 0)?);
    let width = case.extent("overall_prototypes", 1)?;
    let parts = Parts {
        metric,
        temperature: DEFAULT_TEMPERATURE,
        modalities: case.extent("subset_missing", 1)?,
        classes,
        width,
        subsets,
        prototypes: case.get("prototypes", &[rows, classes, width])?.to_vec(),
        overall: case.get("overall_prototypes", &[classes, width])?.to_vec(),
        spread: case.get("dist_std", &[rows, classes])?.to_vec(),
        counts: None,
    };
    ClassStatistics::try_from(parts)
        .map_err(|e| GoldenError::Case { path: "case.safetensors".into(), reason: e.to_string() })
}

/// The engine's answers as evidence, at the published edges.
pub(crate) struct Judge<'a> {
    session: Session<'a>,
    statistics: &'a ClassStatistics,
}

impl Scorer for Judge<'_> {
    type Error = std::io::Error;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Self::Error> {
        let asked: Vec<_> = queries.iter().map(|q| (q.sample, q.subset)).collect();
        let answers = self.session.answer(&asked).map_err(std::io::Error::other)?;
        let judge = |((_, subset), answer): (&(usize, ModalitySet), dymo_models::engine::Answer)| {
            let evidence = self.statistics.evidence(*subset, &answer.logits, &answer.feature, Edges::Published);
            evidence.map(Score::from).map_err(std::io::Error::other)
        };
        asked.iter().zip(answers).map(judge).collect()
    }
}

/// Samples that are decided upon.
pub(crate) struct Questions<'a> {
    pub network: &'a FusionNetwork,
    pub statistics: &'a ClassStatistics,
    pub recorded: &'a Recorded,
    pub present: &'a [ModalitySet],
    pub ids: &'a [u64],
}

impl<'a> Questions<'a> {
    pub(crate) fn judge(&self) -> Judge<'a> {
        let device = self.recorded.device.clone();
        let session = Session::new(self.network, self.recorded, self.recorded, self.present, self.ids, device);
        Judge { session, statistics: self.statistics }
    }

    /// DyMo as published for this metric.
    pub(crate) fn decide(&self, judge: &mut Judge<'_>) -> Result<Vec<Decision>, String> {
        let modalities = self.statistics.modalities();
        let samples = self.present.iter().map(|p| Sample::with_rest_recovered(*p, modalities));
        let samples: Vec<Sample> = samples.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        let calibration = Calibration::default_for(self.statistics.metric());
        let selector = Selector::dymo(calibration).with_edges(Edges::Published);
        selector.select(judge, &samples).map_err(|e| e.to_string())
    }
}

/// Compares everything that was recorded.
pub(crate) fn check(
    folder: &Path,
    case: &Case,
    network: &Network,
    device: &Device,
    time: Option<usize>,
) -> Result<FusionVerdict, GoldenError> {
    let Network { network, statistics, inputs, guessed } = network;
    let engine = |reason: String| GoldenError::Engine { folder: folder.into(), reason };
    let (samples, modalities) = case.size()?;
    let layout = network.layout();
    case.check_modalities(layout.modalities())?;
    for (field, found, wanted) in [
        ("modalities", statistics.modalities(), layout.modalities()),
        ("classes", statistics.classes(), layout.classes()),
        ("values a feature", statistics.width(), layout.feature_width()),
    ] {
        if found != wanted {
            return Err(engine(format!("the class statistics are of {found} {field}, the network has {wanted}")));
        }
    }
    let present = case.observed()?;
    let kinds = layout.inputs().iter().map(|input| &input.kind);
    let inputs = inputs.iter().zip(kinds).map(|(name, kind)| case.input(name, kind)).collect::<Result<_, _>>()?;
    let recorded = Recorded { inputs, samples, device: device.clone() };
    let ids: Vec<u64> = (0..samples as u64).collect();
    let questions = Questions { network, statistics, recorded: &recorded, present: &present, ids: &ids };
    let mut judge = questions.judge();

    let flat = |rows: Vec<Vec<f32>>| rows.into_iter().flatten().collect::<Vec<f32>>();
    let first: Vec<_> = present.iter().copied().enumerate().collect();
    let answers = judge.session.answer(&first).map_err(|e| engine(e.to_string()))?;
    let features = flat(answers.into_iter().map(|a| a.feature).collect());
    let decisions = questions.decide(&mut judge).map_err(engine)?;
    let finals: Vec<_> = decisions.iter().map(|d| d.final_subset).enumerate().collect();
    let answers = judge.session.answer(&finals).map_err(|e| engine(e.to_string()))?;
    let logits = flat(answers.into_iter().map(|a| a.logits).collect());

    let timing: Option<Timing> = match time {
        None => None,
        Some(count) => Some(timing::select(&questions, count).map_err(engine)?),
    };
    case.get("missing_final", &[samples, modalities])?;
    let final_sets = case.sets("missing_final")?;
    let (differing_actions, rewards) = compare_rounds(case, &decisions, (samples, modalities))?;
    Ok(FusionVerdict {
        metric: statistics.metric(),
        samples,
        logits: largest_difference(&logits, case.get("logits", &[samples, layout.classes()])?),
        features: largest_difference(&features, case.get("features_initial", &[samples, layout.feature_width()])?),
        rewards,
        differing_actions,
        guessed: *guessed,
        differing_masks: finals.iter().zip(&final_sets).filter(|((_, ours), theirs)| ours != *theirs).count(),
        timing,
    })
}

/// Number of differing actions, and the largest difference of the rewards of candidates that were still open.
fn compare_rounds(
    case: &Case,
    decisions: &[Decision],
    (samples, modalities): (usize, usize),
) -> Result<(usize, f32), GoldenError> {
    let rounds = case.extent("action_history", 0)?;
    let actions = case.get("action_history", &[rounds, samples])?;
    let rewards = case.get("reward_history", &[rounds, samples, modalities])?;
    let (mut differing, mut largest) = (0, 0.0f32);
    for (sample, decision) in decisions.iter().enumerate() {
        for round in 0..rounds.max(decision.rounds.len()) {
            let action = actions.get(round * samples + sample).copied().unwrap_or(NO_ACTION);
            let theirs = (action < NO_ACTION).then_some(action as usize);
            let ours = decision.rounds.get(round).and_then(|r| r.accepted().first());
            differing += usize::from(ours != theirs);
        }
        for (round, taken) in decision.rounds.iter().enumerate() {
            for candidate in &taken.candidates {
                // A round that the published code did not have shows as a differing action, if it had any.
                let place = (round * samples + sample) * modalities + candidate.modality;
                if let Some(theirs) = rewards.get(place) {
                    largest = largest.max(largest_difference(&[candidate.reward], &[*theirs]));
                }
            }
        }
    }
    Ok((differing, largest))
}
