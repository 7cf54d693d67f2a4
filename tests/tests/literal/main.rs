//! The fast path against a literal implementation: every query alone, every modality encoded again for it, absent tokens kept and
//! masked, and every number of the reward written out, all in double precision, one loop after another (method, sections 2 and 5).
//!
//! `PROPTEST_CASES=200 cargo test --release -p dymo-tests --test literal` tries more networks than a plain run.

mod forward;
mod random;
mod selection;

use burn::tensor::Device;
use dymo_core::ModalitySet;
use dymo_models::engine::{EngineError, Session};
use dymo_models::fusion::FusionNetwork;
use dymo_reward::{Calibration, ClassStatistics, Edges, Metric};
use dymo_select::{Decision, Query, Sample, Score, Scorer, Selector};
use dymo_tests::Recorded;
use proptest::prelude::*;

use forward::Literal;
use random::{Chance, network, samples, statistics};
use selection::Rule;

/// Largest difference of logits and features between single precision and double.
const BOUND: f64 = 2e-4;
/// Rewards, leads and differences of logits below this may be decided by rounding, which depends on the order of additions: such
/// samples are not compared.
const MARGIN: f32 = 1e-4;
/// Samples that are also decided upon literally, spread over the batch.
const LITERAL: usize = 24;

/// Networks tried, unless the environment asks for another number.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), ..ProptestConfig::default() }
}

struct Judge<'a> {
    session: Session<'a>,
    statistics: &'a ClassStatistics,
    edges: Edges,
}

impl Scorer for Judge<'_> {
    type Error = EngineError;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, EngineError> {
        let asked: Vec<_> = queries.iter().map(|q| (q.sample, q.subset)).collect();
        let answers = self.session.answer(&asked)?;
        let judge = |((_, subset), a): (&(usize, ModalitySet), dymo_models::engine::Answer)| {
            Score::from(self.statistics.evidence(*subset, &a.logits, &a.feature, self.edges).expect("evidence"))
        };
        Ok(asked.iter().zip(answers).map(judge).collect())
    }
}

/// What was decided about a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The modality taken in each round.
    pub actions: Vec<Option<usize>>,
    /// What was fused in the end.
    pub subset: ModalitySet,
    /// The class.
    pub predicted: usize,
}

impl Made {
    fn of(decision: &Decision) -> Self {
        let actions = decision.rounds.iter().map(|round| round.accepted().first()).collect();
        Self { actions, subset: decision.final_subset, predicted: decision.predicted() }
    }
}

/// Everything decided on one batch.
fn fast(
    network: &FusionNetwork,
    (statistics, edges): (&ClassStatistics, Edges),
    recorded: &Recorded,
    present: &[ModalitySet],
    first: usize,
) -> Vec<Decision> {
    // The recorded inputs are asked for by place: shift them to this batch.
    let shifted = Recorded {
        inputs: recorded.inputs.iter().map(|all| rotated(all, recorded.samples, first)).collect(),
        samples: recorded.samples,
        device: recorded.device.clone(),
    };
    let ids: Vec<u64> = (0..present.len() as u64).collect();
    let session = Session::new(network, &shifted, &shifted, present, &ids, Device::flex());
    let samples: Vec<Sample> = present
        .iter()
        .map(|p| Sample::with_rest_recovered(*p, statistics.modalities()).expect("something is observed"))
        .collect();
    let selector = Selector::dymo(Calibration::default_for(statistics.metric())).with_edges(edges);
    selector.select(&mut Judge { session, statistics, edges }, &samples).expect("decisions")
}

/// The rows of a table from `first` on, then those before.
fn rotated(all: &[f32], rows: usize, first: usize) -> Vec<f32> {
    let at = all.len() / rows * first;
    [&all[at..], &all[..at]].concat()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn decisions_are_those_of_the_literal_method_however_samples_are_batched(
        seed: u64,
        modalities in 1usize..=8,
        cosine: bool,
        published: bool,
        batch in prop_oneof![1usize..=8, 9usize..=512],
        chunk in 1usize..=64,
    ) {
        let mut chance = Chance::new(seed);
        let metric = if cosine { Metric::Cosine } else { Metric::Euclid };
        let (network, heads) = network(&mut chance, modalities, metric);
        let edges = if published { Edges::Published } else { Edges::Defined };
        let statistics = statistics(&mut chance, network.layout(), metric, edges);
        let present: Vec<ModalitySet> = (0..batch).map(|_| chance.subset(modalities)).collect();
        let inputs = network.layout().inputs().iter().map(|i| samples(&mut chance, &i.kind, batch)).collect();
        let recorded = Recorded { inputs, samples: batch, device: Device::flex() };

        let whole = fast(&network, (&statistics, edges), &recorded, &present, 0);
        let mut pieces = Vec::new();
        for (place, present) in present.chunks(chunk).enumerate() {
            pieces.extend(fast(&network, (&statistics, edges), &recorded, present, place * chunk));
        }
        let literal = Literal::new(&network, heads);
        let rule = Rule { literal: &literal, statistics: &statistics, edges };
        let step = batch.div_ceil(LITERAL);
        let offset = chance.below(step);
        for (sample, observed) in present.iter().copied().enumerate() {
            let (ours, again) = (Made::of(&whole[sample]), Made::of(&pieces[sample]));
            // The literal route is slow: it is asked about some samples, and wherever two batches differ.
            if sample % step != offset && ours == again {
                continue;
            }
            let row = |all: &Vec<f32>| all.chunks_exact(all.len() / batch).nth(sample).unwrap_or(&[]).to_vec();
            let inputs: Vec<Vec<f32>> = recorded.inputs.iter().map(row).collect();
            let found = rule.decide(&inputs, observed);
            if found.clear {
                prop_assert_eq!(&ours, &found.made, "sample {}", sample);
                prop_assert_eq!(&again, &found.made, "sample {} of {} in batches of {}", sample, batch, chunk);
                prop_assert_eq!(found.differs(&whole[sample]), None, "sample {}", sample);
            }
        }
    }

    #[test]
    fn answers_are_those_of_the_literal_network(seed: u64, modalities in 1usize..=8, cosine: bool) {
        let mut chance = Chance::new(seed);
        let (network, heads) = network(&mut chance, modalities, if cosine { Metric::Cosine } else { Metric::Euclid });
        let literal = Literal::new(&network, heads);
        let inputs: Vec<Vec<f32>> = network.layout().inputs().iter().map(|i| samples(&mut chance, &i.kind, 1)).collect();
        let recorded = Recorded { inputs: inputs.clone(), samples: 1, device: Device::flex() };
        let (present, ids) = ([ModalitySet::full(modalities)], [0]);
        let mut session = Session::new(&network, &recorded, &recorded, &present, &ids, Device::flex());
        for _ in 0..3 {
            let subset = chance.subset(modalities);
            let ours = session.answer(&[(0, subset)]).expect("an answer");
            let (logits, feature) = literal.answer(&inputs, subset);
            for (a, b) in ours[0].logits.iter().chain(&ours[0].feature).zip(logits.iter().chain(&feature)) {
                prop_assert!((f64::from(*a) - b).abs() <= BOUND * (1.0 + b.abs()), "{} against {}", a, b);
            }
        }
    }
}

/// The comparison above would say nothing if rounding decided most samples.
#[test]
fn most_samples_are_compared() {
    for (metric, edges) in
        [Metric::Cosine, Metric::Euclid].into_iter().flat_map(|m| [(m, Edges::Defined), (m, Edges::Published)])
    {
        let (mut clear, mut accepted, mut all) = (0, 0, 0);
        for seed in 0..12 {
            let mut chance = Chance::new(seed);
            let (network, heads) = network(&mut chance, 4, metric);
            let statistics = statistics(&mut chance, network.layout(), metric, edges);
            let literal = Literal::new(&network, heads);
            let rule = Rule { literal: &literal, statistics: &statistics, edges };
            for _ in 0..8 {
                let layout = network.layout();
                let inputs: Vec<Vec<f32>> = layout.inputs().iter().map(|i| samples(&mut chance, &i.kind, 1)).collect();
                let found = rule.decide(&inputs, chance.subset(4));
                all += 1;
                clear += usize::from(found.clear);
                accepted += if found.clear { found.made.actions.iter().flatten().count() } else { 0 };
            }
        }
        assert!(
            clear * 3 >= all * 2 && accepted * 6 >= all,
            "{metric:?} {edges:?}: {clear} of {all}, {accepted} taken"
        );
    }
}
