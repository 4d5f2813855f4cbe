//! The real code of what threads share, in every order in which threads may run it.
//!
//! The sources of the library are compiled once more here, with the locks and atomics of loom in
//! the place of std's (`sync.rs`). loom then runs a model again and again, with another order each
//! time and with everything that the memory model lets a load see, up to so many switches of a
//! thread that is not done. What is no part of the models (a oneshot) is tokio's and has
//! models there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod completion;
mod directory;
mod mailbox;
mod reply;
mod runtime;
mod sync;

/// What the modelled sources know of the rest of the library.
mod chain {
    pub(crate) use calog::engine::Chain;
}
mod engine {
    pub(crate) use calog::engine::{Resolved, Source};
}
mod error {
    pub(crate) use calog::{Error, ErrorKind, Result};
}
mod id {
    pub(crate) use calog::ContextId;
}
mod native {
    pub(crate) use calog::native::Native;
}
mod value {
    pub(crate) use calog::{Function, Value};

    pub(crate) fn kept() -> Option<Vec<Value>> {
        None
    }

    pub(crate) fn give_back(_: Vec<Value>) {}
}

/// How often a thread may be switched away from before it is done. Two are said to show most
/// defects (M. Musuvathi, S. Qadeer: Iterative context bounding for systematic testing, PLDI 2007).
const SWITCHES: usize = 2;

/// Runs `model` in every order.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(SWITCHES);
    builder.check(model);
}
