//! Names in a message: numbered ones together, and not without end.

use std::collections::BTreeMap;

/// Entries shown; every released network has fewer when its numbered names are together.
const SHOWN: usize = 50;
/// Numbers in a row that become a range.
const RUN: u64 = 3;

/// Entries behind each other; those that differ in their first number alone become one (`transformer.{2..9}.norm1.bias`), and beyond
/// some they are only counted.
pub(super) fn listing(entries: &[String]) -> String {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut place_of = BTreeMap::new();
    for entry in entries {
        let (before, number, after) = around_number(entry);
        let place = *place_of.entry((before, number.is_some(), after)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { before, after, numbers: Vec::new() });
        }
        groups[place].numbers.extend(number);
    }
    let (mut shown, mut named) = (Vec::new(), 0);
    for (text, count) in groups.iter_mut().flat_map(Group::texts).take(SHOWN) {
        shown.push(text);
        named += count;
    }
    if named < entries.len() {
        shown.push(format!("and {} more", entries.len() - named));
    }
    shown.join(", ")
}

/// Entries that differ in one number.
struct Group<'e> {
    before: &'e str,
    after: &'e str,
    /// Empty for a name without a number.
    numbers: Vec<u64>,
}

impl Group<'_> {
    /// What is shown, and for how many entries it stands.
    fn texts(&mut self) -> Vec<(String, usize)> {
        let Self { before, after, numbers } = self;
        numbers.sort_unstable();
        if numbers.is_empty() {
            return vec![(before.to_string(), 1)];
        }
        let mut texts = Vec::new();
        for run in numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            match run {
                [first, .., last] if last - first >= RUN - 1 => {
                    texts.push((format!("{before}{{{first}..{last}}}{after}"), run.len()));
                }
                few => texts.extend(few.iter().map(|number| (format!("{before}{number}{after}"), 1))),
            }
            if texts.len() >= SHOWN {
                break;
            }
        }
        texts
    }
}

/// What stands before the first number, the number, and what follows; all of it before where there is none that would be written
/// the same again.
fn around_number(entry: &str) -> (&str, Option<u64>, &str) {
    let start = entry.find(|c: char| c.is_ascii_digit()).unwrap_or(entry.len());
    let (before, rest) = entry.split_at(start);
    let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    match digits.parse::<u64>() {
        Ok(number) if number.to_string() == digits => (before, Some(number), after),
        _ => (entry, None, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: &[&str]) -> String {
        listing(&entries.iter().map(|entry| entry.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn numbered_names_are_together() {
        assert_eq!(listed(&["b.1.a", "b.0.a", "cls", "b.2.a", "b.2.c", "b.7.a"]), "b.{0..2}.a, b.7.a, cls, b.2.c");
        assert_eq!(listed(&["b.0.a", "b.1.a", "x1 is [3], not [4]"]), "b.0.a, b.1.a, x1 is [3], not [4]");
        // Nothing is lost: numbers that would be written otherwise, too large ones, the same one twice.
        let odd = ["a.007", "a.99999999999999999999999", "a.18446744073709551615", "a", "a.7", "a.7"];
        assert_eq!(listed(&odd), "a.007, a.99999999999999999999999, a.7, a.7, a.18446744073709551615, a");
        assert_eq!(listed(&[]), "");
    }

    #[test]
    fn a_list_has_an_end() {
        let text = listing(&(0..1000).map(|n| format!("name{}.{n}", "x".repeat(n))).collect::<Vec<_>>());
        assert!(text.ends_with(", and 950 more"), "{text}");
        let holes = listing(&(0..1000).map(|n| format!("a.{}", 2 * n)).collect::<Vec<_>>());
        assert!(holes.ends_with("a.98, and 950 more"), "{holes}");
        assert_eq!(listing(&(0..100_000).map(|n| format!("a.{n}.b")).collect::<Vec<_>>()), "a.{0..99999}.b");
    }
}
