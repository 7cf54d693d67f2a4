//! Wall time, and the processor time of all threads: on a machine that others use, the second says more.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use serde_json::{Value, json};

/// A running measurement.
pub struct Clock {
    began: Instant,
    processor: Option<ProcessTime>,
}

impl Clock {
    /// Now.
    pub fn start() -> Self {
        Self { processor: ProcessTime::try_now().ok(), began: Instant::now() }
    }

    /// Seconds since then, as an answer; processor time where the system counts it.
    pub fn stop(self) -> Value {
        let wall = self.began.elapsed().as_secs_f64();
        let processor = self.processor.and_then(|began| began.try_elapsed().ok());
        json!({ "seconds": wall, "processor": processor.map(|p: Duration| p.as_secs_f64()) })
    }
}
