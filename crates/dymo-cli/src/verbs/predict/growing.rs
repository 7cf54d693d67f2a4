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
    /// Bytes that this run has written or taken over.
    length: u64,
}

impl Growing {
    /// Begins the file; where it is taken up again, `kept` says how many bytes stay of the part that is there. A part without a byte is
    /// one that an earlier run was stopped at before it wrote any: nothing of it could be kept, and nothing is asked of it.
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
                return Ok((Self { file, part: None, path: stream, length: 0 }, 0));
            }
        };
        let part = with(&target, ".part");
        if let Some(folder) = part.parent() {
            std::fs::create_dir_all(folder).with_context(|| cannot(&part))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&part).with_context(|| cannot(&part))?;
        // File systems without locks have none to wait for.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!("{}: another run is writing it; wait for it, or name another file", part.display());
        }
        let begun = resume && file.metadata().with_context(|| cannot(&part))?.len() > 0;
        let kept = if begun { kept(&part)? } else { 0 };
        file.set_len(kept).with_context(|| cannot(&part))?;
        Ok((Self { file, part: Some((part, target)), path: path.into(), length: kept }, kept))
    }

    /// The file while it grows; nothing of a device or a pipe.
    pub(super) fn part(&self) -> Option<&Path> {
        self.part.as_ref().map(|(part, _)| part.as_path())
    }

    /// Appends, and hands it to the system.
    pub(super) fn add(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.alone()?;
        self.file.write_all(bytes).with_context(|| self.cannot())?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Whether the file is what this run has made it: what two runs write, where nothing is locked, would be rows of both.
    fn alone(&self) -> anyhow::Result<()> {
        let Some((part, _)) = &self.part else { return Ok(()) };
        // By its name: another run may have given the file its own, and begun anew.
        let found = std::fs::metadata(part).map_or(0, |found| found.len());
        if found == self.length {
            return Ok(());
        }
        bail!(
            "{}: it has {found} bytes, and this run has written {}: another run is writing it. Stop both, delete it, and run one",
            part.display(),
            self.length
        )
    }

    /// Gives the file its name.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let Some((part, path)) = &self.part else { return Ok(()) };
        self.alone()?;
        let rename = || self.file.sync_all().and_then(|()| std::fs::rename(part, path));
        rename().with_context(|| format!("cannot write {}; what there is stands in {}", path.display(), part.display()))
    }

    /// Leaves nothing behind.
    pub(super) fn discard(&self) -> anyhow::Result<()> {
        let Some((part, _)) = &self.part else { return Ok(()) };
        std::fs::remove_file(part).with_context(|| format!("cannot remove {}; check permissions", part.display()))
    }

    /// What is said where it cannot be written.
    fn cannot(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As where nothing is locked: another run has added to the file, begun it anew, or given it its name.
    #[test]
    fn what_another_run_writes_is_not_mixed_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, part) = (folder.path().join("rows.csv"), folder.path().join("rows.csv.part"));
        let others: [fn(&Path); 3] = [
            |part| {
                OpenOptions::new().append(true).open(part).and_then(|mut f| f.write_all(b"theirs\n")).expect("added")
            },
            |part| File::create(part).map(drop).expect("begun anew"),
            |part| std::fs::rename(part, part.with_extension("")).expect("renamed"),
        ];
        for other in others {
            let (mut file, _) = Growing::open(&path, false, |_| Ok(0)).expect("begun");
            file.add(b"ours\n").expect("alone");
            file.add(b"ours\n").expect("alone");
            other(&part);
            let before = std::fs::read(&part).ok();
            for refused in [file.add(b"ours\n"), file.finish()] {
                let told = refused.expect_err("not alone").to_string();
                assert!(told.contains("rows.csv.part: it has") && told.contains("another run is writing it"), "{told}");
            }
            assert_eq!(std::fs::read(&part).ok(), before);
        }
        std::fs::write(&part, b"kept\ncut o").expect("a part");
        let (mut file, kept) = Growing::open(&path, true, |_| Ok(5)).expect("taken up");
        file.add(b"more\n").and_then(|()| file.finish()).expect("alone");
        assert_eq!((kept, std::fs::read(&path).expect("whole")), (5, b"kept\nmore\n".to_vec()));
    }
}
