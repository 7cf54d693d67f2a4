//! Two routes, one answer: each shortcut of the fast path against the plain way.

use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::module::{conv_transpose2d, conv2d, layer_norm};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Distribution, Tensor, activation};
use dymo_core::{Kind, ModalitySet, subsets};
use dymo_models::encoder::EncoderSettings;
use dymo_models::engine::{Inputs, Session};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, Fused, FusionLayout, FusionNetwork, FusionTable, Input};
use dymo_models::ops::{self, Window};
use dymo_models::recovery::{
    Draw, Gallery, GuidedRecovery, GuidedSettings, MopoeRecovery, MopoeSettings, Observed, Recovery, Retrieval,
};
use dymo_models::transformer::Block;

/// Sums of up to some thousand products in another order.
const BOUND: f32 = 2e-4;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().expect("single precision")
}

fn assert_close<const D: usize>(what: &str, ours: Tensor<D>, theirs: Tensor<D>) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    for (i, (a, b)) in values(ours).iter().zip(values(theirs)).enumerate() {
        assert!((a - b).abs() <= BOUND * (1.0 + b.abs()), "{what}[{i}]: {a} against {b}");
    }
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn nchw(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

fn nhwc(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

/// Values and gradients of two functions of the same three tensors.
fn compare<const A: usize, const B: usize, const C: usize, const R: usize>(
    what: &str,
    inputs: (Tensor<A>, Tensor<B>, Tensor<C>),
    fast: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
    plain: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
) {
    let (a, b, c) = (inputs.0.require_grad(), inputs.1.require_grad(), inputs.2.require_grad());
    let (ours, theirs) = (fast(a.clone(), b.clone(), c.clone()), plain(a.clone(), b.clone(), c.clone()));
    assert_close(what, ours.clone(), theirs.clone());
    let weights = random(ours.dims(), &a.device());
    let (ours, theirs) = ((ours * weights.clone()).sum().backward(), (theirs * weights).sum().backward());
    let name = |part: &str| format!("{what}, gradient of the {part}");
    assert_close(&name("first"), a.grad(&ours).expect("tracked"), a.grad(&theirs).expect("tracked"));
    assert_close(&name("second"), b.grad(&ours).expect("tracked"), b.grad(&theirs).expect("tracked"));
    assert_close(&name("third"), c.grad(&ours).expect("tracked"), c.grad(&theirs).expect("tracked"));
}

#[test]
fn kernels_equal_burns_operators() {
    let device = Device::flex().autodiff();
    device.seed(1);
    let window = Window { kernel: 3, stride: 2, padding: 1 };
    let options = || ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
    compare(
        "convolution with ReLU",
        (random([3, 9, 7, 4], &device), random([5, 4, 3, 3], &device), random([5], &device)),
        |x, w, b| ops::conv2d(x, w, b, window, true),
        |x, w, b| activation::relu(nhwc(conv2d(nchw(x), w, Some(b), options()))),
    );
    compare(
        "transposed convolution",
        (random([3, 4, 5, 6], &device), random([6, 2, 3, 3], &device), random([2], &device)),
        |x, w, b| ops::conv_transpose2d(x, w, b, window, [8, 9], false),
        |x, w, b| {
            let options = ConvTransposeOptions::new([2, 2], [1, 1], [1, 0], [1, 1], 1);
            nhwc(conv_transpose2d(nchw(x), w, Some(b), options))
        },
    );
    compare(
        "LayerNorm",
        (random([6, 5, 8], &device), random([8], &device), random([8], &device)),
        ops::layer_norm,
        |x, g, b| layer_norm(x, g, Some(b), ops::NORM_EPSILON),
    );
    compare(
        "GELU and pooling",
        (random([2, 4, 6, 3], &device), random([1], &device), random([1], &device)),
        |x, a, b| ops::max_pool2(ops::gelu(x)) * a.reshape([1, 1, 1, 1]) + b.reshape([1, 1, 1, 1]),
        |x, a, b| {
            let pooled = activation::gelu(x).reshape([2, 2, 2, 3, 2, 3]).max_dim(4).max_dim(2).reshape([2, 2, 3, 3]);
            pooled * a.reshape([1, 1, 1, 1]) + b.reshape([1, 1, 1, 1])
        },
    );
}

#[test]
fn the_first_token_alone_is_the_first_of_all() {
    let device = Device::flex();
    let block = Block::new(32, 4, &device);
    let x = random([5, 9, 32], &device);
    assert_close("first token", block.forward_first(x.clone()), block.forward(x).narrow(1, 0, 1));
}

#[test]
fn the_fused_block_equals_the_operators() {
    let device = Device::flex().autodiff();
    device.seed(2);
    let block = Block::new(16, 2, &device);
    for queries in [1, 5] {
        compare(
            "block",
            (random([3, 5, 16], &device), random([1], &device), random([1], &device)),
            |x, a, b| {
                let y = if queries == 1 { block.forward_first(x) } else { block.forward(x) };
                y * a.reshape([1, 1, 1]) + b.reshape([1, 1, 1])
            },
            |x, a, b| block.read_by_operators(x, queries) * a.reshape([1, 1, 1]) + b.reshape([1, 1, 1]),
        );
    }
    let x = random([3, 5, 16], &device);
    let gradients = |y: Tensor<3>| {
        let grads = y.powi_scalar(2).sum().backward();
        burn::optim::GradientsParams::from_grads(grads, &block)
    };
    let (ours, theirs) = (gradients(block.forward(x.clone())), gradients(block.read_by_operators(x, 5)));
    let mut weights = Weights { ours, theirs, compared: 0 };
    block.visit(&mut weights);
    assert_eq!(weights.compared, 11);
}

/// Compares the gradients of every weight of a module.
struct Weights {
    ours: burn::optim::GradientsParams,
    theirs: burn::optim::GradientsParams,
    compared: usize,
}

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match (self.ours.get::<D>(param.id), self.theirs.get::<D>(param.id)) {
            (Some(ours), Some(theirs)) => assert_close("gradient of a weight", ours, theirs),
            (ours, theirs) => return assert!(ours.is_none() && theirs.is_none(), "a weight without gradient"),
        }
        self.compared += 1;
    }
}

const KIND: Kind = Kind::Image { height: 16, width: 16, channels: 2 };

fn network(device: &Device) -> FusionNetwork {
    let encoder = EncoderSettings::Convolutional { widths: vec![4, 8], token_width: 12 };
    let table = FusionTable {
        inputs: vec![Input { kind: KIND, encoder }; 4],
        width: 16,
        heads: 2,
        blocks: 2,
        feature_width: 8,
        classes: 3,
        scale: FeatureScale::Free,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    device.seed(3);
    FusionLayout::try_from(table).expect("a layout").init(device)
}

fn pictures(samples: &[usize], modality: usize, device: &Device) -> Tensor<2> {
    let rows = samples.iter().map(|s| {
        let wave: Vec<f32> = (0..KIND.values()).map(|i| ((i * (3 + s) + 7 * modality) as f32 * 0.37).sin()).collect();
        Tensor::<1>::from_floats(wave.as_slice(), device).unsqueeze::<2>()
    });
    Tensor::cat(rows.collect(), 0)
}

/// Pictures of observed modalities; asking for an unobserved one is a fault of the engine (a modality never read cannot matter).
struct Strict<'a> {
    present: &'a [ModalitySet],
    device: Device,
}

impl Inputs for Strict<'_> {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        match samples.iter().find(|s| !self.present[**s].contains(modality)) {
            Some(sample) => Err(format!("modality {modality} of sample {sample} is missing and was read")),
            None => Ok(pictures(samples, modality, &self.device)),
        }
    }
}

fn guided(device: &Device) -> GuidedRecovery {
    let settings = GuidedSettings { widths: vec![4, 8], hidden: 16, shared: 4, private: 4, ..Default::default() };
    device.seed(4);
    GuidedRecovery::new(settings.init(&[KIND; 4], 3, device).expect("a model"), &settings, 9)
}

/// Where the mean is taken otherwise, a drawing model gives every id a draw of its own, and the same id the same draw.
#[test]
fn another_id_is_another_draw() {
    let device = Device::flex();
    let recovery = guided(&device);
    let observed = Observed {
        present: ModalitySet::single(1),
        inputs: vec![pictures(&[3, 3, 3], 1, &device)],
        ids: vec![7, 8, 7],
    };
    let rows = |recovery: &dyn Recovery| {
        let found = values(recovery.recover(&observed, ModalitySet::single(0)).expect("recovered").remove(0));
        found.chunks_exact(found.len() / 3).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let (mean, drawn) = (rows(&recovery), rows(recovery.drawing().expect("it draws").as_ref()));
    assert!(mean[0] == mean[1] && drawn[0] == drawn[2]);
    assert!(drawn[0] != drawn[1] && drawn[0] != mean[0]);
}

/// What the engine says equals encoding, recovering and fusing one sample at a time; it reads nothing that is missing.
#[test]
fn the_engine_equals_one_sample_at_a_time() {
    let device = Device::flex();
    let (network, recovery) = (network(&device), guided(&device));
    let present: Vec<ModalitySet> = subsets(4);
    let ids: Vec<u64> = (0..present.len() as u64).map(|i| 100 + i).collect();
    let inputs = Strict { present: &present, device: device.clone() };
    let mut session = Session::new(&network, &recovery, &inputs, &present, &ids, device.clone());
    let queries: Vec<_> = (0..present.len())
        .rev()
        .flat_map(|s| {
            subsets(4).into_iter().filter(move |q| (q.bits() as usize + s).is_multiple_of(3)).map(move |q| (s, q))
        })
        .collect();
    let answers = session.answer(&queries).expect("answers");
    assert_eq!(answers.len(), queries.len());
    for ((sample, subset), answer) in queries.iter().zip(answers) {
        let set = present[*sample];
        let observed = Observed {
            present: set,
            inputs: set.iter().map(|m| pictures(&[*sample], m, &device)).collect(),
            ids: vec![ids[*sample]],
        };
        let missing = set.complement(4);
        let recovered = recovery.recover(&observed, missing).expect("a recovery");
        let input = |m: usize| match missing.iter().position(|k| k == m) {
            Some(place) => recovered[place].clone(),
            None => pictures(&[*sample], m, &device),
        };
        let fused = network.fuse(subset.iter().map(|m| network.tokens(m, input(m))).collect());
        for (a, b) in
            answer.logits.iter().chain(&answer.feature).zip(values(fused.logits).iter().chain(&values(fused.feature)))
        {
            assert!((a - b).abs() <= BOUND, "sample {sample} under {subset}: {a} against {b}");
        }
    }
    assert!(session.answer(&[(0, ModalitySet::EMPTY)]).is_err());
    assert!(session.answer(&[(99, ModalitySet::single(0))]).is_err());
}

/// Fused together, subsets share the work of the first block and give what each gives alone, and its gradients.
#[test]
fn subsets_fused_together_are_fused_as_if_alone() {
    let device = Device::flex().autodiff();
    let network = network(&device);
    let indices: Vec<usize> = (0..9).collect();
    let subsets: Vec<ModalitySet> = subsets(4).into_iter().filter(|s| !s.contains(2) && s.bits() != 1).collect();
    let run = |together: bool| {
        // No subset names modality 2, so it does not matter that some samples lack it.
        let of = |m: usize| network.tokens(m, pictures(&indices[..if m == 2 { 4 } else { 9 }], m, &device));
        let tokens: Vec<Option<Tensor<3>>> = (0..4).map(|m| Some(of(m))).collect();
        let fused = if together {
            network.fuse_subsets(&tokens, &subsets)
        } else {
            let alone = subsets.iter().map(|s| network.fuse(s.iter().filter_map(|m| tokens[m].clone()).collect()));
            let (logits, features) = alone.map(|fused| (fused.logits, fused.feature)).unzip();
            Fused { logits: Tensor::cat(logits, 0), feature: Tensor::cat(features, 0) }
        };
        let loss = fused.logits.clone().powi_scalar(3).sum() + fused.feature.clone().powi_scalar(2).sum();
        (fused, burn::optim::GradientsParams::from_grads(loss.backward(), &network))
    };
    let ((ours, our_gradients), (theirs, their_gradients)) = (run(true), run(false));
    assert_eq!(ours.logits.dims(), [subsets.len() * indices.len(), 3]);
    assert_close("logits", ours.logits, theirs.logits);
    assert_close("features", ours.feature, theirs.feature);
    let mut weights = Weights { ours: our_gradients, theirs: their_gradients, compared: 0 };
    network.visit(&mut weights);
    assert!(weights.compared > 40, "{} weights have a gradient", weights.compared);
}

/// One of those samples, by itself.
struct Alone<'a>(&'a Strict<'a>, usize);

impl Inputs for Alone<'_> {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        self.0.read(modality, &vec![self.1; samples.len()])
    }
}

/// Samples to retrieve from, every other of which is all but the one before it: rounding decides which is nearer.
struct Twins(Device);

impl Gallery for Twins {
    fn len(&self) -> usize {
        700
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), String> {
        out.copy_from_slice(&values(pictures(&[index / 2], modality, &self.0)));
        out.iter_mut().for_each(|v| *v += (index % 2) as f32 * 1e-7);
        Ok(())
    }
}

/// The kernels' route and Burn's operators give the same answers, with every recovery and both kinds of draw; a question asked in
/// two calls is the question asked in one.
#[test]
fn both_routes_of_the_engine_give_the_same_answers() {
    let device = Device::flex();
    let network = network(&device);
    let mopoe = |draw| {
        let settings = MopoeSettings { widths: vec![4, 8], latent: 6, hidden: Some(8), draw, ..Default::default() };
        device.seed(5);
        MopoeRecovery::new(settings.init(&[KIND; 4], &device).expect("a model"), &settings, 5)
    };
    let guided = |draw| {
        let settings =
            GuidedSettings { widths: vec![4, 8], hidden: 16, shared: 4, private: 3, draw, ..Default::default() };
        device.seed(6);
        GuidedRecovery::new(settings.init(&[KIND; 4], 3, &device).expect("a model"), &settings, 9)
    };
    let models: [Box<dyn Recovery>; 5] = [
        Box::new(mopoe(Draw::Mean)),
        Box::new(mopoe(Draw::Sample)),
        Box::new(guided(Draw::Mean)),
        Box::new(guided(Draw::Sample)),
        Box::new(Retrieval::new(network.clone(), Arc::new(Twins(device.clone())), 1, 5, device.clone())),
    ];
    let present: Vec<ModalitySet> = subsets(4).into_iter().cycle().take(31).collect();
    let ids: Vec<u64> = (0..present.len() as u64).map(|i| 50 + i).collect();
    let inputs = Strict { present: &present, device: device.clone() };
    let queries: Vec<_> = (0..present.len()).flat_map(|s| subsets(4).into_iter().map(move |q| (s, q))).collect();
    for recovery in models {
        let session = || Session::new(&network, recovery.as_ref(), &inputs, &present, &ids, device.clone());
        let (mut fast, mut plain, mut parts) = (session(), session().by_operators(device.clone()), session());
        let (ours, theirs) = (fast.answer(&queries).expect("answers"), plain.answer(&queries).expect("answers"));
        assert_eq!((fast.recovered(), fast.fused()), (plain.recovered(), plain.fused()));
        let (first, rest) = queries.split_at(queries.len() / 3);
        let split = [parts.answer(first).expect("answers"), parts.answer(rest).expect("answers")].concat();
        for (((query, a), b), c) in queries.iter().zip(&ours).zip(&theirs).zip(&split) {
            assert_eq!(a, c, "{query:?} of {} does not depend on what else was asked", recovery.name());
            for (a, b) in a.logits.iter().chain(&a.feature).zip(b.logits.iter().chain(&b.feature)) {
                assert!((a - b).abs() <= BOUND, "{}: {query:?}: {a} against {b}", recovery.name());
            }
        }
        // To the last bit: which samples are looked at together decides nothing, however small a reward is.
        for (place, (set, id)) in present.iter().zip(&ids).enumerate() {
            let (set, id, alone) = ([*set], [*id], Alone(&inputs, place));
            let mut session = Session::new(&network, recovery.as_ref(), &alone, &set, &id, device.clone());
            let own: Vec<_> = queries.iter().filter(|(s, _)| *s == place).map(|(_, subset)| (0, *subset)).collect();
            let together: Vec<_> =
                queries.iter().zip(&ours).filter(|((s, _), _)| *s == place).map(|(_, a)| a.clone()).collect();
            assert_eq!(session.answer(&own).expect("answers"), together, "sample {place} of {}", recovery.name());
        }
    }
}

/// The laws of `Recovery`: only the wanted modalities come, and a draw depends on the sample's id, not on its neighbours.
#[test]
fn recoveries_do_not_depend_on_the_batch() {
    let device = Device::flex();
    let settings = MopoeSettings { widths: vec![4, 8], latent: 6, hidden: Some(8), ..Default::default() };
    let mopoe = MopoeRecovery::new(settings.init(&[KIND; 4], &device).expect("a model"), &settings, 5);
    for recovery in [&guided(&device) as &dyn Recovery, &mopoe] {
        let present = ModalitySet::from_iter([0, 2]);
        let observed = |samples: &[usize]| Observed {
            present,
            inputs: present.iter().map(|m| pictures(samples, m, &device)).collect(),
            ids: samples.iter().map(|s| *s as u64).collect(),
        };
        let wanted = ModalitySet::single(3);
        let all = recovery.recover(&observed(&[5, 1, 8]), wanted).expect("a recovery");
        let one = recovery.recover(&observed(&[8]), wanted).expect("a recovery");
        assert_eq!((all.len(), one.len()), (1, 1), "{}", recovery.name());
        assert_close(recovery.name(), all[0].clone().narrow(0, 2, 1), one[0].clone());
    }
}

#[test]
fn a_layout_that_cannot_be_built_is_refused() {
    let encoder = EncoderSettings::Perceptron { hidden: 4, token_width: 4 };
    let table = |width, heads| FusionTable {
        inputs: vec![Input { kind: KIND, encoder: encoder.clone() }],
        width,
        heads,
        blocks: 1,
        feature_width: 4,
        classes: 2,
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    assert!(FusionLayout::try_from(table(8, 2)).is_ok());
    assert!(FusionLayout::try_from(table(8, 3)).is_err());
    assert!(FusionLayout::try_from(table(0, 1)).is_err());
    assert!(FusionLayout::try_from(FusionTable { classes: 1, ..table(8, 2) }).is_err());
    let deep = EncoderSettings::Convolutional { widths: vec![4; 6], token_width: 4 };
    let inputs = vec![Input { kind: KIND, encoder: deep }];
    assert!(FusionLayout::try_from(FusionTable { inputs, ..table(8, 2) }).is_err());
}
