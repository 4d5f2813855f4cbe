//! The actor loop: the only place that enters an interpreter.

use super::{
    background::Background,
    console::Console,
    context::Address,
    mailbox::{Control, Message, Reply, Request, Room, Work, ended},
    stats::Usage,
};
use crate::{
    chain::Chain,
    engine::Interpreter,
    error::{Error, ErrorKind, Frame, Result},
    fiber,
    value::{Function, Value},
};
use futures::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{
    cell::RefCell,
    future::{Future, poll_fn, ready},
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
pub(crate) async fn run(
    ending: Ending,
    interpreter: Rc<dyn Interpreter>,
    background: Rc<Background>,
    console: Rc<Console>,
) {
    let (worker, slice) = (ending.0.worker.clone(), ending.0.shared.limits.slice);
    let deferred = Rc::<Deferred>::default();
    let put_off = deferred.clone();
    let mut context = Actor {
        // Dropped in this order: calls first (they run on the interpreter), then the interpreter,
        // and only then is the end announced.
        live: FuturesUnordered::new(),
        deferred,
        background,
        console,
        interpreter,
        ending,
    };
    let work = async move {
        loop {
            tokio::select! {
                // Biased: a call in flight may never end, a kill must get through.
                biased;
                message = context.ending.0.mailbox.next() => {
                    if !context.handle(message) {
                        break;
                    }
                    // Takes from the task's budget, so that a flood of messages lets other contexts
                    // run.
                    tokio::task::coop::consume_budget().await;
                }
                Some(()) = context.live.next(), if !context.live.is_empty() => {}
                () = poll_fn(|cx| {
                    // Here a turn ends, unless the slice does.
                    let (interpreter, background) = (&context.interpreter, &context.background);
                    context.ending.0.gauges.publish(|| Usage {
                        memory_bytes: interpreter.memory(),
                        handles: interpreter.handles(),
                        tasks: background.len(),
                        resources: context.ending.0.caller().resources.len(),
                        ..Usage::default()
                    });
                    if !context.deferred.0.borrow().is_empty() {
                        // When the other contexts, and the timers, have had their turn.
                        let _ = pin!(tokio::task::yield_now()).poll(cx);
                    }
                    background.poll(cx)
                }) => {}
            }
        }
    };
    let mut work = pin!(work);
    // The slice is the context's, not the call's: see `Running::poll`.
    poll_fn(|cx| {
        worker.count_slice();
        put_off.0.take().into_iter().for_each(Waker::wake);
        fiber::in_turn(slice, || work.as_mut().poll(cx))
    })
    .await;
}

/// Calls that the end of a turn has put off, in their order, in which they go on in the next.
#[derive(Default)]
struct Deferred(RefCell<Vec<Waker>>);

struct Actor {
    /// Every call that has begun and not ended.
    live: FuturesUnordered<Running>,
    deferred: Rc<Deferred>,
    /// What belongs to no call.
    background: Rc<Background>,
    console: Rc<Console>,
    interpreter: Rc<dyn Interpreter>,
    ending: Ending,
}

impl Drop for Actor {
    fn drop(&mut self) {
        fiber::end_together(|| {
            self.live.clear();
            self.background.close();
        });
        self.ending.0.caller().resources.close();
    }
}

impl Actor {
    /// `false`: the context is to end.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Control(Control::Release(key)) => {
                // An engine that breaks here must not take the calls in flight down.
                let _ = catch_unwind(AssertUnwindSafe(|| self.interpreter.release(key)));
            }
            Message::Control(Control::Begin(task)) => {
                self.background.spawn(&self.ending.0, task);
            }
            Message::Control(Control::Inspect(reply)) => {
                let usage = Usage {
                    memory_bytes: self.interpreter.memory(),
                    handles: self.interpreter.handles(),
                    calls: self.live.len(),
                    tasks: self.background.len(),
                    resources: self.ending.0.caller().resources.len(),
                };
                let _ = reply.send(usage);
            }
            Message::Control(Control::Stop) => return false,
            Message::Request(request) => self.live.push(self.begin(request)),
        }
        true
    }

    /// Starts a call; it does nothing before it is polled.
    fn begin(&self, request: Request) -> Running {
        let Request { work, chain, inherited, reply, room, span } = request;
        let address = &self.ending.0;
        address.gauges.call_begins();
        self.console.call_begins();
        let limit = address.settings.limits.deadline;
        let (chain, timer) = with_deadline(chain, inherited, limit);
        let interpreter = self.interpreter.clone();
        let (key, keep) = match &work {
            Work::Load(_) => (0, None),
            Work::Call(function, _) => (function.key(), Some(function.clone())),
        };
        let enter = || match work {
            Work::Load(source) => interpreter.load(source),
            Work::Call(_, args) => interpreter.call(key, args),
        };
        let call = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| chain.run(enter))))
            .unwrap_or_else(|panic| Box::pin(ready(Err(Error::from_panic(&*panic)))));
        Running {
            call: Some(call),
            chain,
            timer,
            begun: false,
            reply: Some(reply),
            address: address.clone(),
            deferred: self.deferred.clone(),
            console: self.console.clone(),
            span,
            _function: keep,
            _room: room,
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

/// A call in flight: the script's future, and how it may end before the script does.
struct Running {
    call: Option<LocalBoxFuture<'static, Result<Value>>>,
    chain: Chain,
    timer: Option<Pin<Box<Sleep>>>,
    /// Has the script begun?
    begun: bool,
    reply: Option<Reply>,
    address: Arc<Address>,
    deferred: Rc<Deferred>,
    console: Rc<Console>,
    span: Span,
    /// Held until the answer, so that the function outlives its last handle elsewhere.
    _function: Option<Function>,
    _room: Option<Room>,
}

impl Running {
    /// Ends the script's part, if it has not ended: its handlers run here. Returns where it was.
    fn cut(&mut self) -> Vec<Frame> {
        let Some(call) = self.call.take() else { return Vec::new() };
        fiber::take_last_trace();
        let _entered = self.span.enter();
        let drop_call = || self.chain.run(|| drop(call));
        // An engine that panics while it unwinds must not take the actor down.
        let _ = catch_unwind(AssertUnwindSafe(drop_call));
        self.console.call_ends();
        fiber::take_last_trace()
    }

    /// The same for a call that would have gone on, for the reason that tracing shows.
    fn kill(&mut self, why: &str) -> Vec<Frame> {
        if self.begun {
            self.address.worker.count_kill();
            tracing::debug!(target: "calog", parent: &self.span, why, "call is ended");
        }
        self.cut()
    }

    /// Ends it because its deadline has passed.
    fn expire(&mut self) {
        let trace = self.kill("its deadline has passed");
        let late = Error::new(ErrorKind::Timeout, "the call took longer than it may");
        self.answer(Err(late.called_from(trace)));
    }

    fn answer(&mut self, result: Result<Value>) {
        match (self.reply.take(), result) {
            (Some(Reply::To(reply)), result) => drop(reply.send(result)),
            (Some(Reply::Nobody), Err(error)) => self.address.failed(error),
            _ => {}
        }
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
        if this.address.shared.why_ended() == ErrorKind::Shutdown {
            // What a script would do after the end of its callees must not happen.
            this.kill("the broker is shutting down");
            this.answer(Err(ended(ErrorKind::Shutdown)));
            return Poll::Ready(());
        }
        if !this.begun && this.chain.deadline.is_some_and(|at| at <= time::Instant::now()) {
            // It was queued for so long that it must not begin.
            this.expire();
            return Poll::Ready(());
        }
        if fiber::turn_is_over() {
            // Many short calls together may take no more than one long one: the rest of them run
            // in the context's next turn.
            this.deferred.0.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        }
        if !std::mem::replace(&mut this.begun, true) {
            this.address.worker.count_call();
        }
        let Some(call) = this.call.as_mut() else { return Poll::Ready(()) };
        // A fiber turns panics of its own into errors; this guards against engines without fibers.
        let poll = || this.span.in_scope(|| this.chain.run(|| call.as_mut().poll(cx)));
        let poll = catch_unwind(AssertUnwindSafe(poll))
            .unwrap_or_else(|panic| Poll::Ready(Err(Error::from_panic(&*panic))));
        if let Poll::Ready(result) = poll {
            this.cut();
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
            this.expire();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Running {
    /// Cut off by the end of the context: the answer says so. After a normal end it does nothing.
    fn drop(&mut self) {
        if self.call.is_some() {
            self.kill("its context ends");
            self.answer(Err(ended(self.address.shared.why_ended())));
        }
        self.address.gauges.call_ends();
    }
}

/// Announces the end of a context when everything of it is gone, however it came.
pub(super) struct Ending(pub(super) Arc<Address>);

impl Drop for Ending {
    fn drop(&mut self) {
        let address = &self.0;
        let reason = address.shared.why_ended();
        for request in address.mailbox.close(reason) {
            match request.reply {
                Reply::To(reply) => drop(reply.send(Err(ended(reason)))),
                Reply::Nobody => address.failed(ended(reason)),
            }
        }
        address.shared.directory.leave(address.id());
        address.ended.send_replace(true);
    }
}
