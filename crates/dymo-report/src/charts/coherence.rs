//! Conditional coherence: how often what was recovered shows the right class.

use super::frame::{Frame, WIDTH, percent_tick, plain_tick};
use crate::group::distinct;
use crate::records::RecoveryQuality;
use crate::scale::apart;
use crate::svg::{Anchor, Canvas, GRID, Stroke};

const COLOURS: [(&str, &str); 4] = [
    ("var(--series-0,#0067a5)", ""),
    ("var(--series-1,#c8501e)", "6 2"),
    ("var(--series-2,#00875f)", "3 2"),
    ("var(--series-3,#a8498b)", "8 3 2 3"),
];

/// One line per recovery model over the number of modalities that it was given, with 95 % Wilson intervals.
pub fn recovery_coherence(quality: &[RecoveryQuality], label: &str) -> String {
    let frame = Frame { left: 34.0, right: WIDTH - 96.0, top: 28.0, bottom: 208.0 };
    let mut canvas = Canvas::new(WIDTH, 248.0);
    let known: Vec<&RecoveryQuality> = quality.iter().filter(|q| q.read_as_right_class.is_finite()).collect();
    let mut given: Vec<usize> = distinct(known.iter().map(|q| q.given));
    given.sort_unstable();
    let y = frame.vertical((0.0, 1.0));
    frame.names(&mut canvas, "read as the right class, %", "modalities given");
    frame.grid(&mut canvas, &y, 5, percent_tick);
    let (Some(&first), Some(&last)) = (given.first(), given.last()) else {
        frame.nothing(&mut canvas);
        return canvas.finish(label);
    };
    let x = frame.horizontal((first as f64, last as f64), 16.0);
    let ticks: Vec<f64> = given.iter().map(|g| *g as f64).collect();
    frame.ticks_below(&mut canvas, &x, &ticks, plain_tick);
    let names: Vec<&str> = distinct(known.iter().map(|q| q.recovery.as_str()));
    let mut ends = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let (colour, dash) = COLOURS[i % COLOURS.len()];
        let mut own: Vec<&&RecoveryQuality> = known.iter().filter(|q| q.recovery == *name).collect();
        own.sort_by_key(|q| q.given);
        let points: Vec<(f64, f64)> =
            own.iter().map(|q| (x.at(q.given as f64), y.inside(q.read_as_right_class))).collect();
        canvas.polyline(&points, Stroke { colour, width: 1.8, dash });
        for (q, point) in own.iter().zip(&points) {
            let (low, high) = wilson(q.read_as_right_class, q.n);
            canvas.line((point.0, y.inside(low)), (point.0, y.inside(high)), Stroke::solid(colour, 1.2));
            canvas.dot(*point, 3.0, colour, true);
        }
        ends.extend(points.last().map(|p| (*name, colour, *p)));
    }
    let wanted: Vec<f64> = ends.iter().map(|e| e.2.1).collect();
    let places = apart(&wanted, 13.0, (frame.top, frame.bottom));
    for ((name, colour, from), to) in ends.into_iter().zip(places) {
        canvas.line((from.0 + 4.0, from.1), (frame.right + 6.0, to), Stroke::solid(GRID, 1.0));
        let words: String = name.chars().take(15).collect();
        canvas.text((frame.right + 9.0, to + 4.0), &words, Anchor::Start, colour);
    }
    canvas.finish(label)
}

/// The 95 % Wilson interval of a share seen in `n` trials.
fn wilson(share: f64, n: usize) -> (f64, f64) {
    if n == 0 {
        return (share, share);
    }
    let (n, z) = (n as f64, 1.959_964);
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).max(0.0).sqrt();
    let whole = 1.0 + z * z / n;
    ((middle - half) / whole, (middle + half) / whole)
}

#[cfg(test)]
mod tests {
    use super::wilson;

    #[test]
    fn wilson_gives_the_textbook_interval() {
        // 8 of 10: 0.4902 to 0.9433 (Wilson 1927, as tabulated).
        let (low, high) = wilson(0.8, 10);
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4);
        assert_eq!(wilson(0.3, 0), (0.3, 0.3));
    }
}
