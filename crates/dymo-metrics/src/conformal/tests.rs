use super::*;
use crate::softmax;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SCORES: [SetScore; 3] = [SetScore::Lac, SetScore::Aps, SetScore::Raps { penalty: 0.05, free: 1 }];

/// Probabilities `[n, 5]` that are three times as sure as they may be, and labels.
fn drawn(rng: &mut ChaCha8Rng, n: usize) -> (Vec<f32>, Vec<usize>) {
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let row: Vec<f32> = (0..5).map(|_| rng.random_range(-3.0..3.0)).collect();
        let mut left: f32 = rng.random();
        let true_row = softmax(&row, 5).unwrap();
        let label = true_row
            .iter()
            .position(|p| {
                left -= p;
                left < 0.0
            })
            .unwrap_or(4);
        logits.extend(row.iter().map(|x| 3.0 * x));
        labels.push(label);
    }
    (softmax(&logits, 5).unwrap(), labels)
}

fn share(hits: &[bool]) -> f64 {
    hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64
}

#[test]
fn coverage_is_what_was_asked_for() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for score in SCORES {
        for randomised in [None, Some(5)] {
            let settings = SetSettings { randomised, allow_empty: true, ..SetSettings::new(0.9).with_score(score) };
            let (mut total, rounds) = (0.0, 60);
            for _ in 0..rounds {
                let (held_out, labels) = drawn(&mut rng, 120);
                let fitted =
                    Conformal::fit(&Probabilities::new(&held_out, 5).unwrap(), &labels, &[], settings).unwrap();
                let (fresh, labels) = drawn(&mut rng, 200);
                let sets = fitted.sets(&Probabilities::new(&fresh, 5).unwrap(), &[]).unwrap();
                total += share(&covered(&sets, &labels).unwrap()) / f64::from(rounds);
            }
            // Standard error of the mean: √(0.9·0.1/121 + 0.9·0.1/200)/√60 ≈ 0.0045, 3 of them.
            assert!(total > 0.9 - 0.0135, "{score:?} {randomised:?} covers {total}");
            let exact = randomised.is_some() || score == SetScore::Lac;
            assert!(!exact || total < 0.91 + 0.0135, "{score:?} {randomised:?} covers {total}");
        }
    }
}

/// Pattern 1 is easy, pattern 2 hard, patterns 10 to 14 rare.
fn patterns(n: usize) -> (Vec<u64>, Vec<u64>) {
    let pattern: Vec<u64> =
        (0..n).map(|i| if i % 10 == 9 { 10 + (i / 10 % 5) as u64 } else { 1 + (i % 2) as u64 }).collect();
    let observed = pattern.iter().map(|&p| if p < 10 { p } else { 3 }).collect();
    (pattern, observed)
}

#[test]
fn every_pattern_is_covered_and_rare_ones_share() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut hits = [(0.0, 0.0); 3];
    for _ in 0..30 {
        let mut sample = |n: usize| {
            let (mut values, mut labels) = drawn(&mut rng, n);
            let (pattern, observed) = patterns(n);
            for (i, pattern) in pattern.iter().enumerate() {
                if *pattern == 1 {
                    // Easy: sure and right.
                    values[i * 5..(i + 1) * 5].copy_from_slice(&[0.01, 0.01, 0.96, 0.01, 0.01]);
                    labels[i] = 2;
                }
            }
            (values, labels, pattern, observed)
        };
        let settings = SetSettings::new(0.8).with_least(60);
        let (values, labels, pattern, observed) = sample(700);
        let groupings = |pattern, observed| {
            [Grouping { name: "missing pattern", of: pattern }, Grouping { name: "number observed", of: observed }]
        };
        let held_out = Probabilities::new(&values, 5).unwrap();
        let fitted = Conformal::fit(&held_out, &labels, &groupings(&pattern, &observed), settings).unwrap();
        let scopes: Vec<Scope> = fitted.cells.iter().map(|cell| cell.scope).collect();
        let group = |level, group| Scope::Group { level, group };
        assert_eq!(scopes, [group(0, 1), group(0, 2), group(1, 3), Scope::StandIn]);
        let (values, labels, pattern, observed) = sample(700);
        let fresh = Probabilities::new(&values, 5).unwrap();
        let sets = fitted.sets(&fresh, &groupings(&pattern, &observed)).unwrap();
        for (set, label) in sets.iter().zip(&labels) {
            hits[set.cell].0 += f64::from(u8::from(set.contains(*label)));
            hits[set.cell].1 += 1.0;
        }
        let words = fitted.in_words(&fitted.cells[2], |_, _| None);
        assert!(
            words.starts_with("at least 80 %, by 70 held-out samples of number observed 3; patterns too rare"),
            "{words}"
        );
    }
    for (cell, (covered, all)) in hits.into_iter().enumerate() {
        assert!(covered / all > 0.8 - 0.03, "cell {cell}: {}", covered / all);
    }
    // One threshold for all would cover the easy half always and the hard half less than was asked for.
    assert!(hits[1].0 / hits[1].1 < 0.85);
}

#[test]
fn too_few_samples_let_everything_in_and_say_so() {
    let values = [0.7, 0.2, 0.1].repeat(8);
    let held_out = Probabilities::new(&values, 3).unwrap();
    let fitted = Conformal::fit(&held_out, &[0; 8], &[], SetSettings::new(0.9)).unwrap();
    assert_eq!(fitted.cells, [Cell { scope: Scope::StandIn, n: 8, threshold: None }]);
    let sets = fitted.sets(&held_out, &[]).unwrap();
    assert_eq!(sets[0].classes, [0, 1, 2]);
    assert!(fitted.in_words(&fitted.cells[0], |_, _| None).starts_with("no promise"));
}

#[test]
fn a_pattern_never_seen_takes_the_widest_threshold() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (values, labels) = drawn(&mut rng, 200);
    let groups: Vec<u64> = (0..200).map(|i| i % 2).collect();
    let held_out = Probabilities::new(&values, 5).unwrap();
    let by = |of| [Grouping { name: "missing pattern", of }];
    let fitted = Conformal::fit(&held_out, &labels, &by(&groups), SetSettings::new(0.9)).unwrap();
    let sets = fitted.sets(&held_out, &by(&[7; 200])).unwrap();
    assert!(sets.iter().all(|set| fitted.cells[set.cell].scope == Scope::StandIn));
    let widest = fitted.cells.iter().filter_map(|cell| cell.threshold).fold(0.0, f64::max);
    assert_eq!(fitted.cells.last().unwrap().threshold, Some(widest));
}

#[test]
fn randomised_sets_belong_to_places() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (values, labels) = drawn(&mut rng, 60);
    let settings = SetSettings { randomised: Some(1), ..SetSettings::new(0.7).with_score(SetScore::Aps) };
    let all = Probabilities::new(&values, 5).unwrap();
    let fitted = Conformal::fit(&all, &labels, &[], settings).unwrap();
    let whole = fitted.sets(&all, &[]).unwrap();
    let second_half = Probabilities::new(&values[30 * 5..], 5).unwrap();
    assert_eq!(fitted.sets_from(30, &second_half, &[]).unwrap(), whole[30..]);
}

#[test]
fn refusals() {
    let values = [0.5, 0.5];
    let one = Probabilities::new(&values, 2).unwrap();
    let fit = |settings| Conformal::fit(&one, &[0], &[], settings);
    assert!(matches!(fit(SetSettings::new(1.0)), Err(MetricError::Setting { what: "coverage", .. })));
    let harsh = SetSettings::new(0.9).with_score(SetScore::Raps { penalty: f64::NAN, free: 0 });
    assert!(matches!(fit(harsh), Err(MetricError::Setting { .. })));
    let grouping = [Grouping { name: "missing pattern", of: &[1, 2] }];
    let uneven = Conformal::fit(&one, &[0], &grouping, SetSettings::new(0.9));
    assert!(matches!(uneven, Err(MetricError::Length { what: "grouping", .. })));
    let fitted = fit(SetSettings::new(0.9)).unwrap();
    assert!(fitted.sets(&one, &[Grouping { name: "missing pattern", of: &[1] }]).is_err());
    assert!(covered(&[], &[1]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn laws(seed: u64, n in 1usize..80, coverage in 0.05f64..0.95, which in 0usize..3) {
        let (values, labels) = drawn(&mut ChaCha8Rng::seed_from_u64(seed), n);
        let rows = Probabilities::new(&values, 5).unwrap();
        let groups: Vec<u64> = (0..n as u64).map(|i| i % 3).collect();
        let groupings = [Grouping { name: "missing pattern", of: &groups }];
        let settings = SetSettings::new(coverage).with_score(SCORES[which]).with_least(5);
        let fitted = Conformal::fit(&rows, &labels, &groupings, settings).unwrap();
        let sets = fitted.sets(&rows, &groupings).unwrap();
        for (place, cell) in fitted.cells.iter().enumerate() {
            // On the samples it was fitted to, every cell covers what it promises.
            let own: Vec<bool> = sets.iter().zip(&labels).filter(|(set, _)| set.cell == place)
                .map(|(set, &label)| set.contains(label)).collect();
            let promised = cell.scope != Scope::StandIn;
            prop_assert!(!promised || own.is_empty() || share(&own) >= coverage - 1e-12, "{:?}", cell);
        }
        let wider = SetSettings { coverage: (coverage + 1.0) / 2.0, ..settings };
        let wide = Conformal::fit(&rows, &labels, &[], wider).unwrap().sets(&rows, &[]).unwrap();
        let narrow = Conformal::fit(&rows, &labels, &[], settings).unwrap().sets(&rows, &[]).unwrap();
        for ((narrow, wide), row) in narrow.iter().zip(&wide).zip(rows.rows()) {
            prop_assert!(!narrow.classes.is_empty());
            prop_assert!(narrow.classes.iter().all(|class| wide.contains(*class)), "a higher coverage lost a class");
            prop_assert!(narrow.classes.windows(2).all(|w| row[w[0]] >= row[w[1]]));
        }
    }
}

/// 60 samples in two patterns each, in a third half of them: a pattern has a threshold by all that were seen in it, and what rare
/// patterns share rests on each sample once.
#[test]
fn samples_seen_in_several_patterns_count_once_for_what_is_shared() {
    let (mut values, mut pattern, mut once) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..60u32 {
        // Pattern 1 is easy, pattern 2 hard; patterns from 10 on have two samples each.
        for (own, right) in [(1, 0.9), (2, 0.4), (10 + u64::from(i / 2), 0.6)] {
            let right = right + 0.001 * i as f32;
            values.extend([right, 1.0 - right]);
            pattern.push(own);
        }
        once.extend([0, 1, 2].map(|row| row == i % 3));
    }
    let rows = Probabilities::new(&values, 2).unwrap();
    let groupings = [Grouping { name: "pattern", of: &pattern }];
    let settings = SetSettings { least: 30, ..SetSettings::new(0.9) };
    let fitted = Conformal::fit_looks(&rows, &[0; 180], &groupings, &once, settings).unwrap();
    let told: Vec<(Scope, usize)> = fitted.cells.iter().map(|cell| (cell.scope, cell.n)).collect();
    let group = |group| Scope::Group { level: 0, group };
    assert_eq!(told, [(group(1), 60), (group(2), 60), (Scope::Rest, 20), (Scope::StandIn, 60)]);
    let [easy, hard] = [0, 1].map(|cell| fitted.cells[cell].threshold.unwrap());
    assert!(easy < hard, "{easy}, {hard}");
    assert!(Conformal::fit_looks(&rows, &[0; 180], &groupings, &once[1..], settings).is_err());
}
