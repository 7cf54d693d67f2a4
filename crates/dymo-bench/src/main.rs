//! Measures tasks of the workspace on request: `dymo-bench serve` answers one line per line, so that whoever asks can take turns
//! between it and others. `dymo-bench growth` measures one size in a process of its own, for the sake of its peak memory.
//!
//! Knows the shipped networks, the data set that comes along, and a clock. Must never know what its figures are compared with.

mod case;
mod clock;
mod growth;
mod inference;
mod literal;
mod peak;
mod training;
mod work;

use std::io::{BufRead, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand};
use dymo_cli::device::DeviceName;
use serde_json::{Value, json};

use case::Case;
use training::Step;

/// As in the `dymo` command: training makes and drops many large arrays.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, the number it has in mimalloc's header.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Milliseconds for which freed pages are kept: the next step wants as many again, and new ones must be zeroed by the system.
const KEPT: i32 = 10_000;

/// Measures tasks of the dymo workspace.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Answer tasks from standard input, a line each: whole, whole-min-gain, whole-operators, whole-literal, selection,
    /// selection-operators, selection-literal, fusion-step, mopoe-step, peak
    Serve {
        /// Folder of the data sets that come with dymo
        #[arg(long, default_value = "datasets")]
        datasets: PathBuf,
        /// Where inputs and weights are written for others to measure
        #[arg(long)]
        out: PathBuf,
        /// Samples of a batch
        #[arg(long, default_value_t = 256)]
        batch: usize,
        /// Missing rate
        #[arg(long, default_value_t = 0.8)]
        rate: f64,
        /// Where the engine computes, as in dymo: a device that this program was built with
        #[arg(long, default_value = "cpu")]
        device: DeviceName,
    },
    /// Selection at one size, with its peak memory
    Growth(growth::Size),
}

fn main() -> anyhow::Result<()> {
    // SAFETY: sets one number of the allocator; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT.into()) };
    match Arguments::parse().verb {
        Verb::Serve { datasets, out, batch, rate, device } => {
            serve(&Case::make(&datasets, batch, rate, device.open()?)?, &out)
        }
        Verb::Growth(size) => say(&size.measure()?),
    }
}

fn say(value: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

fn serve(case: &Case, out: &std::path::Path) -> anyhow::Result<()> {
    case.export(out)?;
    let mut fusion: Option<Step<_>> = None;
    let mut mopoe: Option<Step<_>> = None;
    say(&json!({ "ready": true }))?;
    for line in std::io::stdin().lock().lines() {
        let answer = match line?.trim() {
            "peak" => {
                let (gflops, share) = peak::single_precision();
                json!({ "gflops": gflops, "share": share })
            }
            "whole" => inference::whole(case, 0.0)?,
            "whole-min-gain" => inference::whole(case, 1e-3)?,
            "whole-operators" => inference::whole_by_operators(case)?,
            "whole-literal" => literal::whole(case)?,
            "selection" => inference::selection(case)?,
            "selection-operators" => inference::selection_by_operators(case)?,
            "selection-literal" => literal::selection(case)?,
            "fusion-step" => take(&mut fusion, || Step::fusion(case))?.measure()?,
            "mopoe-step" => take(&mut mopoe, || Step::mopoe(case))?.measure()?,
            other => bail!("there is no task {other:?}"),
        };
        say(&answer)?;
    }
    Ok(())
}

/// What is there, made now if it is not.
fn take<T>(place: &mut Option<T>, make: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&mut T> {
    if place.is_none() {
        *place = Some(make()?);
    }
    place.as_mut().ok_or_else(|| anyhow::anyhow!("nothing was made"))
}
