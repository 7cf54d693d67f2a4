//! The command from Rust: classify ten digits of which four of five pictures are missing, with the model that comes along.
//!
//!     cargo run --release -p dymo-cli --example from_rust

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").canonicalize()?;
    let experiment = datasets.join("polymnist/experiment.toml");
    let model = datasets.join("pretrained/polymnist");
    let folder = tempfile::tempdir()?;
    let masks = folder.path().join("masks.csv");
    let [experiment, model, masks] = [&experiment, &model, &masks].map(|path| path.as_os_str());

    let mut said = Vec::new();
    let words = ["dymo", "data", "masks"].map(Into::into);
    let rest = [experiment, "--missing".as_ref(), "4".as_ref(), "--out".as_ref(), masks].map(ToOwned::to_owned);
    dymo_cli::run(words.into_iter().chain(rest), &mut said)?;

    let mut table = Vec::new();
    let words = ["dymo", "predict", "--quiet", "--samples", "10", "--masks"].map(Into::into);
    dymo_cli::run(words.into_iter().chain([masks, model, experiment].map(ToOwned::to_owned)), &mut table)?;
    print!("{}", String::from_utf8(table)?);
    Ok(())
}
