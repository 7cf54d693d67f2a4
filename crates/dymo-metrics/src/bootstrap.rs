//! Percentile intervals from resampling, seeded.

use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{MetricError, check_finite, check_level, check_some};

/// An estimate with its interval: from a percentile bootstrap here, exact for shares ([`clopper_pearson`](crate::clopper_pearson)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The statistic of the samples themselves.
    pub estimate: f64,
    /// Lower end; NaN where a single sample leaves none to give.
    pub low: f64,
    /// Upper end; NaN likewise.
    pub high: f64,
    /// How many samples it rests on.
    pub n: usize,
}

impl Interval {
    /// Whether all of it lies on one side of zero: what a difference must do to be called one.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The most resamples: far beyond what ends of intervals need.
const MOST_RESAMPLES: usize = 1_000_000;

/// An end whose distance from zero is nothing but rounding is zero: 1e-17 must not count as clear of it. A mean of
/// values as large as `largest` cannot come as near to zero otherwise, unless it is of billions of samples.
pub(crate) fn without_rounding(end: f64, largest: f64) -> f64 {
    if end.abs() < 1e-12 * largest { 0.0 } else { end }
}

/// Interval for any statistic of `n` samples, given as a function of their (drawn, repeating) indices: macro F1, AUC.
/// Slower than [`mean_interval`](crate::mean_interval) by what the function costs. A NaN from it (an AUC without positives) leaves that
/// resample out.
///
/// # Errors
/// No samples, a level outside 0..1, no resamples or over a million, a statistic that is NaN for the samples
/// themselves or for every resample.
pub fn statistic_interval(
    n: usize,
    level: f64,
    resamples: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> f64,
) -> Result<Interval, MetricError> {
    let all: Vec<usize> = (0..n).collect();
    check_some("samples", &all)?;
    let estimate = statistic(&all);
    check_finite("statistic", [estimate])?;
    let mut indices = all;
    resampled(n, level, resamples, seed, estimate, |drawn| {
        indices.clear();
        indices.extend(drawn);
        statistic(&indices)
    })
}

/// Interval of the mean over samples about zero, of subjects with (the sum over their samples, the number of those).
pub(crate) fn means_by_subject(
    sums: &[(f64, f64)],
    level: f64,
    resamples: usize,
    seed: u64,
) -> Result<Interval, MetricError> {
    let mean = |drawn: &mut Draws<'_>| {
        let (sum, samples) = drawn.fold((0.0, 0.0), |all, i| (all.0 + sums[i].0, all.1 + sums[i].1));
        sum / samples
    };
    resampled(sums.len(), level, resamples, seed, 0.0, mean)
}

/// One resample: n indices below n.
type Draws<'a> = std::iter::Take<DrawsForever<'a>>;

struct DrawsForever<'a> {
    below: Uniform<u32>,
    rng: &'a mut ChaCha8Rng,
}

impl Iterator for DrawsForever<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        Some(self.below.sample(self.rng) as usize)
    }
}

/// Quantiles of a statistic over resamples of `n` samples.
fn resampled(
    n: usize,
    level: f64,
    resamples: usize,
    seed: u64,
    estimate: f64,
    mut statistic: impl FnMut(&mut Draws<'_>) -> f64,
) -> Result<Interval, MetricError> {
    if n == 0 {
        return Err(MetricError::Empty { what: "values" });
    }
    check_level(level)?;
    if resamples == 0 || resamples > MOST_RESAMPLES {
        return Err(MetricError::Bootstrap { what: "resamples", found: resamples, limit: MOST_RESAMPLES });
    }
    if n == 1 {
        // One value says nothing of how much others would differ.
        return Ok(Interval { estimate, low: f64::NAN, high: f64::NAN, n });
    }
    let limit = u32::MAX as usize;
    let too_many = MetricError::Bootstrap { what: "values", found: n, limit };
    let below = u32::try_from(n).ok().and_then(|n| Uniform::new(0, n).ok()).ok_or(too_many)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<f64> = (0..resamples)
        .map(|_| statistic(&mut DrawsForever { below, rng: &mut rng }.take(n)))
        .filter(|value| !value.is_nan())
        .collect();
    check_some("resamples with a statistic", &found)?;
    found.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Ok(Interval { estimate, low: quantile(&found, tail), high: quantile(&found, 1.0 - tail), n })
}

/// Between neighbours of a sorted, non-empty slice, linearly.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mean_interval, paired_difference};
    use proptest::prelude::*;

    /// `ones` ones among `n` values.
    fn zeros_and_ones(n: usize, ones: usize) -> Vec<f64> {
        (0..n).map(|i| f64::from(u8::from(i < ones))).collect()
    }

    #[test]
    fn agrees_with_the_normal_approximation() {
        // share 0.8 of 2,000: standard error √(0.16/2000) = 0.00894, 95 %: ± 0.01753
        let interval = mean_interval(&zeros_and_ones(2_000, 1_600), 0.95, 4_000, 1).unwrap();
        assert_eq!((interval.estimate, interval.n), (0.8, 2_000));
        assert!((interval.low - (0.8 - 0.01753)).abs() < 1.5e-3, "{interval:?}");
        assert!((interval.high - (0.8 + 0.01753)).abs() < 1.5e-3, "{interval:?}");
    }

    #[test]
    fn the_seed_decides() {
        let values = zeros_and_ones(301, 100);
        let with = |seed| mean_interval(&values, 0.9, 500, seed).unwrap();
        assert_eq!(with(3), with(3));
        assert_ne!(with(3), with(4));
    }

    #[test]
    fn pairing_takes_out_what_both_share() {
        let a = zeros_and_ones(1_000, 700);
        let mut b = a.clone();
        b[..30].fill(0.0);
        let paired = paired_difference(&a, &b, 0.95, 2_000, 5).unwrap();
        assert!((paired.estimate - 0.03).abs() < 1e-12);
        // √(0.03·0.97/1000) = 0.0054: clear of zero, where the unpaired error of 0.021 is not
        assert!(paired.excludes_zero() && paired.high - paired.low < 0.024, "{paired:?}");
        assert_eq!(paired_difference(&a, &a, 0.95, 50, 5).unwrap().high, 0.0);
    }

    #[test]
    fn an_end_at_zero_is_zero_and_not_what_rounding_made_of_it() {
        // One of 3,000 differs: over a third of the resamples do not hold it, so the lower end is zero exactly.
        let found = mean_interval(&zeros_and_ones(3_000, 1), 0.95, 2_000, 2025).unwrap();
        assert_eq!(found.low, 0.0);
        assert!(!found.excludes_zero() && found.high > found.estimate);
        assert_eq!(without_rounding(1e-17, 1.0), 0.0);
        assert_eq!(without_rounding(1e-17, 1e-16), 1e-17, "small values have small means");
    }

    #[test]
    fn any_statistic_takes_the_same_draws() {
        let values = zeros_and_ones(200, 60);
        let share = |indices: &[usize]| indices.iter().map(|&i| values[i]).sum::<f64>() / 200.0;
        let (ours, mean) =
            (statistic_interval(200, 0.95, 300, 9, share).unwrap(), mean_interval(&values, 0.95, 300, 9).unwrap());
        assert!((ours.low - mean.low).abs() < 1e-9 && (ours.high - mean.high).abs() < 1e-9);
        let sometimes = |indices: &[usize]| if indices[0] == 0 { f64::NAN } else { 1.0 };
        assert!(statistic_interval(3, 0.95, 30, 9, sometimes).is_err());
        let rarely = |indices: &[usize]| if indices == [2, 2, 2] { f64::NAN } else { 1.0 };
        assert_eq!(statistic_interval(3, 0.95, 300, 9, rarely).unwrap().low, 1.0);
    }

    #[test]
    fn one_value_has_no_interval() {
        let one = mean_interval(&[0.25], 0.95, 100, 1).unwrap();
        assert!(one.estimate == 0.25 && one.low.is_nan() && one.high.is_nan() && !one.excludes_zero());
    }

    #[test]
    fn quantiles_as_numpy_takes_them() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.5, 1.0].map(|share| quantile(&sorted, share)), [1.0, 3.0, 8.0]);
        assert!((quantile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
    }

    #[test]
    fn refusals() {
        let one = [1.0];
        assert_eq!(mean_interval(&[], 0.95, 10, 0), Err(MetricError::Empty { what: "values" }));
        assert!(matches!(mean_interval(&[f64::NAN], 0.95, 10, 0), Err(MetricError::NotFinite { .. })));
        assert!(matches!(mean_interval(&one, 95.0, 10, 0), Err(MetricError::Level { found: 95.0 })));
        assert!(matches!(mean_interval(&one, f64::NAN, 10, 0), Err(MetricError::Level { .. })));
        assert!(matches!(mean_interval(&one, 0.95, 0, 0), Err(MetricError::Bootstrap { found: 0, .. })));
        assert!(matches!(mean_interval(&one, 0.95, usize::MAX, 0), Err(MetricError::Bootstrap { .. })));
        assert!(matches!(paired_difference(&one, &[], 0.95, 9, 0), Err(MetricError::Length { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_interval_lies_within_the_values(values in prop::collection::vec(-5.0f64..5.0, 2..40), seed: u64) {
            let interval = mean_interval(&values, 0.95, 100, seed).unwrap();
            let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(l, m), &x| (l.min(x), m.max(x)));
            prop_assert!(least - 1e-9 <= interval.low && interval.low <= interval.high && interval.high <= most + 1e-9);
        }

        #[test]
        fn a_higher_level_is_never_narrower(values in prop::collection::vec(0.0f64..1.0, 2..40), seed: u64) {
            let wide = mean_interval(&values, 0.99, 200, seed).unwrap();
            let narrow = mean_interval(&values, 0.8, 200, seed).unwrap();
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
        }
    }
}
