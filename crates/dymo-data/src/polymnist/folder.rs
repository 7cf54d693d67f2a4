//! PolyMNIST as its authors store it: `m0` to `m4`, each with a picture `INDEX.DIGIT.png` of every sample.

use std::fs;
use std::path::{Path, PathBuf};

use dymo_core::Schema;

use super::{MODALITIES, PolyMnistError, SIDE, schema};
use crate::picture::{Colour, Picture, PictureError, PictureFileError};
use crate::samples::{ReadError, Samples, check_read};

/// A folder of pictures, listed when opened and decoded when read. Samples are in numerical order of their index.
#[derive(Debug)]
pub struct PolyMnistFolder {
    schema: Schema,
    folder: PathBuf,
    /// Index and digit of each sample.
    names: Vec<(u64, u8)>,
}

impl PolyMnistFolder {
    /// Lists `folder/m0` to `folder/m4`. Files whose names begin with a dot are passed over.
    ///
    /// # Errors
    /// A [`PolyMnistError`]: a folder that cannot be listed, a file of another name, an index with two digits, or a
    /// picture without its counterpart in another modality.
    pub fn open(folder: &Path) -> Result<Self, PolyMnistError> {
        let names = list(&folder.join("m0"))?;
        for modality in 1..MODALITIES {
            let others = list(&folder.join(format!("m{modality}")))?;
            if let Some((present, absent)) = first_difference(&names, &others) {
                let (present_in, absent_in) = match present {
                    Side::First => (0, modality),
                    Side::Second => (modality, 0),
                };
                return Err(PolyMnistError::NoCounterpart {
                    present: picture_path(folder, present_in, absent),
                    absent: picture_path(folder, absent_in, absent),
                });
            }
        }
        if names.is_empty() {
            return Err(PolyMnistError::Empty { folder: folder.join("m0") });
        }
        Ok(Self { schema: schema()?, folder: folder.to_owned(), names })
    }
}

impl Samples for PolyMnistFolder {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    fn label(&self, index: usize) -> usize {
        self.names[index].1.into()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        let path = picture_path(&self.folder, modality, self.names[index]);
        let picture = Picture::open(&path, Colour::Rgb)?;
        let found = [picture.height(), picture.width()];
        let wanted = [SIDE, SIDE];
        if found != wanted {
            let source = PictureError::Size { found, wanted };
            return Err(PictureFileError { path, source }.into());
        }
        picture.write_f32(out).map_err(|source| PictureFileError { path, source }.into())
    }

    fn file(&self, index: usize, modality: usize) -> Option<PathBuf> {
        Some(picture_path(&self.folder, modality, *self.names.get(index)?))
    }

    /// Index and digit as in the file's name, such as `17.4`.
    fn id(&self, index: usize) -> String {
        let (number, digit) = self.names[index];
        format!("{number}.{digit}")
    }
}

fn picture_path(folder: &Path, modality: usize, (index, digit): (u64, u8)) -> PathBuf {
    folder.join(format!("m{modality}")).join(format!("{index}.{digit}.png"))
}

/// Index and digit of every picture in a folder, ascending.
fn list(folder: &Path) -> Result<Vec<(u64, u8)>, PolyMnistError> {
    let failed = |source| PolyMnistError::Folder { folder: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let text = name.to_string_lossy();
        if !text.starts_with('.') {
            names.push(parse_name(&text).ok_or_else(|| PolyMnistError::Name { path: folder.join(&name) })?);
        }
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(PolyMnistError::TwoDigits {
            folder: folder.to_owned(),
            index: pair[0].0,
            first: pair[0].1,
            second: pair[1].1,
        }),
        None => Ok(names),
    }
}

/// `17.4.png` is (17, 4). Only the one way to write it passes, so that a path can be made from the numbers again.
fn parse_name(name: &str) -> Option<(u64, u8)> {
    let (index, digit) = name.strip_suffix(".png")?.split_once('.')?;
    let parsed = (index.parse().ok()?, digit.parse().ok()?);
    let canonical = parsed.1 <= 9 && format!("{}.{}.png", parsed.0, parsed.1) == name;
    canonical.then_some(parsed)
}

/// In which of two lists a name is.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    First,
    Second,
}

/// The smallest name that only one of two ascending lists has.
fn first_difference(first: &[(u64, u8)], second: &[(u64, u8)]) -> Option<(Side, (u64, u8))> {
    let same = first.iter().zip(second).take_while(|(a, b)| a == b).count();
    match (first.get(same), second.get(same)) {
        (None, None) => None,
        (Some(&a), Some(&b)) if b < a => Some((Side::Second, b)),
        (Some(&a), _) => Some((Side::First, a)),
        (None, Some(&b)) => Some((Side::Second, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pictures of one grey each: the brightness tells modality and index.
    fn write(folder: &Path, modality: usize, name: &str, side: usize, value: u8) {
        let folder = folder.join(format!("m{modality}"));
        fs::create_dir_all(&folder).unwrap();
        Picture::new(side, side, Colour::Rgb, vec![value; side * side * 3])
            .unwrap()
            .save_png(&folder.join(name))
            .unwrap();
    }

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for modality in 0..MODALITIES {
            for (index, name) in names.iter().enumerate() {
                write(folder.path(), modality, name, SIDE, (10 * modality + index) as u8);
            }
        }
        folder
    }

    #[test]
    fn reads_what_was_written_in_numerical_order() {
        let folder = folder_of(&["10.3.png", "9.7.png", "100.0.png"]);
        fs::write(folder.path().join("m2/.DS_Store"), "x").unwrap();
        let samples = PolyMnistFolder::open(folder.path()).unwrap();
        assert_eq!(samples.len(), 3);
        let ids: Vec<_> = (0..3).map(|i| samples.id(i)).collect();
        assert_eq!(ids, ["9.7", "10.3", "100.0"]);
        assert_eq!((samples.label(0), samples.label(1)), (7, 3));
        let mut out = vec![0.0; 2352];
        samples.read(0, 4, &mut out).unwrap();
        assert!(out.iter().all(|&v| v == 41.0 / 255.0));
    }

    #[test]
    fn a_missing_counterpart_is_named() {
        let folder = folder_of(&["1.3.png", "2.7.png"]);
        fs::remove_file(folder.path().join("m3/1.3.png")).unwrap();
        let error = PolyMnistFolder::open(folder.path()).unwrap_err();
        let PolyMnistError::NoCounterpart { present, absent } = &error else { panic!("{error}") };
        assert!(present.ends_with("m0/1.3.png") && absent.ends_with("m3/1.3.png"));
        write(folder.path(), 3, "1.4.png", SIDE, 0);
        let error = PolyMnistFolder::open(folder.path()).unwrap_err();
        assert!(matches!(&error, PolyMnistError::NoCounterpart { absent, .. } if absent.ends_with("m3/1.3.png")));
    }

    #[test]
    fn one_refusal_per_rule() {
        let open = |folder: &tempfile::TempDir| PolyMnistFolder::open(folder.path()).unwrap_err();
        let nothing = tempfile::tempdir().unwrap();
        assert!(matches!(open(&nothing), PolyMnistError::Folder { .. }));
        let empty = folder_of(&["1.1.png"]);
        for m in 0..MODALITIES {
            fs::remove_file(empty.path().join(format!("m{m}/1.1.png"))).unwrap();
        }
        assert!(matches!(open(&empty), PolyMnistError::Empty { .. }));
        let named = folder_of(&["1.1.png"]);
        fs::write(named.path().join("m2/notes.txt"), "x").unwrap();
        assert!(matches!(open(&named), PolyMnistError::Name { path } if path.ends_with("m2/notes.txt")));
        let twice = folder_of(&["1.1.png", "1.2.png"]);
        assert!(matches!(open(&twice), PolyMnistError::TwoDigits { index: 1, first: 1, second: 2, .. }));
    }

    #[test]
    fn a_picture_of_another_size_or_damaged_is_named_when_read() {
        let folder = folder_of(&["1.1.png"]);
        write(folder.path(), 2, "1.1.png", 27, 0);
        fs::write(folder.path().join("m3/1.1.png"), "no picture").unwrap();
        let samples = PolyMnistFolder::open(folder.path()).unwrap();
        let mut out = vec![0.0; 2352];
        let message = samples.read(0, 2, &mut out).unwrap_err().to_string();
        assert!(message.contains("m2/1.1.png: 27×27 pixels, wanted 28×28"), "{message}");
        let message = samples.read(0, 3, &mut out).unwrap_err().to_string();
        assert!(message.contains("m3/1.1.png"), "{message}");
    }

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(parse_name("17.4.png"), Some((17, 4)));
        for bad in ["17.png", "17.10.png", "017.4.png", "17.04.png", "+7.4.png", "17.4.PNG", "-1.4.png", "a.4.png"] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_name_is_parsed_or_refused(name in "[0-9.+png]{0,12}") {
            if let Some((index, digit)) = parse_name(&name) {
                prop_assert_eq!(format!("{index}.{digit}.png"), name);
            }
        }
    }
}
