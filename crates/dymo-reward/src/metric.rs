//! How near two features are.

use serde::{Deserialize, Serialize};

/// How features are compared: with prototypes for the quality, and with a class's own prototype for the typicality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Scalar products. Features are of unit length, prototypes (means of such) are shorter.
    Cosine,
    /// Euclidean distance; its square, a Bregman divergence, in the quality.
    Euclid,
}

impl Metric {
    /// What the quality's softmax divides by the temperature: ⟨z, c⟩ for cosine, −‖z − c‖² for Euclid.
    ///
    /// Summed in double precision and rounded once. Of slices of different lengths the common part is read.
    pub fn similarity(self, feature: &[f32], prototype: &[f32]) -> f32 {
        match self {
            Self::Cosine => dot(feature, prototype) as f32,
            Self::Euclid => -squared_distance(feature, prototype) as f32,
        }
    }

    /// The distance behind the typicality: 1 − ⟨c, z⟩ for cosine, ‖z − c‖ (**not** squared) for Euclid.
    ///
    /// The cosine distance is taken in single precision from a rounded scalar product, as published, and may
    /// therefore come out as −6e-8 where 0 is meant; [`Edges`](crate::Edges) says what becomes of that.
    pub fn distance(self, feature: &[f32], prototype: &[f32]) -> f32 {
        match self {
            Self::Cosine => 1.0 - dot(feature, prototype) as f32,
            Self::Euclid => squared_distance(feature, prototype).sqrt() as f32,
        }
    }
}

/// Partial sums kept side by side, so that the loop needs no fixed order of additions and becomes vector code.
const LANES: usize = 8;

/// Σ f(a, b) in double precision, in an order that depends on the length alone: the same bits everywhere.
fn sum_of(a: &[f32], b: &[f32], f: impl Fn(f64, f64) -> f64) -> f64 {
    let n = a.len().min(b.len());
    let (a, a_rest) = a[..n].as_chunks::<LANES>();
    let (b, b_rest) = b[..n].as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += f(f64::from(a[lane]), f64::from(b[lane]));
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum();
    lanes.iter().sum::<f64>() + rest
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    sum_of(a, b, |a, b| a * b)
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    sum_of(a, b, |a, b| (a - b) * (a - b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let (z, c) = ([3.0, 4.0], [0.0, 0.5]);
        assert_eq!(Metric::Cosine.similarity(&z, &c), 2.0);
        assert_eq!(Metric::Cosine.distance(&z, &c), -1.0);
        assert_eq!(Metric::Euclid.similarity(&z, &c), -(9.0 + 12.25));
        assert_eq!(Metric::Euclid.distance(&[3.0, 4.0], &[0.0, 0.0]), 5.0);
    }

    #[test]
    fn every_length_is_summed_whole() {
        for n in 0..40 {
            let ones = vec![1.0; n];
            assert_eq!(Metric::Cosine.similarity(&ones, &ones), n as f32);
            assert_eq!(Metric::Euclid.similarity(&ones, &vec![3.0; n]), -4.0 * n as f32);
        }
    }

    #[test]
    fn a_nan_shows() {
        let z = [0.5, f32::NAN];
        for metric in [Metric::Cosine, Metric::Euclid] {
            assert!(metric.similarity(&z, &[0.0, 0.0]).is_nan());
            assert!(metric.distance(&z, &[0.0, 0.0]).is_nan());
        }
    }

    #[test]
    fn named_as_settings_name_them() {
        assert_eq!(serde_json::to_string(&Metric::Cosine).unwrap(), "\"cosine\"");
        assert_eq!(serde_json::from_str::<Metric>("\"euclid\"").unwrap(), Metric::Euclid);
    }
}
