//! Collecting what cannot be reached any more, in stretches: between two of them others may run.

use super::{
    heap::Heap,
    objects::{Kept, Text},
    value::Value,
};

/// How many objects are marked or swept in one stretch.
const STRETCH: usize = 4096;

/// How many parts of one object are looked at before others: what is still to be looked at takes
/// little memory, also if it is in one large list.
const PARTS: usize = 64;

/// A collection that was begun.
pub(super) struct Collection {
    /// Objects that were reached, and how many of their parts were looked at.
    grey: Vec<(Value, usize)>,
    /// How many kinds of objects were swept; none before all is marked.
    swept: Option<usize>,
    /// What is left of them, besides their slots.
    bytes: usize,
}

impl Heap {
    /// Begins to free what cannot be reached from the values that `roots` tells. It is given the
    /// number of the collection, by which what is shared is known again. Until
    /// [`proceed`](Self::proceed) has ended it, nothing may change.
    pub(super) fn begin(&mut self, roots: impl FnOnce(u32, &mut dyn FnMut(Value))) {
        self.round = self.round.wrapping_add(1);
        let mut grey = Vec::new();
        roots(self.round, &mut |value| self.mark(value, &mut grey));
        for text in self.characters.iter().flatten() {
            self.texts.mark(*text);
        }
        self.collection = Some(Collection { grey, swept: None, bytes: 0 });
    }

    /// Goes on with the collection that was begun. `true`: it has ended, or there is none.
    pub(super) fn proceed(&mut self) -> bool {
        let Some(mut collection) = self.collection.take() else { return true };
        let ended = match collection.swept {
            None => {
                if self.mark_more(&mut collection.grey) {
                    self.begin_sweep();
                    collection.swept = Some(0);
                }
                false
            }
            Some(kind) => {
                let bytes = &mut collection.bytes;
                let swept = match kind {
                    0 => self.texts.sweep(STRETCH, bytes),
                    1 => self.buffers.sweep(STRETCH, bytes),
                    2 => self.lists.sweep(STRETCH, bytes),
                    3 => self.dicts.sweep(STRETCH, bytes),
                    4 => self.arrays.sweep(STRETCH, bytes),
                    5 => self.iterators.sweep(STRETCH, bytes),
                    6 => self.objects.sweep(STRETCH, bytes),
                    7 => self.routines.sweep(STRETCH, bytes),
                    _ => self.upvalues.sweep(STRETCH, bytes),
                };
                if swept {
                    collection.swept = Some(kind + 1);
                }
                swept && kind >= 8
            }
        };
        if ended {
            let slots = self.slots();
            self.collected(collection.bytes + slots);
        } else {
            self.collection = Some(collection);
        }
        ended
    }

    /// Marks a stretch of what was reached. `true`: that was all.
    fn mark_more(&mut self, grey: &mut Vec<(Value, usize)>) -> bool {
        let mut found = Vec::with_capacity(PARTS);
        let mut count = 0;
        while count < STRETCH {
            let Some((value, from)) = grey.pop() else { return true };
            let parts = from..from + PARTS;
            let mut push = |value: Value| {
                if !matches!(value, Value::Int(_) | Value::Real(_) | Value::Nil) {
                    found.push(value);
                }
            };
            let round = self.round;
            let more = match value {
                Value::List(r) => self.lists.get(r).each(parts, round, &mut push),
                Value::Dict(r) => self.dicts.get(r).each(parts, round, &mut push),
                Value::Array(r) => self.arrays.get(r).each(parts, round, &mut push),
                Value::Iterator(r) => self.iterators.get(r).each(parts, round, &mut push),
                Value::Object(r) => self.objects.get(r).each(parts, round, &mut push),
                Value::Routine(r) => self.routines.get(r).each(parts, round, &mut push),
                Value::Upvalue(r) => self.upvalues.get(r).each(parts, round, &mut push),
                _ => false,
            };
            if more {
                grey.push((value, from + PARTS));
            }
            count += 1 + found.len();
            for value in found.drain(..) {
                self.mark(value, grey);
            }
        }
        false
    }

    /// Marks what `value` refers to, and remembers it if it may refer to more.
    fn mark(&mut self, value: Value, grey: &mut Vec<(Value, usize)>) {
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
            grey.push((value, 0));
        }
    }

    fn begin_sweep(&mut self) {
        self.texts.begin_sweep();
        self.buffers.begin_sweep();
        self.lists.begin_sweep();
        self.dicts.begin_sweep();
        self.arrays.begin_sweep();
        self.iterators.begin_sweep();
        self.objects.begin_sweep();
        self.routines.begin_sweep();
        self.upvalues.begin_sweep();
    }

    /// Bytes of all slots.
    fn slots(&self) -> usize {
        self.texts.bytes()
            + self.buffers.bytes()
            + self.lists.bytes()
            + self.dicts.bytes()
            + self.arrays.bytes()
            + self.iterators.bytes()
            + self.objects.bytes()
            + self.routines.bytes()
            + self.upvalues.bytes()
    }
}
