//! How an experiment is judged.

use dymo_core::{ModalitySet, Schema, subsets};
use dymo_data::missingness::Protocol;
use serde::{Deserialize, Serialize};

use super::Problem;
use super::missing::{Missing, MissingTable};
use super::tables::at_least_one;
use crate::evaluation::Arm;

/// Which part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// To fit.
    Train,
    /// To choose the best epoch.
    Validation,
    /// To report.
    #[default]
    Test,
}

/// Most modalities for which every pattern is a scenario: their number doubles with each.
const MOST_FOR_PATTERNS: usize = 8;

/// `[evaluation]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationTable {
    /// Which part of the data.
    pub split: SplitName,
    /// So many samples of it, whatever order they stand in; all without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Missing rates: each modality is missing with this probability (Bernoulli), one at least is left.
    pub rates: Vec<f64>,
    /// Exact numbers of missing modalities.
    pub counts: Vec<usize>,
    /// Fixed sets of observed modalities, by name.
    pub observed: Vec<Vec<String>>,
    /// Every set of observed modalities but the full one, each by itself; for at most eight modalities.
    pub patterns: bool,
    /// More ways in which something goes missing: for a reason, single entries of tables, or as a mask file says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingTable>,
    /// Where training samples lack modalities: also train the first metric's fusion network on the complete ones alone, and report what
    /// the others bring.
    pub compare_with_complete: bool,
    /// Ways to use what was recovered.
    pub arms: Vec<Arm>,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Level of its intervals.
    pub confidence: f64,
    /// Samples that recovered modalities are read of, to see how often they show the right class; 0 leaves it out.
    pub coherence_samples: usize,
    /// δ of the information bound.
    pub delta: f64,
    /// `[evaluation.gallery]`
    pub gallery: GalleryTable,
    /// `[evaluation.min_gain]`
    pub min_gain: MinGainTable,
}

impl Default for EvaluationTable {
    fn default() -> Self {
        Self {
            split: SplitName::Test,
            samples: None,
            rates: vec![0.2, 0.4, 0.6, 0.8],
            counts: Vec::new(),
            observed: Vec::new(),
            patterns: false,
            missing: Vec::new(),
            compare_with_complete: true,
            arms: Arm::ALL.to_vec(),
            resamples: 2000,
            confidence: 0.95,
            coherence_samples: 200,
            delta: 0.05,
            gallery: GalleryTable::default(),
            min_gain: MinGainTable::default(),
        }
    }
}

/// `[evaluation.gallery]`: how many samples of each story are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GalleryTable {
    /// Wrong before, right after.
    pub helped: usize,
    /// Right before and after.
    pub unmoved: usize,
    /// Right before, wrong after; or wrong although another way was right.
    pub failed: usize,
}

impl Default for GalleryTable {
    fn default() -> Self {
        Self { helped: 4, unmoved: 2, failed: 3 }
    }
}

/// `[evaluation.min_gain]`: the price of leaving samples alone that have little to gain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MinGainTable {
    /// Thresholds τ; an empty list leaves it out.
    pub thresholds: Vec<f64>,
    /// Samples that it is measured on.
    pub samples: usize,
}

impl Default for MinGainTable {
    fn default() -> Self {
        Self { thresholds: vec![0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5], samples: 1000 }
    }
}

/// One way in which modalities go missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name in records.
    pub protocol_name: String,
    /// Share of missing modalities; their number for an exact count. NaN where it is not known before something has gone missing: see
    /// [`Shown::rate`](super::Shown::rate).
    pub rate: f64,
    /// How something goes missing.
    pub missing: Missing,
}

impl Scenario {
    /// Each modality is missing with this probability.
    pub fn bernoulli(rate: f64) -> Self {
        Self { protocol_name: "bernoulli".into(), rate, missing: Missing::Protocol(Protocol::Bernoulli { rate }) }
    }
}

impl EvaluationTable {
    pub(super) fn check(&self) -> Result<(), Problem> {
        at_least_one("evaluation.samples", self.samples)?;
        at_least_one("evaluation.min_gain.samples", Some(self.min_gain.samples))?;
        let drawn = !self.rates.is_empty() || !self.counts.is_empty() || !self.observed.is_empty();
        if !drawn && !self.patterns && self.missing.is_empty() {
            return Err(Problem::value("evaluation.rates", "empty", "a rate, or one of counts, observed and missing"));
        }
        self.missing.iter().try_for_each(MissingTable::check)?;
        let names = self.missing.iter().map(|table| &table.name);
        if let Some(name) = names.clone().enumerate().find_map(|(i, a)| names.clone().take(i).find(|b| a == *b)) {
            return Err(Problem::value("evaluation.missing", format!("{name:?} twice"), "a name for each"));
        }
        for rate in &self.rates {
            if !(0.0..1.0).contains(rate) {
                return Err(Problem::value("evaluation.rates", rate, "numbers from 0 to below 1"));
            }
        }
        for tau in &self.min_gain.thresholds {
            if !(0.0..=1.0).contains(tau) {
                return Err(Problem::value("evaluation.min_gain.thresholds", tau, "numbers from 0 to 1"));
            }
        }
        let distinct = self.arms.iter().enumerate().all(|(i, a)| !self.arms[..i].contains(a));
        if self.arms.is_empty() || !distinct {
            let names: Vec<&str> = Arm::ALL.iter().map(|a| a.name()).collect();
            return Err(Problem::value(
                "evaluation.arms",
                "empty or repeats itself",
                format!("some of {}", names.join(", ")),
            ));
        }
        if !(1..=1_000_000).contains(&self.resamples) {
            return Err(Problem::value("evaluation.resamples", self.resamples, "a number from 1 to 1000000"));
        }
        for (field, value) in [("confidence", self.confidence), ("delta", self.delta)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Problem::value(format!("evaluation.{field}"), value, "a number between 0 and 1"));
            }
        }
        Ok(())
    }

    /// What goes missing, in the order rates, counts, fixed sets, patterns, mechanisms and mask files.
    pub(super) fn scenarios(&self, schema: &Schema) -> Result<Vec<Scenario>, Problem> {
        let m = schema.modalities().len();
        let rates = self.rates.iter().map(|rate| Ok(Scenario::bernoulli(*rate)));
        let counts = self.counts.iter().map(|missing| {
            let protocol = Protocol::ExactCount { missing: *missing };
            let missing_count = *missing as f64;
            Ok(Scenario { protocol_name: "exact".into(), rate: missing_count, missing: Missing::Protocol(protocol) })
        });
        let fixed = self.observed.iter().map(|names| fixed(names, schema));
        let patterns = match (self.patterns, m) {
            (false, _) => Vec::new(),
            (true, ..=MOST_FOR_PATTERNS) => subsets(m),
            (true, _) => {
                return Err(Problem::value(
                    "evaluation.patterns",
                    format!("true with {m} modalities"),
                    "at most eight modalities; name the sets of interest in evaluation.observed",
                ));
            }
        };
        let patterns = patterns.into_iter().map(|present| Ok(only(present, schema)));
        let tables = self.missing.iter().map(|table| {
            Ok(Scenario { protocol_name: table.name.clone(), rate: f64::NAN, missing: table.missing(schema)? })
        });
        let all =
            rates.chain(counts).chain(fixed).chain(patterns).chain(tables).collect::<Result<Vec<_>, Problem>>()?;
        for scenario in &all {
            if let Missing::Protocol(protocol) = scenario.missing {
                protocol.check(m).map_err(Problem::Protocol)?;
            }
        }
        Ok(all)
    }
}

fn fixed(names: &[String], schema: &Schema) -> Result<Scenario, Problem> {
    let index = |name: &String| {
        let unknown = || Problem::no_such_modality("evaluation.observed".into(), name, schema);
        schema.modality_index(name).ok_or_else(unknown)
    };
    let present: ModalitySet = names.iter().map(index).collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    Ok(only(present, schema))
}

/// These modalities and no others.
fn only(present: ModalitySet, schema: &Schema) -> Scenario {
    let m = schema.modalities().len();
    let names: Vec<&str> = present.iter().map(|i| schema.modalities()[i].name()).collect();
    Scenario {
        protocol_name: format!("only {}", names.join(" and ")),
        rate: (m - present.len()) as f64 / m as f64,
        missing: Missing::Protocol(Protocol::Fixed { present }),
    }
}
