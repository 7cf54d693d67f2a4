//! What the numbers say, in words, whether it is welcome or not.

use crate::arms::{self, DISCARD, DYMO, FUSE_ALL, SECOND_OPINION};
use crate::group::{Group, highest_rate, rate_in_words};
use crate::report::Report;

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole interval is above zero.
    Better,
    /// The interval holds zero: the data do not tell the arms apart.
    Level,
    /// The whole interval is below zero.
    Worse,
    /// There is no interval to judge by.
    Unknown,
}

impl Outcome {
    /// Judges a difference by its 95\u{a0}% interval. An end that is exactly zero is not clear of zero.
    ///
    /// ```
    /// use dymo_report::Outcome;
    /// assert_eq!(Outcome::of_interval(0.012, 0.031), Outcome::Better);
    /// assert_eq!(Outcome::of_interval(-0.004, 0.010), Outcome::Level);
    /// assert_eq!(Outcome::of_interval(f64::NAN, 0.010), Outcome::Unknown);
    /// ```
    pub fn of_interval(low: f64, high: f64) -> Self {
        if !(low.is_finite() && high.is_finite()) {
            Self::Unknown
        } else if low > 0.0 {
            Self::Better
        } else if high < 0.0 {
            Self::Worse
        } else {
            Self::Level
        }
    }

    /// One word for a chip on the page.
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Level => "no clear difference",
            Self::Worse => "worse",
            Self::Unknown => "no interval",
        }
    }

    /// Class name in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Level => "level",
            Self::Worse => "worse",
            Self::Unknown => "unknown",
        }
    }
}

/// DyMo against one other arm, in one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The arm that DyMo is compared with.
    pub baseline: String,
    /// Accuracy of DyMo minus that of the baseline, in −1..1.
    pub difference: f64,
    /// Lower end of the 95\u{a0}% interval, NaN where there is none.
    pub low: f64,
    /// Upper end of the 95\u{a0}% interval, NaN where there is none.
    pub high: f64,
    /// What it came to.
    pub outcome: Outcome,
}

impl Comparison {
    /// As in "2.1 points more than discarding (95 % interval +1.6 to +2.6)", with a no-break space before the sign of per cent.
    pub fn in_words(&self) -> String {
        let baseline = arms::act(&self.baseline);
        let size = points(self.difference.abs());
        let side = if self.difference < 0.0 { "fewer" } else { "more" };
        let interval = format!("95\u{a0}% interval {} to {}", signed(self.low), signed(self.high));
        match self.outcome {
            Outcome::Better | Outcome::Worse => format!("{size} points {side} than {baseline} ({interval})"),
            Outcome::Level => {
                format!("not clearly different from {baseline} ({}; {interval})", signed(self.difference))
            }
            Outcome::Unknown if self.difference.is_finite() => {
                format!("{size} points {side} than {baseline} (no interval can be given)")
            }
            Outcome::Unknown => format!("not compared with {baseline}"),
        }
    }
}

/// The answer for one setting at its highest missing rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// See [`crate::Record::recovery`].
    pub recovery: String,
    /// See [`crate::Record::metric`].
    pub metric: String,
    /// See [`crate::Record::protocol`].
    pub protocol: String,
    /// The highest missing rate of the setting.
    pub rate: f64,
    /// Samples evaluated.
    pub n: usize,
    /// Accuracy of DyMo.
    pub accuracy: f64,
    /// DyMo against discard, fuse all and (where there is one) the second opinion.
    pub comparisons: Vec<Comparison>,
}

impl Finding {
    /// Against the arm of this name, where it was compared.
    pub fn against(&self, baseline: &str) -> Option<&Comparison> {
        self.comparisons.iter().find(|c| c.baseline == baseline)
    }
}

/// One finding per recovery, metric and protocol that has a DyMo record, in the order of the records.
pub fn findings(report: &Report) -> Vec<Finding> {
    Group::of(&report.records).iter().filter_map(|group| finding(report, group)).collect()
}

fn finding(report: &Report, group: &Group) -> Option<Finding> {
    let own = || report.records.iter().filter(|r| group.holds(r));
    let rate = highest_rate(own().filter(|r| r.arm == DYMO).map(|r| r.rate))?;
    let at = |arm: &str| own().find(|r| r.arm == arm && r.rate == rate);
    let dymo = at(DYMO)?;
    let comparisons = [DISCARD, FUSE_ALL, SECOND_OPINION]
        .into_iter()
        .filter_map(|baseline| {
            let paired = report
                .differences
                .iter()
                .find(|d| group.holds_difference(d) && d.rate == rate && d.arm == DYMO && d.baseline == baseline);
            let (difference, low, high) = match paired {
                Some(d) => (d.difference, d.low, d.high),
                None => (dymo.accuracy - at(baseline)?.accuracy, f64::NAN, f64::NAN),
            };
            let outcome = Outcome::of_interval(low, high);
            Some(Comparison { baseline: baseline.into(), difference, low, high, outcome })
        })
        .collect();
    Some(Finding {
        recovery: group.recovery.clone(),
        metric: group.metric.clone(),
        protocol: group.protocol.clone(),
        rate,
        n: dymo.n,
        accuracy: dymo.accuracy,
        comparisons,
    })
}

/// The first sentence of the page: the leading setting's answer. The leading setting is the one recorded first.
pub(crate) fn headline(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else {
        return "This run holds no result of selection yet.".into();
    };
    let against = |baseline| first.against(baseline).map_or(Outcome::Unknown, |c| c.outcome);
    let tail = match against(SECOND_OPINION) {
        Outcome::Worse => "; a plain second opinion did better still",
        _ => "",
    };
    let verdict = match (against(DISCARD), against(FUSE_ALL)) {
        (Outcome::Better, Outcome::Better) => {
            "choosing what to let in beat both leaving out what was missing and fusing everything recovered"
        }
        (Outcome::Better, Outcome::Level) => {
            "choosing what to let in beat leaving it out, and did not clearly differ from fusing everything"
        }
        (Outcome::Better, Outcome::Worse) => {
            "choosing what to let in beat leaving it out, but fusing everything did better still"
        }
        (Outcome::Level, Outcome::Better) => {
            "choosing what to let in avoided the harm of fusing everything, but gained nothing clear over leaving it out"
        }
        (Outcome::Level, Outcome::Level) => "choosing what to let in made no clear difference",
        (Outcome::Level, Outcome::Worse) => {
            "choosing what to let in gained nothing clear, and fusing everything did better"
        }
        (Outcome::Worse, Outcome::Better) => {
            "choosing what to let in did harm: leaving out what was missing did better, though fusing everything did worse"
        }
        (Outcome::Worse, _) => "choosing what to let in did harm: leaving out what was missing did better",
        _ => {
            return format!(
                "DyMo classified {} of samples right; no paired intervals say against what.",
                percent(first.accuracy)
            );
        }
    };
    format!("With {} recovery, {verdict}{tail}.", first.recovery)
}

/// The numbers behind [`headline`].
pub(crate) fn lead(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let words: Vec<String> = first.comparisons.iter().map(Comparison::in_words).collect();
    let metric = arms::metric_label(&first.metric);
    let tail = if words.is_empty() { String::new() } else { format!(": {}", listed(&words)) };
    format!(
        "At {}, with the {metric} metric, DyMo classified {} of {} samples right{tail}.",
        rate_in_words(first.rate),
        percent(first.accuracy),
        thousands(first.n),
    )
}

/// Counts outcomes over all settings, so that a good first setting hides no bad one.
pub(crate) fn tally(findings: &[Finding]) -> Vec<String> {
    let count = |baseline: &str| -> Option<String> {
        let outcomes: Vec<Outcome> = findings.iter().filter_map(|f| f.against(baseline)).map(|c| c.outcome).collect();
        let of = |wanted| outcomes.iter().filter(|o| **o == wanted).count();
        let parts: Vec<String> = [Outcome::Better, Outcome::Level, Outcome::Worse, Outcome::Unknown]
            .into_iter()
            .filter(|o| of(*o) > 0)
            .map(|o| format!("{} in {}", o.word(), of(o)))
            .collect();
        (!outcomes.is_empty()).then(|| {
            let noun = if outcomes.len() == 1 { "setting" } else { "settings" };
            let act = arms::act(baseline);
            format!("Against {act}, over {} {noun}: {}.", outcomes.len(), listed(&parts))
        })
    };
    [DISCARD, FUSE_ALL, SECOND_OPINION].into_iter().filter_map(count).collect()
}

/// Where the second opinion wins, level and loses; empty where there was none.
pub(crate) fn second_opinion(findings: &[Finding]) -> Vec<String> {
    let sentence = |f: &Finding| {
        let c = f.against(SECOND_OPINION)?;
        let place = format!("{}, {}, {}", f.recovery, arms::metric_label(&f.metric), rate_in_words(f.rate));
        let numbers = if c.outcome == Outcome::Unknown {
            format!("DyMo minus second opinion {}", signed(c.difference))
        } else {
            format!(
                "DyMo minus second opinion {}, 95\u{a0}% interval {} to {}",
                signed(c.difference),
                signed(c.low),
                signed(c.high)
            )
        };
        Some(match c.outcome {
            Outcome::Worse => format!(
                "The plain second opinion wins ({place}): {numbers}. Here one would rather use it than selection."
            ),
            Outcome::Better => format!("Selection does better than the plain second opinion ({place}): {numbers}."),
            Outcome::Level => {
                format!("Selection and the plain second opinion are not clearly different ({place}): {numbers}.")
            }
            Outcome::Unknown => format!("Without an interval the two cannot be told apart ({place}): {numbers}."),
        })
    };
    findings.iter().filter_map(sentence).collect()
}

/// A share as per cent, one decimal.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1}\u{a0}%", share * 100.0) } else { "–".into() }
}

/// A share as points, one decimal, without a sign.
fn points(share: f64) -> String {
    if share.is_finite() { format!("{:.1}", share * 100.0) } else { "–".into() }
}

/// A difference in points with its sign (a true minus), two decimals where one would show zero.
pub(crate) fn signed(share: f64) -> String {
    if !share.is_finite() {
        return "–".into();
    }
    let value = share * 100.0;
    let text = if value != 0.0 && value.abs() < 0.05 { format!("{value:+.2}") } else { format!("{value:+.1}") };
    match text.as_str() {
        "+0.0" | "-0.0" => "0.0".into(),
        "+0.00" | "-0.00" => "0.00".into(),
        _ => text.replace('-', "−"),
    }
}

/// 12345 as "12,345".
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "a", "a and b", "a, b and c".
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(signed(0.0213), "+2.1");
        assert_eq!(signed(-0.0213), "−2.1");
        assert_eq!(signed(0.0003), "+0.03", "a small difference is not shown as none");
        assert_eq!(signed(-0.0), "0.0");
        assert_eq!(signed(f64::NAN), "–");
        assert_eq!([7, 1234, 1_234_567].map(thousands), ["7", "1,234", "1,234,567"]);
    }

    #[test]
    fn an_end_at_zero_is_not_clear_of_zero() {
        assert_eq!(Outcome::of_interval(0.0, 0.1), Outcome::Level);
        assert_eq!(Outcome::of_interval(-0.1, 0.0), Outcome::Level);
        assert_eq!(Outcome::of_interval(-0.2, -0.1), Outcome::Worse);
    }

    #[test]
    fn lists_end_with_and() {
        let words = |w: &[&str]| listed(&w.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(words(&["a"]), "a");
        assert_eq!(words(&["a", "b", "c"]), "a, b and c");
    }
}
