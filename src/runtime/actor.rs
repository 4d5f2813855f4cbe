//! The actor loop: with the short way of `local`, the only place that enters an interpreter.

use super::{
    background::Background,
    console::Console,
    context::Address,
    local::Local,
    mailbox::{Control, Message, Reply, Request, ended},
    stats::Usage,
};
use crate::{
    engine::Interpreter,
    error::{Result, contain},
    fiber,
    value::{Function, Value},
};
use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

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
    let mut context = Some(Actor { local, tasks_first: false, ending });
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

/// Its parts are dropped in this order: the calls in flight (they run on the interpreter), then the
/// interpreter, and only then is the end announced.
struct Actor {
    local: Rc<Local>,
    /// The calls took all of the last turn.
    tasks_first: bool,
    ending: Ending,
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.local.leave();
        fiber::end_together(|| self.local.close());
        self.ending.0.caller().resources.close();
    }
}

impl Actor {
    /// One turn. Ready: the context is to end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let tasks_first = mem::take(&mut self.tasks_first);
        if tasks_first {
            self.local.background.poll(cx);
        }
        while let Some(message) = self.local.next(cx) {
            match message {
                Message::Control(control) => {
                    if !self.obey(control) {
                        return Poll::Ready(());
                    }
                }
                Message::Woken(call) => self.local.go_on(cx, call),
                Message::Request(request) => self.local.begin(request),
            }
            // Takes from the task's budget, so that a flood of messages lets other contexts run.
            if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
                break;
            }
        }
        // Here a turn ends, unless the slice does.
        self.local.publish();
        let had_their_share = self.local.background.poll(cx) || tasks_first;
        self.tasks_first = !had_their_share;
        Poll::Pending
    }

    /// `false`: the context is to end.
    fn obey(&mut self, control: Control) -> bool {
        match control {
            Control::Release(key) => {
                let interpreter = &self.local.interpreter;
                // An engine that breaks here must not take the calls in flight down.
                contain(|| interpreter.release(key));
            }
            Control::Begin(task) => self.local.background.spawn(&self.ending.0, task),
            Control::Inspect(reply) => {
                let resources = self.ending.0.caller().resources.len();
                let _ = reply.send(Usage { resources, ..self.local.usage() });
            }
            Control::Stop => return false,
        }
        true
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
    request.reply.answer(address, Err(ended(address.shared.why_ended())), None);
}

impl Reply {
    /// Sends the result to whoever waits for it, and the function that was called with it.
    pub(super) fn answer(
        self,
        address: &Address,
        result: Result<Value>,
        function: Option<Function>,
    ) {
        match (self, result) {
            (Self::To(reply), result) => reply.send(result, function),
            (Self::Nobody, Err(error)) => address.failed(error),
            (Self::Nobody, Ok(_)) => {}
        }
    }
}
