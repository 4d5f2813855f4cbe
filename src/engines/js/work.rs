//! The ways into the interpreter: calls, and what they leave to be done later.

use super::{
    ffi::{Job, Ran, State},
    owner::{CutOnDrop, Owner},
};
use crate::{
    chain::Chain,
    error::{Error, ErrorKind, Result},
    fiber::Operation,
    value::Value,
};
use std::{future::Future, rc::Rc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

/// One entry into the interpreter.
fn enter(
    state: &Rc<State>,
    is_root: bool,
    owner: Rc<Owner>,
    job: Job,
) -> impl Future<Output = Result<Ran>> + use<> {
    let inside = state.clone();
    state.nest().enter(is_root, move || {
        let result = inside.run(job, owner);
        // Whatever an entry leaves, also one that was cut off, is run by the pump.
        pump_later(&inside);
        result
    })
}

/// A call from its begin to its answer.
pub(super) async fn call(state: Rc<State>, chain: Chain, job: Job) -> Result<Value> {
    let owner = Rc::new(Owner::new(chain));
    // Declared first, dropped last: the script is unwound before what it has begun.
    let _cut = CutOnDrop(owner.clone());
    let ran = enter(&state, chain.depth == 0, owner.clone(), job).await?;
    let result = match ran {
        Ran::Value(value) => Ok(value),
        Ran::Promise(outcome) => outcome.await.unwrap_or_else(|_| Err(super::ffi::never_settles())),
    };
    owner.end();
    result
}

/// Settles promise `id` of the running call with what `operation` ends with.
pub(super) fn finish_later(state: &State, id: u64, operation: Operation) {
    let (Some(state), Some(owner)) = (state.keep(), state.owner()) else { return };
    let chain = owner.chain;
    let task = {
        let state = state.clone();
        async move {
            let outcome = owner.until_cut(operation).await;
            let cut = outcome.is_err();
            let outcome = outcome.and_then(|outcome| outcome);
            let job = Job::Settle { id, outcome, cut };
            let entry = enter(&state, false, owner.clone(), job);
            if cut {
                let _ = entry.await;
            } else if let Err(error) = owner.until_cut(entry).await
                && state.has_promise(id)
            {
                // Cut off while it waited to enter.
                let job = Job::Settle { id, outcome: Err(error), cut: true };
                let _ = enter(&state, false, owner, job).await;
            }
        }
    };
    state.scope().spawn(Box::pin(chain.scope(task)));
}

/// Fires timer `id` after `delay`, and then every `period`, until it is cleared.
pub(super) fn run_timer(
    state: &State,
    id: u64,
    delay: Duration,
    period: Option<Duration>,
    cleared: oneshot::Receiver<()>,
) {
    let (Some(state), Some(owner)) = (state.keep(), state.owner()) else { return };
    let mut cleared = cleared;
    let task = {
        let state = state.clone();
        async move {
            let mut due = Instant::now() + delay;
            loop {
                // Only while it waits: a callback that clears its own timer runs to its end.
                tokio::select! {
                    biased;
                    _ = &mut cleared => break,
                    () = owner.when_cut() => break,
                    () = sleep_until(due) => {}
                }
                fire(&state, &owner, id).await;
                let Some(period) = period else { break };
                // Beats that were missed are not made up for, but the rhythm stays.
                let late = Instant::now().saturating_duration_since(due);
                let missed = late.as_nanos() / period.as_nanos().max(1);
                due += period.saturating_mul(u32::try_from(missed + 1).unwrap_or(u32::MAX));
            }
            state.forget_timer(id);
        }
    };
    state.scope().spawn(Box::pin(task));
}

/// Fires a timer once: for its call if that still runs, else for the context.
async fn fire(state: &Rc<State>, owner: &Rc<Owner>, id: u64) {
    if owner.is_running() {
        let entry = enter(state, false, owner.clone(), Job::Timer(id));
        let _ = owner.chain.scope(owner.until_cut(entry)).await;
    } else {
        unowned(state, Job::Timer(id)).await;
    }
}

/// An entry that no call asked for: the begin of a chain of its own.
async fn unowned(state: &Rc<State>, job: Job) {
    let chain = state.scope().root();
    let limit = state.scope().limits().deadline;
    let chain = chain.until(limit.and_then(|limit| Instant::now().checked_add(limit)));
    let owner = Rc::new(Owner::new(chain));
    let cut = CutOnDrop(owner.clone());
    let entry = chain.scope(enter(state, false, owner.clone(), job));
    let result = match limit {
        None => entry.await,
        Some(limit) => timeout(limit, entry).await.unwrap_or_else(|_| {
            let late = Error::new(ErrorKind::Timeout, "the callback took longer than it may");
            state.scope().report(late.called_from(crate::fiber::take_last_trace()));
            Ok(Ran::Value(Value::Nil))
        }),
    };
    owner.end();
    drop(cut);
    if let Err(error) = result {
        state.scope().report(error);
    }
}

/// Has the promise jobs that are left run by a task of the context.
fn pump_later(state: &Rc<State>) {
    if !state.begin_pump() {
        return;
    }
    let task = {
        let state = state.clone();
        async move {
            while state.has_jobs() {
                unowned(&state, Job::Pump).await;
                // Between two batches, calls that wait to enter have their turn.
                tokio::task::yield_now().await;
            }
            state.end_pump();
        }
    };
    state.scope().spawn(Box::pin(task));
}
