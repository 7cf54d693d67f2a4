//! Reliability: accuracy over confidence.

use super::frame::{Frame, WIDTH, percent_tick};
use crate::arms;
use crate::findings::percent;
use crate::records::Reliability;
use crate::svg::{Anchor, Canvas, MUTED, Stroke};

/// One line per arm over the diagonal of perfect calibration; a mark's area grows with its bin's samples. `arms`
/// are measurements of one recovery, metric, protocol and rate.
pub fn reliability_diagram(arms: &[Reliability], label: &str) -> String {
    let frame = Frame { left: 34.0, right: WIDTH - 30.0, top: 28.0, bottom: 248.0 };
    let mut shown: Vec<&Reliability> = arms.iter().collect();
    shown.sort_by_key(|r| arms::order(&r.arm));
    let legend = 42.0;
    let mut canvas = Canvas::new(WIDTH, frame.bottom + legend + 16.0 * shown.len() as f64 + 6.0);
    let (x, y) = (frame.horizontal((0.0, 1.0), 0.0), frame.vertical((0.0, 1.0)));
    frame.names(&mut canvas, "share right, %", "confidence, %");
    frame.grid(&mut canvas, &y, 5, percent_tick);
    frame.ticks_below(&mut canvas, &x, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], percent_tick);
    let diagonal = Stroke { colour: MUTED, width: 1.0, dash: "2 3" };
    canvas.line((x.at(0.0), y.at(0.0)), (x.at(1.0), y.at(1.0)), diagonal);
    if shown.iter().all(|r| r.bins.iter().all(|b| b.count == 0)) {
        frame.nothing(&mut canvas);
    }
    for r in shown.iter().rev() {
        let colour = arms::colour(&r.arm);
        let leads = r.arm == arms::DYMO;
        let total: usize = r.bins.iter().map(|b| b.count).sum();
        let bins = r.bins.iter().filter(|b| b.count > 0 && b.confidence.is_finite() && b.accuracy.is_finite());
        let points: Vec<((f64, f64), usize)> =
            bins.map(|b| ((x.inside(b.confidence), y.inside(b.accuracy)), b.count)).collect();
        let line: Vec<(f64, f64)> = points.iter().map(|p| p.0).collect();
        canvas.polyline(&line, Stroke { colour, width: if leads { 2.2 } else { 1.2 }, dash: arms::dash(&r.arm) });
        for (at, count) in points {
            let share = count as f64 / total.max(1) as f64;
            canvas.dot(at, 1.8 + 5.0 * share.sqrt(), colour, leads);
        }
    }
    for (i, r) in shown.iter().enumerate() {
        let at = frame.bottom + legend + 8.0 + 16.0 * i as f64;
        let colour = arms::colour(&r.arm);
        canvas.line(
            (frame.left, at - 4.0),
            (frame.left + 26.0, at - 4.0),
            Stroke { colour, width: 2.0, dash: arms::dash(&r.arm) },
        );
        let words = format!("{}: calibration error {}", arms::label(&r.arm), percent(r.ece));
        canvas.text((frame.left + 34.0, at), &words, Anchor::Start, colour);
    }
    canvas.finish(label)
}
