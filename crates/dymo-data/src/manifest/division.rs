//! Parts drawn from a seed: within each class, and no subject in two of them.

use std::collections::BTreeMap;

use super::Split;
use super::settings::Division;
use crate::stream::{Purpose, Stream};

/// The part of each sample. `groups[i]` is whose sample it is; all of a group go where the first of its classes is
/// drawn from. Each class of at least three groups gets one or more into each part.
pub(super) fn divide(division: Division, labels: &[u32], groups: &[&str]) -> Vec<Split> {
    // By group: the first of its classes, and its name, which makes the order of the table not matter.
    let mut first: BTreeMap<&str, u32> = BTreeMap::new();
    for (group, &label) in groups.iter().zip(labels) {
        first.entry(group).and_modify(|class| *class = label.min(*class)).or_insert(label);
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
        if let Some(fold) = division.fold {
            // Classes begin at different folds, so that small ones do not all leave the last fold empty.
            let tests = |place: usize| (place + label as usize) % fold.of == fold.number;
            let (tested, rest): (Vec<_>, Vec<_>) = names.into_iter().enumerate().partition(|(place, _)| tests(*place));
            part.extend(tested.into_iter().map(|(_, name)| (name, Split::Test)));
            let validation = (division.validation * rest.len() as f64).round() as usize;
            let validation = validation.clamp(usize::from(rest.len() > 1), rest.len().saturating_sub(1));
            for (place, (_, name)) in rest.into_iter().enumerate() {
                part.insert(name, if place < validation { Split::Validation } else { Split::Train });
            }
            continue;
        }
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
    use crate::manifest::Fold;
    use proptest::prelude::*;

    const DIVISION: Division = Division { validation: 0.2, test: 0.3, seed: 1, fold: None, shuffle: None };

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

    /// Every subject tests in exactly one fold, and a fold's shares hold within each class.
    #[test]
    fn folds_divide_the_samples() {
        let labels: Vec<u32> = (0..45).map(|i| u32::from(i % 5 < 2)).collect();
        let names: Vec<String> = (0..45).map(|i| format!("p{i}")).collect();
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut tested = vec![0; 45];
        for number in 0..5 {
            let parts = divide(Division { fold: Some(Fold { number, of: 5 }), ..DIVISION }, &labels, &groups);
            let of_class = |label| (0..45).filter(|&i| labels[i] == label && parts[i] == Split::Test).count();
            assert!((3..=4).contains(&of_class(1)) && (5..=6).contains(&of_class(0)), "fold {number}");
            assert!(parts.contains(&Split::Validation) && parts.contains(&Split::Train));
            parts.iter().zip(&mut tested).for_each(|(part, count)| *count += usize::from(*part == Split::Test));
        }
        assert_eq!(tested, [1; 45]);
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
