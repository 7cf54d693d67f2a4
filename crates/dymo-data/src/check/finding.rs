//! What a check finds, as data and in words.

use std::fmt;

use serde::Serialize;

use crate::manifest::{Blank, Changed, Problem, Split};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Often a mistake; training is possible.
    Warning,
    /// Training or prediction would fail, or be worthless.
    Error,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// A row or a file that cannot be used.
    Row(Problem),
    /// A file that shows nothing.
    Blank {
        /// Line in the table, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// What it shows.
        blank: Blank,
    },
    /// A file that is not taken as it is.
    Changed {
        /// Line in the table, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// What is left out or replaced.
        changed: Changed,
    },
    /// Texts with more characters, or words, than are read.
    TextsCut {
        /// The column.
        column: String,
        /// How many.
        count: u64,
        /// What the longest has.
        longest: usize,
    },
    /// Pictures or volumes of one modality on grids, spacings or orientations that differ.
    MixedGeometry {
        /// The modality.
        modality: String,
        /// `grid`, `spacing` or `orientation`.
        what: &'static str,
        /// How many different ones there are.
        kinds: usize,
    },
    /// Volumes whose header does not say how they lie.
    NoOrientation {
        /// The modality.
        modality: String,
        /// How many.
        count: u64,
    },
    /// The content of one file in two parts.
    SameContent {
        /// The line that repeats it.
        line: u64,
        /// The line that had it first.
        first: u64,
        /// The column of the later one.
        column: String,
        /// The parts.
        parts: [Split; 2],
    },
    /// The content of one file under several rows of one part.
    Repeated {
        /// How many files have a content that was there before.
        count: u64,
        /// The first of them.
        first: Vec<Repeat>,
    },
    /// A subject in two parts.
    SubjectInTwoParts {
        /// A line of it.
        line: u64,
        /// The subject.
        subject: String,
        /// The parts.
        parts: Vec<Split>,
    },
    /// A column from which the class can be told nearly always.
    GivesAway {
        /// The column.
        column: String,
        /// Whether it is what stands there, or whether something stands there.
        by: By,
        /// The class that it tells from the others; all of them if none is named.
        class: Option<String>,
        /// How often that is right, from 0 to 1.
        accuracy: f64,
    },
    /// A class that no training sample has.
    ClassNotTrained {
        /// The class.
        class: String,
        /// How many rows have it.
        rows: u64,
    },
    /// There is no second class.
    OneClass {
        /// The only one.
        class: String,
    },
    /// A class of the settings that no row has.
    ClassUnused {
        /// The class.
        class: String,
    },
    /// Fewer training samples of a class than can be learned from.
    FewOfClass {
        /// The class.
        class: String,
        /// Training samples.
        rows: u64,
    },
    /// One class is much more frequent than another.
    Imbalance {
        /// The most frequent class of the training part and its samples.
        most: (String, u64),
        /// The rarest one.
        least: (String, u64),
    },
    /// A modality that no training sample has.
    NeverObserved {
        /// The modality.
        modality: String,
    },
    /// A column of a table modality without any value in training.
    ColumnEmpty {
        /// The column.
        column: String,
    },
    /// A column that always has one value.
    ColumnConstant {
        /// The column.
        column: String,
    },
    /// Numbers first, then something else.
    TypeChange {
        /// The column.
        column: String,
        /// The line of the first cell that is no number.
        line: u64,
        /// That cell.
        found: String,
        /// Cells that are none.
        words: u64,
        /// Cells that are numbers.
        numbers: u64,
    },
    /// Values outside the range that the settings say was observed; of rows that do not train, that is no surprise.
    OutOfRange {
        /// The column.
        column: String,
        /// How many.
        count: u64,
        /// How many of them train.
        training: u64,
        /// The range.
        range: [f64; 2],
    },
    /// A category of the settings that no row has.
    CategoryUnused {
        /// The column.
        column: String,
        /// The category.
        category: String,
    },
    /// A category that no training row has.
    CategoryNotTrained {
        /// The column.
        column: String,
        /// The category.
        category: String,
        /// How many rows have it.
        rows: u64,
    },
    /// Rows that are no sample where parts are drawn: of the others alone.
    Undivided {
        /// How many.
        rows: u64,
    },
    /// More findings of a kind than are kept.
    More {
        /// How many are left out.
        count: u64,
        /// What they are, in words.
        what: &'static str,
        /// How much each weighs.
        severity: Severity,
    },
}

/// A file whose content was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// Line in the table, counted from 1.
    pub line: u64,
    /// The column.
    pub column: String,
    /// The line that had it first.
    pub first: u64,
}

/// How a column gives the class away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// By its value.
    Value,
    /// By whether it has one.
    Absence,
}

impl Finding {
    /// How much it weighs.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Row(_)
            | Self::SameContent { .. }
            | Self::SubjectInTwoParts { .. }
            | Self::ClassNotTrained { .. }
            | Self::OneClass { .. }
            | Self::NeverObserved { .. }
            | Self::TypeChange { .. } => Severity::Error,
            Self::Blank { .. }
            | Self::Changed { .. }
            | Self::TextsCut { .. }
            | Self::MixedGeometry { what: "orientation", .. }
            | Self::NoOrientation { .. }
            | Self::GivesAway { .. }
            | Self::ClassUnused { .. }
            | Self::FewOfClass { .. }
            | Self::Imbalance { .. }
            | Self::ColumnEmpty { .. }
            | Self::ColumnConstant { .. }
            | Self::OutOfRange { training: 1.., .. } => Severity::Warning,
            Self::MixedGeometry { .. }
            | Self::Repeated { .. }
            | Self::CategoryUnused { .. }
            | Self::CategoryNotTrained { .. }
            | Self::OutOfRange { .. }
            | Self::Undivided { .. } => Severity::Note,
            Self::More { severity, .. } => *severity,
        }
    }

    /// How many findings it stands for.
    pub fn count(&self) -> u64 {
        match self {
            Self::More { count, .. } => *count,
            _ => 1,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(problem) => problem.fmt(f),
            Self::Blank { line, column, blank } => {
                write!(f, "line {line}, column {column}: {}; empty the cell if it is missing", blank.words())
            }
            Self::Changed { line, column, changed } => {
                write!(f, "line {line}, column {column}: {changed}; {}", changed.advice())
            }
            Self::TextsCut { column, count, longest } => write!(
                f,
                "column {column}: {count} {} longer than what is read, the longest {longest}; raise the text's `length` if the end matters",
                if *count == 1 { "text is" } else { "texts are" }
            ),
            Self::MixedGeometry { modality, what, kinds } => {
                write!(f, "{modality}: files of {kinds} different {what}s; all are brought to one grid")
            }
            Self::NoOrientation { modality, count } => write!(
                f,
                "{modality}: {count} volumes do not say how they lie, left and right may be swapped; convert them anew"
            ),
            Self::SameContent { line, first, column, parts: [a, b] } => write!(
                f,
                "line {line}, column {column}: the same content as in line {first}, once in {} and once in {}; keep one",
                a.name(),
                b.name()
            ),
            Self::Repeated { count, first } => {
                let one = |Repeat { line, column, first }: &Repeat| {
                    format!("line {line}, column {column}, that of line {first}")
                };
                let mut named: Vec<String> = first.iter().map(one).collect();
                let more = count.saturating_sub(first.len() as u64);
                named.extend((more > 0).then(|| format!("and {more} more")));
                let what = if *count == 1 { "file has" } else { "files have" };
                write!(f, "{count} {what} the content of another one: {}", named.join("; "))
            }
            Self::SubjectInTwoParts { line, subject, parts } => {
                let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
                write!(
                    f,
                    "line {line}: subject {subject:?} is in {}; keep each subject in one part",
                    names.join(" and ")
                )
            }
            Self::GivesAway { column, by, class, accuracy } => {
                let whom = class.as_ref().map_or("the class".to_owned(), |class| format!("class {class:?}"));
                let how = match by {
                    By::Value => "its value",
                    By::Absence => "whether it is filled",
                };
                write!(
                    f,
                    "column {column}: {how} tells {whom} in {:.1} % of the cases; leave it out if it would not be known before",
                    100.0 * accuracy
                )
            }
            Self::ClassNotTrained { class, rows } => {
                write!(f, "class {class:?} has {rows} rows and none of them trains; move some to train or leave it out")
            }
            Self::OneClass { class } => write!(
                f,
                "every row has class {class:?}: at least two are needed to classify; see that data.label names the right column"
            ),
            Self::ClassUnused { class } => write!(f, "class {class:?} is in the settings and in no row"),
            Self::FewOfClass { class, rows } => {
                write!(f, "class {class:?} has {rows} training samples, too few to learn it well")
            }
            Self::Imbalance { most, least } => write!(
                f,
                "class {:?} has {} training samples, {:?} has {}; judge by balanced figures",
                most.0, most.1, least.0, least.1
            ),
            Self::NeverObserved { modality } => {
                write!(
                    f,
                    "{modality} is observed in no training sample; remove the modality or add samples that have it"
                )
            }
            Self::ColumnEmpty { column } => write!(f, "column {column}: no training sample has a value; leave it out"),
            Self::ColumnConstant { column } => write!(f, "column {column}: always the same value; leave it out"),
            Self::TypeChange { column, line, found, words, numbers } => write!(
                f,
                "column {column}: {numbers} numbers, and from line {line} on {words} cells that are none, such as {found:?}; correct them or add the word to `missing`"
            ),
            Self::OutOfRange { column, count, training, range: [low, high] } => write!(
                f,
                "column {column}: {count} values outside {low} to {high}, the range in the settings{}",
                if *training == 0 { "; none of them trains" } else { "" }
            ),
            Self::CategoryUnused { column, category } => {
                write!(f, "column {column}: no row has category {category:?}")
            }
            Self::CategoryNotTrained { column, category, rows } => write!(
                f,
                "column {column}: category {category:?} stands in {rows} {} and none of them trains: networks will not know it",
                if *rows == 1 { "row" } else { "rows" }
            ),
            Self::Undivided { rows } => write!(
                f,
                "{rows} {} left out when the parts were drawn; once corrected, all are drawn anew",
                if *rows == 1 { "row was" } else { "rows were" }
            ),
            Self::More { count, what, .. } => write!(f, "and {count} more {what}"),
        }
    }
}

/// A finding serialises as its weight and its words; the place, where there is one, beside them.
impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            severity: Severity,
            text: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            column: Option<&'a str>,
        }
        let (line, column) = self.place();
        Flat { severity: self.severity(), text: self.to_string(), line, column }.serialize(to)
    }
}

impl Finding {
    /// Line and column of the table that it is about, where there is one.
    pub fn place(&self) -> (Option<u64>, Option<&str>) {
        match self {
            Self::Row(problem) => (problem.line(), problem.column()),
            Self::Blank { line, column, .. }
            | Self::Changed { line, column, .. }
            | Self::SameContent { line, column, .. }
            | Self::TypeChange { line, column, .. } => (Some(*line), Some(column)),
            Self::SubjectInTwoParts { line, .. } => (Some(*line), None),
            Self::GivesAway { column, .. }
            | Self::TextsCut { column, .. }
            | Self::ColumnEmpty { column }
            | Self::ColumnConstant { column }
            | Self::OutOfRange { column, .. }
            | Self::CategoryUnused { column, .. }
            | Self::CategoryNotTrained { column, .. } => (None, Some(column)),
            _ => (None, None),
        }
    }
}
