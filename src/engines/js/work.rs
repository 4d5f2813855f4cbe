//! The ways into the interpreter: calls, and what they leave to be done later.

use super::{
    ffi::{Job, Ran, State},
    owner::Owner,
};
use crate::{
    chain::Chain,
    error::{Error, ErrorKind, Result},
    fiber::{self, Admission, Operation},
    value::Value,
};
use futures::future::LocalBoxFuture;
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};
use tracing::Instrument;

/// How long a promise job may compute on when one of the calls that it may be of is over, and
/// another is not. Far more than an honest job takes between two waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// One entry into the interpreter, for a task beside the calls.
fn enter(
    state: &Rc<State>,
    admission: Admission,
    owner: Rc<Owner>,
    job: Job,
) -> impl Future<Output = Result<Ran>> + use<> {
    let (inside, span) = (state.clone(), owner.span.clone());
    state.nest().enter(admission, move || inside.run(job, owner)).instrument(span)
}

/// Cuts its call off when it is dropped before the call has ended.
struct CutOnDrop(Rc<State>, Rc<Owner>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if self.1.cut() {
            self.0.forget_timers_of(&self.1);
        } else {
            self.0.end_owner(&self.1);
        }
    }
}

/// A call whose promise is not settled. If it is cut off, what it does may go on for a while where
/// nobody can tell whose it is.
struct Lost(Option<Rc<State>>);

impl Drop for Lost {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.lose_call();
        }
    }
}

/// A call from its begin to its answer.
pub(super) fn call(
    state: &Rc<State>,
    chain: Chain,
    job: Job,
) -> impl Future<Output = Result<Value>> + Unpin + use<> {
    let owner = state.begin_owner(chain);
    let admission = if chain.depth == 0 { Admission::Root } else { Admission::Nested };
    let (inside, inner) = (state.clone(), owner.clone());
    // In the span of the call, whose future this is.
    let entry = state.nest().enter(admission, move || inside.run(job, inner));
    Calling { entry, promise: None, cut: CutOnDrop(state.clone(), owner) }
}

/// A call as a future. Most calls are one entry, and so this is written out: as an async function,
/// it was moved from place to place before it ran.
struct Calling<E> {
    entry: E,
    /// The answer, once the script has returned a promise.
    promise: Option<LocalBoxFuture<'static, Result<Value>>>,
    /// Declared last, dropped last: the script is unwound before what it has begun.
    cut: CutOnDrop,
}

impl<E: Future<Output = Result<Ran>> + Unpin> Future for Calling<E> {
    type Output = Result<Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        let this = &mut *self;
        let result = loop {
            if let Some(promise) = &mut this.promise {
                break ready!(promise.as_mut().poll(cx));
            }
            match ready!(Pin::new(&mut this.entry).poll(cx)) {
                Ok(Ran::Promise(outcome)) => {
                    let CutOnDrop(state, owner) = &this.cut;
                    let answer = answer_of_promise(state.clone(), owner.clone(), outcome);
                    this.promise = Some(Box::pin(answer));
                }
                Ok(Ran::Value(value)) => break Ok(value),
                Err(error) => break Err(error),
            }
        };
        this.cut.1.end();
        Poll::Ready(result)
    }
}

/// The answer of a call whose script has returned a promise.
async fn answer_of_promise(
    state: Rc<State>,
    owner: Rc<Owner>,
    outcome: oneshot::Receiver<Result<Value>>,
) -> Result<Value> {
    // Until it is answered, what the call does is in its promise.
    let mut lost = Lost(Some(state));
    let answer = tokio::select! {
        biased;
        reason = owner.when_failed() => Err(reason),
        outcome = outcome => outcome.unwrap_or_else(|_| Err(super::ffi::never_settles())),
    };
    lost.0 = None;
    answer
}

/// Settles promise `id` of the running call with what `operation` ends with.
pub(super) fn finish_later(state: &State, id: u64, operation: Operation) {
    let (Some(state), Some(owner)) = (state.keep(), state.owner()) else { return };
    let (chain, span) = (owner.chain, owner.span.clone());
    let task = {
        let state = state.clone();
        async move {
            let mut outcome = owner.until_over(operation).await.and_then(|outcome| outcome);
            if owner.may_go_on() {
                // What follows runs in the same entry.
                let job = Job::Settle { id, outcome };
                let entry = enter(&state, Admission::Nested, owner.clone(), job);
                let reason = tokio::select! {
                    biased;
                    _ = entry => return,
                    reason = owner.when_over() => reason,
                };
                outcome = Err(reason.clone());
                was_cut_off(&state, &owner, reason);
            }
            // When the call is over, the promise is rejected with the reason. What the script makes
            // of it, it does in promise jobs, which are the call's own and so have little time.
            let _ = enter(&state, Admission::Nested, owner, Job::Settle { id, outcome }).await;
        }
    };
    state.scope().spawn(Box::pin(chain.scope(task).instrument(span)));
}

/// Has the timers of the context fired in their order, by one task.
pub(super) fn run_timers(state: &State) {
    if !state.begin_timers() {
        return;
    }
    let Some(state) = state.keep() else { return };
    let task = {
        let state = state.clone();
        async move {
            while let Some((due, id)) = state.next_timer() {
                tokio::select! {
                    biased;
                    () = sleep_until(due) => {}
                    () = state.timers_changed() => continue,
                }
                let Some(owner) = state.timer_is_due(id) else { continue };
                let mut firing = Box::pin(fire(state.clone(), owner, id));
                // A callback that waits does not keep the next timer waiting.
                if poll_fn(|cx| Poll::Ready(firing.as_mut().poll(cx).is_pending())).await {
                    state.scope().spawn(firing);
                }
            }
            state.end_timers();
        }
    };
    state.scope().spawn(Box::pin(task));
}

/// Fires a timer: for its call if that still runs, else for the context.
async fn fire(state: Rc<State>, owner: Rc<Owner>, id: u64) {
    if owner.is_running() {
        let entry = enter(&state, Admission::Nested, owner.clone(), Job::Timer(id));
        let _ = owner.chain.scope(owner.until_over(entry)).await;
    } else {
        unowned(&state, Job::Timer(id)).await;
    }
    state.timer_has_fired(id);
}

/// An entry that no call asked for: the begin of a chain of its own.
async fn unowned(state: &Rc<State>, job: Job) {
    let chain = state.scope().root();
    let limit = state.scope().limits().deadline;
    let chain = chain.until(limit.and_then(|limit| Instant::now().checked_add(limit)));
    let owner = Rc::new(Owner::nobody(chain));
    let entry = chain.scope(enter(state, Admission::Nested, owner.clone(), job));
    if let Err(error) = owner.until_over(entry).await.and_then(|ran| ran) {
        state.scope().report(error.called_from(fiber::take_last_trace()));
    }
}

/// Has the promise jobs that are left run by a task of the context.
pub(super) fn pump_later(state: &State) {
    if !state.begin_pump() {
        return;
    }
    let Some(state) = state.keep() else { return };
    let task = {
        let state = state.clone();
        async move {
            while state.has_jobs() {
                pump(&state).await;
                if state.has_jobs() {
                    // Between two batches, calls that wait to enter have their turn.
                    state.nest().reserve(false);
                    fiber::pass().await;
                    state.nest().reserve(state.is_pumping());
                }
            }
            state.end_pump();
        }
    };
    state.scope().spawn(Box::pin(task));
}

/// Runs a batch of promise jobs, for the calls that they may be of.
async fn pump(state: &Rc<State>) {
    let Some(owner) = state.owner_of_jobs() else { return };
    let doomed = owner.is_over();
    let entry = enter(state, Admission::First, owner.clone(), Job::Pump { doomed });
    let entry = owner.chain.scope(entry);
    if doomed {
        if !owner.was_told() {
            let late = "promises of a call that has ended went on beyond its deadline";
            state.scope().report(Error::new(ErrorKind::Timeout, late));
        }
        // What is left of calls that were cut off ends within its grace.
        let _ = entry.await;
    } else {
        let ended = tokio::select! {
            ended = owner.until_over(entry) => ended.map(drop),
            () = lost_patience(state, &owner) => Err(fiber::cancelled()),
        };
        let Err(error) = ended else { return };
        return was_cut_off(state, &owner, error);
    }
    collect_later(state);
}

/// Promise jobs of `owner` were cut off.
fn was_cut_off(state: &Rc<State>, owner: &Owner, reason: Error) {
    if reason.kind() == ErrorKind::Timeout && !owner.was_told() {
        state.scope().report(reason.called_from(fiber::take_last_trace()));
    }
    collect_later(state);
}

/// Has promises found that nothing settles any more, since the job was ended that would have: who
/// waits for them must hear of it. One collection serves all jobs that are ended about the same
/// time, however many calls are given up; so it takes a small part of the time, whatever the heap.
fn collect_later(state: &Rc<State>) {
    let Some(at) = state.plan_collection() else { return };
    let inside = state.clone();
    state.scope().spawn(Box::pin(async move {
        sleep_until(at).await;
        inside.collect_as_planned();
    }));
}

/// Resolves when a job that may be of a call that is over, and may be of another, has computed for
/// so long that it keeps everybody else out.
async fn lost_patience(state: &Rc<State>, owner: &Rc<Owner>) {
    if owner.is_known() {
        return std::future::pending().await;
    }
    loop {
        let jobs = state.jobs_run();
        sleep(PATIENCE).await;
        let may_be_over = owner.are_some_over() || state.has_lost_calls();
        if may_be_over && state.jobs_run() == jobs && state.nest().is_kept() {
            return;
        }
    }
}
