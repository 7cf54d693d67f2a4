//! Where the samples of an experiment come from, as its settings say it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dymo_core::Column;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::kept::Kept;
use crate::manifest::{Division, Manifest, ManifestError, ManifestSettings, ModalitySettings, Split};
use crate::polymnist::{PolyMnist, PolyMnistError, PolyMnistFolder};
use crate::samples::{ReadError, Samples, Subset};

/// A maker or reader and what it needs. The one table of them: a new data set is one variant here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "maker", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "an experiment has one source: a box would save nothing that counts")]
pub enum Source {
    /// Five pictures of a digit over photographs, made from a seed.
    Polymnist {
        /// Decides split, digits and backgrounds.
        seed: u64,
        /// Train on the first so many samples only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        train_limit: Option<usize>,
    },
    /// The same stored as pictures: three folders, each with `m0` to `m4`.
    PolymnistFolder {
        /// To fit.
        train: PathBuf,
        /// To choose the best epoch.
        validation: PathBuf,
        /// To report.
        test: PathBuf,
    },
    /// A table of samples; see [`manifest`](crate::manifest).
    Manifest(ManifestSettings),
}

/// The three parts of a data set, of one schema.
#[derive(Clone)]
pub struct Splits {
    /// To fit networks and statistics.
    pub train: Arc<dyn Samples>,
    /// To choose the best epoch.
    pub validation: Arc<dyn Samples>,
    /// To report.
    pub test: Arc<dyn Samples>,
}

impl Source {
    /// What is wrong with a table of settings that is no source, where that can be said more closely than by the table as a whole: which
    /// modality, which column, and what of it.
    pub fn mistake(settings: &toml::Table) -> Option<String> {
        Self::mistake_of_modality(settings).or_else(|| Self::mistake_of_key(settings))
    }

    /// A key of a table of samples that is none, or has another type: each is tried for itself.
    fn mistake_of_key(settings: &toml::Table) -> Option<String> {
        settings.get("maker").filter(|maker| maker.as_str() == Some("manifest"))?;
        let mut keys = settings.iter().filter(|(key, _)| *key != "maker" && *key != "modalities");
        keys.find_map(|(key, value)| {
            let mut alone = toml::Table::from_iter([("path".to_owned(), toml::Value::from("table.csv"))]);
            alone.insert(key.clone(), value.clone());
            let error = alone.try_into::<ManifestSettings>().err()?;
            let within = value.as_table().filter(|_| key == "division").and_then(Self::mistake_of_division);
            Some(within.unwrap_or_else(|| format!("data.{key}: {}", error.message())))
        })
    }

    /// The same of a key within the division, beside the least that it asks for.
    fn mistake_of_division(division: &toml::Table) -> Option<String> {
        division.iter().find_map(|(key, value)| {
            let mut alone = toml::toml! { validation = 0.1 test = 0.1 seed = 0 };
            alone.insert(key.clone(), value.clone());
            let error = alone.try_into::<Division>().err()?;
            Some(format!("data.division.{key}: {}", error.message()))
        })
    }

    fn mistake_of_modality(settings: &toml::Table) -> Option<String> {
        let modalities = settings.get("modalities")?.as_array()?;
        let named =
            |value: &toml::Value| value.get("name").and_then(|name| name.as_str()).map(|name| format!("{name:?}"));
        modalities.iter().enumerate().find_map(|(place, modality)| {
            let error = modality.clone().try_into::<ModalitySettings>().err()?;
            let number = || format!("number {}", place + 1);
            let mut what = format!("[[data.modalities]] {}", named(modality).unwrap_or_else(number));
            let columns = modality.get("columns").and_then(|columns| columns.as_array());
            let column = columns.into_iter().flatten().enumerate().find_map(|(place, column)| {
                let error = column.clone().try_into::<Column>().err()?;
                Some((named(column).unwrap_or_else(|| format!("number {}", place + 1)), error))
            });
            let error = match column {
                None => error,
                Some((name, error)) => {
                    what += &format!(", column {name}");
                    error
                }
            };
            Some(format!("{what}: {}", error.message()))
        })
    }

    /// The table of samples, where there is one.
    pub fn table(&self) -> Option<&Path> {
        match self {
            Self::Manifest(settings) => Some(&settings.path),
            Self::Polymnist { .. } | Self::PolymnistFolder { .. } => None,
        }
    }

    /// The same source, its relative paths seen from `folder`: that of the settings file. Absolute where the system
    /// says what the current folder is.
    #[must_use]
    pub fn rooted(mut self, folder: &Path) -> Self {
        for path in self.paths() {
            let joined = folder.join(&*path);
            *path = std::path::absolute(&joined).unwrap_or(joined);
        }
        self
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Polymnist { .. } => Vec::new(),
            Self::PolymnistFolder { train, validation, test } => vec![train, validation, test],
            Self::Manifest(settings) => vec![&mut settings.path],
        }
    }

    /// Opens it. `datasets` is the folder of the data sets that come with dymo; relative paths in the settings are
    /// taken as they stand, see [`Source::rooted`].
    ///
    /// # Errors
    /// A [`SourceError`] that names the file.
    pub fn open(&self, datasets: &Path) -> Result<Splits, SourceError> {
        match self {
            Self::Polymnist { seed, train_limit } => {
                let made = PolyMnist::open(datasets, *seed)?;
                Ok(Splits {
                    train: limited(Arc::new(made.train), *train_limit)?,
                    validation: Arc::new(made.validation),
                    test: Arc::new(made.test),
                })
            }
            Self::PolymnistFolder { train, validation, test } => {
                let open = |path| PolyMnistFolder::open(path).map(Arc::new);
                Ok(Splits { train: open(train)?, validation: open(validation)?, test: open(test)? })
            }
            Self::Manifest(settings) => {
                let table = Arc::new(Manifest::open(settings)?);
                table.check_training()?;
                let room = usize::try_from(settings.keep_mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
                let kept: Arc<dyn Samples> = Arc::new(Kept::new(table.clone(), room));
                let part = |split| Subset::new(kept.clone(), table.part(split)).map(Arc::new);
                Ok(Splits {
                    train: part(Split::Train)?,
                    validation: part(Split::Validation)?,
                    test: part(Split::Test)?,
                })
            }
        }
    }
}

/// The first `limit` samples; all without a limit.
fn limited(samples: Arc<dyn Samples>, limit: Option<usize>) -> Result<Arc<dyn Samples>, SourceError> {
    match limit {
        None => Ok(samples),
        Some(0) => Err(SourceError::NothingToTrain),
        Some(n) => Ok(Arc::new(Subset::first(samples, n))),
    }
}

/// Why a source cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// PolyMNIST, made or read.
    #[error(transparent)]
    PolyMnist(#[from] PolyMnistError),
    /// A table of samples.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A part that names samples which are not there.
    #[error(transparent)]
    Part(#[from] ReadError),
    /// A limit of zero.
    #[error("train_limit is 0, train on at least one sample or leave the limit out")]
    NothingToTrain,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datasets() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets"))
    }

    fn parse(json: &str) -> Result<Source, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn settings_name_a_maker() {
        let source = parse(r#"{"maker":"polymnist","seed":7}"#).unwrap();
        let expected = Source::Polymnist { seed: 7, train_limit: None };
        assert_eq!(source, expected);
        let folders = r#"{"maker":"polymnist-folder","train":"a","validation":"b","test":"c"}"#;
        assert_eq!(serde_json::to_string(&parse(folders).unwrap()).unwrap(), folders);
        assert!(parse(r#"{"maker":"polymnist","seed":7,"limit":3}"#).is_err());
        assert!(parse(r#"{"maker":"polymnist-photo","seed":7}"#).is_err());
    }

    #[test]
    fn a_mistake_names_modality_and_column() {
        let mistake = |modality: &str| {
            let text = format!(
                "maker = 'manifest'\npath = 't.csv'\n[[modalities]]\nname = 'a'\nkind = 'text'\nlength = 3\n{modality}"
            );
            Source::mistake(&toml::from_str(&text).unwrap())
        };
        assert_eq!(mistake(""), None);
        let second = |rest: &str| mistake(&format!("[[modalities]]\n{rest}")).unwrap();
        assert_eq!(second("name = 'tab'\nkind = 'table'"), "[[data.modalities]] \"tab\": missing field `columns`");
        assert_eq!(second("kind = 'text'\nlength = 2"), "[[data.modalities]] number 2: missing field `name`");
        assert!(second("name = 'p'\nkind = 'imag'").contains("\"p\": unknown variant `imag`, expected one of `image`"));
        let column = "name = 'tab'\nkind = 'table'\ncolumns = [{ name = 'age', type = 'continuous', mean = 1.0 }]";
        let said = second(column);
        assert!(said.starts_with("[[data.modalities]] \"tab\", column \"age\": missing field"), "{said}");
        // Columns that are well each, and not together.
        let column = "{ name = 'age', type = 'categorical', categories = ['a', 'b'] }";
        let said = second(&format!("name = 'tab'\nkind = 'table'\ncolumns = [{column}, {column}]"));
        assert!(said.starts_with("[[data.modalities]] \"tab\": ") && said.contains("age"), "{said}");
    }

    #[test]
    fn a_mistake_names_the_key() {
        let mistake = |rest: &str| {
            Source::mistake(&toml::from_str(&format!("maker = 'manifest'\npath = 't.csv'\n{rest}")).unwrap())
        };
        assert_eq!(mistake("missing = ['NA']\nsubject = 'who'"), None);
        assert_eq!(
            mistake("missing = 'NA'").unwrap(),
            "data.missing: invalid type: string \"NA\", expected a sequence"
        );
        let division = mistake("division = { validation = 0.1, test = 0.1, seed = -1 }").unwrap();
        assert!(division.starts_with("data.division.seed: invalid value: integer `-1`"), "{division}");
        let division = mistake("division = { validation = 0.1, test = 0.1 }").unwrap();
        assert!(division.starts_with("data.division: missing field `seed`"), "{division}");
        let column = "{ name = 'age', type = 'continuous', mean = 1e300, deviation = 1.0, range = [0.0, 1.0] }";
        let said = mistake(&format!("[[modalities]]\nname = 'tab'\nkind = 'table'\ncolumns = [{column}]")).unwrap();
        assert!(
            said.starts_with("[[data.modalities]] \"tab\", column \"age\": ") && said.contains("within ±3.4e38"),
            "{said}"
        );
        assert!(mistake("lable = 'x'").unwrap().starts_with("data.lable: unknown field `lable`, expected one of"));
        assert_eq!(Source::mistake(&toml::from_str("maker = 'polymnist'\nseed = 'x'").unwrap()), None);
    }

    #[test]
    fn a_limit_shortens_training_only() {
        let source = |limit| Source::Polymnist { seed: 1, train_limit: Some(limit) };
        let splits = source(500).open(datasets()).unwrap();
        let lengths = [&splits.train, &splits.validation, &splits.test].map(|part| part.len());
        assert_eq!(lengths, [500, 3_000, 7_000]);
        assert!(matches!(source(0).open(datasets()), Err(SourceError::NothingToTrain)));
    }

    #[test]
    fn a_table_is_divided_by_its_splits() {
        let folder = tempfile::tempdir().unwrap();
        let picture = crate::picture::Picture::new(1, 1, crate::picture::Colour::Grey, vec![9]).unwrap();
        picture.save_png(&folder.path().join("a.png")).unwrap();
        let rows = "id,label,split,front\n1,x,test,a.png\n2,y,train,a.png\n3,x,train,a.png\n4,y,validation,a.png\n";
        let path = folder.path().join("table.csv");
        std::fs::write(&path, rows).unwrap();
        let settings = serde_json::json!({
            "maker": "manifest", "path": path, "grid": {"height": 2, "width": 2, "colour": "rgb"}
        });
        let source: Source = serde_json::from_value(settings).unwrap();
        let splits = source.open(datasets()).unwrap();
        let ids: Vec<_> = (0..splits.train.len()).map(|i| splits.train.id(i)).collect();
        assert_eq!((ids, splits.validation.len(), splits.test.label(0)), (vec!["2".into(), "3".to_string()], 1, 0));
        let mut out = [0.0; 12];
        splits.test.read(0, 0, &mut out).unwrap();
        assert_eq!(out, [9.0 / 255.0; 12]);
    }

    #[test]
    fn an_absent_folder_is_named() {
        let source = Source::PolymnistFolder {
            train: "/nowhere".into(),
            validation: "/nowhere".into(),
            test: "/nowhere".into(),
        };
        let message = source.open(datasets()).err().unwrap().to_string();
        assert!(message.starts_with("/nowhere/m0: "), "{message}");
    }
}
