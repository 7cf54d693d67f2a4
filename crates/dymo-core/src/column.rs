//! The columns of a table modality: what a cell may hold, and the number that stands for it.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the cells of a column hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Values {
    /// Numbers; in memory (x − mean) / deviation.
    Continuous {
        /// Mean of the training samples, in the column's unit.
        mean: f64,
        /// Their standard deviation, above 0.
        deviation: f64,
        /// Smallest and largest value that was observed.
        range: [f64; 2],
    },
    /// One of several names; in memory the name's place in the list, from 0.
    Categorical {
        /// In their order, where they have one (`mild`, `moderate`, `severe`).
        categories: Vec<String>,
    },
}

/// A column as it stands in a file, before the check.
#[derive(Deserialize, Serialize)]
struct ColumnTable {
    name: String,
    #[serde(flatten)]
    values: Values,
}

/// One column of a table modality. The check is the only way in, for files too: a name; finite numbers, a deviation
/// above 0 and an ordered range; at least one category, all named and different.
///
/// In memory a cell is one f32: a standardised number or the place of a category. **NaN is a missing entry**, of which
/// there is no token.
/// ```
/// use dymo_core::Column;
/// let age = Column::continuous("age", 50.0, 10.0, [18.0, 90.0])?;
/// assert_eq!((age.standardise(65.0), age.describe(1.5)), (1.5, "65".to_owned()));
/// let stage = Column::categorical("stage", ["mild", "severe"])?;
/// assert_eq!((stage.place("severe"), stage.describe(1.0)), (Some(1), "severe".to_owned()));
/// # Ok::<(), dymo_core::ColumnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ColumnTable", into = "ColumnTable")]
pub struct Column {
    name: String,
    values: Values,
}

// All numbers are finite: equality is reflexive.
impl Eq for Column {}

impl TryFrom<ColumnTable> for Column {
    type Error = ColumnError;

    fn try_from(table: ColumnTable) -> Result<Self, ColumnError> {
        Self::new(table.name, table.values)
    }
}

impl From<Column> for ColumnTable {
    fn from(column: Column) -> Self {
        Self { name: column.name, values: column.values }
    }
}

impl Column {
    /// Checks and keeps them.
    ///
    /// # Errors
    /// The rule that is broken, as a [`ColumnError`].
    pub fn new(name: impl Into<String>, values: Values) -> Result<Self, ColumnError> {
        let name = name.into();
        if name.trim().is_empty() {
            return Err(ColumnError::NoName);
        }
        match &values {
            Values::Continuous { mean, deviation, range: [low, high] } => {
                // Single precision is what cells are computed in: what it cannot hold would make every cell an error.
                let holds = |number: f64| number.abs() <= f64::from(f32::MAX);
                let finite = [mean, deviation, low, high].iter().all(|number| holds(**number));
                let ends = [low, high].iter().all(|end| holds((**end - mean) / deviation));
                if !finite || *deviation <= 0.0 || low > high || !ends {
                    let (mean, deviation, range) = (*mean, *deviation, [*low, *high]);
                    return Err(ColumnError::Numbers { column: name, mean, deviation, range });
                }
            }
            Values::Categorical { categories } => {
                let mut seen = HashSet::new();
                let wrong = categories.iter().find(|name| name.trim().is_empty() || !seen.insert(name.as_str()));
                if categories.is_empty() || wrong.is_some() {
                    return Err(ColumnError::Categories { column: name, found: wrong.cloned() });
                }
            }
        }
        Ok(Self { name, values })
    }

    /// A column of numbers.
    ///
    /// # Errors
    /// As [`Column::new`].
    pub fn continuous(
        name: impl Into<String>,
        mean: f64,
        deviation: f64,
        range: [f64; 2],
    ) -> Result<Self, ColumnError> {
        Self::new(name, Values::Continuous { mean, deviation, range })
    }

    /// A column of names, in their order.
    ///
    /// # Errors
    /// As [`Column::new`].
    pub fn categorical<S: Into<String>>(
        name: impl Into<String>,
        categories: impl IntoIterator<Item = S>,
    ) -> Result<Self, ColumnError> {
        Self::new(name, Values::Categorical { categories: categories.into_iter().map(Into::into).collect() })
    }

    /// Its name in the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its cells hold.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The names of its categories; `None` for numbers.
    pub fn categories(&self) -> Option<&[String]> {
        match &self.values {
            Values::Categorical { categories } => Some(categories),
            Values::Continuous { .. } => None,
        }
    }

    /// The number of its categories; `None` for numbers.
    pub fn cardinality(&self) -> Option<usize> {
        self.categories().map(<[String]>::len)
    }

    /// Smallest and largest value observed, in the column's unit; `None` for categories.
    pub fn range(&self) -> Option<[f64; 2]> {
        match self.values {
            Values::Continuous { range, .. } => Some(range),
            Values::Categorical { .. } => None,
        }
    }

    /// The place of a category of that name.
    pub fn place(&self, category: &str) -> Option<usize> {
        self.categories()?.iter().position(|name| name == category)
    }

    /// A number in the column's unit as it stands in memory; a category's place is its number already.
    pub fn standardise(&self, number: f64) -> f32 {
        match self.values {
            Values::Continuous { mean, deviation, .. } => ((number - mean) / deviation) as f32,
            Values::Categorical { .. } => number as f32,
        }
    }

    /// The number in the column's unit that `value` stands for; a category's place stays what it is.
    pub fn restore(&self, value: f32) -> f64 {
        match self.values {
            Values::Continuous { mean, deviation, .. } => f64::from(value) * deviation + mean,
            Values::Categorical { .. } => f64::from(value),
        }
    }

    /// What `value` stands for, for people: the category's name, or the number to about four digits of the deviation;
    /// `missing` for NaN. A value between two categories is the nearer one.
    pub fn describe(&self, value: f32) -> String {
        if value.is_nan() {
            return "missing".into();
        }
        match &self.values {
            Values::Categorical { categories } => {
                // The cast saturates: a value below 0 is the first category.
                let place = (value.round() as usize).min(categories.len() - 1);
                categories[place].clone()
            }
            Values::Continuous { deviation, .. } => {
                let decimals = (3.0 - deviation.log10().floor()).clamp(0.0, 12.0) as usize;
                let text = format!("{:.decimals$}", self.restore(value));
                let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
                if short == "-0" { "0".into() } else { short.to_owned() }
            }
        }
    }
}

/// The columns of a table modality, in order: at least one, no name twice. A clone shares them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Column>", into = "Vec<Column>")]
pub struct Columns(Arc<[Column]>);

impl Columns {
    /// Checks and keeps them.
    ///
    /// # Errors
    /// [`ColumnError::None`] without columns, [`ColumnError::Twice`] for a name that two of them bear.
    pub fn new(columns: Vec<Column>) -> Result<Self, ColumnError> {
        if columns.is_empty() {
            return Err(ColumnError::None);
        }
        let mut seen = HashSet::new();
        match columns.iter().find(|column| !seen.insert(column.name())) {
            Some(twice) => Err(ColumnError::Twice { column: twice.name.clone() }),
            None => Ok(Self(columns.into())),
        }
    }

    /// The place of the column of that name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column.name == name)
    }
}

impl Deref for Columns {
    type Target = [Column];

    fn deref(&self) -> &[Column] {
        &self.0
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<Vec<Column>> for Columns {
    type Error = ColumnError;

    fn try_from(columns: Vec<Column>) -> Result<Self, ColumnError> {
        Self::new(columns)
    }
}

impl From<Columns> for Vec<Column> {
    fn from(columns: Columns) -> Self {
        columns.0.to_vec()
    }
}

/// Why columns make no table.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// An empty or blank name.
    #[error("a column has no name, give it that of the table's first row")]
    NoName,
    /// No column at all.
    #[error("a table without columns, name at least one")]
    None,
    /// Two columns of one name.
    #[error("two columns are called {column:?}, name each once")]
    Twice {
        /// The name both bear.
        column: String,
    },
    /// Numbers that describe no column.
    #[error(
        "column {column:?} has mean {mean}, deviation {deviation} and range {range:?}, wanted numbers within ±3.4e38, as they \
         stand and in deviations from the mean, a deviation above 0 and a range from low to high; leave out a column that is always the same"
    )]
    Numbers {
        /// The column.
        column: String,
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        deviation: f64,
        /// Its smallest and largest value.
        range: [f64; 2],
    },
    /// No category, one without a name, or one that is there twice.
    #[error("column {column:?} needs categories with names, each once{}", found.as_ref().map_or(String::new(), |name| format!("; found {name:?} blank or twice")))]
    Categories {
        /// The column.
        column: String,
        /// The category that is blank or there twice.
        found: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_numbers_and_back() {
        let age = Column::continuous("age", 50.0, 4.0, [18.0, 90.0]).unwrap();
        assert_eq!((age.standardise(56.0), age.restore(1.5)), (1.5, 56.0));
        assert_eq!((age.describe(0.1), age.describe(-12.5)), ("50.4".into(), "0".to_string()));
        assert_eq!((age.range(), age.cardinality(), age.place("x")), (Some([18.0, 90.0]), None, None));
        assert_eq!(age.describe(f32::NAN), "missing");
        let tiny = Column::continuous("dose", 0.0, 2e-6, [0.0, 1e-5]).unwrap();
        assert_eq!(tiny.describe(1.0), "0.000002");
        let stage = Column::categorical("stage", ["mild", "severe"]).unwrap();
        assert_eq!((stage.place("severe"), stage.cardinality()), (Some(1), Some(2)));
        let said = [-3.0, 0.4, 0.6, 99.0].map(|value| stage.describe(value));
        assert_eq!(said, ["mild", "mild", "severe", "severe"]);
    }

    #[test]
    fn one_refusal_per_rule() {
        assert_eq!(Column::categorical(" ", ["a"]), Err(ColumnError::NoName));
        for (mean, deviation, range) in [
            (f64::NAN, 1.0, [0.0, 1.0]),
            (0.0, 0.0, [0.0, 1.0]),
            (0.0, 1.0, [1.0, 0.0]),
            (0.0, f64::INFINITY, [0.0, 1.0]),
            (1e300, 1.0, [0.0, 1.0]),
            (0.0, 1.0, [0.0, 1e39]),
            (0.0, 1e-300, [0.0, 1.0]),
        ] {
            let refused = Column::continuous("age", mean, deviation, range).unwrap_err();
            assert!(matches!(refused, ColumnError::Numbers { .. }), "{refused}");
        }
        let none: [&str; 0] = [];
        assert_eq!(Column::categorical("a", none), Err(ColumnError::Categories { column: "a".into(), found: None }));
        let twice = Column::categorical("a", ["x", "y", "x"]).unwrap_err().to_string();
        assert!(twice.contains("\"x\" blank or twice"), "{twice}");
        assert_eq!(Columns::new(vec![]), Err(ColumnError::None));
        let one = Column::categorical("a", ["x"]).unwrap();
        assert_eq!(Columns::new(vec![one.clone(), one]), Err(ColumnError::Twice { column: "a".into() }));
    }

    #[test]
    fn files_pass_through_the_same_check() {
        let good = r#"[{"name":"age","type":"continuous","mean":50.0,"deviation":4.0,"range":[18.0,90.0]},{"name":"sex","type":"categorical","categories":["f","m"]}]"#;
        let columns: Columns = serde_json::from_str(good).unwrap();
        assert_eq!((columns.len(), columns.index("sex")), (2, Some(1)));
        assert_eq!(serde_json::to_string(&columns).unwrap(), good);
        let bad = good.replace("4.0", "0.0");
        assert!(serde_json::from_str::<Columns>(&bad).unwrap_err().to_string().contains("deviation 0"));
        assert!(serde_json::from_str::<Columns>("[]").is_err());
        let unknown = good.replace("\"range\"", "\"rnage\":[0.0,1.0],\"range\"");
        assert!(serde_json::from_str::<Columns>(&unknown).is_err());
    }
}
