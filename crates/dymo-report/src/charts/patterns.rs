//! Every missing pattern apart: accuracy, and coverage of the prediction sets.

use super::frame::{WIDTH, percent_tick};
use crate::findings::thousands;
use crate::scale::{Scale, range};
use crate::svg::{Anchor, Canvas, GRID, INK, MUTED, Stroke};
use crate::trust::PatternRecord;

const ROW: f64 = 19.0;
const ACCURACY: &str = "var(--dymo,#0067a5)";
const COVERAGE: &str = "var(--fuse-all,#c8501e)";

/// One row per observed subset: a dot for each observed modality, accuracy as a full mark, coverage as a hollow one
/// beneath it, each with its 95 % interval, and the number of samples; the dotted line is the coverage asked for. Rows are sorted
/// by the size of the subset, then by its members; patterns with too few samples are marked and pale.
pub fn measures_by_pattern(rows: &[PatternRecord], label: &str) -> String {
    let mut rows: Vec<&PatternRecord> = rows.iter().collect();
    rows.sort_by(|a, b| a.observed.len().cmp(&b.observed.len()).then(a.observed.cmp(&b.observed)));
    // More than 32 modalities do not exist; a hostile number must not make a drawing of its size.
    let modalities = rows.iter().flat_map(|r| &r.observed).map(|m| m.saturating_add(1)).max().unwrap_or(0).min(32);
    let pitch = (96.0 / modalities.max(1) as f64).min(13.0);
    let (left, right) = (10.0 + pitch * modalities as f64 + 8.0, WIDTH - 62.0);
    let height = 62.0 + ROW * rows.len().max(1) as f64;
    let mut canvas = Canvas::new(WIDTH, height);
    canvas.text((0.0, 10.0), "observed", Anchor::Start, MUTED);
    canvas.text((WIDTH, 10.0), "samples", Anchor::End, MUTED);
    legend(&mut canvas, height - 6.0, rows.iter().any(|r| r.coverage.is_finite()));
    for m in 0..modalities {
        let at = (8.0 + pitch * m as f64, 26.0);
        canvas.sized_text(at, &m.to_string(), Anchor::Middle, MUTED, if pitch < 9.0 { 6.0 } else { 9.0 }, false);
    }
    let ends = rows.iter().flat_map(|r| [r.accuracy, r.low, r.high, r.coverage, r.coverage_low, r.coverage_high]);
    let (low, high) = range(ends, (0.0, 1.0));
    let x = Scale::new((low.max(0.0), high.min(1.0).max(low.max(0.0) + 1e-6)), (left, right));
    for tick in x.ticks(3) {
        canvas.line((x.at(tick), 30.0), (x.at(tick), height - 22.0), Stroke::solid(GRID, 1.0));
        let words = format!("{} %", percent_tick(tick));
        canvas.sized_text((x.at(tick), 26.0), &words, Anchor::Middle, MUTED, 9.0, false);
    }
    if let Some(asked) = rows.iter().map(|r| r.asked_coverage).find(|asked| asked.is_finite()) {
        let at = x.inside(asked);
        canvas.line((at, 30.0), (at, height - 22.0), Stroke { colour: COVERAGE, width: 1.0, dash: "2 3" });
    }
    if rows.is_empty() {
        canvas.text((WIDTH / 2.0, 46.0), "nothing was measured", Anchor::Middle, INK);
    }
    for (i, row) in rows.iter().enumerate() {
        let y = 42.0 + ROW * i as f64;
        for m in 0..modalities {
            let seen = row.observed.contains(&m);
            canvas.dot((8.0 + pitch * m as f64, y), (pitch * 0.33).min(4.0), if seen { INK } else { GRID }, seen);
        }
        mark(&mut canvas, &x, y - 3.0, (row.accuracy, row.low, row.high), (ACCURACY, !row.few));
        mark(&mut canvas, &x, y + 4.0, (row.coverage, row.coverage_low, row.coverage_high), (COVERAGE, false));
        let (words, ink) = if row.few { (format!("{} few", thousands(row.n)), MUTED) } else { (thousands(row.n), INK) };
        canvas.text((WIDTH, y + 4.0), &words, Anchor::End, ink);
    }
    canvas.finish(label)
}

fn mark(canvas: &mut Canvas, x: &Scale, y: f64, (share, low, high): (f64, f64, f64), (colour, full): (&str, bool)) {
    if low.is_finite() && high.is_finite() {
        canvas.line((x.inside(low), y), (x.inside(high), y), Stroke::solid(colour, 1.4));
    }
    if share.is_finite() {
        canvas.dot((x.inside(share), y), 2.8, colour, full);
    }
}

fn legend(canvas: &mut Canvas, y: f64, with_coverage: bool) {
    canvas.dot((6.0, y - 4.0), 2.8, ACCURACY, true);
    canvas.text((14.0, y), "accuracy", Anchor::Start, ACCURACY);
    if with_coverage {
        canvas.dot((82.0, y - 4.0), 2.8, COVERAGE, false);
        canvas.text((90.0, y), "coverage of sets (dotted: asked for)", Anchor::Start, COVERAGE);
    }
}
