//! A scorer that answers from a seeded hash: any sample, any subset, always the same answer.

use std::convert::Infallible;

use dymo_core::ModalitySet;
use dymo_reward::Evidence;
use dymo_select::{Query, Sample, Score, Scorer};
use proptest::prelude::*;

/// Answers are coarse, so that ties and zero rewards are common, and one in sixteen holds a NaN.
#[derive(Clone)]
pub struct Table {
    seed: u64,
    number: std::rc::Rc<dyn Fn(usize) -> usize>,
    /// How often it was asked.
    pub calls: usize,
}

impl Table {
    /// The answer, without counting a call.
    pub fn answer(&self, sample: usize, subset: ModalitySet) -> Score {
        let key = ((self.number)(sample) as u64) << 32 | u64::from(subset.bits());
        let bits = mix(self.seed ^ mix(key));
        let coarse = |shift: u32| ((bits >> shift) % 9) as f32 / 8.0;
        let (mut quality, mut typicality) = (coarse(0), coarse(16));
        match (bits >> 32) % 32 {
            0 => quality = f32::NAN,
            1 => typicality = f32::NAN,
            _ => {}
        }
        Score { predicted: (bits >> 40) as usize % 10, evidence: Evidence { quality, typicality } }
    }

    /// The same answers for samples that are numbered otherwise.
    pub fn renumbered(mut self, number: impl Fn(usize) -> usize + 'static) -> Self {
        self.number = std::rc::Rc::new(number);
        self
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table of seed {}", self.seed)
    }
}

impl Scorer for Table {
    type Error = Infallible;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Infallible> {
        assert!(!queries.is_empty(), "asked nothing");
        assert!(queries.iter().all(|query| !query.subset.is_empty()));
        self.calls += 1;
        Ok(queries.iter().map(|query| self.answer(query.sample, query.subset)).collect())
    }
}

/// Mixes all bits of a number into all bits of the result.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Up to 64 samples of up to 8 modalities, some of which may be neither observed nor recovered.
#[derive(Debug)]
pub struct Case {
    pub table: Table,
    pub modalities: usize,
    pub samples: Vec<Sample>,
}

pub fn case() -> impl Strategy<Value = Case> {
    (1usize..=8, any::<u64>(), prop::collection::vec((any::<u32>(), any::<u32>()), 1..=64)).prop_map(
        |(modalities, seed, drawn)| {
            let full = ModalitySet::full(modalities);
            let samples = drawn.into_iter().map(|(observed, recovered)| {
                let some = ModalitySet::from_bits(observed).intersection(full);
                let observed = if some.is_empty() { ModalitySet::single(0) } else { some };
                let rest = full.difference(observed);
                Sample::new(observed, ModalitySet::from_bits(recovered).intersection(rest)).unwrap()
            });
            let table = Table { seed, number: std::rc::Rc::new(|i| i), calls: 0 };
            Case { table, modalities, samples: samples.collect() }
        },
    )
}
