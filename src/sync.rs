//! What threads share, in one place: `tests/models/main.rs` puts that of a model checker in its
//! place.

pub(crate) use dashmap::{DashMap, Entry};
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};
