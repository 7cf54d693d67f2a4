//! Writes the files that the tests read: pickles opcode by opcode, and both containers.

/// Opcodes of some value.
pub type Code = Vec<u8>;

pub fn text(value: &str) -> Code {
    [b"X".as_slice(), &(value.len() as u32).to_le_bytes(), value.as_bytes()].concat()
}

pub fn int(value: i32) -> Code {
    [b"J".as_slice(), &value.to_le_bytes()].concat()
}

pub fn class(module: &str, name: &str) -> Code {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn tuple(items: &[Code]) -> Code {
    [b"(".as_slice(), &items.concat(), b"t"].concat()
}

pub fn list(items: &[Code]) -> Code {
    [b"](".as_slice(), &items.concat(), b"e"].concat()
}

pub fn dict(entries: &[(Code, Code)]) -> Code {
    let flat: Vec<u8> = entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()].concat()).collect();
    [b"}(".as_slice(), &flat, b"u"].concat()
}

/// `class(*arguments)`.
pub fn call(class: Code, arguments: &[Code]) -> Code {
    [class, tuple(arguments), b"R".to_vec()].concat()
}

/// An object with a state, as pickled by default.
pub fn object(class: Code, state: Code) -> Code {
    [class, b")\x81".to_vec(), state, b"b".to_vec()].concat()
}

pub fn extents(values: &[usize]) -> Code {
    tuple(&values.iter().map(|v| int(*v as i32)).collect::<Vec<_>>())
}

pub fn tensor(storage: &str, key: &str, offset: usize, shape: &[usize], strides: &[usize]) -> Code {
    // The number of values is in the file, too, and not believed.
    let count = int(0);
    let id = tuple(&[text("storage"), class("torch", storage), text(key), text("cpu"), count]);
    let storage = [id, b"Q".to_vec()].concat();
    let hooks = call(class("collections", "OrderedDict"), &[]);
    let arguments = [storage, int(offset as i32), extents(shape), extents(strides), b"\x89".to_vec(), hooks];
    call(class("torch._utils", "_rebuild_tensor_v2"), &arguments)
}

pub fn pickle(value: Code) -> Vec<u8> {
    [b"\x80\x02".to_vec(), value, b".".to_vec()].concat()
}

/// The container of PyTorch 1.6 and later.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let (at, length) = (file.len() as u32, (data.len() as u32).to_le_bytes());
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc32fast::hash(data).to_le_bytes(),
            &length,
            &length,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), data].concat());
        directory.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (count, start) = ((entries.len() as u16).to_le_bytes(), (file.len() as u32).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0, 0]].concat());
    file
}

/// A zip as `torch.save` writes it.
pub fn archive(value: Code, storages: &[(&str, &[u8])], order: &str) -> Vec<u8> {
    let values = pickle(value);
    let names: Vec<String> = storages.iter().map(|(key, _)| format!("a/data/{key}")).collect();
    let mut entries = vec![("a/data.pkl", values.as_slice()), ("a/byteorder", order.as_bytes())];
    entries.extend(names.iter().zip(storages).map(|(name, (_, data))| (name.as_str(), *data)));
    zip(&entries)
}

/// The container before PyTorch 1.6; `size` is that of a value.
pub fn sequence(value: Code, storages: &[(&str, &[u8])], size: usize) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(pickle(int(1001)));
    file.extend(pickle(dict(&[(text("little_endian"), b"\x88".to_vec())])));
    file.extend(pickle(value));
    file.extend(pickle(list(&storages.iter().map(|(key, _)| text(key)).collect::<Vec<_>>())));
    for (_, data) in storages {
        file.extend(((data.len() / size) as u64).to_le_bytes());
        file.extend_from_slice(data);
    }
    file
}
