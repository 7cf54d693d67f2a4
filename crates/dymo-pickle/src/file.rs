//! An open file.

use std::collections::HashMap;

use crate::container::{self, Container};
use crate::error::PickleError;
use crate::graph::{Id, Node};
use crate::machine::Pickle;
use crate::value::Value;

/// A file's values; tensors stay slices of its bytes.
#[derive(Debug)]
pub struct PickleFile<'b> {
    pub(crate) nodes: Vec<Node<'b>>,
    pub(crate) root: Id,
    pub(crate) storages: HashMap<String, &'b [u8]>,
    pub(crate) big_endian: bool,
}

impl<'b> PickleFile<'b> {
    /// Reads a file that `torch.save` has written, in either of its containers, or a plain pickle.
    ///
    /// # Errors
    /// [`PickleError`]: what is wrong, where, and what to do.
    pub fn read(bytes: &'b [u8]) -> Result<Self, PickleError> {
        let Container { pickle: Pickle { nodes, root, .. }, storages, big_endian } = container::open(bytes)?;
        let file = Self { nodes, root, storages, big_endian };
        file.check_storages()?;
        Ok(file)
    }

    /// Whether the bytes begin like one of PyTorch's containers or like a pickle of protocol 2 and later.
    pub fn looks_like_one(bytes: &[u8]) -> bool {
        bytes.starts_with(container::ZIP) || matches!(bytes, [0x80, 2..=5, ..])
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { file: self, id: self.root }
    }

    /// Every storage that a tensor speaks of is there.
    fn check_storages(&self) -> Result<(), PickleError> {
        for node in &self.nodes {
            if let Node::Storage(place) = node
                && !self.storages.contains_key(place.key.as_ref())
            {
                return Err(PickleError::NoStorage { key: place.key.to_string() });
            }
        }
        Ok(())
    }
}
