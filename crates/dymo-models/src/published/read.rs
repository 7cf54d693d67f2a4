//! From a file to named tensors and settings.

use dymo_pickle::{PickleFile, Value};
use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::{NamedTensor, NamedTensors, PublishedError};
use crate::fusion::FeatureScale;

/// Weights as a file holds them, and what stands beside them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// The weights, under their released names.
    pub tensors: NamedTensors,
    /// What the file's hyper-parameters say.
    pub settings: CheckpointSettings,
    /// The epoch whose weights these are, counted from 0, where the file says.
    pub epoch: Option<usize>,
}

/// Hyper-parameters of a released checkpoint that weights alone do not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckpointSettings {
    /// Attention heads.
    pub heads: Option<usize>,
    /// Whether features have length one: cosine or Euclid.
    pub scale: Option<FeatureScale>,
    /// Names of the modalities, in order.
    pub modalities: Option<Vec<String>>,
}

impl Checkpoint {
    /// Reads weights: `torch.save` of a checkpoint (`state_dict` or `model_state_dict` beside other things) or of a bare state
    /// dictionary, in either container, or SafeTensors. Half precision becomes single. Nothing in the file is executed.
    ///
    /// # Errors
    /// [`PublishedError`]: the file is neither, or holds no weights.
    pub fn read(bytes: &[u8]) -> Result<Self, PublishedError> {
        if looks_like_safetensors(bytes) {
            return Ok(Self { tensors: read_safetensors(bytes)?, ..Self::default() });
        }
        let file = PickleFile::read(bytes)?;
        let root = file.root();
        let weights = ["state_dict", "model_state_dict"].iter().find_map(|key| root.get(key)).unwrap_or(root);
        let mut tensors = NamedTensors::new();
        for (key, value) in weights.entries() {
            let (Some(name), Some(tensor)) = (key.as_str(), value.as_tensor()) else { continue };
            let values = tensor.to_f32().map_err(|source| PublishedError::Tensor { name: name.into(), source })?;
            tensors.insert(name.into(), NamedTensor { shape: tensor.shape().to_vec(), values });
        }
        if tensors.is_empty() {
            return Err(PublishedError::NoWeights { found: contents(root) });
        }
        let settings = root.get("hyper_parameters").map(settings).unwrap_or_default();
        Ok(Self { tensors: without_wrapper(tensors), settings, epoch: root.get("epoch").and_then(Value::as_usize) })
    }
}

/// SafeTensors begin with the length of a JSON header.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && !PickleFile::looks_like_one(bytes)
}

/// Names as the module itself has them, without the prefix of PyTorch's parallel wrapper.
fn without_wrapper(tensors: NamedTensors) -> NamedTensors {
    const WRAPPER: &str = "module.";
    if !tensors.keys().all(|name| name.starts_with(WRAPPER)) {
        return tensors;
    }
    tensors.into_iter().map(|(name, tensor)| (name[WRAPPER.len()..].to_string(), tensor)).collect()
}

/// What a file holds, for a message.
fn contents(root: Value<'_>) -> String {
    /// Keys shown.
    const SHOWN: usize = 6;
    let keys: Vec<&str> = root.entries().filter_map(|(key, _)| key.as_str()).take(SHOWN).collect();
    match (keys.is_empty(), root.class_name()) {
        (false, _) => format!("the entries {}", keys.join(", ")),
        (true, Some(class)) => format!("an object of {class}"),
        (true, None) => "no named entries".into(),
    }
}

/// Reads what is known of the hyper-parameters, be they a plain dictionary or OmegaConf's objects.
fn settings(parameters: Value<'_>) -> CheckpointSettings {
    let of_data_set = text(field(parameters, "dataset_name")).and_then(|name| field(parameters, name));
    let find = |name: &str| field(parameters, name).or_else(|| of_data_set.and_then(|section| field(section, name)));
    let scale = text(find("distance_metric")).and_then(|name| {
        let name = name.to_lowercase();
        if name.contains("cos") {
            Some(FeatureScale::Unit)
        } else {
            name.contains("euclid").then_some(FeatureScale::Free)
        }
    });
    let names = find("modality_names").map(|list| {
        let list = unwrapped(list);
        list.items().filter_map(|name| text(Some(name)).map(str::to_string)).collect::<Vec<_>>()
    });
    CheckpointSettings {
        heads: find("transformer_heads").and_then(|value| unwrapped(value).as_usize()),
        scale,
        modalities: names.filter(|names| !names.is_empty()),
    }
}

/// The entry of a dictionary, or of an OmegaConf node that holds one.
fn field<'a>(value: Value<'a>, name: &str) -> Option<Value<'a>> {
    unwrapped(value).get(name)
}

/// What an OmegaConf node holds; every other value is itself.
fn unwrapped(value: Value<'_>) -> Value<'_> {
    value.attribute("_content").or_else(|| value.attribute("_val")).unwrap_or(value)
}

fn text(value: Option<Value<'_>>) -> Option<&str> {
    unwrapped(value?).as_str()
}

/// Floating-point tensors of a SafeTensors file in single precision; others are left out.
///
/// # Errors
/// If the bytes are no such file.
pub fn read_safetensors(bytes: &[u8]) -> Result<NamedTensors, PublishedError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| PublishedError::Unreadable { reason: e.to_string() })?;
    let tensors = file.iter().filter_map(|(name, view)| {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Dtype::F16 => data.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            _ => return None,
        };
        Some((name.to_string(), NamedTensor { shape: view.shape().to_vec(), values }))
    });
    Ok(tensors.collect())
}
