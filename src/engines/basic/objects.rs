//! The kinds of objects that live in the [heap](super::heap::Heap).

use super::{class::Shape, code::Proto, dict::Entries, heap::Ref, value::Value};
use crate::{
    engine::{Callee, Named},
    error::Frame,
    native::Native,
    value::Function,
};
use std::{rc::Rc, sync::Arc};

/// What an arena holds.
pub(super) trait Kept: Default {
    /// Bytes that it takes besides its slot.
    fn bytes(&self) -> usize;
    /// Tells `mark` each value that it holds.
    fn each(&self, _mark: &mut dyn FnMut(Value)) {}
}

/// A text. Texts that grow at their end share a buffer: each is a beginning of it.
pub(super) enum Text {
    Whole { bytes: Rc<[u8]>, ascii: bool },
    Beginning { of: Ref<Buffer>, len: usize, ascii: bool },
}

impl Default for Text {
    fn default() -> Self {
        Self::Whole { bytes: Rc::new([]), ascii: true }
    }
}

impl Kept for Text {
    fn bytes(&self) -> usize {
        match self {
            Self::Whole { bytes, .. } => bytes.len(),
            Self::Beginning { .. } => 0,
        }
    }
}

/// The bytes of texts that grew from each other.
#[derive(Default)]
pub(super) struct Buffer(pub(super) Vec<u8>);

impl Kept for Buffer {
    fn bytes(&self) -> usize {
        self.0.capacity()
    }
}

/// A list. What changes its length changes its version.
#[derive(Default)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    pub(super) version: u32,
}

impl Kept for List {
    fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<Value>()
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        self.items.iter().for_each(|item| mark(*item));
    }
}

/// A dict. What adds or removes an entry changes its version.
#[derive(Default)]
pub(super) struct Dict {
    pub(super) entries: Entries,
    pub(super) version: u32,
    /// The trace of the failure that TRY tells of in it, for raising that again.
    pub(super) trace: Box<[Frame]>,
}

impl Kept for Dict {
    fn bytes(&self) -> usize {
        let text =
            |frame: &Frame| frame.script.len() + frame.function.as_ref().map_or(0, String::len);
        let trace: usize = self.trace.iter().map(text).sum();
        self.entries.bytes() + trace + size_of_val(&*self.trace)
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        self.entries.iter().for_each(|(key, value)| {
            mark(key);
            mark(value);
        });
    }
}

/// An array with its sizes, the last index fastest.
#[derive(Default)]
pub(super) struct Array {
    pub(super) sizes: Vec<usize>,
    pub(super) items: Items,
}

/// The elements of an array.
pub(super) enum Items {
    Numbers(Vec<f64>),
    /// Texts all of them.
    Texts(Vec<Value>),
}

impl Default for Items {
    fn default() -> Self {
        Self::Numbers(Vec::new())
    }
}

impl Items {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(items) => items.len(),
            Self::Texts(items) => items.len(),
        }
    }
}

impl Kept for Array {
    fn bytes(&self) -> usize {
        self.sizes.capacity() * size_of::<usize>()
            + match &self.items {
                Items::Numbers(items) => items.capacity() * size_of::<f64>(),
                Items::Texts(items) => items.capacity() * size_of::<Value>(),
            }
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        if let Items::Texts(items) = &self.items {
            items.iter().for_each(|item| mark(*item));
        }
    }
}

/// Goes through a list or a dict, as long as that keeps its version.
#[derive(Default)]
pub(super) struct Iterator {
    pub(super) of: Value,
    pub(super) version: u32,
    /// How many elements it has moved to: it is at the one before.
    pub(super) moved: usize,
}

impl Kept for Iterator {
    fn bytes(&self) -> usize {
        0
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        mark(self.of);
    }
}

/// A class or an instance: the names are in the shape, the values of the fields here.
#[derive(Default)]
pub(super) struct Object {
    pub(super) shape: Rc<Shape>,
    pub(super) fields: Vec<Value>,
}

impl Kept for Object {
    fn bytes(&self) -> usize {
        // All that have the shape share what it takes.
        self.fields.capacity() * size_of::<Value>()
            + self.shape.bytes() / Rc::strong_count(&self.shape)
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        self.fields.iter().for_each(|field| mark(*field));
        self.shape.each(mark);
    }
}

/// What can be called.
#[derive(Default)]
pub(super) enum Routine {
    #[default]
    None,
    /// A routine of the program, with the object that it belongs to (or NIL) and what it shares.
    Script {
        proto: Rc<Proto>,
        me: Value,
        upvalues: Box<[Ref<Upvalue>]>,
    },
    /// A function of somebody else.
    Function(Function),
    Native(Arc<Native>),
    /// Whatever has the name when it is called.
    Named(Named),
}

impl Routine {
    /// How the broker calls it, if the program cannot do so by itself.
    pub(super) fn callee(&self) -> Option<Callee> {
        match self {
            Self::None | Self::Script { .. } => None,
            Self::Function(function) => Some(Callee::Function(function.clone())),
            Self::Native(native) => Some(Callee::Native(native.clone())),
            Self::Named(named) => Some(Callee::Name(named.clone())),
        }
    }
}

impl Kept for Routine {
    fn bytes(&self) -> usize {
        match self {
            Self::Script { upvalues, .. } => size_of_val(&**upvalues),
            Self::Named(named) => named.name().len(),
            _ => 0,
        }
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        if let Self::Script { proto, me, upvalues } = self {
            mark(*me);
            upvalues.iter().for_each(|upvalue| mark(Value::Upvalue(*upvalue)));
            proto.each(mark);
        }
    }
}

/// A variable that lambdas share with the routine that made them.
#[derive(Default)]
pub(super) struct Upvalue(pub(super) Value);

impl Kept for Upvalue {
    fn bytes(&self) -> usize {
        0
    }

    fn each(&self, mark: &mut dyn FnMut(Value)) {
        mark(self.0);
    }
}
