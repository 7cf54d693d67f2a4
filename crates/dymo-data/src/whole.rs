//! Files that a reader sees whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

/// What is at a path that something is to be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, or nothing yet: this path, behind all links and absolute where the system says so.
    File(PathBuf),
    /// A device, a pipe or a socket. It cannot be replaced, and must not be: a file in place of `/dev/null` breaks other programs.
    Stream(PathBuf),
}

/// Links that are followed one after the other: as many as Linux does.
const LINKS: usize = 40;

impl Target {
    /// Looks at a path; a link counts as what it leads to, be that there or not.
    pub fn of(path: &Path) -> Self {
        // What cannot be looked at will be told when it is written.
        if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Self::Stream(path.into());
        }
        let mut file = path.to_owned();
        for _ in 0..LINKS {
            let Ok(to) = fs::read_link(&file) else { break };
            file = file.parent().unwrap_or(Path::new("")).join(to);
        }
        Self::File(resolved(&file))
    }

    /// The path of it.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Stream(path) => path,
        }
    }
}

/// Absolute, links and `..` in its folders resolved as far as they are there.
fn resolved(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
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

/// Letters and digits that the name of a temporary file ends in.
const DRAWN: usize = 6;

/// Removes what is left of writers of this file that were killed while they wrote: their temporary files beside it. For files that one
/// program writes at a time.
pub fn sweep(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let begins = format!(".{}.", name.to_string_lossy());
    // What cannot be listed or removed is in nobody's way.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let drawn = found.to_str().and_then(|found| found.strip_prefix(&begins));
        // Small letters alone are what people write, and hardly ever drawn.
        let is_drawn = |drawn: &str| {
            drawn.len() == DRAWN
                && drawn.bytes().all(|b| b.is_ascii_alphanumeric())
                && !drawn.bytes().all(|b| b.is_ascii_lowercase())
        };
        if drawn.is_some_and(is_drawn) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("weights"), folder.path().join("weights.old"));
        write(&file, "whole").unwrap();
        write(&other, "of another").unwrap();
        // As one looks in the middle of its work: it is never committed, nor dropped.
        let mut writer = AtomicWriteFile::open(&file).unwrap();
        writer.write_all(b"ha").unwrap();
        std::mem::forget(writer);
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert!(names().len() == 3 && names()[0].starts_with(".weights."), "{:?}", names());
        // One in two hundred is of small letters alone, and stays.
        fs::rename(folder.path().join(&names()[0]), folder.path().join(".weights.Xy12ab")).unwrap();
        for kept in [".weights.old.Xy12ab", ".weights.backup", ".weights.-12345"] {
            fs::write(folder.path().join(kept), "kept").unwrap();
        }
        sweep(&file);
        assert_eq!(names(), [".weights.-12345", ".weights.backup", ".weights.old.Xy12ab", "weights", "weights.old"]);
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("below/file"), folder.path().join("link"));
        write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
        // One that leads to nothing yet, too, and one through another.
        let (late, later) = (folder.path().join("late"), folder.path().join("later"));
        std::os::unix::fs::symlink("below/new", &late).unwrap();
        std::os::unix::fs::symlink("late", &later).unwrap();
        write(&later, "made").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("below/new")).unwrap(), "made");
        assert_eq!(Target::of(&later), Target::of(&folder.path().join("below/../below/new")));
        // In a circle there is nothing to be written to.
        std::os::unix::fs::symlink("b", folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("b")).unwrap();
        assert!(matches!(Target::of(&folder.path().join("a")), Target::File(_)));
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
