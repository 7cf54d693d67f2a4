//! Files that want more than to be read.

use dymo_pickle::{PickleError, PickleFile, TensorError};
use proptest::prelude::*;

use crate::writer::{archive, call, class, dict, list, pickle, sequence, tensor, text, tuple, zip};

fn refusal(bytes: &[u8]) -> PickleError {
    PickleFile::read(bytes).expect_err("a refusal")
}

#[test]
fn a_call_is_recorded_and_not_made() {
    let place = std::env::temp_dir().join("dymo-pickle-was-here");
    let command = format!("touch {}", place.display());
    let file = pickle(call(class("os", "system"), &[text(&command)]));
    let read = PickleFile::read(&file).unwrap();
    assert_eq!(read.root().class_name().as_deref(), Some("os.system"));
    let argument = read.root().arguments().unwrap().items().next().unwrap();
    assert_eq!(argument.as_str(), Some(command.as_str()));
    assert!(!place.exists());
}

#[test]
fn claims_are_compared_with_what_is_there() {
    // Eight exabytes of bytes, and a list of storages that claims as much.
    let huge = [b"\x80\x04\x8e".as_slice(), &u64::MAX.to_le_bytes()].concat();
    assert!(refusal(&huge).to_string().contains("breaks off"), "{}", refusal(&huge));
    let mut short = sequence(tensor("FloatStorage", "0", 0, &[1], &[1]), &[("0", &[0; 4])], 4);
    let count = short.len() - 12;
    short[count..count + 8].copy_from_slice(&(u64::MAX / 8).to_le_bytes());
    assert!(matches!(refusal(&short), PickleError::Truncated { .. }));
}

#[test]
fn tensors_beyond_their_storage_have_no_values() {
    let of = |shape: &[usize], strides: &[usize]| {
        let file = archive(tensor("FloatStorage", "0", 0, shape, strides), &[("0", &[0; 16])], "little");
        PickleFile::read(&file).unwrap().root().as_tensor().unwrap().to_f32()
    };
    assert!(matches!(of(&[5], &[1]), Err(TensorError::OutOfBounds { stored: 4, .. })));
    assert!(matches!(of(&[2, 2], &[3, 1]), Err(TensorError::OutOfBounds { .. })));
    let most = i32::MAX as usize;
    assert!(matches!(of(&[most, most, most], &[1, 1, 1]), Err(TensorError::OutOfBounds { .. })));
    assert!(matches!(of(&[most, most], &[0, 0]), Err(TensorError::Stretched { .. })));
    assert_eq!(of(&[3], &[0]).unwrap(), [0.0; 3]);
}

#[test]
fn a_long_list_cannot_be_copied_over_and_over() {
    // One list of a thousand, kept, then turned into a set again and again.
    let arguments = [b"N".repeat(1000), b"t\x85".to_vec()].concat();
    let mut code = [b"(".to_vec(), arguments, b"q\x00".to_vec(), class("builtins", "set"), b"q\x01".to_vec()].concat();
    code.extend(b"h\x01h\x00R0".repeat(5000));
    assert!(matches!(refusal(&pickle(code)), PickleError::Foreign { reason } if reason.contains("values")));
}

#[test]
fn depth_is_no_danger() {
    let deep = [b"]".repeat(300_000), b"a".repeat(299_999)].concat();
    assert_eq!(PickleFile::read(&pickle(deep)).unwrap().root().items().len(), 1);
    let wrapper = class("torch._tensor", "_rebuild_from_type_v2");
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        head.extend([wrapper.clone(), b"(".to_vec(), wrapper.clone(), b"N".to_vec()].concat());
        tail.extend(b"tR");
    }
    assert!(PickleFile::read(&pickle([head, b"N".to_vec(), tail].concat())).is_ok());
}

#[test]
fn a_list_in_itself() {
    let read = PickleFile::read(b"\x80\x02]q\x00h\x00a.").unwrap();
    let inner = read.root().items().next().unwrap();
    assert_eq!(inner.items().len(), 1);
}

#[test]
fn what_is_no_saved_file_says_so() {
    let value = tensor("FloatStorage", "0", 0, &[1], &[1]);
    assert_eq!(refusal(&archive(value.clone(), &[], "little")), PickleError::NoStorage { key: "0".into() });
    assert_eq!(refusal(&zip(&[("a/constants.pkl", b"N."), ("a/data.pkl", b"N.")])), PickleError::TorchScript);
    assert_eq!(refusal(&zip(&[("picture.png", b"")])), PickleError::NoPickle);
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert_eq!(refusal(&tar), PickleError::Tar);
    assert!(matches!(refusal(b"hello"), PickleError::Foreign { .. }));
    assert!(matches!(refusal(b""), PickleError::Foreign { .. }));
    let mut damaged = archive(value, &[("0", &[1, 2, 3, 4])], "little");
    let place = damaged.windows(4).position(|w| w == [1, 2, 3, 4]).unwrap();
    damaged[place] = 9;
    assert!(refusal(&damaged).to_string().contains("checksum of a/data/0"), "{}", refusal(&damaged));
    let whole = archive(list(&[]), &[], "little");
    assert!(matches!(refusal(&whole[..whole.len() - 30]), PickleError::Zip { .. }));
}

/// Reads everything that can be read.
fn exhaust(bytes: &[u8]) {
    let Ok(file) = PickleFile::read(bytes) else { return };
    let mut open = vec![file.root()];
    for _ in 0..200 {
        let Some(value) = open.pop() else { break };
        if let Some(tensor) = value.as_tensor() {
            let _ = (tensor.bytes(), tensor.to_f32(), tensor.to_bool());
        }
        open.extend(value.items().take(20));
        open.extend(value.entries().take(20).map(|(_, v)| v));
        open.extend(value.arguments());
    }
}

fn saved(legacy: bool) -> Vec<u8> {
    let data: Vec<u8> = (0..24).collect();
    let value = dict(&[
        (text("state_dict"), dict(&[(text("w"), tensor("FloatStorage", "0", 0, &[3, 2], &[1, 3]))])),
        (tuple(&[b"\x88".to_vec()]), tensor("IntStorage", "1", 0, &[3], &[1])),
    ]);
    let stored: [(&str, &[u8]); 2] = [("0", &data), ("1", &data)];
    if legacy { sequence(value, &stored, 4) } else { archive(value, &stored, "little") }
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), protocol in 0u8..6) {
        exhaust(&bytes);
        exhaust(&[&[0x80, protocol], bytes.as_slice()].concat());
    }

    #[test]
    fn any_opcodes(codes in prop::collection::vec(prop::sample::select(b"(.012NKR]}tsuabe)\x85\x86\x81\x94qhQ\x8f\x90\x93\x01\x00".to_vec()), 0..200)) {
        exhaust(&codes);
    }

    #[test]
    fn a_file_with_some_bytes_changed(legacy: bool, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), keep in 0.5f64..1.0) {
        let mut bytes = saved(legacy);
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        exhaust(&bytes);
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        exhaust(&bytes);
    }
}
