//! A set of modalities that are present, as 32 bits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The modalities that are **present**: a set of the numbers 0..32, one bit each.
///
/// Small enough to copy, to hash and to serve as a key. It does not know how many modalities an experiment has; what
/// depends on that number ([`full`](Self::full), [`complement`](Self::complement),
/// [`missing_flags`](Self::missing_flags)) takes it as an argument.
///
/// An index of 32 or more is no modality: the set never contains it, and adding or removing it changes nothing.
/// A [`Schema`](crate::Schema) refuses experiments in which it could occur.
///
/// Serialised as its bits, a plain number. Ordered by those bits.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModalitySet(u32);

impl ModalitySet {
    /// How many modalities can be told apart.
    pub const MAX: usize = 32;

    /// Nothing is present.
    pub const EMPTY: Self = Self(0);

    /// All of the first `m` modalities, `m` capped at [`MAX`](Self::MAX).
    pub const fn full(m: usize) -> Self {
        if m >= Self::MAX { Self(u32::MAX) } else { Self((1 << m) - 1) }
    }

    /// Modality `i` alone.
    pub const fn single(i: usize) -> Self {
        if i >= Self::MAX { Self(0) } else { Self(1 << i) }
    }

    /// The set whose member `i` is bit `i` of `bits`.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Bit `i` is set when modality `i` is present.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether modality `i` is present.
    pub const fn contains(self, i: usize) -> bool {
        self.0 & Self::single(i).0 != 0
    }

    /// This set and modality `i`.
    #[must_use]
    pub const fn with(self, i: usize) -> Self {
        self.union(Self::single(i))
    }

    /// This set but for modality `i`.
    #[must_use]
    pub const fn without(self, i: usize) -> Self {
        self.difference(Self::single(i))
    }

    /// What is in one of the two, or both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What of the first `m` modalities is not here: the missing ones.
    #[must_use]
    pub const fn complement(self, m: usize) -> Self {
        Self::full(m).difference(self)
    }

    /// Whether `other` holds everything that is here.
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many are present.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether none is present.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest index present.
    pub const fn first(self) -> Option<usize> {
        if self.is_empty() { None } else { Some(self.0.trailing_zeros() as usize) }
    }

    /// The indices present, ascending.
    pub const fn iter(self) -> Indices {
        Indices(self)
    }

    /// From a mask in which **true means missing**, as files of others have it. Flags past the 32nd are not read.
    pub fn from_missing(missing: &[bool]) -> Self {
        Self::from_present(missing).complement(missing.len())
    }

    /// `m` flags in which **true means missing**.
    pub fn missing_flags(self, m: usize) -> Vec<bool> {
        (0..m).map(|i| !self.contains(i)).collect()
    }

    /// From flags in which true means present. Flags past the 32nd are not read.
    pub fn from_present(present: &[bool]) -> Self {
        present.iter().enumerate().filter(|(_, here)| **here).map(|(i, _)| i).collect()
    }
}

impl FromIterator<usize> for ModalitySet {
    fn from_iter<T: IntoIterator<Item = usize>>(indices: T) -> Self {
        indices.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl IntoIterator for ModalitySet {
    type Item = usize;
    type IntoIter = Indices;

    fn into_iter(self) -> Indices {
        self.iter()
    }
}

impl fmt::Display for ModalitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, index) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            write!(f, "{index}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for ModalitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The indices of a [`ModalitySet`], ascending.
#[derive(Clone, Debug)]
pub struct Indices(ModalitySet);

impl Iterator for Indices {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let lowest = self.0.first()?;
        self.0 = self.0.without(lowest);
        Some(lowest)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl ExactSizeIterator for Indices {}

impl std::iter::FusedIterator for Indices {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_modalities_fit_and_no_more() {
        assert_eq!(ModalitySet::full(32).len(), 32);
        assert_eq!(ModalitySet::full(40), ModalitySet::full(32));
        assert!(ModalitySet::single(31).contains(31));
        assert!(ModalitySet::single(32).is_empty());
        assert!(!ModalitySet::full(32).contains(32));
        assert_eq!(ModalitySet::full(3).without(77), ModalitySet::full(3));
        assert_eq!(ModalitySet::EMPTY.complement(32), ModalitySet::full(32));
    }

    #[test]
    fn true_means_missing_in_files_of_others() {
        let set = ModalitySet::from_missing(&[true, false, false]);
        assert_eq!(set, ModalitySet::from_iter([1, 2]));
        assert_eq!(set.missing_flags(4), [true, false, false, true]);
        assert_eq!(ModalitySet::from_missing(&[false; 40]), ModalitySet::full(32));
    }

    #[test]
    fn shown_as_a_set_and_stored_as_a_number() {
        let set = ModalitySet::from_iter([2, 0]);
        assert_eq!(format!("{set} {set:?} {}", ModalitySet::EMPTY), "{0,2} {0,2} {}");
        assert_eq!(serde_json::to_string(&set).unwrap(), "5");
        assert_eq!(serde_json::from_str::<ModalitySet>("5").unwrap(), set);
    }

    #[test]
    fn iterates_upwards_with_a_known_length() {
        let set = ModalitySet::from_iter([31, 4, 7]);
        assert_eq!(set.iter().len(), 3);
        assert_eq!(set.into_iter().collect::<Vec<_>>(), [4, 7, 31]);
        assert_eq!(set.first(), Some(4));
        assert_eq!(ModalitySet::EMPTY.first(), None);
    }
}
