//! Going through lists and dicts.

use super::{Call, Code, Failure, Fault, Heap, Ref, Value};
use crate::engines::basic::objects::Iterator;

/// An iterator before the first element of `of`, if that is a collection.
pub(in crate::engines::basic) fn iterator(heap: &mut Heap, of: Value) -> Option<Value> {
    let version = version(heap, of)?;
    Some(heap.add_iterator(Iterator { of, version, moved: 0 }))
}

fn version(heap: &Heap, of: Value) -> Option<u32> {
    match of {
        Value::List(r) => Some(heap.list(r).version),
        Value::Dict(r) => Some(heap.dict(r).version),
        _ => None,
    }
}

/// Moves on. `false`: there is nothing more.
///
/// # Errors
/// [`Code::InvalidIterator`] if elements were added or removed.
pub(in crate::engines::basic) fn move_next(
    heap: &mut Heap,
    r: Ref<Iterator>,
) -> Result<bool, Failure> {
    valid(heap, r)?;
    let iterator = heap.iterator(r);
    let len = match iterator.of {
        Value::List(list) => heap.list(list).items.len(),
        Value::Dict(dict) => heap.dict(dict).entries.len(),
        _ => 0,
    };
    // One past the end, it stays there.
    let moved = (iterator.moved + 1).min(len + 1);
    heap.iterator_mut(r).moved = moved;
    Ok(moved <= len)
}

/// The element where it is: of a dict, the key.
///
/// # Errors
/// [`Code::InvalidIterator`] if it is at none, or if elements were added or removed.
pub(in crate::engines::basic) fn current(heap: &Heap, r: Ref<Iterator>) -> Result<Value, Failure> {
    entry(heap, r).map(|(key, _)| key)
}

/// The key and the value where it is; of a list, the element for both.
pub(super) fn entry(heap: &Heap, r: Ref<Iterator>) -> Result<(Value, Value), Failure> {
    valid(heap, r)?;
    let iterator = heap.iterator(r);
    let at = iterator.moved.checked_sub(1);
    let entry = at.and_then(|at| match iterator.of {
        Value::List(list) => heap.list(list).items.get(at).map(|item| (*item, *item)),
        Value::Dict(dict) => heap.dict(dict).entries.at(at),
        _ => None,
    });
    entry.ok_or_else(|| match at {
        None => invalid("it is before the first element: MOVE_NEXT comes first"),
        Some(_) => invalid("it is past the last element"),
    })
}

/// Gives the element where it is another value, if it is in a list.
pub(in crate::engines::basic) fn set_current(heap: &mut Heap, r: Ref<Iterator>, value: Value) {
    let Iterator { of, moved, .. } = *heap.iterator(r);
    if let (Value::List(list), Some(at)) = (of, moved.checked_sub(1))
        && let Some(item) = heap.list_mut(list).items.get_mut(at)
    {
        *item = value;
    }
}

fn valid(heap: &Heap, r: Ref<Iterator>) -> Result<(), Failure> {
    let iterator = heap.iterator(r);
    if version(heap, iterator.of) == Some(iterator.version) {
        return Ok(());
    }
    Err(invalid("elements were added to the collection, or removed from it"))
}

#[cold]
fn invalid(detail: &str) -> Failure {
    Fault::new(Code::InvalidIterator, detail).into()
}

/// `MOVE_NEXT(iterator)`
pub(super) fn move_next_of(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [value] = call.exactly()?;
    match value {
        Value::Iterator(r) => Ok(if move_next(heap, r)? { Value::TRUE } else { Value::Nil }),
        other => Err(call.unexpected(Code::IterableExpected, heap, other, "an ITERATOR")),
    }
}
