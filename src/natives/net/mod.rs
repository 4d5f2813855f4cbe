//! `net.*`: sockets for scripts.

#[expect(dead_code, reason = "the sockets come next")]
mod address;

use crate::native::Native;

/// The natives of sockets.
pub(super) fn all() -> Vec<Native> {
    Vec::new()
}
