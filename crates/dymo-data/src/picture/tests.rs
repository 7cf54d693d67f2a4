use super::*;
use proptest::prelude::*;

#[test]
fn arrays_are_pictures() {
    let decode = |descr: &str, shape: &str, bytes: &[u8], colour| {
        Picture::decode(&npy::bytes_of(descr, false, shape, bytes), colour)
    };
    let rgb = decode("|u1", "(1, 2, 3)", &[1, 2, 3, 4, 5, 6], Colour::Rgb).unwrap();
    assert_eq!((rgb.values(), rgb.width()), (&[1, 2, 3, 4, 5, 6][..], 2));
    let real: Vec<u8> = [0.0f32, 0.5, 1.0].into_iter().flat_map(f32::to_le_bytes).collect();
    assert_eq!(decode("<f4", "(1, 3)", &real, Colour::Grey).unwrap().values(), [0, 128, 255]);
    assert_eq!(decode("|u1", "(1, 1)", &[9], Colour::Rgb).unwrap().values(), [9; 3]);
    let wrong = decode("|u1", "(1, 1, 2)", &[9, 9], Colour::Rgb).unwrap_err().to_string();
    assert!(wrong.contains("[1, 1, 2]"), "{wrong}");
    assert!(decode("|u1", "(1, 1)", &[], Colour::Rgb).is_err());
}

/// No value is replaced by the nearest that a pixel can have: a scan of 12 bits would be white all over.
#[test]
fn arrays_beyond_a_byte_are_refused() {
    let decode = |descr: &str, bytes: &[u8]| {
        let shape = format!("(1, {})", bytes.len() / usize::from(descr.as_bytes()[2] - b'0'));
        Picture::decode(&npy::bytes_of(descr, false, &shape, bytes), Colour::Grey)
    };
    let real = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let refused = |descr: &str, bytes: &[u8]| decode(descr, bytes).unwrap_err().to_string();
    assert_eq!(
        refused("<u2", &[255, 0, 0xff, 0x0f]),
        "the array holds 4095, wanted whole numbers from 0 to 255; scale it to 0…1 as real numbers, or to 0…255 \
         and save it as u8"
    );
    assert!(refused("<i2", &(-3i16).to_le_bytes()).starts_with("the array holds -3, wanted whole numbers"));
    for (value, text) in [(255.0, "255"), (-0.5, "-0.5"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let told = refused("<f4", &real(&[0.5, value]));
        assert!(told.starts_with(&format!("the array holds {text}, wanted real numbers from 0 to 1")), "{told}");
    }
    // What is one only for rounding, on resizing for instance, is one.
    assert_eq!(decode("<f4", &real(&[-1e-6, 1.000_001])).unwrap().values(), [0, 255]);
    assert_eq!(decode("<u2", &[7, 0, 255, 0]).unwrap().values(), [7, 255]);
    assert_eq!(decode("|b1", &[0, 1]).unwrap().values(), [0, 255]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.npy");
    std::fs::write(&path, npy::bytes_of("<u2", false, "(1, 1)", &[0, 1])).unwrap();
    let told = Picture::open(&path, Colour::Grey).unwrap_err().to_string();
    assert!(told.contains("scan.npy: the array holds 256"), "{told}");
}

/// A grey ramp of 3 rows and 2 columns as PNG and JPEG, and what EXIF says of each orientation.
#[test]
fn pictures_are_turned_as_a_viewer_turns_them() {
    // Big-endian TIFF, one entry: tag 0x112, a short, one of it.
    let exif = |orientation: u8| {
        let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        exif
    };
    let stored = Picture::new(3, 2, Colour::Grey, vec![0, 50, 100, 150, 200, 250]).unwrap();
    let png = |orientation: u8| {
        let mut bytes = stored.to_png().unwrap();
        let chunk = [b"eXIf", &exif(orientation)[..]].concat();
        let length = (chunk.len() as u32 - 4).to_be_bytes();
        let whole = [&length[..], &chunk, &crc32(&chunk).to_be_bytes()].concat();
        // Behind the header, which has 13 bytes.
        bytes.splice(33..33, whole);
        bytes
    };
    let seen = |orientation: u8| {
        let picture = Picture::decode(&png(orientation), Colour::Grey).unwrap();
        ([picture.height(), picture.width()], picture.values().to_vec())
    };
    assert_eq!(seen(1), ([3, 2], vec![0, 50, 100, 150, 200, 250]));
    assert_eq!(seen(3), ([3, 2], vec![250, 200, 150, 100, 50, 0]));
    assert_eq!(seen(6), ([2, 3], vec![200, 100, 0, 250, 150, 50]));
    assert_eq!(seen(8), ([2, 3], vec![50, 150, 250, 0, 100, 200]));
    assert_eq!(seen(9), seen(1), "no orientation");
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    encoder.write_image(&ramp(20, 12, Colour::Grey).values, 12, 20, ExtendedColorType::L8).unwrap();
    let segment = [b"Exif\0\0", &exif(6)[..]].concat();
    let length = (segment.len() as u16 + 2).to_be_bytes();
    jpeg.splice(2..2, [&[0xff, 0xe1], &length[..], &segment].concat());
    let turned = Picture::decode(&jpeg, Colour::Grey).unwrap();
    assert_eq!((turned.height(), turned.width()), (12, 20));
}

#[test]
fn what_is_lost_of_16_bits_is_told() {
    let png = |image: DynamicImage| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let grey =
        |values: Vec<u16>| png(image::ImageBuffer::from_raw(2, 1, values).map(DynamicImage::ImageLuma16).unwrap());
    let (picture, losses) = Picture::decode_with_losses(&grey(vec![0, 99]), Colour::Grey).unwrap();
    assert_eq!(picture.values(), [0, 0]);
    assert_eq!(losses, Losses { transparent: 0, depth: Some(Depth { bits: 16, largest: 99 }) });
    let (picture, losses) = Picture::decode_with_losses(&grey(vec![0x8000, 65535]), Colour::Grey).unwrap();
    assert_eq!((picture.values(), losses.depth.unwrap().largest), (&[128, 255][..], 65535));
    let glass = image::ImageBuffer::from_raw(1, 1, vec![7u16, 8, 9, 300]).map(DynamicImage::ImageRgba16).unwrap();
    let (_, losses) = Picture::decode_with_losses(&png(glass), Colour::Rgb).unwrap();
    assert_eq!(losses, Losses { transparent: 1, depth: Some(Depth { bits: 16, largest: 9 }) });
    let plain = ramp(2, 2, Colour::Rgb).to_png().unwrap();
    assert_eq!(Picture::decode_with_losses(&plain, Colour::Rgb).unwrap().1, Losses::default());
}

#[test]
fn a_crop_lies_within_the_picture() {
    let picture = ramp(3, 4, Colour::Grey);
    let crop = |top, left, height, width| picture.cropped(Crop { top, left, height, width });
    assert_eq!(crop(1, 2, 2, 2).unwrap().values(), [42, 49, 70, 77]);
    assert_eq!(crop(0, 0, 3, 4).unwrap(), picture);
    for (top, left, height, width) in [(0, 0, 0, 1), (2, 0, 2, 1), (0, usize::MAX, 1, 2)] {
        assert!(matches!(crop(top, left, height, width), Err(PictureError::Crop { .. })));
    }
}

fn ramp(height: usize, width: usize, colour: Colour) -> Picture {
    let values = (0..height * width * colour.channels()).map(|i| (i * 7) as u8);
    Picture::new(height, width, colour, values.collect()).unwrap()
}

#[test]
fn png_round_trip_keeps_every_value() {
    let folder = tempfile::tempdir().unwrap();
    for colour in [Colour::Grey, Colour::Rgb] {
        let path = folder.path().join("ramp.png");
        ramp(5, 9, colour).save_png(&path).unwrap();
        assert_eq!(Picture::open(&path, colour).unwrap(), ramp(5, 9, colour));
    }
}

#[test]
fn f32_and_back() {
    let picture = ramp(3, 4, Colour::Rgb);
    let mut values = vec![0.0; 36];
    picture.write_f32(&mut values).unwrap();
    assert_eq!(values[1], 7.0 / 255.0);
    assert_eq!(Picture::from_f32(3, 4, Colour::Rgb, &values).unwrap(), picture);
    let odd = Picture::from_f32(1, 4, Colour::Grey, &[-1.0, 2.0, f32::NAN, 0.5]).unwrap();
    assert_eq!(odd.values(), [0, 255, 0, 128]);
}

#[test]
fn resizing_averages() {
    let checks = Picture::new(2, 2, Colour::Grey, vec![0, 100, 100, 200]).unwrap();
    assert_eq!(checks.resized(1, 1).unwrap().values(), [100]);
    let larger = checks.resized(4, 6).unwrap();
    assert_eq!((larger.height(), larger.width()), (4, 6));
    assert!(matches!(checks.resized(0, 4), Err(PictureError::Side { height: 0, width: 4 })));
}

#[test]
fn one_refusal_per_rule() {
    let short = Picture::new(2, 2, Colour::Rgb, vec![0; 11]);
    assert!(matches!(short, Err(PictureError::Length { found: 11, wanted: 12 })));
    let mut out = [0.0; 5];
    assert!(ramp(2, 2, Colour::Grey).write_f32(&mut out).is_err());
    assert!(matches!(Picture::decode(b"no picture", Colour::Rgb), Err(PictureError::Decode(_))));
    let refused = |bytes: &[u8]| Picture::decode(bytes, Colour::Rgb).unwrap_err().to_string();
    assert!(refused(b"BM other formats").ends_with("convert it to PNG or JPEG"), "{}", refused(b"BM other formats"));
    let png = Picture::new(9, 9, Colour::Grey, (0..81).collect()).unwrap().to_png().unwrap();
    let cut = refused(&png[..png.len() / 2]);
    assert!(cut.ends_with("the file is cut short or damaged, fetch or write it again"), "{cut}");
    let png = ramp(20, 20, Colour::Rgb).to_png().unwrap();
    assert!(Picture::decode(&png[..png.len() / 2], Colour::Rgb).is_err());
    let error = Picture::open(Path::new("/nowhere.png"), Colour::Rgb).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere.png: "), "{error}");
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
    // 9000×2 pixels are few bytes but one side too long; the checksum of the header chunk is recomputed.
    let mut png = ramp(2, 2, Colour::Grey).to_png().unwrap();
    png[16..20].copy_from_slice(&9000u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let message = Picture::decode(&png, Colour::Grey).unwrap_err().to_string();
    assert!(message.contains("8192"), "{message}");
}

#[test]
fn a_truncated_photograph_is_refused() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/photographs/rocket.jpg"));
    let jpeg = std::fs::read(path).unwrap();
    assert!(Picture::decode(&jpeg, Colour::Rgb).is_ok());
    for keep in [20, 2_000, 20_000, 60_000, 110_000, jpeg.len() - 100] {
        assert!(Picture::decode(&jpeg[..keep], Colour::Rgb).is_err(), "{keep} of {} bytes", jpeg.len());
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Picture::decode(&bytes, Colour::Rgb);
        let _ = Picture::decode(&[b"\x89PNG\r\n\x1a\n", &bytes[..]].concat(), Colour::Grey);
        let _ = Picture::decode(&[b"\xff\xd8\xff\xe0", &bytes[..]].concat(), Colour::Rgb);
    }

    #[test]
    fn a_damaged_picture_never_panics(at in 0usize..2_000, by in 1u8..) {
        let picture = ramp(9, 7, Colour::Rgb);
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        encoder.write_image(picture.values(), 7, 9, ExtendedColorType::Rgb8).unwrap();
        for mut bytes in [picture.to_png().unwrap(), jpeg] {
            let at = at % bytes.len();
            bytes[at] ^= by;
            let _ = Picture::decode(&bytes, Colour::Rgb);
        }
    }
}
