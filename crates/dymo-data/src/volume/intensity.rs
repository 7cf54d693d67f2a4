//! Scanners give brightness in units of their own; here it becomes comparable.
use super::{Volume, VolumeError};
use serde::{Deserialize, Serialize};

/// Which brightness becomes 0 and which 1. In a settings file: `"min-max"`, `"z-score"`, `"none"` or `{ percentile =
/// [1, 99] }`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intensity {
    /// The two percentiles become 0 and 1, what lies beyond is cut off: robust against a few bright voxels.
    Percentile {
        /// 0 to 100, below `high`; values are interpolated between ranks.
        low: f64,
        /// 0 to 100.
        high: f64,
    },
    /// Mean 0, standard deviation 1 (of the population); the only one that leaves 0..1.
    ZScore,
    /// The smallest value becomes 0, the largest 1.
    #[default]
    MinMax,
    /// As it is; only what is not finite is replaced.
    None,
}

/// What [`Volume::normalise`] did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Normalisation {
    /// The old value that became 0: percentile, mean or minimum.
    pub zero: f64,
    /// The old value that became 1.
    pub one: f64,
    /// All finite values were the same (or there was none), so they became 0 and nothing was divided by zero.
    pub constant: bool,
    /// Voxels that were NaN or infinite and got the lowest value.
    pub replaced: usize,
}

/// Numbers over the finite voxels of all frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// Voxels that are neither NaN nor infinite.
    pub finite: usize,
    /// NaN voxels.
    pub nan: usize,
    /// Infinite voxels, of both signs.
    pub infinite: usize,
    /// Smallest finite value; 0 if there is none, as are the next three.
    pub minimum: f32,
    /// Largest finite value.
    pub maximum: f32,
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the population (divided by n).
    pub deviation: f64,
}

impl Statistics {
    fn of(values: impl Iterator<Item = f32>) -> Self {
        let mut seen =
            Self { finite: 0, nan: 0, infinite: 0, minimum: f32::MAX, maximum: f32::MIN, mean: 0.0, deviation: 0.0 };
        let mut squares = 0.0;
        for value in values {
            if !value.is_finite() {
                *(if value.is_nan() { &mut seen.nan } else { &mut seen.infinite }) += 1;
                continue;
            }
            seen.finite += 1;
            (seen.minimum, seen.maximum) = (seen.minimum.min(value), seen.maximum.max(value));
            // Welford's update: no cancellation where the mean is large beside the spread.
            let before = f64::from(value) - seen.mean;
            seen.mean += before / seen.finite as f64;
            squares += before * (f64::from(value) - seen.mean);
        }
        if seen.finite == 0 {
            (seen.minimum, seen.maximum) = (0.0, 0.0);
        }
        seen.deviation = (squares / seen.finite.max(1) as f64).sqrt();
        seen
    }
}

impl Volume {
    /// Extremes, mean and spread of the finite voxels; how many are not.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(self.data.iter().copied())
    }

    /// Changes the brightness of all frames together by one and the same line, so that frames stay comparable.
    /// NaN and infinite voxels are left out of every statistic and get the lowest value that results (0 if all are
    /// such). A constant volume becomes 0 throughout and is flagged.
    ///
    /// # Errors
    /// [`VolumeError::Percentiles`] unless 0 ≤ low < high ≤ 100.
    pub fn normalise(&mut self, intensity: Intensity) -> Result<Normalisation, VolumeError> {
        let statistics = self.statistics();
        let (minimum, maximum) = (f64::from(statistics.minimum), f64::from(statistics.maximum));
        let (zero, one) = match intensity {
            Intensity::None => (0.0, 1.0),
            Intensity::MinMax => (minimum, maximum),
            Intensity::ZScore => (statistics.mean, statistics.mean + statistics.deviation),
            Intensity::Percentile { low, high } => {
                if !(0.0 <= low && low < high && high <= 100.0) {
                    return Err(VolumeError::Percentiles { low, high });
                }
                percentiles(self.data.iter().copied(), low, high)
            }
        };
        let constant = minimum == maximum || one <= zero;
        let scale = |value: f64| match intensity {
            Intensity::None => value,
            _ if constant => 0.0,
            Intensity::Percentile { .. } => ((value - zero) / (one - zero)).clamp(0.0, 1.0),
            Intensity::ZScore | Intensity::MinMax => (value - zero) / (one - zero),
        };
        let lowest = scale(minimum) as f32;
        self.data.mapv_inplace(|value| if value.is_finite() { scale(f64::from(value)) as f32 } else { lowest });
        Ok(Normalisation { zero, one, constant, replaced: statistics.nan + statistics.infinite })
    }
}

/// Two percentiles (0 to 100) of the finite values, interpolated between ranks; zeros if there are none.
pub(super) fn percentiles(values: impl Iterator<Item = f32>, low: f64, high: f64) -> (f64, f64) {
    let mut finite: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    (quantile(&mut finite, low / 100.0), quantile(&mut finite, high / 100.0))
}

fn quantile(values: &mut [f32], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let rank = share * last as f64;
    let below = (rank.floor() as usize).min(last);
    let (_, &mut value, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let next = above.iter().copied().min_by(f32::total_cmp).unwrap_or(value);
    f64::from(value) + (f64::from(next) - f64::from(value)) * (rank - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;
    use proptest::prelude::*;

    fn volume(values: &[f32]) -> Volume {
        let data = Array4::from_shape_vec((values.len(), 1, 1, 1), values.to_vec()).unwrap();
        Volume::new(data, [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]]).unwrap()
    }

    fn normalised(values: &[f32], intensity: Intensity) -> (Vec<f32>, Normalisation) {
        let mut volume = volume(values);
        let done = volume.normalise(intensity).unwrap();
        (volume.data().iter().copied().collect(), done)
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8, 16], [10, 90]) = [1.4, 12.8]
        let found = percentiles([16.0, 1.0, 8.0, f32::NAN, 2.0, 4.0].into_iter(), 10.0, 90.0);
        assert!((found.0 - 1.4).abs() < 1e-12 && (found.1 - 12.8).abs() < 1e-12, "{found:?}");
        let (values, done) = normalised(&[0.0, 1.0, 2.0, 3.0, 4.0], Intensity::Percentile { low: 25.0, high: 75.0 });
        assert_eq!(values, [0.0, 0.0, 0.5, 1.0, 1.0]);
        assert_eq!((done.zero, done.one), (1.0, 3.0));
    }

    #[test]
    fn z_score_has_mean_0_and_deviation_1() {
        let (values, done) = normalised(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], Intensity::ZScore);
        assert_eq!((done.zero, done.one), (5.0, 7.0));
        assert_eq!(values, [-1.5, -0.5, -0.5, -0.5, 0.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn what_is_not_finite_becomes_the_lowest() {
        let odd = [f32::NAN, 2.0, f32::INFINITY, 4.0, f32::NEG_INFINITY];
        assert_eq!(normalised(&odd, Intensity::MinMax).0, [0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(normalised(&odd, Intensity::ZScore).0, [-1.0, -1.0, -1.0, 1.0, -1.0]);
        assert_eq!(normalised(&odd, Intensity::None).0, [2.0, 2.0, 2.0, 4.0, 2.0]);
        assert_eq!(normalised(&odd, Intensity::MinMax).1.replaced, 3);
        assert_eq!(normalised(&[f32::NAN; 3], Intensity::None).0, [0.0; 3]);
    }

    #[test]
    fn a_constant_volume_is_flagged() {
        for intensity in [Intensity::MinMax, Intensity::ZScore, Intensity::Percentile { low: 1.0, high: 99.0 }] {
            let (values, done) = normalised(&[7.0, 7.0, f32::NAN], intensity);
            assert_eq!((values, done.constant), (vec![0.0; 3], true), "{intensity:?}");
        }
        // One bright voxel in a hundred and one: both percentiles are 0.
        let mut spike = [0.0; 101];
        spike[50] = 9.0;
        assert!(normalised(&spike, Intensity::Percentile { low: 5.0, high: 95.0 }).1.constant);
    }

    #[test]
    fn percentiles_that_bound_nothing_are_refused() {
        for (low, high) in [(50.0, 50.0), (99.0, 1.0), (-1.0, 50.0), (1.0, 101.0), (f64::NAN, 99.0)] {
            let error = volume(&[1.0, 2.0]).normalise(Intensity::Percentile { low, high }).unwrap_err();
            assert!(matches!(error, VolumeError::Percentiles { .. }));
        }
    }

    #[test]
    fn settings_files_may_write_a_pair() {
        let read = |text| serde_json::from_str::<Intensity>(text).unwrap();
        assert_eq!(read(r#"{"percentile": [1, 99]}"#), Intensity::Percentile { low: 1.0, high: 99.0 });
        assert_eq!(read(r#"{"percentile": {"low": 1, "high": 99}}"#), Intensity::Percentile { low: 1.0, high: 99.0 });
        assert_eq!(read(r#""z-score""#), Intensity::ZScore);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn results_are_finite_and_within_0_and_1(values in prop::collection::vec(prop::num::f32::ANY, 1..40), percentile: bool) {
            let intensity = if percentile { Intensity::Percentile { low: 1.0, high: 99.0 } } else { Intensity::MinMax };
            let (values, _) = normalised(&values, intensity);
            prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{values:?}");
        }

        #[test]
        fn a_quantile_is_the_sorted_ones(mut values in prop::collection::vec(-9.0f32..9.0, 1..40), share in 0.0f64..1.0) {
            let ours = quantile(&mut values.clone(), share);
            values.sort_by(f32::total_cmp);
            let rank = share * (values.len() - 1) as f64;
            let (low, high) = (f64::from(values[rank.floor() as usize]), f64::from(values[rank.ceil() as usize]));
            prop_assert!((ours - (low + (high - low) * rank.fract())).abs() < 1e-9);
        }
    }
}
