//! The page that explains every prediction: it grows row by row beside its final name, as the table does, and is taken up again
//! where the table is.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use dymo_core::{ModalitySet, Schema};
use dymo_data::{Samples, Source};
use dymo_report::{ExplainedModality, ExplainedRun, ExplainedSample, ShownModality, State, Step};
use dymo_train::evaluation::{Fused, probabilities, recovered_values};

use super::growing::Growing;
use super::input::names;
use super::judge::{Classified, Judge};
use super::table::{Answer, Found, acquire, offered, why};
use crate::assemble::{Reader, cells, shown_round};

/// How much of a run the page shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows that are explained at all.
    pub rows: u64,
    /// Of these, rows that are shown with pictures and every round.
    pub pictures: u64,
}

/// A page in the making.
pub(super) struct Page {
    file: Growing,
    limits: Limits,
    reader: Reader,
    /// Rows that the whole run has had.
    seen: u64,
}

/// Stands behind each row, so that a page that was cut off is taken up between rows. No text of a row can hold it: `<` is
/// escaped there.
fn mark(row: u64) -> String {
    format!("<!-- row {row} ends -->\n")
}

impl Page {
    /// Begins the page, or takes up what an earlier run left of it: `done` rows are in the table already.
    pub(super) fn open(
        path: &Path,
        (resume, done): (bool, u64),
        mut run: ExplainedRun,
        limits: Limits,
        (schema, source): (&Schema, Option<&Source>),
    ) -> anyhow::Result<Self> {
        let (mut file, kept) = Growing::open(path, resume, |part| {
            kept(part, done).with_context(|| format!("cannot read {}; delete it to start again", part.display()))
        })?;
        if kept == 0 {
            run.notes.push(format!(
                "The first {} rows are explained, the first {} of them with pictures and every round (--explain-rows, \
                 --explain-pictures); the table of predictions has them all.",
                limits.rows, limits.pictures
            ));
            if done > 0 {
                run.notes.push(format!("An earlier run answered the first {done} rows; they are not on this page."));
            }
            file.add((run.head()? + &mark(done)).as_bytes())?;
        }
        Ok(Self { file, limits, reader: Reader::new(schema, source), seen: done })
    }

    /// Appends rows and hands them to the system.
    pub(super) fn add(&mut self, judge: &Judge<'_>, samples: &dyn Samples, all: &Classified) -> anyhow::Result<()> {
        let steps = if self.seen < self.limits.rows { steps(judge, samples, all)? } else { Vec::new() };
        for answer in &all.answers {
            self.seen += 1;
            if self.seen > self.limits.rows {
                continue;
            }
            let piece = self.explained(judge, samples, all, answer, &steps)?.html()? + "\n" + &mark(self.seen);
            self.file.add(piece.as_bytes())?;
        }
        Ok(())
    }

    fn explained(
        &self,
        judge: &Judge<'_>,
        samples: &dyn Samples,
        all: &Classified,
        answer: &Answer,
        steps: &[Vec<Step>],
    ) -> anyhow::Result<ExplainedSample> {
        let (id, warning) = (answer.id.clone(), answer.notices.clone());
        let found = match &answer.result {
            Ok(found) => found,
            Err(reason) => {
                return Ok(ExplainedSample { id, warning, error: Some(reason.clone()), ..ExplainedSample::default() });
            }
        };
        let schema = samples.schema();
        let class = |k: usize| schema.classes().get(k).cloned().unwrap_or_else(|| k.to_string());
        let in_full = self.seen <= self.limits.pictures;
        let rounds = found.decision.iter().filter(|_| in_full).flat_map(|decision| &decision.rounds);
        Ok(ExplainedSample {
            id,
            warning,
            error: None,
            prediction: class(found.class),
            prediction_from_observed: class(found.from_observed),
            probability: found.probability.map_or(f64::NAN, f64::from),
            confidence: found.confidence.map(f64::from),
            set: found.set.as_ref().map(|set| set.iter().map(|k| class(*k)).collect()),
            promise: found.promise.clone(),
            steps: steps.get(found.place).cloned().unwrap_or_default(),
            decisions: why(schema, found),
            acquire: acquire(schema, found),
            modalities: if in_full { self.modalities(judge, samples, all, found)? } else { Vec::new() },
            rounds: rounds.map(|round| shown_round(round, found.observed, schema)).collect(),
        })
    }

    fn modalities(
        &self,
        judge: &Judge<'_>,
        samples: &dyn Samples,
        all: &Classified,
        found: &Found,
    ) -> anyhow::Result<Vec<ExplainedModality>> {
        let (index, present) = (all.indices[found.place], all.present[found.place]);
        let let_in = found.decision.as_ref().map_or(present, |decision| decision.final_subset);
        let draw_of = |modality| found.decision.as_ref().map_or(0, |decision| decision.draw_of(modality));
        let recovered = recovered_values(&judge.setting, samples, index, present, draw_of)?;
        let mut shown = Vec::new();
        for (m, modality) in samples.schema().modalities().iter().enumerate() {
            let kind = modality.kind();
            let mut own = vec![f32::NAN; kind.values()];
            if present.contains(m) {
                samples.read(index, m, &mut own)?;
            }
            let (state, values) = match recovered.iter().find(|(place, _)| *place == m) {
                Some((_, values)) => (State::Recovered, values),
                None => (State::Observed, &own),
            };
            let content = self.reader.content(m, &kind, values)?;
            let mut cells = cells(&kind, values);
            let mut name: String = modality.name().into();
            if state == State::Recovered && present.contains(m) {
                // It is there, and what is let in or kept out is what fills its gaps.
                name += ", its gaps filled";
                let filled = cells.iter_mut().zip(&own).filter(|(_, value)| value.is_nan());
                filled.for_each(|(cell, _)| cell.name += " (filled)");
            }
            let accepted = let_in.contains(m);
            let shown_modality = ShownModality { name, state, accepted, content, truth: None };
            shown.push(ExplainedModality { shown: shown_modality, cells });
        }
        Ok(shown)
    }

    /// Ends the page and gives it its name.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let explained = self.seen.min(self.limits.rows);
        let words = match self.seen - explained {
            0 => format!("All {} rows of the run are on this page.", self.seen),
            more => format!("{explained} of {} rows are on this page; {more} more are in the table alone.", self.seen),
        };
        self.file.add(ExplainedRun::tail(&words)?.as_bytes())?;
        self.file.finish()
    }

    /// Leaves nothing behind of a page without rows.
    pub(super) fn discard(self) -> anyhow::Result<()> {
        self.file.discard()
    }
}

/// How many bytes of a part hold whole rows, at most `done` of them; 0 if not even the beginning is whole.
fn kept(part: &Path, done: u64) -> std::io::Result<u64> {
    let mut lines = BufReader::new(File::open(part)?);
    let (mut at, mut kept) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = lines.read_until(b'\n', &mut line)?;
        if bytes == 0 {
            return Ok(kept);
        }
        at += bytes as u64;
        let row = line.strip_prefix(b"<!-- row ").and_then(|rest| rest.strip_suffix(b" ends -->\n"));
        let row = row.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        if row.is_some_and(|row| row <= done) {
            kept = at;
        }
    }
}

/// For each sample the answers for what was observed and after every modality that was let in, with the temperature of the
/// confidence where there is one.
fn steps(judge: &Judge<'_>, samples: &dyn Samples, all: &Classified) -> anyhow::Result<Vec<Vec<Step>>> {
    let schema = samples.schema();
    let mut queries = Vec::new();
    let mut told: Vec<(usize, String, usize)> = Vec::new();
    for found in all.answers.iter().filter_map(|answer| answer.result.as_ref().ok()) {
        let Some(decision) = &found.decision else { continue };
        for fused in Fused::all_of(decision) {
            let joined = fused.recovered.last().map(|(modality, _)| ModalitySet::single(*modality));
            let words = match joined {
                // A table with gaps counts among what is observed, whatever fills them.
                None => format!("observed {}", names(schema, found.observed)),
                Some(joined) => format!("then {}", offered(schema, found, joined)),
            };
            told.push((found.place, words, found.class));
            queries.push((found.place, fused));
        }
    }
    let mut steps = vec![Vec::new(); all.indices.len()];
    if queries.is_empty() {
        return Ok(steps);
    }
    let answers = probabilities(&judge.setting, samples, &all.indices, &all.present, &queries)?.concat();
    let classes = schema.classes().len();
    let scaled = match judge.confidence {
        Some(fitted) => {
            fitted.temperature.apply_to_probabilities(&dymo_metrics::Probabilities::new(&answers, classes)?)?
        }
        None => answers,
    };
    for ((place, joined, last), row) in told.into_iter().zip(scaled.chunks_exact(classes)) {
        let best = (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
        steps[place].push(Step {
            joined,
            predicted: schema.classes()[best].clone(),
            probability: f64::from(row[best]),
            probability_of_final: f64::from(row[last]),
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever a page was cut, what is kept ends behind a row that the table has.
    #[test]
    fn a_cut_anywhere_leaves_whole_rows() {
        let folder = tempfile::tempdir().expect("a folder");
        let part = folder.path().join("page.html.part");
        let rows: Vec<String> = (0..4).map(|row| format!("<article>\nrow {row}\n</article>\n{}", mark(row))).collect();
        let whole = rows.concat();
        let ends: Vec<usize> = (1..=rows.len()).map(|n| rows[..n].concat().len()).collect();
        for cut in 0..=whole.len() {
            std::fs::write(&part, &whole[..cut]).expect("a part");
            for done in 0..4 {
                let wanted = ends[..=done].iter().copied().filter(|end| *end <= cut).max().unwrap_or(0);
                assert_eq!(kept(&part, done as u64).expect("read"), wanted as u64, "cut at {cut}, {done} rows done");
            }
        }
    }
}
