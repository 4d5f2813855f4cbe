//! The memory of one runtime, and its limit.
//!
//! QuickJS has a limit of its own, past which it is refused every block, but not all of its code
//! survives that: where the compiler or an async function is refused a small block, it corrupts
//! memory. So past the limit only large blocks are refused, as those are that run away; small ones
//! still come from a reserve, and the script is ended at the next interrupt.

use super::interrupt::Counter;
use rquickjs_sys::*;
use std::{cell::Cell, ffi::c_void, ptr, rc::Rc};

/// Blocks from this size on are refused past the limit.
const LARGE: usize = 256 << 10;

/// How far beyond the limit small blocks may go: more than QuickJS takes between two interrupts,
/// unless a script makes thousands of them in one expression.
const RESERVE: usize = 16 << 20;

/// Counts what a runtime holds.
pub(super) struct Meter {
    used: Cell<usize>,
    limit: usize,
    /// A block was refused since the last look.
    refused: Cell<bool>,
    /// The limit does not count now.
    lifted: Cell<bool>,
    /// What is told when a large block is refused.
    runaway: Cell<Option<Runaway>>,
}

/// A runtime in which something may go on in C although it was refused memory: `JSON.stringify` goes
/// through all of a graph, and only then tells.
pub(super) type Runaway = (*mut JSRuntime, Counter);

impl Meter {
    /// A meter whose limit does not count yet: QuickJS does not survive to be refused memory for the
    /// parts of a context.
    pub(super) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            used: Cell::new(0),
            limit,
            refused: Cell::new(false),
            lifted: Cell::new(true),
            runaway: Cell::new(None),
        })
    }

    /// Has refusals end what goes on in the runtime.
    ///
    /// # Safety
    /// The runtime must be the one whose memory is counted here.
    pub(super) unsafe fn end_runaways(&self, runtime: *mut JSRuntime, counter: Counter) {
        self.runaway.set(counter.is_known().then_some((runtime, counter)));
    }

    /// A runtime whose memory is counted here; null if there is none for it.
    ///
    /// # Safety
    /// The meter must outlive the runtime.
    pub(super) unsafe fn runtime(&self) -> *mut JSRuntime {
        let functions = JSMallocFunctions {
            js_calloc: Some(calloc),
            js_malloc: Some(malloc),
            js_free: Some(free),
            js_realloc: Some(realloc),
            js_malloc_usable_size: Some(usable),
        };
        // SAFETY: the functions are those of one allocator, and are copied.
        unsafe { JS_NewRuntime2(&raw const functions, ptr::from_ref(self).cast_mut().cast()) }
    }

    /// Whether the limit counts from now on; returns whether it did.
    pub(super) fn enforce(&self, enforced: bool) -> bool {
        !self.lifted.replace(!enforced)
    }

    /// How many bytes the runtime holds.
    pub(super) fn used(&self) -> usize {
        self.used.get()
    }

    /// Does the runtime hold more than its limit?
    pub(super) fn is_over(&self) -> bool {
        self.used.get() > self.limit
    }

    /// Was a block refused since this was asked last?
    pub(super) fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    /// May it hold `size` more?
    fn admits(&self, size: usize) -> bool {
        let used = self.used.get().saturating_add(size);
        let most = if size >= LARGE { self.limit } else { self.limit.saturating_add(RESERVE) };
        if used <= most || self.lifted.get() {
            return true;
        }
        self.refused.set(true);
        if let Some((runtime, counter)) = self.runaway.get() {
            // The stack counts as used up, until the script's next step, which looks up first: so only
            // what recurses in C meets that.
            counter.run_out();
            // SAFETY: sets two numbers of the runtime, which lives, since it allocates.
            unsafe { JS_SetMaxStackSize(runtime, 1) };
        }
        false
    }

    fn add(&self, block: *mut c_void) -> *mut c_void {
        if !block.is_null() {
            // SAFETY: the block is one of this allocator's.
            self.used.set(self.used.get() + unsafe { size_of_block(block) });
        }
        block
    }

    fn remove(&self, block: *mut c_void) {
        // SAFETY: as in `add`.
        let size = unsafe { size_of_block(block) };
        self.used.set(self.used.get().saturating_sub(size));
    }
}

/// The meter behind QuickJS's pointer.
///
/// # Safety
/// `opaque` must be what [`Meter::runtime`] gave to QuickJS, on the runtime's thread.
unsafe fn meter<'a>(opaque: *mut c_void) -> &'a Meter {
    // SAFETY: the meter outlives the runtime, and only its thread allocates.
    unsafe { &*opaque.cast_const().cast::<Meter>() }
}

unsafe extern "C" fn calloc(opaque: *mut c_void, count: size_t, size: size_t) -> *mut c_void {
    let (count, size) = (count as usize, size as usize);
    // SAFETY: QuickJS calls back with its pointer; the block comes from the system's allocator.
    unsafe {
        let meter = meter(opaque);
        match count.checked_mul(size) {
            Some(all) if meter.admits(all) => meter.add(libc::calloc(count, size)),
            _ => ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn malloc(opaque: *mut c_void, size: size_t) -> *mut c_void {
    // SAFETY: as in `calloc`.
    unsafe {
        let meter = meter(opaque);
        if meter.admits(size as usize) {
            meter.add(libc::malloc(size as usize))
        } else {
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn free(opaque: *mut c_void, block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: QuickJS frees what it got here, once.
    unsafe {
        meter(opaque).remove(block);
        libc::free(block);
    }
}

unsafe extern "C" fn realloc(opaque: *mut c_void, block: *mut c_void, size: size_t) -> *mut c_void {
    let size = size as usize;
    // SAFETY: as above. A block that cannot grow stays as it is, and stays counted.
    unsafe {
        let meter = meter(opaque);
        let old = if block.is_null() { 0 } else { size_of_block(block) };
        let grows = size.saturating_sub(old);
        // The whole new block counts as large or not: that is what has to be found.
        let refused =
            grows > 0 && !meter.admits(if size >= LARGE { grows.max(LARGE) } else { grows });
        if refused {
            return ptr::null_mut();
        }
        let new = libc::realloc(block, size);
        if !new.is_null() {
            meter.used.set(meter.used.get().saturating_sub(old));
            meter.add(new);
        }
        new
    }
}

unsafe extern "C" fn usable(block: *const c_void) -> size_t {
    if block.is_null() {
        return 0;
    }
    // SAFETY: QuickJS asks only for what it got here.
    unsafe { size_of_block(block.cast_mut()) as size_t }
}

/// How much a block really holds.
///
/// # Safety
/// The block must come from the system's allocator and not be freed.
#[cfg(not(any(target_vendor = "apple", windows)))]
unsafe fn size_of_block(block: *mut c_void) -> usize {
    // SAFETY: the caller's promise.
    unsafe { libc::malloc_usable_size(block) }
}

/// How much a block really holds.
///
/// # Safety
/// The block must come from the system's allocator and not be freed.
#[cfg(target_vendor = "apple")]
unsafe fn size_of_block(block: *mut c_void) -> usize {
    // SAFETY: the caller's promise.
    unsafe { libc::malloc_size(block) }
}

/// How much a block really holds.
///
/// # Safety
/// The block must come from the system's allocator and not be freed.
#[cfg(windows)]
unsafe fn size_of_block(block: *mut c_void) -> usize {
    unsafe extern "C" {
        /// Of the C runtime.
        fn _msize(block: *mut c_void) -> usize;
    }
    // SAFETY: the caller's promise.
    unsafe { _msize(block) }
}
