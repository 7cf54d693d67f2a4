//! Labels that say nothing: those of a table, given to other subjects, for a permutation test.

use std::collections::BTreeMap;

use crate::stream::{Purpose, Stream};

/// The labels of rows with these names and subjects, each subject's given to another one, in another order: whatever the features tell of
/// a class, or of a subject, then tells nothing of the label. Exactly as exchangeable as the subjects are where all have as many samples;
/// a subject that gets fewer labels than it has samples gets them again from the first.
pub(super) fn shuffled(labels: &[u32], names: &[&str], subjects: &[&str], seed: u64) -> Vec<u32> {
    // By names, so that the order of the table does not matter.
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, subject) in subjects.iter().enumerate() {
        rows.entry(subject).or_default().push(row);
    }
    rows.values_mut().for_each(|rows| rows.sort_by_key(|row| names[*row]));
    let mut stream = Stream::new(seed, Purpose::Labels, [0; 3]);
    let mut given: Vec<Vec<u32>> = rows.values().map(|rows| rows.iter().map(|row| labels[*row]).collect()).collect();
    stream.shuffle(&mut given);
    let mut shuffled = vec![0; labels.len()];
    for (rows, given) in rows.values().zip(&mut given) {
        stream.shuffle(given);
        for (row, label) in rows.iter().zip(given.iter().cycle()) {
            shuffled[*row] = *label;
        }
    }
    shuffled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("s{i:03}")).collect()
    }

    fn with(labels: &[u32], subjects: &[String], seed: u64) -> Vec<u32> {
        let names = names(labels.len());
        let [names, subjects] = [&names, subjects].map(|all| all.iter().map(String::as_str).collect::<Vec<&str>>());
        shuffled(labels, &names, &subjects, seed)
    }

    #[test]
    fn samples_without_subjects_are_shuffled_one_by_one() {
        let labels: Vec<u32> = (0..40).map(|i| u32::from(i < 13)).collect();
        let found = with(&labels, &names(40), 7);
        assert_eq!(found.iter().sum::<u32>(), 13);
        assert_ne!(found, labels);
        assert_eq!(found, with(&labels, &names(40), 7));
        assert_ne!(found, with(&labels, &names(40), 8));
    }

    #[test]
    fn a_subject_of_one_class_keeps_one_and_a_mixed_one_gives_its_mixture_away() {
        // Thirty subjects of two samples and one class each, ten with one sample of each class.
        let subjects: Vec<String> = (0..80).map(|i| format!("p{:02}", i / 2)).collect();
        let labels: Vec<u32> = (0..80).map(|i| if i < 60 { u32::from(i < 30) } else { i % 2 }).collect();
        let found = with(&labels, &subjects, 3);
        assert_eq!(found.iter().sum::<u32>(), 40, "as many of each class as before");
        let mixed: Vec<usize> = (0..40).filter(|p| found[2 * p] != found[2 * p + 1]).collect();
        assert_eq!(mixed.len(), 10);
        assert!(
            mixed.iter().any(|subject| *subject < 30),
            "subjects that were of one class have a mixture now: {mixed:?}"
        );
    }

    #[test]
    fn the_order_of_the_table_does_not_matter() {
        let labels: Vec<u32> = (0..30).map(|i| i % 3).collect();
        let names = names(30);
        let ordered: Vec<&str> = names.iter().map(String::as_str).collect();
        let straight = shuffled(&labels, &ordered, &ordered, 5);
        let turned: Vec<&str> = ordered.iter().rev().copied().collect();
        let back: Vec<u32> = labels.iter().rev().copied().collect();
        let mut found = shuffled(&back, &turned, &turned, 5);
        found.reverse();
        assert_eq!(found, straight);
    }
}
