//! Every table of the report, made from its records.

use crate::arms;
use crate::gallery::Verdict;
use crate::records::MinGain;
use crate::report::Report;
use crate::table::{Cell, Table};

/// All tables, in the order of the page. Each becomes one CSV file, empty ones with their header only, so that a
/// script finds the same files in every report.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    let mut tables = vec![
        records(report),
        differences(report),
        learning_curves(report),
        incomplete_training(report),
        reliability(report),
        accepted(report),
        resolution(report),
        recovery_quality(report),
        bounds(report),
        min_gain(report),
        decisions(report),
    ];
    tables.extend(crate::trust::tables::all(report));
    tables
}

pub(crate) fn text(value: &str) -> Cell {
    Cell::Text(value.into())
}

const SETTING: [(&str, &str); 4] =
    [("recovery", "recovery"), ("metric", "metric"), ("protocol", "protocol"), ("rate", "missing")];

pub(crate) fn columns(tail: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    SETTING.iter().chain(tail).copied().collect()
}

pub(crate) fn records(report: &Report) -> Table {
    let row = |r: &crate::Record| {
        vec![
            text(&r.recovery),
            text(&r.metric),
            text(&r.protocol),
            Cell::Number(r.rate),
            text(&r.arm),
            Cell::Count(r.n),
            Cell::Share(r.accuracy),
            Cell::Share(r.low),
            Cell::Share(r.high),
            Cell::Share(r.macro_f1),
            Cell::Share(r.auc),
            Cell::Share(r.calibration_error),
        ]
    };
    Table {
        name: "records",
        columns: columns(&[
            ("arm", "arm"),
            ("n", "samples"),
            ("accuracy", "accuracy %"),
            ("low", "low"),
            ("high", "high"),
            ("macro_f1", "macro F1 %"),
            ("auc", "AUC %"),
            ("calibration_error", "calibration error %"),
        ]),
        rows: report.records.iter().map(row).collect(),
    }
}

pub(crate) fn differences(report: &Report) -> Table {
    let row = |d: &crate::PairedDifference| {
        vec![
            text(&d.recovery),
            text(&d.metric),
            text(&d.protocol),
            Cell::Number(d.rate),
            text(&d.arm),
            text(&d.baseline),
            Cell::Count(d.n),
            Cell::Points(d.difference),
            Cell::Points(d.low),
            Cell::Points(d.high),
        ]
    };
    Table {
        name: "differences",
        columns: columns(&[
            ("arm", "arm"),
            ("baseline", "minus"),
            ("n", "samples"),
            ("difference", "points"),
            ("low", "low"),
            ("high", "high"),
        ]),
        rows: report.differences.iter().map(row).collect(),
    }
}

pub(crate) fn learning_curves(report: &Report) -> Table {
    let rows = report.learning_curves.iter().flat_map(|c| {
        c.points
            .iter()
            .map(|&(epoch, value)| vec![text(&c.stage), text(&c.quantity), Cell::Number(epoch), Cell::Number(value)])
    });
    Table {
        name: "learning-curves",
        columns: vec![("stage", "stage"), ("quantity", "quantity"), ("epoch", "epoch"), ("value", "value")],
        rows: rows.collect(),
    }
}

pub(crate) fn reliability(report: &Report) -> Table {
    let rows = report.reliability.iter().flat_map(|r| {
        r.bins.iter().map(|bin| {
            vec![
                text(&r.recovery),
                text(&r.metric),
                text(&r.protocol),
                Cell::Number(r.rate),
                text(&r.arm),
                Cell::Share(bin.confidence),
                Cell::Share(bin.accuracy),
                Cell::Count(bin.count),
                Cell::Share(r.ece),
            ]
        })
    });
    Table {
        name: "reliability",
        columns: columns(&[
            ("arm", "arm"),
            ("confidence", "confidence %"),
            ("accuracy", "accuracy %"),
            ("count", "samples"),
            ("ece", "calibration error %"),
        ]),
        rows: rows.collect(),
    }
}

pub(crate) fn accepted(report: &Report) -> Table {
    let row = |a: &crate::AcceptedBySubset| {
        let share = if a.offered == 0 { f64::NAN } else { a.accepted as f64 / a.offered as f64 };
        vec![
            text(&a.recovery),
            text(&a.metric),
            Cell::Text(subset(&a.observed)),
            Cell::Count(a.samples),
            Cell::Count(a.offered),
            Cell::Count(a.accepted),
            Cell::Share(share),
        ]
    };
    Table {
        name: "accepted",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("observed", "observed"),
            ("samples", "samples"),
            ("offered", "offered"),
            ("accepted", "let in"),
            ("share", "share %"),
        ],
        rows: report.accepted.iter().map(row).collect(),
    }
}

/// Numbers of modalities as `{0,2}`.
pub(crate) fn subset(numbers: &[usize]) -> String {
    let inside: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("{{{}}}", inside.join(","))
}

pub(crate) fn recovery_quality(report: &Report) -> Table {
    let row = |q: &crate::RecoveryQuality| {
        vec![text(&q.recovery), Cell::Count(q.given), Cell::Share(q.read_as_right_class), Cell::Count(q.n)]
    };
    Table {
        name: "recovery-quality",
        columns: vec![
            ("recovery", "recovery"),
            ("given", "modalities given"),
            ("read_as_right_class", "read as the right class %"),
            ("n", "recovered modalities read"),
        ],
        rows: report.recovery_quality.iter().map(row).collect(),
    }
}

pub(crate) fn bounds(report: &Report) -> Table {
    let row = |b: &crate::Bound| {
        vec![
            text(b.recovery.as_deref().unwrap_or("none")),
            text(&b.metric),
            text(&b.subset_text),
            Cell::Number(b.entropy),
            Cell::Number(b.cross_entropy),
            Cell::Number(b.g),
            Cell::Number(b.delta),
            Cell::Count(b.n),
            Cell::Number(b.bound_nats),
        ]
    };
    Table {
        name: "bounds",
        columns: vec![
            ("recovery", "recovery"),
            ("metric", "metric"),
            ("subset", "shown to the network"),
            ("entropy", "H(Y)"),
            ("cross_entropy", "L"),
            ("g", "G"),
            ("delta", "δ"),
            ("n", "n"),
            ("bound_nats", "I(Y; Z) at least"),
        ],
        rows: report.bounds.iter().map(row).collect(),
    }
}

pub(crate) fn min_gain(report: &Report) -> Table {
    let row = |g: &MinGain| {
        vec![
            Cell::Number(g.tau),
            Cell::Share(g.accuracy),
            Cell::Share(g.samples_recovered_share),
            Cell::Number(g.seconds),
        ]
    };
    Table {
        name: "min-gain",
        columns: vec![
            ("tau", "least gain τ"),
            ("accuracy", "accuracy %"),
            ("samples_recovered_share", "samples recovered %"),
            ("seconds", "seconds"),
        ],
        rows: report.min_gain.iter().map(row).collect(),
    }
}

pub(crate) fn incomplete_training(report: &Report) -> Table {
    let row = |r: &crate::IncompleteTraining| {
        vec![
            text(&r.metric),
            text(&r.protocol),
            Cell::Number(r.rate),
            Cell::Count(r.n),
            Cell::Share(r.accuracy),
            Cell::Share(r.accuracy_of_complete),
            Cell::Points(r.difference),
            Cell::Points(r.low),
            Cell::Points(r.high),
        ]
    };
    Table {
        name: "incomplete-training",
        columns: vec![
            ("metric", "metric"),
            ("protocol", "protocol"),
            ("rate", "missing"),
            ("n", "n"),
            ("accuracy", "trained on all %"),
            ("accuracy_of_complete", "on complete ones %"),
            ("difference", "difference"),
            ("low", "from"),
            ("high", "to"),
        ],
        rows: report.incomplete_training.iter().map(row).collect(),
    }
}

pub(crate) fn resolution(report: &Report) -> Table {
    let row = |r: &crate::Resolution| {
        vec![
            text(&r.recovery),
            text(&r.metric),
            text(&r.protocol),
            Cell::Number(r.rate),
            Cell::Count(r.samples),
            Cell::Count(r.samples_within),
            Cell::Count(r.rounds),
            Cell::Count(r.rounds_within),
        ]
    };
    Table {
        name: "resolution",
        columns: columns(&[
            ("samples", "samples"),
            ("samples_within", "with a decision within resolution"),
            ("rounds", "rounds"),
            ("rounds_within", "within resolution"),
        ]),
        rows: report.resolution.iter().map(row).collect(),
    }
}

/// Every decision of the gallery.
fn decisions(report: &Report) -> Table {
    let mut rows = Vec::new();
    for sample in &report.gallery {
        for (number, round) in sample.rounds.iter().enumerate() {
            rows.extend(round.candidates.iter().map(|c| {
                vec![
                    text(&sample.id),
                    text(&sample.setting),
                    Cell::Count(number + 1),
                    text(&round.subset),
                    Cell::Number(round.quality_before),
                    Cell::Number(round.typicality_before),
                    text(&c.name),
                    Cell::Number(c.quality),
                    Cell::Number(c.typicality),
                    text(&c.predicted),
                    Cell::Number(c.calibration),
                    Cell::Number(c.reward),
                    text(verdict(c.verdict)),
                    text(&c.reason),
                ]
            }));
        }
    }
    let names = [
        "sample",
        "setting",
        "round",
        "subset",
        "quality_before",
        "typicality_before",
        "candidate",
        "quality",
        "typicality",
        "predicted",
        "calibration",
        "reward",
        "verdict",
        "reason",
    ];
    Table { name: "gallery", columns: names.map(|n| (n, n)).to_vec(), rows }
}

/// One word for a decision.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "let in",
        Verdict::Rejected => "rejected",
        Verdict::Waiting => "asked again",
    }
}

/// The order of an arm in tables that are sorted for people.
pub(crate) fn by_arm(rows: &mut [&crate::Record]) {
    rows.sort_by(|a, b| a.rate.total_cmp(&b.rate).then(arms::order(&a.arm).cmp(&arms::order(&b.arm))));
}
