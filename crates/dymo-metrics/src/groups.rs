//! The same measures for every group of samples apart, with intervals: a mean over all may hide a group that fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bootstrap::Interval;
use crate::conformal::PredictionSet;
use crate::error::{MetricError, check_length};
use crate::probabilities::{Probabilities, largest};
use crate::reliability::{DEFAULT_BINS, bin_of};
use crate::subjects::Subjects;

/// How groups are measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// Level of all intervals.
    pub level: f64,
    /// Groups with samples of fewer subjects are flagged.
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

/// To which group each sample belongs, and to which subject.
#[derive(Debug, Clone, Copy)]
pub struct Membership<'a> {
    /// `[N]`, for example the bits of its set of observed modalities.
    pub groups: &'a [u64],
    /// Of the same samples: a subject may have some in several groups.
    pub subjects: &'a Subjects,
}

/// How one group did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupMeasures {
    /// The group, as its samples are numbered.
    pub group: u64,
    /// Its samples.
    pub n: usize,
    /// Whether these are of fewer subjects than [`GroupSettings::least`], so that nothing should be concluded from them.
    pub few: bool,
    /// Share of right predictions, with its interval ([`Subjects::share_interval`]).
    pub accuracy: Interval,
    /// Expected calibration error, with a bootstrap interval. Of few samples it is too large, and its interval as well:
    /// chance alone leaves gaps in every bin.
    pub calibration_error: Interval,
    /// Share of prediction sets that hold the label, of the mean subject, with its interval ([`Subjects::mean_of_shares`]); `None` without sets.
    pub coverage: Option<Interval>,
    /// Mean number of classes in a set, with a bootstrap interval; `None` without sets.
    pub set_size: Option<Interval>,
}

/// Measures every group, by ascending number; `sets`, where there are any, are those of [`Conformal::sets`](crate::Conformal::sets).
///
/// ```
/// use dymo_metrics::{GroupSettings, Membership, Probabilities, Subjects, by_group};
/// let probabilities = Probabilities::new(&[0.9, 0.1, 0.8, 0.2, 0.6, 0.4], 2)?;
/// let members = Membership { groups: &[3, 3, 1], subjects: &Subjects::alone(3) };
/// let found = by_group(&probabilities, &[0, 0, 1], members, None, &GroupSettings::default())?;
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
    Membership { groups, subjects }: Membership<'_>,
    sets: Option<&[PredictionSet]>,
    settings: &GroupSettings,
) -> Result<Vec<GroupMeasures>, MetricError> {
    check_length("groups", groups.len(), probabilities.len())?;
    check_length("subjects", subjects.samples(), probabilities.len())?;
    if let Some(sets) = sets {
        check_length("prediction sets", sets.len(), probabilities.len())?;
    }
    if settings.bins == 0 {
        return Err(MetricError::NoBins);
    }
    let mut members: BTreeMap<u64, (Vec<usize>, Vec<Judged>)> = BTreeMap::new();
    for (i, (row, label)) in probabilities.with_labels(labels)?.enumerate() {
        let (predicted, confidence) = largest(row);
        let set = sets.map(|sets| (sets[i].contains(label), sets[i].classes.len()));
        let judged = Judged { right: predicted == label, confidence: f64::from(confidence), set };
        let (places, all) = members.entry(groups[i]).or_default();
        places.push(i);
        all.push(judged);
    }
    members.iter().map(|(&group, (places, judged))| measure(group, judged, &subjects.among(places), settings)).collect()
}

/// A sample, measured.
struct Judged {
    right: bool,
    confidence: f64,
    /// Whether its set holds the label, and the size of the set.
    set: Option<(bool, usize)>,
}

fn measure(
    group: u64,
    judged: &[Judged],
    subjects: &Subjects,
    settings: &GroupSettings,
) -> Result<GroupMeasures, MetricError> {
    let GroupSettings { level, resamples, seed, .. } = *settings;
    let n = judged.len();
    let right: Vec<bool> = judged.iter().map(|j| j.right).collect();
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
        let hits: Vec<bool> = sets.iter().map(|set| set.0).collect();
        let sizes: Vec<f64> = sets.iter().map(|set| set.1 as f64).collect();
        coverage = Some(subjects.mean_of_shares(&hits, level)?);
        set_size = Some(subjects.mean_interval(&sizes, level, resamples, seed)?);
    }
    let found = subjects.statistic_interval(level, resamples, seed, error)?;
    let calibration_error = Interval { low: found.low.max(0.0), high: found.high.min(1.0), ..found };
    Ok(GroupMeasures {
        group,
        n,
        few: (subjects.effective() + 1e-9) < settings.least as f64,
        accuracy: subjects.share_interval(&right, level)?,
        calibration_error,
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
        let alone = Subjects::alone(120);
        let members = |groups| Membership { groups, subjects: &alone };
        let found = by_group(&all, &labels, members(&groups), Some(&sets), &GroupSettings::default()).unwrap();
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
    fn a_group_of_few_subjects_is_one_of_few_however_many_samples_they_have() {
        let values = [0.9f32, 0.1].repeat(120);
        let labels: Vec<usize> = (0..120).map(|i| usize::from(i % 12 == 0)).collect();
        let all = Probabilities::new(&values, 2).unwrap();
        let measured = |subjects: &Subjects| {
            let members = Membership { groups: &[0; 120], subjects };
            by_group(&all, &labels, members, None, &GroupSettings::default()).unwrap()[0]
        };
        let twelve = measured(&Subjects::new(&(0..120).map(|i| i % 12).collect::<Vec<u64>>()));
        let alone = measured(&Subjects::alone(120));
        assert_eq!((twelve.n, twelve.few, alone.few), (120, true, false));
        assert!(twelve.accuracy.high - twelve.accuracy.low > 2.0 * (alone.accuracy.high - alone.accuracy.low));
        let width = |found: GroupMeasures| found.calibration_error.high - found.calibration_error.low;
        assert!(width(twelve) > 1.4 * width(alone));
    }

    #[test]
    fn refusals() {
        let one = Probabilities::new(&[0.5, 0.5], 2).unwrap();
        let settings = GroupSettings::default();
        let alone = Subjects::alone(1);
        let with = |groups| Membership { groups, subjects: &alone };
        assert!(matches!(
            by_group(&one, &[0], with(&[]), None, &settings),
            Err(MetricError::Length { what: "groups", .. })
        ));
        assert!(by_group(&one, &[0], with(&[1]), Some(&[]), &settings).is_err());
        assert!(by_group(&one, &[0], with(&[1]), None, &GroupSettings { bins: 0, ..settings }).is_err());
        assert!(by_group(&one, &[0], with(&[1]), None, &GroupSettings { level: 95.0, ..settings }).is_err());
    }
}
