//! How time and memory grow: one process for each size, for the sake of its peak memory.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Places;
use super::rows::quantile;

/// One size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Point {
    pub size: usize,
    /// Of every process.
    pub seconds: Vec<f64>,
    /// The most that a process took.
    pub mib: f64,
    pub queries: f64,
    /// MiB of the class statistics, which are not in `mib`.
    pub statistics: f64,
}

impl Point {
    pub fn median(&self) -> f64 {
        quantile(&self.seconds, 0.5)
    }
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
            [.., a, b] => (b.median() / a.median()).ln() / (b.size as f64 / a.size as f64).ln(),
            _ => f64::NAN,
        }
    }
}

/// Processes for each size.
const REPETITIONS: usize = 5;

/// Modalities, batch, tokens; the sizes of a curve in turns.
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
            let mut points: Vec<Point> = sizes.iter().map(|size| Point { size: *size, ..Point::default() }).collect();
            for point in (0..REPETITIONS).flat_map(|_| 0..sizes.len()) {
                once(places, threads, flag, &mut points[point])?;
            }
            Ok(Curve { title, points })
        })
        .collect()
}

fn once(places: &Places, threads: usize, flag: &str, point: &mut Point) -> Result<()> {
    let mut command = Command::new(places.binary("dymo-bench"));
    command.args(["growth", flag, &point.size.to_string()]).env("RAYON_NUM_THREADS", threads.to_string());
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?}"))?;
    let number = |name: &str| answer[name].as_f64().unwrap_or(f64::NAN);
    point.seconds.push(number("seconds"));
    point.mib = point.mib.max(number("mib"));
    (point.queries, point.statistics) = (number("queries"), number("statistics"));
    Ok(())
}
