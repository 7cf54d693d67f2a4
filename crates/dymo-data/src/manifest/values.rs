//! From a cell to the values of its modality.

use std::fmt;
use std::path::Path;

use super::layout::Layout;
use super::rows::Cell;
use super::settings::Form;
use crate::picture::{Depth, Losses, Picture, bytes_to_f32};
use crate::samples::ReadError;
use crate::text::TextEncoder;
use crate::volume::{Limits, Volume};

/// What is there and shows nothing; a warning, for it is often a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blank {
    /// A picture of which every pixel is black.
    BlackPicture,
    /// A volume of which every voxel is the same.
    ConstantVolume,
    /// A volume of which no voxel is a finite number.
    NoFiniteVoxel,
    /// A text of which nothing is a symbol of the alphabet or a word of the vocabulary.
    UnknownText,
}

impl Blank {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::BlackPicture => "the picture is all black",
            Self::ConstantVolume => "the volume is the same everywhere",
            Self::NoFiniteVoxel => "no voxel of the volume is a number, and 0 is taken for all of them",
            Self::UnknownText => "nothing of the text is a known symbol",
        }
    }
}

/// What reading a file leaves out or replaces; a warning, for a better file may be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// Voxels that are no number: the lowest value is taken for them.
    NotFinite {
        /// How many.
        voxels: usize,
    },
    /// A volume over time, of which the first frame is taken.
    Frames {
        /// How many it has.
        frames: usize,
    },
    /// Pixels that are not opaque: what they hide is seen.
    Transparent {
        /// How many.
        pixels: usize,
    },
    /// A picture whose values have more bits than the 8 that are read.
    Deep {
        /// How many bits each has.
        bits: u16,
        /// The largest value.
        largest: u16,
    },
    /// A text with more characters, or words, than it has places: the rest is cut off.
    Cut {
        /// How many it has.
        symbols: usize,
        /// How many are read.
        length: usize,
    },
}

impl Changed {
    /// What of a picture's file is not in the picture.
    pub fn of_picture(losses: Losses) -> Vec<Self> {
        let Losses { transparent, depth } = losses;
        let glass = (transparent > 0).then_some(Self::Transparent { pixels: transparent });
        let deep = depth.map(|Depth { bits, largest }| Self::Deep { bits, largest });
        glass.into_iter().chain(deep).collect()
    }

    /// What can be done about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotFinite { .. } => "correct the file if that is wrong",
            Self::Frames { .. } => "write another one to a file of its own if that is wanted",
            Self::Transparent { .. } => "put the picture on a background",
            Self::Deep { .. } => "write the pictures with 8 bits, all scaled alike, if the lower ones matter",
            Self::Cut { .. } => "raise the text's `length` in the experiment if the end matters",
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { voxels } => {
                write!(f, "{voxels} voxels are no number; the lowest value is taken for them")
            }
            Self::Frames { frames } => write!(f, "{frames} frames; the first is taken"),
            Self::Transparent { pixels } => {
                write!(f, "{pixels} pixels are transparent, which is dropped: what they hide is seen")
            }
            Self::Deep { bits, largest } => {
                let most = (1u64 << bits) - 1;
                write!(f, "values of {bits} bits, of which the upper 8 are read; the largest is {largest} of {most}")
            }
            Self::Cut { symbols, length } => write!(f, "a text of {symbols}, of which the first {length} are read"),
        }
    }
}

/// What is told of a cell that was read.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) blank: Option<Blank>,
    pub(crate) changed: Vec<Changed>,
}

impl Told {
    /// Of a volume; nothing of holes where it is blank besides. NaN counts as the value that all other voxels have.
    pub(crate) fn of_volume(volume: &Volume) -> Self {
        let (statistics, frames) = (volume.statistics(), volume.frames());
        let blank = match (statistics.finite, statistics.minimum == statistics.maximum && statistics.infinite == 0) {
            (0, _) => Some(Blank::NoFiniteVoxel),
            (_, true) => Some(Blank::ConstantVolume),
            (_, false) => None,
        };
        let voxels = statistics.nan + statistics.infinite;
        let hole = (voxels > 0 && blank.is_none()).then_some(Changed::NotFinite { voxels });
        let later = (frames > 1).then_some(Changed::Frames { frames });
        Self { blank, changed: hole.into_iter().chain(later).collect() }
    }

    /// Of a text, which it writes into `out`.
    fn of_text(encoder: &TextEncoder, text: &str, out: &mut [f32]) -> Result<Self, ReadError> {
        let blank = encoder.write(text, out)?.then_some(Blank::UnknownText);
        // Of a text that shows nothing, how much of it is read is of no interest.
        let cut = encoder
            .cut(text)
            .filter(|_| blank.is_none())
            .map(|symbols| Changed::Cut { symbols, length: encoder.length() });
        Ok(Self { blank, changed: cut.into_iter().collect() })
    }

    /// Of a picture, and of what its file has beside it.
    pub(crate) fn of_picture(picture: &Picture, losses: Losses) -> Self {
        // What is too dark to be left of 16 bits is not black.
        let black = picture.values().iter().all(|&value| value == 0)
            && losses.depth.is_none_or(|Depth { largest, .. }| largest == 0);
        Self { blank: black.then_some(Blank::BlackPicture), changed: Changed::of_picture(losses) }
    }
}

/// Writes what `cell` holds of `modality` into `out`; says so if it is blank or not taken as it is. Paths are relative to `folder`.
pub(super) fn write(
    layout: &Layout,
    modality: usize,
    cell: &Cell,
    folder: &Path,
    out: &mut [f32],
) -> Result<Told, ReadError> {
    match cell {
        Cell::Absent => {
            out.fill(0.0);
            Ok(Told::default())
        }
        Cell::File(path) => file(&layout.modalities[modality].form, &folder.join(path), out),
        Cell::Values(values) => {
            out.copy_from_slice(values);
            Ok(Told::default())
        }
        Cell::Text(text) => {
            let Some(encoder) = &layout.encoders[modality] else { return Ok(Told::default()) };
            Told::of_text(encoder, text, out)
        }
    }
}

/// The file of an image or a volume.
fn file(form: &Form, path: &Path, out: &mut [f32]) -> Result<Told, ReadError> {
    match form {
        Form::Image { height, width, colour, crop, .. } => {
            let (picture, losses) = Picture::open_with_losses(path, *colour)?;
            let picture =
                crop.map_or(Ok(picture.clone()), |crop| picture.cropped(crop)).map_err(|source| source.of(path))?;
            let told = Told::of_picture(&picture, losses);
            let small = picture.resized(*height, *width).map_err(|source| source.of(path))?;
            bytes_to_f32(small.values(), out);
            Ok(told)
        }
        Form::Volume { height, width, slices, plane, choice, intensity, .. } => {
            let volume = Volume::read(path, &Limits::default())?;
            let mut told = Told::of_volume(&volume);
            let mut volume = volume;
            if volume.frames() > 1 {
                volume = volume.frame(0)?;
                told.blank = Told::of_volume(&volume).blank;
            }
            volume.normalise(*intensity)?;
            let values = volume.to_input(*height, *width, *slices, *plane, *choice)?;
            out.copy_from_slice(&values);
            // Voxels that were not finite were replaced; a percentile window may still leave none to interpolate.
            out.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = 0.0);
            Ok(told)
        }
        Form::Table { .. } | Form::Text { .. } => Ok(Told::default()),
    }
}
