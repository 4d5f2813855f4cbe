//! Searching for a plain text, in time that grows with the text alone.

use super::pattern::Fault;
use memchr::memmem;

/// Bytes that are looked through between two questions whether to go on.
const STRETCH: usize = 1 << 20;

/// What makes a pattern more than a plain text.
const SPECIAL: &[u8] = b"^$*+?.([%-";

/// Is the pattern a plain text?
pub(super) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| SPECIAL.contains(byte))
}

/// Where `needle` is in `text`, at or after `start`.
///
/// # Errors
/// The call is to end.
pub(super) fn find_plain(
    text: &[u8],
    needle: &[u8],
    start: usize,
    go_on: fn() -> bool,
) -> Result<Option<usize>, Fault> {
    let rest = text.get(start..).unwrap_or_default();
    if rest.len() <= STRETCH {
        return Ok(memmem::find(rest, needle).map(|at| start + at));
    }
    let finder = memmem::Finder::new(needle);
    let stretch = STRETCH.max(needle.len());
    let mut begin = start;
    loop {
        // What begins in this stretch may end in the next.
        let end = begin.saturating_add(stretch + needle.len()).min(text.len());
        let window = text.get(begin..end).unwrap_or_default();
        if let Some(at) = finder.find(window) {
            return Ok(Some(begin + at));
        }
        if end == text.len() {
            return Ok(None);
        }
        begin += stretch;
        if !go_on() {
            return Err(Fault::Ended);
        }
    }
}
