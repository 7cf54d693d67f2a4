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
    #[error("{}×{} pixels, wanted {} rows from {} and {} columns from {}; correct the crop, or leave pictures out that are too small for it", found[0], found[1], crop.height, crop.top, crop.width, crop.left)]
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
mod tests;
