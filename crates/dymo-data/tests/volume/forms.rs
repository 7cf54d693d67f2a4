//! Where a volume lies in space, by each of the header's three descriptions.
use crate::bytes::{Nifti, Order};
use dymo_data::volume::{AffineSource, Limits, Volume, middle_slices};

fn read(file: &Nifti) -> Volume {
    Volume::from_reader(file.bytes().as_slice(), &Limits::default()).unwrap()
}

#[test]
fn qform_with_qfac_minus_one() {
    for two in [false, true] {
        let file = Nifti {
            sform: 0,
            qform: 1,
            pixdim: [-1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0],
            quaternion: [0.0, 0.0, 1.0], // half a turn about the third axis
            origin: [10.0, 20.0, 30.0],
            ..Nifti::written(two, Order::Big)
        };
        let volume = read(&file);
        let wanted = [[-2.0, 0.0, 0.0, 10.0], [0.0, -3.0, 0.0, 20.0], [0.0, 0.0, -4.0, 30.0]];
        assert_eq!(volume.affine()[..3], wanted);
        assert_eq!((volume.orientation().to_string().as_str(), volume.affine_source()), ("LPI", AffineSource::Qform));
    }
}

#[test]
fn a_quaternion_slightly_too_long_is_a_rotation_still() {
    let half = std::f64::consts::FRAC_1_SQRT_2 + 1e-5;
    let file = Nifti { sform: 0, qform: 1, quaternion: [half, half, 0.0], ..Nifti::default() };
    let volume = read(&file);
    assert_eq!(volume.affine_source(), AffineSource::Qform);
    assert!(volume.spacing().iter().all(|step| (step - 2.0).abs() < 1e-6), "{:?}", volume.spacing());
    assert_eq!(volume.orientation().to_string(), "ARI");
}

#[test]
fn without_forms_the_orientation_is_a_guess_and_says_so() {
    for (sform, qform, rows) in [(0, 0, [[1.0; 4]; 3]), (1, 0, [[f64::NAN; 4]; 3]), (-1, -1, [[0.0; 4]; 3])] {
        let volume = read(&Nifti { sform, qform, rows, ..Nifti::default() });
        assert_eq!(volume.affine_source(), AffineSource::Assumed);
        assert_eq!(volume.affine()[..3], [[-2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, -2.0], [0.0, 0.0, 2.0, -1.0]]);
        assert!(volume.summary().to_string().contains("LAS (ASSUMED"));
    }
}

#[test]
fn a_picture_never_claims_sides_that_nobody_knows() {
    // Large enough for letters, dark throughout: only letters are bright.
    let file = Nifti { dim: [3, 2, 3, 2, 1, 1, 1, 1], voxels: vec![0; 24], ..Nifti::default() };
    let lettered = |file: &Nifti| middle_slices(&read(file)).pixels().contains(&255);
    assert!(lettered(&file));
    assert!(!lettered(&Nifti { sform: 0, ..file }));
}
