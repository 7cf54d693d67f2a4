//! Why a volume was refused.
use std::{io, path::PathBuf};

/// Why a volume could not be read, changed or drawn: what was found, what would have passed, what to do.
/// The message is complete: causes are part of it, so [`std::error::Error::source`] is always empty.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// Any of the others, in this file. Added once, by the function that took the path; see [`VolumeError::problem`].
    #[error("{}: {problem}", path.display())]
    InFile {
        /// The file that the caller named.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<VolumeError>,
    },
    /// The operating system refused.
    #[error("could not {action}: {cause}; {}", crate::refused::remedy(cause))]
    Io {
        /// What was tried, as a verb: `open it`.
        action: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// The first four bytes are no NIfTI header size in either byte order.
    #[error(
        "not a NIfTI file: it begins with {found:02x?}, wanted the header's size, 348 or 540; convert it to .nii.gz"
    )]
    NotNifti {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The size fits, the signature does not; ANALYZE 7.5 headers are such files.
    #[error(
        "no NIfTI signature in its header of {size} bytes (found {found:?}); if it is ANALYZE 7.5, convert it to .nii.gz"
    )]
    Signature {
        /// Size of the header, 348 or 540.
        size: usize,
        /// What stands where the signature belongs.
        found: String,
    },
    /// A signature of a header whose voxels lie in another file, where only one stream was given.
    #[error("header of a .hdr/.img pair: give the .hdr file's path, with its .img beside it")]
    Detached,
    /// One of the two files of a pair is absent.
    #[error("its other half is missing: wanted {} beside it", wanted.display())]
    HalfPair {
        /// The file looked for (its `.gz` form was looked for, too).
        wanted: PathBuf,
    },
    /// A folder that is no series of DICOM slices.
    #[error("{file}: {reason}")]
    Dicom {
        /// The slice, or the folder.
        file: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A folder where a file is wanted.
    #[error(
        "it is a folder; name a file, or build with `--features dicom` if it holds DICOM slices (or convert them to .nii.gz)"
    )]
    Folder,
    /// `dim[0]` is the number of axes, the others are extents.
    #[error("dim[{index}] is {found}, wanted {}", if *index == 0 { "1 to 7 axes" } else { "at least 1" })]
    Dimension {
        /// Index into the header's `dim`.
        index: usize,
        /// What stands there.
        found: i64,
    },
    /// The header promises more than [`Limits::voxels`](super::Limits::voxels); seen before anything was allocated.
    #[error("{found} voxels, at most {limit} are read; crop the volume, or resample it to a coarser grid")]
    TooManyVoxels {
        /// Product of the extents, `u64::MAX` if it does not fit.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The file holds, or unpacks to, more than [`Limits::bytes`](super::Limits::bytes).
    #[error(
        "{found} bytes or more once unpacked, at most {limit} are read; crop the volume, or store it with fewer bytes a voxel"
    )]
    TooManyBytes {
        /// Bytes needed or seen so far.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Voxels that are not single real numbers of at most 64 bits.
    #[error("data type {code} ({name}), wanted an integer or a real number of at most 64 bits; {remedy}")]
    DataType {
        /// NIfTI's code.
        code: i16,
        /// NIfTI's word for it.
        name: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Two header fields contradict each other, so the voxels' size is unknown.
    #[error("bitpix is {found}, but data type {data_type} has {wanted} bits; the header is damaged, write it anew")]
    Bitpix {
        /// The data type's name.
        data_type: &'static str,
        /// `bitpix` in the header.
        found: i16,
        /// The size that fits.
        wanted: i16,
    },
    /// The voxels cannot begin there.
    #[error("vox_offset is {found}, wanted a whole number of at least {wanted}")]
    Offset {
        /// `vox_offset` in the header.
        found: f64,
        /// Header and extension flag end here.
        wanted: u64,
    },
    /// A slope that scales, with an intercept that is no number.
    #[error(
        "scl_inter is {found} beside scl_slope {slope}, wanted a finite number; set scl_slope to 0 for unscaled voxels"
    )]
    Intercept {
        /// `scl_slope` in the header.
        slope: f64,
        /// `scl_inter` in the header.
        found: f64,
    },
    /// The file ends early.
    #[error("cut short: {found} of {wanted} bytes of its {part}; copy or download it again")]
    Truncated {
        /// `header`, `extensions` or `voxels`.
        part: &'static str,
        /// Bytes that are there.
        found: u64,
        /// Bytes that belong there.
        wanted: u64,
    },
    /// The compressed stream is cut short, damaged, or fails its checksum.
    #[error("damaged gzip stream ({cause}); copy or download it again")]
    Gzip {
        /// What the decoder said.
        cause: io::Error,
    },
    /// The machine has not enough memory for what the limits allow.
    #[error("no memory for {bytes} bytes of voxels; read a smaller file or use a larger machine")]
    Memory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// The NIfTI library refused bytes that passed all checks above.
    #[error("voxels not understood: {cause}")]
    Decode {
        /// What the library said.
        cause: String,
    },
    /// A time point that the volume does not have.
    #[error("frame {found} of a volume with {frames}, wanted 0 to {}", frames.saturating_sub(1))]
    Frame {
        /// The frame asked for.
        found: usize,
        /// Frames there are.
        frames: usize,
    },
    /// A grid to resample to, or the shape of a new volume, that is empty or too large.
    #[error("grid {found:?}, wanted extents of at least 1 and at most {limit} voxels in all")]
    Grid {
        /// The extents asked for.
        found: Vec<usize>,
        /// The most voxels a grid may have.
        limit: u64,
    },
    /// An affine that is not finite or flattens space.
    #[error("the affine {found:?} cannot be inverted; wanted finite numbers and three independent axes")]
    Affine {
        /// Its upper three rows.
        found: [[f64; 4]; 3],
    },
    /// Percentiles that bound nothing.
    #[error("percentiles {low} and {high}, wanted 0 <= low < high <= 100")]
    Percentiles {
        /// The lower one.
        low: f64,
        /// The upper one.
        high: f64,
    },
    /// The picture could not be encoded.
    #[error("could not encode the picture: {cause}")]
    Picture {
        /// What the encoder said.
        cause: String,
    },
}

impl VolumeError {
    /// The error itself, without the path around it: what to match on.
    pub fn problem(&self) -> &VolumeError {
        match self {
            VolumeError::InFile { problem, .. } => problem.problem(),
            other => other,
        }
    }

    /// The same error with the file's name in front, unless it has one already.
    pub(super) fn in_file(self, path: &std::path::Path) -> Self {
        match self {
            named @ VolumeError::InFile { .. } => named,
            problem => VolumeError::InFile { path: path.to_owned(), problem: Box::new(problem) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_path_is_added_once() {
        let error = VolumeError::Frame { found: 9, frames: 2 }.in_file(Path::new("a.nii")).in_file(Path::new("b.nii"));
        assert_eq!(error.to_string(), "a.nii: frame 9 of a volume with 2, wanted 0 to 1");
        assert!(matches!(error.problem(), VolumeError::Frame { found: 9, frames: 2 }));
    }

    #[test]
    fn it_can_cross_threads() {
        fn sendable<T: Send + Sync + 'static>() {}
        sendable::<VolumeError>();
    }
}
