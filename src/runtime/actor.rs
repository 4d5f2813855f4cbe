//! The actor loop, and calls in flight: with the short way of `local`, the only place that enters an
//! interpreter.

use super::{
    background::Background,
    console::Console,
    context::Address,
    local::Local,
    mailbox::{Control, Message, Reply, Request, Room, Work, ended},
    stats::Usage,
};
use crate::{
    chain::Chain,
    engine::{Begun, Interpreter},
    error::{Error, ErrorKind, Frame, Result},
    fiber,
    value::{Function, Value},
};
use futures::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::{self, Sleep, sleep_until};
use tracing::Span;

/// Runs a context until it is stopped, then answers all that is left. When the future is dropped
/// instead (its worker ends), the same happens by the drop of its parts.
pub(crate) fn run(
    ending: Ending,
    interpreter: Rc<dyn Interpreter>,
    background: Rc<Background>,
    console: Rc<Console>,
) -> impl Future<Output = ()> {
    let local = Local::enter(&ending.0, interpreter, background, console);
    // Not its owner: when the actor is dropped, the interpreter goes with it.
    let here = Rc::downgrade(&local);
    let mut context = Some(Actor {
        // Dropped in this order: calls first (they run on the interpreter), then the interpreter,
        // and only then is the end announced.
        live: FuturesUnordered::new(),
        local,
        ending,
    });
    poll_fn(move |cx| {
        // Not held over the poll, whose last act may be the end of the context.
        let begun = here.upgrade().map(|local| local.begin_turn());
        let Some(slice) = begun else { return Poll::Ready(()) };
        // The slice is the context's, not the call's: see `Running::poll`.
        let polled = fiber::in_turn(slice, || {
            let polled = context.as_mut().map_or(Poll::Ready(()), |actor| actor.poll(cx));
            if polled.is_ready() {
                context = None;
            }
            polled
        });
        if let Some(local) = here.upgrade() {
            local.end_turn();
        }
        polled
    })
}

struct Actor {
    /// Every call that waits or was put off.
    live: FuturesUnordered<Running>,
    local: Rc<Local>,
    ending: Ending,
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.local.leave();
        fiber::end_together(|| {
            self.live.clear();
            self.local.close();
        });
        self.ending.0.caller().resources.close();
    }
}

impl Actor {
    /// One turn. Ready: the context is to end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // They came before whatever is in the mailbox now.
            self.live.extend(self.local.take_handed());
            let control = self.ending.0.mailbox.next_control();
            let mut goes_on = control.is_some();
            if let Some(control) = control {
                if !self.obey(control) {
                    return Poll::Ready(());
                }
            } else {
                // Calls that may go on do so before others begin, and one may begin after each, so
                // that neither holds the other up.
                goes_on |= self.go_on(cx);
                if let Poll::Ready(message) = self.poll_mailbox(cx) {
                    goes_on = true;
                    match message {
                        Message::Request(request) => self.begin(request, cx),
                        Message::Control(control) => {
                            if !self.obey(control) {
                                return Poll::Ready(());
                            }
                        }
                    }
                }
            }
            // Takes from the task's budget, so that a flood of messages lets other contexts run.
            if !goes_on || pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
                break;
            }
        }
        // Here a turn ends, unless the slice does.
        self.ending.0.gauges.keep_queued(self.local.batch.borrow().len());
        self.local.publish();
        if !self.local.deferred.borrow().is_empty() {
            // When the other contexts, and the timers, have had their turn.
            let _ = pin!(fiber::pass()).poll(cx);
        }
        self.local.background.poll(cx)
    }

    fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        let mut batch = self.local.batch.borrow_mut();
        self.ending.0.mailbox.poll_next(cx, &mut batch, &self.local.freed)
    }

    /// `false`: the context is to end.
    fn obey(&mut self, control: Control) -> bool {
        match control {
            Control::Release(key) => {
                let interpreter = &self.local.interpreter;
                // An engine that breaks here must not take the calls in flight down.
                let _ = catch_unwind(AssertUnwindSafe(|| interpreter.release(key)));
            }
            Control::Begin(task) => self.local.background.spawn(&self.ending.0, task),
            Control::Inspect(reply) => {
                let calls = self.live.len() + self.local.handed_len();
                let resources = self.ending.0.caller().resources.len();
                let _ = reply.send(Usage { calls, resources, ..self.local.usage() });
            }
            Control::Stop => return false,
        }
        true
    }

    /// Lets calls in flight go on. `true`: one of them has ended.
    fn go_on(&mut self, cx: &mut Context<'_>) -> bool {
        !self.live.is_empty() && self.live.poll_next_unpin(cx) == Poll::Ready(Some(()))
    }

    fn begin(&mut self, request: Request, cx: &mut Context<'_>) {
        let Request { work, chain, inherited, reply, room, span } = request;
        let mut call = Running::new(&self.local, work, chain, inherited, span);
        (call.reply, call.room) = (Some(reply), room);
        // Most calls end at once. One that does not is polled again where it waits.
        if self.local.is_free() && !fiber::turn_is_over() {
            let mut cx = Context::from_waker(Waker::noop());
            let (polled, passes) = fiber::noting_passes(|| Pin::new(&mut call).poll(&mut cx));
            if polled.is_ready() {
                return;
            }
            call.passes = passes;
        }
        let is_put_off = !call.has_begun();
        if is_put_off {
            // Nobody may come before it in the next turn.
            call.queue();
        }
        self.live.push(call);
        if is_put_off {
            // It gets its place behind those that were put off before, where the turn is over.
            self.go_on(cx);
        }
    }
}

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
    /// It waits among the [unbegun](Local::unbegun).
    queued: bool,
    /// It lets all others have their turn before it goes on.
    pub(super) passes: bool,
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
        let (queued, passes) = (false, false);
        let (reply, function, room) = (None, None, Room::default());
        Self { script, chain, timer, queued, passes, reply, local, span, function, room }
    }

    /// It comes after those that came before.
    fn queue(&mut self) {
        self.queued = true;
        self.local.unbegun.set(self.local.unbegun.get() + 1);
    }

    fn leave_queue(&mut self) {
        if mem::take(&mut self.queued) {
            self.local.unbegun.set(self.local.unbegun.get() - 1);
        }
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
            (Some(Reply::To(reply)), result) => drop(reply.send(result)),
            (Some(Reply::Nobody), Err(error)) => self.local.address.failed(error),
            _ => {}
        }
    }

    /// Lets the script go on, until it ends or waits.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        if self.local.address.shared.why_ended() == ErrorKind::Shutdown {
            // What a script would do after the end of its callees must not happen.
            self.kill("the broker is shutting down");
            return Poll::Ready(Err(ended(ErrorKind::Shutdown)));
        }
        let expired = |at: time::Instant| at <= time::Instant::now();
        if !self.has_begun() && self.chain.deadline.is_some_and(expired) {
            // It was queued for so long that it must not begin.
            return Poll::Ready(Err(self.expire()));
        }
        if !self.has_begun() {
            self.local.address.worker.count_call();
            self.leave_queue();
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
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(Reply::To(reply)) = &this.reply
            && reply.is_closed()
        {
            // Also before it has begun: what was given up in the queue must have no effect.
            this.kill(GIVEN_UP);
            return Poll::Ready(());
        }
        if mem::take(&mut this.passes) || fiber::turn_is_over() {
            // Many short calls together may take no more than one long one: the rest of them run
            // in the context's next turn.
            this.local.deferred.borrow_mut().push(cx.waker().clone());
        } else if let Poll::Ready(result) = this.advance(cx) {
            this.answer(result);
            return Poll::Ready(());
        }
        if let Some(Reply::To(reply)) = &mut this.reply
            && reply.poll_closed(cx).is_ready()
        {
            this.kill(GIVEN_UP);
            return Poll::Ready(());
        }
        if let Some(timer) = &mut this.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            let late = this.expire();
            this.answer(Err(late));
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
        self.leave_queue();
        self.local.freed.set(self.local.freed.get().and(self.room));
        self.local.address.gauges.call_ends();
    }
}

/// Announces the end of a context when everything of it is gone, however it came.
pub(super) struct Ending(pub(super) Arc<Address>);

impl Drop for Ending {
    fn drop(&mut self) {
        let address = &self.0;
        for request in address.mailbox.close(address.shared.why_ended()) {
            refuse(address, request);
        }
        address.shared.directory.leave(address.id());
        address.ended.send_replace(true);
    }
}

/// Answers a call that comes too late.
pub(super) fn refuse(address: &Address, request: Request) {
    let ended = ended(address.shared.why_ended());
    match request.reply {
        Reply::To(reply) => drop(reply.send(Err(ended))),
        Reply::Nobody => address.failed(ended),
    }
}
