//! Files that a reader sees whole or not at all.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use atomic_write_file::AtomicWriteFile;

/// Writes a file in place of what was there, and the folders above it.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    let mut file = AtomicWriteFile::open(path).with_context(cannot)?;
    file.write_all(bytes.as_ref()).with_context(cannot)?;
    file.commit().with_context(cannot)
}
