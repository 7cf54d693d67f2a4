//! What an experiment's samples consist of: named modalities of known kinds, and classes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Column, Columns, ModalitySet, Vocabulary};

/// What one modality looks like as numbers. A clone is cheap: columns and words are shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// A picture, `[height, width, channels]`, values in 0..1.
    Image {
        /// Rows of pixels.
        height: usize,
        /// Pixels in a row.
        width: usize,
        /// Values of a pixel: 1 for grey, 3 for colour.
        channels: usize,
    },
    /// A scanned volume as input of a two-dimensional network, `[height, width, slices]`: its slices are channels.
    Volume {
        /// Rows of a slice.
        height: usize,
        /// Values in a row.
        width: usize,
        /// Slices of the volume.
        slices: usize,
    },
    /// Symbols of an alphabet or words of a vocabulary, one-hot, `[length, 1, symbols]`.
    Text {
        /// Places of the text.
        length: usize,
        /// Symbols of the alphabet, or words of the vocabulary; one more where what is unknown has a symbol of its own.
        symbols: usize,
        /// The words, in the order of their symbols; none of a text that is read by characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vocabulary: Option<Vocabulary>,
    },
    /// Cells of a table, `[columns, 1, 1]`: the place of a category or a standardised number, see [`Column`]. NaN is a
    /// missing entry, which has no token.
    Table {
        /// In their order.
        columns: Columns,
    },
}

impl Kind {
    /// `[height, width, channels]`; a volume's slices are its channels, a text is `[length, 1, symbols]`, a table
    /// `[columns, 1, 1]`.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Image { height, width, channels } => [*height, *width, *channels],
            Self::Volume { height, width, slices } => [*height, *width, *slices],
            Self::Text { length, symbols, .. } => [*length, 1, *symbols],
            Self::Table { columns } => [columns.len(), 1, 1],
        }
    }

    /// The columns of a table; `None` for everything else.
    pub fn columns(&self) -> Option<&[Column]> {
        match self {
            Self::Table { columns } => Some(columns),
            _ => None,
        }
    }

    /// The words of a text that is read by words.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match self {
            Self::Text { vocabulary, .. } => vocabulary.as_ref(),
            _ => None,
        }
    }

    /// Whether it can be looked at as a picture: an image, or the slices of a volume.
    pub fn is_pictorial(&self) -> bool {
        matches!(self, Self::Image { .. } | Self::Volume { .. })
    }

    /// The word that settings use: `image`, `volume`, `text` or `table`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Image { .. } => "image",
            Self::Volume { .. } => "volume",
            Self::Text { .. } => "text",
            Self::Table { .. } => "table",
        }
    }

    /// How many f32 values one sample of it has: the product of [`shape`](Self::shape). A product that does not fit
    /// the machine is capped; a [`Schema`] never holds such a kind.
    pub fn values(&self) -> usize {
        let [a, b, c] = self.shape();
        a.saturating_mul(b).saturating_mul(c)
    }
}

/// One kind of input, with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modality {
    name: String,
    #[serde(flatten)]
    kind: Kind,
}

impl Modality {
    /// A modality; what is wrong with it, if anything, comes out when a [`Schema`] is made of it.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// The name that files, settings and reports use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it looks like as numbers. A copy, since it is small: columns and words are shared.
    pub fn kind(&self) -> Kind {
        self.kind.clone()
    }

    /// The columns of a table; `None` for everything else.
    pub fn columns(&self) -> Option<&[Column]> {
        self.kind.columns()
    }
}

/// Modalities and classes that fit together. The check is the only way in, for files too:
/// 1 to 32 modalities and at least two classes, all names given and different, no extent zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SchemaTable")]
pub struct Schema {
    modalities: Vec<Modality>,
    classes: Vec<String>,
}

/// A schema as it stands in a file, before the check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaTable {
    modalities: Vec<Modality>,
    classes: Vec<String>,
}

impl TryFrom<SchemaTable> for Schema {
    type Error = SchemaError;

    fn try_from(table: SchemaTable) -> Result<Self, SchemaError> {
        Self::new(table.modalities, table.classes)
    }
}

impl Schema {
    /// Checks and keeps them. Modalities and classes are numbered in the order given.
    ///
    /// # Errors
    /// The first rule broken, as a [`SchemaError`].
    pub fn new(modalities: Vec<Modality>, classes: Vec<String>) -> Result<Self, SchemaError> {
        if modalities.is_empty() || modalities.len() > ModalitySet::MAX {
            return Err(SchemaError::Modalities { found: modalities.len() });
        }
        if classes.len() < 2 {
            return Err(SchemaError::Classes { found: classes.len() });
        }
        check_names("modality", modalities.iter().map(Modality::name))?;
        check_names("class", classes.iter().map(String::as_str))?;
        modalities.iter().try_for_each(check_extents)?;
        Ok(Self { modalities, classes })
    }

    /// The modalities, by number.
    pub fn modalities(&self) -> &[Modality] {
        &self.modalities
    }

    /// The names of the classes, by number.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The set of all modalities.
    pub fn full(&self) -> ModalitySet {
        ModalitySet::full(self.modalities.len())
    }

    /// The number of the modality of that name.
    pub fn modality_index(&self, name: &str) -> Option<usize> {
        self.modalities.iter().position(|m| m.name == name)
    }

    /// The number of the class of that name.
    pub fn class_index(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|c| c == name)
    }
}

/// Every name is given, and none twice.
fn check_names<'a>(what: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), SchemaError> {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        if name.trim().is_empty() {
            return Err(SchemaError::NoName { what, index });
        }
        if !seen.insert(name) {
            return Err(SchemaError::NameTwice { what, name: name.to_owned() });
        }
    }
    Ok(())
}

/// No extent is zero, and one sample of the modality can be addressed.
fn check_extents(modality: &Modality) -> Result<(), SchemaError> {
    let shape = modality.kind.shape();
    let values = shape.iter().try_fold(1usize, |n, &x| n.checked_mul(x));
    match values {
        Some(1..) => Ok(()),
        _ => Err(SchemaError::Extent { modality: modality.name.clone(), shape }),
    }
}

/// Why modalities and classes do not make a [`Schema`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// None, or more than a [`ModalitySet`] can tell apart.
    #[error("{found} modalities, from 1 to {} are possible", ModalitySet::MAX)]
    Modalities {
        /// How many there were.
        found: usize,
    },
    /// Fewer classes than a choice needs.
    #[error("{found} {}, at least 2 classes are needed to classify", if *found == 1 { "class" } else { "classes" })]
    Classes {
        /// How many there were.
        found: usize,
    },
    /// An empty or blank name.
    #[error("{what} number {index} (counted from 0) has no name, give it one")]
    NoName {
        /// `modality` or `class`.
        what: &'static str,
        /// Its place in the list.
        index: usize,
    },
    /// Two of a kind share a name.
    #[error("two entries of kind {what} are called {name:?}, rename one")]
    NameTwice {
        /// `modality` or `class`.
        what: &'static str,
        /// The name both bear.
        name: String,
    },
    /// A zero extent, or a product of extents beyond what can be addressed.
    #[error(
        "modality {modality:?} has shape {shape:?}, every extent must be at least 1 and their product fit the machine"
    )]
    Extent {
        /// The modality's name.
        modality: String,
        /// Its [`Kind::shape`].
        shape: [usize; 3],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Kind = Kind::Image { height: 28, width: 28, channels: 1 };

    fn classes(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn refusal(modalities: Vec<Modality>, names: &[&str]) -> SchemaError {
        Schema::new(modalities, classes(names)).expect_err("must be refused")
    }

    #[test]
    fn shapes_and_counts() {
        let scan = Kind::Volume { height: 64, width: 48, slices: 8 };
        let text = Kind::Text { length: 8, symbols: 71, vocabulary: None };
        assert_eq!((scan.shape(), scan.values()), ([64, 48, 8], 24_576));
        assert_eq!((text.shape(), text.values()), ([8, 1, 71], 568));
        let columns =
            vec![Column::categorical("sex", ["f", "m"]).unwrap(), Column::categorical("side", ["l"]).unwrap()];
        let table = Kind::Table { columns: Columns::new(columns).unwrap() };
        assert_eq!((table.shape(), table.values(), table.word()), ([2, 1, 1], 2, "table"));
        assert_eq!((table.columns().map(<[Column]>::len), scan.columns()), (Some(2), None));
        assert!(scan.is_pictorial() && !table.is_pictorial());
    }

    #[test]
    fn finds_by_name() {
        let schema =
            Schema::new(vec![Modality::new("front", GREY), Modality::new("side", GREY)], classes(&["cat", "dog"]))
                .unwrap();
        assert_eq!(schema.modality_index("side"), Some(1));
        assert_eq!(schema.class_index("cat"), Some(0));
        assert_eq!(schema.class_index("cow"), None);
        assert_eq!(schema.full(), ModalitySet::full(2));
    }

    #[test]
    fn one_refusal_per_rule() {
        let one = || vec![Modality::new("a", GREY)];
        assert_eq!(refusal(vec![], &["x", "y"]), SchemaError::Modalities { found: 0 });
        let many = (0..33).map(|i| Modality::new(format!("m{i}"), GREY)).collect();
        assert_eq!(refusal(many, &["x", "y"]), SchemaError::Modalities { found: 33 });
        assert_eq!(refusal(one(), &["x"]), SchemaError::Classes { found: 1 });
        assert!(matches!(refusal(one(), &["x", " "]), SchemaError::NoName { what: "class", index: 1 }));
        assert!(matches!(
            refusal([one(), one()].concat(), &["x", "y"]),
            SchemaError::NameTwice { what: "modality", .. }
        ));
        let flat = Kind::Text { length: 0, symbols: 4, vocabulary: None };
        assert!(matches!(
            refusal(vec![Modality::new("t", flat)], &["x", "y"]),
            SchemaError::Extent { shape: [0, 1, 4], .. }
        ));
        let huge = Kind::Text { length: usize::MAX, symbols: 4, vocabulary: None };
        assert!(matches!(refusal(vec![Modality::new("t", huge)], &["x", "y"]), SchemaError::Extent { .. }));
    }

    #[test]
    fn a_file_passes_through_the_same_check() {
        let good = r#"{"modalities":[{"name":"note","kind":"text","length":8,"symbols":71}],"classes":["no","yes"]}"#;
        let schema: Schema = serde_json::from_str(good).unwrap();
        assert_eq!(serde_json::to_string(&schema).unwrap(), good);
        let table = r#"{"modalities":[{"name":"clinic","kind":"table","columns":[{"name":"sex","type":"categorical","categories":["f","m"]}]}],"classes":["no","yes"]}"#;
        let schema: Schema = serde_json::from_str(table).unwrap();
        assert_eq!(serde_json::to_string(&schema).unwrap(), table);
        assert!(serde_json::from_str::<Schema>(&table.replace("[\"f\",\"m\"]", "[]")).is_err());
        let words =
            good.replace("71", "3").replace("\"symbols\":3", "\"symbols\":3,\"vocabulary\":[\"short\",\"breath\"]");
        let schema: Schema = serde_json::from_str(&words).unwrap();
        assert_eq!(schema.modalities()[0].kind().vocabulary().map(|words| words.len()), Some(2));
        assert_eq!(serde_json::to_string(&schema).unwrap(), words);
        assert!(serde_json::from_str::<Schema>(&words.replace("breath", "SHORT")).is_err());
        let bad = good.replace("\"no\",", "");
        let message = serde_json::from_str::<Schema>(&bad).unwrap_err().to_string();
        assert!(message.contains("1 class, at least 2 classes"), "{message}");
    }
}
