//! Text as numbers: characters of an alphabet or words of a vocabulary, one-hot.

use std::collections::HashMap;

use dymo_core::{Vocabulary, VocabularyError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The alphabet of the published text experiments, 71 entries (method, section 8). `-` stands in it twice; the first
/// place is used, so place 59 never occurs.
pub const PUBLISHED_ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"\\/|_@#$%^&*~`+-=<>()[]{} \n";

/// How a text becomes symbols, as a settings file says it. Without `vocabulary`, characters of `alphabet` (the
/// published one if nothing is said); with it, words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Symbols {
    /// Characters, each a symbol. Letters are compared in lower case where the alphabet has no upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<String>,
    /// Words, each a symbol; case does not count. They become part of the model's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<Vec<String>>,
    /// One more symbol, for every character or word that is none: the place is taken then, and not as empty as after the end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

/// Texts of one modality: so many places, and what stands at each.
#[derive(Debug, Clone)]
pub struct TextEncoder {
    length: usize,
    symbols: usize,
    unit: Unit,
    unknown: bool,
}

#[derive(Debug, Clone)]
enum Unit {
    Characters { places: HashMap<char, usize>, lower: bool },
    Words { places: HashMap<String, usize>, vocabulary: Vocabulary },
}

impl TextEncoder {
    /// An encoder to `length` places.
    ///
    /// # Errors
    /// [`TextError`]: no place, no symbol, both an alphabet and a vocabulary, or a word twice.
    pub fn new(length: usize, symbols: &Symbols) -> Result<Self, TextError> {
        if length == 0 {
            return Err(TextError::NoPlace);
        }
        let (count, unit) = match (&symbols.alphabet, &symbols.vocabulary) {
            (Some(_), Some(_)) => return Err(TextError::Both),
            (alphabet, None) => characters(alphabet.as_deref().unwrap_or(PUBLISHED_ALPHABET)),
            (None, Some(words)) => self::words(words)?,
        };
        if count == 0 {
            return Err(TextError::NoSymbol);
        }
        let unknown = symbols.unknown;
        Ok(Self { length, symbols: count + usize::from(unknown), unit, unknown })
    }

    /// Places of a text.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Symbols that can stand at a place.
    pub fn symbols(&self) -> usize {
        self.symbols
    }

    /// The words, where it reads words.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match &self.unit {
            Unit::Words { vocabulary, .. } => Some(vocabulary),
            Unit::Characters { .. } => None,
        }
    }

    /// How many places all of `text` would take, where these are more than there are: the rest is cut off.
    pub fn cut(&self, text: &str) -> Option<usize> {
        let wanted = match &self.unit {
            Unit::Characters { lower: true, .. } => text.chars().flat_map(char::to_lowercase).count(),
            Unit::Characters { lower: false, .. } => text.chars().count(),
            Unit::Words { .. } => words_of(text).count(),
        };
        (wanted > self.length).then_some(wanted)
    }

    /// The symbol at each place of `text`; `None` where it is no symbol. Cut off after [`length`](Self::length).
    pub fn places(&self, text: &str) -> Vec<Option<usize>> {
        match &self.unit {
            Unit::Characters { places, lower: true } => {
                text.chars().flat_map(char::to_lowercase).take(self.length).map(|c| places.get(&c).copied()).collect()
            }
            Unit::Characters { places, lower: false } => {
                text.chars().take(self.length).map(|c| places.get(&c).copied()).collect()
            }
            Unit::Words { places, .. } => words_of(text).take(self.length).map(|w| places.get(&w).copied()).collect(),
        }
    }

    /// Writes `text` one-hot, `[length, 1, symbols]`. Every place after the end is all zeros, and what is no symbol unless there
    /// is one for that, the last.
    /// True when nothing of the text is a symbol.
    ///
    /// # Errors
    /// [`TextError::Room`] unless `out` has `length · symbols` places.
    pub fn write(&self, text: &str, out: &mut [f32]) -> Result<bool, TextError> {
        let wanted = self.length.saturating_mul(self.symbols);
        if out.len() != wanted {
            return Err(TextError::Room { found: out.len(), wanted });
        }
        out.fill(0.0);
        let mut blank = true;
        let unknown = self.unknown.then_some(self.symbols - 1);
        for (row, place) in out.chunks_exact_mut(self.symbols).zip(self.places(text)) {
            blank &= place.is_none();
            if let Some(one) = place.or(unknown).and_then(|place| row.get_mut(place)) {
                *one = 1.0;
            }
        }
        Ok(blank)
    }

    /// The likeliest text behind `values`, `[length, 1, symbols]`, which need not be one-hot: a dot where no symbol has half of its
    /// place, nothing where a place is all zeros.
    pub fn likeliest(&self, values: &[f32]) -> String {
        let mut found = Vec::new();
        for row in values.chunks_exact(self.symbols) {
            let best = (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
            let sum: f32 = row.iter().sum();
            if sum > 0.0 {
                found.push((row[best] >= 0.5 * sum).then_some(best));
            }
        }
        let named = |place: &Option<usize>| place.and_then(|place| self.symbol(place)).unwrap_or_else(|| "·".into());
        let between = if matches!(self.unit, Unit::Words { .. }) { " " } else { "" };
        found.iter().map(named).collect::<Vec<_>>().join(between).trim_end().to_owned()
    }

    /// What stands for a symbol.
    fn symbol(&self, wanted: usize) -> Option<String> {
        match &self.unit {
            Unit::Characters { places, .. } => {
                places.iter().find(|(_, place)| **place == wanted).map(|(character, _)| character.to_string())
            }
            Unit::Words { vocabulary, .. } => vocabulary.get(wanted).cloned(),
        }
    }
}

fn characters(alphabet: &str) -> (usize, Unit) {
    let mut places = HashMap::new();
    let mut count = 0;
    for character in alphabet.chars() {
        places.entry(character).or_insert(count);
        count += 1;
    }
    (count, Unit::Characters { places, lower: !alphabet.chars().any(char::is_uppercase) })
}

fn words(vocabulary: &[String]) -> Result<(usize, Unit), TextError> {
    if vocabulary.is_empty() {
        return Err(TextError::NoSymbol);
    }
    let vocabulary = Vocabulary::new(vocabulary)?;
    let places = vocabulary.iter().enumerate().map(|(place, word)| (word.clone(), place)).collect();
    Ok((vocabulary.len(), Unit::Words { places, vocabulary }))
}

/// The words of a text, in lower case: runs of letters and digits.
pub fn words_of(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Why there is no encoder, or no encoding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// A length of zero.
    #[error("a text has length 0, wanted at least one place")]
    NoPlace,
    /// Neither character nor word.
    #[error("the alphabet or vocabulary is empty, wanted at least one symbol")]
    NoSymbol,
    /// Characters and words at once.
    #[error("alphabet and vocabulary are both given, wanted one: characters or words")]
    Both,
    /// Words that make no vocabulary.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// An output of another size.
    #[error("room for {found} values given, the text has {wanted}")]
    Room {
        /// Places there.
        found: usize,
        /// Places wanted.
        wanted: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_alphabet_has_71_places() {
        let encoder = TextEncoder::new(9, &Symbols::default()).unwrap();
        assert_eq!(encoder.symbols(), 71);
        let places = encoder.places("Az-+ \n`é");
        assert_eq!(places, [0, 25, 36, 58, 69, 70, 57].map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_unknown_or_beyond_the_end_is_zero() {
        let encoder = TextEncoder::new(3, &Symbols { alphabet: Some("ab".into()), ..Symbols::default() }).unwrap();
        let mut out = [9.0; 6];
        assert!(!encoder.write("b?", &mut out).unwrap());
        assert_eq!(out, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(encoder.write("??abab", &mut out).is_ok_and(|blank| !blank));
        assert_eq!(out, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(encoder.write("", &mut out).unwrap());
        assert_eq!(encoder.write("a", &mut out[1..]), Err(TextError::Room { found: 5, wanted: 6 }));
    }

    #[test]
    fn words_are_runs_of_letters_in_any_case() {
        let vocabulary = Some(vec!["red".into(), "Hair".into()]);
        let encoder = TextEncoder::new(3, &Symbols { vocabulary, ..Symbols::default() }).unwrap();
        assert_eq!(encoder.places("RED, curly-hair; red"), [Some(0), None, Some(1)]);
    }

    #[test]
    fn the_likeliest_text_is_read_back() {
        let encoder = TextEncoder::new(4, &Symbols { alphabet: Some("ab ".into()), ..Symbols::default() }).unwrap();
        let mut values = vec![0.0; 12];
        encoder.write("b a", &mut values).unwrap();
        assert_eq!(encoder.likeliest(&values), "b a");
        values[..3].copy_from_slice(&[0.4, 0.3, 0.3]);
        assert_eq!(encoder.likeliest(&values), "· a");
        let vocabulary = Some(vec!["red".into(), "hair".into()]);
        let words = TextEncoder::new(2, &Symbols { vocabulary, ..Symbols::default() }).unwrap();
        assert_eq!(words.likeliest(&[0.9, 0.1, 0.2, 0.8]), "red hair");
    }

    #[test]
    fn a_word_that_is_unknown_may_have_a_symbol() {
        let vocabulary = Some(vec!["red".into(), "hair".into()]);
        let encoder = TextEncoder::new(4, &Symbols { vocabulary, unknown: true, ..Symbols::default() }).unwrap();
        assert_eq!((encoder.symbols(), encoder.vocabulary().map(|words| words.len())), (3, Some(2)));
        let mut out = [9.0; 12];
        assert!(!encoder.write("curly hair, red", &mut out).unwrap());
        assert_eq!(out, [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(encoder.write("curly", &mut out).unwrap(), "nothing of it is known");
    }

    #[test]
    fn one_refusal_per_rule() {
        let new = |length, alphabet: Option<&str>, words: Option<&[&str]>| {
            let vocabulary = words.map(|words| words.iter().map(ToString::to_string).collect());
            TextEncoder::new(length, &Symbols { alphabet: alphabet.map(Into::into), vocabulary, unknown: false })
                .map(|_| ())
        };
        assert_eq!(new(0, None, None), Err(TextError::NoPlace));
        assert_eq!(new(1, Some(""), None), Err(TextError::NoSymbol));
        assert_eq!(new(1, Some("a"), Some(&["a"])), Err(TextError::Both));
        assert_eq!(new(1, None, Some(&["a", "A"])), Err(VocabularyError::Twice { word: "a".into() }.into()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_has_at_most_one_symbol_a_place(text in ".*", words: bool, unknown: bool) {
            let vocabulary = words.then(|| vec!["a".to_owned(), "the".to_owned()]);
            let encoder = TextEncoder::new(5, &Symbols { vocabulary, unknown, ..Symbols::default() }).unwrap();
            let mut out = vec![0.0; 5 * encoder.symbols()];
            encoder.write(&text, &mut out).unwrap();
            for row in out.chunks(encoder.symbols()) {
                prop_assert!(row.iter().sum::<f32>() <= 1.0);
            }
        }
    }
}
