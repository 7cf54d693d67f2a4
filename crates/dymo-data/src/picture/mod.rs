//! Pictures: PNG, JPEG and NumPy arrays in, PNG out, bytes or f32 in `[height, width, channels]`.

mod jpeg;

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageReader};
use image::{GrayImage, RgbImage, codecs::png::PngEncoder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::npy::{self, Npy, NpyError};
use crate::whole;

/// Widest and tallest picture that is read, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// Most memory that decoding one picture may take, and longest file that is read, in bytes.
pub const MAX_BYTES: u64 = MAX_MIB << 20;
const MAX_MIB: u64 = 64;

/// What a pixel consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// One value, the luminance.
    Grey,
    /// Red, green and blue.
    Rgb,
}

impl Colour {
    /// Values of a pixel: 1 or 3.
    pub const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Rows left out above.
    pub top: usize,
    /// Columns left out at the left.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A picture in bytes, `[height, width, channels]`; 255 stands for 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    height: usize,
    width: usize,
    colour: Colour,
    values: Vec<u8>,
}

/// A picture's file, if it is not too long for one.
pub(crate) fn file_bytes(path: &Path) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES { Err(PictureError::TooLong) } else { Ok(bytes) }
}

/// What of a picture's file is not in the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Pixels that are not opaque: their transparency is dropped.
    pub transparent: usize,
    /// Where values have more than the 8 bits that are kept.
    pub depth: Option<Depth>,
}

/// Values of more than 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// How many bits each has.
    pub bits: u16,
    /// The largest, transparency apart.
    pub largest: u16,
}

impl Losses {
    fn of(image: &DynamicImage) -> Self {
        let largest = |values: &[u16], channels: usize, colours: usize| {
            values.chunks_exact(channels).flat_map(|pixel| &pixel[..colours]).copied().max().unwrap_or(0)
        };
        let largest = match image {
            DynamicImage::ImageLuma16(image) => Some(largest(image, 1, 1)),
            DynamicImage::ImageLumaA16(image) => Some(largest(image, 2, 1)),
            DynamicImage::ImageRgb16(image) => Some(largest(image, 3, 3)),
            DynamicImage::ImageRgba16(image) => Some(largest(image, 4, 3)),
            _ => None,
        };
        let transparent = match (image.as_rgba8(), image.color().has_alpha()) {
            (Some(image), _) => image.pixels().filter(|pixel| pixel.0[3] < 255).count(),
            (None, true) => image.to_rgba8().pixels().filter(|pixel| pixel.0[3] < 255).count(),
            (None, false) => 0,
        };
        Self { transparent, depth: largest.map(|largest| Depth { bits: 16, largest }) }
    }
}

/// What a file holds.
enum Decoded {
    Image(DynamicImage),
    Array(Npy),
}

impl Picture {
    /// A picture of given bytes.
    ///
    /// # Errors
    /// [`PictureError::Length`] when `values` is not `height * width * channels` long, [`PictureError::Side`] when a
    /// side is 0 or above [`MAX_SIDE`].
    pub fn new(height: usize, width: usize, colour: Colour, values: Vec<u8>) -> Result<Self, PictureError> {
        let wanted = checked_size(height, width)? * colour.channels();
        if values.len() != wanted {
            return Err(PictureError::Length { found: values.len(), wanted });
        }
        Ok(Self { height, width, colour, values })
    }

    /// The picture nearest to values in 0..1: what lies outside is clamped, NaN becomes 0.
    ///
    /// # Errors
    /// As [`Picture::new`].
    pub fn from_f32(height: usize, width: usize, colour: Colour, values: &[f32]) -> Result<Self, PictureError> {
        // The cast saturates and takes NaN to 0.
        let bytes = values.iter().map(|value| (value * 255.0).round() as u8);
        Self::new(height, width, colour, bytes.collect())
    }

    /// Decodes PNG, JPEG or a NumPy array; the first bytes decide which. A picture is turned as its EXIF data say, so that it is
    /// as a viewer shows it. A transparency channel is dropped, of 16 bits the upper 8 are kept. An array is `[height, width]` or `[height, width, 1 or 3]`: whole numbers in 0..255, booleans (true is
    /// white), or real numbers in 0..1, which are rounded to 1/255.
    ///
    /// # Errors
    /// [`PictureError::Truncated`] for a JPEG without its end, [`PictureError::Value`] for an array that holds what no
    /// pixel can be, [`PictureError::Decode`] for anything else but a whole picture within [`MAX_SIDE`] and
    /// [`MAX_BYTES`].
    pub fn decode(bytes: &[u8], colour: Colour) -> Result<Self, PictureError> {
        match Self::decode_file(bytes)? {
            Decoded::Image(image) => Ok(Self::from_image(image, colour)),
            Decoded::Array(array) => Self::from_array(&array, colour),
        }
    }

    /// [`Picture::decode`], and what of the file is lost.
    ///
    /// # Errors
    /// As [`Picture::decode`].
    pub fn decode_with_losses(bytes: &[u8], colour: Colour) -> Result<(Self, Losses), PictureError> {
        match Self::decode_file(bytes)? {
            Decoded::Image(image) => {
                let losses = Losses::of(&image);
                Ok((Self::from_image(image, colour), losses))
            }
            Decoded::Array(array) => Ok((Self::from_array(&array, colour)?, Losses::default())),
        }
    }

    fn decode_file(bytes: &[u8]) -> Result<Decoded, PictureError> {
        if jpeg::is_jpeg(bytes) && !jpeg::is_whole(bytes) {
            return Err(PictureError::Truncated);
        }
        if bytes.starts_with(npy::MAGIC) {
            return Ok(Decoded::Array(Npy::read(bytes, npy::Limits { values: MAX_BYTES })?));
        }
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
        reader.limits(limits.clone());
        let mut decoder = reader.into_decoder()?;
        limits.reserve(decoder.total_bytes())?;
        decoder.set_limits(limits)?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(Decoded::Image(image))
    }

    /// Reads a PNG or JPEG file.
    ///
    /// # Errors
    /// [`PictureFileError`]: the path, and why.
    pub fn open(path: &Path, colour: Colour) -> Result<Self, PictureFileError> {
        file_bytes(path).and_then(|bytes| Self::decode(&bytes, colour)).map_err(|source| source.of(path))
    }

    /// [`Picture::open`] as [`Picture::decode_with_losses`].
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn open_with_losses(path: &Path, colour: Colour) -> Result<(Self, Losses), PictureFileError> {
        let decode = |bytes: Vec<u8>| Self::decode_with_losses(&bytes, colour);
        file_bytes(path).and_then(decode).map_err(|source| source.of(path))
    }

    fn from_array(array: &Npy, colour: Colour) -> Result<Self, PictureError> {
        let (height, width, stored) = match *array.shape() {
            [height, width] | [height, width, 1] => (height, width, Colour::Grey),
            [height, width, 3] => (height, width, Colour::Rgb),
            _ => return Err(PictureError::Array { shape: array.shape().to_vec() }),
        };
        // What a white pixel is: arrays do not say, so that their sort of numbers must.
        let (white, wanted) = match array.element() {
            npy::Element::Real(_) => (1.0, "real numbers from 0 to 1"),
            npy::Element::Bool => (1.0, "booleans"),
            npy::Element::Unsigned(_) | npy::Element::Signed(_) => (255.0, "whole numbers from 0 to 255"),
        };
        let byte = |&value: &f32| {
            let rounded = (value * (255.0 / white)).round();
            // Written so that NaN is refused, too.
            let fits = (0.0..=255.0).contains(&rounded);
            if fits { Ok(rounded as u8) } else { Err(PictureError::Value { found: value, wanted }) }
        };
        let values = array.values().iter().map(byte).collect::<Result<_, _>>()?;
        let picture = Self::new(height, width, stored, values)?;
        if stored == colour { Ok(picture) } else { Ok(Self::from_image(picture.as_image()?, colour)) }
    }

    /// A part of the picture.
    ///
    /// # Errors
    /// [`PictureError::Crop`] where it is empty or goes beyond the picture.
    pub fn cropped(&self, crop: Crop) -> Result<Self, PictureError> {
        let Crop { top, left, height, width } = crop;
        let within = |start: usize, length: usize, whole: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        if !within(top, height, self.height) || !within(left, width, self.width) {
            return Err(PictureError::Crop { crop, found: [self.height, self.width] });
        }
        let channels = self.colour.channels();
        let rows = self.values.chunks_exact(self.width * channels).skip(top).take(height);
        let values = rows.flat_map(|row| row[left * channels..][..width * channels].iter().copied()).collect();
        Ok(Self { height, width, colour: self.colour, values })
    }

    fn from_image(image: DynamicImage, colour: Colour) -> Self {
        let (height, width) = (image.height() as usize, image.width() as usize);
        let values = match colour {
            Colour::Grey => image.into_luma8().into_raw(),
            Colour::Rgb => image.into_rgb8().into_raw(),
        };
        Self { height, width, colour, values }
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What its pixels consist of.
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// The bytes, `[height, width, channels]`.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// Writes the values as f32 in 0..1, `[height, width, channels]`.
    ///
    /// # Errors
    /// [`PictureError::Length`] when `out` has another length.
    pub fn write_f32(&self, out: &mut [f32]) -> Result<(), PictureError> {
        if out.len() != self.values.len() {
            return Err(PictureError::Length { found: out.len(), wanted: self.values.len() });
        }
        bytes_to_f32(&self.values, out);
        Ok(())
    }

    /// The whole picture on another grid, each new pixel averaged from (or interpolated between) those it covers.
    /// The aspect is not kept.
    ///
    /// # Errors
    /// [`PictureError::Side`] when a side is 0 or above [`MAX_SIDE`].
    pub fn resized(&self, height: usize, width: usize) -> Result<Self, PictureError> {
        checked_size(height, width)?;
        if (height, width) == (self.height, self.width) {
            return Ok(self.clone());
        }
        let resized = self.as_image()?.resize_exact(width as u32, height as u32, FilterType::Triangle);
        Ok(Self::from_image(resized, self.colour))
    }

    fn as_image(&self) -> Result<DynamicImage, PictureError> {
        let (width, height) = (self.width as u32, self.height as u32);
        let values = self.values.clone();
        match self.colour {
            Colour::Grey => GrayImage::from_raw(width, height, values).map(DynamicImage::from),
            Colour::Rgb => RgbImage::from_raw(width, height, values).map(DynamicImage::from),
        }
        .ok_or(PictureError::Length {
            found: self.values.len(),
            wanted: self.height * self.width * self.colour.channels(),
        })
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// [`PictureError::Decode`] should the encoder refuse.
    pub fn to_png(&self) -> Result<Vec<u8>, PictureError> {
        let mut png = Vec::new();
        let kind = match self.colour {
            Colour::Grey => ExtendedColorType::L8,
            Colour::Rgb => ExtendedColorType::Rgb8,
        };
        PngEncoder::new(&mut png).write_image(&self.values, self.width as u32, self.height as u32, kind)?;
        Ok(png)
    }

    /// Writes a PNG file: whole, or not at all.
    ///
    /// # Errors
    /// [`PictureFileError`]: the path, and why.
    pub fn save_png(&self, path: &Path) -> Result<(), PictureFileError> {
        let write = || Ok(whole::write(path, self.to_png()?)?);
        write().map_err(|source| PictureFileError { path: path.to_owned(), source })
    }
}

/// Bytes to f32 in 0..1; the slices have one length.
pub(crate) fn bytes_to_f32(bytes: &[u8], out: &mut [f32]) {
    for (out, &byte) in out.iter_mut().zip(bytes) {
        *out = f32::from(byte) / 255.0;
    }
}

/// Pixels of a picture whose sides are possible.
fn checked_size(height: usize, width: usize) -> Result<usize, PictureError> {
    let possible = 1..=MAX_SIDE as usize;
    if possible.contains(&height) && possible.contains(&width) {
        Ok(height * width)
    } else {
        Err(PictureError::Side { height, width })
    }
}

/// What to do about bytes that are no picture.
fn remedy(refused: &ImageError) -> String {
    match refused {
        ImageError::Unsupported(_) => "convert it to PNG or JPEG".into(),
        ImageError::Limits(_) => format!("make it at most {MAX_SIDE}×{MAX_SIDE} pixels, {MAX_MIB} MiB decoded"),
        _ => "the file is cut short or damaged, fetch or write it again".into(),
    }
}

/// Why there is no picture.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Reading or writing failed.
    #[error("{source}; {remedy}", source = .0, remedy = crate::refused::remedy(.0))]
    Io(#[from] io::Error),
    /// Not a PNG or JPEG picture, a damaged one, or one above the limits.
    #[error("{source}; {remedy}", source = .0, remedy = remedy(.0))]
    Decode(#[from] ImageError),
    /// Not an array that can be read.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// An array that is no picture.
    #[error("an array of extents {shape:?}, wanted height, width and at most 1 or 3 channels")]
    Array {
        /// Its extents.
        shape: Vec<usize>,
    },
    /// An array with a value that no pixel has.
    #[error("the array holds {found}, wanted {wanted}; scale it to 0…1 as real numbers, or to 0…255 and save it as u8")]
    Value {
        /// The first such value.
        found: f32,
        /// What would do for this sort of numbers.
        wanted: &'static str,
    },
    /// A part that is not within the picture.
    #[error("{}×{} pixels, wanted {} rows from {} and {} columns from {}", found[0], found[1], crop.height, crop.top, crop.width, crop.left)]
    Crop {
        /// The part.
        crop: Crop,
        /// `[height, width]` there.
        found: [usize; 2],
    },
    /// A JPEG file that ends too soon.
    #[error("the JPEG picture is truncated, fetch it again")]
    Truncated,
    /// The file is longer than [`MAX_BYTES`].
    #[error("the file is longer than {MAX_MIB} MiB, make the picture smaller")]
    TooLong,
    /// A side that no picture has.
    #[error("{height}×{width} pixels asked for, each side must be from 1 to {MAX_SIDE}")]
    Side {
        /// Rows.
        height: usize,
        /// Pixels in a row.
        width: usize,
    },
    /// As many values as the sides do not give.
    #[error("{found} values, the sides ask for {wanted}")]
    Length {
        /// Values there.
        found: usize,
        /// Values wanted.
        wanted: usize,
    },
    /// A picture of the wrong size where no resizing is wanted.
    #[error("{}×{} pixels, wanted {}×{}", found[0], found[1], wanted[0], wanted[1])]
    Size {
        /// `[height, width]` there.
        found: [usize; 2],
        /// `[height, width]` wanted.
        wanted: [usize; 2],
    },
}

impl PictureError {
    /// This error, of that file.
    pub fn of(self, path: impl Into<PathBuf>) -> PictureFileError {
        PictureFileError { path: path.into(), source: self }
    }
}

/// A [`PictureError`] and the file it came from.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct PictureFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: PictureError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrays_are_pictures() {
        let decode = |descr: &str, shape: &str, bytes: &[u8], colour| {
            Picture::decode(&npy::bytes_of(descr, false, shape, bytes), colour)
        };
        let rgb = decode("|u1", "(1, 2, 3)", &[1, 2, 3, 4, 5, 6], Colour::Rgb).unwrap();
        assert_eq!((rgb.values(), rgb.width()), (&[1, 2, 3, 4, 5, 6][..], 2));
        let real: Vec<u8> = [0.0f32, 0.5, 1.0].into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(decode("<f4", "(1, 3)", &real, Colour::Grey).unwrap().values(), [0, 128, 255]);
        assert_eq!(decode("|u1", "(1, 1)", &[9], Colour::Rgb).unwrap().values(), [9; 3]);
        let wrong = decode("|u1", "(1, 1, 2)", &[9, 9], Colour::Rgb).unwrap_err().to_string();
        assert!(wrong.contains("[1, 1, 2]"), "{wrong}");
        assert!(decode("|u1", "(1, 1)", &[], Colour::Rgb).is_err());
    }

    /// No value is replaced by the nearest that a pixel can have: a scan of 12 bits would be white all over.
    #[test]
    fn arrays_beyond_a_byte_are_refused() {
        let decode = |descr: &str, bytes: &[u8]| {
            let shape = format!("(1, {})", bytes.len() / usize::from(descr.as_bytes()[2] - b'0'));
            Picture::decode(&npy::bytes_of(descr, false, &shape, bytes), Colour::Grey)
        };
        let real = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let refused = |descr: &str, bytes: &[u8]| decode(descr, bytes).unwrap_err().to_string();
        assert_eq!(
            refused("<u2", &[255, 0, 0xff, 0x0f]),
            "the array holds 4095, wanted whole numbers from 0 to 255; scale it to 0…1 as real numbers, or to 0…255 \
             and save it as u8"
        );
        assert!(refused("<i2", &(-3i16).to_le_bytes()).starts_with("the array holds -3, wanted whole numbers"));
        for (value, text) in [(255.0, "255"), (-0.5, "-0.5"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let told = refused("<f4", &real(&[0.5, value]));
            assert!(told.starts_with(&format!("the array holds {text}, wanted real numbers from 0 to 1")), "{told}");
        }
        // What is one only for rounding, on resizing for instance, is one.
        assert_eq!(decode("<f4", &real(&[-1e-6, 1.000_001])).unwrap().values(), [0, 255]);
        assert_eq!(decode("<u2", &[7, 0, 255, 0]).unwrap().values(), [7, 255]);
        assert_eq!(decode("|b1", &[0, 1]).unwrap().values(), [0, 255]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.npy");
        std::fs::write(&path, npy::bytes_of("<u2", false, "(1, 1)", &[0, 1])).unwrap();
        let told = Picture::open(&path, Colour::Grey).unwrap_err().to_string();
        assert!(told.contains("scan.npy: the array holds 256"), "{told}");
    }

    /// A grey ramp of 3 rows and 2 columns as PNG and JPEG, and what EXIF says of each orientation.
    #[test]
    fn pictures_are_turned_as_a_viewer_turns_them() {
        // Big-endian TIFF, one entry: tag 0x112, a short, one of it.
        let exif = |orientation: u8| {
            let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
            exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
            exif
        };
        let stored = Picture::new(3, 2, Colour::Grey, vec![0, 50, 100, 150, 200, 250]).unwrap();
        let png = |orientation: u8| {
            let mut bytes = stored.to_png().unwrap();
            let chunk = [b"eXIf", &exif(orientation)[..]].concat();
            let length = (chunk.len() as u32 - 4).to_be_bytes();
            let whole = [&length[..], &chunk, &crc32(&chunk).to_be_bytes()].concat();
            // Behind the header, which has 13 bytes.
            bytes.splice(33..33, whole);
            bytes
        };
        let seen = |orientation: u8| {
            let picture = Picture::decode(&png(orientation), Colour::Grey).unwrap();
            ([picture.height(), picture.width()], picture.values().to_vec())
        };
        assert_eq!(seen(1), ([3, 2], vec![0, 50, 100, 150, 200, 250]));
        assert_eq!(seen(3), ([3, 2], vec![250, 200, 150, 100, 50, 0]));
        assert_eq!(seen(6), ([2, 3], vec![200, 100, 0, 250, 150, 50]));
        assert_eq!(seen(8), ([2, 3], vec![50, 150, 250, 0, 100, 200]));
        assert_eq!(seen(9), seen(1), "no orientation");
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        encoder.write_image(&ramp(20, 12, Colour::Grey).values, 12, 20, ExtendedColorType::L8).unwrap();
        let segment = [b"Exif\0\0", &exif(6)[..]].concat();
        let length = (segment.len() as u16 + 2).to_be_bytes();
        jpeg.splice(2..2, [&[0xff, 0xe1], &length[..], &segment].concat());
        let turned = Picture::decode(&jpeg, Colour::Grey).unwrap();
        assert_eq!((turned.height(), turned.width()), (12, 20));
    }

    #[test]
    fn what_is_lost_of_16_bits_is_told() {
        let png = |image: DynamicImage| {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        let grey =
            |values: Vec<u16>| png(image::ImageBuffer::from_raw(2, 1, values).map(DynamicImage::ImageLuma16).unwrap());
        let (picture, losses) = Picture::decode_with_losses(&grey(vec![0, 99]), Colour::Grey).unwrap();
        assert_eq!(picture.values(), [0, 0]);
        assert_eq!(losses, Losses { transparent: 0, depth: Some(Depth { bits: 16, largest: 99 }) });
        let (picture, losses) = Picture::decode_with_losses(&grey(vec![0x8000, 65535]), Colour::Grey).unwrap();
        assert_eq!((picture.values(), losses.depth.unwrap().largest), (&[128, 255][..], 65535));
        let glass = image::ImageBuffer::from_raw(1, 1, vec![7u16, 8, 9, 300]).map(DynamicImage::ImageRgba16).unwrap();
        let (_, losses) = Picture::decode_with_losses(&png(glass), Colour::Rgb).unwrap();
        assert_eq!(losses, Losses { transparent: 1, depth: Some(Depth { bits: 16, largest: 9 }) });
        let plain = ramp(2, 2, Colour::Rgb).to_png().unwrap();
        assert_eq!(Picture::decode_with_losses(&plain, Colour::Rgb).unwrap().1, Losses::default());
    }

    #[test]
    fn a_crop_lies_within_the_picture() {
        let picture = ramp(3, 4, Colour::Grey);
        let crop = |top, left, height, width| picture.cropped(Crop { top, left, height, width });
        assert_eq!(crop(1, 2, 2, 2).unwrap().values(), [42, 49, 70, 77]);
        assert_eq!(crop(0, 0, 3, 4).unwrap(), picture);
        for (top, left, height, width) in [(0, 0, 0, 1), (2, 0, 2, 1), (0, usize::MAX, 1, 2)] {
            assert!(matches!(crop(top, left, height, width), Err(PictureError::Crop { .. })));
        }
    }

    fn ramp(height: usize, width: usize, colour: Colour) -> Picture {
        let values = (0..height * width * colour.channels()).map(|i| (i * 7) as u8);
        Picture::new(height, width, colour, values.collect()).unwrap()
    }

    #[test]
    fn png_round_trip_keeps_every_value() {
        let folder = tempfile::tempdir().unwrap();
        for colour in [Colour::Grey, Colour::Rgb] {
            let path = folder.path().join("ramp.png");
            ramp(5, 9, colour).save_png(&path).unwrap();
            assert_eq!(Picture::open(&path, colour).unwrap(), ramp(5, 9, colour));
        }
    }

    #[test]
    fn f32_and_back() {
        let picture = ramp(3, 4, Colour::Rgb);
        let mut values = vec![0.0; 36];
        picture.write_f32(&mut values).unwrap();
        assert_eq!(values[1], 7.0 / 255.0);
        assert_eq!(Picture::from_f32(3, 4, Colour::Rgb, &values).unwrap(), picture);
        let odd = Picture::from_f32(1, 4, Colour::Grey, &[-1.0, 2.0, f32::NAN, 0.5]).unwrap();
        assert_eq!(odd.values(), [0, 255, 0, 128]);
    }

    #[test]
    fn resizing_averages() {
        let checks = Picture::new(2, 2, Colour::Grey, vec![0, 100, 100, 200]).unwrap();
        assert_eq!(checks.resized(1, 1).unwrap().values(), [100]);
        let larger = checks.resized(4, 6).unwrap();
        assert_eq!((larger.height(), larger.width()), (4, 6));
        assert!(matches!(checks.resized(0, 4), Err(PictureError::Side { height: 0, width: 4 })));
    }

    #[test]
    fn one_refusal_per_rule() {
        let short = Picture::new(2, 2, Colour::Rgb, vec![0; 11]);
        assert!(matches!(short, Err(PictureError::Length { found: 11, wanted: 12 })));
        let mut out = [0.0; 5];
        assert!(ramp(2, 2, Colour::Grey).write_f32(&mut out).is_err());
        assert!(matches!(Picture::decode(b"no picture", Colour::Rgb), Err(PictureError::Decode(_))));
        let refused = |bytes: &[u8]| Picture::decode(bytes, Colour::Rgb).unwrap_err().to_string();
        assert!(
            refused(b"BM other formats").ends_with("convert it to PNG or JPEG"),
            "{}",
            refused(b"BM other formats")
        );
        let png = Picture::new(9, 9, Colour::Grey, (0..81).collect()).unwrap().to_png().unwrap();
        let cut = refused(&png[..png.len() / 2]);
        assert!(cut.ends_with("the file is cut short or damaged, fetch or write it again"), "{cut}");
        let png = ramp(20, 20, Colour::Rgb).to_png().unwrap();
        assert!(Picture::decode(&png[..png.len() / 2], Colour::Rgb).is_err());
        let error = Picture::open(Path::new("/nowhere.png"), Colour::Rgb).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere.png: "), "{error}");
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
        // 9000×2 pixels are few bytes but one side too long; the checksum of the header chunk is recomputed.
        let mut png = ramp(2, 2, Colour::Grey).to_png().unwrap();
        png[16..20].copy_from_slice(&9000u32.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        let message = Picture::decode(&png, Colour::Grey).unwrap_err().to_string();
        assert!(message.contains("8192"), "{message}");
    }

    #[test]
    fn a_truncated_photograph_is_refused() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/photographs/rocket.jpg"));
        let jpeg = std::fs::read(path).unwrap();
        assert!(Picture::decode(&jpeg, Colour::Rgb).is_ok());
        for keep in [20, 2_000, 20_000, 60_000, 110_000, jpeg.len() - 100] {
            assert!(Picture::decode(&jpeg[..keep], Colour::Rgb).is_err(), "{keep} of {} bytes", jpeg.len());
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Picture::decode(&bytes, Colour::Rgb);
            let _ = Picture::decode(&[b"\x89PNG\r\n\x1a\n", &bytes[..]].concat(), Colour::Grey);
            let _ = Picture::decode(&[b"\xff\xd8\xff\xe0", &bytes[..]].concat(), Colour::Rgb);
        }

        #[test]
        fn a_damaged_picture_never_panics(at in 0usize..2_000, by in 1u8..) {
            let picture = ramp(9, 7, Colour::Rgb);
            let mut jpeg = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
            encoder.write_image(picture.values(), 7, 9, ExtendedColorType::Rgb8).unwrap();
            for mut bytes in [picture.to_png().unwrap(), jpeg] {
                let at = at % bytes.len();
                bytes[at] ^= by;
                let _ = Picture::decode(&bytes, Colour::Rgb);
            }
        }
    }
}
