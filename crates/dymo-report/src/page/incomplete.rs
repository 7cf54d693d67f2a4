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
        (true, _) => "they help",
        (_, true) => "they harm",
        _ => "no clear difference",
    };
    format!(
        "{} metric, {} at {}: {} right after training on all {} samples, {} after training on the {} complete ones alone: {} points \
         ({} to {}), {clear}.",
        arms::metric_label(&r.metric),
        r.protocol,
        r.rate,
        percent(r.accuracy),
        thousands(r.trained_on),
        percent(r.accuracy_of_complete),
        thousands(r.complete),
        signed(r.difference),
        signed(r.low),
        signed(r.high),
    )
}
