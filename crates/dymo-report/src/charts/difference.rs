//! Paired differences as a forest plot.

use super::frame::{WIDTH, plain_tick};
use crate::arms;
use crate::findings::{Outcome, signed};
use crate::records::PairedDifference;
use crate::scale::{Scale, range};
use crate::svg::{Anchor, Canvas, GRID, INK, MUTED, Stroke};

const ROW: f64 = 20.0;

/// One row per difference with its 95 % interval, in the order given; a heading wherever the metric or protocol
/// changes. Rows whose interval is clear of zero have a full mark, the others a hollow one.
pub fn paired_differences(differences: &[PairedDifference], label: &str) -> String {
    let rows = layout(differences);
    let height = 34.0 + rows.len() as f64 * ROW + 44.0;
    let mut canvas = Canvas::new(WIDTH, height);
    let (left, right, top, bottom) = (44.0, WIDTH - 138.0, 22.0, height - 44.0);
    let ends = differences.iter().flat_map(|d| [d.difference, d.low, d.high]);
    let x = Scale::new(range(ends.chain([0.0]).map(|v| v * 100.0), (-1.0, 1.0)), (left, right));
    for tick in x.ticks(4) {
        canvas.line((x.at(tick), top), (x.at(tick), bottom), Stroke::solid(GRID, 1.0));
        canvas.text((x.at(tick), bottom + 16.0), &plain_tick(tick), Anchor::Middle, MUTED);
    }
    canvas.line((x.at(0.0), top), (x.at(0.0), bottom), Stroke::solid(MUTED, 1.2));
    canvas.text((0.0, 12.0), "missing", Anchor::Start, MUTED);
    canvas.text((WIDTH, 12.0), "points (95 % interval)", Anchor::End, MUTED);
    canvas.text(((left + right) / 2.0, bottom + 32.0), "◀ baseline better · DyMo better ▶", Anchor::Middle, MUTED);
    for (i, row) in rows.iter().enumerate() {
        let y = top + 16.0 + i as f64 * ROW;
        match row {
            Row::Heading(words) => canvas.bold((0.0, y + 4.0), words, Anchor::Start, INK),
            Row::Value(d) => draw(&mut canvas, &x, y, d),
        }
    }
    canvas.finish(label)
}

enum Row<'a> {
    Heading(String),
    Value(&'a PairedDifference),
}

fn layout(differences: &[PairedDifference]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut before: Option<(&str, &str)> = None;
    let several = differences.windows(2).any(|w| w[0].protocol != w[1].protocol);
    for d in differences {
        let now = (d.metric.as_str(), d.protocol.as_str());
        if before != Some(now) {
            let metric = arms::metric_label(&d.metric);
            rows.push(Row::Heading(if several { format!("{metric}, {}", d.protocol) } else { metric.into() }));
            before = Some(now);
        }
        rows.push(Row::Value(d));
    }
    rows
}

fn draw(canvas: &mut Canvas, x: &Scale, y: f64, d: &PairedDifference) {
    let outcome = Outcome::of_interval(d.low, d.high);
    let colour = match outcome {
        Outcome::Better => "var(--better,#0067a5)",
        Outcome::Worse => "var(--worse,#c8501e)",
        _ => "var(--level,#5f6368)",
    };
    canvas.text((10.0, y + 4.0), &plain_tick(d.rate), Anchor::Start, MUTED);
    if outcome != Outcome::Unknown {
        canvas.line((x.inside(d.low * 100.0), y), (x.inside(d.high * 100.0), y), Stroke::solid(colour, 2.0));
    }
    if d.difference.is_finite() {
        let filled = matches!(outcome, Outcome::Better | Outcome::Worse);
        canvas.dot((x.inside(d.difference * 100.0), y), 3.6, colour, filled);
    }
    let interval = format!("{} to {}", signed(d.low), signed(d.high));
    canvas.bold((WIDTH - 94.0, y + 4.0), &signed(d.difference), Anchor::End, colour);
    canvas.sized_text((WIDTH, y + 4.0), &interval, Anchor::End, MUTED, 10.0, false);
}
