//! What becomes of accuracy and time as the least gain asked for rises.

use super::frame::{Frame, WIDTH, percent_tick, plain_tick};
use crate::records::MinGain;
use crate::scale::{Scale, range};
use crate::svg::{Anchor, Canvas, MUTED, Stroke};

/// Accuracy over the threshold τ, with the share of samples for which anything was recovered at each mark.
pub fn accuracy_over_least_gain(curve: &[MinGain], label: &str) -> String {
    let known = in_order(curve, |g| g.accuracy);
    let (low, high) = range(known.iter().map(|g| g.accuracy), (0.0, 1.0));
    // Room below the lowest mark for its label.
    let values = (low - 0.16 * (high - low), high);
    let drawing = Drawing { axis: "accuracy, %", values, tick: percent_tick, of: |g| g.accuracy };
    let told = |g: &MinGain| {
        let share = g.samples_recovered_share;
        if share.is_finite() { format!("{:.0}\u{a0}%", 100.0 * share) } else { String::new() }
    };
    drawing.draw(&known, label, told)
}

/// Seconds over the threshold τ.
pub fn time_over_least_gain(curve: &[MinGain], label: &str) -> String {
    let known = in_order(curve, |g| g.seconds);
    let most = known.iter().map(|g| g.seconds).fold(0.0, f64::max);
    let drawing = Drawing { axis: "seconds", values: (0.0, most.max(1e-3)), tick: plain_tick, of: |g| g.seconds };
    drawing.draw(&known, label, |_| String::new())
}

/// The marks whose value is known, by τ.
fn in_order(curve: &[MinGain], of: fn(&MinGain) -> f64) -> Vec<&MinGain> {
    let mut known: Vec<&MinGain> = curve.iter().filter(|g| of(g).is_finite() && g.tau.is_finite()).collect();
    known.sort_by(|a, b| a.tau.total_cmp(&b.tau));
    known
}

/// A quantity over τ. Thresholds differ by powers of ten, so they stand side by side, each at the same distance.
struct Drawing {
    axis: &'static str,
    values: (f64, f64),
    tick: fn(f64) -> String,
    of: fn(&MinGain) -> f64,
}

impl Drawing {
    fn draw(&self, known: &[&MinGain], label: &str, told: impl Fn(&MinGain) -> String) -> String {
        let frame = Frame { left: 42.0, right: WIDTH - 12.0, top: 28.0, bottom: 208.0 };
        let mut canvas = Canvas::new(WIDTH, 248.0);
        let y = frame.vertical(self.values);
        let x: Scale = frame.horizontal((0.0, known.len().saturating_sub(1).max(1) as f64), 24.0);
        frame.names(&mut canvas, self.axis, "least gain τ");
        frame.grid(&mut canvas, &y, 4, self.tick);
        if known.is_empty() {
            frame.nothing(&mut canvas);
        }
        let place = |(i, g): (usize, &&MinGain)| (x.inside(i as f64), y.inside((self.of)(g)));
        let places: Vec<(f64, f64)> = known.iter().enumerate().map(place).collect();
        canvas.polyline(&places, Stroke::solid("var(--dymo,#0067a5)", 1.6));
        for (g, at) in known.iter().zip(places) {
            canvas.dot(at, 3.4, "var(--dymo,#0067a5)", true);
            canvas.text((at.0, at.1 + 17.0), &told(g), Anchor::Middle, MUTED);
            canvas.text((at.0, frame.bottom + 16.0), &plain_tick(g.tau), Anchor::Middle, MUTED);
        }
        canvas.finish(label)
    }
}
