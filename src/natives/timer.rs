//! `timer.*` and `time.*`: waiting, calls at a later time, clocks.
//!
//! What scripts may rely on is in `docs/natives.md`.

use super::milliseconds::Milliseconds;
use crate::{
    beat::Beat,
    error::{Error, ErrorKind, Result},
    fiber,
    native::{Caller, Native},
    resources::Handle,
    value::Function,
};
use futures::poll;
use std::{
    pin::pin,
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
        Native::sync("timer.after", |caller: Caller, wait: Milliseconds, callback: Function| {
            begin(&caller, Beat::once(wait.duration()), callback)
        }),
        Native::sync("timer.every", |caller: Caller, wait: Milliseconds, callback: Function| {
            begin(&caller, Beat::every(wait.duration()), callback)
        }),
        Native::sync("timer.cancel", |caller: Caller, timer: Handle| cancel(&caller, timer)),
        Native::sync("time.now", now),
        Native::sync("time.monotonic", move || origin.elapsed().as_secs_f64() * 1000.0),
    ]
}

async fn sleep(wait: Milliseconds) {
    let mut sleep = pin!(sleep_until(Beat::once(wait.duration()).due()));
    if poll!(sleep.as_mut()).is_pending() {
        return sleep.await;
    }
    // Others run also when there is nothing to wait for.
    fiber::pass().await;
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
                Err(error) => {
                    // Nobody will ever answer for a context that has ended.
                    let goes_on = match error.kind() {
                        ErrorKind::Shutdown => false,
                        ErrorKind::Dead => !callback.is_dead(),
                        _ => true,
                    };
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
