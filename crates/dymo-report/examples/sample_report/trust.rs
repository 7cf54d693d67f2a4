//! More synthetic measurements: patterns, sets, a guarantee, greedy against exact, what to acquire, robustness.

use dymo_report::{
    AcquisitionRecord, ConfidenceRecord, GreedyRecord, GuaranteeRecord, PatternRecord, RobustnessRecord,
    TestedThreshold, Varied,
};

const ASKED: f64 = 0.9;

fn half_width(share: f64, n: usize) -> f64 {
    1.96 * (share * (1.0 - share) / n as f64).sqrt() + 0.5 / n as f64
}

/// All patterns of five modalities, for DyMo and for discarding.
pub fn patterns() -> Vec<PatternRecord> {
    let mut all = Vec::new();
    for (arm, gain) in [("dymo", 0.05), ("discard", 0.0)] {
        for bits in 1u32..32 {
            let observed: Vec<usize> = (0..5).filter(|m| bits >> m & 1 == 1).collect();
            let n = if bits % 9 == 4 { 23 } else { 180 + (bits * 37 % 90) as usize };
            let worth: f64 = observed.iter().map(|m| 0.8 + 0.3 * *m as f64).sum();
            let accuracy = 1.0 - (0.30 - gain) * (-0.6 * worth).exp() * 1.6;
            let coverage = (0.905 + 0.01 * f64::from(bits % 5) - if bits == 1 { 0.12 } else { 0.0 }).min(0.99);
            let (half, half_coverage) = (half_width(accuracy, n), half_width(coverage, n));
            let size = 1.0 + 1.4 * (1.0 - accuracy);
            let few = n < 50;
            all.push(PatternRecord {
                recovery: "guided".into(),
                metric: "cosine".into(),
                arm: arm.into(),
                observed,
                n,
                few,
                accuracy,
                low: accuracy - half,
                high: (accuracy + half).min(1.0),
                calibration_error: (1.0 - accuracy) / 4.0,
                calibration_error_low: (1.0 - accuracy) / 6.0,
                calibration_error_high: (1.0 - accuracy) / 2.0,
                asked_coverage: ASKED,
                coverage,
                coverage_low: coverage - half_coverage,
                coverage_high: (coverage + half_coverage).min(1.0),
                set_size: size,
                set_size_low: size - 0.05,
                set_size_high: size + 0.05,
                promise: if few {
                    "at least 90 %, by 112 held-out samples of number observed 2; patterns too rare for a threshold of their \
                     own share this one, so it holds on average over them"
                        .into()
                } else {
                    format!("at least 90 %, by {n} held-out samples of this pattern")
                },
            });
        }
    }
    all
}

pub fn confidence() -> Vec<ConfidenceRecord> {
    let of = |metric: &str, temperature: f64, coverage: f64| ConfidenceRecord {
        recovery: "guided".into(),
        metric: metric.into(),
        arm: "dymo".into(),
        fitted_on: 3000,
        n: 3000,
        temperature,
        temperature_words: if temperature == 1.0 {
            "confidence is left as it is: temperature 1.02, the best for 3000 held-out samples, did not lower the loss of samples \
             that it was not fitted to"
                .into()
        } else {
            format!(
                "the network was too sure: dividing its logits by {temperature} lowers the loss of 3000 held-out samples from \
                 0.1894 to 0.1702 nats"
            )
        },
        calibration_error_before: 0.031,
        calibration_error_after: if temperature == 1.0 { 0.031 } else { 0.008 },
        score: "LAC".into(),
        asked_coverage: ASKED,
        coverage,
        low: coverage - 0.011,
        high: coverage + 0.010,
        set_size: 1.08,
    };
    vec![of("cosine", 1.71, 0.908), of("euclid", 1.0, 0.882)]
}

pub fn guarantees() -> Vec<GuaranteeRecord> {
    let tested = |threshold, wins, losses, p_value, level, passed| TestedThreshold {
        threshold,
        wins,
        losses,
        accuracy: 0.944 + (wins as f64 - losses as f64) / 3000.0,
        p_value,
        level,
        passed,
    };
    let on = GuaranteeRecord {
        recovery: "guided".into(),
        metric: "cosine".into(),
        threshold: Some(0.05),
        folds: None,
        confidence: 0.95,
        n: 3000,
        words: "selection is on: a recovered modality is let in only for a reward of at least 0.05. With confidence 95 %, \
                selection is not worse than discarding on samples like the 3000 held-out ones (94.4 % with discarding, 95.1 % with \
                selection: 38 put right, 17 put wrong)"
            .into(),
        tested: vec![
            tested(0.2, 12, 3, 0.0176, 0.0125, false),
            tested(0.1, 24, 8, 0.0035, 0.0125, true),
            tested(0.05, 38, 17, 0.0033, 0.025, true),
            tested(0.0, 51, 32, 0.0235, 0.0375, true),
        ],
        test_n: 7000,
        test_difference: 0.0052,
        test_low: 0.0031,
        test_high: 0.0073,
    };
    let off = GuaranteeRecord {
        recovery: "MoPoE".into(),
        threshold: None,
        words: "selection is off, only what was observed is used: for none of 4 thresholds could 3000 held-out samples show, with \
                confidence 95 %, that selection is not worse than discarding (94.4 % with discarding); the best case, threshold 0.2, \
                has 4 put right, 6 put wrong (p = 0.828, 0.013 was needed)"
            .into(),
        tested: vec![tested(0.2, 4, 6, 0.828, 0.0125, false), tested(0.0, 20, 47, 0.999, 0.0125, false)],
        test_n: 0,
        // Not NaN, which would make a report unequal to itself in tests; without samples nothing is shown.
        test_difference: 0.0,
        test_low: 0.0,
        test_high: 0.0,
        ..on.clone()
    };
    vec![on, off]
}

pub fn greedy() -> Vec<GreedyRecord> {
    let of = |metric: &str, missed: usize, difference: f64| {
        GreedyRecord {
        recovery: "guided".into(),
        metric: metric.into(),
        protocol: "bernoulli".into(),
        rate: 0.8,
        samples: 3000,
        missed,
        only_together: missed / 3,
        predictions_differ: missed / 5,
        mean_cost: 0.0021,
        largest_cost: 0.31,
        difference,
        low: difference - 0.002,
        high: difference + 0.002,
        examples: vec![
            "sample 17, observed {0}: greedy let in {3}, {1,2} together have a reward that is 0.310 larger; {1,2} brings nothing alone"
                .into(),
        ],
    }
    };
    vec![of("cosine", 141, 0.0008), of("euclid", 0, 0.0)]
}

pub fn acquisitions() -> Vec<AcquisitionRecord> {
    vec![AcquisitionRecord {
        recovery: "guided".into(),
        metric: "cosine".into(),
        n: 3000,
        now: 0.944,
        random: 0.961,
        suggested: 0.974,
        difference: 0.013,
        low: 0.008,
        high: 0.018,
        examples: vec![
            "sample 41: observing view 3 would change the predicted class in about 35 % of cases (7 of 20 draws), move 38 % of the \
             probability, and is expected to tell 0.41 nats"
                .into(),
        ],
    }]
}

pub fn robustness() -> Vec<RobustnessRecord> {
    let mut all = Vec::new();
    let mut row = |varied, setting: &str, usual, arm: &str, accuracy: f64| {
        all.push(RobustnessRecord {
            recovery: "guided".into(),
            metric: "cosine".into(),
            varied,
            setting: setting.into(),
            usual,
            arm: arm.into(),
            n: 3000,
            accuracy,
            low: accuracy - half_width(accuracy, 3000),
            high: accuracy + half_width(accuracy, 3000),
        });
    };
    for (i, setting) in ["0.02", "0.05", "0.1", "0.2", "0.5"].into_iter().enumerate() {
        row(Varied::Temperature, setting, i == 2, "dymo", 0.953 - 0.003 * (i as f64 - 2.0).powi(2));
        row(Varied::Temperature, setting, i == 2, "discard", 0.944);
    }
    for (setting, accuracy) in [("none", 0.948), ("logarithms", 0.953), ("ratio", 0.951)] {
        row(Varied::Calibration, setting, setting == "logarithms", "dymo", accuracy);
        row(Varied::Calibration, setting, setting == "logarithms", "discard", 0.944);
    }
    for (setting, accuracy) in [("0", 0.950), ("0.05", 0.953), ("0.1", 0.951), ("0.2", 0.947), ("0.5", 0.945)] {
        row(Varied::Threshold, setting, setting == "0", "dymo", accuracy);
        row(Varied::Threshold, setting, setting == "0", "discard", 0.944);
    }
    for (i, setting) in ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"].into_iter().enumerate() {
        row(Varied::BadRecovery, setting, false, "dymo", 0.958 - 0.006 * i as f64);
        row(Varied::BadRecovery, setting, false, "fuse-all", 0.957 - 0.05 * i as f64);
        row(Varied::BadRecovery, setting, false, "discard", 0.944);
    }
    all
}
