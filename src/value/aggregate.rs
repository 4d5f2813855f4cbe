//! The one container of scripts: a list, a map, or both.

use super::{Key, Value, key::Text, mismatch, walk};
use crate::error::{Error, ErrorKind, Result};
use indexmap::IndexMap;
use std::{mem, sync::Arc};

/// What an [`Aggregate`] is. It decides what an empty one becomes in a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Values in a row, without keys.
    #[default]
    List,
    /// Pairs of a key and a value.
    Map,
    /// Both in one, as a table of Lua may be.
    Both,
}

impl Kind {
    /// What people call it.
    pub(super) const fn described(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Map => "map",
            Self::Both => "mix of list and map",
        }
    }
}

/// A container: a dense array of values, and pairs that keep the order of their insertion.
///
/// The kind follows the content: a list has no pairs, a map has no array. A new one is an empty
/// list; the first pair makes an empty list a map. What already is something else becomes
/// [`Both`](Kind::Both), and stays so. Usually held in a [`Value::Aggregate`]; change one there
/// with [`Arc::make_mut`], which copies it (not what it contains) if it is shared.
///
/// Dropping one does not recurse, however deep it is nested.
///
/// ```
/// use calog::{Aggregate, Kind, Value};
/// let mut table = Aggregate::new();
/// table.push("first");
/// assert_eq!(table.kind(), Kind::List);
/// table.insert("name", "Ada");
/// assert_eq!(table.kind(), Kind::Both);
/// assert_eq!(table.get_index(0), Some(&Value::from("first")));
/// assert_eq!(table.get_str("name"), Some(&Value::from("Ada")));
/// ```
#[derive(Clone, Default)]
pub struct Aggregate {
    kind: Kind,
    array: Vec<Value>,
    pairs: IndexMap<Key, Value>,
}

impl Aggregate {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty container of `kind`.
    pub fn with_kind(kind: Kind) -> Self {
        Self { kind, array: Vec::new(), pairs: IndexMap::new() }
    }

    /// An empty list with room for `array` values and `pairs` pairs.
    pub fn with_capacity(array: usize, pairs: usize) -> Self {
        Self {
            kind: Kind::List,
            array: Vec::with_capacity(array),
            pairs: IndexMap::with_capacity(pairs),
        }
    }

    /// An empty map with room for `pairs` pairs.
    pub(super) fn map_with_capacity(pairs: usize) -> Self {
        Self { kind: Kind::Map, array: Vec::new(), pairs: IndexMap::with_capacity(pairs) }
    }

    /// The list of `values`.
    pub fn list(values: Vec<Value>) -> Self {
        Self { kind: Kind::List, array: values, pairs: IndexMap::new() }
    }

    /// The map of `pairs`, in their order; a later duplicate of a key replaces the value of the
    /// first.
    pub fn map<K: Into<Key>, V: Into<Value>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { kind: Kind::Map, array: Vec::new(), pairs }
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The values of the list part.
    pub fn array(&self) -> &[Value] {
        &self.array
    }

    /// The pairs, in the order of their insertion.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> + DoubleEndedIterator {
        self.pairs.iter()
    }

    /// How many values it holds, in the list and in the pairs together.
    pub fn len(&self) -> usize {
        self.array.len() + self.pairs.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.array.is_empty() && self.pairs.is_empty()
    }

    /// Appends a value to the list part. A map, even an empty one, becomes [`Both`](Kind::Both).
    pub fn push(&mut self, value: impl Into<Value>) {
        if self.kind == Kind::Map {
            self.kind = Kind::Both;
        }
        self.array.push(value.into());
    }

    /// Inserts a pair, and returns the value that the key had. The pair keeps its place then, else
    /// it comes last. An empty list becomes a map; any other list becomes [`Both`](Kind::Both).
    pub fn insert(&mut self, key: impl Into<Key>, value: impl Into<Value>) -> Option<Value> {
        if self.kind == Kind::List {
            self.kind = if self.array.is_empty() { Kind::Map } else { Kind::Both };
        }
        self.pairs.insert(key.into(), value.into())
    }

    /// The value of the pair with `key`. An int key does not look into the list part.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.pairs.get(key)
    }

    /// The value of the pair with the string key `key`.
    pub fn get_str(&self, key: &str) -> Option<&Value> {
        self.pairs.get(&Text(key.as_bytes()))
    }

    /// The value at `index` of the list part, counted from 0.
    pub fn get_index(&self, index: usize) -> Option<&Value> {
        self.array.get(index)
    }

    /// The kind, the list part and the pairs.
    pub fn into_parts(mut self) -> (Kind, Vec<Value>, IndexMap<Key, Value>) {
        (self.kind, mem::take(&mut self.array), mem::take(&mut self.pairs))
    }

    /// The values, of the list part and of the pairs.
    pub(super) fn values(&self) -> Values<'_> {
        self.array.iter().chain(self.pairs.values())
    }

    /// The values of a list; anything that is empty is a list too.
    pub(super) fn into_list(self) -> Result<Vec<Value>> {
        if self.kind == Kind::List || self.is_empty() {
            Ok(self.into_parts().1)
        } else {
            Err(mismatch("list", &self.into()))
        }
    }

    /// The pairs of a map; anything that is empty is a map too. If it is both, the values of the
    /// list come first, with their indexes from 1 as keys.
    pub(super) fn into_entries(self) -> Result<impl Iterator<Item = (Key, Value)>> {
        if self.kind == Kind::List && !self.is_empty() {
            return Err(mismatch("map", &self.into()));
        }
        self.check_entries()?;
        let (_, array, pairs) = self.into_parts();
        Ok((1..).map(Key::Int).zip(array).chain(pairs))
    }

    /// Checks that no pair has the index of a value in the list part as its key: as a map, one of
    /// the two would be lost.
    pub(super) fn check_entries(&self) -> Result<()> {
        let mut keys = self.pairs.keys().filter_map(Key::as_int);
        let is_index =
            |int| usize::try_from(int).is_ok_and(|int| int > 0 && int <= self.array.len());
        match keys.find(|&int| is_index(int)) {
            Some(int) => {
                let what = format!("as a map it would have the key {int} twice");
                Err(Error::new(ErrorKind::Unrepresentable, what))
            }
            None => Ok(()),
        }
    }
}

/// The values of an aggregate.
pub(super) type Values<'a> =
    std::iter::Chain<std::slice::Iter<'a, Value>, indexmap::map::Values<'a, Key, Value>>;

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        walk::equal_aggregates(self, other)
    }
}

/// Takes the aggregates out of the aggregates onto a list and drops them from there, so that none
/// is dropped by another: the stack would not do for a value that a script has nested a million
/// deep.
impl Drop for Aggregate {
    fn drop(&mut self) {
        let mut orphans = Vec::new();
        self.orphan(&mut orphans);
        while let Some(orphan) = orphans.pop() {
            // Of the owners of a shared one, exactly the last gets it, even if all drop it at once.
            if let Some(mut aggregate) = Arc::into_inner(orphan) {
                aggregate.orphan(&mut orphans);
            }
        }
    }
}

impl Aggregate {
    /// Moves the aggregates that this one contains to `orphans`. A flat one has none, so its drop
    /// costs no more than a look at the tags.
    fn orphan(&mut self, orphans: &mut Vec<Arc<Self>>) {
        for value in self.array.iter_mut().chain(self.pairs.values_mut()) {
            if let Value::Aggregate(_) = value
                && let Value::Aggregate(child) = mem::take(value)
            {
                orphans.push(child);
            }
        }
    }
}
