//! One training step: loss, gradients, Adam.

use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use dymo_data::Subset;
use dymo_reward::Metric;
use dymo_train::fusion::FusionObjective;
use dymo_train::recovery::{HeldOut, MopoeObjective};
use dymo_train::trainer::{Moment, Objective, update};
use dymo_train::{Adam, Batch};
use serde_json::Value;

use crate::case::Case;
use crate::clock::Clock;

/// A network in training, step by step on one batch.
pub struct Step<O: Objective> {
    objective: O,
    model: O::Model,
    optimiser: ModuleOptimizer,
    batch: Batch,
    step: usize,
}

fn start<O: Objective>(case: &Case, objective: O, device: &Device) -> anyhow::Result<Step<O>> {
    let indices: Vec<usize> = (0..case.labels.len()).collect();
    let batch = Batch::read(case.train.as_ref(), &indices, device)?;
    let model = objective.init(device)?;
    Ok(Step { objective, model, optimiser: ModuleOptimizer::from(Adam), batch, step: 0 })
}

impl Step<FusionObjective> {
    /// The fusion network with K subsets and the prototype loss.
    pub fn fusion(case: &Case) -> anyhow::Result<Self> {
        let device = case.device.clone().autodiff();
        device.seed(1);
        let layout = case.experiment.layout(case.train.schema(), Metric::Cosine)?;
        let held_out = std::sync::Arc::new(Subset::first(case.train.clone(), 1));
        let mut objective =
            FusionObjective::new(layout, case.experiment.fusion_loss().clone(), held_out, case.device.clone());
        objective.end_epoch();
        start(case, objective, &device)
    }
}

impl Step<MopoeObjective> {
    /// MoPoE.
    pub fn mopoe(case: &Case) -> anyhow::Result<Self> {
        let device = case.device.clone().autodiff();
        device.seed(1);
        let samples = std::sync::Arc::new(Subset::first(case.train.clone(), 1));
        let held_out = HeldOut { samples, reader: None, device: case.device.clone() };
        let objective = MopoeObjective::new(case.settings.clone(), case.labels.len(), held_out);
        start(case, objective, &device)
    }
}

impl<O: Objective> Step<O> {
    /// One step. Epoch 3 is the first with the prototype loss.
    pub fn measure(&mut self) -> anyhow::Result<Value> {
        let moment = Moment { seed: 1, epoch: 3, step: self.step };
        let clock = Clock::start();
        let updated = update(&mut self.objective, self.model.clone(), &self.batch, moment, &mut self.optimiser, 1e-3)?;
        self.model = updated.model;
        self.step += 1;
        Ok(clock.stop())
    }
}
