//! From files that were read to parts of a model folder.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use dymo_core::{Kind, Modality, ModalitySet, Schema};
use dymo_models::fusion::FusionLayout;
use dymo_models::published::{self, Checkpoint};
use dymo_models::weights::Precision;
use dymo_reward::{ClassStatistics, Metric};

use super::{Hints, ImportError, Imported, Origin, metric_of};
use crate::experiment::{StatisticsSamples, TrainedStage};
use crate::model_folder::{ModelFolder, ModelFolderError, Provenance, RecoveryModel};
use crate::trainer::{Schedule, Trained};

/// What an import has made.
#[derive(Debug)]
pub struct Written {
    /// The model.
    pub folder: ModelFolder,
    /// What is in it now, a row each: sort and file.
    pub parts: Vec<(&'static str, PathBuf)>,
    /// Statistics that were left out: of a metric whose network is not there, beside those of one that is.
    pub left_out: Vec<(Metric, PathBuf)>,
    /// Statistics with which the published edges cannot decide everything.
    pub without_spread: Vec<WithoutSpread>,
}

/// Statistics in which classes have a spread of 0, by which the published code divides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutSpread {
    /// The file.
    pub path: PathBuf,
    /// The first such class, and its subset.
    pub first: (usize, ModalitySet),
    /// How many there are.
    pub count: usize,
}

impl WithoutSpread {
    fn of(path: &Path, statistics: &ClassStatistics) -> Option<Self> {
        let rows = statistics.subsets().iter().enumerate();
        let cells = rows.flat_map(|(row, subset)| (0..statistics.classes()).map(move |class| (row, class, *subset)));
        let mut nothing = cells.filter(|(row, class, _)| statistics.spread(*row, *class) <= 0.0);
        let (_, class, subset) = nothing.next()?;
        Some(Self { path: path.into(), first: (class, subset), count: 1 + nothing.count() })
    }
}

impl Imported {
    /// Writes everything to a model folder: made if it is not there, added to if it is and has the same modalities and classes.
    /// Nothing is written before every part has been built.
    ///
    /// # Errors
    /// [`ImportError`], with the file: parts that do not belong together, something that files and hints both leave open, names or
    /// shapes that do not fit, each listed.
    pub fn write(mut self, path: &Path, hints: &Hints, device: &Device) -> Result<Written, ImportError> {
        let mut parts = Vec::new();
        let mut schema = None;
        for (origin, checkpoint) in &self.fusion {
            let own = hints.fusion.clone().or(&checkpoint.settings);
            let (network, names) = published::fusion_network(&checkpoint.tensors, &own, device)
                .map_err(|e| ImportError::from(e).of(&origin.path))?;
            let metric = metric_of(network.layout().scale());
            if parts.iter().any(|(_, stage, _)| matches!(stage, TrainedStage::Fusion(m, _) if *m == metric)) {
                return Err(ImportError::Twice {
                    path: origin.path.clone(),
                    what: "fusion network of the same metric",
                });
            }
            schema = Some(schema_of(network.layout(), names, hints)?);
            let provenance = origin.provenance(checkpoint);
            parts.push((provenance, TrainedStage::Fusion(metric, trained(network, checkpoint)), None));
        }
        let mut folder = match schema {
            Some(schema) => ModelFolder::create(path, &hints.name.clone().unwrap_or_else(|| name_of(path)), &schema)?,
            None => ModelFolder::open(path).map_err(|error| self.without_network(path, error))?,
        };
        if let Some((origin, checkpoint)) = &self.mopoe {
            let kind = only_kind(folder.schema(), &checkpoint.tensors).map_err(|e| e.of(&origin.path))?;
            let (model, settings) = published::mopoe(&checkpoint.tensors, kind, device)
                .map_err(|e| ImportError::from(e).of(&origin.path))?;
            let stage = TrainedStage::Mopoe(trained(model, checkpoint));
            parts.push((origin.provenance(checkpoint), stage, Some(RecoveryModel::Mopoe(settings))));
        }
        let left_out = self.leave_out(&parts, &folder)?;
        self.check_statistics(&parts, &folder)?;
        for (provenance, stage, model) in parts {
            folder.add(&stage, model, Precision::Full, provenance)?;
        }
        for (_, _, statistics) in &self.statistics {
            folder.add_statistics(statistics, 0, StatisticsSamples::Complete)?;
        }
        let without_spread =
            self.statistics.iter().filter_map(|(origin, _, statistics)| WithoutSpread::of(&origin.path, statistics));
        let without_spread = without_spread.collect();
        Ok(Written { folder, parts: self.parts(), left_out, without_spread })
    }

    /// Parts of a network cannot be all that there is.
    fn without_network(&self, folder: &Path, error: ModelFolderError) -> ImportError {
        let statistics = self.statistics.first().map(|(origin, metric, _)| (origin, Some(*metric)));
        let part = statistics.or(self.mopoe.as_ref().map(|(origin, _)| (origin, None)));
        match (error, part) {
            (ModelFolderError::Absent { .. }, Some((origin, metric))) => {
                ImportError::NoNetwork { folder: folder.into(), path: origin.path.clone(), metric }
            }
            (error, _) => error.into(),
        }
    }

    /// A release has the statistics of both metrics in one folder: those whose network is not there are left out if those of the
    /// network beside them are.
    fn leave_out(&mut self, parts: &[Part], folder: &ModelFolder) -> Result<Vec<(Metric, PathBuf)>, ImportError> {
        let imported =
            |metric: Metric| parts.iter().any(|part| matches!(&part.1, TrainedStage::Fusion(m, _) if *m == metric));
        let have: Vec<Metric> = self.statistics.iter().map(|(_, metric, _)| *metric).collect();
        let mut left_out = Vec::new();
        for (origin, named, _) in &self.statistics {
            if imported(*named) || folder.fusion_part(*named).is_ok() {
                continue;
            }
            let path = origin.path.clone();
            match [Metric::Cosine, Metric::Euclid].into_iter().find(|metric| imported(*metric)) {
                Some(wanted) if have.contains(&wanted) => left_out.push((*named, path)),
                Some(wanted) => {
                    return Err(ImportError::OtherMetric { path, named: *named, wanted, whose: "the network's is" });
                }
                None => {
                    return Err(ImportError::NoNetwork { folder: folder.path().into(), path, metric: Some(*named) });
                }
            }
        }
        self.statistics.retain(|(_, metric, _)| left_out.iter().all(|(other, _)| other != metric));
        Ok(left_out)
    }

    /// Statistics have the modalities, classes and width of their network, be it imported now or before.
    fn check_statistics(&self, parts: &[Part], folder: &ModelFolder) -> Result<(), ImportError> {
        for (origin, metric, statistics) in &self.statistics {
            let now = parts.iter().find_map(|(_, stage, _)| match stage {
                TrainedStage::Fusion(m, trained) if m == metric => Some(trained.model.layout()),
                _ => None,
            });
            let layout = match now {
                Some(layout) => layout,
                None => &folder.fusion_part(*metric)?.layout,
            };
            fits(statistics, layout).map_err(|e| e.of(&origin.path))?;
        }
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, PathBuf)> {
        let fusion = self.fusion.iter().map(|(origin, _)| ("fusion network", origin));
        let statistics = self.statistics.iter().map(|(origin, metric, _)| {
            let what = match metric {
                Metric::Cosine => "class statistics, cosine",
                Metric::Euclid => "class statistics, euclid",
            };
            (what, origin)
        });
        let mopoe = self.mopoe.iter().map(|(origin, _)| ("MoPoE", origin));
        let all = fusion.chain(statistics).chain(mopoe);
        all.map(|(what, origin)| (what, origin.path.clone())).collect()
    }
}

/// A part of the model before it is written.
type Part = (Provenance, TrainedStage, Option<RecoveryModel>);

impl Origin {
    fn provenance(&self, checkpoint: &Checkpoint) -> Provenance {
        let file = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Provenance {
            seed: 0,
            schedule: Schedule::default(),
            epoch: checkpoint.epoch.map_or(0, |epoch| epoch + 1),
            steps: 0,
            seconds: 0.0,
            samples: 0,
            device: "not known".into(),
            data: "# not known: imported".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            pretrained: Vec::new(),
            imported: Some(format!("{file}, sha256 {}", self.sha256)),
        }
    }
}

fn trained<M>(model: M, checkpoint: &Checkpoint) -> Trained<M> {
    Trained { model, history: Vec::new(), best_epoch: checkpoint.epoch.unwrap_or(0), steps: 0, seconds: 0.0 }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "imported".into(), |name| name.to_string_lossy().into_owned())
}

/// Modalities named as the file names their encoders, `m0`, `m1`, … where it numbers them, or as hinted.
fn schema_of(layout: &FusionLayout, names: Vec<String>, hints: &Hints) -> Result<Schema, ImportError> {
    let hinted = hints.fusion.modalities.as_ref().filter(|hinted| **hinted != names);
    let names: Vec<String> = match hinted {
        Some(hinted) if hinted.len() == names.len() => hinted.clone(),
        Some(hinted) => return Err(hint("--modalities", hinted.len(), names.len(), "modalities")),
        None => names.into_iter().map(|n| if n.parse::<usize>().is_ok() { format!("m{n}") } else { n }).collect(),
    };
    let classes = match &hints.classes {
        Some(classes) if classes.len() == layout.classes() => classes.clone(),
        Some(classes) => return Err(hint("--classes", classes.len(), layout.classes(), "classes")),
        None => (0..layout.classes()).map(|k| k.to_string()).collect(),
    };
    let modalities =
        names.into_iter().zip(layout.inputs()).map(|(name, input)| Modality::new(name, input.kind.clone()));
    Ok(Schema::new(modalities.collect(), classes)?)
}

fn hint(flag: &'static str, found: usize, wanted: usize, what: &str) -> ImportError {
    ImportError::Hint { flag, found: format!("{found} names"), wanted: format!("{wanted} {what}") }
}

/// The one kind that all modalities have, as many of them as the file has.
fn only_kind(schema: &Schema, tensors: &published::NamedTensors) -> Result<Kind, ImportError> {
    let kinds: Vec<Kind> = schema.modalities().iter().map(Modality::kind).collect();
    let found = published::mopoe_modalities(tensors);
    if found != kinds.len() {
        let field = "the number of modalities";
        return Err(ImportError::OtherNetwork { what: "MoPoE", field, found, wanted: kinds.len() });
    }
    match kinds.first() {
        Some(first) if kinds.iter().all(|kind| kind == first) => Ok(first.clone()),
        _ => Err(ImportError::OtherKinds),
    }
}

fn fits(statistics: &ClassStatistics, layout: &FusionLayout) -> Result<(), ImportError> {
    for (field, found, wanted) in [
        ("the number of modalities", statistics.modalities(), layout.modalities()),
        ("the number of classes", statistics.classes(), layout.classes()),
        ("the width of a feature", statistics.width(), layout.feature_width()),
    ] {
        if found != wanted {
            return Err(ImportError::OtherNetwork { what: "file of class statistics", field, found, wanted });
        }
    }
    Ok(())
}
