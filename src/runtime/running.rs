//! A call in flight, and every way in which it can end.

use super::{
    local::Local,
    mailbox::{Reply, Work, ended},
    room::Room,
};
use crate::{
    chain::Chain,
    engine::{Begun, Interpreter},
    error::{Error, ErrorKind, Frame, Result},
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
    time::Duration,
};
use tokio::time::{self, Sleep, sleep_until};
use tracing::Span;

/// Gives the call the deadline of its context, unless its chain has an earlier one. One timer
/// watches over a chain, at the call that set the deadline; what hangs below is cancelled by
/// dropping.
fn with_deadline(
    chain: Chain,
    inherited: Option<time::Instant>,
    limit: Option<Duration>,
) -> (Chain, Option<Pin<Box<Sleep>>>) {
    let chain = chain.until(limit.and_then(|limit| time::Instant::now().checked_add(limit)));
    let is_mine = chain.deadline != inherited;
    (chain, chain.deadline.filter(|_| is_mine).map(|at| Box::pin(sleep_until(at))))
}

/// Why a call was ended, for tracing.
const GIVEN_UP: &str = "its caller gave it up";

/// How far the script's part of a call is.
enum Script {
    Unbegun(Work),
    Begun(LocalBoxFuture<'static, Result<Value>>),
    Over,
}

impl Script {
    /// Lets it begin, if it has not, and go on. The function that it calls is left in `function`.
    fn poll(
        &mut self,
        function: &mut Option<Function>,
        interpreter: &Rc<dyn Interpreter>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Value>> {
        if let Self::Unbegun(_) = self {
            match mem::replace(self, Self::Over) {
                Self::Unbegun(Work::Load(source)) => {
                    *self = Self::Begun(interpreter.clone().load(source));
                }
                Self::Unbegun(Work::Call(called, args)) => {
                    let key = function.insert(called).key();
                    match interpreter.clone().begin(key, args, cx) {
                        Begun::Ended(result) => return Poll::Ready(result),
                        Begun::Waits(script) => *self = Self::Begun(script),
                    }
                    return Poll::Pending;
                }
                other => *self = other,
            }
        }
        let Self::Begun(script) = self else { return Poll::Pending };
        let polled = script.as_mut().poll(cx);
        if polled.is_ready() {
            *self = Self::Over;
        }
        polled
    }
}

/// A call in flight: the script's future, and how it may end before the script does.
pub(super) struct Running {
    script: Script,
    chain: Chain,
    timer: Option<Pin<Box<Sleep>>>,
    /// It is woken when its caller gives it up.
    is_watched: bool,
    /// Where the answer goes, unless whoever has the call takes it from there.
    pub(super) reply: Option<Reply>,
    local: Rc<Local>,
    span: Span,
    /// Held until the answer, so that the function outlives its last handle elsewhere.
    function: Option<Function>,
    /// Given back when it is gone.
    pub(super) room: Room,
}

impl Running {
    /// A call that does nothing before it is polled.
    pub(super) fn new(
        local: &Rc<Local>,
        work: Work,
        chain: Chain,
        inherited: Option<time::Instant>,
        span: Span,
    ) -> Self {
        let address = &local.address;
        address.gauges.call_begins();
        local.console.call_begins();
        let (chain, timer) = with_deadline(chain, inherited, address.settings.limits.deadline);
        let (script, local) = (Script::Unbegun(work), local.clone());
        let (is_watched, reply, function, room) = (false, None, None, Room::default());
        Self { script, chain, timer, is_watched, reply, local, span, function, room }
    }

    /// Has the script begun?
    fn has_begun(&self) -> bool {
        !matches!(self.script, Script::Unbegun(_))
    }

    /// Ends the script's part, if it has not ended: its handlers run here. Returns where it was.
    fn cut(&mut self) -> Vec<Frame> {
        let script = match mem::replace(&mut self.script, Script::Over) {
            Script::Over => return Vec::new(),
            script => script,
        };
        fiber::take_last_trace();
        let _entered = self.span.enter();
        let drop_script = || self.chain.run(|| drop(script));
        // An engine that panics while it unwinds must not take the actor down.
        let _ = catch_unwind(AssertUnwindSafe(drop_script));
        self.local.console.call_ends();
        fiber::take_last_trace()
    }

    /// The same for a call that would have gone on, for the reason that tracing shows.
    fn kill(&mut self, why: &str) -> Vec<Frame> {
        if self.has_begun() {
            self.local.address.worker.count_kill();
            tracing::debug!(target: "calog", parent: &self.span, why, "call is ended");
        }
        self.cut()
    }

    /// Ends it because its deadline has passed.
    fn expire(&mut self) -> Error {
        let trace = self.kill("its deadline has passed");
        let late = Error::new(ErrorKind::Timeout, "the call took longer than it may");
        late.called_from(trace)
    }

    fn answer(&mut self, result: Result<Value>) {
        match (self.reply.take(), result) {
            (Some(Reply::To(reply)), result) => reply.send(result),
            (Some(Reply::Nobody), Err(error)) => self.local.address.failed(error),
            _ => {}
        }
    }

    /// Lets the script go on, until it ends or waits.
    #[inline]
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        if self.local.address.shared.why_ended() == ErrorKind::Shutdown {
            // What a script would do after the end of its callees must not happen.
            self.kill("the broker is shutting down");
            return Poll::Ready(Err(ended(ErrorKind::Shutdown)));
        }
        let expired = |at: time::Instant| at <= time::Instant::now();
        if !self.has_begun() {
            if self.chain.deadline.is_some_and(expired) {
                // It was queued for so long that it must not begin.
                return Poll::Ready(Err(self.expire()));
            }
            self.local.address.worker.count_call();
        }
        let Self { script, function, local, span, chain, .. } = self;
        // A fiber turns panics of its own into errors; this guards against engines without fibers.
        let poll = || script.poll(function, &local.interpreter, cx);
        let poll = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| chain.run(poll))))
            .unwrap_or_else(|panic| Poll::Ready(Err(Error::from_panic(panic))));
        if let Script::Over = script {
            local.console.call_ends();
        } else if poll.is_ready() {
            // It has panicked.
            self.cut();
        }
        poll
    }

    /// Lets it go on, until it has been answered or waits.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(Reply::To(reply)) = &self.reply
            && reply.is_closed()
        {
            // Also before it has begun: what was given up in the queue must have no effect.
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
            && let Some(Reply::To(reply)) = &mut self.reply
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
            let late = self.expire();
            self.answer(Err(late));
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Running {
    /// Cut off by the end of the context: the answer says so. After a normal end it does nothing.
    fn drop(&mut self) {
        if !matches!(self.script, Script::Over) {
            self.kill("its context ends");
            self.answer(Err(ended(self.local.address.shared.why_ended())));
        }
        self.local.give_back(self.room);
        self.local.address.gauges.call_ends();
    }
}
