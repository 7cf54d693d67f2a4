//! Files that a reader sees whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

/// What is at a path that something is to be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, or nothing yet: this path, behind all links.
    File(PathBuf),
    /// A device, a pipe or a socket. It cannot be replaced, and must not be: a file in place of `/dev/null` breaks other programs.
    Stream(PathBuf),
}

impl Target {
    /// Looks at a path; a link counts as what it leads to.
    pub fn of(path: &Path) -> Self {
        // What cannot be looked at will be told when it is written.
        match (fs::metadata(path), path.canonicalize()) {
            (Ok(found), Ok(behind)) if found.is_file() => Self::File(behind),
            (Ok(found), _) if !found.is_file() && !found.is_dir() => Self::Stream(path.into()),
            _ => Self::File(path.into()),
        }
    }
}

/// Writes a file in place of what was there, making the folders above it: through a temporary file beside it, so that a reader sees
/// the old bytes or the new ones. A link stays, what it leads to is replaced; a device or a pipe is written to as it is.
///
/// # Errors
/// What the system said.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let file = match Target::of(path) {
        Target::Stream(stream) => return OpenOptions::new().write(true).open(stream)?.write_all(bytes.as_ref()),
        Target::File(file) => file,
    };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = AtomicWriteFile::open(file)?;
    file.write_all(bytes.as_ref())?;
    file.commit()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("below/file"), folder.path().join("link"));
        write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
    }

    #[test]
    fn a_device_is_written_to_and_stays_one() {
        // Whoever may replace files there would break the machine with a rename, so it is looked at before.
        let null = Path::new("/dev/null");
        if fs::metadata(null).is_ok_and(|found| !found.is_file()) {
            assert_eq!(Target::of(null), Target::Stream(null.into()));
            write(null, "gone").unwrap();
            assert!(!fs::metadata(null).unwrap().is_file());
        }
    }

    #[test]
    fn a_folder_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("inside"), "kept").unwrap();
        assert!(write(folder.path(), "lost").is_err());
        assert_eq!(fs::read_to_string(folder.path().join("inside")).unwrap(), "kept");
    }
}
