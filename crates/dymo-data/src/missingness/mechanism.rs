//! Why something is missing: by chance, because of what is seen, or because of what is not.

use std::collections::BTreeMap;

use dymo_core::ModalitySet;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entries::EntryMask;
use crate::samples::{ReadError, Samples};
use crate::stream::{Purpose, Stream};

/// How modalities, or single entries of a table, go missing (Rubin, Biometrika 63, 1976). In a settings file, such as
/// `mechanism = "given-observed", rate = 0.3, by = "clinic.age", strength = 2.0`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mechanism", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mechanism {
    /// Completely at random: each with this probability, whatever the sample.
    Completely {
        /// From 0 to 1.
        rate: f64,
    },
    /// Completely at random: ⌊n · rate⌋ of all n are drawn, and no other number. Fewer go missing where some of those were missing before,
    /// or a sample keeps its last one.
    Exactly {
        /// From 0 to 1.
        rate: f64,
    },
    /// At random given what is observed: the probability grows with a driver that itself never goes missing.
    GivenObserved {
        /// Mean probability over the samples, from 0 to 1.
        rate: f64,
        /// The driver: a modality (its mean value) or `modality.column`.
        by: String,
        /// By how much the log-odds grow with one standard deviation of the driver; negative where low values go
        /// missing.
        strength: f64,
    },
    /// Not at random: the probability grows with the very value that goes missing (a modality's mean value).
    ByValue {
        /// Mean probability over the samples, from 0 to 1.
        rate: f64,
        /// By how much the log-odds grow with one standard deviation of the value.
        strength: f64,
    },
    /// Not at random: each class has a probability of its own.
    ByLabel {
        /// By the name of the class, from 0 to 1; 0 for a class that is not named.
        rates: BTreeMap<String, f64>,
    },
    /// Whole patterns, each sample one of them.
    Patterns {
        /// At least one of a weight above 0.
        patterns: Vec<MissingPattern>,
    },
}

impl Mechanism {
    /// Whether the values and the class of a sample have nothing to do with what it loses.
    pub fn is_at_random(&self) -> bool {
        match self {
            Self::Completely { .. } | Self::Exactly { .. } | Self::Patterns { .. } => true,
            Self::GivenObserved { .. } | Self::ByValue { .. } | Self::ByLabel { .. } => false,
        }
    }
}

/// What goes missing together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingPattern {
    /// Names of modalities; of columns, where entries go missing.
    pub missing: Vec<String>,
    /// How often, beside the other patterns.
    pub weight: f64,
}

/// The modalities that each sample keeps. What a sample does not have stays missing; one that would lose everything
/// keeps one of what it has, drawn uniformly.
///
/// # Errors
/// A [`MechanismError`] for a value that cannot be, a name that is not there, or a sample that cannot be read.
pub fn draw_modalities(
    mechanism: &Mechanism,
    samples: &dyn Samples,
    seed: u64,
) -> Result<Vec<ModalitySet>, MechanismError> {
    let names: Vec<String> = samples.schema().modalities().iter().map(|m| m.name().to_owned()).collect();
    let kept = match mechanism {
        Mechanism::GivenObserved { by, .. } => Some(driver_place(samples, by)?.modality),
        _ => None,
    };
    let own = |modality| mean_values(samples, modality);
    let missing = missing(mechanism, samples, &names, &own, kept, seed)?;
    let stream = Stream::new(seed, Purpose::Entries, [1, 0, 0]);
    let keep = |index: usize| {
        let observed = samples.observed(index);
        let present = observed.iter().filter(|&m| !missing[index * names.len() + m]).collect::<ModalitySet>();
        if !present.is_empty() || observed.is_empty() {
            return present;
        }
        let place = stream.item(index, 1).below(observed.len());
        observed.iter().nth(place).map_or(observed, ModalitySet::single)
    };
    Ok((0..samples.len()).map(keep).collect())
}

/// The entries of a table modality that go missing, `[samples, columns]`. Entries that are missing already are not
/// marked; a sample may lose all its entries, and with them the modality, but one that has nothing else keeps one of them.
///
/// # Errors
/// As [`draw_modalities`]; [`MechanismError::NoTable`] for a modality that is none, [`MechanismError::OwnDriver`] where
/// the table's own mean value is the driver, which would go missing with its entries.
pub fn draw_entries(
    mechanism: &Mechanism,
    samples: &dyn Samples,
    modality: usize,
    seed: u64,
) -> Result<EntryMask, MechanismError> {
    let found = samples.schema().modalities().get(modality);
    let Some(columns) = found.and_then(|modality| modality.columns()) else {
        return Err(MechanismError::NoTable { found: found.map_or(modality.to_string(), |m| m.name().to_owned()) });
    };
    let names: Vec<String> = columns.iter().map(|column| column.name().to_owned()).collect();
    let table = read_table(samples, modality)?;
    let kept = match mechanism {
        Mechanism::GivenObserved { by, .. } => {
            let place = driver_place(samples, by)?;
            if place.modality == modality && place.column.is_none() {
                return Err(MechanismError::OwnDriver { found: by.clone(), columns: names });
            }
            if place.modality == modality { place.column } else { None }
        }
        _ => None,
    };
    let width = names.len();
    let own = |column: usize| Ok(table.iter().skip(column).step_by(width).map(|&value| f64::from(value)).collect());
    let mut missing = missing(mechanism, samples, &names, &own, kept, seed)?;
    missing.iter_mut().zip(&table).for_each(|(missing, value)| *missing &= !value.is_nan());
    let stream = Stream::new(seed, Purpose::Entries, [2, 0, 0]);
    for index in (0..samples.len()).filter(|&index| samples.observed(index) == ModalitySet::single(modality)) {
        let (row, values) = (&mut missing[index * width..][..width], &table[index * width..][..width]);
        let known: Vec<usize> = (0..width).filter(|&column| !values[column].is_nan()).collect();
        if !known.is_empty() && known.iter().all(|&column| row[column]) {
            row[known[stream.item(index, 1).below(known.len())]] = false;
        }
    }
    Ok(EntryMask::new(names, missing))
}

/// `[samples, units]`: what the mechanism takes away. `own(unit)` is each sample's value of a unit, NaN where it has
/// none; the unit `kept` never goes missing.
fn missing(
    mechanism: &Mechanism,
    samples: &dyn Samples,
    names: &[String],
    own: &dyn Fn(usize) -> Result<Vec<f64>, MechanismError>,
    kept: Option<usize>,
    seed: u64,
) -> Result<Vec<bool>, MechanismError> {
    mechanism.check(samples, names)?;
    let (n, width) = (samples.len(), names.len());
    let stream = Stream::new(seed, Purpose::Entries, [0; 3]);
    let mut missing = vec![false; n * width];
    let mut fill = |unit: usize, probabilities: &dyn Fn(usize) -> f64| {
        for index in (0..n).filter(|_| kept != Some(unit)) {
            let cell = index * width + unit;
            missing[cell] = stream.item(cell, 1).unit() < probabilities(index);
        }
    };
    match mechanism {
        Mechanism::Completely { rate } => (0..width).for_each(|unit| fill(unit, &|_| *rate)),
        Mechanism::Exactly { rate } => {
            let mut order: Vec<usize> = (0..n * width).collect();
            stream.item(0, 0).shuffle(&mut order);
            let count = (*rate * order.len() as f64).floor() as usize;
            order[..count.min(n * width)].iter().for_each(|&cell| missing[cell] = true);
        }
        Mechanism::GivenObserved { rate, by, strength } => {
            let place = driver_place(samples, by)?;
            let probabilities = logistic(&driver(samples, place)?, *rate, *strength);
            (0..width).for_each(|unit| fill(unit, &|index| probabilities[index]));
        }
        Mechanism::ByValue { rate, strength } => {
            for unit in 0..width {
                let probabilities = logistic(&own(unit)?, *rate, *strength);
                fill(unit, &|index| probabilities[index]);
            }
        }
        Mechanism::ByLabel { rates } => {
            let classes = samples.schema().classes();
            let of = |index: usize| {
                let class = samples.known_label(index).and_then(|label| classes.get(label));
                class.and_then(|class| rates.get(class)).copied().unwrap_or(0.0)
            };
            (0..width).for_each(|unit| fill(unit, &of));
        }
        Mechanism::Patterns { patterns } => {
            let total: f64 = patterns.iter().map(|pattern| pattern.weight).sum();
            for index in 0..n {
                let mut left = stream.item(index, 1).unit() * total;
                // Rounding may leave a little after the last.
                let chosen = patterns.iter().find(|pattern| {
                    left -= pattern.weight;
                    left < 0.0
                });
                for name in chosen.map_or(&[][..], |pattern| &pattern.missing) {
                    if let Some(unit) = names.iter().position(|known| known == name) {
                        missing[index * width + unit] = true;
                    }
                }
            }
        }
    }
    Ok(missing)
}

/// Probabilities σ(a + strength · z) of the standardised drivers z, with a such that their mean is `rate`. A driver that
/// is NaN counts as the mean.
fn logistic(drivers: &[f64], rate: f64, strength: f64) -> Vec<f64> {
    let known: Vec<f64> = drivers.iter().copied().filter(|value| value.is_finite()).collect();
    let count = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / count;
    let deviation = (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let scale = if deviation > 0.0 { strength / deviation } else { 0.0 };
    let scores: Vec<f64> =
        drivers.iter().map(|&value| if value.is_finite() { (value - mean) * scale } else { 0.0 }).collect();
    let at = |shift: f64| scores.iter().map(move |score| 1.0 / (1.0 + (-(shift + score)).exp()));
    if rate <= 0.0 || rate >= 1.0 {
        return vec![rate; scores.len()];
    }
    let widest = scores.iter().fold(0.0f64, |widest, score| widest.max(score.abs()));
    // The mean grows with the shift: halve the interval until a double cannot be halved further.
    let (mut low, mut high) = (-widest - 40.0, widest + 40.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        let mean = at(middle).sum::<f64>() / scores.len().max(1) as f64;
        if mean < rate { low = middle } else { high = middle }
    }
    at((low + high) / 2.0).collect()
}

/// A modality, and one of its columns.
#[derive(Clone, Copy)]
struct Driver {
    modality: usize,
    column: Option<usize>,
}

fn driver_place(samples: &dyn Samples, name: &str) -> Result<Driver, MechanismError> {
    let schema = samples.schema();
    if let Some(modality) = schema.modality_index(name) {
        return Ok(Driver { modality, column: None });
    }
    // Both names may hold points.
    let found = schema.modalities().iter().enumerate().find_map(|(modality, known)| {
        let column = name.strip_prefix(known.name())?.strip_prefix('.')?;
        let column = known.columns()?.iter().position(|c| c.name() == column)?;
        Some(Driver { modality, column: Some(column) })
    });
    found.ok_or_else(|| {
        let known = schema.modalities().iter().map(|m| m.name().to_owned()).collect();
        MechanismError::NoSuchName { field: "by", found: name.to_owned(), known }
    })
}

fn driver(samples: &dyn Samples, place: Driver) -> Result<Vec<f64>, MechanismError> {
    let Some(column) = place.column else { return mean_values(samples, place.modality) };
    let table = read_table(samples, place.modality)?;
    let width = table.len() / samples.len().max(1);
    Ok(table.iter().skip(column).step_by(width.max(1)).map(|&value| f64::from(value)).collect())
}

/// The mean of what each sample has of a modality; NaN where it has nothing.
fn mean_values(samples: &dyn Samples, modality: usize) -> Result<Vec<f64>, MechanismError> {
    let values = samples.schema().modalities().get(modality).map_or(0, |found| found.kind().values());
    let mean = |index: usize| {
        if !samples.observed(index).contains(modality) {
            return Ok(f64::NAN);
        }
        let mut out = vec![0.0; values];
        samples.read(index, modality, &mut out)?;
        let known: Vec<f64> = out.into_iter().filter(|value| !value.is_nan()).map(f64::from).collect();
        Ok(known.iter().sum::<f64>() / known.len() as f64)
    };
    (0..samples.len()).into_par_iter().map(mean).collect()
}

/// `[samples, columns]`, NaN where there is nothing.
fn read_table(samples: &dyn Samples, modality: usize) -> Result<Vec<f32>, MechanismError> {
    let width = samples.schema().modalities().get(modality).map_or(0, |found| found.kind().values());
    let mut table = vec![f32::NAN; samples.len() * width];
    let rows = table.par_chunks_exact_mut(width.max(1)).enumerate();
    rows.filter(|(index, _)| samples.observed(*index).contains(modality))
        .try_for_each(|(index, row)| samples.read(index, modality, row))?;
    Ok(table)
}

impl Mechanism {
    fn check(&self, samples: &dyn Samples, names: &[String]) -> Result<(), MechanismError> {
        let rate = |rate: f64| match (0.0..=1.0).contains(&rate) {
            true => Ok(()),
            false => Err(MechanismError::Rate { found: rate }),
        };
        let finite = |strength: f64| match strength.is_finite() {
            true => Ok(()),
            false => Err(MechanismError::Strength { found: strength }),
        };
        let known = |field, name: &String, known: &[String]| match known.contains(name) {
            true => Ok(()),
            false => Err(MechanismError::NoSuchName { field, found: name.clone(), known: known.to_vec() }),
        };
        match self {
            Self::Completely { rate: found } | Self::Exactly { rate: found } => rate(*found),
            Self::GivenObserved { rate: found, strength, .. } | Self::ByValue { rate: found, strength } => {
                rate(*found).and_then(|()| finite(*strength))
            }
            Self::ByLabel { rates } => rates.iter().try_for_each(|(class, &found)| {
                known("rates", class, samples.schema().classes()).and_then(|()| rate(found))
            }),
            Self::Patterns { patterns } => {
                for pattern in patterns {
                    // Written so that NaN is refused, too.
                    if !(pattern.weight >= 0.0 && pattern.weight.is_finite()) {
                        return Err(MechanismError::Weight { found: pattern.weight });
                    }
                    pattern.missing.iter().try_for_each(|name| known("patterns", name, names))?;
                }
                match patterns.iter().any(|pattern| pattern.weight > 0.0) {
                    true => Ok(()),
                    false => Err(MechanismError::NoPattern),
                }
            }
        }
    }
}

/// Why a mechanism cannot be applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MechanismError {
    /// Not a probability.
    #[error("missing rate {found}, wanted a number from 0 to 1")]
    Rate {
        /// What it is.
        found: f64,
    },
    /// Not finite.
    #[error("strength {found}, wanted a finite number; 0 is completely at random")]
    Strength {
        /// What it is.
        found: f64,
    },
    /// A weight below 0.
    #[error("a pattern has weight {found}, wanted a finite number from 0")]
    Weight {
        /// What it is.
        found: f64,
    },
    /// Nothing to choose from.
    #[error("no pattern has a weight above 0, name at least one")]
    NoPattern,
    /// A name that the samples do not have.
    #[error("{field} names {found:?}, the samples have {}", known.join(", "))]
    NoSuchName {
        /// The setting.
        field: &'static str,
        /// The name.
        found: String,
        /// Names that are there.
        known: Vec<String>,
    },
    /// Entries of something that is no table.
    #[error("modality {found} is no table, so it has no single entries; draw whole modalities instead")]
    NoTable {
        /// The modality.
        found: String,
    },
    /// A driver that goes missing itself.
    #[error(
        "by names {found:?}, the table whose entries go missing, so it would not be observed; \
         name one of its columns ({}), or another modality",
        columns.iter().map(|column| format!("{found}.{column}")).collect::<Vec<_>>().join(", ")
    )]
    OwnDriver {
        /// The table.
        found: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// A value that the mechanism needs cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
