//! Lists, dicts, and arrays made of lists.

use super::{
    Call, Code, Failure, Fault, Heap, Number, Ref, STRETCH, Value, described, iterators, pause,
};
use crate::engines::basic::{
    dict::{Entries, Ready},
    objects::{Array, Dict, Items, List},
};

/// `LIST(value, ...)`
pub(super) fn list(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    heap.reserve(size_of_val(call.args))?;
    Ok(heap.new_list(call.args.to_vec()))
}

/// `LIST(from TO to)`
pub(super) fn range(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_, _] = call.exactly()?;
    let (from, to) = (call.int(heap, 0)?, call.int(heap, 1)?);
    let steps = usize::try_from(from.abs_diff(to)).unwrap_or(usize::MAX);
    let len = steps.saturating_add(1);
    let bytes = len.saturating_mul(size_of::<Value>());
    heap.reserve(bytes)?;
    let mut items = Vec::new();
    items.try_reserve_exact(len).map_err(|_| Failure::Memory(bytes))?;
    let step = if from <= to { 1 } else { -1 };
    let mut next = from;
    while items.len() < len {
        let stretch = STRETCH.min(len - items.len());
        items.extend((0..stretch as i64).map(|at| Value::Int(next + at * step)));
        next = next.wrapping_add(stretch as i64 * step);
        pause()?;
    }
    Ok(heap.new_list(items))
}

/// `DICT(key, value, ...)`
pub(super) fn dict(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let mut entries = Entries::default();
    heap.reserve(entries.growth(call.args.len() / 2))?;
    for (key, value) in pairs(call, 0)? {
        entries.insert(Ready::new(heap, key), value);
    }
    Ok(heap.add_dict(Dict { entries, ..Dict::default() }))
}

/// The arguments from `first` on, two by two.
fn pairs(call: &Call<'_>, first: usize) -> Result<impl Iterator<Item = (Value, Value)>, Failure> {
    let (pairs, rest) = call.args.get(first..).unwrap_or_default().as_chunks();
    if rest.is_empty() {
        return Ok(pairs.iter().map(|[key, value]| (*key, *value)));
    }
    Err(call.fault(Code::UnexpectedType, "the last key has no value"))
}

/// The element of `list` at `index`; `what` is who asks.
///
/// # Errors
/// [`Code::CannotFind`] if there is none.
#[inline]
pub(in crate::engines::basic) fn get_list(
    heap: &Heap,
    what: &str,
    list: Ref<List>,
    index: Value,
) -> Result<Value, Failure> {
    let items = &heap.list(list).items;
    if let Value::Int(index) = index
        && let Some(item) = usize::try_from(index).ok().and_then(|index| items.get(index))
    {
        return Ok(*item);
    }
    let index = position(heap, what, list, index)?;
    Ok(heap.list(list).items[index])
}

/// Gives the element of `list` at `index` another value.
///
/// # Errors
/// [`Code::CannotFind`] if there is none.
#[inline]
pub(in crate::engines::basic) fn set_list(
    heap: &mut Heap,
    what: &str,
    list: Ref<List>,
    index: Value,
    value: Value,
) -> Result<(), Failure> {
    let index = position(heap, what, list, index)?;
    heap.list_mut(list).items[index] = value;
    Ok(())
}

/// `index` as one of `list`.
#[inline]
fn position(heap: &Heap, what: &str, list: Ref<List>, index: Value) -> Result<usize, Failure> {
    let len = heap.list(list).items.len();
    let int = match index {
        Value::Int(int) => int,
        Value::Real(real) => Number::Real(real).truncate(),
        other => {
            let got = described(heap, other);
            let detail = format!("{what}: a number is expected as an index, not {got}");
            return Err(Fault::new(Code::NumberExpected, detail).into());
        }
    };
    match usize::try_from(int) {
        Ok(index) if index < len => Ok(index),
        _ => Err(no_element(what, len, int)),
    }
}

#[cold]
fn no_element(what: &str, len: usize, index: i64) -> Failure {
    let elements = if len == 1 { "element" } else { "elements" };
    let detail = format!("{what}: the list has {len} {elements}, and none at {index}");
    Fault::new(Code::CannotFind, detail).into()
}

/// What is in the dict at `key`, or UNKNOWN.
#[inline]
pub(in crate::engines::basic) fn get_item(heap: &Heap, dict: Ref<Dict>, key: Value) -> Value {
    heap.dict(dict).entries.get(heap, key).unwrap_or(Value::Unknown)
}

/// Puts `value` into the dict at `key`.
///
/// # Errors
/// [`Failure::Memory`].
pub(in crate::engines::basic) fn set_item(
    heap: &mut Heap,
    dict: Ref<Dict>,
    key: Value,
    value: Value,
) -> Result<(), Failure> {
    heap.reserve(heap.dict(dict).entries.growth(1))?;
    let key = Ready::new(heap, key);
    heap.change_dict(dict, |entries| entries.insert(key, value));
    Ok(())
}

/// `GET(list, index)`, `GET(dict, key)`, `GET(iterator)`
#[inline]
pub(super) fn get(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    match call.arg(0)? {
        Value::List(list) => {
            let [_, index] = call.exactly()?;
            get_list(heap, "GET", list, index)
        }
        Value::Dict(dict) => {
            let [_, key] = call.exactly()?;
            Ok(get_item(heap, dict, key))
        }
        Value::Iterator(iterator) => {
            let [_] = call.exactly()?;
            iterators::current(heap, iterator)
        }
        other => {
            let wanted = "a LIST, a DICT, an ITERATOR or a CLASS";
            Err(call.unexpected(Code::CollectionOrIterator, heap, other, wanted))
        }
    }
}

/// `SET(list, index, value, ...)`, `SET(dict, key, value, ...)`
pub(super) fn set(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let of = call.arg(0)?;
    match of {
        Value::List(list) => {
            for (index, value) in pairs(call, 1)? {
                set_list(heap, "SET", list, index, value)?;
            }
        }
        Value::Dict(dict) => {
            heap.reserve(heap.dict(dict).entries.growth(call.args.len() / 2))?;
            for (key, value) in pairs(call, 1)? {
                set_item(heap, dict, key, value)?;
            }
        }
        other => {
            let wanted = "a LIST, a DICT or a CLASS";
            return Err(call.unexpected(Code::CollectionExpected, heap, other, wanted));
        }
    }
    Ok(of)
}

/// Asks for the memory that `more` elements may need.
#[inline]
fn reserve(heap: &Heap, list: Ref<List>, more: usize) -> Result<(), Failure> {
    let items = &heap.list(list).items;
    let (len, capacity) = (items.len() + more, items.capacity());
    // Vectors at least double, so that adding one by one takes linear time.
    let growth = if len <= capacity { 0 } else { len.max(2 * capacity) - capacity };
    heap.reserve(growth * size_of::<Value>())
}

/// `PUSH(list, value, ...)`
#[inline]
pub(super) fn push(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let list = call.list(heap)?;
    let values = &call.args[1..];
    reserve(heap, list, values.len())?;
    heap.change_list(list, |items| items.extend_from_slice(values));
    Ok(Value::List(list))
}

/// `POP(list)`
pub(super) fn pop(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    let list = call.list(heap)?;
    Ok(heap.change_list(list, Vec::pop).unwrap_or_default())
}

/// `BACK(list)`
pub(super) fn back(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    let list = call.list(heap)?;
    Ok(heap.list(list).items.last().copied().unwrap_or_default())
}

/// `INSERT(list, index, value)`
pub(super) fn insert(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let list = call.list(heap)?;
    let [of, _, value] = call.exactly()?;
    let index = call.int(heap, 1)?;
    let len = heap.list(list).items.len();
    let Some(at) = usize::try_from(index).ok().filter(|at| *at <= len) else {
        let detail = format_args!("{index} is not between 0 and the length of the list, {len}");
        return Err(call.fault(Code::InvalidExpression, detail));
    };
    reserve(heap, list, 1)?;
    heap.change_list(list, |items| items.insert(at, value));
    Ok(of)
}

/// `EXISTS(list, value)`, `EXISTS(dict, key)`
pub(super) fn exists(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [of, wanted] = call.exactly()?;
    Ok(Value::truth(match of {
        Value::List(list) => find(heap, list, wanted)?.is_some(),
        Value::Dict(dict) => heap.dict(dict).entries.get(heap, wanted).is_some(),
        other => {
            let wanted = "a LIST or a DICT";
            return Err(call.unexpected(Code::CollectionExpected, heap, other, wanted));
        }
    }))
}

/// `INDEX_OF(list, value)`
pub(super) fn index_of(call: &Call<'_>, heap: &Heap) -> Result<Value, Failure> {
    let [_, wanted] = call.exactly()?;
    let list = call.list(heap)?;
    Ok(find(heap, list, wanted)?.map_or(Value::Unknown, |at| Value::Int(at as i64)))
}

/// The index of the first element that is equal by type and value.
fn find(heap: &Heap, list: Ref<List>, wanted: Value) -> Result<Option<usize>, Failure> {
    let is_wanted = |item: &Value| match (*item, wanted) {
        (Value::Text(a), Value::Text(b)) => heap.text(a) == heap.text(b),
        (item, wanted) => item.same(wanted),
    };
    for (stretch, items) in heap.list(list).items.chunks(STRETCH).enumerate() {
        if let Some(at) = items.iter().position(is_wanted) {
            return Ok(Some(stretch * STRETCH + at));
        }
        if items.len() == STRETCH {
            pause()?;
        }
    }
    Ok(None)
}

/// `REMOVE(list, index, ...)`, `REMOVE(dict, key, ...)`: one after the other
pub(super) fn remove(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let of = call.arg(0)?;
    let keys = &call.args[1..];
    match of {
        Value::List(list) => {
            for index in keys {
                let at = position(heap, "REMOVE", list, *index)?;
                heap.change_list(list, |items| items.remove(at));
            }
        }
        Value::Dict(dict) => {
            for key in keys {
                let ready = Ready::new(heap, *key);
                if heap.change_dict(dict, |entries| entries.remove(&ready)).is_none() {
                    return Err(call.fault(Code::CannotFind, "the dict has no such key"));
                }
            }
        }
        other => {
            let wanted = "a LIST or a DICT";
            return Err(call.unexpected(Code::CollectionExpected, heap, other, wanted));
        }
    }
    Ok(of)
}

/// `CLEAR(collection)`
pub(super) fn clear(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [of] = call.exactly()?;
    match of {
        Value::List(list) => heap.change_list(list, |items| *items = Vec::new()),
        Value::Dict(dict) => heap.change_dict(dict, Entries::clear),
        other => {
            let wanted = "a LIST or a DICT";
            return Err(call.unexpected(Code::CollectionExpected, heap, other, wanted));
        }
    }
    Ok(of)
}

/// A list of the same elements. The memory for it is there.
pub(super) fn copy_list(heap: &mut Heap, list: Ref<List>) -> Value {
    let items = heap.list(list).items.clone();
    heap.new_list(items)
}

/// A dict of the same entries. The memory for it is there.
pub(super) fn copy_dict(heap: &mut Heap, dict: Ref<Dict>) -> Value {
    let entries = heap.dict(dict).entries.clone();
    heap.add_dict(Dict { entries, ..Dict::default() })
}

/// `CLONE(collection)`: what the elements refer to is shared
pub(super) fn clone(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [of] = call.exactly()?;
    match of {
        Value::List(list) => {
            heap.reserve(size_of_val(&*heap.list(list).items))?;
            Ok(copy_list(heap, list))
        }
        Value::Dict(dict) => {
            heap.reserve(heap.dict(dict).entries.bytes())?;
            Ok(copy_dict(heap, dict))
        }
        other => {
            let wanted = "a LIST or a DICT";
            Err(call.unexpected(Code::CollectionExpected, heap, other, wanted))
        }
    }
}

/// `TO_ARRAY(list)`: what is no number is 0
pub(super) fn to_array(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [_] = call.exactly()?;
    let items = &heap.list(call.list(heap)?).items;
    heap.reserve(items.len() * size_of::<f64>())?;
    let mut numbers = Vec::with_capacity(items.len());
    for items in items.chunks(STRETCH) {
        numbers.extend(items.iter().map(|item| match *item {
            Value::Int(int) => int as f64,
            Value::Real(real) => real,
            _ => 0.0,
        }));
        pause()?;
    }
    let sizes = vec![numbers.len()];
    Ok(heap.add_array(Array { sizes, items: Items::Numbers(numbers) }))
}
