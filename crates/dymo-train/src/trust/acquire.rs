//! What to acquire next, from draws of the recovery model.

use dymo_core::ModalitySet;
use dymo_data::Samples;
use dymo_metrics::Temperature;
use dymo_models::engine::Session;
use dymo_models::recovery::Recovery;
use dymo_reward::{Acquisition, Drawn, rank_acquisitions};

use crate::error::TrainError;
use crate::evaluation::{SampleInputs, Setting};

/// A probability from which on nothing is drawn: whatever is missing, nobody would acquire it for this answer.
pub const SURE: f32 = 0.999;

/// Samples times draws that are held at once.
const AT_ONCE: usize = 1024;

/// What is expected of the missing modalities of one sample, the most telling first; empty where nothing is missing.
pub type Expected = Vec<Acquisition>;

/// For each of `samples[indices]`, of which `present[i]` is observed, what observing each missing modality is expected to do to the
/// answer: `drawing` ([`Recovery::drawing`]) gives `draws` values of each, and `temperature` is that of discarding, for what is
/// read are real modalities or stand-ins for them. One modality at a time joins what was observed.
///
/// # Errors
/// A sample cannot be read, or a recovery fails.
pub fn acquisitions(
    setting: &Setting<'_>,
    drawing: &dyn Recovery,
    samples: &dyn Samples,
    (indices, present): (&[usize], &[ModalitySet]),
    draws: usize,
    temperature: &Temperature,
) -> Result<Vec<Expected>, TrainError> {
    let mut expected = Vec::with_capacity(indices.len());
    let at_once = (AT_ONCE / draws.max(1)).max(1);
    for (chunk, present) in indices.chunks(at_once).zip(present.chunks(at_once)) {
        // Every draw is a place of its own, with an id of its own.
        let repeated = |f: &dyn Fn(usize) -> usize| -> Vec<usize> {
            (0..chunk.len() * draws).map(|place| f(place / draws)).collect()
        };
        let places = repeated(&|i| chunk[i]);
        let observed: Vec<ModalitySet> = repeated(&|i| i).into_iter().map(|i| present[i]).collect();
        let ids: Vec<u64> =
            places.iter().enumerate().map(|(k, index)| draw_id(samples.number(*index), k % draws)).collect();
        let inputs = SampleInputs { samples, indices: &places, device: setting.device };
        let mut session = Session::new(setting.network, drawing, &inputs, &observed, &ids, setting.device.clone());
        for (i, set) in present.iter().enumerate() {
            let missing = drawing.recoverable(*set, setting.network.layout().modalities());
            expected.push(expect(&mut session, i * draws, draws, (*set, missing), temperature)?);
        }
    }
    Ok(expected)
}

/// A number for one draw of one sample, far from those of other samples.
fn draw_id(sample: u64, draw: usize) -> u64 {
    sample ^ ((draw as u64 + 1) << 40)
}

fn expect(
    session: &mut Session<'_>,
    first: usize,
    draws: usize,
    (observed, missing): (ModalitySet, ModalitySet),
    temperature: &Temperature,
) -> Result<Expected, TrainError> {
    if missing.is_empty() || draws == 0 {
        return Ok(Vec::new());
    }
    let with = |m: usize| (first..first + draws).map(move |place| (place, observed.with(m)));
    let queries: Vec<(usize, ModalitySet)> =
        [(first, observed)].into_iter().chain(missing.iter().flat_map(with)).collect();
    let answers = session.answer(&queries)?;
    let classes = answers.first().map_or(0, |answer| answer.logits.len());
    let logits: Vec<f32> = answers.into_iter().flat_map(|answer| answer.logits).collect();
    let rows = temperature.apply(&logits, classes)?;
    let (current, rest) = rows.split_at(classes);
    let drawn = missing.iter().zip(rest.chunks_exact(classes * draws));
    let drawn: Vec<Drawn<'_>> = drawn.map(|(modality, probabilities)| Drawn { modality, probabilities }).collect();
    Ok(rank_acquisitions(current, &drawn)?)
}
