//! The watchdog: one thread per broker that ends slices, those of scripts and those of contexts, and
//! that answers for workers which nobody can interrupt.

use super::Shared;
use crate::{
    error::{ErrorKind, Result},
    fiber::{Over, Slots, Watched},
};
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The longest wait between two interrupts of one run, unless the slice is longer: a poke was seen
/// to take some milliseconds, and a script should not wait for its end for seconds.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The shortest slice, and the shortest wait between two looks.
const SHORTEST: Duration = Duration::from_micros(100);

/// How much longer than its slice a turn may last before the watchdog answers in the worker's place
/// those whose deadline has passed. A worker that is only late answers them better itself, with a
/// trace.
const HELD_AFTER: Duration = Duration::from_millis(40);

/// Starts a thread that interrupts every run of a script in `slots` that lasts longer than a slice,
/// marks every turn of a context that does, and sees to those who wait for a worker whose turn does
/// not end. It ends by itself when nobody else holds the slots any more.
///
/// # Errors
/// `io` if the system refuses a thread.
pub(crate) fn start(slots: &Arc<Slots>, shared: &Arc<Shared>) -> Result<JoinHandle<()>> {
    let (slots, shared) = (Arc::downgrade(slots), shared.clone());
    let slice = shared.limits.slice;
    // A quarter of a slice: a run is at most a quarter too short. While no script runs, it looks
    // less often.
    let tick = (slice / 4).clamp(SHORTEST, LONGEST_WAIT);
    let main = move || {
        let mut looked = Instant::now();
        let mut seen: Vec<_> = shared.workers.iter().map(|_| SeenWorker::new(looked)).collect();
        let mut wait = tick;
        loop {
            std::thread::park_timeout(wait);
            let Some(slots) = slots.upgrade() else { return };
            let now = Instant::now();
            // The process may have been stopped, or this thread kept from running: what it has not
            // seen does not count against anybody.
            let missed = now.saturating_duration_since(looked).saturating_sub(wait);
            seen.iter_mut().for_each(|seen| seen.begin_look(missed));
            let mut idle = true;
            slots.watch(|&Watched { number, run, turn, poke }| {
                idle &= run == 0 && turn == 0;
                let seen = &mut seen[number];
                seen.is_there = true;
                // With deep recursion an interrupt takes long, since it walks all frames of the script,
                // which must have as much time for itself.
                let run = seen.runs.is_over(run, slice.max(poke), looked, now);
                Over { run, turn: seen.turns.is_over(turn, slice, looked, now) }
            });
            drop(slots);
            for (number, seen) in seen.iter_mut().enumerate() {
                seen.end_look(now);
                seen.answer(&shared, number, slice, now);
            }
            let due = seen.iter().flat_map(|seen| [&seen.runs, &seen.turns]);
            let due = due.filter(|seen| seen.run != 0).map(|seen| seen.due).min();
            let tick = if idle { tick * 4 } else { tick };
            wait = due.map_or(tick, |due| tick.min(due.saturating_duration_since(now)));
            wait = wait.max(SHORTEST);
            looked = now;
        }
    };
    Ok(std::thread::Builder::new().name("calog-watchdog".into()).spawn(main)?)
}

/// What the watchdog knows of one worker.
struct SeenWorker {
    runs: Seen,
    turns: Seen,
    /// It was there at the last look.
    is_there: bool,
}

impl SeenWorker {
    fn new(now: Instant) -> Self {
        Self { runs: Seen::new(now), turns: Seen::new(now), is_there: false }
    }

    /// So much time has passed unseen.
    fn begin_look(&mut self, missed: Duration) {
        self.is_there = false;
        self.turns.since += missed;
    }

    /// A worker that has ended has no turn any more.
    fn end_look(&mut self, now: Instant) {
        if !self.is_there {
            (self.runs, self.turns) = (Seen::new(now), Seen::new(now));
        }
    }

    /// Answers in the place of a worker that does not come back from a turn.
    fn answer(&mut self, shared: &Shared, number: usize, slice: Duration, now: Instant) {
        let worker = &shared.workers[number];
        let held = match self.turns.run {
            0 => Duration::ZERO,
            _ => now.saturating_duration_since(self.turns.since),
        };
        let is_held = held >= slice + HELD_AFTER;
        worker.waiting().set_held(is_held);
        if is_held {
            worker.waiting().expire(now);
        }
        let is_stuck = held >= shared.limits.stuck_after.max(slice + HELD_AFTER)
            || (is_held && shared.why_ended() == ErrorKind::Shutdown);
        match (worker.is_stuck(), is_stuck) {
            (false, true) => {
                // Told first: whoever listens to the log may be what holds the worker.
                worker.waiting().set_stuck(true);
                tracing::warn!(target: "calog", worker = number, ?held, "worker does not respond");
            }
            (true, false) => {
                worker.waiting().set_stuck(false);
                tracing::info!(target: "calog", worker = number, "worker responds again");
            }
            _ => {}
        }
    }
}

/// What the watchdog knows of the runs, or the turns, of one worker.
struct Seen {
    /// The one that was on when it looked last; 0 if none was.
    run: u64,
    /// When it saw that one first.
    since: Instant,
    /// How long it waits before it interrupts the same run again.
    wait: Duration,
    /// When it interrupts next.
    due: Instant,
}

impl Seen {
    fn new(now: Instant) -> Self {
        Self { run: 0, since: now, wait: Duration::ZERO, due: now }
    }

    /// Is it time to interrupt `run`? The look before this one was at `looked`.
    ///
    /// A run that is new may have begun right after the last look: it is better too short than too
    /// long, since its neighbours wait. An interrupt may find the interpreter where it cannot be
    /// poked, so it is repeated, but ever more rarely: with deep recursion the poke itself takes long
    /// (it walks all frames), and interrupts that come faster than they end would leave no time for
    /// the script.
    fn is_over(&mut self, run: u64, slice: Duration, looked: Instant, now: Instant) -> bool {
        if self.run != run {
            *self = Self { run, since: now, wait: slice, due: looked + slice };
        }
        let over = run != 0 && now >= self.due;
        if over {
            self.wait = (self.wait * 2).min(slice.max(LONGEST_WAIT));
            self.due = now + self.wait;
        }
        over
    }
}
