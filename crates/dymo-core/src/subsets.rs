//! All subsets of an experiment's modalities, in the order that files of statistics use.

use crate::ModalitySet;

/// The most modalities that [`subsets`] counts through (a million subsets); beyond that a list is no answer.
pub const MAX_ENUMERATED: usize = 20;

/// Every non-empty subset of `m` modalities, by size, then lexicographically by members:
/// {0}, {1}, …, {0,1}, {0,2}, …, {0,1,…,m−1}. This is the order of released statistics files (method, section 4).
///
/// Has 2^m − 1 members. An `m` above [`MAX_ENUMERATED`] is treated as [`MAX_ENUMERATED`], so that a wrong number
/// cannot ask for billions.
pub fn subsets(m: usize) -> Vec<ModalitySet> {
    let m = m.min(MAX_ENUMERATED);
    let mut all: Vec<_> = (1..1u32 << m).map(ModalitySet::from_bits).collect();
    // Of two sets of one size the one with the lower member at their first difference comes first: that is the one
    // whose reversed bits are the larger number.
    all.sort_by_key(|set| (set.len(), !set.bits().reverse_bits()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_size_then_by_members() {
        let shown: Vec<_> = subsets(3).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["{0}", "{1}", "{2}", "{0,1}", "{0,2}", "{1,2}", "{0,1,2}"]);
    }

    #[test]
    fn agrees_with_sorting_the_lists_of_members() {
        for m in 0..=9 {
            let mut by_members: Vec<Vec<usize>> =
                (1..1u32 << m).map(|bits| ModalitySet::from_bits(bits).iter().collect()).collect();
            by_members.sort_by(|a, b| a.len().cmp(&b.len()).then(a.cmp(b)));
            let ours: Vec<Vec<usize>> = subsets(m).iter().map(|s| s.iter().collect()).collect();
            assert_eq!(ours, by_members);
        }
    }

    #[test]
    fn a_wrong_number_cannot_ask_for_billions() {
        assert_eq!(subsets(64).len(), (1 << MAX_ENUMERATED) - 1);
    }
}
