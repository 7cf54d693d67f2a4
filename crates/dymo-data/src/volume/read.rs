//! Files and streams: told by their bytes, unpacked, checked to the last byte, decoded block by block.
//!
//! The voxels are decoded by the `nifti` crate, a block at a time, and scaled here in f64: scaling large integers in
//! f32 loses digits that the intercept would have brought back, and a whole volume of f64 would take three times the
//! memory of the result.
use super::{AffineSource, Limits};
use super::{Stored, Volume, VolumeError, affine::Affine, header, header::Header};
use flate2::bufread::MultiGzDecoder;
use ndarray::{Array4, ShapeBuilder};
use nifti::{InMemNiftiVolume, IntoNdArray};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// Voxels decoded at a time: small beside any volume, large beside the cost of a call; the `nifti` crate takes at
/// most 65,535.
const BLOCK: usize = 1 << 15;

/// A volume from one file, or from the pair that the file belongs to.
pub(super) fn file(path: &Path, limits: &Limits) -> Result<Volume, VolumeError> {
    if let Some(stem) = stem(path, "img") {
        return file(&half(&stem, "hdr")?, limits);
    }
    let mut source = open(path, limits)?;
    let header = source.header(limits)?;
    if !header.detached {
        let read = header_size(&header);
        return source.volume(header, read);
    }
    let stem = stem(path, "hdr").unwrap_or_else(|| path.with_extension(""));
    source.rest()?;
    let gzip = source.gzip;
    let mut voxels = open(&half(&stem, "img")?, limits)?;
    voxels.gzip |= gzip;
    voxels.volume(header, 0)
}

/// A volume from a stream that holds header and voxels.
pub(super) fn stream(reader: impl Read, limits: &Limits) -> Result<Volume, VolumeError> {
    let mut source = Source::new(reader, limits)?;
    let header = source.header(limits)?;
    if header.detached {
        return Err(VolumeError::Detached);
    }
    let read = header_size(&header);
    source.volume(header, read)
}

fn header_size(header: &Header) -> u64 {
    match header.version {
        super::Version::One => header::SIZE_1 as u64,
        super::Version::Two => header::SIZE_2 as u64,
    }
}

fn open<'a>(path: &Path, limits: &Limits) -> Result<Source<'a>, VolumeError> {
    let file = File::open(path).map_err(|cause| VolumeError::Io { action: "open it", cause })?;
    Source::new(file, limits)
}

/// `scan` for `scan.img` and `scan.img.gz` when asked for `img`; `None` for every other name.
fn stem(path: &Path, extension: &str) -> Option<PathBuf> {
    let is = |path: &Path, wanted: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted));
    let plain = if is(path, "gz") { path.with_extension("") } else { path.to_owned() };
    is(&plain, extension).then(|| plain.with_extension(""))
}

/// The other file of a pair, compressed or not, beside the first.
fn half(stem: &Path, extension: &str) -> Result<PathBuf, VolumeError> {
    // `with_extension` would cut `scan.1` to `scan`.
    let named = |extension: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    };
    let forms = [extension.to_owned(), format!("{extension}.gz"), extension.to_uppercase()];
    let found = forms.iter().map(|form| named(form)).find(|path| path.is_file());
    found.ok_or_else(|| VolumeError::HalfPair { wanted: named(extension) })
}

/// The file that belongs to one of a `.hdr`/`.img` pair; `None` for every other name, and where it is not there.
pub(crate) fn other_half(path: &Path) -> Option<PathBuf> {
    let other = |own: &str, other: &str| half(&stem(path, own)?, other).ok();
    other("hdr", "img").or_else(|| other("img", "hdr"))
}

/// Unpacked bytes, counted.
struct Source<'a> {
    bytes: Box<dyn Read + 'a>,
    gzip: bool,
    taken: u64,
    limit: u64,
}

impl<'a> Source<'a> {
    /// Tells by the first two bytes whether the rest is compressed. Several gzip members in a row are one stream.
    fn new(mut reader: impl Read + 'a, limits: &Limits) -> Result<Self, VolumeError> {
        let mut first = [0; 2];
        let length = fill(&mut reader, &mut first).map_err(|cause| VolumeError::Io { action: "read it", cause })?;
        let gzip = first[..length] == [0x1f, 0x8b];
        let whole = BufReader::with_capacity(1 << 16, Cursor::new(first).take(length as u64).chain(reader));
        let bytes: Box<dyn Read + 'a> = if gzip { Box::new(unpack(whole)) } else { Box::new(whole) };
        Ok(Self { bytes, gzip, taken: 0, limit: limits.bytes })
    }

    fn header(&mut self, limits: &Limits) -> Result<Header, VolumeError> {
        let mut bytes = [0; header::SIZE_2];
        self.exactly(&mut bytes[..4], "header")?;
        let (size, order) = header::recognise([bytes[0], bytes[1], bytes[2], bytes[3]])?;
        self.exactly(&mut bytes[4..size], "header")?;
        header::parse(&bytes[..size], order, limits)
    }

    /// The voxels of `header`, `at` bytes of their file having been read.
    fn volume(mut self, header: Header, at: u64) -> Result<Volume, VolumeError> {
        self.skip(header.offset.saturating_sub(at))?;
        let values = self.voxels(&header)?;
        self.rest()?;
        assemble(values, header, self.gzip)
    }

    fn skip(&mut self, wanted: u64) -> Result<(), VolumeError> {
        let found =
            io::copy(&mut self.bytes.by_ref().take(wanted), &mut io::sink()).map_err(|cause| self.failed(cause))?;
        self.taken += found;
        if found == wanted { Ok(()) } else { Err(VolumeError::Truncated { part: "extensions", found, wanted }) }
    }

    /// All values, scaled. Memory grows with what has really been read, never with what is promised alone.
    fn voxels(&mut self, header: &Header) -> Result<Vec<f32>, VolumeError> {
        let (size, total) = (header.data_type.bytes(), header.voxels as usize);
        let (slope, inter) = header.scaling.unwrap_or((1.0, 0.0));
        let mut values = Vec::new();
        while values.len() < total {
            let count = BLOCK.min(total - values.len());
            let mut block = vec![0; count * size];
            let found = fill(&mut self.bytes, &mut block).map_err(|cause| self.failed(cause))?;
            self.taken += found as u64;
            if found < block.len() {
                let found = (values.len() * size + found) as u64;
                return Err(VolumeError::Truncated { part: "voxels", found, wanted: (total * size) as u64 });
            }
            make_room(&mut values, count, total)?;
            let stored = decode(block, count, header)?;
            values.extend(stored.iter().map(|&value| (value * slope + inter) as f32));
        }
        Ok(values)
    }

    /// A gzip stream shows its checksum only at its end, so it is read to there, within the limit.
    fn rest(&mut self) -> Result<(), VolumeError> {
        if !self.gzip {
            return Ok(());
        }
        let left = self.limit.saturating_sub(self.taken).saturating_add(1);
        let read =
            io::copy(&mut self.bytes.by_ref().take(left), &mut io::sink()).map_err(|cause| self.failed(cause))?;
        self.taken += read;
        if self.taken <= self.limit {
            Ok(())
        } else {
            Err(VolumeError::TooManyBytes { found: self.taken, limit: self.limit })
        }
    }

    fn exactly(&mut self, buffer: &mut [u8], part: &'static str) -> Result<(), VolumeError> {
        let found = fill(&mut self.bytes, buffer).map_err(|cause| self.failed(cause))? as u64;
        let before = self.taken;
        self.taken += found;
        let wanted = buffer.len() as u64;
        if found == wanted {
            Ok(())
        } else {
            Err(VolumeError::Truncated {
                part,
                found: before + found,
                wanted: before + wanted.max(header::SIZE_1 as u64 - before),
            })
        }
    }

    fn failed(&self, cause: io::Error) -> VolumeError {
        if self.gzip { VolumeError::Gzip { cause } } else { VolumeError::Io { action: "read it", cause } }
    }
}

fn unpack<'a>(packed: impl BufRead + 'a) -> impl Read + 'a {
    BufReader::with_capacity(1 << 16, MultiGzDecoder::new(packed))
}

/// Reads until `buffer` is full or the stream ends; tells how much it got.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

/// Room for `more` values: doubled each time, but never beyond `total`, and an error instead of an abort.
fn make_room(values: &mut Vec<f32>, more: usize, total: usize) -> Result<(), VolumeError> {
    let needed = values.len() + more;
    if needed <= values.capacity() {
        return Ok(());
    }
    let room = needed.max(2 * values.capacity()).min(total);
    let refused = |_| VolumeError::Memory { bytes: 4 * room as u64 };
    values.try_reserve_exact(room - values.len()).map_err(refused)
}

/// The numbers of one block as stored, in f64: exact for all types but 64-bit integers beyond 2⁵³.
fn decode(block: Vec<u8>, count: usize, header: &Header) -> Result<Vec<f64>, VolumeError> {
    let dims = [1, count as u16, 0, 0, 0, 0, 0, 0]; // BLOCK fits
    let order = header.order.into();
    let volume = InMemNiftiVolume::from_raw_fields(dims, header.data_type.nifti(), 0.0, 0.0, block, order);
    let values = volume.and_then(|volume| volume.into_ndarray::<f64>());
    let values = values.map_err(|cause| VolumeError::Decode { cause: cause.to_string() })?;
    Ok(values.into_raw_vec_and_offset().0)
}

fn assemble(values: Vec<f32>, header: Header, gzip: bool) -> Result<Volume, VolumeError> {
    let extent = |axis: usize| header.dims.get(axis).copied().unwrap_or(1);
    let frames = header.dims.iter().skip(3).product();
    let shape = (extent(0), extent(1), extent(2), frames);
    let data = Array4::from_shape_vec(shape.f(), values);
    let data = data.map_err(|cause| VolumeError::Decode { cause: cause.to_string() })?;
    let (affine, affine_source): (Affine, AffineSource) = header.forms.affine(&header.dims);
    let stored = Stored {
        version: header.version,
        gzip,
        data_type: header.data_type,
        byte_order: header.order,
        scaling: header.scaling,
        unit: ["", "m", "mm", "um"].get(usize::from(header.units & 7)).copied().unwrap_or(""),
        time_step: Some(header.forms.pixdim[4]).filter(|step| step.is_finite()).unwrap_or(0.0),
        dims: header.dims,
    };
    Ok(Volume { data, affine, affine_source, stored: Some(stored) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_keep_their_dots() {
        assert_eq!(stem(Path::new("a/scan.1.img.gz"), "img"), Some(PathBuf::from("a/scan.1")));
        assert_eq!(stem(Path::new("scan.IMG"), "img"), Some(PathBuf::from("scan")));
        assert_eq!(stem(Path::new("scan.nii.gz"), "img"), None);
        let error = half(Path::new("nowhere/scan.1"), "hdr").unwrap_err().to_string();
        assert!(error.contains("nowhere/scan.1.hdr"), "{error}");
    }

    #[test]
    fn room_doubles_up_to_the_total() {
        let mut values = vec![0.0; 10];
        values.shrink_to_fit();
        make_room(&mut values, 5, 17).unwrap();
        assert_eq!(values.capacity(), 17);
        assert!(matches!(make_room(&mut values, usize::MAX / 8, usize::MAX / 4), Err(VolumeError::Memory { .. })));
    }
}
