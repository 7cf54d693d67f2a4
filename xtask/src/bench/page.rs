//! `docs/results/speed.md`.

use std::fmt::Write as _;

use super::growth::Curve;
use super::rows::{Row, quantile};
use super::startup::Startup;
use super::{BenchArgs, Machine};
use crate::machine;

/// What the page is made of.
pub(crate) struct Findings<'a> {
    pub args: &'a BenchArgs,
    pub machine: Machine,
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
    page += "all threads, the median. *faster* is how many times the first line's median fits into the other's, by\nwall time and by processor time.\n\n";
    machine(&mut page, found);
    warning(&mut page, found);
    for row in &found.rows {
        table(&mut page, row, &found.machine, found.args.threads);
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
    line(page, format_args!("| | |\n| --- | --- |"));
    line(page, format_args!("| processor | {} |", machine::processor()));
    line(
        page,
        format_args!(
            "| peak | {:.0} GFLOP/s in single precision on {} threads, measured in registers |",
            found.machine.peak, found.args.threads
        ),
    );
    line(page, format_args!("| threads | {} of every contestant |", found.args.threads));
    let (looks, share) = (found.machine.shares.len(), found.machine.share() * 100.0);
    line(
        page,
        format_args!(
            "| other programs | in three of four looks ({looks} over the run) our threads had a processor for {share:.0} % of the time or more |"
        ),
    );
    line(page, format_args!("| command | `{}` |\n", command(found.args)));
}

/// A busy machine is no place to compare programs that wait in different ways.
fn warning(page: &mut String, found: &Findings<'_>) {
    if found.machine.quiet() {
        return;
    }
    let what = match found.args.threads {
        1 => "*faster* is given by processor time alone.",
        _ => {
            "**PyTorch's threads wait for one another by spinning; when a processor is taken from one of them the others burn time, up \
             to tenfold. So no ratio is given: run again on a quiet machine, or with `--threads 1`.**"
        }
    };
    line(page, format_args!("Other programs were running. {what}\n"));
}

fn command(args: &BenchArgs) -> String {
    let mut command = String::from("cargo xtask bench");
    if args.python.is_some() {
        command += " --python PYTHON";
    }
    if args.peer.is_some() {
        command += " --peer CHECKOUT";
    }
    if !args.device.is_empty() {
        let names: Vec<&str> = args.device.iter().map(|device| device.name()).collect();
        command += &format!(" --device {}", names.join(","));
    }
    command + &format!(" --threads {} --runs {}", args.threads, args.runs)
}

fn table(page: &mut String, row: &Row, machine: &Machine, threads: usize) {
    let peak = machine.peak;
    line(page, format_args!("## {}\n", row.plan.title));
    line(
        page,
        format_args!(
            "| | median | spread | fastest | processor | samples/s | faster (wall) | faster (processor) | aim | accuracy |"
        ),
    );
    line(page, format_args!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"));
    let ours = quantile(&row.found[0].seconds, 0.5);
    for (place, (contestant, found)) in row.plan.contestants.iter().zip(&row.found).enumerate() {
        if found.seconds.is_empty() {
            continue;
        }
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&found.seconds, share));
        let aim = contestant.aim.map_or(String::new(), |aim| format!("{aim}×"));
        let ratio = |theirs: f64, ours: f64, counts: bool| match (place > 0 && counts, theirs / ours) {
            (true, ratio) if ratio.is_finite() => format!("{ratio:.1}×"),
            _ => String::new(),
        };
        let processor = quantile(&found.processor, 0.5);
        let wall = ratio(median, ours, machine.quiet());
        // Threads that spin burn processor time, so on a busy machine it counts only where there is nobody to wait for.
        let burnt = ratio(processor, quantile(&row.found[0].processor, 0.5), machine.quiet() || threads == 1);
        let accuracy = found.accuracy.map_or(String::new(), |a| format!("{:.1} %", a * 100.0));
        line(
            page,
            format_args!(
                "| {} | {} | {} – {} | {} | {} | {:.0} | {wall} | {burnt} | {aim} | {accuracy} |",
                contestant.name,
                time(median),
                time(low),
                time(high),
                time(quantile(&found.seconds, 0.0)),
                time(processor),
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
                "What is asked here takes {gflop:.1} GFLOP (every modality encoded and decoded once, every query by itself, nothing shared \
             between queries, zeros around pictures counted), {:.0} ms at the whole peak. Ours does that at {:.0} GFLOP/s of wall time, \
             {:.0} % of the peak; while its threads have a processor, at {:.0} % of the peak.\n",
                gflop / peak * 1e3,
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
            "Selection with random networks (width 32, two blocks), everything missing but one modality and everything recovered. A process for \
         each measurement, the sizes of a table in turns; *spread* is the middle half. Peak memory is what a process takes beyond networks \
         and class statistics, of which there are 2^M − 1 rows.\n"
        ),
    );
    for curve in curves {
        line(
            page,
            format_args!(
                "| {} | median | spread | peak memory | class statistics | queries |\n| ---: | ---: | ---: | ---: | ---: | ---: |",
                curve.title
            ),
        );
        for point in &curve.points {
            line(
                page,
                format_args!(
                    "| {} | {:.1} ms | {:.1} – {:.1} ms | {:.0} MiB | {:.2} MiB | {:.0} |",
                    point.size,
                    point.median() * 1e3,
                    quantile(&point.seconds, 0.25) * 1e3,
                    quantile(&point.seconds, 0.75) * 1e3,
                    point.mib,
                    point.statistics,
                    point.queries
                ),
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
