//! A row of the table, kept between runs.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::golden::Case;
use super::training::Training;

use crate::whole;

/// How one thing went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step<T> {
    /// It was done.
    Done(T),
    /// It should have worked; the first error.
    Failed(String),
    /// It was left out, because something is not here; what to do about it.
    Left(String),
}

impl<T> Step<T> {
    pub(crate) fn left(why: &str) -> Self {
        Self::Left(why.to_owned())
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Done(value) => Step::Done(change(value)),
            Self::Failed(why) => Step::Failed(why),
            Self::Left(why) => Step::Left(why),
        }
    }

    fn failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// A build that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Built {
    /// What it took; little where most of it was there already.
    pub seconds: f64,
    /// Whether it was compiled; else only type-checked.
    pub compiled: bool,
    /// What there is to say.
    pub remark: Option<String>,
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub backend: Backend,
    pub built: Step<Built>,
    pub golden: Step<Vec<Case>>,
    pub training: Step<Training>,
}

impl Row {
    /// Nothing could be tried.
    pub(crate) fn left(backend: Backend, why: String) -> Self {
        Self { backend, built: Step::Left(why.clone()), golden: Step::left(&why), training: Step::Left(why) }
    }

    /// Whether anything went wrong that should have worked.
    pub(crate) fn failed(&self) -> bool {
        let differs = matches!(&self.golden, Step::Done(cases) if !cases.iter().all(|case| case.same));
        self.built.failed() || self.golden.failed() || self.training.failed() || differs
    }

    /// Keeps it for the table.
    pub(crate) fn save(&self, store: &Path) -> Result<()> {
        whole::write(&store.join(format!("{}.json", self.backend.name())), serde_json::to_vec_pretty(self)?)
    }
}

/// Everything that is kept, in the order of the table. What an older program has left in another form is passed over.
pub(crate) fn read_all(store: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for backend in Backend::ALL {
        let path = store.join(format!("{}.json", backend.name()));
        if path.is_file() {
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            rows.extend(serde_json::from_slice::<Row>(&bytes));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_the_order_of_the_table() {
        let store = tempfile::tempdir().unwrap();
        for backend in [Backend::Wasm, Backend::Cpu] {
            Row::left(backend, "something is not installed".into()).save(store.path()).unwrap();
        }
        std::fs::write(store.path().join("tch.json"), "{}").unwrap();
        let rows = read_all(store.path()).unwrap();
        assert_eq!(rows.iter().map(|row| row.backend).collect::<Vec<_>>(), [Backend::Cpu, Backend::Wasm]);
        assert!(!rows[0].failed(), "what is not here is no failure");
    }

    #[test]
    fn a_differing_case_is_a_failure() {
        let case = |same| Case {
            name: "a".into(),
            same,
            largest_difference: None,
            selected_per_second: None,
            words: String::new(),
        };
        let row = |golden| Row { golden, ..Row::left(Backend::Cpu, String::new()) };
        assert!(!row(Step::Done(vec![case(true)])).failed());
        assert!(row(Step::Done(vec![case(true), case(false)])).failed());
        assert!(row(Step::Failed("error".into())).failed());
    }
}
