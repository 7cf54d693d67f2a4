//! Fits class statistics on a few features in the plane, and asks what a recovered modality is worth.
//! Run with `cargo run -p dymo-reward --example one_candidate`.

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Edges, Metric, StatisticsError, fit};

fn main() -> Result<(), StatisticsError> {
    let (observed, both) = (ModalitySet::single(0), ModalitySet::full(2));
    let labels = [0, 0, 0, 1, 1, 1];
    // With one modality the classes lie nearer to each other than with both.
    let alone = [0.0, 0.1, 0.2, 0.0, 0.1, -0.1, 0.6, 0.7, 0.7, 0.5, 0.8, 0.6];
    let together = [0.0, 0.0, 0.1, 0.0, 0.0, 0.1, 1.0, 1.0, 0.9, 1.0, 1.0, 0.9];
    let statistics = fit(Metric::Euclid, 2, 2, 2, &[observed, both], &[&alone, &together], &labels)?;

    let logits = [0.3, 0.7];
    let before = statistics.evidence(observed, &logits, &[0.5, 0.5], Edges::Defined)?;
    println!("observed alone:      {:?}", before.evidence);
    for (what, feature) in [("a faithful recovery", [0.95, 0.95]), ("a strange recovery", [1.6, 1.5])] {
        let after = statistics.evidence(both, &logits, &feature, Edges::Defined)?;
        let calibration = Calibration::default_for(statistics.metric());
        let reward = calibration.reward(before.evidence, after.evidence);
        println!("{what}: {:?}, reward {reward:+.3}", after.evidence);
    }
    Ok(())
}
