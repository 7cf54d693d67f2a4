//! The released fusion network (`DynamicTransformer`).

use burn::tensor::Device;

use super::reading::{Reading, UNUSED};
use super::take_up::{Renamed, take_up, transposed};
use super::{CheckpointSettings, NamedTensor, NamedTensors, PublishedError, names};
use crate::encoder::EncoderSettings;
use crate::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};

/// What neither shapes nor settings of a file say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FusionHints {
    /// Attention heads (released: 4 for PolyMNIST, 2 for MNIST-SVHN-Text).
    pub heads: Option<usize>,
    /// Cosine or Euclid.
    pub scale: Option<FeatureScale>,
    /// Names of the modalities in order, as the file names their encoders.
    pub modalities: Option<Vec<String>>,
    /// Height and width of pictures whose size the shapes do not settle: 28×28 if nothing is said and the positions fit it.
    pub picture: Option<[usize; 2]>,
}

impl FusionHints {
    /// These, and where they say nothing the file's.
    #[must_use]
    pub fn or(self, settings: &CheckpointSettings) -> Self {
        Self {
            heads: self.heads.or(settings.heads),
            scale: self.scale.or(settings.scale),
            modalities: self.modalities.or_else(|| settings.modalities.clone()),
            picture: self.picture,
        }
    }
}

/// The layout of a released fusion network and the names of its modalities, from the shapes of its tensors and what `hints` add. The
/// file is held against the release first: what does not fit is told before anything is asked for.
///
/// # Errors
/// See [`PublishedError`]; every name that does not fit is listed.
pub fn fusion_layout(
    tensors: &NamedTensors,
    hints: &FusionHints,
) -> Result<(FusionLayout, Vec<String>), PublishedError> {
    let reading = Reading::of(tensors, hints)?;
    reading.check(tensors)?;
    let unsaid = |what, flag| PublishedError::Unsaid { what, flag };
    let (modalities, inputs): (Vec<String>, Vec<Option<Input>>) = reading.modalities.into_iter().unzip();
    let layout = FusionLayout::try_from(FusionTable {
        inputs: inputs.into_iter().flatten().collect(),
        width: reading.width,
        heads: hints.heads.ok_or(unsaid("how many attention heads there are", "--heads"))?,
        blocks: reading.blocks,
        feature_width: reading.feature_width,
        classes: reading.classes,
        scale: hints.scale.ok_or(unsaid("the metric, cosine or Euclid", "--metric"))?,
        embedding_rows: EmbeddingRows::Published,
    })?;
    Ok((layout, modalities))
}

/// A released fusion network and the names of its modalities. Modality 0 uses embedding row 0 and all others row 1, as released
/// networks do.
///
/// # Errors
/// See [`PublishedError`]; every name that does not fit is listed.
pub fn fusion_network(
    tensors: &NamedTensors,
    hints: &FusionHints,
    device: &Device,
) -> Result<(FusionNetwork, Vec<String>), PublishedError> {
    let (layout, modalities) = fusion_layout(tensors, hints)?;
    let kept = tensors.iter().filter(|(name, _)| *name != UNUSED);
    let renamed = kept.map(|(name, tensor)| rename(name, tensor, &modalities, layout.inputs())).collect();
    let network = take_up(layout.init(device), renamed, |ours| released_name(ours, &modalities))?;
    Ok((network, modalities))
}

fn rename(name: &str, tensor: &NamedTensor, modalities: &[String], inputs: &[Input]) -> Renamed {
    let ours = names::ours(names::FUSION, &numbered(name, modalities, inputs));
    let keeps_order = ours.as_deref() == Some("modality_embedding.weight");
    let turned = match tensor.shape.as_slice() {
        // The class token and the positions have a leading dimension of one.
        [1, rows, columns] if ours.as_deref().is_some_and(|n| n == "class_token" || n == "positions") => {
            NamedTensor { shape: vec![*rows, *columns], values: tensor.values.clone() }
        }
        [_, _] if !keeps_order => transposed(tensor),
        _ => tensor.clone(),
    };
    Renamed { ours, theirs: name.into(), tensor: turned }
}

/// `m_encoders.svhn.proj.weight` → `m_encoders.1.picture-proj.weight`: numbers for names, and `proj` by the encoder that it ends.
fn numbered(name: &str, modalities: &[String], inputs: &[Input]) -> String {
    let Some((modality, part)) = name.strip_prefix("m_encoders.").and_then(|rest| rest.split_once('.')) else {
        return name.into();
    };
    let Some(place) = modalities.iter().position(|m| m == modality) else { return name.into() };
    let sort = match inputs.get(place).map(|input| &input.encoder) {
        Some(EncoderSettings::Perceptron { .. }) => "perceptron-",
        Some(EncoderSettings::PictureToken { .. }) => "picture-",
        Some(EncoderSettings::SequenceToken { .. }) => "sequence-",
        _ => "",
    };
    let sort = if part.starts_with("proj.") { sort } else { "" };
    format!("m_encoders.{place}.{sort}{part}")
}

/// One of our names as the release has it.
fn released_name(ours: &str, modalities: &[String]) -> String {
    let Some(name) = names::theirs(names::FUSION, ours) else { return ours.into() };
    let Some((number, part)) = name.strip_prefix("m_encoders.").and_then(|rest| rest.split_once('.')) else {
        return name;
    };
    let modality = number.parse().ok().and_then(|place: usize| modalities.get(place)).map_or(number, String::as_str);
    let part = ["perceptron-", "picture-", "sequence-"].iter().find_map(|sort| part.strip_prefix(sort)).unwrap_or(part);
    format!("m_encoders.{modality}.{part}")
}

#[cfg(test)]
mod tests {
    use dymo_core::Kind;

    use super::*;
    use crate::encoder::ConvLayer;

    #[test]
    fn a_foreign_file_is_refused_by_name() {
        let message =
            fusion_network(&NamedTensors::new(), &FusionHints::default(), &Device::flex()).unwrap_err().to_string();
        assert!(message.contains("missing: classifier.bias, classifier.weight, cls_token"), "{message}");
    }

    #[test]
    fn names_of_modalities_become_numbers_and_come_back() {
        let modalities = ["mnist".to_string(), "svhn".into()];
        let layer = ConvLayer { filters: 2, kernel: 4, stride: 2, padding: 0 };
        let kind = Kind::Image { height: 4, width: 4, channels: 1 };
        let inputs = [
            Input { kind: kind.clone(), encoder: EncoderSettings::Perceptron { hidden: 3, token_width: 2 } },
            Input { kind, encoder: EncoderSettings::PictureToken { layers: vec![layer], token_width: 2 } },
        ];
        for (released, own) in [
            ("m_encoders.mnist.proj.bias", "encoders.0.Perceptron.output.bias"),
            ("m_encoders.svhn.proj.weight", "encoders.1.PictureToken.output.weight"),
            ("m_encoders.svhn.conv3.weight", "encoders.1.PictureToken.layers.2.weight"),
            ("m_norms.1.weight", "norms.1.gamma"),
        ] {
            assert_eq!(names::ours(names::FUSION, &numbered(released, &modalities, &inputs)).as_deref(), Some(own));
            assert_eq!(released_name(own, &modalities), released);
        }
    }
}
