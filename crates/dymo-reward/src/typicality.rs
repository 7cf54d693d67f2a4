//! How typical a distance is of a class.

use std::f32::consts::SQRT_2;

use serde::{Deserialize, Serialize};

/// What is done where the numbers run out (method, section 5, numerical edges).
///
/// | case | [`Defined`](Self::Defined) | [`Published`](Self::Published) |
/// | --- | --- | --- |
/// | cosine distance just below 0 | counts as 0, so p = 1 | gives p just above 1 |
/// | spread σ = 0 | p = 1 at distance 0, else 0 | [`Spread`](crate::StatisticsError::Spread) error, where the published code raises |
/// | class without training samples | left out of the softmax; p = 0 where it is predicted | quality is NaN for every sample |
/// | a NaN among the logits | quality and typicality NaN | class 0 is predicted, as after a softmax of NaN |
/// | a NaN reward (in `dymo-select`) | counts as rejected | is accepted, since argmax prefers NaN |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edges {
    /// Every case has an answer that a reader would call right.
    #[default]
    Defined,
    /// What the published implementation does, for networks and statistics imported from it.
    Published,
}

/// p = 2·(1 − Φ(d/σ)): the share of a class's features that lie at least as far out, if their distances mirrored
/// about zero are normal with standard deviation `spread`.
///
/// Computed in single precision as 2·(1 − ½(1 + erf(d/(σ√2)))), because small p decide the calibration and another
/// form of Φ gives others: the result is a multiple of 2⁻²³ and exactly 0 beyond about 5.4 σ.
/// In 0..=1 with [`Edges::Defined`], NaN only for a NaN. With [`Edges::Published`] a negative distance gives more
/// than 1, and a spread of 0 is not looked at here ([`ClassStatistics`](crate::ClassStatistics) refuses it).
pub fn typicality(distance: f32, spread: f32, edges: Edges) -> f32 {
    if edges == Edges::Defined {
        // Comparisons that are false for NaN, so that a NaN goes through to the end.
        if distance <= 0.0 {
            return 1.0;
        }
        if spread == 0.0 && distance > 0.0 {
            return 0.0;
        }
    }
    let z = distance * (1.0 / spread) / SQRT_2;
    let phi = 0.5 * (1.0 + erf(z));
    2.0 * (1.0 - phi)
}

/// The error function in double precision, rounded once to single. `libm::erff` is now and then off by a unit in the
/// last place, and that unit is the resolution of p.
fn erf(x: f32) -> f32 {
    libm::erf(f64::from(x)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEP: f32 = 1.0 / (1 << 23) as f32;

    #[test]
    fn known_points_of_the_normal_distribution() {
        for (sigmas, wanted) in [(1.0, 0.317_310_5), (1.959_964, 0.05), (2.575_829, 0.01), (3.0, 0.002_699_8)] {
            let p = typicality(sigmas * 0.2, 0.2, Edges::Defined);
            assert!((p - wanted).abs() < 4e-7, "{sigmas}: {p}, not {wanted}");
        }
    }

    #[test]
    fn exactly_zero_far_out_and_a_step_before() {
        assert_eq!(typicality(5.5, 1.0, Edges::Defined), 0.0);
        assert_eq!(typicality(f32::INFINITY, 1.0, Edges::Defined), 0.0);
        assert_eq!(typicality(5.2, 1.0, Edges::Defined), 2.0 * STEP);
    }

    #[test]
    fn edges_as_defined() {
        let p = |d, s| typicality(d, s, Edges::Defined);
        assert_eq!(p(-6e-8, 0.1), 1.0);
        assert_eq!(p(0.0, 0.0), 1.0);
        assert_eq!(p(-1e-7, 0.0), 1.0);
        assert_eq!(p(1e-30, 0.0), 0.0);
        assert_eq!(p(0.0, f32::from_bits(1)), 1.0);
        assert_eq!(p(1e-9, f32::from_bits(1)), 0.0);
        assert!(p(f32::NAN, 0.1).is_nan());
        assert!(p(f32::NAN, 0.0).is_nan());
    }

    #[test]
    fn edges_as_published() {
        // A cosine distance of −6e-8 against a spread of a thousandth.
        assert!(typicality(-6e-8, 1e-4, Edges::Published) > 1.0);
        assert!(typicality(0.0, 0.0, Edges::Published).is_nan());
    }

    #[test]
    fn the_rounded_erf_is_within_one_unit_of_libms_single_one() {
        let mut differ = 0;
        for i in 0..60_000 {
            let x = i as f32 * 1e-4;
            let (ours, single) = (erf(x), libm::erff(x));
            assert!(ours.to_bits().abs_diff(single.to_bits()) <= 1, "at {x}");
            differ += u32::from(ours != single);
        }
        assert!(differ > 0, "then libm::erff would do");
    }

    proptest! {
        #[test]
        fn a_multiple_of_the_step_in_range(d in -0.5f32..20.0, s in 0.0f32..3.0) {
            let p = typicality(d, s, Edges::Defined);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert_eq!((p / STEP).fract(), 0.0);
        }

        #[test]
        fn farther_is_never_more_typical(d in 0.0f32..5.0, more in 0.0f32..2.0, s in 1e-3f32..3.0) {
            let (near, far) = (typicality(d, s, Edges::Defined), typicality(d + more, s, Edges::Defined));
            prop_assert!(far <= near);
            prop_assert_eq!(near, typicality(d, s, Edges::Published));
        }
    }
}
