//! From tensors under our names into a module, with everything that does not fit listed under its released name.

use std::collections::BTreeMap;

use burn::module::Module;
use safetensors::tensor::{Dtype, TensorView};

use super::{NamedTensor, PublishedError};
use crate::weights;

/// A tensor under our name, in our shape, and what it was called.
pub(super) struct Renamed {
    /// Our name; `None` for a tensor that the network has no place for.
    pub ours: Option<String>,
    /// The released name.
    pub theirs: String,
    /// In our shape.
    pub tensor: NamedTensor,
}

/// Takes up every tensor, and no other, or says what does not fit. `theirs` names one of ours as the release does.
pub(super) fn take_up<M: Module>(
    module: M,
    tensors: Vec<Renamed>,
    theirs: impl Fn(&str) -> String,
) -> Result<M, PublishedError> {
    let mut wanted: BTreeMap<String, Vec<usize>> = weights::shapes(&module);
    let (mut superfluous, mut shapes) = (Vec::new(), Vec::new());
    let infinite = |t: &&Renamed| t.ours.is_some() && t.tensor.values.iter().any(|v| !v.is_finite());
    let not_finite: Vec<String> = tensors.iter().filter(infinite).map(|t| t.theirs.clone()).collect();
    let mut fitting = Vec::new();
    for Renamed { ours, theirs, tensor } in tensors {
        match ours.and_then(|name| Some((wanted.remove(&name)?, name))) {
            None => superfluous.push(theirs),
            Some((shape, _)) if shape != tensor.shape => shapes.push((theirs, released(tensor.shape), released(shape))),
            Some((_, name)) => fitting.push((name, tensor)),
        }
    }
    let missing: Vec<String> = wanted.keys().map(|name| theirs(name)).collect();
    if !(missing.is_empty() && superfluous.is_empty() && shapes.is_empty()) {
        return Err(PublishedError::Mismatch { missing, superfluous, shapes });
    }
    if !not_finite.is_empty() {
        return Err(PublishedError::NotFinite { entries: not_finite });
    }
    load(module, fitting)
}

/// A shape as the release has it: linear weights, the only ones of two dimensions, were turned.
fn released(mut shape: Vec<usize>) -> Vec<usize> {
    if shape.len() == 2 {
        shape.reverse();
    }
    shape
}

fn load<M: Module>(module: M, tensors: Vec<(String, NamedTensor)>) -> Result<M, PublishedError> {
    let unreadable = |e: safetensors::SafeTensorError| PublishedError::Unreadable { reason: e.to_string() };
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, t)| (name, t.shape, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = raw
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(unreadable)?))
        })
        .collect::<Result<Vec<_>, PublishedError>>()?;
    let bytes = safetensors::serialize(views, None).map_err(unreadable)?;
    Ok(weights::from_bytes(module, bytes)?)
}

/// `[output, input]` → `[input, output]`.
pub(super) fn transposed(tensor: &NamedTensor) -> NamedTensor {
    let [rows, columns] = tensor.shape[..] else { return tensor.clone() };
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| tensor.values[r * columns + c])).collect();
    NamedTensor { shape: vec![columns, rows], values }
}
