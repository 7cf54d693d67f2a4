//! The tables of recovery models in an experiment file, one struct each, before the check.

use dymo_impute::ChainSettings;
use dymo_models::recovery::{Draw, GuidedSettings, MopoeSettings, TipSettings};
use serde::{Deserialize, Serialize};

use super::schedule::{self, ScheduleTable};
use super::tables::at_least_one;
use super::{Problem, RecoveryKind};

/// `[recovery.*]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoveryTable {
    /// `[recovery.guided]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guided: Option<GuidedTable>,
    /// `[recovery.mopoe]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mopoe: Option<MopoeTable>,
    /// `[recovery.retrieval]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<RetrievalTable>,
    /// `[recovery.tip]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<TipTable>,
    /// `[recovery.imi]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imi: Option<ImiTable>,
    /// `[recovery.mean]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<MeanTable>,
    /// `[recovery.neighbours]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<NeighboursTable>,
    /// `[recovery.hot-deck]`
    #[serde(rename = "hot-deck", skip_serializing_if = "Option::is_none")]
    pub hot_deck: Option<HotDeckTable>,
}

impl RecoveryTable {
    /// Whether the file asks for this model.
    pub fn has(&self, kind: RecoveryKind) -> bool {
        match kind {
            RecoveryKind::Guided => self.guided.is_some(),
            RecoveryKind::Mopoe => self.mopoe.is_some(),
            RecoveryKind::Retrieval => self.retrieval.is_some(),
            RecoveryKind::Tip => self.tip.is_some(),
            RecoveryKind::Imi => self.imi.is_some(),
            RecoveryKind::Mean => self.mean.is_some(),
            RecoveryKind::Neighbours => self.neighbours.is_some(),
            RecoveryKind::HotDeck => self.hot_deck.is_some(),
        }
    }

    /// Asks for a model with its defaults, unless the file says more of it.
    pub fn add(&mut self, kind: RecoveryKind) {
        match kind {
            RecoveryKind::Guided => _ = self.guided.get_or_insert_default(),
            RecoveryKind::Mopoe => _ = self.mopoe.get_or_insert_default(),
            RecoveryKind::Retrieval => _ = self.retrieval.get_or_insert_default(),
            RecoveryKind::Tip => _ = self.tip.get_or_insert_default(),
            RecoveryKind::Imi => _ = self.imi.get_or_insert_default(),
            RecoveryKind::Mean => _ = self.mean.get_or_insert_default(),
            RecoveryKind::Neighbours => _ = self.neighbours.get_or_insert_default(),
            RecoveryKind::HotDeck => _ = self.hot_deck.get_or_insert_default(),
        }
    }

    /// The schedule of a model that learns step by step; `None` for others, and for one that the file does not ask for.
    pub fn schedule_mut(&mut self, kind: RecoveryKind) -> Option<&mut ScheduleTable> {
        match kind {
            RecoveryKind::Guided => self.guided.as_mut().map(|t| &mut t.schedule),
            RecoveryKind::Mopoe => self.mopoe.as_mut().map(|t| &mut t.schedule),
            RecoveryKind::Tip => self.tip.as_mut().map(|t| &mut t.schedule),
            _ => None,
        }
    }
}

/// `[recovery.guided]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuidedTable {
    /// Candidates for each missing modality: so many draws. More than one needs `draw = "sample"` in the model.
    pub draws: usize,
    /// `[recovery.guided.model]`
    pub model: GuidedSettings,
    /// `[recovery.guided.schedule]`
    pub schedule: ScheduleTable,
}

impl Default for GuidedTable {
    fn default() -> Self {
        Self { draws: 1, model: GuidedSettings::default(), schedule: ScheduleTable::default() }
    }
}

/// `[recovery.mopoe]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MopoeTable {
    /// Candidates for each missing modality: so many draws. More than one needs `draw = "sample"` in the model.
    pub draws: usize,
    /// `[recovery.mopoe.model]`
    pub model: MopoeSettings,
    /// `[recovery.mopoe.schedule]`
    pub schedule: ScheduleTable,
}

impl Default for MopoeTable {
    fn default() -> Self {
        Self { draws: 1, model: MopoeSettings::default(), schedule: ScheduleTable::default() }
    }
}

/// `[recovery.retrieval]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrievalTable {
    /// Candidates for each missing modality: so many draws. More than one needs several neighbours.
    pub draws: usize,
    /// One of so many nearest training samples is taken; 1 is the nearest itself.
    pub neighbours: usize,
    /// At most so many complete training samples are kept in the model folder and retrieved from.
    pub train_limit: usize,
}

impl Default for RetrievalTable {
    fn default() -> Self {
        Self { draws: 1, neighbours: 1, train_limit: 10_000 }
    }
}

/// `[recovery.tip]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TipTable {
    /// `[recovery.tip.model]`
    pub model: TipSettings,
    /// `[recovery.tip.schedule]`
    pub schedule: ScheduleTable,
}

/// `[recovery.imi]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImiTable {
    /// Fit on at most so many training samples that have a table.
    pub train_limit: usize,
    /// `[recovery.imi.model]`
    pub model: ChainSettings,
}

impl Default for ImiTable {
    fn default() -> Self {
        Self { train_limit: 10_000, model: ChainSettings::default() }
    }
}

/// `[recovery.mean]`: nothing to set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeanTable {}

/// `[recovery.neighbours]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NeighboursTable {
    /// Mean and mode of so many nearest training samples; 1 is the nearest itself.
    pub neighbours: usize,
    /// So many training samples are kept in the model folder, drawn by the seed.
    pub train_limit: usize,
}

impl Default for NeighboursTable {
    fn default() -> Self {
        Self { neighbours: 5, train_limit: 1000 }
    }
}

/// `[recovery.hot-deck]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HotDeckTable {
    /// Candidates for each missing modality: so many draws.
    pub draws: usize,
    /// So many training samples are kept in the model folder, drawn by the seed.
    pub train_limit: usize,
}

impl Default for HotDeckTable {
    fn default() -> Self {
        Self { draws: 1, train_limit: 1000 }
    }
}

impl RecoveryTable {
    /// Fills in every default; the guided model if no other is asked for.
    pub(super) fn complete(&mut self) {
        if !RecoveryKind::ALL.into_iter().any(|kind| self.has(kind)) {
            self.add(RecoveryKind::Guided);
        }
        let defaults = [
            (RecoveryKind::Guided, schedule::guided()),
            (RecoveryKind::Mopoe, schedule::mopoe()),
            (RecoveryKind::Tip, schedule::tip()),
        ];
        for (kind, default) in defaults {
            if let Some(schedule) = self.schedule_mut(kind) {
                *schedule = schedule.completed(&default);
            }
        }
    }

    /// The first value that cannot be.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(guided) = &self.guided {
            guided.schedule.check("recovery.guided.schedule")?;
            let weight = guided.model.label_weight;
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Problem::value("recovery.guided.model.label_weight", weight, "a number from 0"));
            }
        }
        if let Some(mopoe) = &self.mopoe {
            mopoe.schedule.check("recovery.mopoe.schedule")?;
        }
        if let Some(retrieval) = &self.retrieval {
            at_least_one("recovery.retrieval.neighbours", Some(retrieval.neighbours))?;
            at_least_one("recovery.retrieval.train_limit", Some(retrieval.train_limit))?;
        }
        self.check_draws()?;
        self.check_tables()
    }

    /// How often a model draws each missing modality.
    pub fn draws(&self, kind: RecoveryKind) -> usize {
        let draws = match kind {
            RecoveryKind::Guided => self.guided.as_ref().map(|t| t.draws),
            RecoveryKind::Mopoe => self.mopoe.as_ref().map(|t| t.draws),
            RecoveryKind::Retrieval => self.retrieval.as_ref().map(|t| t.draws),
            RecoveryKind::HotDeck => self.hot_deck.as_ref().map(|t| t.draws),
            RecoveryKind::Tip | RecoveryKind::Imi | RecoveryKind::Mean | RecoveryKind::Neighbours => None,
        };
        draws.unwrap_or(1)
    }

    /// Several draws of a model that does not draw are the same candidate.
    fn check_draws(&self) -> Result<(), Problem> {
        let sampled = |draw: Draw| draw == Draw::Sample;
        let guided = self.guided.as_ref().is_none_or(|t| sampled(t.model.draw));
        let mopoe = self.mopoe.as_ref().is_none_or(|t| sampled(t.model.draw));
        let retrieval = self.retrieval.as_ref().is_none_or(|t| t.neighbours > 1);
        for (kind, draws_differ, wanted) in [
            (RecoveryKind::Guided, guided, "1, or draw = \"sample\" in [recovery.guided.model]"),
            (RecoveryKind::Mopoe, mopoe, "1, or draw = \"sample\" in [recovery.mopoe.model]"),
            (RecoveryKind::Retrieval, retrieval, "1, or several neighbours in [recovery.retrieval]"),
            (RecoveryKind::HotDeck, true, ""),
        ] {
            let (field, draws) = (format!("recovery.{kind}.draws"), self.draws(kind));
            at_least_one(&field, Some(draws))?;
            if draws > 1 && !draws_differ {
                return Err(Problem::value(field, draws, wanted));
            }
        }
        Ok(())
    }

    /// What the models for tables and the baselines are told.
    fn check_tables(&self) -> Result<(), Problem> {
        if let Some(TipTable { model, schedule }) = &self.tip {
            schedule.check("recovery.tip.schedule")?;
            let field = |name: &str| format!("recovery.tip.model.{name}");
            for (name, share, least) in [
                ("hidden", model.hidden, f64::MIN_POSITIVE),
                ("whole", model.whole, 0.0),
                ("corrupted", model.corrupted, 0.0),
            ] {
                if !(least..=1.0).contains(&share) {
                    let wanted = if least > 0.0 { "a share above 0, at most 1" } else { "a share from 0 to 1" };
                    return Err(Problem::value(field(name), share, wanted));
                }
            }
            if !(model.temperature.is_finite() && model.temperature > 0.0) {
                return Err(Problem::value(field("temperature"), model.temperature, "a number above 0"));
            }
        }
        if let Some(ImiTable { train_limit, model }) = &self.imi {
            at_least_one("recovery.imi.train_limit", Some(*train_limit))?;
            at_least_one("recovery.imi.model.rounds", Some(model.rounds))?;
            if !(model.penalty.is_finite() && model.penalty > 0.0) {
                return Err(Problem::value("recovery.imi.model.penalty", model.penalty, "a number above 0"));
            }
            if !(model.tolerance.is_finite() && model.tolerance >= 0.0) {
                return Err(Problem::value("recovery.imi.model.tolerance", model.tolerance, "a number from 0"));
            }
        }
        if let Some(NeighboursTable { neighbours, train_limit }) = &self.neighbours {
            at_least_one("recovery.neighbours.neighbours", Some(*neighbours))?;
            at_least_one("recovery.neighbours.train_limit", Some(*train_limit))?;
        }
        at_least_one("recovery.hot-deck.train_limit", self.hot_deck.as_ref().map(|table| table.train_limit))
    }
}
