//! The tables of these records.

use super::Varied;
use crate::report::Report;
use crate::table::{Cell, Table};
use crate::tables::{columns, subset, text};

/// All of them, in the order of the page.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    vec![
        confidence(report),
        patterns(report),
        guarantees(report),
        decided(report),
        greedy(report),
        acquisitions(report),
        robustness(report),
    ]
}

fn yes(value: bool) -> Cell {
    text(if value { "yes" } else { "no" })
}

pub(crate) fn confidence(report: &Report) -> Table {
    let row = |c: &crate::ConfidenceRecord| {
        vec![
            text(&c.recovery),
            text(&c.metric),
            text(&c.arm),
            Cell::Count(c.fitted_on),
            Cell::Count(c.n),
            Cell::Number(c.temperature),
            Cell::Share(c.calibration_error_before),
            Cell::Share(c.calibration_error_after),
            text(&c.score),
            Cell::Share(c.asked_coverage),
            Cell::Share(c.coverage),
            Cell::Share(c.low),
            Cell::Share(c.high),
            Cell::Number(c.set_size),
        ]
    };
    Table {
        name: "confidence",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("arm", "arm"),
            ("fitted_on", "fitted on"),
            ("n", "samples"),
            ("temperature", "temperature"),
            ("calibration_error_before", "calibration error % before"),
            ("calibration_error_after", "after"),
            ("score", "score"),
            ("asked_coverage", "coverage % asked for"),
            ("coverage", "coverage %"),
            ("low", "low"),
            ("high", "high"),
            ("set_size", "classes in a set"),
        ],
        rows: report.confidence.iter().map(row).collect(),
    }
}

pub(crate) fn patterns(report: &Report) -> Table {
    let row = |p: &crate::PatternRecord| {
        vec![
            text(&p.recovery),
            text(&p.metric),
            text(&p.arm),
            Cell::Text(subset(&p.observed)),
            Cell::Count(p.n),
            yes(p.few),
            Cell::Share(p.accuracy),
            Cell::Share(p.low),
            Cell::Share(p.high),
            Cell::Share(p.calibration_error),
            Cell::Share(p.calibration_error_low),
            Cell::Share(p.calibration_error_high),
            Cell::Share(p.asked_coverage),
            Cell::Share(p.coverage),
            Cell::Share(p.coverage_low),
            Cell::Share(p.coverage_high),
            Cell::Number(p.set_size),
            Cell::Number(p.set_size_low),
            Cell::Number(p.set_size_high),
            text(&p.promise),
        ]
    };
    Table {
        name: "patterns",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("arm", "arm"),
            ("observed", "observed"),
            ("n", "samples"),
            ("few", "too few"),
            ("accuracy", "accuracy %"),
            ("low", "low"),
            ("high", "high"),
            ("calibration_error", "calibration error %"),
            ("calibration_error_low", "low"),
            ("calibration_error_high", "high"),
            ("asked_coverage", "coverage % asked for"),
            ("coverage", "coverage %"),
            ("coverage_low", "low"),
            ("coverage_high", "high"),
            ("set_size", "classes in a set"),
            ("set_size_low", "low"),
            ("set_size_high", "high"),
            ("promise", "what the sets promise"),
        ],
        rows: report.patterns.iter().map(row).collect(),
    }
}

pub(crate) fn guarantees(report: &Report) -> Table {
    let rows = report.guarantees.iter().flat_map(|g| {
        g.tested.iter().map(|t| {
            vec![
                text(&g.recovery),
                text(&g.metric),
                Cell::Number(g.confidence),
                Cell::Count(g.n),
                Cell::Number(t.threshold),
                Cell::Count(t.wins),
                Cell::Count(t.losses),
                Cell::Share(t.accuracy),
                Cell::Number(t.p_value),
                Cell::Number(t.level),
                yes(t.passed),
                yes(g.threshold == Some(t.threshold)),
            ]
        })
    });
    Table {
        name: "guarantees",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("confidence", "confidence"),
            ("n", "held-out samples"),
            ("threshold", "threshold"),
            ("wins", "answers put right"),
            ("losses", "answers put wrong"),
            ("accuracy", "accuracy %"),
            ("p_value", "p"),
            ("level", "p needed"),
            ("passed", "passed"),
            ("chosen", "chosen"),
        ],
        rows: rows.collect(),
    }
}

/// What came of the thresholds, on samples that had no say in them.
fn decided(report: &Report) -> Table {
    let row = |g: &crate::GuaranteeRecord| {
        let [on, folds] = g.folds.map_or([f64::NAN; 2], |folds| folds.map(|count| count as f64));
        vec![
            text(&g.recovery),
            text(&g.metric),
            Cell::Number(g.threshold.unwrap_or(f64::NAN)),
            Cell::Number(on),
            Cell::Number(folds),
            Cell::Count(g.n),
            Cell::Number(g.confidence),
            Cell::Count(g.test_n),
            Cell::Share(g.test_difference),
            Cell::Share(g.test_low),
            Cell::Share(g.test_high),
            text(&g.words),
        ]
    };
    Table {
        name: "decided",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("threshold", "threshold"),
            ("folds_on", "folds with selection on"),
            ("folds", "folds"),
            ("n", "held-out samples"),
            ("confidence", "confidence"),
            ("test_n", "test samples"),
            ("difference", "what decides minus discarding"),
            ("low", "from"),
            ("high", "to"),
            ("words", "in words"),
        ],
        rows: report.guarantees.iter().map(row).collect(),
    }
}

pub(crate) fn greedy(report: &Report) -> Table {
    let row = |g: &crate::GreedyRecord| {
        vec![
            text(&g.recovery),
            text(&g.metric),
            text(&g.protocol),
            Cell::Number(g.rate),
            Cell::Count(g.samples),
            Cell::Count(g.missed),
            Cell::Count(g.only_together),
            Cell::Count(g.predictions_differ),
            Cell::Number(g.mean_cost),
            Cell::Number(g.largest_cost),
            Cell::Points(g.difference),
            Cell::Points(g.low),
            Cell::Points(g.high),
        ]
    };
    Table {
        name: "greedy",
        columns: columns(&[
            ("samples", "samples"),
            ("missed", "a better set"),
            ("only_together", "only together"),
            ("predictions_differ", "other prediction"),
            ("mean_cost", "reward missed, mean"),
            ("largest_cost", "largest"),
            ("difference", "best set − greedy, points"),
            ("low", "low"),
            ("high", "high"),
        ]),
        rows: report.greedy.iter().map(row).collect(),
    }
}

pub(crate) fn acquisitions(report: &Report) -> Table {
    let row = |a: &crate::AcquisitionRecord| {
        vec![
            text(&a.recovery),
            text(&a.metric),
            Cell::Count(a.n),
            Cell::Share(a.now),
            Cell::Share(a.random),
            Cell::Share(a.suggested),
            Cell::Points(a.difference),
            Cell::Points(a.low),
            Cell::Points(a.high),
        ]
    };
    Table {
        name: "acquisitions",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("n", "samples"),
            ("now", "as observed, accuracy %"),
            ("random", "one more at random %"),
            ("suggested", "the suggested one %"),
            ("difference", "suggested − random, points"),
            ("low", "low"),
            ("high", "high"),
        ],
        rows: report.acquisitions.iter().map(row).collect(),
    }
}

pub(crate) fn robustness(report: &Report) -> Table {
    let row = |r: &crate::RobustnessRecord| {
        vec![
            text(&r.recovery),
            text(&r.metric),
            text(varied(r.varied)),
            text(&r.setting),
            yes(r.usual),
            text(&r.arm),
            Cell::Count(r.n),
            Cell::Share(r.accuracy),
            Cell::Share(r.low),
            Cell::Share(r.high),
        ]
    };
    Table {
        name: "robustness",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("varied", "varied"),
            ("setting", "set to"),
            ("usual", "as elsewhere"),
            ("arm", "arm"),
            ("n", "samples"),
            ("accuracy", "accuracy %"),
            ("low", "low"),
            ("high", "high"),
        ],
        rows: report.robustness.iter().map(row).collect(),
    }
}

/// What was varied, in words.
pub(crate) fn varied(varied: Varied) -> &'static str {
    match varied {
        Varied::Temperature => "temperature",
        Varied::Calibration => "form of calibration",
        Varied::Threshold => "threshold on the reward",
        Varied::BadRecovery => "share of bad recoveries",
        Varied::Rate => "missing rate",
    }
}
