//! What the process holds, as Linux tells it; nothing elsewhere.

use std::fs;

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
