//! The watchdog: one thread per broker that ends slices.

use crate::{error::Result, fiber::Slots};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Starts a thread that interrupts every run of a script in `slots` that lasts longer than `slice`. It
/// ends by itself when nobody else holds the slots any more.
///
/// # Errors
/// `io` if the system refuses a thread.
pub(crate) fn start(slots: &Arc<Slots>, slice: Duration) -> Result<()> {
    let slots = Arc::downgrade(slots);
    // A quarter of a slice: a run is at most a quarter too long. While no script runs, it looks less often.
    let tick = (slice / 4).max(Duration::from_micros(100));
    let main = move || {
        let mut seen: Vec<(u64, Instant)> = Vec::new();
        let mut idle = false;
        loop {
            std::thread::sleep(if idle { tick * 4 } else { tick });
            let Some(slots) = slots.upgrade() else { return };
            let now = Instant::now();
            idle = true;
            slots.interrupt(|number, active| {
                if seen.len() <= number {
                    seen.resize(number + 1, (0, now));
                }
                idle &= active == 0;
                if seen[number].0 != active {
                    seen[number] = (active, now);
                }
                active != 0 && now - seen[number].1 >= slice
            });
        }
    };
    std::thread::Builder::new().name("calog-watchdog".into()).spawn(main)?;
    Ok(())
}
