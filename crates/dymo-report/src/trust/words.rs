//! What these records say, in sentences.

use super::{AcquisitionRecord, ConfidenceRecord, GreedyRecord, GuaranteeRecord, PatternRecord, RobustnessRecord};
use crate::arms::{self, DISCARD, DYMO};
use crate::findings::{Outcome, listed, percent, signed, thousands};
use crate::group::{distinct, rate_in_words};
use crate::table::number;
use crate::tables::subset;

/// "guided, cosine".
pub(crate) fn place(recovery: &str, metric: &str) -> String {
    format!("{recovery}, {}", arms::metric_label(metric))
}

/// "95 % interval a to b", for shares.
fn interval(low: f64, high: f64) -> String {
    format!("95\u{a0}% interval {} to {}", percent(low), percent(high))
}

/// Temperature and prediction sets, one sentence each.
pub(crate) fn confidence(c: &ConfidenceRecord) -> Vec<String> {
    let place = format!("{}, {}", place(&c.recovery, &c.metric), arms::label(&c.arm));
    let mut lines = Vec::new();
    if c.temperature.is_finite() {
        let why = if c.temperature_words.is_empty() {
            format!("logits are divided by {}", number(c.temperature))
        } else {
            c.temperature_words.clone()
        };
        let errors = match (c.calibration_error_before.is_finite(), c.calibration_error_after.is_finite()) {
            (true, true) if c.temperature != 1.0 => format!(
                ". On {} other samples the calibration error goes from {} to {}",
                thousands(c.n),
                percent(c.calibration_error_before),
                percent(c.calibration_error_after)
            ),
            _ => String::new(),
        };
        lines.push(format!("{place}: {why}{errors}."));
    }
    if c.coverage.is_finite() {
        let verdict = if c.high < c.asked_coverage {
            " That is less than was asked for: the held-out samples were not like these."
        } else {
            ""
        };
        // A set is never empty, so a good classifier covers more than it is asked to.
        let size = if c.set_size < 1.0005 && c.low > c.asked_coverage {
            "with one class each: the answers alone are right more often than was asked, so sets add nothing at this coverage"
                .to_owned()
        } else {
            format!("with {} classes on average", number(c.set_size))
        };
        lines.push(format!(
            "{place}: {} sets that are to hold the true class in {} of cases hold it in {} of {} samples ({}), {size}.{verdict}",
            c.score,
            percent(c.asked_coverage),
            percent(c.coverage),
            thousands(c.n),
            interval(c.low, c.high),
        ));
    }
    lines
}

/// The worst pattern of each setting, what the sets do, and a warning where samples are too few.
pub(crate) fn patterns(all: &[PatternRecord]) -> Vec<String> {
    let settings = distinct(all.iter().map(|p| (p.recovery.as_str(), p.metric.as_str(), p.arm.as_str())));
    settings
        .into_iter()
        .flat_map(|(recovery, metric, arm)| {
            let own: Vec<&PatternRecord> = all
                .iter()
                .filter(|p| (p.recovery.as_str(), p.metric.as_str(), p.arm.as_str()) == (recovery, metric, arm))
                .collect();
            let place = format!("{}, {}", place(recovery, metric), arms::label(arm));
            let mut lines = Vec::new();
            lines.extend(worst(&own).map(|words| format!("{place}: {words}")));
            lines.extend(uncovered(&own).map(|words| format!("{place}: {words}")));
            lines.extend(too_few(&own).map(|words| format!("{place}: {words}")));
            if arm == DYMO {
                lines.extend(against_discard(all, &own).map(|words| format!("{place}: {words}")));
            }
            lines
        })
        .collect()
}

fn worst(own: &[&PatternRecord]) -> Option<String> {
    let known = own.iter().filter(|p| !p.few && p.accuracy.is_finite());
    let worst = known.min_by(|a, b| a.accuracy.total_cmp(&b.accuracy))?;
    Some(format!(
        "of {} patterns the worst is {} observed, with {} right ({}; {} samples).",
        own.len(),
        subset(&worst.observed),
        percent(worst.accuracy),
        interval(worst.low, worst.high),
        thousands(worst.n)
    ))
}

fn uncovered(own: &[&PatternRecord]) -> Option<String> {
    let measured: Vec<_> = own.iter().filter(|p| p.coverage.is_finite() && p.asked_coverage.is_finite()).collect();
    let asked = measured.first()?.asked_coverage;
    let below: Vec<String> =
        measured.iter().filter(|p| p.coverage_high < p.asked_coverage).map(|p| subset(&p.observed)).collect();
    let enough = measured.iter().filter(|p| !p.few).count();
    if below.is_empty() {
        // Of patterns with a handful of samples nothing can be said to be clear.
        let which = match (enough, measured.len()) {
            (0, _) => return None,
            (enough, all) if enough == all => "in no pattern".to_owned(),
            (1, _) => "not in the only pattern with enough samples".to_owned(),
            (enough, _) => format!("in none of the {enough} patterns with enough samples"),
        };
        return Some(format!("{which} is the coverage clearly below the {} asked for.", percent(asked)));
    }
    Some(format!(
        "Warning: coverage is clearly below the {} asked for with {} observed.",
        percent(asked),
        shortened(&below)
    ))
}

fn too_few(own: &[&PatternRecord]) -> Option<String> {
    let few: Vec<String> = own.iter().filter(|p| p.few).map(|p| subset(&p.observed)).collect();
    let of = own.len();
    (!few.is_empty()).then(|| {
        format!("Warning: {} of {of} patterns have too few samples to conclude from: {}.", few.len(), shortened(&few))
    })
}

/// Patterns in which the whole interval of DyMo lies below that of discarding, the only thing that can be said without pairs.
fn against_discard(all: &[PatternRecord], own: &[&PatternRecord]) -> Option<String> {
    let rival = |p: &PatternRecord| {
        all.iter().find(|d| {
            // Discarding recovers nothing: it is filed once for a metric.
            d.arm == DISCARD && d.metric == p.metric && d.observed == p.observed && !p.few
        })
    };
    let pairs: Vec<_> = own.iter().filter_map(|p| Some((*p, rival(p)?))).collect();
    let lower: Vec<String> =
        pairs.iter().filter(|(p, d)| p.accuracy < d.accuracy).map(|(p, _)| subset(&p.observed)).collect();
    (!pairs.is_empty()).then(|| {
        if lower.is_empty() {
            format!("in none of {} patterns does it have fewer right than discarding.", pairs.len())
        } else {
            let (n, of) = (lower.len(), pairs.len());
            format!("it has fewer right than discarding in {n} of {of} patterns: {}.", shortened(&lower))
        }
    })
}

/// At most eight, then a count.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 8;
    if names.len() <= MOST {
        return listed(names);
    }
    format!("{} and {} more", names[..MOST].join(", "), names.len() - MOST)
}

/// What came of the chosen threshold on other samples, where it was tried.
pub(crate) fn guarantee_on_test(g: &GuaranteeRecord) -> Option<String> {
    if g.test_n == 0 || !g.test_difference.is_finite() {
        return None;
    }
    let verdict = match Outcome::of_interval(g.test_low, g.test_high) {
        Outcome::Better => "selection did better there too",
        Outcome::Worse => {
            "selection did worse there: either the held-out samples were not like these, or it is one of the rare failures"
        }
        _ => "no clear difference there",
    };
    Some(format!(
        "Tried on {} other samples: {} points against discarding (95\u{a0}% interval {} to {}), {verdict}.",
        thousands(g.test_n),
        signed(g.test_difference),
        signed(g.test_low),
        signed(g.test_high)
    ))
}

pub(crate) fn greedy(g: &GreedyRecord) -> String {
    let place = format!("{}, {}", place(&g.recovery, &g.metric), rate_in_words(g.rate));
    if g.missed == 0 {
        return format!(
            "{place}: choosing one at a time found the best set in all of {} samples.",
            thousands(g.samples)
        );
    }
    let cost = if g.difference.is_finite() {
        let verdict = match Outcome::of_interval(g.low, g.high) {
            Outcome::Better => "the best sets are right more often",
            Outcome::Worse => "the sets with the larger reward are right less often, so the reward misleads there",
            Outcome::Level => "that makes no clear difference to how often it is right",
            Outcome::Unknown => "no interval was computed",
        };
        format!(
            " In accuracy: {} points (95\u{a0}% interval {} to {}); {verdict}.",
            signed(g.difference),
            signed(g.low),
            signed(g.high)
        )
    } else {
        String::new()
    };
    format!(
        "{place}: in {} of {} samples another set has a larger reward than the one chosen one at a time, in {} of them with \
         modalities that bring nothing alone. {} predictions change.{cost}",
        thousands(g.missed),
        thousands(g.samples),
        thousands(g.only_together),
        thousands(g.predictions_differ)
    )
}

pub(crate) fn acquisition(a: &AcquisitionRecord) -> String {
    let verdict = match Outcome::of_interval(a.low, a.high) {
        Outcome::Better => "The suggestion is worth more than chance.",
        Outcome::Worse => "The suggestion is worth less than chance: do not use it here.",
        Outcome::Level => "That is not clearly different: here the suggestion is not shown to be worth anything.",
        Outcome::Unknown => "No interval was computed.",
    };
    format!(
        "{}: {} of {} samples are right with what was observed, {} with one more modality at random, {} with the suggested \
         one: {} points more than at random (95\u{a0}% interval {} to {}). {verdict}",
        place(&a.recovery, &a.metric),
        percent(a.now),
        thousands(a.n),
        percent(a.random),
        percent(a.suggested),
        signed(a.difference),
        signed(a.low),
        signed(a.high)
    )
}

/// How far DyMo's accuracy moves over the settings of one thing that was varied, and where it falls below discarding.
pub(crate) fn robustness(own: &[RobustnessRecord], title: &str) -> Option<String> {
    let known = || own.iter().filter(|r| r.arm == DYMO && r.accuracy.is_finite());
    let worst = known().min_by(|a, b| a.accuracy.total_cmp(&b.accuracy))?;
    let best = known().max_by(|a, b| a.accuracy.total_cmp(&b.accuracy))?;
    let discard = |r: &RobustnessRecord| own.iter().find(|d| d.arm == DISCARD && d.setting == r.setting);
    let below: Vec<String> =
        known().filter(|r| discard(r).is_some_and(|d| r.accuracy < d.accuracy)).map(|r| r.setting.clone()).collect();
    let tail =
        if below.is_empty() { String::new() } else { format!(" Discarding has more right at {}.", shortened(&below)) };
    Some(format!(
        "{title}: DyMo between {} (at {}) and {} (at {}).{tail}",
        percent(worst.accuracy),
        worst.setting,
        percent(best.accuracy),
        best.setting
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Varied;

    fn pattern(observed: &[usize], n: usize, accuracy: f64, coverage_high: f64) -> PatternRecord {
        PatternRecord {
            recovery: "guided".into(),
            metric: "cosine".into(),
            arm: DYMO.into(),
            observed: observed.into(),
            n,
            few: n < 50,
            accuracy,
            low: accuracy - 0.05,
            high: accuracy + 0.05,
            calibration_error: 0.02,
            calibration_error_low: 0.01,
            calibration_error_high: 0.03,
            asked_coverage: 0.9,
            coverage: coverage_high - 0.02,
            coverage_low: coverage_high - 0.04,
            coverage_high,
            set_size: 1.2,
            set_size_low: 1.1,
            set_size_high: 1.3,
            promise: String::new(),
        }
    }

    #[test]
    fn the_worst_pattern_is_one_with_enough_samples() {
        let all = [pattern(&[0], 10, 0.2, 0.99), pattern(&[1], 90, 0.6, 0.85), pattern(&[0, 1], 90, 0.8, 0.95)];
        let lines = patterns(&all);
        assert!(lines[0].contains("the worst is {1} observed, with 60.0\u{a0}% right"), "{lines:?}");
        assert!(lines[1].contains("Warning: coverage is clearly below the 90.0\u{a0}% asked for with {1} observed"));
        assert!(lines[2].contains("Warning: 1 of 3 patterns have too few samples to conclude from: {0}."));
        assert_eq!(lines.len(), 3);
        let (few, enough) = (pattern(&[0], 10, 0.2, 0.99), pattern(&[1], 90, 0.6, 0.95));
        assert!(
            patterns(&[few.clone(), enough])[1].contains("not in the only pattern with enough samples is the coverage")
        );
        let lines = patterns(&[few]);
        assert!(lines.len() == 1 && lines[0].contains("too few samples"), "nothing else can be said: {lines:?}");
        let discard = PatternRecord { arm: DISCARD.into(), accuracy: 0.7, ..all[1].clone() };
        let lines = patterns(&[all[1].clone(), discard]);
        assert!(lines.iter().any(|l| l.contains("fewer right than discarding in 1 of 1 patterns: {1}.")), "{lines:?}");
    }

    #[test]
    fn long_lists_are_counted() {
        let names: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        assert_eq!(shortened(&names), "0, 1, 2, 3, 4, 5, 6, 7 and 3 more");
    }

    #[test]
    fn what_does_worse_is_said() {
        let row = |arm: &str, setting: &str, accuracy| RobustnessRecord {
            recovery: "guided".into(),
            metric: "cosine".into(),
            varied: Varied::BadRecovery,
            setting: setting.into(),
            usual: false,
            arm: arm.into(),
            n: 10,
            accuracy,
            low: f64::NAN,
            high: f64::NAN,
        };
        let own = [row(DYMO, "0 %", 0.9), row(DYMO, "50 %", 0.7), row(DISCARD, "0 %", 0.8), row(DISCARD, "50 %", 0.8)];
        let words = robustness(&own, "share of bad recoveries").unwrap();
        assert!(words.ends_with("Discarding has more right at 50 %."), "{words}");
        assert!(robustness(&own[2..], "x").is_none());
    }
}
