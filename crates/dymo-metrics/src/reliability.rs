//! Whether confidence keeps its word.

use serde::{Deserialize, Serialize};

use crate::error::MetricError;
use crate::probabilities::{Probabilities, largest};

/// The number of bins that papers use.
pub const DEFAULT_BINS: usize = 15;

/// One bar of a reliability diagram: samples whose largest probability lies in `lower..=upper`, `lower` excluded but
/// for the first bin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Samples in it.
    pub count: usize,
    /// Their mean largest probability; `None` without samples.
    pub confidence: Option<f64>,
    /// The share of them predicted right; `None` without samples.
    pub accuracy: Option<f64>,
}

impl Bin {
    /// |accuracy − confidence|; `None` without samples.
    pub fn gap(&self) -> Option<f64> {
        Some((self.accuracy? - self.confidence?).abs())
    }
}

/// A reliability diagram and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Expected calibration error: the mean gap, bins weighted by their samples.
    pub expected_error: f64,
    /// The largest gap of a bin with samples.
    pub largest_error: f64,
    /// The bins, equally wide, from 0 to 1.
    pub bins: Vec<Bin>,
}

/// Sorts samples into `bins` equally wide bins by their largest probability and compares it with how often that
/// class is right ([`DEFAULT_BINS`] is usual).
///
/// # Errors
/// No bins, labels of another number or not below C.
pub fn reliability(
    probabilities: &Probabilities<'_>,
    labels: &[usize],
    bins: usize,
) -> Result<Reliability, MetricError> {
    if bins == 0 {
        return Err(MetricError::NoBins);
    }
    let mut sums = vec![(0usize, 0.0f64, 0usize); bins];
    for (row, label) in probabilities.with_labels(labels)? {
        let (predicted, confidence) = largest(row);
        let confidence = f64::from(confidence);
        let (count, total, hits) = &mut sums[bin_of(confidence, bins)];
        *count += 1;
        *total += confidence;
        *hits += usize::from(predicted == label);
    }
    let bins: Vec<Bin> = sums.iter().enumerate().map(|(i, sum)| bin(i, bins, *sum)).collect();
    let gaps = || bins.iter().filter_map(|bin| Some((bin.count, bin.gap()?)));
    Ok(Reliability {
        expected_error: gaps().map(|(n, gap)| n as f64 * gap).sum::<f64>() / labels.len() as f64,
        largest_error: gaps().map(|(_, gap)| gap).fold(0.0, f64::max),
        bins,
    })
}

/// The bin whose upper end is the first not below it.
pub(crate) fn bin_of(confidence: f64, bins: usize) -> usize {
    ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1
}

fn bin(place: usize, bins: usize, (count, total, hits): (usize, f64, usize)) -> Bin {
    let mean = |sum: f64| (count > 0).then(|| sum / count as f64);
    Bin {
        lower: place as f64 / bins as f64,
        upper: (place + 1) as f64 / bins as f64,
        count,
        confidence: mean(total),
        accuracy: mean(hits as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        // confidences 0.75 (right), 0.75 (wrong), 1 (right), 0.5 (right: the first on ties)
        let values = [0.75, 0.25, 0.75, 0.25, 0.0, 1.0, 0.5, 0.5];
        let probabilities = Probabilities::new(&values, 2).unwrap();
        let found = reliability(&probabilities, &[0, 1, 1, 0], 4).unwrap();
        let counts: Vec<usize> = found.bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [0, 1, 2, 1]);
        assert_eq!(found.bins[2].accuracy, Some(0.5));
        assert_eq!(found.bins[0].gap(), None);
        // (1·0.5 + 2·0.25 + 1·0) / 4
        assert_eq!((found.expected_error, found.largest_error), (0.25, 0.5));
    }

    #[test]
    fn ends_of_bins() {
        assert_eq!([0.0, 0.01, 0.2, 0.201, 1.0, 1.000_01].map(|c| bin_of(c, 5)), [0, 0, 0, 1, 4, 4]);
    }

    #[test]
    fn refusals() {
        let one = Probabilities::new(&[0.5, 0.5], 2).unwrap();
        assert_eq!(reliability(&one, &[0], 0), Err(MetricError::NoBins));
        assert!(reliability(&one, &[], 15).is_err());
    }

    proptest! {
        #[test]
        fn every_sample_has_one_bin(tops in prop::collection::vec((0.5f32..=1.0, 0usize..2), 1..50), bins in 1usize..20) {
            let values: Vec<f32> = tops.iter().flat_map(|t| [t.0, 1.0 - t.0]).collect();
            let labels: Vec<usize> = tops.iter().map(|t| t.1).collect();
            let found = reliability(&Probabilities::new(&values, 2).unwrap(), &labels, bins).unwrap();
            prop_assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<usize>(), tops.len());
            prop_assert!(found.expected_error <= found.largest_error + 1e-12);
            for bin in found.bins.iter().filter(|bin| bin.count > 0) {
                let confidence = bin.confidence.unwrap();
                prop_assert!(confidence >= bin.lower - 1e-9 && confidence <= bin.upper + 1e-9);
            }
        }
    }
}
