//! Interrupts: ending a slice, and ending a call.
//!
//! QuickJS asks its interrupt handler at every 10,000th branch or call, and counts them in a private
//! field of its context. Where single calls of its library take long, that would be minutes. So a poke
//! from outside lets the count run out: the next branch or call asks.
//!
//! Where the field lies is found out by experiment in the first context of the process and proved in
//! each, and nothing is taken for granted: where the proof fails there are no pokes, and scripts look
//! up at every 10,000th branch.

use super::{
    Call, lookup, repair_stack,
    value::{Js, Outcome},
    with_call,
};
use crate::fiber::{self, Target};
use rquickjs_sys::*;
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    ptr,
    sync::OnceLock,
};

/// Branches and calls between two looks of a call that is ending but may still run its handlers.
const GRACE_STEP: i32 = 100;

/// More polls than QuickJS makes between two looks.
const MOST_POLLS: usize = 1 << 20;

/// Where in a context the counter lies, in numbers of 4 bytes, and what it is after a look: the same in
/// all contexts of a process, which are of one build of QuickJS.
static PLACE: OnceLock<Option<Place>> = OnceLock::new();

#[derive(Clone, Copy)]
struct Place {
    at: usize,
    full: i32,
}

/// Where a context of QuickJS counts down to its next look; null if that is not known.
#[derive(Clone, Copy)]
pub(super) struct Counter(*mut i32);

impl Counter {
    /// That of the context, which has no interrupt handler yet.
    pub(super) fn find(js: Js) -> Outcome<Self> {
        let (kind, name) = (JSCFunctionEnum_JS_CFUNC_generic, c"nothing");
        // SAFETY: the function has the form of its kind, and the name is copied.
        let nothing =
            js.own(unsafe { JS_NewCFunction2(js.0, Some(nothing), name.as_ptr(), 0, kind, 0) })?;
        let looks = Cell::new(0);
        let looks_at = (&raw const looks).cast_mut().cast();
        // SAFETY: the handler is taken back before `looks` is gone.
        unsafe { JS_SetInterruptHandler(js.runtime(), Some(look), looks_at) };
        // Calling any function is one poll; it tells how many looks there were.
        let poll = || js.call(&nothing, &js.undefined(), &[]).map(|_| looks.get());
        let found = Self::find_with(js, poll);
        // SAFETY: the runtime lives.
        unsafe { JS_SetInterruptHandler(js.runtime(), None, ptr::null_mut()) };
        Ok(Self(found?.unwrap_or(ptr::null_mut())))
    }

    fn find_with(js: Js, poll: impl Fn() -> Outcome<u32>) -> Outcome<Option<*mut i32>> {
        let block = js.0.cast::<i32>();
        // SAFETY: a context is a block of QuickJS's own allocator, by which `JS_FreeContext` frees it.
        let size = unsafe { js_malloc_usable_size(js.0, block.cast()) } as usize;
        let known = match PLACE.get() {
            Some(known) => *known,
            None => {
                let found = Self::search(block, size / size_of::<i32>(), &poll)?;
                *PLACE.get_or_init(|| found)
            }
        };
        let Some(Place { at, full }) = known.filter(|place| place.at < size / size_of::<i32>())
        else {
            return Ok(None);
        };
        // SAFETY: within the block.
        let counter = unsafe { block.add(at) };
        // The proof: what is written there is how many polls it is to the next look.
        let mut looks = poll()?;
        for polls in [1, 2, 1] {
            // SAFETY: the number counted polls in the first context, so it is what QuickJS counts them
            // by in this one, and it has no other use than to be counted down.
            unsafe { counter.write_volatile(polls) };
            for left in (0..polls).rev() {
                looks += u32::from(left == 0);
                let number = if left == 0 { full } else { left };
                // SAFETY: within the block.
                if poll()? != looks || unsafe { counter.read_volatile() } != number {
                    return Ok(None);
                }
            }
        }
        Ok(Some(counter))
    }

    /// The one number of the block that counts polls as the counter must.
    fn search(
        block: *const i32,
        count: usize,
        poll: impl Fn() -> Outcome<u32>,
    ) -> Outcome<Option<Place>> {
        let numbers = || -> Vec<i32> {
            // SAFETY: within the block, which is C's memory and lives with the context. Nothing else
            // runs in it meanwhile.
            (0..count).map(|at| unsafe { block.add(at).read_volatile() }).collect()
        };
        let before = poll()?;
        let mut polls = 0;
        while poll()? == before {
            polls += 1;
            if polls > MOST_POLLS {
                return Ok(None);
            }
        }
        let full = numbers();
        for _ in 0..3 {
            if poll()? != before + 1 {
                return Ok(None);
            }
        }
        let now = numbers();
        let counts = |at: &usize| now[*at].checked_add(3) == Some(full[*at]) && now[*at] > 0;
        let mut places = (0..count).filter(counts);
        Ok(match (places.next(), places.next()) {
            (Some(at), None) => Some(Place { at, full: full[at] }),
            _ => None,
        })
    }

    /// What an interrupt pokes while a script of the context runs.
    ///
    /// # Safety
    /// The context must live as long as the target is published.
    pub(super) unsafe fn target(self) -> Target {
        if self.0.is_null() {
            return Target::NONE;
        }
        // SAFETY: see `poke`; the number lives with its context, says the caller.
        unsafe { Target::new(poke, self.0.cast()) }
    }

    /// A call that is ending looks often: loosely while its handlers may run, then at every step.
    pub(super) fn hurry_if_dying(self) {
        let step = fiber::with_current(|control| {
            control.is_dying().then(|| if control.in_grace() { GRACE_STEP } else { 1 })
        });
        if let (Some(Some(step)), false) = (step, self.0.is_null()) {
            // SAFETY: the number lives with its context, and whoever calls is inside of that.
            unsafe { self.0.write_volatile(step) };
        }
    }

    pub(super) fn is_known(self) -> bool {
        !self.0.is_null()
    }

    /// The next step of the script looks up.
    pub(super) fn run_out(self) {
        if self.is_known() {
            // SAFETY: the number lives with its context, and whoever calls is inside of that.
            unsafe { self.0.write_volatile(1) };
        }
    }

    /// Has the runtime of the context ask calog now and then.
    pub(super) fn watch(self, runtime: *mut JSRuntime) {
        // SAFETY: the handler lives for the program and the number with the runtime.
        unsafe { JS_SetInterruptHandler(runtime, Some(interrupt), self.0.cast()) };
    }
}

/// SAFETY (async-signal): one store of a number that this thread's interpreter counts down. If the store
/// falls between a load and a store of the interpreter's own, one of the two is lost: a poke, which the
/// watchdog repeats, or a step of the count, which nobody misses.
unsafe extern "C" fn poke(counter: *mut ()) {
    // SAFETY: see above, and `target`.
    unsafe { counter.cast::<i32>().write_volatile(1) };
}

/// Asked by QuickJS now and then: 1 ends the script beyond catching.
unsafe extern "C" fn interrupt(runtime: *mut JSRuntime, counter: *mut c_void) -> c_int {
    if with_call(|call| exceeds_memory(call, runtime)).unwrap_or(false) {
        with_call(|call| call.ended.set(true));
        return 1;
    }
    let goes_on = fiber::checkpoint();
    repair_stack(runtime);
    with_call(|call| lookup::refresh(call.state));
    Counter(counter.cast()).hurry_if_dying();
    (!goes_on).into()
}

/// Does the runtime hold more than its limit, also when what nothing refers to is freed? The running
/// script is ended then.
fn exceeds_memory(call: &Call<'_>, runtime: *mut JSRuntime) -> bool {
    let meter = &call.state.quick.meter;
    if !meter.is_over() {
        return false;
    }
    // SAFETY: the runtime polls between two steps of a script, where it collects by itself as well.
    unsafe { JS_RunGC(runtime) };
    meter.is_over()
}

/// The handler of the experiment.
unsafe extern "C" fn look(_: *mut JSRuntime, looks: *mut c_void) -> c_int {
    // SAFETY: `find` gave the pointer to QuickJS and waits.
    let looks = unsafe { &*looks.cast_const().cast::<Cell<u32>>() };
    looks.set(looks.get() + 1);
    0
}

/// A function to call.
unsafe extern "C" fn nothing(_: *mut JSContext, _: JSValue, _: c_int, _: *mut JSValue) -> JSValue {
    JS_UNDEFINED
}
