//! Accuracy over the missing rate, one line per arm.

use super::frame::{Frame, WIDTH, percent_tick, plain_tick};
use crate::arms;
use crate::group::{distinct, is_count};
use crate::records::Record;
use crate::scale::{Scale, apart, range};
use crate::svg::{Anchor, Canvas, GRID, Stroke};

/// The accuracy axis that holds all `records`: panels that are to be compared share it.
pub(crate) fn accuracy_range<'a>(records: impl Iterator<Item = &'a Record>) -> (f64, f64) {
    let (low, high) = range(records.flat_map(|r| [r.accuracy, r.low, r.high]), (0.0, 1.0));
    (low.max(0.0), high.clamp(low.max(0.0) + 1e-6, 1.0_f64.max(low + 1e-6)))
}

/// Lines of accuracy over missing rate with 95 % intervals: a band for DyMo, whiskers for the others, and each
/// line's name at its end. `records` are those of one recovery, metric and protocol, in any order; `axis` is the
/// range of accuracy shown, taken from the records where it is `None`.
///
/// ```
/// let svg = dymo_report::charts::accuracy_over_rate(&[], None, "no records");
/// assert!(svg.starts_with("<svg") && svg.contains("nothing was measured"));
/// ```
pub fn accuracy_over_rate(records: &[Record], axis: Option<(f64, f64)>, label: &str) -> String {
    let mut rates: Vec<f64> = distinct(records.iter().map(|r| r.rate).filter(|r| r.is_finite()));
    rates.sort_by(f64::total_cmp);
    let name =
        if !rates.is_empty() && rates.iter().all(|r| is_count(*r)) { "modalities missing" } else { "missing rate" };
    let ticks = rates.into_iter().map(|rate| (rate, plain_tick(rate))).collect();
    lines(records, axis, &Below { name, ticks }, label)
}

/// What stands below the plot: its name, and the places in ascending order with what they are called.
pub(super) struct Below<'a> {
    pub name: &'a str,
    pub ticks: Vec<(f64, String)>,
}

/// One line per arm over the places in `below`, a record's place being its rate.
pub(super) fn lines(records: &[Record], axis: Option<(f64, f64)>, below: &Below<'_>, label: &str) -> String {
    let frame = Frame { left: 34.0, right: WIDTH - 96.0, top: 28.0, bottom: 228.0 };
    let mut canvas = Canvas::new(WIDTH, 268.0);
    frame.names(&mut canvas, "accuracy, %", below.name);
    let y = frame.vertical(axis.unwrap_or_else(|| accuracy_range(records.iter())));
    frame.grid(&mut canvas, &y, 5, percent_tick);
    let (Some((first, _)), Some((last, _))) = (below.ticks.first(), below.ticks.last()) else {
        frame.nothing(&mut canvas);
        return canvas.finish(label);
    };
    let x = frame.horizontal((*first, *last), 18.0);
    for (place, name) in &below.ticks {
        frame.ticks_below(&mut canvas, &x, &[*place], |_| name.clone());
    }

    let mut names: Vec<&str> = distinct(records.iter().map(|r| r.arm.as_str()));
    names.sort_by_key(|arm| arms::order(arm));
    let lines: Vec<Line> =
        names.iter().enumerate().map(|(i, arm)| Line::of(records, arm, dodge(i, names.len()))).collect();
    // Drawn from the last to the first, so that DyMo lies on top.
    for line in lines.iter().rev() {
        line.draw(&mut canvas, &x, &y);
    }
    name_ends(&mut canvas, &lines, &frame, &x, &y);
    canvas.finish(label)
}

/// Sideways shift of an arm's marks, so that whiskers at one rate do not hide each other.
fn dodge(place: usize, of: usize) -> f64 {
    (place as f64 - (of as f64 - 1.0) / 2.0) * 3.5
}

struct Line<'a> {
    arm: &'a str,
    shift: f64,
    records: Vec<&'a Record>,
}

impl<'a> Line<'a> {
    fn of(records: &'a [Record], arm: &'a str, shift: f64) -> Self {
        let own = records.iter().filter(|r| r.arm == arm && r.rate.is_finite() && r.accuracy.is_finite());
        let mut records: Vec<&Record> = own.collect();
        records.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        Self { arm, shift, records }
    }

    fn draw(&self, canvas: &mut Canvas, x: &Scale, y: &Scale) {
        let colour = arms::colour(self.arm);
        let leads = self.arm == arms::DYMO;
        let at = |r: &Record, v: f64| (x.at(r.rate) + self.shift, y.inside(v));
        let known: Vec<&&Record> = self.records.iter().filter(|r| r.low.is_finite() && r.high.is_finite()).collect();
        if leads && known.len() > 1 {
            let upper = known.iter().map(|r| at(r, r.high));
            let lower = known.iter().rev().map(|r| at(r, r.low));
            canvas.polygon(&upper.chain(lower).collect::<Vec<_>>(), colour, 0.16);
        }
        for r in known {
            canvas.line(at(r, r.low), at(r, r.high), Stroke::solid(colour, 1.0));
        }
        let points: Vec<(f64, f64)> = self.records.iter().map(|r| at(r, r.accuracy)).collect();
        let width = if leads { 2.4 } else { 1.3 };
        canvas.polyline(&points, Stroke { colour, width, dash: arms::dash(self.arm) });
        for point in points {
            canvas.dot(point, if leads { 3.4 } else { 2.4 }, colour, leads);
        }
    }
}

/// Writes each line's name and last accuracy at its end, moved apart where they would overlap.
fn name_ends(canvas: &mut Canvas, lines: &[Line], frame: &Frame, x: &Scale, y: &Scale) {
    let ends: Vec<(&Line, &Record)> = lines.iter().filter_map(|l| Some((l, *l.records.last()?))).collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, r)| y.inside(r.accuracy)).collect();
    let gap = (200.0 / ends.len().max(1) as f64).min(13.0);
    let places = apart(&wanted, gap, (frame.top, frame.bottom));
    for (((line, last), from), to) in ends.iter().zip(wanted).zip(places) {
        let colour = arms::colour(line.arm);
        let start = x.at(last.rate) + line.shift + 4.0;
        canvas.line((start, from), (frame.right + 6.0, to), Stroke::solid(GRID, 1.0));
        let words = shortened(arms::label(line.arm));
        if line.arm == arms::DYMO {
            canvas.bold((frame.right + 9.0, to + 4.0), &words, Anchor::Start, colour);
        } else {
            canvas.text((frame.right + 9.0, to + 4.0), &words, Anchor::Start, colour);
        }
    }
}

/// A name that fits beside the plot.
fn shortened(name: &str) -> String {
    if name.chars().count() <= 15 {
        return name.into();
    }
    let start: String = name.chars().take(14).collect();
    format!("{start}…")
}
