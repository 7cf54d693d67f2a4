use super::*;
use crate::samples::read_batch;
use dymo_core::ModalitySet;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::OnceLock;

fn datasets() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets"))
}

/// The real data, opened once for all tests.
fn real() -> &'static PolyMnistSplits {
    static REAL: OnceLock<PolyMnistSplits> = OnceLock::new();
    REAL.get_or_init(|| PolyMnist::open(datasets(), 2025).unwrap())
}

/// Digits whose first pixel is their index and whose second is ink; label = index modulo 10.
fn digits(count: usize, side: usize) -> Arc<LabelledPictures> {
    let header = |extents: &[usize]| {
        let mut bytes = vec![0, 0, 8, extents.len() as u8];
        bytes.extend(extents.iter().flat_map(|&e| (e as u32).to_be_bytes()));
        bytes
    };
    let mut pictures = header(&[count, side, side]);
    for index in 0..count {
        let mut pixels = vec![0; side * side];
        (pixels[0], pixels[1]) = (index as u8, 129);
        pictures.extend(pixels);
    }
    let mut labels = header(&[count]);
    labels.extend((0..count).map(|index| (index % 10) as u8));
    let read = |bytes: &[u8]| Idx::read(bytes, Limits::default()).unwrap();
    Arc::new(LabelledPictures::new(read(&pictures), read(&labels)).unwrap())
}

/// Photographs in which a pixel's red is its row and its green its column.
fn photographs(height: usize, width: usize) -> Arc<[Picture]> {
    let values = (0..height).flat_map(|y| (0..width).flat_map(move |x| [y as u8, x as u8, 7]));
    let picture = Picture::new(height, width, Colour::Rgb, values.collect()).unwrap();
    vec![picture; MODALITIES].into()
}

fn small(seed: u64, part: Part) -> PolyMnist {
    let members: Vec<usize> = (0..100).collect();
    PolyMnist::make(digits(100, SIDE), &members, photographs(40, 50), part, seed).unwrap()
}

fn picture(samples: &PolyMnist, index: usize, modality: usize) -> Vec<f32> {
    let mut out = vec![0.0; SIDE * SIDE * CHANNELS];
    samples.read(index, modality, &mut out).unwrap();
    out
}

#[test]
fn the_parts_have_their_sizes_and_share_no_digit() {
    let PolyMnistSplits { train, validation, test } = real();
    assert_eq!((train.len(), validation.len(), test.len()), (60_000, 3_000, 7_000));
    assert_eq!(train.observed(0), ModalitySet::full(5));
    for modality in 0..MODALITIES {
        let ours: HashSet<u32> = validation.drawn[modality].iter().copied().collect();
        assert_eq!(ours.len(), 3_000);
        assert!(test.drawn[modality].iter().all(|digit| !ours.contains(digit)));
    }
}

#[test]
fn every_modality_shows_the_samples_class_and_uses_every_digit_once() {
    for part in [&real().train, &real().validation, &real().test] {
        for drawn in &part.drawn {
            let classes = drawn.iter().map(|&digit| part.digits.labels()[digit as usize]);
            assert!(classes.eq(part.labels.iter().copied()));
            assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), part.len());
        }
    }
}

#[test]
fn label_distribution_is_mnists() {
    let PolyMnistSplits { train, validation, test } = real();
    let count = |part: &PolyMnist| {
        let mut counts = [0usize; CLASSES];
        (0..part.len()).for_each(|index| counts[part.label(index)] += 1);
        counts
    };
    assert_eq!(count(train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    let (validation, test) = (count(validation), count(test));
    let whole = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
    assert_eq!(std::array::from_fn(|k| validation[k] + test[k]), whole);
    // Hypergeometric: standard deviation at most 15; five of them.
    for class in 0..CLASSES {
        let expected = whole[class] as f64 * 0.3;
        assert!((validation[class] as f64 - expected).abs() < 75.0, "{validation:?}");
    }
    // Mixed, not sorted: the first hundred hold every class.
    let first: HashSet<usize> = (0..100).map(|index| real().test.label(index)).collect();
    assert_eq!(first.len(), CLASSES);
}

#[test]
fn orders_differ_between_modalities() {
    let train = &real().train;
    for a in 0..MODALITIES {
        for b in 0..a {
            let same = train.drawn[a].iter().zip(&train.drawn[b]).filter(|(x, y)| x == y);
            // Ten random orders have one fixed point each on average.
            assert!(same.count() < 50);
        }
    }
}

#[test]
fn ink_inverts_the_photograph_and_paper_shows_it() {
    let samples = small(3, Part::Train);
    for index in 0..20 {
        for modality in 0..MODALITIES {
            let [top, left] = samples.cut(index, modality);
            let out = picture(&samples, index, modality);
            let expected = |y: usize, x: usize| [(top + y) as u8, (left + x) as u8, 7];
            for (place, got) in out.chunks_exact(CHANNELS).enumerate() {
                let (y, x) = (place / SIDE, place % SIDE);
                // The second pixel is ink (129); the first only where the digit's number is above 128, so nowhere.
                let colours = expected(y, x).map(|v| if (y, x) == (0, 1) { 255 - v } else { v });
                assert_eq!(got, colours.map(|v| f32::from(v) / 255.0), "at {y},{x}");
            }
        }
    }
}

#[test]
fn cuts_reach_every_edge_and_never_leave_the_photograph() {
    let samples = small(8, Part::Test);
    let (mut tops, mut lefts) = (HashSet::new(), HashSet::new());
    for index in 0..10_000 {
        let [top, left] = samples.cut(index, index % MODALITIES);
        assert!(top <= 40 - SIDE && left <= 50 - SIDE);
        tops.insert(top);
        lefts.insert(left);
    }
    assert_eq!((tops.len(), lefts.len()), (13, 23));
}

#[test]
fn a_photograph_as_small_as_the_picture_has_one_cut() {
    let members: Vec<usize> = (0..100).collect();
    let samples = PolyMnist::make(digits(100, SIDE), &members, photographs(SIDE, SIDE), Part::Train, 1).unwrap();
    assert_eq!(samples.cut(5, 2), [0, 0]);
}

#[test]
fn one_seed_one_data_set() {
    let (first, again, other) = (small(1, Part::Train), small(1, Part::Train), small(2, Part::Train));
    assert_eq!(first.drawn, again.drawn);
    assert_ne!(first.drawn, other.drawn);
    assert_ne!(first.drawn, small(1, Part::Test).drawn);
    // Read in another order, and from another part: the same, and not the same.
    let later = picture(&again, 7, 3);
    assert_eq!(picture(&first, 7, 3), picture(&again, 7, 3));
    assert_eq!(later, picture(&first, 7, 3));
    assert_ne!(later, picture(&other, 7, 3));
    assert_ne!(later, picture(&small(1, Part::Test), 7, 3));
}

#[test]
fn the_data_of_a_seed_is_fixed_for_ever() {
    // Of seed 2025, computed once: whoever changes a draw changes every result made from the seed.
    let mut bytes = Vec::new();
    for part in [&real().train, &real().validation, &real().test] {
        for (index, modality) in [(0, 0), (17, 4), (2_999, 2)] {
            let values = picture(part, index, modality);
            bytes.extend(values.iter().map(|v| (v * 255.0).round() as u8));
        }
    }
    assert_eq!(crate::checksum::sha256_hex(&bytes), NINE_PICTURES_OF_SEED_2025);
}

/// None of modality 3: its photograph is a JPEG, whose decoding may differ by a step between versions of the decoder.
const NINE_PICTURES_OF_SEED_2025: &str = "98b20fa286da15142c2a3a701ab961e78c887bfe3e3a315aca108c30be775aa9";

#[test]
fn values_are_in_the_unit_interval_and_a_batch_is_its_samples() {
    let test = &real().test;
    let indices: Vec<usize> = (0..64).map(|i| i * 100).collect();
    let mut out = Vec::new();
    for modality in 0..MODALITIES {
        read_batch(test, &indices, modality, &mut out).unwrap();
        assert!(out.iter().all(|v| (0.0..=1.0).contains(v)));
        for (row, &index) in out.chunks_exact(2352).zip(&indices) {
            assert_eq!(row, picture(test, index, modality));
        }
    }
}

#[test]
fn one_refusal_per_rule() {
    let make = |digits, members: &[usize], photographs| {
        PolyMnist::make(digits, members, photographs, Part::Train, 0).unwrap_err()
    };
    let (good_digits, good_photographs) = (digits(10, SIDE), photographs(30, 30));
    assert!(matches!(
        make(digits(10, 27), &[0], good_photographs.clone()),
        PolyMnistError::DigitSize { found: [27, 27] }
    ));
    assert!(matches!(
        make(good_digits.clone(), &[0, 10], good_photographs),
        PolyMnistError::NoSuchDigit { index: 10, count: 10 }
    ));
    assert!(matches!(
        make(good_digits.clone(), &[0], photographs(30, 27)),
        PolyMnistError::PhotographSize { index: 0, found: [30, 27], channels: 3 }
    ));
    assert!(matches!(
        make(good_digits, &[0], photographs(30, 30)[..4].to_vec().into()),
        PolyMnistError::PhotographCount { found: 4 }
    ));
    assert!(matches!(divide(3_000, VALIDATION, 0), Err(PolyMnistError::TooFewDigits { found: 3_000, .. })));
}

#[test]
fn a_damaged_or_absent_file_is_named() {
    let copy = tempfile::tempdir().unwrap();
    let message = PolyMnist::open(copy.path(), 0).unwrap_err().to_string();
    assert!(message.contains("mnist/SHA256SUMS"), "{message}");
    let mnist = copy.path().join("mnist");
    std::fs::create_dir(&mnist).unwrap();
    for name in ["SHA256SUMS", "train-labels-idx1-ubyte.gz"] {
        std::fs::copy(datasets().join("mnist").join(name), mnist.join(name)).unwrap();
    }
    std::fs::write(mnist.join("train-images-idx3-ubyte.gz"), "half a file").unwrap();
    let message = PolyMnist::open(copy.path(), 0).unwrap_err().to_string();
    assert!(message.contains("train-images-idx3-ubyte.gz has sha256"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_members_and_seed_deal_the_members_classes(
        seed in any::<u64>(),
        members in proptest::collection::hash_set(0usize..200, 0..80),
    ) {
        let members: Vec<usize> = members.into_iter().collect();
        let made = PolyMnist::make(digits(200, SIDE), &members, photographs(28, 40), Part::Validation, seed).unwrap();
        for drawn in &made.drawn {
            let mut dealt: Vec<usize> = drawn.iter().map(|&d| d as usize).collect();
            for (&digit, &member) in dealt.iter().zip(&members) {
                prop_assert_eq!(digit % 10, member % 10);
            }
            let mut all = members.clone();
            dealt.sort_unstable();
            all.sort_unstable();
            prop_assert_eq!(dealt, all);
        }
    }
}
