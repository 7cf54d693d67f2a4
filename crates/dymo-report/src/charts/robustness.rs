//! Accuracy as one setting is changed.

use super::accuracy::{Below, lines};
use crate::group::distinct;
use crate::records::Record;
use crate::trust::RobustnessRecord;

/// One line per arm over the settings of one thing that was varied, in the order of `rows`, evenly spaced: settings
/// may be words, and numbers among them often grow by factors. `varied` names the axis.
pub fn accuracy_over_settings(rows: &[RobustnessRecord], varied: &str, label: &str) -> String {
    let settings = distinct(rows.iter().map(|r| r.setting.as_str()));
    let place = |r: &RobustnessRecord| settings.iter().position(|s| *s == r.setting).map_or(f64::NAN, |i| i as f64);
    let record = |r: &RobustnessRecord| Record {
        recovery: r.recovery.clone(),
        metric: r.metric.clone(),
        protocol: String::new(),
        rate: place(r),
        arm: r.arm.clone(),
        n: r.n,
        accuracy: r.accuracy,
        low: r.low,
        high: r.high,
        macro_f1: f64::NAN,
        auc: f64::NAN,
        calibration_error: f64::NAN,
    };
    let records: Vec<Record> = rows.iter().map(record).collect();
    // About six letters of a name fit for each of eight settings.
    let letters = (54 / settings.len().max(1)).clamp(3, 14);
    let ticks = settings.iter().enumerate().map(|(i, s)| (i as f64, s.chars().take(letters).collect())).collect();
    lines(&records, None, &Below { name: varied, ticks }, label)
}
