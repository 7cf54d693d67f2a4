//! The sections on how far the answers can be trusted.

use super::Shown;
use super::plots::{Panel, Plot, plot};
use crate::arms;
use crate::charts;
use crate::group::distinct;
use crate::report::Report;
use crate::trust::words::{self, place};
use crate::trust::{GuaranteeRecord, PatternRecord, RobustnessRecord, tables};

/// All of them; empty ones are left out of the page.
pub(super) struct Trust {
    pub confidence: Vec<String>,
    pub confidence_table: Shown,
    pub patterns: Option<Plot>,
    pub pattern_words: Vec<String>,
    pub guarantees: Vec<GuaranteeCard>,
    pub guarantee_table: Shown,
    pub greedy: Vec<String>,
    pub greedy_examples: Vec<String>,
    pub greedy_table: Shown,
    pub acquisitions: Vec<String>,
    pub acquisition_examples: Vec<String>,
    pub acquisition_table: Shown,
    pub robustness: Option<Plot>,
    pub robustness_words: Vec<String>,
}

/// One setting's guarantee.
pub(super) struct GuaranteeCard {
    pub title: String,
    pub class: &'static str,
    pub word: &'static str,
    pub words: String,
    pub on_test: Option<String>,
}

impl Trust {
    pub(super) fn of(report: &Report) -> Self {
        let (robustness, robustness_words) = robustness(report);
        Self {
            confidence: report.confidence.iter().flat_map(words::confidence).collect(),
            confidence_table: Shown::of(&tables::confidence(report)),
            patterns: patterns(report),
            pattern_words: words::patterns(&report.patterns),
            guarantees: report.guarantees.iter().map(guarantee).collect(),
            guarantee_table: Shown::of(&tables::guarantees(report)),
            greedy: report.greedy.iter().map(words::greedy).collect(),
            greedy_examples: report.greedy.iter().flat_map(|g| g.examples.clone()).collect(),
            greedy_table: Shown::of(&tables::greedy(report)),
            acquisitions: report.acquisitions.iter().map(words::acquisition).collect(),
            acquisition_examples: report.acquisitions.iter().flat_map(|a| a.examples.clone()).collect(),
            acquisition_table: Shown::of(&tables::acquisitions(report)),
            robustness,
            robustness_words,
        }
    }
}

fn guarantee(g: &GuaranteeRecord) -> GuaranteeCard {
    let (class, word) = if g.threshold.is_some() { ("accept", "selection on") } else { ("worse", "selection off") };
    GuaranteeCard {
        title: place(&g.recovery, &g.metric),
        class,
        word,
        words: sentence(&g.words),
        on_test: words::guarantee_on_test(g),
    }
}

/// With a capital and a full stop, whatever it came with.
fn sentence(words: &str) -> String {
    let mut letters = words.trim_end_matches('.').chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    if first.is_empty() { first } else { format!("{first}{}.", letters.as_str()) }
}

/// A panel per recovery, metric and arm.
fn patterns(report: &Report) -> Option<Plot> {
    let settings = distinct(report.patterns.iter().map(|p| (&p.recovery, &p.metric, &p.arm)));
    let panel = |(recovery, metric, arm): (&String, &String, &String)| {
        let own: Vec<PatternRecord> = report
            .patterns
            .iter()
            .filter(|p| (&p.recovery, &p.metric, &p.arm) == (recovery, metric, arm))
            .cloned()
            .collect();
        let title = format!("{}, {}", place(recovery, metric), arms::label(arm));
        let label = format!("Accuracy and coverage by observed subset, {title}");
        Panel { svg: charts::measures_by_pattern(&own, &label), title }
    };
    let caption = "Each row is a group of samples that came with the modalities marked by full dots: how many are \
                   classified right, and how often the prediction set holds the true class, with exact 95 % intervals. \
                   A mean over all samples may hide a group that fails. Intervals are not adjusted for the number of \
                   patterns: of twenty, one may miss the truth by chance.";
    plot("", settings.into_iter().map(panel).collect(), caption.into(), &tables::patterns(report))
}

/// A panel for each thing that was varied, and what it comes to.
fn robustness(report: &Report) -> (Option<Plot>, Vec<String>) {
    let mut groups = distinct(report.robustness.iter().map(|r| (r.varied, &r.recovery, &r.metric)));
    groups.sort_by_key(|group| group.0);
    let mut lines = Vec::new();
    let panel = |(varied, recovery, metric): (crate::Varied, &String, &String)| {
        let own: Vec<RobustnessRecord> = report
            .robustness
            .iter()
            .filter(|r| (r.varied, &r.recovery, &r.metric) == (varied, recovery, metric))
            .cloned()
            .collect();
        let name = tables::varied(varied);
        let title = format!("{}: {name}", place(recovery, metric));
        lines.extend(words::robustness(&own, &title));
        let usual = distinct(own.iter().filter(|r| r.usual).map(|r| r.setting.as_str()));
        let axis = match usual.first() {
            Some(usual) => format!("{name} (elsewhere {usual})"),
            None => name.into(),
        };
        let label = format!("Accuracy over {name}, {title}");
        Panel { svg: charts::accuracy_over_settings(&own, &axis, &label), title }
    };
    let panels = groups.into_iter().map(panel).collect();
    let caption = "One setting is changed at a time, all others stay as elsewhere on this page. Settings are evenly \
                   spaced. Whiskers and band are 95 % bootstrap intervals of each accuracy alone.";
    (plot("", panels, caption.into(), &tables::robustness(report)), lines)
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_clause_becomes_a_sentence() {
        assert_eq!(sentence("selection is off: why"), "Selection is off: why.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), "");
    }
}
