//! A modality as a person can look at it.

use anyhow::Result;
use dymo_core::{Column, Kind, Schema};
use dymo_data::Source;
use dymo_data::manifest::Form;
use dymo_data::text::TextEncoder;
use dymo_report::{Content, ExplainedCell, Picture};

/// What turns the numbers of a schema's modalities back into what they were made of.
pub(crate) struct Reader {
    /// For each modality that is text, its symbols.
    texts: Vec<Option<TextEncoder>>,
}

impl Reader {
    /// For the modalities of `schema`, whose symbols stand in the settings of the data where they are known.
    pub(crate) fn new(schema: &Schema, source: Option<&Source>) -> Self {
        let known = match source {
            Some(Source::Manifest(settings)) => settings.modalities.as_slice(),
            _ => &[],
        };
        let text = |name: &str| {
            let settings = known.iter().find(|settings| settings.name == name)?;
            let Form::Text { length, symbols, .. } = &settings.form else { return None };
            TextEncoder::new(*length, symbols).ok()
        };
        Self { texts: schema.modalities().iter().map(|modality| text(modality.name())).collect() }
    }

    /// A picture, the middle slice of a volume, the most likely symbols of a text, the cells of a table.
    pub(crate) fn content(&self, modality: usize, kind: &Kind, values: &[f32]) -> Result<Content> {
        let [height, width, channels] = kind.shape();
        Ok(match kind {
            Kind::Image { .. } => Content::Picture(Picture::from_values([height, width, channels], values)?),
            Kind::Volume { slices, .. } => {
                let slice: Vec<f32> = values.iter().skip(slices / 2).step_by(*slices).copied().collect();
                Content::Picture(Picture::from_values([height, width, 1], &slice)?)
            }
            Kind::Text { symbols, .. } => Content::Text(match self.texts.get(modality) {
                Some(Some(encoder)) => encoder.likeliest(values),
                _ => symbol_numbers(values, *symbols),
            }),
            Kind::Table { columns } => {
                let cells = columns.iter().zip(values).map(|(c, v)| format!("{} {}", c.name(), c.describe(*v)));
                Content::Text(cells.collect::<Vec<_>>().join(", "))
            }
        })
    }
}

/// Where nobody says what the symbols are.
fn symbol_numbers(values: &[f32], symbols: usize) -> String {
    let likely = |row: &[f32]| (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
    let places: Vec<String> = values.chunks_exact(symbols).map(|row| likely(row).to_string()).collect();
    format!("symbols {}", places.join(" "))
}

/// Categories that are listed one by one.
const LISTED: usize = 6;

/// The cells of a table beside what was observed in training; none for other kinds.
pub(crate) fn cells(kind: &Kind, values: &[f32]) -> Vec<ExplainedCell> {
    let cell = |(column, value): (&Column, &f32)| {
        let (usual, outside) = match (column.range(), column.categories()) {
            (Some([low, high]), _) => {
                let shown = |end: f64| column.describe(column.standardise(end));
                // A recovered number is in single precision: an end of the range is not outside.
                let slack = 1e-5 * (high - low);
                let number = column.restore(*value);
                (format!("{} to {}", shown(low), shown(high)), number < low - slack || number > high + slack)
            }
            (None, Some(categories)) if categories.len() > LISTED => {
                (format!("{} and {} more", categories[..LISTED].join(", "), categories.len() - LISTED), false)
            }
            (None, Some(categories)) => (categories.join(", "), false),
            (None, None) => (String::new(), false),
        };
        ExplainedCell { name: column.name().into(), value: column.describe(*value), usual, outside }
    };
    kind.columns().unwrap_or_default().iter().zip(values).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::Columns;

    #[test]
    fn values_stand_beside_what_was_observed() {
        let age = Column::continuous("age", 60.0, 10.0, [34.0, 88.0]).expect("a column");
        let stage = Column::categorical("stage", ["mild", "severe"]).expect("a column");
        let kind = Kind::Table { columns: Columns::new(vec![age, stage]).expect("two columns") };
        let found = cells(&kind, &[3.0, 1.0]);
        assert!(found[0].outside && found[0].value.starts_with("90") && found[0].usual.contains("to 88"), "{found:?}");
        assert_eq!(
            (found[1].value.as_str(), found[1].usual.as_str(), found[1].outside),
            ("severe", "mild, severe", false)
        );
        assert!(!cells(&kind, &[2.8, 0.0])[0].outside, "the end of the range is inside");
    }
}
