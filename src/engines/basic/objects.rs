//! The kinds of objects that live in the [heap](super::heap::Heap).

use super::{class::Shape, code::Proto, dict::Entries, heap::Ref, value::Value};
use crate::{
    engine::{Callee, Named},
    error::Frame,
    native::Native,
    value::Function,
};
use std::{ops::Range, rc::Rc, sync::Arc};

/// What an arena holds.
pub(super) trait Kept {
    /// Bytes that it takes besides its slot.
    fn bytes(&self) -> usize;
    /// Gives back what it has, for it is not used any more.
    fn clear(&mut self);
    /// Tells `mark` the values that it holds, of those many only a part: those with numbers in
    /// `parts`. `true`: there are more. What is shared is told once in a `round`.
    fn each(&self, _parts: Range<usize>, _round: u32, _mark: &mut dyn FnMut(Value)) -> bool {
        false
    }
}

/// Bytes that the allocator takes for a block of `bytes`.
#[inline]
pub(super) fn block(bytes: usize) -> usize {
    const LEAST: usize = 32;
    const HEADER: usize = 8;
    match bytes {
        0 => 0,
        _ => (bytes.saturating_add(HEADER) & !15).saturating_add(16).max(LEAST),
    }
}

/// The same for bytes that are shared, with the counts before them.
#[inline]
pub(super) fn shared_block(bytes: &Rc<[u8]>) -> usize {
    block(bytes.len() + 2 * size_of::<usize>())
}

/// Tells `mark` the `parts` of `values`. `true`: there are more.
fn some(values: &[Value], parts: Range<usize>, mark: &mut dyn FnMut(Value)) -> bool {
    let end = parts.end.min(values.len());
    values.get(parts.start..end).into_iter().flatten().for_each(|value| mark(*value));
    parts.end < values.len()
}

/// A text. Texts that grow at their end share a buffer: each is a beginning of it.
pub(super) enum Text {
    Whole { bytes: Rc<[u8]>, ascii: bool },
    Beginning { of: Ref<Buffer>, len: usize, ascii: bool },
}

impl Kept for Text {
    fn bytes(&self) -> usize {
        match self {
            Self::Whole { bytes, .. } => shared_block(bytes),
            Self::Beginning { .. } => 0,
        }
    }

    fn clear(&mut self) {
        *self = Self::Beginning { of: Ref::at(0), len: 0, ascii: true };
    }
}

/// The bytes of texts that grew from each other.
#[derive(Default)]
pub(super) struct Buffer(pub(super) Vec<u8>);

impl Kept for Buffer {
    fn bytes(&self) -> usize {
        block(self.0.capacity())
    }

    fn clear(&mut self) {
        *self = Self::default();
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
        block(self.items.capacity() * size_of::<Value>())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn each(&self, parts: Range<usize>, _round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        some(&self.items, parts, mark)
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

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn each(&self, parts: Range<usize>, _round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        let end = parts.end;
        parts.map_while(|index| self.entries.at(index)).for_each(|(key, value)| {
            mark(key);
            mark(value);
        });
        end < self.entries.len()
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
        block(self.sizes.capacity() * size_of::<usize>())
            + block(match &self.items {
                Items::Numbers(items) => items.capacity() * size_of::<f64>(),
                Items::Texts(items) => items.capacity() * size_of::<Value>(),
            })
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn each(&self, parts: Range<usize>, _round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        match &self.items {
            Items::Texts(items) => some(items, parts, mark),
            Items::Numbers(_) => false,
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

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn each(&self, _parts: Range<usize>, _round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        mark(self.of);
        false
    }
}

/// A class or an instance: the names are in the shape, the values of the fields here.
pub(super) struct Object {
    pub(super) shape: Rc<Shape>,
    pub(super) fields: Vec<Value>,
}

impl Kept for Object {
    fn bytes(&self) -> usize {
        // All that have the shape share what it takes.
        block(self.fields.capacity() * size_of::<Value>())
            + self.shape.bytes() / Rc::strong_count(&self.shape)
    }

    fn clear(&mut self) {
        // The shape is shared, and to make an empty one takes memory.
        self.fields = Vec::new();
    }

    fn each(&self, parts: Range<usize>, round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        self.shape.each(round, mark);
        some(&self.fields, parts, mark)
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
            Self::Script { upvalues, .. } => block(size_of_val(&**upvalues)),
            Self::Named(named) => block(named.name().len()),
            _ => 0,
        }
    }

    fn clear(&mut self) {
        *self = Self::None;
    }

    fn each(&self, _parts: Range<usize>, round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        if let Self::Script { proto, me, upvalues } = self {
            mark(*me);
            upvalues.iter().for_each(|upvalue| mark(Value::Upvalue(*upvalue)));
            proto.each(round, mark);
        }
        false
    }
}

/// A variable that lambdas share with the routine that made them.
#[derive(Default)]
pub(super) struct Upvalue(pub(super) Value);

impl Kept for Upvalue {
    fn bytes(&self) -> usize {
        0
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn each(&self, _parts: Range<usize>, _round: u32, mark: &mut dyn FnMut(Value)) -> bool {
        mark(self.0);
        false
    }
}
