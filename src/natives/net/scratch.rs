//! Where bytes land that the system hands over, before they are copied to where they stay.
//!
//! A connection that waits has no room of its own, so thousands of them cost little, and a read
//! allocates exactly what it returns.

use std::cell::RefCell;

/// How much one read can take: one byte more than fits into any datagram.
pub(super) const BYTES: usize = (64 << 10) + 1;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs `read` with room for `most` bytes, though for no more than [`BYTES`]. Never across a wait.
pub(super) fn with<R>(most: usize, read: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(BYTES, 0);
        read(&mut scratch[..most.min(BYTES)])
    })
}
