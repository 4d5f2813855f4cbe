//! A Lua state with its memory: counted, bounded, and given back at its end.

use super::{L, failure};
use crate::error::Result;
use mlua::ffi::*;
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc},
    cell::Cell,
    ffi::c_void,
    ptr,
    rc::Rc,
};

/// What Lua's blocks are aligned to: as much as anything that lies in them needs.
const ALIGN: usize = 16;

/// What a state takes, and what it may take, in bytes.
struct Account {
    used: Cell<usize>,
    most: Cell<usize>,
}

/// A state without libraries, and without a limit so far.
pub(super) struct Heap {
    main: L,
    account: Rc<Account>,
}

impl Heap {
    /// # Errors
    /// `memory` if the system has none.
    pub(super) fn new() -> Result<Self> {
        let account = Rc::new(Account { used: Cell::new(0), most: Cell::new(usize::MAX) });
        // SAFETY: the allocator does as Lua asks, and the account outlives the state.
        let main = unsafe { lua_newstate(allocate, Rc::as_ptr(&account).cast_mut().cast()) };
        if main.is_null() { Err(failure::out_of_memory()) } else { Ok(Self { main, account }) }
    }

    /// The main thread.
    pub(super) fn main(&self) -> L {
        self.main
    }

    /// From now on it may take so many bytes.
    pub(super) fn limit(&self, most: usize) {
        self.account.most.set(most);
    }

    pub(super) fn used(&self) -> usize {
        self.account.used.get()
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: `new` made the state, and whoever owns this runs nothing on it any more.
        unsafe { lua_close(self.main) };
    }
}

/// Lua's allocator, as the reference manual describes it (`lua_Alloc`): frees, allocates or resizes.
unsafe extern "C" fn allocate(
    account: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `new` gave it, and keeps it for as long as the state lives. All of it is in cells.
    let account = unsafe { &*account.cast_const().cast::<Account>() };
    // In place of the size of no block Lua passes what the new one is for.
    let old = if block.is_null() { 0 } else { old };
    let after = (account.used.get() - old).saturating_add(new);
    if new > old && after > account.most.get() {
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
    account.used.set(after);
    result.cast()
}
