//! What the process holds, as Linux tells it; nothing elsewhere.

use std::{
    fs,
    time::{Duration, Instant},
};

pub(crate) const MIB: usize = 1 << 20;

/// What a test must leave as it found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    threads: usize,
    files: usize,
    /// Ranges of addresses: the stack of a fiber is at least one.
    mappings: usize,
}

/// How many ranges of addresses the allocator may keep beyond what it had.
const KEPT: usize = 150;

/// When threads that were told to end must have ended.
const ENDED: Duration = Duration::from_secs(15);

impl Held {
    /// What the process holds now.
    pub(crate) fn now() -> Option<Self> {
        let entries = |folder| fs::read_dir(folder).ok().map(Iterator::count);
        Some(Self {
            threads: entries("/proc/self/task")?,
            files: entries("/proc/self/fd")?,
            mappings: fs::read_to_string("/proc/self/maps").ok()?.lines().count(),
        })
    }

    /// Waits until no more is held than was then.
    pub(crate) async fn is_all_that_is_left(before: Option<Self>) {
        let Some(before) = before else { return };
        let start = Instant::now();
        loop {
            let Some(now) = Self::now() else { return };
            let is_over = now.threads <= before.threads
                && now.files <= before.files
                && now.mappings <= before.mappings + KEPT;
            if is_over {
                println!("left: {before:?} before, {now:?} after");
                return;
            }
            assert!(start.elapsed() < ENDED, "{before:?} before, {now:?} after");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The memory of the process that is in use now, in bytes.
pub(crate) fn resident() -> Option<usize> {
    status("VmRSS:")
}

/// The most that was in use since [`forget_peak`].
pub(crate) fn peak() -> Option<usize> {
    status("VmHWM:")
}

/// Lets the peak begin anew: other tests of the process do not count.
pub(crate) fn forget_peak() {
    // What the kernel does not offer is not there to be reset: then the bound is only stricter.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn status(key: &str) -> Option<usize> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? << 10)
}

/// For people.
pub(crate) fn mib(bytes: Option<usize>) -> String {
    bytes.map_or("?".into(), |bytes| format!("{} MiB", bytes / MIB))
}

/// A thread of this process, as the system's scheduler knows it.
#[derive(Clone, Copy)]
pub(crate) struct Thread(Option<u32>);

impl Thread {
    /// The newest thread of this name.
    pub(crate) fn newest(name: &str) -> Self {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Self(None) };
        let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        let is_it = |id: &u32| {
            let comm = fs::read_to_string(format!("/proc/self/task/{id}/comm"));
            comm.is_ok_and(|comm| comm.trim() == name)
        };
        Self(ids.filter(is_it).max())
    }

    /// For how long, since its begin, the thread could have run but had no processor: what else the
    /// machine does must not count against it.
    pub(crate) fn kept_waiting(self) -> Duration {
        let read = || {
            let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.0?)).ok()?;
            Some(Duration::from_nanos(text.split(' ').nth(1)?.parse().ok()?))
        };
        read().unwrap_or_default()
    }
}
