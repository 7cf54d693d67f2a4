//! `cargo run --release -p dymo-data --example own_table -- patients.csv`: what a table holds, and an experiment file for
//! it, on standard output; then everything that is wrong with it.

use std::error::Error;
use std::path::PathBuf;

use dymo_data::{check, init};

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(std::env::args().nth(1).ok_or("name a CSV file")?);
    let label = std::env::args().nth(2);
    let options = init::InitOptions { label, ..Default::default() };
    let proposal = init::propose(&path, &options)?;
    println!("{}\n{}", proposal.summary(), proposal.to_toml()?);
    let mut rows = 0;
    let report = check::check(&proposal.settings.at(&path), &mut |progress| rows = progress.rows)?;
    println!("{report}");
    assert_eq!(rows, report.rows);
    Ok(())
}
