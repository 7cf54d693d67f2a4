use std::io;
use std::path::PathBuf;

use dymo_core::SchemaError;
use thiserror::Error;

use crate::checksum::ChecksumError;
use crate::idx::IdxFileError;
use crate::picture::PictureFileError;

/// Why PolyMNIST cannot be made, or read from a folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolyMnistError {
    /// A file of digits or a photograph is absent or damaged.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// Digits or labels that cannot be read.
    #[error(transparent)]
    Digits(#[from] IdxFileError),
    /// A photograph that cannot be read.
    #[error(transparent)]
    Photograph(#[from] PictureFileError),
    /// Digits of another size.
    #[error("digits of {}×{} pixels, wanted 28×28", found[0], found[1])]
    DigitSize {
        /// `[height, width]` there.
        found: [usize; 2],
    },
    /// A label that is no digit.
    #[error("digit picture {index} has label {found}, wanted 0 to 9")]
    Label {
        /// The picture, counted from 0.
        index: usize,
        /// Its label.
        found: u8,
    },
    /// A digit picture that is not there.
    #[error("digit picture {index} asked for, there are {count} (counted from 0)")]
    NoSuchDigit {
        /// Asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Too few test digits to set some aside for validation.
    #[error("{found} test digits, more than {validation} are needed to validate and to test")]
    TooFewDigits {
        /// How many there are.
        found: usize,
        /// How many validate.
        validation: usize,
    },
    /// Another number of photographs than there are modalities.
    #[error("{found} photographs, wanted 5, one a modality")]
    PhotographCount {
        /// How many there were.
        found: usize,
    },
    /// A photograph from which no picture can be cut.
    #[error("photograph {index} has {}×{} pixels in {channels} channels, wanted at least 28×28 in 3", found[0], found[1])]
    PhotographSize {
        /// Which, counted from 0.
        index: usize,
        /// `[height, width]` there.
        found: [usize; 2],
        /// Channels there.
        channels: usize,
    },
    /// A folder that cannot be listed.
    #[error("{}: {source}; the layout is m0 to m4, each holding pictures named INDEX.DIGIT.png", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No pictures at all.
    #[error("{} holds no pictures, wanted files named INDEX.DIGIT.png", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that is none of the layout's.
    #[error("{} is not named INDEX.DIGIT.png, such as 17.4.png (no leading zeros, digit 0 to 9); rename or remove it", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// One index twice in a folder, with two digits.
    #[error("{} holds {index}.{first}.png and {index}.{second}.png, remove the wrong one", folder.display())]
    TwoDigits {
        /// The folder.
        folder: PathBuf,
        /// The index that comes up twice.
        index: u64,
        /// The smaller digit.
        first: u8,
        /// The larger digit.
        second: u8,
    },
    /// A sample that has no picture in one modality, or one of another digit.
    #[error("{} has no counterpart {}; every modality needs a picture of the same index and digit", present.display(), absent.display())]
    NoCounterpart {
        /// The picture that is there.
        present: PathBuf,
        /// The one that is not.
        absent: PathBuf,
    },
    /// Never of the constants used here; kept so that no check is skipped.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
