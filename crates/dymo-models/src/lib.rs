//! Networks: encoders, the fusion network, recovery models, and the engine that answers "what does the network say of this
//! sample under this subset?".
//!
//! Knows tensors, weights and devices. Must never know a file format of pictures or tables, a reward, a statistic, or the name of
//! a data set: inputs arrive as `[batch, values]`, answers leave as logits and features. Below it, `dymo-kernels` holds the CPU
//! kernels that [`ops`] offers as operators; above it, `dymo-train` fits weights and turns answers into evidence.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use dymo_core::Kind;
//! use dymo_models::encoder::EncoderSettings;
//! use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionTable, Input};
//!
//! let kind = Kind::Image { height: 28, width: 28, channels: 3 };
//! let encoder = EncoderSettings::Convolutional { widths: vec![8, 8, 16], token_width: 16 };
//! let layout = FusionLayout::try_from(FusionTable {
//!     inputs: vec![Input { kind: kind.clone(), encoder }; 3],
//!     width: 32,
//!     heads: 4,
//!     blocks: 2,
//!     feature_width: 16,
//!     classes: 10,
//!     scale: FeatureScale::Unit,
//!     embedding_rows: EmbeddingRows::OnePerModality,
//! })?;
//! let network = layout.init(&Device::flex());
//! // Two samples, modality 1 alone: a 28×28 picture becomes 2×2 tokens, and the feature has length one.
//! let tokens = network.tokens(1, Tensor::ones([2, kind.values()], &Device::flex()));
//! assert_eq!(tokens.dims(), [2, 4, 32]);
//! let fused = network.fuse(vec![tokens]);
//! assert_eq!((fused.logits.dims(), fused.feature.dims()), ([2, 10], [2, 16]));
//! # Ok::<(), dymo_models::fusion::LayoutError>(())
//! ```

pub mod encoder;
mod flat;
pub mod fusion;

pub mod recovery;

pub mod engine;
mod ready;

pub mod published;
pub mod weights;

pub mod layers;
pub mod ops;
pub mod transformer;
