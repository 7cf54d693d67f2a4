//! `verify-golden DIR…`: checks golden cases and prints what was found. `cargo xtask verify-golden` builds and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use dymo_cli::device::DeviceName;
use dymo_tests::{Verdict, verify};

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

Exit codes: 0 no decision differs and all differences are below 1e-4, 1 something differs, 2 a case cannot be checked.")]
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
    /// CPU threads; all cores if nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

const DIFFERS: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match check(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERS),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn check(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    }
    let device = arguments.device.open()?;
    let mut all = true;
    for folder in &arguments.folders {
        for verdict in verify(folder, &device, arguments.time.map(|n| n as usize))? {
            let word = if verdict.passes() { "same" } else { "DIFFERS" };
            println!("{}: {word}: {verdict}", folder.display());
            if let Verdict::Fusion(found) = &verdict
                && let Some(time) = found.timing
            {
                let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
                println!(
                    "    selecting for {} samples: median {:.2} ms of {} runs ({:.2} to {:.2}), {} threads, device {}",
                    time.samples,
                    ms(time.median),
                    time.runs,
                    ms(time.range.0),
                    ms(time.range.1),
                    rayon::current_num_threads(),
                    arguments.device
                );
            }
            all &= verdict.passes();
        }
    }
    Ok(all)
}
