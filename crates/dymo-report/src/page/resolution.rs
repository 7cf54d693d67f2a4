//! Decisions that single precision cannot make for sure, counted.

use crate::arms;
use crate::findings::{percent, thousands};
use crate::group::distinct;
use crate::report::Report;

/// A sentence for each recovery and metric, all ways of going missing together; the table has them apart.
pub(super) fn words(report: &Report) -> Vec<String> {
    let settings = distinct(report.resolution.iter().map(|r| (r.recovery.as_str(), r.metric.as_str())));
    let sentence = |(recovery, metric): (&str, &str)| {
        let own = || report.resolution.iter().filter(|r| r.recovery == recovery && r.metric == metric);
        let sum = |count: fn(&crate::Resolution) -> usize| own().map(count).fold(0, usize::saturating_add);
        let (samples, samples_within) = (sum(|r| r.samples), sum(|r| r.samples_within));
        let (rounds, rounds_within) = (sum(|r| r.rounds), sum(|r| r.rounds_within));
        format!(
            "{recovery} recovery, {}: {} of {} samples with anything to decide ({}), in {} of {} rounds.",
            arms::metric_label(metric),
            thousands(samples_within),
            thousands(samples),
            percent(samples_within as f64 / samples.max(1) as f64),
            thousands(rounds_within),
            thousands(rounds),
        )
    };
    settings.into_iter().map(sentence).collect()
}
