//! The room that calls from the host take in a context until they have ended. It is counted under the
//! lock of the mailbox, which a call takes anyway.

use crate::error::{Error, ErrorKind, Result};
use std::{collections::VecDeque, task::Waker};

/// So many calls, and what they bring along. Whoever has it gives it back while the mailbox is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    calls: usize,
    kilobytes: usize,
}

impl Room {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            kilobytes: self.kilobytes.saturating_add(other.kilobytes),
        }
    }

    /// In which queue its like wait: who needs none but for the call itself, and the others.
    fn queue(self) -> usize {
        (self.kilobytes > 0).into()
    }
}

/// The room of one context: what is taken of it, and who waits for some.
#[repr(C)]
pub(crate) struct Rooms {
    taken: Room,
    /// How much there is in all.
    most: Room,
    /// Nobody passes one of his own kind.
    waiting: [VecDeque<Waits>; 2],
    /// The number of who came last.
    tickets: u64,
}

/// Somebody who waits.
struct Waits {
    ticket: u64,
    needs: Room,
    waker: Option<Waker>,
}

/// The place of somebody who waits.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: u64,
    needs: Room,
}

impl Rooms {
    pub(crate) fn new(calls: usize, bytes: usize) -> Self {
        Self {
            most: Room { calls: calls.max(1), kilobytes: (bytes / 1024).max(1) },
            taken: Room::default(),
            waiting: Default::default(),
            tickets: 0,
        }
    }

    /// The room that a call takes which brings `bytes` along. What is less than a KiB is not counted;
    /// what is more than there is waits for all.
    fn needs(&self, bytes: usize) -> Room {
        Room { calls: 1, kilobytes: (bytes / 1024).min(self.most.kilobytes) }
    }

    /// Takes room, if nobody waits for the same.
    ///
    /// # Errors
    /// `busy` if there is none now.
    pub(crate) fn try_take(&mut self, bytes: usize) -> Result<Room> {
        let needs = self.needs(bytes);
        if !self.waiting[needs.queue()].is_empty() {
            return Err(Error::new(ErrorKind::Busy, "others wait for room in the context"));
        }
        self.admit(needs)
    }

    /// Takes room for a call that has begun already and brings nothing along.
    pub(crate) fn take_late(&mut self) -> Room {
        let needs = self.needs(0);
        self.taken = self.taken.and(needs);
        needs
    }

    fn admit(&mut self, needs: Room) -> Result<Room> {
        let refused =
            |what| Err(Error::new(ErrorKind::Busy, format!("the context has its fill of {what}")));
        let after = self.taken.and(needs);
        if after.calls > self.most.calls {
            return refused("calls");
        }
        if after.kilobytes > self.most.kilobytes {
            return refused("arguments that wait");
        }
        self.taken = after;
        Ok(needs)
    }

    pub(crate) fn give_back(&mut self, room: Room) {
        self.taken.calls = self.taken.calls.saturating_sub(room.calls);
        self.taken.kilobytes = self.taken.kilobytes.saturating_sub(room.kilobytes);
    }

    /// Would a call from the host have to wait that brings nothing along?
    pub(crate) fn is_full(&self) -> bool {
        self.taken.calls >= self.most.calls || self.waiting.iter().any(|queue| !queue.is_empty())
    }

    /// Waits for room from now on, after those who came before.
    pub(crate) fn queue(&mut self, bytes: usize) -> Ticket {
        let needs = self.needs(bytes);
        self.tickets += 1;
        let waits = Waits { ticket: self.tickets, needs, waker: None };
        self.waiting[needs.queue()].push_back(waits);
        Ticket { number: self.tickets, needs }
    }

    /// Takes the room that `ticket` waits for; its place is kept until it [leaves](Self::leave).
    /// `None`: not yet.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Room> {
        let first = self.waiting[ticket.needs.queue()].front()?;
        let is_next = first.ticket == ticket.number;
        is_next.then(|| self.admit(ticket.needs).ok()).flatten()
    }

    /// Sees to it that `waker` is woken when there may be room for `ticket`, and returns the one from
    /// before.
    pub(crate) fn wake_later(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        let queue = &mut self.waiting[ticket.needs.queue()];
        let place = queue.binary_search_by_key(&ticket.number, |waits| waits.ticket).ok()?;
        queue[place].waker.replace(waker)
    }

    /// Gives the place up.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let queue = &mut self.waiting[ticket.needs.queue()];
        let place = queue.binary_search_by_key(&ticket.number, |waits| waits.ticket).ok()?;
        queue.remove(place)?.waker
    }

    /// Those for whom there is room now, to be woken.
    pub(crate) fn next_in_line(&mut self) -> [Option<Waker>; 2] {
        let (taken, most) = (self.taken, self.most);
        self.waiting.each_mut().map(|queue| {
            let next = queue.front_mut()?;
            let after = taken.and(next.needs);
            let fits = after.calls <= most.calls && after.kilobytes <= most.kilobytes;
            if fits { next.waker.take() } else { None }
        })
    }

    /// Nobody is to wait any more: all of them, to be woken.
    pub(crate) fn end(&mut self) -> Vec<Waker> {
        self.waiting.iter_mut().flatten().filter_map(|waits| waits.waker.take()).collect()
    }
}
