//! A MoPoE against the recorded posterior and pictures.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::Kind;
use dymo_models::published::{self, Checkpoint};

use crate::case::Case;
use crate::error::GoldenError;
use crate::recorded::Recorded;
use crate::verdict::{MopoeVerdict, largest_difference};

pub(crate) fn check(folder: &Path, case: &Case, device: &Device) -> Result<MopoeVerdict, GoldenError> {
    let path = folder.join("mopoe.safetensors");
    let refuse = |source| GoldenError::Network { path: path.clone(), source };
    let bytes = std::fs::read(&path).map_err(|source| GoldenError::Read { path: path.clone(), source })?;
    let checkpoint = Checkpoint::read(&bytes).map_err(refuse)?;
    let names = case.input_names();
    let first = names.first().map(|name| format!("input.{name}")).unwrap_or_default();
    let [channels, height, width] = [1, 2, 3].map(|place| case.extent(&first, place));
    let kind = Kind::Image { height: height?, width: width?, channels: channels? };
    let (model, settings) = published::mopoe(&checkpoint.tensors, kind.clone(), device).map_err(refuse)?;
    let (samples, modalities) = case.size()?;
    case.check_modalities(published::mopoe_modalities(&checkpoint.tensors))?;
    let inputs = (0..modalities).map(|m| case.input(&format!("m{m}"), &kind)).collect::<Result<_, _>>()?;
    let recorded = Recorded { inputs, samples, device: device.clone() };
    let latent = settings.latent;
    let (mu, log_variance) = (case.get("mu", &[samples, latent])?, case.get("logvar", &[samples, latent])?);
    let engine = |reason: String| GoldenError::Engine { folder: folder.into(), reason };
    let values =
        |t: Tensor<2>| t.into_data().convert::<f32>().try_to_vec::<f32>().map_err(|e| engine(format!("{e:?}")));
    let mut verdict = MopoeVerdict { samples, mean: 0.0, log_variance: 0.0, pictures: 0.0 };
    for (sample, set) in case.observed()?.iter().enumerate() {
        let inputs: Vec<_> = set.iter().map(|m| recorded.rows(m, std::iter::once(sample))).collect();
        let posterior = model.posterior(*set, &inputs);
        let row = sample * latent..(sample + 1) * latent;
        verdict.mean = verdict.mean.max(largest_difference(&values(posterior.mean)?, &mu[row.clone()]));
        let ours = values(posterior.log_variance)?;
        verdict.log_variance = verdict.log_variance.max(largest_difference(&ours, &log_variance[row]));
    }
    let means = Tensor::from_data(TensorData::new(mu.to_vec(), [samples, latent]), device);
    for m in 0..modalities {
        let theirs = case.in_our_order(&format!("decoded.m{m}"), &kind)?;
        let ours = values(model.decode(m, means.clone()))?;
        verdict.pictures = verdict.pictures.max(largest_difference(&ours, &theirs));
    }
    Ok(verdict)
}
