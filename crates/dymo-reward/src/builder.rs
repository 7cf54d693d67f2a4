//! Fitting class statistics in two passes over features: means first, then distances to them.

use std::collections::HashMap;

use dymo_core::ModalitySet;

use crate::statistics::{ClassStatistics, DEFAULT_TEMPERATURE, Parts, index_subsets, not_zero};
use crate::{Metric, StatisticsError};

/// What both passes share: which cell a feature belongs to, and how many each cell has seen.
#[derive(Debug, Clone)]
struct Cells {
    metric: Metric,
    temperature: f32,
    modalities: usize,
    classes: usize,
    width: usize,
    subsets: Vec<ModalitySet>,
    row_of: HashMap<ModalitySet, usize>,
    /// Whether every subset must have seen the same samples.
    even: bool,
    seen: Vec<u64>,
}

impl Cells {
    /// The cell of a subset and class, after checking the feature.
    fn find(&self, subset: ModalitySet, class: usize, feature: &[f32]) -> Result<usize, StatisticsError> {
        let row = *self.row_of.get(&subset).ok_or(StatisticsError::UnknownSubset { subset })?;
        if class >= self.classes {
            return Err(StatisticsError::UnknownClass { found: class, classes: self.classes });
        }
        if feature.len() != self.width {
            return Err(StatisticsError::Length { field: "feature", found: feature.len(), wanted: vec![self.width] });
        }
        if let Some(index) = feature.iter().position(|x| !x.is_finite()) {
            return Err(StatisticsError::NotFinite { field: "feature", index, found: feature[index] });
        }
        Ok(row * self.classes + class)
    }

    /// Every cell has seen as many samples as `wanted` says of its row and class.
    fn check_seen(&self, wanted: impl Fn(usize, usize) -> u64) -> Result<(), StatisticsError> {
        for (row, &subset) in self.subsets.iter().enumerate() {
            for class in 0..self.classes {
                let (found, wanted) = (self.seen[row * self.classes + class], wanted(row, class));
                if found != wanted {
                    return Err(StatisticsError::Unequal { subset, class, found, wanted });
                }
            }
        }
        Ok(())
    }

    /// The samples of each class: of uneven subsets those of the one that has seen most.
    fn counts(&self) -> Result<Vec<u64>, StatisticsError> {
        let first = self.seen[..self.classes].to_vec();
        if self.even {
            self.check_seen(|_, class| first[class])?;
            return Ok(first);
        }
        let most = |class: usize| self.seen.iter().skip(class).step_by(self.classes).copied().max();
        Ok((0..self.classes).map(|class| most(class).unwrap_or(0)).collect())
    }
}

/// That many zeros, or an error where the machine cannot hold them: sizes come from files.
fn zeros<T: Clone + Default>(shape: &[usize]) -> Result<Vec<T>, StatisticsError> {
    let too_large = || StatisticsError::TooLarge { shape: shape.to_vec() };
    let size = shape.iter().try_fold(1usize, |n, &x| n.checked_mul(x)).ok_or_else(too_large)?;
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(size).map_err(|_| too_large())?;
    zeros.resize(size, T::default());
    Ok(zeros)
}

/// First pass: takes every training feature once per subset, in any order, and sums it up in double precision.
///
/// Keeps S·C·D numbers, no features. Features are to be made in evaluation mode, as published from complete samples.
#[derive(Debug, Clone)]
pub struct StatisticsBuilder {
    cells: Cells,
    sums: Vec<f64>,
}

impl StatisticsBuilder {
    /// Statistics to be fitted for these subsets of `modalities` modalities, with the published temperature.
    ///
    /// # Errors
    /// A size of 0 or too large for memory, more than 32 modalities, a subset that is empty, repeated, or not of these modalities.
    pub fn new(
        metric: Metric,
        modalities: usize,
        classes: usize,
        width: usize,
        subsets: Vec<ModalitySet>,
    ) -> Result<Self, StatisticsError> {
        not_zero("modalities", modalities)?;
        not_zero("classes", classes)?;
        not_zero("width", width)?;
        not_zero("subsets", subsets.len())?;
        if modalities > ModalitySet::MAX {
            return Err(StatisticsError::TooManyModalities { found: modalities });
        }
        let row_of = index_subsets(&subsets, modalities)?;
        let seen = zeros(&[subsets.len(), classes])?;
        let sums = zeros(&[subsets.len(), classes, width])?;
        let temperature = DEFAULT_TEMPERATURE;
        let cells = Cells { metric, temperature, modalities, classes, width, subsets, row_of, even: true, seen };
        Ok(Self { cells, sums })
    }

    /// Another temperature than the published one; checked when the statistics are finished.
    #[must_use]
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.cells.temperature = temperature;
        self
    }

    /// Subsets may have seen different samples: each those that have its modalities. A class's prototype for a subset that has seen
    /// none of it is then its overall one, the mean over the subsets that have; its spread there that of all of them together.
    /// Not in the paper, whose training samples are complete.
    #[must_use]
    pub fn uneven(mut self) -> Self {
        self.cells.even = false;
        self
    }

    /// One training feature `[D]` of that class, seen with that subset.
    ///
    /// # Errors
    /// An unknown subset or class, another length than D, a value that is not finite.
    pub fn add(&mut self, subset: ModalitySet, class: usize, feature: &[f32]) -> Result<(), StatisticsError> {
        let cell = self.cells.find(subset, class, feature)?;
        let width = self.cells.width;
        for (sum, &x) in self.sums[cell * width..(cell + 1) * width].iter_mut().zip(feature) {
            *sum += f64::from(x);
        }
        self.cells.seen[cell] += 1;
        Ok(())
    }

    /// Ends the first pass: means become prototypes, and the mean of those over subsets the overall ones.
    ///
    /// # Errors
    /// Subsets that have seen different numbers of samples of a class (unless they are [`StatisticsBuilder::uneven`]), or no samples
    /// at all.
    pub fn prototypes(self) -> Result<SpreadBuilder, StatisticsError> {
        let Self { mut cells, sums } = self;
        let counts = cells.counts()?;
        if counts.iter().all(|&n| n == 0) {
            return Err(StatisticsError::NoSamples);
        }
        let (classes, width) = (cells.classes, cells.width);
        let mut means: Vec<f64> =
            sums.iter().enumerate().map(|(i, sum)| sum / cells.seen[i / width].max(1) as f64).collect();
        let mut overall = vec![0.0f64; classes * width];
        for class in 0..classes {
            let rows: Vec<usize> = (0..cells.subsets.len()).map(|row| row * classes + class).collect();
            let (seen, unseen): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|cell| cells.seen[*cell] > 0);
            for d in 0..width {
                let sum: f64 = seen.iter().map(|cell| means[cell * width + d]).sum();
                let mean = sum / seen.len().max(1) as f64;
                overall[class * width + d] = mean;
                unseen.iter().for_each(|cell| means[cell * width + d] = mean);
            }
        }
        let first = std::mem::take(&mut cells.seen);
        cells.seen = vec![0; first.len()];
        let rounded = |values: &[f64]| values.iter().map(|&mean| mean as f32).collect();
        Ok(SpreadBuilder {
            squares: vec![0.0; first.len()],
            prototypes: rounded(&means),
            overall: rounded(&overall),
            counts,
            first,
            cells,
        })
    }
}

/// Second pass: takes the same features again and sums up their squared distances to their prototypes.
#[derive(Debug, Clone)]
pub struct SpreadBuilder {
    cells: Cells,
    prototypes: Vec<f32>,
    overall: Vec<f32>,
    counts: Vec<u64>,
    /// What each cell saw in the first pass.
    first: Vec<u64>,
    squares: Vec<f64>,
}

impl SpreadBuilder {
    /// The same feature `[D]` as in the first pass.
    ///
    /// # Errors
    /// As [`StatisticsBuilder::add`].
    pub fn add_distance(&mut self, subset: ModalitySet, class: usize, feature: &[f32]) -> Result<(), StatisticsError> {
        let cell = self.cells.find(subset, class, feature)?;
        let width = self.cells.width;
        let prototype = &self.prototypes[cell * width..(cell + 1) * width];
        let distance = f64::from(self.cells.metric.distance(feature, prototype));
        self.squares[cell] += distance * distance;
        self.cells.seen[cell] += 1;
        Ok(())
    }

    /// Ends the second pass: spread = √(mean d²), the deviation of the distances mirrored about zero.
    ///
    /// # Errors
    /// Other numbers of samples than in the first pass; a temperature that is not finite and positive.
    pub fn finish(self) -> Result<ClassStatistics, StatisticsError> {
        let Self { cells, prototypes, overall, counts, first, squares } = self;
        cells.check_seen(|row, class| first[row * cells.classes + class])?;
        let total = |class: usize| {
            let of_class = squares.iter().zip(&cells.seen).skip(class).step_by(cells.classes);
            of_class.fold((0.0, 0), |(sum, n), (square, seen)| (sum + square, n + seen))
        };
        let spread = |(cell, (&sum, &seen)): (usize, (&f64, &u64))| {
            let (sum, seen) = if seen > 0 { (sum, seen) } else { total(cell % cells.classes) };
            (sum / seen.max(1) as f64).sqrt() as f32
        };
        let spread = squares.iter().zip(&cells.seen).enumerate().map(spread).collect();
        ClassStatistics::try_from(Parts {
            metric: cells.metric,
            temperature: cells.temperature,
            modalities: cells.modalities,
            classes: cells.classes,
            width: cells.width,
            subsets: cells.subsets,
            prototypes,
            overall,
            spread,
            counts: Some(counts),
        })
    }
}

/// Both passes over features in memory: `features[s]` is `[N, D]`, the N labelled samples seen with `subsets[s]`.
///
/// # Errors
/// As the builders, and arrays that are not `[S][N, D]`.
pub fn fit(
    metric: Metric,
    modalities: usize,
    classes: usize,
    width: usize,
    subsets: &[ModalitySet],
    features: &[&[f32]],
    labels: &[usize],
) -> Result<ClassStatistics, StatisticsError> {
    let mut means = StatisticsBuilder::new(metric, modalities, classes, width, subsets.to_vec())?;
    if features.len() != subsets.len() {
        let wanted = vec![subsets.len()];
        return Err(StatisticsError::Length { field: "features", found: features.len(), wanted });
    }
    if let Some(block) = features.iter().find(|block| block.len() != labels.len() * width) {
        let wanted = vec![labels.len(), width];
        return Err(StatisticsError::Length { field: "features", found: block.len(), wanted });
    }
    let rows = || {
        subsets.iter().zip(features).flat_map(|(&subset, block)| {
            block.chunks_exact(width).zip(labels).map(move |(feature, &class)| (subset, class, feature))
        })
    };
    rows().try_for_each(|(subset, class, feature)| means.add(subset, class, feature))?;
    let mut spreads = means.prototypes()?;
    rows().try_for_each(|(subset, class, feature)| spreads.add_distance(subset, class, feature))?;
    spreads.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ModalitySet = ModalitySet::single(0);
    const B: ModalitySet = ModalitySet::single(1);

    #[test]
    fn by_hand() {
        let first = [1.0, 0.0, 3.0, 4.0, 10.0, 0.0];
        let second = [0.0, 0.0, 0.0, 2.0, 10.0, 4.0];
        let fitted = fit(Metric::Euclid, 2, 3, 2, &[B, A], &[&first, &second], &[0, 0, 2]).unwrap();
        assert_eq!(fitted.row(A), Some(1));
        assert_eq!(fitted.prototype(0, 0), [2.0, 2.0]);
        assert_eq!(fitted.prototype(1, 0), [0.0, 1.0]);
        assert_eq!(fitted.overall(0), [1.0, 1.5]);
        assert_eq!(fitted.overall(2), [10.0, 2.0]);
        // both lie √5 from (2, 2); both lie 1 from (0, 1); a single sample is its own prototype
        assert_eq!(fitted.spread(0, 0), 5f32.sqrt());
        assert_eq!(fitted.spread(1, 0), 1.0);
        assert_eq!(fitted.spread(0, 2), 0.0);
        assert_eq!(fitted.counts(), Some(&[2, 0, 1][..]));
        assert!(!fitted.has_samples(1));
    }

    #[test]
    fn overall_prototypes_are_not_made_longer_again() {
        let fitted = fit(Metric::Cosine, 1, 2, 2, &[A], &[&[1.0, 0.0, 0.0, 1.0]], &[0, 0]).unwrap();
        assert_eq!(fitted.overall(0), [0.5, 0.5]);
        // distances 1 − 0.5 to it, both
        assert_eq!(fitted.spread(0, 0), 0.5);
    }

    #[test]
    fn passes_must_see_the_same_samples() {
        let new = || StatisticsBuilder::new(Metric::Cosine, 2, 2, 1, vec![A, B]).unwrap();
        let mut uneven = new();
        uneven.add(A, 0, &[1.0]).unwrap();
        let error = uneven.prototypes().unwrap_err();
        assert_eq!(error, StatisticsError::Unequal { subset: B, class: 0, found: 0, wanted: 1 });
        let mut even = new();
        even.add(A, 1, &[1.0]).unwrap();
        even.add(B, 1, &[1.0]).unwrap();
        let mut second = even.prototypes().unwrap();
        second.add_distance(A, 1, &[1.0]).unwrap();
        assert!(matches!(second.finish(), Err(StatisticsError::Unequal { .. })));
        assert_eq!(new().prototypes().unwrap_err(), StatisticsError::NoSamples);
    }

    #[test]
    fn subsets_may_have_seen_different_samples() {
        let mut means = StatisticsBuilder::new(Metric::Euclid, 2, 2, 1, vec![A, B]).unwrap().uneven();
        let rows = [(A, 0, 1.0), (A, 0, 3.0), (B, 0, 8.0), (A, 1, 5.0), (A, 1, 9.0)];
        for (subset, class, x) in rows {
            means.add(subset, class, &[x]).unwrap();
        }
        let mut spreads = means.prototypes().unwrap();
        for (subset, class, x) in rows {
            spreads.add_distance(subset, class, &[x]).unwrap();
        }
        let fitted = spreads.finish().unwrap();
        assert_eq!([fitted.prototype(0, 0), fitted.prototype(1, 0), fitted.overall(0)], [[2.0], [8.0], [5.0]]);
        // No sample of class 1 has B: what A shows of it stands there, too.
        assert_eq!([fitted.prototype(0, 1), fitted.prototype(1, 1), fitted.overall(1)], [[7.0]; 3]);
        assert_eq!([fitted.spread(0, 1), fitted.spread(1, 1)], [2.0, 2.0]);
        assert_eq!(fitted.counts(), Some(&[2, 2][..]));
    }

    #[test]
    fn bad_features_are_refused_where_they_come_in() {
        let mut new = StatisticsBuilder::new(Metric::Cosine, 2, 2, 1, vec![A]).unwrap();
        assert!(matches!(new.add(B, 0, &[1.0]), Err(StatisticsError::UnknownSubset { .. })));
        assert!(matches!(new.add(A, 2, &[1.0]), Err(StatisticsError::UnknownClass { found: 2, .. })));
        assert!(matches!(new.add(A, 0, &[]), Err(StatisticsError::Length { .. })));
        assert!(matches!(new.add(A, 0, &[f32::NAN]), Err(StatisticsError::NotFinite { .. })));
        assert!(fit(Metric::Cosine, 1, 2, 2, &[A], &[&[1.0]], &[0]).is_err());
        assert!(fit(Metric::Cosine, 1, 2, 1, &[A], &[], &[0]).is_err());
        assert!(StatisticsBuilder::new(Metric::Cosine, 2, 2, 1, vec![A, A]).is_err());
        assert!(matches!(
            StatisticsBuilder::new(Metric::Cosine, 2, usize::MAX, 2, vec![A]),
            Err(StatisticsError::TooLarge { .. })
        ));
    }

    #[test]
    fn another_temperature_is_kept_and_checked() {
        let fitted = |temperature| {
            let mut means = StatisticsBuilder::new(Metric::Cosine, 1, 2, 1, vec![A])?.temperature(temperature);
            means.add(A, 0, &[1.0])?;
            let mut spreads = means.prototypes()?;
            spreads.add_distance(A, 0, &[1.0])?;
            spreads.finish()
        };
        assert_eq!(fitted(0.5).unwrap().temperature(), 0.5);
        assert!(matches!(fitted(-1.0), Err(StatisticsError::Temperature { found: -1.0 })));
    }
}
