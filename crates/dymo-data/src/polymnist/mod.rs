//! PolyMNIST: five pictures of the same digit, each over another photograph.
//!
//! Made on the fly by its authors' recipe ([`PolyMnist`]), or read from a folder in their layout ([`PolyMnistFolder`]).
//! No other part of the crate, but the table of [sources](crate::source), knows this data set.
//!
//! The recipe, for sample i of class k and modality m:
//! 1. a digit picture of class k: within each part (train, validation, test), the class's digits are put in a random
//!    order of their own for every modality, so that the five pictures of a sample are five different handwritings;
//! 2. a random 28×28 cut of photograph m;
//! 3. where the digit's pixel is above 128, each colour value v of the cut becomes 1 − v.
//!
//! Train are the 60,000 training digits, in MNIST's order of labels. The 10,000 test digits are put in a random order
//! of the seed; the first 3,000 validate, the other 7,000 test. No digit picture is in two parts.

mod error;
mod folder;
mod maker;

pub use error::PolyMnistError;
pub use folder::PolyMnistFolder;
pub use maker::{Part, PolyMnist, PolyMnistSplits, VALIDATION};

use dymo_core::{Kind, Modality, Schema, SchemaError};

/// Modalities of a sample.
pub const MODALITIES: usize = 5;
/// Rows, and pixels in a row, of every picture.
pub const SIDE: usize = 28;
/// Classes, the digits 0 to 9.
pub const CLASSES: usize = 10;

/// Modalities `m0` to `m4`, `[28, 28, 3]`, and classes `0` to `9`.
fn schema() -> Result<Schema, SchemaError> {
    let kind = Kind::Image { height: SIDE, width: SIDE, channels: 3 };
    let modalities = (0..MODALITIES).map(|m| Modality::new(format!("m{m}"), kind.clone()));
    let classes = (0..CLASSES).map(|class| class.to_string());
    Schema::new(modalities.collect(), classes.collect())
}
