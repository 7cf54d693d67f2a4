//! Compares two classifiers on the same samples.
//! Run with `cargo run -p dymo-metrics --example two_classifiers`.

use dymo_metrics::{
    DEFAULT_BINS, MetricError, Probabilities, accuracy, correctness, mean_interval, negative_log_likelihood,
    paired_difference, reliability,
};

fn main() -> Result<(), MetricError> {
    let labels: Vec<usize> = (0..400).map(|i| i % 2).collect();
    // The first errs on every tenth sample, the second on every fifth; both are 90 % sure.
    let classifier = |every: usize| -> Vec<f32> {
        let sure = |(i, &label): (usize, &usize)| {
            let says_one = (label == 1) != (i % every == 0);
            if says_one { [0.1, 0.9] } else { [0.9, 0.1] }
        };
        labels.iter().enumerate().flat_map(sure).collect()
    };
    let (first, second) = (classifier(10), classifier(5));
    let mut correct = Vec::new();
    for (name, values) in [("first", &first), ("second", &second)] {
        let probabilities = Probabilities::new(values, 2)?;
        let predicted = probabilities.predictions();
        correct.push(correctness(&predicted, &labels)?);
        println!(
            "{name}: accuracy {:.3}, loss {:.3}, calibration error {:.3}",
            accuracy(&predicted, &labels)?,
            negative_log_likelihood(&probabilities, &labels)?,
            reliability(&probabilities, &labels, DEFAULT_BINS)?.expected_error,
        );
    }
    println!("first alone: {:?}", mean_interval(&correct[0], 0.95, 2_000, 1)?);
    println!("difference:  {:?}", paired_difference(&correct[0], &correct[1], 0.95, 2_000, 1)?);
    Ok(())
}
