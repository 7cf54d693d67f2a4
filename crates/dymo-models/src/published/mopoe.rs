//! The released MoPoE of pictures (`mm_vae`).

use burn::tensor::Device;
use dymo_core::{Kind, ModalitySet};

use super::reading::Votes;
use super::take_up::{Renamed, take_up, transposed};
use super::{NamedTensors, PublishedError, names};
use crate::recovery::{Mopoe, MopoeSettings};

/// A released MoPoE of pictures, encoders and decoders named `m0`, `m1`, …; all have the size of `kind`, whose channels must be
/// the file's.
///
/// # Errors
/// See [`PublishedError`]; every name that does not fit is listed.
pub fn mopoe(tensors: &NamedTensors, kind: Kind, device: &Device) -> Result<(Mopoe, MopoeSettings), PublishedError> {
    let votes = Votes(tensors);
    let released = MopoeSettings::default();
    let filters = |(place, fallback): (&usize, &usize)| {
        let places =
            [format!("encoders.m*.shared_encoder.{place}.weight"), format!("encoders.m*.shared_encoder.{place}.bias")];
        votes.most(&[(&places[0], 0), (&places[1], 0)]).unwrap_or(*fallback)
    };
    let latent =
        [("encoders.m*.class_mu.*", 0), ("encoders.m*.class_logvar.*", 0), ("decoders.m*.decoder.0.weight", 1)];
    // What no tensor says is as released: all that have it are missing, and are named below.
    let settings = MopoeSettings {
        latent: votes.most(&latent).unwrap_or(released.latent),
        widths: [0, 2, 4].iter().zip(&[32, 64, 128]).map(filters).collect(),
        hidden: votes.most(&[("encoders.m*.shared_encoder.7.*", 0)]).or(Some(512)),
        ..released
    };
    let modalities = mopoe_modalities(tensors);
    let model = settings.init(&vec![kind; modalities], device)?;
    let renamed = tensors.iter().map(|(name, tensor)| Renamed {
        ours: names::ours(names::MOPOE, name),
        theirs: name.clone(),
        tensor: if tensor.shape.len() == 2 { transposed(tensor) } else { tensor.clone() },
    });
    let theirs = |name: &str| names::theirs(names::MOPOE, name).unwrap_or_else(|| name.into());
    Ok((take_up(model, renamed.collect(), theirs)?, settings))
}

/// Modalities that a MoPoE of numbered ones has: one more than the largest number, as far as a set of modalities goes.
pub fn mopoe_modalities(tensors: &NamedTensors) -> usize {
    let number = |name: &String| {
        let rest = name.strip_prefix("encoders.m").or(name.strip_prefix("decoders.m"))?;
        rest.split('.').next()?.parse::<usize>().ok().filter(|number| *number < ModalitySet::MAX)
    };
    tensors.keys().filter_map(number).max().map_or(0, |last| last + 1)
}
