//! Why a case cannot be checked.

use std::path::PathBuf;

use dymo_models::published::PublishedError;
use dymo_train::import::ImportError;

/// What is wrong with a case's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The case is damaged or lacks something.
    #[error("{}: {reason}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// There is nothing to check.
    #[error("{}: there is neither downstream/*.ckpt nor weights.safetensors nor mopoe.safetensors: name the folder of a golden case", folder.display())]
    NoNetwork {
        /// The folder.
        folder: PathBuf,
    },
    /// Weights alone, of no released width.
    #[error("{}: the weights do not say how many attention heads there are, and no released network has their width: put the checkpoint with its hyper-parameters into downstream/", path.display())]
    Heads {
        /// The file.
        path: PathBuf,
    },
    /// The network cannot be taken up.
    #[error("{}: {source}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PublishedError,
    },
    /// The network reads pictures of another size than those of the case.
    #[error(
        "{}: pos_embeddings is {found:?}, the pictures of the case, {}x{}, need {wanted:?}: put the network of this case there",
        path.display(), picture[0], picture[1]
    )]
    Pictures {
        /// The network's file.
        path: PathBuf,
        /// Extents in the file.
        found: Vec<usize>,
        /// Extents for these pictures.
        wanted: Vec<usize>,
        /// Height and width of the recorded pictures.
        picture: [usize; 2],
    },
    /// The MoPoE of a folder cannot be checked.
    #[error(
        "{}: this MoPoE cannot be checked ({source}): record mu, logvar and decoded.m0, m1, … with it, or take it out of the folder",
        path.display()
    )]
    Mopoe {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        source: Box<GoldenError>,
    },
    /// The statistics cannot be taken up.
    #[error("{}: {source}", path.display())]
    Statistics {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: ImportError,
    },
    /// The engine or the selector gave up.
    #[error("{}: {reason}", folder.display())]
    Engine {
        /// The folder.
        folder: PathBuf,
        /// What it said.
        reason: String,
    },
}
