//! The selector against a slow, literal reading of method section 5: sample by sample, candidate by candidate, scored
//! again before and after each time.

mod table;

use dymo_core::ModalitySet;
use dymo_reward::{Calibration, Edges};
use dymo_select::{Decision, Rule, Sample, Scorer, Selector, Verdict, laws};
use proptest::prelude::*;
use table::{Case, Table, case};

/// The method's algorithm for one sample: (actions, final subset). Rewards of accepted and rejected stay at 0, as in
/// the published code, and a round is a row of them.
fn literal(
    selector: &Selector,
    table: &Table,
    sample: usize,
    it: Sample,
    modalities: usize,
) -> (Vec<usize>, ModalitySet) {
    let published = selector.edges == Edges::Published;
    let mut subset = it.observed();
    let mut bad = vec![false; modalities];
    let mut actions = Vec::new();
    for _ in 0..it.candidates().len() {
        let mut rewards = vec![0.0f32; modalities];
        for u in it.candidates() {
            if !subset.contains(u) && !bad[u] {
                let before = table.answer(sample, subset).evidence;
                let after = table.answer(sample, subset.with(u)).evidence;
                rewards[u] = selector.calibration.reward(before, after);
                if rewards[u].is_nan() && !published {
                    rewards[u] = -1.0;
                }
            }
        }
        for u in 0..modalities {
            bad[u] |= rewards[u] < 0.0;
            // What is too small stays open, as a reward of zero does.
            if selector.threshold > 0.0 && (rewards[u].is_nan() || rewards[u] < selector.threshold) {
                bad[u] |= rewards[u].is_nan();
                rewards[u] = rewards[u].min(0.0);
            }
        }
        if selector.rule == Rule::OneShot {
            let joining = (0..modalities).filter(|&u| rewards[u] > 0.0);
            return (Vec::new(), joining.fold(subset, ModalitySet::with));
        }
        if rewards.iter().all(|&r| r <= 0.0) {
            break;
        }
        let nan = rewards.iter().position(|r| r.is_nan());
        let largest = rewards.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let action = nan.or_else(|| rewards.iter().position(|&r| r == largest)).unwrap();
        actions.push(action);
        subset = subset.with(action);
    }
    (actions, subset)
}

fn actions(decision: &Decision) -> Vec<usize> {
    decision.rounds.iter().filter_map(|round| round.accepted().first()).collect()
}

fn check(case: &Case, selector: Selector) -> Result<(), TestCaseError> {
    let mut table = case.table.clone();
    let decisions = selector.select(&mut table, &case.samples).unwrap();
    prop_assert_eq!(decisions.len(), case.samples.len());
    for (i, (decision, &sample)) in decisions.iter().zip(&case.samples).enumerate() {
        let (wanted, subset) = literal(&selector, &case.table, i, sample, case.modalities);
        prop_assert_eq!(decision.final_subset, subset, "sample {} of {:?}", i, selector);
        if selector.rule == Rule::Iterative {
            prop_assert_eq!(actions(decision), wanted);
        }
        prop_assert!(same(decision.after, case.table.answer(i, subset)));
        prop_assert!(same(decision.before.unwrap(), case.table.answer(i, sample.observed())));
    }
    Ok(())
}

/// Bit-equal, NaN included.
fn same(a: dymo_select::Score, b: dymo_select::Score) -> bool {
    a.predicted == b.predicted
        && a.evidence.quality.to_bits() == b.evidence.quality.to_bits()
        && a.evidence.typicality.to_bits() == b.evidence.typicality.to_bits()
}

const CALIBRATIONS: [Calibration; 3] = [Calibration::None, Calibration::RatioOfLogarithms, Calibration::Ratio];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn choosing_rules_equal_the_literal_reading(case in case(), threshold in 0.0f32..0.6) {
        for calibration in CALIBRATIONS {
            for edges in [Edges::Defined, Edges::Published] {
                for least in [0.0, threshold] {
                    check(&case, Selector::dymo(calibration).with_edges(edges).with_threshold(least))?;
                    check(&case, Selector::one_shot(calibration).with_edges(edges).with_threshold(least))?;
                }
            }
        }
    }

    #[test]
    fn a_threshold_lets_less_in_and_a_least_gain_of_it_changes_nothing(case in case(), threshold in 0.01f32..0.6) {
        let select = |selector: Selector| selector.select(&mut case.table.clone(), &case.samples).unwrap();
        let gated = Selector::dymo(Calibration::Ratio).with_threshold(threshold);
        let saved = select(gated.with_min_gain(threshold));
        for (decision, saved) in select(gated).iter().zip(&saved) {
            prop_assert_eq!(decision.final_subset, saved.final_subset);
            let accepted = decision.rounds.iter().flat_map(|r| &r.candidates).filter(|c| c.verdict == Verdict::Accepted);
            prop_assert!(accepted.into_iter().all(|c| c.reward >= threshold));
        }
        let nothing = select(Selector::dymo(Calibration::Ratio).with_threshold(f32::NAN));
        prop_assert!(nothing.iter().all(|decision| decision.accepted().is_empty()));
    }

    #[test]
    fn decisions_do_not_depend_on_order_or_batch(case in case(), piece in 1usize..9) {
        let selector = Selector::dymo(Calibration::Ratio);
        let whole = selector.select(&mut case.table.clone(), &case.samples).unwrap();
        let last = case.samples.len() - 1;
        let reversed: Vec<Sample> = case.samples.iter().rev().copied().collect();
        let mut mirrored = case.table.clone().renumbered(move |i| last - i);
        let mut backwards = selector.select(&mut mirrored, &reversed).unwrap();
        backwards.reverse();
        prop_assert_eq!(format!("{backwards:?}"), format!("{whole:?}"));
        let mut pieces = Vec::new();
        for (n, samples) in case.samples.chunks(piece).enumerate() {
            let mut part = case.table.clone().renumbered(move |i| n * piece + i);
            pieces.extend(selector.select(&mut part, samples).unwrap());
        }
        prop_assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    }

    #[test]
    fn what_every_decision_keeps(case in case(), tau in 0.0f32..0.5) {
        let arms = [
            Selector::discard(), Selector::fuse_all(), Selector::iterative(),
            Selector::one_shot(Calibration::Ratio), Selector::dymo(Calibration::RatioOfLogarithms),
            Selector::iterative().with_edges(Edges::Published), Selector::iterative().with_min_gain(tau),
            Selector::iterative().with_threshold(tau), Selector::exact(Calibration::Ratio),
            Selector::beam(Calibration::RatioOfLogarithms, 2).with_threshold(tau),
        ];
        for selector in arms {
            let mut table = case.table.clone();
            let decisions = selector.select(&mut table, &case.samples).unwrap();
            prop_assert!(table.calls <= 2 + case.modalities, "{} calls", table.calls);
            for (decision, sample) in decisions.iter().zip(&case.samples) {
                prop_assert!(decision.accepted().is_subset_of(sample.candidates()));
                prop_assert!(sample.observed().is_subset_of(decision.final_subset));
                prop_assert!(decision.rounds.len() <= sample.candidates().len());
                let joined = decision.rounds.iter().fold(sample.observed(), |s, r| s.union(r.accepted()));
                prop_assert!(decision.rounds.is_empty() || joined == decision.final_subset);
                let mut rejected = ModalitySet::EMPTY;
                for round in &decision.rounds {
                    for candidate in &round.candidates {
                        prop_assert!(!rejected.contains(candidate.modality), "asked again after rejection");
                        prop_assert!(!round.subset_before.contains(candidate.modality));
                        if candidate.verdict == Verdict::Rejected {
                            rejected = rejected.with(candidate.modality);
                        }
                        prop_assert!(!candidate.reason(&round.before).is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_keeps_the_laws(case in case()) {
        let queries: Vec<_> = case.samples.iter().enumerate()
            .map(|(sample, it)| dymo_select::Query { sample, subset: it.observed() })
            .collect();
        laws::check_order_and_batching(case.table.clone(), &queries, 0.0).unwrap();
        prop_assert!(case.table.clone().score(&queries).is_ok());
    }
}
