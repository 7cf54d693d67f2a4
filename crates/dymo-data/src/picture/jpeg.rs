//! Whether a JPEG file is whole. The decoder fills what is cut off with grey and says nothing, so the end is looked for
//! here first. (Damage inside the picture's data shows only as a wrong picture: JPEG has no checksum.)

const START: [u8; 2] = [0xff, 0xd8];
const SCAN: u8 = 0xda;
const END: u8 = 0xd9;

/// Whether these are the first bytes of a JPEG file.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&START)
}

/// Whether the segments of a JPEG file lead to its end mark. What follows the mark is not looked at, and a mark inside
/// a segment, such as that of a thumbnail, does not count.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(START.len()..);
    while let Some((marker, after)) = rest.and_then(next_marker) {
        rest = match marker {
            END => return true,
            _ if stands_alone(marker) => Some(after),
            SCAN => skip_segment(after).and_then(skip_scan),
            _ => skip_segment(after),
        };
    }
    false
}

/// The marker that the bytes begin with, past any fill bytes, and what follows it.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let marker = bytes.iter().position(|&byte| byte != 0xff)?;
    (marker > 0).then(|| (bytes[marker], &bytes[marker + 1..]))
}

/// Markers without a length: restarts and the obsolete TEM.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0xd0..=0xd7 | 0x01)
}

/// What follows a segment, whose length (two bytes, counting themselves) comes first.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*bytes.first_chunk()?);
    (length >= 2).then(|| bytes.get(length as usize..))?
}

/// The first marker after a scan's data, in which 0xff is followed by zero or belongs to a restart.
fn skip_scan(bytes: &[u8]) -> Option<&[u8]> {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7);
    bytes.windows(2).position(ends).map(|at| &bytes[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A comment segment that holds an end mark, a scan with a stuffed byte and a restart, the end, and a trailer.
    const WHOLE: [u8; 23] =
        [0xff, 0xd8, 0xff, 0xfe, 0, 4, 0xff, 0xd9, 0xff, 0xff, 0xda, 0, 2, 1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xd9, 7];

    #[test]
    fn every_shorter_file_is_not_whole() {
        assert!(is_jpeg(&WHOLE) && is_whole(&WHOLE) && is_whole(&WHOLE[..22]));
        for keep in 0..22 {
            assert!(!is_whole(&WHOLE[..keep]), "{keep}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![Just(0xff), any::<u8>()], 0..80)) {
            let _ = is_whole(&bytes);
        }
    }
}
