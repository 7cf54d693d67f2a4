//! Decides about two samples whose answers stand in a table, and says why.
//! Run with `cargo run -p dymo-select --example by_table`.

use std::convert::Infallible;
use std::error::Error;

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Evidence};
use dymo_select::{Query, Sample, Score, Scorer, Selector};

/// Quality and typicality for each subset of three modalities, by its bits; the second sample dislikes modality 2.
struct Table;

const FIRST: [(f32, f32); 8] =
    [(0.0, 0.0), (0.55, 0.6), (0.5, 0.6), (0.80, 0.6), (0.5, 0.6), (0.70, 0.7), (0.5, 0.6), (0.95, 0.8)];
const SECOND: [(f32, f32); 8] =
    [(0.0, 0.0), (0.60, 0.5), (0.5, 0.6), (0.90, 0.4), (0.5, 0.6), (0.95, 0.1), (0.5, 0.6), (0.55, 0.1)];

impl Scorer for Table {
    type Error = Infallible;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Infallible> {
        let answer = |query: &Query| {
            let table = if query.sample == 0 { FIRST } else { SECOND };
            let (quality, typicality) = table[query.subset.bits() as usize];
            Score { predicted: 4, evidence: Evidence { quality, typicality } }
        };
        Ok(queries.iter().map(answer).collect())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let sample = Sample::with_rest_recovered(ModalitySet::single(0), 3)?;
    let selector = Selector::dymo(Calibration::Ratio);
    for (i, decision) in selector.select(&mut Table, &[sample, sample])?.iter().enumerate() {
        println!("sample {i}: {} became {}", decision.observed, decision.final_subset);
        for (n, round) in decision.rounds.iter().enumerate() {
            for candidate in &round.candidates {
                let reason = candidate.reason(&round.before);
                println!("  round {n}, modality {}: {reason}", candidate.modality);
            }
        }
    }
    Ok(())
}
