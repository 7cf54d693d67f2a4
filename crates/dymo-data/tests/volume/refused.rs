//! One file for each reason to refuse it, and the reason by name and by numbers.
use crate::bytes::{Nifti, Order, gzip};
use dymo_data::volume::{Limits, Volume, VolumeError};

fn refused(bytes: &[u8]) -> VolumeError {
    Volume::from_reader(bytes, &Limits::default()).unwrap_err()
}

macro_rules! assert_refused {
    ($bytes:expr, $pattern:pat) => {
        let error = refused(&$bytes);
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

#[test]
fn extents() {
    use VolumeError::{Dimension, TooManyVoxels};
    for (two, order) in [(false, Order::Big), (true, Order::Little)] {
        let with = |dim| Nifti { dim, ..Nifti::written(two, order) }.bytes();
        assert_refused!(with([3, 2, -7, 2, 1, 1, 1, 1]), Dimension { index: 2, found: -7 });
        assert_refused!(with([3, 2, 2, 0, 1, 1, 1, 1]), Dimension { index: 3, found: 0 });
        assert_refused!(with([0, 2, 2, 2, 1, 1, 1, 1]), Dimension { index: 0, found: 0 });
        assert_refused!(with([8, 2, 2, 2, 1, 1, 1, 1]), Dimension { index: 0, found: 8 });
        assert_refused!(with([3, 32767, 32767, 32767, 1, 1, 1, 1]), TooManyVoxels { found: 35_181_150_961_663, .. });
        assert_refused!(
            with([7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]),
            TooManyVoxels { found: u64::MAX, .. }
        );
    }
    let endless = Nifti { dim: [3, i64::MAX, i64::MAX, 2, 1, 1, 1, 1], ..Nifti::written(true, Order::Little) };
    assert_refused!(endless.bytes(), TooManyVoxels { found: u64::MAX, .. });
}

#[test]
fn limits_are_kept_to_the_number() {
    let bytes = Nifti::default().bytes();
    let read = |voxels, limit| Volume::from_reader(bytes.as_slice(), &Limits { voxels, bytes: limit });
    assert!(read(12, 376).is_ok());
    assert!(matches!(read(11, 376), Err(VolumeError::TooManyVoxels { found: 12, limit: 11 })));
    assert!(matches!(read(12, 375), Err(VolumeError::TooManyBytes { found: 376, limit: 375 })));
    let told = read(11, 376).unwrap_err().to_string();
    assert_eq!(told, "12 voxels, at most 11 are read; crop the volume, or resample it to a coarser grid");
}

#[test]
fn types_that_are_no_single_real_number() {
    for (code, bits, word) in [
        (32, 64, "magnitude"),
        (1792, 128, "magnitude"),
        (128, 24, "channel"),
        (2304, 32, "channel"),
        (1536, 128, "float32"),
        (1, 1, "uint8"),
        (0, 0, "data type"),
    ] {
        let error = refused(&Nifti { data_type: code, bitpix: bits, ..Nifti::default() }.bytes());
        assert!(matches!(error, VolumeError::DataType { code: found, .. } if found == code), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn fields_that_contradict_each_other() {
    use VolumeError::{Bitpix, Intercept, Offset};
    let file = Nifti::default;
    assert_refused!(Nifti { bitpix: 8, ..file() }.bytes(), Bitpix { data_type: "int16", found: 8, wanted: 16 });
    assert_refused!(Nifti { offset: 351.0, ..file() }.bytes(), Offset { wanted: 352, .. });
    assert_refused!(Nifti { offset: 0.0, ..Nifti::written(true, Order::Big) }.bytes(), Offset { wanted: 544, .. });
    for offset in [f64::NAN, f64::INFINITY, -1.0, 352.5] {
        assert_refused!(Nifti { offset, ..file() }.bytes(), Offset { .. });
    }
    assert_refused!(Nifti { offset: 1e30, ..file() }.bytes(), VolumeError::TooManyBytes { found: u64::MAX, .. });
    assert_refused!(Nifti { slope: 2.0, inter: f64::NAN, ..file() }.bytes(), Intercept { .. });
}

#[test]
fn other_formats() {
    assert_refused!(*b"\x89PNG\r\n\x1a\n and so on", VolumeError::NotNifti { found: [0x89, b'P', b'N', b'G'] });
    assert_refused!(gzip(b"plain text"), VolumeError::NotNifti { .. });
    assert_refused!(gzip(&gzip(&Nifti::default().bytes())), VolumeError::NotNifti { .. });
    assert_refused!(Nifti { magic: b"\0\0\0\0", ..Nifti::default() }.bytes(), VolumeError::Signature { size: 348, .. });
    assert_refused!(Nifti { magic: b"n+2\0", ..Nifti::default() }.bytes(), VolumeError::Signature { .. });
    // A NIfTI-2 signature that went through a text-mode transfer.
    let text = Nifti { magic: b"n+2\0\n\n\x1a\n", ..Nifti::written(true, Order::Little) };
    assert_refused!(text.bytes(), VolumeError::Signature { size: 540, .. });
    assert_refused!(Nifti { magic: b"ni1\0", ..Nifti::default() }.bytes(), VolumeError::Detached);
}

#[test]
fn files_cut_short_anywhere() {
    for (two, order) in [(false, Order::Little), (true, Order::Big)] {
        let bytes = Nifti { offset: 600.0, ..Nifti::written(two, order) }.bytes();
        let size = if two { 540 } else { 348 };
        for length in 0..bytes.len() {
            let part = match length {
                _ if length < size => "header",
                _ if length < 600 => "extensions",
                _ => "voxels",
            };
            let error = refused(&bytes[..length]);
            assert!(
                matches!(error, VolumeError::Truncated { part: found, .. } if found == part),
                "{length}: {error:?}"
            );
        }
        let packed = gzip(&bytes);
        for length in 2..packed.len() {
            assert_refused!(packed[..length], VolumeError::Gzip { .. });
        }
    }
    assert_eq!(refused(&[]).to_string(), "cut short: 0 of 348 bytes of its header; copy or download it again");
}

#[test]
fn a_wrong_checksum_or_length() {
    let packed = gzip(&Nifti::default().bytes());
    for trailer in 1..=8 {
        let mut damaged = packed.clone();
        damaged[packed.len() - trailer] ^= 1;
        assert_refused!(damaged, VolumeError::Gzip { .. });
    }
    // Not only where the checksum comes at once after the voxels.
    let mut longer = Nifti::default().bytes();
    longer.extend([3; 5000]);
    let mut damaged = gzip(&longer);
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    assert_refused!(damaged, VolumeError::Gzip { .. });
}

#[test]
fn absent_files_and_half_pairs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.hdr");
    let error = Volume::read(&path, &Limits::default()).unwrap_err();
    assert!(matches!(error.problem(), VolumeError::Io { action: "open it", .. }));
    assert!(error.to_string().starts_with(&format!("{}: could not open it", path.display())), "{error}");
    assert!(error.to_string().ends_with("; correct the path, or put the file back"), "{error}");
    std::fs::write(&path, Nifti { magic: b"ni1\0", offset: 0.0, ..Nifti::default() }.header()).unwrap();
    let error = Volume::read(&path, &Limits::default()).unwrap_err();
    assert!(matches!(error.problem(), VolumeError::HalfPair { wanted } if wanted.ends_with("scan.img")), "{error}");
    std::fs::write(folder.path().join("scan.img"), [0; 23]).unwrap();
    let error = Volume::read(&path, &Limits::default()).unwrap_err();
    assert!(matches!(error.problem(), VolumeError::Truncated { part: "voxels", found: 23, wanted: 24 }), "{error}");
    let error = Volume::read(folder.path(), &Limits::default()).unwrap_err();
    let words = if cfg!(feature = "dicom") { "there is no DICOM file in the folder" } else { "--features dicom" };
    assert!(error.to_string().contains(words), "{error}");
}
