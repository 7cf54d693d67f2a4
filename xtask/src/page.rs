//! The page of results of an experiment, from what `dymo evaluate` left.

mod checks;

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What a results folder says.
#[derive(Deserialize)]
struct Report {
    provenance: Provenance,
    records: Vec<Record>,
    differences: Vec<Difference>,
    recovery_quality: Vec<Quality>,
    learning_curves: Vec<Curve>,
    min_gain: Vec<MinGain>,
    guarantees: Vec<Guarantee>,
    confidence: Vec<Confidence>,
    patterns: Vec<Pattern>,
    greedy: Vec<checks::Greedy>,
    acquisitions: Vec<checks::Acquisition>,
    robustness: Vec<checks::Robustness>,
}

#[derive(Deserialize)]
struct Guarantee {
    recovery: String,
    metric: String,
    /// `None`: held-out samples have turned selection off.
    threshold: Option<f64>,
    words: String,
    /// Of a cross-validation.
    #[serde(default)]
    folds: Option<[usize; 2]>,
    test_n: usize,
    test_difference: Option<f64>,
    test_low: Option<f64>,
    test_high: Option<f64>,
}

#[derive(Deserialize)]
struct Pattern {
    recovery: String,
    metric: String,
    arm: String,
    observed: Vec<usize>,
    n: usize,
    few: bool,
    accuracy: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    calibration_error: Option<f64>,
    calibration_error_low: Option<f64>,
    calibration_error_high: Option<f64>,
    asked_coverage: Option<f64>,
    coverage: Option<f64>,
    coverage_low: Option<f64>,
    coverage_high: Option<f64>,
    set_size: Option<f64>,
}

#[derive(Deserialize)]
struct Confidence {
    recovery: String,
    metric: String,
    arm: String,
    n: usize,
    calibration_error_before: f64,
    calibration_error_after: f64,
    asked_coverage: f64,
    coverage: f64,
    low: f64,
    high: f64,
    set_size: f64,
}

#[derive(Deserialize)]
struct Provenance {
    command: String,
    seed: u64,
    device: String,
    duration_seconds: f64,
    data_note: String,
    weights_note: String,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    recovery: String,
    metric: String,
    protocol: String,
    rate: f64,
    arm: String,
    n: usize,
    accuracy: f64,
    low: f64,
    high: f64,
    /// NaN is written as null.
    auc: Option<f64>,
    macro_f1: f64,
}

#[derive(Deserialize)]
struct Difference {
    recovery: String,
    metric: String,
    protocol: String,
    rate: f64,
    baseline: String,
    difference: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Quality {
    recovery: String,
    given: usize,
    read_as_right_class: f64,
    n: usize,
}

#[derive(Deserialize)]
struct Curve {
    stage: String,
    quantity: String,
    points: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct MinGain {
    tau: f64,
    accuracy: f64,
    samples_recovered_share: f64,
    seconds: f64,
}

const ARMS: [&str; 6] = ["discard", "fuse-all", "one-shot", "iterative", "dymo", "second-opinion"];

/// The page as Markdown.
pub(crate) fn write(name: &str, results: &Path, remarks: &Path) -> Result<String> {
    let path = results.join("report.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{}: run `cargo xtask reproduce {name}` first", path.display()))?;
    let report: Report = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let mut page = String::new();
    head(&mut page, name, &report.provenance)?;
    accuracies(&mut page, &report)?;
    differences(&mut page, &report)?;
    promises(&mut page, &report)?;
    checks::sections(&mut page, &report.greedy, &report.acquisitions, &report.robustness)?;
    qualities(&mut page, &report)?;
    quality_over_epochs(&mut page, &report)?;
    gains(&mut page, &report)?;
    baselines(&mut page, results)?;
    for note in &report.provenance.notes {
        writeln!(page, "\n> {}", shortened(note))?;
    }
    // What a person has to say about the figures stands beside the experiment and is quoted.
    if let Ok(remarks) = std::fs::read_to_string(remarks) {
        writeln!(page, "\n{}", remarks.trim_end())?;
    }
    Ok(page)
}

fn head(page: &mut String, name: &str, p: &Provenance) -> Result<()> {
    writeln!(
        page,
        "<!-- made by `cargo xtask reproduce {name}{}`; edit the experiment or its remarks, not this page -->",
        folds(&p.command)
    )?;
    writeln!(page, "# {}\n\n{}\n", name.replace('/', ", "), p.data_note)?;
    writeln!(page, "* Command of the evaluation: `{}`", shortened(&p.command))?;
    let duration = match p.duration_seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} seconds"),
        seconds => format!("{:.1} minutes", seconds / 60.0),
    };
    writeln!(
        page,
        "* Seed {}, {}, {duration} for the evaluation, or what was left of a cross-validation",
        p.seed, p.device
    )?;
    writeln!(page, "* Weights: {}", shortened(&p.weights_note))?;
    writeln!(
        page,
        "* Intervals are 95 % percentile bootstrap intervals, exact ones where all samples are alike; differences are paired on the same samples."
    )?;
    Ok(())
}

/// The flags of a cross-validation in the command of an evaluation, as `cargo xtask reproduce` has them.
fn folds(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let flags = ["--folds", "--repeats", "--permutations"];
    words.windows(2).filter(|pair| flags.contains(&pair[0])).map(|pair| format!(" {} {}", pair[0], pair[1])).collect()
}

/// Absolute paths of the machine that ran it say nothing elsewhere.
fn shortened(text: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_default();
    text.replace(&format!("{}/", root.to_string_lossy()), "")
}

/// Keys in the order in which they first occur.
fn ordered<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

/// A protocol that names what is observed, one scenario of all missing patterns.
fn pattern(protocol: &str) -> Option<&str> {
    protocol.strip_prefix("only ")
}

/// One table of a recovery and metric: the scenarios of a protocol, or all missing patterns.
fn accuracies(page: &mut String, report: &Report) -> Result<()> {
    let family =
        |r: &Record| if pattern(&r.protocol).is_some() { "missing patterns".into() } else { r.protocol.clone() };
    let key = |r: &Record| (r.recovery.clone(), r.metric.clone(), family(r));
    for (recovery, metric, protocol) in ordered(report.records.iter().map(key)) {
        let here: Vec<&Record> = report
            .records
            .iter()
            .filter(|r| r.recovery == recovery && r.metric == metric && family(r) == protocol)
            .collect();
        writeln!(page, "\n## {recovery} recovery, {metric}, {protocol}\n")?;
        let patterns = here.iter().any(|r| pattern(&r.protocol).is_some());
        let what = match patterns {
            true => " by what is observed; a line's *discard* is the fusion network on that alone",
            false => "",
        };
        writeln!(page, "Accuracy in % on {} samples{what}.\n", here.first().map_or(0, |r| r.n))?;
        let against = if patterns { " dymo − discard |" } else { "" };
        let first = if patterns { "observed" } else { "missing" };
        writeln!(
            page,
            "| {first} | {} | AUC, discard | AUC, dymo | F1, discard | F1, dymo |{against}",
            ARMS.join(" | ")
        )?;
        writeln!(page, "|---|{}", "---|".repeat(ARMS.len() + 4 + usize::from(patterns)))?;
        for (protocol, rate) in ordered(here.iter().map(|r| (r.protocol.clone(), r.rate))) {
            let row: Vec<&Record> = here.iter().filter(|r| r.protocol == protocol && r.rate == rate).copied().collect();
            let name = pattern(&protocol).map_or_else(|| rate.to_string(), str::to_owned);
            write!(page, "| {name} | {} |", scenario(&row).join(" | "))?;
            if patterns {
                let same = |d: &&Difference| {
                    d.recovery == recovery && d.metric == metric && d.protocol == protocol && d.baseline == "discard"
                };
                write!(page, " {} |", report.differences.iter().find(same).map_or("–".into(), Difference::words))?;
            }
            writeln!(page)?;
        }
        if patterns {
            tally(page, report, &recovery, &metric)?;
        }
    }
    Ok(())
}

/// The arms' accuracies, and what accuracy hides where classes are of different sizes.
fn scenario(row: &[&Record]) -> Vec<String> {
    let of = |arm: &str| row.iter().find(|r| r.arm == arm);
    let accuracy = |arm: &str| {
        of(arm).map_or("–".to_owned(), |r| {
            format!("{:.2} ({:.2}–{:.2})", 100.0 * r.accuracy, 100.0 * r.low, 100.0 * r.high)
        })
    };
    let auc = |arm| of(arm).and_then(|r| r.auc).map_or("–".to_owned(), |auc| format!("{auc:.4}"));
    let f1 = |arm| of(arm).map_or("–".to_owned(), |r| format!("{:.2}", 100.0 * r.macro_f1));
    let mut cells: Vec<String> = ARMS.iter().map(|arm| accuracy(arm)).collect();
    cells.extend([auc("discard"), auc("dymo"), f1("discard"), f1("dymo")]);
    cells
}

/// In how many patterns selection is clearly better than discarding, and in how many worse.
fn tally(page: &mut String, report: &Report, recovery: &str, metric: &str) -> Result<()> {
    let here: Vec<&Difference> = report
        .differences
        .iter()
        .filter(|d| {
            pattern(&d.protocol).is_some() && d.recovery == recovery && d.metric == metric && d.baseline == "discard"
        })
        .collect();
    let better = here.iter().filter(|d| d.low > 0.0).count();
    let worse = here.iter().filter(|d| d.high < 0.0).count();
    writeln!(
        page,
        "\nOf {} patterns DyMo is above discarding in {better} and below it in {worse}, by an interval clear of zero.",
        here.len()
    )?;
    Ok(())
}

impl Difference {
    fn words(&self) -> String {
        points(self.difference, self.low, self.high)
    }
}

/// Percentage points with their interval.
fn points(difference: f64, low: f64, high: f64) -> String {
    format!("{:+.2} ({:+.2} to {:+.2})", 100.0 * difference, 100.0 * low, 100.0 * high)
}

fn differences(page: &mut String, report: &Report) -> Result<()> {
    writeln!(page, "\n## DyMo against the others\n\nDifference of accuracy in percentage points.\n")?;
    let here = || report.differences.iter().filter(|d| pattern(&d.protocol).is_none());
    let baselines = ordered(here().map(|d| d.baseline.clone()));
    let titles: Vec<String> = baselines.iter().map(|b| format!("− {b}")).collect();
    writeln!(page, "| recovery | metric | protocol | rate | {} |", titles.join(" | "))?;
    writeln!(page, "|---|---|---|---|{}", "---|".repeat(baselines.len()))?;
    let key = |d: &Difference| (d.recovery.clone(), d.metric.clone(), d.protocol.clone(), d.rate);
    for (recovery, metric, protocol, rate) in ordered(here().map(key)) {
        let cell = |baseline: &String| {
            let same = |d: &&Difference| {
                d.recovery == recovery
                    && d.metric == metric
                    && d.protocol == protocol
                    && d.rate == rate
                    && d.baseline == *baseline
            };
            here().find(same).map_or("–".to_owned(), Difference::words)
        };
        let cells: Vec<String> = baselines.iter().map(cell).collect();
        writeln!(page, "| {recovery} | {metric} | {protocol} | {rate} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// What held-out samples allow to say, and what came of it on the test samples.
fn promises(page: &mut String, report: &Report) -> Result<()> {
    if !report.guarantees.is_empty() {
        writeln!(
            page,
            "\n## Whether selection may be used\n\nFound on held-out samples; `dymo predict` goes by it.\n"
        )?;
    }
    for g in &report.guarantees {
        write!(page, "* {} recovery, {}: {}", g.recovery, g.metric, g.words)?;
        if let (Some(d), Some(low), Some(high)) = (g.test_difference, g.test_low, g.test_high) {
            write!(page, "; on {} test samples {} points", g.test_n, points(d, low, high))?;
        }
        writeln!(page)?;
    }
    if report.confidence.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "\n## How sure it is\n\nCalibration error before and after scaling the temperature, and prediction sets, on the test samples.\n"
    )?;
    writeln!(
        page,
        "| recovery | metric | arm | n | error before | after | coverage asked | reached | classes in a set |"
    )?;
    writeln!(page, "|---|---|---|---|---|---|---|---|---|")?;
    for c in &report.confidence {
        let [asked, reached, low, high] = [c.asked_coverage, c.coverage, c.low, c.high].map(|v| 100.0 * v);
        writeln!(
            page,
            "| {} | {} | {} | {} | {:.1} % | {:.1} % | {asked:.0} % | {reached:.1} % ({low:.1}–{high:.1}) | {:.2} |",
            c.recovery,
            c.metric,
            c.arm,
            c.n,
            100.0 * c.calibration_error_before,
            100.0 * c.calibration_error_after,
            c.set_size
        )?;
    }
    by_pattern(page, report)
}

/// Names of the modalities, where missing patterns were gone through: single ones are the first, in their order.
fn modalities(report: &Report) -> Vec<&str> {
    let named = ordered(report.records.iter().filter_map(|r| pattern(&r.protocol)));
    named.into_iter().filter(|name| !name.contains(" and ")).collect()
}

/// Accuracy, calibration and coverage for every missing pattern, of the first recovery model and metric.
fn by_pattern(page: &mut String, report: &Report) -> Result<()> {
    let names = modalities(report);
    let Some(first) = report.patterns.first() else { return Ok(()) };
    let setting = (&first.recovery, &first.metric);
    let promised = report.guarantees.iter().find(|g| (&g.recovery, &g.metric) == setting);
    // What `dymo predict` goes by.
    let (arm, used) = match promised.map(|g| g.threshold) {
        // There DyMo's figures are of what decides in each fold.
        Some(Some(_)) if promised.is_some_and(|g| g.folds.is_some()) => {
            ("dymo", "by DyMo above its threshold in folds where selection is on, by what was observed in the others,")
        }
        Some(None) => ("discard", "by what was observed alone, for held-out samples have turned selection off,"),
        Some(Some(_)) => ("dymo", "by DyMo above its threshold,"),
        None => ("dymo", "by DyMo"),
    };
    let alike = |p: &&Pattern| (&p.recovery, &p.metric) == setting && p.arm == arm;
    writeln!(
        page,
        "\nFor every pattern of what is observed{}, {used} with {} recovery and the {} metric; *few*: too few samples to conclude \
         anything from.\n",
        if names.is_empty() { " (modalities by number)" } else { "" },
        first.recovery,
        first.metric
    )?;
    writeln!(page, "| observed | n | accuracy | calibration error | coverage asked | reached | classes in a set |")?;
    writeln!(page, "|---|---|---|---|---|---|---|")?;
    let share = |of: [Option<f64>; 3]| match of.map(|value| value.map(|v| 100.0 * v)) {
        [Some(value), Some(low), Some(high)] => format!("{value:.1} % ({low:.1}–{high:.1})"),
        _ => "–".to_owned(),
    };
    for p in report.patterns.iter().filter(alike) {
        let name = |m: &usize| names.get(*m).map_or_else(|| m.to_string(), |name| (*name).to_owned());
        let observed: Vec<String> = p.observed.iter().map(name).collect();
        let cells = [
            observed.join(" and "),
            format!("{}{}", p.n, if p.few { ", few" } else { "" }),
            share([p.accuracy, p.low, p.high]),
            share([p.calibration_error, p.calibration_error_low, p.calibration_error_high]),
            p.asked_coverage.map_or("–".into(), |asked| format!("{:.0} %", 100.0 * asked)),
            share([p.coverage, p.coverage_low, p.coverage_high]),
            p.set_size.map_or("–".into(), |size| format!("{size:.2}")),
        ];
        writeln!(page, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn qualities(page: &mut String, report: &Report) -> Result<()> {
    if report.recovery_quality.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## Conditional coherence\n")?;
    writeln!(
        page,
        "Share of recovered modalities that the fusion network, shown nothing else, reads as the true class.\n"
    )?;
    writeln!(page, "| recovery | given | read as the right class | n |\n|---|---|---|---|")?;
    for q in &report.recovery_quality {
        writeln!(page, "| {} | {} | {:.1} % | {} |", q.recovery, q.given, 100.0 * q.read_as_right_class, q.n)?;
    }
    Ok(())
}

/// What a recovery model's learning curve says of what it recovers.
fn quality_over_epochs(page: &mut String, report: &Report) -> Result<()> {
    let read = |c: &&Curve| c.quantity == "validation: recovered from one, read as the right class";
    for curve in report.learning_curves.iter().filter(read) {
        writeln!(page, "\n### {} over its training\n", curve.stage)?;
        writeln!(page, "From one given modality, on validation samples, after each epoch.\n")?;
        writeln!(page, "| epoch | read as the right class |\n|---|---|")?;
        for (epoch, share) in &curve.points {
            writeln!(page, "| {epoch} | {:.1} % |", 100.0 * share)?;
        }
    }
    Ok(())
}

/// What `cargo xtask baseline` left, if it was run.
fn baselines(page: &mut String, results: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Answer {
        baselines: Vec<Baseline>,
        majority_class: f64,
    }
    #[derive(Deserialize)]
    struct Baseline {
        name: String,
        kind: String,
        n: usize,
        accuracy: f64,
        accuracy_interval: [f64; 2],
        balanced_accuracy: f64,
        auc: f64,
        auc_interval: [f64; 2],
    }
    let path = results.join("baseline.json");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let answer: Answer = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    writeln!(
        page,
        "\n## Baselines\n\nEach modality alone, by scikit-learn (`cargo xtask baseline`), on the same parts or as many folds, every row complete.\n"
    )?;
    writeln!(page, "| | by | accuracy | balanced accuracy | AUC | n |\n|---|---|---|---|---|---|")?;
    for b in &answer.baselines {
        let [low, high] = b.accuracy_interval.map(|v| 100.0 * v);
        let [auc_low, auc_high] = b.auc_interval;
        writeln!(
            page,
            "| {} | {} | {:.1} ({low:.1}–{high:.1}) | {:.1} | {:.3} ({auc_low:.3}–{auc_high:.3}) | {} |",
            b.name,
            method(&b.kind),
            100.0 * b.accuracy,
            100.0 * b.balanced_accuracy,
            b.auc,
            b.n
        )?;
    }
    writeln!(page, "| the commonest class, always | | {:.1} | | | |", 100.0 * answer.majority_class)?;
    Ok(())
}

/// What `alone.py` chooses from for a kind of modality.
fn method(kind: &str) -> &str {
    match kind {
        "table" => "trees, boosted or a forest",
        "text" => "logistic regression on n-grams of words or characters",
        "image" | "volume" => "principal components and a linear or kernel machine, or a forest",
        other => other,
    }
}

fn gains(page: &mut String, report: &Report) -> Result<()> {
    if report.min_gain.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## Leaving samples alone that have little to gain (`--min-gain τ`)\n")?;
    writeln!(page, "| τ | accuracy | samples with a recovery | seconds |\n|---|---|---|---|")?;
    for g in &report.min_gain {
        let (accuracy, share) = (100.0 * g.accuracy, 100.0 * g.samples_recovered_share);
        writeln!(page, "| {} | {accuracy:.2} % | {share:.1} % | {:.2} |", g.tau, g.seconds)?;
    }
    Ok(())
}
