//! Bytes as a volume, and everything that one does with a volume.
#![no_main]

use dymo_data::volume::{Intensity, Limits, Plane, SliceChoice, Volume, middle_slices};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut volume) = Volume::from_reader(bytes, &Limits { voxels: 1 << 16, bytes: 1 << 20 }) else { return };
    assert!(!volume.summary().to_string().is_empty());
    let _ = middle_slices(&volume);
    if volume.data().len() > 4096 {
        return;
    }
    volume = volume.to_canonical();
    if volume.normalise(Intensity::Percentile { low: 1.0, high: 99.0 }).is_ok() {
        let _ = volume.to_input(4, 3, 2, Plane::Axial, SliceChoice::Even);
    }
});
