//! CPU kernels that Burn's pure-Rust backend is slow at: convolution and its transpose, GELU, LayerNorm and 2×2 max-pooling,
//! forward and backward; for training also products of experts, sums of absolute errors and Adam; and for inference [`Layer`] and [`Trunk`], whose weights are packed once.
//!
//! Knows slices and shapes, threads (rayon's current pool) and nothing else. Must never know a tensor type, a model, a file
//! or a data set. Images are `[batch, height, width, channels]` (NHWC), rows are contiguous, everything is `f32`.
//! Results do not depend on the number of threads: every sum is split at fixed places and added in order.
//!
//! ```
//! use dymo_kernels::{Geometry, conv2d};
//! // A 3×3 box filter over a 4×4 picture of ones, stride 2, padding 1: the corner sees 4 ones, an inner pixel 9.
//! let geometry = Geometry { batch: 1, height: 4, width: 4, channels: 1, filters: 1, kernel: 3, stride: 2, padding: 1 };
//! let mut out = vec![0.0; geometry.map_len()];
//! conv2d(&geometry, &[1.0; 16], &[1.0; 9], None, false, &mut out);
//! assert_eq!(out, [4.0, 6.0, 6.0, 9.0]);
//! ```

mod activation;
mod adam;
mod block;
mod conv;
mod dispatch;
mod error_sum;
mod layer;
mod matrix;
mod memory;
mod norm;
mod pool;
mod products;
#[cfg(test)]
mod repeatable;
mod trunk;

pub use activation::{gelu, gelu_backward};
pub use adam::{AdamStep, adam};
pub use block::{
    BlockGradients, BlockSaved, BlockShape, BlockWeights, Reading, Sequence, block_backward, block_forward,
};
pub use conv::{ConvGradients, Geometry, conv_transpose2d, conv_transpose2d_backward, conv2d, conv2d_backward};
pub use error_sum::{absolute_error, absolute_error_backward};
pub use layer::{Finish, Layer};
pub use memory::{Recycled, zeros};
pub use norm::{layer_norm, layer_norm_backward, norm_rows};
pub use pool::{max_pool2, max_pool2_backward, max_pool2_image};
pub use products::Products;
pub use trunk::Trunk;

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
