//! A result that grows beside its name, and gets it when it is whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_data::whole::Target;

/// A file that is written piece by piece as `NAME.part`. A device or a pipe is written to as it is: it has no name to be given.
pub(super) struct Growing {
    file: File,
    /// The file while it grows, and what it is called when it is whole.
    part: Option<(PathBuf, PathBuf)>,
    path: PathBuf,
}

impl Growing {
    /// Begins the file; where it is taken up again, `kept` says how many bytes stay of the part that is there.
    pub(super) fn open(
        path: &Path,
        resume: bool,
        kept: impl FnOnce(&Path) -> anyhow::Result<u64>,
    ) -> anyhow::Result<(Self, u64)> {
        let target = match Target::of(path) {
            Target::File(file) => file,
            Target::Stream(stream) if resume => {
                bail!("{}: this is no file, so --resume finds nothing of an earlier run there", stream.display())
            }
            Target::Stream(stream) => {
                let file = OpenOptions::new().write(true).open(&stream).with_context(|| cannot(&stream))?;
                return Ok((Self { file, part: None, path: stream }, 0));
            }
        };
        let part = with(&target, ".part");
        if let Some(folder) = part.parent() {
            std::fs::create_dir_all(folder).with_context(|| cannot(&part))?;
        }
        let begun = resume && part.exists();
        let file = OpenOptions::new().create(true).append(true).open(&part).with_context(|| cannot(&part))?;
        // File systems without locks have none to wait for.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!("{}: another run is writing it; wait for it, or name another file", part.display());
        }
        let kept = if begun { kept(&part)? } else { 0 };
        file.set_len(kept).with_context(|| cannot(&part))?;
        Ok((Self { file, part: Some((part, target)), path: path.into() }, kept))
    }

    /// The file while it grows; nothing of a device or a pipe.
    pub(super) fn part(&self) -> Option<&Path> {
        self.part.as_ref().map(|(part, _)| part.as_path())
    }

    /// Another handle of the same file.
    pub(super) fn handle(&self) -> anyhow::Result<File> {
        self.file.try_clone().with_context(|| self.cannot())
    }

    /// Appends, and hands it to the system.
    pub(super) fn add(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| self.cannot())
    }

    /// Gives the file its name.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let Some((part, path)) = &self.part else { return Ok(()) };
        let rename = || self.file.sync_all().and_then(|()| std::fs::rename(part, path));
        rename().with_context(|| format!("cannot write {}; what there is stands in {}", path.display(), part.display()))
    }

    /// Leaves nothing behind.
    pub(super) fn discard(&self) -> anyhow::Result<()> {
        let Some((part, _)) = &self.part else { return Ok(()) };
        std::fs::remove_file(part).with_context(|| format!("cannot remove {}; check permissions", part.display()))
    }

    /// What is said where it cannot be written.
    pub(super) fn cannot(&self) -> String {
        cannot(self.part.as_ref().map_or(&self.path, |(part, _)| part))
    }
}

fn cannot(path: &Path) -> String {
    format!("cannot write {}; check free space and permissions", path.display())
}

/// A path with an ending more.
pub(super) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
