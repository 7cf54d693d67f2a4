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
    let case = Case::read(&folder.join("case.safetensors"))?;
    let mut verdicts = Vec::new();
    if let Some(network) = fusion::Network::find(folder, &case, device)? {
        verdicts.push(Verdict::Fusion(fusion::check(folder, &case, &network, device, time)?));
    }
    if folder.join("mopoe.safetensors").exists() {
        verdicts.push(Verdict::Mopoe(mopoe::check(folder, &case, device)?));
    }
    if verdicts.is_empty() {
        return Err(GoldenError::NoNetwork { folder: folder.into() });
    }
    Ok(verdicts)
}
