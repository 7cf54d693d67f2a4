//! Walking through a file.

use crate::file::PickleFile;
use crate::graph::{Id, Node};
use crate::tensor::TensorView;

/// One value of an open file.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    pub(crate) file: &'a PickleFile<'a>,
    pub(crate) id: Id,
}

impl<'a> Value<'a> {
    pub(crate) fn node(self) -> &'a Node<'a> {
        &self.file.nodes[self.id as usize]
    }

    fn other(self, id: Id) -> Self {
        Self { file: self.file, id }
    }

    /// Whether it is Python's `None`.
    pub fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// A boolean.
    pub fn as_bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    /// A whole number.
    pub fn as_i64(self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    /// A whole number from 0.
    pub fn as_usize(self) -> Option<usize> {
        self.as_i64().and_then(|value| usize::try_from(value).ok())
    }

    /// A number, whole or not.
    pub fn as_f64(self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(*value),
            Node::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// A text.
    pub fn as_str(self) -> Option<&'a str> {
        if let Node::Text(text) = self.node() { Some(text) } else { None }
    }

    /// Bytes.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        if let Node::Bytes(bytes) = self.node() { Some(bytes) } else { None }
    }

    /// What it is, in words, for messages.
    pub fn sort(self) -> &'static str {
        match self.node() {
            Node::None => "None",
            Node::Bool(_) => "a boolean",
            Node::Int(_) | Node::Huge => "a whole number",
            Node::Float(_) => "a number",
            Node::Text(_) => "a text",
            Node::Bytes(_) => "bytes",
            Node::List(_) => "a list",
            Node::Tuple(_) => "a tuple",
            Node::Set(_) => "a set",
            Node::Dict(_) => "a dictionary",
            Node::Class(_) => "a class",
            Node::Storage(_) => "a storage",
            Node::Tensor(_) | Node::OtherTensor(_) => "a tensor",
            Node::Object(_) => "an object",
        }
    }

    /// PyTorch's name for the type of a tensor's numbers, where they are of a type that is not read here (complex, of 8 bits):
    /// such a tensor is no [`TensorView`].
    pub fn other_numbers(self) -> Option<&'a str> {
        if let Node::OtherTensor(name) = self.node() { Some(name) } else { None }
    }

    /// A tensor, with its storage.
    pub fn as_tensor(self) -> Option<TensorView<'a>> {
        let Node::Tensor(tensor) = self.node() else { return None };
        let Node::Storage(place) = &self.file.nodes[tensor.storage as usize] else { return None };
        Some(TensorView {
            element: tensor.element,
            offset: tensor.offset,
            shape: &tensor.shape,
            strides: &tensor.strides,
            storage: self.file.storages.get(place.key.as_ref()).copied().unwrap_or(&[]),
            big_endian: self.file.big_endian,
        })
    }

    /// Whether it is a dictionary.
    pub fn is_dict(self) -> bool {
        matches!(self.node(), Node::Dict(_))
    }

    /// Members of a list, tuple or set, in order; of anything else none.
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> {
        let items: &[Id] = match self.node() {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => items,
            Node::Object(object) => &object.items,
            _ => &[],
        };
        items.iter().map(move |id| self.other(*id))
    }

    /// Keys and values of a dictionary, in order; of anything else none. A key that was set twice comes twice.
    pub fn entries(self) -> impl DoubleEndedIterator<Item = (Self, Self)> {
        let entries: &[(Id, Id)] = match self.node() {
            Node::Dict(entries) => entries,
            Node::Object(object) => &object.entries,
            _ => &[],
        };
        entries.iter().map(move |(key, value)| (self.other(*key), self.other(*value)))
    }

    /// The value of a dictionary under a text; the last one where there are several.
    pub fn get(self, key: &str) -> Option<Self> {
        self.entries().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// `module.name` of the class of an object, or of a class itself.
    pub fn class_name(self) -> Option<String> {
        let class = match self.node() {
            Node::Object(object) => self.other(object.class).node(),
            node => node,
        };
        if let Node::Class(class) = class { Some(format!("{}.{}", class.module, class.name)) } else { None }
    }

    /// What an object of an unknown class was made with.
    pub fn arguments(self) -> Option<Self> {
        if let Node::Object(object) = self.node() { Some(self.other(object.arguments)) } else { None }
    }

    /// What `BUILD` gave an object of an unknown class.
    pub(crate) fn state(self) -> Option<Self> {
        let Node::Object(object) = self.node() else { return None };
        object.state.map(|id| self.other(id))
    }

    /// An attribute of an object of an unknown class.
    pub fn attribute(self, name: &str) -> Option<Self> {
        self.state()?.get(name)
    }

    /// Names and values of the attributes of an object of an unknown class, in order; of anything else none.
    pub fn attributes(self) -> impl DoubleEndedIterator<Item = (Self, Self)> {
        self.state().into_iter().flat_map(|state| state.entries().collect::<Vec<_>>())
    }
}
