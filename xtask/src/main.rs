//! `cargo xtask`: automation of the workspace, in Rust instead of shell.

mod baseline;
mod bench;
mod fuzz;
mod machine;
mod nifti;
mod page;
mod portability;
mod prepare;
mod reproduce;
mod verify_golden;
mod whole;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Automation of the dymo workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run an experiment of datasets/NAME from its data to docs/results/NAME.md, in stages that resume
    Reproduce {
        /// Folder under datasets with an experiment.toml
        name: String,
        /// Where weights and results are kept between stages
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
        /// Evaluate the shipped weights (the experiment's `model`) instead of training
        #[arg(long)]
        shipped: bool,
        /// For small tables.
        #[command(flatten)]
        folds: reproduce::Folds,
        /// Before and after.
        #[command(flatten)]
        around: reproduce::Around,
        /// Arguments handed on to every dymo command, such as --device tch or --threads 2
        #[arg(last = true)]
        dymo: Vec<String>,
    },
    /// Check golden cases: exit code 0 only if no decision differs and all differences are below 1e-4
    VerifyGolden {
        /// Folders of cases; --time N prints the median time of selecting for N samples, --device and --threads choose where
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "DIR")]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Measure speed against the published code and against PyTorch, and write docs/results/speed.md
    Bench(bench::BenchArgs),
    /// Each modality of an experiment alone, through scikit-learn (trees, n-grams, pixels; tuned); the page shows it beside ours
    Baseline(baseline::BaselineArgs),
    /// Feed the readers of files with made-up bytes for a while (libFuzzer), and keep what breaks them
    Fuzz(fuzz::FuzzArgs),
    /// Read nibabel's own test volumes with our reader and with nibabel, and write docs/results/nifti.md
    Nifti(nifti::NiftiArgs),
    /// Build every backend, run golden cases and a short training on each, and write docs/results/portability.md
    Portability(portability::PortabilityArgs),
    /// Make the files and the manifest of a data set, from a published package or a folder of your own
    Prepare {
        /// Folder under datasets with a recipe
        name: String,
        /// Folder of real data, for a recipe that no package serves
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
        /// Folder to make, instead of datasets/NAME/data
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Decides the splits, and what is made up
        #[arg(long, default_value_t = prepare::SEED)]
        seed: u64,
    },
    /// Write docs/results/NAME.md again from the results that are there
    Page {
        /// Folder under datasets with an experiment.toml
        name: String,
        /// Where the results are
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Reproduce { name, store, shipped, folds, around, dymo } => {
            reproduce::Reproduction::new(&name, store, dymo)?.all(shipped, &folds, &around)
        }
        Task::VerifyGolden { arguments } => verify_golden::run(&arguments),
        Task::Bench(args) => bench::run(&args),
        Task::Baseline(args) => baseline::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Nifti(args) => nifti::run(&args),
        Task::Portability(args) => portability::run(&args),
        Task::Prepare { name, from, out, seed } => prepare::prepare(&name, from, out, seed),
        Task::Page { name, store } => reproduce::Reproduction::new(&name, store, Vec::new())?.page(),
    }
}
