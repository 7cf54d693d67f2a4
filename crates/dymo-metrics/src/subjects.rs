//! Samples that stem from one subject, a patient with several scans, are not independent: intervals go by subjects.

use std::collections::HashMap;

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::bootstrap::{Interval, means_by_subject, statistic_interval, without_rounding};
use crate::error::{MetricError, check_finite, check_length, check_level};
use crate::shares::{beta_interval, clopper_pearson};

/// Which samples belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// For each sample its subject, numbered in the order of their coming.
    of: Vec<usize>,
    count: usize,
}

impl Subjects {
    /// Samples with the same number are of one subject.
    ///
    /// ```
    /// use dymo_metrics::{Subjects, mean_interval};
    /// // Four patients, each with five scans that are read alike: there is no more to be known than from four scans.
    /// let right: Vec<f64> = (0..20).map(|i| f64::from(u8::from(i < 15))).collect();
    /// let patients = Subjects::new(&(0..20).map(|i| i / 5).collect::<Vec<u64>>());
    /// let by_patient = patients.mean_interval(&right, 0.95, 2_000, 1)?;
    /// let as_if_alone = mean_interval(&right, 0.95, 2_000, 1)?;
    /// assert_eq!(by_patient.estimate, as_if_alone.estimate);
    /// assert!(by_patient.high - by_patient.low > 1.5 * (as_if_alone.high - as_if_alone.low));
    /// # Ok::<(), dymo_metrics::MetricError>(())
    /// ```
    pub fn new(numbers: &[u64]) -> Self {
        let mut known = HashMap::with_capacity(numbers.len());
        let of: Vec<usize> = numbers
            .iter()
            .map(|number| {
                let next = known.len();
                *known.entry(*number).or_insert(next)
            })
            .collect();
        Self { count: known.len(), of }
    }

    /// Every one of `samples` is a subject of its own.
    pub fn alone(samples: usize) -> Self {
        Self { of: (0..samples).collect(), count: samples }
    }

    /// How many subjects there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Samples of the subject that has most.
    pub fn largest(&self) -> usize {
        self.sizes().into_iter().max().unwrap_or(0)
    }

    /// How many subjects of one size would tell as much: (Σ n)² / Σ n², n being their numbers of samples.
    pub fn effective(&self) -> f64 {
        let squares: f64 = self.sizes().into_iter().map(|n| (n * n) as f64).sum();
        (self.of.len() as f64).powi(2) / squares.max(1.0)
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        self.of.iter().for_each(|subject| sizes[*subject] += 1);
        sizes
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.of.len()
    }

    /// Whether every sample is a subject of its own.
    pub fn are_samples(&self) -> bool {
        self.count == self.of.len()
    }

    /// For each sample its subject, numbered from 0 in the order of their coming.
    pub fn of(&self) -> &[usize] {
        &self.of
    }

    /// Of each subject the mean over its samples.
    ///
    /// # Errors
    /// Unless there is one value a sample.
    pub fn means(&self, values: &[f64]) -> Result<Vec<f64>, MetricError> {
        check_length("values", values.len(), self.of.len())?;
        let mut means = vec![0.0; self.count];
        let sizes = self.sizes();
        for (subject, value) in self.of.iter().zip(values) {
            means[*subject] += value / sizes[*subject] as f64;
        }
        Ok(means)
    }

    /// These of the samples, in this order.
    ///
    /// # Panics
    /// When there is no such sample, as indexing a slice does.
    pub fn among(&self, samples: &[usize]) -> Self {
        Self::new(&samples.iter().map(|sample| self.of[*sample] as u64).collect::<Vec<u64>>())
    }

    /// [`mean_interval`], of which whole subjects are drawn: the statistic stays the mean over samples.
    ///
    /// # Errors
    /// As there; also unless there is one value a sample.
    pub fn mean_interval(
        &self,
        values: &[f64],
        level: f64,
        resamples: usize,
        seed: u64,
    ) -> Result<Interval, MetricError> {
        check_length("values", values.len(), self.of.len())?;
        check_finite("values", values.iter().copied())?;
        let mean = values.iter().sum::<f64>() / (values.len() as f64).max(1.0);
        // Resampled about the mean, so that sums stay small and equal values give an interval of no width.
        let mut sums = vec![(0.0, 0.0); self.count];
        for (subject, value) in self.of.iter().zip(values) {
            let (sum, samples) = &mut sums[*subject];
            *sum += value - mean;
            *samples += 1.0;
        }
        let around = means_by_subject(&sums, level, resamples, seed)?;
        let largest = values.iter().fold(0.0, |top: f64, x| top.max(x.abs()));
        let wider = self.widening(level);
        let end = |around: f64| without_rounding(mean + wider * around, largest);
        Ok(Interval { estimate: mean, low: end(around.low), high: end(around.high), n: values.len() })
    }

    /// [`Subjects::mean_interval`] of values that lie within `bounds`, as accuracies do within 0 and 1 and their differences within −1 and 1.
    /// Where all values are alike, drawing them again cannot show how far others may be from them: then the ends are those that the exact
    /// interval gives for a value that none of as many subjects has had, and that may be as far off as the bounds allow. Of accuracies
    /// that is [`clopper_pearson`].
    ///
    /// ```
    /// use dymo_metrics::Subjects;
    /// // Ten right of ten, and two classifiers that are right on the same.
    /// let right = Subjects::alone(10).mean_interval_within([0.0, 1.0], &[1.0; 10], 0.95, 2_000, 1)?;
    /// assert!((right.low - 0.6915).abs() < 1e-4 && right.high == 1.0);
    /// let gain = Subjects::alone(10).mean_interval_within([-1.0, 1.0], &[0.0; 10], 0.95, 2_000, 1)?;
    /// assert!((gain.low + 0.3085).abs() < 1e-4 && gain.high == -gain.low);
    /// # Ok::<(), dymo_metrics::MetricError>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn mean_interval_within(
        &self,
        bounds: [f64; 2],
        values: &[f64],
        level: f64,
        resamples: usize,
        seed: u64,
    ) -> Result<Interval, MetricError> {
        let found = self.mean_interval(values, level, resamples, seed)?;
        let Some((value, others)) = values.split_first() else { return Ok(found) };
        if others.iter().any(|other| other != value) {
            return Ok(found);
        }
        let (_, unseen) = beta_interval(0.0, self.effective(), level);
        let end = |bound: f64| found.estimate + unseen * (bound - found.estimate);
        Ok(Interval { low: end(bounds[0]), high: end(bounds[1]), ..found })
    }

    /// [`paired_difference`], of which whole subjects are drawn.
    ///
    /// # Errors
    /// As there; also unless there is one pair a sample.
    pub fn paired_difference(
        &self,
        a: &[f64],
        b: &[f64],
        level: f64,
        resamples: usize,
        seed: u64,
    ) -> Result<Interval, MetricError> {
        check_length("second values", b.len(), a.len())?;
        check_finite("first values", a.iter().copied())?;
        check_finite("second values", b.iter().copied())?;
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        self.mean_interval(&differences, level, resamples, seed)
    }

    /// [`statistic_interval`](crate::statistic_interval), of which whole subjects are drawn: the function gets the samples of those. The
    /// ends may lie beyond what the statistic can be.
    ///
    /// # Errors
    /// As there.
    pub fn statistic_interval(
        &self,
        level: f64,
        resamples: usize,
        seed: u64,
        statistic: impl Fn(&[usize]) -> f64,
    ) -> Result<Interval, MetricError> {
        if self.are_samples() {
            return statistic_interval(self.of.len(), level, resamples, seed, statistic);
        }
        let mut samples_of = vec![Vec::new(); self.count];
        self.of.iter().enumerate().for_each(|(sample, subject)| samples_of[*subject].push(sample));
        let of_subjects = |drawn: &[usize]| {
            let samples: Vec<usize> = drawn.iter().flat_map(|subject| &samples_of[*subject]).copied().collect();
            statistic(&samples)
        };
        let found = statistic_interval(self.count, level, resamples, seed, of_subjects)?;
        let wider = self.widening(level);
        let end = |end: f64| found.estimate + wider * (end - found.estimate);
        Ok(Interval { estimate: found.estimate, low: end(found.low), high: end(found.high), n: self.of.len() })
    }

    /// Interval for the share of `hits`: exact ([`clopper_pearson`]) where every sample is a subject of its own; else the same for as
    /// many independent samples as would vary as much, with Student's quantile for as many subjects as tell something (Korn and
    /// Graubard 1998), never more than there are. Where all samples are alike nothing says how much they vary, and subjects are counted.
    ///
    /// # Errors
    /// No samples, not one hit or miss a sample, a level outside 0..1.
    pub fn share_interval(&self, hits: &[bool], level: f64) -> Result<Interval, MetricError> {
        check_length("hits", hits.len(), self.of.len())?;
        let (n, hit) = (hits.len(), hits.iter().filter(|hit| **hit).count());
        if self.are_samples() || n == 0 {
            return clopper_pearson(hit, n, level);
        }
        check_level(level)?;
        let share = hit as f64 / n as f64;
        let variance = self.variance_of_share(hits, share);
        let (low, high) = self.ends_of_share(share, variance, self.effective(), level);
        Ok(Interval { estimate: share, low, high, n })
    }

    /// The ends for a share that varies so much, where there are as many `subjects` to tell it: those of as many independent trials as would,
    /// or of a trial a subject where subjects do not differ.
    fn ends_of_share(&self, share: f64, variance: f64, subjects: f64, level: f64) -> (f64, f64) {
        let trials = match variance {
            // Less is rounding.
            variance if variance > 1e-12 => {
                (share * (1.0 - share) / variance / student(subjects, level).powi(2)).min(self.of.len() as f64)
            }
            _ => subjects,
        };
        beta_interval(share * trials, trials, level)
    }

    /// What is lost by not knowing how much subjects vary but from themselves: Student's quantile in place of the normal one, and the bias of
    /// a variance that resampling finds. 1 where each sample is one: there are enough then, or the bootstrap is what it always was.
    fn widening(&self, level: f64) -> f64 {
        let subjects = self.effective();
        if self.are_samples() || subjects <= 2.0 {
            return 1.0;
        }
        student(subjects, level) * (subjects / (subjects - 1.0)).sqrt()
    }

    /// Mean over subjects of the shares of their `hits`: what is promised where one sample, taken at random, stands for each subject. The
    /// interval is that of [`share_interval`](Self::share_interval), with the variance of such a mean; exact where every sample is one.
    ///
    /// # Errors
    /// As there.
    pub fn mean_of_shares(&self, hits: &[bool], level: f64) -> Result<Interval, MetricError> {
        check_length("hits", hits.len(), self.of.len())?;
        if self.are_samples() || hits.is_empty() {
            return self.share_interval(hits, level);
        }
        check_level(level)?;
        let values: Vec<f64> = hits.iter().map(|hit| f64::from(u8::from(*hit))).collect();
        let (shares, subjects) = (self.means(&values)?, self.count as f64);
        let mean = shares.iter().sum::<f64>() / subjects;
        let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
        let variance = if self.count > 1 { squares / (subjects - 1.0) / subjects } else { 0.0 };
        let (low, high) = self.ends_of_share(mean, variance, subjects, level);
        Ok(Interval { estimate: mean, low, high, n: hits.len() })
    }

    /// Of the share over samples, from how subjects differ; 0 where they do not.
    fn variance_of_share(&self, hits: &[bool], share: f64) -> f64 {
        let mut residuals = vec![0.0; self.count];
        for (subject, hit) in self.of.iter().zip(hits) {
            residuals[*subject] += f64::from(u8::from(*hit)) - share;
        }
        let (subjects, n) = (self.count as f64, hits.len() as f64);
        if self.count < 2 {
            return 0.0;
        }
        let squares: f64 = residuals.iter().map(|r| r * r).sum();
        squares * subjects / (subjects - 1.0) / (n * n)
    }
}

/// Student's quantile for as many subjects as a part of the normal one; 1 where there are too few to have one.
fn student(subjects: f64, level: f64) -> f64 {
    if subjects <= 2.0 {
        return 1.0;
    }
    let upper = (1.0 + level) / 2.0;
    let student = StudentsT::new(0.0, 1.0, subjects - 1.0).map_or(f64::NAN, |t| t.inverse_cdf(upper));
    let factor = student / Normal::standard().inverse_cdf(upper);
    if factor.is_finite() { factor.max(1.0) } else { 1.0 }
}

/// Interval for the mean of per-sample values, for example of [`correctness`](crate::correctness): `resamples` times,
/// as many values as there are are drawn with replacement, and the interval runs from the (1 − level)/2 to the
/// (1 + level)/2 quantile of their means (linear between neighbours). The same seed gives the same interval.
///
/// The values must be of independent samples: where several stem from one patient, see [`Subjects::mean_interval`].
///
/// # Errors
/// No values, one that is not finite, a level outside 0..1, no resamples or over a million.
pub fn mean_interval(values: &[f64], level: f64, resamples: usize, seed: u64) -> Result<Interval, MetricError> {
    Subjects::alone(values.len()).mean_interval(values, level, resamples, seed)
}

/// Interval for the difference of two means, mean(a) − mean(b), `a[i]` and `b[i]` being of the same sample i: both
/// are resampled with the same draws, so what makes a sample hard for both cancels out.
///
/// # Errors
/// As [`mean_interval`], and slices of different lengths.
pub fn paired_difference(
    a: &[f64],
    b: &[f64],
    level: f64,
    resamples: usize,
    seed: u64,
) -> Result<Interval, MetricError> {
    Subjects::alone(a.len()).paired_difference(a, b, level, resamples, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// `per` samples of each subject, all right or all wrong: nine in ten of the subjects are right.
    fn copies(subjects: usize, per: usize, rng: &mut ChaCha8Rng) -> (Subjects, Vec<bool>) {
        let right: Vec<bool> = (0..subjects).map(|_| rng.random::<f64>() < 0.9).collect();
        let numbers: Vec<u64> = (0..subjects * per).map(|i| (i % subjects) as u64).collect();
        let of_sample = |i: usize| right[i % subjects];
        (Subjects::new(&numbers), (0..subjects * per).map(of_sample).collect())
    }

    #[test]
    fn alone_they_are_the_intervals_of_samples() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i % 7)).collect();
        let others: Vec<f64> = (0..200).map(|i| f64::from(i % 5)).collect();
        // Numbers are names: their order says nothing.
        let subjects = Subjects::new(&(0..200).map(|i| u64::MAX - i * 17).collect::<Vec<u64>>());
        assert!(subjects.are_samples());
        assert_eq!(subjects.mean_interval(&values, 0.9, 300, 4), mean_interval(&values, 0.9, 300, 4));
        let difference = subjects.paired_difference(&values, &others, 0.9, 300, 4);
        assert_eq!(difference, paired_difference(&values, &others, 0.9, 300, 4));
        let hits: Vec<bool> = (0..200).map(|i| i % 4 > 0).collect();
        assert_eq!(subjects.share_interval(&hits, 0.9), clopper_pearson(150, 200, 0.9));
    }

    #[test]
    fn values_that_are_alike_leave_room_for_others() {
        let within = |subjects: &Subjects, bounds, values: &[f64]| {
            subjects.mean_interval_within(bounds, values, 0.95, 500, 1).expect("an interval")
        };
        for n in [1, 2, 9, 400] {
            let alone = Subjects::alone(n);
            let (all, none) = (clopper_pearson(n, n, 0.95), clopper_pearson(0, n, 0.95));
            for (value, exact) in [(1.0, all.expect("trials")), (0.0, none.expect("trials"))] {
                let found = within(&alone, [0.0, 1.0], &vec![value; n]);
                assert!((found.low - exact.low).abs() < 1e-12 && (found.high - exact.high).abs() < 1e-12, "{found:?}");
            }
        }
        // Ten scans of each of nine patients say what nine do.
        let patients = Subjects::new(&(0..90).map(|i| i / 10).collect::<Vec<u64>>());
        let difference = within(&patients, [-1.0, 1.0], &[0.0; 90]);
        let nine = within(&Subjects::alone(9), [-1.0, 1.0], &[0.0; 9]);
        assert!((difference.high - nine.high).abs() < 1e-12 && difference.low == -difference.high);
        // Where they are not alike it is the interval that it always was.
        let mut values = vec![1.0; 20];
        values[3] = 0.0;
        let alone = Subjects::alone(20);
        assert_eq!(within(&alone, [0.0, 1.0], &values), mean_interval(&values, 0.95, 500, 1).expect("an interval"));
    }

    #[test]
    fn copies_of_a_sample_say_no_more_than_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (subjects, right) = copies(60, 10, &mut rng);
        assert_eq!((subjects.count(), subjects.samples()), (60, 600));
        let value = |right: &[bool]| right.iter().map(|r| f64::from(u8::from(*r))).collect::<Vec<f64>>();
        let tenfold = subjects.mean_interval(&value(&right), 0.95, 2_000, 1).unwrap();
        let once = mean_interval(&value(&right[..60]), 0.95, 2_000, 1).unwrap();
        // Wider by Student's quantile for sixty, and no more.
        let by = (tenfold.high - tenfold.low) / (once.high - once.low);
        assert!(by > 1.0 && by < 1.05, "{tenfold:?} {once:?}");
        assert_eq!(tenfold.n, 600);
        let share = subjects.share_interval(&right, 0.95).unwrap();
        let exact = Subjects::alone(60).share_interval(&right[..60], 0.95).unwrap();
        assert!((share.low - exact.low).abs() < 0.01 && (share.high - exact.high).abs() < 0.01, "{share:?} {exact:?}");
        let none = subjects.share_interval(&[false; 600], 0.95).unwrap();
        assert!((none.high - clopper_pearson(0, 60, 0.95).unwrap().high).abs() < 1e-9);
    }

    #[test]
    fn shares_of_subjects_are_held_as_often_as_the_level_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut held = 0;
        for _ in 0..400 {
            let (subjects, right) = copies(80, 4, &mut rng);
            let found = subjects.share_interval(&right, 0.9).unwrap();
            held += usize::from(found.low <= 0.9 && 0.9 <= found.high);
        }
        assert!(held >= 352, "{held} of 400, 360 are promised");
    }

    /// One subject in four with twenty samples, the others with one to three: intervals must hold the truth there too.
    #[test]
    fn subjects_of_uneven_size_are_held_as_well() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut share, mut mean) = (0, 0);
        for _ in 0..300 {
            let (mut numbers, mut right) = (Vec::new(), Vec::new());
            for subject in 0..60u64 {
                let is_right = rng.random::<f64>() < 0.7;
                for _ in 0..[1, 2, 3, 20][subject as usize % 4] {
                    numbers.push(subject);
                    right.push(is_right);
                }
            }
            let subjects = Subjects::new(&numbers);
            let holds = |found: Interval| usize::from(found.low <= 0.7 && 0.7 <= found.high);
            share += holds(subjects.share_interval(&right, 0.95).unwrap());
            let values: Vec<f64> = right.iter().map(|r| f64::from(u8::from(*r))).collect();
            mean += holds(subjects.mean_interval(&values, 0.95, 400, 1).unwrap());
        }
        assert!(share >= 267 && mean >= 261, "{share} and {mean} of 300, 285 are promised");
    }

    #[test]
    fn the_mean_of_shares_counts_subjects_alike() {
        let subjects = Subjects::new(&[1, 1, 1, 2]);
        let found = subjects.mean_of_shares(&[true, true, true, false], 0.9).unwrap();
        assert_eq!((found.estimate, found.n), (0.5, 4));
        assert_eq!((subjects.largest(), subjects.effective()), (3, 1.6));
        assert_eq!(subjects.means(&[1.0, 2.0, 6.0, 5.0]).unwrap(), [3.0, 5.0]);
        assert!(subjects.means(&[1.0]).is_err());
        let alone = Subjects::alone(3);
        let hits = [true, false, true];
        assert_eq!(alone.mean_of_shares(&hits, 0.9), alone.share_interval(&hits, 0.9));
        // Five subjects that are all right are five of five, however many samples they have.
        let five = Subjects::new(&(0..40).map(|i| i % 5).collect::<Vec<u64>>());
        let all = five.mean_of_shares(&[true; 40], 0.95).unwrap();
        let exact = clopper_pearson(5, 5, 0.95).unwrap();
        assert!((all.low - exact.low).abs() < 1e-9 && all.high == 1.0, "{all:?} {exact:?}");
        // Subjects that do not differ are alike, whether or not their shares have an end in binary.
        let thirds: Vec<bool> = (0..60).map(|i| i / 20 < 2).collect();
        let found =
            Subjects::new(&(0..60).map(|i| i % 20).collect::<Vec<u64>>()).share_interval(&thirds, 0.95).unwrap();
        let (low, high) = beta_interval(20.0 * 2.0 / 3.0, 20.0, 0.95);
        assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "{found:?}");
    }

    /// Ten subjects of uneven size: the mean of their shares is held as often as the level says.
    #[test]
    fn the_mean_of_shares_is_held() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut held = 0;
        for _ in 0..400 {
            let (mut numbers, mut right) = (Vec::new(), Vec::new());
            for subject in 0..10u64 {
                // Each has a share of its own, 0.7 on average.
                let own = if rng.random::<f64>() < 0.5 { 0.5 } else { 0.9 };
                for _ in 0..[2, 5, 9, 20, 3][subject as usize % 5] {
                    numbers.push(subject);
                    right.push(rng.random::<f64>() < own);
                }
            }
            let found = Subjects::new(&numbers).mean_of_shares(&right, 0.9).unwrap();
            held += usize::from(found.low <= 0.7 && 0.7 <= found.high);
        }
        assert!(held >= 352, "{held} of 400, 360 are promised");
    }

    #[test]
    fn some_of_the_samples_keep_their_subjects() {
        let subjects = Subjects::new(&[7, 7, 9, 9, 11]);
        let some = subjects.among(&[4, 0, 1]);
        assert_eq!((some.of(), some.count()), ([0, 1, 1].as_slice(), 2));
    }

    #[test]
    fn refusals() {
        let subjects = Subjects::new(&[1, 1, 2]);
        assert!(matches!(subjects.mean_interval(&[0.0; 2], 0.95, 10, 1), Err(MetricError::Length { .. })));
        assert!(matches!(subjects.share_interval(&[true], 0.95), Err(MetricError::Length { .. })));
        assert!(matches!(subjects.share_interval(&[true; 3], 95.0), Err(MetricError::Level { .. })));
        assert!(Subjects::new(&[]).share_interval(&[], 0.95).is_err());
    }
}
