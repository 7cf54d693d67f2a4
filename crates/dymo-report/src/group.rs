//! Records that belong together: one recovery, one metric, one protocol.

use crate::arms;
use crate::records::{PairedDifference, Record, Reliability};

/// The setting that a chart's panel, or a key figure, is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub recovery: String,
    pub metric: String,
    pub protocol: String,
}

impl Group {
    fn new(recovery: &str, metric: &str, protocol: &str) -> Self {
        Self { recovery: recovery.into(), metric: metric.into(), protocol: protocol.into() }
    }

    /// The groups of `records`, in the order in which they first appear: the report never reorders what was measured.
    pub(crate) fn of(records: &[Record]) -> Vec<Self> {
        distinct(records.iter().map(|r| Self::new(&r.recovery, &r.metric, &r.protocol)))
    }

    /// Name for people. The protocol is left out where the report has only one.
    pub(crate) fn title(&self, with_protocol: bool) -> String {
        let metric = arms::metric_label(&self.metric);
        if with_protocol {
            format!("{}, {metric}, {}", self.recovery, self.protocol)
        } else {
            format!("{}, {metric}", self.recovery)
        }
    }

    pub(crate) fn holds(&self, record: &Record) -> bool {
        *self == Self::new(&record.recovery, &record.metric, &record.protocol)
    }

    pub(crate) fn holds_difference(&self, d: &PairedDifference) -> bool {
        *self == Self::new(&d.recovery, &d.metric, &d.protocol)
    }

    pub(crate) fn holds_reliability(&self, r: &Reliability) -> bool {
        *self == Self::new(&r.recovery, &r.metric, &r.protocol)
    }
}

/// Keeps the first of equals, in order.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// Whether a report needs to name protocols, because it has more than one.
pub(crate) fn several_protocols(records: &[Record]) -> bool {
    distinct(records.iter().map(|r| r.protocol.as_str())).len() > 1
}

/// The highest rate that is a number.
pub(crate) fn highest_rate(rates: impl Iterator<Item = f64>) -> Option<f64> {
    rates.filter(|r| r.is_finite()).max_by(f64::total_cmp)
}

/// A rate in words: a share, or a count where it is a whole number of one or more.
pub(crate) fn rate_in_words(rate: f64) -> String {
    if !rate.is_finite() {
        "unknown missingness".into()
    } else if is_count(rate) {
        let noun = if rate == 1.0 { "modality" } else { "modalities" };
        format!("{rate} {noun} missing")
    } else {
        format!("missing rate {rate}")
    }
}

/// Whether a rate counts modalities instead of being a share of them. Nothing is evaluated with everything missing,
/// so a rate of one is a count, too.
pub(crate) fn is_count(rate: f64) -> bool {
    rate >= 1.0 && rate.fract() == 0.0
}
