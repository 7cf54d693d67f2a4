//! Each arm of the paper on a scorer whose answers are written down, with every question it asked.

use std::fmt;

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Edges, Evidence};
use dymo_select::{Query, Sample, Score, Scorer, SelectError, Selector, Verdict};

/// Quality by subset, typicality 1 unless given; the subset's bits are the predicted class.
struct Written {
    answers: Vec<(ModalitySet, f32, f32)>,
    asked: Vec<Vec<Query>>,
}

impl Written {
    fn new(answers: &[(u32, f32)]) -> Self {
        let set = ModalitySet::from_bits;
        let answers = answers.iter().map(|&(bits, quality)| (set(bits), quality, 1.0)).collect();
        Self { answers, asked: Vec::new() }
    }

    fn sizes(&self) -> Vec<usize> {
        self.asked.iter().map(Vec::len).collect()
    }
}

#[derive(Debug, PartialEq)]
struct Unwritten(ModalitySet);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is written for {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

impl Scorer for Written {
    type Error = Unwritten;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Unwritten> {
        self.asked.push(queries.to_vec());
        let answer = |query: &Query| {
            let found = self.answers.iter().find(|(subset, ..)| *subset == query.subset);
            let &(subset, quality, typicality) = found.ok_or(Unwritten(query.subset))?;
            let evidence = Evidence { quality, typicality };
            Ok(Score { predicted: subset.bits() as usize, evidence })
        };
        queries.iter().map(answer).collect()
    }
}

/// Modality 0 is observed, 1 and 2 are recovered.
fn sample() -> Sample {
    Sample::with_rest_recovered(ModalitySet::single(0), 3).unwrap()
}

/// Each helps alone, together they harm.
const RIVALS: [(u32, f32); 4] = [(0b001, 0.5), (0b011, 0.7), (0b101, 0.8), (0b111, 0.6)];

#[test]
fn discard_and_fuse_all_ask_once() {
    let mut scorer = Written::new(&RIVALS);
    let discarded = Selector::discard().select(&mut scorer, &[sample()]).unwrap();
    assert_eq!((discarded[0].predicted(), discarded[0].rounds.len()), (0b001, 0));
    assert_eq!(discarded[0].before, Some(discarded[0].after));
    let fused = Selector::fuse_all().select(&mut scorer, &[sample()]).unwrap();
    assert_eq!((fused[0].predicted(), fused[0].before), (0b111, None));
    assert_eq!(scorer.sizes(), [1, 1]);
}

#[test]
fn one_shot_lets_in_all_gains_and_asks_for_their_union() {
    let mut scorer = Written::new(&RIVALS);
    let decision = Selector::one_shot(Calibration::None).select(&mut scorer, &[sample()]).unwrap().remove(0);
    assert_eq!(decision.final_subset.bits(), 0b111);
    assert_eq!(decision.after.evidence.quality, 0.6);
    assert_eq!(scorer.sizes(), [1, 2, 1]);
}

#[test]
fn one_shot_with_one_gain_needs_no_third_call() {
    let mut scorer = Written::new(&[(0b001, 0.5), (0b011, 0.7), (0b101, 0.4)]);
    let decision = Selector::one_shot(Calibration::None).select(&mut scorer, &[sample()]).unwrap().remove(0);
    assert_eq!(decision.predicted(), 0b011);
    assert_eq!(scorer.sizes(), [1, 2]);
}

#[test]
fn iterative_asks_again_and_never_asks_the_same_twice() {
    let mut scorer = Written::new(&RIVALS);
    let decision = Selector::iterative().select(&mut scorer, &[sample()]).unwrap().remove(0);
    assert_eq!(decision.final_subset.bits(), 0b101);
    let verdicts: Vec<_> = decision.rounds.iter().flat_map(|r| &r.candidates).map(|c| c.verdict).collect();
    assert_eq!(verdicts, [Verdict::Kept, Verdict::Accepted, Verdict::Rejected]);
    assert_eq!(scorer.sizes(), [1, 2, 1]);
    assert_eq!(decision.rounds[1].before, decision.rounds[0].candidates[1].score);
}

#[test]
fn the_first_of_equals_joins_and_zero_is_no_gain() {
    let mut scorer = Written::new(&[(0b001, 0.5), (0b011, 0.7), (0b101, 0.7), (0b111, 0.7)]);
    let decision = Selector::iterative().select(&mut scorer, &[sample()]).unwrap().remove(0);
    assert_eq!(decision.final_subset.bits(), 0b011);
    assert_eq!(decision.rounds[1].candidates[0].verdict, Verdict::Neutral);
}

#[test]
fn calibration_can_turn_a_choice_around() {
    let answers = |mut scorer: Written| {
        scorer.answers[1].2 = 0.25;
        scorer
    };
    let select = |selector: Selector| {
        let mut scorer = answers(Written::new(&[(0b001, 0.5), (0b011, 0.9), (0b101, 0.6), (0b111, 0.4)]));
        selector.select(&mut scorer, &[sample()]).unwrap().remove(0)
    };
    assert_eq!(select(Selector::iterative()).final_subset.bits(), 0b011);
    let calibrated = select(Selector::dymo(Calibration::Ratio));
    assert_eq!(calibrated.final_subset.bits(), 0b101);
    assert_eq!(calibrated.rounds[0].candidates[0].verdict, Verdict::Rejected);
    assert!(calibrated.rounds[0].reason(1).unwrap().contains("scaled by 0.25"));
    assert_eq!(calibrated.rounds[0].reason(0), None);
}

#[test]
fn nan_is_rejected_as_defined_and_preferred_as_published() {
    let answers = [(0b001, 0.5), (0b011, 0.9), (0b101, f32::NAN), (0b111, 0.4)];
    let select = |edges| {
        let selector = Selector::iterative().with_edges(edges);
        selector.select(&mut Written::new(&answers), &[sample()]).unwrap().remove(0)
    };
    assert_eq!(select(Edges::Defined).final_subset.bits(), 0b011);
    // After that every reward is NaN, and NaN is again preferred.
    assert_eq!(select(Edges::Published).final_subset.bits(), 0b111);
}

#[test]
fn a_sample_that_cannot_gain_enough_is_not_asked_about() {
    let sure = [(0b001, 0.96), (0b011, 0.97), (0b101, 0.99), (0b111, 1.0)];
    let select = |tau| {
        let mut scorer = Written::new(&sure);
        let decisions = Selector::iterative().with_min_gain(tau).select(&mut scorer, &[sample()]).unwrap();
        (decisions[0].final_subset.bits(), scorer.sizes())
    };
    assert_eq!(select(0.0), (0b111, vec![1, 2, 1]));
    assert_eq!(select(0.02), (0b101, vec![1, 2]));
    assert_eq!(select(0.05), (0b001, vec![1]));
}

#[test]
fn all_samples_share_a_call_and_the_finished_ask_no_more() {
    let mut scorer = Written::new(&RIVALS);
    let alone = Sample::new(ModalitySet::single(0), ModalitySet::EMPTY).unwrap();
    let decisions = Selector::iterative().select(&mut scorer, &[alone, sample(), sample()]).unwrap();
    assert!(decisions[0].rounds.is_empty());
    assert_eq!(scorer.sizes(), [3, 4, 2]);
    assert!(Selector::iterative().select(&mut scorer, &[]).unwrap().is_empty());
    assert_eq!(scorer.asked.len(), 3);
}

#[test]
fn errors_of_the_scorer_come_through() {
    let mut scorer = Written::new(&[(0b001, 0.5)]);
    let error = Selector::iterative().select(&mut scorer, &[sample()]).unwrap_err();
    assert_eq!(error, SelectError::Scorer(Unwritten(ModalitySet::from_bits(0b011))));
    assert_eq!(error.to_string(), "nothing is written for {0,1}");
    struct Short;
    impl Scorer for Short {
        type Error = Unwritten;
        fn score(&mut self, _: &[Query]) -> Result<Vec<Score>, Unwritten> {
            Ok(Vec::new())
        }
    }
    let error = Selector::discard().select(&mut Short, &[sample()]).unwrap_err();
    assert_eq!(error, SelectError::AnswerCount { asked: 1, found: 0 });
}

#[test]
fn a_decision_is_plain_data() {
    let decision = Selector::iterative().select(&mut Written::new(&RIVALS), &[sample()]).unwrap().remove(0);
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!(json["final_subset"], 5);
    assert_eq!(json["rounds"][0]["candidates"][1]["verdict"], "accepted");
    let settings = serde_json::to_string(&Selector::dymo(Calibration::RatioOfLogarithms)).unwrap();
    assert_eq!(
        settings,
        r#"{"rule":"iterative","calibration":"ratio-of-logarithms","edges":"defined","threshold":0.0,"min_gain":0.0}"#
    );
}
