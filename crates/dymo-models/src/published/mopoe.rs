//! The released MoPoE of pictures (`mm_vae`).

use burn::tensor::Device;
use dymo_core::Kind;

use super::take_up::{Renamed, take_up, transposed};
use super::{NamedTensors, PublishedError, extent, names};
use crate::recovery::{Mopoe, MopoeSettings};

/// A released MoPoE of pictures, encoders and decoders named `m0`, `m1`, …; all have the size of `kind`, whose channels must be
/// the file's.
///
/// # Errors
/// See [`PublishedError`]; every name that does not fit is listed.
pub fn mopoe(tensors: &NamedTensors, kind: Kind, device: &Device) -> Result<(Mopoe, MopoeSettings), PublishedError> {
    let network = "MoPoE of pictures";
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
    let renamed = tensors.iter().map(|(name, tensor)| Renamed {
        ours: names::ours(names::MOPOE, name),
        theirs: name.clone(),
        tensor: if tensor.shape.len() == 2 { transposed(tensor) } else { tensor.clone() },
    });
    let theirs = |name: &str| names::theirs(names::MOPOE, name).unwrap_or_else(|| name.into());
    Ok((take_up(model, renamed.collect(), theirs)?, settings))
}
