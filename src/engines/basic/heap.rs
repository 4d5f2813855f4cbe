//! Where everything lives that a value refers to.
//!
//! Each kind of object has an [`Arena`], and a reference is an index into it. What can no longer be
//! reached is found by marking from the roots, which the machine knows exactly; so cycles are no
//! matter, and nothing is freed by recursion.
//!
//! Memory is counted by what is allocated, with what the allocator takes for each block. Nothing is
//! collected in the middle of an operation: the machine asks [`Heap::is_due`] between two of them.

pub(super) use super::arena::Ref;
use super::{
    arena::Arena,
    collect::Collection,
    dict::Entries,
    fault::Failure,
    objects::{Array, Buffer, Dict, Iterator, Kept, List, Object, Routine, Text, Upvalue, block},
    value::{Type, Value},
};
use std::{cell::Cell, rc::Rc};

/// No collection before so many bytes are new.
const LEAST_NEW: usize = 128 << 10;

/// All objects of one interpreter.
#[derive(Default)]
pub(super) struct Heap {
    pub(super) texts: Arena<Text>,
    pub(super) buffers: Arena<Buffer>,
    pub(super) lists: Arena<List>,
    pub(super) dicts: Arena<Dict>,
    pub(super) arrays: Arena<Array>,
    pub(super) iterators: Arena<Iterator>,
    pub(super) objects: Arena<Object>,
    pub(super) routines: Arena<Routine>,
    pub(super) upvalues: Arena<Upvalue>,
    /// What all of them take.
    bytes: usize,
    /// What belongs to the interpreter besides.
    kept: Rc<Cell<usize>>,
    /// How much was allocated since the last collection, used again or not.
    new: usize,
    /// How much that may be before the next one.
    due: usize,
    /// How much everything may take.
    limit: usize,
    /// Texts of one ASCII character, made when they are first used.
    pub(super) characters: Vec<Option<Ref<Text>>>,
    /// The collection that was begun.
    pub(super) collection: Option<Collection>,
    /// The number of the last collection.
    pub(super) round: u32,
}

/// Bytes that belong to the interpreter and not to the heap, as long as this lives.
#[derive(Default)]
pub(super) struct Charge {
    all: Option<Rc<Cell<usize>>>,
    bytes: usize,
}

impl Charge {
    /// It is so many bytes from now on.
    pub(super) fn set(&mut self, bytes: usize) {
        if let Some(all) = &self.all {
            all.set((all.get() + bytes).saturating_sub(self.bytes));
            self.bytes = bytes;
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Declares how objects of a kind are made, read and changed.
macro_rules! kinds {
    ($($arena:ident $type:ident $variant:ident $add:ident $get:ident $get_mut:ident,)*) => {
        impl Heap {
            $(
                pub(super) fn $add(&mut self, object: $type) -> Value {
                    Value::$variant(self.add(object, |heap| &mut heap.$arena))
                }

                #[inline]
                pub(super) fn $get(&self, r: Ref<$type>) -> &$type {
                    self.$arena.get(r)
                }

                /// What changes the size must be [told](Heap::grew).
                #[allow(dead_code, reason = "not every kind is changed from outside")]
                #[inline]
                pub(super) fn $get_mut(&mut self, r: Ref<$type>) -> &mut $type {
                    self.$arena.get_mut(r)
                }
            )*
        }
    };
}

kinds! {
    lists List List add_list list list_mut,
    dicts Dict Dict add_dict dict dict_mut,
    arrays Array Array add_array array array_mut,
    iterators Iterator Iterator add_iterator iterator iterator_mut,
    objects Object Object add_object object object_mut,
    routines Routine Routine add_routine routine routine_mut,
    upvalues Upvalue Upvalue add_upvalue upvalue upvalue_mut,
}

impl Heap {
    /// An empty heap that may take `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, due: LEAST_NEW, ..Self::default() }
    }

    /// Bytes that the objects and what else belongs to the interpreter take, some of which may not
    /// be used any more.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.kept.get()
    }

    /// Counts something that belongs to the interpreter besides.
    pub(super) fn charge(&self, bytes: usize) -> Charge {
        let mut charge = Charge { all: Some(self.kept.clone()), bytes: 0 };
        charge.set(bytes);
        charge
    }

    /// Is there a collection to go on with, enough that is new for one, or too much at all?
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.new > self.due || self.bytes() > self.limit || self.collection.is_some()
    }

    /// What objects take `bytes` after a collection.
    pub(super) fn collected(&mut self, bytes: usize) {
        self.bytes = bytes;
        self.new = 0;
        self.due = bytes.max(LEAST_NEW);
    }

    /// May `bytes` more be allocated? To be asked before anything large, and before anything has
    /// changed: after a collection the operation is begun again.
    ///
    /// # Errors
    /// [`Failure::Memory`] if not.
    pub(super) fn reserve(&self, bytes: usize) -> Result<(), Failure> {
        if self.bytes().saturating_add(bytes) > self.limit {
            return Err(Failure::Memory(bytes));
        }
        Ok(())
    }

    /// An object that took `before` bytes takes `after` now.
    #[inline]
    pub(super) fn grew(&mut self, before: usize, after: usize) {
        self.bytes = (self.bytes + after).saturating_sub(before);
        self.new += after.saturating_sub(before);
    }

    fn add<T: Kept>(&mut self, object: T, arena: fn(&mut Self) -> &mut Arena<T>) -> Ref<T> {
        let room = self.limit.saturating_sub(self.bytes());
        self.grew(0, object.bytes());
        self.new += Arena::<T>::SLOT;
        let arena = arena(self);
        let before = arena.bytes();
        let r = arena.add(object, room);
        let after = arena.bytes();
        self.bytes += after - before;
        r
    }

    /// Changes the items of a list; its version changes with its length.
    pub(super) fn change_list<R>(
        &mut self,
        r: Ref<List>,
        change: impl FnOnce(&mut Vec<Value>) -> R,
    ) -> R {
        let list = self.lists.get_mut(r);
        let (len, before) = (list.items.len(), list.bytes());
        let result = change(&mut list.items);
        if list.items.len() != len {
            list.version = list.version.wrapping_add(1);
        }
        let after = list.bytes();
        self.grew(before, after);
        result
    }

    /// Changes the entries of a dict; its version changes with its length.
    pub(super) fn change_dict<R>(
        &mut self,
        r: Ref<Dict>,
        change: impl FnOnce(&mut Entries) -> R,
    ) -> R {
        let dict = self.dicts.get_mut(r);
        let (len, before) = (dict.entries.len(), dict.entries.bytes());
        let result = change(&mut dict.entries);
        if dict.entries.len() != len {
            dict.version = dict.version.wrapping_add(1);
        }
        let after = dict.entries.bytes();
        self.grew(before, after);
        result
    }

    /// A list of `items`.
    pub(super) fn new_list(&mut self, items: Vec<Value>) -> Value {
        self.add_list(List { items, version: 0 })
    }

    /// A text of its own.
    pub(super) fn new_text(&mut self, bytes: &[u8]) -> Value {
        match bytes {
            [byte] if byte.is_ascii() => self.character(*byte),
            _ => self.add_text(Text::Whole { bytes: bytes.into(), ascii: bytes.is_ascii() }),
        }
    }

    /// The text that has `bytes`, which somebody else (a dict, the program) may have as well.
    pub(super) fn share_text(&mut self, bytes: &Rc<[u8]>) -> Value {
        self.add_text(Text::Whole { bytes: bytes.clone(), ascii: bytes.is_ascii() })
    }

    fn add_text(&mut self, text: Text) -> Value {
        Value::Text(self.add(text, |heap| &mut heap.texts))
    }

    fn character(&mut self, byte: u8) -> Value {
        if self.characters.is_empty() {
            self.characters = vec![None; 128];
            self.grew(0, block(size_of_val(&*self.characters)));
        }
        if let Some(text) = self.characters[usize::from(byte)] {
            return Value::Text(text);
        }
        let text = self.add_text(Text::Whole { bytes: Rc::new([byte]), ascii: true });
        if let Value::Text(r) = text {
            self.characters[usize::from(byte)] = Some(r);
        }
        text
    }

    /// The bytes of a text.
    #[inline]
    pub(super) fn text(&self, r: Ref<Text>) -> &[u8] {
        match self.texts.get(r) {
            Text::Whole { bytes, .. } => bytes,
            Text::Beginning { of, len, .. } => &self.buffers.get(*of).0[..*len],
        }
    }

    /// Is every byte of the text ASCII, so that a code point is a byte?
    #[inline]
    pub(super) fn is_ascii(&self, r: Ref<Text>) -> bool {
        match self.texts.get(r) {
            Text::Whole { ascii, .. } | Text::Beginning { ascii, .. } => *ascii,
        }
    }

    /// The bytes of a text, to be kept elsewhere.
    pub(super) fn text_shared(&self, r: Ref<Text>) -> Rc<[u8]> {
        match self.texts.get(r) {
            Text::Whole { bytes, .. } => bytes.clone(),
            Text::Beginning { .. } => self.text(r).into(),
        }
    }

    /// `a` followed by `b`. Where `a` is all of its buffer, `b` is added there: to build a text
    /// piece by piece takes linear time.
    ///
    /// # Errors
    /// [`Failure::Memory`].
    pub(super) fn concat(&mut self, a: Ref<Text>, b: Ref<Text>) -> Result<Value, Failure> {
        /// From here on a text is expected to grow again.
        const LONG: usize = 256;
        let ascii = self.is_ascii(a) && self.is_ascii(b);
        let (left, right) = (self.text(a), self.text(b));
        if right.is_empty() {
            return Ok(Value::Text(a));
        }
        let len = left.len() + right.len();
        if len < LONG {
            let mut bytes = [0; LONG];
            bytes[..left.len()].copy_from_slice(left);
            bytes[left.len()..len].copy_from_slice(right);
            return Ok(self.add_text(Text::Whole { bytes: bytes[..len].into(), ascii }));
        }
        let of = match *self.texts.get(a) {
            Text::Beginning { of, len, .. } if self.buffers.get(of).0.len() == len => of,
            _ => {
                self.reserve(2 * len)?;
                let mut bytes = Vec::with_capacity(2 * len);
                bytes.extend_from_slice(self.text(a));
                self.add(Buffer(bytes), |heap| &mut heap.buffers)
            }
        };
        // The right text may lie in the same buffer, so it is copied before that may move.
        let before = self.buffers.get(of).bytes();
        if self.buffers.get(of).0.capacity() < len {
            self.reserve(2 * len)?;
        }
        let right = match *self.texts.get(b) {
            Text::Beginning { of: same, len, .. } if same == of => {
                self.buffers.get_mut(of).0.extend_from_within(..len);
                None
            }
            Text::Beginning { .. } => Some(self.text_shared(b)),
            Text::Whole { ref bytes, .. } => Some(bytes.clone()),
        };
        if let Some(right) = right {
            self.buffers.get_mut(of).0.extend_from_slice(&right);
        }
        let after = self.buffers.get(of).bytes();
        self.grew(before, after);
        Ok(self.add_text(Text::Beginning { of, len, ascii }))
    }

    /// The type of a value.
    pub(super) fn type_of(&self, value: Value) -> Type {
        match value {
            Value::Nil => Type::Nil,
            Value::Unknown => Type::Unknown,
            Value::Int(_) | Value::Unset => Type::Integer,
            Value::Real(_) => Type::Real,
            Value::Text(_) => Type::String,
            Value::Type(_) => Type::Types,
            Value::Array(_) => Type::Array,
            Value::List(_) => Type::List,
            Value::Dict(_) => Type::Dict,
            Value::Iterator(r) => match self.iterator(r).of {
                Value::Dict(_) => Type::DictIterator,
                _ => Type::ListIterator,
            },
            Value::Object(_) => Type::Class,
            Value::Routine(_) | Value::Upvalue(_) => Type::Routine,
        }
    }
}
