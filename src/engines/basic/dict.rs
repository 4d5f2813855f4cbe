//! What is in a dict: entries by key, in the order in which they were made.

use super::{
    heap::{Heap, Ref},
    objects::{Object, block, shared_block},
    value::{Type, Value},
};
use indexmap::{Equivalent, IndexMap};
use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    rc::Rc,
};

/// The entries of a dict. Keys are equal if their types and values are: 2 and 2.0 are two keys.
#[derive(Default)]
pub(super) struct Entries {
    map: IndexMap<Key, Entry, Keyed>,
    /// Objects among the keys that tell their own hash, by that.
    hashed: Vec<(i64, Ref<Object>)>,
    /// Bytes of the texts among the keys.
    text_bytes: usize,
}

struct Entry {
    key: Value,
    value: Value,
}

/// A key in the form in which equal keys are equal.
#[derive(PartialEq, Eq)]
enum Key {
    Text(Rc<[u8]>),
    Other(Plain),
}

/// A key that is no text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Plain {
    Nil,
    Unknown,
    Int(i64),
    /// The bits, with one zero and one NaN.
    Real(u64),
    Type(Type),
    /// Which kind of object, and which one.
    Reference(u8, u32),
}

/// A key that is looked for.
enum Wanted<'a> {
    Text(&'a [u8]),
    Other(Plain),
}

/// Hashes with a key that nobody knows, so that nobody can write keys that collide. The standard
/// one does as well, and takes several times as long for what is short.
#[derive(Clone)]
pub(super) struct Keyed {
    start: u64,
    factor: u64,
}

impl Default for Keyed {
    fn default() -> Self {
        let random = RandomState::new();
        Self { start: random.hash_one(0), factor: random.hash_one(1) | 1 }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Mixer;

    #[inline]
    fn build_hasher(&self) -> Mixer {
        Mixer { state: self.start, factor: self.factor }
    }
}

pub(super) struct Mixer {
    state: u64,
    factor: u64,
}

impl Hasher for Mixer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(word.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        }
        // The length of a text is hashed as well.
        let rest = words.remainder();
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        }
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        self.state = product as u64 ^ (product >> 64) as u64;
    }

    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(bytes) => Wanted::Text(bytes).hash(state),
            Self::Other(plain) => Wanted::Other(*plain).hash(state),
        }
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(bytes) => bytes.hash(state),
            Self::Other(plain) => plain.hash(state),
        }
    }
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Text(a), Key::Text(b)) => **a == **b,
            (Self::Other(a), Key::Other(b)) => a == b,
            _ => false,
        }
    }
}

impl<'a> Wanted<'a> {
    fn new(heap: &'a Heap, key: Value) -> Self {
        Self::Other(match key {
            Value::Text(r) => return Self::Text(heap.text(r)),
            Value::Nil | Value::Unset => Plain::Nil,
            Value::Unknown => Plain::Unknown,
            Value::Int(int) => Plain::Int(int),
            Value::Real(real) if real.is_nan() => Plain::Real(f64::NAN.to_bits()),
            // Adding zero makes the negative zero the other one.
            Value::Real(real) => Plain::Real((real + 0.0).to_bits()),
            Value::Type(kind) => Plain::Type(kind),
            Value::Array(r) => Plain::Reference(0, r.index()),
            Value::List(r) => Plain::Reference(1, r.index()),
            Value::Dict(r) => Plain::Reference(2, r.index()),
            Value::Iterator(r) => Plain::Reference(3, r.index()),
            Value::Object(r) => Plain::Reference(4, r.index()),
            Value::Routine(r) => Plain::Reference(5, r.index()),
            Value::Upvalue(r) => Plain::Reference(6, r.index()),
        })
    }
}

/// A key that was made ready, for a dict that is changed while the heap is not read.
pub(super) struct Ready {
    key: Key,
    value: Value,
}

impl Ready {
    pub(super) fn new(heap: &Heap, value: Value) -> Self {
        let key = match Wanted::new(heap, value) {
            Wanted::Other(plain) => Key::Other(plain),
            Wanted::Text(bytes) => match value {
                Value::Text(r) => Key::Text(heap.text_shared(r)),
                _ => Key::Text(bytes.into()),
            },
        };
        Self { key, value }
    }
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Besides the entry, the table has the hash and an index for each.
    const ENTRY: usize = size_of::<Key>() + size_of::<Entry>() + 2 * size_of::<usize>();

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        block(self.map.capacity() * Self::ENTRY) + self.text_bytes + size_of_val(&*self.hashed)
    }

    /// Bytes that `more` entries may take, besides their texts.
    pub(super) fn growth(&self, more: usize) -> usize {
        let (len, capacity) = (self.map.len() + more, self.map.capacity());
        // Tables at least double, so that adding one by one takes linear time.
        if len <= capacity { 0 } else { (len.max(2 * capacity) - capacity) * Self::ENTRY }
    }

    pub(super) fn get(&self, heap: &Heap, key: Value) -> Option<Value> {
        self.map.get(&Wanted::new(heap, key)).map(|entry| entry.value)
    }

    /// Where the entry of `key` is.
    pub(super) fn index_of(&self, heap: &Heap, key: Value) -> Option<usize> {
        self.map.get_index_of(&Wanted::new(heap, key))
    }

    /// Gives the entry at `index` another value.
    pub(super) fn set_at(&mut self, index: usize, value: Value) {
        if let Some((_, entry)) = self.map.get_index_mut(index) {
            entry.value = value;
        }
    }

    /// The key and the value of the entry at `index`, in their order.
    pub(super) fn at(&self, index: usize) -> Option<(Value, Value)> {
        self.map.get_index(index).map(|(_, entry)| (entry.key, entry.value))
    }

    /// Adds an entry, or gives the one that is there another value.
    pub(super) fn insert(&mut self, key: Ready, value: Value) {
        let Ready { key, value: key_value } = key;
        let bytes = match &key {
            Key::Text(bytes) => shared_block(bytes),
            Key::Other(_) => 0,
        };
        match self.map.entry(key) {
            indexmap::map::Entry::Occupied(mut entry) => entry.get_mut().value = value,
            indexmap::map::Entry::Vacant(entry) => {
                entry.insert(Entry { key: key_value, value });
                self.text_bytes += bytes;
            }
        }
    }

    /// The value that was there. The last entry takes the place of the one that is removed.
    pub(super) fn remove(&mut self, key: &Ready) -> Option<Value> {
        let entry = self.map.swap_remove(&key.key)?;
        if let Key::Text(bytes) = &key.key {
            self.text_bytes = self.text_bytes.saturating_sub(shared_block(bytes));
        }
        if let Value::Object(object) = entry.key {
            self.hashed.retain(|(_, each)| *each != object);
        }
        Some(entry.value)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The keys that said that their hash is `hash`.
    pub(super) fn with_hash(&self, hash: i64) -> Vec<Ref<Object>> {
        self.hashed.iter().filter(|(each, _)| *each == hash).map(|(_, object)| *object).collect()
    }

    /// `object`, which is or becomes a key, says that its hash is `hash`.
    pub(super) fn set_hash(&mut self, object: Ref<Object>, hash: i64) {
        if !self.hashed.contains(&(hash, object)) {
            self.hashed.push((hash, object));
        }
    }
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        let copy = |(key, entry): (&Key, &Entry)| {
            let key = match key {
                Key::Text(bytes) => Key::Text(bytes.clone()),
                Key::Other(plain) => Key::Other(*plain),
            };
            (key, Entry { key: entry.key, value: entry.value })
        };
        Self {
            map: self.map.iter().map(copy).collect(),
            hashed: self.hashed.clone(),
            text_bytes: self.text_bytes,
        }
    }
}
