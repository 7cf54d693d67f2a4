//! The rows of the table, and what was found for each.

use serde_json::Value;

use crate::portability::Backend;

/// Whose program measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    /// Ours, on another device.
    On(Backend),
    Lean,
    Published,
}

/// One way of doing a row's task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contestant {
    pub who: Who,
    pub name: &'static str,
    pub task: &'static str,
    /// Measurements at most.
    pub most: usize,
    /// How many times faster than this ours should be, if that was promised.
    pub aim: Option<f64>,
}

/// A task and those who do it; the first is what the others are compared with.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub title: &'static str,
    pub contestants: Vec<Contestant>,
    /// Samples that a measurement goes through.
    pub samples: usize,
}

const MANY: usize = usize::MAX;

fn contestant(who: Who, name: &'static str, task: &'static str) -> Contestant {
    Contestant { who, name, task, most: MANY, aim: None }
}

const PUBLISHED: &str = "published code (PyTorch)";
const LEAN: &str = "batched PyTorch rewrite";

impl Contestant {
    fn most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }
}

/// All rows that take turns; the engine on other devices stands below ours on the CPU.
pub(crate) fn plans(devices: &[Backend]) -> Vec<Plan> {
    let mut plans = on_the_cpu();
    for plan in &mut plans {
        let task = plan.contestants[0].task;
        if matches!(task, "whole" | "selection") {
            let others = devices.iter().map(|device| contestant(Who::On(*device), device.engine(), task).most(3));
            plan.contestants.splice(1..1, others);
        }
    }
    plans
}

fn on_the_cpu() -> Vec<Plan> {
    use Who::{Lean, Ours, Published};
    vec![
        Plan {
            title: "Whole inference: recovery, selection, prediction",
            contestants: vec![
                contestant(Ours, "dymo, CPU", "whole"),
                contestant(Ours, "dymo, through Burn's operators", "whole-operators"),
                contestant(Ours, "the literal algorithm in our code", "whole-literal").most(3),
                contestant(Published, PUBLISHED, "whole").aim(40.0),
                contestant(Lean, LEAN, "whole").aim(2.0),
            ],
            samples: 256,
        },
        Plan {
            title: "Whole inference with `--min-gain 0.001`",
            contestants: vec![
                contestant(Ours, "dymo, CPU, `--min-gain 0.001`", "whole-min-gain"),
                contestant(Ours, "dymo, CPU, exact", "whole"),
                contestant(Published, PUBLISHED, "whole").most(5).aim(100.0),
            ],
            samples: 256,
        },
        Plan {
            title: "Selection alone, inputs already recovered",
            contestants: vec![
                contestant(Ours, "dymo, CPU", "selection"),
                contestant(Ours, "dymo, through Burn's operators", "selection-operators"),
                contestant(Ours, "the literal algorithm in our code", "selection-literal").most(3),
                contestant(Published, PUBLISHED, "selection").aim(12.0),
                contestant(Lean, LEAN, "selection").aim(2.0),
            ],
            samples: 256,
        },
        Plan {
            title: "One training step of the fusion network, K = 5, batch 256",
            contestants: vec![
                contestant(Ours, "dymo, CPU", "fusion-step"),
                contestant(Published, "published loop (PyTorch)", "fusion-step").aim(5.0),
                contestant(Lean, "encoded once, absent tokens left out (PyTorch)", "fusion-step").aim(1.3),
            ],
            samples: 256,
        },
        Plan {
            title: "One training step of MoPoE, batch 256",
            contestants: vec![
                contestant(Ours, "dymo, CPU", "mopoe-step"),
                contestant(Published, "published loop (PyTorch)", "mopoe-step"),
                contestant(Lean, LEAN, "mopoe-step"),
            ],
            samples: 256,
        },
    ]
}

/// Measurements of one contestant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub seconds: Vec<f64>,
    /// Processor time of all threads.
    pub processor: Vec<f64>,
    pub accuracy: Option<f64>,
    /// GFLOP of the exact method that one measurement stands for.
    pub gflop: Option<f64>,
}

impl Found {
    pub fn add(&mut self, answer: &Value) {
        self.seconds.extend(answer["seconds"].as_f64());
        self.processor.extend(answer["processor"].as_f64());
        self.accuracy = answer["accuracy"].as_f64().or(self.accuracy);
        self.gflop = answer["gflop"].as_f64().or(self.gflop);
    }
}

/// A measured row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub plan: Plan,
    /// One for each contestant; empty where its program is not there.
    pub found: Vec<Found>,
}

impl Row {
    pub fn new(plan: Plan) -> Self {
        Self { found: vec![Found::default(); plan.contestants.len()], plan }
    }
}

/// The value below which a share of the sorted values lies, between neighbours in proportion; NaN of nothing.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0], 0.25), 1.25);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn devices_stand_below_the_cpu_where_the_engine_is_measured() {
        let plans = plans(&[Backend::Wgpu]);
        let on = |plan: &Plan| plan.contestants.iter().position(|c| c.who == Who::On(Backend::Wgpu));
        assert_eq!(plans.iter().map(on).collect::<Vec<_>>(), [Some(1), None, Some(1), None, None]);
    }

    #[test]
    fn every_row_begins_with_ours() {
        assert!(plans(&[]).iter().all(|plan| plan.contestants[0].who == Who::Ours));
    }
}
