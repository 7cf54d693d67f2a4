//! Files of the released implementation into a model folder.
//!
//! A release consists of three sorts of files, told apart by what is in them: the checkpoint of a fusion network, its class
//! statistics ([`read_statistics`]), and a MoPoE. [`Imported`] sorts and reads any number of them, checks that they belong
//! together, and writes them as parts of a model folder.

mod error;
mod folder;
mod statistics;

use std::path::{Path, PathBuf};

use dymo_models::fusion::FeatureScale;
use dymo_models::published::{Checkpoint, FusionHints};
use dymo_reward::{ClassStatistics, Metric};

pub use error::ImportError;
pub use statistics::{looks_like_statistics, read_statistics};

/// What files do not say; the file's own word comes second.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// Of fusion networks.
    pub fusion: FusionHints,
    /// Names of the classes; `0`, `1`, … if nothing is said.
    pub classes: Option<Vec<String>>,
    /// Name of the model; that of its folder if nothing is said.
    pub name: Option<String>,
}

/// Files that were read, before they are written to a folder.
#[derive(Debug, Default)]
pub struct Imported {
    fusion: Vec<(Origin, Checkpoint)>,
    statistics: Vec<(Origin, Metric, ClassStatistics)>,
    mopoe: Option<(Origin, Checkpoint)>,
}

/// Where a part came from.
#[derive(Debug, Clone)]
struct Origin {
    path: PathBuf,
    sha256: String,
}

/// What a file turned out to be.
enum Sort {
    Fusion(Checkpoint),
    Statistics,
    Mopoe(Checkpoint),
}

impl Imported {
    /// Reads files, whatever their order. The metric of class statistics is that of the fusion network beside them; with none or
    /// two, a name with `_EU` in it means Euclid and any other cosine, as released.
    ///
    /// # Errors
    /// [`ImportError`], with the file: it cannot be read, is none of the three sorts, or comes twice.
    pub fn read(files: &[PathBuf], hints: &Hints) -> Result<Self, ImportError> {
        let mut imported = Self::default();
        let mut statistics = Vec::new();
        for path in files {
            let bytes = std::fs::read(path).map_err(|source| ImportError::Read { path: path.clone(), source })?;
            let origin = Origin { path: path.clone(), sha256: dymo_data::checksum::sha256_hex(&bytes) };
            match sort(&bytes).map_err(|e| e.of(path))? {
                Sort::Fusion(checkpoint) => imported.fusion.push((origin, checkpoint)),
                Sort::Statistics => statistics.push((origin, bytes)),
                Sort::Mopoe(_) if imported.mopoe.is_some() => {
                    return Err(ImportError::Twice { path: path.clone(), what: "MoPoE" });
                }
                Sort::Mopoe(checkpoint) => imported.mopoe = Some((origin, checkpoint)),
            }
        }
        for (origin, bytes) in statistics {
            let metric = imported.metric_beside(&origin.path, hints);
            let read = read_statistics(&bytes, metric).map_err(|e| e.of(&origin.path))?;
            imported.statistics.push((origin, metric, read));
        }
        Ok(imported)
    }

    fn metric_beside(&self, path: &Path, hints: &Hints) -> Metric {
        let scale = |checkpoint: &Checkpoint| hints.fusion.scale.or(checkpoint.settings.scale);
        match (&self.fusion[..], hints.fusion.scale) {
            ([(_, checkpoint)], _) if scale(checkpoint).is_some() => {
                scale(checkpoint).map_or(Metric::Cosine, metric_of)
            }
            (_, Some(hinted)) => metric_of(hinted),
            _ => metric_by_name(path),
        }
    }
}

/// The metric of a released statistics file by its name: `subset_gaussian.pt` or `subset_gaussian_EU.pt`.
pub fn metric_by_name(path: &Path) -> Metric {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if name.contains("_EU") { Metric::Euclid } else { Metric::Cosine }
}

/// Features of length one are compared by cosine.
pub fn metric_of(scale: FeatureScale) -> Metric {
    match scale {
        FeatureScale::Unit => Metric::Cosine,
        FeatureScale::Free => Metric::Euclid,
    }
}

fn sort(bytes: &[u8]) -> Result<Sort, ImportError> {
    if looks_like_statistics(bytes) {
        return Ok(Sort::Statistics);
    }
    let checkpoint = Checkpoint::read(bytes)?;
    let names = || checkpoint.tensors.keys();
    if names().any(|name| name.starts_with("m_encoders.") || name == "modality_embeddings.weight") {
        return Ok(Sort::Fusion(checkpoint));
    }
    if names().any(|name| name.starts_with("encoders.m") || name.starts_with("decoders.m")) {
        return Ok(Sort::Mopoe(checkpoint));
    }
    /// Names shown.
    const SHOWN: usize = 4;
    let shown: Vec<&str> = names().take(SHOWN).map(String::as_str).collect();
    Err(ImportError::Unknown { found: shown.join(", ") })
}
