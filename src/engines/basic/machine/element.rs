//! Elements of lists, dicts and arrays, and going through them.

use super::{
    Flow, Machine, Run,
    run::{Key, Then},
};
use crate::engines::basic::{
    fault::{Code, Failure, Fault},
    heap::Ref,
    library::{collections, iterators},
    objects::{Array, Dict, Items},
    value::Value,
};

impl Machine {
    /// The element that is there at once, for the most frequent kinds.
    #[inline]
    pub(super) fn fast_element(&mut self, of: Value, index: Value) -> Option<Value> {
        match (of, index) {
            (Value::Array(array), Value::Int(index)) => {
                let array = self.heap.array(array);
                match &array.items {
                    Items::Numbers(items) if array.sizes.len() == 1 => {
                        items.get(usize::try_from(index).ok()?).map(|item| Value::Real(*item))
                    }
                    _ => None,
                }
            }
            (Value::List(list), Value::Int(index)) => {
                self.heap.list(list).items.get(usize::try_from(index).ok()?).copied()
            }
            (Value::Dict(_), Value::Object(_)) => None,
            (Value::Dict(dict), key) => Some(collections::get_item(&self.heap, dict, key)),
            _ => None,
        }
    }

    /// The same for giving an element another value. `false`: not done.
    #[inline]
    pub(super) fn fast_set_element(&mut self, of: Value, index: Value, value: Value) -> bool {
        if let (Value::Dict(dict), Value::Int(_) | Value::Text(_)) = (of, index) {
            let Some(at) = self.heap.dict(dict).entries.index_of(&self.heap, index) else {
                return false;
            };
            self.heap.dict_mut(dict).entries.set_at(at, value);
            return true;
        }
        let Value::Int(index) = index else { return false };
        let Ok(index) = usize::try_from(index) else { return false };
        match of {
            Value::Array(array) => {
                let array = self.heap.array_mut(array);
                let (Items::Numbers(items), 1) = (&mut array.items, array.sizes.len()) else {
                    return false;
                };
                let item = match value {
                    Value::Int(int) => int as f64,
                    Value::Real(real) => real,
                    _ => return false,
                };
                items.get_mut(index).map(|slot| *slot = item).is_some()
            }
            Value::List(list) => {
                self.heap.list_mut(list).items.get_mut(index).map(|slot| *slot = value).is_some()
            }
            _ => false,
        }
    }

    /// An element of a collection, if `of` is one.
    pub(super) fn element(
        &mut self,
        run: &mut Run,
        of: Value,
        indices: &[Value],
    ) -> Result<Found, Failure> {
        Ok(Found::Value(match of {
            Value::Array(array) => {
                let index = self.array_index(array, indices)?;
                match &self.heap.array(array).items {
                    Items::Numbers(items) => Value::Real(items[index]),
                    Items::Texts(items) => items[index],
                }
            }
            Value::List(list) => collections::get_list(&self.heap, "a list", list, one(indices)?)?,
            Value::Dict(dict) => {
                let key = one(indices)?;
                match self.key(run, key) {
                    Some(key) => collections::get_item(&self.heap, dict, key.found),
                    None => return Ok(Found::Ask(of, key)),
                }
            }
            _ => return Ok(Found::NoCollection),
        }))
    }

    /// Where an element of an array lies.
    fn array_index(&self, array: Ref<Array>, indices: &[Value]) -> Result<usize, Fault> {
        let sizes = &self.heap.array(array).sizes;
        if indices.len() > sizes.len() {
            let detail = format!("the array has {} indices, not {}", sizes.len(), indices.len());
            return Err(Fault::new(Code::TooManyDimensions, detail));
        }
        let mut at = 0;
        // Those that are left out are 0.
        let indices = indices.iter().chain(std::iter::repeat(&Value::Int(0)));
        for (index, size) in indices.zip(sizes) {
            let Value::Int(index) = index else {
                let kind = self.heap.type_of(*index).name();
                let detail = format!("the index of an array is an INTEGER, not {kind}");
                return Err(Fault::new(Code::UnexpectedType, detail));
            };
            let found = usize::try_from(*index).ok().filter(|index| index < size);
            let Some(index) = found else {
                let detail = format!("index {index} is not within 0 to {}", size - 1);
                return Err(Fault::new(Code::OutOfBound, detail));
            };
            at = at * size + index;
        }
        Ok(at)
    }

    /// `of(indices) = value`
    pub(super) fn set_element(
        &mut self,
        run: &mut Run,
        of: Value,
        indices: &[Value],
        value: Value,
    ) -> Result<Flow, Failure> {
        match of {
            Value::List(list) => {
                collections::set_list(&mut self.heap, "a list", list, one(indices)?, value)?;
            }
            Value::Dict(dict) => {
                let key = one(indices)?;
                let Some(key) = self.key(run, key) else {
                    return self.ask(run, Some(of), key);
                };
                collections::set_item(&mut self.heap, dict, key.found, value)?;
                self.know_keys(run, dict);
            }
            Value::Array(array) => {
                let index = self.array_index(array, indices)?;
                match (&mut self.heap.array_mut(array).items, value) {
                    (Items::Numbers(items), Value::Int(int)) => items[index] = int as f64,
                    (Items::Numbers(items), Value::Real(real)) => items[index] = real,
                    (Items::Texts(items), Value::Text(_)) => items[index] = value,
                    (items, _) => {
                        let what = match items {
                            Items::Numbers(_) => "numbers",
                            Items::Texts(_) => "texts",
                        };
                        let kind = self.heap.type_of(value).name();
                        let detail = format!("the array is one of {what}, and this is {kind}");
                        return Err(Fault::new(Code::NotSupported, detail).into());
                    }
                }
            }
            other => {
                let kind = self.heap.type_of(other).name();
                let detail = format!("{kind} has no elements to assign to");
                return Err(Fault::new(Code::AssignExpected, detail).into());
            }
        }
        Ok(Flow::Next)
    }

    /// `DIM` with these sizes.
    pub(super) fn dim(&mut self, sizes: &[Value], texts: bool) -> Result<Value, Failure> {
        let mut all = Vec::with_capacity(sizes.len());
        let mut count = 1_usize;
        for size in sizes {
            let Value::Int(size) = size else {
                let kind = self.heap.type_of(*size).name();
                let detail = format!("the size of an array is an INTEGER, not {kind}");
                return Err(Fault::new(Code::UnexpectedType, detail).into());
            };
            let Some(size) = usize::try_from(*size).ok().filter(|size| *size > 0) else {
                let detail = format!("an array cannot have the size {size}");
                return Err(Fault::new(Code::OutOfBound, detail).into());
            };
            count = count.saturating_mul(size);
            all.push(size);
        }
        let each = if texts { size_of::<Value>() } else { size_of::<f64>() };
        self.heap.reserve(count.saturating_mul(each))?;
        let items = match texts {
            true => {
                let empty = self.heap.new_text(b"");
                Items::Texts(vec![empty; count])
            }
            false => Items::Numbers(vec![0.0; count]),
        };
        Ok(self.heap.add_array(Array { sizes: all, items }))
    }

    /// Begins `FOR ... IN of`; the iterator goes to the place `at`.
    pub(super) fn iterate(&mut self, run: &mut Run, of: Value, at: usize) -> Result<Flow, Failure> {
        if let Value::Object(_) = of {
            return self.call_meta(run, of, "_ITERATOR", at);
        }
        let Some(iterator) = iterators::iterator(&mut self.heap, of) else {
            let kind = self.heap.type_of(of).name();
            let detail = format!("FOR ... IN goes through lists and dicts, not {kind}");
            return Err(Fault::new(Code::IterableExpected, detail).into());
        };
        run.stack[at] = iterator;
        Ok(Flow::Next)
    }

    /// What `key` is as a key; `None` if that has to be [asked](Self::ask) first.
    pub(super) fn key(&self, run: &Run, key: Value) -> Option<Key> {
        let Value::Object(object) = key else { return Some(Key::plain(key)) };
        if !self.heap.object(object).shape.hashes {
            return Some(Key::plain(key));
        }
        run.keys.iter().find(|known| known.object.same(key)).copied()
    }

    /// Asks an object what it is as a key of `dict`, or of a new one, and then begins the operation
    /// again.
    pub(super) fn ask(
        &mut self,
        run: &mut Run,
        dict: Option<Value>,
        key: Value,
    ) -> Result<Flow, Failure> {
        let Some(frame) = run.frames.last_mut() else { return Ok(Flow::Next) };
        frame.pc -= 1;
        let spread = run.spread;
        let at = (frame.base + frame.proto.registers).max(spread);
        let proto = self.guards.key.clone();
        self.push(run, proto, None, Value::Nil, at, 0)?;
        run.stack[at + 1] = key;
        // Not earlier: what nobody can reach yet may be freed when there is no room for the frame.
        run.stack[at + 2] = dict.unwrap_or_else(|| self.heap.add_dict(Dict::default()));
        if let Some(frame) = run.frames.last_mut() {
            frame.then = Then::Key(spread);
        }
        Ok(Flow::Enter)
    }

    /// The keys of `dict` that said that they have this hash, and those that the same operation has
    /// asked before (`asked`), as a list.
    pub(super) fn candidates(
        &mut self,
        dict: Value,
        hash: Value,
        asked: &[Key],
    ) -> Result<Value, Failure> {
        let (Value::Dict(dict), Value::Int(hash)) = (dict, hash) else {
            let kind = self.heap.type_of(hash).name();
            let detail = format!("HASH must give an INTEGER, not {kind}");
            return Err(Fault::new(Code::IntegerExpected, detail).into());
        };
        let keys = self.heap.dict(dict).entries.with_hash(hash).into_iter().map(Value::Object);
        let asked = asked.iter().filter(|key| key.hash == hash).map(|key| key.found);
        let keys = keys.chain(asked).collect();
        Ok(self.heap.new_list(keys))
    }

    /// The operation that asked is done: its keys, where they are in `dict`, keep their hashes.
    pub(super) fn know_keys(&mut self, run: &mut Run, dict: Ref<Dict>) {
        for Key { hash, found, .. } in run.keys.drain(..) {
            if let Value::Object(object) = found
                && self.heap.dict(dict).entries.get(&self.heap, found).is_some()
            {
                self.heap.change_dict(dict, |entries| entries.set_hash(object, hash));
            }
        }
    }
}

/// What an element is.
pub(super) enum Found {
    Value(Value),
    /// The key has to be asked first what it is.
    Ask(Value, Value),
    NoCollection,
}

/// The only index.
fn one(indices: &[Value]) -> Result<Value, Fault> {
    match indices {
        [index] => Ok(*index),
        _ => {
            let detail = format!("one index is expected, {} were given", indices.len());
            Err(Fault::new(Code::CloseBracketExpected, detail))
        }
    }
}
