//! From a cell to the values of its modality.

use std::path::Path;

use super::layout::Layout;
use super::rows::Cell;
use super::settings::Form;
use crate::picture::{Picture, bytes_to_f32};
use crate::samples::ReadError;
use crate::volume::{Limits, Volume};

/// What is there and shows nothing; a warning, for it is often a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blank {
    /// A picture of which every pixel is black.
    BlackPicture,
    /// A volume of which every voxel is the same.
    ConstantVolume,
    /// A text of which nothing is a symbol of the alphabet or a word of the vocabulary.
    UnknownText,
}

impl Blank {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::BlackPicture => "the picture is all black",
            Self::ConstantVolume => "the volume is the same everywhere",
            Self::UnknownText => "nothing of the text is a known symbol",
        }
    }
}

/// Writes what `cell` holds of `modality` into `out`; says so if it is blank. Paths are relative to `folder`.
pub(super) fn write(
    layout: &Layout,
    modality: usize,
    cell: &Cell,
    folder: &Path,
    out: &mut [f32],
) -> Result<Option<Blank>, ReadError> {
    match cell {
        Cell::Absent => {
            out.fill(0.0);
            Ok(None)
        }
        Cell::File(path) => file(&layout.modalities[modality].form, &folder.join(path), out),
        Cell::Values(values) => {
            out.copy_from_slice(values);
            Ok(None)
        }
        Cell::Text(text) => {
            let Some(encoder) = &layout.encoders[modality] else { return Ok(None) };
            Ok(encoder.write(text, out)?.then_some(Blank::UnknownText))
        }
    }
}

/// The file of an image or a volume.
fn file(form: &Form, path: &Path, out: &mut [f32]) -> Result<Option<Blank>, ReadError> {
    match form {
        Form::Image { height, width, colour, crop, .. } => {
            let picture = Picture::open(path, *colour)?;
            let picture =
                crop.map_or(Ok(picture.clone()), |crop| picture.cropped(crop)).map_err(|source| source.of(path))?;
            let black = picture.values().iter().all(|&value| value == 0);
            let small = picture.resized(*height, *width).map_err(|source| source.of(path))?;
            bytes_to_f32(small.values(), out);
            Ok(black.then_some(Blank::BlackPicture))
        }
        Form::Volume { height, width, slices, plane, choice, intensity, .. } => {
            let volume = Volume::read(path, &Limits::default())?;
            let mut volume = if volume.frames() > 1 { volume.frame(0)? } else { volume };
            let constant = is_constant(&volume);
            volume.normalise(*intensity)?;
            let values = volume.to_input(*height, *width, *slices, *plane, *choice)?;
            out.copy_from_slice(&values);
            // Voxels that were not finite were replaced; a percentile window may still leave none to interpolate.
            out.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = 0.0);
            Ok(constant.then_some(Blank::ConstantVolume))
        }
        Form::Table { .. } | Form::Text { .. } => Ok(None),
    }
}

/// Whether every voxel has one value; NaN counts as such.
pub(crate) fn is_constant(volume: &Volume) -> bool {
    let statistics = volume.statistics();
    statistics.minimum == statistics.maximum && statistics.infinite == 0
}
