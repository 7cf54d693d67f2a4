//! Per subset and class: prototype and spread. Checked once, when made.

use std::collections::HashMap;

use dymo_core::ModalitySet;
use serde::{Deserialize, Serialize};

use crate::{Metric, StatisticsError};

/// The temperature of the softmax over prototypes, as published.
pub const DEFAULT_TEMPERATURE: f32 = 0.1;

/// Class statistics as they stand in a file, unchecked. Subsets may come in any order; row `s` of every array belongs
/// to `subsets[s]`. S, C, D are the numbers of subsets and classes and the width of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// How features are compared.
    pub metric: Metric,
    /// Divides similarities in the softmax over prototypes.
    #[serde(default = "default_temperature")]
    pub temperature: f32,
    /// M, how many modalities the experiment has.
    pub modalities: usize,
    /// C.
    pub classes: usize,
    /// D.
    pub width: usize,
    /// The subsets that have statistics, all different.
    pub subsets: Vec<ModalitySet>,
    /// Mean feature of class k seen with subset s, `[S, C, D]`.
    pub prototypes: Vec<f32>,
    /// Mean of the prototypes over subsets, not normalised again, `[C, D]`.
    pub overall: Vec<f32>,
    /// σ: root of the mean squared distance of class k's training features to their prototype, `[S, C]`.
    pub spread: Vec<f32>,
    /// Training samples of each class, `[C]`; 0 for a class that has none. `None` where a file does not tell
    /// (released ones do not): then a class has none if its overall prototype is NaN, the mean of nothing.
    pub counts: Option<Vec<u64>>,
}

fn default_temperature() -> f32 {
    DEFAULT_TEMPERATURE
}

/// Prototypes and spreads of every class for every subset (method, section 4), in which nothing contradicts anything.
///
/// Values of a class without training samples are kept as 0 and never read with
/// [`Edges::Defined`](crate::Edges::Defined).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct ClassStatistics {
    parts: Parts,
    present: Vec<bool>,
    row_of: HashMap<ModalitySet, usize>,
}

impl TryFrom<Parts> for ClassStatistics {
    type Error = StatisticsError;

    /// # Errors
    /// The first rule broken: sizes, subsets, numbers that are not finite, a negative spread, no class with samples.
    fn try_from(mut parts: Parts) -> Result<Self, StatisticsError> {
        check_sizes(&parts)?;
        let row_of = index_subsets(&parts.subsets, parts.modalities)?;
        let present = classes_with_samples(&parts);
        if !present.contains(&true) {
            return Err(StatisticsError::NoSamples);
        }
        clear_absent(&mut parts, &present);
        check_numbers(&parts)?;
        Ok(Self { parts, present, row_of })
    }
}

impl From<ClassStatistics> for Parts {
    fn from(statistics: ClassStatistics) -> Self {
        statistics.parts
    }
}

impl ClassStatistics {
    /// How features are compared.
    pub fn metric(&self) -> Metric {
        self.parts.metric
    }

    /// What divides similarities in the softmax over prototypes.
    pub fn temperature(&self) -> f32 {
        self.parts.temperature
    }

    /// M, how many modalities the experiment has.
    pub fn modalities(&self) -> usize {
        self.parts.modalities
    }

    /// C, how many classes.
    pub fn classes(&self) -> usize {
        self.parts.classes
    }

    /// D, how many values a feature has.
    pub fn width(&self) -> usize {
        self.parts.width
    }

    /// The subsets that have statistics; row `s` of the arrays belongs to `subsets()[s]`.
    pub fn subsets(&self) -> &[ModalitySet] {
        &self.parts.subsets
    }

    /// The row of that subset, in constant time; `None` if it has no statistics.
    pub fn row(&self, subset: ModalitySet) -> Option<usize> {
        self.row_of.get(&subset).copied()
    }

    /// All arrays, to be written to a file.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The mean feature of a class seen with the subset of that row, `[D]`.
    ///
    /// # Panics
    /// If there is no such row or class.
    pub fn prototype(&self, row: usize, class: usize) -> &[f32] {
        let (start, width) = ((row * self.classes() + class) * self.width(), self.width());
        &self.parts.prototypes[start..start + width]
    }

    /// The overall prototype of a class, `[D]`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn overall(&self, class: usize) -> &[f32] {
        &self.parts.overall[class * self.width()..(class + 1) * self.width()]
    }

    /// σ of a class for the subset of that row.
    ///
    /// # Panics
    /// If there is no such row or class.
    pub fn spread(&self, row: usize, class: usize) -> f32 {
        self.parts.spread[row * self.classes() + class]
    }

    /// Training samples of each class, `[C]`, where the statistics know.
    pub fn counts(&self) -> Option<&[u64]> {
        self.parts.counts.as_deref()
    }

    /// Whether the class has training samples, `false` for a class that does not exist.
    pub fn has_samples(&self, class: usize) -> bool {
        self.present.get(class).copied().unwrap_or(false)
    }
}

/// Every array has the length that S, C and D say, and none of them is zero.
fn check_sizes(parts: &Parts) -> Result<(), StatisticsError> {
    let (s, c, d) = (parts.subsets.len(), parts.classes, parts.width);
    not_zero("modalities", parts.modalities)?;
    not_zero("subsets", s)?;
    not_zero("classes", c)?;
    not_zero("width", d)?;
    if parts.modalities > ModalitySet::MAX {
        return Err(StatisticsError::TooManyModalities { found: parts.modalities });
    }
    has_length("prototypes", parts.prototypes.len(), &[s, c, d])?;
    has_length("overall", parts.overall.len(), &[c, d])?;
    has_length("spread", parts.spread.len(), &[s, c])?;
    if let Some(counts) = &parts.counts {
        has_length("counts", counts.len(), &[c])?;
    }
    if parts.temperature.is_finite() && parts.temperature > 0.0 {
        Ok(())
    } else {
        Err(StatisticsError::Temperature { found: parts.temperature })
    }
}

pub(crate) fn not_zero(field: &'static str, found: usize) -> Result<(), StatisticsError> {
    if found == 0 { Err(StatisticsError::Zero { field }) } else { Ok(()) }
}

fn has_length(field: &'static str, found: usize, shape: &[usize]) -> Result<(), StatisticsError> {
    let wanted = shape.iter().try_fold(1usize, |n, &x| n.checked_mul(x));
    if wanted == Some(found) { Ok(()) } else { Err(StatisticsError::Length { field, found, wanted: shape.to_vec() }) }
}

/// Where each subset's row is; refuses empty, repeated and impossible subsets.
pub(crate) fn index_subsets(
    subsets: &[ModalitySet],
    modalities: usize,
) -> Result<HashMap<ModalitySet, usize>, StatisticsError> {
    let mut row_of = HashMap::with_capacity(subsets.len());
    for (row, &subset) in subsets.iter().enumerate() {
        if subset.is_empty() || !subset.is_subset_of(ModalitySet::full(modalities)) {
            return Err(StatisticsError::ImpossibleSubset { subset, modalities });
        }
        if row_of.insert(subset, row).is_some() {
            return Err(StatisticsError::SubsetTwice { subset });
        }
    }
    Ok(row_of)
}

fn classes_with_samples(parts: &Parts) -> Vec<bool> {
    match &parts.counts {
        Some(counts) => counts.iter().map(|&n| n > 0).collect(),
        None => parts.overall.chunks_exact(parts.width).map(|c| !c.iter().all(|x| x.is_nan())).collect(),
    }
}

/// Zeroes what stands for classes without samples, so that statistics compare and serialise as numbers.
fn clear_absent(parts: &mut Parts, present: &[bool]) {
    let (classes, width) = (parts.classes, parts.width);
    for class in (0..classes).filter(|&k| !present[k]) {
        parts.overall[class * width..(class + 1) * width].fill(0.0);
        for row in 0..parts.subsets.len() {
            let cell = row * classes + class;
            parts.spread[cell] = 0.0;
            parts.prototypes[cell * width..(cell + 1) * width].fill(0.0);
        }
    }
}

fn check_numbers(parts: &Parts) -> Result<(), StatisticsError> {
    for (field, values) in [("prototypes", &parts.prototypes), ("overall", &parts.overall), ("spread", &parts.spread)] {
        if let Some(index) = values.iter().position(|x| !x.is_finite()) {
            return Err(StatisticsError::NotFinite { field, index, found: values[index] });
        }
    }
    match parts.spread.iter().position(|&x| x < 0.0) {
        None => Ok(()),
        Some(cell) => Err(StatisticsError::Spread {
            subset: parts.subsets[cell / parts.classes],
            class: cell % parts.classes,
            found: parts.spread[cell],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two modalities, two classes, width 2, subsets in an order of their own.
    fn parts() -> Parts {
        Parts {
            metric: Metric::Cosine,
            temperature: DEFAULT_TEMPERATURE,
            modalities: 2,
            classes: 2,
            width: 2,
            subsets: [3, 1].map(ModalitySet::from_bits).to_vec(),
            prototypes: vec![1.0, 0.0, 0.0, 1.0, 0.8, 0.0, 0.0, 0.6],
            overall: vec![0.9, 0.0, 0.0, 0.8],
            spread: vec![0.1, 0.2, 0.3, 0.4],
            counts: Some(vec![5, 7]),
        }
    }

    fn refusal(change: impl FnOnce(&mut Parts)) -> StatisticsError {
        let mut parts = parts();
        change(&mut parts);
        ClassStatistics::try_from(parts).expect_err("must be refused")
    }

    #[test]
    fn rows_follow_the_files_own_order() {
        let statistics = ClassStatistics::try_from(parts()).unwrap();
        let row = statistics.row(ModalitySet::single(0)).unwrap();
        assert_eq!(row, 1);
        assert_eq!(statistics.prototype(row, 1), [0.0, 0.6]);
        assert_eq!(statistics.spread(row, 1), 0.4);
        assert_eq!(statistics.overall(1), [0.0, 0.8]);
        assert_eq!(statistics.row(ModalitySet::single(1)), None);
    }

    #[test]
    fn a_class_without_samples_is_told_by_count_or_by_nan() {
        let mut counted = parts();
        counted.counts = Some(vec![0, 7]);
        let counted = ClassStatistics::try_from(counted).unwrap();
        let mut uncounted = parts();
        uncounted.counts = None;
        uncounted.overall[..2].fill(f32::NAN);
        uncounted.prototypes[..2].fill(f32::NAN);
        uncounted.spread[0] = f32::NAN;
        let uncounted = ClassStatistics::try_from(uncounted).unwrap();
        for statistics in [&counted, &uncounted] {
            assert!(!statistics.has_samples(0) && statistics.has_samples(1) && !statistics.has_samples(2));
            assert_eq!(statistics.overall(0), [0.0, 0.0]);
        }
        assert_eq!(counted.counts(), Some(&[0, 7][..]));
    }

    #[test]
    fn a_file_goes_out_and_comes_back_through_the_check() {
        let statistics = ClassStatistics::try_from(parts()).unwrap();
        let json = serde_json::to_string(&statistics).unwrap();
        assert_eq!(serde_json::from_str::<ClassStatistics>(&json).unwrap(), statistics);
        let bad = json.replace("[3,1]", "[3,3]");
        let message = serde_json::from_str::<ClassStatistics>(&bad).unwrap_err().to_string();
        assert!(message.contains("subset {0,1} is listed twice"), "{message}");
    }

    #[test]
    fn one_refusal_per_rule() {
        use StatisticsError as E;
        assert!(matches!(refusal(|p| p.classes = 0), E::Zero { field: "classes" }));
        assert!(matches!(refusal(|p| p.modalities = 33), E::TooManyModalities { found: 33 }));
        assert!(matches!(refusal(|p| p.width = 3), E::Length { field: "prototypes", found: 8, .. }));
        assert!(matches!(refusal(|p| p.width = usize::MAX), E::Length { .. }));
        assert!(matches!(refusal(|p| p.spread.truncate(1)), E::Length { field: "spread", .. }));
        assert!(matches!(refusal(|p| p.counts = Some(vec![1])), E::Length { field: "counts", .. }));
        assert!(matches!(refusal(|p| p.temperature = 0.0), E::Temperature { .. }));
        assert!(matches!(refusal(|p| p.modalities = 1), E::ImpossibleSubset { .. }));
        assert!(matches!(refusal(|p| p.subsets[0] = ModalitySet::EMPTY), E::ImpossibleSubset { .. }));
        assert!(matches!(refusal(|p| p.subsets[0] = p.subsets[1]), E::SubsetTwice { .. }));
        assert!(matches!(refusal(|p| p.prototypes[5] = f32::NAN), E::NotFinite { field: "prototypes", index: 5, .. }));
        assert!(matches!(refusal(|p| p.spread[3] = -0.1), E::Spread { class: 1, .. }));
        assert!(matches!(refusal(|p| p.counts = Some(vec![0, 0])), E::NoSamples));
    }
}
