//! Training samples that lend their values: the nearest ones, or one at random.

use dymo_core::{Kind, ModalitySet};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::difference::difference_to_donor;
use crate::{Centre, ImputeError, difference};

/// A training sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Donor {
    /// What it has.
    pub observed: ModalitySet,
    /// The values of each modality, `[values]`; empty for one that it lacks.
    pub values: Vec<Vec<f32>>,
}

/// Training samples, whatever their class.
#[derive(Debug, Clone, PartialEq)]
pub struct Donors {
    kinds: Vec<Kind>,
    donors: Vec<Donor>,
    /// Mean and mode of each modality, without gaps.
    centres: Vec<Vec<f32>>,
    /// Mean difference of each modality from its centre: what makes modalities count alike.
    scales: Vec<f64>,
}

impl Donors {
    /// Takes the samples as donors.
    ///
    /// # Errors
    /// [`ImputeError`]: there is none, a modality that none has, or values of another number than the kind's.
    pub fn new(kinds: Vec<Kind>, donors: Vec<Donor>) -> Result<Self, ImputeError> {
        if donors.is_empty() {
            return Err(ImputeError::NoSample);
        }
        let mut centres = Vec::with_capacity(kinds.len());
        let mut scales = Vec::with_capacity(kinds.len());
        for (m, kind) in kinds.iter().enumerate() {
            let having = || donors.iter().filter(|d| d.observed.contains(m)).filter_map(|d| d.values.get(m));
            let wanted = kind.values();
            if let Some(wrong) = having().find(|values| values.len() != wanted) {
                return Err(ImputeError::Width { found: wrong.len(), wanted });
            }
            let mut centre = Centre::new(kind);
            having().for_each(|values| centre.add(values));
            let centre = without_gaps(&centre);
            let (sum, count) = having()
                .filter_map(|values| difference(kind, values, &centre))
                .fold((0.0, 0u32), |(sum, count), d| (sum + d, count + 1));
            if having().next().is_none() {
                return Err(ImputeError::NeverSeen { modality: m });
            }
            scales.push(if sum > 0.0 { sum / f64::from(count) } else { 1.0 });
            centres.push(centre);
        }
        Ok(Self { kinds, donors, centres, scales })
    }

    /// The samples.
    pub fn donors(&self) -> &[Donor] {
        &self.donors
    }

    /// Mean and mode of a modality; a cell of a table that no donor knows is 0.
    pub fn centre(&self, modality: usize) -> &[f32] {
        &self.centres[modality]
    }

    /// The `k` donors that have `wanted` and are nearest to a sample, nearest first; of equally near ones the first. Near is the mean
    /// over the sample's modalities of their [`difference()`] in units of the donors' own from their centre. What the sample knows and the
    /// donor lacks counts as the sample differs from donors in general. `inputs` are the sample's observed modalities, ascending. Donors that
    /// share nothing with the sample are not among them.
    pub fn nearest(&self, present: ModalitySet, inputs: &[&[f32]], wanted: usize, k: usize) -> Vec<usize> {
        let mut near: Vec<(f64, usize)> = self
            .donors
            .iter()
            .enumerate()
            .filter(|(_, donor)| donor.observed.contains(wanted))
            .filter_map(|(i, donor)| Some((self.distance(present, inputs, donor)?, i)))
            .collect();
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.into_iter().take(k).map(|(_, i)| i).collect()
    }

    fn distance(&self, present: ModalitySet, inputs: &[&[f32]], donor: &Donor) -> Option<f64> {
        let (mut sum, mut shares) = (0.0, false);
        for (m, x) in present.iter().zip(inputs) {
            let (kind, centre) = (&self.kinds[m], &self.centres[m]);
            let has = donor.observed.contains(m);
            let gap = has.then(|| difference_to_donor(kind, x, &donor.values[m], centre)).flatten();
            shares |= gap.is_some();
            // From donors in general it is as far on average as from their centre, and as they are from it.
            let unknown = || difference(kind, x, centre).unwrap_or(0.0) / self.scales[m] + 1.0;
            sum += gap.map_or_else(unknown, |gap| gap / self.scales[m]);
        }
        shares.then(|| sum / present.len() as f64)
    }

    /// Mean and mode of one modality over the [`Self::nearest`] donors; the mean and mode of all where none is near, and for cells that
    /// no near one knows.
    pub fn from_nearest(&self, present: ModalitySet, inputs: &[&[f32]], wanted: usize, k: usize) -> Vec<f32> {
        let near = self.nearest(present, inputs, wanted, k);
        if near.is_empty() {
            return self.centres[wanted].clone();
        }
        let mut centre = Centre::new(&self.kinds[wanted]);
        near.iter().for_each(|i| centre.add(&self.donors[*i].values[wanted]));
        let mut values = centre.finish();
        fill(&mut values, &self.centres[wanted]);
        values
    }

    /// One modality of a donor drawn by `seed` and the sample's `id`. The same draw serves every modality that the donor has, so that
    /// they belong together; a cell of a table that it lacks comes from the next one drawn, and the centre's where none knows it.
    pub fn drawn(&self, wanted: usize, seed: u64, id: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(id);
        let mut values = Vec::new();
        // So many draws find a donor in a hundred almost surely; what is still open then is looked for in order.
        for _ in 0..DRAWS {
            let donor = &self.donors[rng.random_range(0..self.donors.len())];
            if take_from(&mut values, donor, wanted) {
                return values;
            }
        }
        if self.donors.iter().any(|donor| take_from(&mut values, donor, wanted)) {
            return values;
        }
        fill(&mut values, &self.centres[wanted]);
        values
    }
}

/// See [`Donors::drawn`].
const DRAWS: usize = 1000;

/// Fills gaps from a donor, if it has the modality; answers whether none is left.
fn take_from(values: &mut Vec<f32>, donor: &Donor, wanted: usize) -> bool {
    if !donor.observed.contains(wanted) {
        return false;
    }
    if values.is_empty() {
        values.clone_from(&donor.values[wanted]);
    } else {
        fill(values, &donor.values[wanted]);
    }
    !values.iter().any(|value| value.is_nan())
}

/// Values in place of NaN.
fn fill(values: &mut [f32], from: &[f32]) {
    values.iter_mut().zip(from).filter(|(value, _)| value.is_nan()).for_each(|(value, from)| *value = *from);
}

/// A cell that nobody knew is 0: the mean of a standardised number, the first category.
fn without_gaps(centre: &Centre) -> Vec<f32> {
    let mut values = centre.finish();
    values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Column, Columns};
    use proptest::prelude::*;

    const PICTURE: Kind = Kind::Image { height: 1, width: 2, channels: 1 };

    fn table() -> Kind {
        let columns = vec![
            Column::continuous("age", 0.0, 1.0, [-3.0, 3.0]).expect("a column"),
            Column::categorical("stage", ["a", "b", "c"]).expect("a column"),
        ];
        Kind::Table { columns: Columns::new(columns).expect("columns") }
    }

    fn donor(picture: Option<[f32; 2]>, table: Option<[f32; 2]>) -> Donor {
        let observed = [picture.is_some(), table.is_some()];
        let observed = (0..2).filter(|m| observed[*m]).collect();
        let values = [picture, table].map(|v| v.map_or(Vec::new(), Vec::from));
        Donor { observed, values: values.into() }
    }

    fn donors() -> Donors {
        let list = vec![
            donor(Some([0.0, 0.0]), Some([1.0, 2.0])),
            donor(Some([1.0, 1.0]), None),
            donor(Some([0.9, 0.9]), Some([-1.0, f32::NAN])),
            donor(None, Some([3.0, 1.0])),
            donor(Some([0.8, 0.8]), Some([-2.0, 0.0])),
        ];
        Donors::new(vec![PICTURE, table()], list).expect("donors")
    }

    #[test]
    fn the_nearest_that_have_it_lend_it() {
        let (donors, white) = (donors(), [1.0, 1.0]);
        let only = ModalitySet::single(0);
        assert_eq!(
            donors.nearest(only, &[&white], 1, 9),
            [2, 4, 0],
            "not 1, which has no table, nor 3, which shares nothing"
        );
        assert_eq!(donors.from_nearest(only, &[&white], 1, 2), [-1.5, 0.0]);
        assert_eq!(donors.from_nearest(only, &[&white], 1, 1)[0], -1.0);
        assert_eq!(donors.from_nearest(only, &[&white], 1, 1)[1], donors.centre(1)[1], "a cell that no near one knows");
        assert_eq!(donors.from_nearest(ModalitySet::EMPTY, &[], 1, 3), donors.centre(1));
    }

    /// What is known of a donor by its category alone could be anything: measured donors that are near come before it.
    #[test]
    fn a_donor_of_which_little_is_known_is_not_near() {
        let measured = |age: f32| donor(Some([age / 10.0, 0.0]), Some([age, 1.0]));
        let mut list: Vec<Donor> = (-5..=5).map(|age| measured(age as f32 / 2.0)).collect();
        list.extend((0..5).map(|i| donor(Some([9.0, i as f32]), Some([f32::NAN, 1.0]))));
        let donors = Donors::new(vec![PICTURE, table()], list).expect("donors");
        for age in [-2.0f32, 0.0, 2.0] {
            let near = donors.nearest(ModalitySet::single(1), &[&[age, 1.0]], 0, 1);
            assert_eq!(donors.donors()[near[0]].values[1][0], age);
        }
        // Far from all of them, the nearest that is measured is nearer than one that may be anything.
        let near = donors.nearest(ModalitySet::single(1), &[&[6.0, 1.0]], 0, 1);
        assert_eq!(donors.donors()[near[0]].values[1][0], 2.5);
        // A sample that knows no more than they do is as near to them as to the others.
        assert_eq!(donors.nearest(ModalitySet::single(1), &[&[f32::NAN, 1.0]], 0, 16).len(), 16);
        // A whole modality that is lacking counts, too.
        let list = vec![donor(None, Some([0.0, 1.0])), donor(Some([0.5, 0.5]), Some([0.1, 1.0])), measured(9.0)];
        let donors = Donors::new(vec![PICTURE, table()], list).expect("donors");
        assert_eq!(donors.nearest(ModalitySet::full(2), &[&[0.5, 0.5], &[0.0, 1.0]], 1, 1), [1]);
    }

    /// Law: the same seed and id draw the same donor for every modality; each donor is drawn.
    #[test]
    fn a_drawn_donor_lends_all_that_it_has() {
        let donors = donors();
        let mut seen = std::collections::BTreeSet::new();
        for id in 0..200 {
            let (picture, row) = (donors.drawn(0, 7, id), donors.drawn(1, 7, id));
            assert_eq!(picture, donors.drawn(0, 7, id));
            assert!(row.iter().all(|v| v.is_finite()), "{row:?}");
            seen.insert(format!("{picture:?}"));
            if picture == [0.0, 0.0] {
                let from_the_same = [[1.0, 2.0], [3.0, 1.0]].contains(&[row[0], row[1]]);
                assert!(from_the_same, "its own, or that of the donor without a picture drawn before: {row:?}");
            }
        }
        assert_eq!(seen.len(), 4, "each of four pictures");
    }

    #[test]
    fn refusals() {
        assert_eq!(Donors::new(vec![PICTURE], vec![]), Err(ImputeError::NoSample));
        let unseen = Donors::new(vec![PICTURE, table()], vec![donor(Some([0.0, 0.0]), None)]);
        assert_eq!(unseen, Err(ImputeError::NeverSeen { modality: 1 }));
        let short = Donor { observed: ModalitySet::single(0), values: vec![vec![0.0]] };
        assert_eq!(Donors::new(vec![PICTURE], vec![short]), Err(ImputeError::Width { found: 1, wanted: 2 }));
    }

    proptest! {
        /// One picture alone: the order is that of the plain distances, computed one by one.
        #[test]
        fn equals_brute_force(points in prop::collection::vec(prop::array::uniform2(0u8..9), 2..30), query in prop::array::uniform2(0u8..9), k in 1usize..6) {
            let row = |p: &[u8; 2]| [f32::from(p[0]), f32::from(p[1])];
            let list = points.iter().map(|p| donor(Some(row(p)), Some([0.0, 0.0]))).collect();
            let donors = Donors::new(vec![PICTURE, table()], list).expect("donors");
            let found = donors.nearest(ModalitySet::single(0), &[&row(&query)], 1, k);
            let gap = |p: &[u8; 2]| (0..2).map(|i| (i32::from(p[i]) - i32::from(query[i])).pow(2)).sum::<i32>();
            let mut order: Vec<usize> = (0..points.len()).collect();
            order.sort_by_key(|i| (gap(&points[*i]), *i));
            order.truncate(k);
            prop_assert_eq!(found, order);
        }
    }
}
