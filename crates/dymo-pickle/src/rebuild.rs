//! The few calls in PyTorch's files that hold data. Everything else stays an object.

use std::borrow::Cow;

use crate::graph::{Id, Node, Numbers, StorageName, TensorNode};
use crate::tensor::Element;

/// What a call comes to.
pub(crate) enum Made<'b> {
    /// One of its own arguments.
    Same(Id),
    /// Something new.
    New(Node<'b>),
}

type Rebuilt<'b> = Result<Option<Made<'b>>, &'static str>;

/// A call of what stands at `class` with the tuple at `arguments`. `None` for everything that is not known here.
pub(crate) fn call<'b>(nodes: &[Node<'b>], class: Id, arguments: Id) -> Rebuilt<'b> {
    // A subclass of a tensor is the call of another function; one level of that is all that PyTorch writes.
    if let (Node::Class(name), Node::Tuple(outer)) = (&nodes[class as usize], &nodes[arguments as usize])
        && (name.module.as_ref(), name.name.as_ref()) == ("torch._tensor", "_rebuild_from_type_v2")
        && let [function, _, inner, ..] = outer[..]
    {
        return call_known(nodes, function, inner);
    }
    call_known(nodes, class, arguments)
}

fn call_known<'b>(nodes: &[Node<'b>], class: Id, arguments: Id) -> Rebuilt<'b> {
    let (Node::Class(name), Node::Tuple(arguments)) = (&nodes[class as usize], &nodes[arguments as usize]) else {
        return Ok(None);
    };
    let first = arguments.first().copied();
    let new = |node| Ok(Some(Made::New(node)));
    match (name.module.as_ref(), name.name.as_ref()) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => new(tensor(nodes, arguments, None)?),
        ("torch._utils", "_rebuild_tensor_v3") => {
            let numbers = arguments.get(6).and_then(|id| numbers_of_dtype(nodes, *id));
            new(tensor(nodes, arguments, Some(numbers.ok_or("a tensor without a type")?))?)
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Ok(first.map(Made::Same)),
        ("collections", "OrderedDict") => Ok(Some(Made::New(Node::Dict(match first {
            Some(list) => pairs_of(nodes, list).ok_or("a dictionary made of something else than pairs")?,
            None => Vec::new(),
        })))),
        ("collections", "defaultdict") => new(Node::Dict(Vec::new())),
        ("torch", "Size") => Ok(first.map(Made::Same)),
        ("builtins" | "__builtin__", "set" | "frozenset") => {
            let items = first.and_then(|list| members(nodes, list)).unwrap_or_default();
            new(Node::Set(items.to_vec()))
        }
        _ => Ok(None),
    }
}

/// Members that a rebuilt node has copied from others: a file pays for each.
pub(crate) fn copied(node: &Node<'_>) -> usize {
    match node {
        Node::Dict(entries) => entries.len(),
        Node::Set(items) => items.len(),
        Node::Tensor(tensor) => 2 * tensor.shape.len(),
        _ => 0,
    }
}

fn members<'n>(nodes: &'n [Node<'_>], id: Id) -> Option<&'n [Id]> {
    match &nodes[id as usize] {
        Node::List(items) | Node::Tuple(items) | Node::Set(items) => Some(items),
        _ => None,
    }
}

fn pairs_of(nodes: &[Node<'_>], list: Id) -> Option<Vec<(Id, Id)>> {
    members(nodes, list)?
        .iter()
        .map(|pair| match members(nodes, *pair)? {
            [key, value] => Some((*key, *value)),
            _ => None,
        })
        .collect()
}

fn extent(node: &Node<'_>) -> Option<usize> {
    if let Node::Int(value) = node { usize::try_from(*value).ok() } else { None }
}

fn extents(nodes: &[Node<'_>], id: Id) -> Option<Vec<usize>> {
    members(nodes, id)?.iter().map(|id| extent(&nodes[*id as usize])).collect()
}

/// `(storage, offset, shape, strides, …)`.
fn tensor<'b>(nodes: &[Node<'b>], arguments: &[Id], own: Option<Numbers<'b>>) -> Result<Node<'b>, &'static str> {
    let [storage, offset, shape, strides, ..] = arguments[..] else {
        return Err("a tensor with too few arguments");
    };
    let Node::Storage(place) = &nodes[storage as usize] else {
        return Err("a tensor without a storage");
    };
    let element = match own.unwrap_or_else(|| place.numbers.clone()) {
        Numbers::Known(element) => element,
        Numbers::Untyped => return Err("a tensor without a type"),
        Numbers::Other(name) => return Ok(Node::OtherTensor(name)),
    };
    let offset = extent(&nodes[offset as usize]).and_then(|o| o.checked_add(place.start));
    match (offset, extents(nodes, shape), extents(nodes, strides)) {
        (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
            Ok(Node::Tensor(Box::new(TensorNode { storage, element, offset, shape, strides })))
        }
        _ => Err("a tensor with extents that are no whole numbers"),
    }
}

fn numbers_of_dtype<'b>(nodes: &[Node<'b>], id: Id) -> Option<Numbers<'b>> {
    match &nodes[id as usize] {
        Node::Class(class) if class.module == "torch" => {
            Some(Element::of_dtype(&class.name).map_or_else(|| Numbers::Other(class.name.clone()), Numbers::Known))
        }
        _ => None,
    }
}

fn numbers_of_storage<'b>(class: &Cow<'b, str>) -> Option<Numbers<'b>> {
    let other = |name| Some(Numbers::Other(name));
    match class.as_ref() {
        "UntypedStorage" => Some(Numbers::Untyped),
        "ComplexFloatStorage" => other("complex64".into()),
        "ComplexDoubleStorage" => other("complex128".into()),
        name => match Element::of_storage(name) {
            Some(element) => Some(Numbers::Known(element)),
            None => name.ends_with("Storage").then(|| Numbers::Other(class.clone())),
        },
    }
}

/// A persistent id: `("storage", class, key, location, count)`, in old files with a view `(key, offset, count)` or `None` after it.
pub(crate) fn storage<'b>(nodes: &[Node<'b>], id: Id) -> Option<StorageName<'b>> {
    let [tag, class, key, _, _, rest @ ..] = members(nodes, id)? else { return None };
    let Node::Text(tag) = &nodes[*tag as usize] else { return None };
    let (Node::Class(class), "storage") = (&nodes[*class as usize], tag.as_ref()) else { return None };
    let start = match rest.first().map(|view| &nodes[*view as usize]) {
        None | Some(Node::None) => 0,
        Some(Node::Tuple(view)) => extent(&nodes[*view.get(1)? as usize])?,
        Some(_) => return None,
    };
    let key = match &nodes[*key as usize] {
        Node::Text(key) => key.clone(),
        Node::Int(key) => Cow::Owned(key.to_string()),
        _ => return None,
    };
    Some(StorageName { key, numbers: numbers_of_storage(&class.name)?, start })
}
