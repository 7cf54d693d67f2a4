//! From a file to named tensors and settings.

use dymo_pickle::{PickleFile, TensorView, Value};
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
    /// dictionary, in either container, or SafeTensors. Half precision becomes single; counters of batch norm are left out. Nothing
    /// in the file is executed.
    ///
    /// # Errors
    /// [`PublishedError`]: the file is neither, holds no weights, holds some without numbers or in whole numbers, or something else
    /// among them.
    pub fn read(bytes: &[u8]) -> Result<Self, PublishedError> {
        if looks_like_safetensors(bytes) {
            let tensors = read_safetensors(bytes)?;
            return Ok(Self { tensors, settings: settings_of_metadata(bytes), epoch: None });
        }
        let file = PickleFile::read(bytes)?;
        let root = file.root();
        let named = ["state_dict", "model_state_dict"].iter().find_map(|key| root.get(key));
        let mut entries = Entries::of(named.unwrap_or(root));
        if named.is_none() {
            // Beside bare weights there may be settings.
            entries.others.clear();
        }
        let tensors = entries.tensors(bytes.len())?;
        if tensors.is_empty() {
            return Err(PublishedError::NoWeights { found: contents(root) });
        }
        let settings = settings(root.get("hyper_parameters").unwrap_or(root));
        Ok(Self { tensors: without_wrapper(tensors), settings, epoch: root.get("epoch").and_then(Value::as_usize) })
    }
}

/// Values that the tensors of a file may have beyond one for each of its bytes. Single precision has four bytes, so that tied weights
/// and the like fit many times over.
const REPEATED: usize = 1 << 20;

/// What stands in a state dictionary.
#[derive(Default)]
struct Entries<'a> {
    weights: Vec<(&'a str, TensorView<'a>)>,
    not_dense: Vec<String>,
    not_floating: Vec<String>,
    /// No tensors at all, or without a name.
    others: Vec<String>,
}

impl<'a> Entries<'a> {
    fn of(dictionary: Value<'a>) -> Self {
        let mut found = Self::default();
        for (key, value) in dictionary.entries() {
            match key.as_str() {
                Some(name) if is_counter(name) => {}
                Some(name) => found.add(name, value),
                None => found.others.push(format!("{} in place of a name ({})", key.sort(), in_words(value))),
            }
        }
        found
    }

    fn add(&mut self, name: &'a str, value: Value<'a>) {
        if let Some(tensor) = value.as_tensor() {
            if tensor.element().is_real() {
                self.weights.push((name, tensor));
            } else {
                self.not_floating.push(format!("{name} ({:?})", tensor.element()));
            }
        } else if let Some(numbers) = value.other_numbers() {
            self.not_floating.push(format!("{name} ({numbers})"));
        } else if let Some(sort) = value.class_name().and_then(|class| rebuilt(&class)) {
            // What PyTorch rebuilds and is no tensor here: sparse, quantised, or without numbers ("meta").
            self.not_dense.push(format!("{name} ({sort})"));
        } else {
            self.others.push(format!("{name} ({})", in_words(value)));
        }
    }

    /// The weights, gathered once nothing speaks against any of them.
    fn tensors(self, bytes: usize) -> Result<NamedTensors, PublishedError> {
        if !self.not_dense.is_empty() {
            return Err(PublishedError::NotDense { entries: self.not_dense });
        }
        if !self.not_floating.is_empty() {
            return Err(PublishedError::NotFloating { entries: self.not_floating });
        }
        if !self.others.is_empty() {
            let (missing, superfluous, shapes) = (Vec::new(), self.others, Vec::new());
            return Err(PublishedError::Mismatch { missing, superfluous, shapes });
        }
        let mut values = 0usize;
        for (name, tensor) in &self.weights {
            values = values.saturating_add(tensor.count().map_err(|source| without_values(name, source))?);
        }
        if values > bytes.saturating_add(REPEATED) {
            return Err(PublishedError::Repeated { values, bytes });
        }
        let read = |(name, tensor): (&str, TensorView<'_>)| {
            let values = tensor.to_f32().map_err(|source| without_values(name, source))?;
            Ok((name.to_string(), NamedTensor { shape: tensor.shape().to_vec(), values }))
        };
        self.weights.into_iter().map(read).collect()
    }
}

fn without_values(name: &str, source: dymo_pickle::TensorError) -> PublishedError {
    PublishedError::Tensor { name: name.into(), source }
}

/// `an object of posix.system`, `a whole number`.
fn in_words(value: Value<'_>) -> String {
    match value.class_name() {
        Some(class) => format!("{} of {class}", value.sort()),
        None => value.sort().into(),
    }
}

/// Batch norm counts its batches, in whole numbers that no inference reads.
fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// `torch._utils._rebuild_sparse_tensor` → `sparse_tensor`.
fn rebuilt(class: &str) -> Option<String> {
    class.strip_prefix("torch._utils._rebuild_").map(str::to_string)
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

/// What is known of the hyper-parameters, be they a dictionary, an object such as `argparse.Namespace`, or OmegaConf's, and be they
/// there or one level further down (`{"args": …}`). Where several places say different things, none counts.
fn settings(parameters: Value<'_>) -> CheckpointSettings {
    let own = Parameters { root: parameters, scope: parameters };
    // A data set's name settles which section counts: those of other data sets are not asked.
    if own.field("dataset_name").is_some() {
        return own.settings();
    }
    let below: Vec<_> = members(parameters)
        .map(|scope| Parameters { root: scope, scope }.settings())
        .filter(|found| *found != CheckpointSettings::default())
        .collect();
    let own = own.settings();
    CheckpointSettings {
        heads: own.heads.or(agreed(&below, |found| found.heads)),
        scale: own.scale.or(agreed(&below, |found| found.scale)),
        modalities: own.modalities.or(agreed(&below, |found| found.modalities.clone())),
    }
}

/// What all say that say something.
fn agreed<T: PartialEq>(all: &[CheckpointSettings], of: impl Fn(&CheckpointSettings) -> Option<T>) -> Option<T> {
    let mut said = all.iter().filter_map(of);
    let first = said.next()?;
    said.all(|other| other == first).then_some(first)
}

/// Hyper-parameters, and the part of them that is looked at.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    root: Value<'a>,
    scope: Value<'a>,
}

impl<'a> Parameters<'a> {
    fn settings(self) -> CheckpointSettings {
        let of_data_set = self.text("dataset_name").and_then(|name| self.field(name));
        let section = of_data_set.map(|scope| Parameters { scope, ..self });
        let scale = |part: Self| part.text("distance_metric").and_then(scale_named);
        let heads = |part: Self| part.field("transformer_heads").and_then(Value::as_usize);
        let names = |part: Self| {
            let list = part.field("modality_names")?;
            let names: Vec<String> =
                list.items().filter_map(|name| self.resolved(name).as_str()).map(str::to_string).collect();
            (!names.is_empty()).then_some(names)
        };
        CheckpointSettings {
            heads: heads(self).or_else(|| section.and_then(heads)),
            scale: scale(self).or_else(|| section.and_then(scale)),
            modalities: names(self).or_else(|| section.and_then(names)),
        }
    }

    fn field(self, name: &str) -> Option<Value<'a>> {
        field(self.scope, name).map(|value| self.resolved(value))
    }

    fn text(self, name: &str) -> Option<&'a str> {
        self.field(name)?.as_str()
    }

    /// OmegaConf's references to another place, `${section.name}`, are followed from the root.
    fn resolved(self, value: Value<'a>) -> Value<'a> {
        /// References to references.
        const DEPTH: usize = 8;
        let mut value = unwrapped(value);
        for _ in 0..DEPTH {
            let path = value.as_str().and_then(|text| text.strip_prefix("${")?.strip_suffix('}'));
            let Some(path) = path else { break };
            let Some(found) = path.split('.').try_fold(self.root, field) else { break };
            value = unwrapped(found);
        }
        value
    }
}

fn scale_named(name: &str) -> Option<FeatureScale> {
    let name = name.to_lowercase();
    if name.contains("cos") { Some(FeatureScale::Unit) } else { name.contains("euclid").then_some(FeatureScale::Free) }
}

/// The entry of a dictionary, an attribute of an object, or what an OmegaConf node holds under that name.
fn field<'a>(value: Value<'a>, name: &str) -> Option<Value<'a>> {
    let value = unwrapped(value);
    value.get(name).or_else(|| value.attribute(name))
}

/// Values of a dictionary, or of an OmegaConf node or object with attributes.
fn members(value: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let value = unwrapped(value);
    value.entries().chain(value.attributes()).map(|(_, member)| member)
}

/// What an OmegaConf node holds; every other value is itself.
fn unwrapped(value: Value<'_>) -> Value<'_> {
    value.attribute("_content").or_else(|| value.attribute("_val")).unwrap_or(value)
}

/// Settings beside the weights of a SafeTensors file: texts under the names that checkpoints have.
fn settings_of_metadata(bytes: &[u8]) -> CheckpointSettings {
    let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, header)| header.metadata().clone());
    let metadata = metadata.unwrap_or_default();
    let get = |name: &str| metadata.get(name).map(String::as_str);
    let names = |text: &str| {
        let names = text.split(',').map(|name| name.trim().to_string()).filter(|name| !name.is_empty());
        names.collect::<Vec<_>>()
    };
    CheckpointSettings {
        heads: get("transformer_heads").and_then(|text| text.trim().parse().ok()),
        scale: get("distance_metric").and_then(scale_named),
        modalities: get("modality_names").map(names).filter(|names| !names.is_empty()),
    }
}

/// Tensors of a SafeTensors file in single precision; counters of batch norm are left out.
///
/// # Errors
/// If the bytes are no such file, or hold weights in whole numbers.
pub fn read_safetensors(bytes: &[u8]) -> Result<NamedTensors, PublishedError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| PublishedError::Unreadable { reason: e.to_string() })?;
    let (mut tensors, mut not_floating) = (NamedTensors::new(), Vec::new());
    for (name, view) in file.iter().filter(|(name, _)| !is_counter(name)) {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Dtype::F16 => data.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            other => {
                not_floating.push(format!("{name} ({other:?})"));
                continue;
            }
        };
        tensors.insert(name.to_string(), NamedTensor { shape: view.shape().to_vec(), values });
    }
    if not_floating.is_empty() {
        return Ok(tensors);
    }
    not_floating.sort();
    Err(PublishedError::NotFloating { entries: not_floating })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pickle of protocol 0, as text.
    fn said(pickle: &str) -> CheckpointSettings {
        settings(PickleFile::read(pickle.as_bytes()).expect("a pickle").root())
    }

    /// `{"transformer_heads": 4, "distance_metric": "cosine_similarity"}`, without the end.
    const FLAT: &str = "(dVtransformer_heads\nI4\nsVdistance_metric\nVcosine_similarity\ns";

    fn wanted() -> CheckpointSettings {
        CheckpointSettings { heads: Some(4), scale: Some(FeatureScale::Unit), modalities: None }
    }

    #[test]
    fn settings_stand_in_dictionaries_and_objects_and_one_level_down() {
        let namespace = format!("ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR{FLAT}b");
        for pickle in [
            format!("{FLAT}."),
            format!("{namespace}."),
            format!("(dVargs\n{FLAT}s."),
            format!("(dVargs\n{namespace}s."),
            format!("(dVdataset_name\nVA\nsVA\n{FLAT}s."),
        ] {
            assert_eq!(said(&pickle), wanted(), "{pickle}");
        }
        // Another data set's section does not count, nor do places that contradict each other.
        let other = said(&format!("(dVdataset_name\nVB\nsVA\n{FLAT}s."));
        let torn = said(&format!("(dVa\n{FLAT}sVb\n(dVtransformer_heads\nI2\nss."));
        assert_eq!((other.heads, torn.heads, torn.scale), (None, None, Some(FeatureScale::Unit)));
    }

    #[test]
    fn references_are_followed_and_end() {
        let pickle = "(dVtransformer_heads\nV${a.b}\nsVa\n(dVb\nI8\nssVdistance_metric\nV${distance_metric}\ns.";
        assert_eq!(said(pickle), CheckpointSettings { heads: Some(8), ..CheckpointSettings::default() });
    }

    #[test]
    fn what_is_no_dense_tensor_is_named() {
        let pickle = "(dVa.weight\nctorch._utils\n_rebuild_sparse_tensor\n(tRsVb\nI1\ns.";
        let message = Checkpoint::read(pickle.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("a.weight (sparse_tensor)") && !message.contains("b,"), "{message}");
    }

    #[test]
    fn what_is_no_tensor_among_weights_is_superfluous() {
        let weights = |pickle: &str| Checkpoint::read(format!("(dVstate_dict\n(d{pickle}ss.").as_bytes());
        match weights("Vx\ncposix\nsystem\n(Vtouch here\ntRsVb\nI1\nsVbn1.num_batches_tracked\nI1\nsI7\nN") {
            Err(PublishedError::Mismatch { missing, superfluous, shapes }) => {
                assert!(missing.is_empty() && shapes.is_empty());
                let wanted =
                    ["x (an object of posix.system)", "b (a whole number)", "a whole number in place of a name (None)"];
                assert_eq!(superfluous, wanted);
            }
            other => panic!("{other:?}"),
        }
    }

    /// `{"0.w": zeros(1).expand(1 << 20), "1.w": …}`: a storage of four bytes, as often as wanted, in the old container.
    fn expanded(tensors: usize) -> Vec<u8> {
        let tensor = |number: usize| {
            format!(
                "V{number}.w\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI1\ntQI0\n\
                 (I1048576\nt(I0\ntI00\nNtRs"
            )
        };
        in_old_container(&format!("(d{}.", (0..tensors).map(tensor).collect::<String>()), 1, &1.5f32.to_le_bytes())
    }

    /// Values with one storage of so many numbers.
    fn in_old_container(values: &str, count: u64, storage: &[u8]) -> Vec<u8> {
        let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
        [&magic[..], b"I1001\n.", b"(d.", values.as_bytes(), b"(lV0\na.", &count.to_le_bytes(), storage].concat()
    }

    #[test]
    fn what_a_file_repeats_is_bounded_for_all_its_tensors_together() {
        let one = Checkpoint::read(&expanded(1)).unwrap();
        assert_eq!(one.tensors["0.w"].values, vec![1.5; 1 << 20]);
        let file = expanded(3);
        match Checkpoint::read(&file) {
            Err(error @ PublishedError::Repeated { values, bytes }) => {
                assert_eq!((values, bytes), (3 << 20, file.len()));
                assert!(error.to_string().contains("tensor.clone()"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_that_are_not_known_are_told_with_their_type() {
        let values = "(dVa.w\nctorch._utils\n_rebuild_tensor_v3\n((Vstorage\nctorch.storage\nUntypedStorage\nV0\nVcpu\nI2\ntQI0\n\
                      (I2\nt(I1\ntI00\nNctorch\nfloat8_e4m3fn\ntRs.";
        let message = Checkpoint::read(&in_old_container(values, 2, &[0; 2])).unwrap_err().to_string();
        assert!(message.contains("a.w (float8_e4m3fn)") && message.ends_with("save them as float32"), "{message}");
    }

    #[test]
    fn whole_numbers_are_no_weights() {
        let view = |dtype, bytes: &'static [u8]| safetensors::tensor::TensorView::new(dtype, vec![1], bytes).unwrap();
        let bytes = |name| {
            let tensors = [("a.weight", view(Dtype::F32, &[0; 4])), (name, view(Dtype::I32, &[0; 4]))];
            safetensors::serialize(tensors, None).unwrap()
        };
        let message = Checkpoint::read(&bytes("b.weight")).unwrap_err().to_string();
        assert!(message.contains("b.weight (I32)") && !message.contains("a.weight"), "{message}");
        assert_eq!(Checkpoint::read(&bytes("bn1.num_batches_tracked")).unwrap().tensors.len(), 1);
        // torch.save({"a.weight": torch.zeros(1, dtype=torch.int32)}, "whole.pth")
        let message = Checkpoint::read(include_bytes!("../../tests/published/whole.pth")).unwrap_err().to_string();
        assert!(message.contains("a.weight (I32)"), "{message}");
    }
}
