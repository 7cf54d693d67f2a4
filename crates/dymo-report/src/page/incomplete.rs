//! What training samples bring that lack modalities, in words.

use crate::arms;
use crate::findings::{percent, signed, thousands};
use crate::report::Report;

/// A sentence for each way of going missing; where there are many, of the first few.
pub(super) fn words(report: &Report) -> Vec<String> {
    const MOST: usize = 6;
    report.incomplete_training.iter().take(MOST).map(sentence).collect()
}

fn sentence(r: &crate::IncompleteTraining) -> String {
    let clear = match (r.low > 0.0, r.high < 0.0) {
        (true, _) => "clearly higher",
        (_, true) => "clearly lower",
        _ => "no clear difference",
    };
    format!(
        "{} metric, {} at {}: {} right after training on all {} samples ({} steps), {} on the {} complete ones alone ({} steps): {} points \
         ({} to {}), {clear}.",
        arms::metric_label(&r.metric),
        r.protocol,
        r.rate,
        percent(r.accuracy),
        thousands(r.trained_on),
        thousands(r.steps),
        percent(r.accuracy_of_complete),
        thousands(r.complete),
        thousands(r.steps_of_complete),
        signed(r.difference),
        signed(r.low),
        signed(r.high),
    )
}
