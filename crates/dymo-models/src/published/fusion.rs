//! The released fusion network (`DynamicTransformer`).

use burn::tensor::Device;
use dymo_core::Kind;

use super::take_up::{Renamed, take_up, transposed};
use super::{CheckpointSettings, NamedTensor, NamedTensors, PublishedError, extent, names};
use crate::encoder::{ConvLayer, EncoderSettings};
use crate::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};

const NETWORK: &str = "fusion network";

/// What neither shapes nor settings of a file say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FusionHints {
    /// Attention heads (released: 4 for PolyMNIST, 2 for MNIST-SVHN-Text).
    pub heads: Option<usize>,
    /// Cosine or Euclid.
    pub scale: Option<FeatureScale>,
    /// Names of the modalities in order, as the file names their encoders.
    pub modalities: Option<Vec<String>>,
    /// Height and width of pictures whose size the shapes do not settle: 28×28 if nothing is said.
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

/// The layout of a released fusion network and the names of its modalities, from the shapes of its tensors and what `hints` add.
///
/// # Errors
/// See [`PublishedError`].
pub fn fusion_layout(
    tensors: &NamedTensors,
    hints: &FusionHints,
) -> Result<(FusionLayout, Vec<String>), PublishedError> {
    let extent = |name: &str, place: usize| extent(tensors, name, place, NETWORK);
    let width = extent("modality_embeddings.weight", 1)?;
    let modalities = modality_names(tensors, hints);
    let inputs = modalities.iter().map(|name| input(tensors, name, hints.picture.unwrap_or([28, 28])));
    let blocks = (0..).take_while(|i| tensors.contains_key(&format!("transformer.{i}.attn.qkv.weight"))).count();
    let unsaid = |what, flag| PublishedError::Unsaid { what, flag };
    let layout = FusionLayout::try_from(FusionTable {
        inputs: inputs.collect::<Result<_, _>>()?,
        width,
        heads: hints.heads.ok_or(unsaid("how many attention heads there are", "--heads"))?,
        blocks,
        feature_width: extent("projection.weight", 0)?,
        classes: extent("classifier.weight", 0)?,
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
    // `prototypes` is kept by training only: selection reads the overall prototypes of the statistics file (method, section 3).
    let kept = tensors.iter().filter(|(name, _)| *name != "prototypes");
    let renamed = kept.map(|(name, tensor)| rename(name, tensor, &modalities, layout.inputs())).collect();
    let network = take_up(layout.init(device), renamed, |ours| released_name(ours, &modalities))?;
    Ok((network, modalities))
}

/// Names of the encoders in the order of their modalities: as hinted if that fits, else numbers ascending, else alphabetically.
fn modality_names(tensors: &NamedTensors, hints: &FusionHints) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in tensors.keys().filter_map(|name| name.strip_prefix("m_encoders.")?.split('.').next()) {
        if !found.iter().any(|other| other == name) {
            found.push(name.into());
        }
    }
    match &hints.modalities {
        Some(hinted) if hinted.len() == found.len() && found.iter().all(|name| hinted.contains(name)) => hinted.clone(),
        _ => {
            found.sort_by_key(|name| (name.parse::<usize>().unwrap_or(usize::MAX), name.clone()));
            found
        }
    }
}

/// Which encoder a modality has and what it reads.
fn input(tensors: &NamedTensors, modality: &str, picture: [usize; 2]) -> Result<Input, PublishedError> {
    let full = |part: &str| format!("m_encoders.{modality}.{part}");
    let has = |part: &str| tensors.contains_key(&full(part));
    let extent = |part: &str, place: usize| extent(tensors, &full(part), place, NETWORK);
    if has("network.0.weight") {
        let widths = [0, 2, 4].map(|i| extent(&format!("network.{i}.weight"), 0));
        return Ok(Input {
            kind: Kind::Image { height: picture[0], width: picture[1], channels: extent("network.0.weight", 1)? },
            encoder: EncoderSettings::Convolutional {
                widths: widths.into_iter().collect::<Result<_, _>>()?,
                token_width: extent("proj_conv.0.weight", 0)?,
            },
        });
    }
    let token_width = || extent("proj.weight", 0);
    if has("enc.0.0.weight") {
        let (hidden, values) = (extent("enc.0.0.weight", 0)?, extent("enc.0.0.weight", 1)?);
        let kind = grey_picture(values).ok_or_else(|| PublishedError::Shape {
            name: full("enc.0.0.weight"),
            found: vec![hidden, values],
            wanted: "one input for each pixel of a square grey picture",
        })?;
        return Ok(Input { kind, encoder: EncoderSettings::Perceptron { hidden, token_width: token_width()? } });
    }
    if has("conv1.weight") {
        let layers = layers(&["conv1", "conv2", "conv3", "conv4"], &extent)?;
        let side = extent_before(&layers);
        let kind = Kind::Image { height: side, width: side, channels: extent("conv1.weight", 1)? };
        return Ok(Input { kind, encoder: EncoderSettings::PictureToken { layers, token_width: token_width()? } });
    }
    if has("text_feature_enc.conv1.weight") {
        let names = ["conv1", "conv2", "conv5"].map(|name| format!("text_feature_enc.{name}"));
        let layers = layers(&names.each_ref().map(String::as_str), &extent)?;
        let symbols = extent("text_feature_enc.conv1.weight", 1)?;
        let kind = Kind::Text { length: extent_before(&layers), symbols, vocabulary: None };
        return Ok(Input { kind, encoder: EncoderSettings::SequenceToken { layers, token_width: token_width()? } });
    }
    let names = tensors.keys().filter_map(|name| name.strip_prefix(&full("")).map(str::to_string));
    Err(PublishedError::Encoder { modality: modality.into(), found: names.collect::<Vec<_>>().join(", ") })
}

/// A square grey picture of so many pixels.
fn grey_picture(values: usize) -> Option<Kind> {
    let side = values.isqrt();
    (side > 0 && side * side == values).then_some(Kind::Image { height: side, width: side, channels: 1 })
}

/// Filters and windows from the shapes; steps and zeros are those of the released networks: a window of one place moves by one,
/// any other by two with a zero around, the last one without.
fn layers(
    names: &[&str],
    extent: &impl Fn(&str, usize) -> Result<usize, PublishedError>,
) -> Result<Vec<ConvLayer>, PublishedError> {
    let layer = |(place, name): (usize, &&str)| {
        let (filters, kernel) = (extent(&format!("{name}.weight"), 0)?, extent(&format!("{name}.weight"), 2)?);
        let (stride, padding) = if kernel == 1 { (1, 0) } else { (2, usize::from(place + 1 < names.len())) };
        Ok(ConvLayer { filters, kernel, stride, padding })
    };
    names.iter().enumerate().map(layer).collect()
}

/// The smallest extent that these layers bring down to one place.
fn extent_before(layers: &[ConvLayer]) -> usize {
    layers.iter().rev().fold(1, |extent, layer| {
        let before = (extent.saturating_sub(1)).saturating_mul(layer.stride).saturating_add(layer.kernel);
        before.saturating_sub(2 * layer.padding)
    })
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
    use super::*;

    #[test]
    fn a_foreign_file_is_refused_by_name() {
        let found = fusion_network(&NamedTensors::new(), &FusionHints::default(), &Device::flex());
        assert!(matches!(found, Err(PublishedError::Missing { name, .. }) if name == "modality_embeddings.weight"));
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

    #[test]
    fn windows_of_the_release_come_from_their_sides() {
        let side = |name: &str, place: usize| {
            Ok([[128, 71, 1], [128, 128, 4], [128, 128, 4]][usize::from(name > "a.w") + usize::from(name > "b.w")]
                [place])
        };
        let found = layers(&["a", "b", "c"], &|name, place| side(&name.replace(".weight", ".w"), place)).unwrap();
        let windows: Vec<_> = found.iter().map(|l| (l.kernel, l.stride, l.padding)).collect();
        assert_eq!(windows, [(1, 1, 0), (4, 2, 1), (4, 2, 0)]);
        assert_eq!(extent_before(&found), 8);
    }
}
