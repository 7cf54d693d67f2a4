//! Where the columns of a table are, and how their cells are understood.

use std::collections::HashMap;
use std::path::Path;

use dymo_core::{Column, Schema, Values};
use unicode_normalization::UnicodeNormalization as _;

use super::settings::{Form, ManifestSettings, ModalitySettings};
use super::{ManifestError, Problem, SettingsError};
use crate::text::TextEncoder;

/// What a table is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Labels and parts must be there.
    Training,
    /// Labels and parts may be absent, as columns or in single cells.
    Prediction,
}

/// The columns of a table as the settings ask for them.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) names: Vec<String>,
    pub(super) id: usize,
    pub(super) label: Option<usize>,
    pub(super) split: Option<usize>,
    pub(super) subject: Option<usize>,
    /// By modality.
    pub(super) places: Vec<Place>,
    /// The modalities, those made of a grid included.
    pub(super) modalities: Vec<ModalitySettings>,
    /// By modality: what encodes its text.
    pub(super) encoders: Vec<Option<TextEncoder>>,
}

/// Where a modality stands in a row.
#[derive(Debug, Clone)]
pub(super) enum Place {
    File(usize),
    Text(usize),
    Table(Vec<Reader>),
}

impl Layout {
    /// Finds the columns in the first row of the table.
    pub(super) fn new(settings: &ManifestSettings, names: Vec<String>, wanted: Use) -> Result<Self, ManifestError> {
        let path = &settings.path;
        let refused = |source| ManifestError::Settings { path: path.clone(), source };
        settings.check().map_err(refused)?;
        let place = |name: &str| names.iter().position(|known| known == name);
        let needed = |name: &str| match wanted {
            Use::Training => Some(name.to_owned()),
            Use::Prediction => None,
        };
        let split = settings.division.is_none().then_some(settings.split.as_str());
        let modalities = match settings.grid {
            None => settings.modalities.clone(),
            Some(grid) => {
                let own = [
                    Some(settings.id.as_str()),
                    Some(&settings.label),
                    Some(&settings.split),
                    settings.subject.as_deref(),
                ];
                let pictures = names.iter().filter(|name| !own.contains(&Some(name.as_str())));
                pictures.map(|name| ModalitySettings { name: name.clone(), form: grid.form() }).collect()
            }
        };
        let mut all = vec![settings.id.clone()];
        all.extend(needed(&settings.label));
        all.extend(split.and_then(needed));
        all.extend(settings.subject.as_deref().and_then(needed));
        all.extend(modalities.iter().flat_map(|modality| modality.columns().into_iter().map(str::to_owned)));
        check_columns(path, &names, &all, split.filter(|_| wanted == Use::Training))?;
        if modalities.is_empty() {
            return Err(refused(SettingsError::NoModality));
        }
        let encoders = modalities.iter().map(ModalitySettings::encoder).collect::<Result<_, _>>().map_err(refused)?;
        // Every column was found just now.
        let column = |name: &str| place(name).unwrap_or(0);
        let places = modalities.iter().map(|modality| match &modality.form {
            Form::Table { columns } => {
                Place::Table(columns.iter().map(|c| Reader::new(c.clone(), column(c.name()))).collect())
            }
            Form::Text { .. } => Place::Text(column(modality.columns()[0])),
            Form::Image { .. } | Form::Volume { .. } => Place::File(column(modality.columns()[0])),
        });
        Ok(Self {
            id: column(&settings.id),
            label: place(&settings.label),
            split: split.and_then(place),
            subject: settings.subject.as_deref().and_then(place),
            places: places.collect(),
            modalities,
            encoders,
            names,
        })
    }

    /// The schema with these classes.
    pub(super) fn schema(&self, path: &Path, classes: Vec<String>) -> Result<Schema, ManifestError> {
        let modalities = self.modalities.iter().map(ModalitySettings::modality).collect::<Result<_, _>>();
        let modalities = modalities.map_err(|source| ManifestError::Settings { path: path.to_owned(), source })?;
        Schema::new(modalities, classes).map_err(|source| ManifestError::Schema { path: path.to_owned(), source })
    }

    /// Whether a cell may name a folder: of the slices of a volume.
    pub(super) fn takes_folders(&self, modality: usize) -> bool {
        cfg!(feature = "dicom") && matches!(self.modalities[modality].form, Form::Volume { .. })
    }

    /// The name of the column that a file or text modality stands in; the modality's name for a table.
    pub(super) fn column(&self, modality: usize) -> &str {
        match &self.places[modality] {
            Place::File(column) | Place::Text(column) => &self.names[*column],
            Place::Table(_) => &self.modalities[modality].name,
        }
    }
}

/// Every wanted column is there, that of the parts where there is one among them, and no column twice.
fn check_columns(path: &Path, names: &[String], wanted: &[String], split: Option<&str>) -> Result<(), ManifestError> {
    let absent: Vec<String> = wanted.iter().filter(|name| !names.contains(name)).cloned().collect();
    if !absent.is_empty() {
        let parts = split.map(str::to_owned).filter(|split| absent.contains(split));
        return Err(ManifestError::Columns { path: path.to_owned(), wanted: absent, parts, found: names.to_vec() });
    }
    let twice = wanted.iter().find(|name| names.iter().filter(|known| known == name).count() > 1);
    match twice {
        Some(name) => Err(ManifestError::ColumnTwice { path: path.to_owned(), name: name.clone() }),
        None => Ok(()),
    }
}

/// Reads the cells of one column of a table modality.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) at: usize,
    column: Column,
    places: HashMap<String, usize>,
}

/// Categories that a message names.
const NAMED: usize = 12;

/// What a cell should have held, for a message: the name that was meant, where only its spelling differs, else all of them or the first.
pub(super) fn one_of(known: &[String], found: &str) -> String {
    if let Some(name) = known.iter().find(|name| meant(name) == meant(found)) {
        return format!("{name:?}, from which it differs in case, spaces or the encoding of letters only");
    }
    let first = known.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match known.len().saturating_sub(NAMED) {
        0 => format!("one of {first}"),
        more => format!("one of {first} and {more} more"),
    }
}

impl Reader {
    fn new(column: Column, at: usize) -> Self {
        let categories = column.categories().unwrap_or_default();
        let places = categories.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        Self { at, column, places }
    }

    /// What stands for a cell that is not missing.
    pub(super) fn read(&self, cell: &str, line: u64) -> Result<f32, Problem> {
        let column = || self.column.name().to_owned();
        match self.column.values() {
            Values::Continuous { .. } => match number(cell).map(|number| self.column.standardise(number)) {
                Some(value) if value.is_finite() => Ok(value),
                None if !is_too_large(cell) => Err(Problem::Number { line, column: column(), found: short(cell) }),
                _ => Err(Problem::TooLarge { line, column: column(), found: short(cell) }),
            },
            Values::Categorical { categories } => match self.place(cell, categories) {
                Some(place) => Ok(place as f32),
                None => {
                    let known = one_of(categories, cell);
                    Err(Problem::Category { line, column: column(), found: short(cell), known })
                }
            },
        }
    }

    /// By name; else by number, for programs write 1 as 1.0 where a column has empty cells.
    fn place(&self, cell: &str, categories: &[String]) -> Option<usize> {
        if let Some(&place) = self.places.get(cell) {
            return Some(place);
        }
        let wanted = number(cell)?;
        categories.iter().position(|name| number(name) == Some(wanted))
    }
}

/// Largest size of a number: networks compute in single precision.
const LARGEST: f64 = f32::MAX as f64;

/// A number that single precision can hold.
pub(crate) fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|number: &f64| number.abs() <= LARGEST)
}

/// Whether a cell is a number that single precision cannot hold.
pub(crate) fn is_too_large(cell: &str) -> bool {
    // `inf` is a word.
    cell.contains(|sign: char| sign.is_ascii_digit()) && cell.parse().is_ok_and(|number: f64| number.abs() > LARGEST)
}

/// Whether a cell is a number once its one comma is a point.
pub(crate) fn has_decimal_comma(cell: &str) -> bool {
    cell.matches(',').count() == 1 && number(&cell.replace(',', ".")).is_some()
}

/// A name without what readers do not see or do not mean: case, spaces at the ends or several of them, and how a letter is encoded.
pub(crate) fn meant(name: &str) -> String {
    let folded: String = name.nfkc().collect::<String>().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ").nfkc().collect()
}

/// Longest cell that a message repeats, in characters.
const QUOTED: usize = 60;

/// A cell as a message repeats it.
pub(crate) fn short(cell: &str) -> String {
    match cell.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_whatever_their_encoding() {
        assert_eq!(meant(" Yes "), meant("yes"));
        assert_eq!(meant("Caf\u{e9}"), meant("cafe\u{301}"));
        assert_eq!(meant("very  good"), meant("Very\u{a0}good"));
        assert_ne!(meant("cafe"), meant("caf\u{e9}"));
        let known = ["yes", "no"].map(String::from);
        assert_eq!(
            one_of(&known, "Yes"),
            "\"yes\", from which it differs in case, spaces or the encoding of letters only"
        );
        assert_eq!(one_of(&known, "maybe"), "one of yes, no");
        let many: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        assert!(one_of(&many, "x").ends_with("10, 11 and 8 more"));
    }
}
