//! How a cell is written that is no number but was meant as one, as two, as a day or as a time of it.

use crate::manifest::number;

/// Most letters of a unit: `mg/ml`, `mmol/l`.
const UNIT: usize = 7;
/// What may stand before a number.
const BEFORE: &[char] = &['$', '€', '£', '¥', '<', '>', '≤', '≥', '~', '≈', '±', '+'];

/// What stands before and behind the number of a cell, such as ("", "%") of `12 %` and ("<", "") of `<0.5`; digits in groups of three are
/// a number too, with nothing beside it. `None` for a plain number, and where there is none.
pub(super) fn beside_number(cell: &str) -> Option<(&str, &str)> {
    let cell = cell.trim();
    let start = cell.find(|c: char| c.is_ascii_digit())?;
    let start = if cell[..start].ends_with('-') { start - 1 } else { start };
    let end = cell.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (before, body, behind) = (cell[..start].trim(), &cell[start..end], cell[end..].trim());
    let grouped = is_grouped(body);
    if !grouped && number(body).is_none() {
        return None;
    }
    let is_unit = |c: char| c.is_alphabetic() || "%‰°/²³µ".contains(c);
    let fits = before.chars().all(|c| BEFORE.contains(&c))
        && behind.chars().all(|c| is_unit(c) || "$€£¥".contains(c))
        && behind.chars().count() <= UNIT;
    (fits && (grouped || !before.is_empty() || !behind.is_empty())).then_some((before, behind))
}

/// `1,234,567.8`, `1 234` or `1'234`: groups of three digits behind one kind of mark.
fn is_grouped(body: &str) -> bool {
    let (whole, rest) = body.split_once('.').unwrap_or((body, ""));
    let Some(mark) = whole.chars().find(|c| [',', ' ', '\'', '\u{a0}', '\u{202f}'].contains(c)) else { return false };
    let mut groups = whole.trim_start_matches('-').split(mark);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    let mut others = groups.peekable();
    // One comma alone may be a decimal one: told as that.
    let several = whole.matches(mark).count() > 1 || mark != ',' || body.contains('.');
    several
        && digits(first)
        && first.len() <= 3
        && others.peek().is_some()
        && others.all(|group| group.len() == 3 && digits(group))
        && (rest.is_empty() || digits(rest))
}

/// Whether a cell is a day, written with its year, with or without a time: `2024-03-31`, `31.3.2024`, `3/31/24 10:15`.
pub(super) fn is_day(cell: &str) -> bool {
    let day = cell.trim().split([' ', 'T']).next().unwrap_or_default();
    let Some(mark) = day.chars().find(|c| !c.is_ascii_digit()).filter(|c| ['-', '/', '.'].contains(c)) else {
        return false;
    };
    let parts: Vec<&str> = day.split(mark).collect();
    let small = |text: &str, most: u32| text.len() <= 2 && text.parse().is_ok_and(|n: u32| (1..=most).contains(&n));
    let month_and_day = |a: &str, b: &str| (small(a, 12) && small(b, 31)) || (small(a, 31) && small(b, 12));
    let year = |text: &str| [2, 4].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts[..] {
        [a, b, c] if a.len() == 4 => year(a) && month_and_day(b, c),
        [a, b, c] => month_and_day(a, b) && year(c),
        _ => false,
    }
}

/// Whether a cell is a time of day: `14:30`, `9:05:59.5`, `2:30 pm`.
pub(super) fn is_time(cell: &str) -> bool {
    let lower = cell.trim().to_ascii_lowercase();
    let time = lower.strip_suffix("am").or(lower.strip_suffix("pm")).unwrap_or(&lower).trim_end();
    let digits = |text: &str| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let below = |text: &str, most: u32| digits(text) && text.parse().is_ok_and(|n: u32| n < most);
    let sixty = |text: &str| text.len() == 2 && below(text, 60);
    let parts: Vec<&str> = time.split(':').collect();
    match parts[..] {
        [hour, minute] => below(hour, 24) && sixty(minute),
        [hour, minute, second] => {
            let (whole, rest) = second.split_once('.').unwrap_or((second, ""));
            below(hour, 24) && sixty(minute) && sixty(whole) && rest.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// Whether a cell is two numbers, and no time of day: a blood pressure of `120/80` or `120/80 mmHg`, a titre of `1:160`.
pub(super) fn is_pair(cell: &str) -> bool {
    let plain = |text: &str| number(text.trim()).is_some();
    let both = cell.split_once('/').or_else(|| cell.split_once(':').filter(|_| !is_time(cell)));
    both.is_some_and(|(a, b)| plain(a) && (plain(b) || beside_number(b).is_some_and(|(before, _)| before.is_empty())))
}

/// Whether a cell is a whole number that begins with a zero, as codes do: a postcode of `01067`.
pub(super) fn is_padded(cell: &str) -> bool {
    cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_something_beside_them() {
        for (cell, wanted) in [
            ("12 %", Some(("", "%"))),
            ("80kg", Some(("", "kg"))),
            ("37.5 °C", Some(("", "°C"))),
            ("<0.5", Some(("<", ""))),
            ("$ 1,234.50", Some(("$", ""))),
            ("1,234,567", Some(("", ""))),
            ("1 234", Some(("", ""))),
            ("-3 mmol/l", Some(("", "mmol/l"))),
            ("-3.5", None),
            ("1,5", None),
            ("1,234", None),
            ("12 to 15", None),
            ("grade 2", None),
            ("1.2.3", None),
            ("2024-03-31", None),
            ("€", None),
            ("", None),
            ("3 weeks ago", None),
        ] {
            assert_eq!(beside_number(cell), wanted, "{cell}");
        }
    }

    #[test]
    fn days() {
        for cell in ["2024-03-31", "31.3.2024", "3/31/24", "03/31/2024 10:15", "2024-03-31T10:15:00Z", "1/2/03"] {
            assert!(is_day(cell), "{cell}");
        }
        for cell in ["2024", "1.2.3", "2024-13-31", "32.1.2024", "10-20", "a-b-c", "1.5", "", "2024-03", "127.0.0.1"] {
            assert!(!is_day(cell), "{cell}");
        }
    }

    #[test]
    fn times_and_pairs() {
        for cell in ["14:30", "9:05:59.5", "2:30 pm", "00:00", " 23:59:59 "] {
            assert!(is_time(cell) && !is_pair(cell), "{cell}");
        }
        for cell in ["120/80", "1:160", "37.5 / 2", "1/2", "24:00", "7:3", "120/80 mmHg", "120 / 80mmHg"] {
            assert!(is_pair(cell) && !is_time(cell), "{cell}");
        }
        for cell in [
            "",
            ":",
            "/",
            "12",
            "a:b",
            "1/2/3",
            "3/31/24",
            "14:30:61",
            "14:30:00:00",
            "1:2:3",
            "pm",
            "120/",
            "n/a",
            "1/<2",
        ] {
            assert!(!is_time(cell) && !is_pair(cell), "{cell}");
        }
    }

    #[test]
    fn codes_begin_with_a_zero() {
        for (cell, wanted) in
            [("01067", true), ("00", true), ("0", false), ("0.5", false), ("10", false), ("0x1", false)]
        {
            assert_eq!(is_padded(cell), wanted, "{cell}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_cell_is_looked_at(cell in ".{0,12}", digits in "[-0-9.,/ '<%a-zT:€°é]{0,14}") {
            for cell in [&cell, &digits] {
                if let Some((before, behind)) = beside_number(cell) {
                    proptest::prop_assert!(number(cell.trim()).is_none() && cell.contains(before) && cell.contains(behind));
                }
                is_day(cell);
                proptest::prop_assert!(!(is_time(cell) && is_pair(cell)));
            }
        }
    }
}
