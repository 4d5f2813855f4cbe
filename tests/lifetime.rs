//! The lives of contexts and brokers: every call that was accepted is answered exactly once, whatever
//! ends meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, ContextId, Error, ErrorKind, Failure, Function, Limits, Result, Value};
use futures::future::join_all;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use support::*;

/// `wait` and `fiber_wait` stop at the gate; `through` calls `wait` of whoever exports it.
fn waiting(gate: &Gate) -> Fake {
    waiting_at(gate)
        .on("caught", |env, _| async move {
            match env.call("wait", ()).await {
                Ok(_) => Ok("ended".into()),
                Err(error) => Ok(error.kind().as_str().into()),
            }
        })
        .on("one", |_, _| async { Ok(Value::Int(1)) })
}

/// A list that failures are written to, and the handler for it.
fn failures() -> (Arc<Mutex<Vec<Failure>>>, impl Fn(Failure) + Send + Sync + 'static) {
    let list = Arc::new(Mutex::new(Vec::new()));
    let log = list.clone();
    (list, move |failure| log.lock().unwrap().push(failure))
}

// C-107, C-137: a close answers what is queued, what waits for room and what is suspended, once each.
#[tokio::test(start_paused = true)]
async fn a_close_answers_every_open_call_with_dead() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    let (failed, on_failure) = failures();
    let builder = builder(&fake).on_failure(on_failure);
    inline(builder, async |broker| {
        let limits = Limits::default().concurrent_calls(10);
        let context = broker.open("fake").name("a").limits(limits).await.unwrap();
        context.eval::<()>("wait fiber_wait").await.unwrap();
        let call = |name| context.call::<()>(name, ());
        // Four suspended, one of them posted.
        let mut calls = vec![call("wait"), call("fiber_wait"), call("wait")];
        for call in &mut calls {
            start(call).await;
        }
        context.post("wait", ()).unwrap();
        gate.arrived(4).await;
        let begun = watch.begun();
        // Six queued behind the stop, the first one posted: after it, the context does not rest, so
        // that the others do not begin at once.
        context.post("fiber_wait", ()).unwrap();
        for name in ["wait", "fiber_wait", "wait", "wait", "wait"] {
            calls.push(call(name));
            start(calls.last_mut().unwrap()).await;
        }
        // Three more for which there is no room.
        for _ in 0..3 {
            calls.push(call("wait"));
            start(calls.last_mut().unwrap()).await;
        }
        assert_eq!(kind(context.try_call::<Value>("wait", ()).await), ErrorKind::Busy);
        context.close().await;
        assert_eq!((watch.begun(), watch.cut()), (begun, 4), "the stop went ahead of the queue");
        for call in calls {
            assert_eq!(kind(call.await), ErrorKind::Dead);
        }
        let failed = failed.lock().unwrap();
        let kinds: Vec<_> = failed.iter().map(|failure| failure.error.kind()).collect();
        assert_eq!(kinds, [ErrorKind::Dead, ErrorKind::Dead], "the posted ones");
        assert!(failed.iter().all(|failure| &*failure.context == "a"));
        assert_eq!(watch.interpreters(), 0);
    })
    .await;
}

// C-107, C-138: a caller in another context gets the `dead` as an error that it can catch.
#[tokio::test(start_paused = true)]
async fn a_script_that_waits_for_a_closing_context_gets_dead() {
    let gate = Gate::default();
    inline(builder(&waiting(&gate)), async |broker| {
        let callee = open(&broker, "a", "wait").await;
        let caller = open(&broker, "b", "caught").await;
        let mut call = caller.call::<String>("caught", ());
        start(&mut call).await;
        gate.arrived(1).await;
        callee.close().await;
        assert_eq!(call.await.unwrap(), "dead");
    })
    .await;
}

// C-138: the caller's context closes: the callee's part is cancelled, and the callee lives on.
#[tokio::test(start_paused = true)]
async fn the_close_of_the_caller_cancels_the_callee() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let callee = open(&broker, "a", "wait one").await;
        let caller = open(&broker, "b", "through").await;
        let mut call = caller.call::<()>("through", ());
        start(&mut call).await;
        gate.arrived(1).await;
        caller.close().await;
        assert_eq!(kind(call.await), ErrorKind::Dead);
        settle().await;
        assert_eq!((watch.cut(), callee.usage().await.unwrap().calls), (2, 0));
        assert_eq!(callee.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
}

// C-137: closing twice, at once, and through clones of the handle.
#[tokio::test]
async fn a_context_may_be_closed_twice_and_by_several() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let context = open(&broker, "a", "one").await;
    let clone = context.clone();
    within(async {
        futures::join!(context.close(), context.close(), clone.close());
        assert_eq!(watch.interpreters(), 0, "all is gone when it returns");
        context.close().await;
    })
    .await;
    assert_eq!(kind(broker.context(context.id())), ErrorKind::Dead);
    assert!(broker.contexts().is_empty());
}

// C-137: once told, a context closes even if nobody waits for it any more.
#[tokio::test(start_paused = true)]
async fn a_close_that_was_polled_once_takes_place() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "one").await;
        let mut close = Box::pin(context.close());
        start(&mut close).await;
        drop(close);
        settle().await;
        assert_eq!(watch.interpreters(), 0);
    })
    .await;
}

// C-133, C-137: every use of a closed context is `dead`, from the host and from scripts.
#[tokio::test(start_paused = true)]
async fn every_use_of_a_closed_context_is_dead() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let context = open(&broker, "a", "one").await;
        let function = context.function("one").unwrap();
        context.close().await;
        assert_eq!(kind(context.call::<()>("one", ()).await), ErrorKind::Dead);
        assert_eq!(kind(context.try_call::<()>("one", ()).await), ErrorKind::Dead);
        assert_eq!(kind(context.eval::<()>("one").await), ErrorKind::Dead);
        assert_eq!(kind(context.post("one", ())), ErrorKind::Dead);
        assert_eq!(kind(context.function("one")), ErrorKind::Dead);
        assert_eq!(kind(context.usage().await), ErrorKind::Dead);
        assert_eq!(kind(function.call::<()>(()).await), ErrorKind::Dead);
        assert_eq!(kind(broker.context(context.id())), ErrorKind::Dead);
        // By name it is not there at all.
        assert_eq!(kind(broker.call::<()>("one", ()).await), ErrorKind::NotFound);
    })
    .await;
}

// C-133, C-134, C-135, C-140: the id of a closed context names nothing, also when its slot is in use.
#[tokio::test(start_paused = true)]
async fn a_stale_id_never_finds_the_successor() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let mut stale: Vec<ContextId> = Vec::new();
        for round in 0..50 {
            let context = open(&broker, "a", "one").await;
            let id = context.id();
            assert_eq!((id.slot(), id.generation()), (1, round), "slots number from 1");
            assert_eq!(broker.context(id).unwrap().id(), id);
            assert_ne!(id, ContextId::HOST);
            for stale in &stale {
                assert_eq!(kind(broker.context(*stale)), ErrorKind::Dead);
            }
            context.close().await;
            stale.push(id);
        }
        for nobody in [ContextId::HOST, ContextId::new(9, 0), ContextId::new(1, u32::MAX)] {
            assert_eq!(kind(broker.context(nobody)), ErrorKind::Dead);
        }
    })
    .await;
}

// C-135: an old handle keeps calling its own, closed context while a new one has the slot.
#[tokio::test(start_paused = true)]
async fn an_old_handle_is_never_misrouted() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let old = open(&broker, "old", "one").await;
        old.close().await;
        let new = open(&broker, "new", "one").await;
        assert_eq!(new.id().slot(), old.id().slot());
        assert_eq!(kind(old.call::<i64>("one", ()).await), ErrorKind::Dead);
        assert_eq!(kind(old.eval::<()>("!one").await), ErrorKind::Dead);
        // Closing the old one again does not close the new one.
        old.close().await;
        assert_eq!(new.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
}

// C-134: slots are used again, and no churn meets a ceiling.
#[tokio::test]
async fn contexts_come_and_go_without_end() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    within(async {
        for _ in 0..100 {
            let opened = join_all((0..10).map(|_| broker.open("fake").into_future())).await;
            let slots = opened.iter().map(|context| context.as_ref().unwrap().id().slot());
            assert!(slots.max().unwrap() <= 10);
            let close = opened.iter().map(|context| context.as_ref().unwrap().close());
            join_all(close).await;
        }
    })
    .await;
    assert_eq!((watch.opened(), watch.interpreters()), (1000, 0));
}

// C-136, C-138: calls from many threads race with the close; each is answered, none with the wrong value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_race_with_the_close() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    for _ in 0..50 {
        let context = open(&broker, "a", "one").await;
        let one = context.function("one").unwrap();
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let one = one.clone();
                tokio::spawn(async move {
                    loop {
                        match one.call::<i64>(()).await {
                            Ok(one) => assert_eq!(one, 1),
                            Err(error) => return error.kind(),
                        }
                    }
                })
            })
            .collect();
        assert_eq!(within(one.call::<i64>(())).await.unwrap(), 1);
        within(context.close()).await;
        for caller in callers {
            assert_eq!(within(caller).await.unwrap(), ErrorKind::Dead);
        }
    }
    assert_eq!((watch.interpreters(), watch.handles()), (0, 0));
}

// C-137: a script that runs on the fiber while its context closes unwinds before the close returns.
#[tokio::test(start_paused = true)]
async fn a_close_waits_for_the_handlers_of_scripts() {
    let gate = Gate::default();
    let inside = gate.clone();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let fake = Fake::new().on_fiber("guarded", move |_, _| {
        let end = calog::fiber::block_on(inside.pass());
        count.fetch_add(1, SeqCst);
        end.map(|()| Value::Nil)
    });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "guarded").await;
        let mut calls: Vec<_> = (0..3).map(|_| context.call::<()>("guarded", ())).collect();
        for call in &mut calls {
            start(call).await;
        }
        gate.arrived(3).await;
        context.close().await;
        assert_eq!(handled.load(SeqCst), 3);
        for call in calls {
            assert_eq!(kind(call.await), ErrorKind::Dead, "not what the handler returned");
        }
    })
    .await;
}

// C-139, C-168: a shutdown closes every context that is open, and joins the threads.
#[tokio::test]
async fn a_shutdown_closes_everything_and_joins_the_threads() {
    // Lives as long as any thread that ran a script.
    thread_local! {
        static ALIVE: std::cell::RefCell<Option<Arc<()>>> = const { std::cell::RefCell::new(None) };
    }
    let alive = Arc::new(());
    let marker = alive.clone();
    let fake = waiting(&Gate::default()).on("mark", move |_, _| {
        let marker = marker.clone();
        async move {
            ALIVE.set(Some(marker));
            Ok(Value::Nil)
        }
    });
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    for n in 0..32 {
        let source = format!("mark{n}=mark !mark");
        open(&broker, "a", &source).await;
    }
    let before = Arc::strong_count(&alive);
    within(broker.shutdown(TIMEOUT)).await.unwrap();
    assert_eq!((watch.opened(), watch.interpreters(), watch.handles()), (32, 0, 0));
    assert_eq!(Arc::strong_count(&alive), before - 2, "the two threads have ended");
    assert!(broker.contexts().is_empty() && broker.export("mark0").is_none());
}

// C-107, C-139: a shutdown answers what is queued and what is suspended.
#[tokio::test]
async fn a_shutdown_answers_every_open_call() {
    for workers in [1, 2] {
        let gate = Gate::default();
        let fake = waiting(&gate);
        let watch = fake.watch();
        let (failed, on_failure) = failures();
        let limits = Limits::default().concurrent_calls(6);
        let broker = threaded(builder(&fake).on_failure(on_failure).limits(limits), workers);
        within(async {
            let a = open(&broker, "a", "wait fiber_wait").await;
            let b = open(&broker, "b", "through").await;
            let names = [(&a, "wait"), (&a, "fiber_wait"), (&b, "through"), (&b, "through")];
            let calls = names.map(|(context, name)| tokio::spawn(context.call::<()>(name, ())));
            a.post("wait", ()).unwrap();
            gate.arrived(5).await;
            // Two of these wait for room.
            let more: Vec<_> = (0..5).map(|_| tokio::spawn(a.call::<()>("wait", ()))).collect();
            gate.arrived(3).await;
            broker.shutdown(TIMEOUT).await.unwrap();
            for call in calls.into_iter().chain(more) {
                assert_eq!(kind(call.await.unwrap()), ErrorKind::Shutdown);
            }
        })
        .await;
        assert_eq!(failed.lock().unwrap()[0].error.kind(), ErrorKind::Shutdown);
        assert_eq!(watch.interpreters(), 0);
    }
}

// C-139: shutdown twice, from two tasks at once, and again after that.
#[tokio::test]
async fn a_broker_may_be_shut_down_twice_and_by_several() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let context = open(&broker, "a", "wait").await;
    let call = tokio::spawn(context.call::<()>("wait", ()));
    gate.arrived(1).await;
    let clones = (0..3).map(|_| {
        let broker = broker.clone();
        tokio::spawn(async move { broker.shutdown(TIMEOUT).await })
    });
    for shutdown in within(join_all(clones)).await {
        shutdown.unwrap().unwrap();
    }
    assert_eq!(watch.interpreters(), 0);
    assert_eq!(kind(call.await.unwrap()), ErrorKind::Shutdown);
    within(broker.shutdown(Duration::ZERO)).await.unwrap();
}

// C-139: after a shutdown nothing opens and nothing is called.
#[tokio::test(start_paused = true)]
async fn after_a_shutdown_every_use_is_refused() {
    let fake = waiting(&Gate::default());
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "one").await;
        let one: Function = context.function("one").unwrap();
        broker.shutdown(TIMEOUT).await.unwrap();
        assert_eq!(kind(broker.open("fake").await), ErrorKind::Shutdown);
        assert_eq!(kind(context.eval::<()>("!one").await), ErrorKind::Shutdown);
        assert_eq!(kind(one.call::<()>(()).await), ErrorKind::Shutdown);
        for result in [
            context.call::<()>("one", ()).await.map(drop),
            context.post("one", ()),
            context.function("one").map(drop),
            context.usage().await.map(drop),
        ] {
            let kind = kind(result);
            assert!(kind == ErrorKind::Shutdown, "{kind}");
        }
    })
    .await;
}

// C-139: what does not end in time is reported; it ends by itself later.
#[test]
fn a_shutdown_reports_what_does_not_end_in_time() {
    let blockade = Blockade::default();
    let blocked = blockade.clone();
    let fake = Fake::new().on("block", move |_, _| {
        let blocked = blocked.clone();
        async move {
            blocked.block();
            Ok(Value::Nil)
        }
    });
    let watch = fake.watch();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = threaded(builder(&fake), 1);
    let context = runtime.block_on(open(&broker, "a", "block"));
    let _lifted = Lifted(blockade.clone());
    let call = runtime.spawn(context.call::<()>("block", ()));
    blockade.reached();
    let early = runtime.block_on(broker.shutdown(Duration::from_millis(20)));
    assert_eq!(kind(early), ErrorKind::Timeout);
    blockade.lift();
    runtime.block_on(within(call)).unwrap().unwrap();
    runtime.block_on(within(broker.shutdown(TIMEOUT))).unwrap();
    assert_eq!(watch.interpreters(), 0);
}

// C-139: the drop of the last broker ends everything as well; a clone keeps it alive.
#[tokio::test]
async fn the_drop_of_the_last_broker_answers_everything() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let context = open(&broker, "a", "wait one").await;
    let clone = broker.clone();
    drop(broker);
    assert_eq!(within(context.call::<i64>("one", ())).await.unwrap(), 1);
    let call = tokio::spawn(context.call::<()>("wait", ()));
    gate.arrived(1).await;
    drop(clone);
    let kind = kind(within(call).await.unwrap());
    assert!(kind == ErrorKind::Shutdown, "{kind}");
    // A close waits until all of it is gone.
    within(context.close()).await;
    assert_eq!(watch.interpreters(), 0);
}

// C-139: without threads, the owner of the `LocalSet` drives the end.
#[tokio::test(start_paused = true)]
async fn the_drop_of_an_inline_broker_answers_when_driven() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "wait").await;
        let mut call = context.call::<()>("wait", ());
        start(&mut call).await;
        gate.arrived(1).await;
        drop(broker);
        assert_eq!(kind(call.await), ErrorKind::Shutdown);
        context.close().await;
    })
    .await;
    assert_eq!(watch.interpreters(), 0);
}

// C-107: a `LocalSet` that is dropped takes its contexts along, and their calls are answered.
#[tokio::test(start_paused = true)]
async fn the_drop_of_the_local_set_answers_everything() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    let local = tokio::task::LocalSet::new();
    let broker = builder(&fake).build_inline(&local).unwrap();
    let (context, mut calls) = local
        .run_until(within(async {
            let context = open(&broker, "a", "wait fiber_wait").await;
            let mut calls = ["wait", "fiber_wait", "wait"].map(|name| context.call::<()>(name, ()));
            for call in &mut calls[..2] {
                start(call).await;
            }
            gate.arrived(2).await;
            (context, calls)
        }))
        .await;
    // The third is queued only.
    start(&mut calls[2]).await;
    drop(local);
    for call in calls {
        let kind = kind(within(call).await);
        assert!(matches!(kind, ErrorKind::Dead | ErrorKind::Shutdown), "{kind}");
    }
    assert_eq!(watch.interpreters(), 0);
    within(context.close()).await;
    assert_eq!(kind(within(broker.open("fake").into_future()).await), ErrorKind::Shutdown);
}

/// The names that the broker's scripts export, without the natives.
fn exports(broker: &Broker) -> Vec<String> {
    broker.names().into_iter().filter(|name| broker.export(name).is_some()).collect()
}

/// `expose` exports its second argument under its first; `load_late` calls what is exported later.
fn exposing() -> Fake {
    Fake::new()
        .on("publish", |env, args| async move {
            env.expose(args[0].as_str().unwrap(), args[1].clone())?;
            Ok(Value::Nil)
        })
        .on("first", |_, _| async { Ok("first".into()) })
        .on("second", |_, _| async { Ok("second".into()) })
        .on("calls", |env, args| async move { env.call(args[0].as_str().unwrap(), ()).await })
        .on("resolves", |env, args| async move {
            use calog::engine::Resolved;
            Ok(match env.scope().resolve(args[0].as_str().unwrap()) {
                None => Value::Nil,
                Some(Resolved::Namespace { .. }) => "namespace".into(),
                Some(Resolved::Data(_)) => "data".into(),
                Some(Resolved::Function(_)) => "function".into(),
                Some(Resolved::Native(_)) => "native".into(),
            })
        })
}

// C-183, C-141: whose a name is; `denied` for everybody else; free again when the owner has closed.
#[tokio::test(start_paused = true)]
async fn a_name_belongs_to_one_until_it_closes() {
    inline(builder(&exposing()).native("native", || "native"), async |broker| {
        let a = open(&broker, "a", "f=first").await;
        let b = broker.open("fake").name("b").await.unwrap();
        let error = b.eval::<()>("f=second").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.message().contains("`a`"), "{error}");
        assert_eq!(kind(b.eval::<()>("native=second").await), ErrorKind::Denied);
        assert_eq!(broker.call::<String>("f", ()).await.unwrap(), "first");
        // The one that it belongs to may replace it.
        a.eval::<()>("f=second").await.unwrap();
        assert_eq!(broker.call::<String>("f", ()).await.unwrap(), "second");
        a.close().await;
        assert_eq!(kind(broker.call::<String>("f", ()).await), ErrorKind::NotFound);
        b.eval::<()>("f=first").await.unwrap();
        assert_eq!(broker.call::<String>("f", ()).await.unwrap(), "first");
        assert_eq!(exports(&broker), ["f"]);
    })
    .await;
}

// C-005, C-183: data is exported by value, functions by reference; either may replace the other.
#[tokio::test(start_paused = true)]
async fn an_export_may_be_data_and_change() {
    inline(builder(&exposing()), async |broker| {
        let a = open(&broker, "a", "publish calls").await;
        let expose = async |value: Value| {
            a.call::<()>("publish", (Value::from("thing"), value)).await.unwrap();
        };
        expose(Value::list([1, 2])).await;
        assert_eq!(broker.export("thing").unwrap(), Value::list([1, 2]));
        assert_eq!(kind(broker.call::<Value>("thing", ()).await), ErrorKind::Type);
        a.eval::<()>("thing=first").await.unwrap();
        assert_eq!(broker.call::<String>("thing", ()).await.unwrap(), "first");
        expose(Value::Nil).await;
        assert_eq!(broker.export("thing").unwrap(), Value::Nil);
    })
    .await;
}

// C-183: a name is looked up when it is called, so what is exported later is found.
#[tokio::test(start_paused = true)]
async fn late_exports_are_found() {
    inline(builder(&exposing()), async |broker| {
        let a = open(&broker, "a", "calls").await;
        let call = || a.call::<String>("calls", ("late",));
        assert_eq!(kind(call().await), ErrorKind::NotFound);
        let b = open(&broker, "b", "late=first").await;
        assert_eq!(call().await.unwrap(), "first");
        b.eval::<()>("late=second").await.unwrap();
        assert_eq!(call().await.unwrap(), "second");
        b.close().await;
        assert_eq!(kind(call().await), ErrorKind::NotFound);
    })
    .await;
}

// What a thread remembers of names is right also of many, of long ones, and when they change.
#[tokio::test(start_paused = true)]
async fn many_names_are_called_for_what_they_stand_for_now() {
    inline(builder(&exposing()), async |broker| {
        let name = |number| format!("{}{number}", if number % 9 == 0 { LONG } else { "n" });
        let target = |number, round| if (number + round) % 2 == 0 { "first" } else { "second" };
        let export = |number, round| format!("{}={}", name(number), target(number, round));
        let a = open(&broker, "a", "calls").await;
        for round in 0..3 {
            let all: Vec<_> = (0..300).map(|number| export(number, round)).collect();
            a.eval::<()>(&all.join(" ")).await.unwrap();
            // The second time they are remembered.
            for number in (0..300).chain(0..300) {
                let answer = a.call::<String>(&name(number), ()).await;
                assert_eq!(answer.unwrap(), target(number, round));
            }
        }
    })
    .await;
}

/// Longer than what is remembered.
const LONG: &str = "a_name_that_is_longer_than_most_names_are";

// C-183: the parts of dotted names are namespaces as long as any name begins with them.
#[tokio::test(start_paused = true)]
async fn namespaces_come_and_go_with_their_names() {
    inline(builder(&exposing()).native("net.tcp.connect", || 1), async |broker| {
        let seer = open(&broker, "seer", "resolves").await;
        let sees =
            async |name: &str| seer.call::<Option<String>>("resolves", (name,)).await.unwrap();
        for name in ["net", "net.tcp"] {
            assert_eq!(sees(name).await.as_deref(), Some("namespace"));
        }
        assert_eq!(sees("net.tcp.connect").await.as_deref(), Some("native"));
        assert_eq!(sees("ne").await, None);
        assert_eq!(sees("tcp").await, None);

        let a = open(&broker, "a", "db.rows.get=first db.put=first").await;
        let b = open(&broker, "b", "db.rows.set=second").await;
        for name in ["db", "db.rows"] {
            assert_eq!(sees(name).await.as_deref(), Some("namespace"));
        }
        assert_eq!(sees("db.rows.get").await.as_deref(), Some("function"));
        // Replacing a name does not count it twice.
        a.eval::<()>("db.rows.get=second db.rows.get=first").await.unwrap();
        b.close().await;
        assert_eq!(sees("db.rows").await.as_deref(), Some("namespace"));
        a.close().await;
        for name in ["db", "db.rows", "db.put", "db.rows.get"] {
            assert_eq!(sees(name).await, None, "{name}");
        }
        assert_eq!(sees("net.tcp").await.as_deref(), Some("namespace"));
    })
    .await;
}

// C-084: only what every language can write is a name.
#[tokio::test(start_paused = true)]
async fn bad_names_are_refused() {
    let fake = exposing();
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "publish").await;
        let expose = async |name: &str| a.call::<()>("publish", (name, 1)).await;
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "1a",
            "a.1",
            "a b",
            "a-b",
            "a\0",
            "a\n",
            "a()",
            "\u{1F600}",
        ] {
            assert_eq!(kind(expose(bad).await), ErrorKind::Type, "{bad:?}");
        }
        for good in ["a", "_", "_1", "a1.b2.c_d", "A"] {
            expose(good).await.unwrap();
        }
        assert_eq!(exports(&broker), ["A", "_", "_1", "a", "a1.b2.c_d", "publish"]);
    })
    .await;
}

// C-141: natives are registered before there is a broker, and can neither double nor change.
#[test]
fn natives_are_fixed_and_their_names_are_checked() {
    let twice = Broker::builder().native("f", || 1).native("f", || 2).build();
    assert_eq!(kind(twice), ErrorKind::Denied);
    let builtin = Broker::builder().native("fs.read", || 1).build();
    assert_eq!(kind(builtin), ErrorKind::Denied);
    for bad in ["", "a b", "a.", "1"] {
        assert_eq!(kind(Broker::builder().native(bad, || 1).build()), ErrorKind::Type, "{bad:?}");
    }
    let hosted = Broker::builder().native_host("f", || 1).build();
    assert_eq!(kind(hosted), ErrorKind::Unsupported);
}

// C-141: exports appear and disappear on many workers while others look them up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_change_while_others_look_them_up() {
    let fake = exposing();
    let broker = threaded(builder(&fake), 2);
    let caller = open(&broker, "caller", "calls resolves").await;
    let stop = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (caller, stop) = (caller.clone(), stop.clone());
            tokio::spawn(async move {
                while stop.load(SeqCst) == 0 {
                    let result: Result<String> = caller.call("calls", ("x.y",)).await;
                    match result.map_err(|error: Error| error.kind()) {
                        Ok(text) => assert!(text == "first" || text == "second"),
                        Err(kind) => {
                            assert!(
                                matches!(kind, ErrorKind::NotFound | ErrorKind::Dead),
                                "{kind}"
                            );
                        }
                    }
                }
            })
        })
        .collect();
    for _ in 0..100 {
        let context = open(&broker, "a", "x.y=first x.y=second x.z=first").await;
        within(context.close()).await;
    }
    stop.store(1, SeqCst);
    within(join_all(readers)).await.into_iter().for_each(|reader| reader.unwrap());
    let left = within(caller.call::<Option<String>>("resolves", ("x",))).await.unwrap();
    assert_eq!(left, None, "the namespace is gone with its names");
}
