//! Another grid over the same field of view.
use super::{Limits, Volume, VolumeError, first_axis_fastest};
use ndarray::{Array3, ArrayView3, Axis, ShapeBuilder};
use serde::{Deserialize, Serialize};

/// How a new voxel's value comes from the old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The voxel that the new one's centre lies in: for labels, where no value may be invented.
    Nearest,
    /// Trilinear between the eight neighbours of the centre; edges are continued.
    #[default]
    Linear,
    /// Linear whose reach widens with the step where the new grid is coarser, so that every old voxel counts and fine
    /// patterns do not come back as coarse ones. The same as [`Interpolation::Linear`] where it is finer.
    Smooth,
}

impl Volume {
    /// The volume on `grid` voxels `[x, y, z]` that fill the same box in space; each frame for itself.
    /// Voxels that are not finite take no part; where they hold more than half of the weight, the result is NaN.
    ///
    /// # Errors
    /// [`VolumeError::Grid`] for an extent of zero, or more voxels in all than [`Limits::default`] reads.
    pub fn resample(&self, grid: [usize; 3], interpolation: Interpolation) -> Result<Volume, VolumeError> {
        check(&[grid[0], grid[1], grid[2], self.frames()])?;
        let frames = self.data.axis_iter(Axis(3)).map(|frame| regrid(frame, grid, [interpolation; 3]));
        let values = frames.flat_map(|frame| frame.reversed_axes().into_iter());
        let data = first_axis_fastest((grid[0], grid[1], grid[2], self.frames()), values);
        let mut affine = self.affine;
        for axis in 0..3 {
            let step = self.grid()[axis] as f64 / grid[axis] as f64;
            for row in &mut affine[..3] {
                row[3] += row[axis] * (step - 1.0) / 2.0;
                row[axis] *= step;
            }
        }
        Ok(self.with(data, affine))
    }
}

/// Refuses grids that are empty or beyond what may be read.
pub(super) fn check(grid: &[usize]) -> Result<(), VolumeError> {
    let limit = Limits::default().voxels;
    let voxels = grid.iter().fold(1u64, |product, &extent| product.saturating_mul(extent as u64));
    if (1..=limit).contains(&voxels) { Ok(()) } else { Err(VolumeError::Grid { found: grid.to_vec(), limit }) }
}

/// One frame on another grid, with an interpolation for each axis. The grid was [`check`]ed.
pub(super) fn regrid(frame: ArrayView3<'_, f32>, grid: [usize; 3], how: [Interpolation; 3]) -> Array3<f32> {
    let weights = [0, 1, 2].map(|axis| weights(frame.len_of(Axis(axis)), grid[axis], how[axis]));
    // Axes that shrink go first: then nothing in between is larger than both the old and the new grid.
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| growth(frame, grid, a).total_cmp(&growth(frame, grid, b)));
    let all = |values: Array3<f32>| order.iter().fold(values, |values, &axis| along(&values, axis, &weights[axis]));
    if frame.iter().all(|value| value.is_finite()) {
        return all(frame.to_owned());
    }
    // Normalised: the weighted sum over what is finite, divided by the weight of what is finite.
    let share = all(frame.mapv(|value| if value.is_finite() { 1.0 } else { 0.0 }));
    let mut sum = all(frame.mapv(|value| if value.is_finite() { value } else { 0.0 }));
    sum.zip_mut_with(&share, |sum, &share| *sum = if share < 0.5 { f32::NAN } else { *sum / share });
    sum
}

fn growth(frame: ArrayView3<'_, f32>, grid: [usize; 3], axis: usize) -> f64 {
    grid[axis] as f64 / frame.len_of(Axis(axis)) as f64
}

/// For each new index: the first old index that counts, and the weights from there on; they add up to 1.
type Weights = Vec<(usize, Vec<f32>)>;

fn weights(old: usize, new: usize, how: Interpolation) -> Weights {
    let step = old as f64 / new as f64;
    let reach = if how == Interpolation::Smooth { step.max(1.0) } else { 1.0 };
    (0..new)
        .map(|index| {
            let centre = (index as f64 + 0.5) * step - 0.5;
            if how == Interpolation::Nearest {
                return ((centre.round().max(0.0) as usize).min(old - 1), vec![1.0]);
            }
            tent(centre, reach, old)
        })
        .collect()
}

/// Weights that fall linearly from `centre` to zero at `reach`; what lies outside the grid counts for its edge.
fn tent(centre: f64, reach: f64, old: usize) -> (usize, Vec<f32>) {
    let last = old as i64 - 1;
    let (from, to) = ((centre - reach).ceil() as i64, (centre + reach).floor() as i64);
    let (first, end) = (from.clamp(0, last), to.clamp(0, last));
    let mut weights = vec![0.0f64; (end - first) as usize + 1];
    for index in from..=to {
        weights[(index.clamp(first, end) - first) as usize] += (1.0 - (index as f64 - centre).abs() / reach).max(0.0);
    }
    let sum: f64 = weights.iter().sum();
    (first as usize, weights.iter().map(|weight| (weight / sum) as f32).collect())
}

/// One axis after the other: trilinear weights are a product, so three passes give the same sum as eight neighbours do.
fn along(values: &Array3<f32>, axis: usize, weights: &Weights) -> Array3<f32> {
    let mut shape = values.dim();
    [&mut shape.0, &mut shape.1, &mut shape.2][axis].clone_from(&weights.len());
    let mut result = Array3::zeros(shape.f());
    for ((first, weights), mut plane) in weights.iter().zip(result.axis_iter_mut(Axis(axis))) {
        for (offset, &weight) in weights.iter().enumerate() {
            plane.scaled_add(weight, &values.index_axis(Axis(axis), first + offset));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use Interpolation::{Linear, Nearest, Smooth};
    use ndarray::Array4;
    use proptest::prelude::*;

    fn line(values: &[f32]) -> Volume {
        let data = Array4::from_shape_fn((values.len(), 1, 1, 1), |(x, ..)| values[x]);
        Volume::new(data, [[2., 0., 0., 10.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]]).unwrap()
    }

    fn cube(shape: (usize, usize, usize, usize), data: Vec<f32>) -> Volume {
        Volume::new(Array4::from_shape_vec(shape, data).unwrap(), *line(&[1.0]).affine()).unwrap()
    }

    fn interpolation() -> impl Strategy<Value = Interpolation> {
        prop::sample::select(vec![Nearest, Linear, Smooth])
    }

    fn values(volume: &Volume) -> Vec<f32> {
        volume.data().iter().copied().collect()
    }

    #[test]
    fn a_line_by_hand() {
        let volume = line(&[0.0, 4.0, 8.0, 2.0]);
        let at = |extent, how| values(&volume.resample([extent, 1, 1], how).unwrap());
        assert_eq!(at(2, Linear), [2.0, 5.0]);
        assert_eq!(at(8, Linear), [0.0, 1.0, 3.0, 5.0, 7.0, 6.5, 3.5, 2.0]);
        assert_eq!(at(2, Nearest), [4.0, 2.0]); // half-way centres round up
        assert_eq!(at(8, Nearest), [0.0, 0.0, 4.0, 4.0, 8.0, 8.0, 2.0, 2.0]);
        assert_eq!(at(1, Linear), [6.0]);
        assert_eq!(at(8, Smooth), at(8, Linear));
    }

    #[test]
    fn smooth_lets_every_voxel_count() {
        let spike = |at: usize| line(&[0, 1, 2, 3, 4, 5, 6, 7].map(|x| if x == at { 1.0 } else { 0.0 }));
        for at in 0..8 {
            assert!(values(&spike(at).resample([2, 1, 1], Smooth).unwrap()).iter().sum::<f32>() > 0.0);
        }
        assert_eq!(values(&spike(0).resample([2, 1, 1], Linear).unwrap()), [0.0, 0.0]);
    }

    #[test]
    fn the_field_of_view_stays() {
        let volume = line(&[0.0; 6]);
        let coarse = volume.resample([3, 1, 1], Linear).unwrap();
        assert_eq!(coarse.spacing(), [4.0, 1.0, 1.0]);
        assert_eq!(coarse.affine()[0], [4.0, 0.0, 0.0, 11.0]); // centre of the first two
        let edges = |volume: &Volume| volume.affine()[0][3] - volume.affine()[0][0] / 2.0;
        assert_eq!(edges(&coarse), edges(&volume));
    }

    #[test]
    fn what_is_not_finite_takes_no_part() {
        let volume = line(&[f32::NAN, 4.0, f32::INFINITY, f32::NAN]);
        let half = values(&volume.resample([2, 1, 1], Linear).unwrap());
        assert_eq!(half[0], 4.0);
        assert!(half[1].is_nan());
        // A quarter of the weight is not enough to speak for all.
        let quarter = line(&[f32::NAN, f32::NAN, f32::NAN, 4.0]).resample([1, 1, 1], Smooth).unwrap();
        assert!(values(&quarter)[0].is_nan());
    }

    #[test]
    fn impossible_grids_are_refused() {
        for grid in [[0, 1, 1], [usize::MAX, 2, 1], [1 << 20, 1 << 20, 1]] {
            assert!(matches!(line(&[1.0]).resample(grid, Linear), Err(VolumeError::Grid { .. })), "{grid:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_same_grid_changes_nothing(data in prop::collection::vec(-1e6f32..1e6, 24), how in interpolation()) {
            let volume = cube((2, 3, 4, 1), data);
            prop_assert_eq!(values(&volume.resample([2, 3, 4], how).unwrap()), values(&volume));
        }

        #[test]
        fn results_stay_between_the_extremes(
            data in prop::collection::vec(-1.0f32..1.0, 60), grid in prop::array::uniform3(1usize..9),
            how in interpolation(),
        ) {
            let volume = cube((3, 4, 5, 1), data);
            let (low, high) = (volume.statistics().minimum, volume.statistics().maximum);
            for value in values(&volume.resample(grid, how).unwrap()) {
                prop_assert!((low - 1e-5..=high + 1e-5).contains(&value));
            }
        }

        /// Three passes and the eight neighbours, written out, agree.
        #[test]
        fn passes_equal_neighbours(
            data in prop::collection::vec(-1.0f32..1.0, 60),
            grid in prop::array::uniform3(1usize..9),
        ) {
            let volume = cube((3, 4, 5, 1), data);
            let ours = volume.resample(grid, Linear).unwrap();
            for ((x, y, z, _), &value) in ours.data().indexed_iter() {
                let at = [x, y, z];
                let mut sum = 0.0;
                for corner in 0..8usize {
                    let (mut weight, mut index) = (1.0, [0; 3]);
                    for axis in 0..3 {
                        let old = volume.grid()[axis];
                        let centre = (at[axis] as f64 + 0.5) * old as f64 / grid[axis] as f64 - 0.5;
                        let far = corner >> axis & 1 == 1;
                        weight *= if far { centre - centre.floor() } else { 1.0 - (centre - centre.floor()) };
                        index[axis] = (centre.floor() as i64 + i64::from(far)).clamp(0, old as i64 - 1) as usize;
                    }
                    sum += weight * f64::from(volume.data()[[index[0], index[1], index[2], 0]]);
                }
                prop_assert!((sum - f64::from(value)).abs() < 1e-5);
            }
        }
    }
}
