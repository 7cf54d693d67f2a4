//! The page's figures: panels side by side, a caption in plain words, and the numbers beneath.

use super::Shown;
use crate::arms::{self, DISCARD, DYMO, FUSE_ALL, SECOND_OPINION};
use crate::charts;
use crate::group::{Group, distinct, highest_rate, rate_in_words, several_protocols};
use crate::records::{PairedDifference, Record};
use crate::report::Report;
use crate::table::Table;
use crate::tables;

/// One figure of the page.
pub(super) struct Plot {
    pub title: String,
    pub panels: Vec<Panel>,
    pub caption: String,
    pub table: Shown,
}

/// One drawing of a figure.
pub(super) struct Panel {
    pub title: String,
    pub svg: String,
}

pub(super) fn plot(title: &str, panels: Vec<Panel>, caption: String, table: &Table) -> Option<Plot> {
    (!panels.is_empty()).then(|| Plot { title: title.into(), panels, caption, table: Shown::of(table) })
}

/// Accuracy over missing rate: a panel per recovery, metric and protocol.
pub(super) fn accuracy(report: &Report) -> Option<Plot> {
    let several = several_protocols(&report.records);
    let panel = |group: &Group| {
        let own: Vec<Record> = report.records.iter().filter(|r| group.holds(r)).cloned().collect();
        // Panels of one recovery share their axis, so that metrics can be compared; recoveries do not, since one
        // that draws noise would flatten all the others.
        let axis = charts::accuracy_range(report.records.iter().filter(|r| r.recovery == group.recovery));
        let title = group.title(several);
        let label = format!("Accuracy over missing rate, {title}");
        Panel { svg: charts::accuracy_over_rate(&own, Some(axis), &label), title }
    };
    let panels = Group::of(&report.records).iter().map(panel).collect();
    let caption = "Share of samples classified right as more goes missing. The band (DyMo) and the whiskers (the other \
                   ways) are 95 % bootstrap intervals of each accuracy alone; since all ways see the same samples, \
                   overlapping whiskers do not mean that two ways are level: the paired differences below answer that. \
                   Panels of one recovery share the vertical axis, which does not begin at zero.";
    let mut sorted: Vec<&Record> = report.records.iter().collect();
    tables::by_arm(&mut sorted);
    let groups = Group::of(&report.records);
    sorted.sort_by_key(|r| groups.iter().position(|g| g.holds(r)));
    let sorted = Report { records: sorted.into_iter().cloned().collect(), ..Report::default() };
    plot("", panels, caption.into(), &tables::records(&sorted))
}

/// One forest plot per baseline, a panel per recovery.
pub(super) fn differences(report: &Report) -> Vec<Plot> {
    let captions = [
        (DISCARD, "Right of the line: letting chosen recoveries in did better than using only what was observed."),
        (FUSE_ALL, "Right of the line: choosing did better than letting in everything that was recovered."),
        (
            SECOND_OPINION,
            "Right of the line: choosing did better than averaging the class posteriors of the fusion network \
                          and of the recovery model, with no picture recovered at all.",
        ),
    ];
    let of_baseline = |(baseline, words): (&str, &str)| {
        let own: Vec<PairedDifference> =
            report.differences.iter().filter(|d| d.arm == DYMO && d.baseline == baseline).cloned().collect();
        let title = format!("DyMo − {}", arms::label(baseline));
        let panel = |recovery: &str| {
            let mut rows: Vec<PairedDifference> = own.iter().filter(|d| d.recovery == recovery).cloned().collect();
            let groups = distinct(rows.iter().map(|d| (d.metric.clone(), d.protocol.clone())));
            rows.sort_by(|a, b| {
                let place = |d: &PairedDifference| groups.iter().position(|g| g.0 == d.metric && g.1 == d.protocol);
                place(a).cmp(&place(b)).then(a.rate.total_cmp(&b.rate))
            });
            let label = format!("Paired differences, {title}, {recovery} recovery");
            Panel { title: format!("{recovery} recovery"), svg: charts::paired_differences(&rows, &label) }
        };
        let panels = distinct(own.iter().map(|d| d.recovery.as_str())).into_iter().map(panel).collect();
        let caption = format!(
            "{words} Each row is one missing rate; the line is the 95 % interval of the paired bootstrap over samples. \
             A full mark is clear of zero, a hollow one is not. Each panel has its own scale."
        );
        let rows = Report { differences: own.clone(), ..Report::default() };
        plot(&title, panels, caption, &tables::differences(&rows))
    };
    captions.into_iter().filter_map(of_baseline).collect()
}

/// A panel per learning curve.
pub(super) fn learning(report: &Report) -> Option<Plot> {
    let panel = |curve: &crate::LearningCurve| {
        let label = format!("Learning curve of {}: {}", curve.stage, curve.quantity);
        Panel { title: curve.stage.clone(), svg: charts::learning_curve(curve, &label) }
    };
    let panels = report.learning_curves.iter().map(panel).collect();
    let caption = "What was measured after each epoch of training; the last value is written at the end of its line.";
    plot("", panels, caption.into(), &tables::learning_curves(report))
}

/// A panel per setting, at the highest rate that was measured for it; all rates are in the table.
pub(super) fn reliability(report: &Report) -> Option<Plot> {
    let key = |r: &crate::Reliability| Group {
        recovery: r.recovery.clone(),
        metric: r.metric.clone(),
        protocol: r.protocol.clone(),
    };
    let groups = distinct(report.reliability.iter().map(key));
    let several = distinct(groups.iter().map(|g| g.protocol.as_str())).len() > 1;
    let panel = |group: &Group| {
        let own = || report.reliability.iter().filter(|r| group.holds_reliability(r));
        let rate = highest_rate(own().map(|r| r.rate));
        let shown: Vec<_> = own().filter(|r| rate.is_none_or(|rate| r.rate == rate)).cloned().collect();
        let title = match rate {
            Some(rate) => format!("{}, {}", group.title(several), rate_in_words(rate)),
            None => group.title(several),
        };
        let label = format!("Reliability diagram, {title}");
        Panel { svg: charts::reliability_diagram(&shown, &label), title }
    };
    let panels = groups.iter().map(panel).collect();
    let caption = "Of the predictions made with a certain confidence, how many were right? On the dotted diagonal \
                   confidence can be taken at its word; below it the network promises too much. The area of a mark grows \
                   with the samples in its bin. The calibration error is the mean distance from the diagonal.";
    plot("", panels, caption.into(), &tables::reliability(report))
}

/// A panel per recovery and metric.
pub(super) fn acceptance(report: &Report) -> Option<Plot> {
    let panel = |(recovery, metric): (&str, &str)| {
        let own: Vec<_> =
            report.accepted.iter().filter(|a| a.recovery == recovery && a.metric == metric).cloned().collect();
        let title = format!("{recovery}, {}", arms::metric_label(metric));
        let label = format!("Share of recovered modalities let in, by observed subset, {title}");
        Panel { svg: charts::accepted_by_subset(&own, &label), title }
    };
    let groups = distinct(report.accepted.iter().map(|a| (a.recovery.as_str(), a.metric.as_str())));
    let panels = groups.into_iter().map(panel).collect();
    let caption = "Each row is a group of samples that came with the modalities marked by full dots. The bar is the share \
                   of recovered modalities that selection let in.";
    plot("", panels, caption.into(), &tables::accepted(report))
}

/// One panel for all recoveries.
pub(super) fn coherence(report: &Report) -> Option<Plot> {
    if report.recovery_quality.is_empty() {
        return None;
    }
    let label = "How often recovered modalities are read as the right class, over the number of modalities given";
    let svg = charts::recovery_coherence(&report.recovery_quality, label);
    let caption = "A classifier of real modalities reads what was recovered. Whiskers are 95 % Wilson intervals. What \
                   is read as another class would mislead a network that fuses everything.";
    let panels = vec![Panel { title: String::new(), svg }];
    plot("", panels, caption.into(), &tables::recovery_quality(report))
}

/// Accuracy and time over the threshold.
pub(super) fn least_gain(report: &Report) -> Option<Plot> {
    if report.min_gain.is_empty() {
        return None;
    }
    let accuracy = charts::accuracy_over_least_gain(&report.min_gain, "Accuracy over the least gain that is asked for");
    let time = charts::time_over_least_gain(&report.min_gain, "Time over the least gain that is asked for");
    let caption = "Recovery can be left out for samples that have little to gain. Each mark is one threshold τ; the number \
                   below it is the share of samples for which anything was recovered at all.";
    let panels = vec![Panel { title: "accuracy".into(), svg: accuracy }, Panel { title: "time".into(), svg: time }];
    plot("", panels, caption.into(), &tables::min_gain(report))
}
