//! PyTorch's two containers, and a pickle without one.
//!
//! Zip (since 1.6): `NAME/data.pkl` holds the values, `NAME/data/KEY` the numbers of each storage, `NAME/byteorder` which end
//! comes first. Before: a magic number, a protocol version, facts about the machine, the values and the list of storage keys, a
//! pickle each; then, for each key, the number of its values in eight bytes and the values.

use std::collections::HashMap;

use crate::error::PickleError;
use crate::graph::{Node, Numbers};
use crate::machine::{self, Pickle};
use crate::zip;

/// The first pickle of the old container: a number of ten bytes.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// Where a tar archive says that it is one.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// What is in a file.
pub(crate) struct Container<'b> {
    pub pickle: Pickle<'b>,
    pub storages: HashMap<String, &'b [u8]>,
    pub big_endian: bool,
}

pub(crate) fn open(bytes: &[u8]) -> Result<Container<'_>, PickleError> {
    if bytes.starts_with(zip::LOCAL) {
        return open_zip(bytes);
    }
    if bytes.starts_with(MAGIC) {
        return open_sequence(bytes);
    }
    if bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        return Err(PickleError::Tar);
    }
    let pickle = machine::run(bytes).map_err(|e| PickleError::Foreign { reason: e.to_string() })?;
    Ok(Container { pickle, storages: HashMap::new(), big_endian: false })
}

fn open_zip(bytes: &[u8]) -> Result<Container<'_>, PickleError> {
    let entries = zip::entries(bytes)?;
    let find = |end: &str| entries.iter().find(|(name, _)| name.split_once('/').is_some_and(|(_, rest)| rest == end));
    if find("constants.pkl").is_some() {
        return Err(PickleError::TorchScript);
    }
    let (_, values) = find("data.pkl").ok_or(PickleError::NoPickle)?;
    let big_endian = find("byteorder").is_some_and(|(_, order)| *order == b"big");
    let storages = entries.iter().filter_map(|(name, data)| {
        let (_, rest) = name.split_once('/')?;
        Some((rest.strip_prefix("data/")?.to_string(), *data))
    });
    Ok(Container { pickle: machine::run(values)?, storages: storages.collect(), big_endian })
}

fn open_sequence(bytes: &[u8]) -> Result<Container<'_>, PickleError> {
    let mut at = 0;
    let mut next = || -> Result<Pickle<'_>, PickleError> {
        let pickle = machine::run(&bytes[at..])?;
        at += pickle.length;
        Ok(pickle)
    };
    let (_magic, _version, machine) = (next()?, next()?, next()?);
    let pickle = next()?;
    let keys = next()?;
    let big_endian = is_big_endian(&machine);
    let storages = sequence_storages(bytes, at, &pickle, &keys, big_endian)?;
    Ok(Container { pickle, storages, big_endian })
}

/// `little_endian` among the facts about the machine.
fn is_big_endian(facts: &Pickle<'_>) -> bool {
    let Node::Dict(entries) = &facts.nodes[facts.root as usize] else { return false };
    let named = |id: u32| matches!(&facts.nodes[id as usize], Node::Text(name) if name == "little_endian");
    entries.iter().any(|(key, value)| named(*key) && facts.nodes[*value as usize] == Node::Bool(false))
}

fn sequence_storages<'b>(
    bytes: &'b [u8],
    mut at: usize,
    pickle: &Pickle<'_>,
    keys: &Pickle<'_>,
    big_endian: bool,
) -> Result<HashMap<String, &'b [u8]>, PickleError> {
    let mut sizes = HashMap::new();
    for node in &pickle.nodes {
        if let Node::Storage(place) = node {
            let size = match &place.numbers {
                Numbers::Known(element) => element.size(),
                Numbers::Untyped => 1,
                Numbers::Other(name) => return Err(PickleError::Numbers { name: name.to_string() }),
            };
            sizes.insert(place.key.as_ref(), size);
        }
    }
    let Node::List(list) = &keys.nodes[keys.root as usize] else {
        return Err(PickleError::Contradiction { at, what: "the list of storages is no list" });
    };
    let mut storages = HashMap::new();
    for id in list {
        let key = match &keys.nodes[*id as usize] {
            Node::Text(key) => key.to_string(),
            Node::Int(key) => key.to_string(),
            _ => return Err(PickleError::Contradiction { at, what: "a storage without a name" }),
        };
        let Some(size) = sizes.get(key.as_str()) else {
            return Err(PickleError::Contradiction {
                at,
                what: "a storage that no tensor uses: its size is not known",
            });
        };
        let (data, end) = counted(bytes, at, *size, big_endian)?;
        at = end;
        storages.insert(key, data);
    }
    Ok(storages)
}

/// The number of values in eight bytes, then the values.
fn counted(bytes: &[u8], at: usize, size: usize, big_endian: bool) -> Result<(&[u8], usize), PickleError> {
    let short = |at: usize, wanted: u64| PickleError::Truncated { at, wanted };
    let head = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or(short(at, 8))?;
    let count = if big_endian { u64::from_be_bytes(*head) } else { u64::from_le_bytes(*head) };
    let (start, wanted) = (at + 8, count.saturating_mul(size as u64));
    let end = usize::try_from(wanted).ok().and_then(|n| start.checked_add(n)).ok_or(short(start, wanted))?;
    let data = bytes.get(start..end).ok_or(short(start, wanted))?;
    Ok((data, end))
}
