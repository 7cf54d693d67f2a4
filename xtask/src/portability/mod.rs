//! `cargo xtask portability`: every backend built by itself, its golden cases and a short training, one table.

mod backend;
mod build;
mod digits;
mod golden;
mod page;
mod row;
mod training;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

pub(crate) use backend::{Backend, Place};
pub(crate) use build::cargo;
pub(crate) use row::Step;
use row::{Built, Row};

use crate::whole;

/// What `cargo xtask portability` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PortabilityArgs {
    /// These backends only; rows of the others stay as an earlier run left them
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Backend>,
    /// A Python with torch==2.9.0, for libtorch; `python3` on the path if nothing is said
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Folders of golden cases, in place of tests/golden/*
    #[arg(long, value_name = "DIR,…", value_delimiter = ',')]
    golden: Vec<PathBuf>,
}

/// Builds, runs, prints the table and writes `docs/results/portability.md`.
pub(crate) fn run(args: &PortabilityArgs) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let store = root.join("runs/portability");
    let cases = if args.golden.is_empty() { golden::folders(&root.join("tests/golden"))? } else { args.golden.clone() };
    let mut failed = Vec::new();
    for backend in Backend::ALL.into_iter().filter(|b| args.only.is_empty() || args.only.contains(b)) {
        eprintln!("== {}", backend.title());
        let place = Place::new(&root, backend, args.python.as_deref())?;
        let row = examine(&place, &cases)?;
        if row.failed() {
            failed.push(backend.name());
        }
        row.save(&store)?;
        // Written after every backend: what was found stays, whatever fails later.
        write(&root, &store)?;
    }
    println!("{}", page::write(&row::read_all(&store)?));
    if failed.is_empty() { Ok(()) } else { bail!("{}: the table says what failed", failed.join(", ")) }
}

fn write(root: &Path, store: &Path) -> Result<()> {
    whole::write(&root.join("docs/results/portability.md"), page::write(&row::read_all(store)?))
}

/// One row of the table. What cannot be done is in the row; only what nobody expects is an error.
fn examine(place: &Place, cases: &[PathBuf]) -> Result<Row> {
    match place.backend {
        Backend::Cpu | Backend::Wgpu => build_and_run(place, cases),
        Backend::Tch => match place.torch() {
            Ok(()) => build_and_run(place, cases),
            Err(lacking) => Ok(Row::left(place.backend, lacking)),
        },
        Backend::Cuda => cuda(place, cases),
        Backend::Wasm => wasm(place),
    }
}

fn build_and_run(place: &Place, cases: &[PathBuf]) -> Result<Row> {
    let built = cargo(place, &place.build_words("build"), &[])?;
    let backend = place.backend;
    let seconds = match built {
        Step::Done(seconds) => seconds,
        Step::Failed(why) => {
            let left = "it was not built";
            return Ok(Row { backend, built: Step::Failed(why), golden: Step::left(left), training: Step::left(left) });
        }
        Step::Left(why) => return Ok(Row::left(backend, why)),
    };
    let golden = golden::check(place, cases)?;
    let training = match &golden {
        // Where the device does not open, nothing else can be tried.
        Step::Left(why) => Step::left(why),
        _ => training::train(place)?,
    };
    Ok(Row { backend, built: Step::Done(Built { seconds, compiled: true, remark: None }), golden, training })
}

/// Built where there is a driver, type-checked everywhere: the build downloads LLVM, which not every machine can.
fn cuda(place: &Place, cases: &[PathBuf]) -> Result<Row> {
    let remark = if backend::has_cuda() {
        let row = build_and_run(place, cases)?;
        match row.built {
            Step::Failed(why) => format!("cannot be built here: {why}"),
            _ => return Ok(row),
        }
    } else {
        "needs NVIDIA's driver: `nvidia-smi` lists no device".to_owned()
    };
    let checked = cargo(place, &place.build_words("check"), &[("DOCS_RS", "1")])?;
    let built = checked.map(|seconds| Built { seconds, compiled: false, remark: Some(remark.clone()) });
    Ok(Row { backend: place.backend, built, golden: Step::left(&remark), training: Step::left(&remark) })
}

/// Inference without a system: compiled where the target is there.
fn wasm(place: &Place) -> Result<Row> {
    if !backend::has_target(backend::WASM)? {
        let how = format!("the target is not installed: `rustup target add {}`", backend::WASM);
        return Ok(Row::left(place.backend, how));
    }
    let mut words = vec!["build", "--release", "--target", backend::WASM];
    words.extend(backend::WITHOUT_SYSTEM.iter().flat_map(|name| ["--package", name]));
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let remark = format!("{}: compiled, a program that embeds them runs them", backend::WITHOUT_SYSTEM.join(", "));
    let built = cargo(place, &words, &[])?.map(|seconds| Built { seconds, compiled: true, remark: Some(remark) });
    let left = "there is no browser in this check";
    Ok(Row { backend: place.backend, built, golden: Step::left(left), training: Step::left(left) })
}
