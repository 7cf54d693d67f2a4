//! CelebA: attribute file, partition file, folder of aligned pictures.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{ConvertError, Converted, Table};
use crate::manifest::{Form, ManifestSettings, ModalitySettings, Split, short};
use crate::picture::{Colour, Crop};
use crate::text::Symbols;

/// How the faces are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaceOptions {
    /// The attribute that is the class.
    pub attribute: String,
    /// Whether the text leaves out that attribute; the paper's text names it.
    pub hide_attribute: bool,
    /// Height and width that every picture is brought to.
    pub side: usize,
}

impl Default for FaceOptions {
    /// The published task: blond hair, 64×64 pixels.
    fn default() -> Self {
        Self { attribute: "Blond_Hair".into(), hide_attribute: false, side: 64 }
    }
}

/// The published crop of a 218×178 picture: rows 35 to 181, columns 15 to 161.
const CROP: Crop = Crop { top: 35, left: 15, height: 147, width: 147 };
/// Places of the text.
const LENGTH: usize = 256;
/// The text that MoPoE prepared, where it is there.
const TEXT: &str = "list_attr_text_256_False_True_celeba.csv";

/// The text of a picture that shows none of the attributes.
const NO_ATTRIBUTE: &str = "no attribute";

/// Reads `list_attr_celeba`, `list_eval_partition` (`.txt` or `.csv`) and the pictures in `img_align_celeba`; writes
/// `out/manifest.csv` and `out/experiment.toml`. The text is MoPoE's file where it is there, else the attributes present,
/// joined by commas, or "no attribute".
///
/// # Errors
/// A [`ConvertError`] that names the file.
pub fn faces(folder: &Path, options: &FaceOptions, out: &Path) -> Result<Converted, ConvertError> {
    let parts = partition(&either(folder, "list_eval_partition"))?;
    let mut lines = Lines::open(&either(folder, "list_attr_celeba"), "attributes, one picture a line")?;
    let names = attribute_names(&mut lines)?;
    let Some(class) = names.iter().position(|name| *name == options.attribute) else {
        let (path, line, column) = (lines.path, lines.line, "attributes".to_owned());
        let wanted = format!("an attribute {}", options.attribute);
        return Err(ConvertError::Cell { path, line, column, found: short(&names.join(" ")), wanted });
    };
    let texts = texts(&folder.join(TEXT))?;
    let pictures = std::path::absolute(folder.join("img_align_celeba"));
    let pictures = pictures.unwrap_or_else(|_| folder.join("img_align_celeba"));
    let mut table = Table::create(out, &["id", "label", "split", "image", "text"].map(String::from))?;
    let classes = [format!("not {}", options.attribute), options.attribute.clone()];
    while let Some(fields) = lines.next()? {
        let [image, values @ ..] = fields.as_slice() else { continue };
        if values.len() != names.len() {
            let (path, found, wanted) = (lines.path, values.len(), names.len());
            return Err(ConvertError::Counts { path, what: "attributes in a row", found, wanted });
        }
        let Some(&split) = parts.get(image) else {
            let (path, line, column) = (lines.path, lines.line, "image".to_owned());
            return Err(ConvertError::Cell {
                path,
                line,
                column,
                found: short(image),
                wanted: "a picture of the partition".into(),
            });
        };
        let mut present = Vec::new();
        for (name, value) in names.iter().zip(values) {
            match value.as_str() {
                "1" => present.push(name.as_str()),
                "-1" | "0" => {}
                found => {
                    let (path, line, column) = (lines.path, lines.line, name.clone());
                    return Err(ConvertError::Cell {
                        path,
                        line,
                        column,
                        found: short(found),
                        wanted: "1 or -1".into(),
                    });
                }
            }
        }
        let label = usize::from(values[class] == "1");
        present.retain(|name| !options.hide_attribute || *name != options.attribute);
        let made = || present.join(", ").replace('_', " ");
        let text = texts.as_ref().and_then(|texts| texts.get(image)).cloned().unwrap_or_else(made);
        // An empty cell would say that the text is missing, and it is known.
        let text = if text.is_empty() { NO_ATTRIBUTE.to_owned() } else { text };
        let picture = pictures.join(image).to_string_lossy().into_owned();
        table.row(split, &[image.clone(), classes[label].clone(), split.name().into(), picture, text])?;
    }
    let mut remarks =
        vec!["pictures are brought to their size by a linear filter, the published code has a cubic one".to_owned()];
    match texts.is_some() {
        true => remarks.push(format!("the text is that of {TEXT}")),
        false => remarks.push("the text is made of the attributes present, from its first place; the published one starts at a random place".into()),
    }
    if !options.hide_attribute || texts.is_some() {
        remarks.push(format!(
            "the text names {}, so it gives the class away, as in the published task",
            options.attribute
        ));
    }
    table.finish(&settings(options, classes.into()), remarks)
}

fn settings(options: &FaceOptions, classes: Vec<String>) -> ManifestSettings {
    let image =
        Form::Image { column: None, height: options.side, width: options.side, colour: Colour::Rgb, crop: Some(CROP) };
    let text = Form::Text { column: None, length: LENGTH, symbols: Symbols::default() };
    let modality = |name: &str, form| ModalitySettings { name: name.into(), form };
    let settings = ManifestSettings::new("manifest.csv", vec![modality("image", image), modality("text", text)]);
    ManifestSettings { classes, ..settings }
}

/// The `.csv` where it is there, else the `.txt`.
fn either(folder: &Path, name: &str) -> PathBuf {
    let csv = folder.join(format!("{name}.csv"));
    if csv.is_file() { csv } else { folder.join(format!("{name}.txt")) }
}

/// A file of fields divided by commas or by blanks, line by line.
struct Lines {
    path: PathBuf,
    role: &'static str,
    reader: BufReader<File>,
    line: u64,
}

impl Lines {
    fn open(path: &Path, role: &'static str) -> Result<Self, ConvertError> {
        let file = File::open(path).map_err(|source| ConvertError::File { path: path.to_owned(), role, source })?;
        Ok(Self { path: path.to_owned(), role, reader: BufReader::new(file), line: 0 })
    }

    /// The fields of the next line that is not empty.
    fn next(&mut self) -> Result<Option<Vec<String>>, ConvertError> {
        let mut text = String::new();
        loop {
            text.clear();
            let read = self.reader.read_line(&mut text);
            let failed = |source| ConvertError::File { path: self.path.clone(), role: self.role, source };
            if read.map_err(failed)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let fields = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|field| !field.is_empty());
            let fields: Vec<String> = fields.map(str::to_owned).collect();
            if !fields.is_empty() {
                return Ok(Some(fields));
            }
        }
    }
}

/// The names of the attributes: the first line that is more than a number, without `image_id`.
fn attribute_names(lines: &mut Lines) -> Result<Vec<String>, ConvertError> {
    while let Some(mut fields) = lines.next()? {
        if fields.len() > 1 {
            if fields[0] == "image_id" {
                fields.remove(0);
            }
            return Ok(fields);
        }
    }
    let (path, role) = (lines.path.clone(), "attributes");
    Err(ConvertError::List { path, role, cause: "no line with names".into() })
}

/// By picture: 0 train, 1 validation, 2 test.
fn partition(path: &Path) -> Result<HashMap<String, Split>, ConvertError> {
    let mut lines = Lines::open(path, "the part of each picture, 0, 1 or 2")?;
    let mut parts = HashMap::new();
    while let Some(fields) = lines.next()? {
        let [image, part] = fields.as_slice() else { continue };
        let split = part.parse::<usize>().ok().and_then(|part| Split::ALL.get(part));
        match split {
            Some(&split) => drop(parts.insert(image.clone(), split)),
            None if lines.line == 1 => {}
            None => {
                let (path, line, column) = (lines.path, lines.line, "partition".to_owned());
                return Err(ConvertError::Cell { path, line, column, found: short(part), wanted: "0, 1 or 2".into() });
            }
        }
    }
    Ok(parts)
}

/// By picture: MoPoE's text without its padding; `None` where the file is not there.
fn texts(path: &Path) -> Result<Option<HashMap<String, String>>, ConvertError> {
    let role = "a text for each picture";
    if !path.is_file() {
        return Ok(None);
    }
    let failed = |error: csv::Error| ConvertError::File { path: path.to_owned(), role, source: error.into() };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(failed)?;
    let headers = reader.headers().map_err(failed)?.clone();
    let place = |name: &str| headers.iter().position(|known| known == name);
    let (Some(image), Some(text)) = (place("image_id"), place("text")) else {
        let (path, cause) = (path.to_owned(), "no columns image_id and text".to_owned());
        return Err(ConvertError::List { path, role, cause });
    };
    let mut texts = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        if let (Some(image), Some(text)) = (record.get(image), record.get(text)) {
            texts.insert(image.to_owned(), text.trim_matches(['*', ' ']).to_owned());
        }
    }
    Ok(Some(texts))
}
