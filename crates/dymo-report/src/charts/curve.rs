//! One learning curve.

use super::frame::{Frame, WIDTH, plain_tick};
use crate::records::LearningCurve;
use crate::scale::{Scale, range};
use crate::svg::{Anchor, Canvas, INK, Stroke};
use crate::table::number;

/// A quantity over epochs, its last value named.
pub fn learning_curve(curve: &LearningCurve, label: &str) -> String {
    let frame = Frame { left: 48.0, right: WIDTH - 52.0, top: 28.0, bottom: 168.0 };
    let mut canvas = Canvas::new(WIDTH, 208.0);
    let points: Vec<(f64, f64)> =
        curve.points.iter().copied().filter(|(e, v)| e.is_finite() && v.is_finite()).collect();
    let y = frame.vertical(range(points.iter().map(|p| p.1), (0.0, 1.0)));
    frame.names(&mut canvas, &curve.quantity, "epoch");
    frame.grid(&mut canvas, &y, 4, plain_tick);
    let low = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    let Some(&(end, value)) = points.last() else {
        frame.nothing(&mut canvas);
        return canvas.finish(label);
    };
    let x = frame.horizontal((low, high), 6.0);
    let ticks = if high > low { Scale::new((low, high), (0.0, 1.0)).ticks(5) } else { vec![low] };
    frame.ticks_below(&mut canvas, &x, &ticks, plain_tick);
    let places: Vec<(f64, f64)> = points.iter().map(|&(e, v)| (x.at(e), y.inside(v))).collect();
    canvas.polyline(&places, Stroke::solid("var(--dymo,#0067a5)", 2.0));
    let last = (x.at(end), y.inside(value));
    canvas.dot(last, 3.2, "var(--dymo,#0067a5)", true);
    // Beside the end of the line there is room for five digits.
    let shown = if value.abs() >= 1000.0 { value.round() } else { value };
    canvas.bold((last.0 + 9.0, last.1 + 4.0), &number(shown), Anchor::Start, INK);
    canvas.finish(label)
}
