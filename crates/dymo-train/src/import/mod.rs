//! Files of the released implementation into a model folder.
//!
//! A release consists of three sorts of files, told apart by what is in them: the checkpoint of a fusion network, its class
//! statistics ([`read_statistics`]), and a MoPoE. [`Imported`] sorts and reads any number of them, checks that they belong
//! together, and writes them as parts of a model folder. Known are the fusion networks of PolyMNIST and of MNIST-SVHN-Text, their
//! statistics, and PolyMNIST's MoPoE.

mod error;
mod folder;
mod statistics;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dymo_models::fusion::FeatureScale;
use dymo_models::published::{Checkpoint, FusionHints, PublishedError};
use dymo_reward::{ClassStatistics, Metric};

pub use error::ImportError;
pub use folder::{WithoutSpread, Written};
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
    /// Reads files, whatever their order. The metric of class statistics is what their name says, as released: `_EU` in it means
    /// Euclid, any other `gaussian` cosine. Under another name it is the hinted one, or that of the one fusion network beside them.
    ///
    /// # Errors
    /// [`ImportError`], with the file: it cannot be read, is none of the three sorts, comes twice, or says nothing of its metric.
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
            let metric = imported.metric_of_statistics(&origin.path, hints)?;
            if imported.statistics.iter().any(|(_, other, _)| *other == metric) {
                return Err(ImportError::Twice {
                    path: origin.path,
                    what: "file of class statistics of the same metric",
                });
            }
            let read = read_statistics(&bytes, metric).map_err(|e| e.of(&origin.path))?;
            imported.statistics.push((origin, metric, read));
        }
        Ok(imported)
    }

    fn metric_of_statistics(&self, path: &Path, hints: &Hints) -> Result<Metric, ImportError> {
        let hinted = hints.fusion.scale.map(metric_of);
        if let Some(named) = metric_by_name(path) {
            // With a network at hand the hint speaks of that.
            return match hinted {
                Some(wanted) if self.fusion.is_empty() && wanted != named => {
                    Err(ImportError::OtherMetric { path: path.into(), named, wanted, whose: "--metric says" })
                }
                _ => Ok(named),
            };
        }
        let beside = match &self.fusion[..] {
            [(_, checkpoint)] => checkpoint.settings.scale.map(metric_of),
            _ => None,
        };
        let unsaid =
            || ImportError::from(PublishedError::Unsaid { what: "its metric, cosine or Euclid", flag: "--metric" });
        hinted.or(beside).ok_or_else(|| unsaid().of(path))
    }
}

/// The metric of a released statistics file by its name: `subset_gaussian.pt` or `subset_gaussian_EU.pt`; `None` under a name that is
/// not of this sort.
pub fn metric_by_name(path: &Path) -> Option<Metric> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.contains("_eu") {
        return Some(Metric::Euclid);
    }
    name.contains("gaussian").then_some(Metric::Cosine)
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
    const FUSION: [&str; 4] = ["m_encoders.", "m_norms.", "modality_embeddings.", "pos_embeddings"];
    if names().any(|name| FUSION.iter().any(|prefix| name.starts_with(prefix))) {
        return Ok(Sort::Fusion(checkpoint));
    }
    let coded = names().filter_map(|name| {
        let rest = name.strip_prefix("encoders.").or(name.strip_prefix("decoders."))?;
        rest.split('.').next()
    });
    let coded: BTreeSet<&str> = coded.collect();
    let is_numbered = |name: &&str| name.strip_prefix('m').is_some_and(|number| number.parse::<usize>().is_ok());
    match (coded.is_empty(), coded.iter().all(is_numbered)) {
        (true, _) => {}
        (false, true) => return Ok(Sort::Mopoe(checkpoint)),
        (false, false) => {
            let modalities = coded.into_iter().collect::<Vec<_>>().join(", ");
            return Err(ImportError::OtherRecovery { modalities });
        }
    }
    /// Names shown.
    const SHOWN: usize = 4;
    let shown: Vec<&str> = names().take(SHOWN).map(String::as_str).collect();
    Err(ImportError::Unknown { found: shown.join(", ") })
}
