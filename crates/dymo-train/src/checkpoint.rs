//! One file that holds everything a training needs to go on: whole or absent, because it is written beside its name and renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use dymo_data::whole;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::trainer::History;

const MAGIC: &[u8; 8] = b"dymockp1";

/// Where a training stands. The byte strings are Burn records.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub place: Place,
    pub model: Vec<u8>,
    pub optimiser: Vec<u8>,
    /// Weights of the best epoch so far, if one has ended.
    pub best: Vec<u8>,
}

/// The numbers of a checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Says which run it is; a checkpoint of another is refused.
    pub run: String,
    /// Checksums of the settings that the weights depend on, by what people call them. Earlier versions did not write them.
    #[serde(default)]
    pub settings: Option<BTreeMap<String, String>>,
    pub epoch: usize,
    pub batch: usize,
    pub step: usize,
    pub best_epoch: usize,
    /// As bits: a decimal number may come back as its neighbour, and an equal score would then count as a better one.
    pub best_score: Option<u64>,
    pub stale_epochs: usize,
    pub seconds: f64,
    pub history: History,
    /// What the objective carries from step to step, as bits, so that a resumed sum is the same sum.
    pub objective: Vec<u64>,
    /// Sums of the running epoch's quantities.
    pub sums: Vec<(String, u64)>,
    pub samples: usize,
}

impl Place {
    /// In which way this one is of another run than `other`, in words; `None` if it is of the same.
    pub fn differs(&self, other: &Self) -> Option<String> {
        let (Some(ours), Some(theirs)) = (&self.settings, &other.settings) else {
            return Some("it does not say which settings it was made under, as earlier versions did not".into());
        };
        if self.run != other.run {
            return Some(format!("it belongs to another run ({}), this one is {}", self.run, other.run));
        }
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let changed: Vec<&str> =
            names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name)).map(String::as_str).collect();
        (!changed.is_empty()).then(|| format!("it was made under other settings: {} changed", changed.join(", ")))
    }
}

impl Checkpoint {
    /// Writes the file; whoever reads sees the old one or the new one, whole.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let fail = TrainError::file(path);
        self.write(path).map_err(fail)
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let place = serde_json::to_vec(&self.place)?;
        // They are large, and one trainer writes them.
        whole::sweep(path);
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(MAGIC)?;
        for part in [&place, &self.model, &self.optimiser, &self.best] {
            file.write_all(&(part.len() as u64).to_le_bytes())?;
            file.write_all(part)?;
        }
        file.commit()
    }

    /// Reads the file back; `None` where there is none.
    pub fn load(path: &Path) -> Result<Option<Self>, TrainError> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(TrainError::file(path)(error)),
        };
        let refuse = |reason: String| TrainError::Checkpoint { path: path.into(), reason };
        let size = file.metadata().map_err(TrainError::file(path))?.len();
        let mut file = std::io::BufReader::new(file);
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(|e| refuse(format!("not a checkpoint ({e})")))?;
        if &magic != MAGIC {
            return Err(refuse("not a checkpoint of this version".into()));
        }
        let mut part = || -> Result<Vec<u8>, TrainError> {
            let mut length = [0; 8];
            file.read_exact(&mut length).map_err(|e| refuse(format!("cut short ({e})")))?;
            let length = u64::from_le_bytes(length);
            if length > size {
                return Err(refuse(format!("a part of {length} bytes in a file of {size}")));
            }
            let mut bytes = Vec::new();
            (&mut file).take(length).read_to_end(&mut bytes).map_err(TrainError::file(path))?;
            if bytes.len() as u64 != length {
                return Err(refuse(format!("cut short: {} of {length} bytes of a part", bytes.len())));
            }
            Ok(bytes)
        };
        let (place, model, optimiser, best) = (part()?, part()?, part()?, part()?);
        let place = serde_json::from_slice(&place).map_err(|e| refuse(format!("its header cannot be read ({e})")))?;
        Ok(Some(Self { place, model, optimiser, best }))
    }
}
