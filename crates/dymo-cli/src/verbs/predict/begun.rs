//! What decides every row, as a later run must have it to go on. How many rows were asked for decides none of them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dymo_data::checksum::{SHA256SUMS, sha256_hex};
use dymo_train::experiment::SplitName;
use dymo_train::model_folder::ModelFolder;

use super::{Effective, PredictArgs};

/// How much of a file is hashed: tables may be far longer than is worth reading twice.
const HASHED: u64 = 1 << 20;

#[derive(serde::Serialize)]
struct Begun<'a> {
    model: String,
    split: SplitName,
    threshold: Option<f32>,
    draws: usize,
    settings: &'a Effective,
    data: Content,
    /// What an experiment reads its rows of.
    table: Option<Content>,
    masks: Option<Content>,
}

/// A file, and what is in it.
#[derive(serde::Serialize)]
struct Content {
    path: PathBuf,
    bytes: u64,
    /// Of the first bytes.
    sha256: String,
}

impl Content {
    /// Hashes `most` bytes.
    fn of(path: &Path, most: u64) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read {}; check that it is there, and permissions", path.display());
        let found = std::fs::metadata(path).with_context(cannot)?;
        let mut first = Vec::new();
        // What is read of a pipe here would be missing below.
        if found.is_file() {
            File::open(path).with_context(cannot)?.take(most).read_to_end(&mut first).with_context(cannot)?;
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, bytes: found.len(), sha256: sha256_hex(&first) })
    }
}

/// As TOML, for beside the rows. `table` is what an experiment reads its rows of.
pub(super) fn begun(
    args: &PredictArgs,
    folder: &ModelFolder,
    effective: &Effective,
    table: Option<&Path>,
) -> anyhow::Result<String> {
    let sums = folder.path().join(SHA256SUMS);
    let begun = Begun {
        model: std::fs::read_to_string(&sums).with_context(|| sums.display().to_string())?,
        split: args.split.into(),
        threshold: args.threshold,
        draws: args.draws,
        settings: effective,
        data: Content::of(&args.data, HASHED)?,
        table: table.map(|path| Content::of(path, HASHED)).transpose()?,
        // Masks lie in memory as a whole anyway, and each flag of them decides a row.
        masks: args.masks.as_ref().map(|path| Content::of(path, u64::MAX)).transpose()?,
    };
    Ok(toml::to_string(&begun)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands far behind in a long file is not read; its length, and the beginning, are.
    #[test]
    fn a_file_is_known_by_its_beginning_and_its_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.csv");
        let known = |bytes: &[u8], most| {
            std::fs::write(&path, bytes).expect("a file");
            let content = Content::of(&path, most).expect("what is in it");
            (content.bytes, content.sha256)
        };
        assert_eq!(known(b"abcd", 2), known(b"abxy", 2));
        assert_ne!(known(b"abcd", 2), known(b"axcd", 2));
        assert_ne!(known(b"abcd", 2), known(b"abcde", 2));
        assert_ne!(known(b"abcd", u64::MAX), known(b"abxy", u64::MAX));
        let refused = Content::of(&folder.path().join("nowhere.csv"), 2).err().expect("nothing there").to_string();
        assert!(refused.contains("nowhere.csv; check"), "{refused}");
    }
}
