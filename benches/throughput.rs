//! Calls of 64 callers at once into 1 to 10,000 contexts of Lua, each beside what else answers them. The
//! callers are tasks of a tokio runtime of two threads, or, where contexts are threads, threads; each
//! makes its next call when the last one is answered, and walks round the contexts. A figure is the time
//! for one call of all; every answer is checked. Latencies are in `summary`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod measure;

use criterion::Criterion;
use measure::{
    Group, bare,
    by_hand::{self, Calls},
    child::{self, Baselines},
    ours::{self, Place},
    run,
};
use std::{
    cell::{LazyCell, RefCell},
    rc::Rc,
};

const CALLERS: usize = 64;

/// More threads than this are not what anybody would start.
const MOST_THREADS: usize = 1000;

fn benches(criterion: &mut Criterion) {
    let baselines = LazyCell::new(|| Rc::new(RefCell::new(Baselines::start().unwrap())));
    for contexts in [1, 10, 100, 1000, 10_000] {
        let mut group = Group::new(criterion, &format!("64 callers, {contexts} contexts"));
        let other = |kind| {
            let baselines = &baselines;
            move || child::side(baselines, kind, contexts, CALLERS)
        };
        group
            .side("calog", || ours::asked(Place::Default, contexts, CALLERS))
            .side("by hand", || by_hand::asked(contexts, CALLERS, Calls::Sync))
            .side("by hand, call_async", || by_hand::asked(contexts, CALLERS, Calls::Async))
            .side("kameo", other("kameo"))
            .side("Mutex<Lua>", other("mutex"))
            .side("bare states, one caller on their thread", || bare::lua_states(contexts));
        if contexts <= MOST_THREADS {
            group.side("a thread each", || by_hand::thread_each(contexts, CALLERS));
        }
    }
}

fn main() {
    run(benches);
}
