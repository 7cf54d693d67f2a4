//! `verify-golden DIR…`: checks golden cases and prints what was found. `cargo xtask verify-golden` builds and runs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use dymo_cli::device::{DeviceError, DeviceName};
use dymo_tests::{Timing, Verdict, verify_each};

/// As in the `dymo` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Check golden cases: folders that hold what the published code computed.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  verify-golden tests/golden/*
  verify-golden cases/polymnist-euclid --time 256 --threads 2
  verify-golden tests/golden/* --device wgpu

Exit codes: 0 no decision differs and all differences are below 1e-4, 1 something differs, 2 a case cannot be
checked (all others are nevertheless).")]
struct Arguments {
    /// Folders of cases
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Also print the median time of selecting for so many samples: those of the case, repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    time: Option<u32>,
    /// Where to compute: cpu, wgpu, cuda:N or tch
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// Print a line of JSON for each verdict instead
    #[arg(long)]
    json: bool,
    /// CPU threads; all cores if nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

const DIFFERS: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match check(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// A folder that cannot be checked does not keep the others from being checked.
fn check(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    }
    let device = open(arguments.device)?;
    let (mut all, mut failed) = (true, 0);
    for folder in &arguments.folders {
        let found = verify_each(folder, &device, arguments.time.map(|n| n as usize));
        failed += usize::from(found.iter().any(Result::is_err));
        for verdict in found {
            all &= verdict.as_ref().is_ok_and(Verdict::passes);
            match verdict {
                Ok(verdict) if arguments.json => println!("{}", for_machines(folder, &verdict)),
                Ok(verdict) => for_people(folder, &verdict, arguments.device),
                Err(error) => eprintln!("error: {error}"),
            }
        }
    }
    if failed > 0 {
        eprintln!("{failed} of {} folders cannot be checked, or not wholly", arguments.folders.len());
        return Ok(ExitCode::from(FAILED));
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

/// The device; what is not built in comes with the program that builds and runs this one.
fn open(name: DeviceName) -> Result<Device, Box<dyn std::error::Error>> {
    name.open().map_err(|error| match error {
        DeviceError::NotBuilt { device } => {
            let (before, needs) = match device {
                DeviceName::Tch => (
                    "LIBTORCH_USE_PYTORCH=1 ",
                    ", with a Python with torch==2.9.0 first on PATH and its torch/lib on LD_LIBRARY_PATH",
                ),
                DeviceName::Cuda(_) => ("", ", which downloads the LLVM that it compiles kernels with"),
                _ => ("", ""),
            };
            format!(
                "this program was built without {device}: run `{before}cargo xtask verify-golden --device {device} DIR…`, which builds \
                 it in{needs}, or use --device cpu"
            )
            .into()
        }
        other => other.into(),
    })
}

fn for_people(folder: &Path, verdict: &Verdict, device: DeviceName) {
    let word = if verdict.passes() { "same" } else { "DIFFERS" };
    println!("{}: {word}: {verdict}", folder.display());
    if let Some(time) = timing(verdict) {
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
        println!(
            "    selecting for {} samples: median {:.2} ms of {} runs ({:.2} to {:.2}), {} threads, device {device}",
            time.samples,
            ms(time.median),
            time.runs,
            ms(time.range.0),
            ms(time.range.1),
            rayon::current_num_threads(),
        );
    }
}

/// One line; a difference that is not finite is null.
fn for_machines(folder: &Path, verdict: &Verdict) -> serde_json::Value {
    let (samples, differing) = match verdict {
        Verdict::Fusion(found) => (found.samples, found.differing_actions + found.differing_masks),
        Verdict::Mopoe(found) => (found.samples, 0),
    };
    let rate = timing(verdict).map(|time| time.samples as f64 / time.median.as_secs_f64());
    serde_json::json!({
        "folder": folder,
        "same": verdict.passes(),
        "samples": samples,
        "largest_difference": verdict.largest_difference(),
        "differing_decisions": differing,
        "selected_per_second": rate,
        "words": verdict.to_string(),
    })
}

fn timing(verdict: &Verdict) -> Option<Timing> {
    match verdict {
        Verdict::Fusion(found) => found.timing,
        Verdict::Mopoe(_) => None,
    }
}
