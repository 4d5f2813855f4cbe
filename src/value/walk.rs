//! Equality and measures of values of any depth, without recursion.
//!
//! Values may share parts, so a small one can have more paths through it than could ever be walked.
//! A part is looked up among those already seen if it has more than one owner; one that has a
//! single owner is met only once anyway, so plain trees pay nothing.

use super::{Aggregate, Key, Value, aggregate::Values};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// What every value and every key counts, beside its string.
const SLOT_BYTES: usize = 32;

/// How deep and how large a value is.
#[derive(Clone, Copy, Default)]
pub(super) struct Measure {
    pub(super) depth: usize,
    pub(super) bytes: usize,
}

/// An aggregate that is being measured: what is left of it, and what is known so far.
struct Open<'a> {
    aggregate: &'a Arc<Aggregate>,
    rest: Values<'a>,
    inner: Measure,
}

impl<'a> Open<'a> {
    fn new(aggregate: &'a Arc<Aggregate>) -> Self {
        let add = |sum: usize, (key, _): (&Key, &Value)| sum.saturating_add(key_bytes(key));
        let bytes = aggregate.pairs().fold(SLOT_BYTES, add);
        Self { aggregate, rest: aggregate.values(), inner: Measure { depth: 0, bytes } }
    }

    /// Adds what is no aggregate, up to the next aggregate or the end.
    fn next_child(&mut self) -> Option<&'a Arc<Aggregate>> {
        let bytes = &mut self.inner.bytes;
        self.rest.find_map(|value| match value {
            Value::Aggregate(child) => Some(child),
            plain => {
                *bytes = bytes.saturating_add(plain_bytes(plain));
                None
            }
        })
    }

    fn add(&mut self, depth: usize, bytes: usize) {
        self.inner.depth = self.inner.depth.max(depth);
        self.inner.bytes = self.inner.bytes.saturating_add(bytes);
    }
}

fn key_bytes(key: &Key) -> usize {
    match key {
        Key::Int(_) | Key::Real(_) => SLOT_BYTES,
        Key::String(bytes) => SLOT_BYTES.saturating_add(bytes.len()),
    }
}

/// What a value counts that is no aggregate.
fn plain_bytes(value: &Value) -> usize {
    SLOT_BYTES.saturating_add(value.as_bytes().map_or(0, bytes::Bytes::len))
}

fn is_shared(aggregate: &Arc<Aggregate>) -> bool {
    Arc::strong_count(aggregate) > 1
}

/// Measures a value, its innermost parts first. A shared part is measured once and counted at each
/// of its places.
pub(super) fn measure(value: &Value) -> Measure {
    let Value::Aggregate(root) = value else {
        return Measure { depth: 0, bytes: plain_bytes(value) };
    };
    let mut known: HashMap<*const Aggregate, Measure> = HashMap::new();
    let mut open = vec![Open::new(root)];
    let mut last = Measure::default();
    while let Some(top) = open.last_mut() {
        match top.next_child() {
            Some(child) => {
                let seen = is_shared(child).then(|| known.get(&Arc::as_ptr(child))).flatten();
                match seen {
                    Some(measure) => top.add(measure.depth, measure.bytes),
                    None => open.push(Open::new(child)),
                }
            }
            None => {
                last = Measure { depth: top.inner.depth + 1, bytes: top.inner.bytes };
                if is_shared(top.aggregate) {
                    known.insert(Arc::as_ptr(top.aggregate), last);
                }
                open.pop();
                if let Some(parent) = open.last_mut() {
                    parent.add(last.depth, last.bytes);
                }
            }
        }
    }
    last
}

/// Whether two values are equal.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    let mut comparison = Comparison::default();
    comparison.start(a, b) && comparison.finish()
}

/// Whether two aggregates are equal.
pub(super) fn equal_aggregates(a: &Aggregate, b: &Aggregate) -> bool {
    Comparison { pending: vec![(a, b)], seen: HashSet::new() }.finish()
}

/// The pairs of aggregates that have yet to be compared, and the shared ones that have been met. A
/// pair that was met need not be compared again: the first difference ends the whole comparison.
#[derive(Default)]
struct Comparison<'a> {
    pending: Vec<(&'a Aggregate, &'a Aggregate)>,
    seen: HashSet<(*const Aggregate, *const Aggregate)>,
}

impl<'a> Comparison<'a> {
    /// Compares two values, but puts two aggregates off.
    fn start(&mut self, a: &'a Value, b: &'a Value) -> bool {
        match (a, b) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Value::String(a), Value::String(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Function(a), Value::Function(b)) => a == b,
            (Value::Aggregate(a), Value::Aggregate(b)) => {
                if !Arc::ptr_eq(a, b) && self.is_new(a, b) {
                    self.pending.push((a, b));
                }
                true
            }
            (
                Value::Nil
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Real(_)
                | Value::String(_)
                | Value::Bytes(_)
                | Value::Function(_)
                | Value::Aggregate(_),
                _,
            ) => false,
        }
    }

    /// Whether two aggregates meet for the first time. Two that both have a single owner can only
    /// meet again if their owners do, so it is enough to remember the others.
    fn is_new(&mut self, a: &Arc<Aggregate>, b: &Arc<Aggregate>) -> bool {
        let shared = is_shared(a) || is_shared(b);
        !shared || self.seen.insert((Arc::as_ptr(a), Arc::as_ptr(b)))
    }

    /// Compares what was put off.
    fn finish(mut self) -> bool {
        while let Some((a, b)) = self.pending.pop() {
            let alike = a.kind() == b.kind()
                && a.array().len() == b.array().len()
                && a.pairs().len() == b.pairs().len()
                && a.array().iter().zip(b.array()).all(|(a, b)| self.start(a, b))
                && a.pairs().all(|(key, a)| b.get(key).is_some_and(|b| self.start(a, b)));
            if !alike {
                return false;
            }
        }
        true
    }
}
