//! Reads what PyTorch saves, into values and tensors, without executing any of it.
//!
//! Knows the opcodes of Python's pickle (protocols 0 to 5) and PyTorch's two containers: the zip of version 1.6 and later, and the
//! sequence of pickles before. Must never know a network, a data set or a tensor framework, and must never call, import or look up
//! what a file names: a class is its name, an object is its class with a state. Above it, `dymo-models` and `dymo-train` look for
//! the tensors and settings that they know.
//!
//! Files come from strangers. Memory grows with what the file really holds, never with what it claims: texts, tensors and storages
//! are slices of the file, an extent is checked before anything is gathered, and the number of values is limited
//! ([`MAX_VALUES`]). Tensors may share a storage, however: whoever gathers many sums up [`TensorView::count`] first. Nothing recurses
//! over nested values, so that a deeply or endlessly nested file cannot exhaust the stack.
//!
//! ```
//! use dymo_pickle::PickleFile;
//! // pickle.dumps([1.5, None, "two"], protocol=0), as text
//! let file = PickleFile::read(b"(lp0\nF1.5\naNaVtwo\na.")?;
//! let items: Vec<_> = file.root().items().collect();
//! assert_eq!(items[0].as_f64(), Some(1.5));
//! assert!(items[1].is_none());
//! assert_eq!(items[2].as_str(), Some("two"));
//! # Ok::<(), dymo_pickle::PickleError>(())
//! ```
//!
//! In reading order: [`PickleFile`] opens a file, [`Value`] walks through it, [`TensorView`] gives numbers.

mod container;
mod error;
mod file;
mod graph;
mod machine;
mod numpy;
mod opcode;
mod rebuild;
mod tensor;
mod value;
mod zip;

pub use error::{PickleError, TensorError};
pub use file::PickleFile;
pub use machine::MAX_VALUES;
pub use tensor::{Element, TensorView};
pub use value::Value;

/// The README's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
