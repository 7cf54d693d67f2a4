//! Charts as SVG text, each usable alone: it takes records and returns one drawing with its own description.
//!
//! A drawing is about as wide as a phone; pages lay several side by side instead of shrinking one. Where there is
//! nothing to draw, the frame stays and says so.

mod acceptance;
mod accuracy;
mod coherence;
mod curve;
mod difference;
mod frame;
mod patterns;
mod reliability;
mod robustness;
mod threshold;

pub use acceptance::accepted_by_subset;
pub use accuracy::accuracy_over_rate;
pub use coherence::recovery_coherence;
pub use curve::learning_curve;
pub use difference::paired_differences;
pub use patterns::measures_by_pattern;
pub use reliability::reliability_diagram;
pub use robustness::accuracy_over_settings;
pub use threshold::{accuracy_over_least_gain, time_over_least_gain};

pub(crate) use accuracy::accuracy_range;
