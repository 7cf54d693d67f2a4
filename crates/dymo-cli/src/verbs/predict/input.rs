//! What is to be classified: a table piece by piece, or a part of an experiment's data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use dymo_core::{Kind, ModalitySet, Schema};
use dymo_data::manifest::{Chunk, Form, ManifestSettings, ManifestStream, ModalitySettings, Problem};
use dymo_data::picture::Colour;
use dymo_data::{ReadError, Samples, Source, Subset};
use dymo_train::model_folder::ModelFolder;
use rayon::prelude::*;

use super::PredictArgs;
use crate::context::Context;
use crate::settings;
use crate::study::part;

/// Where rows come from.
pub(super) enum Input {
    Table {
        stream: Box<ManifestStream>,
        bytes: u64,
    },
    /// `table` is what the experiment reads its samples of, where that is one file.
    Samples {
        samples: Arc<dyn Samples>,
        done: usize,
        table: Option<PathBuf>,
    },
}

/// Some rows.
pub(super) enum Piece {
    Chunk(Chunk),
    Samples(Subset),
}

/// One row: its name, its number among the piece's samples or why it has none, and what is odd about it.
pub(super) struct Line {
    pub id: String,
    pub sample: Result<usize, String>,
    pub notices: String,
}

/// The samples of a piece by the numbers of their rows: what is drawn for a row hangs on its number in the whole table, and not on
/// where a piece began.
pub(super) struct Numbered<'a> {
    samples: &'a dyn Samples,
    before: usize,
    /// For each row of the piece its sample's number there; one that no sample has where there is none.
    places: Vec<usize>,
}

impl<'a> Numbered<'a> {
    /// `before` rows came before this piece.
    pub(super) fn new(samples: &'a dyn Samples, lines: &[Line], before: u64) -> Self {
        let place = |line: &Line| line.sample.as_ref().map_or(usize::MAX, |index| *index);
        Self { samples, before: before as usize, places: lines.iter().map(place).collect() }
    }

    fn place(&self, row: usize) -> usize {
        row.checked_sub(self.before).and_then(|place| self.places.get(place)).copied().unwrap_or(usize::MAX)
    }
}

impl Samples for Numbered<'_> {
    fn schema(&self) -> &Schema {
        self.samples.schema()
    }

    fn len(&self) -> usize {
        self.before + self.places.len()
    }

    fn behind(&self, row: usize) -> Option<(&dyn Samples, usize)> {
        Some((self.samples, self.place(row)))
    }

    fn label(&self, row: usize) -> usize {
        self.samples.label(self.place(row))
    }

    fn read(&self, row: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        self.samples.read(self.place(row), modality, out)
    }

    fn id(&self, row: usize) -> String {
        self.samples.id(self.place(row))
    }
}

impl Input {
    pub(super) fn open(context: &Context, args: &PredictArgs, folder: &ModelFolder) -> anyhow::Result<Self> {
        let is_experiment = args.data.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        if is_experiment {
            let experiment = settings::experiment(context, &args.data, |_| ())?;
            let samples = part(&experiment.open(&context.datasets)?, args.split.into());
            folder.check_modalities(samples.schema()).with_context(|| args.data.display().to_string())?;
            let table = experiment.source().table().map(Path::to_owned);
            return Ok(Self::Samples { samples, done: 0, table });
        }
        let stream = ManifestStream::open(&columns(folder, &args.data)?, folder.schema().classes().to_vec())?;
        folder.check_modalities(stream.schema()).with_context(|| args.data.display().to_string())?;
        let bytes = std::fs::metadata(&args.data).map_or(0, |file| file.len());
        Ok(Self::Table { stream: Box::new(stream), bytes })
    }

    /// The table that an experiment reads its samples of.
    pub(super) fn table(&self) -> Option<&Path> {
        match self {
            Self::Table { .. } => None,
            Self::Samples { table, .. } => table.as_deref(),
        }
    }

    /// How many rows there are, where that is known beforehand.
    pub(super) fn rows(&self) -> Option<u64> {
        match self {
            Self::Table { .. } => None,
            Self::Samples { samples, .. } => Some(samples.len() as u64),
        }
    }

    /// Passes over rows that an earlier run has answered.
    pub(super) fn skip(&mut self, rows: u64) {
        match self {
            Self::Table { stream, .. } => stream.skip_rows(rows),
            Self::Samples { samples, done, .. } => {
                *done = usize::try_from(rows).unwrap_or(usize::MAX).min(samples.len())
            }
        }
    }

    /// The next rows; `None` after the last.
    pub(super) fn next(&mut self, rows: usize) -> anyhow::Result<Option<Piece>> {
        match self {
            Self::Table { stream, .. } => Ok(stream.next_chunk(rows).map(Piece::Chunk)),
            Self::Samples { samples, done, .. } => {
                let indices: Vec<usize> = (*done..samples.len().min(*done + rows)).collect();
                *done += indices.len();
                let piece = || Subset::new(samples.clone(), indices.clone()).map(Piece::Samples);
                Ok(if indices.is_empty() { None } else { Some(piece()?) })
            }
        }
    }

    /// The first row so far with which others are lost that have no line of their own, be it one that was passed over.
    pub(super) fn unread(&self) -> Option<&Problem> {
        match self {
            Self::Table { stream, .. } => stream.unread(),
            Self::Samples { .. } => None,
        }
    }

    /// For a progress bar: bytes of a table, samples of a part.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Table { bytes, .. } => usize::try_from(*bytes).unwrap_or(usize::MAX),
            Self::Samples { samples, .. } => samples.len(),
        }
    }

    /// How far it is, in the unit of [`Input::length`].
    pub(super) fn position(&self) -> usize {
        match self {
            Self::Table { stream, .. } => usize::try_from(stream.position()).unwrap_or(usize::MAX),
            Self::Samples { done, .. } => *done,
        }
    }
}

impl Piece {
    pub(super) fn samples(&self) -> &dyn Samples {
        match self {
            Self::Chunk(chunk) => chunk.samples(),
            Self::Samples(samples) => samples,
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        match self {
            Self::Samples(samples) => {
                let line = |i| {
                    let sample = readable(samples, i).map(|()| i).map_err(|error| error.to_string());
                    Line { id: samples.id(i), sample, notices: String::new() }
                };
                (0..samples.len()).into_par_iter().map(line).collect()
            }
            Self::Chunk(chunk) => {
                let line = |outcome: &dymo_data::manifest::Outcome| {
                    let sample = match &outcome.sample {
                        Ok(index) => Ok(*index),
                        Err(problems) => Err(in_one_cell(problems.iter())),
                    };
                    let notices = outcome.notices.iter().map(|n| format!("{}: {}", n.column, n.odd));
                    let id = outcome.id.clone().unwrap_or_else(|| format!("line {}", outcome.line));
                    Line { id, sample, notices: in_one_cell(notices) }
                };
                chunk.outcomes().iter().map(line).collect()
            }
        }
    }
}

/// Whether everything that a sample has can be read: else it alone has no prediction.
fn readable(samples: &dyn Samples, index: usize) -> Result<(), ReadError> {
    let modalities = samples.schema().modalities();
    samples
        .observed(index)
        .iter()
        .try_for_each(|m| samples.read(index, m, &mut vec![0.0; modalities[m].kind().values()]))
}

fn in_one_cell<T: ToString>(parts: impl Iterator<Item = T>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join("; ")
}

/// How the table's columns are read: as those of the table that the model was trained on; for a model of other data, a column of
/// pictures for each modality.
fn columns(folder: &ModelFolder, table: &Path) -> anyhow::Result<ManifestSettings> {
    let of_training = folder.data_settings().and_then(|text| toml::from_str::<Source>(text).ok());
    if let Some(Source::Manifest(settings)) = of_training {
        return Ok(settings.at(table));
    }
    let modalities = folder.schema().modalities().iter().map(|m| {
        let form = picture(&m.kind())?;
        Some(ModalitySettings { name: m.name().into(), form })
    });
    let modalities = modalities.collect::<Option<Vec<_>>>().with_context(|| {
        format!("{}: the model wants more than pictures; name an experiment (TOML) that reads them", table.display())
    })?;
    Ok(ManifestSettings::new(table, modalities))
}

fn picture(kind: &Kind) -> Option<Form> {
    match *kind {
        Kind::Image { height, width, channels: channels @ (1 | 3) } => {
            let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
            Some(Form::Image { column: None, height, width, colour, crop: None })
        }
        _ => None,
    }
}

/// Names of a set's modalities.
pub(super) fn names(schema: &Schema, set: ModalitySet) -> String {
    let name = |m: usize| schema.modalities().get(m).map_or("?", |found| found.name());
    joined(set.iter().map(|m| name(m).to_owned()))
}

/// Names with `+` between them; one that has a `+` or a quotation mark of its own stands in quotation marks, as CSV would have it, so that
/// a program can tell them apart.
pub(super) fn joined(names: impl Iterator<Item = String>) -> String {
    let quoted = |name: String| match name.contains(['+', '"']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name,
    };
    names.map(quoted).collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_told_apart() {
        let of = |names: &[&str]| joined(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(of(&["A", "B"]), "A+B");
        assert_eq!(of(&["A+B"]), "\"A+B\"");
        assert_eq!(of(&["A", "B", "A+B"]), "A+B+\"A+B\"");
        assert_eq!(of(&["6\" screen", "x"]), "\"6\"\" screen\"+x");
    }
}
