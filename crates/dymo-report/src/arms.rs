//! The arms that the report knows by name: how they are called on the page, drawn and ordered.

/// Observed modalities only.
pub const DISCARD: &str = "discard";
/// Everything recovered is fused.
pub const FUSE_ALL: &str = "fuse-all";
/// All recovered modalities with a positive reward join at once ("S").
pub const ONE_SHOT: &str = "one-shot";
/// Greedy selection without calibration ("I").
pub const ITERATIVE: &str = "iterative";
/// Greedy selection with calibration ("I+C").
pub const DYMO: &str = "dymo";
/// Mean of the fusion network's and the recovery model's own class posteriors on what is observed.
pub const SECOND_OPINION: &str = "second-opinion";

/// How an arm looks in every chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Name on the page.
    pub label: &'static str,
    /// The act of doing so, to follow "than" or "against".
    pub act: &'static str,
    /// What it does, in a few words.
    pub meaning: &'static str,
    /// Colour: a variable of the page's style sheet with a fallback, so that a chart also stands alone.
    pub colour: &'static str,
    /// Dash pattern, empty for a solid line: arms stay apart without colour.
    pub dash: &'static str,
    /// Place in legends and tables.
    pub order: usize,
}

const KNOWN: [(&str, Look); 6] = [
    (
        DYMO,
        Look {
            label: "DyMo",
            act: "DyMo",
            meaning: "recovered modalities join one by one, each only where its calibrated reward is positive",
            colour: "var(--dymo,#0067a5)",
            dash: "",
            order: 0,
        },
    ),
    (
        ITERATIVE,
        Look {
            label: "iterative",
            act: "selecting without calibration",
            meaning: "the same without calibration",
            colour: "var(--iterative,#00875f)",
            dash: "6 2",
            order: 1,
        },
    ),
    (
        ONE_SHOT,
        Look {
            label: "one shot",
            act: "selecting in one shot",
            meaning: "all with a positive reward join at once",
            colour: "var(--one-shot,#b07d00)",
            dash: "3 2",
            order: 2,
        },
    ),
    (
        FUSE_ALL,
        Look {
            label: "fuse all",
            act: "fusing everything",
            meaning: "everything recovered is let in",
            colour: "var(--fuse-all,#c8501e)",
            dash: "8 3 2 3",
            order: 3,
        },
    ),
    (
        DISCARD,
        Look {
            label: "discard",
            act: "discarding",
            meaning: "only what was observed is used",
            colour: "var(--discard,#5f6368)",
            dash: "2 3",
            order: 4,
        },
    ),
    (
        SECOND_OPINION,
        Look {
            label: "second opinion",
            act: "the plain second opinion",
            meaning: "mean of the class posteriors of the fusion network and of the recovery model, both on what was observed",
            colour: "var(--second,#a8498b)",
            dash: "10 3",
            order: 5,
        },
    ),
];

/// How `arm` looks; `None` for an arm that the report has no name for (it is then shown as it is called, in grey).
pub fn look(arm: &str) -> Option<&'static Look> {
    KNOWN.iter().find(|(name, _)| *name == arm).map(|(_, look)| look)
}

/// The arm's name on the page.
pub fn label(arm: &str) -> &str {
    look(arm).map_or(arm, |look| look.label)
}

/// The act of classifying so, to follow "than" or "against".
pub(crate) fn act(arm: &str) -> &str {
    look(arm).map_or(arm, |look| look.act)
}

/// The arm's colour in every chart.
pub(crate) fn colour(arm: &str) -> &'static str {
    look(arm).map_or("var(--other,#777)", |look| look.colour)
}

/// The arm's dash pattern in every chart.
pub(crate) fn dash(arm: &str) -> &'static str {
    look(arm).map_or("1 3", |look| look.dash)
}

/// The arm's place in legends; unknown arms come last.
pub(crate) fn order(arm: &str) -> usize {
    look(arm).map_or(usize::MAX, |look| look.order)
}

/// The metric's name on the page.
pub(crate) fn metric_label(metric: &str) -> &str {
    match metric {
        "euclid" | "euclidean" => "Euclid",
        other => other,
    }
}
