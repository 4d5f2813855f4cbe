//! What contexts and workers use and do.

use super::{WorkerStats, context::Address};
use crate::id::ContextId;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What a context uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes that the interpreter holds.
    pub memory_bytes: usize,
    /// Functions of the context that somebody holds a handle to.
    pub handles: usize,
    /// Calls that have begun and not ended.
    pub calls: usize,
    /// What the context does without having been called: timers, promises that are under way.
    pub tasks: usize,
    /// Sockets, timers and the like that natives keep for the context.
    pub resources: usize,
}

/// A broker at one moment: [`Broker::stats`](crate::Broker::stats).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Every context that is open.
    pub contexts: Vec<ContextStats>,
    /// Every worker, by its number.
    pub workers: Vec<WorkerStats>,
}

/// One context at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContextStats {
    /// Its address.
    pub id: ContextId,
    /// Its name.
    pub name: Arc<str>,
    /// The name of its engine.
    pub engine: String,
    /// The number of its worker.
    pub worker: usize,
    /// What it used at the end of its last turn or, while calls of it wait, and after calls from
    /// neighbours on its worker and from its own thread, of one of its last 16. Its
    /// resources are those of now.
    pub usage: Usage,
    /// Calls that wait in its mailbox.
    pub queued: usize,
}

impl Stats {
    /// What all contexts use together.
    pub fn usage(&self) -> Usage {
        self.contexts.iter().fold(Usage::default(), |sum, context| Usage {
            memory_bytes: sum.memory_bytes + context.usage.memory_bytes,
            handles: sum.handles + context.usage.handles,
            calls: sum.calls + context.usage.calls,
            tasks: sum.tasks + context.usage.tasks,
            resources: sum.resources + context.usage.resources,
        })
    }

    /// Calls that wait in all mailboxes together.
    pub fn queued(&self) -> usize {
        self.contexts.iter().map(|context| context.queued).sum()
    }

    /// What all workers have done together. Its `is_stuck` is true if one of them is.
    pub fn totals(&self) -> WorkerStats {
        self.workers.iter().fold(WorkerStats::default(), |sum, worker| WorkerStats {
            contexts: sum.contexts + worker.contexts,
            slices: sum.slices + worker.slices,
            preemptions: sum.preemptions + worker.preemptions,
            calls: sum.calls + worker.calls,
            kills: sum.kills + worker.kills,
            is_stuck: sum.is_stuck || worker.is_stuck,
        })
    }

    /// How many workers do not respond.
    pub fn stuck_workers(&self) -> usize {
        self.workers.iter().filter(|worker| worker.is_stuck).count()
    }
}

/// The usage of a context as it was last published, for those who cannot wait for its answer. Only
/// its worker writes.
#[derive(Default)]
pub(crate) struct Gauges {
    memory_bytes: AtomicUsize,
    handles: AtomicUsize,
    calls: AtomicUsize,
    tasks: AtomicUsize,
    turns: AtomicUsize,
    /// Calls that the actor has taken out of the mailbox and not looked at yet.
    queued: AtomicUsize,
}

/// At which of its turns a context with calls under way tells what it uses: rarely enough to cost
/// nothing.
const TOLD_AT: usize = 16;

impl Gauges {
    /// What is told at the end of a turn, but for the calls, which count themselves. A context that
    /// waits for others has many turns, and tells only now and then.
    pub(super) fn publish(&self, usage: impl FnOnce() -> Usage) {
        if self.count_turn() || self.calls.load(Relaxed) == 0 {
            self.store(&usage());
        }
    }

    /// The same after a call that came the short way: a context may have nothing but such.
    pub(super) fn publish_at_times(&self, usage: impl FnOnce() -> Usage) {
        if self.count_turn() {
            self.store(&usage());
        }
    }

    /// Is it time to tell?
    fn count_turn(&self) -> bool {
        let turns = self.turns.load(Relaxed).wrapping_add(1);
        self.turns.store(turns, Relaxed);
        turns.is_multiple_of(TOLD_AT)
    }

    fn store(&self, usage: &Usage) {
        self.memory_bytes.store(usage.memory_bytes, Relaxed);
        self.handles.store(usage.handles, Relaxed);
        self.tasks.store(usage.tasks, Relaxed);
    }

    pub(super) fn keep_queued(&self, queued: usize) {
        self.queued.store(queued, Relaxed);
    }

    pub(super) fn call_begins(&self) {
        self.calls.store(self.calls.load(Relaxed) + 1, Relaxed);
    }

    pub(super) fn call_ends(&self) {
        self.calls.store(self.calls.load(Relaxed).saturating_sub(1), Relaxed);
    }

    fn usage(&self) -> Usage {
        Usage {
            memory_bytes: self.memory_bytes.load(Relaxed),
            handles: self.handles.load(Relaxed),
            calls: self.calls.load(Relaxed),
            tasks: self.tasks.load(Relaxed),
            ..Usage::default()
        }
    }
}

impl Address {
    pub(super) fn stats(&self) -> ContextStats {
        ContextStats {
            id: self.id(),
            name: self.settings.name.clone(),
            engine: self.settings.engine.name().into(),
            worker: self.worker.number(),
            usage: Usage { resources: self.caller().resources.len(), ..self.gauges.usage() },
            queued: self.mailbox.queued() + self.gauges.queued.load(Relaxed),
        }
    }
}
