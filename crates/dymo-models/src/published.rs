//! Networks of the released implementation, from tensors under their released names.
//!
//! The released PyTorch networks are `DynamicTransformer` (PolyMNIST) and `mm_vae` (MoPoE). Their linear weights are
//! `[output, input]` and become `[input, output]` here; everything else keeps its shape but for leading dimensions of one.

use std::collections::BTreeMap;

use dymo_core::Kind;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::encoder::EncoderSettings;
use crate::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input, LayoutError};
use crate::recovery::{Mopoe, MopoeSettings, RecoveryLayoutError};
use crate::weights::{self, WeightsError};
use burn::tensor::Device;

/// A tensor as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Extents.
    pub shape: Vec<usize>,
    /// Values, the last dimension running fastest.
    pub values: Vec<f32>,
}

/// Tensors by their released names.
pub type NamedTensors = BTreeMap<String, NamedTensor>;

/// Why a released network could not be taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// A tensor that the layout is read from is not there.
    #[error("{name} is missing: this is no released {network}")]
    Missing {
        /// Name of the tensor.
        name: String,
        /// Network that was expected.
        network: &'static str,
    },
    /// A tensor has another number of dimensions or type than released ones have.
    #[error("{name} has shape {found:?}, {wanted} was expected")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Its extents.
        found: Vec<usize>,
        /// In words.
        wanted: &'static str,
    },
    /// The layout cannot be built.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The recovery model cannot be built.
    #[error(transparent)]
    Recovery(#[from] RecoveryLayoutError),
    /// Names or shapes do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file cannot be read.
    #[error("not readable as SafeTensors ({reason}): fetch or make the file again")]
    Unreadable {
        /// What the reader said.
        reason: String,
    },
}

/// Single-precision tensors of a SafeTensors file; others are left out.
///
/// # Errors
/// If the bytes are no such file.
pub fn read_safetensors(bytes: &[u8]) -> Result<NamedTensors, PublishedError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| PublishedError::Unreadable { reason: e.to_string() })?;
    let single = file.iter().filter(|(_, view)| view.dtype() == Dtype::F32);
    Ok(single
        .map(|(name, view)| {
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            (name.to_string(), NamedTensor { shape: view.shape().to_vec(), values })
        })
        .collect())
}

/// A released PolyMNIST fusion network. Pictures are `[28, 28, 3]`; `heads` is not in the file (released: 4), nor is the metric.
///
/// # Errors
/// See [`PublishedError`]; every name that does not fit is listed.
pub fn fusion_network(
    tensors: &NamedTensors,
    kind: Kind,
    heads: usize,
    scale: FeatureScale,
    device: &Device,
) -> Result<FusionNetwork, PublishedError> {
    let network = "PolyMNIST fusion network";
    let extent = |name: &str, place: usize| extent(tensors, name, place, network);
    let modalities = extent("modality_embeddings.weight", 0)?;
    let widths = [0, 2, 4].map(|i| extent(&format!("m_encoders.0.network.{i}.weight"), 0));
    let token_width = extent("m_encoders.0.proj_conv.0.weight", 0)?;
    let encoder = EncoderSettings::Convolutional { widths: widths.into_iter().collect::<Result<_, _>>()?, token_width };
    let blocks = (0..).take_while(|i| tensors.contains_key(&format!("transformer.{i}.attn.qkv.weight"))).count();
    let layout = FusionLayout::try_from(FusionTable {
        inputs: vec![Input { kind, encoder }; modalities],
        width: extent("modality_embeddings.weight", 1)?,
        heads,
        blocks,
        feature_width: extent("projection.weight", 0)?,
        classes: extent("classifier.weight", 0)?,
        scale,
        embedding_rows: EmbeddingRows::Published,
    })?;
    // Kept by training only: selection reads the overall prototypes of the statistics file (method, section 3).
    let ours = tensors.iter().filter(|(name, _)| *name != "prototypes").map(|(name, t)| fusion_tensor(name, t));
    take_up(layout.init(device), ours)
}

/// A released PolyMNIST MoPoE (`mm_vae`), encoders and decoders named `m0`, `m1`, ….
///
/// # Errors
/// See [`PublishedError`].
pub fn mopoe(tensors: &NamedTensors, kind: Kind, device: &Device) -> Result<(Mopoe, MopoeSettings), PublishedError> {
    let network = "PolyMNIST MoPoE";
    let extent = |name: &str| extent(tensors, name, 0, network);
    let modalities = (0..).take_while(|m| tensors.contains_key(&format!("encoders.m{m}.class_mu.weight"))).count();
    let widths = [0, 2, 4].map(|i| extent(&format!("encoders.m0.shared_encoder.{i}.weight")));
    let settings = MopoeSettings {
        latent: extent("encoders.m0.class_mu.weight")?,
        widths: widths.into_iter().collect::<Result<_, _>>()?,
        hidden: Some(extent("encoders.m0.shared_encoder.7.weight")?),
        ..MopoeSettings::default()
    };
    let model = settings.init(&vec![kind; modalities], device)?;
    let ours = tensors.iter().map(|(name, t)| mopoe_tensor(name, t));
    Ok((take_up(model, ours)?, settings))
}

fn extent(tensors: &NamedTensors, name: &str, place: usize, network: &'static str) -> Result<usize, PublishedError> {
    let missing = || PublishedError::Missing { name: name.into(), network };
    let tensor = tensors.get(name).ok_or_else(missing)?;
    tensor.shape.get(place).copied().ok_or_else(|| PublishedError::Shape {
        name: name.into(),
        found: tensor.shape.clone(),
        wanted: "more dimensions",
    })
}

/// Renames a module path piece by piece; a name that fits no row stays and is then listed as superfluous.
fn renamed(name: &str, table: &[(&str, &str)]) -> String {
    let row = table.iter().find_map(|(theirs, ours)| matched(name, theirs).map(|parts| fill(ours, &parts)));
    row.unwrap_or_else(|| name.to_string())
}

/// The parts of `name` that stand where `pattern` has `*`, if it fits; pieces are separated by dots.
fn matched(name: &str, pattern: &str) -> Option<Vec<String>> {
    let (names, patterns): (Vec<&str>, Vec<&str>) = (name.split('.').collect(), pattern.split('.').collect());
    if names.len() != patterns.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (n, p) in names.iter().zip(&patterns) {
        match p.split_once('*') {
            Some((before, _)) => parts.push(n.strip_prefix(before)?.to_string()),
            None if n == p => {}
            None => return None,
        }
    }
    Some(parts)
}

fn fill(pattern: &str, parts: &[String]) -> String {
    parts.iter().fold(pattern.to_string(), |name, part| name.replacen('*', part, 1))
}

/// Released names (`*` stands for a number or for weight and bias) and ours.
const FUSION_NAMES: &[(&str, &str)] = &[
    ("m_encoders.*.network.0.*", "encoders.*.Convolutional.stack.layers.0.*"),
    ("m_encoders.*.network.2.*", "encoders.*.Convolutional.stack.layers.1.*"),
    ("m_encoders.*.network.4.*", "encoders.*.Convolutional.stack.layers.2.*"),
    ("m_encoders.*.proj_conv.0.*", "encoders.*.Convolutional.projection.*"),
    ("m_norms.*.weight", "norms.*.gamma"),
    ("m_norms.*.bias", "norms.*.beta"),
    ("modality_embeddings.weight", "modality_embedding.weight"),
    ("cls_token", "class_token"),
    ("pos_embeddings", "positions"),
    ("transformer.*.attn.qkv.weight", "blocks.*.qkv.weight"),
    ("transformer.*.attn.proj.*", "blocks.*.proj.*"),
    ("transformer.*.norm1.weight", "blocks.*.norm1.gamma"),
    ("transformer.*.norm1.bias", "blocks.*.norm1.beta"),
    ("transformer.*.norm2.weight", "blocks.*.norm2.gamma"),
    ("transformer.*.norm2.bias", "blocks.*.norm2.beta"),
    ("transformer.*.mlp.fc1.*", "blocks.*.fc1.*"),
    ("transformer.*.mlp.fc2.*", "blocks.*.fc2.*"),
];

const MOPOE_NAMES: &[(&str, &str)] = &[
    ("encoders.m*.shared_encoder.0.*", "encoders.*.stack.layers.0.*"),
    ("encoders.m*.shared_encoder.2.*", "encoders.*.stack.layers.1.*"),
    ("encoders.m*.shared_encoder.4.*", "encoders.*.stack.layers.2.*"),
    ("encoders.m*.shared_encoder.7.*", "encoders.*.hidden.*"),
    ("encoders.m*.class_mu.*", "encoders.*.mean.*"),
    ("encoders.m*.class_logvar.*", "encoders.*.log_variance.*"),
    ("decoders.m*.decoder.0.*", "decoders.*.hidden.*"),
    ("decoders.m*.decoder.3.*", "decoders.*.stack.layers.0.*"),
    ("decoders.m*.decoder.5.*", "decoders.*.stack.layers.1.*"),
    ("decoders.m*.decoder.7.*", "decoders.*.stack.layers.2.*"),
];

fn fusion_tensor(name: &str, tensor: &NamedTensor) -> (String, NamedTensor) {
    let ours = renamed(name, FUSION_NAMES);
    let keeps_order = ours == "modality_embedding.weight";
    let tensor = match tensor.shape.as_slice() {
        // The class token and the positions have a leading dimension of one.
        [1, rows, columns] => NamedTensor { shape: vec![*rows, *columns], values: tensor.values.clone() },
        [_, _] if !keeps_order => transposed(tensor),
        _ => tensor.clone(),
    };
    (ours, tensor)
}

fn mopoe_tensor(name: &str, tensor: &NamedTensor) -> (String, NamedTensor) {
    let tensor = if tensor.shape.len() == 2 { transposed(tensor) } else { tensor.clone() };
    (renamed(name, MOPOE_NAMES), tensor)
}

/// `[output, input]` → `[input, output]`.
fn transposed(tensor: &NamedTensor) -> NamedTensor {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| tensor.values[r * columns + c])).collect();
    NamedTensor { shape: vec![columns, rows], values }
}

fn take_up<M: burn::module::Module>(
    module: M,
    tensors: impl Iterator<Item = (String, NamedTensor)>,
) -> Result<M, PublishedError> {
    let unreadable = |e: safetensors::SafeTensorError| PublishedError::Unreadable { reason: e.to_string() };
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> =
        tensors.map(|(name, t)| (name, t.shape, t.values.iter().flat_map(|v| v.to_le_bytes()).collect())).collect();
    let views = raw
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(unreadable)?))
        })
        .collect::<Result<Vec<_>, PublishedError>>()?;
    let bytes = safetensors::serialize(views, None).map_err(unreadable)?;
    Ok(weights::from_bytes(module, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_piece_by_piece() {
        assert_eq!(
            renamed("m_encoders.3.network.2.bias", FUSION_NAMES),
            "encoders.3.Convolutional.stack.layers.1.bias"
        );
        assert_eq!(renamed("transformer.1.norm2.weight", FUSION_NAMES), "blocks.1.norm2.gamma");
        assert_eq!(renamed("decoders.m4.decoder.7.weight", MOPOE_NAMES), "decoders.4.stack.layers.2.weight");
        assert_eq!(renamed("something.else", FUSION_NAMES), "something.else");
    }

    #[test]
    fn a_foreign_file_is_refused_by_name() {
        let kind = Kind::Image { height: 28, width: 28, channels: 3 };
        let found = fusion_network(&NamedTensors::new(), kind, 4, FeatureScale::Unit, &Device::flex());
        assert!(matches!(found, Err(PublishedError::Missing { name, .. }) if name == "modality_embeddings.weight"));
    }
}
