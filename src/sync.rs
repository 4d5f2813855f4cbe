//! What threads share, in one place: `tests/models/main.rs` puts that of a model checker in its
//! place.

pub(crate) use dashmap::{DashMap, Entry};
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

/// How many lists there are of those who wait for a worker, so that threads seldom meet at one.
pub(crate) const SHARDS: usize = 8;
