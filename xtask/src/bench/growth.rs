//! How time and memory grow: one process for each size, for the sake of its peak memory.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Places;

/// One size.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub size: usize,
    pub seconds: f64,
    pub mib: f64,
    pub queries: f64,
}

/// What was varied, and the points.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub title: &'static str,
    pub points: Vec<Point>,
}

impl Curve {
    /// The exponent between the last two points: time grows as size to the power of this.
    pub fn order(&self) -> f64 {
        match self.points.as_slice() {
            [.., a, b] => (b.seconds / a.seconds).ln() / (b.size as f64 / a.size as f64).ln(),
            _ => f64::NAN,
        }
    }
}

const REPETITIONS: usize = 3;

/// Modalities, batch, tokens.
pub(crate) fn measure(places: &Places, threads: usize) -> Result<Vec<Curve>> {
    let plans: [(&'static str, &str, &[usize]); 3] = [
        ("modalities M (256 samples, 4 tokens each)", "--modalities", &[2, 3, 4, 6, 8, 10, 12]),
        ("samples (4 modalities, 4 tokens each)", "--batch", &[1, 4, 16, 64, 256, 1024, 4096]),
        ("tokens per modality (4 modalities, 256 samples)", "--tokens", &[1, 4, 16, 64, 256]),
    ];
    plans
        .into_iter()
        .map(|(title, flag, sizes)| {
            eprintln!("== growth over {title}");
            let points = sizes.iter().map(|size| point(places, threads, flag, *size)).collect::<Result<_>>()?;
            Ok(Curve { title, points })
        })
        .collect()
}

/// The fastest of some processes.
fn point(places: &Places, threads: usize, flag: &str, size: usize) -> Result<Point> {
    let mut best: Option<Point> = None;
    for _ in 0..REPETITIONS {
        let found = once(places, threads, flag, size)?;
        if best.as_ref().is_none_or(|b| found.seconds < b.seconds) {
            best = Some(found);
        }
    }
    best.context("nothing was measured")
}

fn once(places: &Places, threads: usize, flag: &str, size: usize) -> Result<Point> {
    let mut command = Command::new(places.binary("dymo-bench"));
    command.args(["growth", flag, &size.to_string()]).env("RAYON_NUM_THREADS", threads.to_string());
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?}"))?;
    let number = |name: &str| answer[name].as_f64().unwrap_or(f64::NAN);
    Ok(Point { size, seconds: number("seconds"), mib: number("mib"), queries: number("queries") })
}
