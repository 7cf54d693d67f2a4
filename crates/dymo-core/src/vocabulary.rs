//! The words that a text modality knows.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Words in their order, at least one, none empty and none twice; case does not count, and what is kept is lower case. A clone
/// shares them.
///
/// It is part of the schema, as the columns of a table are: a model that has learned one list of words cannot read a text that
/// another list has turned into numbers.
/// ```
/// use dymo_core::Vocabulary;
/// let words = Vocabulary::new(["breath", "Short"])?;
/// assert_eq!(words[..], ["breath", "short"]);
/// assert!(Vocabulary::new(["short", "SHORT"]).is_err());
/// # Ok::<(), dymo_core::VocabularyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary(Arc<[String]>);

impl Vocabulary {
    /// Checks and keeps them.
    ///
    /// # Errors
    /// [`VocabularyError`]: no word, an empty one, or one twice.
    pub fn new<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Result<Self, VocabularyError> {
        let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_lowercase()).collect();
        if words.is_empty() || words.iter().any(|word| word.trim().is_empty()) {
            return Err(VocabularyError::Empty);
        }
        let mut seen = HashSet::new();
        match words.iter().find(|word| !seen.insert(word.as_str())) {
            Some(twice) => Err(VocabularyError::Twice { word: twice.clone() }),
            None => Ok(Self(words.into())),
        }
    }
}

impl Deref for Vocabulary {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

/// Its size and first words: a list of thousands is no message.
impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<&str> = self.0.iter().take(3).map(String::as_str).collect();
        write!(f, "{} words: {}…", self.0.len(), first.join(", "))
    }
}

impl TryFrom<Vec<String>> for Vocabulary {
    type Error = VocabularyError;

    fn try_from(words: Vec<String>) -> Result<Self, VocabularyError> {
        Self::new(words)
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(words: Vocabulary) -> Self {
        words.0.to_vec()
    }
}

/// Why words make no vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VocabularyError {
    /// No word, or an empty one.
    #[error("the vocabulary is empty, or a word in it; at least one word is wanted, and each with a letter")]
    Empty,
    /// A word that is there twice.
    #[error("the vocabulary has {word:?} twice (case does not count), remove one")]
    Twice {
        /// The word.
        word: String,
    },
}
