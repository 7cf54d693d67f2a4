//! Arrays as NumPy saves them (`.npy`, versions 1 to 3): numbers and booleans, in either order of axes and bytes.
//!
//! Our own, since the libraries for it either abort on a file that claims too much or bring an assembler and an arithmetic
//! of large numbers for a header of one line.
//!
//! ```text
//! 93 "NUMPY" | version, 2 bytes | length of the header, 2 or 4 bytes | {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } | values
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

/// The first bytes of every such file.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read.
const HEADER: u64 = 64 << 10;

/// How much a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values in the array.
    pub values: u64,
}

impl Default for Limits {
    /// 2²⁸: a gigabyte in memory.
    fn default() -> Self {
        Self { values: 1 << 28 }
    }
}

/// What the values were in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Booleans, 0 and 1 in memory.
    Bool,
    /// Whole numbers without a sign, of so many bytes.
    Unsigned(usize),
    /// Whole numbers, of so many bytes.
    Signed(usize),
    /// Real numbers of 4 or 8 bytes.
    Real(usize),
}

/// An array of numbers: row-major, the last extent changes fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Npy {
    shape: Vec<usize>,
    element: Element,
    values: Vec<f32>,
}

impl Npy {
    /// Reads a file.
    ///
    /// # Errors
    /// An [`NpyError`] for the first thing that is wrong.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, NpyError> {
        Self::read(io::BufReader::new(File::open(path)?), limits)
    }

    /// Reads from bytes to their end. Memory grows with what arrives, never with what the header claims.
    ///
    /// # Errors
    /// An [`NpyError`] for the first thing that is wrong.
    pub fn read(mut bytes: impl Read, limits: Limits) -> Result<Self, NpyError> {
        let header = read_header(&mut bytes)?;
        let Header { element, big_endian, fortran, shape } = parse(&header)?;
        let count = shape.iter().try_fold(1u64, |product, &extent| product.checked_mul(extent as u64));
        let Some(count) = count.filter(|&count| count <= limits.values) else {
            return Err(NpyError::TooLarge { shape, limit: limits.values });
        };
        // At most 2³¹ for any limit that memory allows; a larger one is caught by the reading itself.
        let wanted = count.saturating_mul(element.size() as u64);
        let mut raw = Vec::new();
        bytes.take(wanted.saturating_add(1)).read_to_end(&mut raw)?;
        match raw.len() as u64 {
            found if found < wanted => return Err(NpyError::Truncated { found, wanted }),
            found if found > wanted => return Err(NpyError::Trailing { wanted }),
            _ => {}
        }
        let values: Vec<f32> = raw.chunks_exact(element.size()).map(|chunk| element.value(chunk, big_endian)).collect();
        let values = if fortran { transposed(&values, &shape) } else { values };
        Ok(Self { shape, element, values })
    }

    /// The extents, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What the values were in the file.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The values, as many as the product of the extents.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Element {
    fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(size) | Self::Signed(size) | Self::Real(size) => size,
        }
    }

    /// `bytes` are as many as [`size`](Self::size).
    fn value(self, bytes: &[u8], big_endian: bool) -> f32 {
        // From the most significant byte down.
        let at = |place: usize| u64::from(bytes[if big_endian { place } else { bytes.len() - 1 - place }]);
        let bits = (0..bytes.len()).fold(0u64, |bits, place| bits << 8 | at(place));
        match self {
            Self::Bool => f32::from(u8::from(bits != 0)),
            Self::Unsigned(_) => bits as f32,
            Self::Signed(size) => {
                let shift = 64 - 8 * size as u32;
                (((bits << shift) as i64) >> shift) as f32
            }
            Self::Real(4) => f32::from_bits(bits as u32),
            Self::Real(_) => f64::from_bits(bits) as f32,
        }
    }
}

fn read_header(bytes: &mut impl Read) -> Result<String, NpyError> {
    let mut fixed = [0; 8];
    fill(bytes, &mut fixed)?;
    if !fixed.starts_with(MAGIC) {
        return Err(NpyError::Magic);
    }
    let length = match fixed[6] {
        1 => {
            let mut length = [0; 2];
            fill(bytes, &mut length)?;
            u64::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0; 4];
            fill(bytes, &mut length)?;
            u64::from(u32::from_le_bytes(length))
        }
        found => return Err(NpyError::Version { found }),
    };
    if length > HEADER {
        return Err(NpyError::Header { found: format!("{length} bytes of header") });
    }
    let mut header = vec![0; length as usize];
    fill(bytes, &mut header)?;
    String::from_utf8(header).map_err(|_| NpyError::Header { found: "bytes that are no text".into() })
}

fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> Result<(), NpyError> {
    bytes.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => NpyError::NoHeader,
        _ => NpyError::Io(error),
    })
}

struct Header {
    element: Element,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// The three keys of the header, in any order.
fn parse(header: &str) -> Result<Header, NpyError> {
    let wrong = || NpyError::Header { found: header.trim().chars().take(80).collect() };
    let after = |key: &str| {
        let place = header.find(&format!("'{key}'")).ok_or_else(wrong)?;
        let rest = &header[place + key.len() + 2..];
        Ok::<&str, NpyError>(rest.trim_start().strip_prefix(':').ok_or_else(wrong)?.trim_start())
    };
    let descr = after("descr")?.strip_prefix('\'').and_then(|rest| rest.split('\'').next()).ok_or_else(wrong)?;
    let order = after("fortran_order")?;
    let fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(wrong()),
    };
    let inside = after("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?.0;
    let extents = inside.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let shape = extents.map(|extent| extent.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let (big_endian, sort) = match descr.split_at_checked(1) {
        Some(("<" | "|" | "=", sort)) => (false, sort),
        Some((">", sort)) => (true, sort),
        _ => return Err(NpyError::Element { found: descr.to_owned() }),
    };
    let element = match sort {
        "b1" | "?" => Element::Bool,
        "u1" => Element::Unsigned(1),
        "u2" => Element::Unsigned(2),
        "u4" => Element::Unsigned(4),
        "u8" => Element::Unsigned(8),
        "i1" => Element::Signed(1),
        "i2" => Element::Signed(2),
        "i4" => Element::Signed(4),
        "i8" => Element::Signed(8),
        "f4" => Element::Real(4),
        "f8" => Element::Real(8),
        _ => return Err(NpyError::Element { found: descr.to_owned() }),
    };
    Ok(Header { element, big_endian, fortran, shape })
}

/// From first axis fastest to last axis fastest; `values` are as many as the product of `shape`.
fn transposed(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut index = vec![0; shape.len()];
    let mut result = Vec::new();
    for _ in 0..values.len() {
        // Horner's scheme from the slowest axis of the file, which is the last.
        let place = index.iter().zip(shape).rev().fold(0, |place, (i, extent)| place * extent + i);
        result.push(values[place]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    result
}

/// Why bytes are no array.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Other first bytes.
    #[error("no NumPy array: such a file begins with \\x93NUMPY")]
    Magic,
    /// The bytes end inside the header.
    #[error("the array ends before its header does, save it again")]
    NoHeader,
    /// A version of the format that is not known.
    #[error("version {found} of the .npy format, versions 1 to 3 are read")]
    Version {
        /// The version.
        found: u8,
    },
    /// A header that does not say what the array is.
    #[error("a header of {found:?}, wanted descr, fortran_order and shape; save the array again with numpy.save")]
    Header {
        /// Its beginning.
        found: String,
    },
    /// Values of a sort that is not read.
    #[error(
        "values of type {found:?}, wanted booleans or real numbers of at most 64 bits; convert with astype('float32')"
    )]
    Element {
        /// NumPy's word.
        found: String,
    },
    /// The header promises more than [`Limits::values`]; seen before anything was allocated.
    #[error("the header claims extents {shape:?}, at most {limit} values are read")]
    TooLarge {
        /// The extents claimed.
        shape: Vec<usize>,
        /// The limit.
        limit: u64,
    },
    /// Fewer bytes than the header promises.
    #[error("truncated: {found} bytes where the header claims {wanted}, copy the file again")]
    Truncated {
        /// Bytes there.
        found: u64,
        /// Bytes claimed.
        wanted: u64,
    },
    /// More bytes than the header promises.
    #[error("bytes follow the {wanted} that the header claims, copy the file again")]
    Trailing {
        /// Bytes claimed.
        wanted: u64,
    },
}

/// A file's bytes, as `numpy.save` writes them; for tests.
#[cfg(test)]
pub(crate) fn bytes_of(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let mut bytes = [MAGIC, &[1, 0]].concat();
    let padded = format!("{header:117}\n");
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.as_bytes());
    bytes.extend(values);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Result<Npy, NpyError> {
        Npy::read(&bytes_of(descr, fortran, shape, values)[..], Limits { values: 1000 })
    }

    #[test]
    fn numbers_of_every_sort() {
        let values = |descr, bytes: &[u8]| read(descr, false, "(1,)", bytes).unwrap().values()[0];
        assert_eq!(values("|b1", &[1]), 1.0);
        assert_eq!(values("|u1", &[200]), 200.0);
        assert_eq!(values("|i1", &[0xff]), -1.0);
        assert_eq!(values("<i2", &(-300i16).to_le_bytes()), -300.0);
        assert_eq!(values(">i2", &(-300i16).to_be_bytes()), -300.0);
        assert_eq!(values("<i8", &(-5i64).to_le_bytes()), -5.0);
        assert_eq!(values("<f4", &1.5f32.to_le_bytes()), 1.5);
        assert_eq!(values(">f8", &(-2.25f64).to_be_bytes()), -2.25);
        let scalar = read("<f4", false, "()", &1.5f32.to_le_bytes()).unwrap();
        assert_eq!((scalar.shape().len(), scalar.values()), (0, &[1.5][..]));
    }

    #[test]
    fn either_order_of_axes() {
        let c = read("|u1", false, "(2, 3)", &[0, 1, 2, 3, 4, 5]).unwrap();
        let fortran = read("|u1", true, "(2, 3)", &[0, 3, 1, 4, 2, 5]).unwrap();
        assert_eq!((c.values(), c.shape()), (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..], &[2, 3][..]));
        assert_eq!(c, fortran);
    }

    #[test]
    fn one_refusal_per_rule() {
        let message = |found: Result<Npy, NpyError>| found.unwrap_err().to_string();
        assert!(message(read("|u1", false, "(3,)", &[1, 2])).starts_with("truncated: 2 bytes"));
        assert!(message(read("|u1", false, "(1,)", &[1, 2])).starts_with("bytes follow"));
        assert!(message(read("|u1", false, "(1000000, 1000000)", &[])).contains("at most 1000"));
        assert!(message(read("|u1", false, "(99999999999999999999,)", &[])).contains("a header of"));
        assert!(message(read("|O", false, "(1,)", &[])).contains("\"|O\""));
        assert!(message(Npy::read(&b"PK"[..], Limits::default())).contains("ends before"));
        assert!(message(Npy::read(&[0; 20][..], Limits::default())).contains("no NumPy array"));
        let mut other = bytes_of("|u1", false, "(1,)", &[1]);
        other[6] = 9;
        assert!(message(Npy::read(&other[..], Limits::default())).contains("version 9"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn arbitrary_headers_never_panic(header in "[{}'a-z_:<>|0-9(), TrueFals]{0,100}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut file = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
            file.extend(&bytes);
            let _ = Npy::read(&file[..], Limits { values: 100 });
            let _ = Npy::read(&bytes[..], Limits { values: 100 });
        }
    }
}
