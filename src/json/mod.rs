//! JSON as spans over the bytes that came in (RFC 8259).
//!
//! A body is validated once, in one pass, and its top-level members are told as byte ranges ([`scan`]).
//! Values stay as they were written ([`Raw`], [`Escaped`]): nothing is unescaped, no number is read, no
//! member is reordered unless somebody asks. A change is a splice over the original ([`edit`]).
//!
//! There is no tree, no `Value` and no recursion here.

mod block;
mod members;
mod span;
mod string;
mod walk;

pub mod edit;
pub mod mould;
pub mod path;
pub mod put;
pub mod scan;
pub mod text;
pub mod write;

pub use scan::{Elements, Error, ErrorKind, Members, behind, elements, find, members, object, value};
pub use span::{Escaped, Raw};
pub use walk::Scan;
pub use write::Writer;
