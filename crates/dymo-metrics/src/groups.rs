//! The same measures for every group of samples apart, with intervals: a mean over all may hide a group that fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Interval, mean_interval, statistic_interval};
use crate::conformal::PredictionSet;
use crate::error::{MetricError, check_length};
use crate::probabilities::{Probabilities, largest};
use crate::reliability::{DEFAULT_BINS, bin_of};
use crate::shares::clopper_pearson;

/// How groups are measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// Level of all intervals.
    pub level: f64,
    /// Groups with fewer samples are flagged.
    pub least: usize,
    /// Bins of the calibration error.
    pub bins: usize,
    /// Resamples of bootstrap intervals.
    pub resamples: usize,
    /// Their seed.
    pub seed: u64,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self { level: 0.95, least: 50, bins: DEFAULT_BINS, resamples: 1_000, seed: 2025 }
    }
}

/// How one group did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupMeasures {
    /// The group, as its samples are numbered.
    pub group: u64,
    /// Its samples.
    pub n: usize,
    /// Whether these are fewer than [`GroupSettings::least`], so that nothing should be concluded from them.
    pub few: bool,
    /// Share of right predictions, with its exact interval.
    pub accuracy: Interval,
    /// Expected calibration error, with a bootstrap interval. Of few samples it is too large, and its interval as well:
    /// chance alone leaves gaps in every bin.
    pub calibration_error: Interval,
    /// Share of prediction sets that hold the label, with its exact interval; `None` without sets.
    pub coverage: Option<Interval>,
    /// Mean number of classes in a set, with a bootstrap interval; `None` without sets.
    pub set_size: Option<Interval>,
}

/// Measures every group, by ascending number. `groups[i]` is that of sample i, for example the bits of its set of
/// observed modalities; `sets`, where there are any, are those of [`Conformal::sets`](crate::Conformal::sets).
///
/// ```
/// use dymo_metrics::{GroupSettings, Probabilities, by_group};
/// let probabilities = Probabilities::new(&[0.9, 0.1, 0.8, 0.2, 0.6, 0.4], 2)?;
/// let found = by_group(&probabilities, &[0, 0, 1], &[3, 3, 1], None, &GroupSettings::default())?;
/// assert_eq!((found[0].group, found[0].n, found[0].accuracy.estimate), (1, 1, 0.0));
/// assert_eq!((found[1].group, found[1].n, found[1].accuracy.estimate), (3, 2, 1.0));
/// assert!(found.iter().all(|group| group.few));
/// # Ok::<(), dymo_metrics::MetricError>(())
/// ```
///
/// # Errors
/// Slices of different lengths, labels not below C, no bins, a level or a number of resamples outside its range.
pub fn by_group(
    probabilities: &Probabilities<'_>,
    labels: &[usize],
    groups: &[u64],
    sets: Option<&[PredictionSet]>,
    settings: &GroupSettings,
) -> Result<Vec<GroupMeasures>, MetricError> {
    check_length("groups", groups.len(), probabilities.len())?;
    if let Some(sets) = sets {
        check_length("prediction sets", sets.len(), probabilities.len())?;
    }
    if settings.bins == 0 {
        return Err(MetricError::NoBins);
    }
    let mut members: BTreeMap<u64, Vec<Judged>> = BTreeMap::new();
    for (i, (row, label)) in probabilities.with_labels(labels)?.enumerate() {
        let (predicted, confidence) = largest(row);
        let set = sets.map(|sets| (sets[i].contains(label), sets[i].classes.len()));
        let judged = Judged { right: predicted == label, confidence: f64::from(confidence), set };
        members.entry(groups[i]).or_default().push(judged);
    }
    members.iter().map(|(&group, judged)| measure(group, judged, settings)).collect()
}

/// A sample, measured.
struct Judged {
    right: bool,
    confidence: f64,
    /// Whether its set holds the label, and the size of the set.
    set: Option<(bool, usize)>,
}

fn measure(group: u64, judged: &[Judged], settings: &GroupSettings) -> Result<GroupMeasures, MetricError> {
    let GroupSettings { level, resamples, seed, .. } = *settings;
    let n = judged.len();
    let right = judged.iter().filter(|j| j.right).count();
    let bins: Vec<usize> = judged.iter().map(|j| bin_of(j.confidence, settings.bins)).collect();
    let error = |indices: &[usize]| {
        // Within a bin |accuracy − confidence| · count is |Σ (right − confidence)|.
        let mut gaps = vec![0.0; settings.bins];
        for &i in indices {
            gaps[bins[i]] += f64::from(u8::from(judged[i].right)) - judged[i].confidence;
        }
        gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / indices.len() as f64
    };
    let sets: Vec<(bool, usize)> = judged.iter().filter_map(|j| j.set).collect();
    let (mut coverage, mut set_size) = (None, None);
    if !sets.is_empty() {
        let hits = sets.iter().filter(|set| set.0).count();
        let sizes: Vec<f64> = sets.iter().map(|set| set.1 as f64).collect();
        coverage = Some(clopper_pearson(hits, n, level)?);
        set_size = Some(mean_interval(&sizes, level, resamples, seed)?);
    }
    Ok(GroupMeasures {
        group,
        n,
        few: n < settings.least,
        accuracy: clopper_pearson(right, n, level)?,
        calibration_error: statistic_interval(n, level, resamples, seed, error)?,
        coverage,
        set_size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reliability;

    #[test]
    fn each_group_is_what_it_would_be_alone() {
        let values: Vec<f32> =
            (0..120).flat_map(|i| [0.5 + (i % 50) as f32 / 100.0, 0.5 - (i % 50) as f32 / 100.0]).collect();
        let labels: Vec<usize> = (0..120).map(|i| usize::from(i % 7 == 0)).collect();
        let groups: Vec<u64> = (0..120).map(|i| u64::from(i >= 20)).collect();
        let sets: Vec<PredictionSet> = (0..120)
            .map(|i| PredictionSet { classes: if i % 2 == 0 { vec![0, 1] } else { vec![0] }, cell: 0 })
            .collect();
        let all = Probabilities::new(&values, 2).unwrap();
        let found = by_group(&all, &labels, &groups, Some(&sets), &GroupSettings::default()).unwrap();
        assert_eq!(found.iter().map(|g| (g.group, g.n, g.few)).collect::<Vec<_>>(), [(0, 20, true), (1, 100, false)]);
        let own = Probabilities::new(&values[40..], 2).unwrap();
        let wanted = reliability(&own, &labels[20..], DEFAULT_BINS).unwrap().expected_error;
        assert!((found[1].calibration_error.estimate - wanted).abs() < 1e-12);
        assert_eq!(found[1].set_size.unwrap().estimate, 1.5);
        let missed = (20..120).filter(|i| i % 7 == 0 && i % 2 == 1).count();
        assert_eq!(found[1].coverage.unwrap().estimate, 1.0 - missed as f64 / 100.0);
        assert!(found[0].accuracy.high - found[0].accuracy.low > found[1].accuracy.high - found[1].accuracy.low);
    }

    #[test]
    fn refusals() {
        let one = Probabilities::new(&[0.5, 0.5], 2).unwrap();
        let settings = GroupSettings::default();
        assert!(matches!(by_group(&one, &[0], &[], None, &settings), Err(MetricError::Length { what: "groups", .. })));
        assert!(by_group(&one, &[0], &[1], Some(&[]), &settings).is_err());
        assert!(by_group(&one, &[0], &[1], None, &GroupSettings { bins: 0, ..settings }).is_err());
        assert!(by_group(&one, &[0], &[1], None, &GroupSettings { level: 95.0, ..settings }).is_err());
    }
}
