//! Values as nodes that refer to each other by number: sharing and cycles cost nothing, and nothing needs recursion.

use std::borrow::Cow;

use crate::tensor::Element;

/// Place of a node.
pub(crate) type Id = u32;

/// One value; containers name their members.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'b> {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number beyond 64 bits: kept as a value that nobody can read.
    Huge,
    Float(f64),
    Text(Cow<'b, str>),
    Bytes(&'b [u8]),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Class(Box<ClassName<'b>>),
    Storage(Box<StorageName<'b>>),
    Tensor(Box<TensorNode>),
    /// A tensor of numbers that are not read here, by the name of their type.
    OtherTensor(Cow<'b, str>),
    Object(Box<Object>),
}

/// `module.name`, looked up nowhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassName<'b> {
    pub module: Cow<'b, str>,
    pub name: Cow<'b, str>,
}

/// Where a tensor's numbers are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StorageName<'b> {
    pub key: Cow<'b, str>,
    pub numbers: Numbers<'b>,
    /// First value of a view into the storage.
    pub start: usize,
}

/// What a storage says of its numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Numbers<'b> {
    Known(Element),
    /// Nothing: the tensor says.
    Untyped,
    /// Of a type that is not read here, by PyTorch's name.
    Other(Cow<'b, str>),
}

/// A tensor, before its storage is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TensorNode {
    pub storage: Id,
    pub element: Element,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// An instance of a class that is not known here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    /// The class, or whatever stands in its place.
    pub class: Id,
    /// What it was made with.
    pub arguments: Id,
    /// What `BUILD` gave it.
    pub state: Option<Id>,
    /// What was appended to it.
    pub items: Vec<Id>,
    /// What was set in it.
    pub entries: Vec<(Id, Id)>,
}
