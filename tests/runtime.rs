//! Workers, contexts on them, engines that fail, and room for calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Error, ErrorKind, Failure, Limits, Value};
use futures::future::join_all;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::ThreadId,
    time::Duration,
};
use support::*;
use tokio::time::Instant;

/// `one` answers at once, `wait` stops at the gate, `thread` names its thread.
fn simple(gate: &Gate) -> Fake {
    let inside = gate.clone();
    Fake::new()
        .on("one", |_, _| async { Ok(Value::Int(1)) })
        .on("wait", move |_, _| {
            let pass = inside.pass();
            async move {
                pass.await;
                Ok(Value::Nil)
            }
        })
        .on("call_wait", |env, _| async move { env.call("wait", ()).await })
        .on_fiber("thread", |_, _| Ok(std::thread::current().name().unwrap_or("nameless").into()))
}

// C-100, C-205: one interpreter is entered by one thread only, its worker's, whoever calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_interpreter_stays_on_its_worker() {
    let fake = simple(&Gate::default());
    // The watch fails the test if any entry came from another thread.
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let mut contexts = Vec::new();
    for n in 0..6 {
        contexts.push(open(&broker, "a", &format!("thread{n}=thread")).await);
    }
    let callers = (0..6).map(|_| {
        let contexts = contexts.clone();
        tokio::spawn(async move {
            let mut seen = vec![HashSet::new(); contexts.len()];
            for _ in 0..50 {
                for (n, context) in contexts.iter().enumerate() {
                    let name = format!("thread{n}");
                    seen[n].insert(context.call::<String>(&name, ()).await.unwrap());
                }
            }
            seen
        })
    });
    let mut threads = HashSet::new();
    for caller in within(join_all(callers)).await {
        for mut seen in caller.unwrap() {
            assert_eq!(seen.len(), 1, "a context never changes its thread");
            threads.extend(seen.drain());
        }
    }
    assert_eq!(threads.len(), 2, "contexts are spread over the workers");
    broker.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(watch.interpreters(), 0);
}

// C-100: a context can be pinned to a worker; a worker that is not there is a range error.
#[tokio::test]
async fn a_context_can_be_pinned_to_a_worker() {
    let fake = simple(&Gate::default());
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 3);
    within(async {
        for worker in [2, 0, 0, 1, 2] {
            let context = broker.open("fake").worker(worker).await.unwrap();
            let thread: String = context.eval("!thread").await.unwrap();
            assert_eq!(thread, format!("calog-{worker}"));
        }
        for nobody in [3, usize::MAX] {
            let error = broker.open("fake").worker(nobody).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Range);
            assert!(error.message().contains('3'), "{error}");
        }
    })
    .await;
    assert_eq!(watch.opened(), 5);
    assert_eq!(broker.contexts().len(), 5, "what did not open is not there");
}

// C-100: without threads everything runs on the thread that drives the `LocalSet`; no worker is none.
#[tokio::test(start_paused = true)]
async fn an_inline_broker_runs_on_the_callers_thread() {
    let here: ThreadId = std::thread::current().id();
    let fake = simple(&Gate::default())
        .on_fiber("here", move |_, _| Ok(Value::Bool(std::thread::current().id() == here)));
    inline(builder(&fake), async |broker| {
        let context = broker.open("fake").worker(0).await.unwrap();
        assert!(context.eval::<bool>("!here").await.unwrap());
        assert_eq!(kind(broker.open("fake").worker(1).await), ErrorKind::Range);
    })
    .await;
    let broker = threaded(builder(&fake), 0);
    let context = broker.open("fake").await.unwrap();
    assert!(!context.eval::<bool>("!here").await.unwrap(), "0 workers are 1");
}

// C-109: an engine that cannot start says why, and leaves nothing behind.
#[tokio::test]
async fn an_engine_that_fails_to_open_leaves_nothing_behind() {
    let fails = Arc::new(AtomicBool::new(true));
    let failing = fails.clone();
    let fake = simple(&Gate::default()).hook(move |entry, _| match entry {
        Entry::Open if failing.load(SeqCst) => Err(Error::new(ErrorKind::Io, "no engine oil")),
        _ => Ok(()),
    });
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 1);
    within(async {
        for _ in 0..20 {
            let error = broker.open("fake").await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "no engine oil"));
        }
        assert!(broker.contexts().is_empty());
        fails.store(false, SeqCst);
        let context = open(&broker, "a", "one").await;
        assert_eq!(context.id().slot(), 1, "the slots were given back");
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        assert_eq!(kind(broker.open("nobody").await), ErrorKind::NotFound);
    })
    .await;
    assert_eq!(watch.opened(), 1);
}

// C-207: a panic of the engine, wherever it comes, is an error of that call; its neighbours live on.
#[tokio::test]
async fn panics_of_an_engine_stay_where_they_are() {
    let panics = Arc::new(Mutex::new(None));
    let now = panics.clone();
    let fake = simple(&Gate::default())
        .on("panics", |_, _| async { panic!("in the call") })
        .on_fiber("fiber_panics", |_, _| panic!("on the fiber"))
        .hook(move |entry, _| {
            assert!(*now.lock().unwrap() != Some(entry), "the engine broke at {entry:?}");
            Ok(())
        });
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 1);
    within(async {
        let neighbour = open(&broker, "neighbour", "one").await;
        let context = open(&broker, "a", "panics fiber_panics alive=one").await;
        for (name, text) in [("panics", "in the call"), ("fiber_panics", "on the fiber")] {
            let error = context.call::<()>(name, ()).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Panicked, text));
            let error = context.eval::<()>(&format!("!{name}")).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Panicked, text));
        }
        assert_eq!(context.call::<i64>("alive", ()).await.unwrap(), 1);

        *panics.lock().unwrap() = Some(Entry::Open);
        let error = broker.open("fake").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(error.message().contains("Open"), "{error}");

        // Even an interpreter that panics when it is dropped is closed in the end.
        *panics.lock().unwrap() = Some(Entry::Close);
        context.close().await;
        assert_eq!(kind(context.call::<i64>("alive", ()).await), ErrorKind::Dead);
        *panics.lock().unwrap() = None;
        assert_eq!(neighbour.call::<i64>("one", ()).await.unwrap(), 1);
        open(&broker, "b", "alive=one").await;
        broker.shutdown(TIMEOUT).await.unwrap();
    })
    .await;
    assert_eq!((watch.interpreters(), watch.handles()), (0, 0));
}

// C-207: an engine that panics while a cancelled call unwinds does not take the context down.
#[tokio::test(start_paused = true)]
async fn a_panic_while_a_call_is_cut_stays_there() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "it was cut");
        }
    }
    let gate = Gate::default();
    let inside = gate.clone();
    let fake = simple(&gate).on("bomb", move |_, _| {
        let pass = inside.pass();
        async move {
            let _bomb = Bomb;
            pass.await;
            Ok(Value::Nil)
        }
    });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "bomb one wait").await;
        let mut call = context.call::<()>("bomb", ());
        start(&mut call).await;
        gate.arrived(1).await;
        drop(call);
        settle().await;
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        let call = context.call::<()>("bomb", ()).deadline(Duration::from_secs(1));
        assert_eq!(kind(call.await), ErrorKind::Timeout);
        // Two at once, and one that has none.
        let mut calls = ["bomb", "bomb", "wait"].map(|name| context.call::<()>(name, ()));
        for call in &mut calls {
            start(call).await;
        }
        settle().await;
        context.close().await;
        for call in calls {
            assert_eq!(kind(call.await), ErrorKind::Dead);
        }
    })
    .await;
}

// C-209: callers from the host wait for room, first come, first served.
#[tokio::test(start_paused = true)]
async fn callers_from_the_host_wait_for_room() {
    let gate = Gate::default();
    let fake = simple(&gate);
    inline(builder(&fake), async |broker| {
        let limits = Limits::default().concurrent_calls(1);
        let context = broker.open("fake").limits(limits).await.unwrap();
        context.eval::<()>("wait one").await.unwrap();
        let calls: Vec<_> =
            (0..5).map(|_| tokio::task::spawn_local(context.call::<()>("wait", ()))).collect();
        for call in calls {
            gate.arrived(1).await;
            settle().await;
            assert_eq!((gate.arrivals(), context.usage().await.unwrap().calls), (0, 1));
            assert!(!call.is_finished());
            gate.open(1);
            call.await.unwrap().unwrap();
        }
        // One that gives up while it waits for room takes no room.
        let mut first = context.call::<()>("wait", ());
        start(&mut first).await;
        let mut second = context.call::<()>("wait", ());
        start(&mut second).await;
        let mut third = context.call::<i64>("one", ());
        start(&mut third).await;
        drop(second);
        gate.arrived(1).await;
        gate.open(1);
        first.await.unwrap();
        assert_eq!(third.await.unwrap(), 1);
    })
    .await;
}

// C-209: who does not want to wait gets `busy`, and so does who cannot: a post.
#[tokio::test(start_paused = true)]
async fn who_does_not_wait_for_room_gets_busy() {
    let gate = Gate::default();
    let fake = simple(&gate);
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let limits = Limits::default().concurrent_calls(2);
        let context = broker.open("fake").limits(limits).await.unwrap();
        context.eval::<()>("wait one").await.unwrap();
        let before = watch.begun();
        let mut first = context.call::<()>("wait", ());
        start(&mut first).await;
        context.post("wait", ()).unwrap();
        assert_eq!(kind(context.try_call::<i64>("one", ()).await), ErrorKind::Busy);
        assert_eq!(kind(context.post("one", ())), ErrorKind::Busy);
        gate.arrived(2).await;
        assert_eq!(watch.begun(), before + 2, "what was refused never ran");
        gate.open(2);
        first.await.unwrap();
        settle().await;
        assert_eq!(context.try_call::<i64>("one", ()).await.unwrap(), 1);
        context.post("one", ()).unwrap();
    })
    .await;
}

// C-209: calls from other contexts are always admitted: else two full contexts could wait for ever.
#[tokio::test(start_paused = true)]
async fn calls_from_contexts_need_no_room() {
    let gate = Gate::default();
    let fake = simple(&gate).on("back", |env, _| async move { env.call("call_wait", ()).await });
    let builder = builder(&fake).limits(Limits::default().concurrent_calls(1));
    inline(builder, async |broker| {
        let full = open(&broker, "full", "wait back").await;
        let other = open(&broker, "other", "call_wait").await;
        // back (full) -> call_wait (other) -> wait (full).
        let mut call = full.call::<()>("back", ());
        start(&mut call).await;
        gate.arrived(1).await;
        assert_eq!(full.usage().await.unwrap().calls, 2);
        assert_eq!(kind(full.try_call::<()>("wait", ()).await), ErrorKind::Busy);
        let mut more = other.call::<()>("call_wait", ());
        start(&mut more).await;
        gate.arrived(1).await;
        assert_eq!(full.usage().await.unwrap().calls, 3);
        gate.open(2);
        call.await.unwrap();
        more.await.unwrap();
    })
    .await;
}

// C-209: `usage`, releases and the close pass a mailbox full of calls.
#[tokio::test(start_paused = true)]
async fn control_passes_a_full_mailbox() {
    let gate = Gate::default();
    let released = Arc::new(Mutex::new(Vec::new()));
    let log = released.clone();
    let fake = simple(&gate)
        .on(
            "make",
            |env, _| async move { Ok(env.function(|_, _| async { Ok(Value::Nil) }).into()) },
        )
        .hook(move |entry, _| {
            if matches!(entry, Entry::Call | Entry::Release) {
                log.lock().unwrap().push(entry);
            }
            Ok(())
        });
    inline(builder(&fake), async |broker| {
        let limits = Limits::default().concurrent_calls(100);
        let context = broker.open("fake").limits(limits).await.unwrap();
        context.eval::<()>("make one").await.unwrap();
        let function: calog::Function = context.call("make", ()).await.unwrap();
        // With something in its mailbox, the context does not rest: no call begins at once.
        context.post("one", ()).unwrap();
        let mut calls: Vec<_> = (1..100).map(|_| context.call::<i64>("one", ())).collect();
        for call in &mut calls {
            start(call).await;
        }
        assert_eq!(kind(context.try_call::<i64>("one", ()).await), ErrorKind::Busy);
        released.lock().unwrap().clear();
        drop(function);
        let usage = context.usage().await.unwrap();
        assert_eq!((usage.handles, usage.calls), (2, 0), "asked before any call began");
        assert_eq!(released.lock().unwrap()[0], Entry::Release);
        for call in calls {
            assert_eq!(call.await.unwrap(), 1);
        }
    })
    .await;
}

// C-143, C-147: a post does not wait, and its failure goes to the handler with the context's name.
#[tokio::test(start_paused = true)]
async fn a_post_reports_its_failure() {
    let failed = Arc::new(Mutex::new(Vec::<Failure>::new()));
    let log = failed.clone();
    let fake = simple(&Gate::default())
        .on("fails", |_, args| async move { Err(Error::raised(args[0].as_str().unwrap())) });
    let builder = builder(&fake).on_failure(move |failure| log.lock().unwrap().push(failure));
    inline(builder, async |broker| {
        let context = open(&broker, "poster", "fails one").await;
        context.post("one", ()).unwrap();
        context.post("fails", ("first",)).unwrap();
        context.post("fails", ("second",)).unwrap();
        assert!(failed.lock().unwrap().is_empty(), "nothing ran yet");
        assert_eq!(kind(context.post("nobody", ())), ErrorKind::NotFound);
        assert_eq!(kind(context.post("fails", (u64::MAX,))), ErrorKind::Range);
        settle().await;
        let failed = failed.lock().unwrap();
        let texts: Vec<_> = failed.iter().map(|failure| failure.error.message()).collect();
        assert_eq!(texts, ["first", "second"]);
        assert!(failed.iter().all(|failure| &*failure.context == "poster"));
    })
    .await;
}

// C-143, C-210: a post has the time that its context allows, and its end by that is a failure.
#[tokio::test(start_paused = true)]
async fn a_post_ends_at_the_limit_of_its_context() {
    let failed = Arc::new(Mutex::new(Vec::new()));
    let log = failed.clone();
    let builder = builder(&simple(&Gate::default()))
        .limits(Limits::default().deadline(Duration::from_millis(30)))
        .on_failure(move |failure| {
            log.lock().unwrap().push((Instant::now(), failure.error.kind()));
        });
    inline(builder, async |broker| {
        let context = open(&broker, "a", "wait").await;
        let end = Instant::now() + Duration::from_millis(30);
        context.post("wait", ()).unwrap();
        tokio::time::sleep(Duration::from_millis(29)).await;
        assert!(failed.lock().unwrap().is_empty());
        settle().await;
        settle().await;
        assert_eq!(*failed.lock().unwrap(), [(end, ErrorKind::Timeout)]);
    })
    .await;
}

// C-147: failures of calls that somebody waits for are his, not the handler's.
#[tokio::test(start_paused = true)]
async fn only_posts_are_reported() {
    let gate = Gate::default();
    let fake = simple(&gate).on("fails", |_, _| async { Err(Error::raised("mine")) });
    let builder = builder(&fake).on_failure(|failure| panic!("reported: {failure:?}"));
    inline(builder, async |broker| {
        let context = open(&broker, "a", "fails wait one").await;
        assert_eq!(kind(context.call::<()>("fails", ()).await), ErrorKind::Raised);
        let mut call = context.call::<()>("wait", ());
        start(&mut call).await;
        gate.arrived(1).await;
        drop(call);
        settle().await;
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
}

// C-152, C-169: what a host can ask of a context and a broker.
#[tokio::test(start_paused = true)]
async fn contexts_are_listed_with_name_and_usage() {
    let gate = Gate::default();
    let fake = simple(&gate);
    inline(builder(&fake), async |broker| {
        let engines: Vec<_> = broker.engines().map(|(name, ext)| (name, ext.to_vec())).collect();
        assert_eq!(engines, [("fake", vec!["fake"])]);
        let a = open(&broker, "a", "one").await;
        let b = broker.open("fake").await.unwrap();
        assert_eq!((a.name(), b.name()), ("a", "fake"));
        let ids: Vec<_> = broker.contexts().iter().map(|context| context.id()).collect();
        assert_eq!(ids, [a.id(), b.id()]);
        let usage = a.usage().await.unwrap();
        assert_eq!((usage.handles, usage.calls, usage.memory_bytes), (1, 0, 1024));
        // Names need not be unique.
        let c = broker.open("fake").name("a").await.unwrap();
        assert_ne!(c.id(), a.id());
    })
    .await;
}

// C-161, C-162, C-163, C-164: a file chooses its engine; what does not load leaves no context behind.
#[tokio::test]
async fn a_file_is_opened_by_its_extension() {
    let gate = Gate::default();
    let fake = simple(&gate).on("fails", |_, _| async { Err(Error::raised("at the top level")) });
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("good.fake"), "one").unwrap();
    std::fs::write(path("bad.fake"), "no_such_function").unwrap();
    std::fs::write(path("fails.fake"), "two=one !fails").unwrap();
    std::fs::write(path("waits.fake"), "three=one !wait").unwrap();
    std::fs::write(path("empty.fake"), "").unwrap();
    std::fs::write(path("bytes.fake"), b"one\n\xff").unwrap();
    std::fs::write(path("other.txt"), "one").unwrap();
    std::fs::create_dir(path("folder.fake")).unwrap();
    within(async {
        for name in ["good.fake", "good"] {
            let context = broker.load(path(name)).await.unwrap();
            assert_eq!(context.name(), "good");
            assert_eq!(broker.call::<i64>("one", ()).await.unwrap(), 1);
            context.close().await;
        }
        for (name, expected) in [
            ("bad.fake", ErrorKind::Load),
            ("fails.fake", ErrorKind::Raised),
            ("empty.fake", ErrorKind::Load),
            ("bytes.fake", ErrorKind::Load),
            ("folder.fake", ErrorKind::Load),
            ("other.txt", ErrorKind::Unsupported),
            ("nobody.fake", ErrorKind::NotFound),
            ("nobody", ErrorKind::NotFound),
        ] {
            assert_eq!(kind(broker.load(path(name)).await), expected, "{name}");
            assert!(broker.contexts().is_empty(), "{name}");
        }
        assert!(broker.names().iter().all(|name| broker.export(name).is_none()));
        // One that is given up while its top level runs is closed, too.
        let load = tokio::spawn(broker.load(path("waits.fake")).into_future());
        gate.arrived(1).await;
        load.abort();
        assert!(load.await.unwrap_err().is_cancelled());
        while watch.interpreters() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    broker.shutdown(TIMEOUT).await.unwrap();
    assert!(broker.contexts().is_empty());
}

// Calls that the end of a turn puts off begin in the order in which they were accepted.
#[tokio::test]
async fn calls_that_are_put_off_keep_their_order() {
    const SLICE: Duration = Limits::SHORTEST_SLICE;
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = order.clone();
    let fake = Fake::new().on("note", move |_, args| {
        noted.lock().unwrap().push(args[0].clone());
        // Each call ends the turn.
        let begun = std::time::Instant::now();
        while begun.elapsed() < SLICE {}
        async { Ok(Value::Nil) }
    });
    inline(builder(&fake).limits(Limits::default().slice(SLICE)), async |broker| {
        let context = open(&broker, "a", "note=note").await;
        let calls = (0..20).map(|n| context.call::<()>("note", (n,)));
        join_all(calls).await.into_iter().for_each(|result| result.unwrap());
    })
    .await;
    assert_eq!(*order.lock().unwrap(), (0..20).map(Value::from).collect::<Vec<_>>());
}
