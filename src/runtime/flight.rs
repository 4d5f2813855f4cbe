//! The calls of a context that wait. Each has a waker of its own from its first poll on, which puts its
//! number into the mailbox: a call is polled when it was woken, and never else.

use super::{context::Address, mailbox::Alarm, running::Running};
use futures::task::{ArcWake, WakerRef, waker_ref};
use std::{cell::Cell, mem, ptr, sync::Arc, task::Context};

/// Calls by number. A number is used again, and with it its waker: a late one reaches whoever has the
/// number now, who looks in vain.
#[derive(Default)]
pub(super) struct Flight {
    places: Vec<Place>,
    /// The numbers that nobody has, but for that of the idle bell.
    free: Vec<usize>,
    /// The bell that was given back last: most calls have this one, one after the other.
    idle: Option<Arc<Bell>>,
    /// The context has ended.
    closed: bool,
}

pub(super) enum Place {
    Free(Arc<Bell>),
    /// In a box, since most calls never come here.
    Waits(Arc<Bell>, Box<Running>),
    /// It is being polled.
    Away,
}

/// So many places are kept when nobody has one any more.
const KEPT: usize = 4;

/// What wakes a call.
pub(super) struct Bell {
    address: Arc<Address>,
    alarm: Alarm,
}

thread_local! {
    /// The bell of the call that the actor of this thread is polling, until it rings.
    static POLLED: Cell<*const Bell> = const { Cell::new(ptr::null()) };
}

impl ArcWake for Bell {
    fn wake_by_ref(bell: &Arc<Self>) {
        if !bell.alarm.ring() {
            return;
        }
        if ptr::eq(POLLED.get(), Arc::as_ptr(bell)) {
            POLLED.set(ptr::null());
        } else {
            bell.address.mailbox.wake(bell.number());
        }
    }
}

impl Bell {
    /// The waker for a poll, which sees what was done before each ring up to now.
    pub(super) fn arm(self: &Arc<Self>) -> WakerRef<'_> {
        self.alarm.hear();
        self.waker()
    }

    pub(super) fn waker(self: &Arc<Self>) -> WakerRef<'_> {
        waker_ref(self)
    }

    /// Lets the actor poll its call. The second is true if it was woken meanwhile on this thread.
    #[inline]
    pub(super) fn poll<T>(self: &Arc<Self>, poll: impl FnOnce(&mut Context<'_>) -> T) -> (T, bool) {
        /// Restores the outer one, also when a waker of the host panics.
        struct Restore(*const Bell);
        impl Drop for Restore {
            fn drop(&mut self) {
                POLLED.set(self.0);
            }
        }
        let _restore = Restore(POLLED.replace(Arc::as_ptr(self)));
        let polled = poll(&mut Context::from_waker(&self.arm()));
        (polled, POLLED.get().is_null())
    }

    /// The number of its call.
    pub(super) fn number(&self) -> usize {
        self.alarm.number()
    }
}

impl Flight {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len() - usize::from(self.idle.is_some())
    }

    /// What is to wake a call that is polled for the first time. Whoever has it lets it
    /// [wait](Self::wait) or gives it [back](Self::give_back).
    pub(super) fn bell(&mut self, address: &Arc<Address>) -> Arc<Bell> {
        if let Some(bell) = self.idle.take() {
            return bell;
        }
        let number = self.free.pop().unwrap_or(self.places.len());
        if number == self.places.len() {
            // Most contexts never need a second one.
            self.places.reserve_exact(usize::from(number == 0));
            self.places.push(Place::Away);
        } else if let Place::Free(bell) = mem::replace(&mut self.places[number], Place::Away) {
            return bell;
        }
        Arc::new(Bell { address: address.clone(), alarm: Alarm::new(number) })
    }

    /// The call of `bell` waits. `Err`: the context has ended, and nobody will look for it.
    pub(super) fn wait(&mut self, bell: Arc<Bell>, call: Box<Running>) -> Result<(), Box<Running>> {
        if self.closed {
            return Err(call);
        }
        let number = bell.number();
        self.places[number] = Place::Waits(bell, call);
        Ok(())
    }

    /// The call with this number, which was woken, if there is one.
    pub(super) fn take(&mut self, number: usize) -> Option<(Arc<Bell>, Box<Running>)> {
        let place = self.places.get_mut(number)?;
        match mem::replace(place, Place::Away) {
            Place::Waits(bell, call) => Some((bell, call)),
            other => {
                *place = other;
                None
            }
        }
    }

    /// Does nobody wait for the call with this number any more?
    pub(super) fn is_given_up(&self, number: usize) -> bool {
        match self.places.get(number) {
            Some(Place::Waits(_, call)) => call.is_given_up(),
            _ => false,
        }
    }

    /// The call of `bell` has ended.
    pub(super) fn give_back(&mut self, bell: Arc<Bell>) {
        if self.closed {
            return;
        }
        let Some(before) = self.idle.replace(bell) else { return };
        let number = before.number();
        if let Some(place) = self.places.get_mut(number) {
            *place = Place::Free(before);
            self.free.push(number);
        }
        if self.len() == 0 && self.places.len() > KEPT {
            (self.places, self.free, self.idle) = (Vec::new(), Vec::new(), None);
        }
    }

    /// The context ends: all calls that wait, to be dropped.
    pub(super) fn close(&mut self) -> Vec<Place> {
        self.closed = true;
        self.free.clear();
        self.idle = None;
        mem::take(&mut self.places)
    }
}
