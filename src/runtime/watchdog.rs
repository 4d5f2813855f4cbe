//! The watchdog: one thread per broker that ends slices: those of scripts and those of contexts.

use crate::{
    error::Result,
    fiber::{Over, Slots, Watched},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How many times longer a slice is than the interrupt that ends it, at least. With deep recursion
/// an interrupt takes milliseconds, since it walks all frames of the script.
const POKES_PER_SLICE: u32 = 4;

/// The longest wait between two interrupts of one run, unless the slice is longer: a poke was seen
/// to take some milliseconds, and a script should not wait for its end for seconds.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Starts a thread that interrupts every run of a script in `slots` that lasts longer than `slice`,
/// and marks every turn of a context that does. It ends by itself when nobody else holds the slots
/// any more.
///
/// # Errors
/// `io` if the system refuses a thread.
pub(crate) fn start(slots: &Arc<Slots>, slice: Duration) -> Result<()> {
    let slots = Arc::downgrade(slots);
    // A quarter of a slice: a run is at most a quarter too long. While no script runs, it looks
    // less often.
    let tick = (slice / 4).max(Duration::from_micros(100));
    let main = move || {
        let mut seen: Vec<(Seen, Seen)> = Vec::new();
        let mut idle = false;
        loop {
            std::thread::sleep(if idle { tick * 4 } else { tick });
            let Some(slots) = slots.upgrade() else { return };
            let now = Instant::now();
            idle = true;
            slots.watch(|number, &Watched { run, turn, poke }| {
                idle &= run == 0 && turn == 0;
                if seen.len() <= number {
                    seen.resize(number + 1, (Seen::new(now), Seen::new(now)));
                }
                let (runs, turns) = &mut seen[number];
                // An interrupt that takes long must stay a small part of the whole.
                Over {
                    run: runs.is_over(run, slice.max(poke * POKES_PER_SLICE), now),
                    turn: turns.is_over(turn, slice, now),
                }
            });
        }
    };
    std::thread::Builder::new().name("calog-watchdog".into()).spawn(main)?;
    Ok(())
}

/// What the watchdog knows of the runs, or the turns, of one worker.
#[derive(Clone)]
struct Seen {
    /// The one that was on when it looked last.
    run: u64,
    /// How long it waits before it interrupts the same run again.
    wait: Duration,
    /// When it interrupts next.
    due: Instant,
}

impl Seen {
    fn new(now: Instant) -> Self {
        Self { run: 0, wait: Duration::ZERO, due: now }
    }

    /// Is it time to interrupt `run`?
    ///
    /// An interrupt may find the interpreter where it cannot be poked, so it is repeated, but ever
    /// more rarely: with deep recursion the poke itself takes long (it walks all frames), and
    /// interrupts that come faster than they end would leave no time for the script.
    fn is_over(&mut self, run: u64, slice: Duration, now: Instant) -> bool {
        if self.run != run {
            *self = Self { run, wait: slice, due: now + slice };
        }
        let over = run != 0 && now >= self.due;
        if over {
            self.wait = (self.wait * 2).min(slice.max(LONGEST_WAIT));
            self.due = now + self.wait;
        }
        over
    }
}
