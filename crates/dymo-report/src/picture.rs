//! Pictures as PNG bytes, and the way from network values to them.

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The first eight bytes of every PNG file.
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// A PNG file in memory. In JSON it is a base64 string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture(Vec<u8>);

/// Why something is not a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The bytes do not begin like a PNG file.
    #[error("{length} bytes that do not begin with the PNG signature; encode the picture as PNG first")]
    NotPng {
        /// How many bytes were given.
        length: usize,
    },
    /// The values do not fill the shape.
    #[error(
        "{found} values for height {height}, width {width} and {channels} channels; give their product, with 1 or 3 channels"
    )]
    Shape {
        /// Values given.
        found: usize,
        /// Height asked for.
        height: usize,
        /// Width asked for.
        width: usize,
        /// Channels asked for.
        channels: usize,
    },
    /// The encoder refused.
    #[error("the PNG encoder refused the picture")]
    Encode(#[from] image::ImageError),
}

impl Picture {
    /// Takes the bytes of a PNG file.
    ///
    /// # Errors
    /// [`PictureError::NotPng`] when they do not begin like one. Nothing more is checked: a browser decodes it.
    pub fn from_png(bytes: Vec<u8>) -> Result<Self, PictureError> {
        if bytes.starts_with(&SIGNATURE) { Ok(Self(bytes)) } else { Err(PictureError::NotPng { length: bytes.len() }) }
    }

    /// Encodes values in 0..1, laid out `[height, width, channels]` with 1 (grey) or 3 (red, green, blue) channels.
    /// Values outside are clipped, NaN becomes black.
    ///
    /// # Errors
    /// [`PictureError::Shape`] when the number of values is another, or the channels are not 1 or 3.
    ///
    /// ```
    /// let grey = dymo_report::Picture::from_values([1, 2, 1], &[0.0, 1.0])?;
    /// assert!(grey.data_uri().starts_with("data:image/png;base64,"));
    /// # Ok::<(), dymo_report::PictureError>(())
    /// ```
    pub fn from_values(shape: [usize; 3], values: &[f32]) -> Result<Self, PictureError> {
        let [height, width, channels] = shape;
        let wrong = PictureError::Shape { found: values.len(), height, width, channels };
        let wanted = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
        let color = match channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            _ => return Err(wrong),
        };
        let (Ok(rows), Ok(columns)) = (u32::try_from(height), u32::try_from(width)) else {
            return Err(wrong);
        };
        if wanted != Some(values.len()) || values.is_empty() {
            return Err(wrong);
        }
        // `as` saturates and sends NaN to 0.
        let bytes: Vec<u8> = values.iter().map(|v| (v * 255.0).round() as u8).collect();
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&bytes, columns, rows, color)?;
        Ok(Self(png))
    }

    /// The PNG file.
    pub fn png(&self) -> &[u8] {
        &self.0
    }

    /// The picture as an address that needs no other file.
    pub fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(&self.0))
    }
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Picture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        Self::from_png(bytes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_encoding() -> Result<(), Box<dyn std::error::Error>> {
        let values = [0.0, 0.5, 1.0, f32::NAN, -3.0, 7.0];
        let picture = Picture::from_values([1, 2, 3], &values)?;
        let read = image::load_from_memory(picture.png())?.to_rgb8();
        assert_eq!(read.dimensions(), (2, 1));
        assert_eq!(read.into_raw(), [0, 128, 255, 0, 0, 255]);
        Ok(())
    }

    #[test]
    fn a_wrong_shape_is_refused_with_its_numbers() {
        for (shape, values) in [([2, 2, 1], 3), ([1, 1, 2], 2), ([0, 3, 1], 0), ([usize::MAX, 2, 3], 6)] {
            let refused = Picture::from_values(shape, &vec![0.0; values]);
            assert!(matches!(refused, Err(PictureError::Shape { found, .. }) if found == values));
        }
    }

    #[test]
    fn json_holds_base64_and_refuses_what_is_no_png() -> Result<(), Box<dyn std::error::Error>> {
        let picture = Picture::from_values([1, 1, 1], &[1.0])?;
        let json = serde_json::to_string(&picture)?;
        assert_eq!(serde_json::from_str::<Picture>(&json)?, picture);
        assert!(serde_json::from_str::<Picture>("\"AAAA\"").is_err());
        assert!(serde_json::from_str::<Picture>("\"no base64!\"").is_err());
        Ok(())
    }
}
