//! The header, checked: 348 bytes of NIfTI-1 or 540 of NIfTI-2, in either byte order, become a [`Header`] that no
//! longer contradicts itself.
use super::{DataType, Limits, VolumeError, affine::Forms};
use nifti::Endianness;
use serde::Serialize;

/// Bytes of a NIfTI-1 header.
pub(super) const SIZE_1: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(super) const SIZE_2: usize = 540;

/// Which of the two formats a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Version {
    /// NIfTI-1: 348 bytes, extents below 32,768.
    #[serde(rename = "NIfTI-1")]
    One,
    /// NIfTI-2: 540 bytes, 64-bit extents and 64-bit real numbers.
    #[serde(rename = "NIfTI-2")]
    Two,
}

/// The order of the bytes in one number of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ByteOrder {
    /// Least significant byte first, as nearly all machines write today.
    Little,
    /// Most significant byte first.
    Big,
}

impl From<ByteOrder> for Endianness {
    fn from(order: ByteOrder) -> Self {
        match order {
            ByteOrder::Little => Endianness::Little,
            ByteOrder::Big => Endianness::Big,
        }
    }
}

/// What the header says, every field checked against the others and against [`Limits`].
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub version: Version,
    pub order: ByteOrder,
    /// The extents, 1 to 7 of them, each at least 1; their product is within the limit.
    pub dims: Vec<usize>,
    pub voxels: u64,
    pub data_type: DataType,
    /// Where the voxels begin in their file.
    pub offset: u64,
    /// `(slope, intercept)`, both finite and the slope not zero; `None` for voxels stored as they are.
    pub scaling: Option<(f64, f64)>,
    pub forms: Forms,
    /// Whether the voxels lie in a file of their own.
    pub detached: bool,
    /// NIfTI's code of the units of space and time.
    pub units: u8,
}

/// Size of the header and byte order, told by its first four bytes.
pub(super) fn recognise(first: [u8; 4]) -> Result<(usize, ByteOrder), VolumeError> {
    let sizes = [SIZE_1, SIZE_2];
    let little = sizes.into_iter().find(|&size| u32::from_le_bytes(first) as usize == size);
    let big = sizes.into_iter().find(|&size| u32::from_be_bytes(first) as usize == size);
    match (little, big) {
        (Some(size), _) => Ok((size, ByteOrder::Little)),
        (None, Some(size)) => Ok((size, ByteOrder::Big)),
        (None, None) => Err(VolumeError::NotNifti { found: first }),
    }
}

/// Checks a whole header of the size that [`recognise`] told. Allocates nothing that grows with what it says.
pub(super) fn parse(bytes: &[u8], order: ByteOrder, limits: &Limits) -> Result<Header, VolumeError> {
    let version = if bytes.len() == SIZE_2 { Version::Two } else { Version::One };
    let fields = Fields { bytes, order };
    let raw = match version {
        Version::One => fields.nifti_1(),
        Version::Two => fields.nifti_2(),
    };
    let detached = signature(bytes, version)?;
    let (dims, voxels) = extents(&raw.dim, limits)?;
    let data_type = DataType::of_code(raw.data_type)?;
    let wanted = 8 * data_type.bytes() as i16;
    if raw.bitpix != wanted {
        return Err(VolumeError::Bitpix { data_type: data_type.name(), found: raw.bitpix, wanted });
    }
    let earliest = if detached { 0 } else { bytes.len() as u64 + 4 };
    let offset = offset(raw.offset, earliest)?;
    let needed = voxels.saturating_mul(data_type.bytes() as u64).saturating_add(offset);
    if needed > limits.bytes {
        return Err(VolumeError::TooManyBytes { found: needed, limit: limits.bytes });
    }
    let scaling = scaling(raw.slope, raw.inter)?;
    Ok(Header {
        version,
        order,
        dims,
        voxels,
        data_type,
        offset,
        scaling,
        forms: raw.forms,
        detached,
        units: raw.units,
    })
}

/// Whether the voxels are in a second file.
fn signature(bytes: &[u8], version: Version) -> Result<bool, VolumeError> {
    let (at, one_file, two_files): (_, &[u8], &[u8]) = match version {
        Version::One => (344..348, b"n+1\0", b"ni1\0"),
        Version::Two => (4..12, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
    };
    let found = bytes.get(at).unwrap_or_default();
    match found {
        _ if found == one_file => Ok(false),
        _ if found == two_files => Ok(true),
        _ => Err(VolumeError::Signature { size: bytes.len(), found: found.escape_ascii().to_string() }),
    }
}

fn extents(dim: &[i64; 8], limits: &Limits) -> Result<(Vec<usize>, u64), VolumeError> {
    if !(1..=7).contains(&dim[0]) {
        return Err(VolumeError::Dimension { index: 0, found: dim[0] });
    }
    let (mut dims, mut voxels) = (Vec::new(), 1u64);
    for (index, &found) in dim.iter().enumerate().take(dim[0] as usize + 1).skip(1) {
        let extent = u64::try_from(found).ok().filter(|&extent| extent > 0);
        let extent = extent.ok_or(VolumeError::Dimension { index, found })?;
        voxels = voxels.saturating_mul(extent);
        dims.push(usize::try_from(extent).unwrap_or(usize::MAX));
    }
    if voxels > limits.voxels || usize::try_from(voxels).is_err() {
        return Err(VolumeError::TooManyVoxels { found: voxels, limit: limits.voxels });
    }
    Ok((dims, voxels))
}

fn offset(found: f64, wanted: u64) -> Result<u64, VolumeError> {
    let fits = found.is_finite() && found.fract() == 0.0 && found >= wanted as f64;
    if fits { Ok(found as u64) } else { Err(VolumeError::Offset { found, wanted }) }
}

/// The standard says that a slope of 0 means unscaled; files in the wild say it with NaN, too.
fn scaling(slope: f64, inter: f64) -> Result<Option<(f64, f64)>, VolumeError> {
    match (slope, inter) {
        (slope, _) if slope == 0.0 || !slope.is_finite() => Ok(None),
        (slope, inter) if !inter.is_finite() => Err(VolumeError::Intercept { slope, found: inter }),
        (1.0, 0.0) => Ok(None),
        both => Ok(Some(both)),
    }
}

/// The fields of both versions, widened to the larger one's types, unchecked.
struct Raw {
    dim: [i64; 8],
    data_type: i16,
    bitpix: i16,
    offset: f64,
    slope: f64,
    inter: f64,
    units: u8,
    forms: Forms,
}

/// A header's bytes, read by position.
struct Fields<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

/// One number at a position, in the file's byte order; zero past the end, which [`recognise`] rules out.
macro_rules! number {
    ($name:ident, $type:ty) => {
        fn $name(&self, at: usize) -> $type {
            let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
            match self.order {
                ByteOrder::Little => <$type>::from_le_bytes(bytes),
                ByteOrder::Big => <$type>::from_be_bytes(bytes),
            }
        }
    };
}

impl Fields<'_> {
    number!(i16, i16);
    number!(i32, i32);
    number!(i64, i64);
    number!(f32, f32);
    number!(f64, f64);

    fn f32s<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| f64::from(self.f32(at + 4 * i)))
    }

    fn f64s<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| self.f64(at + 8 * i))
    }

    fn nifti_1(&self) -> Raw {
        Raw {
            dim: std::array::from_fn(|i| i64::from(self.i16(40 + 2 * i))),
            data_type: self.i16(70),
            bitpix: self.i16(72),
            offset: f64::from(self.f32(108)),
            slope: f64::from(self.f32(112)),
            inter: f64::from(self.f32(116)),
            units: self.bytes.get(123).copied().unwrap_or_default(),
            forms: Forms {
                pixdim: self.f32s(76),
                qform: self.i16(252) > 0,
                sform: self.i16(254) > 0,
                quaternion: self.f32s(256),
                origin: self.f32s(268),
                rows: [self.f32s(280), self.f32s(296), self.f32s(312)],
            },
        }
    }

    fn nifti_2(&self) -> Raw {
        Raw {
            data_type: self.i16(12),
            bitpix: self.i16(14),
            dim: std::array::from_fn(|i| self.i64(16 + 8 * i)),
            offset: self.i64(168) as f64,
            slope: self.f64(176),
            inter: self.f64(184),
            units: self.i32(500) as u8,
            forms: Forms {
                pixdim: self.f64s(104),
                qform: self.i32(344) > 0,
                sform: self.i32(348) > 0,
                quaternion: self.f64s(352),
                origin: self.f64s(376),
                rows: [self.f64s(400), self.f64s(432), self.f64s(464)],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sizes_in_both_orders() {
        assert_eq!(recognise([0x5c, 1, 0, 0]).unwrap(), (348, ByteOrder::Little));
        assert_eq!(recognise([0, 0, 1, 0x5c]).unwrap(), (348, ByteOrder::Big));
        assert_eq!(recognise([0x1c, 2, 0, 0]).unwrap(), (540, ByteOrder::Little));
        assert_eq!(recognise([0, 0, 2, 0x1c]).unwrap(), (540, ByteOrder::Big));
        assert!(matches!(recognise(*b"PNG\0"), Err(VolumeError::NotNifti { .. })));
    }

    #[test]
    fn a_slope_of_zero_or_nan_means_unscaled() {
        for slope in [0.0, -0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(scaling(slope, 7.0).unwrap(), None);
        }
        assert_eq!(scaling(2.0, -1.0).unwrap(), Some((2.0, -1.0)));
        assert!(matches!(scaling(2.0, f64::NAN), Err(VolumeError::Intercept { slope: 2.0, .. })));
    }
}
