//! From voxel indices to millimetres: which of the header's three descriptions holds, and the matrix it means.
use serde::Serialize;

/// `[x, y, z, 1] = affine · [i, j, k, 1]` from voxel indices to scanner coordinates, in the header's unit (nearly
/// always mm), x growing to the patient's right, y to anterior, z to superior. The last row is `[0, 0, 0, 1]`.
pub type Affine = [[f64; 4]; 4];

/// Where a volume's affine came from, in the order in which the standard tries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AffineSource {
    /// The three rows of the header (`sform`).
    Sform,
    /// Rotation as a quaternion, spacing and offset (`qform`).
    Qform,
    /// Neither is there, or neither is usable: spacing only, and an orientation (LAS, centred) that is a convention,
    /// not knowledge.
    Assumed,
    /// Not from a file.
    Given,
}

/// The header's descriptions of space, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forms {
    pub pixdim: [f64; 8],
    pub sform: bool,
    pub rows: [[f64; 4]; 3],
    pub qform: bool,
    pub quaternion: [f64; 3],
    pub origin: [f64; 3],
}

impl Forms {
    /// The first description that is marked as valid and *is*: finite, with three independent axes.
    pub fn affine(&self, dims: &[usize]) -> (Affine, AffineSource) {
        let sform = self.sform.then(|| with_last_row(self.rows)).filter(is_usable);
        if let Some(affine) = sform {
            return (affine, AffineSource::Sform);
        }
        match self.qform.then(|| self.quaternion_affine()).flatten().filter(is_usable) {
            Some(affine) => (affine, AffineSource::Qform),
            None => (self.assumed(dims), AffineSource::Assumed),
        }
    }

    /// Spacing of one axis; headers hold signs, zeros and NaN here that mean nothing.
    fn spacing(&self, axis: usize) -> f64 {
        let spacing = self.pixdim[axis + 1].abs();
        // Beyond these bounds products with extents would lose all meaning, and no scanner is near them.
        if (1e-9..=1e9).contains(&spacing) { spacing } else { 1.0 }
    }

    /// Rotation · diag(spacing), the third axis reversed when `pixdim[0]` (qfac) is negative. `None` if no rotation
    /// is meant.
    fn quaternion_affine(&self) -> Option<Affine> {
        let [b, c, d] = self.quaternion;
        let rest = 1.0 - (b * b + c * c + d * d);
        // Rounding to f32 may make the quaternion a little longer than 1; more than that is another number altogether.
        if rest.is_nan() || rest < -1e-3 {
            return None;
        }
        let a = rest.max(0.0).sqrt();
        let scale = 2.0 / (a * a + b * b + c * c + d * d);
        let rotation = [
            [1.0 - scale * (c * c + d * d), scale * (b * c - a * d), scale * (b * d + a * c)],
            [scale * (b * c + a * d), 1.0 - scale * (b * b + d * d), scale * (c * d - a * b)],
            [scale * (b * d - a * c), scale * (c * d + a * b), 1.0 - scale * (b * b + c * c)],
        ];
        let qfac = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let spacing = [self.spacing(0), self.spacing(1), qfac * self.spacing(2)];
        let row = |r: usize| {
            let [x, y, z] = std::array::from_fn(|axis| rotation[r][axis] * spacing[axis]);
            [x, y, z, self.origin[r]]
        };
        Some(with_last_row([row(0), row(1), row(2)]))
    }

    /// x to the left, y to anterior, z to superior, the origin in the middle: what readers in the field agree on.
    fn assumed(&self, dims: &[usize]) -> Affine {
        let mut affine = with_last_row([[0.0; 4]; 3]);
        for (axis, row) in affine.iter_mut().enumerate().take(3) {
            let (extent, spacing) = dims.get(axis).map_or((1, 1.0), |&extent| (extent, self.spacing(axis)));
            let step = if axis == 0 { -spacing } else { spacing };
            row[axis] = step;
            row[3] = -step * (extent as f64 - 1.0) / 2.0;
        }
        affine
    }
}

fn with_last_row([x, y, z]: [[f64; 4]; 3]) -> Affine {
    [x, y, z, [0.0, 0.0, 0.0, 1.0]]
}

/// Length of one voxel along each array axis: the norms of the affine's first three columns.
pub(super) fn spacing(affine: &Affine) -> [f64; 3] {
    std::array::from_fn(|axis| (0..3).map(|r| affine[r][axis] * affine[r][axis]).sum::<f64>().sqrt())
}

/// The affine's directions, each column of length 1.
pub(super) fn directions(affine: &Affine) -> [[f64; 3]; 3] {
    let spacing = spacing(affine);
    std::array::from_fn(|r| std::array::from_fn(|axis| affine[r][axis] / spacing[axis]))
}

/// Finite, steps that are neither zero nor absurd, and directions that span space.
pub(super) fn is_usable(affine: &Affine) -> bool {
    let finite = affine.iter().flatten().all(|value| value.is_finite());
    let steps = spacing(affine).iter().all(|step| (1e-9..=1e9).contains(step));
    finite && steps && determinant(&directions(affine)).abs() > 1e-6
}

pub(super) fn determinant(m: &[[f64; 3]; 3]) -> f64 {
    (0..3).map(|c| m[0][c] * cofactor(m, 0, c)).sum()
}

/// The rotation (or reflection) nearest to `m`, by Newton's iteration X ← (X + X⁻ᵀ) / 2 towards the polar factor.
pub(super) fn nearest_rotation(mut m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    for _ in 0..60 {
        let determinant = determinant(&m);
        let next = std::array::from_fn(|r| std::array::from_fn(|c| (m[r][c] + cofactor(&m, r, c) / determinant) / 2.0));
        if next == m {
            break;
        }
        m = next;
    }
    m
}

fn cofactor(m: &[[f64; 3]; 3], row: usize, column: usize) -> f64 {
    let at = |r: usize, c: usize| m[(row + r) % 3][(column + c) % 3];
    at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Forms {
        Forms {
            pixdim: [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0],
            sform: false,
            rows: [[0.0, 5.0, 0.0, 1.0], [6.0, 0.0, 0.0, 2.0], [0.0, 0.0, 7.0, 3.0]],
            qform: false,
            quaternion: [0.0; 3],
            origin: [-1.0, -2.0, -3.0],
        }
    }

    #[test]
    fn sform_goes_before_qform_before_spacing() {
        let mut forms = Forms { sform: true, qform: true, ..forms() };
        assert_eq!(forms.affine(&[4, 4, 4]).1, AffineSource::Sform);
        assert_eq!(forms.affine(&[4, 4, 4]).0[0], [0.0, 5.0, 0.0, 1.0]);
        forms.rows[0] = [f64::NAN; 4];
        assert_eq!(forms.affine(&[4, 4, 4]).1, AffineSource::Qform);
        forms.quaternion = [2.0, 0.0, 0.0];
        let (affine, source) = forms.affine(&[5, 4]);
        assert_eq!(source, AffineSource::Assumed);
        assert_eq!(affine[..3], [[-2.0, 0.0, 0.0, 4.0], [0.0, 3.0, 0.0, -4.5], [0.0, 0.0, 1.0, 0.0]]);
    }

    #[test]
    fn qfac_reverses_the_third_axis_only() {
        let mut forms = Forms { qform: true, ..forms() };
        let right_handed = forms.affine(&[2, 2, 2]).0;
        forms.pixdim[0] = -1.0;
        let left_handed = forms.affine(&[2, 2, 2]).0;
        assert_eq!(right_handed[..3], [[2.0, 0.0, 0.0, -1.0], [0.0, 3.0, 0.0, -2.0], [0.0, 0.0, 4.0, -3.0]]);
        assert_eq!(left_handed[..3], [[2.0, 0.0, 0.0, -1.0], [0.0, 3.0, 0.0, -2.0], [0.0, 0.0, -4.0, -3.0]]);
    }

    #[test]
    fn flat_and_endless_matrices_are_passed_over() {
        for row in [[0.0; 4], [5.0, 5.0, 0.0, 0.0], [f64::INFINITY; 4], [1e300, 0.0, 0.0, 0.0]] {
            let forms = Forms { sform: true, rows: [row, row, [0.0, 0.0, 1.0, 0.0]], ..forms() };
            assert_eq!(forms.affine(&[2, 2, 2]).1, AffineSource::Assumed, "{row:?}");
        }
    }

    #[test]
    fn spacings_without_meaning_become_one() {
        for nonsense in [0.0, f64::NAN, f64::INFINITY, 1e-300] {
            let mut forms = forms();
            forms.pixdim[1] = nonsense;
            assert_eq!(spacing(&forms.affine(&[2, 2, 2]).0), [1.0, 3.0, 4.0]);
        }
    }

    #[test]
    fn the_nearest_rotation_of_a_sheared_rotation_is_orthogonal() {
        let m = nearest_rotation([[0.8, -0.6, 0.1], [0.6, 0.8, 0.0], [0.0, 0.05, -1.0]]);
        for (r, s) in [(0, 0), (0, 1), (1, 2), (2, 2)] {
            let product: f64 = (0..3).map(|c| m[r][c] * m[s][c]).sum();
            assert!((product - f64::from(u8::from(r == s))).abs() < 1e-12);
        }
        assert!((determinant(&m) + 1.0).abs() < 1e-12);
    }
}
