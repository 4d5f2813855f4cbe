//! What threads share, in one place: `tests/models/main.rs` puts that of a model checker in its
//! place.

pub(crate) use dashmap::{DashMap, Entry};
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

/// How many counts there are of those who wait for a worker, so that threads seldom meet at one.
pub(crate) const SHARDS: usize = 8;

/// How many slots for answers a thread keeps for its next calls.
pub(crate) const SPARE_SLOTS: usize = 256;
