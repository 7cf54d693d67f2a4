//! What a block reads of every sample: one sequence of tokens or several that share tokens.

use super::BlockShape;

/// Tokens of a sample that see one another, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Which tokens of the sample, in order.
    pub tokens: Vec<usize>,
    /// How many of them, from the first on, are read out; the others enter as keys and values.
    pub queries: usize,
}

/// A block over one sequence of every sample, or over several: queries, keys and values of a token that many of them share are
/// made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Of all sequences: the tokens of a sample, and the tokens of all sequences that are read out, one sequence after the other.
    pub(super) shape: BlockShape,
    pub(super) parts: Vec<Part>,
    /// For each token that is read out the token of the sample that it is.
    pub(super) picked: Vec<usize>,
    /// The sequences are the sample's tokens in order, cut: nothing has to be gathered.
    pub(super) straight: bool,
    /// Probabilities of a sample.
    pub(super) probabilities: usize,
    /// Tokens of the longest sequence.
    pub(super) longest: usize,
}

/// One sequence, with the places of its rows among those of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Of the sequence alone.
    pub shape: BlockShape,
    pub tokens: Vec<usize>,
    /// Its first token, if they stand in order.
    pub token: usize,
    /// Its first row of what is read out.
    pub query: usize,
    /// Its first probability.
    pub probability: usize,
}

impl Part {
    /// Number of its probabilities.
    pub fn probabilities(&self) -> usize {
        self.shape.heads * self.shape.queries * self.shape.padded()
    }
}

impl Reading {
    /// Several sequences of every sample; `shape.queries` is of no meaning.
    ///
    /// # Panics
    /// If there is none, or one has no token, names a token that is not there, or reads out none or more than it has.
    pub fn new(shape: BlockShape, sequences: Vec<Sequence>) -> Self {
        assert!(!sequences.is_empty(), "a block reads at least one sequence");
        let in_order = sequences.iter().flat_map(|s| &s.tokens).copied().eq(0..shape.tokens);
        let (mut parts, mut picked) = (Vec::new(), Vec::new());
        let (mut token, mut probability) = (0, 0);
        for Sequence { tokens, queries } in sequences {
            let own = BlockShape { batch: 1, tokens: tokens.len(), queries, ..shape };
            own.check();
            assert!(tokens.iter().all(|t| *t < shape.tokens), "tokens {tokens:?} of {}", shape.tokens);
            let query = picked.len();
            picked.extend_from_slice(&tokens[..queries]);
            let part = Part { shape: own, tokens, token, query, probability };
            token += part.tokens.len();
            probability += part.probabilities();
            parts.push(part);
        }
        let longest = parts.iter().map(|part| part.shape.tokens).max().unwrap_or(0);
        let shape = BlockShape { queries: picked.len(), ..shape };
        Self { shape, parts, picked, straight: in_order, probabilities: probability, longest }
    }

    /// Floats of the input `[batch, tokens, width]`.
    pub fn input_len(&self) -> usize {
        self.shape.input_len()
    }

    /// Floats of the output `[batch, tokens read out, width]`, one sequence after the other.
    pub fn output_len(&self) -> usize {
        self.shape.output_len()
    }

    /// Tokens of a sample that are read out.
    pub fn queries(&self) -> usize {
        self.shape.queries
    }

    /// Every token is read out where it stands, so the rows of the output are those of the input.
    pub(super) fn all(&self) -> bool {
        self.straight && self.shape.queries == self.shape.tokens
    }

    /// Rows of queries of a sample: of its tokens where sequences share them, else of those that are read out.
    pub(super) fn asking(&self) -> usize {
        if self.straight { self.shape.queries } else { self.shape.tokens }
    }
}

/// One sequence of all tokens.
impl From<BlockShape> for Reading {
    fn from(shape: BlockShape) -> Self {
        Self::new(shape, vec![Sequence { tokens: (0..shape.tokens).collect(), queries: shape.queries }])
    }
}

/// Copies some rows of a sample.
pub(super) fn gather(rows: &[f32], width: usize, which: &[usize], out: &mut [f32]) {
    for (row, out) in which.iter().zip(out.chunks_exact_mut(width)) {
        out.copy_from_slice(&rows[row * width..][..width]);
    }
}

/// Adds to some rows of a sample.
pub(super) fn scatter(from: &[f32], width: usize, which: &[usize], rows: &mut [f32]) {
    for (row, from) in which.iter().zip(from.chunks_exact(width)) {
        rows[row * width..][..width].iter_mut().zip(from).for_each(|(row, from)| *row += from);
    }
}
