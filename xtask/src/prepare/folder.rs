//! The folder that a recipe fills: whole under its final name, or not there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::package::Package;
use super::table::Table;

/// Says of a folder that a recipe made it, and how.
const RECEIPT: &str = "prepared.json";

/// How a folder was made.
#[derive(Debug, Serialize)]
pub(crate) struct Receipt<'a> {
    pub(crate) recipe: &'a str,
    pub(crate) command: String,
    pub(crate) seed: u64,
    /// What the samples are, in words: real, or made.
    pub(crate) origin: String,
    pub(crate) packages: Vec<Package>,
}

/// A folder in the making.
#[derive(Debug)]
pub(crate) struct Folder {
    done: PathBuf,
    half: PathBuf,
    files: usize,
    bytes: u64,
}

impl Folder {
    /// Begins a folder that will be `done`. What a recipe left there is replaced at the end; anything else is not touched.
    ///
    /// # Errors
    /// When `done` exists and no recipe made it, or nothing can be written beside it.
    pub(crate) fn begin(done: &Path) -> Result<Self> {
        if done.exists() && !done.join(RECEIPT).is_file() {
            bail!("{} is there and no recipe made it; move it away or name another folder with --out", done.display());
        }
        let half = beside(done, "half");
        remove(&half)?;
        fs::create_dir_all(&half).with_context(|| half.display().to_string())?;
        Ok(Self { done: done.to_owned(), half, files: 0, bytes: 0 })
    }

    /// Writes one file; `name` is relative, with forward slashes.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.half.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        self.files += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes a manifest and prints what is in it.
    pub(crate) fn write_table(&mut self, name: &str, table: &Table) -> Result<()> {
        self.write(name, &table.to_csv().with_context(|| name.to_owned())?)?;
        let [rows, columns] = table.size();
        println!("   {name}: {rows} samples, {columns} columns; train / validation / test by class:");
        for (label, [train, validation, test]) in table.classes() {
            println!("     {label}: {train} / {validation} / {test}");
        }
        Ok(())
    }

    /// Writes the receipt and gives the folder its name.
    pub(crate) fn finish(mut self, receipt: &Receipt) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(receipt)?;
        text.push(b'\n');
        self.write(RECEIPT, &text)?;
        let old = beside(&self.done, "old.half");
        remove(&old)?;
        if self.done.exists() {
            fs::rename(&self.done, &old).with_context(|| self.done.display().to_string())?;
        }
        fs::rename(&self.half, &self.done).with_context(|| self.half.display().to_string())?;
        remove(&old)?;
        println!("{}: {} files, {:.1} MB", self.done.display(), self.files, self.bytes as f64 / 1e6);
        Ok(())
    }
}

/// `folder` with an ending that git does not look at.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    folder.with_file_name(name)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() { fs::remove_dir_all(folder).with_context(|| folder.display().to_string()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt<'static> {
        Receipt {
            recipe: "a",
            command: "cargo xtask prepare a".into(),
            seed: 1,
            origin: "made".into(),
            packages: vec![],
        }
    }

    #[test]
    fn a_folder_is_whole_or_not_there_and_is_replaced_whole() {
        let place = tempfile::tempdir().unwrap();
        let done = place.path().join("data");
        for content in ["first", "second"] {
            let mut folder = Folder::begin(&done).unwrap();
            folder.write(&format!("{content}/a.txt"), content.as_bytes()).unwrap();
            assert!(!done.join(content).exists());
            folder.finish(&receipt()).unwrap();
        }
        assert!(done.join("second/a.txt").is_file() && !done.join("first").exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_of_others_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("precious.txt"), "x").unwrap();
        let message = Folder::begin(place.path()).unwrap_err().to_string();
        assert!(message.contains("no recipe made it"), "{message}");
    }
}
