//! The training loop: seeded, resumable bit for bit, stoppable at any step.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device, Tensor};
use dymo_data::{ReadError, Samples};
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::batch::{Batch, epoch_order, scalar};
use crate::checkpoint::{Checkpoint, Place};
use crate::error::TrainError;

/// What a training run is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples per step; the last step of an epoch takes what is left.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Stop after so many epochs without an improvement of at least `least_improvement`.
    pub patience: Option<usize>,
    /// See `patience`.
    pub least_improvement: f64,
    /// Stop after so many steps, in the middle of an epoch if need be; a run that is resumed with more goes on there.
    pub max_steps: Option<usize>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch: 256,
            learning_rate: 1e-3,
            patience: Some(20),
            least_improvement: 1e-4,
            max_steps: None,
        }
    }
}

impl Schedule {
    /// What stands in the record of a model that was fitted in one go: no steps, no learning rate.
    pub fn in_one_go() -> Self {
        Self { epochs: 1, batch: 0, learning_rate: 0.0, patience: None, least_improvement: 0.0, max_steps: None }
    }
}

/// A step's outcome.
#[derive(Debug)]
pub struct StepLoss {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Its parts for the record, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}

/// Where a step is in the run.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Step since the start, from 0.
    pub step: usize,
}

/// What is trained and how a step's loss is made.
pub trait Objective: Send {
    /// The network.
    type Model: Module;

    /// Name of the stage in progress bars and files.
    fn stage(&self) -> &str;

    /// Fresh weights.
    ///
    /// # Errors
    /// If the network cannot be built.
    fn init(&self, device: &Device) -> Result<Self::Model, TrainError>;

    /// The loss of a batch.
    ///
    /// # Errors
    /// If something cannot be read.
    fn step(&mut self, model: &Self::Model, batch: &Batch, moment: Moment) -> Result<StepLoss, TrainError>;

    /// Called after the last step of an epoch, before validation.
    fn end_epoch(&mut self) {}

    /// Whether the first quantity of [`Objective::validate`] may make this epoch the one whose weights are kept, larger being
    /// better. Where no epoch may, the last one is kept, and nothing stops early.
    fn chooses_best(&self, _epoch: usize) -> bool {
        true
    }

    /// Quantities on held-out samples.
    ///
    /// # Errors
    /// If something cannot be read.
    fn validate(&mut self, model: &Self::Model, moment: Moment) -> Result<Vec<(&'static str, f64)>, TrainError>;

    /// What must survive a restart, besides weights.
    fn carried(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what [`Objective::carried`] gave.
    fn carry_on(&mut self, _carried: &[f64]) {}
}

/// What a step leaves.
#[derive(Debug)]
pub struct Updated<M> {
    /// The new weights.
    pub model: M,
    /// The loss of the old ones.
    pub loss: f64,
    /// Its parts, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}

/// One step: the loss of a batch, its gradients, and an optimiser's step along them.
///
/// All of it is done by a thread of rayon's pool, so that the many short parts that threads share need not be handed over to the
/// pool one by one.
///
/// # Errors
/// If the objective fails, or the loss is no number.
pub fn update<O: Objective>(
    objective: &mut O,
    model: O::Model,
    batch: &Batch,
    moment: Moment,
    optimiser: &mut ModuleOptimizer,
    rate: f64,
) -> Result<Updated<O::Model>, TrainError> {
    rayon::scope(|_| {
        let StepLoss { total, parts } = objective.step(&model, batch, moment)?;
        let loss = scalar(total.clone());
        if !loss.is_finite() {
            return Err(TrainError::NotFinite {
                stage: objective.stage().into(),
                quantity: "loss".into(),
                value: loss,
                step: moment.step,
            });
        }
        let gradients = GradientsParams::from_grads(total.backward(), &model);
        Ok(Updated { model: optimiser.step(rate, model, gradients), loss, parts })
    })
}

/// A point of a learning curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Name of the quantity, such as "training: label".
    pub quantity: String,
    /// Epochs done.
    pub epoch: f64,
    /// Its value.
    pub value: f64,
}

/// Learning curves of a run.
pub type History = Vec<Point>;

/// What the caller is told after every step.
#[derive(Debug, Clone)]
pub struct Progress<'a> {
    /// Stage in training.
    pub stage: &'a str,
    /// Steps done.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Loss of the last step.
    pub loss: f64,
    /// Set when an epoch has just ended: its quantities.
    pub ended: Option<&'a [(String, f64)]>,
}

/// How a run is watched, stopped and resumed.
pub struct Run<'a> {
    /// Seed of everything random.
    pub seed: u64,
    /// Where the checkpoint lives; none is written without a path.
    pub checkpoint: Option<PathBuf>,
    /// Whether an existing checkpoint is taken up; otherwise it is overwritten.
    pub resume: bool,
    /// What the weights depend on besides stage, seed and schedule: what people call it, and the checksum of how it is set. A checkpoint
    /// of other settings is refused. An experiment adds what its own stages depend on.
    pub settings: BTreeMap<String, String>,
    /// Time between checkpoints.
    pub every: Duration,
    /// Set from outside to stop after the running step.
    pub stop: Arc<AtomicBool>,
    /// Called after every step.
    pub progress: &'a mut dyn FnMut(&Progress<'_>),
}

/// What a training leaves.
#[derive(Debug)]
pub struct Trained<M> {
    /// Weights of the best epoch, or of the last where there is no score.
    pub model: M,
    /// Learning curves.
    pub history: History,
    /// Best epoch, from 0.
    pub best_epoch: usize,
    /// Steps made in all.
    pub steps: usize,
    /// Seconds spent in all, over all restarts.
    pub seconds: f64,
}

/// Trains on samples that have all modalities or some; what a batch without one teaches is the objective's matter.
///
/// The same seed, samples and schedule give the same bits on a device, however often the run was interrupted.
///
/// # Errors
/// See [`TrainError`]; [`TrainError::Stopped`] after a stop was asked for and the checkpoint written.
pub fn train<'a, O: Objective>(
    objective: &mut O,
    schedule: &'a Schedule,
    samples: &'a dyn Samples,
    device: &Device,
    run: Run<'a>,
) -> Result<Trained<O::Model>, TrainError> {
    if samples.is_empty() || schedule.batch == 0 || schedule.epochs == 0 {
        let found = samples.len().min(schedule.batch).min(schedule.epochs);
        return Err(TrainError::TooFewSamples {
            split: "training (or its batch, or its epochs)".into(),
            found,
            wanted: 1,
        });
    }
    let mut training = Training::start(objective, schedule, samples, device, run)?;
    while !training.over() {
        training.epoch(objective)?;
    }
    training.finish()
}

struct Training<'a, M> {
    schedule: &'a Schedule,
    samples: &'a dyn Samples,
    device: Device,
    run: Run<'a>,
    model: M,
    optimiser: ModuleOptimizer,
    best: Vec<u8>,
    place: Place,
    began: Instant,
    saved: Instant,
}

impl<'a, M: Module> Training<'a, M> {
    fn start<O: Objective<Model = M>>(
        objective: &mut O,
        schedule: &'a Schedule,
        samples: &'a dyn Samples,
        device: &Device,
        run: Run<'a>,
    ) -> Result<Self, TrainError> {
        let device = device.clone().autodiff();
        let model = fresh(objective, &device, run.seed)?;
        let optimiser = ModuleOptimizer::from(Adam);
        let Schedule { batch, learning_rate, least_improvement, .. } = schedule;
        // Epochs, patience and step limit are left out: a finished run may be resumed with more of them.
        let name = format!(
            "{}, seed {}, {} samples, batch {batch}, learning rate {learning_rate}, least improvement {least_improvement}",
            objective.stage(),
            run.seed,
            samples.len()
        );
        let place = Place {
            run: name,
            settings: Some(run.settings.clone()),
            epoch: 0,
            batch: 0,
            step: 0,
            best_epoch: 0,
            best_score: None,
            stale_epochs: 0,
            seconds: 0.0,
            history: History::new(),
            objective: Vec::new(),
            sums: Vec::new(),
            samples: 0,
        };
        let now = Instant::now();
        let mut training =
            Self { schedule, samples, device, run, model, optimiser, best: Vec::new(), place, began: now, saved: now };
        if training.run.resume {
            training.resume(objective)?;
        }
        Ok(training)
    }

    fn resume<O: Objective<Model = M>>(&mut self, objective: &mut O) -> Result<(), TrainError> {
        let Some(path) = self.run.checkpoint.clone() else { return Ok(()) };
        let Some(found) = Checkpoint::load(&path)? else { return Ok(()) };
        let refuse = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        if let Some(reason) = found.place.differs(&self.place) {
            return Err(TrainError::OtherRun { path, reason });
        }
        self.model = load_weights(self.model.clone(), found.model).map_err(&refuse)?;
        let optimiser = Bytes::from_bytes_vec(found.optimiser);
        self.optimiser = self.optimiser.clone().from_bytes(optimiser).map_err(|e| refuse(e.to_string()))?;
        self.best = found.best;
        let carried: Vec<f64> = found.place.objective.iter().map(|bits| f64::from_bits(*bits)).collect();
        objective.carry_on(&carried);
        self.place = found.place;
        Ok(())
    }

    fn steps_per_epoch(&self) -> usize {
        self.samples.len().div_ceil(self.schedule.batch)
    }

    fn total_steps(&self) -> usize {
        let all = self.schedule.epochs * self.steps_per_epoch();
        self.schedule.max_steps.map_or(all, |most| most.min(all))
    }

    /// Asked between epochs, of this run's schedule: a run that was over may go on with more patience. An epoch that the step limit cut
    /// short still has to end.
    fn over(&self) -> bool {
        let Place { epoch, batch, step, stale_epochs, .. } = self.place;
        let tired = epoch > 0 && self.schedule.patience.is_some_and(|patience| stale_epochs >= patience);
        batch == 0 && (tired || epoch >= self.schedule.epochs || step >= self.total_steps())
    }

    fn moment(&self) -> Moment {
        Moment { seed: self.run.seed, epoch: self.place.epoch, step: self.place.step }
    }

    fn epoch<O: Objective<Model = M>>(&mut self, objective: &mut O) -> Result<(), TrainError> {
        let order = epoch_order(self.samples.len(), self.run.seed, self.place.epoch);
        let batches: Vec<&[usize]> = order.chunks(self.schedule.batch).collect();
        while self.place.batch < batches.len() && self.place.step < self.total_steps() {
            self.step(objective, batches[self.place.batch])?;
            if self.run.stop.load(Ordering::Relaxed) {
                self.save(objective)?;
                return Err(TrainError::Stopped { stage: objective.stage().into(), step: self.place.step });
            }
            if self.saved.elapsed() >= self.run.every {
                self.save(objective)?;
            }
        }
        if self.place.batch == batches.len() {
            self.end_epoch(objective)?;
            return self.save(objective);
        }
        // Cut short by the step limit: saved where it is, so that a run with more steps goes on in the midst of the epoch.
        self.save(objective)?;
        self.end_epoch(objective)
    }

    fn step<O: Objective<Model = M>>(&mut self, objective: &mut O, indices: &[usize]) -> Result<(), TrainError> {
        let batch = match Batch::read(self.samples, indices, &self.device) {
            Ok(batch) => batch,
            // Nothing of this step has happened yet: what was learned before it is kept.
            Err(source) => return Err(self.unread(objective, source)),
        };
        let (moment, rate) = (self.moment(), self.schedule.learning_rate);
        let updated = update(objective, self.model.clone(), &batch, moment, &mut self.optimiser, rate)?;
        let Updated { model, loss, parts } = updated;
        self.model = model;
        let count = indices.len() as f64;
        self.add("loss", loss * count);
        for (name, part) in parts {
            self.add(name, scalar(part) * count);
        }
        self.place.samples += indices.len();
        self.place.batch += 1;
        self.place.step += 1;
        self.tell(objective.stage(), loss, None);
        Ok(())
    }

    /// What is said when a sample cannot be read, after everything learned so far is saved.
    fn unread<O: Objective<Model = M>>(&mut self, objective: &O, source: ReadError) -> TrainError {
        if self.run.checkpoint.is_none() {
            return source.into();
        }
        let (stage, step) = (objective.stage().into(), self.place.step);
        self.save(objective).err().unwrap_or(TrainError::Unread { source: Box::new(source), stage, step })
    }

    /// Adds to a sum of the running epoch, kept as bits.
    fn add(&mut self, name: &str, value: f64) {
        match self.place.sums.iter_mut().find(|(n, _)| n == name) {
            Some((_, bits)) => *bits = (f64::from_bits(*bits) + value).to_bits(),
            None => self.place.sums.push((name.into(), value.to_bits())),
        }
    }

    fn tell(&mut self, stage: &str, loss: f64, ended: Option<&[(String, f64)]>) {
        let progress = Progress {
            stage,
            step: self.place.step,
            steps: self.total_steps(),
            epoch: self.place.epoch,
            epochs: self.schedule.epochs,
            loss,
            ended,
        };
        (self.run.progress)(&progress);
    }

    fn end_epoch<O: Objective<Model = M>>(&mut self, objective: &mut O) -> Result<(), TrainError> {
        let before = objective.carried();
        objective.end_epoch();
        let held_out = match objective.validate(&self.model.valid(), self.moment()) {
            Err(TrainError::Read(source)) => {
                // The epoch has not ended: all its steps are made, and whoever goes on validates again.
                objective.carry_on(&before);
                return Err(self.unread(objective, source));
            }
            held_out => held_out?,
        };
        let samples = self.place.samples.max(1) as f64;
        let training = self.place.sums.iter().map(|(n, b)| (format!("training: {n}"), f64::from_bits(*b) / samples));
        let ended: Vec<(String, f64)> =
            training.chain(held_out.iter().map(|(n, v)| (format!("validation: {n}"), *v))).collect();
        let epoch = self.place.step as f64 / self.steps_per_epoch() as f64;
        self.place.history.extend(ended.iter().map(|(q, v)| Point { quantity: q.clone(), epoch, value: *v }));
        self.judge(held_out.first().filter(|_| objective.chooses_best(self.place.epoch)).map(|(_, score)| *score))?;
        let loss = ended.first().map_or(f64::NAN, |(_, v)| *v);
        self.tell(objective.stage(), loss, Some(&ended));
        self.place.epoch += 1;
        self.place.batch = 0;
        self.place.samples = 0;
        self.place.sums.clear();
        Ok(())
    }

    /// Any strict improvement saves the epoch; patience counts those that are large enough (method, section 3).
    fn judge(&mut self, score: Option<f64>) -> Result<(), TrainError> {
        let Some(score) = score else {
            self.place.best_epoch = self.place.epoch;
            return Ok(());
        };
        let before = self.place.best_score.map(f64::from_bits);
        if before.is_none_or(|best| score > best) {
            self.place.best_score = Some(score.to_bits());
            self.place.best_epoch = self.place.epoch;
            self.best = self.weights(&self.model)?;
        }
        let enough = before.is_none_or(|best| score > best + self.schedule.least_improvement);
        self.place.stale_epochs = if enough { 0 } else { self.place.stale_epochs + 1 };
        Ok(())
    }

    fn weights(&self, model: &M) -> Result<Vec<u8>, TrainError> {
        let path = self.run.checkpoint.clone().unwrap_or_default();
        let bytes = model.clone().into_record().into_bytes();
        bytes.map(|b| b.to_vec()).map_err(|e| TrainError::Checkpoint { path, reason: e.to_string() })
    }

    fn save<O: Objective<Model = M>>(&mut self, objective: &O) -> Result<(), TrainError> {
        self.saved = Instant::now();
        let Some(path) = self.run.checkpoint.clone() else { return Ok(()) };
        let refuse = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let mut place = self.place.clone();
        place.seconds += self.began.elapsed().as_secs_f64();
        place.objective = objective.carried().iter().map(|v| v.to_bits()).collect();
        Checkpoint {
            place,
            model: self.weights(&self.model)?,
            optimiser: self.optimiser.into_bytes().map_err(|e| refuse(e.to_string()))?.to_vec(),
            best: self.best.clone(),
        }
        .save(&path)
    }

    fn finish(self) -> Result<Trained<M>, TrainError> {
        let path = self.run.checkpoint.clone().unwrap_or_default();
        let steps = self.place.step;
        let seconds = self.place.seconds + self.began.elapsed().as_secs_f64();
        let model = if self.best.is_empty() {
            self.model
        } else {
            load_weights(self.model, self.best).map_err(|reason| TrainError::Checkpoint { path, reason })?
        };
        Ok(Trained {
            model: model.valid(),
            history: self.place.history,
            best_epoch: self.place.best_epoch,
            steps,
            seconds,
        })
    }
}

/// Fresh weights from a seed. A device has one generator for the whole process, so that no two networks may draw at once, and
/// Burn draws a weight when it is first looked at: all are looked at here, in the order of the module.
fn fresh<O: Objective>(objective: &O, device: &Device, seed: u64) -> Result<O::Model, TrainError> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let model = objective.init(device)?;
    model.visit(&mut Draw);
    Ok(model)
}

/// Looks at every weight.
struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _ = param.val();
    }
}

/// Weights from a record's bytes.
fn load_weights<M: Module>(model: M, bytes: Vec<u8>) -> Result<M, String> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| e.to_string())?;
    model.try_load_record(record).map_err(|e| e.to_string())
}
