//! `docs/results/speed.md`.

use std::fmt::Write as _;

use super::BenchArgs;
use super::growth::Curve;
use super::rows::{Row, quantile};
use super::startup::Startup;

/// What the page is made of.
pub(crate) struct Findings<'a> {
    pub args: &'a BenchArgs,
    /// GFLOP/s.
    pub peak: f64,
    pub rows: Vec<Row>,
    pub growth: Vec<Curve>,
    pub startup: Vec<Startup>,
}

/// What was learnt on the way, written by hand.
const REMARKS: &str = include_str!("remarks.md");

/// The whole page.
pub(crate) fn write(found: &Findings<'_>) -> String {
    let mut page = String::from("# Speed\n\n");
    page += "Written by `cargo xtask bench`; the remarks at the end by hand. The rows of a table were measured in turns in one run, each\n";
    page += "contestant once to warm up. *median* and *spread* (the middle half of the measurements) are wall time; *processor* is the time of\n";
    page += "all threads, the median. *faster* is how many times the first line's median fits into the other's.\n\n";
    machine(&mut page, found);
    for row in &found.rows {
        table(&mut page, row, found.peak, found.args.threads);
    }
    growth(&mut page, &found.growth);
    startup(&mut page, &found.startup);
    missing(&mut page, found.args);
    page += REMARKS;
    page
}

/// Writing to a string cannot fail.
fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = page.write_fmt(text);
    page.push('\n');
}

fn machine(page: &mut String, found: &Findings<'_>) {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let text = info.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
        text.unwrap_or("unknown").trim().to_owned()
    };
    let flags = field("flags");
    let has = |flag: &str| flags.split(' ').any(|f| f == flag);
    let wide = ["avx2", "fma", "avx512f"].into_iter().filter(|f| has(f)).collect::<Vec<_>>().join(", ");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    line(page, format_args!("| | |\n| --- | --- |"));
    line(page, format_args!("| processor | {}, {cores} cores, {wide} |", field("model name")));
    line(
        page,
        format_args!(
            "| peak | {:.0} GFLOP/s in single precision on {} threads, measured in registers |",
            found.peak, found.args.threads
        ),
    );
    line(page, format_args!("| threads | {} of every contestant |", found.args.threads));
    line(
        page,
        format_args!(
            "| other work | load average {load} at the end, {} of it ours: on a busy machine trust *processor* more than *median* |",
            found.args.threads
        ),
    );
    line(page, format_args!("| command | `{}` |\n", command(found.args)));
}

fn command(args: &BenchArgs) -> String {
    let mut command = String::from("cargo xtask bench");
    if args.python.is_some() {
        command += " --python PYTHON";
    }
    if args.peer.is_some() {
        command += " --peer CHECKOUT";
    }
    command + &format!(" --threads {} --runs {}", args.threads, args.runs)
}

fn table(page: &mut String, row: &Row, peak: f64, threads: usize) {
    line(page, format_args!("## {}\n", row.plan.title));
    line(page, format_args!("| | median | spread | fastest | processor | samples/s | faster | aim | accuracy |"));
    line(page, format_args!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"));
    let ours = quantile(&row.found[0].seconds, 0.5);
    for (contestant, found) in row.plan.contestants.iter().zip(&row.found) {
        if found.seconds.is_empty() {
            continue;
        }
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&found.seconds, share));
        let aim = contestant.aim.map_or(String::new(), |aim| format!("{aim}×"));
        let faster = if median == ours { String::new() } else { format!("{:.1}×", median / ours) };
        let accuracy = found.accuracy.map_or(String::new(), |a| format!("{:.1} %", a * 100.0));
        line(
            page,
            format_args!(
                "| {} | {} | {} – {} | {} | {} | {:.0} | {faster} | {aim} | {accuracy} |",
                contestant.name,
                time(median),
                time(low),
                time(high),
                time(quantile(&found.seconds, 0.0)),
                time(quantile(&found.processor, 0.5)),
                row.plan.samples as f64 / median,
            ),
        );
    }
    page.push('\n');
    let first = &row.found[0];
    if let (Some(gflop), true) = (first.gflop, peak > 0.0) {
        let processor = quantile(&first.processor, 0.5);
        line(
            page,
            format_args!(
                "The exact method takes {gflop:.1} GFLOP here (every modality encoded once, every query by itself, nothing shared between \
             queries, zeros around pictures counted). Ours does that at {:.0} GFLOP/s of wall time, {:.0} % of the peak; while its threads \
             have a processor, at {:.0} % of the peak.\n",
                gflop / ours,
                gflop / ours / peak * 100.0,
                gflop / processor / (peak / threads as f64) * 100.0,
            ),
        );
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s.is_nan() => "–".into(),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn growth(page: &mut String, curves: &[Curve]) {
    if curves.is_empty() {
        return;
    }
    line(page, format_args!("## Growth\n"));
    line(
        page,
        format_args!(
            "Selection with random networks (width 32, two blocks), everything missing but one modality and everything recovered. Peak memory \
         is what the process takes beyond networks and statistics.\n"
        ),
    );
    for curve in curves {
        line(
            page,
            format_args!("| {} | seconds | peak memory | queries |\n| ---: | ---: | ---: | ---: |", curve.title),
        );
        for point in &curve.points {
            line(
                page,
                format_args!("| {} | {:.4} | {:.0} MiB | {:.0} |", point.size, point.seconds, point.mib, point.queries),
            );
        }
        line(page, format_args!("\nBetween the last two sizes time grows with the power {:.1}.\n", curve.order()));
    }
}

fn startup(page: &mut String, found: &[Startup]) {
    if found.is_empty() {
        return;
    }
    line(page, format_args!("## Start-up: a process from its start to one classified sample\n"));
    line(page, format_args!("| | median | spread | size |\n| --- | ---: | ---: | ---: |"));
    for program in found.iter().filter(|program| !program.seconds.is_empty()) {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&program.seconds, share));
        let size = program.bytes.map_or(String::new(), |b| format!("{:.1} MB", b as f64 / 1e6));
        line(page, format_args!("| {} | {} | {} – {} | {size} |", program.name, time(median), time(low), time(high)));
    }
    page.push('\n');
}

fn missing(page: &mut String, args: &BenchArgs) {
    let lacking = match (&args.python, &args.peer) {
        (None, _) => Some(
            "PyTorch peers: name a Python with PyTorch (`--python`) and a checkout of the published code (`--peer`)",
        ),
        (_, None) => Some("the published code: name a checkout of it (`--peer`)"),
        _ => None,
    };
    if let Some(lacking) = lacking {
        line(
            page,
            format_args!("Not measured in this run: {lacking}; `xtask/peers/README.md` says how to get them.\n"),
        );
    }
}
