//! Which modalities are missing from which sample: by a protocol and a seed (method, section 8), or from a mask file.

mod mask_file;
mod protocol;

pub use mask_file::{MaskError, MaskFileError, parse_masks, read_masks, write_masks};
pub use protocol::{Protocol, ProtocolError, draw};
