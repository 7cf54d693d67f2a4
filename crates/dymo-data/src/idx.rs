//! The IDX layout of MNIST and its kin: unsigned bytes with up to four dimensions, plain or gzip.
//!
//! ```text
//! 00 00 | 08 (unsigned byte) | rank r | r extents, u32 big-endian | product of the extents bytes
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use thiserror::Error;

/// How much a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values in the array, that is bytes after decompression.
    pub values: u64,
}

impl Default for Limits {
    /// 512 MiB, ten times MNIST's training pictures.
    fn default() -> Self {
        Self { values: 512 << 20 }
    }
}

/// The only element type that is read.
const UNSIGNED_BYTE: u8 = 0x08;
/// MNIST's pictures have three, coloured ones four.
const MAX_RANK: u8 = 4;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An array of bytes: row-major, the last extent changes fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    shape: Vec<usize>,
    values: Vec<u8>,
}

impl Idx {
    /// Reads a file, compressed or not: the first bytes decide, not the name.
    ///
    /// # Errors
    /// [`IdxFileError`] with the path and the [`IdxError`] behind it.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, IdxFileError> {
        let read = || Self::read(BufReader::new(File::open(path)?), limits);
        read().map_err(|source| IdxFileError { path: path.to_owned(), source })
    }

    /// Reads from bytes, compressed or not, to their end. Memory grows with what arrives, never with what the header
    /// claims.
    ///
    /// # Errors
    /// An [`IdxError`] for the first thing that is wrong.
    pub fn read(mut bytes: impl BufRead, limits: Limits) -> Result<Self, IdxError> {
        if bytes.fill_buf()?.starts_with(&GZIP_MAGIC) {
            Self::read_plain(MultiGzDecoder::new(bytes), limits)
        } else {
            Self::read_plain(bytes, limits)
        }
    }

    fn read_plain(mut bytes: impl Read, limits: Limits) -> Result<Self, IdxError> {
        let shape = read_header(&mut bytes)?;
        let wanted = count(&shape, limits)?;
        let mut values = Vec::new();
        // One byte more than wanted: it tells trailing bytes, and its absence lets gzip check its checksum.
        bytes.take(wanted + 1).read_to_end(&mut values)?;
        match values.len() as u64 {
            found if found < wanted => Err(IdxError::Truncated { found, wanted }),
            found if found > wanted => Err(IdxError::Trailing { wanted }),
            _ => Ok(Self { shape, values }),
        }
    }

    /// The extents, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The bytes, as many as the product of the extents.
    pub fn values(&self) -> &[u8] {
        &self.values
    }
}

fn read_header(bytes: &mut impl Read) -> Result<Vec<usize>, IdxError> {
    let mut magic = [0; 4];
    fill(bytes, &mut magic)?;
    let [0, 0, UNSIGNED_BYTE, rank @ 1..=MAX_RANK] = magic else {
        return Err(IdxError::Magic { found: magic });
    };
    (0..rank)
        .map(|_| {
            let mut extent = [0; 4];
            fill(bytes, &mut extent)?;
            Ok(u32::from_be_bytes(extent) as usize)
        })
        .collect()
}

fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> Result<(), IdxError> {
    bytes.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => IdxError::NoHeader,
        _ => IdxError::Io(error),
    })
}

/// How many values the header promises, within the limit.
fn count(shape: &[usize], limits: Limits) -> Result<u64, IdxError> {
    // At most four extents below 2³² each: 128 bits hold any product.
    let claimed: u128 = shape.iter().map(|&extent| extent as u128).product();
    match u64::try_from(claimed) {
        Ok(values) if values <= limits.values => Ok(values),
        _ => Err(IdxError::TooLarge { shape: shape.to_vec(), limit: limits.values }),
    }
}

/// Pictures of one size with a label each, as MNIST and its kin come in two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledPictures {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl LabelledPictures {
    /// Joins pictures `[n, height, width]` and labels `[n]`.
    ///
    /// # Errors
    /// [`IdxError::Rank`] when one of them has other extents, [`IdxError::Counts`] when n differs.
    pub fn new(pictures: Idx, labels: Idx) -> Result<Self, IdxError> {
        let rank = |what, wanted, idx: &Idx| IdxError::Rank { what, found: idx.shape.clone(), wanted };
        let &[count, height, width] = pictures.shape() else {
            return Err(rank("pictures", 3, &pictures));
        };
        let &[labelled] = labels.shape() else {
            return Err(rank("labels", 1, &labels));
        };
        if count != labelled {
            return Err(IdxError::Counts { pictures: count, labels: labelled });
        }
        Ok(Self { height, width, pixels: pictures.values, labels: labels.values })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// `[height, width]` of every picture.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The pixels of picture `index`, `[height, width]`.
    ///
    /// # Panics
    /// When there is no such picture.
    pub fn picture(&self, index: usize) -> &[u8] {
        let pixels = self.height * self.width;
        &self.pixels[index * pixels..][..pixels]
    }

    /// All labels, by picture.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }
}

/// Why bytes are not the IDX array that was wanted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdxError {
    /// Reading failed; a damaged gzip stream is reported here too.
    #[error("{0}; if the file is compressed it may be damaged, fetch it again")]
    Io(#[from] io::Error),
    /// The bytes end inside the header.
    #[error("the file ends before its IDX header does, fetch it again")]
    NoHeader,
    /// Other first bytes, or an element type that is not read.
    #[error(
        "begins with bytes {found:02x?}, an IDX file of unsigned bytes with 1 to 4 dimensions begins with [00, 00, 08, 01..04]"
    )]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The header promises more than [`Limits::values`]; seen before anything was allocated.
    #[error("the header claims extents {shape:?}, at most {limit} values are read")]
    TooLarge {
        /// The extents claimed.
        shape: Vec<usize>,
        /// The limit.
        limit: u64,
    },
    /// Fewer values than the header promises.
    #[error("truncated: {found} values where the header claims {wanted}, fetch the file again")]
    Truncated {
        /// Values there.
        found: u64,
        /// Values claimed.
        wanted: u64,
    },
    /// More bytes than the header promises.
    #[error("bytes follow the {wanted} values that the header claims, fetch the file again")]
    Trailing {
        /// Values claimed.
        wanted: u64,
    },
    /// An array of the wrong rank.
    #[error("{what} have extents {found:?}, wanted {wanted} of them; are the two files swapped?")]
    Rank {
        /// `pictures` or `labels`.
        what: &'static str,
        /// Its extents.
        found: Vec<usize>,
        /// How many extents it must have.
        wanted: usize,
    },
    /// Pictures and labels that do not belong together.
    #[error("{pictures} pictures but {labels} labels; take both files from the same set")]
    Counts {
        /// How many pictures.
        pictures: usize,
        /// How many labels.
        labels: usize,
    },
}

/// An [`IdxError`] and the file it came from.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct IdxFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: IdxError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> Result<Idx, IdxError> {
        Idx::read(bytes, Limits { values: 1 << 20 })
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const TWO_BY_TWO: [u8; 16] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4];

    #[test]
    fn reads_plain_and_compressed_whatever_the_name() {
        let mut members = gzip(&TWO_BY_TWO[..7]);
        members.extend(gzip(&TWO_BY_TWO[7..]));
        for bytes in [TWO_BY_TWO.to_vec(), gzip(&TWO_BY_TWO), members] {
            let idx = read(&bytes).unwrap();
            assert_eq!((idx.shape(), idx.values()), (&[2, 2][..], &[1, 2, 3, 4][..]));
        }
    }

    #[test]
    fn one_refusal_per_rule() {
        assert!(matches!(read(&[]), Err(IdxError::NoHeader)));
        assert!(matches!(read(&TWO_BY_TWO[..9]), Err(IdxError::NoHeader)));
        assert!(matches!(read(&TWO_BY_TWO[..15]), Err(IdxError::Truncated { found: 3, wanted: 4 })));
        let longer = [&TWO_BY_TWO[..], &[5]].concat();
        assert!(matches!(read(&longer), Err(IdxError::Trailing { wanted: 4 })));
        for magic in [[0, 1, 8, 1], [0, 0, 9, 1], [0, 0, 8, 0], [0, 0, 8, 5]] {
            assert!(matches!(read(&magic), Err(IdxError::Magic { found }) if found == magic));
        }
        // 70 exabytes claimed by 20 bytes: refused from the header, before a byte is allocated for values.
        let huge = [&[0, 0, 8, 4][..], &[0xff; 16]].concat();
        assert!(matches!(read(&huge), Err(IdxError::TooLarge { limit: 1_048_576, .. })));
    }

    #[test]
    fn a_damaged_gzip_is_an_error() {
        let whole = gzip(&TWO_BY_TWO);
        assert!(matches!(read(&whole[..whole.len() - 3]), Err(IdxError::Io(_))));
        let mut wrong_checksum = whole;
        let crc = wrong_checksum.len() - 8;
        wrong_checksum[crc] ^= 1;
        assert!(matches!(read(&wrong_checksum), Err(IdxError::Io(_))));
    }

    #[test]
    fn a_file_error_names_the_file() {
        let error = Idx::open(Path::new("/nowhere/digits"), Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/digits: "), "{error}");
    }

    #[test]
    fn pictures_and_labels_must_belong_together() {
        let idx = |shape: &[usize]| Idx { shape: shape.to_vec(), values: vec![7; shape.iter().product()] };
        let joined = LabelledPictures::new(idx(&[3, 2, 2]), idx(&[3])).unwrap();
        assert_eq!((joined.len(), joined.size(), joined.picture(2)), (3, [2, 2], &[7; 4][..]));
        let swapped = LabelledPictures::new(idx(&[3]), idx(&[3, 2, 2]));
        assert!(matches!(swapped, Err(IdxError::Rank { what: "pictures", wanted: 3, .. })));
        let uneven = LabelledPictures::new(idx(&[3, 2, 2]), idx(&[4]));
        assert!(matches!(uneven, Err(IdxError::Counts { pictures: 3, labels: 4 })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
            let _ = read(&gzip(&bytes));
            let _ = read(&[&GZIP_MAGIC[..], &bytes].concat());
        }

        #[test]
        fn arbitrary_extents_give_the_array_or_a_refusal(
            extents in proptest::collection::vec(prop_oneof![0u32..5, any::<u32>()], 1..5),
            body in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = vec![0, 0, 8, extents.len() as u8];
            bytes.extend(extents.iter().flat_map(|e| e.to_be_bytes()));
            bytes.extend(&body);
            let promised = extents.iter().map(|&e| e as u128).product::<u128>();
            match read(&bytes) {
                Ok(idx) => prop_assert_eq!((promised, idx.values()), (body.len() as u128, &body[..])),
                Err(_) => prop_assert_ne!(promised, body.len() as u128),
            }
        }
    }
}
