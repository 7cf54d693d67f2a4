//! What one column holds, learned in one pass and bounded memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::written::{beside_number, is_day, is_padded, is_pair, is_time};
use crate::manifest::{Split, has_decimal_comma, is_too_large, number, short};

/// Distinct values that are kept.
pub(super) const DISTINCT: usize = 2000;
/// Longest value that is kept as it stands, in bytes; the longer are counted as text.
const LONGEST: usize = 200;

/// Words that people write for nothing.
const MISSING: [&str; 13] =
    ["na", "n/a", "nan", "null", "none", "missing", "?", "-", "--", ".", "unknown", "#n/a", "not available"];

/// Of these, what programs write for an empty cell: no class, however often it stands there.
const WRITTEN_BY_PROGRAMS: [&str; 5] = ["na", "n/a", "nan", "null", "#n/a"];
/// Share of the rows, one in so many, from which on another such word is a class where it stands in the column of the label. "none, mild,
/// severe" is a usual scale, and each of its words is frequent; labels that nobody has filled in are few in a table that is to be learned
/// from. Below, a class would be too rare to be learned anyway.
const CLASS_SHARE: u64 = 20;

/// Whether a cell is empty or one of the usual words for nothing.
pub(super) fn looks_missing(cell: &str) -> bool {
    cell.is_empty() || MISSING.contains(&cell.to_ascii_lowercase().as_str())
}

/// Numbers that people write for nothing.
const CODES: [f64; 8] = [-9999.0, -999.0, -99.0, -9.0, -1.0, 99.0, 999.0, 9999.0];
/// Cells in which such a number must stand to be noticed, unless they are one in [`CODE_SHARE`].
const LEAST_CODES: u64 = 3;
const CODE_SHARE: u64 = 100;

/// One column so far.
#[derive(Debug)]
pub(super) struct Profile {
    folder: PathBuf,
    pub(super) name: String,
    /// Cells that are filled.
    pub(super) filled: u64,
    pub(super) empty: u64,
    /// The line of the first empty cell.
    first_empty: Option<u64>,
    /// Words for nothing that came up, and how often.
    pub(super) markers: HashMap<String, Came>,
    pub(super) numbers: u64,
    pub(super) whole: u64,
    /// Cells that are no number, and the lines of the first number and the first word.
    pub(super) words: u64,
    pub(super) first_word: Option<(u64, String)>,
    pub(super) last_number: Option<u64>,
    /// Whole numbers that begin with a zero, as codes do, and the first of them.
    pub(super) padded: u64,
    pub(super) first_padded: Option<(u64, String)>,
    /// Values and how often they came; complete unless `many`.
    pub(super) distinct: HashMap<String, Came>,
    pub(super) many: bool,
    /// Cells whose value came before, as far as is known.
    pub(super) repeats: u64,
    pub(super) first_repeat: Option<Repeat>,
    /// Cells that name no part, and the first of them.
    pub(super) no_part: u64,
    pub(super) first_no_part: Option<(u64, String)>,
    /// Cells that would be numbers with a decimal point, and the first of them.
    pub(super) decimal_commas: u64,
    pub(super) first_decimal_comma: Option<(u64, String)>,
    /// Cells that are numbers beyond what can be computed with, counted among `words`, and the first of them.
    pub(super) too_large: u64,
    pub(super) first_too_large: Option<(u64, String)>,
    /// By [`CODES`]: how many cells, and how the first of them writes it.
    codes: [(u64, String); CODES.len()],
    /// Of the numbers that are none of these.
    uncoded: Moments,
    /// Numbers with something beside them, the same as in the first of these, which stands here with its line.
    pub(super) marked: u64,
    pub(super) first_marked: Option<(u64, String)>,
    mark: Option<(String, String)>,
    /// Days, and the first of them.
    pub(super) days: u64,
    pub(super) first_day: Option<(u64, String)>,
    /// Times of day, and the first of them.
    pub(super) times: u64,
    pub(super) first_time: Option<(u64, String)>,
    /// Two numbers in a cell that are no time of day, and the first of them.
    pub(super) pairs: u64,
    pub(super) first_pair: Option<(u64, String)>,
    pub(super) pictures: u64,
    pub(super) volumes: u64,
    /// The first cell that names a file or a folder of another kind, where the first words of the column are such.
    pub(super) first_other_file: Option<(u64, String)>,
    /// Whether that is a folder, or a slice of DICOM.
    pub(super) other_files_are_slices: bool,
    /// Words that have been looked up among the files.
    looked_up: usize,
    /// First paths, to be opened.
    pub(super) paths: Vec<String>,
    pub(super) longest: usize,
    /// Values with a space in them.
    pub(super) spaced: u64,
    /// Of all rows, and of those that a column of parts says train.
    pub(super) all: Moments,
    pub(super) train: Moments,
    /// Words of the texts and how often they came: in all rows, and in those that train.
    pub(super) vocabulary: HashMap<String, [u64; 2]>,
}

/// How often a value came, and in which line first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) count: u64,
    pub(super) first: u64,
}

/// A value that came before.
#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) value: String,
    pub(super) line: u64,
    pub(super) first: u64,
}

/// Count, mean and sum of squares, by Welford's update, and the range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: f64,
    squares: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY }
    }
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Of the population.
    pub(super) fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }
}

/// Endings of pictures and volumes that are not read.
const OTHER_FILES: [&str; 12] =
    [".dcm", ".dicom", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".mha", ".mhd", ".nrrd", ".mgz", ".mnc"];
/// Paths that are opened to learn sizes, or looked up.
const OPENED: usize = 8;
/// Words that are kept of texts.
const WORDS: usize = 20_000;

impl Profile {
    /// `folder` is the table's, where paths begin.
    pub(super) fn new(name: &str, folder: Option<&Path>) -> Self {
        Self {
            name: name.to_owned(),
            folder: folder.map(Path::to_owned).unwrap_or_default(),
            filled: 0,
            empty: 0,
            first_empty: None,
            markers: HashMap::new(),
            numbers: 0,
            whole: 0,
            words: 0,
            first_word: None,
            last_number: None,
            padded: 0,
            first_padded: None,
            distinct: HashMap::new(),
            many: false,
            repeats: 0,
            first_repeat: None,
            no_part: 0,
            first_no_part: None,
            decimal_commas: 0,
            first_decimal_comma: None,
            too_large: 0,
            first_too_large: None,
            codes: Default::default(),
            uncoded: Moments::default(),
            marked: 0,
            first_marked: None,
            mark: None,
            days: 0,
            first_day: None,
            times: 0,
            first_time: None,
            pairs: 0,
            first_pair: None,
            pictures: 0,
            volumes: 0,
            first_other_file: None,
            other_files_are_slices: false,
            looked_up: 0,
            paths: Vec::new(),
            longest: 0,
            spaced: 0,
            all: Moments::default(),
            train: Moments::default(),
            vocabulary: HashMap::new(),
        }
    }

    /// `train`: whether a column of parts says that the row trains.
    pub(super) fn add(&mut self, cell: &str, line: u64, train: bool) {
        if looks_missing(cell) {
            match cell.is_empty() {
                true => {
                    self.empty += 1;
                    self.first_empty.get_or_insert(line);
                }
                false => self.markers.entry(cell.to_owned()).or_insert(Came { count: 0, first: line }).count += 1,
            }
            return;
        }
        self.filled += 1;
        self.longest = self.longest.max(cell.chars().count());
        self.spaced += u64::from(cell.contains(' '));
        self.count(cell, line);
        if Split::parse(cell).is_none() {
            self.no_part += 1;
            self.first_no_part.get_or_insert_with(|| (line, short(cell)));
        }
        match number(cell) {
            Some(number) => {
                self.numbers += 1;
                self.whole += u64::from(number.fract() == 0.0);
                self.last_number = Some(line);
                self.all.add(number);
                if is_padded(cell) {
                    self.padded += 1;
                    self.first_padded.get_or_insert_with(|| (line, short(cell)));
                }
                match CODES.iter().position(|code| *code == number) {
                    None => self.uncoded.add(number),
                    Some(code) => {
                        let (count, written) = &mut self.codes[code];
                        *count += 1;
                        if written.is_empty() {
                            cell.clone_into(written);
                        }
                    }
                }
                if train {
                    self.train.add(number);
                }
            }
            None => {
                self.words += 1;
                self.first_word.get_or_insert_with(|| (line, short(cell)));
                if has_decimal_comma(cell) {
                    self.decimal_commas += 1;
                    self.first_decimal_comma.get_or_insert_with(|| (line, short(cell)));
                }
                if is_too_large(cell) {
                    self.too_large += 1;
                    self.first_too_large.get_or_insert_with(|| (line, short(cell)));
                }
                if is_day(cell) {
                    self.days += 1;
                    self.first_day.get_or_insert_with(|| (line, short(cell)));
                } else if is_time(cell) {
                    self.times += 1;
                    self.first_time.get_or_insert_with(|| (line, short(cell)));
                } else if is_pair(cell) {
                    self.pairs += 1;
                    self.first_pair.get_or_insert_with(|| (line, short(cell)));
                } else if let Some((before, behind)) = beside_number(cell) {
                    let mark = self.mark.get_or_insert_with(|| (before.to_owned(), behind.to_owned()));
                    self.marked += u64::from((mark.0.as_str(), mark.1.as_str()) == (before, behind));
                    self.first_marked.get_or_insert_with(|| (line, short(cell)));
                }
                self.word(cell, line, train);
            }
        }
    }

    fn count(&mut self, cell: &str, line: u64) {
        if let Some(came) = self.distinct.get_mut(cell) {
            came.count += 1;
            self.repeats += 1;
            self.first_repeat.get_or_insert_with(|| Repeat { value: short(cell), line, first: came.first });
        } else if self.distinct.len() < DISTINCT && cell.len() <= LONGEST {
            self.distinct.insert(cell.to_owned(), Came { count: 1, first: line });
        } else {
            self.many = true;
        }
    }

    fn word(&mut self, cell: &str, line: u64, train: bool) {
        let lower = cell.to_ascii_lowercase();
        let ends = |extensions: &[&str]| extensions.iter().any(|extension| lower.ends_with(extension));
        let picture = ends(&[".png", ".jpg", ".jpeg", ".npy"]);
        // The slices of a DICOM volume are a folder.
        let slices = || cfg!(feature = "dicom") && self.folder.join(cell).is_dir();
        let volume = ends(&[".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"]) || (!picture && slices());
        self.pictures += u64::from(picture);
        self.volumes += u64::from(volume);
        if (picture || volume) && self.paths.len() < OPENED {
            self.paths.push(cell.to_owned());
        }
        if !picture && !volume {
            self.other_file(cell, &lower, line);
            for word in crate::text::words_of(cell) {
                if self.vocabulary.len() < WORDS || self.vocabulary.contains_key(&word) {
                    let [all, trained] = self.vocabulary.entry(word).or_default();
                    *all += 1;
                    *trained += u64::from(train);
                }
            }
        }
    }

    /// Looks up whether a word names a file of a kind that is not read: by its ending, or because it is there.
    fn other_file(&mut self, cell: &str, lower: &str, line: u64) {
        if self.looked_up == OPENED {
            return;
        }
        self.looked_up += 1;
        let ending = OTHER_FILES.iter().any(|ending| lower.ends_with(ending));
        let path = self.folder.join(cell);
        match ending || path.exists() {
            true if self.looked_up == 1 => {
                self.first_other_file = Some((line, short(cell)));
                self.other_files_are_slices = path.is_dir() || lower.ends_with(".dcm") || lower.ends_with(".dicom");
            }
            true => {}
            false => self.first_other_file = None,
        }
    }

    /// Cells without a value.
    pub(super) fn missing(&self) -> u64 {
        self.empty + self.markers.values().map(|came| came.count).sum::<u64>()
    }

    /// The line of the first cell without a value.
    pub(super) fn first_missing(&self) -> Option<u64> {
        self.markers.values().map(|came| came.first).chain(self.first_empty).min()
    }

    /// Words for nothing that would be classes, were this the column of the label.
    pub(super) fn words_for_classes(&self) -> Vec<String> {
        let rows = self.filled + self.missing();
        let is_class = |word: &str, came: &Came| {
            CLASS_SHARE * came.count >= rows && !WRITTEN_BY_PROGRAMS.contains(&word.to_ascii_lowercase().as_str())
        };
        let mut words: Vec<String> = match self.many {
            // Classes that are not listed cannot take a word out of those for nothing.
            true => Vec::new(),
            false => {
                self.markers.iter().filter(|(word, came)| is_class(word, came)).map(|(word, _)| word.clone()).collect()
            }
        };
        words.sort();
        words
    }

    /// Takes those words for values, as in the column of the label; which, and in how many cells.
    pub(super) fn take_words_for_classes(&mut self) -> Vec<(String, u64)> {
        let words = self.words_for_classes();
        let taken: Vec<(String, Came)> =
            words.into_iter().filter_map(|word| self.markers.remove_entry(&word)).collect();
        for (word, came) in &taken {
            self.filled += came.count;
            self.words += came.count;
            self.repeats += came.count - 1;
            self.distinct.insert(word.clone(), *came);
        }
        taken.into_iter().map(|(word, came)| (word, came.count)).collect()
    }

    /// How many classes it would have, were it the column of the label.
    pub(super) fn number_of_classes(&self) -> usize {
        self.distinct.len() + self.words_for_classes().len()
    }

    /// Whether every row has a value of its own, as far as is known.
    pub(super) fn is_unique(&self) -> bool {
        self.filled > 0 && self.repeats == 0 && self.missing() == 0
    }

    /// Whether all rows but a few, which are taken for mistakes, have a value of their own.
    pub(super) fn is_nearly_unique(&self) -> bool {
        self.filled > 1 && 10 * (self.repeats + self.missing()) <= self.filled + self.missing()
    }

    /// Numbers that may stand for nothing: usual as such, not rare, and far from all that are not. Each as it is written, and in how
    /// many cells; with them the range of the others.
    pub(super) fn codes(&self) -> (Vec<(&str, u64)>, [f64; 2]) {
        let [low, high] = [self.uncoded.low, self.uncoded.high];
        let room = 0.5 * (high - low);
        let far = |code: f64| low < high && (code < low - room || code > high + room);
        let often = |count: u64| count >= LEAST_CODES || (count > 0 && CODE_SHARE * count >= self.numbers);
        let found = CODES.iter().zip(&self.codes).filter(|(code, (count, _))| far(**code) && often(*count));
        (found.map(|(_, (count, written))| (written.as_str(), *count)).collect(), [low, high])
    }

    /// The first cell of two numbers, where most are that. Some of them look like times of day: `1:20` beside `1:160`.
    pub(super) fn two_numbers(&self) -> Option<&(u64, String)> {
        self.first_pair.as_ref().filter(|_| 2 * (self.pairs + self.times) > self.filled)
    }

    /// Whether most cells name a part.
    pub(super) fn names_parts(&self) -> bool {
        2 * self.no_part < self.filled
    }

    /// Mean, deviation and range: of the training rows, where a column of parts says which they are.
    pub(super) fn moments(&self, parts_known: bool) -> Moments {
        if parts_known { self.train } else { self.all }
    }

    /// The values in their order as categories, of which those that are the same number are one.
    pub(super) fn categories(&self) -> Vec<String> {
        let mut names = self.names();
        if names.iter().all(|name| number(name).is_some()) {
            names.dedup_by(|a, b| number(a) == number(b));
        }
        names
    }

    /// The values in their order: by number where all are numbers, by a known scale, else by alphabet.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.distinct.keys().cloned().collect();
        names.sort();
        let numbers: Option<Vec<f64>> = names.iter().map(|name| number(name)).collect();
        if let Some(numbers) = numbers {
            let mut both: Vec<(f64, String)> = numbers.into_iter().zip(names).collect();
            both.sort_by(|a, b| a.0.total_cmp(&b.0));
            return both.into_iter().map(|(_, name)| name).collect();
        }
        for scale in SCALES {
            let rank = |name: &String| scale.iter().position(|word| name.eq_ignore_ascii_case(word));
            if names.iter().all(|name| rank(name).is_some()) {
                names.sort_by_key(rank);
                break;
            }
        }
        names
    }
}

/// Words that have an order.
const SCALES: [&[&str]; 9] = [
    &["none", "very mild", "mild", "moderate", "severe", "very severe"],
    &["very low", "low", "medium", "moderate", "high", "very high"],
    &["xs", "s", "m", "l", "xl", "xxl"],
    &["small", "medium", "large"],
    &["never", "rarely", "sometimes", "often", "always"],
    &["never", "former", "current"],
    &["poor", "fair", "good", "very good", "excellent"],
    &["i", "ii", "iii", "iv", "v"],
    &["no", "maybe", "yes"],
];
