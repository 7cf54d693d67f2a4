//! What a data set's loss proves about the information in its features.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The lower bound on I(Y; Z) of method section 1 with all its terms, in nats.
///
/// I(Y; Z) ≥ H(Y) − L − G·√(ln(1/δ) / (2n)), with probability at least 1 − δ over the draw of the n samples.
///
/// **It assumes** that the n samples are independent draws of one distribution and were *not* used to fit what
/// computes the loss (so: test samples), that the loss of no sample exceeds G, and that H(Y) is the true entropy of the
/// labels. It speaks of the data set as a whole and promises nothing about a single sample; a loss taken with the
/// predicted in place of the true label does not enter it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InformationBound {
    /// The bound itself. Below 0 it says nothing, for information never is.
    pub value: f64,
    /// H(Y), the entropy of the class prior.
    pub class_prior_entropy: f64,
    /// L, the mean cross-entropy over the samples.
    pub cross_entropy: f64,
    /// G·√(ln(1/δ) / (2n)): what is given up for having seen only n samples.
    pub slack: f64,
    /// G, the largest loss that one sample can have.
    pub loss_bound: f64,
    /// δ, the probability with which the bound may fail.
    pub delta: f64,
    /// n, the number of samples.
    pub samples: usize,
}

impl InformationBound {
    /// Whether it says nothing beyond "information is not negative".
    pub fn is_vacuous(&self) -> bool {
        self.value <= 0.0
    }
}

/// H(Y) − L − G·√(ln(1/δ) / (2n)); see [`InformationBound`] for what it means and assumes.
///
/// # Errors
/// [`BoundError`] for a number that is not finite or out of its range: losses and entropy below 0, n = 0, δ outside
/// 0..1 (ends excluded), a G of 0 or below the mean loss.
pub fn information_bound(
    cross_entropy_nats: f64,
    class_prior_entropy_nats: f64,
    n: usize,
    delta: f64,
    loss_bound_g: f64,
) -> Result<InformationBound, BoundError> {
    not_negative("cross-entropy", cross_entropy_nats)?;
    not_negative("class prior entropy", class_prior_entropy_nats)?;
    not_negative("loss bound", loss_bound_g)?;
    if n == 0 {
        return Err(BoundError::NoSamples);
    }
    if !(delta > 0.0 && delta < 1.0) {
        return Err(BoundError::Delta { found: delta });
    }
    if loss_bound_g == 0.0 || loss_bound_g < cross_entropy_nats {
        return Err(BoundError::LossBound { found: loss_bound_g, cross_entropy: cross_entropy_nats });
    }
    let slack = loss_bound_g * ((1.0 / delta).ln() / (2.0 * n as f64)).sqrt();
    Ok(InformationBound {
        value: class_prior_entropy_nats - cross_entropy_nats - slack,
        class_prior_entropy: class_prior_entropy_nats,
        cross_entropy: cross_entropy_nats,
        slack,
        loss_bound: loss_bound_g,
        delta,
        samples: n,
    })
}

/// The entropy, in nats, of the distribution that has these weights, counts or shares; 0 if there are none.
pub fn entropy_nats(weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    weights.iter().filter(|&&weight| weight > 0.0).map(|weight| weight / total).map(|share| -share * share.ln()).sum()
}

fn not_negative(field: &'static str, found: f64) -> Result<(), BoundError> {
    if found.is_finite() && found >= 0.0 { Ok(()) } else { Err(BoundError::Negative { field, found }) }
}

/// Why no bound could be computed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BoundError {
    /// A quantity that cannot be negative is, or is not finite.
    #[error("{field} is {found}, it must be finite and not negative")]
    Negative {
        /// Which quantity.
        field: &'static str,
        /// Its value.
        found: f64,
    },
    /// Nothing was measured.
    #[error("0 samples, the bound needs at least 1")]
    NoSamples,
    /// δ is no probability strictly between 0 and 1.
    #[error("delta is {found}, it must lie between 0 and 1, both excluded; 0.05 is usual")]
    Delta {
        /// Its value.
        found: f64,
    },
    /// G cannot bound losses whose mean is larger.
    #[error("loss bound is {found}, it must be above 0 and not below the mean loss {cross_entropy}")]
    LossBound {
        /// G as given.
        found: f64,
        /// The mean loss.
        cross_entropy: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // ten equal classes; ln(1/0.05) = 2.995732; G·√(2.995732/14000) = 20·0.0146280
        let bound = information_bound(0.1, 10f64.ln(), 7_000, 0.05, 20.0).unwrap();
        assert!((bound.slack - 0.292_561).abs() < 1e-5, "{}", bound.slack);
        assert!((bound.value - (10f64.ln() - 0.1 - 0.292_561)).abs() < 1e-5);
        assert!(!bound.is_vacuous());
        assert!(information_bound(3.0, 2.3, 10, 0.05, 20.0).unwrap().is_vacuous());
    }

    #[test]
    fn more_samples_never_weaken_it() {
        let value = |n| information_bound(0.1, 2.3, n, 0.05, 20.0).unwrap().value;
        assert!(value(10) < value(100) && value(100) < value(10_000));
    }

    #[test]
    fn one_refusal_per_rule() {
        let bound = information_bound;
        assert!(matches!(bound(-0.1, 1.0, 9, 0.1, 1.0), Err(BoundError::Negative { field: "cross-entropy", .. })));
        assert!(matches!(bound(0.1, f64::NAN, 9, 0.1, 1.0), Err(BoundError::Negative { .. })));
        assert!(matches!(bound(0.1, 1.0, 9, 0.1, f64::INFINITY), Err(BoundError::Negative { .. })));
        assert_eq!(bound(0.1, 1.0, 0, 0.1, 1.0), Err(BoundError::NoSamples));
        assert!(matches!(bound(0.1, 1.0, 9, 0.0, 1.0), Err(BoundError::Delta { .. })));
        assert!(matches!(bound(0.1, 1.0, 9, f64::NAN, 1.0), Err(BoundError::Delta { .. })));
        assert!(matches!(bound(0.5, 1.0, 9, 0.1, 0.4), Err(BoundError::LossBound { .. })));
        assert!(matches!(bound(0.0, 1.0, 9, 0.1, 0.0), Err(BoundError::LossBound { .. })));
    }

    #[test]
    fn entropy_of_counts() {
        assert!((entropy_nats(&[5.0, 5.0]) - 2f64.ln()).abs() < 1e-12);
        assert_eq!(entropy_nats(&[7.0, 0.0, 0.0]), 0.0);
        assert_eq!(entropy_nats(&[]), 0.0);
    }
}
