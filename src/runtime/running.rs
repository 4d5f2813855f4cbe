//! A call in flight, and every way in which it can end.

use super::{
    local::Local,
    mailbox::{Reply, Work, ended},
    room::Room,
};
use crate::{
    chain::Chain,
    engine::Begun,
    error::{Error, ErrorKind, Frame, Result, contain},
    fiber,
    value::{Function, Value},
};
use futures::future::LocalBoxFuture;
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Span;

/// Why a call was ended, for tracing.
const GIVEN_UP: &str = "its caller gave it up";

/// How far a call came in its first poll.
pub(super) enum Began {
    /// It has ended, and the result is in its place.
    Over,
    Waits(Box<Running>),
}

/// A call that waits: the rest of the script, and how it may end before that does.
pub(super) struct Running {
    /// `None` once it has ended.
    script: Option<LocalBoxFuture<'static, Result<Value>>>,
    chain: Chain,
    /// It watches over the chain, if this call set its deadline; what hangs below is cancelled by
    /// dropping.
    timer: Option<Pin<Box<Sleep>>>,
    /// It is woken when its caller gives it up.
    is_watched: bool,
    /// Where the answer goes.
    reply: Reply,
    local: Rc<Local>,
    span: Option<Box<Span>>,
    /// Held until the answer, so that the function outlives its last handle elsewhere.
    function: Option<Function>,
    /// Given back when it is gone.
    room: Room,
}

/// Polls a script, inside of its chain and span. A fiber turns panics of its own into errors; this
/// guards against engines without fibers.
///
/// # Errors
/// `panicked` if it did.
// What `poll` has at hand stays where it is: it would be moved right after it was put together.
#[inline(always)]
fn guarded<T>(chain: &Chain, span: &Option<Box<Span>>, mut poll: impl FnMut() -> T) -> Result<T> {
    let poll = &mut poll;
    let run = || {
        let _entered = span.as_ref().map(|span| span.enter());
        poll()
    };
    chain.run(|| catch_unwind(AssertUnwindSafe(run))).map_err(Error::from_panic)
}

/// Drops the rest of a script: its handlers run here. Returns where it was.
fn cut(
    chain: &Chain,
    span: &Option<Box<Span>>,
    script: Option<LocalBoxFuture<'static, Result<Value>>>,
) -> Vec<Frame> {
    fiber::take_last_trace();
    let _entered = span.as_ref().map(|span| span.enter());
    let drop_script = || chain.run(|| drop(script));
    // An engine that panics while it unwinds must not take the actor down.
    contain(drop_script);
    fiber::take_last_trace()
}

/// The error of a call whose deadline has passed, where it was.
fn late(trace: Vec<Frame>) -> Error {
    let late = Error::new(ErrorKind::Timeout, "the call took longer than it may");
    late.called_from(trace)
}

impl Running {
    /// Lets a call begin, and go on until it waits: most calls end before that, as `result` then says,
    /// and none of them is ever a `Running`. It has the deadline of its context, unless its chain has an
    /// earlier one, of which `inherited` is watched elsewhere. The function stays in `lent` unless the
    /// call waits.
    // In the frame of its caller, as `Local::run`: what they hand down is not written and read again.
    #[inline(always)]
    pub(super) fn begin(
        local: &Rc<Local>,
        lent: &mut Option<Work>,
        chain: &Chain,
        inherited: Option<Instant>,
        span: Option<Box<Span>>,
        cx: &mut Context<'_>,
        result: &mut Result<Value>,
    ) -> Began {
        let address = &*local.address;
        if address.shared.why_ended() == ErrorKind::Shutdown {
            *result = Err(ended(ErrorKind::Shutdown));
            return Began::Over;
        }
        let limit = address.settings.limits.deadline;
        let now = (limit.is_some() || chain.deadline.is_some()).then(Instant::now);
        let limit = limit.and_then(|limit| now?.checked_add(limit));
        let limited = limit.map(|at| chain.until(Some(at)));
        let chain = limited.as_ref().unwrap_or(chain);
        if chain.deadline.zip(now).is_some_and(|(at, now)| at <= now) {
            // It was queued for so long that it must not begin.
            *result = Err(late(Vec::new()));
            return Began::Over;
        }
        address.worker.count_call();
        address.gauges.call_begins();
        local.console.call_begins();
        let interpreter = &local.interpreter;
        let mut loading: Option<LocalBoxFuture<'static, _>> = None;
        let begun = if let Some(Work::Call(function, args)) = lent {
            let key = function.key();
            guarded(chain, &span, || interpreter.clone().begin(key, args, cx, result))
        } else if let Some(Work::Load(_, source)) = lent.take() {
            let interpreter = interpreter.clone();
            let load = loading.insert(Box::pin(async { interpreter.load(*source).await }));
            guarded(chain, &span, || load.as_mut().poll(cx)).map(|polled| match polled {
                Poll::Ready(ended) => {
                    *result = ended;
                    Begun::Ended
                }
                Poll::Pending => loading.take().map_or(Begun::Ended, Begun::Waits),
            })
        } else {
            Ok(Begun::Ended)
        };
        let script = match begun {
            Ok(Begun::Waits(script)) => script,
            ended => {
                if let Err(panicked) = ended {
                    *result = Err(panicked);
                }
                if loading.is_some() {
                    cut(chain, &span, loading);
                }
                local.console.call_ends();
                address.gauges.call_ends();
                return Began::Over;
            }
        };
        let mine = chain.deadline.filter(|_| chain.deadline != inherited);
        Began::Waits(Box::new(Self {
            script: Some(script),
            chain: *chain,
            timer: mine.map(|at| Box::pin(sleep_until(at))),
            is_watched: false,
            reply: Reply::Nobody,
            local: local.clone(),
            span,
            function: lent.take().and_then(Work::into_function),
            room: Room::default(),
        }))
    }

    /// Where the answer goes, and the room that it has until then.
    pub(super) fn owes(&mut self, reply: Reply, room: Room) {
        (self.reply, self.room) = (reply, room);
    }

    /// Ends the script's part, if it has not ended, for the reason that tracing shows. Returns where it
    /// was.
    fn kill(&mut self, why: &str) -> Vec<Frame> {
        let Some(script) = self.script.take() else { return Vec::new() };
        self.local.address.worker.count_kill();
        let span = self.span.as_ref().and_then(|span| span.id());
        tracing::debug!(target: "calog", parent: span, why, "call is ended");
        let trace = cut(&self.chain, &self.span, Some(script));
        self.local.console.call_ends();
        trace
    }

    fn answer(&mut self, result: Result<Value>) {
        self.local.give_back(mem::take(&mut self.room));
        let reply = mem::replace(&mut self.reply, Reply::Nobody);
        reply.answer(&self.local.address, result, self.function.take());
    }

    /// Lets the script go on, until it ends or waits.
    #[inline]
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        if self.local.address.shared.why_ended() == ErrorKind::Shutdown {
            // What a script would do after the end of its callees must not happen.
            self.kill("the broker is shutting down");
            return Poll::Ready(Err(ended(ErrorKind::Shutdown)));
        }
        let Some(script) = &mut self.script else { return Poll::Pending };
        let mut polled = Poll::Pending;
        let poll = || {
            // Only what is there is moved: a poll without a result comes often.
            if let Poll::Ready(result) = script.as_mut().poll(cx) {
                polled = Poll::Ready(result);
            }
        };
        if let Err(panicked) = guarded(&self.chain, &self.span, poll) {
            polled = Poll::Ready(Err(panicked));
        }
        if polled.is_ready() {
            // It may have panicked.
            cut(&self.chain, &self.span, self.script.take());
            self.local.console.call_ends();
        }
        polled
    }

    /// Does nobody wait for the answer any more?
    pub(super) fn is_given_up(&self) -> bool {
        matches!(&self.reply, Reply::To(reply) if reply.is_closed())
    }

    /// Lets it go on, until it has been answered or waits.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_given_up() {
            self.kill(GIVEN_UP);
            return Poll::Ready(());
        }
        match self.advance(cx) {
            Poll::Ready(result) => {
                self.answer(result);
                Poll::Ready(())
            }
            Poll::Pending => self.wait(cx),
        }
    }

    /// The script waits: whatever else may end the call wakes it too. Ready: that has come, and the call
    /// has been answered.
    #[inline]
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_watched
            && let Reply::To(reply) = &mut self.reply
        {
            // Once is enough: the waker stays the same.
            self.is_watched = true;
            if reply.poll_closed(cx).is_ready() {
                self.kill(GIVEN_UP);
                return Poll::Ready(());
            }
        }
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            let late = late(self.kill("its deadline has passed"));
            self.answer(Err(late));
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Running {
    /// Cut off by the end of the context: the answer says so. After a normal end it does nothing.
    fn drop(&mut self) {
        if self.script.is_some() {
            self.kill("its context ends");
            self.answer(Err(ended(self.local.address.shared.why_ended())));
        }
        self.local.give_back(self.room);
        self.local.address.gauges.call_ends();
    }
}
