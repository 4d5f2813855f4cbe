//! Lua threads that serve one call after another.

use super::{L, State, failure};
use crate::error::{Error, ErrorKind, Result};
use mlua::ffi::*;
use std::{
    cell::{Cell, RefCell},
    ffi::c_int,
};

/// Idle Lua threads that are kept in any case, at about 1 KiB each.
const FEWEST: usize = 32;

/// As many are kept while calls need them, and the state has room: to make a thread takes as long as a
/// short call, and to collect it about half of that.
const MOST: usize = 1024;

/// After so many calls it is seen which threads were not needed, and those go.
const CALLS: usize = 1024;

/// A Lua thread that the registry keeps.
#[derive(Clone, Copy)]
pub(super) struct Thread {
    pub(super) l: L,
    reference: c_int,
}

/// The idle threads of a state.
#[derive(Default)]
pub(super) struct Threads {
    /// That of the call that ended last, which mostly is that of the next one too.
    last: Cell<Option<Thread>>,
    /// The others. The last one serves first, so those in front are the spare ones.
    others: RefCell<Vec<Thread>>,
    /// How many of those were not needed since it was looked last.
    spare: Cell<usize>,
    /// Calls that have ended since then.
    ended: Cell<usize>,
}

impl Threads {
    #[inline]
    fn take(&self) -> Option<Thread> {
        self.last.take().or_else(|| {
            let mut others = self.others.borrow_mut();
            let thread = others.pop();
            self.spare.set(self.spare.get().min(others.len()));
            thread
        })
    }

    /// Keeps the thread of a call that has ended. `true`: there may be too many now.
    #[inline]
    fn keep(&self, thread: Thread) -> bool {
        self.ended.set(self.ended.get() + 1);
        let Some(before) = self.last.replace(Some(thread)) else {
            return self.ended.get() >= CALLS;
        };
        let mut others = self.others.borrow_mut();
        others.push(before);
        others.len() > FEWEST
    }

    /// Those that are too many, to be freed. Where there is no room for many, only a few are kept.
    fn surplus(&self, is_roomy: bool) -> Vec<Thread> {
        let mut others = self.others.borrow_mut();
        let kept = match self.ended.get() {
            _ if !is_roomy => FEWEST,
            CALLS.. => FEWEST.max(others.len().saturating_sub(self.spare.get())),
            _ => MOST,
        };
        let count = others.len().saturating_sub(kept);
        let surplus = others.drain(..count).collect();
        if self.ended.get() >= CALLS {
            self.ended.set(0);
            self.spare.set(others.len());
            others.shrink_to(FEWEST);
        }
        surplus
    }
}

impl State {
    /// An idle Lua thread.
    #[inline]
    pub(super) fn take_thread(&self) -> Result<Thread> {
        if let Some(thread) = self.threads.take() {
            return Ok(thread);
        }
        let mut thread = Thread { l: std::ptr::null_mut(), reference: 0 };
        // SAFETY: the main thread's stack always has room (`open` saw to it) and is left as it was.
        // `new_thread` raises only inside the protected call and writes to `thread` before it
        // returns.
        let status = unsafe {
            lua_pushcfunction(self.heap.main(), new_thread);
            lua_pushlightuserdata(self.heap.main(), (&raw mut thread).cast());
            let status = lua_pcall(self.heap.main(), 1, 0, 0);
            lua_settop(self.heap.main(), 0);
            status
        };
        if status == LUA_OK { Ok(thread) } else { Err(failure::out_of_memory()) }
    }

    /// Keeps the thread of a call that went well for the next one. A script may still know it, and
    /// could resume or close it if anything were left on its stack.
    #[inline]
    pub(super) fn return_thread(&self, thread: Thread) {
        // SAFETY: the call on it has ended, so nothing of it is in use; emptying its stack and its
        // hook, which an interrupt may have set, cannot raise.
        unsafe {
            lua_settop(thread.l, 0);
            if lua_gethookmask(thread.l) != 0 {
                lua_sethook(thread.l, None, 0, 0);
            }
        }
        if self.threads.keep(thread) {
            self.give_back_threads();
        }
    }

    /// Frees idle threads that are too many.
    #[cold]
    fn give_back_threads(&self) {
        let surplus = self.threads.surplus(self.heap.is_roomy());
        surplus.into_iter().for_each(|thread| self.free_thread(thread));
    }

    /// Drops the thread of a call that failed: it may hold a large stack, and one that was killed
    /// may be in an odd state.
    #[cold]
    pub(super) fn went_wrong(&self, thread: Thread, error: &Error) {
        if error.kind() == ErrorKind::Memory {
            // Idle threads may hold large stacks, which only their end frees.
            std::iter::from_fn(|| self.threads.take()).for_each(|thread| self.free_thread(thread));
        }
        self.free_thread(thread);
    }

    pub(super) fn free_thread(&self, thread: Thread) {
        // SAFETY: nobody uses the thread any more, so it loses what it holds, also its hook, which
        // cannot raise; `luaL_unref` only overwrites slots that exist.
        unsafe {
            lua_settop(thread.l, 0);
            lua_sethook(thread.l, None, 0, 0);
            luaL_unref(self.heap.main(), LUA_REGISTRYINDEX, thread.reference);
        }
    }
}

/// `new_thread(*mut Thread)`. Raises (memory).
unsafe extern "C-unwind" fn new_thread(l: L) -> c_int {
    // SAFETY: called by `take_thread` alone, with a pointer to its own `Thread`; nothing here has a
    // destructor.
    unsafe {
        let out = lua_touserdata(l, 1).cast::<Thread>();
        let thread = lua_newthread(l);
        let reference = luaL_ref(l, LUA_REGISTRYINDEX);
        *out = Thread { l: thread, reference };
    }
    0
}
