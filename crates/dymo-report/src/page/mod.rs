//! The page: what the templates show, prepared so that they hold no logic beyond loops.

pub(crate) mod cards;
mod incomplete;
mod plots;
mod resolution;
mod trust;

use crate::arms::{self, SECOND_OPINION};
use crate::error::ReportError;
use crate::findings::{self, Finding, findings};
use crate::group::{Group, distinct, rate_in_words, several_protocols};
use crate::records::Bound;
use crate::report::{Provenance, Report};
use crate::table::{Cell, Table, number};
use crate::tables;
use askama::Template;
use cards::{Chapter, chapters};
use plots::Plot;
use trust::Trust;

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    title: &'a str,
    headline: String,
    lead: String,
    tally: Vec<String>,
    settings: Vec<Setting>,
    arms: Vec<LegendArm>,
    accuracy: Option<Plot>,
    differences: Vec<Plot>,
    opinions: Vec<String>,
    has_second_opinion: bool,
    learning: Option<Plot>,
    incomplete: Option<Shown>,
    incomplete_words: Vec<String>,
    reliability: Option<Plot>,
    acceptance: Option<Plot>,
    modalities: Vec<String>,
    coherence: Option<Plot>,
    least_gain: Option<Plot>,
    resolution: Option<Shown>,
    resolution_words: Vec<String>,
    bounds: Option<Shown>,
    bound_words: Vec<String>,
    trust: Trust,
    chapters: Vec<Chapter<'a>>,
    provenance: &'a Provenance,
    facts: Vec<(&'static str, String)>,
}

/// One card of key figures.
struct Setting {
    title: String,
    accuracy: String,
    place: String,
    versus: Vec<Versus>,
}

struct Versus {
    baseline: String,
    class: &'static str,
    word: &'static str,
    numbers: String,
}

struct LegendArm {
    label: String,
    meaning: &'static str,
    colour: &'static str,
}

/// A table as the page shows it.
struct Shown {
    file: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<ShownCell>>,
}

struct ShownCell {
    words: String,
    is_text: bool,
}

impl Shown {
    fn of(table: &Table) -> Self {
        let cell = |c: &Cell| ShownCell { words: c.shown(), is_text: c.is_text() };
        Self {
            file: format!("{}.csv", table.name),
            columns: table.columns.iter().map(|(_, shown)| *shown).collect(),
            rows: table.rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
        }
    }

    fn unless_empty(table: &Table) -> Option<Self> {
        (!table.rows.is_empty()).then(|| Self::of(table))
    }
}

/// Renders the page. The same report gives the same bytes: no clock, no random order.
pub(crate) fn render(report: &Report) -> Result<String, ReportError> {
    let found = findings(report);
    let opinions = findings::second_opinion(&found);
    let several = several_protocols(&report.records);
    let page = Page {
        title: if report.provenance.title.is_empty() { "DyMo report" } else { &report.provenance.title },
        headline: findings::headline(&found),
        lead: findings::lead(&found),
        tally: findings::tally(&found),
        settings: found.iter().map(|f| setting(f, several)).collect(),
        arms: legend(report),
        accuracy: plots::accuracy(report),
        differences: plots::differences(report),
        has_second_opinion: report.records.iter().any(|r| r.arm == SECOND_OPINION),
        opinions,
        learning: plots::learning(report),
        incomplete: Shown::unless_empty(&tables::incomplete_training(report)),
        incomplete_words: incomplete::words(report),
        reliability: plots::reliability(report),
        acceptance: plots::acceptance(report),
        modalities: report.modalities.iter().enumerate().map(|(i, name)| format!("{i} = {name}")).collect(),
        coherence: plots::coherence(report),
        least_gain: plots::least_gain(report),
        resolution: Shown::unless_empty(&tables::resolution(report)),
        resolution_words: resolution::words(report),
        bounds: Shown::unless_empty(&tables::bounds(report)),
        bound_words: least_bounds(&report.bounds).into_iter().map(bound_in_words).collect(),
        trust: Trust::of(report),
        chapters: chapters(report),
        facts: facts(&report.provenance),
        provenance: &report.provenance,
    };
    Ok(page.render()?)
}

fn setting(finding: &Finding, with_protocol: bool) -> Setting {
    let group = Group {
        recovery: finding.recovery.clone(),
        metric: finding.metric.clone(),
        protocol: finding.protocol.clone(),
    };
    let versus = finding.comparisons.iter().map(|c| Versus {
        baseline: arms::label(&c.baseline).into(),
        class: c.outcome.class(),
        word: c.outcome.word(),
        numbers: if c.low.is_finite() && c.high.is_finite() {
            format!(
                "{} points ({} to {})",
                findings::signed(c.difference),
                findings::signed(c.low),
                findings::signed(c.high)
            )
        } else {
            format!("{} points", findings::signed(c.difference))
        },
    });
    Setting {
        title: group.title(with_protocol),
        accuracy: findings::percent(finding.accuracy),
        place: format!("right at {}, {} samples", rate_in_words(finding.rate), findings::thousands(finding.n)),
        versus: versus.collect(),
    }
}

/// The arms of this report, in the order of every chart.
fn legend(report: &Report) -> Vec<LegendArm> {
    let mut names = distinct(report.records.iter().map(|r| r.arm.as_str()));
    names.sort_by_key(|arm| arms::order(arm));
    let entry = |arm: &str| LegendArm {
        label: arms::label(arm).into(),
        meaning: arms::look(arm).map_or("as named by the evaluation", |look| look.meaning),
        colour: arms::colour(arm),
    };
    names.into_iter().map(entry).collect()
}

/// The least of every recovery and metric, in the order of their first: the others are in the table.
fn least_bounds(bounds: &[Bound]) -> Vec<&Bound> {
    let mut least: Vec<&Bound> = Vec::new();
    for bound in bounds {
        let same = |b: &&mut &Bound| b.recovery == bound.recovery && b.metric == bound.metric;
        match least.iter_mut().find(same) {
            Some(kept) if bound.bound_nats < kept.bound_nats => *kept = bound,
            Some(_) => {}
            None => least.push(bound),
        }
    }
    least
}

/// The bound as a sentence, with its reservation where it is empty.
fn bound_in_words(b: &Bound) -> String {
    let shown = match &b.recovery {
        Some(recovery) => format!("{} ({recovery} recovery, {})", b.subset_text, arms::metric_label(&b.metric)),
        None => format!("{} ({})", b.subset_text, arms::metric_label(&b.metric)),
    };
    if !b.bound_nats.is_finite() {
        return format!("{shown}: no bound could be computed.");
    }
    if b.bound_nats <= 0.0 {
        return format!("{shown}: the bound is {} nats, so it says nothing.", number(b.bound_nats));
    }
    format!(
        "{shown}: with confidence {}\u{a0}%, the fused features carry at least {} of the {} nats of information about the label.",
        number((1e4 * (1.0 - b.delta)).round() / 100.0),
        number(b.bound_nats),
        number(b.entropy),
    )
}

/// Facts of provenance that are a word or a number.
fn facts(p: &Provenance) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Seed", p.seed.to_string())];
    let texts = [("Device", &p.device), ("Data", &p.data_note), ("Weights", &p.weights_note)];
    facts.extend(texts.into_iter().filter(|(_, t)| !t.is_empty()).map(|(name, t)| (name, t.clone())));
    if p.threads > 0 {
        facts.push(("Threads", p.threads.to_string()));
    }
    if p.duration_seconds.is_finite() && p.duration_seconds > 0.0 {
        facts.push(("Duration", duration(p.duration_seconds)));
    }
    if !p.versions.is_empty() {
        let versions: Vec<String> = p.versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
        facts.push(("Versions", versions.join(", ")));
    }
    facts
}

/// Seconds in the largest two units that fit.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(duration(4.25), "4.2 s");
        assert_eq!(duration(59.9), "1 min 0 s");
        assert_eq!(duration(3725.0), "1 h 2 min");
    }

    #[test]
    fn an_empty_bound_says_so() {
        let mut bound = Bound {
            recovery: None,
            metric: "cosine".into(),
            subset_text: "{0}".into(),
            cross_entropy: 2.0,
            entropy: 2.3,
            n: 100,
            delta: 0.05,
            g: 10.0,
            bound_nats: -0.9,
        };
        assert!(bound_in_words(&bound).contains("says nothing"));
        bound.bound_nats = 1.5;
        assert!(bound_in_words(&bound).contains("confidence 95\u{a0}%"));
        bound.bound_nats = f64::NAN;
        assert!(bound_in_words(&bound).contains("no bound"));
    }
}
