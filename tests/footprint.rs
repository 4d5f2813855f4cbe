//! What an idle context holds, counted by the allocator beside a bare mlua state in the same run.
#![cfg(feature = "lua")]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::unwrap_used,
    reason = "a test with a counting allocator"
)]

use calog::Broker;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Counts the live bytes of the whole process.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONTEXTS: usize = 200;
const MOST_OVERHEAD: usize = 8 << 10;

/// C-211: an idle Lua context, with its mailbox, task and sandbox, costs at most 8 KiB more than a bare
/// mlua state.
#[test]
fn an_idle_context_is_little_more_than_a_bare_state() {
    let before = LIVE.load(Relaxed);
    let bare: Vec<_> = (0..CONTEXTS).map(|_| mlua::Lua::new()).collect();
    let bare_each = (LIVE.load(Relaxed) - before) / CONTEXTS;
    drop(bare);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let broker = Broker::builder().build_inline(&local).unwrap();
    local.block_on(&runtime, async {
        // What is allocated once per broker or worker is there before the count begins.
        let warm = broker.open("lua").await.unwrap();
        warm.eval::<()>("expose('warm', print)").await.unwrap();
        let before = LIVE.load(Relaxed);
        let mut contexts = Vec::new();
        for _ in 0..CONTEXTS {
            contexts.push(broker.open("lua").await.unwrap());
        }
        let idle_each = (LIVE.load(Relaxed) - before) / CONTEXTS;
        for context in &contexts {
            context.eval::<i64>("return 1").await.unwrap();
        }
        let used_each = (LIVE.load(Relaxed) - before) / CONTEXTS;
        println!("bare {bare_each}, idle {idle_each}, after one call {used_each} bytes each");
        assert!(idle_each <= bare_each + MOST_OVERHEAD, "{idle_each} > {bare_each} + 8 KiB");
        assert!(used_each <= bare_each + MOST_OVERHEAD, "{used_each} > {bare_each} + 8 KiB");
    });
}
