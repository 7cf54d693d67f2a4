//! `case.safetensors`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dymo_core::{Kind, ModalitySet};
use safetensors::{Dtype, SafeTensors};

use crate::error::GoldenError;

/// The tensors of a case, all as single-precision numbers.
#[derive(Debug)]
pub struct Case {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

#[derive(Debug)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Case {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not there, or no SafeTensors file of numbers.
    pub fn read(path: &Path) -> Result<Self, GoldenError> {
        let bytes = std::fs::read(path).map_err(|source| GoldenError::Read { path: path.into(), source })?;
        let refuse = |reason: String| GoldenError::Case { path: path.into(), reason };
        let file = SafeTensors::deserialize(&bytes).map_err(|e| refuse(e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let data = view.data();
            let values: Vec<f32> = match view.dtype() {
                Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                Dtype::I64 => data.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
                Dtype::U8 | Dtype::BOOL => data.iter().map(|b| f32::from(*b)).collect(),
                other => return Err(refuse(format!("{name} has type {other:?}, which no case holds"))),
            };
            tensors.insert(name.to_string(), Tensor { shape: view.shape().to_vec(), values });
        }
        Ok(Self { path: path.into(), tensors })
    }

    fn refuse(&self, reason: String) -> GoldenError {
        GoldenError::Case { path: self.path.clone(), reason }
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, GoldenError> {
        self.tensors.get(name).ok_or_else(|| self.refuse(format!("{name} is missing")))
    }

    /// The values of a tensor, checked against its extents; 0 stands for any extent.
    pub(crate) fn get(&self, name: &str, wanted: &[usize]) -> Result<&[f32], GoldenError> {
        let tensor = self.tensor(name)?;
        let fits = tensor.shape.len() == wanted.len()
            && tensor.shape.iter().zip(wanted).all(|(found, wanted)| *wanted == 0 || found == wanted);
        if fits {
            Ok(&tensor.values)
        } else {
            let any = if wanted.contains(&0) { " (0 = any)" } else { "" };
            Err(self.refuse(format!("{name} has extents {:?}, {wanted:?} was expected{any}", tensor.shape)))
        }
    }

    /// One extent of a tensor.
    pub(crate) fn extent(&self, name: &str, place: usize) -> Result<usize, GoldenError> {
        let shape = &self.tensor(name)?.shape;
        shape.get(place).copied().ok_or_else(|| self.refuse(format!("{name} has extents {shape:?}, too few")))
    }

    /// Number of samples and of modalities, from the mask: at least one of each.
    pub(crate) fn size(&self) -> Result<(usize, usize), GoldenError> {
        let (samples, modalities) = (self.extent("missing", 0)?, self.extent("missing", 1)?);
        if samples == 0 {
            return Err(self.refuse("missing has no rows: a case without samples shows nothing".into()));
        }
        self.get("missing", &[samples, modalities])?;
        Ok((samples, modalities))
    }

    /// What is observed of each sample: something.
    pub(crate) fn observed(&self) -> Result<Vec<ModalitySet>, GoldenError> {
        let sets = self.sets("missing")?;
        match sets.iter().position(|set| set.is_empty()) {
            Some(sample) => Err(self.refuse(format!("missing: everything is missing of sample {sample}"))),
            None => Ok(sets),
        }
    }

    /// Refuses a case of another number of modalities than the network has.
    pub(crate) fn check_modalities(&self, wanted: usize) -> Result<(), GoldenError> {
        let (_, found) = self.size()?;
        if found == wanted {
            return Ok(());
        }
        Err(self.refuse(format!("missing speaks of {found} modalities, the network has {wanted}")))
    }

    /// Sets of present modalities from a table `[rows, M]` with 1 = missing.
    pub(crate) fn sets(&self, name: &str) -> Result<Vec<ModalitySet>, GoldenError> {
        let width = self.extent(name, 1)?;
        if width == 0 || width > ModalitySet::MAX {
            return Err(self.refuse(format!("{name} speaks of {width} modalities")));
        }
        let row = |row: &[f32]| ModalitySet::from_missing(&row.iter().map(|v| *v > 0.5).collect::<Vec<_>>());
        Ok(self.get(name, &[0, width])?.chunks_exact(width).map(row).collect())
    }

    /// The recorded input of a modality in our order: pictures `[N, C, H, W]` become `[N, H, W, C]`, everything else stays.
    pub(crate) fn input(&self, name: &str, kind: &Kind) -> Result<Vec<f32>, GoldenError> {
        self.in_our_order(&format!("input.{name}"), kind)
    }

    /// Samples of a kind, as many as the case has, channels last.
    pub(crate) fn in_our_order(&self, name: &str, kind: &Kind) -> Result<Vec<f32>, GoldenError> {
        let (samples, _) = self.size()?;
        let [height, width, channels] = kind.shape();
        if !matches!(kind, Kind::Image { .. }) {
            let wanted = if width == 1 { vec![samples, height, channels] } else { vec![samples, kind.values()] };
            return Ok(self.get(name, &wanted)?.to_vec());
        }
        let values = self.get(name, &[samples, channels, height, width])?;
        let pixels = height * width;
        let turn = |picture: &[f32]| -> Vec<f32> {
            (0..pixels).flat_map(|p| (0..channels).map(move |c| (c, p))).map(|(c, p)| picture[c * pixels + p]).collect()
        };
        Ok(values.chunks_exact(kind.values()).flat_map(turn).collect())
    }

    /// Height and width of the recorded pictures, of the first modality that has some.
    pub(crate) fn picture(&self) -> Option<[usize; 2]> {
        let inputs = self.tensors.iter().filter(|(name, _)| name.starts_with("input."));
        let extents = |tensor: &Tensor| match tensor.shape[..] {
            [_, _, height, width] if height > 0 && width > 0 => Some([height, width]),
            _ => None,
        };
        inputs.filter_map(|(_, tensor)| extents(tensor)).next()
    }

    /// Names of the recorded inputs, in the order of files: alphabetical, which is that of their modalities in every released case.
    pub(crate) fn input_names(&self) -> Vec<String> {
        self.tensors.keys().filter_map(|name| name.strip_prefix("input.")).map(str::to_string).collect()
    }
}
