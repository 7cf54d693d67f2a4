//! The rules that judge whole sets, against counting through all of them, and what they say about the greedy ones.

#[expect(dead_code, reason = "samples are not renumbered here")]
mod table;

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Evidence};
use dymo_select::{
    CompareError, Decision, MAX_EXACT, Query, Sample, Score, Scorer, SelectError, Selector, Slots, check_greedy,
};
use proptest::prelude::*;
use std::convert::Infallible;
use table::{Case, case};

const CALIBRATIONS: [Calibration; 3] = [Calibration::None, Calibration::RatioOfLogarithms, Calibration::Ratio];

/// The largest positive reward of any set, and the first set that has it; counted through by bits.
fn best_by_counting(case: &Case, sample: usize, it: Sample, calibration: Calibration) -> Option<(f32, ModalitySet)> {
    let before = case.table.answer(sample, it.observed()).evidence;
    let mut sets: Vec<ModalitySet> = (1u32..1 << case.modalities)
        .map(ModalitySet::from_bits)
        .filter(|set| set.is_subset_of(it.candidates()))
        .collect();
    sets.sort_by_key(|set| (set.len(), set.iter().collect::<Vec<_>>()));
    let mut best: Option<(f32, ModalitySet)> = None;
    for set in sets {
        let reward = calibration.reward(before, case.table.answer(sample, it.observed().union(set)).evidence);
        if reward > best.map_or(0.0, |b| b.0) {
            best = Some((reward, set));
        }
    }
    best
}

fn select(case: &Case, selector: Selector) -> Vec<Decision> {
    selector.select(&mut case.table.clone(), &case.samples).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exact_is_the_best_of_all_sets(case in case()) {
        for calibration in CALIBRATIONS {
            for (i, (decision, it)) in select(&case, Selector::exact(calibration)).iter().zip(&case.samples).enumerate() {
                let best = best_by_counting(&case, i, *it, calibration);
                prop_assert_eq!(decision.accepted(), best.map_or(ModalitySet::EMPTY, |b| b.1));
                prop_assert_eq!(decision.objective(calibration).map(|r| r.max(0.0)), Some(best.map_or(0.0, |b| b.0)));
                prop_assert_eq!(decision.tried.len() + 1, 1 << it.candidates().len());
                prop_assert!(decision.tried.iter().all(|set| set.added.is_subset_of(it.candidates())));
                prop_assert!(!decision.in_words().is_empty());
            }
        }
    }

    #[test]
    fn exact_is_never_below_greedy_in_its_own_objective(case in case()) {
        for calibration in CALIBRATIONS {
            let exact = select(&case, Selector::exact(calibration));
            for greedy in [Selector::dymo(calibration), Selector::one_shot(calibration), Selector::beam(calibration, 2)] {
                let greedy = select(&case, greedy);
                for (exact, greedy) in exact.iter().zip(&greedy) {
                    let (best, ours) = (exact.objective(calibration).unwrap(), greedy.objective(calibration).unwrap());
                    prop_assert!(best >= ours || ours.is_nan(), "{} below {}", best, ours);
                }
                let check = check_greedy(&greedy, &exact, calibration).unwrap();
                prop_assert!(check.missed.iter().all(|m| m.best_objective > m.greedy_objective));
                prop_assert!(check.only_together <= check.missed.len() && check.mean_cost <= check.largest_cost);
            }
        }
    }

    #[test]
    fn a_beam_with_room_for_all_is_exact(case in case(), threshold in 0.0f32..0.5) {
        let room = select(&case, Selector::beam(Calibration::Ratio, 70).with_threshold(threshold));
        let exact = select(&case, Selector::exact(Calibration::Ratio).with_threshold(threshold));
        prop_assert_eq!(format!("{room:?}"), format!("{exact:?}"));
        for decision in exact {
            let objective = decision.objective(Calibration::Ratio).unwrap();
            prop_assert!(decision.accepted().is_empty() || (objective > 0.0 && objective >= threshold));
        }
    }

    #[test]
    fn each_size_is_one_call_and_no_question_comes_twice(case in case(), width in 1usize..4) {
        for selector in [Selector::exact(Calibration::None), Selector::beam(Calibration::None, width)] {
            let mut table = case.table.clone();
            let decisions = selector.select(&mut table, &case.samples).unwrap();
            let most = case.samples.iter().map(|it| it.candidates().len()).max().unwrap_or(0);
            prop_assert!(table.calls <= 1 + most);
            for decision in decisions {
                let mut sets: Vec<u32> = decision.tried.iter().map(|set| set.added.bits()).collect();
                sets.sort_unstable();
                prop_assert!(sets.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    #[test]
    fn at_most_one_draw_of_a_modality_joins(case in case(), draws in 1usize..4) {
        let slots = Slots::new(case.modalities, draws).unwrap();
        let with_draws = |it: &Sample| slots.sample(it.observed(), it.candidates()).unwrap();
        let samples: Vec<Sample> = case.samples.iter().map(with_draws).filter(|it| it.candidates().len() <= 9).collect();
        let selectors = [
            Selector::fuse_all(), Selector::one_shot(Calibration::Ratio), Selector::dymo(Calibration::None),
            Selector::beam(Calibration::Ratio, 3), Selector::exact(Calibration::RatioOfLogarithms),
        ];
        for selector in selectors {
            for decision in selector.select(&mut case.table.clone(), &samples).unwrap() {
                let accepted = decision.accepted();
                prop_assert_eq!(slots.modalities(accepted).len(), accepted.len(), "{:?}", selector.rule);
                prop_assert!(slots.modalities(accepted).intersection(decision.observed).is_empty());
                let single = decision.tried.iter().all(|set| slots.modalities(set.added).len() == set.added.len());
                prop_assert!(single, "a set with two draws of a modality was tried");
            }
        }
        if draws == 1 {
            let plain = select(&case, Selector::dymo(Calibration::Ratio));
            let all: Vec<Sample> = case.samples.iter().map(with_draws).collect();
            let slotted = Selector::dymo(Calibration::Ratio).select(&mut case.table.clone(), &all).unwrap();
            prop_assert_eq!(format!("{plain:?}"), format!("{slotted:?}"));
        }
    }
}

/// Modality 0 is observed. 1 and 2 harm alone and help together; 3 helps a little.
struct Pair;

impl Scorer for Pair {
    type Error = Infallible;

    fn score(&mut self, queries: &[Query]) -> Result<Vec<Score>, Infallible> {
        let score = |query: &Query| {
            let has = |u| query.subset.contains(u);
            let quality = match (has(1), has(2)) {
                (true, true) => 0.9,
                (false, false) => 0.5 + if has(3) { 0.1 } else { 0.0 },
                _ => 0.4,
            };
            Score { predicted: usize::from(quality > 0.7), evidence: Evidence { quality, typicality: 0.5 } }
        };
        Ok(queries.iter().map(score).collect())
    }
}

#[test]
fn a_pair_that_helps_only_together_is_found_and_its_cost_told() {
    let samples = [Sample::with_rest_recovered(ModalitySet::single(0), 4).unwrap(); 2];
    let greedy = Selector::iterative().select(&mut Pair, &samples).unwrap();
    let exact = Selector::exact(Calibration::None).select(&mut Pair, &samples).unwrap();
    assert_eq!((greedy[0].accepted().to_string(), exact[0].accepted().to_string()), ("{3}".into(), "{1,2}".into()));
    assert_eq!(exact[0].in_words(), "{1,2} let in together, the best of 7 sets: quality rose from 0.50 to 0.90");
    assert!(greedy[0].in_words().starts_with("3 accepted: quality rose from 0.50 to 0.60"));
    assert_eq!(exact[0].offered().bits(), 0b1110);
    let check = check_greedy(&greedy, &exact, Calibration::None).unwrap();
    assert_eq!((check.missed.len(), check.only_together, check.predictions_differ), (2, 2, 2));
    assert!((check.mean_cost - 0.3).abs() < 1e-6);
    assert_eq!(check.missed[0].need_company.to_string(), "{1,2}");
    assert!(check.missed[0].in_words().ends_with("a reward that is 0.300 larger; {1,2} brings nothing alone"));
    assert!(check.in_words().starts_with("In 2 of 2 samples another set"));
    // A beam of one goes on with 3, from which the pair is not made; it comes upon it with 3 beside.
    let narrow = Selector::beam(Calibration::None, 1).select(&mut Pair, &samples).unwrap();
    assert_eq!(narrow[0].accepted().to_string(), "{1,2,3}");
    let gated = Selector::exact(Calibration::None).with_threshold(0.5).select(&mut Pair, &samples).unwrap();
    assert!(gated[0].accepted().is_empty() && gated[0].in_words().contains("below the threshold"));
}

#[test]
fn too_many_candidates_are_refused_before_anything_is_asked() {
    struct Never;
    impl Scorer for Never {
        type Error = Infallible;
        fn score(&mut self, _: &[Query]) -> Result<Vec<Score>, Infallible> {
            panic!("asked")
        }
    }
    let wide = Sample::with_rest_recovered(ModalitySet::single(0), MAX_EXACT + 2).unwrap();
    let error = Selector::exact(Calibration::None).select(&mut Never, &[wide]).unwrap_err();
    assert_eq!(error, SelectError::TooManyCandidates { sample: 0, found: MAX_EXACT + 1, limit: MAX_EXACT });
    assert!(Selector::beam(Calibration::None, 2).select(&mut Pair, &[wide]).is_ok());
}

#[test]
fn only_decisions_about_the_same_samples_are_compared() {
    let about = |observed: usize| Sample::with_rest_recovered(ModalitySet::single(observed), 4).unwrap();
    let greedy = Selector::iterative().select(&mut Pair, &[about(0)]).unwrap();
    let other = Selector::exact(Calibration::None).select(&mut Pair, &[about(3)]).unwrap();
    assert!(matches!(check_greedy(&greedy, &other, Calibration::None), Err(CompareError::Sample { .. })));
    assert!(matches!(
        check_greedy(&greedy, &[], Calibration::None),
        Err(CompareError::Count { greedy: 1, searched: 0 })
    ));
    let unsearched = check_greedy(&greedy, &greedy, Calibration::None);
    assert_eq!(unsearched, Err(CompareError::NotSearched { sample: 0 }));
}
