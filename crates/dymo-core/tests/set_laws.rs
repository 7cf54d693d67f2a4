//! `ModalitySet` against the standard library's sets.

use std::collections::BTreeSet;

use dymo_core::{ModalitySet, subsets};
use proptest::prelude::*;

fn members(set: ModalitySet) -> BTreeSet<usize> {
    set.iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_as_a_set(a: u32, b: u32, i in 0usize..40, m in 0usize..=32) {
        let (a, b) = (ModalitySet::from_bits(a), ModalitySet::from_bits(b));
        let (x, y) = (members(a), members(b));
        prop_assert_eq!(members(a.union(b)), x.union(&y).copied().collect());
        prop_assert_eq!(members(a.intersection(b)), x.intersection(&y).copied().collect());
        prop_assert_eq!(members(a.difference(b)), x.difference(&y).copied().collect());
        prop_assert_eq!(members(a.complement(m)), (0..m).filter(|i| !x.contains(i)).collect());
        prop_assert_eq!(a.is_subset_of(b), x.is_subset(&y));
        prop_assert_eq!(a.contains(i), x.contains(&i));
        prop_assert_eq!(a.with(i).contains(i), i < ModalitySet::MAX);
        prop_assert!(!a.without(i).contains(i));
        prop_assert_eq!((a.len(), a.is_empty()), (x.len(), x.is_empty()));
        prop_assert_eq!(a.first(), x.first().copied());
    }

    #[test]
    fn both_conventions_come_back(missing in prop::collection::vec(any::<bool>(), 0..=32)) {
        let set = ModalitySet::from_missing(&missing);
        prop_assert_eq!(set.missing_flags(missing.len()), missing.clone());
        let present: Vec<bool> = missing.iter().map(|m| !m).collect();
        prop_assert_eq!(ModalitySet::from_present(&present), set);
        prop_assert_eq!(set.iter().collect::<ModalitySet>(), set);
    }

    #[test]
    fn subsets_are_complete_and_different(m in 1usize..=12) {
        let listed = subsets(m);
        let different: BTreeSet<ModalitySet> = listed.iter().copied().collect();
        prop_assert_eq!((listed.len(), different.len()), ((1 << m) - 1, (1 << m) - 1));
        prop_assert!(listed.iter().all(|s| !s.is_empty() && s.is_subset_of(ModalitySet::full(m))));
    }
}
