//! Golden cases: what the published PyTorch implementation computed, reproduced by our engine and selector.
//!
//! Knows the layout of a case's folder and how far ours may be from the published numbers. Must never know how anything is computed.
//! [`verify`] is used by the tests (`tests/tests/golden.rs`) and by `cargo xtask verify-golden` alike.
//!
//! A case is a folder named after a data set and a metric (`polymnist-cosine`, `mst-euclid`, …):
//!
//! ```text
//! case.safetensors                      inputs after recovery, masks, and what the published code made of them
//! downstream/checkpoint_best_*.ckpt     the network as released; or weights.safetensors, the same as SafeTensors
//! gaussian/subset_gaussian*.pt          its class statistics as released (those of the case where it is not there)
//! mopoe.safetensors                     instead of the network: a MoPoE, with posterior and decoded pictures in the case
//! ```
//!
//! Kept are samples of which the published code decides the same in single and in double precision. Those of `tests/golden/mst-euclid`
//! are made up, a pattern and noise for each of ten classes; its network was trained on such by the published `DynamicTransformer`,
//! 200 steps, and in place of a recovery stand samples of the same class, three in ten of any class. Half of its 32 samples take
//! something, eight of them twice.

mod case;
mod error;
mod fusion;
mod mopoe;
mod recorded;
mod timing;
mod verdict;

use std::path::Path;

use burn::tensor::Device;

pub use case::Case;
pub use error::GoldenError;
pub use recorded::Recorded;
pub use timing::Timing;
pub use verdict::{FusionVerdict, Guessed, MopoeVerdict, Verdict};

/// Largest difference of logits, features, rewards, posteriors and pictures: the published code in single and in double precision
/// agrees to 2e-5 on the samples of a case, and our sums run in another order.
pub const BOUND: f32 = 1e-4;

/// Checks everything that a folder holds. `time` asks for the median time of selecting for so many samples.
///
/// # Errors
/// [`GoldenError`]: the folder is no case, or a file cannot be used. A difference is no error but a verdict.
pub fn verify(folder: &Path, device: &Device, time: Option<usize>) -> Result<Vec<Verdict>, GoldenError> {
    verify_each(folder, device, time).into_iter().collect()
}

/// As [`verify`], but a part that cannot be checked does not take the verdict on another with it. At least one is there.
pub fn verify_each(folder: &Path, device: &Device, time: Option<usize>) -> Vec<Result<Verdict, GoldenError>> {
    let case = match Case::read(&folder.join("case.safetensors")) {
        Ok(case) => case,
        Err(error) => return vec![Err(error)],
    };
    let network = || {
        let Some(network) = fusion::Network::find(folder, &case, device)? else { return Ok(None) };
        fusion::check(folder, &case, &network, device, time).map(|found| Some(Verdict::Fusion(found)))
    };
    let mut found: Vec<_> = network().transpose().into_iter().collect();
    let path = folder.join("mopoe.safetensors");
    if path.exists() {
        let refuse = |source| GoldenError::Mopoe { path, source: Box::new(source) };
        found.push(mopoe::check(folder, &case, device).map(Verdict::Mopoe).map_err(refuse));
    }
    if found.is_empty() {
        found.push(Err(GoldenError::NoNetwork { folder: folder.into() }));
    }
    found
}
