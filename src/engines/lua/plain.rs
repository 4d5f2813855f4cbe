//! Searching for a plain text, in stretches between which the search can be ended.

use super::pattern::Fault;
use memchr::memmem;

/// Bytes that are looked through between two questions whether to go on.
const STRETCH: usize = 1 << 17;

/// Bytes that are searched for of a text that is too long to be searched for in stretches.
const HEAD: usize = 256;

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
    // Of what is longer than a stretch only the head is searched for, and the rest compared.
    let head = if needle.len() > STRETCH { HEAD } else { needle.len() };
    let (head, tail) = needle.split_at_checked(head).unwrap_or((needle, &[]));
    let rest = text.get(start..).unwrap_or_default();
    if rest.len() <= STRETCH {
        return Ok(memmem::find(rest, needle).map(|at| start + at));
    }
    let finder = memmem::Finder::new(head);
    let mut begin = start;
    loop {
        // What begins in this stretch may end in the next.
        let end = begin.saturating_add(STRETCH + head.len()).min(text.len());
        let found = finder.find(text.get(begin..end).unwrap_or_default());
        if let Some(at) = found.map(|at| begin + at) {
            if begins_with(text.get(at + head.len()..).unwrap_or_default(), tail, go_on)? {
                return Ok(Some(at));
            }
            begin = at + 1;
        } else if end == text.len() {
            return Ok(None);
        } else {
            begin += STRETCH;
        }
        if !go_on() {
            return Err(Fault::Ended);
        }
    }
}

fn begins_with(text: &[u8], head: &[u8], go_on: fn() -> bool) -> Result<bool, Fault> {
    let Some(text) = text.get(..head.len()) else { return Ok(false) };
    for (one, other) in text.chunks(STRETCH).zip(head.chunks(STRETCH)) {
        if one != other {
            return Ok(false);
        }
        if !go_on() {
            return Err(Fault::Ended);
        }
    }
    Ok(true)
}
