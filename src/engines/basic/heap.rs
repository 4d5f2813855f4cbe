//! Where everything lives that a value refers to.
//!
//! Each kind of object has an [`Arena`], and a reference is an index into it. What can no longer be
//! reached is found by marking from the roots, which the machine knows exactly; so cycles are no
//! matter, and nothing is freed by recursion.
//!
//! Memory is counted by what objects take of it, at each allocation and growth. Nothing is
//! collected in the middle of an operation: the machine asks [`Heap::is_due`] between two of them.

use super::{
    dict::Entries,
    fault::Failure,
    objects::{Array, Buffer, Dict, Iterator, Kept, List, Object, Routine, Text, Upvalue},
    value::{Type, Value},
};
use crate::fiber;
use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    rc::Rc,
};

/// No collection before so many bytes are new.
const LEAST_NEW: usize = 256 << 10;

/// How many objects are marked or swept between two looks at the end of the slice.
const STRETCH: usize = 4096;

/// A reference to an object of the heap that made it. It stays good as long as it can be reached
/// from the roots.
pub(super) struct Ref<T> {
    index: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    fn at(index: u32) -> Self {
        Self { index, kind: PhantomData }
    }

    /// A number that no other object of its kind has at the same time.
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for Ref<T> {}

impl<T> Hash for Ref<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.index)
    }
}

struct Slot<T> {
    state: State,
    object: T,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    New,
    Marked,
}

/// All objects of one kind.
struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T: Kept> Arena<T> {
    const SLOT: usize = size_of::<Slot<T>>() + size_of::<u32>();

    fn add(&mut self, object: T) -> Ref<T> {
        let slot = Slot { state: State::New, object };
        match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                Ref::at(index)
            }
            None => {
                // The limit of memory is reached long before an index of 32 bits ends: each object
                // takes dozens of bytes.
                let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                self.slots.push(slot);
                Ref::at(index)
            }
        }
    }

    #[inline]
    fn get(&self, r: Ref<T>) -> &T {
        &self.slots[r.index as usize].object
    }

    #[inline]
    fn get_mut(&mut self, r: Ref<T>) -> &mut T {
        &mut self.slots[r.index as usize].object
    }

    /// `true`: it was not marked before.
    fn mark(&mut self, r: Ref<T>) -> bool {
        let slot = &mut self.slots[r.index as usize];
        let is_new = slot.state == State::New;
        slot.state = State::Marked;
        is_new
    }

    /// Frees what is not marked, and says how many bytes are left.
    fn sweep(&mut self) -> usize {
        let mut bytes = 0;
        for (index, slot) in (0..).zip(&mut self.slots) {
            match slot.state {
                State::Marked => {
                    slot.state = State::New;
                    bytes += Self::SLOT + slot.object.bytes();
                }
                State::New => {
                    *slot = Slot { state: State::Free, object: T::default() };
                    self.free.push(index);
                }
                State::Free => {}
            }
            if index as usize % STRETCH == STRETCH - 1 {
                // A collection that was begun is ended, also for a call that is given up.
                fiber::checkpoint();
            }
        }
        if self.free.len() == self.slots.len() {
            *self = Self::default();
        }
        bytes
    }
}

/// All objects of one interpreter.
#[derive(Default)]
pub(super) struct Heap {
    texts: Arena<Text>,
    buffers: Arena<Buffer>,
    lists: Arena<List>,
    dicts: Arena<Dict>,
    arrays: Arena<Array>,
    iterators: Arena<Iterator>,
    objects: Arena<Object>,
    routines: Arena<Routine>,
    upvalues: Arena<Upvalue>,
    /// What all of them take.
    bytes: usize,
    /// What belongs to the interpreter besides.
    kept: usize,
    /// How much they may take before the next collection.
    due: usize,
    /// How much they may take at all.
    limit: usize,
    /// Texts of one ASCII character, made when they are first used.
    characters: Vec<Option<Ref<Text>>>,
}

/// Declares how objects of a kind are made, read and changed.
macro_rules! kinds {
    ($($arena:ident $type:ident $variant:ident $add:ident $get:ident $get_mut:ident,)*) => {
        impl Heap {
            $(
                pub(super) fn $add(&mut self, object: $type) -> Value {
                    self.bytes += Arena::<$type>::SLOT + object.bytes();
                    Value::$variant(self.$arena.add(object))
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
        Self { limit, due: LEAST_NEW.min(limit), ..Self::default() }
    }

    /// Bytes that the objects take, some of which may not be used any more.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Is there enough that is new for a collection?
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.bytes > self.due
    }

    /// May `bytes` more be allocated? To be asked before anything large, and before anything has
    /// changed: after a collection the operation is begun again.
    ///
    /// # Errors
    /// [`Failure::Memory`] if not.
    pub(super) fn reserve(&self, bytes: usize) -> Result<(), Failure> {
        if self.bytes.saturating_add(bytes) > self.limit {
            return Err(Failure::Memory(bytes));
        }
        Ok(())
    }

    /// An object that took `before` bytes takes `after` now.
    #[inline]
    pub(super) fn grew(&mut self, before: usize, after: usize) {
        self.bytes = (self.bytes + after).saturating_sub(before);
    }

    /// What is not in the heap but belongs to the interpreter took `before` bytes and takes `after`
    /// now.
    pub(super) fn keep(&mut self, before: usize, after: usize) {
        self.kept = (self.kept + after).saturating_sub(before);
        self.grew(before, after);
    }

    /// Changes the items of a list; its version changes with its length.
    pub(super) fn change_list<R>(
        &mut self,
        r: Ref<List>,
        change: impl FnOnce(&mut Vec<Value>) -> R,
    ) -> R {
        let list = self.lists.get_mut(r);
        let (len, before) = (list.items.len(), list.items.capacity());
        let result = change(&mut list.items);
        if list.items.len() != len {
            list.version = list.version.wrapping_add(1);
        }
        let after = list.items.capacity();
        self.grew(before * size_of::<Value>(), after * size_of::<Value>());
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
        self.bytes += Arena::<Text>::SLOT + text.bytes();
        Value::Text(self.texts.add(text))
    }

    fn character(&mut self, byte: u8) -> Value {
        if self.characters.is_empty() {
            self.characters = vec![None; 128];
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
            let mut bytes = Vec::with_capacity(len);
            bytes.extend_from_slice(left);
            bytes.extend_from_slice(right);
            return Ok(self.add_text(Text::Whole { bytes: bytes.into(), ascii }));
        }
        let of = match *self.texts.get(a) {
            Text::Beginning { of, len, .. } if self.buffers.get(of).0.len() == len => of,
            _ => {
                self.reserve(2 * len)?;
                let mut bytes = Vec::with_capacity(2 * len);
                bytes.extend_from_slice(self.text(a));
                self.bytes += Arena::<Buffer>::SLOT + bytes.capacity();
                self.buffers.add(Buffer(bytes))
            }
        };
        // The right text may lie in the same buffer, so it is copied before that may move.
        let before = self.buffers.get(of).0.capacity();
        if before < len {
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
        let after = self.buffers.get(of).0.capacity();
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

    /// Frees what cannot be reached from the values that `roots` tells.
    ///
    /// It lets other contexts run in between, so nothing else of this interpreter may.
    pub(super) fn collect(&mut self, roots: impl FnOnce(&mut dyn FnMut(Value))) {
        let mut grey = Vec::new();
        roots(&mut |value| self.mark(value, &mut grey));
        for text in self.characters.iter().flatten() {
            self.texts.mark(*text);
        }
        let mut found = Vec::new();
        let mut count = 0_usize;
        while let Some(value) = grey.pop() {
            let mut push = |value: Value| {
                if !matches!(value, Value::Int(_) | Value::Real(_) | Value::Nil) {
                    found.push(value);
                }
            };
            match value {
                Value::List(r) => self.lists.get(r).each(&mut push),
                Value::Dict(r) => self.dicts.get(r).each(&mut push),
                Value::Array(r) => self.arrays.get(r).each(&mut push),
                Value::Iterator(r) => self.iterators.get(r).each(&mut push),
                Value::Object(r) => self.objects.get(r).each(&mut push),
                Value::Routine(r) => self.routines.get(r).each(&mut push),
                Value::Upvalue(r) => self.upvalues.get(r).each(&mut push),
                _ => {}
            }
            for value in found.drain(..) {
                self.mark(value, &mut grey);
                count += 1;
                if count.is_multiple_of(STRETCH) {
                    fiber::checkpoint();
                }
            }
        }
        self.bytes = self.kept
            + self.texts.sweep()
            + self.buffers.sweep()
            + self.lists.sweep()
            + self.dicts.sweep()
            + self.arrays.sweep()
            + self.iterators.sweep()
            + self.objects.sweep()
            + self.routines.sweep()
            + self.upvalues.sweep();
        self.due = (self.bytes * 2).max(LEAST_NEW).min(self.limit.max(self.bytes));
    }

    /// Marks what `value` refers to, and remembers it if it may refer to more.
    fn mark(&mut self, value: Value, grey: &mut Vec<Value>) {
        let is_new = match value {
            Value::Text(r) => {
                if let Text::Beginning { of, .. } = *self.texts.get(r) {
                    self.buffers.mark(of);
                }
                self.texts.mark(r);
                false
            }
            Value::List(r) => self.lists.mark(r),
            Value::Dict(r) => self.dicts.mark(r),
            Value::Array(r) => self.arrays.mark(r),
            Value::Iterator(r) => self.iterators.mark(r),
            Value::Object(r) => self.objects.mark(r),
            Value::Routine(r) => self.routines.mark(r),
            Value::Upvalue(r) => self.upvalues.mark(r),
            Value::Nil
            | Value::Unknown
            | Value::Unset
            | Value::Int(_)
            | Value::Real(_)
            | Value::Type(_) => false,
        };
        if is_new {
            grey.push(value);
        }
    }
}
