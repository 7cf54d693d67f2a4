//! Bytes as an IDX array, plain or compressed, and as a NumPy array.
#![no_main]

use dymo_data::idx::{self, Idx};
use dymo_data::npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = Idx::read(bytes, idx::Limits::default()) {
        assert_eq!(array.shape().iter().product::<usize>(), array.values().len());
    }
    if let Ok(array) = npy::Npy::read(bytes, npy::Limits::default()) {
        assert_eq!(array.shape().iter().product::<usize>(), array.values().len());
    }
});
