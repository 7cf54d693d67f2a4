//! ResNets as torchvision publishes them, into the trunk of a residual encoder.

use super::names::{self, Table};
use super::take_up::{Renamed, take_up};
use super::{NamedTensors, PublishedError};
use crate::encoder::Encoder;
use crate::fusion::FusionNetwork;

/// torchvision's names and ours. Stages are counted from 1 there and from 0 here, which [`shifted`] sees to.
const RESNET: &Table = &[
    ("conv1.weight", "stem.weight"),
    ("bn1.weight", "stem_norm.gamma"),
    ("bn1.bias", "stem_norm.beta"),
    ("bn1.running_mean", "stem_norm.running_mean"),
    ("bn1.running_var", "stem_norm.running_var"),
    ("layer*.*.conv*.weight", "stages.*.blocks.*.convs.*.weight"),
    ("layer*.*.bn*.weight", "stages.*.blocks.*.norms.*.gamma"),
    ("layer*.*.bn*.bias", "stages.*.blocks.*.norms.*.beta"),
    ("layer*.*.bn*.running_mean", "stages.*.blocks.*.norms.*.running_mean"),
    ("layer*.*.bn*.running_var", "stages.*.blocks.*.norms.*.running_var"),
    ("layer*.*.downsample.0.weight", "stages.*.blocks.*.shortcut.weight"),
    ("layer*.*.downsample.1.weight", "stages.*.blocks.*.shortcut_norm.gamma"),
    ("layer*.*.downsample.1.bias", "stages.*.blocks.*.shortcut_norm.beta"),
    ("layer*.*.downsample.1.running_mean", "stages.*.blocks.*.shortcut_norm.running_mean"),
    ("layer*.*.downsample.1.running_var", "stages.*.blocks.*.shortcut_norm.running_var"),
];

/// Puts published weights into the residual encoder of a modality, its linear map to tokens excepted, which is ours. The classifier
/// (`fc`) and the counters of batch norm are left out; anything else that is missing, superfluous or of another shape is named.
///
/// # Errors
/// [`PublishedError`]: the modality's encoder is no residual network, or the weights do not fit.
pub fn pretrained(
    mut network: FusionNetwork,
    modality: usize,
    tensors: &NamedTensors,
) -> Result<FusionNetwork, PublishedError> {
    let no_residual = || PublishedError::NotResidual { modality };
    let place = network.encoders.get_mut(modality).ok_or_else(no_residual)?;
    let Encoder::Residual(encoder) = place else { return Err(no_residual()) };
    let wanted = |name: &&String| !name.starts_with("fc.") && !name.ends_with(".num_batches_tracked");
    let renamed = tensors.keys().filter(wanted).map(|name| Renamed {
        ours: ours(name),
        theirs: name.clone(),
        tensor: tensors[name].clone(),
    });
    encoder.trunk = take_up(encoder.trunk.clone(), renamed.collect(), |name| theirs(name).unwrap_or(name.into()))?;
    Ok(network)
}

/// torchvision's name as ours.
fn ours(name: &str) -> Option<String> {
    names::ours(RESNET, &shifted(name, ["layer", "conv", "bn"], |n| n.checked_sub(1))?)
}

/// Ours as torchvision's.
fn theirs(name: &str) -> Option<String> {
    shifted(&names::theirs(RESNET, name)?, ["layer", "conv", "bn"], |n| n.checked_add(1))
}

/// Changes the number behind these words in a name whose blocks are numbered; the stem's keep theirs.
fn shifted(name: &str, words: [&str; 3], change: impl Fn(usize) -> Option<usize>) -> Option<String> {
    if !name.starts_with("layer") {
        return Some(name.to_owned());
    }
    let piece = |piece: &str| {
        let found = words.iter().find_map(|word| Some((*word, piece.strip_prefix(word)?)));
        match found.and_then(|(word, digits)| Some((word, digits.parse::<usize>().ok()?))) {
            Some((word, number)) => change(number).map(|number| format!("{word}{number}")),
            None => Some(piece.to_owned()),
        }
    };
    name.split('.').map(piece).collect::<Option<Vec<_>>>().map(|pieces| pieces.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_both_ways() {
        for (published, own) in [
            ("conv1.weight", "stem.weight"),
            ("bn1.running_var", "stem_norm.running_var"),
            ("layer1.0.conv1.weight", "stages.0.blocks.0.convs.0.weight"),
            ("layer4.2.bn3.running_mean", "stages.3.blocks.2.norms.2.running_mean"),
            ("layer2.0.downsample.0.weight", "stages.1.blocks.0.shortcut.weight"),
            ("layer2.0.downsample.1.bias", "stages.1.blocks.0.shortcut_norm.beta"),
        ] {
            assert_eq!(ours(published).as_deref(), Some(own));
            assert_eq!(theirs(own).as_deref(), Some(published));
        }
        assert_eq!((ours("layer0.0.conv1.weight"), ours("head.weight")), (None, None));
    }
}
