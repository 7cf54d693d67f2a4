//! Who answers, seen from who asks.

use dymo_core::ModalitySet;
use dymo_reward::{Answer, Evidence};
use serde::{Deserialize, Serialize};

/// What would the network say of this sample, shown these modalities?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Query {
    /// Place of the sample among those given to [`Selector::select`](crate::Selector::select).
    pub sample: usize,
    /// The modalities shown: observed ones, and recovered ones that have been or might be accepted. Never empty.
    pub subset: ModalitySet,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The class that the classifier predicts.
    pub predicted: usize,
    /// What that answer is worth.
    pub evidence: Evidence,
}

impl From<Answer> for Score {
    fn from(answer: Answer) -> Self {
        Self { predicted: answer.predicted, evidence: answer.evidence }
    }
}

/// Answers all queries of one round at once.
///
/// 1. **One answer each, in order**: `scores[i]` belongs to `queries[i]`.
/// 2. **No neighbours**: a score does not depend on the other queries, on their order, or on how queries are spread over
///    calls.
/// 3. **No memory**: the same query has the same score at any time, so that the score of an accepted candidate
///    serves as the next round's "before".
/// 4. **Absent is absent**: a modality outside the subset is never read.
///
/// [`laws::check_order_and_batching`](crate::laws::check_order_and_batching) tests 1 to 3 on any implementation. The
/// fourth needs inputs, which are not known here: whoever implements this trait tests it with NaN for what is absent.
pub trait Scorer {
    /// What may go wrong: [`Infallible`](std::convert::Infallible) for a table, a device's failure for a network.
    type Error: std::error::Error;

    /// The scores of all queries. Every subset is non-empty and holds only observed and recovered modalities of its
    /// sample. Not called without queries.
    ///
    /// # Errors
    /// Whatever keeps the implementation from answering; a NaN in an answer is no error.
    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Self::Error>;
}

impl<S: Scorer + ?Sized> Scorer for &mut S {
    type Error = S::Error;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, S::Error> {
        (**self).score(queries)
    }
}
