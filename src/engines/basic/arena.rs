//! All objects of one kind, and the places where they lie.

use super::objects::Kept;
use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
};

/// A reference to an object of the heap that made it. It stays good as long as it can be reached
/// from the roots.
pub(super) struct Ref<T> {
    index: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    pub(super) fn at(index: u32) -> Self {
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

#[derive(Clone, Copy)]
enum State {
    /// The next one that is free, or [`NONE`].
    Free(u32),
    New,
    Marked,
}

const NONE: u32 = u32::MAX;

/// All objects of one kind.
pub(super) struct Arena<T> {
    slots: Vec<Slot<T>>,
    /// The first slot that is free, or [`NONE`].
    free: u32,
    /// How many slots are still to be swept, from the first on.
    unswept: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, unswept: 0 }
    }
}

impl<T: Kept> Arena<T> {
    pub(super) const SLOT: usize = size_of::<Slot<T>>();

    /// Adds an object. If there is no slot for it, there are more, of about `room` bytes at most.
    pub(super) fn add(&mut self, object: T, room: usize) -> Ref<T> {
        let slot = Slot { state: State::New, object };
        if let Some(free) = self.slots.get_mut(self.free as usize) {
            let index = self.free;
            if let State::Free(next) = free.state {
                self.free = next;
            }
            *free = slot;
            return Ref::at(index);
        }
        if self.slots.len() == self.slots.capacity() {
            let more = (self.slots.len() / 4).min(room / Self::SLOT).max(4);
            self.slots.reserve_exact(more);
        }
        // The limit of memory is reached long before an index of 32 bits ends: each object takes
        // dozens of bytes.
        let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
        self.slots.push(slot);
        Ref::at(index)
    }

    /// Bytes that the slots take.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * Self::SLOT
    }

    #[inline]
    pub(super) fn get(&self, r: Ref<T>) -> &T {
        &self.slots[r.index as usize].object
    }

    #[inline]
    pub(super) fn get_mut(&mut self, r: Ref<T>) -> &mut T {
        &mut self.slots[r.index as usize].object
    }

    /// `true`: it was not marked before.
    pub(super) fn mark(&mut self, r: Ref<T>) -> bool {
        let slot = &mut self.slots[r.index as usize];
        let is_new = matches!(slot.state, State::New);
        slot.state = State::Marked;
        is_new
    }

    /// Has all slots swept from now on.
    pub(super) fn begin_sweep(&mut self) {
        self.unswept = self.slots.len();
        self.free = NONE;
    }

    /// Frees what is not marked, in `most` slots at most. What is left is added to `bytes`.
    /// `true`: all is swept.
    pub(super) fn sweep(&mut self, most: usize, bytes: &mut usize) -> bool {
        for _ in 0..most {
            // From the end on, so that the first slots are used again first, and the last ones may
            // be given back.
            let Some(index) = self.unswept.checked_sub(1) else { break };
            self.unswept = index;
            let is_last = index + 1 == self.slots.len();
            let slot = &mut self.slots[index];
            match slot.state {
                State::Marked => {
                    slot.state = State::New;
                    *bytes += slot.object.bytes();
                    continue;
                }
                State::New => slot.object.clear(),
                State::Free(_) => {}
            }
            if is_last {
                self.slots.pop();
            } else {
                slot.state = State::Free(self.free);
                self.free = u32::try_from(index).unwrap_or(NONE);
            }
        }
        if self.unswept > 0 {
            return false;
        }
        if self.slots.len() < self.slots.capacity() / 2 {
            self.slots.shrink_to(self.slots.len() + self.slots.len() / 4);
        }
        true
    }
}
