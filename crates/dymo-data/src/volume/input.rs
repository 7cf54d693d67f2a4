//! From a volume to the input of a 2-D network: slices as channels.
use super::{Interpolation, Volume, VolumeError, orientation::flipped, resample};
use ndarray::{ArrayView3, Axis};
use serde::{Deserialize, Serialize};

/// Which planes are cut. Each is looked at as in a reading room: the patient's right at the left of the picture,
/// anterior or superior up; sagittal planes show anterior at the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// Rows run to posterior, columns to the patient's left; slices go up from inferior to superior.
    #[default]
    Axial,
    /// Rows run to inferior, columns to the patient's left; slices go from posterior to anterior.
    Coronal,
    /// Rows run to inferior, columns to posterior; slices go from the patient's left to right.
    Sagittal,
    /// As acquired: slices along the third array axis, rows along the second, columns along the first, whatever they
    /// mean in the body (a heart's short axis, say). Rows and columns are still reversed where that turns the picture
    /// the usual way up.
    Stored,
}

/// Where the slices lie that become channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SliceChoice {
    /// Interpolated, so that they fill the same extent in space.
    #[default]
    Resampled,
    /// Slices of the volume itself, evenly chosen; repeated if there are fewer than asked for.
    Even,
}

impl Plane {
    /// The array axes that become columns, rows and slices, and which of them run backwards.
    fn axes(self, volume: &Volume) -> ([usize; 3], [bool; 3]) {
        let orientation = volume.orientation();
        let axes = match self {
            Plane::Axial => [0, 1, 2].map(|body| orientation.along(body).0),
            Plane::Coronal => [0, 2, 1].map(|body| orientation.along(body).0),
            Plane::Sagittal => [1, 2, 0].map(|body| orientation.along(body).0),
            Plane::Stored => [0, 1, 2],
        };
        let positive = axes.map(|axis| orientation.directions()[axis].positive);
        // On pictures, indices grow to left, posterior and inferior; slices to right, anterior and superior, or as
        // they were stored.
        let reversed = [positive[0], positive[1], self != Plane::Stored && !positive[2]];
        (axes, reversed)
    }

    /// A view of the first frame as `[columns, rows, slices]`, and the voxel's size along these.
    pub(super) fn view(self, volume: &Volume) -> (ArrayView3<'_, f32>, [f64; 3]) {
        let (axes, reversed) = self.axes(volume);
        let spacing = axes.map(|axis| volume.spacing()[axis]);
        (flipped(volume.first_frame().permuted_axes(axes), reversed), spacing)
    }
}

impl Volume {
    /// The first frame as `[height, width, slices]`, row-major: the input of a 2-D network with slices as channels.
    /// Pictures are interpolated smoothly to `height × width` and fill the whole field of view, so their proportions
    /// may change.
    /// Normalise first: that also replaces NaN, which would stay NaN here where it fills most of a new pixel.
    ///
    /// # Errors
    /// [`VolumeError::Grid`] for an extent of zero or more values than [`Limits::default`](super::Limits) reads.
    pub fn to_input(
        &self,
        height: usize,
        width: usize,
        slices: usize,
        plane: Plane,
        choice: SliceChoice,
    ) -> Result<Vec<f32>, VolumeError> {
        let grid = [width, height, slices];
        resample::check(&grid)?;
        let (mut view, _) = plane.view(self);
        let chosen;
        let across = match choice {
            SliceChoice::Resampled => Interpolation::Smooth,
            SliceChoice::Even => {
                chosen = view.select(Axis(2), &evenly(view.len_of(Axis(2)), slices));
                view = chosen.view();
                Interpolation::Nearest
            }
        };
        let input = resample::regrid(view, grid, [Interpolation::Smooth, Interpolation::Smooth, across]);
        Ok(input.view().permuted_axes([1, 0, 2]).iter().copied().collect())
    }
}

/// The middle of each of `wanted` equal stretches of `0..there`, rounded down.
fn evenly(there: usize, wanted: usize) -> Vec<usize> {
    (0..wanted).map(|slice| ((2 * slice + 1) * there) / (2 * wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    /// A volume whose value tells the place: 100 for right, 10 for anterior, 1 for superior.
    fn body(steps: [f64; 3], order: [usize; 3]) -> Volume {
        let mut affine = [[0.0; 4]; 4];
        affine[3][3] = 1.0;
        for axis in 0..3 {
            affine[order[axis]][axis] = steps[axis];
        }
        let data = Array4::from_shape_fn((3, 3, 3, 1), |(x, y, z, _)| {
            let index = [x, y, z];
            let towards = |axis: usize| if steps[axis] > 0.0 { index[axis] } else { 2 - index[axis] };
            (0..3).map(|axis| towards(axis) as f32 * [100.0, 10.0, 1.0][order[axis]]).sum()
        });
        Volume::new(data, affine).unwrap()
    }

    #[test]
    fn every_storage_gives_the_same_picture() {
        for (steps, order) in [
            ([1., 1., 1.], [0, 1, 2]),
            ([-1., -1., 1.], [0, 1, 2]),
            ([1., -1., -1.], [1, 2, 0]),
            ([-1., -1., -1.], [2, 0, 1]),
        ] {
            let volume = body(steps, order);
            let input = |plane| volume.to_input(3, 3, 3, plane, SliceChoice::Even).unwrap();
            let at = |input: &[f32], row: usize, column: usize, slice: usize| input[(row * 3 + column) * 3 + slice];
            let axial = input(Plane::Axial);
            assert_eq!(at(&axial, 0, 0, 0), 220.0); // right, anterior, inferior
            assert_eq!(at(&axial, 2, 0, 2), 202.0); // right, posterior, superior
            assert_eq!(at(&axial, 0, 2, 2), 22.0); // left, anterior, superior
            let coronal = input(Plane::Coronal);
            assert_eq!(at(&coronal, 0, 0, 0), 202.0); // right, superior, posterior
            let sagittal = input(Plane::Sagittal);
            assert_eq!(at(&sagittal, 0, 0, 0), 22.0); // anterior, superior, left
            assert_eq!(
                input(Plane::Axial),
                volume.to_canonical().to_input(3, 3, 3, Plane::Axial, SliceChoice::Even).unwrap()
            );
        }
    }

    #[test]
    fn stored_slices_stay_where_they_are() {
        let volume = body([1., -1., -1.], [1, 2, 0]); // A, I, L: the third axis runs to the left
        let input = volume.to_input(3, 3, 3, Plane::Stored, SliceChoice::Resampled).unwrap();
        // The first axis ran to anterior: reversed. The second ran to inferior: kept.
        assert_eq!(input[0], volume.data()[[2, 0, 0, 0]]);
        assert_eq!(input[2], volume.data()[[2, 0, 2, 0]]);
    }

    #[test]
    fn even_slices_are_the_volumes_own() {
        assert_eq!(evenly(10, 5), [1, 3, 5, 7, 9]);
        assert_eq!(evenly(7, 3), [1, 3, 5]);
        assert_eq!(evenly(2, 4), [0, 0, 1, 1]);
        assert_eq!(evenly(1, 1), [0]);
        let volume = body([-1., -1., 1.], [0, 1, 2]);
        let two = volume.to_input(1, 1, 2, Plane::Axial, SliceChoice::Even).unwrap();
        assert!((two[0] - 110.0).abs() < 1e-4 && (two[1] - 112.0).abs() < 1e-4, "{two:?}");
        assert!(volume.to_input(0, 1, 1, Plane::Axial, SliceChoice::Even).is_err());
    }
}
