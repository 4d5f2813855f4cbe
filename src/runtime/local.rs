//! A context as its own worker reaches it: what its calls run on, and the short way for calls from
//! its neighbours.
//!
//! A call between two contexts of one worker needs no message if the callee rests: the call runs
//! right there, on a fiber of its own above that of its caller, until it ends or waits. If it ends,
//! nothing had to be suspended; if it waits, it does so among the callee's calls in flight, where the
//! callee's actor polls it, and the caller waits for the answer like any other.

use super::{
    actor::refuse,
    background::Background,
    console::Console,
    context::Address,
    flight::{Bell, Flight},
    mailbox::{Message, NEAR, Reply, Request, Taken, Work},
    reply::Receiver,
    room::Room,
    running::{Began, Running},
    stats::Usage,
};
use crate::{chain::Chain, engine::Interpreter, error::Result, fiber, value::Value};
use std::{
    cell::{Cell, RefCell},
    mem,
    pin::pin,
    ptr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tracing::Span;

/// The contexts that live on a thread, at the places that their addresses tell.
struct Locals {
    places: Vec<Option<Rc<Local>>>,
    /// Those that nobody has any more.
    free: Vec<usize>,
}

thread_local! {
    static LOCALS: RefCell<Locals> =
        const { RefCell::new(Locals { places: Vec::new(), free: Vec::new() }) };
}

/// What the calls of a context share.
pub(super) struct Local {
    pub(super) address: Arc<Address>,
    pub(super) interpreter: Rc<dyn Interpreter>,
    /// What belongs to no call.
    pub(super) background: Rc<Background>,
    pub(super) console: Rc<Console>,
    /// The actor, or a call that came the short way, is being polled.
    busy: Cell<bool>,
    /// The calls that wait.
    flight: RefCell<Flight>,
    /// What the actor has taken out of the mailbox, and what the end of a turn has put off.
    taken: RefCell<Taken>,
}

/// How far a call came that ran at once.
pub(super) enum Came {
    ToItsEnd,
    /// It waits; the answer comes here.
    ToAWait(Receiver),
}

impl Local {
    /// Makes a context known on its thread.
    pub(super) fn enter(
        address: &Arc<Address>,
        interpreter: Rc<dyn Interpreter>,
        background: Rc<Background>,
        console: Rc<Console>,
    ) -> Rc<Self> {
        let local = Rc::new(Self {
            address: address.clone(),
            interpreter,
            background,
            console,
            busy: Cell::new(false),
            flight: RefCell::default(),
            taken: RefCell::default(),
        });
        LOCALS.with_borrow_mut(|locals| {
            let place = locals.free.pop().unwrap_or(locals.places.len());
            if place == locals.places.len() {
                locals.places.push(None);
            }
            locals.places[place] = Some(local.clone());
            address.place.store(place, Relaxed);
        });
        local
    }

    /// The context ends: nobody reaches it the short way any more.
    pub(super) fn leave(&self) {
        // At the end of a thread the table may be gone already.
        let gone = LOCALS.try_with(|locals| {
            let (mut locals, place) = (locals.borrow_mut(), self.address.place.load(Relaxed));
            locals.free.push(place);
            locals.places[place].take()
        });
        drop(gone);
    }

    /// The context at `address`, if it lives on this thread and a call may run there at once: it
    /// rests, and nobody came before.
    pub(super) fn resting(address: &Address) -> Option<Rc<Self>> {
        let find = |locals: &RefCell<Locals>| {
            let locals = locals.borrow();
            let local = locals.places.get(address.place.load(Relaxed))?.as_ref()?;
            // On another thread somebody else has the place.
            (ptr::eq(&*local.address, address) && local.rests()).then(|| local.clone())
        };
        LOCALS.try_with(find).ok().flatten()
    }

    fn rests(&self) -> bool {
        !self.busy.get() && self.taken.borrow().is_empty() && self.address.mailbox.is_free()
    }

    /// Runs a call of a context that rests, until it waits or ends, as `result` then says. One from the
    /// host has `room`, or takes some when it waits.
    #[inline(always)]
    pub(super) fn run(
        self: &Rc<Self>,
        lent: &mut Option<Work>,
        chain: &Chain,
        inherited: Option<Instant>,
        room: Option<Room>,
        span: Option<Box<Span>>,
        result: &mut Result<Value>,
    ) -> Came {
        let bell = self.bell();
        self.busy.set(true);
        let began = {
            let waker = bell.arm();
            let cx = &mut Context::from_waker(&waker);
            Running::begin(self, lent, chain, inherited, span, cx, result)
        };
        let came = match began {
            Began::Over => {
                self.flight.borrow_mut().give_back(bell);
                Came::ToItsEnd
            }
            Began::Waits(mut call) => {
                let (reply, answer) = self.address.worker.waiting().channel();
                let needs = |room| {
                    if room == Room::default() { self.address.mailbox.take_late() } else { room }
                };
                call.owes(Reply::To(reply), room.map_or_else(Room::default, needs));
                let polled = call.wait(&mut Context::from_waker(&bell.waker()));
                self.settle(polled, bell, call);
                if polled.is_ready() {
                    // Nothing tells the actor to look into the mailbox.
                    let freed = mem::take(&mut self.taken.borrow_mut().freed);
                    self.address.mailbox.give_back(freed);
                }
                Came::ToAWait(answer)
            }
        };
        self.busy.set(false);
        came
    }

    /// The actor begins a call.
    pub(super) fn begin(self: &Rc<Self>, request: Request) {
        let Request { work, chain, inherited, reply, room, span } = request;
        if let Reply::To(reply) = &reply
            && reply.is_closed()
        {
            // What was given up in the queue must have no effect.
            return self.give_back(room);
        }
        let (bell, mut lent, mut result) = (self.bell(), Some(work), Ok(Value::Nil));
        let begin = |cx: &mut Context<'_>| {
            Running::begin(self, &mut lent, &chain, inherited, span, cx, &mut result)
        };
        match bell.poll(begin) {
            (Began::Over, _) => {
                let function = lent.and_then(Work::into_function);
                self.give_back(room);
                reply.answer(&self.address, result, function);
                self.flight.borrow_mut().give_back(bell);
            }
            (Began::Waits(mut call), is_woken) => {
                call.owes(reply, room);
                let polled = call.wait(&mut Context::from_waker(&bell.waker()));
                if is_woken {
                    self.taken.borrow_mut().wake(bell.number());
                }
                self.settle(polled, bell, call);
            }
        }
    }

    /// A call in flight was woken: the actor lets it go on, until it waits or is gone.
    pub(super) fn go_on(&self, cx: &mut Context<'_>, number: usize) {
        let woken = self.flight.borrow_mut().take(number);
        let Some((bell, mut call)) = woken else { return };
        loop {
            let (polled, is_woken) = bell.poll(|cx| call.poll(cx));
            if !is_woken || polled.is_ready() {
                return self.settle(polled, bell, call);
            }
            let mut taken = self.taken.borrow_mut();
            let is_alone = taken.is_empty() && self.address.mailbox.has_nothing();
            if !is_alone
                || fiber::turn_is_over()
                || pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending()
            {
                taken.wake(number);
                drop(taken);
                return self.settle(polled, bell, call);
            }
            // It yields, and nobody else has anything to do: it goes on without being put down.
        }
    }

    /// What wakes a call that begins.
    fn bell(&self) -> Arc<Bell> {
        self.flight.borrow_mut().bell(&self.address)
    }

    /// A call was polled: it waits, or is gone.
    fn settle(&self, polled: Poll<()>, bell: Arc<Bell>, call: Box<Running>) {
        if polled.is_pending() {
            let refused = self.flight.borrow_mut().wait(bell, call);
            // Its end may come back here: not under the borrow.
            drop(refused);
        } else {
            drop(call);
            self.flight.borrow_mut().give_back(bell);
        }
    }

    /// A call is about to be answered: its room is given back. Where others may need it, whoever hears
    /// the answer finds it free; else that has time until the next look into the mailbox.
    pub(super) fn give_back(&self, room: Room) {
        let mut taken = self.taken.borrow_mut();
        taken.freed = taken.freed.and(room);
        if !self.address.mailbox.has_room() {
            let freed = mem::take(&mut taken.freed);
            drop(taken);
            self.address.mailbox.give_back(freed);
        }
    }

    /// What the actor is to do next in its turn.
    pub(super) fn next(&self, cx: &mut Context<'_>) -> Option<Message> {
        let mut taken = self.taken.borrow_mut();
        if let Some(control) = self.address.mailbox.receive(&mut taken, cx.waker()) {
            return Some(Message::Control(control));
        }
        let is_over = !taken.is_empty() && fiber::turn_is_over();
        // Those first that are given up, also where the turn is over: each may have others below it that
        // compute until they are ended too.
        let given_up = |number| self.flight.borrow().is_given_up(number);
        let given_up = taken.next_woken(given_up, if is_over { usize::MAX } else { NEAR });
        if given_up.is_some() || taken.is_empty() {
            return given_up;
        }
        if is_over {
            taken.end_turn();
            // Many short calls together may take no more than one long one: the rest of them have the
            // context's next turn, when the other contexts, and the timers, have had theirs.
            let _ = pin!(fiber::pass()).poll(cx);
            return None;
        }
        taken.next()
    }

    /// The actor's turn begins, which may take as long as the result says: nobody else enters the
    /// context until it ends. Should the actor panic, that is for good.
    pub(super) fn begin_turn(&self) -> Duration {
        self.address.worker.count_slice();
        self.busy.set(true);
        self.address.shared.limits.slice
    }

    pub(super) fn end_turn(&self) {
        self.busy.set(false);
    }

    /// The context ends: drops its calls, and answers those that have not begun.
    pub(super) fn close(&self) {
        let waiting = self.flight.borrow_mut().close();
        drop(waiting);
        for request in self.taken.take().into_requests() {
            refuse(&self.address, request);
        }
        self.background.close();
    }

    /// What it uses, but for resources, which anybody can count.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            memory_bytes: self.interpreter.memory(),
            handles: self.interpreter.handles(),
            calls: self.flight.borrow().len(),
            tasks: self.background.len(),
            ..Usage::default()
        }
    }

    /// Tells what it uses to those who do not ask the actor.
    pub(super) fn publish(&self) {
        self.address.gauges.keep_queued(self.taken.borrow().queued());
        self.address.gauges.publish(|| self.usage());
    }

    /// The same after a call of a neighbour.
    pub(super) fn publish_at_times(&self) {
        self.address.gauges.publish_at_times(|| self.usage());
    }
}
