//! When a timer is due: the one thing that the timers of all languages share. Who fires it, and
//! what a beat is that comes while its callback still runs, is up to whoever keeps it.

use std::time::Duration;
use tokio::time::Instant;

/// Waits that are longer, some thirty years, are as good as for ever, and a clock could not count
/// them.
const FAR: f64 = 1e12;

/// The shortest period, as in browsers: none at all would leave others no time.
const SHORTEST: Duration = Duration::from_millis(1);

/// `millis` within what timers can do. What is no number is none at all.
pub(crate) fn duration(millis: f64) -> Duration {
    let millis = if millis.is_nan() { 0.0 } else { millis.clamp(0.0, FAR) };
    Duration::from_secs_f64(millis / 1000.0)
}

/// The next time that a timer is due, and its rhythm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    due: Instant,
    /// Between two beats, if there is more than one.
    period: Option<Duration>,
}

impl Beat {
    /// One beat, after `wait` from now.
    pub(crate) fn once(wait: Duration) -> Self {
        Self { due: Instant::now() + wait, period: None }
    }

    /// A beat every `period`, the first one so far from now.
    pub(crate) fn every(period: Duration) -> Self {
        let period = period.max(SHORTEST);
        Self { due: Instant::now() + period, period: Some(period) }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Goes on to the next beat that is not in the past: beats that were missed are not made up for,
    /// but the rhythm stays, without any drift. `false` if there is none.
    pub(crate) fn next(&mut self) -> bool {
        let Some(period) = self.period else { return false };
        let late = Instant::now().saturating_duration_since(self.due);
        let periods = late.as_nanos().div_ceil(period.as_nanos().max(1)).max(1);
        let ahead = period.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX));
        // A clock that cannot count so far never gets there either.
        self.due = self.due.checked_add(ahead).unwrap_or(self.due);
        true
    }

    /// Is there another beat after this one?
    pub(crate) fn repeats(&self) -> bool {
        self.period.is_some()
    }
}
