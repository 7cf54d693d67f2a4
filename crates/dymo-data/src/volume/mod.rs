//! Medical volumes: NIfTI files read with care, brought to one orientation, grid and intensity, and cut to network
//! input. Knows one file at a time. Must never know a data set's name, a label, or a tensor.
//!
//! ```
//! use dymo_data::volume::{Interpolation, Intensity, Volume};
//! // 4 × 4 × 2 voxels of 1 × 1 × 8 mm, brightness growing along the first axis
//! let data = ndarray::Array4::from_shape_fn((4, 4, 2, 1), |(x, ..)| x as f32);
//! let affine = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 8., 0.], [0., 0., 0., 1.]];
//! let volume = Volume::new(data, affine)?;
//! assert_eq!(volume.orientation().to_string(), "RAS");
//!
//! let mut small = volume.resample([2, 2, 4], Interpolation::Linear)?;
//! assert_eq!(small.spacing(), [2.0, 2.0, 4.0]);         // the same field of view
//! assert_eq!(small.data()[[0, 0, 0, 0]], 0.5);          // halfway between voxels 0 and 1
//! small.normalise(Intensity::MinMax)?;
//! assert_eq!(small.data()[[1, 0, 0, 0]], 1.0);
//! # Ok::<(), dymo_data::volume::VolumeError>(())
//! ```
//! In reading order: `error`, `data_type` and `header` (checked fields), `affine` (millimetres), `read` (files and
//! streams), `orientation`, `resample`, `intensity`, `input` (for a 2-D network), `picture` and `summary` (for people).
mod affine;
mod data_type;
#[cfg(feature = "dicom")]
mod dicom;
mod error;
mod header;
mod input;
mod intensity;
mod letters;
mod orientation;
mod picture;
mod read;
mod resample;
mod summary;

pub use affine::{Affine, AffineSource};
pub use data_type::DataType;
pub use error::VolumeError;
pub use header::{ByteOrder, Version};
pub use input::{Plane, SliceChoice};
pub use intensity::{Intensity, Normalisation, Statistics};
pub use orientation::{Direction, Orientation};
pub use picture::{Picture, middle_slices};
pub(crate) use read::other_half;
pub use resample::Interpolation;
pub use summary::Summary;

use ndarray::{Array4, ArrayView3, Axis};
use serde::{Deserialize, Serialize};
use std::{io::Read, path::Path};

/// The most that is read of one file, whatever its header promises or its gzip stream unpacks to.
/// Strict: checked before memory is asked for, so that an attack costs no more than these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Voxels, all time points together; four bytes each in memory. By default 2²⁸, a cube of 645.
    pub voxels: u64,
    /// Bytes of the unpacked file. By default 2³¹.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { voxels: 1 << 28, bytes: 1 << 31 }
    }
}

/// How the voxels were stored in the file that a volume came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stored {
    /// NIfTI-1 or NIfTI-2.
    pub version: Version,
    /// Whether the file was compressed, told by its first bytes and not by its name.
    pub gzip: bool,
    /// The kind of number in the file; in memory it is `f32`.
    pub data_type: DataType,
    /// Order of bytes in the file.
    pub byte_order: ByteOrder,
    /// The extents in the header, 1 to 7 of them.
    pub dims: Vec<usize>,
    /// `(slope, intercept)` that were applied (value = slope · stored + intercept); `None` where the header asks for
    /// none.
    pub scaling: Option<(f64, f64)>,
    /// Unit of the affine, `mm` nearly always; empty where the header does not say.
    pub unit: &'static str,
    /// Time between two frames, in the header's unit of time; 0 where it does not say.
    pub time_step: f64,
}

/// A volume in memory: real numbers on a grid, and where the grid lies in space. Never empty; the affine can be
/// inverted.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    data: Array4<f32>,
    affine: Affine,
    affine_source: AffineSource,
    stored: Option<Stored>,
}

impl Volume {
    /// Reads a `.nii`, a `.nii.gz` or a `.hdr`/`.img` pair (name either file), NIfTI-1 or NIfTI-2, told by their bytes.
    /// With the feature `dicom`, a folder of DICOM slices is read, too.
    /// Integers and real numbers of up to 64 bits are scaled as the header says in f64 and kept as f32.
    ///
    /// # Errors
    /// [`VolumeError::InFile`] around what is wrong; nothing in a file makes this panic or take more than `limits`
    /// allow.
    pub fn read(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, VolumeError> {
        let path = path.as_ref();
        if path.is_dir() {
            #[cfg(feature = "dicom")]
            return dicom::folder(path, limits).map_err(|problem| problem.in_file(path));
            #[cfg(not(feature = "dicom"))]
            return Err(VolumeError::Folder.in_file(path));
        }
        read::file(path, limits).map_err(|problem| problem.in_file(path))
    }

    /// Reads a single-file volume, compressed or not, from a stream: an archive's entry, or bytes in memory.
    ///
    /// # Errors
    /// As [`Volume::read`], without the path; [`VolumeError::Detached`] for one half of a pair.
    pub fn from_reader(reader: impl Read, limits: &Limits) -> Result<Self, VolumeError> {
        read::stream(reader, limits)
    }

    /// A volume of one's own: `data [x, y, z, frames]`.
    ///
    /// # Errors
    /// [`VolumeError::Grid`] without voxels, [`VolumeError::Affine`] where `affine` is not finite or flattens space.
    pub fn new(data: Array4<f32>, affine: Affine) -> Result<Self, VolumeError> {
        if data.is_empty() {
            return Err(VolumeError::Grid { found: data.shape().to_vec(), limit: Limits::default().voxels });
        }
        if !affine::is_usable(&affine) || affine[3] != [0.0, 0.0, 0.0, 1.0] {
            let [x, y, z, _] = affine;
            return Err(VolumeError::Affine { found: [x, y, z] });
        }
        Ok(Self { data, affine, affine_source: AffineSource::Given, stored: None })
    }

    /// The voxels, `[x, y, z, frames]`; one frame unless the file has a fourth axis, and axes beyond it are counted
    /// into frames. In memory the first axis runs fastest, as in the file.
    pub fn data(&self) -> &Array4<f32> {
        &self.data
    }

    /// From voxel indices to millimetres.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// Which part of the header the affine came from: where it was [`AffineSource::Assumed`], left and right are a
    /// guess.
    pub fn affine_source(&self) -> AffineSource {
        self.affine_source
    }

    /// How the file stored it; `None` for [`Volume::new`].
    pub fn stored(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }

    /// Extents of the grid, `[x, y, z]`.
    pub fn grid(&self) -> [usize; 3] {
        let (x, y, z, _) = self.data.dim();
        [x, y, z]
    }

    /// Time points, at least 1.
    pub fn frames(&self) -> usize {
        self.data.len_of(Axis(3))
    }

    /// Size of one voxel along the array's three axes, in the affine's unit.
    pub fn spacing(&self) -> [f64; 3] {
        affine::spacing(&self.affine)
    }

    /// The anatomical direction nearest to each array axis.
    pub fn orientation(&self) -> Orientation {
        Orientation::of(&self.affine)
    }

    /// Voxels that are NaN.
    pub fn nan_count(&self) -> usize {
        self.data.iter().filter(|value| value.is_nan()).count()
    }

    /// One time point as a volume of its own.
    ///
    /// # Errors
    /// [`VolumeError::Frame`] unless `t` is below [`Volume::frames`].
    pub fn frame(&self, t: usize) -> Result<Self, VolumeError> {
        let frames = self.frames();
        if t >= frames {
            return Err(VolumeError::Frame { found: t, frames });
        }
        let [x, y, z] = self.grid();
        let frame = self.data.index_axis(Axis(3), t).insert_axis(Axis(3));
        Ok(self.with(first_axis_fastest((x, y, z, 1), frame.t().iter().copied()), self.affine))
    }

    /// What [`Summary`] says of this volume.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// The first time point, where one is needed and any will do.
    fn first_frame(&self) -> ArrayView3<'_, f32> {
        self.data.index_axis(Axis(3), 0)
    }

    /// Other voxels in another place, the same origin.
    fn with(&self, data: Array4<f32>, affine: Affine) -> Self {
        Self { data, affine, affine_source: self.affine_source, stored: self.stored.clone() }
    }
}

/// The house's memory order. `values` come with the first axis running fastest; the shape's product is their number.
fn first_axis_fastest(shape: (usize, usize, usize, usize), values: impl Iterator<Item = f32>) -> Array4<f32> {
    use ndarray::ShapeBuilder;
    let mut data = Array4::zeros(shape.f());
    for (voxel, value) in data.as_slice_memory_order_mut().unwrap_or_default().iter_mut().zip(values) {
        *voxel = value;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Affine = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]];

    #[test]
    fn a_frame_is_one_time_point() {
        let data = Array4::from_shape_fn((2, 3, 4, 5), |(x, y, z, t)| (1000 * t + 100 * x + 10 * y + z) as f32);
        let volume = Volume::new(data, IDENTITY).unwrap();
        let frame = volume.frame(3).unwrap();
        assert_eq!((frame.grid(), frame.frames()), ([2, 3, 4], 1));
        assert_eq!(frame.data()[[1, 2, 3, 0]], 3123.0);
        assert_eq!(frame.data()[[0, 2, 1, 0]], 3021.0);
        assert!(matches!(volume.frame(5), Err(VolumeError::Frame { found: 5, frames: 5 })));
    }

    #[test]
    fn nothing_and_nowhere_are_refused() {
        assert!(matches!(Volume::new(Array4::zeros((2, 0, 2, 1)), IDENTITY), Err(VolumeError::Grid { .. })));
        let mut flat = IDENTITY;
        flat[2][2] = 0.0;
        assert!(matches!(Volume::new(Array4::zeros((2, 2, 2, 1)), flat), Err(VolumeError::Affine { .. })));
    }
}
