//! The recovery models by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Stage;

/// A recovery model that an experiment can have. The one table of them: a new one is one variant here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryKind {
    /// Label-guided shared–private autoencoder.
    Guided,
    /// MoPoE, as published.
    Mopoe,
    /// Nearest training samples in the fused feature; they are kept, nothing is learnt.
    Retrieval,
    /// TIP: tables from pictures.
    Tip,
    /// IMI: tables from tables, by chained regressions.
    Imi,
    /// Mean and mode: a baseline.
    Mean,
    /// Nearest training samples in what is observed: a baseline.
    Neighbours,
    /// A training sample at random, whatever its class: a baseline.
    HotDeck,
}

impl RecoveryKind {
    /// All, in the order of reports.
    pub const ALL: [Self; 8] =
        [Self::Guided, Self::Mopoe, Self::Retrieval, Self::Tip, Self::Imi, Self::Mean, Self::Neighbours, Self::HotDeck];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guided => "guided",
            Self::Mopoe => "mopoe",
            Self::Retrieval => "retrieval",
            Self::Tip => "tip",
            Self::Imi => "imi",
            Self::Mean => "mean",
            Self::Neighbours => "neighbours",
            Self::HotDeck => "hot-deck",
        }
    }

    /// The stage that trains it.
    pub fn stage(self) -> Stage {
        match self {
            Self::Guided => Stage::Guided,
            Self::Mopoe => Stage::Mopoe,
            Self::Retrieval => Stage::Retrieval,
            Self::Tip => Stage::Tip,
            Self::Imi => Stage::Imi,
            Self::Mean => Stage::Mean,
            Self::Neighbours => Stage::Neighbours,
            Self::HotDeck => Stage::HotDeck,
        }
    }
}

impl fmt::Display for RecoveryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RecoveryKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|k| k.name() == name).ok_or_else(|| format!("{name:?} is none of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one that comes after: the compiler asks for a new variant here, and the test for its place in the list.
    fn next(kind: RecoveryKind) -> Option<RecoveryKind> {
        match kind {
            RecoveryKind::Guided => Some(RecoveryKind::Mopoe),
            RecoveryKind::Mopoe => Some(RecoveryKind::Retrieval),
            RecoveryKind::Retrieval => Some(RecoveryKind::Tip),
            RecoveryKind::Tip => Some(RecoveryKind::Imi),
            RecoveryKind::Imi => Some(RecoveryKind::Mean),
            RecoveryKind::Mean => Some(RecoveryKind::Neighbours),
            RecoveryKind::Neighbours => Some(RecoveryKind::HotDeck),
            RecoveryKind::HotDeck => None,
        }
    }

    #[test]
    fn all_lists_every_model() {
        let chain: Vec<RecoveryKind> = std::iter::successors(Some(RecoveryKind::Guided), |kind| next(*kind)).collect();
        assert_eq!(chain, RecoveryKind::ALL);
    }
}
