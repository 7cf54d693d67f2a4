//! `cargo xtask bench`: one table of speed, every row measured in turns between ours and its peers.

mod growth;
mod page;
mod rows;
mod startup;
mod worker;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::portability::{Backend, Place, Step, cargo};
use crate::whole;
use rows::{Contestant, Row};
use worker::Worker;

/// What `cargo xtask bench` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BenchArgs {
    /// Checkout of the published code (siyi-wind/DyMo); rows of it are left out without one
    #[arg(long, value_name = "DIR")]
    peer: Option<PathBuf>,
    /// A Python with PyTorch, see xtask/peers/README.md; rows of peers are left out without one
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Threads of every contestant
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Measurements of each contestant
    #[arg(long, value_name = "N", default_value_t = 7)]
    runs: usize,
    /// The engine on these devices too, each built with its backend
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    device: Vec<Backend>,
    /// Leave out growth and start-up
    #[arg(long)]
    quick: bool,
}

/// Where things are.
pub(crate) struct Places {
    root: PathBuf,
    binaries: PathBuf,
    /// What is measured on, written by dymo-bench.
    case: PathBuf,
}

impl Places {
    fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { case: root.join("runs/bench"), binaries: target.join("release"), root })
    }

    fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    fn peers(&self) -> PathBuf {
        self.root.join("xtask/peers")
    }
}

/// Measures and writes `docs/results/speed.md`.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let places = Places::find()?;
    build(&places)?;
    let mut workers = start(args, &places)?;
    let machine = Machine::measure(&mut workers.ours)?;
    let mut found = page::Findings { args, machine, rows: Vec::new(), growth: Vec::new(), startup: Vec::new() };
    // Saved after every part: what was measured stays, whatever fails later.
    for plan in rows::plans(&args.device) {
        found.rows.push(measure(plan, &mut workers, args.runs)?);
        for _ in 0..3 {
            found.machine.watch(&mut workers.ours)?;
        }
        save(&places, &found)?;
    }
    drop(workers);
    if !args.quick {
        found.growth = growth::measure(&places, args.threads)?;
        save(&places, &found)?;
        found.startup = startup::measure(args, &places)?;
        save(&places, &found)?;
    }
    println!("{}", page::write(&found));
    Ok(())
}

fn save(places: &Places, found: &page::Findings<'_>) -> Result<()> {
    whole::write(&places.root.join("docs/results/speed.md"), page::write(found))
}

fn build(places: &Places) -> Result<()> {
    let packages = ["build", "--release", "--package", "dymo-cli", "--package", "dymo-bench"];
    let status = Command::new(env!("CARGO")).args(packages).current_dir(&places.root).status()?;
    if status.success() { Ok(()) } else { bail!("dymo-bench does not build") }
}

/// Programs that wait for tasks.
struct Workers {
    ours: Worker,
    devices: Vec<(Backend, Worker)>,
    lean: Option<Worker>,
    published: Option<Worker>,
}

impl Workers {
    fn get(&mut self, contestant: &Contestant) -> Option<&mut Worker> {
        match contestant.who {
            rows::Who::Ours => Some(&mut self.ours),
            rows::Who::On(device) => {
                self.devices.iter_mut().find(|(name, _)| *name == device).map(|(_, worker)| worker)
            }
            rows::Who::Lean => self.lean.as_mut(),
            rows::Who::Published => self.published.as_mut(),
        }
    }
}

fn start(args: &BenchArgs, places: &Places) -> Result<Workers> {
    let threads = args.threads.to_string();
    let mut ours = Command::new(places.binary("dymo-bench"));
    ours.args(["serve", "--out"]).arg(&places.case).env("RAYON_NUM_THREADS", &threads).current_dir(&places.root);
    let ours = Worker::start("dymo-bench", ours)?;
    let python = |peer: &str, python: &Path| {
        let mut command = Command::new(python);
        command.arg("serve.py").args([peer, "--threads", &threads, "--case"]).arg(&places.case);
        command.current_dir(places.peers()).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let (mut lean, mut published) = (None, None);
    if let Some(interpreter) = &args.python {
        let interpreter = absolute(interpreter)?;
        lean = Some(Worker::start("the PyTorch rewrite", python("lean", &interpreter))?);
        if let Some(checkout) = &args.peer {
            let mut command = python("published", &interpreter);
            command.arg("--checkout").arg(absolute(checkout)?);
            published = Some(Worker::start("the published code", command)?);
        }
    }
    let devices = args.device.iter().map(|device| Ok((*device, on_device(args, places, *device)?)));
    Ok(Workers { ours, devices: devices.collect::<Result<_>>()?, lean, published })
}

/// Builds our program with a backend, and starts it.
fn on_device(args: &BenchArgs, places: &Places, device: Backend) -> Result<Worker> {
    let place = Place::new(&places.root, device, args.python.as_deref())?;
    let Some(words) = place.program_words("dymo-bench") else {
        bail!("--device {}: the engine cannot be measured there; name wgpu, tch or cuda", device.name());
    };
    if let Step::Failed(reason) | Step::Left(reason) = cargo(&place, &words, &[])? {
        bail!("--device {}: dymo-bench does not build: {reason}", device.name());
    }
    let mut command = place.program("dymo-bench");
    command.args(["serve", "--device", device.name(), "--out"]).arg(places.case.join(device.name()));
    command.env("RAYON_NUM_THREADS", args.threads.to_string()).env("OMP_NUM_THREADS", args.threads.to_string());
    Worker::start(device.engine(), command)
}

/// Links are kept: a virtual environment's Python is one.
fn absolute(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is not there; xtask/peers/README.md says how to make it", path.display());
    }
    Ok(std::path::absolute(path)?)
}

/// What the machine gave us.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// GFLOP/s at most, in single precision.
    peak: f64,
    /// The share of the time for which our threads had a processor, each time that it was looked at.
    shares: Vec<f64>,
}

impl Machine {
    fn measure(ours: &mut Worker) -> Result<Self> {
        let mut machine = Self::default();
        for _ in 0..5 {
            machine.watch(ours)?;
        }
        Ok(machine)
    }

    /// Looks again.
    fn watch(&mut self, ours: &mut Worker) -> Result<()> {
        let answer = ours.ask("peak")?;
        self.peak = self.peak.max(answer["gflops"].as_f64().unwrap_or(0.0));
        self.shares.push(answer["share"].as_f64().unwrap_or(0.0));
        Ok(())
    }

    /// The share that was reached in three looks of four: one look in which the system itself was busy says nothing of the run.
    fn share(&self) -> f64 {
        rows::quantile(&self.shares, 0.25)
    }

    /// Whether wall times can be compared.
    pub(crate) fn quiet(&self) -> bool {
        self.share() > 0.9
    }
}

/// One row: everybody once to warm up, then in turns.
fn measure(plan: rows::Plan, workers: &mut Workers, runs: usize) -> Result<Row> {
    eprintln!("== {}", plan.title);
    let mut row = Row::new(plan);
    for turn in 0..=runs {
        for place in 0..row.plan.contestants.len() {
            let contestant = row.plan.contestants[place];
            // What takes half a minute is measured less often.
            if turn > contestant.most {
                continue;
            }
            let Some(worker) = workers.get(&contestant) else { continue };
            let answer = worker.ask(contestant.task)?;
            if turn > 0 {
                row.found[place].add(&answer);
            }
        }
    }
    Ok(row)
}
