//! What held-out samples can promise: confidence that keeps its word, sets that hold the true class, and selection that
//! does no harm. The samples are made up.
//!
//! ```sh
//! cargo run -p dymo-metrics --example how_sure
//! ```

use dymo_metrics::{
    Conformal, GroupSettings, Grouping, GuaranteeSettings, Membership, MetricError, Probabilities, SetSettings,
    Subjects, Trial, by_group, fit_temperature, learn_threshold,
};

fn main() -> Result<(), MetricError> {
    // 600 samples of three classes. The network gives class 0 a lead of 4 and is right in four of five cases; the
    // pattern 0b01 is the harder one, and 20 samples have a pattern of their own.
    let n = 600;
    let pattern: Vec<u64> = (0..n).map(|i| if i % 30 == 0 { 0b10 } else { 1 + 2 * (i % 2) }).collect();
    let labels: Vec<usize> =
        (0..n as usize).map(|i| if i * 7 % 10 < if pattern[i] == 1 { 3 } else { 1 } { 1 + i % 2 } else { 0 }).collect();
    let logits: Vec<f32> = (0..n).flat_map(|i| [4.0, (i % 13) as f32 / 13.0, (i % 7) as f32 / 7.0]).collect();

    let temperature = fit_temperature(&logits, &labels, 3)?;
    println!("Temperature: {}.\n", temperature.in_words());

    let values = temperature.apply(&logits, 3)?;
    let held_out = Probabilities::new(&values, 3)?;
    let groupings = [Grouping { name: "missing pattern", of: &pattern }];
    let fitted = Conformal::fit(&held_out, &labels, &groupings, SetSettings::new(0.9))?;
    let sets = fitted.sets(&held_out, &groupings)?;
    let members = Membership { groups: &pattern, subjects: &Subjects::alone(pattern.len()) };
    for measured in by_group(&held_out, &labels, members, Some(&sets), &GroupSettings::default())? {
        let cell = pattern.iter().position(|p| *p == measured.group).map_or(0, |i| sets[i].cell);
        let promise = fitted.in_words(&fitted.cells[cell], |_, bits| Some(format!("{bits:02b}")));
        println!(
            "Pattern {:02b}: {} samples{}, {:.1} % right, sets of {:.2} classes. Promise: {promise}.",
            measured.group,
            measured.n,
            if measured.few { " (too few to conclude from)" } else { "" },
            100.0 * measured.accuracy.estimate,
            measured.set_size.map_or(f64::NAN, |size| size.estimate),
        );
    }

    // Selection puts 30 of the 120 wrong ones right, and a few of the right ones wrong.
    let discard: Vec<bool> = labels.iter().map(|label| *label == 0).collect();
    let with = |harm: usize| -> Vec<bool> {
        discard.iter().enumerate().map(|(i, right)| if *right { i % 100 >= harm } else { i % 4 == 0 }).collect()
    };
    let (all, some) = (with(9), with(2));
    let trials = [Trial { threshold: 0.0, right: &all }, Trial { threshold: 0.1, right: &some }];
    println!("\nGuarantee: {}.", learn_threshold(&discard, &trials, GuaranteeSettings::default())?.in_words());
    Ok(())
}
