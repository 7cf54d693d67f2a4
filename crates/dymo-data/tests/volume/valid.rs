//! Files that must be read, and every value in them.
use crate::bytes::{Nifti, Order, gzip, ordered};
use dymo_data::volume::{AffineSource, Limits, Version, Volume};

fn read(bytes: &[u8]) -> Volume {
    Volume::from_reader(bytes, &Limits::default()).unwrap()
}

/// In the file's order, the first axis fastest.
fn values(volume: &Volume) -> Vec<f32> {
    volume.data().t().iter().copied().collect()
}

fn counted(to: i16) -> Vec<f32> {
    (0..to).map(f32::from).collect()
}

#[test]
fn both_versions_in_both_orders_plain_and_compressed() {
    for (two, order) in [(false, Order::Little), (false, Order::Big), (true, Order::Little), (true, Order::Big)] {
        let bytes = Nifti::written(two, order).bytes();
        for (gzipped, bytes) in [(false, bytes.clone()), (true, gzip(&bytes))] {
            let volume = read(&bytes);
            let stored = volume.stored().unwrap();
            assert_eq!((volume.grid(), volume.frames()), ([2, 3, 2], 1));
            assert_eq!(values(&volume), counted(12), "{two} {order:?} {gzipped}");
            assert_eq!(volume.data()[[1, 2, 1, 0]], 11.0);
            assert_eq!((stored.version == Version::Two, stored.gzip, stored.unit), (two, gzipped, "mm"));
            assert_eq!((volume.spacing(), volume.affine_source()), ([2.0; 3], AffineSource::Sform));
            assert_eq!(volume.affine()[2], [0.0, 0.0, 2.0, -3.0]);
        }
    }
}

#[test]
fn every_type_of_number_in_both_orders() {
    /// −1 (or 255 and so on), 1 and 100 in one type.
    macro_rules! three {
        ($type:ty, $code:expr) => {{
            let numbers = [(-1i8) as $type, 1 as $type, 100 as $type];
            ($code, numbers.map(|n| n.to_le_bytes().to_vec()), numbers.map(|n| n as f64 as f32))
        }};
    }
    let types = [
        three!(u8, 2),
        three!(i16, 4),
        three!(i32, 8),
        three!(f32, 16),
        three!(f64, 64),
        three!(i8, 256),
        three!(u16, 512),
        three!(u32, 768),
        three!(i64, 1024),
        three!(u64, 1280),
    ];
    for ((data_type, bytes, wanted), order) in types.iter().flat_map(|row| [(row, Order::Little), (row, Order::Big)]) {
        let swapped = bytes.iter().flat_map(|number| {
            let mut number = number.clone();
            if order == Order::Big {
                number.reverse();
            }
            number
        });
        let file = Nifti {
            dim: [1, 3, 1, 1, 1, 1, 1, 1],
            data_type: *data_type,
            bitpix: 8 * bytes[0].len() as i16,
            voxels: swapped.collect(),
            ..Nifti::written(false, order)
        };
        assert_eq!(values(&read(&file.bytes())), wanted, "type {data_type} {order:?}");
    }
}

#[test]
fn slope_and_intercept_are_applied_without_loss() {
    for (two, order) in [(false, Order::Little), (false, Order::Big), (true, Order::Little), (true, Order::Big)] {
        let file = Nifti { slope: 0.5, inter: -3.0, ..Nifti::written(two, order) };
        let volume = read(&file.bytes());
        assert_eq!(values(&volume)[..3], [-3.0, -2.5, -2.0]);
        assert_eq!(volume.stored().unwrap().scaling, Some((0.5, -3.0)));
    }
    // 2³⁰ + 1 − 2³⁰: in f32 the one would be lost before the intercept is added.
    let voxels = ordered(((1 << 30) + 1i32).to_le_bytes(), Order::Little).to_vec();
    let dim = [1, 1, 1, 1, 1, 1, 1, 1];
    let file = Nifti { dim, data_type: 8, bitpix: 32, inter: -(2f64.powi(30)), voxels, ..Nifti::default() };
    assert_eq!(values(&read(&file.bytes())), [1.0]);
}

#[test]
fn a_slope_that_is_no_slope_leaves_values_alone() {
    for slope in [0.0, f64::NAN, f64::INFINITY] {
        let file = Nifti { slope, inter: f64::NAN, ..Nifti::default() };
        assert_eq!(values(&read(&file.bytes())), counted(12), "slope {slope}");
    }
}

#[test]
fn voxels_begin_where_the_header_says() {
    for two in [false, true] {
        let file = Nifti { offset: 1024.0, ..Nifti::written(two, Order::Little) };
        assert_eq!(values(&read(&file.bytes())), counted(12));
        assert_eq!(values(&read(&gzip(&file.bytes()))), counted(12));
    }
}

#[test]
fn gzip_of_several_members_is_one_stream() {
    let bytes = Nifti::default().bytes();
    let members: Vec<u8> = [&bytes[..100], &bytes[100..360], &bytes[360..]].into_iter().flat_map(gzip).collect();
    assert_eq!(values(&read(&members)), counted(12));
}

#[test]
fn bytes_after_the_voxels_do_not_matter() {
    let mut bytes = Nifti::default().bytes();
    bytes.extend([7; 1000]);
    assert_eq!(values(&read(&bytes)), counted(12));
    assert_eq!(values(&read(&gzip(&bytes))), counted(12));
}

#[test]
fn axes_beyond_the_third_are_frames() {
    let file = Nifti { dim: [4, 2, 1, 2, 3, 1, 1, 1], ..Nifti::default() };
    let volume = read(&file.bytes());
    assert_eq!((volume.grid(), volume.frames()), ([2, 1, 2], 3));
    assert_eq!(values(&volume.frame(1).unwrap()), [4.0, 5.0, 6.0, 7.0]);
    let file = Nifti { dim: [5, 1, 1, 2, 3, 2, 9, 9], ..Nifti::default() };
    let volume = read(&file.bytes());
    assert_eq!((volume.frames(), volume.stored().unwrap().dims.as_slice()), (6, [1, 1, 2, 3, 2].as_slice()));
    let flat = Nifti { dim: [2, 3, 4, 0, -1, 0, 0, 0], ..Nifti::default() };
    assert_eq!(read(&flat.bytes()).grid(), [3, 4, 1]);
}

#[test]
fn nan_voxels_are_counted_and_stay() {
    let voxels = [1.0f32, f32::NAN, f32::INFINITY].into_iter().flat_map(f32::to_le_bytes).collect();
    let file = Nifti { dim: [1, 3, 1, 1, 1, 1, 1, 1], data_type: 16, bitpix: 32, voxels, ..Nifti::default() };
    let volume = read(&file.bytes());
    let statistics = volume.summary().statistics;
    assert_eq!((volume.nan_count(), statistics.nan, statistics.infinite, statistics.maximum), (1, 1, 1, 1.0));
}

#[test]
fn more_than_one_block_of_voxels() {
    let voxels: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let file = Nifti { dim: [3, 200, 100, 10, 1, 1, 1, 1], data_type: 768, bitpix: 32, voxels, ..Nifti::default() };
    let volume = read(&gzip(&file.bytes()));
    assert!(values(&volume).iter().enumerate().all(|(index, &value)| value == index as f32));
}

#[test]
fn files_and_pairs_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let bytes = Nifti::default().bytes();
    // What a name promises is not asked.
    for path in [write("a.nii", &gzip(&bytes)), write("b.nii.gz", &bytes), write("c", &bytes)] {
        assert_eq!(values(&Volume::read(path, &Limits::default()).unwrap()), counted(12));
    }
    let half = |magic, two, offset| Nifti { magic, offset, ..Nifti::written(two, Order::Big) };
    for (name, pair) in [("one.1", half(b"ni1\0", false, 0.0)), ("two.1", half(b"ni2\0\r\n\x1a\n", true, 8.0))] {
        let mut voxels = vec![0; pair.offset as usize];
        voxels.extend(&pair.voxels);
        let header = write(&format!("{name}.hdr"), &pair.header());
        write(&format!("{name}.img.gz"), &gzip(&voxels));
        for path in [header, folder.path().join(format!("{name}.img.gz"))] {
            assert_eq!(values(&Volume::read(path, &Limits::default()).unwrap()), counted(12));
        }
    }
}

#[test]
fn the_summary_says_what_the_file_holds() {
    let file = Nifti { slope: 2.0, inter: 1.0, ..Nifti::written(true, Order::Big) };
    let text = read(&gzip(&file.bytes())).summary().to_string();
    let wanted = "format       NIfTI-2, gzip\n\
                  stored as    int16, big-endian\n\
                  scaling      value = 2 * stored + 1\n\
                  shape        2 x 3 x 2\n\
                  spacing      2 x 2 x 2 mm\n\
                  orientation  RAS (from sform)\n\
                  values       1 to 23, mean 12, standard deviation 6.90411";
    assert_eq!(text, wanted);
}
