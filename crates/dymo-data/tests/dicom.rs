//! Folders of DICOM slices, written byte by byte in the three forms that need no decoder.
#![cfg(feature = "dicom")]

use dymo_data::volume::{Limits, Volume, VolumeError};
use std::path::Path;

const COLUMNS: usize = 4;
const ROWS: usize = 3;

struct Written {
    series: &'static str,
    position: [f64; 3],
    syntax: &'static str,
    signed: bool,
    spacing: &'static str,
}

const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const BIG: &str = "1.2.840.10008.1.2.2";

fn slice(z: f64) -> Written {
    Written { series: "1.2.3", position: [10.0, 20.0, z], syntax: EXPLICIT, signed: false, spacing: "2.0\\0.5" }
}

/// A data element in one of the three uncompressed forms.
fn element(syntax: &str, tag: (u16, u16), vr: &str, value: &[u8]) -> Vec<u8> {
    let (big, implicit) = (syntax == BIG, syntax == IMPLICIT);
    let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let long = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let length = value.len() as u32;
    let mut bytes = [short(tag.0), short(tag.1)].concat();
    match (implicit, vr) {
        (true, _) => bytes.extend(long(length)),
        (false, "OB" | "OW") => bytes.extend([vr.as_bytes(), &[0, 0], &long(length)].concat()),
        (false, _) => bytes.extend([vr.as_bytes(), &short(length as u16)].concat()),
    }
    [bytes, value].concat()
}

/// Pixel (x, y) of a slice is 100 y + x, plus ten times its height.
fn write(folder: &Path, name: &str, slice: &Written) {
    let [x, y, z] = slice.position;
    let class = b"1.2.840.10008.5.1.4.1.1.4";
    let head = [
        element(EXPLICIT, (2, 1), "OB", &[0, 1]),
        element(EXPLICIT, (2, 2), "UI", class),
        element(EXPLICIT, (2, 3), "UI", b"1.2.3.4"),
        element(EXPLICIT, (2, 0x10), "UI", slice.syntax.as_bytes()),
        element(EXPLICIT, (2, 0x12), "UI", b"1.2.3"),
    ]
    .concat();
    let word = |n: u16| if slice.syntax == BIG { n.to_be_bytes() } else { n.to_le_bytes() };
    let pixel = |i: usize| (100 * (i / COLUMNS) + i % COLUMNS) as i16 + (10.0 * z) as i16;
    let pixels: Vec<u8> = (0..ROWS * COLUMNS).flat_map(|i| word(pixel(i) as u16 & 0x0fff)).collect();
    let put = |tag, vr, value: &[u8]| element(slice.syntax, tag, vr, value);
    let body = [
        put((0x0008, 0x0016), "UI", class),
        put((0x0020, 0x000E), "UI", slice.series.as_bytes()),
        put((0x0020, 0x0032), "DS", format!("{x}\\{y}\\{z}").as_bytes()),
        put((0x0020, 0x0037), "DS", b"1\\0\\0\\0\\1\\0"),
        put((0x0028, 0x0002), "US", &word(1)),
        put((0x0028, 0x0010), "US", &word(ROWS as u16)),
        put((0x0028, 0x0011), "US", &word(COLUMNS as u16)),
        put((0x0028, 0x0030), "DS", slice.spacing.as_bytes()),
        put((0x0028, 0x0100), "US", &word(16)),
        put((0x0028, 0x0101), "US", &word(12)),
        put((0x0028, 0x0103), "US", &word(u16::from(slice.signed))),
        put((0x0028, 0x1052), "DS", b"-5"),
        put((0x0028, 0x1053), "DS", b"0.5"),
        put((0x7FE0, 0x0010), "OW", &pixels),
    ]
    .concat();
    let length = element(EXPLICIT, (2, 0), "UL", &(head.len() as u32).to_le_bytes());
    let file = [vec![0; 128], b"DICM".to_vec(), length, head, body].concat();
    std::fs::write(folder.join(name), file).unwrap();
}

fn read(folder: &Path) -> Result<Volume, VolumeError> {
    Volume::read(folder, &Limits::default())
}

/// Slices lie by their position, whatever their names; values are scaled; left and back become right and front.
#[test]
fn slices_become_a_volume() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", &slice(6.0));
    write(folder.path(), "b", &Written { syntax: IMPLICIT, ..slice(0.0) });
    write(folder.path(), "c", &Written { syntax: BIG, ..slice(3.0) });
    std::fs::write(folder.path().join("notes.txt"), "no slice").unwrap();
    let volume = read(folder.path()).unwrap();
    assert_eq!((volume.grid(), volume.frames(), volume.spacing()), ([COLUMNS, ROWS, 3], 1, [0.5, 2.0, 3.0]));
    assert_eq!(volume.orientation().to_string(), "LPS");
    assert_eq!(volume.affine()[..3], [[-0.5, 0.0, 0.0, -10.0], [0.0, -2.0, 0.0, -20.0], [0.0, 0.0, 3.0, 0.0]]);
    for (x, y, z) in [(0, 0, 0), (3, 2, 0), (1, 2, 1), (3, 0, 2)] {
        let stored = (100 * y + x) as f32 + 30.0 * z as f32;
        assert_eq!(volume.data()[[x, y, z, 0]], 0.5 * stored - 5.0, "{x} {y} {z}");
    }
}

/// A column of such folders is proposed as volumes.
#[test]
fn a_column_of_folders_is_proposed_as_volumes() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::from("id,label,scan\n");
    for (i, label) in ["well", "ill", "well", "ill"].into_iter().enumerate() {
        let place = folder.path().join(format!("scan {i}"));
        std::fs::create_dir(&place).unwrap();
        for z in 0..2 {
            write(&place, &format!("{z}.dcm"), &slice(3.0 * f64::from(z)));
        }
        table += &format!("s{i},{label},scan {i}\n");
    }
    let path = folder.path().join("table.csv");
    std::fs::write(&path, table).unwrap();
    let proposal = dymo_data::init::propose(&path, &Default::default()).unwrap();
    let [scan] = proposal.settings.modalities.as_slice() else { panic!("{}", proposal.summary()) };
    assert!(scan.name == "scan" && matches!(scan.form, dymo_data::manifest::Form::Volume { .. }), "{scan:?}");
}

#[test]
fn stored_bits_may_have_a_sign() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", &Written { signed: true, ..slice(-1.0) });
    assert_eq!(read(folder.path()).unwrap().data()[[0, 0, 0, 0]], 0.5 * -10.0 - 5.0);
}

#[test]
fn folders_that_are_no_volume_are_told() {
    let refused = |slices: &[Written]| {
        let folder = tempfile::tempdir().unwrap();
        for (i, slice) in slices.iter().enumerate() {
            write(folder.path(), &format!("{i}.dcm"), slice);
        }
        read(folder.path()).unwrap_err().to_string()
    };
    assert!(refused(&[]).contains("no DICOM file"));
    let gap = refused(&[slice(0.0), slice(3.0), slice(9.0)]);
    assert!(gap.contains("3.000 from") || gap.contains("6.000 from"), "{gap}");
    assert!(refused(&[slice(0.0), slice(3.0), slice(3.0)]).contains("missing or twice"));
    assert!(refused(&[slice(0.0), Written { series: "9", ..slice(3.0) }]).contains("another series"));
    assert!(refused(&[slice(0.0), Written { spacing: "2\\2", ..slice(3.0) }]).contains("another pixel spacing"));
    assert!(refused(&[Written { spacing: "", ..slice(0.0) }]).contains("no PixelSpacing"));
}

/// Every byte changed in turn, and every shorter file: a volume or an error.
#[test]
fn damage_is_an_error_at_worst() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.dcm", &slice(0.0));
    let path = folder.path().join("a.dcm");
    let whole = std::fs::read(&path).unwrap();
    for at in 132..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        drop(read(folder.path()));
        std::fs::write(&path, &whole[..at]).unwrap();
        drop(read(folder.path()));
    }
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.dcm", &slice(0.0));
    let read = |limits| Volume::read(folder.path(), &limits).unwrap_err().to_string();
    assert!(read(Limits { bytes: 100, ..Limits::default() }).contains("100"));
    assert!(read(Limits { voxels: 11, ..Limits::default() }).contains("12 voxels, at most 11"));
}
