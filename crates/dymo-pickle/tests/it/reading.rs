//! What PyTorch writes.

use dymo_pickle::{Element, PickleError, PickleFile, TensorError};
use half::{bf16, f16};

use crate::writer::{archive, call, class, dict, extents, int, list, object, pickle, sequence, tensor, text, tuple};

/// 1 to 6 in every type: storage class, bytes, size.
fn storages() -> Vec<(&'static str, Element, Vec<u8>)> {
    let each = |f: &dyn Fn(u8) -> Vec<u8>| (1..=6).flat_map(f).collect::<Vec<u8>>();
    vec![
        ("HalfStorage", Element::F16, each(&|v| f16::from_f32(v.into()).to_le_bytes().to_vec())),
        ("BFloat16Storage", Element::Bf16, each(&|v| bf16::from_f32(v.into()).to_le_bytes().to_vec())),
        ("FloatStorage", Element::F32, each(&|v| f32::from(v).to_le_bytes().to_vec())),
        ("DoubleStorage", Element::F64, each(&|v| f64::from(v).to_le_bytes().to_vec())),
        ("ByteStorage", Element::U8, each(&|v| vec![v])),
        ("CharStorage", Element::I8, each(&|v| vec![v])),
        ("ShortStorage", Element::I16, each(&|v| i16::from(v).to_le_bytes().to_vec())),
        ("IntStorage", Element::I32, each(&|v| i32::from(v).to_le_bytes().to_vec())),
        ("LongStorage", Element::I64, each(&|v| i64::from(v).to_le_bytes().to_vec())),
    ]
}

fn values(bytes: &[u8]) -> Vec<f32> {
    PickleFile::read(bytes).unwrap().root().as_tensor().unwrap().to_f32().unwrap()
}

#[test]
fn every_type_in_both_containers_straight_transposed_and_strided() {
    for (storage, element, data) in storages() {
        let stored: [(&str, &[u8]); 1] = [("0", &data)];
        for (shape, strides, offset, wanted) in [
            (vec![2, 3], vec![3, 1], 0, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            (vec![3, 2], vec![1, 3], 0, vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
            (vec![2], vec![3], 1, vec![2.0, 5.0]),
            (vec![2, 2], vec![0, 1], 4, vec![5.0, 6.0, 5.0, 6.0]),
            (vec![], vec![], 2, vec![3.0]),
            (vec![0, 4], vec![4, 1], 0, vec![]),
        ] {
            let value = tensor(storage, "0", offset, &shape, &strides);
            for file in [archive(value.clone(), &stored, "little"), sequence(value.clone(), &stored, element.size())] {
                let read = PickleFile::read(&file).unwrap();
                let view = read.root().as_tensor().unwrap();
                assert_eq!((view.element(), view.shape()), (element, shape.as_slice()));
                assert_eq!(view.to_f32().unwrap(), wanted, "{element:?} {shape:?}");
                assert_eq!(view.bytes().is_some(), strides != [1, 3] && strides != [3] && strides != [0, 1]);
            }
        }
    }
}

#[test]
fn the_other_byte_order() {
    let big: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(values(&archive(tensor("FloatStorage", "0", 0, &[2], &[1]), &[("0", &big)], "big")), [1.5, -2.0]);
}

#[test]
fn booleans() {
    let file = archive(tensor("BoolStorage", "7", 1, &[2], &[1]), &[("7", &[0, 1, 0])], "little");
    let read = PickleFile::read(&file).unwrap();
    assert_eq!(read.root().as_tensor().unwrap().to_bool().unwrap(), [true, false]);
    let file = archive(tensor("FloatStorage", "7", 0, &[1], &[1]), &[("7", &[0; 4])], "little");
    let read = PickleFile::read(&file).unwrap();
    let refused = read.root().as_tensor().unwrap().to_bool();
    assert!(matches!(refused, Err(TensorError::Type { found: Element::F32, .. })));
}

/// A tensor of the newer form, whose type stands beside its storage.
fn typed(dtype: &str) -> Vec<u8> {
    let id = tuple(&[text("storage"), class("torch.storage", "UntypedStorage"), text("0"), text("cpu"), int(0)]);
    let storage = [id, b"Q".to_vec()].concat();
    let hooks = call(class("collections", "OrderedDict"), &[]);
    let arguments =
        [storage, int(0), extents(&[2]), extents(&[1]), b"\x89".to_vec(), hooks, class("torch", dtype), b"N".to_vec()];
    call(class("torch._utils", "_rebuild_tensor_v3"), &arguments)
}

#[test]
fn numbers_of_other_types_are_told_by_name() {
    let stored: [(&str, &[u8]); 1] = [("0", &[0; 16])];
    for (value, name) in [
        (typed("float8_e4m3fn"), Some("float8_e4m3fn")),
        (typed("int16"), None),
        (tensor("ComplexFloatStorage", "0", 0, &[2], &[1]), Some("complex64")),
        (tensor("QInt8Storage", "0", 0, &[2], &[1]), Some("QInt8Storage")),
    ] {
        let file = archive(value, &stored, "little");
        let read = PickleFile::read(&file).unwrap();
        assert_eq!((read.root().other_numbers(), read.root().sort()), (name, "a tensor"));
        assert_eq!(read.root().as_tensor().is_none(), name.is_some(), "{name:?}");
    }
    // Before 1.6 the size of a number must be known to find the next storage.
    let old = sequence(tensor("ComplexFloatStorage", "0", 0, &[2], &[1]), &stored, 8);
    assert_eq!(PickleFile::read(&old).unwrap_err(), PickleError::Numbers { name: "complex64".into() });
}

#[test]
fn every_value_has_a_sort() {
    for (code, sort) in [
        (b"N".to_vec(), "None"),
        (int(3), "a whole number"),
        (text("a"), "a text"),
        (list(&[]), "a list"),
        (dict(&[]), "a dictionary"),
        (class("os", "system"), "a class"),
        (call(class("os", "system"), &[text("a")]), "an object"),
    ] {
        assert_eq!(PickleFile::read(&pickle(code)).unwrap().root().sort(), sort);
    }
}

#[test]
fn a_parameter_is_its_tensor() {
    let inner = tensor("FloatStorage", "0", 0, &[1], &[1]);
    let parameter = call(class("torch._utils", "_rebuild_parameter"), &[inner, b"\x88".to_vec()]);
    assert_eq!(values(&archive(parameter, &[("0", &2.5f32.to_le_bytes())], "little")), [2.5]);
}

#[test]
fn a_checkpoint_with_a_foreign_configuration_and_tuple_keys() {
    let node = |value| object(class("omegaconf.nodes", "AnyNode"), dict(&[(text("_val"), value)]));
    let content = dict(&[(text("heads"), node(int(4)))]);
    let configuration = object(class("omegaconf.dictconfig", "DictConfig"), dict(&[(text("_content"), content)]));
    let flags = tuple(&[b"\x88".to_vec(), b"\x89".to_vec()]);
    let file = pickle(dict(&[
        (text("hyper_parameters"), configuration),
        (text("subset2id"), dict(&[(flags, int(3))])),
        (text("epochs"), list(&[int(1), int(-2)])),
        (text("epochs"), list(&[int(5)])),
    ]));
    let read = PickleFile::read(&file).unwrap();
    let root = read.root();
    let parameters = root.get("hyper_parameters").unwrap();
    assert_eq!(parameters.class_name().as_deref(), Some("omegaconf.dictconfig.DictConfig"));
    let heads = parameters.attribute("_content").and_then(|c| c.get("heads")).and_then(|n| n.attribute("_val"));
    assert_eq!(heads.and_then(|h| h.as_usize()), Some(4));
    let names: Vec<_> = parameters.attributes().filter_map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, root.attributes().count()), (vec!["_content"], 0), "a dictionary has entries, no attributes");
    let (key, row) = root.get("subset2id").unwrap().entries().next().unwrap();
    assert_eq!(key.items().map(|f| f.as_bool()).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(row.as_usize(), Some(3));
    assert_eq!(root.get("epochs").unwrap().items().len(), 1, "the last of two equal keys counts");
}

#[test]
fn whole_numbers_of_every_length() {
    for (code, wanted) in [
        (b"\x8a\x01\xff".to_vec(), Some(-1)),
        (b"\x8a\x02\x00\x80".to_vec(), Some(-32768)),
        (b"\x8a\x00".to_vec(), Some(0)),
        (b"\x8b\x02\x00\x00\x00\xff\x7f".to_vec(), Some(32767)),
        (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01".to_vec(), None),
        (b"L-12L\n".to_vec(), Some(-12)),
        (b"I42\n".to_vec(), Some(42)),
    ] {
        assert_eq!(PickleFile::read(&pickle(code)).unwrap().root().as_i64(), wanted);
    }
    assert_eq!(PickleFile::read(b"I01\n.").unwrap().root().as_bool(), Some(true));
}

/// What NumPy 2.4 writes, by `pickle.dumps` with the protocols that people use.
#[test]
#[rustfmt::skip]
fn numbers_of_numpy() {
    let written: [(&str, &[u8]); 6] = [
        ("[np.int64(3), np.int64(-1)]", b"\x80\x02]q\x00(cnumpy._core.multiarray\x0ascalar\x0aq\x01cnumpy\x0adtype\x0aq\x02X\x02\x00\x00\x00i8q\x03\x89\x88\x87q\x04Rq\x05(K\x03X\x01\x00\x00\x00<q\x06NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x07bc_codecs\x0aencode\x0aq\x08X\x08\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00q\x09X\x06\x00\x00\x00latin1q\x0a\x86q\x0bRq\x0c\x86q\x0dRq\x0eh\x01h\x05h\x08X\x10\x00\x00\x00\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbfq\x0fh\x0a\x86q\x10Rq\x11\x86q\x12Rq\x13e."),
        ("the same, protocol 4", b"\x80\x04\x95\x81\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x16numpy._core.multiarray\x94\x8c\x06scalar\x94\x93\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02i8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bC\x08\x03\x00\x00\x00\x00\x00\x00\x00\x94\x86\x94R\x94h\x03h\x09C\x08\xff\xff\xff\xff\xff\xff\xff\xff\x94\x86\x94R\x94e."),
        ("np.array([3, -1], 'i4')", b"\x80\x02cnumpy._core.multiarray\x0a_reconstruct\x0aq\x00cnumpy\x0andarray\x0aq\x01K\x00\x85q\x02c_codecs\x0aencode\x0aq\x03X\x01\x00\x00\x00bq\x04X\x06\x00\x00\x00latin1q\x05\x86q\x06Rq\x07\x87q\x08Rq\x09(K\x01K\x02\x85q\x0acnumpy\x0adtype\x0aq\x0bX\x02\x00\x00\x00i4q\x0c\x89\x88\x87q\x0dRq\x0e(K\x03X\x01\x00\x00\x00<q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89h\x03X\x0c\x00\x00\x00\x03\x00\x00\x00\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbfq\x11h\x05\x86q\x12Rq\x13tq\x14b."),
        ("the same, protocol 4", b"\x80\x04\x95\x91\x00\x00\x00\x00\x00\x00\x00\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02\x85\x94h\x03\x8c\x05dtype\x94\x93\x94\x8c\x02i4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x08\x03\x00\x00\x00\xff\xff\xff\xff\x94t\x94b."),
        ("the same, protocol 5", b"\x80\x05\x95|\x00\x00\x00\x00\x00\x00\x00\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(\x96\x08\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\xff\xff\xff\xff\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02i4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x02\x85\x94\x8c\x01C\x94t\x94R\x94."),
        ("big end first", b"\x80\x04\x95\x91\x00\x00\x00\x00\x00\x00\x00\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02\x85\x94h\x03\x8c\x05dtype\x94\x93\x94\x8c\x02f4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01>\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x08@@\x00\x00\xbf\x80\x00\x00\x94t\x94b."),
    ];
    for (name, bytes) in written {
        let file = PickleFile::read(bytes).unwrap();
        assert_eq!(file.root().numbers(), Some(vec![3.0, -1.0]), "{name}");
        // Older versions call the module otherwise.
        let older = String::from_utf8_lossy(bytes).contains("\nscalar\n").then(|| {
            let at = bytes.windows(11).position(|w| w == b"numpy._core").unwrap();
            [&bytes[..at], b"numpy.core", &bytes[at + 11..]].concat()
        });
        if let Some(older) = older {
            assert_eq!(PickleFile::read(&older).unwrap().root().numbers(), Some(vec![3.0, -1.0]), "{name}");
        }
        // Cut short, it is no file; with another extent, no numbers.
        assert!(PickleFile::read(&bytes[..bytes.len() - 2]).is_err());
    }
    for other in [
        b"\x80\x04\x95\x93\x00\x00\x00\x00\x00\x00\x00\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x01K\x02\x86\x94h\x03\x8c\x05dtype\x94\x93\x94\x8c\x02i4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x08\x03\x00\x00\x00\xff\xff\xff\xff\x94t\x94b." as &[u8],
        b"\x80\x04\x95\x93\x00\x00\x00\x00\x00\x00\x00\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02\x85\x94h\x03\x8c\x05dtype\x94\x93\x94\x8c\x02U2\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNK\x08K\x04K\x08t\x94b\x89C\x10a\x00\x00\x00b\x00\x00\x00c\x00\x00\x00\x00\x00\x00\x00\x94t\x94b.",
    ] {
        assert_eq!(PickleFile::read(other).unwrap().root().numbers(), None);
    }
}
