//! From the start of a process to one classified sample.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{BenchArgs, Places, absolute};

/// A program, seconds of its runs, and its size where it is one file.
#[derive(Debug, Clone)]
pub(crate) struct Startup {
    pub name: &'static str,
    pub seconds: Vec<f64>,
    pub bytes: Option<u64>,
}

/// `dymo predict` on one sample, and the PyTorch rewrite on the same, in turns.
pub(crate) fn measure(args: &BenchArgs, places: &Places) -> Result<Vec<Startup>> {
    eprintln!("== start-up");
    let binary = places.binary("dymo");
    let bytes = std::fs::metadata(&binary).ok().map(|data| data.len());
    let mut ours = Startup { name: "`dymo predict`, one sample", seconds: Vec::new(), bytes };
    let mut lean = Startup { name: "PyTorch rewrite, one sample", seconds: Vec::new(), bytes: None };
    let model = places.root.join("datasets/pretrained/polymnist");
    for turn in 0..=args.runs {
        let mut command = Command::new(&binary);
        command.args(["predict", "--quiet", "--recovery", "mopoe", "--threads", &args.threads.to_string()]);
        command.arg(&model).arg(places.case.join("one.csv"));
        let seconds = time(command)?;
        if turn > 0 {
            ours.seconds.push(seconds);
        }
        if let Some(python) = &args.python {
            let seconds = time(peer(&absolute(python)?, args, places))?;
            if turn > 0 {
                lean.seconds.push(seconds);
            }
        }
    }
    Ok(vec![ours, lean])
}

fn peer(python: &Path, args: &BenchArgs, places: &Places) -> Command {
    let mut command = Command::new(python);
    command.args(["serve.py", "lean", "--once", "whole", "--samples", "1", "--threads", &args.threads.to_string()]);
    command.arg("--case").arg(&places.case).current_dir(places.peers()).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn time(mut command: Command) -> Result<f64> {
    let began = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(began.elapsed().as_secs_f64())
}
