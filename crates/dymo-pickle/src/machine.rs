//! The stack machine of pickle. It builds nodes and does nothing else.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::PickleError;
use crate::graph::{ClassName, Id, Node, Object};
use crate::opcode as op;
use crate::rebuild;

/// Most values that are taken in; a checkpoint with its optimiser has some thousands.
pub const MAX_VALUES: usize = 4_000_000;

/// One pickle, read.
#[derive(Debug)]
pub(crate) struct Pickle<'b> {
    pub nodes: Vec<Node<'b>>,
    pub root: Id,
    /// Bytes up to and with `STOP`.
    pub length: usize,
}

/// Reads the pickle at the beginning of `bytes`.
pub(crate) fn run(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        start: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
    };
    loop {
        machine.start = machine.at;
        let opcode = machine.byte()?;
        if opcode == op::STOP {
            let root = machine.pop()?;
            return Ok(Pickle { nodes: machine.nodes, root, length: machine.at });
        }
        machine.step(opcode)?;
    }
}

pub(crate) struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Where the opcode at hand stands, for messages.
    start: usize,
    pub(crate) nodes: Vec<Node<'b>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Members that calls have copied so far.
    copied: usize,
}

impl<'b> Machine<'b> {
    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::PROTO => self.skip(1),
            op::FRAME => self.skip(8),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => self.drop_top(),
            op::POP_MARK => self.above_mark().map(drop),
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode),
            op::GET | op::BINGET | op::LONG_BINGET => self.recall(opcode),
            op::EMPTY_LIST
            | op::EMPTY_TUPLE
            | op::EMPTY_DICT
            | op::EMPTY_SET
            | op::LIST
            | op::TUPLE
            | op::TUPLE1
            | op::TUPLE2
            | op::TUPLE3
            | op::DICT
            | op::FROZENSET => self.container(opcode),
            op::APPEND | op::APPENDS | op::ADDITEMS | op::SETITEM | op::SETITEMS => self.fill(opcode),
            op::GLOBAL
            | op::STACK_GLOBAL
            | op::INST
            | op::OBJ
            | op::NEWOBJ
            | op::NEWOBJ_EX
            | op::REDUCE
            | op::BUILD
            | op::PERSID
            | op::BINPERSID => self.construct(opcode),
            _ => {
                let node = self.scalar(opcode)?;
                self.push(node)
            }
        }
    }

    /// Opcodes that are a value by themselves.
    fn scalar(&mut self, opcode: u8) -> Result<Node<'b>, PickleError> {
        Ok(match opcode {
            op::NONE => Node::None,
            op::NEWTRUE => Node::Bool(true),
            op::NEWFALSE => Node::Bool(false),
            op::BININT => Node::Int(i64::from(i32::from_le_bytes(self.array()?))),
            op::BININT1 => Node::Int(i64::from(self.byte()?)),
            op::BININT2 => Node::Int(i64::from(u16::from_le_bytes(self.array()?))),
            op::LONG1 => {
                let length = u64::from(self.byte()?);
                whole(self.take(length)?)
            }
            op::LONG4 => {
                let length = u32::from_le_bytes(self.array()?);
                whole(self.take(u64::from(length))?)
            }
            op::BINFLOAT => Node::Float(f64::from_be_bytes(self.array()?)),
            op::INT => self.decimal_int()?,
            op::LONG => {
                let digits = self.line()?;
                digits.trim_end_matches('L').parse().map_or(Node::Huge, Node::Int)
            }
            op::FLOAT => {
                let number = self.line()?.parse().map_err(|_| self.contradiction("a number was expected"))?;
                Node::Float(number)
            }
            op::STRING => Node::Text(Cow::Borrowed(unquoted(self.line()?))),
            op::UNICODE => Node::Text(Cow::Borrowed(self.line()?)),
            op::SHORT_BINSTRING | op::SHORT_BINUNICODE => {
                let length = u64::from(self.byte()?);
                self.text(length)?
            }
            op::BINSTRING | op::BINUNICODE => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(u64::from(length))?
            }
            op::BINUNICODE8 => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?
            }
            op::SHORT_BINBYTES => {
                let length = u64::from(self.byte()?);
                Node::Bytes(self.take(length)?)
            }
            op::BINBYTES => {
                let length = u32::from_le_bytes(self.array()?);
                Node::Bytes(self.take(u64::from(length))?)
            }
            op::BINBYTES8 | op::BYTEARRAY8 => {
                let length = u64::from_le_bytes(self.array()?);
                Node::Bytes(self.take(length)?)
            }
            0x82..=0x84 | 0x97 | 0x98 => {
                return Err(PickleError::Opcode { at: self.start, opcode, what: "one that files on disk do not use" });
            }
            _ => return Err(PickleError::Opcode { at: self.start, opcode, what: "none of pickle's" }),
        })
    }

    fn container(&mut self, opcode: u8) -> Result<(), PickleError> {
        let node = match opcode {
            op::EMPTY_LIST => Node::List(Vec::new()),
            op::EMPTY_TUPLE => Node::Tuple(Vec::new()),
            op::EMPTY_DICT => Node::Dict(Vec::new()),
            op::EMPTY_SET => Node::Set(Vec::new()),
            op::LIST => Node::List(self.above_mark()?),
            op::TUPLE => Node::Tuple(self.above_mark()?),
            op::FROZENSET => Node::Set(self.above_mark()?),
            op::DICT => {
                let members = self.above_mark()?;
                Node::Dict(self.pairs(&members)?)
            }
            _ => {
                let count = usize::from(opcode - op::TUPLE1) + 1;
                let first = self.floor_for(count)?;
                Node::Tuple(self.stack.split_off(first))
            }
        };
        self.push(node)
    }

    /// Opcodes that put values into a container further down.
    fn fill(&mut self, opcode: u8) -> Result<(), PickleError> {
        let members = match opcode {
            op::APPEND => vec![self.pop()?],
            op::SETITEM => {
                let first = self.floor_for(2)?;
                self.stack.split_off(first)
            }
            _ => self.above_mark()?,
        };
        let target = self.top()?;
        if matches!(opcode, op::SETITEM | op::SETITEMS) {
            let pairs = self.pairs(&members)?;
            match &mut self.nodes[target as usize] {
                Node::Dict(entries) => entries.extend(pairs),
                Node::Object(object) => object.entries.extend(pairs),
                _ => return Err(self.contradiction("a key is set in what is no dictionary")),
            }
        } else {
            match &mut self.nodes[target as usize] {
                Node::List(items) | Node::Set(items) => items.extend(members),
                Node::Object(object) => object.items.extend(members),
                _ => return Err(self.contradiction("a value is appended to what is no list")),
            }
        }
        Ok(())
    }

    /// Classes and what is made of them.
    fn construct(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::GLOBAL => {
                let class = self.class_of_lines()?;
                self.push(class)
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) = (&self.nodes[module as usize], &self.nodes[name as usize])
                else {
                    return Err(self.contradiction("a class is named by something else than text"));
                };
                let class = ClassName { module: module.clone(), name: name.clone() };
                self.push(Node::Class(Box::new(class)))
            }
            op::INST => {
                let class = self.class_of_lines()?;
                let arguments = self.above_mark()?;
                let class = self.add(class)?;
                let arguments = self.add(Node::Tuple(arguments))?;
                self.make(class, arguments)
            }
            op::OBJ => {
                let mut members = self.above_mark()?;
                if members.is_empty() {
                    return Err(self.contradiction("an object without a class"));
                }
                let class = members.remove(0);
                let arguments = self.add(Node::Tuple(members))?;
                self.make(class, arguments)
            }
            op::NEWOBJ | op::REDUCE => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.make(class, arguments)
            }
            op::NEWOBJ_EX => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.make(class, arguments)
            }
            op::BUILD => {
                let state = self.pop()?;
                let target = self.top()?;
                if let Node::Object(object) = &mut self.nodes[target as usize] {
                    object.state = Some(state);
                }
                // A list, dictionary or tensor is what it is without the attributes that hang on it.
                Ok(())
            }
            op::PERSID => Err(PickleError::Opcode {
                at: self.start,
                opcode,
                what: "a reference in text form, which PyTorch never writes",
            }),
            _ => {
                let id = self.pop()?;
                let storage = rebuild::storage(&self.nodes, id)
                    .ok_or_else(|| self.contradiction("a reference that names no storage"))?;
                self.push(Node::Storage(Box::new(storage)))
            }
        }
    }

    /// A call of `class` with `arguments`: rebuilt if it is one of the few that hold data, else an object.
    fn make(&mut self, class: Id, arguments: Id) -> Result<(), PickleError> {
        let node = rebuild::call(&self.nodes, class, arguments).map_err(|what| self.contradiction(what))?;
        let plain =
            || Node::Object(Box::new(Object { class, arguments, state: None, items: Vec::new(), entries: Vec::new() }));
        match node {
            Some(rebuild::Made::Same(id)) => {
                self.stack.push(id);
                Ok(())
            }
            Some(rebuild::Made::New(node)) => {
                // Else a file could copy one long list over and over.
                self.copied += rebuild::copied(&node);
                if self.copied > MAX_VALUES {
                    return Err(PickleError::TooManyValues { limit: MAX_VALUES });
                }
                self.push(node)
            }
            None => self.push(plain()),
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<(), PickleError> {
        let place = self.memo_place(opcode)?;
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), PickleError> {
        let place = self.memo_place(opcode)?;
        let found = self
            .memo
            .get(&place)
            .copied()
            .ok_or_else(|| self.contradiction("a value is recalled that was never kept"))?;
        self.stack.push(found);
        Ok(())
    }

    fn memo_place(&mut self, opcode: u8) -> Result<u64, PickleError> {
        match opcode {
            op::MEMOIZE => Ok(self.memo.len() as u64),
            op::BINPUT | op::BINGET => Ok(u64::from(self.byte()?)),
            op::LONG_BINPUT | op::LONG_BINGET => Ok(u64::from(u32::from_le_bytes(self.array()?))),
            _ => self.line()?.parse().map_err(|_| self.contradiction("a number was expected")),
        }
    }

    fn class_of_lines(&mut self) -> Result<Node<'b>, PickleError> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(Node::Class(Box::new(ClassName { module: Cow::Borrowed(module), name: Cow::Borrowed(name) })))
    }

    /// `INT` in text; `00` and `01` are how protocol 0 writes booleans.
    fn decimal_int(&mut self) -> Result<Node<'b>, PickleError> {
        Ok(match self.line()? {
            "00" => Node::Bool(false),
            "01" => Node::Bool(true),
            digits => digits.parse().map_or(Node::Huge, Node::Int),
        })
    }

    fn text(&mut self, length: u64) -> Result<Node<'b>, PickleError> {
        let bytes = self.take(length)?;
        // Python 2 wrote bytes as text: what is no UTF-8 stays bytes.
        Ok(std::str::from_utf8(bytes).map_or(Node::Bytes(bytes), |text| Node::Text(Cow::Borrowed(text))))
    }

    fn pairs(&self, members: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = members.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|[k, v]| (*k, *v)).collect())
        } else {
            Err(self.contradiction("a key without a value"))
        }
    }

    pub(crate) fn add(&mut self, node: Node<'b>) -> Result<Id, PickleError> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(PickleError::TooManyValues { limit: MAX_VALUES });
        }
        self.nodes.push(node);
        Ok((self.nodes.len() - 1) as Id)
    }

    fn push(&mut self, node: Node<'b>) -> Result<(), PickleError> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// Where the top `count` values begin, none of them below the last mark.
    fn floor_for(&self, count: usize) -> Result<usize, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(first) if first >= floor => Ok(first),
            _ => Err(self.contradiction("a value is missing")),
        }
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.floor_for(1)?;
        self.stack.pop().ok_or_else(|| self.contradiction("a value is missing"))
    }

    /// `POP` takes a mark where a mark is on top.
    fn drop_top(&mut self) -> Result<(), PickleError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.floor_for(1)?;
        self.stack.last().copied().ok_or_else(|| self.contradiction("a value is missing"))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.contradiction("a mark is missing"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn contradiction(&self, what: &'static str) -> PickleError {
        PickleError::Contradiction { at: self.start, what }
    }

    fn take(&mut self, length: u64) -> Result<&'b [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(length).ok().and_then(|n| rest.get(..n)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => Err(PickleError::Truncated { at: self.at, wanted: length }),
        }
    }

    fn skip(&mut self, length: u64) -> Result<(), PickleError> {
        self.take(length).map(drop)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (at, taken) = (self.at, self.take(N as u64)?);
        taken.try_into().map_err(|_| PickleError::Truncated { at, wanted: N as u64 })
    }

    fn line(&mut self) -> Result<&'b str, PickleError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n').ok_or(PickleError::Truncated { at: self.at, wanted: 1 })?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end])
            .map(|line| line.trim_end_matches('\r'))
            .map_err(|_| self.contradiction("a line that is no text"))
    }
}

/// A whole number in two's complement, little end first.
fn whole(bytes: &[u8]) -> Node<'_> {
    if bytes.len() > 8 {
        return Node::Huge;
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut full = if negative { [0xff; 8] } else { [0; 8] };
    full[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(full))
}

/// The text between its quotes, escapes left as they are: names in files do not need them.
fn unquoted(line: &str) -> &str {
    for quote in ['\'', '"'] {
        if let Some(inner) = line.strip_prefix(quote).and_then(|l| l.strip_suffix(quote)) {
            return inner;
        }
    }
    line
}
