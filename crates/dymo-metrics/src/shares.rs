//! Intervals for a share of successes that need no resampling.

use statrs::distribution::{Beta, ContinuousCDF, Normal};

use crate::Interval;
use crate::error::{MetricError, check_level};

/// The exact interval for `hits` of `n` (Clopper and Pearson 1934): it holds the true share with at least the stated
/// level whatever that share is, and is the wider for it. For small n, and where a promise is made.
///
/// ```
/// // 0 of 10 at 95 %: from 0 to 1 − 0.025^(1/10).
/// let none = dymo_metrics::clopper_pearson(0, 10, 0.95)?;
/// assert!(none.low == 0.0 && (none.high - 0.3085).abs() < 1e-4);
/// # Ok::<(), dymo_metrics::MetricError>(())
/// ```
///
/// # Errors
/// No trials, more hits than trials, a level outside 0..1.
pub fn clopper_pearson(hits: usize, n: usize, level: f64) -> Result<Interval, MetricError> {
    let share = share_of(hits, n, level)?;
    let (low, high) = beta_interval(hits as f64, n as f64, level);
    Ok(Interval { estimate: share, low, high, n })
}

/// The exact interval, of trials that need not be a whole number.
pub(crate) fn beta_interval(hits: f64, n: f64, level: f64) -> (f64, f64) {
    let tail = (1.0 - level) / 2.0;
    let misses = n - hits;
    let low = if hits <= 0.0 { 0.0 } else { beta_quantile(hits, misses + 1.0, tail) };
    let high = if misses <= 0.0 { 1.0 } else { beta_quantile(hits + 1.0, misses, 1.0 - tail) };
    (low, high)
}

/// Wilson's score interval for `hits` of `n`: holds the true share about as often as its level says, and is
/// narrower than the exact one.
///
/// # Errors
/// As [`clopper_pearson`].
pub fn wilson(hits: usize, n: usize, level: f64) -> Result<Interval, MetricError> {
    let share = share_of(hits, n, level)?;
    let z = Normal::standard().inverse_cdf((1.0 + level) / 2.0);
    let (trials, squared) = (n as f64, z * z);
    let middle = share + squared / (2.0 * trials);
    let half = z * (share * (1.0 - share) / trials + squared / (4.0 * trials * trials)).sqrt();
    let whole = 1.0 + squared / trials;
    // At the ends the two halves cancel but for rounding.
    let low = if hits == 0 { 0.0 } else { (middle - half) / whole };
    let high = if hits == n { 1.0 } else { (middle + half) / whole };
    Ok(Interval { estimate: share, low, high, n })
}

fn share_of(hits: usize, n: usize, level: f64) -> Result<f64, MetricError> {
    check_level(level)?;
    if n == 0 || hits > n { Err(MetricError::Share { hits, n }) } else { Ok(hits as f64 / n as f64) }
}

/// Quantile of a beta distribution with positive shapes; NaN if they are not.
pub(crate) fn beta_quantile(a: f64, b: f64, share: f64) -> f64 {
    Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        // scipy.stats.binomtest(8, 10).proportion_ci: exact 0.44390 to 0.97479, wilson 0.49016 to 0.94331
        let exact = clopper_pearson(8, 10, 0.95).unwrap();
        assert!((exact.low - 0.443_905).abs() < 1e-5 && (exact.high - 0.974_789).abs() < 1e-5, "{exact:?}");
        let score = wilson(8, 10, 0.95).unwrap();
        assert!((score.low - 0.490_16).abs() < 1e-5 && (score.high - 0.943_31).abs() < 1e-5, "{score:?}");
        assert_eq!(clopper_pearson(10, 10, 0.9).unwrap().high, 1.0);
        assert_eq!(wilson(0, 10, 0.9).unwrap().low, 0.0);
    }

    #[test]
    fn refusals() {
        assert_eq!(clopper_pearson(1, 0, 0.95), Err(MetricError::Share { hits: 1, n: 0 }));
        assert_eq!(wilson(3, 2, 0.95), Err(MetricError::Share { hits: 3, n: 2 }));
        assert!(matches!(wilson(1, 2, 1.0), Err(MetricError::Level { .. })));
    }

    proptest! {
        #[test]
        fn exact_is_wider_and_both_hold_the_estimate(n in 1usize..400, part in 0.0f64..=1.0) {
            let hits = (n as f64 * part) as usize;
            let (exact, score) = (clopper_pearson(hits, n, 0.9).unwrap(), wilson(hits, n, 0.9).unwrap());
            for found in [exact, score] {
                prop_assert!(0.0 <= found.low && found.low <= found.estimate + 1e-12);
                prop_assert!(found.estimate <= found.high + 1e-12 && found.high <= 1.0 + 1e-12);
            }
            prop_assert!(exact.high - exact.low > score.high - score.low - 0.02);
        }
    }
}
