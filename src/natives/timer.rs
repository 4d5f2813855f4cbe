//! `timer.*` and `time.*`: waiting, calls at a later time, clocks.
//!
//! Times are milliseconds, as ints or reals: a clock of whole ones fires up to one late. What is
//! longer than some thirty years is for ever.
//!
//! - `timer.sleep(ms)` waits; for 0 it lets others run.
//! - `timer.after(ms, f)` calls `f()` once, `timer.every(ms, f)` again and again; both return a
//!   handle. `every` beats at its start plus any multiple of its period, which is at least 1 ms. A
//!   beat that has not ended is not followed by another: those that come meanwhile are left out.
//! - A callback begins a chain of calls of its own, under the deadline of its context. Its error is
//!   reported and ends no timer, unless the context of the function has ended: then nothing can be
//!   called any more.
//! - `timer.cancel(id)` is true if it ends the timer, and false if there is nothing to end: it has
//!   fired for the last time, was cancelled, or is none of this context. A callback that was called
//!   already goes on to its end, also one that has to wait for its turn: so it is where a script has
//!   computed for longer than its slice when a beat was due.
//! - A timer belongs to its context and not to the call that began it.
//! - `time.now()` is the time since 1970 as an int, which jumps when the machine's clock is set;
//!   `time.monotonic()` is a real that only grows, from an unknown begin.

use crate::{
    beat::Beat,
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    resources::Handle,
    value::Function,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// The natives of this file.
pub(super) fn all() -> Vec<Native> {
    // What `time.monotonic` counts from: scripts may only compare what they get.
    let origin = Instant::now();
    vec![
        Native::asynchronous("timer.sleep", sleep),
        Native::sync("timer.after", |caller: Caller, millis: f64, callback: Function| {
            begin(&caller, Beat::once(wait(millis)?), callback)
        }),
        Native::sync("timer.every", |caller: Caller, millis: f64, callback: Function| {
            begin(&caller, Beat::every(wait(millis)?), callback)
        }),
        Native::sync("timer.cancel", |caller: Caller, timer: Handle| cancel(&caller, timer)),
        Native::sync("time.now", now),
        Native::sync("time.monotonic", move || origin.elapsed().as_secs_f64() * 1000.0),
    ]
}

/// Milliseconds as a script gives them.
fn wait(millis: f64) -> Result<f64> {
    if millis >= 0.0 {
        return Ok(millis);
    }
    let message = format!("{millis} is no time to wait: give milliseconds, 0 or more");
    Err(Error::new(ErrorKind::Range, message))
}

async fn sleep(millis: f64) -> Result<()> {
    let beat = Beat::once(wait(millis)?);
    // Others run also when there is nothing to wait for.
    tokio::task::yield_now().await;
    sleep_until(beat.due()).await;
    Ok(())
}

/// Milliseconds since 1970.
fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    millis.ok_or_else(|| Error::new(ErrorKind::Range, "the clock of the machine is not set"))
}

/// What a context keeps for a timer, until it has fired for the last time or is cancelled.
struct Timer {
    state: Mutex<State>,
    cancelled: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its next beat is not due.
    Waiting,
    /// Its callback runs, and more beats follow.
    Beating,
    /// No beat follows, but the callback may still run.
    Over,
}

impl Timer {
    /// Only assignments run under the lock, so a poisoned one is as good as a sound one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `callback` at every beat.
fn begin(caller: &Caller, mut beat: Beat, callback: Function) -> Result<Handle> {
    let handle =
        caller.keep(Timer { state: Mutex::new(State::Waiting), cancelled: Notify::new() })?;
    let timer: Arc<Timer> = caller.resource(handle)?;
    let context = caller.clone();
    caller.spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = timer.cancelled.notified() => break,
                () = sleep_until(beat.due()) => {}
            }
            *timer.state() = if beat.repeats() { State::Beating } else { State::Over };
            // Whatever it returns is not wanted, and need not be able to become anything.
            let result = callback.call_raw(Vec::new()).await;
            let goes_on = match result {
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::Shutdown => false,
                Err(error) => {
                    // Nobody will ever answer for a context that has ended.
                    let goes_on = error.kind() != ErrorKind::Dead || !callback.is_dead();
                    context.report(error);
                    goes_on
                }
            };
            let mut state = timer.state();
            if !goes_on || *state == State::Over || !beat.next() {
                break;
            }
            *state = State::Waiting;
        }
        // One that was cancelled while it waited is gone already.
        let _ = context.release::<Timer>(handle);
    });
    Ok(handle)
}

/// Ends a timer. The callback that runs, if one does, runs to its end. `false`: it was over.
fn cancel(caller: &Caller, handle: Handle) -> Result<bool> {
    let timer = match caller.resource::<Timer>(handle) {
        Err(error) if error.kind() == ErrorKind::Dead => return Ok(false),
        timer => timer?,
    };
    let before = std::mem::replace(&mut *timer.state(), State::Over);
    timer.cancelled.notify_one();
    if before == State::Waiting {
        // A script that sets and cancels timers without ever waiting has room for the next.
        caller.release::<Timer>(handle)?;
    }
    Ok(before != State::Over)
}
