//! Bytes that nobody meant well: no panic, and no more memory than the limits or the file's own size allow.
use crate::allocation::largest_request;
use crate::bytes::{Nifti, Order, gzip};
use dymo_data::volume::{Intensity, Interpolation, Limits, Plane, SliceChoice, Volume, VolumeError, middle_slices};
use proptest::prelude::*;

/// Small, so that the bound is worth something: 64 Ki voxels are 256 KiB of f32.
const LIMITS: Limits = Limits { voxels: 1 << 16, bytes: 1 << 20 };

/// Buffers of fixed size (one block in f64, the inflater's tables), and room for twice the voxels at most.
const FIXED: usize = 512 << 10;

/// Whatever is read goes through everything that one does with a volume.
fn use_up(bytes: &[u8]) -> Result<(), VolumeError> {
    let (read, largest) = largest_request(|| Volume::from_reader(bytes, &LIMITS));
    assert!(largest <= FIXED, "{largest} bytes asked for");
    let mut volume = read?;
    if volume.data().len() > 4096 {
        return Ok(());
    }
    let _ = volume.summary().to_string();
    let _ = middle_slices(&volume);
    volume = volume.to_canonical().resample([3, 5, 2], Interpolation::Smooth)?;
    volume.normalise(Intensity::Percentile { low: 1.0, high: 99.0 })?;
    let input = volume.to_input(4, 3, 2, Plane::Axial, SliceChoice::Even)?;
    assert!(input.iter().all(|value| (-1e-3..=1.001).contains(value)), "{input:?}");
    Ok(())
}

/// Values at which readers go wrong.
fn odd_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0u8), Just(0xff), Just(0x7f), Just(0x80), Just(1), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..700), size: bool, packed: bool) {
        let mut bytes = bytes;
        if size && bytes.len() > 4 {
            bytes[..4].copy_from_slice(&348i32.to_le_bytes());
        }
        let _ = use_up(&if packed { gzip(&bytes) } else { bytes });
    }

    #[test]
    fn mutated_headers(
        two: bool, big: bool, packed: bool,
        changes in prop::collection::vec((0usize..540, odd_byte()), 1..12),
        cut in prop::option::of(0usize..600),
    ) {
        let mut bytes = Nifti::written(two, if big { Order::Big } else { Order::Little }).bytes();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let _ = use_up(&if packed { gzip(&bytes) } else { bytes });
    }

    /// Fields that fit each other but for their values: most of these files are read, at every place in space.
    #[test]
    fn plausible_fields(
        two: bool,
        dim in (1i64..8, prop::array::uniform7(1i64..5)),
        pixdim in prop::array::uniform8(any::<f32>()),
        (slope, inter) in (any::<f32>(), any::<f32>()),
        (qform, sform) in (-1i16..3, -1i16..3),
        quaternion in prop::array::uniform3(-0.7f64..0.7),
        rows in prop::array::uniform12(prop_oneof![8 => -9.0f32..9.0, 1 => any::<f32>()]),
    ) {
        let mut dims = [dim.0; 8];
        dims[1..].copy_from_slice(&dim.1);
        let row = |r: usize| std::array::from_fn(|column| f64::from(rows[4 * r + column]));
        let file = Nifti {
            dim: dims, slope: slope.into(), inter: inter.into(), qform, sform, quaternion,
            pixdim: pixdim.map(f64::from), rows: [row(0), row(1), row(2)],
            voxels: (0..1u32 << 15).map(|index| (index * 37 % 251) as u8).collect(), ..Nifti::written(two, Order::Little)
        };
        let result = use_up(&file.bytes());
        prop_assert!(matches!(result, Ok(()) | Err(VolumeError::Intercept { .. })), "{result:?}");
    }

    #[test]
    fn damaged_gzip(at in 0usize..10_000, value: u8) {
        let mut packed = gzip(&Nifti::default().bytes());
        let at = at % packed.len();
        packed[at] ^= value;
        let _ = use_up(&packed);
    }
}

#[test]
fn a_gzip_bomb_costs_its_limit_and_no_more() {
    let mut bytes = Nifti::default().bytes();
    bytes.resize(64 << 20, 0);
    let bomb = gzip(&bytes);
    assert!(bomb.len() < 1 << 20);
    let (result, largest) = largest_request(|| Volume::from_reader(bomb.as_slice(), &LIMITS));
    assert!(matches!(result, Err(VolumeError::TooManyBytes { limit: 0x10_0000, .. })), "{result:?}");
    assert!(largest <= FIXED, "{largest} bytes asked for");
}

#[test]
fn a_header_without_voxels_costs_nothing() {
    let file = Nifti { dim: [3, 600, 600, 600, 1, 1, 1, 1], voxels: Vec::new(), ..Nifti::default() };
    for bytes in [file.bytes(), gzip(&file.bytes())] {
        let (result, largest) = largest_request(|| Volume::from_reader(bytes.as_slice(), &Limits::default()));
        assert!(
            matches!(result, Err(VolumeError::Truncated { part: "voxels", found: 0, wanted: 432_000_000 })),
            "{result:?}"
        );
        assert!(largest <= FIXED, "{largest} bytes asked for");
    }
}
