//! Accuracy against how much was recovered, as the least gain asked for rises.

use super::frame::{Frame, WIDTH, percent_tick, plain_tick};
use crate::records::MinGain;
use crate::scale::range;
use crate::svg::{Anchor, Canvas, MUTED, Stroke};

/// Accuracy over the share of samples for which anything was recovered, one mark per threshold τ.
pub fn accuracy_over_least_gain(curve: &[MinGain], label: &str) -> String {
    let frame = Frame { left: 42.0, right: WIDTH - 12.0, top: 28.0, bottom: 208.0 };
    let mut canvas = Canvas::new(WIDTH, 248.0);
    let mut known: Vec<&MinGain> =
        curve.iter().filter(|g| g.accuracy.is_finite() && g.samples_recovered_share.is_finite()).collect();
    known.sort_by(|a, b| a.samples_recovered_share.total_cmp(&b.samples_recovered_share));
    // Room below the lowest mark for its label.
    let (low, high) = range(known.iter().map(|g| g.accuracy), (0.0, 1.0));
    let y = frame.vertical((low - 0.12 * (high - low), high));
    let x = frame.horizontal((0.0, 1.0), 12.0);
    frame.names(&mut canvas, "accuracy, %", "samples recovered, %");
    frame.grid(&mut canvas, &y, 4, percent_tick);
    frame.ticks_below(&mut canvas, &x, &[0.0, 0.25, 0.5, 0.75, 1.0], percent_tick);
    if known.is_empty() {
        frame.nothing(&mut canvas);
    }
    let places: Vec<(f64, f64)> =
        known.iter().map(|g| (x.inside(g.samples_recovered_share), y.inside(g.accuracy))).collect();
    canvas.polyline(&places, Stroke::solid("var(--dymo,#0067a5)", 1.6));
    for (g, at) in known.iter().zip(places) {
        canvas.dot(at, 3.4, "var(--dymo,#0067a5)", true);
        let (shift, anchor) = if at.0 > WIDTH - 70.0 { (0.0, Anchor::End) } else { (6.0, Anchor::Start) };
        canvas.text((at.0 + shift, at.1 + 16.0), &format!("τ {}", plain_tick(g.tau)), anchor, MUTED);
    }
    canvas.finish(label)
}
