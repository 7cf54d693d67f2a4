//! Files that are known by their SHA-256: a folder's `SHA256SUMS`, and reading through it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::volume::other_half;

/// The file in each data folder that lists the checksums of its neighbours, as `sha256sum` writes and checks it.
pub const SHA256SUMS: &str = "SHA256SUMS";

/// What a folder's files must hash to.
#[derive(Debug, Clone)]
pub struct Checksums {
    folder: PathBuf,
    expected: BTreeMap<String, String>,
}

impl Checksums {
    /// Reads `folder/SHA256SUMS`: one line a file, 64 hexadecimal digits, two spaces (or a space and `*`), the name.
    ///
    /// # Errors
    /// [`ChecksumError::List`] when the list cannot be read, [`ChecksumError::Line`] when a line is no such line.
    pub fn of(folder: &Path) -> Result<Self, ChecksumError> {
        Self::read_list(folder, &folder.join(SHA256SUMS))
    }

    /// The same from a list of another name.
    ///
    /// # Errors
    /// As [`Checksums::of`].
    pub fn read_list(folder: &Path, list: &Path) -> Result<Self, ChecksumError> {
        let path = list.to_owned();
        let text = fs::read(&path).map_err(|source| ChecksumError::List { path: path.clone(), source })?;
        Ok(Self {
            folder: folder.to_owned(),
            expected: parse(&String::from_utf8_lossy(&text)).map_err(|line| ChecksumError::Line { path, line })?,
        })
    }

    /// The names listed, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.expected.keys().map(String::as_str)
    }

    /// The bytes of `folder/name`, which hash to what the list says.
    ///
    /// # Errors
    /// [`ChecksumError::NotListed`], [`ChecksumError::File`] when it cannot be read, [`ChecksumError::Differs`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ChecksumError> {
        let path = self.folder.join(name);
        let Some(expected) = self.expected.get(name) else {
            return Err(ChecksumError::NotListed { name: name.to_owned(), list: self.folder.join(SHA256SUMS) });
        };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(ChecksumError::File { path, source }),
        };
        let found = sha256_hex(&bytes);
        if found == *expected {
            Ok(bytes)
        } else {
            Err(ChecksumError::Differs { path, expected: expected.clone(), found })
        }
    }
}

/// SHA-256 of `bytes` in 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first half of SHA-256: two of a thousand million files agree by chance once in 10²⁰.
pub(crate) fn short_hash(bytes: &[u8]) -> u128 {
    first_16(&Sha256::digest(bytes))
}

/// Bytes at either end of a file of which these are enough.
const END: u64 = 1 << 16;
/// Files of which both ends are enough: they end in a checksum of all that they hold.
const SEALED: [&str; 2] = ["gz", "png"];

/// A checksum of what a path holds: a file, with its other half where it is one of a pair, or a folder of slices.
pub(crate) fn content_of(path: &Path) -> io::Result<u128> {
    let mut digest = Sha256::new();
    if path.is_dir() {
        let mut files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
            add_file(&mut digest, file)?;
        }
    } else {
        add_file(&mut digest, path)?;
        other_half(path).map_or(Ok(()), |other| add_file(&mut digest, &other))?;
    }
    Ok(first_16(&digest.finalize()))
}

fn add_file(digest: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    digest.update(length.to_le_bytes());
    let is_sealed = path.extension().is_some_and(|end| SEALED.iter().any(|sealed| end.eq_ignore_ascii_case(sealed)));
    if is_sealed && length > 2 * END {
        feed(digest, file.by_ref().take(END))?;
        file.seek(io::SeekFrom::Start(length - END))?;
    }
    feed(digest, file)
}

fn feed(digest: &mut Sha256, mut from: impl io::Read) -> io::Result<()> {
    let mut block = vec![0; END as usize];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            read => digest.update(&block[..read]),
        }
    }
}

pub(crate) fn first_16(digest: &[u8]) -> u128 {
    digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte))
}

/// Name to digits; `Err` holds the number of the first line that is not understood, counted from 1.
fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut expected = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let (digits, name) = split_line(line).ok_or(index + 1)?;
        expected.insert(name.to_owned(), digits.to_ascii_lowercase());
    }
    Ok(expected)
}

/// Digits and name of one line.
fn split_line(line: &str) -> Option<(&str, &str)> {
    let (digits, rest) = line.split_once(' ')?;
    let name = rest.strip_prefix([' ', '*'])?.trim_end();
    let hexadecimal = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    (hexadecimal && !name.is_empty()).then_some((digits, name))
}

/// Why a file is not read, or not trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChecksumError {
    /// The list itself cannot be read.
    #[error(
        "{}: {source}; the folder's checksums belong there, restore the file or name the right data folder",
        path.display()
    )]
    List {
        /// Where the list was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of the list that is neither empty nor a checksum.
    #[error("{}, line {line}: wanted 64 hexadecimal digits, two spaces and a file name; restore the list", path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The list does not speak of the file.
    #[error("{} has no line for {name}, add it with sha256sum", list.display())]
    NotListed {
        /// The file that was asked for.
        name: String,
        /// The list.
        list: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {source}; restore the file from where it came from", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not the one that the list was made from.
    #[error(
        "{} has sha256 {found}, expected {expected}; the file is damaged or was changed, restore it from where it came from",
        path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// What the list says.
        expected: String,
        /// What its bytes hash to.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(list: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SHA256SUMS), list).unwrap();
        fs::write(folder.path().join("abc"), "abc").unwrap();
        folder
    }

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn reads_what_fits_its_checksum() {
        assert_eq!(sha256_hex(b"abc"), ABC);
        for list in [format!("{ABC}  abc\n"), format!("\n{} *abc\r\n", ABC.to_uppercase())] {
            let folder = folder(&list);
            let checksums = Checksums::of(folder.path()).unwrap();
            assert_eq!(checksums.names().collect::<Vec<_>>(), ["abc"]);
            assert_eq!(checksums.read("abc").unwrap(), b"abc");
        }
    }

    #[test]
    fn a_changed_file_is_named_with_both_sums_and_the_remedy() {
        let folder = folder(&format!("{ABC}  abc\n"));
        fs::write(folder.path().join("abc"), "abd").unwrap();
        let error = Checksums::of(folder.path()).unwrap().read("abc").unwrap_err();
        let message = error.to_string();
        for part in ["/abc has", ABC, &sha256_hex(b"abd"), "restore it from where it came from"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn one_refusal_per_rule() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(Checksums::of(empty.path()), Err(ChecksumError::List { .. })));
        let listed = folder(&format!("{ABC}  abc\n{ABC}  gone\n"));
        let checksums = Checksums::of(listed.path()).unwrap();
        assert!(matches!(checksums.read("gone"), Err(ChecksumError::File { .. })));
        assert!(matches!(checksums.read("other"), Err(ChecksumError::NotListed { .. })));
        let bad = folder(&format!("{ABC}  abc\n{}  abd\n", &ABC[1..]));
        assert!(matches!(Checksums::of(bad.path()), Err(ChecksumError::Line { line: 2, .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            let _ = parse(&text);
        }
    }

    /// Whichever the reader takes for the other half counts: packed or not, whatever the first is.
    #[test]
    fn the_other_half_of_a_pair_counts() {
        let folder = tempfile::tempdir().unwrap();
        for (own, other) in [("a.hdr", "a.img"), ("b.hdr", "b.img.gz"), ("c.hdr.gz", "c.img"), ("d.img", "d.HDR")] {
            let [own, other] = [own, other].map(|name| folder.path().join(name));
            fs::write(&own, b"own").unwrap();
            let alone = content_of(&own).unwrap();
            fs::write(&other, b"one").unwrap();
            let pair = content_of(&own).unwrap();
            fs::write(&other, b"two").unwrap();
            assert!(alone != pair && pair != content_of(&own).unwrap(), "{}", other.display());
        }
    }

    /// Of files that end in a checksum of all that they hold both ends count, of others every byte, of a pair both halves, of a folder every file.
    #[test]
    fn contents_are_known_without_being_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let content = |name: &str| content_of(&path(name)).unwrap();
        for (name, places) in [("a.npy", vec![0, 150_000, 299_999]), ("a.nii.GZ", vec![0, 65_535, 299_999])] {
            let mut long = vec![0; 300_000];
            fs::write(path(name), &long).unwrap();
            let zeros = content(name);
            for place in places {
                long[place] = 1;
                fs::write(path(name), &long).unwrap();
                assert_ne!(content(name), zeros, "{name}, byte {place}");
                long[place] = 0;
            }
        }
        fs::write(path("scan.hdr"), "header").unwrap();
        let alone = content("scan.hdr");
        fs::write(path("scan.img"), "voxels").unwrap();
        let both = content("scan.hdr");
        fs::write(path("scan.img"), "others").unwrap();
        assert!(alone != both && both != content("scan.hdr"));
        fs::create_dir(path("slices")).unwrap();
        fs::write(path("slices/1"), "first").unwrap();
        let one = content("slices");
        fs::write(path("slices/2"), "second").unwrap();
        assert_ne!(content("slices"), one);
        assert!(content_of(&path("nowhere")).is_err());
    }
}
