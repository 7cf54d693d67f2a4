//! How much selection let in, by what was observed.

use super::frame::WIDTH;
use crate::findings::thousands;
use crate::records::AcceptedBySubset;
use crate::svg::{Anchor, Canvas, GRID, INK, MUTED, Stroke};

const ROW: f64 = 17.0;

/// One row per observed subset: a dot for each observed modality, then the share of offered recoveries that were
/// let in. Subsets are sorted by size, then by their members; those that were offered nothing are left out.
pub fn accepted_by_subset(rows: &[AcceptedBySubset], label: &str) -> String {
    let mut rows: Vec<&AcceptedBySubset> = rows.iter().filter(|r| r.offered > 0).collect();
    rows.sort_by(|a, b| a.observed.len().cmp(&b.observed.len()).then(a.observed.cmp(&b.observed)));
    // More than 32 modalities do not exist; a hostile number must not make a drawing of its size.
    let modalities = rows.iter().flat_map(|r| &r.observed).map(|m| m + 1).max().unwrap_or(0).min(32);
    let pitch = (96.0 / modalities.max(1) as f64).min(13.0);
    let left = 10.0 + pitch * modalities as f64 + 8.0;
    let right = WIDTH - 92.0;
    let height = 44.0 + ROW * rows.len().max(1) as f64;
    let mut canvas = Canvas::new(WIDTH, height);
    canvas.text((0.0, 10.0), "observed", Anchor::Start, MUTED);
    canvas.text((WIDTH, 10.0), "let in of offered", Anchor::End, MUTED);
    for m in 0..modalities {
        let at = (8.0 + pitch * m as f64, 26.0);
        canvas.sized_text(at, &m.to_string(), Anchor::Middle, MUTED, if pitch < 9.0 { 6.0 } else { 9.0 }, false);
    }
    for tick in [0.0, 0.5, 1.0] {
        let at = left + (right - left) * tick;
        canvas.line((at, 30.0), (at, height - 4.0), Stroke::solid(GRID, 1.0));
        canvas.sized_text((at, 26.0), &format!("{} %", tick * 100.0), Anchor::Middle, MUTED, 9.0, false);
    }
    if rows.is_empty() {
        canvas.text((WIDTH / 2.0, 46.0), "nothing was offered", Anchor::Middle, INK);
    }
    for (i, row) in rows.iter().enumerate() {
        let y = 40.0 + ROW * i as f64;
        for m in 0..modalities {
            let seen = row.observed.contains(&m);
            canvas.dot((8.0 + pitch * m as f64, y), (pitch * 0.33).min(4.0), if seen { INK } else { GRID }, seen);
        }
        let share = (row.accepted as f64 / row.offered as f64).clamp(0.0, 1.0);
        canvas.rect((left, y - 5.0), ((right - left) * share, 10.0), "var(--dymo,#0067a5)");
        let words = format!("{} of {}", thousands(row.accepted), thousands(row.offered));
        canvas.text((WIDTH, y + 4.0), &words, Anchor::End, INK);
    }
    canvas.finish(label)
}
