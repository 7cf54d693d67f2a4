//! Published ResNets: a network of ResNet-50's topology, saved by PyTorch and answered by torchvision's own forward pass
//! (`resnet/make.py`), against ours.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use dymo_core::Kind;
use dymo_models::encoder::{EncoderSettings, ResidualSettings, Stem};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};
use dymo_models::published::{Checkpoint, NamedTensors, PublishedError, pretrained};
use serde::Deserialize;

const SIDE: usize = 40;
const BATCH: usize = 2;
/// Maps of up to some thousand sums in another order through sixteen blocks.
const BOUND: f32 = 2e-4;

#[derive(Deserialize)]
struct Expected {
    inference: Vec<f32>,
    training: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
}

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resnet").join(name)
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(path("expected.json")).expect("the file")).expect("numbers")
}

fn published() -> NamedTensors {
    Checkpoint::read(&std::fs::read(path("tiny.pth")).expect("the file")).expect("weights").tensors
}

fn network(settings: ResidualSettings, device: &Device) -> FusionNetwork {
    let kind = Kind::Image { height: SIDE, width: SIDE, channels: 3 };
    let table = FusionTable {
        inputs: vec![Input { kind, encoder: EncoderSettings::Residual(settings) }],
        width: 8,
        heads: 2,
        blocks: 1,
        feature_width: 4,
        classes: 2,
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    FusionLayout::try_from(table).expect("a layout").init(device)
}

fn tiny() -> ResidualSettings {
    ResidualSettings {
        widths: vec![2, 3, 4, 5],
        blocks: vec![3, 4, 6, 3],
        bottleneck: true,
        stem: Stem::Large,
        imagenet_colours: false,
        token_width: 8,
    }
}

fn input(device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..BATCH * SIDE * SIDE * 3).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();
    Tensor::<1>::from_floats(values.as_slice(), device).reshape([BATCH, SIDE * SIDE * 3])
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().expect("numbers")
}

fn assert_close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= BOUND * (1.0 + b.abs()), "{what}[{i}]: {a} against {b}");
    }
}

/// Weights by their names.
struct Find(Vec<String>, &'static str, Vec<f32>);

impl ModuleVisitor for Find {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.0.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.0.join(".").ends_with(self.1) {
            self.2 = values(param.val());
        }
    }
}

fn find(network: &FusionNetwork, name: &'static str) -> Vec<f32> {
    let mut search = Find(Vec::new(), name, Vec::new());
    network.visit(&mut search);
    search.2
}

#[test]
fn published_weights_give_the_published_map() {
    let device = Device::flex();
    let network = pretrained(network(tiny(), &device), 0, &published()).expect("they fit");
    assert_close(
        "inference",
        &values(network.feature_map(0, input(&device)).expect("residual")),
        &expected().inference,
    );
}

/// On a device that learns, batch norm goes by the batch, and the running statistics follow at once.
#[test]
fn batch_norm_learns_as_published() {
    let device = Device::flex().autodiff();
    let network = pretrained(network(tiny(), &device), 0, &published()).expect("they fit");
    let map = network.feature_map(0, input(&device)).expect("residual");
    let wanted = expected();
    assert_close("training", &values(map.clone()), &wanted.training);
    assert_close("running mean", &find(&network, "stages.3.blocks.2.norms.2.running_mean"), &wanted.running_mean);
    assert_close("running variance", &find(&network, "stages.3.blocks.2.norms.2.running_var"), &wanted.running_var);
    // Published weights go on learning.
    let gradients = map.sum().backward();
    let mut learning = Learning(&gradients, 0, 0);
    network.visit(&mut learning);
    assert_eq!((learning.1, learning.1 > 150), (learning.2, true), "every weight of the trunk has a gradient");
}

/// Weights of the trunk, and those of them that have a gradient.
struct Learning<'a>(&'a burn::tensor::Gradients, usize, usize);

impl ModuleVisitor for Learning<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weight = param.val();
        let of_trunk = weight.is_require_grad() && weight.grad(self.0).is_some();
        self.1 += usize::from(of_trunk);
        self.2 += usize::from(of_trunk && weight.grad(self.0).is_some_and(|g| values(g).iter().any(|v| *v != 0.0)));
    }
}

#[test]
fn what_does_not_fit_is_named_as_published() {
    let device = Device::flex();
    let refused = |change: &dyn Fn(&mut NamedTensors), settings: ResidualSettings| {
        let mut tensors = published();
        change(&mut tensors);
        pretrained(network(settings, &device), 0, &tensors).expect_err("does not fit").to_string()
    };
    let missing = refused(&|t| drop(t.remove("layer3.5.bn2.running_var")), tiny());
    assert!(missing.contains("missing: layer3.5.bn2.running_var"), "{missing}");
    let more = |t: &mut NamedTensors| {
        let tensor = t["conv1.weight"].clone();
        t.insert("layer5.0.conv1.weight".into(), tensor);
    };
    let superfluous = refused(&more, tiny());
    assert!(superfluous.contains("superfluous: layer5.0.conv1.weight"), "{superfluous}");
    let shape = refused(&|_| (), ResidualSettings { widths: vec![2, 3, 4, 6], ..tiny() });
    assert!(shape.contains("layer4.0.conv1.weight is [5, 16, 1, 1], not [6, 16, 1, 1]"), "{shape}");

    let kind = Kind::Image { height: 8, width: 8, channels: 3 };
    let table = FusionTable {
        inputs: vec![Input { kind, encoder: EncoderSettings::Perceptron { hidden: 4, token_width: 4 } }],
        width: 4,
        heads: 1,
        blocks: 1,
        feature_width: 4,
        classes: 2,
        scale: FeatureScale::Unit,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    let other = FusionLayout::try_from(table).expect("a layout").init(&device);
    let error = pretrained(other, 0, &published()).expect_err("no residual network");
    assert!(matches!(error, PublishedError::NotResidual { modality: 0 }), "{error}");
}
