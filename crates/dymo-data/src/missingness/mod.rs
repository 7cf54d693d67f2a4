//! Which modalities are missing from which sample: by a protocol and a seed (method, section 8), or from a mask file.
//!
//! [`Protocol`] is the paper's: whole modalities, by chance alone. [`Mechanism`] is for what happens elsewhere: modalities
//! or entries of a table that go missing because of other values, of their own value, or of the class. [`Masked`] shows
//! samples as they are then.

mod entries;
mod mask_file;
mod mechanism;
mod protocol;

pub use entries::{EntryMask, Masked};
pub use mask_file::{MaskError, MaskFileError, Masks, parse_masks, read_masks, write_masks};
pub use mechanism::{Mechanism, MechanismError, MissingPattern, draw_entries, draw_modalities};
pub use protocol::{Protocol, ProtocolError, draw};

#[cfg(test)]
mod tests;
