//! Files of a folder that change together: all of them or none, whenever the writer is stopped.
//!
//! Every new file is written beside its name as `NAME.next`, then the list of all that the folder is to hold as `SHA256SUMS.next`: from
//! then on the change is made, by whoever comes first. Files get their names, those that are left over go, the list gets its name last.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dymo_data::checksum::{Checksums, SHA256SUMS};
use dymo_data::whole;

use super::ModelFolderError;

/// What stands behind a name until everything that changes with the file is there.
const NEXT: &str = ".next";

/// The name that a file is to have.
pub(super) fn settled(name: &str) -> &str {
    name.strip_suffix(NEXT).unwrap_or(name)
}

/// Whether a name is that of a new file of a change that was stopped before it was certain to be made: `NAME.next`, or `.NAME.next.` and
/// something drawn while it was written. Where no change is begun, it is nobody's.
pub(super) fn is_left_behind(name: &str) -> bool {
    let while_written =
        |name: &str| name.starts_with('.') && name.rsplit_once('.').is_some_and(|(n, _)| n.ends_with(NEXT));
    name.ends_with(NEXT) || while_written(name)
}

/// Whether a change of the folder was begun that is certain to be made.
pub(super) fn is_begun(folder: &Path) -> bool {
    next(folder, SHA256SUMS).exists()
}

/// Changes files, and what the folder is listed to hold.
pub(super) fn commit(
    folder: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    list: &BTreeMap<String, String>,
) -> Result<(), ModelFolderError> {
    std::fs::create_dir_all(folder).map_err(fail(folder))?;
    for entry in std::fs::read_dir(folder).map_err(fail(folder))?.flatten() {
        if is_left_behind(&entry.file_name().to_string_lossy()) {
            // It would be in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let list: String = list.iter().map(|(name, digits)| format!("{digits}  {name}\n")).collect();
    let all = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    // The list last: it says that the others are there.
    for (name, bytes) in all.chain([(SHA256SUMS, list.as_bytes())]) {
        let path = next(folder, name);
        whole::write(&path, bytes).map_err(fail(&path))?;
    }
    finish(folder)
}

/// Ends a change that was begun; nothing where there is none.
pub(super) fn finish(folder: &Path) -> Result<(), ModelFolderError> {
    let list = next(folder, SHA256SUMS);
    if !list.exists() {
        return Ok(());
    }
    let wanted = Checksums::read_list(folder, &list)?;
    // A folder that is new, or whose list is gone, has nothing that could be left over.
    let before = Checksums::of(folder).ok();
    // A folder that somebody has sent must not reach beyond itself.
    let is_inside = |name: &&str| Path::new(name).components().count() == 1 && Path::new(name).file_name().is_some();
    if let Some(name) = wanted.names().chain(before.iter().flat_map(Checksums::names)).find(|name| !is_inside(name)) {
        let reason = format!(
            "it lists {name:?}, wanted names of files in the folder alone; delete the file if the folder can be trusted"
        );
        return Err(ModelFolderError::Parse { path: list, reason });
    }
    for name in wanted.names() {
        rename(&next(folder, name), &folder.join(name))?;
    }
    let kept: BTreeSet<&str> = wanted.names().collect();
    for name in before.iter().flat_map(Checksums::names).filter(|name| !kept.contains(name)) {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(fail(&path)(error)),
            _ => {}
        }
    }
    rename(&list, &folder.join(SHA256SUMS))
}

/// What is not there has its name already.
fn rename(from: &Path, to: &Path) -> Result<(), ModelFolderError> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fail(to)(error)),
        _ => Ok(()),
    }
}

fn next(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{NEXT}"))
}

fn fail(path: &Path) -> impl FnOnce(std::io::Error) -> ModelFolderError {
    let path = path.to_owned();
    move |source| ModelFolderError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_data::checksum::sha256_hex;

    type Files = BTreeMap<String, Vec<u8>>;

    fn files(of: &[(&str, &str)]) -> Files {
        of.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn listed(files: &Files) -> BTreeMap<String, String> {
        files.iter().map(|(name, bytes)| (name.clone(), sha256_hex(bytes))).collect()
    }

    fn found(folder: &Path) -> Files {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries.map(|e| (e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).unwrap())).collect()
    }

    /// Stopped anywhere before the list is there, nothing has changed; anywhere behind it, the next who comes changes all.
    #[test]
    fn a_change_is_made_as_a_whole_wherever_it_is_stopped() {
        let (old, new) = (
            files(&[("a", "first"), ("b", "stays"), ("c", "goes")]),
            files(&[("a", "second"), ("b", "stays"), ("d", "comes")]),
        );
        let changed = files(&[("a", "second"), ("d", "comes")]);
        let whole_new = {
            let folder = tempfile::tempdir().unwrap();
            commit(folder.path(), &old, &listed(&old)).unwrap();
            commit(folder.path(), &changed, &listed(&new)).unwrap();
            found(folder.path())
        };
        assert_eq!(whole_new.keys().collect::<Vec<_>>(), ["SHA256SUMS", "a", "b", "d"]);
        let list = whole_new[SHA256SUMS].clone();
        // Files written, then list, then two names given, one taken away, the list's name given.
        for stop in 0..=7 {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            commit(folder.path(), &old, &listed(&old)).unwrap();
            let before = found(folder.path());
            let steps: [&dyn Fn(); 7] = [
                &|| std::fs::write(path("a.next"), "second").unwrap(),
                &|| std::fs::write(path("d.next"), "comes").unwrap(),
                &|| std::fs::write(path("SHA256SUMS.next"), &list).unwrap(),
                &|| std::fs::rename(path("a.next"), path("a")).unwrap(),
                &|| std::fs::rename(path("d.next"), path("d")).unwrap(),
                &|| std::fs::remove_file(path("c")).unwrap(),
                &|| std::fs::rename(path("SHA256SUMS.next"), path("SHA256SUMS")).unwrap(),
            ];
            steps.iter().take(stop).for_each(|step| step());
            finish(folder.path()).unwrap();
            let mut after = found(folder.path());
            if stop < 3 {
                after.retain(|name, _| !is_left_behind(name));
                assert_eq!(after, before, "stopped after {stop} steps");
                std::fs::write(path(".a.next.Xy12ab"), "seco").unwrap();
                std::fs::write(path("e.next"), "of another change").unwrap();
                commit(folder.path(), &changed, &listed(&new)).unwrap();
                after = found(folder.path());
            }
            assert_eq!(after, whole_new, "stopped after {stop} steps");
        }
    }

    #[test]
    fn nothing_outside_is_touched() {
        for name in ["../precious", "/tmp/x", "a/b", ".."] {
            let folder = tempfile::tempdir().unwrap();
            let inner = folder.path().join("inner");
            std::fs::create_dir(&inner).unwrap();
            std::fs::write(folder.path().join("precious"), "kept").unwrap();
            std::fs::write(inner.join(SHA256SUMS), format!("{}  {name}\n", sha256_hex(b""))).unwrap();
            std::fs::write(next(&inner, SHA256SUMS), "").unwrap();
            let refused = finish(&inner).unwrap_err().to_string();
            assert!(refused.contains("wanted names of files in the folder"), "{refused}");
            assert_eq!(std::fs::read_to_string(folder.path().join("precious")).unwrap(), "kept");
        }
    }
}
