//! Bytes as a picture (PNG, JPEG), and everything that one does with a picture.
#![no_main]

use dymo_data::picture::{Colour, Picture};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for colour in [Colour::Grey, Colour::Rgb] {
        let Ok(picture) = Picture::decode(bytes, colour) else { continue };
        assert_eq!(picture.values().len(), picture.height() * picture.width() * colour.channels());
        let small = picture.resized(5, 7).expect("any picture has a small form");
        assert_eq!(small.values().len(), 35 * colour.channels());
    }
});
