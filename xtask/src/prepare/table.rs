//! A table of samples as it is written: the manifest of a prepared data set.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::split::PARTS;

/// Rows of cells under named columns, the first three being `id`, `label` and `split`. An empty cell is missing.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows; `columns` are those after `id`, `label` and `split`.
    pub(crate) fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut all: Vec<String> = ["id", "label", "split"].map(str::to_owned).to_vec();
        all.extend(columns.into_iter().map(Into::into));
        Self { columns: all, rows: Vec::new() }
    }

    /// Adds a sample; `cells` are those after `id`, `label` and `split`.
    pub(crate) fn add(&mut self, id: &str, label: &str, split: &str, cells: impl IntoIterator<Item = String>) {
        let mut row = [id, label, split].map(str::to_owned).to_vec();
        row.extend(cells);
        self.rows.push(row);
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// When a row has another number of cells than there are columns, or a column or an id comes twice.
    pub(crate) fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if let Some(column) = repeated(self.columns.iter()) {
            bail!("column {column} comes twice");
        }
        if let Some(id) = repeated(self.rows.iter().map(|row| &row[0])) {
            bail!("id {id} comes twice");
        }
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        Ok(writer.into_inner()?)
    }

    /// For each label how many samples train, validate and test, in this order.
    pub(crate) fn classes(&self) -> BTreeMap<&str, [usize; 3]> {
        let mut classes: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for row in &self.rows {
            let counts = classes.entry(&row[1]).or_default();
            if let Some(part) = PARTS.iter().position(|part| *part == row[2]) {
                counts[part] += 1;
            }
        }
        classes
    }

    /// Number of samples and of columns.
    pub(crate) fn size(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }
}

fn repeated<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(own: &[&str]) -> Vec<String> {
        own.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn cells_with_commas_and_empty_ones_survive() {
        let mut table = Table::new(["name", "area"]);
        table.add("a", "x", "train", cells(&["one, \"two\"", ""]));
        table.add("b", "y", "test", cells(&["Åland", "3.5"]));
        let text = String::from_utf8(table.to_csv().unwrap()).unwrap();
        assert_eq!(text, "id,label,split,name,area\na,x,train,\"one, \"\"two\"\"\",\nb,y,test,Åland,3.5\n");
        assert_eq!(table.classes()["y"], [0, 0, 1]);
    }

    #[test]
    fn one_refusal_per_rule() {
        assert!(Table::new(["id"]).to_csv().is_err());
        let mut twice = Table::new(["name"]);
        (0..2).for_each(|_| twice.add("a", "x", "train", cells(&["n"])));
        assert!(twice.to_csv().unwrap_err().to_string().contains("id a comes twice"));
        let mut short = Table::new(["name", "area"]);
        short.add("a", "x", "train", cells(&["n"]));
        assert!(short.to_csv().is_err());
    }
}
