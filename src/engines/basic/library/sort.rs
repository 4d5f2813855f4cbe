//! Sorting, in steps between which it can be interrupted.

use super::{Call, Failure, Heap, STRETCH, Value, pause};
use std::{cmp::Ordering, mem};

/// `SORT(list)`
pub(super) fn sort(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    let [list] = call.exactly()?;
    let r = call.list(heap)?;
    let len = heap.list(r).items.len();
    heap.reserve(2 * len * size_of::<Value>())?;
    let mut items = heap.list(r).items.clone();
    let compare = |a: &Value, b: &Value| compare(heap, *a, *b);
    for run in items.chunks_mut(STRETCH) {
        run.sort_by(compare);
        pause()?;
    }
    // Sorted runs of one width are merged to runs of twice that width.
    let mut width = STRETCH;
    let mut merged = Vec::with_capacity(if width < len { len } else { 0 });
    while width < len {
        for runs in items.chunks(2 * width) {
            let (left, right) = runs.split_at(width.min(runs.len()));
            merge(left, right, &mut merged, compare)?;
        }
        mem::swap(&mut items, &mut merged);
        merged.clear();
        width *= 2;
    }
    heap.list_mut(r).items.copy_from_slice(&items);
    Ok(list)
}

/// Appends `left` and `right`, both sorted, to `merged`; of equal items the left one comes first.
fn merge(
    mut left: &[Value],
    mut right: &[Value],
    merged: &mut Vec<Value>,
    compare: impl Fn(&Value, &Value) -> Ordering,
) -> Result<(), Failure> {
    while let ([a, after_a @ ..], [b, after_b @ ..]) = (left, right) {
        if compare(a, b).is_le() {
            merged.push(*a);
            left = after_a;
        } else {
            merged.push(*b);
            right = after_b;
        }
        if merged.len().is_multiple_of(STRETCH) {
            pause()?;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    Ok(())
}

/// Numbers by size, texts by their bytes; of different types INT, REAL, STRING, then all the rest,
/// which keeps its order.
fn compare(heap: &Heap, a: Value, b: Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(&b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(&b),
        (Value::Text(a), Value::Text(b)) => heap.text(a).cmp(heap.text(b)),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: Value) -> u8 {
    match value {
        Value::Int(_) => 0,
        Value::Real(_) => 1,
        Value::Text(_) => 2,
        _ => 3,
    }
}
