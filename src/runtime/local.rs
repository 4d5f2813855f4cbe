//! A context as its own worker reaches it: what its calls run on, and the short way for calls from
//! its neighbours.
//!
//! A call between two contexts of one worker needs no message if the callee rests: the call runs
//! right there, on a fiber of its own above that of its caller, until it ends or waits. If it ends,
//! nothing had to be suspended; if it waits, the callee's actor takes it over, and the caller waits
//! for the answer like any other.

use super::{
    actor::{Running, refuse},
    background::Background,
    console::Console,
    context::Address,
    mailbox::{Reply, Request, Room, Work},
    stats::Usage,
};
use crate::{chain::Chain, engine::Interpreter, error::Result, fiber, value::Value};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    mem,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use tracing::Span;

thread_local! {
    /// The contexts that live on this thread, by the place of their address.
    static LOCALS: RefCell<HashMap<usize, Rc<Local>, BuildHasherDefault<Place>>> =
        RefCell::default();
}

/// Hashes a place in memory: all of them differ, and most in the bits that are mixed here.
#[derive(Default)]
struct Place(u64);

impl Hasher for Place {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize((*byte).into());
        }
    }

    fn write_usize(&mut self, place: usize) {
        // The multiplier of Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
        self.0 = (self.0 ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// What the calls of a context share.
pub(super) struct Local {
    pub(super) address: Arc<Address>,
    pub(super) interpreter: Rc<dyn Interpreter>,
    /// What belongs to no call.
    pub(super) background: Rc<Background>,
    pub(super) console: Rc<Console>,
    /// Calls that the end of a turn has put off, in their order, in which they go on in the next.
    pub(super) deferred: RefCell<Vec<Waker>>,
    /// Calls that the actor has and that have not begun.
    pub(super) unbegun: Cell<usize>,
    /// The actor, or a call that came the short way, is being polled.
    busy: Cell<bool>,
    /// Calls that came the short way and wait, until the actor takes them over.
    handed: RefCell<Vec<Running>>,
    /// Calls that the actor has taken out of the mailbox and not looked at yet.
    pub(super) batch: RefCell<VecDeque<Request>>,
    /// Room that calls have left since the mailbox was told last.
    pub(super) freed: Cell<Room>,
}

/// How far a call came that ran at once.
pub(super) enum Came {
    ToItsEnd(Result<Value>),
    /// It waits; the answer comes here.
    ToAWait(oneshot::Receiver<Result<Value>>),
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
            deferred: RefCell::default(),
            unbegun: Cell::new(0),
            busy: Cell::new(false),
            handed: RefCell::default(),
            batch: RefCell::default(),
            freed: Cell::default(),
        });
        LOCALS.with_borrow_mut(|locals| locals.insert(key(address), local.clone()));
        local
    }

    /// The context ends: nobody reaches it the short way any more.
    pub(super) fn leave(&self) {
        // At the end of a thread the table may be gone already.
        let gone = LOCALS.try_with(|locals| locals.borrow_mut().remove(&key(&self.address)));
        drop(gone);
    }

    /// The context at `address`, if it lives on this thread and a call may run there at once: it
    /// rests, and nobody came before.
    pub(super) fn resting(address: &Arc<Address>) -> Option<Rc<Self>> {
        let find = |locals: &RefCell<HashMap<_, Rc<Self>, _>>| {
            locals.borrow().get(&key(address)).filter(|local| local.rests()).cloned()
        };
        LOCALS.try_with(find).ok().flatten()
    }

    fn rests(&self) -> bool {
        !self.busy.get()
            && self.is_free()
            && self.handed.borrow().is_empty()
            && self.batch.borrow().is_empty()
            && self.address.mailbox.is_empty()
    }

    /// Runs a call of a context that rests, until it ends or waits. One from the host has `room`, or
    /// takes some when it waits.
    pub(super) fn run(
        self: &Rc<Self>,
        work: Work,
        chain: Chain,
        inherited: Option<Instant>,
        room: Option<Room>,
        span: Span,
    ) -> Came {
        let mut call = Running::new(self, work, chain, inherited, span);
        self.busy.set(true);
        // Whatever it waits for asks again when the actor polls it, which it does at once. What
        // panics in there becomes its answer.
        let mut cx = Context::from_waker(Waker::noop());
        let (polled, passes) = fiber::noting_passes(|| call.advance(&mut cx));
        self.busy.set(false);
        match polled {
            Poll::Ready(result) => Came::ToItsEnd(result),
            Poll::Pending => {
                let (reply, answer) = oneshot::channel();
                (call.reply, call.passes) = (Some(Reply::To(reply)), passes);
                let needs = |room| {
                    if room == Room::default() { self.address.mailbox.take_late() } else { room }
                };
                call.room = room.map_or_else(Room::default, needs);
                self.handed.borrow_mut().push(call);
                self.background.wake();
                Came::ToAWait(answer)
            }
        }
    }

    /// What is handed over to the actor.
    pub(super) fn take_handed(&self) -> Vec<Running> {
        mem::take(&mut *self.handed.borrow_mut())
    }

    /// Has nobody come before whoever comes now?
    pub(super) fn is_free(&self) -> bool {
        self.unbegun.get() == 0 && self.deferred.borrow().is_empty()
    }

    /// How many calls wait to be handed over.
    pub(super) fn handed_len(&self) -> usize {
        self.handed.borrow().len()
    }

    /// The actor's turn begins, which may take as long as the result says: nobody else enters the
    /// context until it ends. Should the actor panic, that is for good.
    pub(super) fn begin_turn(&self) -> Duration {
        self.address.worker.count_slice();
        self.deferred.take().into_iter().for_each(Waker::wake);
        self.busy.set(true);
        self.address.shared.limits.slice
    }

    pub(super) fn end_turn(&self) {
        self.busy.set(false);
    }

    /// Drops what the actor did not take over.
    pub(super) fn close(&self) {
        drop(self.handed.take());
        for request in self.batch.take() {
            refuse(&self.address, request);
        }
        self.background.close();
    }

    /// What it uses, but for calls and resources, which anybody can count.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            memory_bytes: self.interpreter.memory(),
            handles: self.interpreter.handles(),
            tasks: self.background.len(),
            ..Usage::default()
        }
    }

    /// Tells what it uses to those who do not ask the actor.
    pub(super) fn publish(&self) {
        self.address.gauges.publish(|| self.usage());
    }

    /// The same after a call of a neighbour.
    pub(super) fn publish_at_times(&self) {
        self.address.gauges.publish_at_times(|| self.usage());
    }
}

fn key(address: &Arc<Address>) -> usize {
    Arc::as_ptr(address).addr()
}
