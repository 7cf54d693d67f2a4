//! The table of predictions: written as they come, whole at the end, taken up again where it was left.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_core::{ModalitySet, Schema};
use dymo_select::{Decision, Verdict};

use super::growing::{Growing, with};
use super::input::{joined, names};
use super::judge::Next;
use crate::settings;

const HEADER: [&str; 15] = [
    "id",
    "observed",
    "prediction",
    "probability",
    "let_in",
    "not_let_in",
    "prediction_from_observed",
    "why",
    "error",
    "warning",
    "confidence",
    "prediction_set",
    "promise",
    "acquire_next",
    "acquire_why",
];
/// Columns of numbers.
const NUMBERS: [&str; 2] = ["probability", "confidence"];
/// Place of the column `error`.
const ERROR: usize = 8;

/// What is said of one row.
pub(super) struct Answer {
    pub id: String,
    pub result: Result<Found, String>,
    pub notices: String,
}

/// A prediction.
#[derive(Default)]
pub(super) struct Found {
    /// Its place among those that were classified together.
    pub place: usize,
    pub decision: Option<Decision>,
    /// What came of the sample, a table with gaps too.
    pub observed: ModalitySet,
    /// What is or can be recovered, let in or not; an observed table that is among it is offered with its gaps filled.
    pub candidates: ModalitySet,
    pub class: usize,
    pub probability: Option<f32>,
    pub from_observed: usize,
    /// The probability, calibrated; `None` where nothing was fitted, as the set.
    pub confidence: Option<f32>,
    pub set: Option<Vec<usize>>,
    /// What the set promises, in words.
    pub promise: String,
    /// What to expect of acquiring what is missing; `None` where nothing is, or nothing was asked.
    pub next: Option<Next>,
    /// Whether held-out samples have turned selection off.
    pub selection_off: bool,
    /// The most that could be gained, and the least that was asked for, where that is more: nothing was recovered then.
    pub left_alone: Option<(f32, f32)>,
}

impl From<usize> for Found {
    fn from(place: usize) -> Self {
        Self { place, ..Self::default() }
    }
}

/// Where rows go.
enum To<'a> {
    Stream(&'a mut dyn Write),
    /// As objects of JSON, one a line.
    Objects(&'a mut dyn Write),
    File(Growing),
}

impl To<'_> {
    /// Appends rows as a whole and hands them to the system.
    fn add<R: AsRef<[String]>>(&mut self, rows: impl Iterator<Item = R>) -> anyhow::Result<()> {
        if let Self::Objects(out) = self {
            for row in rows {
                serde_json::to_writer(&mut **out, &object(row.as_ref()))?;
                writeln!(out)?;
            }
            return Ok(out.flush()?);
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows {
            writer.write_record(row.as_ref())?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        match self {
            Self::Stream(out) | Self::Objects(out) => Ok(out.write_all(&bytes).and_then(|()| out.flush())?),
            Self::File(file) => file.add(&bytes),
        }
    }
}

/// A table in the making.
pub(super) struct Table<'a> {
    to: To<'a>,
    schema: &'a Schema,
    done: u64,
    failed: u64,
}

impl<'a> Table<'a> {
    /// To a stream, with `json` as objects.
    pub(super) fn stream(out: &'a mut dyn Write, json: bool, schema: &'a Schema) -> anyhow::Result<Self> {
        let mut to = if json { To::Objects(out) } else { To::Stream(out) };
        if !json {
            to.add([HEADER.map(str::to_owned)].iter())?;
        }
        Ok(Self { to, schema, done: 0, failed: 0 })
    }

    /// To a file, beside which it grows as `NAME.part`; with `resume`, what is there already stays. `begun` says what decides the rows:
    /// it stands in `NAME.part.toml`, and rows that were begun otherwise are not gone on with.
    pub(super) fn file(path: &Path, resume: bool, schema: &'a Schema, begun: &str) -> anyhow::Result<Self> {
        let mut kept = Kept::default();
        let (file, bytes) = Growing::open(path, resume, |part| {
            same(part, &told(part), begun)?;
            kept = Kept::of(part)?;
            Ok(kept.bytes)
        })?;
        if let Some(part) = file.part() {
            settings::write(&told(part), begun.as_bytes())?;
        }
        let mut to = To::File(file);
        if bytes == 0 {
            to.add([HEADER.map(str::to_owned)].iter())?;
        }
        Ok(Self { to, schema, done: kept.rows, failed: kept.failed })
    }

    /// Rows of an earlier run.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Those of them that have no prediction.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Appends rows and hands them to the system: after a crash they are there.
    pub(super) fn write(&mut self, answers: &[Answer]) -> anyhow::Result<()> {
        let schema = self.schema;
        self.to.add(answers.iter().map(|answer| Self::row(schema, answer)))
    }

    fn row(schema: &Schema, answer: &Answer) -> [String; HEADER.len()] {
        let class = |k: usize| schema.classes().get(k).cloned().unwrap_or_else(|| "?".into());
        let mut row: [String; HEADER.len()] = Default::default();
        row[0].clone_from(&answer.id);
        match &answer.result {
            Err(reason) => row[ERROR].clone_from(reason),
            Ok(Found { decision: None, .. }) => row[ERROR] = "it was not classified".into(),
            Ok(found @ Found { decision: Some(decision), .. }) => {
                let rejected = found.candidates.difference(decision.final_subset);
                row[1] = names(schema, found.observed);
                row[2] = class(found.class);
                row[3] = found.probability.map(|p| format!("{p:.4}")).unwrap_or_default();
                row[4] = names(schema, decision.accepted());
                row[5] = names(schema, rejected);
                row[6] = class(found.from_observed);
                row[7] = why(schema, found).join("; ");
                row[10] = found.confidence.map(|p| format!("{p:.4}")).unwrap_or_default();
                let set = found.set.as_deref().unwrap_or_default();
                row[11] = joined(set.iter().map(|k| class(*k)));
                row[12].clone_from(&found.promise);
                if let Some(best) = found.next.as_ref().and_then(Next::best) {
                    row[13] = names(schema, ModalitySet::single(best.modality));
                }
                row[14] = acquire(schema, found).into_iter().next().unwrap_or_default();
            }
        }
        row[ERROR + 1].clone_from(&answer.notices);
        row
    }

    /// Leaves nothing behind of a table without rows.
    pub(super) fn discard(self) -> anyhow::Result<()> {
        let To::File(file) = &self.to else { return Ok(()) };
        file.discard()?;
        forget(file);
        Ok(())
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let To::File(file) = &self.to else { return Ok(()) };
        file.finish()?;
        forget(file);
        Ok(())
    }
}

/// A row as an object: null where nothing stands, a number where it is one.
fn object(row: &[String]) -> serde_json::Map<String, serde_json::Value> {
    let value = |name: &str, cell: &String| match (cell.is_empty(), NUMBERS.contains(&name), cell.parse::<f64>()) {
        (true, ..) => serde_json::Value::Null,
        (false, true, Ok(number)) => number.into(),
        _ => cell.as_str().into(),
    };
    HEADER.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), value(name, cell))).collect()
}

/// Says what a table was begun with, as long as it grows.
fn told(part: &Path) -> PathBuf {
    with(part, ".toml")
}

fn forget(file: &Growing) {
    if let Some(part) = file.part() {
        // Left behind it would be in nobody's way.
        let _ = std::fs::remove_file(told(part));
    }
}

/// Refuses to go on with rows that something else has decided.
fn same(part: &Path, told: &Path, begun: &str) -> anyhow::Result<()> {
    let again = "run the command that it was begun with, or delete it to start again";
    let Ok(before) = std::fs::read_to_string(told) else {
        bail!("{}: {} is not there, so nothing says how it was begun; {again}", part.display(), told.display());
    };
    let table = |text: &str| toml::from_str::<toml::Table>(text).unwrap_or_default();
    let (before, now) = (table(&before), table(begun));
    let keys = before.keys().chain(now.keys());
    match keys.into_iter().find(|key| before.get(*key) != now.get(*key)) {
        Some(key) => bail!("{}: it was begun with another {key}; {again}", part.display()),
        None => Ok(()),
    }
}

/// What an earlier run left.
#[derive(Default)]
struct Kept {
    rows: u64,
    failed: u64,
    bytes: u64,
}

impl Kept {
    /// Counts the rows that are whole: a row that was cut off in the middle is written again.
    fn of(part: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read {}; delete it to start again", part.display());
        let mut file = File::open(part).with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        let mut last = [0];
        if length > 0 {
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).with_context(cannot)?;
            file.rewind().with_context(cannot)?;
        }
        let cut_off = last != *b"\n";
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(BufReader::new(file));
        let mut kept = Self::default();
        let mut record = csv::StringRecord::new();
        let mut header = true;
        while reader.read_record(&mut record).with_context(cannot)? {
            let end = reader.position().byte();
            if record.len() != HEADER.len() || (cut_off && end == length) {
                break;
            }
            if header && !record.iter().eq(HEADER) {
                bail!("{}: it is no table of predictions; delete it to start again", part.display());
            }
            kept.bytes = end;
            kept.rows += u64::from(!header);
            kept.failed += u64::from(!header && !record[ERROR].is_empty());
            header = false;
        }
        Ok(kept)
    }
}

/// What to acquire next, the most telling first, or why nothing.
pub(super) fn acquire(schema: &Schema, found: &Found) -> Vec<String> {
    match &found.next {
        None => Vec::new(),
        Some(Next::Sure) => vec!["nothing: the answer is sure already".into()],
        Some(Next::NoDraws) => {
            vec!["not asked: this recovery model makes one guess, and no draws to estimate it from".into()]
        }
        Some(Next::LeftAlone) => vec!["not asked: nothing recovered could gain as much as --min-gain".into()],
        Some(next) if next.best().is_none() => {
            vec!["nothing: no missing modality is expected to change the answer".into()]
        }
        Some(Next::Expected(expected)) => {
            let words = |it: &dymo_reward::Acquisition| it.in_words(&names(schema, ModalitySet::single(it.modality)));
            expected.iter().map(words).collect()
        }
    }
}

/// Names of what is offered to selection: of a table that is observed it is what fills its gaps.
pub(super) fn offered(schema: &Schema, found: &Found, modalities: ModalitySet) -> String {
    let name = |m: usize| match found.observed.contains(m) {
        true => format!("what fills the gaps of {}", names(schema, ModalitySet::single(m))),
        false => names(schema, ModalitySet::single(m)),
    };
    modalities.iter().map(name).collect::<Vec<_>>().join("+")
}

/// Every decision that was final, in words.
pub(super) fn why(schema: &Schema, found: &Found) -> Vec<String> {
    let Some(decision) = &found.decision else { return Vec::new() };
    let missing = found.candidates;
    if found.selection_off && !missing.is_empty() {
        let names = offered(schema, found, missing);
        return vec![format!(
            "{names} kept out: selection is off, for held-out samples did not show that it does no worse than discarding"
        )];
    }
    if let (Some((most, wanted)), false) = (found.left_alone, missing.is_empty()) {
        let names = offered(schema, found, missing);
        return vec![format!(
            "{names} not recovered: nothing could gain more than {most:.4}, less than --min-gain {wanted}"
        )];
    }
    let last = decision.rounds.len().saturating_sub(1);
    let mut clauses = Vec::new();
    for (number, round) in decision.rounds.iter().enumerate() {
        for candidate in &round.candidates {
            let settled = matches!(candidate.verdict, Verdict::Accepted | Verdict::Rejected) || number == last;
            if settled {
                let name = offered(schema, found, ModalitySet::single(candidate.modality));
                clauses.push(format!("{name} {}", candidate.reason_naming(&round.before, schema.classes())));
            }
        }
    }
    clauses
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever a file was cut, what is kept are whole rows, and going on gives the same file.
    #[test]
    fn a_cut_anywhere_leaves_whole_rows() {
        let folder = tempfile::tempdir().expect("a folder");
        let schema: Schema = serde_json::from_str(
            r#"{"modalities":[{"name":"a","kind":"image","height":1,"width":1,"channels":1}],"classes":["no","yes"]}"#,
        )
        .expect("a schema");
        let answers: Vec<Answer> = ["one", "two\nlines", "a \"quoted\" id, with a comma"]
            .into_iter()
            .map(|id| Answer { id: id.into(), result: Err("broken, on\ntwo lines".into()), notices: String::new() })
            .collect();
        let path = folder.path().join("deep/predictions.csv");
        let mut table = Table::file(&path, false, &schema, "model = 1").expect("a table");
        table.write(&answers).expect("written");
        table.finish().expect("finished");
        let whole = std::fs::read(&path).expect("the table");
        let part = folder.path().join("deep/predictions.csv.part");
        assert!(!part.exists());
        for cut in 0..=whole.len() {
            std::fs::write(&part, &whole[..cut]).expect("a part");
            // The part is there before what it was begun with: a run may be stopped between the two.
            if cut > 0 {
                std::fs::write(with(&part, ".toml"), "model = 1").expect("what it was begun with");
            }
            let mut table = Table::file(&path, true, &schema, "model = 1").expect("taken up");
            assert_eq!(table.failed(), table.done());
            let rest = usize::try_from(table.done()).expect("few");
            table.write(&answers[rest..]).expect("written");
            table.finish().expect("finished");
            assert!(std::fs::read(&path).expect("the table") == whole, "cut after {cut} bytes");
        }
        std::fs::write(&part, "id,other,table\n").expect("a part");
        assert!(Table::file(&path, true, &schema, "model = 1").is_err(), "nothing says how it was begun");
        std::fs::write(with(&part, ".toml"), "model = 1").expect("what it was begun with");
        assert!(Table::file(&path, true, &schema, "model = 2").is_err(), "another model");
        std::fs::write(&part, HEADER.map(|name| format!("x{name}")).join(",") + "\n").expect("a part");
        assert!(Table::file(&path, true, &schema, "model = 1").is_err(), "a file of something else is not overwritten");
    }
}
