//! What `dymo evaluate --robustness` adds: search over all sets, what to acquire, settings changed one at a time.

use std::fmt::Write;

use anyhow::Result;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Greedy {
    recovery: String,
    metric: String,
    samples: usize,
    missed: usize,
    only_together: usize,
    predictions_differ: usize,
    difference: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Acquisition {
    recovery: String,
    metric: String,
    n: usize,
    now: f64,
    random: f64,
    suggested: f64,
    difference: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
pub(super) struct Robustness {
    recovery: String,
    metric: String,
    varied: String,
    setting: String,
    usual: bool,
    arm: String,
    accuracy: f64,
}

/// All three; what was not looked at is left out.
pub(super) fn sections(
    page: &mut String,
    greedy: &[Greedy],
    acquisitions: &[Acquisition],
    robustness: &[Robustness],
) -> Result<()> {
    if !greedy.is_empty() {
        writeln!(
            page,
            "\n## Beyond greedy\n\nThe best of all sets of recovered modalities (a beam, where they are too many).\n"
        )?;
        writeln!(
            page,
            "| recovery | metric | samples | a better set | only together | other answer | right answers, points |"
        )?;
        writeln!(page, "|---|---|---|---|---|---|---|")?;
    }
    for g in greedy {
        let points = match (g.difference, g.low, g.high) {
            (Some(d), Some(low), Some(high)) => super::points(d, low, high),
            _ => "–".into(),
        };
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {points} |",
            g.recovery, g.metric, g.samples, g.missed, g.only_together, g.predictions_differ
        )?;
    }
    if !acquisitions.is_empty() {
        writeln!(
            page,
            "\n## What to acquire next\n\nOn samples that are not sure already and of which the truth is known.\n"
        )?;
        writeln!(page, "| recovery | metric | n | now | any one more | the suggested one | suggested − any |")?;
        writeln!(page, "|---|---|---|---|---|---|---|")?;
    }
    for a in acquisitions {
        let [now, random, suggested] = [a.now, a.random, a.suggested].map(|v| format!("{:.1} %", 100.0 * v));
        let gain = super::points(a.difference, a.low, a.high);
        writeln!(page, "| {} | {} | {} | {now} | {random} | {suggested} | {gain} |", a.recovery, a.metric, a.n)?;
    }
    if robustness.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## One setting changed at a time\n\nAccuracy in %; the usual setting in bold.\n")?;
    writeln!(page, "| recovery | metric | changed | to | discard | fuse-all | dymo |\n|---|---|---|---|---|---|---|")?;
    let key = |r: &Robustness| (r.recovery.clone(), r.metric.clone(), r.varied.clone(), r.setting.clone(), r.usual);
    for (recovery, metric, varied, setting, usual) in super::ordered(robustness.iter().map(key)) {
        let of = |arm: &str| {
            let same = |r: &&Robustness| {
                r.recovery == recovery
                    && r.metric == metric
                    && r.varied == varied
                    && r.setting == setting
                    && r.arm == arm
            };
            robustness.iter().find(same).map_or("–".into(), |r| format!("{:.2}", 100.0 * r.accuracy))
        };
        let shown = if usual { format!("**{setting}**") } else { setting.clone() };
        let [discard, fuse_all, dymo] = ["discard", "fuse-all", "dymo"].map(of);
        writeln!(page, "| {recovery} | {metric} | {varied} | {shown} | {discard} | {fuse_all} | {dymo} |")?;
    }
    Ok(())
}
