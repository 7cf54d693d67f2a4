//! How a table of samples is read, as a settings file says it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dymo_core::{Columns, Kind, Modality};
use serde::{Deserialize, Serialize};

use super::{Grid, SettingsError};
use crate::picture::{Colour, Crop, MAX_SIDE};
use crate::text::{Symbols, TextEncoder};
use crate::volume::{Intensity, Plane, SliceChoice};

/// Most places of a text: beyond, one sample's text outgrows what a network can read.
const MOST_PLACES: usize = 1 << 16;
/// Most values of a modality, 1 GiB in single precision: a slip of the keyboard must not end in memory that cannot be had.
const MOST_VALUES: usize = 1 << 28;

/// A table of samples: which file, which columns, and what its modalities are. In a settings file:
///
/// ```toml
/// [data]
/// maker = "manifest"
/// path = "patients.csv"
/// label = "diagnosis"
///
/// [data.division]
/// validation = 0.15
/// test = 0.15
/// seed = 2025
///
/// [[data.modalities]]
/// name = "scan"
/// kind = "volume"
/// height = 64
/// width = 64
/// slices = 8
///
/// [[data.modalities]]
/// name = "clinic"
/// kind = "table"
/// columns = [
///     { name = "age", type = "continuous", mean = 61.3, deviation = 9.8, range = [34.0, 88.0] },
///     { name = "stage", type = "categorical", categories = ["mild", "moderate", "severe"] },
/// ]
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSettings {
    /// The CSV or Parquet file.
    pub path: PathBuf,
    /// The column that names each sample.
    #[serde(default = "id", skip_serializing_if = "is_id")]
    pub id: String,
    /// The column of the class.
    #[serde(default = "label", skip_serializing_if = "is_label")]
    pub label: String,
    /// The column of the part: `train`, `validation` or `test`.
    #[serde(default = "split", skip_serializing_if = "is_split")]
    pub split: String,
    /// The column of what must not lie in two parts (a patient with several samples).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The classes in their order. Alphabetical, as the table has them, if nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What stands for a missing cell, beside an empty one: `["NA", "?"]`. In the column of the class, what `classes` lists is a class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Draws the parts instead of reading them from a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub division: Option<Division>,
    /// MiB of decoded pictures and volumes that stay in memory, so that training decodes them once; 0 decodes them every time.
    #[serde(default = "keep_mib", skip_serializing_if = "is_keep_mib")]
    pub keep_mib: u32,
    /// Short for: every other column names pictures, brought to this grid. Not beside `modalities`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// The modalities, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modalities: Vec<ModalitySettings>,
}

fn id() -> String {
    "id".into()
}

fn label() -> String {
    "label".into()
}

fn split() -> String {
    "split".into()
}

fn keep_mib() -> u32 {
    1024
}

fn is_keep_mib(keep: &u32) -> bool {
    *keep == keep_mib()
}

fn is_id(name: &str) -> bool {
    name == "id"
}

fn is_label(name: &str) -> bool {
    name == "label"
}

fn is_split(name: &str) -> bool {
    name == "split"
}

/// Shares of the samples that validate and test; the others train. Drawn within each class, subjects whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Division {
    /// Share that validates, above 0.
    pub validation: f64,
    /// Share that tests, above 0.
    pub test: f64,
    /// Decides who goes where.
    pub seed: u64,
    /// Cross-validation: the samples that test are this fold, and `test` says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// A permutation test: with this seed each subject gets the labels of another one before parts are drawn, so that they are drawn as
    /// evenly as those of the true labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
}

/// One of several equal parts of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which one, from 0.
    pub number: usize,
    /// How many there are, at least 2.
    pub of: usize,
}

/// One modality of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModalitySettings {
    /// What reports and other settings call it.
    pub name: String,
    /// What it is, and where it stands.
    #[serde(flatten)]
    pub form: Form,
}

/// What a modality of a table is, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Form {
    /// PNG or JPEG files, or arrays saved by NumPy.
    Image {
        /// The column of paths; the modality's name if nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Rows of pixels that every picture is brought to.
        height: usize,
        /// Pixels in a row.
        width: usize,
        /// What a pixel consists of.
        colour: Colour,
        /// The part of each picture that is used; all of it if nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crop: Option<Crop>,
    },
    /// NIfTI files; the first frame of each.
    Volume {
        /// The column of paths; the modality's name if nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Rows of a slice.
        height: usize,
        /// Values in a row.
        width: usize,
        /// Slices.
        slices: usize,
        /// Which planes are cut.
        #[serde(default)]
        plane: Plane,
        /// Where the slices lie.
        #[serde(default)]
        choice: SliceChoice,
        /// What becomes 0 and 1.
        #[serde(default)]
        intensity: Intensity,
    },
    /// Columns of the table itself, each under its own name.
    Table {
        /// In order.
        columns: Columns,
    },
    /// Text in the cells of a column.
    Text {
        /// The column; the modality's name if nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Places; what is longer is cut.
        length: usize,
        /// Characters or words.
        #[serde(default)]
        symbols: Symbols,
    },
}

impl Form {
    /// The word that settings use: `image`, `volume`, `table` or `text`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Image { .. } => "image",
            Self::Volume { .. } => "volume",
            Self::Table { .. } => "table",
            Self::Text { .. } => "text",
        }
    }
}

impl ManifestSettings {
    /// A table whose columns beside `id`, `label` and `split` name pictures, all brought to one grid.
    pub fn pictures(path: impl Into<PathBuf>, grid: Grid) -> Self {
        Self { grid: Some(grid), ..Self::new(path, Vec::new()) }
    }

    /// A table with these modalities; columns `id`, `label` and `split`.
    pub fn new(path: impl Into<PathBuf>, modalities: Vec<ModalitySettings>) -> Self {
        Self {
            path: path.into(),
            id: id(),
            label: label(),
            split: split(),
            subject: None,
            classes: Vec::new(),
            missing: Vec::new(),
            division: None,
            keep_mib: keep_mib(),
            grid: None,
            modalities,
        }
    }

    /// The same settings for another file, such as one to predict.
    #[must_use]
    pub fn at(&self, path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..self.clone() }
    }

    /// The folder that paths in the table are relative to: the table's own.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Whether a cell says that there is nothing.
    pub(crate) fn is_missing(&self, cell: &str) -> bool {
        cell.is_empty() || self.missing.iter().any(|word| word == cell)
    }

    /// Whether the cell of the label says that there is none. A word that is listed as a class is one, for "none, mild, severe" may stand
    /// beside columns in which "none" means that nothing is known.
    pub(crate) fn is_no_label(&self, cell: &str) -> bool {
        cell.is_empty() || (self.is_missing(cell) && !self.classes.iter().any(|class| class == cell))
    }

    /// Sees that the settings do not contradict themselves. What depends on the file's header is found when it is read.
    ///
    /// # Errors
    /// The first [`SettingsError`].
    pub fn check(&self) -> Result<(), SettingsError> {
        match (&self.grid, self.modalities.is_empty()) {
            (Some(_), false) => return Err(SettingsError::GridAndModalities),
            (None, true) => return Err(SettingsError::NoModality),
            _ => {}
        }
        if let Some(division) = self.division {
            division.check()?;
        }
        if let Some(Grid { height, width, .. }) = self.grid {
            check_picture("data.grid", height, width)?;
        }
        check_names(&self.modalities)?;
        // The subject may be the id, or any other column.
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let split = self.division.is_none().then_some(&self.split);
        for column in [Some(&self.id), Some(&self.label), split].into_iter().flatten() {
            if !used.insert(column) {
                return Err(SettingsError::ColumnTwice { column: column.clone() });
            }
        }
        for modality in &self.modalities {
            for column in modality.columns() {
                if !used.insert(column) {
                    return Err(SettingsError::ColumnTwice { column: column.to_owned() });
                }
            }
            modality.check_size()?;
        }
        Ok(())
    }
}

/// Every modality has a name, and none that of another.
fn check_names(modalities: &[ModalitySettings]) -> Result<(), SettingsError> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (number, ModalitySettings { name, .. }) in modalities.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(SettingsError::NoName { number: number + 1, name: name.clone() });
        }
        if !names.insert(name) {
            return Err(SettingsError::NameTwice { name: name.clone() });
        }
    }
    Ok(())
}

/// A picture can be brought to these sides; of three colours it is below [`MOST_VALUES`] then.
fn check_picture(place: &str, height: usize, width: usize) -> Result<(), SettingsError> {
    [("height", height), ("width", width)]
        .into_iter()
        .try_for_each(|(field, value)| check_extent(place, field, value, MAX_SIDE as usize))
}

fn check_extent(place: &str, field: &'static str, value: usize, most: usize) -> Result<(), SettingsError> {
    let fits = (1..=most).contains(&value);
    if fits { Ok(()) } else { Err(SettingsError::Extent { place: place.to_owned(), field, value, most }) }
}

/// All extents together, each of them by its field.
fn check_values(place: &str, extents: &[(&'static str, usize)]) -> Result<(), SettingsError> {
    let product = extents.iter().try_fold(1usize, |product, (_, extent)| product.checked_mul(*extent));
    if product.is_some_and(|product| product <= MOST_VALUES) {
        return Ok(());
    }
    let (place, extents, most) = (place.to_owned(), extents.to_vec(), MOST_VALUES);
    Err(SettingsError::Values { place, extents, most })
}

impl Division {
    fn check(self) -> Result<(), SettingsError> {
        let Self { validation, test, .. } = self;
        if let Some(Fold { number, of }) = self.fold
            && (of < 2 || number >= of)
        {
            return Err(SettingsError::Fold { number, of });
        }
        // Written so that NaN is refused, too.
        let fits = validation > 0.0 && test > 0.0 && validation + test < 1.0;
        if fits { Ok(()) } else { Err(SettingsError::Division { validation, test }) }
    }
}

impl ModalitySettings {
    /// The columns of the file that it stands in.
    pub fn columns(&self) -> Vec<&str> {
        match &self.form {
            Form::Image { column, .. } | Form::Volume { column, .. } | Form::Text { column, .. } => {
                vec![column.as_deref().unwrap_or(&self.name)]
            }
            Form::Table { columns } => columns.iter().map(dymo_core::Column::name).collect(),
        }
    }

    /// The modality as the schema has it.
    ///
    /// # Errors
    /// [`SettingsError::Text`] for text settings that contradict themselves.
    pub fn modality(&self) -> Result<Modality, SettingsError> {
        let kind = match &self.form {
            Form::Image { height, width, colour, .. } => {
                Kind::Image { height: *height, width: *width, channels: colour.channels() }
            }
            Form::Volume { height, width, slices, .. } => {
                Kind::Volume { height: *height, width: *width, slices: *slices }
            }
            Form::Table { columns } => Kind::Table { columns: columns.clone() },
            Form::Text { length, .. } => {
                let encoder = self.encoder()?;
                let vocabulary = encoder.as_ref().and_then(|encoder| encoder.vocabulary().cloned());
                Kind::Text { length: *length, symbols: encoder.map_or(0, |encoder| encoder.symbols()), vocabulary }
            }
        };
        Ok(Modality::new(&self.name, kind))
    }

    /// Its input can be built: no extent is 0, none beyond what memory holds.
    fn check_size(&self) -> Result<(), SettingsError> {
        let place = format!("modality {:?}", self.name);
        match &self.form {
            Form::Image { height, width, .. } => check_picture(&place, *height, *width),
            Form::Volume { height, width, slices, .. } => {
                let extents = [("height", *height), ("width", *width), ("slices", *slices)];
                let mut each = extents.iter();
                each.try_for_each(|(field, value)| check_extent(&place, field, *value, MOST_VALUES))?;
                check_values(&place, &extents)
            }
            Form::Table { .. } => Ok(()),
            Form::Text { length, .. } => {
                let symbols = self.encoder()?.map_or(0, |encoder| encoder.symbols());
                check_extent(&place, "length", *length, MOST_PLACES)?;
                check_values(&place, &[("length", *length), ("symbols", symbols)])
            }
        }
    }

    /// What turns its text into numbers; `None` for other kinds.
    pub(super) fn encoder(&self) -> Result<Option<TextEncoder>, SettingsError> {
        let Form::Text { length, symbols, .. } = &self.form else { return Ok(None) };
        let encoder = TextEncoder::new(*length, symbols);
        encoder.map(Some).map_err(|source| SettingsError::Text { modality: self.name.clone(), source })
    }
}
