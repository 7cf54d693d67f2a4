//! Parts drawn from a seed: within each class, and no subject in two of them.

use std::collections::BTreeMap;

use super::Split;
use super::settings::Division;
use crate::stream::{Purpose, Stream};

/// The part of each sample. `groups[i]` is whose sample it is; all of a group go where the class of its first sample
/// is drawn from. Each class of at least three groups gets one or more into each part.
pub(super) fn divide(division: Division, labels: &[u32], groups: &[&str]) -> Vec<Split> {
    // By group: its first sample's class, and its name, which makes the order of the table not matter.
    let mut first: BTreeMap<&str, u32> = BTreeMap::new();
    for (group, &label) in groups.iter().zip(labels) {
        first.entry(group).or_insert(label);
    }
    let mut by_class: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (group, label) in first {
        by_class.entry(label).or_default().push(group);
    }
    let stream = Stream::new(division.seed, Purpose::Parts, [0; 3]);
    let mut part: BTreeMap<&str, Split> = BTreeMap::new();
    for (label, mut names) in by_class {
        // No class has 2³² groups; a shuffle takes one draw a group.
        stream.item(label as usize, 1 << 32).shuffle(&mut names);
        let [validation, test] = counts(division, names.len());
        for (place, name) in names.into_iter().enumerate() {
            let split = match place {
                _ if place < test => Split::Test,
                _ if place < test + validation => Split::Validation,
                _ => Split::Train,
            };
            part.insert(name, split);
        }
    }
    groups.iter().map(|group| part.get(group).copied().unwrap_or(Split::Train)).collect()
}

/// How many of `n` validate and test.
fn counts(division: Division, n: usize) -> [usize; 2] {
    let share = |share: f64| (share * n as f64).round() as usize;
    if n < 3 {
        // One must train; a second one tests.
        return [0, n.saturating_sub(1)];
    }
    let test = share(division.test).clamp(1, n - 2);
    [share(division.validation).clamp(1, n - 1 - test), test]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIVISION: Division = Division { validation: 0.2, test: 0.3, seed: 1 };

    #[test]
    fn shares_hold_within_each_class() {
        let labels: Vec<u32> = (0..100).map(|i| u32::from(i % 10 == 0)).collect();
        let names: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        let parts = divide(DIVISION, &labels, &groups);
        let count = |label, split| (0..100).filter(|&i| labels[i] == label && parts[i] == split).count();
        assert_eq!((count(0, Split::Test), count(0, Split::Validation)), (27, 18));
        assert_eq!((count(1, Split::Test), count(1, Split::Validation)), (3, 2));
        assert_ne!(parts, divide(Division { seed: 2, ..DIVISION }, &labels, &groups));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_subject_is_never_in_two_parts_and_order_does_not_matter(
            samples in proptest::collection::vec((0u32..3, 0usize..8), 1..40)
        ) {
            let names: Vec<String> = (0..8).map(|i| format!("s{i}")).collect();
            // A subject's class is its number's, so that the first sample does not depend on the order.
            let draw = |samples: &[(u32, usize)]| {
                let labels: Vec<u32> = samples.iter().map(|s| s.1 as u32 % 3).collect();
                let groups: Vec<&str> = samples.iter().map(|s| names[s.1].as_str()).collect();
                divide(DIVISION, &labels, &groups)
            };
            let parts = draw(&samples);
            for (a, part) in samples.iter().zip(&parts) {
                for (b, other) in samples.iter().zip(&parts) {
                    prop_assert!(a.1 != b.1 || part == other);
                }
            }
            let mut turned = samples.clone();
            turned.reverse();
            let mut back = draw(&turned);
            back.reverse();
            prop_assert_eq!(back, parts);
        }
    }
}
