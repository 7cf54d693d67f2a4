//! Files that a reader sees whole or not at all.

use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file in place of what was there, and the folders above it.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    dymo_data::whole::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
