//! What an idle context holds, counted beside a bare interpreter in the same run.
#![cfg(all(feature = "lua", feature = "js", feature = "basic"))]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::unwrap_used,
    reason = "a test with a counting allocator"
)]

use calog::{Broker, Context};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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

/// What a context of BASIC may hold, with its interpreter, which is not to be had bare.
const MOST_OF_BASIC: usize = 16 << 10;

/// QuickJS takes small blocks from pages of 4 KiB, each for blocks of one size, so that a little more
/// may begin a page or two. What scripts make next goes there.
const BEGUN_PAGES: usize = 2 * (4 << 10);

/// Only one test counts at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What a context holds when it is idle, and after one call: what Rust's allocator counts, and what
/// `interpreter` counts of its own.
fn each(
    language: &str,
    one: &str,
    interpreter: &impl AsyncFn(&Context) -> usize,
) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let broker = Broker::builder().build_inline(&local).unwrap();
    local.block_on(&runtime, async {
        // What is allocated once per broker or worker is there before the count begins.
        let warm = broker.open(language).await.unwrap();
        let warm_up =
            if language == "basic" { "expose(\"warm\", 1)" } else { "expose('warm', print)" };
        warm.eval::<()>(warm_up).await.unwrap();
        let before = LIVE.load(Relaxed);
        let mut contexts = Vec::new();
        for _ in 0..CONTEXTS {
            contexts.push(broker.open(language).await.unwrap());
        }
        let idle = (LIVE.load(Relaxed) - before) / CONTEXTS + interpreter(&contexts[0]).await;
        for context in &contexts {
            context.eval::<i64>(one).await.unwrap();
        }
        let used = (LIVE.load(Relaxed) - before) / CONTEXTS + interpreter(&contexts[0]).await;
        (idle, used)
    })
}

fn assert_little_more(language: &str, bare: usize, most: usize, (idle, used): (usize, usize)) {
    println!("{language}: bare {bare}, idle {idle}, after one call {used} bytes each");
    assert!(idle <= bare + most, "{language}: {idle} > {bare} + {most}");
    assert!(used <= bare + most, "{language}: {used} > {bare} + {most}");
}

/// C-211: an idle Lua context, with its mailbox, task and sandbox, costs at most 8 KiB more than a
/// bare mlua state. Lua's own memory comes from Rust's allocator.
#[test]
fn an_idle_lua_context_is_little_more_than_a_bare_state() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let before = LIVE.load(Relaxed);
    let bare: Vec<_> = (0..CONTEXTS).map(|_| mlua::Lua::new()).collect();
    let bare_each = (LIVE.load(Relaxed) - before) / CONTEXTS;
    drop(bare);
    assert_little_more("lua", bare_each, MOST_OVERHEAD, each("lua", "return 1", &async |_| 0));
}

/// C-211: the same for JavaScript beside a bare runtime with its full context, whose memory comes from
/// Rust's allocator here. In calog it comes from C's, and the context counts it.
#[test]
fn an_idle_javascript_context_is_little_more_than_a_bare_one() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let before = LIVE.load(Relaxed);
    let bare: Vec<_> = (0..CONTEXTS)
        .map(|_| {
            let allocator = rquickjs::allocator::RustAllocator;
            let runtime = rquickjs::Runtime::new_with_alloc(allocator).unwrap();
            let context = rquickjs::Context::full(&runtime).unwrap();
            (context, runtime)
        })
        .collect();
    let bare_each = (LIVE.load(Relaxed) - before) / CONTEXTS;
    drop(bare);
    let own = async |context: &Context| context.usage().await.unwrap().memory_bytes;
    let most = MOST_OVERHEAD + BEGUN_PAGES;
    assert_little_more("js", bare_each, most, each("js", "1", &own));
}

/// The same for BASIC, whose memory comes from Rust's allocator; it has no bare interpreter to be
/// compared with. What it counts itself is in there.
#[test]
fn an_idle_basic_context_is_small() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let one = "def twice(x)\nreturn 2 * x\nenddef\ny = list(1, 2)\nreturn twice(y(0)) - 1";
    assert_little_more("basic", 0, MOST_OF_BASIC, each("basic", one, &async |_| 0));
}
