//! A table with an array of pixels for each row: DVM, and cardiac data in the same layout.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder};
use dymo_core::{Column, Columns};
use serde::{Deserialize, Serialize};

use super::{ConvertError, Converted, Table, lists};
use crate::manifest::{Form, ManifestSettings, ModalitySettings, Split, number, short};
use crate::npy::{Limits, Npy};
use crate::numbered::NumberedReader;
use crate::picture::Colour;

/// The files of such a data set. Relative paths are seen from the current folder; [`ArrayLayout::rooted`] changes that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayLayout {
    /// Folder of the arrays, where the lists of paths were made on another machine: the ends of the paths are looked for
    /// in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<PathBuf>,
    /// A list with the number of categories of each column, 1 for numbers.
    pub lengths: PathBuf,
    /// The names of the columns; `column 0` and so on where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The names of the classes; their numbers where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Rows of pixels that every array is brought to.
    #[serde(default = "side")]
    pub height: usize,
    /// Pixels in a row.
    #[serde(default = "side")]
    pub width: usize,
    /// To fit.
    pub train: ArrayPart,
    /// To choose the best epoch.
    pub validation: ArrayPart,
    /// To report.
    pub test: ArrayPart,
}

fn side() -> usize {
    128
}

/// The files of one part; all have one entry a sample, in one order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayPart {
    /// A list of paths; an extension other than `.npy` is replaced by it.
    pub images: PathBuf,
    /// CSV of numbers without names.
    pub table: PathBuf,
    /// A list of whole numbers.
    pub labels: PathBuf,
    /// Booleans, `[samples, columns]`, true = missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
}

/// DVM's columns in the reordered table: four with categories, then numbers.
const CAR_COLUMNS: [&str; 17] = [
    "Color",
    "Bodytype",
    "Gearbox",
    "Fuel type",
    "Wheelbase",
    "Height",
    "Width",
    "Length",
    "Adv year",
    "Adv month",
    "Reg year",
    "Runned miles",
    "Price",
    "Seat num",
    "Door num",
    "Entry price",
    "Engine size",
];

impl ArrayLayout {
    /// The files of DVM in `folder`, by the names that TIP's preparation gives them.
    pub fn cars(folder: &Path) -> Self {
        let file = |name: String| folder.join(name);
        let part = |name: &str| ArrayPart {
            images: file(format!("{name}_paths_all_views.pt")),
            table: file(format!("dvm_features_{name}_noOH_all_views_physical_jittered_50_reordered.csv")),
            labels: file(format!("labels_model_all_{name}_all_views.pt")),
            mask: None,
        };
        Self {
            images: Some(folder.to_owned()),
            lengths: file("tabular_lengths_all_views_physical_reordered.pt".into()),
            columns: CAR_COLUMNS.map(String::from).into(),
            classes: Vec::new(),
            height: side(),
            width: side(),
            train: part("train"),
            validation: part("val"),
            test: part("test"),
        }
    }

    /// The same layout with DVM's mask files of a strategy and rate, as `value_0.3`: in `folder/missing_mask`, named as TIP names them.
    #[must_use]
    pub fn with_car_masks(mut self, folder: &Path, strategy_rate: &str) -> Self {
        for part in [&mut self.train, &mut self.validation, &mut self.test] {
            let table = part.table.file_stem().unwrap_or_default().to_string_lossy();
            part.mask = Some(folder.join("missing_mask").join(format!("{table}_dvm_{strategy_rate}.npy")));
        }
        self
    }

    /// The same layout, its relative paths seen from `folder`.
    #[must_use]
    pub fn rooted(mut self, folder: &Path) -> Self {
        let mut paths = vec![&mut self.lengths];
        paths.extend(&mut self.images);
        for part in [&mut self.train, &mut self.validation, &mut self.test] {
            paths.extend([&mut part.images, &mut part.table, &mut part.labels]);
            paths.extend(&mut part.mask);
        }
        paths.into_iter().for_each(|path| *path = folder.join(&*path));
        self
    }

    fn parts(&self) -> [(Split, &ArrayPart); 3] {
        [(Split::Train, &self.train), (Split::Validation, &self.validation), (Split::Test, &self.test)]
    }
}

/// Writes `out/manifest.csv` and `out/experiment.toml`.
///
/// # Errors
/// A [`ConvertError`] that names the file.
pub fn arrays(layout: &ArrayLayout, out: &Path) -> Result<Converted, ConvertError> {
    let columns = columns(layout)?;
    let form = Form::Table { columns: columns.clone() };
    let image =
        Form::Image { column: None, height: layout.height, width: layout.width, colour: Colour::Rgb, crop: None };
    let modality = |name: &str, form| ModalitySettings { name: name.into(), form };
    let modalities = vec![modality("image", image), modality("table", form)];
    let mut settings = ManifestSettings::new("manifest.csv", modalities);
    settings.check()?;
    let mut header: Vec<String> = ["id", "label", "split", "image"].map(String::from).into();
    header.extend(columns.iter().map(|column| column.name().to_owned()));
    let mut table = Table::create(out, &header)?;
    let mut most = -1;
    for (split, part) in layout.parts() {
        most = most.max(add_part(layout, split, part, &columns, &mut table)?);
    }
    settings.classes = match layout.classes.is_empty() {
        true => (0..=most).map(|label| label.to_string()).collect(),
        false => layout.classes.clone(),
    };
    let remarks = vec![
        "values of the table are as they stand in its files; mean, deviation and range are those of the training part"
            .to_owned(),
    ];
    table.finish(&settings, remarks)
}

/// The columns, their numbers from the training table.
fn columns(layout: &ArrayLayout) -> Result<Columns, ConvertError> {
    let lengths = lists::numbers(&layout.lengths, "numbers of categories")?;
    if !layout.columns.is_empty() && layout.columns.len() != lengths.len() {
        let (path, found, wanted) = (layout.lengths.clone(), lengths.len(), layout.columns.len());
        return Err(ConvertError::Counts { path, what: "columns", found, wanted });
    }
    let mut seen =
        vec![Seen { count: 0.0, mean: 0.0, squares: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY }; lengths.len()];
    for_each_row(&layout.train.table, lengths.len(), |_, values| {
        seen.iter_mut().zip(values).for_each(|(seen, &value)| seen.add(value));
        Ok(())
    })?;
    let mut columns = Vec::new();
    for (at, (&length, seen)) in lengths.iter().zip(&seen).enumerate() {
        let name = layout.columns.get(at).cloned().unwrap_or_else(|| format!("column {at}"));
        columns.push(match length {
            ..=1 => {
                let deviation = (seen.squares / seen.count.max(1.0)).sqrt();
                // A column that is always the same carries nothing, and any deviation does.
                let deviation = if deviation > 0.0 { deviation } else { 1.0 };
                let range = if seen.count > 0.0 { [seen.low, seen.high] } else { [0.0, 0.0] };
                Column::continuous(name, seen.mean, deviation, range)?
            }
            // No table has a hundred thousand categories in a column.
            2..=100_000 => Column::categorical(name, (0..length).map(|category| category.to_string()))?,
            _ => {
                let (path, cause) = (layout.lengths.clone(), format!("entry {at} is {length}"));
                return Err(ConvertError::List { path, role: "numbers of categories", cause });
            }
        });
    }
    Ok(Columns::new(columns)?)
}

#[derive(Clone)]
struct Seen {
    count: f64,
    mean: f64,
    squares: f64,
    low: f64,
    high: f64,
}

impl Seen {
    fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
    }
}

/// Writes the rows of one part; gives its largest label.
fn add_part(
    layout: &ArrayLayout,
    split: Split,
    part: &ArrayPart,
    columns: &Columns,
    table: &mut Table,
) -> Result<i64, ConvertError> {
    let labels = lists::numbers(&part.labels, "labels")?;
    let images = lists::texts(&part.images, "paths of pictures")?;
    let counts = |path: &Path, what, found| match found == labels.len() {
        true => Ok(()),
        false => Err(ConvertError::Counts { path: path.to_owned(), what, found, wanted: labels.len() }),
    };
    counts(&part.images, "paths", images.len())?;
    let mask = part.mask.as_deref().map(|path| read_mask(path, [labels.len(), columns.len()])).transpose()?;
    let kept = kept(layout.images.as_deref(), images.first());
    let rows = for_each_row(&part.table, columns.len(), |Place { row, line }, values| {
        let Some((&label, image)) = labels.get(row).zip(images.get(row)) else { return Ok(()) };
        let classes = layout.classes.len().max(1);
        let known = usize::try_from(label).is_ok_and(|label| layout.classes.is_empty() || label < classes);
        if !known {
            let (path, line, column) = (part.labels.clone(), row as u64 + 1, "label".to_owned());
            let wanted = if layout.classes.is_empty() { "0 or more".into() } else { format!("0 to {}", classes - 1) };
            return Err(ConvertError::Cell { path, line, column, found: label.to_string(), wanted });
        }
        let name = usize::try_from(label).ok().and_then(|label| layout.classes.get(label)).cloned();
        let image = located(layout.images.as_deref(), image, kept);
        let mut cells = vec![
            format!("{}-{row:06}", split.name()),
            name.unwrap_or_else(|| label.to_string()),
            split.name().to_owned(),
            image.to_string_lossy().into_owned(),
        ];
        for (at, (&value, column)) in values.iter().zip(columns.iter()).enumerate() {
            let missing = value.is_nan() || mask.as_ref().is_some_and(|mask| mask[row * columns.len() + at]);
            cells.push(if missing { String::new() } else { value.to_string() });
            let whole = value.fract() == 0.0 && value >= 0.0;
            if let Some(count) = column.cardinality().filter(|&count| !(missing || whole && value < count as f64)) {
                let (path, found) = (part.table.clone(), value.to_string());
                let (column, wanted) = (column.name().to_owned(), format!("a whole number from 0 to {}", count - 1));
                return Err(ConvertError::Cell { path, line, column, found, wanted });
            }
        }
        table.row(split, &cells)
    })?;
    counts(&part.table, "rows", rows)?;
    Ok(labels.into_iter().max().unwrap_or(-1))
}

/// Where a row of a CSV file stands.
#[derive(Clone, Copy)]
struct Place {
    /// Counted from 0.
    row: usize,
    /// Counted from 1.
    line: u64,
}

/// Calls `with` for each row of a CSV file of numbers without names; an empty cell is NaN. Gives the number of rows.
fn for_each_row(
    path: &Path,
    width: usize,
    mut with: impl FnMut(Place, &[f64]) -> Result<(), ConvertError>,
) -> Result<usize, ConvertError> {
    let role = "the table, without names";
    let failed = |source| ConvertError::File { path: path.to_owned(), role, source };
    let file = File::open(path).map_err(failed)?;
    let mut reader = NumberedReader::new(ReaderBuilder::new().has_headers(false).flexible(true), file);
    let mut record = ByteRecord::new();
    let mut rows = 0;
    let mut values = Vec::new();
    while let Some(line) = reader.next(&mut record).map_err(|error| failed(error.into()))? {
        if record.len() != width {
            let path = path.to_owned();
            return Err(ConvertError::Counts { path, what: "columns in a row", found: record.len(), wanted: width });
        }
        values.clear();
        for (at, cell) in record.iter().enumerate() {
            // What is no text is no number either, and is refused as such.
            let cell = &*String::from_utf8_lossy(cell);
            let value = if cell.is_empty() || cell.eq_ignore_ascii_case("nan") { Some(f64::NAN) } else { number(cell) };
            let wrong = || {
                let (path, column) = (path.to_owned(), format!("{at} (counted from 0)"));
                ConvertError::Cell { path, line, column, found: short(cell), wanted: "a number within ±3.4e38".into() }
            };
            values.push(value.ok_or_else(wrong)?);
        }
        with(Place { row: rows, line }, &values)?;
        rows += 1;
    }
    Ok(rows)
}

fn read_mask(path: &Path, wanted: [usize; 2]) -> Result<Vec<bool>, ConvertError> {
    let array = Npy::open(path, Limits::default());
    let array = array.map_err(|source| ConvertError::Array { path: path.to_owned(), source })?;
    if array.shape() != wanted {
        return Err(ConvertError::Mask { path: path.to_owned(), found: array.shape().to_vec(), wanted });
    }
    Ok(array.values().iter().map(|&value| value != 0.0).collect())
}

/// How many of the last names of a path lead to a file in `root`; `None` where the path is taken as it stands.
fn kept(root: Option<&Path>, first: Option<&String>) -> Option<usize> {
    let (root, first) = (root?, array_path(first?));
    let names = first.components().count();
    if first.is_file() {
        None
    } else {
        (1..=names).rev().find(|&kept| root.join(end(&first, kept)).is_file()).or(Some(1))
    }
}

fn located(root: Option<&Path>, path: &str, kept: Option<usize>) -> PathBuf {
    let path = array_path(path);
    let path = match (root, kept) {
        (Some(root), Some(kept)) => root.join(end(&path, kept)),
        _ => path,
    };
    std::path::absolute(&path).unwrap_or(path)
}

/// The path of the array that stands for a picture.
fn array_path(path: &str) -> PathBuf {
    // Lists made on Windows have its separators.
    Path::new(&path.replace('\\', "/")).with_extension("npy")
}

/// The last `count` names of a path.
fn end(path: &Path, count: usize) -> PathBuf {
    let names: Vec<_> = path.components().filter(|name| matches!(name, std::path::Component::Normal(_))).collect();
    names[names.len().saturating_sub(count)..].iter().collect()
}
