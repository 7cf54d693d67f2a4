//! How long selecting takes.

use std::time::{Duration, Instant};

use dymo_core::ModalitySet;
use dymo_models::engine::Session;

use crate::fusion::Questions;

/// Runs whose median is taken, after one to warm up.
const RUNS: usize = 9;

/// Median time of selecting, all inputs already recovered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Samples: those of the case, repeated.
    pub samples: usize,
    /// Runs.
    pub runs: usize,
    /// Median.
    pub median: Duration,
    /// Shortest and longest.
    pub range: (Duration, Duration),
}

pub(crate) fn select(questions: &Questions<'_>, samples: usize) -> Result<Timing, String> {
    let present: Vec<ModalitySet> = questions.present.iter().copied().cycle().take(samples).collect();
    let ids: Vec<u64> = (0..samples as u64).collect();
    // As many in front of the engine as in an evaluation.
    let at_once = Session::samples_at_once(questions.network.layout());
    let once = || -> Result<Duration, String> {
        let began = Instant::now();
        for (present, ids) in present.chunks(at_once).zip(ids.chunks(at_once)) {
            let questions = Questions { present, ids, ..*questions };
            let decisions = questions.decide(&mut questions.judge())?;
            std::hint::black_box(decisions);
        }
        Ok(began.elapsed())
    };
    once()?;
    let mut times = (0..RUNS).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    Ok(Timing { samples, runs: RUNS, median: times[RUNS / 2], range: (times[0], times[RUNS - 1]) })
}
