//! Numbers as NumPy writes them into a pickle: scalars, and arrays of one dimension. They are objects of unknown classes with a known
//! layout; nothing of NumPy is run.

use crate::graph::Node;
use crate::tensor::Element;
use crate::value::Value;

impl Value<'_> {
    /// The numbers of what holds nothing else, in double precision: a number, a list or tuple of numbers, a tensor in row order, a NumPy
    /// scalar, a NumPy array of one dimension. `None` for anything else.
    pub fn numbers(self) -> Option<Vec<f64>> {
        match self.node() {
            Node::List(_) | Node::Tuple(_) => self.items().map(Self::number).collect(),
            Node::Tensor(_) => self.as_tensor()?.to_f64().ok(),
            Node::Object(_) => self.array(),
            _ => Some(vec![self.as_f64()?]),
        }
    }

    /// One number: as it is, or as a tensor or an array of one.
    pub fn number(self) -> Option<f64> {
        if let Some(number) = self.as_f64() {
            return Some(number);
        }
        if matches!(self.node(), Node::List(_) | Node::Tuple(_)) {
            return None;
        }
        let numbers = self.numbers()?;
        if let [number] = numbers[..] { Some(number) } else { None }
    }

    /// `scalar(dtype, bytes)`; `_frombuffer(bytes, dtype, shape, order)`; or `_reconstruct(…)` with a state of version, shape, dtype,
    /// order and bytes.
    fn array(self) -> Option<Vec<f64>> {
        let class = self.class_name()?;
        let (module, name) = class.rsplit_once('.')?;
        if !module.starts_with("numpy.") {
            return None;
        }
        let arguments: Vec<Self> = self.arguments()?.items().collect();
        let (bytes, dtype, shape) = match (name, &arguments[..]) {
            ("scalar", [dtype, bytes]) => (*bytes, *dtype, None),
            ("_frombuffer", [bytes, dtype, shape, _]) => (*bytes, *dtype, Some(*shape)),
            ("_reconstruct", _) => {
                let state: Vec<Self> = self.state()?.items().collect();
                let [_, shape, dtype, _, bytes] = state[..] else { return None };
                (bytes, dtype, Some(shape))
            }
            _ => return None,
        };
        let (element, big_endian) = dtype.dtype()?;
        let bytes = bytes.octets()?;
        let count = bytes.len() / element.size();
        let fits = match shape {
            None => count == 1,
            Some(shape) => shape.items().len() <= 1 && shape.items().all(|extent| extent.as_usize() == Some(count)),
        };
        let whole = bytes.len().is_multiple_of(element.size());
        (fits && whole).then(|| bytes.chunks_exact(element.size()).map(|b| element.as_f64(b, big_endian)).collect())
    }

    /// What `dtype("i8", …)` with a state of version, order of bytes, … stands for; and whether the big end comes first.
    fn dtype(self) -> Option<(Element, bool)> {
        if self.class_name()? != "numpy.dtype" {
            return None;
        }
        let element = match self.arguments()?.items().next()?.as_str()? {
            "f2" => Element::F16,
            "f4" => Element::F32,
            "f8" => Element::F64,
            "u1" => Element::U8,
            "i1" => Element::I8,
            "i2" => Element::I16,
            "i4" => Element::I32,
            "i8" => Element::I64,
            "b1" => Element::Bool,
            _ => return None,
        };
        let order = self.state().and_then(|state| state.items().nth(1)).and_then(Self::as_str);
        Some((element, order == Some(">")))
    }

    /// Bytes, also as protocols before 3 write them: `_codecs.encode(text, "latin1")`.
    fn octets(self) -> Option<Vec<u8>> {
        if let Some(bytes) = self.as_bytes() {
            return Some(bytes.to_vec());
        }
        if self.class_name()? != "_codecs.encode" {
            return None;
        }
        let text = self.arguments()?.items().next()?.as_str()?;
        text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
    }
}
