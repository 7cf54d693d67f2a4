use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A population: how often selection differs from discarding at each threshold, and how often it then loses.
struct Population {
    thresholds: [f32; 4],
    differ: [f64; 4],
    loses: [f64; 4],
}

impl Population {
    /// One sample: discarding is always right where selection loses and wrong where it wins. A sample that differs at a
    /// conservative threshold differs at lower ones too, with the same outcome, so that tests depend on each other.
    fn draw(&self, rng: &mut ChaCha8Rng, n: usize) -> (Vec<bool>, [Vec<bool>; 4]) {
        let mut discard = Vec::with_capacity(n);
        let mut right: [Vec<bool>; 4] = Default::default();
        for _ in 0..n {
            let (place, luck): (f64, f64) = (rng.random(), rng.random());
            // The most conservative threshold at which it differs.
            let first = self.differ.iter().position(|share| place < *share);
            let lost = first.map(|first| luck < self.loses[first]);
            let before = lost.unwrap_or(luck < 0.9);
            discard.push(before);
            for (k, right) in right.iter_mut().enumerate() {
                right.push(if first.is_some_and(|first| first <= k) { !before } else { before });
            }
        }
        (discard, right)
    }

    /// Risk of threshold k: mean over those that differ of P(loss) − P(win).
    fn risk(&self, k: usize) -> f64 {
        let mut before = 0.0;
        let mut risk = 0.0;
        for j in 0..=k {
            risk += (self.differ[j] - before) * (2.0 * self.loses[j] - 1.0);
            before = self.differ[j];
        }
        risk
    }

    /// How often anything passes that should not, and how often anything passes.
    fn simulate(&self, n: usize, rounds: usize, settings: GuaranteeSettings, seed: u64) -> (f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut wrong, mut on) = (0, 0);
        for _ in 0..rounds {
            let (discard, right) = self.draw(&mut rng, n);
            let trials: Vec<Trial> =
                right.iter().zip(self.thresholds).map(|(right, threshold)| Trial { threshold, right }).collect();
            let found = learn_threshold(&discard, &trials, settings).unwrap();
            // Tests are sorted as thresholds are here: the most conservative first.
            let false_pass = |(k, test): (usize, &TestedThreshold)| test.passed && self.risk(k) >= settings.tolerance;
            wrong += usize::from(found.tested.iter().enumerate().any(false_pass));
            on += usize::from(found.threshold.is_some());
        }
        (wrong as f64 / rounds as f64, on as f64 / rounds as f64)
    }
}

const THRESHOLDS: [f32; 4] = [0.5, 0.2, 0.05, 0.0];
const PROCEDURES: [Procedure; 2] = [Procedure::FixedSequence, Procedure::Fallback];

#[test]
fn false_passes_are_as_rare_as_promised() {
    let populations = [
        // Level at every threshold: the worst case of the hypothesis.
        Population { thresholds: THRESHOLDS, differ: [0.01, 0.03, 0.06, 0.1], loses: [0.5; 4] },
        // A gain at high rewards, lost again below.
        Population { thresholds: THRESHOLDS, differ: [0.02, 0.04, 0.08, 0.12], loses: [0.3, 0.7, 0.5, 0.5] },
        // Harm throughout.
        Population { thresholds: THRESHOLDS, differ: [0.01, 0.02, 0.05, 0.1], loses: [0.6; 4] },
    ];
    for (i, population) in populations.iter().enumerate() {
        for procedure in PROCEDURES {
            let settings = GuaranteeSettings { confidence: 0.9, procedure, ..GuaranteeSettings::default() };
            let rounds = 1_000;
            let (wrong, _) = population.simulate(400, rounds, settings, 40 + i as u64);
            // 0.1 and 3 standard errors of a share of 1,000.
            assert!(wrong <= 0.1 + 3.0 * (0.09f64 / rounds as f64).sqrt(), "{procedure:?}, population {i}: {wrong}");
        }
    }
}

#[test]
fn with_a_tolerance_too() {
    // The risk at the lowest threshold is exactly the tolerance.
    let level = Population { thresholds: THRESHOLDS, differ: [0.01, 0.03, 0.06, 0.1], loses: [0.5, 0.5, 0.5, 0.875] };
    assert!((level.risk(3) - 0.03).abs() < 1e-12);
    for procedure in PROCEDURES {
        let settings = GuaranteeSettings { confidence: 0.9, tolerance: 0.03, procedure };
        let (wrong, on) = level.simulate(600, 500, settings, 7);
        assert!(wrong <= 0.1 + 3.0 * (0.09f64 / 500.0).sqrt(), "{procedure:?}: {wrong}");
        assert!(on > 0.6, "harmless thresholds should pass: {on}");
    }
}

/// Looks at the same sample that all win or all lose together: no look is worth more than the first.
#[test]
fn looks_that_depend_on_each_other_promise_no_more_than_one() {
    const LOOKS: usize = 4;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut run = |loses: f64| -> f64 {
        let passes = (0..400).filter(|_| {
            let (mut discard, mut right) = (Vec::new(), Vec::new());
            for _ in 0..800 {
                let (differs, lost): (f64, f64) = (rng.random(), rng.random());
                let before = lost < loses;
                discard.extend([before; LOOKS]);
                right.extend([before != (differs < 0.05); LOOKS]);
            }
            let trials = [Trial { threshold: 0.0, right: &right }];
            let settings = GuaranteeSettings { confidence: 0.9, ..GuaranteeSettings::default() };
            let found = learn_threshold_in_looks(&discard, &trials, LOOKS, settings).unwrap();
            assert_eq!(found.n, 800);
            found.threshold.is_some()
        });
        passes.count() as f64 / 400.0
    };
    let (level, gain) = (run(0.5), run(0.2));
    assert!(level <= 0.1 + 3.0 * (0.09f64 / 400.0).sqrt(), "{level}");
    assert!(gain > 0.8, "{gain}");
    let trial = [Trial { threshold: 0.0, right: &[true; 6] }];
    assert!(matches!(
        learn_threshold_in_looks(&[true; 6], &trial, 4, GuaranteeSettings::default()),
        Err(MetricError::Length { .. })
    ));
}

#[test]
fn gains_are_found() {
    let gain = Population { thresholds: THRESHOLDS, differ: [0.01, 0.02, 0.04, 0.06], loses: [0.2, 0.25, 0.3, 0.35] };
    for procedure in PROCEDURES {
        let settings = GuaranteeSettings { procedure, ..GuaranteeSettings::default() };
        let (_, on) = gain.simulate(2_000, 200, settings, 5);
        assert!(on > 0.8, "{procedure:?} finds it in {on}");
    }
    // Too few samples differ at the most conservative threshold: only the fallback goes on.
    let late = Population { thresholds: THRESHOLDS, differ: [0.0005, 0.001, 0.03, 0.06], loses: [0.5, 0.5, 0.2, 0.25] };
    let with = |procedure| late.simulate(2_000, 200, GuaranteeSettings { procedure, ..Default::default() }, 6).1;
    assert!(with(Procedure::Fallback) > 0.95 && with(Procedure::FixedSequence) < 0.1);
}

#[test]
fn tests_by_hand() {
    // P(Bin(10, ½) ≤ 2) = 56/1024
    assert!((test::sign(8, 2) - 56.0 / 1024.0).abs() < 1e-12);
    assert_eq!((test::sign(0, 0), test::sign(0, 5)), (1.0, 1.0));
    assert!((test::sign(5, 0) - 1.0 / 32.0).abs() < 1e-12);
    // No loss at all against a tolerance of 1 %: the capital grows by 1 + b/100 a sample.
    let calm = |n: usize| test::betting(std::iter::repeat_n(0.0, n), 0.01, 0.5);
    assert!(calm(2_000) < 0.01 && calm(20) > 0.8 && calm(0) == 1.0);
    assert!(test::betting(std::iter::repeat_n(1.0, 100), 0.01, 0.5) > 0.9);
}

#[test]
fn levels_are_shared_and_handed_on() {
    let with = |p_values: &[f64], procedure| {
        let test = |&p_value: &f64| TestedThreshold {
            threshold: 0.0,
            wins: 0,
            losses: 0,
            accuracy: 0.0,
            p_value,
            level: 0.0,
            passed: false,
        };
        let mut tested: Vec<TestedThreshold> = p_values.iter().map(test).collect();
        assign_levels(&mut tested, 0.08, procedure);
        tested.iter().map(|t| ((t.level * 1e6).round() / 1e6, t.passed)).collect::<Vec<_>>()
    };
    let p_values = [0.03, 0.02, 0.035, 0.05];
    let fallback = [(0.02, false), (0.02, true), (0.04, true), (0.06, true)];
    assert_eq!(with(&p_values, Procedure::Fallback), fallback);
    let sequence = [(0.08, true), (0.08, false), (0.0, false), (0.0, false)];
    assert_eq!(with(&[0.03, 0.09, 0.0, 0.0], Procedure::FixedSequence), sequence);
}

#[test]
fn off_says_why() {
    let discard = [true, false].repeat(50);
    let same = Trial { threshold: 0.0, right: &discard };
    let found = learn_threshold(&discard, &[same], GuaranteeSettings::default()).unwrap();
    assert_eq!((found.threshold, found.chosen()), (None, None));
    assert!(found.in_words().contains("no threshold changed whether any"), "{}", found.in_words());
    let mut worse = discard.clone();
    worse[..20].fill(false);
    let trials = [same, Trial { threshold: 0.1, right: &worse }];
    let found = learn_threshold(&discard, &trials, GuaranteeSettings::default()).unwrap();
    assert_eq!(found.tested[0].losses, 10);
    let words = found.in_words();
    assert!(
        words.starts_with("selection is off") && words.contains("threshold 0.1, has 0 put right, 10 put wrong"),
        "{words}"
    );
    assert!(words.contains("1 of them changed no answer") && !words.contains("no threshold changed"), "{words}");

    // Fifty samples looked at twice: what is counted are looks, and it is said so.
    let found = learn_threshold_in_looks(&discard, &trials, 2, GuaranteeSettings::default()).unwrap();
    let words = found.in_words();
    assert!(words.contains("could 50 held-out samples show"), "{words}");
    assert!(words.contains("of 100 answers, each sample with 2 ways of missing, 0 put right, 10 put wrong"), "{words}");
}

#[test]
fn a_signal_looks_only_at_what_changes() {
    let before = [false, true, true, false, false];
    let after = [true, false, true, false, true];
    let found = reward_signal(&[0.9, 0.1, 5.0, -5.0, 0.05], &before, &after).unwrap();
    assert_eq!(found, Signal { auc: 0.5, wins: 2, losses: 1 });
    assert!(matches!(reward_signal(&[0.1], &[true], &[true]), Err(MetricError::OneSided { .. })));
}

#[test]
fn refusals() {
    let right = [true];
    let trial = [Trial { threshold: 0.0, right: &right }];
    let learn = |discard: &[bool], trials: &[Trial], settings| learn_threshold(discard, trials, settings).unwrap_err();
    let settings = GuaranteeSettings::default();
    assert!(matches!(learn(&[], &trial, settings), MetricError::Empty { .. }));
    assert!(matches!(learn(&right, &[], settings), MetricError::Empty { what: "thresholds" }));
    assert!(matches!(learn(&[true, true], &trial, settings), MetricError::Length { .. }));
    assert!(matches!(
        learn(&right, &trial, GuaranteeSettings { confidence: 1.0, ..settings }),
        MetricError::Level { .. }
    ));
    assert!(matches!(
        learn(&right, &trial, GuaranteeSettings { tolerance: -0.1, ..settings }),
        MetricError::Setting { .. }
    ));
    let nan = [Trial { threshold: f32::NAN, right: &right }];
    assert!(matches!(learn(&right, &nan, settings), MetricError::Setting { what: "threshold", .. }));
}

/// Subjects of one sample gain a little, those of many lose more: over samples that is a loss, and none may pass.
#[test]
fn a_subject_counts_for_as_much_as_it_has_samples() {
    let (mut numbers, mut discard, mut selection) = (Vec::new(), Vec::new(), Vec::new());
    let mut add = |subject: u64, before: bool, after: bool| {
        numbers.push(subject);
        discard.push(before);
        selection.push(after);
    };
    for subject in 0..300u64 {
        // One in ten gains.
        add(subject, subject % 10 != 0, true);
    }
    for subject in 300..340u64 {
        // Of forty samples each, two are lost and one is won.
        (0..40).for_each(|i| add(subject, i != 2, i > 1));
    }
    let subjects = Subjects::new(&numbers);
    let trials = [Trial { threshold: 0.0, right: &selection }];
    let found = learn_threshold_of_subjects(&discard, &trials, 1, &subjects, GuaranteeSettings::default()).unwrap();
    let test = &found.tested[0];
    assert!(test.losses > test.wins && !test.passed, "{test:?}");
}

/// Copies of a sample say no more than the sample: what ten copies of each could pass, the samples alone cannot.
#[test]
fn samples_of_one_subject_are_one_observation() {
    let discard: Vec<bool> = (0..400).map(|i| i % 40 >= 8).collect();
    let better: Vec<bool> = (0..400).map(|i| i % 40 >= 6).collect();
    let trials = [Trial { threshold: 0.0, right: &better }];
    let settings = GuaranteeSettings::default();
    let as_if_alone = learn_threshold(&discard, &trials, settings).unwrap();
    assert_eq!(as_if_alone.threshold, Some(0.0));
    let forty = Subjects::new(&(0..400).map(|i| i % 40).collect::<Vec<u64>>());
    let found = learn_threshold_of_subjects(&discard, &trials, 1, &forty, settings).unwrap();
    assert_eq!((found.threshold, found.n, found.subjects), (None, 400, Some(40)));
    assert!(found.in_words().contains("could 400 held-out samples of 40 subjects show"), "{}", found.in_words());
    let once = learn_threshold_of_subjects(
        &discard[..40],
        &[Trial { threshold: 0.0, right: &better[..40] }],
        1,
        &Subjects::new(&(0..40).map(|i| i / 2 * 2).collect::<Vec<u64>>()),
        settings,
    );
    assert_eq!(once.unwrap().subjects, Some(20));
    assert!(learn_threshold_of_subjects(&discard, &trials, 1, &Subjects::alone(3), settings).is_err());
}
