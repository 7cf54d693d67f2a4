//! Which way the array's axes point in the body, and turning a volume to the usual way.
use super::{Affine, Volume, affine, first_axis_fastest};
use ndarray::{ArrayView, Axis, Dimension};
use serde::{Serialize, Serializer};
use std::fmt;

/// One direction in the body: of the three axes left–right, posterior–anterior, inferior–superior, and which way
/// along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Direction {
    /// 0 left–right, 1 posterior–anterior, 2 inferior–superior.
    pub body_axis: usize,
    /// Whether the index grows towards right, anterior or superior.
    pub positive: bool,
}

impl Direction {
    /// The letter of where the index grows to: one of `R L A P S I`.
    pub fn letter(self) -> char {
        match (self.body_axis, self.positive) {
            (0, true) => 'R',
            (0, false) => 'L',
            (1, true) => 'A',
            (1, false) => 'P',
            (_, true) => 'S',
            (_, false) => 'I',
        }
    }
}

/// The direction in the body nearest to each of an array's three axes. Prints as three letters such as `RAS`: where
/// the indices grow to. Each of the three body axes occurs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Orientation([Direction; 3]);

impl Orientation {
    /// Right, anterior, superior: what [`Volume::to_canonical`] makes.
    pub const RAS: Self = Self([
        Direction { body_axis: 0, positive: true },
        Direction { body_axis: 1, positive: true },
        Direction { body_axis: 2, positive: true },
    ]);

    /// Shear is taken out first (the nearest rotation counts), then the clearest axis chooses first.
    pub(super) fn of(affine: &Affine) -> Self {
        let rotation = affine::nearest_rotation(affine::directions(affine));
        let strength = |axis: usize| (0..3).map(|body| rotation[body][axis].abs()).fold(0.0, f64::max);
        let mut clearest = [0, 1, 2];
        clearest.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)));
        let mut taken = [false; 3];
        let mut directions = Self::RAS.0;
        for axis in clearest {
            let free = (0..3).filter(|&body| !taken[body]);
            // `max_by` would take the last of equals, the convention is the first.
            let nearest = free
                .reduce(|best, body| if rotation[body][axis].abs() > rotation[best][axis].abs() { body } else { best });
            let body_axis = nearest.unwrap_or(axis);
            taken[body_axis] = true;
            directions[axis] = Direction { body_axis, positive: rotation[body_axis][axis] >= 0.0 };
        }
        Self(directions)
    }

    /// The direction of each array axis.
    pub fn directions(&self) -> [Direction; 3] {
        self.0
    }

    /// The array axis that runs along a body axis (0 left–right, 1 posterior–anterior, 2 inferior–superior), and its
    /// direction.
    pub fn along(&self, body_axis: usize) -> (usize, Direction) {
        let axis = self.0.iter().position(|direction| direction.body_axis == body_axis).unwrap_or(body_axis % 3);
        (axis, self.0[axis])
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|direction| write!(f, "{}", direction.letter()))
    }
}

impl Serialize for Orientation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Volume {
    /// The same volume with its axes reordered and reversed to run, as nearly as may be, to right, anterior and
    /// superior. No voxel's value or place in space changes; oblique volumes stay oblique.
    pub fn to_canonical(&self) -> Volume {
        let orientation = self.orientation();
        let source = [0, 1, 2].map(|body| orientation.along(body));
        let (axes, reversed) = (source.map(|(axis, _)| axis), source.map(|(_, direction)| !direction.positive));
        let view = self.data.view().permuted_axes([axes[0], axes[1], axes[2], 3]);
        let view = flipped(view, reversed);
        let mut affine = self.affine;
        for (row, old) in affine.iter_mut().zip(&self.affine).take(3) {
            for to in 0..3 {
                let step = old[axes[to]];
                let last = (self.data.len_of(Axis(axes[to])) - 1) as f64;
                row[to] = if reversed[to] { -step } else { step };
                row[3] += if reversed[to] { step * last } else { 0.0 };
            }
        }
        self.with(first_axis_fastest(view.dim(), view.t().iter().copied()), affine)
    }
}

/// The view with some of its first three axes running backwards.
pub(super) fn flipped<D: Dimension>(mut view: ArrayView<'_, f32, D>, reversed: [bool; 3]) -> ArrayView<'_, f32, D> {
    for (axis, reversed) in reversed.into_iter().enumerate() {
        if reversed {
            view.invert_axis(Axis(axis));
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;
    use proptest::prelude::*;

    fn place(affine: &Affine, index: [usize; 3]) -> [f64; 3] {
        [0, 1, 2].map(|row| (0..3).map(|axis| affine[row][axis] * index[axis] as f64).sum::<f64>() + affine[row][3])
    }

    /// Axis order and signs of all 48 orientations.
    fn turned(order: [usize; 3], signs: [f64; 3]) -> Affine {
        let mut affine = [[0.0; 4]; 4];
        for axis in 0..3 {
            affine[order[axis]][axis] = signs[axis] * (axis as f64 + 1.0);
            affine[axis][3] = 10.0 * axis as f64 - 7.0;
        }
        affine[3][3] = 1.0;
        affine
    }

    #[test]
    fn letters_say_where_indices_grow_to() {
        assert_eq!(Orientation::of(&turned([0, 1, 2], [1., 1., 1.])), Orientation::RAS);
        assert_eq!(Orientation::of(&turned([0, 1, 2], [-1., -1., 1.])).to_string(), "LPS");
        assert_eq!(Orientation::of(&turned([2, 0, 1], [-1., 1., -1.])).to_string(), "IRP");
    }

    #[test]
    fn all_48_orientations_become_ras_and_every_voxel_keeps_its_place() {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (order, signs) in orders.iter().flat_map(|order| (0..8).map(move |bits| (*order, bits))) {
            let signs = [0, 1, 2].map(|bit| if signs >> bit & 1 == 1 { -1.0 } else { 1.0 });
            let data = Array4::from_shape_fn((2, 3, 4, 2), |(x, y, z, t)| (1000 * t + 100 * x + 10 * y + z) as f32);
            let volume = Volume::new(data, turned(order, signs)).unwrap();
            let canonical = volume.to_canonical();
            assert_eq!(canonical.orientation(), Orientation::RAS);
            for ((x, y, z, t), &value) in canonical.data().indexed_iter() {
                let here = place(canonical.affine(), [x, y, z]);
                let there = volume.data().indexed_iter().find(|(_, other)| **other == value).unwrap().0;
                assert_eq!(there.3, t);
                assert_eq!(here, place(volume.affine(), [there.0, there.1, there.2]), "{order:?} {signs:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn each_body_axis_occurs_once(entries in prop::array::uniform9(-3.0..3.0f64)) {
            let [a, b, c, d, e, f, g, h, i] = entries;
            let affine = [[a, b, c, 0.], [d, e, f, 0.], [g, h, i, 0.], [0., 0., 0., 1.]];
            prop_assume!(affine::is_usable(&affine));
            let mut axes = Orientation::of(&affine).directions().map(|direction| direction.body_axis);
            axes.sort();
            prop_assert_eq!(axes, [0, 1, 2]);
            let volume = Volume::new(Array4::zeros((2, 2, 2, 1)), affine).unwrap();
            prop_assert_eq!(volume.to_canonical().to_canonical(), volume.to_canonical());
        }
    }
}
