//! A Lua state with its memory: counted, bounded, and given back at its end.

use super::{L, failure};
use crate::error::Result;
use mlua::ffi::*;
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc},
    cell::Cell,
    ffi::c_void,
    marker::PhantomPinned,
    ptr,
};

/// What Lua's blocks are aligned to: as much as anything that lies in them needs.
const ALIGN: usize = 16;

/// A state without libraries, once it is [open](Self::open), and without a limit so far.
pub(super) struct Heap {
    main: Cell<L>,
    /// What it takes, and what it may take, in bytes.
    used: Cell<usize>,
    most: Cell<usize>,
    /// It never moves, since the state points to it.
    _pinned: PhantomPinned,
}

impl Heap {
    pub(super) fn new() -> Self {
        let (main, most) = (Cell::new(ptr::null_mut()), Cell::new(usize::MAX));
        Self { main, used: Cell::new(0), most, _pinned: PhantomPinned }
    }

    /// Makes the state; its main thread.
    ///
    /// # Safety
    /// The heap must never move again: the state points to it. It must be opened once.
    ///
    /// # Errors
    /// `memory` if the system has none.
    pub(super) unsafe fn open(&self) -> Result<L> {
        // SAFETY: the allocator does as Lua asks, and the heap stays where it is, says the caller.
        let main = unsafe { lua_newstate(allocate, (&raw const *self).cast_mut().cast()) };
        self.main.set(main);
        if main.is_null() { Err(failure::out_of_memory()) } else { Ok(main) }
    }

    /// The main thread.
    pub(super) fn main(&self) -> L {
        self.main.get()
    }

    /// From now on it may take so many bytes.
    pub(super) fn limit(&self, most: usize) {
        self.most.set(most);
    }

    pub(super) fn used(&self) -> usize {
        self.used.get()
    }

    /// Is most of what it may take still free?
    pub(super) fn is_roomy(&self) -> bool {
        self.used.get() < self.most.get() / 8
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        if !self.main.get().is_null() {
            // SAFETY: `open` made the state, and whoever owns this runs nothing on it any more.
            unsafe { lua_close(self.main.get()) };
        }
    }
}

/// Lua's allocator, as the reference manual describes it (`lua_Alloc`): frees, allocates or resizes.
unsafe extern "C" fn allocate(
    heap: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `open` gave it, and it stays while the state lives. All of it is in cells.
    let heap = unsafe { &*heap.cast_const().cast::<Heap>() };
    // In place of the size of no block Lua passes what the new one is for.
    let old = if block.is_null() { 0 } else { old };
    let after = (heap.used.get() - old).saturating_add(new);
    if new > old && after > heap.most.get() {
        return ptr::null_mut();
    }
    let (Ok(before), Ok(wanted)) =
        (Layout::from_size_align(old, ALIGN), Layout::from_size_align(new, ALIGN))
    else {
        return ptr::null_mut();
    };
    // SAFETY: a block that Lua passes came from here, with the size that it says; none is of size 0,
    // and the sizes are good for a layout.
    let result = unsafe {
        match (block.is_null(), new) {
            (true, 0) => ptr::null_mut(),
            (true, _) => alloc(wanted),
            (false, 0) => {
                dealloc(block.cast(), before);
                ptr::null_mut()
            }
            (false, _) => realloc(block.cast(), before, new),
        }
    };
    if result.is_null() && new > 0 {
        if new <= old {
            // Lua relies on it that a block can shrink.
            handle_alloc_error(wanted);
        }
        return ptr::null_mut();
    }
    heap.used.set(after);
    result.cast()
}
