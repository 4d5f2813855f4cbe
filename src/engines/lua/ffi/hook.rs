//! Interrupts: ending a slice, and ending a call.
//!
//! The hook is armed only by an interrupt from outside or on a dying fiber. What it does is decided
//! by the fiber that runs *now*, never by the arming: a stale hook on an innocent call disarms
//! itself.

use super::{L, State, with_call};
use crate::fiber::{self, Target};
use mlua::ffi::*;
use std::ffi::c_int;

/// Instructions between two looks of a call that is ending but may still run its handlers.
const GRACE_STEP: c_int = 1000;

/// Where no signal interrupts the worker, a standing hook looks every so many instructions.
const POLL_STEP: c_int = 10_000;

/// What an interrupt pokes while Lua thread `l` runs.
///
/// # Safety
/// `l` must live as long as the target is published.
pub(super) unsafe fn target(l: L) -> Target {
    // SAFETY: `poke` only calls `lua_sethook`, which the reference manual (`lua_sethook`, and
    // lua.c, which does it) allows from a signal handler; `l` lives, says the caller.
    unsafe { Target::new(poke, l.cast()) }
}

unsafe extern "C" fn poke(l: *mut ()) {
    // SAFETY: see `target`.
    unsafe { lua_sethook(l.cast(), Some(hook), LUA_MASKCOUNT, 1) };
}

/// Raises if the call is to end.
pub(super) unsafe extern "C-unwind" fn hook(l: L, _: *mut lua_Debug) {
    // SAFETY: Lua calls it between two instructions of `l`. It holds nothing with a destructor. The
    // suspend in `yield_now` leaves below it only Lua's own C frames and raw functions of this
    // folder, all of this fiber, to be resumed in order.
    unsafe {
        let state = fiber::with_current(|control| (control.is_dying(), control.must_raise()));
        match state {
            Some((true, false)) => return arm(l, GRACE_STEP),
            Some((true, true)) => {}
            None => return arm_standing(l),
            Some((false, _)) => {
                arm_standing(l);
                if fiber::checkpoint() {
                    return;
                }
            }
        }
        end(l);
    }
}

/// Raises what ends a call.
///
/// # Safety
/// `l` must be live, in a protected call.
pub(super) unsafe fn end(l: L) -> ! {
    // SAFETY: the caller's promise; nothing here has a destructor.
    unsafe {
        rearm(l);
        with_call(|call| call.hook_raised.set(true));
        lua_pushstring(l, c"cancelled".as_ptr());
        lua_error(l)
    }
}

/// A point at which a function of the library that loops may be interrupted: suspends if the slice
/// is over, raises if the call is to end.
///
/// # Safety
/// As for [`end`], and what holds for a hook: no frame above the protected call has anything to
/// drop, and what the caller reads meanwhile lies on the stack of `l`.
pub(super) unsafe fn checkpoint(l: L) {
    if !fiber::checkpoint() {
        // SAFETY: the caller's promise.
        unsafe { end(l) }
    }
}

/// Lets the hook run every `step` instructions; 0: never. Never raises.
///
/// Setting a hook walks all frames of the thread, so it is set only if that changes something.
///
/// # Safety
/// `l` must be live.
unsafe fn arm(l: L, step: c_int) {
    // SAFETY: the caller's promise.
    unsafe {
        let armed = if lua_gethookmask(l) == 0 { 0 } else { lua_gethookcount(l) };
        match step {
            _ if step == armed => {}
            0 => lua_sethook(l, None, 0, 0),
            _ => lua_sethook(l, Some(hook), LUA_MASKCOUNT, step),
        }
    }
}

/// Arms every Lua thread that gets control on a dying fiber: loosely while its handlers may run,
/// then at every instruction, so that no `pcall` can go on. Never raises.
///
/// # Safety
/// `l` must be live.
pub(super) unsafe fn rearm(l: L) {
    let step = fiber::with_current(|control| {
        control.is_dying().then(|| if control.in_grace() { GRACE_STEP } else { 1 })
    });
    if let Some(Some(step)) = step {
        // SAFETY: the caller's promise.
        unsafe { arm(l, step) };
    }
}

/// Arms a Lua thread that gets control when the slice is over already: the interrupt may have met
/// the thread that had it before. Never raises.
///
/// # Safety
/// `l` must be live.
pub(super) unsafe fn catch_up(l: L) {
    // SAFETY: the caller's promise.
    unsafe {
        if fiber::expired() {
            arm(l, 1);
        }
        rearm(l);
    }
}

/// Arms the standing hook where there are no signals, else none. Never raises.
///
/// # Safety
/// `l` must be a live thread of a state that `State::open` made.
pub(super) unsafe fn arm_standing(l: L) {
    // SAFETY: the caller's promise.
    unsafe { arm(l, if State::of(l).polls { POLL_STEP } else { 0 }) };
}
