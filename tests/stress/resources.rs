//! What the process holds, as Linux tells it; nothing elsewhere.

use std::{fs, time::Duration};

pub(crate) const MIB: usize = 1 << 20;

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
