//! Weights as SafeTensors: in and out, in single or half precision, with everything that does not fit listed by name.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn_store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use safetensors::{Dtype, SafeTensors};

/// Number format of stored weights. Reading takes either and gives single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Full,
    /// 16 bits for linear, convolutional, norm and embedding layers: half the size, three significant digits.
    Half,
}

/// Why weights could not be stored or taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The bytes are no SafeTensors file, or it is damaged.
    #[error("not readable as SafeTensors ({reason}): fetch or make the file again")]
    Unreadable {
        /// What the reader said.
        reason: String,
    },
    /// The file belongs to another network.
    #[error("the weights belong to another network: {}", list(.missing, .superfluous, .errors))]
    Mismatch {
        /// Names that the network has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the network lacks.
        superfluous: Vec<String>,
        /// Tensors of another shape or type.
        errors: Vec<String>,
    },
    /// A weight is NaN or infinite.
    #[error(
        "{name} holds a number that is not finite: these weights cannot be used, train again or fetch the file again"
    )]
    NotFinite {
        /// Name of the tensor.
        name: String,
    },
}

/// Names shown of each sort before the rest is counted.
const SHOWN: usize = 4;

fn list(missing: &[String], superfluous: &[String], errors: &[String]) -> String {
    let part = |word: &str, names: &[String]| {
        let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let rest = names.len().saturating_sub(SHOWN);
        match (names.is_empty(), rest) {
            (true, _) => String::new(),
            (false, 0) => format!("{word} {shown}; "),
            (false, rest) => format!("{word} {shown} and {rest} more; "),
        }
    };
    let all = part("missing", missing) + &part("superfluous", superfluous) + &part("of another shape", errors);
    all.trim_end_matches("; ").to_string()
}

/// The weights of a module as a SafeTensors file.
///
/// # Errors
/// If the module holds a number that is not finite, or the file cannot be made.
pub fn to_bytes<M: Module>(module: &M, precision: Precision) -> Result<Vec<u8>, WeightsError> {
    check_finite(module)?;
    let store = SafetensorsStore::from_bytes(None);
    let mut store = match precision {
        Precision::Full => store,
        Precision::Half => store.with_to_adapter(HalfPrecisionAdapter::new()),
    };
    let unreadable = |e: burn_store::SafetensorsStoreError| WeightsError::Unreadable { reason: e.to_string() };
    module.save_into(&mut store).map_err(unreadable)?;
    let bytes = store.get_bytes().map_err(unreadable)?;
    // Written once more in the order of names: the same weights give the same bytes.
    let again = |e: safetensors::SafeTensorError| WeightsError::Unreadable { reason: e.to_string() };
    let file = SafeTensors::deserialize(&bytes).map_err(again)?;
    let sorted: BTreeMap<&str, _> = file.iter().collect();
    safetensors::serialize(sorted, None).map_err(again)
}

/// Takes up the weights of a SafeTensors file: every tensor of the module, no other, of the same shape, all finite.
///
/// # Errors
/// See [`WeightsError`].
pub fn from_bytes<M: Module>(mut module: M, bytes: Vec<u8>) -> Result<M, WeightsError> {
    let half = holds_half_precision(&bytes)?;
    let mut store = SafetensorsStore::from_bytes(Some(bytes)).allow_partial(true).validate(false);
    if half {
        // The adapter turns whatever it sees into the other precision, so it must see half precision only.
        store = store.with_from_adapter(HalfPrecisionAdapter::new());
    }
    let result = module.load_from(&mut store).map_err(|e| WeightsError::Unreadable { reason: e.to_string() })?;
    let missing: Vec<String> = result.missing.into_iter().map(|(name, _)| name).collect();
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    if !(missing.is_empty() && result.unused.is_empty() && errors.is_empty()) {
        return Err(WeightsError::Mismatch { missing, superfluous: result.unused, errors });
    }
    check_finite(&module)?;
    Ok(module)
}

fn holds_half_precision(bytes: &[u8]) -> Result<bool, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Unreadable { reason: e.to_string() })?;
    Ok(file.tensors().iter().any(|(_, view)| view.dtype() == Dtype::F16))
}

/// Names of a module's weights as they stand in a file, and their shapes.
pub fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut search = Shapes { path: Vec::new(), found: BTreeMap::new() };
    module.visit(&mut search);
    search.found
}

/// Collects names and shapes.
struct Shapes {
    path: Vec<String>,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.val().dims().to_vec());
    }
}

fn check_finite<M: Module>(module: &M) -> Result<(), WeightsError> {
    let mut search = Search { path: Vec::new(), found: None };
    module.visit(&mut search);
    match search.found {
        Some(name) => Err(WeightsError::NotFinite { name }),
        None => Ok(()),
    }
}

/// Looks for a number that is not finite.
struct Search {
    path: Vec<String>,
    found: Option<String>,
}

impl ModuleVisitor for Search {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().into_data().convert::<f32>();
        let finite = values.as_slice::<f32>().is_ok_and(|v| v.iter().all(|v| v.is_finite()));
        if !finite && self.found.is_none() {
            self.found = Some(self.path.join("."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, Tensor};

    fn linear(input: usize, output: usize) -> Linear {
        LinearConfig::new(input, output).init(&Device::flex())
    }

    fn weight(module: &Linear) -> Vec<f32> {
        module.weight.val().into_data().try_to_vec::<f32>().unwrap()
    }

    #[test]
    fn full_precision_keeps_every_bit_and_half_three_digits() {
        let module = linear(3, 2);
        let full = from_bytes(linear(3, 2), to_bytes(&module, Precision::Full).unwrap()).unwrap();
        assert_eq!(weight(&full), weight(&module));
        let bytes = to_bytes(&module, Precision::Half).unwrap();
        let half = from_bytes(linear(3, 2), bytes).unwrap();
        for (a, b) in weight(&half).iter().zip(weight(&module)) {
            assert!((a - b).abs() <= 1e-3 * b.abs().max(1e-3), "{a} {b}");
        }
    }

    #[test]
    fn another_network_is_refused_by_name() {
        let bytes = to_bytes(&linear(3, 2), Precision::Full).unwrap();
        let error = from_bytes(linear(4, 2), bytes).unwrap_err().to_string();
        assert!(error.contains("weight"), "{error}");
    }

    #[test]
    fn damage_and_nan_are_refused() {
        let mut bytes = to_bytes(&linear(3, 2), Precision::Full).unwrap();
        bytes.truncate(bytes.len() - 4);
        assert!(matches!(from_bytes(linear(3, 2), bytes), Err(WeightsError::Unreadable { .. })));
        let mut broken = linear(3, 2);
        broken.weight = broken.weight.map(|w: Tensor<2>| w * f32::NAN);
        assert!(
            matches!(to_bytes(&broken, Precision::Full), Err(WeightsError::NotFinite { name }) if name == "weight")
        );
    }
}
