//! Residual networks (He et al., 2016, arXiv 1512.03385), in the form that torchvision publishes weights of: the step of a
//! bottleneck is in its 3×3 convolution, batch norm stands behind every convolution.

use burn::module::{Initializer, Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::module::{batch_norm_train, max_pool2d};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, activation};
use dymo_core::Kind;
use serde::{Deserialize, Serialize};

use crate::ops::{self, Window};

/// What stands before the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// A 3×3 convolution at full resolution, for pictures of up to some 64 pixels.
    #[default]
    Small,
    /// A 7×7 convolution with step 2 and 3×3 max-pooling with step 2, as published: a quarter of the resolution.
    Large,
}

/// How a residual network is built; what is left out is ResNet-18's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualSettings {
    /// Filters of each stage; every stage but the first halves the map. A bottleneck gives four times as many.
    #[serde(default = "stage_widths")]
    pub widths: Vec<usize>,
    /// Blocks of each stage.
    #[serde(default = "stage_blocks")]
    pub blocks: Vec<usize>,
    /// 1×1, 3×3, 1×1 convolutions in a block instead of two of 3×3.
    #[serde(default)]
    pub bottleneck: bool,
    /// What stands before the first stage.
    #[serde(default)]
    pub stem: Stem,
    /// Whether colours are first shifted and scaled as ImageNet's were for the published weights; for three channels only.
    #[serde(default)]
    pub imagenet_colours: bool,
    /// Width of a token.
    pub token_width: usize,
}

fn stage_widths() -> Vec<usize> {
    vec![64, 128, 256, 512]
}

fn stage_blocks() -> Vec<usize> {
    vec![2; 4]
}

/// Filters that a bottleneck gives, in filters of its stage.
const EXPANSION: usize = 4;
const STEM_LARGE: Window = Window { kernel: 7, stride: 2, padding: 3 };
const POOL: Window = Window { kernel: 3, stride: 2, padding: 1 };
/// Means and deviations of ImageNet's colours, 0 to 1.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

const fn three(stride: usize) -> Window {
    Window { kernel: 3, stride, padding: 1 }
}

const fn one(stride: usize) -> Window {
    Window { kernel: 1, stride, padding: 0 }
}

impl ResidualSettings {
    /// ResNet-50, for which weights are published.
    pub fn resnet50(token_width: usize, imagenet_colours: bool) -> Self {
        Self {
            widths: stage_widths(),
            blocks: vec![3, 4, 6, 3],
            bottleneck: true,
            stem: Stem::Large,
            imagenet_colours,
            token_width,
        }
    }

    /// Extent of the last map over a picture of this extent.
    fn map(&self, picture: usize) -> usize {
        let first = match self.stem {
            Stem::Small => picture,
            Stem::Large => POOL.map(STEM_LARGE.map(picture)),
        };
        (1..self.widths.len()).fold(first, |extent, _| three(2).map(extent))
    }

    pub(super) fn tokens(&self, [height, width, _]: [usize; 3]) -> usize {
        self.map(height) * self.map(width)
    }

    pub(super) fn fits(&self, kind: &Kind) -> bool {
        let positive = |numbers: &[usize]| !numbers.is_empty() && numbers.iter().all(|n| *n > 0);
        kind.is_pictorial()
            && positive(&self.widths)
            && positive(&self.blocks)
            && self.widths.len() == self.blocks.len()
            && (!self.imagenet_colours || kind.shape()[2] == IMAGENET[0].len())
    }

    fn expansion(&self) -> usize {
        if self.bottleneck { EXPANSION } else { 1 }
    }
}

/// Batch norm over the last axis of `[B, H, W, C]`: of a batch in training, by running statistics otherwise.
#[derive(Module, Debug)]
pub struct ChannelNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
}

/// ε and momentum, torchvision's.
const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

impl ChannelNorm {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([channels], device),
            beta: Initializer::Zeros.init([channels], device),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
        }
    }

    /// Normalises a batch by its own statistics and lets the running ones follow.
    fn learn(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, w, c] = x.dims();
        let places = b * h * w;
        let result = batch_norm_train(x.reshape([places, c]), self.gamma.val(), self.beta.val(), EPSILON);
        // The running variance is that of the population, as published.
        let unbiased = places as f64 / (places.max(2) - 1) as f64;
        follow(&self.running_mean, result.mean);
        follow(&self.running_var, result.variance * unbiased);
        result.output.reshape([b, h, w, c])
    }

    /// Factor and shift of each channel by the running statistics.
    fn settled(&self) -> (Tensor<1>, Tensor<1>) {
        let factor = self.gamma.val() / (self.running_var.value() + EPSILON).sqrt();
        let shift = self.beta.val() - self.running_mean.value() * factor.clone();
        (factor, shift)
    }
}

fn follow(state: &RunningState<Tensor<1>>, batch: Tensor<1>) {
    let moved = state.value() * (1.0 - MOMENTUM) + batch.detach() * MOMENTUM;
    state.update(moved.detach());
    // At once, not at the next step: what is saved in between must hold it.
    let _ = state.value_sync();
}

/// A convolution without bias and the norm behind it; `[B, H, W, C]` → `[B, H', W', F]`.
fn convolve(conv: &Conv2d, norm: &ChannelNorm, x: Tensor<4>, window: Window, relu: bool) -> Tensor<4> {
    let (device, weight) = (x.device(), conv.weight.val());
    let filters = weight.dims()[0];
    if device.is_autodiff() {
        let y = norm.learn(ops::conv2d(x, weight, Tensor::zeros([filters], &device), window, false));
        return if relu { activation::relu(y) } else { y };
    }
    // One pass over the map: the norm's factor goes into the filters, its shift into the bias.
    let (factor, shift) = norm.settled();
    ops::conv2d(x, weight * factor.reshape([filters, 1, 1, 1]), shift, window, relu)
}

fn conv(input: usize, output: usize, window: Window, device: &Device) -> Conv2d {
    let p = window.padding;
    Conv2dConfig::new([input, output], [window.kernel; 2])
        .with_stride([window.stride; 2])
        .with_padding(PaddingConfig2d::Explicit(p, p, p, p))
        .with_bias(false)
        .init(device)
}

/// Convolutions whose result is added to their input.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    convs: Vec<Conv2d>,
    norms: Vec<ChannelNorm>,
    /// Brings the input to the shape of the result, where it has another.
    shortcut: Option<Conv2d>,
    shortcut_norm: Option<ChannelNorm>,
    #[module(skip)]
    windows: Vec<Window>,
}

impl ResidualBlock {
    fn new(input: usize, width: usize, stride: usize, bottleneck: bool, device: &Device) -> Self {
        let (windows, outputs) = match bottleneck {
            true => (vec![one(1), three(stride), one(1)], vec![width, width, EXPANSION * width]),
            false => (vec![three(stride), three(1)], vec![width, width]),
        };
        let inputs = std::iter::once(input).chain(outputs.iter().copied());
        let output = outputs[outputs.len() - 1];
        let other = stride != 1 || input != output;
        Self {
            convs: inputs.zip(&outputs).zip(&windows).map(|((i, o), window)| conv(i, *o, *window, device)).collect(),
            norms: outputs.iter().map(|o| ChannelNorm::new(*o, device)).collect(),
            shortcut: other.then(|| conv(input, output, one(stride), device)),
            shortcut_norm: other.then(|| ChannelNorm::new(output, device)),
            windows,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let last = self.convs.len() - 1;
        let parts = self.convs.iter().zip(&self.norms).zip(&self.windows).enumerate();
        let y = parts.fold(x.clone(), |x, (i, ((conv, norm), window))| convolve(conv, norm, x, *window, i < last));
        let beside = match (&self.shortcut, &self.shortcut_norm) {
            (Some(conv), Some(norm)) => {
                let stride = self.windows.iter().map(|window| window.stride).product();
                convolve(conv, norm, x, one(stride), false)
            }
            _ => x,
        };
        activation::relu(y + beside)
    }
}

/// Blocks on maps of one size.
#[derive(Module, Debug)]
pub struct Stage {
    blocks: Vec<ResidualBlock>,
}

/// Stem and stages: what weights are published of.
#[derive(Module, Debug)]
pub struct ResidualTrunk {
    stem: Conv2d,
    stem_norm: ChannelNorm,
    stages: Vec<Stage>,
    #[module(skip)]
    kind_of_stem: Stem,
}

impl ResidualTrunk {
    fn new(channels: usize, settings: &ResidualSettings, device: &Device) -> Self {
        let first = settings.widths.first().copied().unwrap_or(channels);
        let expansion = settings.expansion();
        let mut input = first;
        let mut stages = Vec::new();
        for (i, (width, count)) in settings.widths.iter().zip(&settings.blocks).enumerate() {
            let blocks = (0..*count).map(|block| {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                let made = ResidualBlock::new(input, *width, stride, settings.bottleneck, device);
                input = width * expansion;
                made
            });
            stages.push(Stage { blocks: blocks.collect() });
        }
        let window = if settings.stem == Stem::Large { STEM_LARGE } else { three(1) };
        Self {
            stem: conv(channels, first, window, device),
            stem_norm: ChannelNorm::new(first, device),
            stages,
            kind_of_stem: settings.stem,
        }
    }

    /// `[B, H, W, C]` → `[B, H', W', F]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let first = match self.kind_of_stem {
            Stem::Small => convolve(&self.stem, &self.stem_norm, x, three(1), true),
            Stem::Large => {
                let map = convolve(&self.stem, &self.stem_norm, x, STEM_LARGE, true).permute([0, 3, 1, 2]);
                let options =
                    MaxPoolOptions::new([POOL.kernel; 2]).with_stride([POOL.stride; 2]).with_padding([POOL.padding; 2]);
                max_pool2d(map, options).permute([0, 2, 3, 1])
            }
        };
        self.stages.iter().flat_map(|stage| &stage.blocks).fold(first, |x, block| block.forward(x))
    }
}

/// A residual network and a linear map of every place of its last map to a token.
#[derive(Module, Debug)]
pub struct ResidualEncoder {
    pub(crate) trunk: ResidualTrunk,
    projection: Linear,
    #[module(skip)]
    shape: [usize; 3],
    #[module(skip)]
    imagenet_colours: bool,
}

impl ResidualEncoder {
    pub(super) fn new(kind: &Kind, settings: &ResidualSettings, device: &Device) -> Self {
        let shape = kind.shape();
        let deepest = settings.widths.last().copied().unwrap_or(shape[2]) * settings.expansion();
        Self {
            trunk: ResidualTrunk::new(shape[2], settings, device),
            projection: LinearConfig::new(deepest, settings.token_width).init(device),
            shape,
            imagenet_colours: settings.imagenet_colours,
        }
    }

    /// The last map: `[B, height · width · channels]` → `[B, H', W', F]`.
    pub fn map(&self, x: Tensor<2>) -> Tensor<4> {
        let ([batch, _], device) = (x.dims(), x.device());
        let [h, w, c] = self.shape;
        let mut picture = x.reshape([batch, h, w, c]);
        if self.imagenet_colours {
            let [mean, deviation] = IMAGENET.map(|row| Tensor::<1>::from_floats(row, &device).reshape([1, 1, 1, 3]));
            picture = (picture - mean) / deviation;
        }
        self.trunk.forward(picture)
    }

    /// `[B, height · width · channels]` → `[B, T, token width]`, a token for every place of the last map, in row order.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let map = self.map(x);
        let [batch, h, w, filters] = map.dims();
        self.projection.forward(map.reshape([batch, h * w, filters]))
    }
}
