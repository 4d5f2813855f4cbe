//! What BASIC promises about memory: the limit holds whatever takes it, what is not used is freed, and
//! what is counted is what is there.

#![cfg(feature = "basic")]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test with a counting allocator"
)]

use calog::{Broker, Context, ErrorKind, Limits};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Counts the live bytes of the whole process, and the most that there were.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    // The block grows where it is, or its pages move: it is not there twice.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size(), Relaxed);
        MOST.fetch_max(LIVE.fetch_add(size, Relaxed) + size, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Only one test counts at a time.
static TURN: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

/// Runs `test` with a context that may take `limit` bytes, while no other test runs.
fn with_limit(limit: usize, test: impl AsyncFnOnce(&Broker, &Context)) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let limits = Limits::default().memory_bytes(limit).value_bytes(64 * MIB);
    let limits = limits.deadline(Duration::from_secs(300));
    let broker = Broker::builder().limits(limits).build_inline(&local).unwrap();
    local.block_on(&runtime, async {
        let context = broker.open("basic").await.unwrap();
        test(&broker, &context).await;
    });
}

async fn used(context: &Context) -> usize {
    context.usage().await.unwrap().memory_bytes
}

/// Each takes memory without an end.
const HUNGRY: &[(&str, &str)] = &[
    ("a text that doubles", "s = \"x\"\nwhile 1\ns = s + s\nwend"),
    (
        "a text that grows",
        "s = \"x\"\nwhile 1\ns = s + \"some more of it, and again some more\"\nwend",
    ),
    ("texts in a list", "l = list()\nwhile 1\npush(l, str(len(l)) + \" is a text\")\nwend"),
    ("a list that grows", "l = list()\nwhile 1\npush(l, 1)\nwend"),
    (
        "a list that is filled in front",
        "l = list(0 to 100000)\nwhile 1\ninsert(l, 0, l)\nl = clone(l)\nk = list(k, l)\nwend",
    ),
    ("a long range", "l = list(0 to 1000000000)"),
    ("the longest range", "l = list(-9223372036854775807 to 9223372036854775807)"),
    ("lists in each other", "while 1\nl = list(l)\nwend"),
    ("a dict of numbers", "d = dict()\ni = 0\nwhile 1\ni = i + 1\nd(i) = i\nwend"),
    ("a dict of texts", "d = dict()\ni = 0\nwhile 1\ni = i + 1\nd(str(i)) = i\nwend"),
    ("dicts in each other", "while 1\nd = dict(\"a\", d)\nwend"),
    ("a large array", "dim a(1000000, 1000)"),
    ("a large array of texts", "dim a$(1000000, 1000)"),
    ("an array beyond all sizes", "dim a(4000000000, 4000000000, 4000000000)"),
    ("arrays", "l = list()\nwhile 1\ndim a(100)\npush(l, a)\nwend"),
    ("arrays of lists", "l = list(0 to 50000)\nk = list()\nwhile 1\npush(k, to_array(l))\nwend"),
    (
        "copies",
        "l = list(1, 2, 3)\nm = list()\nwhile 1\nl = list(clone(l), clone(l))\npush(m, l)\nwend",
    ),
    ("lambdas", "l = list()\nwhile 1\nx = 1\npush(l, lambda (y) (return x + y))\nwend"),
    (
        "lambdas that share",
        "def make(x)\nreturn lambda () (return x)\nenddef\nl = list()\nwhile 1\npush(l, make(1))\nwend",
    ),
    (
        "objects",
        "class c\nvar a = 1\nvar b = 2\nendclass\nl = list()\nwhile 1\npush(l, new(c))\nwend",
    ),
    ("iterators", "l = list(1)\nk = list()\nwhile 1\npush(k, list(iterator(l)))\nwend"),
    (
        "frames",
        "def f(a, b, c, d, e)\ng = a\nh = b\ni = c\nj = d\nk = e\nreturn f(a, b, c, d, e) + g + h + i + j + k\nenddef\nf(1, 2, 3, 4, 5)",
    ),
    (
        "frames of a method",
        "class c\ndef f(a)\nb = f(a)\nreturn b\nenddef\nendclass\no = new(c)\no.f(list(1))",
    ),
    ("arguments", "def f(...)\nreturn f(1, ...)\nenddef\nf(1)"),
];

/// Whatever takes too much fails with `memory`, never with more than the limit taken, also to TRY, and
/// the context can be used afterwards.
#[test]
fn the_limit_holds_whatever_takes_memory() {
    const LIMIT: usize = 8 * MIB;
    for (what, text) in HUNGRY {
        with_limit(LIMIT, async |_, context| {
            println!("{what}");
            MOST.store(LIVE.load(Relaxed), Relaxed);
            let before = LIVE.load(Relaxed);
            let error = context.eval::<()>(text).await.unwrap_err();
            let most = MOST.load(Relaxed) - before;
            assert_eq!(error.kind(), ErrorKind::Memory, "{what}: {error}");
            assert!(most <= LIMIT * 3 / 2, "{what} took {most}");
            assert!(used(context).await <= LIMIT, "{what}: {}", used(context).await);
            // What the globals hold is all that is lost.
            let clear = "s = 0: l = 0: d = 0: a$ = 0: k = 0: m = 0: x = 0: gc()";
            let _ = context.eval::<()>(clear).await;
            let sum = context.eval::<i64>("q = list(1 to 1000)\nreturn q(0) + q(999)").await;
            assert_eq!(sum.unwrap(), 1001, "{what}");
        });
    }
}

#[test]
fn try_catches_the_end_of_memory() {
    with_limit(4 * MIB, async |_, context| {
        context
            .eval::<()>(
                "def eat()\nl = list()\nwhile 1\npush(l, str(len(l)) + \" is a text\")\nwend\nenddef
                def again(n)\nfor i = 1 to n\nr = try(eat)\nif r(\"kind\") <> \"memory\" then return i
                next\nreturn 0\nenddef\nexpose(again)",
            )
            .await
            .unwrap();
        assert_eq!(context.call::<i64>("again", (5,)).await.unwrap(), 0);
    });
}

/// A value that is too large for the context does not come in, and one that just fits does so again and
/// again.
#[test]
fn values_that_come_in_are_counted() {
    with_limit(4 * MIB, async |_, context| {
        context.eval::<()>("def size(x)\nreturn len(x)\nenddef\nexpose(size)").await.unwrap();
        let large = "x".repeat(5 * MIB);
        let error = context.call::<i64>("size", (large,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
        let fits = "x".repeat(MIB);
        for _ in 0..20 {
            assert_eq!(context.call::<usize>("size", (fits.clone(),)).await.unwrap(), MIB);
        }
        let list: Vec<i64> = (0..1_000_000).collect();
        let error = context.call::<i64>("size", (list,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
        // The arguments together are too large.
        let two = (vec!["x".repeat(MIB); 2], vec!["y".repeat(MIB); 2]);
        let error = context.call::<i64>("size", two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
        assert!(used(context).await <= 4 * MIB);
    });
}

/// Garbage, also in cycles, is collected as it is made.
#[test]
fn garbage_does_not_add_up() {
    const ROUNDS: i64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    for (what, round) in [
        ("lists", "a = list(i, 2)\nb = list(a)\npush(a, b)"),
        ("dicts", "a = dict(\"a\", i)\na(\"me\") = a"),
        ("lambdas", "f = 0\nf = lambda () (return f)"),
        ("objects", "o = new(c)\no.a = o"),
        ("texts", "s$ = str(i) + \" and some more of it\""),
        ("a text that grows", "s$ = s$ + \"some more of it\"\nif len(s$) > 1000 then s$ = \"\""),
    ] {
        with_limit(64 * MIB, async |_, context| {
            let text = format!(
                "class c\nvar a = 0\nendclass\ndef run(n)\ns$ = \"\"\nfor i = 1 to n\n{round}\nnext\nenddef\nexpose(run)"
            );
            context.eval::<()>(&text).await.unwrap();
            let before = LIVE.load(Relaxed);
            MOST.store(before, Relaxed);
            context.call::<()>("run", (ROUNDS,)).await.unwrap();
            let most = MOST.load(Relaxed) - before;
            assert!(most < 3 * MIB, "{what} took {most}");
            assert!(used(context).await < 2 * MIB, "{what}: {}", used(context).await);
        });
    }
}

/// What was loaded or called is given back when nothing refers to it any more.
#[test]
fn texts_and_calls_do_not_add_up() {
    with_limit(2 * MIB, async |_, context| {
        let text = "def deep(n)\nif n = 0 then return 0\nreturn deep(n - 1)\nenddef\nexpose(deep)";
        for _ in 0..2_000 {
            context.eval::<()>(text).await.unwrap();
            context.eval::<()>("x = \"a text of the program\" + str(1)\nprint \"\"").await.unwrap();
        }
        for _ in 0..200 {
            context.call::<i64>("deep", (2_000,)).await.unwrap();
        }
        context.eval::<()>("gc()").await.unwrap();
        assert!(used(context).await < MIB / 4, "{}", used(context).await);
    });
}

/// What is counted is what is there, whether it is in use or garbage that is not yet collected, and
/// what GC has freed is gone from both.
#[test]
fn what_is_counted_is_there() {
    for (what, text) in [
        ("lists", "for i = 1 to 100000\npush(all, list(i))\nnext"),
        ("texts", "for i = 1 to 100000\npush(all, \"text \" + str(i))\nnext"),
        (
            "long texts",
            "for i = 1 to 300\ns = \"a text\"\nfor k = 1 to 11\ns = s + s\nnext\npush(all, s)\nnext",
        ),
        ("dicts", "for i = 1 to 20000\npush(all, dict(\"number\", i))\nnext"),
        ("one dict", "for i = 1 to 100000\nall2(str(i)) = i\nnext"),
        ("lambdas", "for i = 1 to 50000\npush(all, lambda () (return i))\nnext"),
        ("lambdas that share", "for i = 1 to 50000\npush(all, make(i))\nnext"),
        ("objects", "for i = 1 to 50000\npush(all, new(c))\nnext"),
        ("an array", "dim a(1000, 1000)\npush(all, a)"),
        ("a range", "push(all, list(1 to 1000000))"),
    ] {
        with_limit(256 * MIB, async |_, context| {
            let text = format!(
                "class c\nvar a = 1\nvar b = 2\nendclass\ndef make(x)\nreturn lambda () (return x)\nenddef
                all = list()\nall2 = dict()\ndef run()\n{text}\nenddef
                def drop_all()\nall = list()\nall2 = dict()\nenddef\nexpose(run)\nexpose(drop_all)"
            );
            context.eval::<()>(&text).await.unwrap();
            let (live, counted) = (LIVE.load(Relaxed), used(context).await);
            context.call::<()>("run", ()).await.unwrap();
            let live = LIVE.load(Relaxed) - live;
            let counted = used(context).await - counted;
            println!("{what}: {counted} counted, {live} there");
            assert!(counted > MIB, "{what}: {counted}");
            assert!(live <= counted * 5 / 4, "{what}: {counted} counted, {live} there");
            // The allocator's own bytes are counted, too, which are not in the other number.
            assert!(counted <= live * 2, "{what}: {counted} counted, {live} there");
            context.call::<()>("drop_all", ()).await.unwrap();
            context.eval::<()>("gc()").await.unwrap();
            // Slots before one that is in use are kept for new objects.
            let left = used(context).await;
            assert!(left < counted * 2 / 3, "{what}: {left} left of {counted}");
            context.call::<()>("run", ()).await.unwrap();
            let again = used(context).await;
            assert!(again < counted * 5 / 4, "{what}: {again} and not {counted} the second time");
        });
    }
}

/// A text of a mebibyte is loaded if there is memory for it, and leaves nothing behind.
#[test]
fn large_programs() {
    let statement = "x = x + 1\nif x > 100 then y = \"a text\" + str(x)\nd = list(x, y, 2 * x)\n";
    let text = statement.repeat(MIB / statement.len());
    with_limit(64 * MIB, async |_, context| {
        let before = LIVE.load(Relaxed);
        MOST.store(before, Relaxed);
        context.eval::<()>(&text).await.unwrap();
        let most = MOST.load(Relaxed) - before;
        println!("a program of a MiB: {} KiB at most", most >> 10);
        assert!(most < 128 * MIB, "{most}");
        context.eval::<()>("gc()").await.unwrap();
        assert!(used(context).await < MIB, "{}", used(context).await);
    });
    with_limit(16 * MIB, async |_, context| {
        let before = LIVE.load(Relaxed);
        MOST.store(before, Relaxed);
        let error = context.eval::<()>(&text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
        let most = MOST.load(Relaxed) - before;
        assert!(most < 16 * MIB, "{most}");
    });
}

/// A call that is given up cleans up, also while another one of its context is interrupted in the
/// middle of a collection; and what the interrupted one holds is still there afterwards.
#[test]
fn a_collection_does_not_keep_others_from_their_cleanup() {
    const CALLS: i64 = 40;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let limits = Limits::default().slice(Duration::from_micros(100));
        let broker = Broker::builder().limits(limits).workers(1);
        let broker = broker.native_async("forever", std::future::pending::<()>);
        let broker = broker.build().unwrap();
        let context = broker.open("basic").await.unwrap();
        context
            .eval::<()>(
                "all = list()\nclean = 0
                def wait_here()\nreturn forever()\nenddef
                def tidy_up()\nclean = clean + 1\ngc()\nreturn 0\nenddef
                def guarded()\nreturn finally(wait_here, tidy_up)\nenddef
                def collect_much(n)\nfor i = 1 to n\npush(all, list(i, str(i)))\nnext
                mine = list(\"still\", \"there\")\nrounds = 0
                while clean < 40 and rounds < 2000\ngc()\nmine = clone(mine)\nrounds = rounds + 1\nwend
                return mine(0) + mine(1)\nenddef
                def cleaned()\nreturn clean\nenddef
                expose(guarded)\nexpose(collect_much)\nexpose(cleaned)",
            )
            .await
            .unwrap();
        let waiting: Vec<_> = (0..CALLS)
            .map(|number| {
                // Also on a busy machine, all of them wait by then.
                let deadline = Duration::from_millis(1000 + 7 * number as u64);
                tokio::spawn(context.call::<()>("guarded", ()).deadline(deadline).into_future())
            })
            .collect();
        let collecting =
            tokio::spawn(context.call::<String>("collect_much", (20_000,)).into_future());
        for each in waiting {
            let error = each.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        }
        assert_eq!(collecting.await.unwrap().unwrap(), "stillthere");
        assert_eq!(context.call::<i64>("cleaned", ()).await.unwrap(), CALLS);
    });
}

/// However long a collection takes, neighbours on the same worker get their turns in between.
#[test]
fn a_collection_of_a_large_heap_does_not_hold_its_worker() {
    const COLLECTIONS: u32 = 5;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let limits = Limits::default().memory_bytes(256 * MIB).deadline(Duration::from_secs(300));
        let limits = limits.slice(Duration::from_millis(1));
        let broker = Broker::builder().limits(limits).workers(1).build().unwrap();
        let (large, small) = (broker.open("basic").await.unwrap(), broker.open("basic").await.unwrap());
        let fill = "def fill(n)\nfor i = 1 to n\npush(all, list(i, \"item \" + str(i)))\nnext\nreturn len(all)\nenddef";
        large
            .eval::<()>(&format!(
                "all = list()\n{fill}\ndef collect(n)\nfor i = 1 to n\ngc()\nnext\nenddef
                expose(fill)\nexpose(collect)"
            ))
            .await
            .unwrap();
        small.eval::<()>("def neighbour()\nreturn 1\nenddef\nexpose(neighbour)").await.unwrap();
        assert_eq!(large.call::<i64>("fill", (400_000,)).await.unwrap(), 400_000);
        assert!(used(&large).await > 48 * MIB, "{}", used(&large).await);
        let collecting = tokio::spawn(large.call::<()>("collect", (COLLECTIONS,)).into_future());
        let (mut longest, mut calls) = (Duration::ZERO, 0);
        let start = Instant::now();
        while !collecting.is_finished() {
            let begin = Instant::now();
            small.call::<i64>("neighbour", ()).await.unwrap();
            longest = longest.max(begin.elapsed());
            calls += 1;
        }
        println!("{COLLECTIONS} took {:?}, {calls} calls of the neighbour at most {longest:?}", start.elapsed());
        collecting.await.unwrap().unwrap();
        // One or two of them come between collections that are done in one go.
        assert!(calls > 10 * COLLECTIONS, "{calls} calls");
    });
}
