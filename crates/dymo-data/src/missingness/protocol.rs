use dymo_core::ModalitySet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::stream::{Purpose, Stream};

/// How modalities are taken away from complete samples. In a settings file:
/// `kind = "bernoulli", rate = 0.8`, `kind = "exact-count", missing = 4` or `kind = "fixed", present = [0, 2]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Protocol {
    /// Each modality of each sample is missing with this probability, independently. A sample that would lose all
    /// keeps one, drawn uniformly; so the share that is missing is a little below `rate`: by rateᵐ / m.
    Bernoulli {
        /// From 0 to 1.
        rate: f64,
    },
    /// Exactly so many modalities of each sample are missing, every choice of them equally likely.
    ExactCount {
        /// Fewer than there are modalities.
        missing: usize,
    },
    /// Every sample keeps the same modalities.
    Fixed {
        /// Those that stay; in a file, a list of their numbers.
        #[serde(with = "members")]
        present: ModalitySet,
    },
}

impl Protocol {
    /// Whether it can be applied to samples of `m` modalities.
    ///
    /// # Errors
    /// A [`ProtocolError`] for the value that is wrong.
    pub fn check(self, m: usize) -> Result<(), ProtocolError> {
        if m == 0 || m > ModalitySet::MAX {
            return Err(ProtocolError::Modalities { found: m });
        }
        match self {
            // Written so that NaN is refused, too.
            Self::Bernoulli { rate } if !(0.0..=1.0).contains(&rate) => Err(ProtocolError::Rate { found: rate }),
            Self::ExactCount { missing } if missing >= m => Err(ProtocolError::Count { found: missing, modalities: m }),
            Self::Fixed { present } if present.is_empty() => Err(ProtocolError::NothingPresent),
            Self::Fixed { present } if !present.is_subset_of(ModalitySet::full(m)) => {
                Err(ProtocolError::NoSuchModality { found: present, modalities: m })
            }
            _ => Ok(()),
        }
    }

    /// What one sample keeps.
    fn present(self, m: usize, draws: &mut Stream) -> ModalitySet {
        match self {
            Self::Bernoulli { rate } => {
                let stays = |present: ModalitySet, i| match draws.unit() < rate {
                    true => present,
                    false => present.with(i),
                };
                let present = (0..m).fold(ModalitySet::EMPTY, stays);
                match present.is_empty() {
                    true => ModalitySet::single(draws.below(m)),
                    false => present,
                }
            }
            Self::ExactCount { missing } => {
                let mut order: Vec<usize> = (0..m).collect();
                draws.shuffle(&mut order);
                order[missing..].iter().copied().collect()
            }
            Self::Fixed { present } => present,
        }
    }
}

/// Most draws that one sample takes: one a modality, and one for the modality that is kept.
const DRAWS: usize = ModalitySet::MAX + 1;

/// The modalities present in each of `n` samples of `m` modalities: never none. A pure function of protocol, m, seed
/// and the sample's index; the first samples stay the same when n grows.
///
/// # Errors
/// As [`Protocol::check`].
pub fn draw(protocol: Protocol, n: usize, m: usize, seed: u64) -> Result<Vec<ModalitySet>, ProtocolError> {
    protocol.check(m)?;
    let stream = Stream::new(seed, Purpose::Missing, [0; 3]);
    let sample = |index| protocol.present(m, &mut stream.item(index, DRAWS));
    Ok((0..n).map(sample).collect())
}

/// A set as a list of numbers: what a person writes.
mod members {
    use dymo_core::ModalitySet;
    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serializer};

    pub(super) fn serialize<S: Serializer>(set: &ModalitySet, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(set.iter())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ModalitySet, D::Error> {
        let members = Vec::<usize>::deserialize(from)?;
        match members.iter().find(|&&i| i >= ModalitySet::MAX) {
            Some(i) => Err(D::Error::custom(format!(
                "modality {i} cannot be present, modalities are numbered from 0 to {}",
                ModalitySet::MAX - 1
            ))),
            None => Ok(members.into_iter().collect()),
        }
    }
}

/// Why a protocol cannot be applied.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// No modalities, or too many.
    #[error("{found} modalities, from 1 to {} are possible", ModalitySet::MAX)]
    Modalities {
        /// How many.
        found: usize,
    },
    /// Not a probability.
    #[error("missing rate {found}, wanted a number from 0 to 1")]
    Rate {
        /// What it is.
        found: f64,
    },
    /// Nothing would be left.
    #[error("{found} of {modalities} modalities missing would leave nothing, at most {} can be", modalities - 1)]
    Count {
        /// How many are to be missing.
        found: usize,
        /// How many there are.
        modalities: usize,
    },
    /// An empty set of modalities present.
    #[error("no modality is named as present, name at least one")]
    NothingPresent,
    /// A modality that the samples do not have.
    #[error("modalities {found} are to be present, there are {modalities} (counted from 0)")]
    NoSuchModality {
        /// What is to be present.
        found: ModalitySet,
        /// How many there are.
        modalities: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bernoulli(rate: f64, n: usize) -> Vec<ModalitySet> {
        draw(Protocol::Bernoulli { rate }, n, 5, 2025).unwrap()
    }

    #[test]
    fn bernoulli_misses_at_its_rate_less_what_is_kept() {
        for rate in [0.2, 0.4, 0.6, 0.8] {
            let sets = bernoulli(rate, 40_000);
            let missing = sets.iter().map(|s| 5 - s.len()).sum::<usize>() as f64 / 200_000.0;
            // rate⁵ of the samples lose all and keep one; standard error below 0.0012, six of them allowed.
            let expected = rate - rate.powi(5) / 5.0;
            assert!((missing - expected).abs() < 0.007, "{missing} at {rate}");
        }
    }

    #[test]
    fn bernoulli_keeps_one_uniformly_when_all_would_go() {
        let mut kept = [0; 5];
        for set in bernoulli(1.0, 10_000) {
            assert_eq!(set.len(), 1);
            kept[set.first().unwrap()] += 1;
        }
        assert!(kept.iter().all(|&n| (1_800..2_200).contains(&n)), "{kept:?}");
        assert!(bernoulli(0.0, 100).iter().all(|&set| set == ModalitySet::full(5)));
    }

    #[test]
    fn modalities_are_missing_independently() {
        let sets = bernoulli(0.4, 40_000);
        for (a, b) in [(0, 1), (1, 4), (2, 3)] {
            let both = sets.iter().filter(|s| !s.contains(a) && !s.contains(b)).count() as f64;
            assert!((both / 40_000.0 - 0.16).abs() < 0.01, "{both}");
        }
    }

    #[test]
    fn exact_count_is_exact_and_even() {
        let sets = draw(Protocol::ExactCount { missing: 3 }, 20_000, 5, 1).unwrap();
        assert!(sets.iter().all(|set| set.len() == 2));
        for pair in dymo_core::subsets(5).into_iter().filter(|s| s.len() == 2) {
            let n = sets.iter().filter(|&&set| set == pair).count();
            assert!((1_750..2_250).contains(&n), "{pair}: {n}");
        }
    }

    #[test]
    fn a_sample_depends_on_seed_and_index_alone() {
        let sets = bernoulli(0.5, 500);
        assert_eq!(bernoulli(0.5, 50), sets[..50]);
        assert_ne!(draw(Protocol::Bernoulli { rate: 0.5 }, 500, 5, 2026).unwrap(), sets);
        // A higher rate takes away more of the same sample: the draws are shared.
        let fewer = bernoulli(0.7, 500);
        let nested = sets.iter().zip(&fewer).filter(|(a, b)| b.is_subset_of(**a));
        assert!(nested.count() > 450);
    }

    #[test]
    fn one_refusal_per_rule() {
        let refused = |protocol: Protocol| draw(protocol, 3, 5, 0).unwrap_err();
        assert_eq!(refused(Protocol::Bernoulli { rate: 1.5 }), ProtocolError::Rate { found: 1.5 });
        assert!(matches!(refused(Protocol::Bernoulli { rate: f64::NAN }), ProtocolError::Rate { .. }));
        assert_eq!(refused(Protocol::ExactCount { missing: 5 }), ProtocolError::Count { found: 5, modalities: 5 });
        let fixed = |present| Protocol::Fixed { present };
        assert_eq!(refused(fixed(ModalitySet::EMPTY)), ProtocolError::NothingPresent);
        assert!(matches!(refused(fixed(ModalitySet::single(5))), ProtocolError::NoSuchModality { modalities: 5, .. }));
        assert_eq!(draw(Protocol::ExactCount { missing: 0 }, 1, 0, 0), Err(ProtocolError::Modalities { found: 0 }));
    }

    #[test]
    fn settings_name_the_members_of_a_fixed_set() {
        let fixed: Protocol = serde_json::from_str(r#"{"kind":"fixed","present":[0,2]}"#).unwrap();
        assert_eq!(fixed, Protocol::Fixed { present: ModalitySet::from_bits(5) });
        assert_eq!(serde_json::to_string(&fixed).unwrap(), r#"{"kind":"fixed","present":[0,2]}"#);
        let bad = serde_json::from_str::<Protocol>(r#"{"kind":"fixed","present":[32]}"#).unwrap_err();
        assert!(bad.to_string().contains("modality 32 cannot be present"), "{bad}");
        assert!(serde_json::from_str::<Protocol>(r#"{"kind":"bernoulli","rates":0.5}"#).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn something_is_always_present(rate in 0.0..=1.0f64, m in 1usize..=32, missing in 0usize..32, seed: u64) {
            let full = ModalitySet::full(m);
            for set in draw(Protocol::Bernoulli { rate }, 40, m, seed).unwrap() {
                prop_assert!(!set.is_empty() && set.is_subset_of(full));
            }
            let missing = missing % m;
            for set in draw(Protocol::ExactCount { missing }, 10, m, seed).unwrap() {
                prop_assert!(set.len() == m - missing && set.is_subset_of(full));
            }
        }
    }
}
