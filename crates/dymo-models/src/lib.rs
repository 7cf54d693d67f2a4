//! Encoders, the fusion network, recovery models and the inference engine, on Burn.

pub mod encoder;
pub mod engine;
pub mod fusion;
pub mod layers;
pub mod ops;
pub mod published;
pub mod recovery;
pub mod transformer;
pub mod weights;
