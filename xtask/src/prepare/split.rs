//! Which sample is in which part. Decided by hashes of the samples' groups, so that a seed gives the same parts on every
//! machine and for every order of the rows.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The parts, as a manifest names them.
pub(crate) const PARTS: [&str; 3] = ["train", "validation", "test"];

/// Share of each class that validates, and that tests.
const HELD_OUT: f64 = 0.2;

/// Groups by number: samples that share any key are in one group, directly or through others.
pub(crate) fn groups(keys: &[Vec<String>]) -> Vec<usize> {
    let mut group: Vec<usize> = (0..keys.len()).collect();
    let mut first_with: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, own) in keys.iter().enumerate() {
        for key in own {
            let first = *first_with.entry(key).or_insert(index);
            let (from, to) = (group[index].max(group[first]), group[index].min(group[first]));
            group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
        }
    }
    group
}

/// A group of samples that stay together.
struct Together {
    members: Vec<usize>,
    order: [u8; 32],
}

/// By the label of their first member, each class in the seed's order.
fn by_class(labels: &[String], ids: &[String], groups: &[usize], seed: u64) -> BTreeMap<String, Vec<Together>> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(index);
    }
    let mut classes: BTreeMap<String, Vec<Together>> = BTreeMap::new();
    for members in members.into_values() {
        let first = members.iter().min_by_key(|index| &ids[**index]).copied().unwrap_or_default();
        let order = Sha256::digest(format!("part\0{seed}\0{}", ids[first])).into();
        classes.entry(labels[first].clone()).or_default().push(Together { members, order });
    }
    classes.values_mut().for_each(|class| class.sort_by_key(|together| together.order));
    classes
}

/// A part for every sample: a fifth of each class tests, a fifth validates, the rest trains. Groups are not divided.
pub(crate) fn stratified(labels: &[String], ids: &[String], groups: &[usize], seed: u64) -> Vec<&'static str> {
    let [train, validation, test] = PARTS;
    let mut parts = vec![train; labels.len()];
    for class in by_class(labels, ids, groups, seed).into_values() {
        let size: usize = class.iter().map(|together| together.members.len()).sum();
        let wanted = (size as f64 * HELD_OUT).round() as usize;
        let mut room = [(test, wanted), (validation, wanted)];
        for together in class {
            let fits = room.iter_mut().find(|(_, left)| *left >= together.members.len());
            if let Some((part, left)) = fits {
                *left -= together.members.len();
                together.members.iter().for_each(|index| parts[*index] = part);
            }
        }
    }
    parts
}

/// Repeated stratified cross-validation: for each repeat and fold, in this order, a part for every sample. Fold `f` tests, the
/// next one validates, the others train.
pub(crate) fn folds(
    labels: &[String],
    ids: &[String],
    repeats: usize,
    folds: usize,
    seed: u64,
) -> Vec<Vec<&'static str>> {
    let [train, validation, test] = PARTS;
    let alone: Vec<usize> = (0..ids.len()).collect();
    let mut all = Vec::new();
    for repeat in 0..repeats {
        let mut fold_of = vec![0; ids.len()];
        // Dealt like cards, one class after the other, so that folds differ by one sample at most.
        let mut dealt = 0;
        for class in by_class(labels, ids, &alone, seed.wrapping_add(repeat as u64)).into_values() {
            for index in class.iter().flat_map(|together| &together.members) {
                fold_of[*index] = dealt % folds;
                dealt += 1;
            }
        }
        for fold in 0..folds {
            let part = |own: &usize| match *own {
                own if own == fold => test,
                own if own == (fold + 1) % folds => validation,
                _ => train,
            };
            all.push(fold_of.iter().map(part).collect());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(items: impl IntoIterator<Item = usize>) -> Vec<String> {
        items.into_iter().map(|item| format!("{item:03}")).collect()
    }

    fn count(parts: &[&str], labels: &[String], part: &str, label: &str) -> usize {
        parts.iter().zip(labels).filter(|(p, l)| **p == part && *l == label).count()
    }

    #[test]
    fn a_fifth_of_each_class_tests_and_a_fifth_validates() {
        let (ids, labels) = (texts(0..150), texts((0..150).map(|i| usize::from(i % 3 == 0))));
        let parts = stratified(&labels, &ids, &(0..150).collect::<Vec<_>>(), 7);
        for (label, wanted) in [("001", [30, 10, 10]), ("000", [60, 20, 20])] {
            assert_eq!(PARTS.map(|part| count(&parts, &labels, part, label)), wanted);
        }
        let other = stratified(&labels, &ids, &(0..150).collect::<Vec<_>>(), 8);
        assert_ne!(parts, other);
    }

    #[test]
    fn parts_do_not_depend_on_the_order_of_rows() {
        let (ids, labels) = (texts(0..40), texts((0..40).map(|i| i % 2)));
        let alone: Vec<usize> = (0..40).collect();
        let parts = stratified(&labels, &ids, &alone, 7);
        let reversed = |texts: &[String]| texts.iter().rev().cloned().collect::<Vec<_>>();
        let mut back = stratified(&reversed(&labels), &reversed(&ids), &alone, 7);
        back.reverse();
        assert_eq!(parts, back);
    }

    #[test]
    fn samples_that_share_a_key_are_one_group() {
        let keys = [&["a"][..], &["b", "x"], &["c"], &["x", "c"], &[]];
        let keys: Vec<Vec<String>> = keys.iter().map(|own| own.iter().map(|k| (*k).to_owned()).collect()).collect();
        assert_eq!(groups(&keys), [0, 1, 1, 1, 4]);
    }

    #[test]
    fn every_sample_tests_once_and_validates_once_per_repeat() {
        let (ids, labels) = (texts(0..45), texts((0..45).map(|i| i % 4)));
        let all = folds(&labels, &ids, 3, 5, 2025);
        assert_eq!(all.len(), 15);
        for repeat in all.chunks(5) {
            for sample in 0..45 {
                for part in ["test", "validation"] {
                    assert_eq!(repeat.iter().filter(|fold| fold[sample] == part).count(), 1);
                }
            }
            for fold in repeat {
                assert_eq!(fold.iter().filter(|part| **part == "test").count(), 9);
                assert!((0..4).all(|class| (1..=3).contains(&count(fold, &labels, "test", &format!("{class:03}")))));
            }
        }
        assert_ne!(all[0], all[5]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn groups_are_never_divided(keys in proptest::collection::vec(0usize..12, 1..60), seed: u64) {
            let (ids, labels) = (texts(0..keys.len()), texts(keys.iter().map(|key| key % 3)));
            let shared: Vec<Vec<String>> = keys.iter().map(|key| vec![key.to_string()]).collect();
            let parts = stratified(&labels, &ids, &groups(&shared), seed);
            for (i, j) in (0..keys.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
                prop_assert!(keys[i] != keys[j] || parts[i] == parts[j]);
            }
        }
    }
}
