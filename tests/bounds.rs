//! What is bounded: what waits in mailboxes and on the way, handles, failures; and the end of what
//! computes where no signal comes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, ErrorKind, Function, Limits, Result, Value};
use futures::future::join_all;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::*;
use tokio::task::LocalSet;

const KIB: usize = 1024;

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

// C-104: the arguments that wait in a context, and not only their number, are bounded for callers from
// the host; small calls pass large ones that wait for room.
#[tokio::test(start_paused = true)]
async fn arguments_of_calls_from_the_host_need_room() {
    let gate = Gate::default();
    let fake = waiting_at(&gate);
    let limits = Limits::default().memory_bytes(64 * KIB).value_bytes(64 * KIB);
    inline(builder(&fake).limits(limits), async |broker| {
        let context = open(&broker, "a", "wait=wait").await;
        let mut first = context.call::<()>("wait", (text(40 * KIB),));
        start(&mut first).await;
        gate.arrived(1).await;
        let refused = context.try_call::<()>("wait", (text(40 * KIB),)).await;
        assert_eq!(kind(refused), ErrorKind::Busy);
        assert_eq!(kind(context.post("wait", (text(40 * KIB),))), ErrorKind::Busy);
        // In a list it counts as well, and a call that waits for room does not keep out one that
        // needs none.
        let waits = tokio::spawn(context.call::<()>("wait", (Value::list([text(40 * KIB)]),)));
        settle().await;
        assert_eq!(gate.arrivals(), 0);
        let mut small = context.call::<()>("wait", (text(KIB / 2),));
        start(&mut small).await;
        gate.arrived(1).await;
        gate.open(1);
        first.await.unwrap();
        gate.arrived(1).await;
        gate.open(2);
        waits.await.unwrap().unwrap();
        small.await.unwrap();
        // What is as large as all there is has room when nothing else waits.
        gate.open(1);
        context.call::<()>("wait", (text(63 * KIB),)).await.unwrap();
    })
    .await;
}

// C-104: what the scripts of a context have sent and wait for is bounded: they get `memory`.
#[tokio::test(start_paused = true)]
async fn arguments_of_calls_from_scripts_are_counted() {
    let gate = Gate::default();
    let fake = waiting_at(&gate)
        .on("send", |env, _| async move { env.call("wait", (text(40 * KIB),)).await });
    let limits = Limits::default().memory_bytes(64 * KIB).value_bytes(64 * KIB);
    inline(builder(&fake).limits(limits), async |broker| {
        let _waits = open(&broker, "waits", "wait=wait").await;
        let context = open(&broker, "sends", "send=send").await;
        let mut first = context.call::<()>("send", ());
        start(&mut first).await;
        gate.arrived(1).await;
        assert_eq!(kind(context.call::<()>("send", ()).await), ErrorKind::Memory);
        gate.open(1);
        first.await.unwrap();
        gate.open(1);
        context.call::<()>("send", ()).await.unwrap();
    })
    .await;
}

// A host that does not pump is told of the first failures, and how many more there were.
#[tokio::test(start_paused = true)]
async fn failures_do_not_fill_a_host_that_does_not_pump() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let fake = Fake::new().on("fail", |_, _| async { Err("no".into()) });
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .on_failure(move |failure| tell.lock().unwrap().push(failure.error))
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(async {
            let context = open(&broker, "a", "fail=fail").await;
            for _ in 0..1500 {
                context.post("fail", ()).unwrap();
            }
            settle().await;
            host.pump();
            let told = std::mem::take(&mut *told.lock().unwrap());
            let raised = told.iter().filter(|error| error.kind() == ErrorKind::Raised).count();
            assert_eq!((raised, told.len()), (1024, 1025));
            let more = told.iter().find(|error| error.kind() == ErrorKind::Busy).unwrap();
            assert!(more.message().starts_with("476 more"), "{more}");
        })
        .await;
}

/// Each language: its name, a loop without end as an export `spin`, and `pass(n)`, which lets `n`
/// fresh functions go out, to be kept.
const LANGUAGES: &[(&str, &str)] = &[
    #[cfg(feature = "lua")]
    (
        "lua",
        "expose('spin', function() while true do end end)
         expose('pass', function(n) for i = 1, n do keep(function() return i end) end return n end)",
    ),
    #[cfg(feature = "js")]
    (
        "js",
        "expose('spin', () => { for (;;); });
         expose('pass', n => { for (let i = 1; i <= n; i++) keep(() => i); return n; });",
    ),
];

// C-036: the functions of a context that others hold are bounded; released ones make room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_are_bounded() {
    let kept = Arc::new(Mutex::new(Vec::<Function>::new()));
    let keep = kept.clone();
    let broker = Broker::builder()
        .native("keep", move |function: Function| keep.lock().unwrap().push(function))
        .limits(Limits::default().handles(10))
        .build()
        .unwrap();
    for (language, source) in LANGUAGES {
        let context = broker.open(language).await.unwrap();
        within(context.eval::<()>(source)).await.unwrap();
        // Two are exported.
        assert_eq!(within(context.call::<i64>("pass", (8,))).await.unwrap(), 8);
        let error = within(context.call::<i64>("pass", (1,))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Memory, "{language}: {error}");
        assert_eq!(within(context.usage()).await.unwrap().handles, 10);
        kept.lock().unwrap().clear();
        assert_eq!(within(context.call::<i64>("pass", (8,))).await.unwrap(), 8, "{language}");
        kept.lock().unwrap().clear();
        within(context.close()).await;
    }
    broker.shutdown(TIMEOUT).await.unwrap();
}

/// Has `spin` of each language ended by its deadline while another context answers.
async fn ends_what_computes(broker: &Broker) {
    for (language, source) in LANGUAGES {
        let limits = Limits::default().deadline(Duration::from_millis(100));
        let context = broker.open(language).limits(limits).await.unwrap();
        within(context.eval::<()>(source)).await.unwrap();
        let neighbour = broker.open(language).await.unwrap();
        let answers = async {
            let mut answers = 0;
            while broker.stats().usage().calls > 1 || answers == 0 {
                let one: Result<i64> = neighbour.eval("1").await;
                answers += one.unwrap();
            }
            answers
        };
        let (ended, answers) =
            within(async { tokio::join!(context.call::<()>("spin", ()), answers) }).await;
        assert_eq!(kind(ended), ErrorKind::Timeout, "{language}");
        assert!(answers > 0, "{language}");
        let one = within(context.eval::<i64>("1")).await;
        assert_eq!(one.unwrap(), 1, "{language}: usable afterwards");
        within(context.close()).await;
    }
}

// S-048: without signals, and in inline mode, what computes is preempted and ended all the same.
#[tokio::test]
async fn what_computes_is_ended_without_signals() {
    let broker = Broker::builder().workers(1).signals(false).build().unwrap();
    ends_what_computes(&broker).await;
    broker.shutdown(TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn what_computes_is_ended_in_inline_mode() {
    let local = LocalSet::new();
    let broker = Broker::builder().signals(false).build_inline(&local).unwrap();
    local.run_until(ends_what_computes(&broker)).await;
}

// C-107: the end of a context passes a full mailbox, and what computes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_passes_a_full_mailbox() {
    for (language, source) in LANGUAGES {
        let broker = Broker::builder().workers(1).build().unwrap();
        let context = broker.open(language).await.unwrap();
        within(context.eval::<()>(source)).await.unwrap();
        let mut calls: Vec<_> = (0..5000).map(|_| context.call::<()>("spin", ())).collect();
        for call in &mut calls {
            start(call).await;
        }
        // The mailbox is full: callers wait for room.
        within(async {
            while broker.stats().usage().calls == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(kind(context.try_call::<()>("spin", ()).await), ErrorKind::Busy);
        let began = std::time::Instant::now();
        within(context.close()).await;
        println!("{language}: closed after {:?}", began.elapsed());
        for result in within(join_all(calls)).await {
            assert_eq!(kind(result), ErrorKind::Dead, "{language}");
        }
        broker.shutdown(TIMEOUT).await.unwrap();
    }
}
