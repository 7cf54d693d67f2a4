//! Numbers that may be unknown: JSON has no NaN, so it is written as `null` and read back from it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a finite number as it is and everything else as `null`.
pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(serializer)
}

/// Reads a number; `null` becomes NaN.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// What a field holds when an older file does not have it: unknown.
pub(crate) fn unknown() -> f64 {
    f64::NAN
}

/// The same for a list of points `(x, y)`.
pub(crate) mod points {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(points: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        let known = |v: f64| v.is_finite().then_some(v);
        serializer.collect_seq(points.iter().map(|&(x, y)| (known(x), known(y))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
        let read = Vec::<(Option<f64>, Option<f64>)>::deserialize(deserializer)?;
        let number = |v: Option<f64>| v.unwrap_or(f64::NAN);
        Ok(read.into_iter().map(|(x, y)| (number(x), number(y))).collect())
    }
}
