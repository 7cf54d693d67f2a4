use super::*;
use burn::module::{ModuleMapper, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::TensorData;
use dymo_core::{Column, Columns};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 16;

fn kinds() -> Vec<Kind> {
    let table = |name: &str| {
        let columns = vec![
            Column::categorical(format!("{name} half"), ["left", "right"]).expect("a column"),
            Column::continuous(format!("{name} level"), 0.0, 1.0, [-3.0, 3.0]).expect("a column"),
        ];
        Kind::Table { columns: Columns::new(columns).expect("columns") }
    };
    vec![table("a"), Kind::Image { height: SIDE, width: SIDE, channels: 1 }, table("b")]
}

fn settings() -> TipSettings {
    TipSettings {
        width: 16,
        heads: 2,
        table_blocks: 1,
        joint_blocks: 1,
        widths: vec![8, 16],
        projection: 8,
        ..TipSettings::default()
    }
}

/// A picture with a bar; which half it stands in and how bright it is are the columns of both tables, the second's number with the sign
/// turned.
fn samples(n: usize, seed: u64, device: &Device) -> Vec<Tensor<2>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut a, mut pictures, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let (right, level) = (rng.random_bool(0.5), rng.random_range(-1.7f32..1.7));
        let at = rng.random_range(0..SIDE / 2 - 2) + if right { SIDE / 2 } else { 0 };
        let bright = 0.5 + 0.25 * level;
        for _ in 0..SIDE {
            pictures.extend(
                (0..SIDE)
                    .map(|x| if (at..at + 2).contains(&x) { bright } else { 0.0 } + rng.random_range(0.0f32..0.05)),
            );
        }
        let half = f32::from(u8::from(right));
        a.extend([half, level]);
        b.extend([half, -level]);
    }
    vec![tensor(a, n, device), tensor(pictures, n, device), tensor(b, n, device)]
}

fn tensor(values: Vec<f32>, n: usize, device: &Device) -> Tensor<2> {
    super::super::table::tensor(values, n, device)
}

fn numbers(tensor: &Tensor<2>) -> Vec<f32> {
    super::super::table::rows(tensor.clone())
}

/// Draws weights anew from a stream of its own: tests that run side by side draw theirs from one stream of the device, and what one
/// learns would depend on the others. What is the same everywhere, as gains and offsets are, stays.
struct Redrawn(ChaCha8Rng);

impl ModuleMapper for Redrawn {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| {
            let dims = weights.dims();
            let values = weights.to_data().try_to_vec::<f32>().expect("numbers");
            if values.iter().all(|value| *value == values[0]) {
                return weights;
            }
            let inputs = if D == 2 { dims[0] } else { dims[1..].iter().product::<usize>().max(1) };
            let bound = 1.0 / (inputs as f32).sqrt();
            let drawn: Vec<f32> = values.iter().map(|_| self.0.random_range(-bound..bound)).collect();
            Tensor::from_data(TensorData::new(drawn, dims), &weights.device()).require_grad()
        })
    }
}

/// Trains on 512 samples, always from the same weights; `part(step, loss)` is what is minimised in a step.
fn learn(settings: &TipSettings, steps: usize, rate: f64, mut part: impl FnMut(usize, TipLoss) -> Tensor<1>) -> Tip {
    let device = Device::flex().autodiff();
    let kinds = kinds();
    let fresh = settings.init(&kinds, &device).expect("a model");
    let mut model = fresh.map(&mut Redrawn(ChaCha8Rng::seed_from_u64(3)));
    let mut optimiser = AdamConfig::new().init();
    let train = samples(512, 1, &device);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for step in 0..steps {
        let start = step * 64 % 512;
        let inputs: Vec<Tensor<2>> = train.iter().map(|x| x.clone().narrow(0, start, 64)).collect();
        let batch = TipBatch::new(settings, &kinds, &inputs, &mut rng).expect("a batch");
        let loss = part(step, model.loss(&batch, settings.temperature));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimiser.step(rate, model, gradients);
    }
    model
}

fn number(tensor: &Tensor<1>) -> f32 {
    tensor.clone().into_data().try_to_vec::<f32>().expect("a number")[0]
}

/// After a minute's training at most, tables that are missing as a whole are recovered from the picture far better than by the middle
/// of all.
#[test]
fn tables_are_recovered_from_pictures() {
    let kinds = kinds();
    let mut losses = Vec::new();
    let model = learn(&settings(), 800, 6e-3, |_, loss| {
        losses.push([&loss.reconstruction, &loss.contrast].map(number));
        loss.total
    });
    // Matching is asked about the likest wrong pairs, which are hardly wrong here: its own test is the next one.
    let mean = |losses: &[[f32; 2]]| [0, 1].map(|i| losses.iter().map(|l| l[i]).sum::<f32>() / losses.len() as f32);
    let (first, last) = (mean(&losses[..80]), mean(&losses[720..]));
    let fell = last[0] < 0.5 * first[0] && last[1] < 0.85 * first[1];
    assert!(fell, "both parts fall: {first:?} to {last:?}");

    let recovery = TipRecovery::new(model.valid(), &kinds).expect("a recovery");
    let plain = Device::flex();
    let test = samples(200, 77, &plain);
    let observed = Observed { present: ModalitySet::single(1), inputs: vec![test[1].clone()], ids: (0..200).collect() };
    let tables: ModalitySet = [0, 2].into_iter().collect();
    assert_eq!(recovery.recoverable(observed.present, 3), tables);
    let made = recovery.recover(&observed, tables).expect("recovered");
    for (made, truth) in made.iter().zip([&test[0], &test[2]]) {
        let (made, truth) = (numbers(made), numbers(truth));
        let right = (0..200).filter(|i| made[2 * i] == truth[2 * i]).count();
        let error =
            |guess: &dyn Fn(usize) -> f32| (0..200).map(|i| (guess(i) - truth[2 * i + 1]).powi(2)).sum::<f32>() / 200.0;
        let (ours, mean) = (error(&|i| made[2 * i + 1]), error(&|_| 0.0));
        let well = right > 170 && ours < 0.5 * mean;
        assert!(well, "{right} of 200 halves; squared error {ours}, of the mean {mean}");
    }

    // With the other table known, too, its columns say it all.
    let both: ModalitySet = [0, 1].into_iter().collect();
    let observed = Observed { present: both, inputs: test[..2].to_vec(), ids: (0..200).collect() };
    let made = numbers(&recovery.recover(&observed, ModalitySet::single(2)).expect("recovered")[0]);
    let truth = numbers(&test[2]);
    let right = (0..200).filter(|i| made[2 * i] == truth[2 * i]).count();
    assert!(right > 180, "{right} of 200 halves with the other table");
}

/// Asked for nothing but to tell true pairs from others, the model does: better than by saying how many of the pairs are true.
#[test]
fn true_pairs_are_told_from_others() {
    // One pair in three is true.
    let chance = -(1.0f32 / 3.0 * (1.0f32 / 3.0).ln() + 2.0 / 3.0 * (2.0f32 / 3.0).ln());
    let mut last = Vec::new();
    learn(&TipSettings { corrupted: 0.0, ..settings() }, 400, 3e-3, |step, loss| {
        if step >= 360 {
            last.push(number(&loss.matching));
        }
        loss.matching
    });
    let nats = last.iter().sum::<f32>() / last.len() as f32;
    assert!(nats < 0.8 * chance, "{nats} nats, {chance} by the number of true pairs alone");
}

/// Law 1: neighbours do not matter. And entries of an observed table are filled from its known ones.
#[test]
fn samples_are_recovered_alone_as_together() {
    let device = Device::flex();
    device.seed(5);
    let kinds = kinds();
    let recovery = TipRecovery::new(settings().init(&kinds, &device).expect("a model"), &kinds).expect("a recovery");
    let test = samples(6, 7, &device);
    let gap = Tensor::<2>::from_data([[f32::NAN, 0.5]], &device);
    let table = Tensor::cat(vec![gap, test[0].clone().narrow(0, 1, 5)], 0);
    let recover = |from: usize, n: usize| {
        let inputs = [&table, &test[1]].map(|x| x.clone().narrow(0, from, n)).to_vec();
        let observed = Observed { present: ModalitySet::full(2), inputs, ids: (0..n as u64).collect() };
        recovery.recover(&observed, [0, 2].into_iter().collect()).expect("recovered")
    };
    let (all, one) = (recover(0, 6), recover(3, 1));
    for (all, one) in all.iter().zip(&one) {
        let (all, one) = (numbers(all), numbers(one));
        assert!(all.iter().all(|v| v.is_finite()));
        assert!(all[6..8].iter().zip(&one).all(|(a, b)| (a - b).abs() < 1e-4), "{all:?} {one:?}");
    }
    let nothing = Observed { present: ModalitySet::single(0), inputs: vec![test[0].clone()], ids: (0..6).collect() };
    assert!(recovery.recoverable(nothing.present, 3).is_empty(), "without a picture");
    assert!(matches!(
        recovery.recover(&nothing, ModalitySet::single(2)),
        Err(RecoveryError::NotRecoverable { modality: 2, .. })
    ));
}

#[test]
fn one_refusal_per_rule() {
    let all = kinds();
    let refused = |settings: TipSettings, kinds: &[Kind]| settings.check(kinds).expect_err("refused");
    assert_eq!(refused(settings(), &all[1..2]), RecoveryLayoutError::NoTable { model: NAME });
    assert_eq!(refused(settings(), &all[..1]), RecoveryLayoutError::NoPicture { model: NAME });
    let small = [all[0].clone(), Kind::Image { height: 2, width: 2, channels: 1 }];
    assert!(matches!(refused(settings(), &small), RecoveryLayoutError::NoToken { modality: 1, .. }));
    let zero = TipSettings { joint_blocks: 0, ..settings() };
    assert_eq!(refused(zero, &all), RecoveryLayoutError::Zero { field: "joint_blocks" });
    let odd = TipSettings { heads: 3, ..settings() };
    assert_eq!(refused(odd, &all), RecoveryLayoutError::Heads { width: 16, heads: 3 });
}
