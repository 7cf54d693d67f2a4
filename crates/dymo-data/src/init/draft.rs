//! A proposal in the making: column by column, what each is taken for and what is to be said of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dymo_core::{Column, Columns};
use serde::Serialize;

use super::profile::{Profile, Repeat};
use super::{Seen, files, roles};
use crate::manifest::{Form, ModalitySettings, meant, number};
use crate::text::Symbols;

/// Most categories of a column that is proposed as categorical.
const CATEGORIES: usize = 40;
/// Most different whole numbers that are proposed as categories.
const WHOLE: usize = 6;
/// Different values of a column that is named as one that may be the class.
const CLASSES: std::ops::RangeInclusive<usize> = 2..=10;
/// Most of these that are named.
const CANDIDATES: usize = 8;
/// Words of a proposed vocabulary.
const VOCABULARY: usize = 2000;

/// What one column was taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// `id`, `label`, `image`, `categorical`, `left out` …
    pub role: String,
    /// Values in words.
    pub values: String,
    /// Rows without a value.
    pub missing: u64,
}

impl ColumnSummary {
    /// What it was taken for, and why it is left out if it is.
    pub(super) fn in_words(&self) -> String {
        if self.role == "left out" { format!("left out, {}", self.values) } else { self.role.clone() }
    }
}

/// Which modalities a row has of which these columns are filled.
pub(super) fn there(filled: &[bool], places: &[Vec<usize>]) -> Vec<bool> {
    places.iter().map(|columns| columns.iter().any(|&at| filled[at])).collect()
}

/// How many more there are of what was named once.
fn others(count: u64, what: &str) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more {what}"),
    }
}

/// Values of a column in words.
pub(super) fn values(profile: &Profile) -> String {
    if profile.many {
        return format!("more than {} different", profile.distinct.len());
    }
    let names = profile.categories();
    match names.len() {
        0 => "none".into(),
        1..=8 => names.join(", "),
        more => format!("{more} different, such as {}", names[..3].join(", ")),
    }
}

/// Columns taken so far.
#[derive(Default)]
pub(super) struct Draft {
    modalities: Vec<(ModalitySettings, Vec<usize>)>,
    table: Vec<(Column, usize)>,
    pub(super) columns: Vec<ColumnSummary>,
    pub(super) remarks: Vec<String>,
    /// Whether a column says which rows train.
    parts_known: bool,
}

impl Draft {
    /// An empty one; `parts_known`: whether a column says which rows train.
    pub(super) fn new(parts_known: bool) -> Self {
        Self { parts_known, ..Self::default() }
    }

    /// Names that several columns have: nobody can say which is meant.
    pub(super) fn same_names<'a>(&mut self, profiles: &'a [Profile]) -> BTreeSet<&'a str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for profile in profiles.iter().filter(|profile| !profile.name.is_empty()) {
            *counts.entry(&profile.name).or_default() += 1;
        }
        counts.retain(|_, count| *count > 1);
        let said = counts.iter().map(|(name, count)| {
            format!("column {name}: the first row has this name {count} times; rename the columns, until then they are left out")
        });
        self.remarks.extend(said);
        counts.into_keys().collect()
    }

    /// What is to be said of the column of the ids.
    pub(super) fn id(&mut self, profile: Option<&Profile>) {
        let Some(profile) = profile else {
            return self.remarks.push("no column names each row differently: add one, or set data.id".into());
        };
        if let Some(Repeat { value, line, first }) = &profile.first_repeat {
            let more = others(profile.repeats, "repeat an earlier one");
            self.remark(profile, format!("the id {value:?} in line {line} is that of line {first} too{more}; give each sample its own, or name another column with --id"));
        }
        self.gaps(profile, "id");
    }

    /// What is to be said of the column of the parts.
    pub(super) fn parts(&mut self, profile: &Profile) {
        if let Some((line, value)) = &profile.first_no_part {
            let more = others(profile.no_part, "name no part");
            self.remark(profile, format!("{value:?} in line {line} is no part{more}; write train, validation or test"));
        }
        self.gaps(profile, "part");
    }

    /// Rows without an id, a part or a label.
    fn gaps(&mut self, profile: &Profile, what: &str) {
        if let Some(line) = profile.first_missing() {
            let more = others(profile.missing(), &format!("have no {what}"));
            self.remark(profile, format!("no {what} in line {line}{more}; fill it in or remove the row"));
        }
    }

    /// The classes in their order; none where they are too many to be listed. `words`: those that would stand for nothing elsewhere, and
    /// in how many rows.
    pub(super) fn classes(&mut self, profile: &Profile, words: &[(String, u64)]) -> Vec<String> {
        for (word, count) in words {
            let rows = profile.filled + profile.missing();
            self.remark(profile, format!("{word:?} stands in {count} of {rows} rows and counts as a class; if it means that the class is not known, take it out of data.classes, add it to data.missing, and remove these rows"));
        }
        self.gaps(profile, "label");
        if profile.many {
            self.remark(profile, format!("has {}: is it the class?", values(profile)));
            return Vec::new();
        }
        if profile.distinct.len() > 2 && profile.is_nearly_unique() {
            let (values, rows) = (profile.distinct.len(), profile.filled);
            self.remark(profile, format!("{values} different values in {rows} rows: is it the class? nearly every row has one of its own; propose again with `--label NAME` if not"));
        }
        if profile.distinct.len() < 2 {
            self.remark(profile, "all rows have the same class, wanted two or more");
        }
        let names = profile.names();
        self.alike(profile, &names, meant, "in case, spaces or the encoding of their letters");
        self.alike(
            profile,
            &names,
            |name| number(name).map_or(meant(name), |n| n.to_string()),
            "in how a number is written",
        );
        names
    }

    /// Values that differ in how they are written only: those of which the same is meant.
    fn alike(&mut self, profile: &Profile, names: &[String], meant: impl Fn(&str) -> String, how: &str) {
        let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in names {
            written.entry(meant(name)).or_default().push(format!("{name:?}"));
        }
        let several =
            written.values().filter(|names| names.len() > 1).map(|names| names.join(" and ")).collect::<Vec<_>>();
        if !several.is_empty() {
            let which = several.join("; ");
            self.remark(
                profile,
                format!("{which} differ {how} only, and count as different; write them alike if they are the same"),
            );
        }
    }

    /// Where no column is called as that of the class is: which could be it, by their few values.
    pub(super) fn no_label(&mut self, profiles: &[Profile], free: &dyn Fn(usize) -> bool) {
        let few = |profile: &Profile| {
            !profile.name.is_empty()
                && profile.pictures + profile.volumes == 0
                && !profile.many
                && CLASSES.contains(&profile.number_of_classes())
                && profile.repeats > 0
        };
        let names: Vec<&str> = (0..profiles.len())
            .filter(|at| free(*at) && few(&profiles[*at]))
            .map(|at| profiles[at].name.as_str())
            .take(CANDIDATES)
            .collect();
        let which = match names.is_empty() {
            true => String::new(),
            false => format!("; columns of few different values, one of which may be it: {}", names.join(", ")),
        };
        self.remarks.push(format!("no column looks like the class: propose again with `--label NAME`{which}"));
    }

    /// Rows that have none of the modalities.
    pub(super) fn empty_rows(&mut self, seen: &Seen, places: &[Vec<usize>]) {
        let empty = seen.patterns.iter().filter(|(filled, _)| !there(filled, places).contains(&true));
        let (count, first) =
            empty.fold((0, u64::MAX), |(all, first), (_, (count, line))| (all + count, first.min(*line)));
        if count > 0 {
            let more = others(count, "have nothing");
            self.remarks.push(format!(
                "line {first} has nothing to classify by{more}: `dymo data check` and `dymo train` refuse such rows; fill something in or remove them"
            ));
        }
    }

    pub(super) fn note(&mut self, profile: &Profile, role: &str, values: String) {
        let (name, missing) = (profile.name.clone(), profile.missing());
        self.columns.push(ColumnSummary { name, role: role.into(), values, missing });
    }

    pub(super) fn leave_out(&mut self, profile: &Profile, why: &str) {
        self.note(profile, "left out", why.into());
    }

    pub(super) fn remark(&mut self, profile: &Profile, remark: impl AsRef<str>) {
        self.remarks.push(format!("column {}: {}", profile.name, remark.as_ref()));
    }

    pub(super) fn column(&mut self, at: usize, profile: &Profile, folder: &Path, left_out: bool) {
        let most = |count: u64| 2 * count > profile.filled;
        if profile.name.is_empty() {
            return self.leave_out(profile, "has no name");
        }
        if left_out {
            return self.leave_out(profile, "as told");
        }
        if profile.filled == 0 {
            return self.leave_out(profile, "always empty");
        }
        if most(profile.pictures) || most(profile.volumes) {
            return self.files(at, profile, folder);
        }
        // As default names of [data] they would stand for two things.
        if roles::names_samples(&profile.name) || profile.name == "label" {
            return self.leave_out(
                profile,
                "called as the samples' names or classes are; set data.id, data.label or data.subject if it is that",
            );
        }
        if profile.distinct.len() == 1 && !profile.many {
            return self.leave_out(profile, "always the same");
        }
        if profile.no_part == 0 {
            return self.leave_out(profile, "names parts, as the split of another run; --split takes it for the parts");
        }
        if let (Some((line, value)), true) = (&profile.first_decimal_comma, most(profile.decimal_commas)) {
            let what = format!("numbers with a decimal comma, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, is left out; write them with a point and propose again"));
            return self.leave_out(profile, &format!("{what}: write them with a point"));
        }
        if let (Some((line, value)), true) = (&profile.first_day, most(profile.days)) {
            let what = format!("days, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, is left out; write what matters of them as a number, such as an age or days since another day"));
            return self.leave_out(profile, &format!("{what}: write what matters of them as a number"));
        }
        if let (Some((line, value)), true) = (&profile.first_time, most(profile.times) && profile.pairs == 0) {
            let what = format!("times of day, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, is left out; write what matters of them as a number, such as hours since midnight or since another time"));
            return self.leave_out(profile, &format!("{what}: write what matters of them as a number"));
        }
        self.type_change(profile);
        match most(profile.numbers) {
            true => self.numbers(at, profile),
            false => self.words(at, profile),
        }
    }

    fn type_change(&mut self, profile: &Profile) {
        // Numbers that are too large are told for themselves.
        let words = profile.words > profile.too_large;
        if let (Some((line, word)), true) = (&profile.first_word, words && profile.numbers > 0) {
            let (numbers, words) = (profile.numbers, profile.words);
            self.remark(profile, format!("{numbers} numbers and {words} that are none, the first is {word:?} in line {line}; correct them, or add them to `missing`"));
        }
        if let Some((line, found)) = &profile.first_too_large {
            let more = others(profile.too_large, "are as well");
            self.remark(profile, format!("{found:?} in line {line} is too large a number (beyond ±3.4e38) and counts as none{more}; correct it, empty the cell, or add it to `missing`"));
        }
    }

    /// Numbers that may be codes for nothing.
    fn codes(&mut self, profile: &Profile) {
        let (codes, [low, high]) = profile.codes();
        for (code, count) in codes {
            let cells = if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") };
            self.remark(
                profile,
                format!(
                    "{code} stands in {cells}, far from all others ({low} to {high}): if it means missing, add it to `missing` and correct \
                     what is proposed of the column, or empty the cells and propose again"
                ),
            );
        }
    }

    fn files(&mut self, at: usize, profile: &Profile, folder: &Path) {
        let (form, remarks) = match profile.pictures >= profile.volumes {
            true => files::image(folder, &profile.paths),
            false => files::volume(folder, &profile.paths),
        };
        let (role, values) = match &form {
            Form::Image { height, width, colour, .. } => (
                "image",
                format!("brought to {height}×{width}, {}", if colour.channels() == 1 { "grey" } else { "rgb" }),
            ),
            Form::Volume { height, width, slices, .. } => ("volume", format!("brought to {height}×{width}×{slices}")),
            Form::Table { .. } | Form::Text { .. } => ("", String::new()),
        };
        let others = profile.filled - profile.pictures.max(profile.volumes);
        if others > 0 {
            self.remark(profile, format!("{others} cells name no file of that kind"));
        }
        remarks.iter().for_each(|remark| self.remark(profile, remark));
        self.note(profile, role, values);
        self.modalities.push((ModalitySettings { name: profile.name.clone(), form }, vec![at]));
    }

    fn numbers(&mut self, at: usize, profile: &Profile) {
        self.codes(profile);
        let few = !profile.many && profile.words == 0 && profile.distinct.len() <= WHOLE;
        let repeated = profile.filled >= 5 * profile.distinct.len() as u64 || profile.distinct.len() == 2;
        if few && repeated && profile.whole == profile.numbers {
            return self.categorical(at, profile);
        }
        if profile.is_unique()
            && profile.whole == profile.numbers
            && profile.all.high - profile.all.low + 1.0 == profile.filled as f64
        {
            return self.leave_out(profile, "numbers the rows");
        }
        let train = profile.moments(self.parts_known);
        if train.count == 0 {
            return self.leave_out(profile, "empty in all training rows");
        }
        let column =
            Column::continuous(&profile.name, round(train.mean), round(train.deviation()), [train.low, train.high]);
        match column {
            Ok(column) => {
                if let Some((line, value)) = &profile.first_padded {
                    let more = others(profile.padded, "are as well");
                    self.remark(profile, format!("{value:?} in line {line} begins with a zero, as codes do{more}, and here counts by its size; if the column is one of codes, such as postcodes, leave it out (--leave-out) or make it categorical"));
                }
                let values = format!("{} to {}, mean {}", train.low, train.high, round(train.mean));
                self.note(profile, "continuous", values);
                self.table.push((column, at));
            }
            Err(_) => self.leave_out(profile, "the same in all training rows"),
        }
    }

    fn words(&mut self, at: usize, profile: &Profile) {
        let repeated = profile.filled >= 2 * profile.distinct.len() as u64;
        if !profile.many && profile.distinct.len() <= CATEGORIES && repeated {
            return self.categorical(at, profile);
        }
        if let Some((line, value)) = profile.two_numbers() {
            let what = format!("two numbers in a cell, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, is left out; make a column of each number and propose again"));
            return self.leave_out(profile, &format!("{what}: make a column of each"));
        }
        if let Some((line, value)) = &profile.first_other_file {
            let how = match profile.other_files_are_slices {
                true => {
                    "folders of DICOM slices are read by a program that is built with --features dicom, or write them as NIfTI"
                }
                false => "write pictures as PNG or JPEG and volumes as NIfTI",
            };
            let what = format!("files that are not read, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, are left out; {how}, and propose again"));
            return self.leave_out(profile, &format!("{what}: {how}"));
        }
        let text = 2 * profile.spaced > profile.filled || profile.longest > 40;
        if profile.is_unique() && !text && 2 * profile.marked <= profile.filled {
            return self.leave_out(profile, "another word in every row; add it as text if it means something");
        }
        if !text && !profile.many && repeated {
            return self.categorical(at, profile);
        }
        if let (Some((line, value)), true) = (&profile.first_marked, 2 * profile.marked > profile.filled) {
            let what = format!("numbers with something beside them, such as {value:?} in line {line}");
            self.remark(profile, format!("{what}, is left out; write the numbers alone and propose again"));
            return self.leave_out(profile, &format!("{what}: write the numbers alone"));
        }
        let form = text_form(profile, self.parts_known);
        let values = match &form {
            Form::Text { length, symbols: Symbols { vocabulary: Some(words), .. }, .. } => {
                format!("{} words, {length} places", words.len())
            }
            Form::Text { length, .. } => format!("characters, {length} places"),
            _ => String::new(),
        };
        self.note(profile, "text", values);
        self.modalities.push((ModalitySettings { name: profile.name.clone(), form }, vec![at]));
    }

    fn categorical(&mut self, at: usize, profile: &Profile) {
        if let (Some((line, value)), true) = (&profile.first_marked, 2 * profile.marked > profile.filled) {
            self.remark(profile, format!("numbers with something beside them, such as {value:?} in line {line}, count as categories; write the numbers alone if their size matters"));
        }
        if let Some((line, value)) = profile.two_numbers() {
            self.remark(profile, format!("two numbers in a cell, such as {value:?} in line {line}, count as categories; make a column of each number if their size matters"));
        }
        let names = profile.categories();
        self.alike(profile, &names, meant, "in case, spaces or the encoding of their letters");
        if let Ok(column) = Column::categorical(&profile.name, names) {
            self.note(profile, "categorical", values(profile));
            self.table.push((column, at));
        }
    }

    /// The modalities and the columns of each; the table comes last.
    pub(super) fn modalities(&mut self) -> (Vec<ModalitySettings>, Vec<Vec<usize>>) {
        let (columns, places): (Vec<Column>, Vec<usize>) = std::mem::take(&mut self.table).into_iter().unzip();
        let mut all = std::mem::take(&mut self.modalities);
        if let Ok(columns) = Columns::new(columns) {
            let taken = |name: &str| all.iter().any(|(modality, _)| modality.name == name);
            let name = if taken("table") { "table of values" } else { "table" };
            all.push((ModalitySettings { name: name.into(), form: Form::Table { columns } }, places));
        }
        all.into_iter().unzip()
    }
}

/// Words where texts are long and repeat them, with a symbol for those that are rare or come later; else characters.
/// As means and deviations are, the words are those of the training rows, where it is known which they are.
fn text_form(profile: &Profile, parts_known: bool) -> Form {
    let counted = profile.vocabulary.iter().map(|(word, counts)| (word, counts[usize::from(parts_known)]));
    let mut words: Vec<(&String, u64)> = counted.collect();
    words.retain(|(_, count)| *count >= 2);
    words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let vocabulary: Vec<String> = words.into_iter().take(VOCABULARY).map(|(word, _)| word.clone()).collect();
    if profile.longest > 64 && vocabulary.len() >= 8 {
        // Words of about six letters and a space.
        let length = (profile.longest / 7).clamp(8, 128);
        return Form::Text {
            column: None,
            length,
            symbols: Symbols { vocabulary: Some(vocabulary), unknown: true, ..Symbols::default() },
        };
    }
    Form::Text { column: None, length: profile.longest.clamp(1, 256), symbols: Symbols::default() }
}

/// To six significant digits: what a person can read and correct.
fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
