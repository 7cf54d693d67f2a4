//! Encoders: one modality's input to tokens (method, section 2; details, section 1).

mod cells;
mod columns;
mod convolutional;
mod perceptron;
mod residual;
mod single;
mod spatial;
mod words;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use dymo_core::Kind;
use serde::{Deserialize, Serialize};

use crate::layers::ConvStack;
use crate::ops::Window;

pub use cells::CellTokens;
pub use columns::ColumnEncoder;
pub use convolutional::ConvEncoder;
pub use perceptron::Perceptron;
pub use residual::{ChannelNorm, ResidualBlock, ResidualEncoder, ResidualSettings, ResidualTrunk, Stage, Stem};
pub use single::{PictureToken, SequenceToken};
pub use spatial::SpatialEncoder;
pub use words::WordEncoder;

/// One convolution of an encoder, followed by ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvLayer {
    /// Number of filters.
    pub filters: usize,
    /// Side of the window; along a sequence, its length.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Zeros around the input.
    #[serde(default)]
    pub padding: usize,
}

impl ConvLayer {
    pub(crate) fn window(self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Extent of the map over an input of this extent; `None` if the window does not fit.
    fn map(self, extent: usize) -> Option<usize> {
        let padded = extent.checked_add(self.padding.checked_mul(2)?)?;
        let fits = self.filters > 0 && self.kernel > 0 && self.stride > 0 && padded >= self.kernel;
        fits.then(|| self.window().map(extent))
    }
}

/// Extent of the map behind all layers; `None` if a window does not fit.
fn extent_behind(layers: &[ConvLayer], extent: usize) -> Option<usize> {
    layers.iter().try_fold(extent, |extent, layer| layer.map(extent))
}

/// Which encoder reads a modality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EncoderSettings {
    /// Convolutions (side 3, step 2, padding 1) of these widths with ReLU, a 1×1 convolution to `token_width`, 2×2 max-pooling;
    /// every place of the remaining map is a token, in row order. PolyMNIST: widths 32, 64, 128 and tokens of 128.
    Convolutional {
        /// Filters of each layer.
        widths: Vec<usize>,
        /// Width of a token.
        token_width: usize,
    },
    /// A residual network with batch norm; every place of its last map is a token, in row order.
    Residual(ResidualSettings),
    /// ResNet-50, of which weights are published (`pretrained` beside the encoder names their file); every place of its last map is a
    /// token, in row order: 16 of a picture of 128×128.
    #[serde(rename = "resnet50")]
    ResNet50 {
        /// Width of a token.
        token_width: usize,
        /// Whether colours are first shifted and scaled as ImageNet's were; for three channels only.
        #[serde(default)]
        imagenet_colours: bool,
    },
    /// Convolutions in three dimensions (side 3, step 2, padding 1) of these widths with ReLU over a volume, 2×2 max-pooling within
    /// slices, a linear map to `token_width`; every place of the remaining map is a token.
    Spatial {
        /// Filters of each layer.
        widths: Vec<usize>,
        /// Width of a token.
        token_width: usize,
    },
    /// A transformer over the words of a text, read by a class token, which is the modality's token; places after the end are absent.
    Words {
        /// Width of a word's token, and of the modality's.
        token_width: usize,
        /// Attention heads; they divide the width.
        heads: usize,
        /// Transformer blocks.
        blocks: usize,
    },
    /// A transformer over the columns of a table, read by a class token, which is the modality's token; missing cells are absent.
    Columns {
        /// Width of a cell's token, and of the modality's.
        token_width: usize,
        /// Attention heads; they divide the width.
        heads: usize,
        /// Transformer blocks.
        blocks: usize,
    },
    /// All values through a hidden layer with ReLU to one token. Of a table: its numbers, flags for missing ones, and its categories
    /// as flags. MNIST of MNIST-SVHN-Text: 784 → 400 → 32.
    Perceptron {
        /// Width of the hidden layer.
        hidden: usize,
        /// Width of the token.
        token_width: usize,
    },
    /// Convolutions over a picture, ReLU after each, and a linear layer from all that is left to one token. SVHN of
    /// MNIST-SVHN-Text: 32, 64, 64 filters (side 4, step 2, padding 1), 128 filters (side 4, step 2), a token of 32.
    PictureToken {
        /// The convolutions, in order.
        layers: Vec<ConvLayer>,
        /// Width of the token.
        token_width: usize,
    },
    /// The same along a sequence, `[length, 1, symbols]`. The text of MNIST-SVHN-Text: 128 filters of length 1, 4 (step 2,
    /// padding 1) and 4 (step 2), a token of 32.
    SequenceToken {
        /// The convolutions, in order.
        layers: Vec<ConvLayer>,
        /// Width of the token.
        token_width: usize,
    },
}

impl EncoderSettings {
    /// Tokens that a modality of this kind gets.
    pub fn tokens(&self, kind: &Kind) -> usize {
        let [height, width, _] = kind.shape();
        match self {
            Self::Convolutional { widths, .. } => map(height, widths.len()) / 2 * (map(width, widths.len()) / 2),
            Self::Residual(settings) => settings.tokens(kind.shape()),
            Self::ResNet50 { .. } => self.residual().map_or(0, |settings| settings.tokens(kind.shape())),
            Self::Spatial { widths, .. } => spatial::tokens(kind.shape(), widths.len()),
            Self::Columns { .. }
            | Self::Words { .. }
            | Self::Perceptron { .. }
            | Self::PictureToken { .. }
            | Self::SequenceToken { .. } => 1,
        }
    }

    /// Width of a token before it is projected to the fusion network's.
    pub fn token_width(&self) -> usize {
        match self {
            Self::Convolutional { token_width, .. }
            | Self::Residual(ResidualSettings { token_width, .. })
            | Self::ResNet50 { token_width, .. }
            | Self::Spatial { token_width, .. }
            | Self::Words { token_width, .. }
            | Self::Columns { token_width, .. }
            | Self::Perceptron { token_width, .. }
            | Self::PictureToken { token_width, .. }
            | Self::SequenceToken { token_width, .. } => *token_width,
        }
    }

    /// The settings of a residual network, for those encoders that are one.
    fn residual(&self) -> Option<ResidualSettings> {
        match self {
            Self::Residual(settings) => Some(settings.clone()),
            Self::ResNet50 { token_width, imagenet_colours } => {
                Some(ResidualSettings::resnet50(*token_width, *imagenet_colours))
            }
            _ => None,
        }
    }

    /// Whether every extent is positive, for the kind at hand.
    pub fn fits(&self, kind: &Kind) -> bool {
        let [height, width, _] = kind.shape();
        let positive = match self {
            Self::Convolutional { widths, .. } => {
                kind.is_pictorial() && !widths.is_empty() && widths.iter().all(|w| *w > 0)
            }
            Self::Residual(_) | Self::ResNet50 { .. } => self.residual().is_some_and(|settings| settings.fits(kind)),
            Self::Spatial { widths, .. } => {
                matches!(kind, Kind::Volume { .. }) && !widths.is_empty() && widths.iter().all(|w| *w > 0)
            }
            Self::Words { token_width, heads, blocks } => {
                matches!(kind, Kind::Text { .. }) && *blocks > 0 && *heads > 0 && token_width.is_multiple_of(*heads)
            }
            Self::Columns { token_width, heads, blocks } => {
                kind.columns().is_some() && *blocks > 0 && *heads > 0 && token_width.is_multiple_of(*heads)
            }
            Self::Perceptron { hidden, .. } => *hidden > 0,
            Self::PictureToken { layers, .. } => {
                let leaves = |extent| extent_behind(layers, extent).is_some_and(|e| e > 0);
                !layers.is_empty() && leaves(height) && leaves(width)
            }
            Self::SequenceToken { layers, .. } => {
                !layers.is_empty() && width == 1 && extent_behind(layers, height).is_some_and(|e| e > 0)
            }
        };
        positive && self.token_width() > 0 && self.tokens(kind) > 0
    }

    /// A network with fresh weights.
    pub fn init(&self, kind: &Kind, device: &Device) -> Encoder {
        match self {
            Self::Convolutional { widths, token_width } => {
                Encoder::Convolutional(ConvEncoder::new(kind, widths, *token_width, device))
            }
            Self::Residual(settings) => Encoder::Residual(ResidualEncoder::new(kind, settings, device)),
            Self::ResNet50 { token_width, imagenet_colours } => {
                let settings = ResidualSettings::resnet50(*token_width, *imagenet_colours);
                Encoder::Residual(ResidualEncoder::new(kind, &settings, device))
            }
            Self::Spatial { widths, token_width } => {
                Encoder::Spatial(SpatialEncoder::new(kind, widths, *token_width, device))
            }
            Self::Words { token_width, heads, blocks } => {
                Encoder::Words(WordEncoder::new(kind, *token_width, *heads, *blocks, device))
            }
            // Only a table has this encoder (`fits`); a perceptron reads whatever else is asked for.
            Self::Columns { token_width, heads, blocks } => {
                match ColumnEncoder::new(kind, *token_width, *heads, *blocks, device) {
                    Some(encoder) => Encoder::Columns(encoder),
                    None => Encoder::Perceptron(Perceptron::new(kind, *token_width, *token_width, device)),
                }
            }
            Self::Perceptron { hidden, token_width } => {
                Encoder::Perceptron(Perceptron::new(kind, *hidden, *token_width, device))
            }
            Self::PictureToken { layers, token_width } => {
                Encoder::PictureToken(PictureToken::new(kind, layers, *token_width, device))
            }
            Self::SequenceToken { layers, token_width } => {
                Encoder::SequenceToken(SequenceToken::new(kind, layers, *token_width, device))
            }
        }
    }
}

fn map(picture: usize, layers: usize) -> usize {
    ConvStack::extents(picture, layers).last().copied().unwrap_or(0)
}

/// One modality's input `[B, values]` to tokens `[B, T, token width]`.
// A network has a handful of them, and a boxed module is none.
#[expect(clippy::large_enum_variant, reason = "one encoder a modality: a box would save nothing that counts")]
#[derive(Module, Debug)]
pub enum Encoder {
    /// See [`EncoderSettings::Convolutional`].
    Convolutional(ConvEncoder),
    /// See [`EncoderSettings::Residual`] and [`EncoderSettings::ResNet50`].
    Residual(ResidualEncoder),
    /// See [`EncoderSettings::Spatial`].
    Spatial(SpatialEncoder),
    /// See [`EncoderSettings::Words`].
    Words(WordEncoder),
    /// See [`EncoderSettings::Columns`].
    Columns(ColumnEncoder),
    /// See [`EncoderSettings::Perceptron`].
    Perceptron(Perceptron),
    /// See [`EncoderSettings::PictureToken`].
    PictureToken(PictureToken),
    /// See [`EncoderSettings::SequenceToken`].
    SequenceToken(SequenceToken),
}

impl Encoder {
    /// `[B, values]` (in row order, `[height, width, channels]`) → `[B, T, token width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        match self {
            Self::Convolutional(encoder) => encoder.forward(x),
            Self::Residual(encoder) => encoder.forward(x),
            Self::Spatial(encoder) => encoder.forward(x),
            Self::Words(encoder) => encoder.forward(x),
            Self::Columns(encoder) => encoder.forward(x),
            Self::Perceptron(encoder) => encoder.forward(x),
            Self::PictureToken(encoder) => encoder.forward(x),
            Self::SequenceToken(encoder) => encoder.forward(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVHN: [ConvLayer; 2] = [
        ConvLayer { filters: 5, kernel: 4, stride: 2, padding: 1 },
        ConvLayer { filters: 6, kernel: 4, stride: 2, padding: 0 },
    ];

    #[test]
    fn one_token_of_a_picture_and_of_a_text() {
        let device = Device::flex();
        let picture = EncoderSettings::PictureToken { layers: SVHN.to_vec(), token_width: 7 };
        let kind = Kind::Image { height: 8, width: 8, channels: 3 };
        assert!(picture.fits(&kind));
        let tokens = picture.init(&kind, &device).forward(Tensor::ones([2, kind.values()], &device));
        assert_eq!(tokens.dims(), [2, picture.tokens(&kind), 7]);

        let text = EncoderSettings::SequenceToken { layers: SVHN.to_vec(), token_width: 7 };
        let kind = Kind::Text { length: 9, symbols: 4, vocabulary: None };
        assert!(text.fits(&kind));
        let tokens = text.init(&kind, &device).forward(Tensor::ones([2, kind.values()], &device));
        assert_eq!(tokens.dims(), [2, 1, 7]);
    }

    #[test]
    fn a_window_that_does_not_fit_is_refused() {
        let picture = |layers: &[ConvLayer]| EncoderSettings::PictureToken { layers: layers.to_vec(), token_width: 7 };
        let kind = |side| Kind::Image { height: side, width: side, channels: 1 };
        assert!(!picture(&SVHN).fits(&kind(4)));
        assert!(!picture(&[]).fits(&kind(8)));
        assert!(!picture(&[ConvLayer { stride: 0, ..SVHN[0] }]).fits(&kind(8)));
        assert!(!picture(&[ConvLayer { padding: usize::MAX, ..SVHN[0] }]).fits(&kind(8)));
        let text = EncoderSettings::SequenceToken { layers: SVHN.to_vec(), token_width: 7 };
        assert!(!text.fits(&kind(8)), "a picture is no sequence");
    }
}
