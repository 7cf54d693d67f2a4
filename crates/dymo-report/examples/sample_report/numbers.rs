//! Synthetic measurements: plausible shapes, no truth.

use dymo_report::{
    AcceptedBySubset, Bound, IncompleteTraining, LearningCurve, MinGain, PairedDifference, Record, RecoveryQuality,
    Reliability, ReliabilityBin, Resolution,
};

const N: usize = 3000;
const RATES: [f64; 4] = [0.2, 0.4, 0.6, 0.8];
const RECOVERIES: [&str; 2] = ["guided", "MoPoE"];
const METRICS: [&str; 2] = ["cosine", "euclid"];
const ARMS: [&str; 6] = ["discard", "fuse-all", "one-shot", "iterative", "dymo", "second-opinion"];

/// A made-up accuracy: what discarding costs at this rate, plus what the arm is worth there.
fn accuracy(recovery: &str, metric: &str, rate: f64, arm: &str) -> f64 {
    let lost = 0.062 * (rate / 0.8f64).powi(2);
    let discard = 0.989 - lost + if metric == "euclid" { 0.010 * rate } else { 0.0 };
    let at_most = match (recovery, metric, arm) {
        (_, _, "discard") => 0.0,
        ("MoPoE", _, "fuse-all") => -0.29,
        ("MoPoE", "cosine", _) => 0.0012,
        ("MoPoE", _, _) => -0.006,
        (_, "cosine", "fuse-all") => 0.004,
        (_, _, "fuse-all") => -0.017,
        (_, "cosine", "one-shot") => 0.024,
        (_, "cosine", "iterative") => 0.021,
        (_, "cosine", "dymo") => 0.026,
        (_, _, "second-opinion") => 0.016,
        _ => 0.007,
    };
    discard + at_most * (rate / 0.8f64).powf(1.7)
}

fn half_width(share: f64) -> f64 {
    1.96 * (share * (1.0 - share) / N as f64).sqrt()
}

fn settings() -> impl Iterator<Item = (&'static str, &'static str, f64)> {
    RECOVERIES
        .into_iter()
        .flat_map(|r| METRICS.into_iter().flat_map(move |m| RATES.into_iter().map(move |rate| (r, m, rate))))
}

pub fn records() -> Vec<Record> {
    let of_setting = |(recovery, metric, rate): (&'static str, &'static str, f64)| {
        let measured = ARMS.into_iter().filter(move |arm| *arm != "second-opinion" || recovery == "guided");
        measured.map(move |arm| {
            let share = accuracy(recovery, metric, rate, arm);
            Record {
                recovery: recovery.into(),
                metric: metric.into(),
                protocol: "bernoulli".into(),
                rate,
                arm: arm.into(),
                n: N,
                accuracy: share,
                low: share - half_width(share),
                high: share + half_width(share),
                macro_f1: share - 0.001,
                auc: 1.0 - (1.0 - share) / 8.0,
                calibration_error: (1.0 - share) / 3.0,
            }
        })
    };
    settings().flat_map(of_setting).collect()
}

pub fn differences() -> Vec<PairedDifference> {
    let mut all = Vec::new();
    for (recovery, metric, rate) in settings() {
        for baseline in ["discard", "fuse-all", "second-opinion"] {
            if baseline == "second-opinion" && recovery != "guided" {
                continue;
            }
            let difference = accuracy(recovery, metric, rate, "dymo") - accuracy(recovery, metric, rate, baseline);
            let half = 0.0015 + 0.25 * difference.abs().min(0.02) + 0.003 * rate;
            all.push(PairedDifference {
                recovery: recovery.into(),
                metric: metric.into(),
                protocol: "bernoulli".into(),
                rate,
                arm: "dymo".into(),
                baseline: baseline.into(),
                n: N,
                difference,
                low: difference - half,
                high: difference + half,
            });
        }
    }
    all
}

pub fn learning_curves() -> Vec<LearningCurve> {
    let curve = |stage: &str, quantity: &str, value: fn(f64) -> f64| LearningCurve {
        stage: stage.into(),
        quantity: quantity.into(),
        points: (1..=12).map(|e| (f64::from(e), value(f64::from(e)))).collect(),
    };
    vec![
        curve("fusion network, cosine", "training loss", |e| 0.14 + 2.1 * (-0.6 * e).exp()),
        curve("fusion network, cosine", "validation accuracy, all subsets", |e| 0.987 - 0.5 * (-0.7 * e).exp()),
        curve("guided recovery", "negative ELBO", |e| 1450.0 + 900.0 * (-0.4 * e).exp()),
    ]
}

pub fn reliability() -> Vec<Reliability> {
    let mut all = Vec::new();
    for recovery in RECOVERIES {
        for (arm, slope) in [("discard", 0.93), ("dymo", 0.98), ("fuse-all", 0.74)] {
            let bins = (0..10).map(|b| {
                let confidence = (f64::from(b) + 0.5) / 10.0;
                let bent = confidence * slope - 0.08 * (confidence * 3.1).sin();
                ReliabilityBin { confidence, accuracy: bent.clamp(0.0, 1.0), count: 4 + (b * b * b) as usize * 3 }
            });
            all.push(Reliability {
                recovery: recovery.into(),
                metric: "cosine".into(),
                protocol: "bernoulli".into(),
                rate: 0.8,
                arm: arm.into(),
                bins: bins.collect(),
                ece: 1.0 - slope,
            });
        }
    }
    all
}

pub fn accepted() -> Vec<AcceptedBySubset> {
    let mut all = Vec::new();
    for (recovery, base) in [("guided", 0.42), ("MoPoE", 0.06)] {
        for bits in 1u32..32 {
            let observed: Vec<usize> = (0..5).filter(|m| bits >> m & 1 == 1).collect();
            let samples = 60 + (bits * 37 % 90) as usize;
            let offered = samples * (5 - observed.len());
            let share = base / observed.len() as f64;
            let accepted = (offered as f64 * share).round() as usize;
            all.push(AcceptedBySubset {
                recovery: recovery.into(),
                metric: "cosine".into(),
                observed,
                samples,
                offered,
                accepted,
            });
        }
    }
    all
}

pub fn incomplete_training() -> Vec<IncompleteTraining> {
    vec![IncompleteTraining {
        metric: "cosine".into(),
        protocol: "bernoulli".into(),
        rate: 0.8,
        trained_on: 1200,
        steps: 190,
        complete: 300,
        steps_of_complete: 50,
        n: 500,
        accuracy: 0.9,
        accuracy_of_complete: 0.85,
        difference: 0.05,
        low: 0.02,
        high: 0.08,
    }]
}

pub fn resolution() -> Vec<Resolution> {
    let one = |(recovery, metric, rate): (&str, &str, f64)| {
        let samples = (N as f64 * (1.0 - (1.0 - rate).powi(5))) as usize;
        Resolution {
            recovery: recovery.into(),
            metric: metric.into(),
            protocol: "bernoulli".into(),
            rate,
            samples,
            samples_within: samples / if metric == "cosine" { 150 } else { 9 },
            rounds: samples * 3 / 2,
            rounds_within: samples / if metric == "cosine" { 140 } else { 8 },
        }
    };
    settings().map(one).collect()
}

pub fn recovery_quality() -> Vec<RecoveryQuality> {
    let shares = [("guided", [0.89, 0.94, 0.96, 0.97]), ("MoPoE", [0.11, 0.12, 0.12, 0.13])];
    let of = |(recovery, shares): (&str, [f64; 4])| {
        let recovery = recovery.to_string();
        shares.into_iter().enumerate().map(move |(i, read_as_right_class)| RecoveryQuality {
            recovery: recovery.clone(),
            given: i + 1,
            read_as_right_class,
            n: 800,
        })
    };
    shares.into_iter().flat_map(of).collect()
}

pub fn bounds() -> Vec<Bound> {
    let bound = |subset_text: &str, cross_entropy: f64| {
        let (entropy, n, delta, g) = (10f64.ln(), N, 0.05f64, 16.0);
        let slack = g * ((1.0 / delta).ln() / (2.0 * n as f64)).sqrt();
        Bound {
            recovery: None,
            metric: "cosine".into(),
            subset_text: subset_text.into(),
            cross_entropy,
            entropy,
            n,
            delta,
            g,
            bound_nats: entropy - cross_entropy - slack,
        }
    };
    vec![bound("view 0 alone", 0.31), bound("all five views", 0.05), bound("noise", 2.3)]
}

pub fn min_gain() -> Vec<MinGain> {
    let point = |tau: f64, accuracy, samples_recovered_share, seconds| MinGain {
        tau,
        accuracy,
        samples_recovered_share,
        seconds,
    };
    vec![
        point(0.0, 0.953, 0.98, 41.0),
        point(0.01, 0.953, 0.62, 27.0),
        point(0.05, 0.951, 0.34, 16.0),
        point(0.2, 0.944, 0.12, 7.5),
        point(1.0, 0.932, 0.0, 2.0),
    ]
}
