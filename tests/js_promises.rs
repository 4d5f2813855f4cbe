//! What JavaScript does by itself: timers, microtasks, promises that nobody awaits, rejections that
//! nobody handles.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Context, ErrorKind, Limits, Value};
use js_support::*;
use std::time::Duration;
use tokio::time::Instant;

/// A broker under paused time whose `at()` is the time since its begin in milliseconds.
async fn timed<T>(log: &Log, test: impl AsyncFnOnce(Broker) -> T) -> T {
    let start = Instant::now();
    let builder = log.of(builder()).native("at", move || {
        let at = start.elapsed() + Duration::from_micros(500);
        i64::try_from(at.as_millis()).unwrap()
    });
    inline(builder, test).await
}

/// Lets `millis` of paused time pass.
async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

// Timers fire in the order of their times, those of one time in the order of their setting.
#[tokio::test(start_paused = true)]
async fn timers_fire_in_order_with_their_arguments() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "const log = (...args) => print(at(), ...args);
                      setTimeout(log, 30, 'c', 3); setTimeout(log, 10, 'a', 1); setTimeout(log,
                        20, 'b', { x: 2 });
                      setTimeout(log, 10, 'a again'); setTimeout(log); setTimeout(log, -5,
                        'negative');
                      setTimeout(log, NaN, 'nan'); setTimeout(log, '15', 'text'); setTimeout(log,
                        12.4, 'real');
                      setTimeout(function () { log(this === undefined || this === globalThis,
                        arguments.length); }, 40);
                      setTimeout(() => setTimeout(log, 10, 'nested'), 40);
                      log('begun')";
        let _context = js(&broker, source).await;
        broker.settled().await;
        let mut lines = log.take();
        assert_eq!(lines.remove(0), "0 begun");
        // Those without a delay are due at once, in this order.
        assert_eq!(lines[0], "0");
        assert_eq!(lines[1..3], ["0 negative", "0 nan"]);
        assert_eq!(lines[3..5], ["10 a 1", "10 a again"]);
        assert!(["12 real", "13 real"].contains(&&*lines[5]), "{lines:?}");
        assert_eq!(lines[6..], ["15 text", "20 b { x: 2 }", "30 c 3", "40 true 0", "50 nested"]);
    })
    .await;
}

// What was cleared never fires; clearing something else does nothing.
#[tokio::test(start_paused = true)]
async fn timers_can_be_cleared() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "const log = (...args) => print(at(), ...args);
                      const ids = [1, 2, 3].map(n => setTimeout(log, n * 10, 'timer', n));
                      clearTimeout(ids[1]); clearInterval(ids[2]);
                      clearTimeout(); clearTimeout(null); clearTimeout('x'); clearTimeout({});
                        clearTimeout(1e9);
                      clearTimeout(Symbol.iterator === 1); clearTimeout(ids[1]);
                        clearTimeout(String(-1));
                      print(new Set(ids).size, ids.every(id => typeof id === 'number' && id > 0));
                      let n = 0;
                      const every = setInterval(() => { log('tick', ++n);
                        if (n === 3) clearInterval(every); }, 100);
                      setTimeout(() => { clearTimeout(later_id); log('cleared'); }, 500);
                      const later_id = setTimeout(log, 501, 'never');
                      // One that is due at the same time as the one that clears it.
                      setTimeout(() => clearTimeout(twin), 600); const twin = setTimeout(log, 600,
                        'never');";
        let context = js(&broker, source).await;
        broker.settled().await;
        let lines = log.take();
        let wanted =
            ["3 true", "10 timer 1", "100 tick 1", "200 tick 2", "300 tick 3", "500 cleared"];
        assert_eq!(lines, wanted);
        at_rest(&context).await;
    })
    .await;
}

// An interval keeps its rhythm, whatever its callback takes; beats that were missed are left out.
#[tokio::test(start_paused = true)]
async fn an_interval_does_not_drift() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "let n = 0;
                      const every = setInterval(text => {
                        print(at(), text);
                        nap([3000, 0, 25000, 0, 0][n]);
                        if (++n === 5) clearInterval(every);
                      }, 10, 'beat');";
        let _context = js(&broker, source).await;
        broker.settled().await;
        // The third takes 25 ms: the beats at 40 and 50 are missed, that at 60 is not late.
        assert_eq!(log.take(), ["10 beat", "20 beat", "30 beat", "60 beat", "70 beat"]);
        let source = "let m = 0; const fast = setInterval(() => {
          if (++m === 1000) clearInterval(fast); }, 7)";
        let start = Instant::now();
        let _other = js(&broker, source).await;
        broker.settled().await;
        let took = start.elapsed().as_millis();
        assert!((7000..7003).contains(&took), "{took}");
    })
    .await;
}

// A timer may wait, in both forms, while others fire; and a plain wait of a call holds none up.
#[tokio::test(start_paused = true)]
async fn timers_may_wait_and_fire_while_calls_wait() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "setTimeout(() => print('waited', nap(50000, 'long'), at()), 10);
                      setTimeout(async () => print('awaited', await nap.async(5000, 'short'),
                        at()), 10);
                      setTimeout(() => print('short', at()), 20);
                      expose('slow', () => { const v = nap(100000, 'call'); print(v, at());
                        return v; })";
        let context = js(&broker, source).await;
        assert_eq!(context.call::<String>("slow", ()).await.unwrap(), "call");
        broker.settled().await;
        // What waits on top of what waits ends first.
        assert_eq!(log.take(), ["awaited short 15", "short 20", "waited long 60", "call 100"]);
        at_rest(&context).await;
    })
    .await;
}

// C-147: what a timer throws reaches the handler of failures, with its trace, and ends no other.
#[tokio::test(start_paused = true)]
async fn errors_in_timers_reach_the_handler() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "setTimeout(() => { throw new Error('timer'); }, 10);
                      setTimeout(() => { throw 'text'; }, 20);
                      setTimeout(() => fail('busy', 'native'), 30);
                      setTimeout(() => { fail_later('denied', 'later'); }, 40);
                      setTimeout(async () => { throw new Error('async'); }, 50);
                      setTimeout(() => { null.x; }, 60);
                      const every = setInterval(() => { if (at() > 95) clearInterval(every);
                        throw new Error('beat'); }, 48);
                      setTimeout(() => print('still here'), 200);";
        let context = js(&broker, source).await;
        broker.settled().await;
        let wanted = [
            "failure: raised: timer",
            "failure: raised: text",
            "failure: busy: native",
            "failure: denied: later",
            "failure: raised: beat",
            "failure: raised: async",
            "failure: raised: cannot read property 'x' of null",
            "failure: raised: beat",
            "still here",
        ];
        let mut lines = log.take();
        lines.sort();
        let mut wanted = wanted.map(str::to_string);
        wanted.sort();
        assert_eq!(lines, wanted);
        for bad in ["setTimeout()", "setTimeout('print(1)', 1)", "setInterval({}, 1)"] {
            let error = context.eval::<Value>(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Type, "of {bad}: {error:?}");
        }
        for bad in ["queueMicrotask(5)", "setTimeout(() => 1, 5n)"] {
            let source = format!("try {{ {bad} }} catch (e) {{ e instanceof TypeError }}");
            assert!(eval::<bool>(&context, &source).await, "of {bad}");
        }
        at_rest(&context).await;
    })
    .await;
}

// A timer outlives its call, but not one that was cut off, nor its context.
#[tokio::test(start_paused = true)]
async fn timers_belong_to_their_call_and_context() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "expose('sets', text => { setTimeout(print, 100, text); })
                      expose('beats', text => { setInterval(print, 100, text); })
                      expose('sets_and_waits', text => { setTimeout(print, 100, text); never(); })
                      expose('sets_and_awaits', async text => { setTimeout(print, 100, text);
                        await never.async(); })";
        let context = js(&broker, source).await;
        context.call::<()>("sets", ("outlives",)).await.unwrap();
        for name in ["sets_and_waits", "sets_and_awaits"] {
            let mut call = context.call::<()>(name, ("cut off",));
            start(&mut call).await;
            pass(50).await;
            drop(call);
            pass(1000).await;
            at_rest(&context).await;
        }
        assert_eq!(log.take(), ["outlives"]);
        context.call::<()>("beats", ("beat",)).await.unwrap();
        pass(250).await;
        assert_eq!(context.usage().await.unwrap().tasks, 1);
        context.close().await;
        pass(1000).await;
        assert_eq!(log.take(), ["beat", "beat"]);
        broker.settled().await;
    })
    .await;
}

// A timer's callback has the context's deadline for itself.
#[tokio::test(start_paused = true)]
async fn a_timer_that_takes_too_long_is_ended() {
    let log = Log::default();
    timed(&log, async |broker| {
        let limits = Limits::default().deadline(Duration::from_secs(1));
        let context = broker.open("js").limits(limits).await.unwrap();
        let source =
            "setTimeout(() => { try { never(); } finally { print('finally', at()); } }, 3000);
                      setTimeout(() => print('other', at()), 3500); null";
        eval::<()>(&context, source).await;
        broker.settled().await;
        let late = "failure: timeout: the call took longer than it may";
        assert_eq!(log.take(), ["other 3500", "finally 4000", late]);
    })
    .await;
}

// Microtasks run before anything else, in order, those of promises among them.
#[tokio::test(start_paused = true)]
async fn microtasks_run_in_order_before_timers() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "setTimeout(() => { print('timer');
          Promise.resolve().then(() => print('job of the timer')); });
                      setTimeout(() => print('next timer'));
                      Promise.resolve().then(() => { print('then 1');
                        queueMicrotask(() => print('micro of then')); });
                      queueMicrotask(() => print('micro 1'));
                      Promise.resolve().then(() => print('then 2'));
                      queueMicrotask((...args) => { print('micro 2', args.length);
                        throw new Error('micro'); });
                      (async () => { print('async'); await null; print('awaited'); })();
                      print('sync')";
        let context = js(&broker, source).await;
        broker.settled().await;
        let wanted = [
            "async",
            "sync",
            "then 1",
            "micro 1",
            "then 2",
            "micro 2 0",
            "failure: raised: micro",
            "awaited",
            "micro of then",
            "timer",
            "job of the timer",
            "next timer",
        ];
        assert_eq!(log.take(), wanted);
        // A microtask may wait as everything may.
        let got: String =
            eval(&context, "await new Promise(f => queueMicrotask(() => f(later('w'))))").await;
        assert_eq!(got, "w");
    })
    .await;
}

/// What a script does with promises, and which failures are told.
const REJECTIONS: &[(&str, &[&str])] = &[
    // Nobody handles these.
    ("Promise.reject(new Error('a')); null", &["raised: a"]),
    ("Promise.reject('text'); null", &["raised: text"]),
    ("(async () => { throw new TypeError('b'); })(); null", &["raised: b"]),
    ("(async () => { await later.async(1); throw new Error('c'); })(); null", &["raised: c"]),
    ("(async () => { later(1); throw new Error('d'); })(); null", &["raised: d"]),
    ("fail_later.async('busy', 'e'); null", &["busy: e"]),
    ("fail.async('denied', 'f'); null", &["denied: f"]),
    ("id.async(1, 2); null", &["arity: expected 1 argument, got 2"]),
    ("Promise.resolve(1).then(() => { throw new Error('g'); }); null", &["raised: g"]),
    ("new Promise(() => { throw new Error('h'); }); null", &["raised: h"]),
    ("Promise.reject(new Error('i')).finally(() => 1); null", &["raised: i"]),
    ("Promise.reject(new Error('j')).then(() => 1); null", &["raised: j"]),
    ("Promise.reject(1).catch(() => { throw new Error('k'); }); null", &["raised: k"]),
    ("Promise.all([fail_later.async('io', 'l'), later.async('m')]); null", &["io: l"]),
    (
        "Promise.reject(1); Promise.reject(2); Promise.reject(); null",
        &["raised: 1", "raised: 2", "raised: undefined"],
    ),
    (
        "const p = Promise.reject(new Error('n')); p.then(); p.finally(); null",
        &["raised: n", "raised: n"],
    ),
    // A rejection that is handled later than its jobs is told, as browsers do.
    (
        "const q = Promise.reject(new Error('o')); setTimeout(() => q.catch(() => 1), 5); null",
        &["raised: o"],
    ),
    // These are handled.
    ("Promise.reject(1).catch(() => 1); null", &[]),
    ("(async () => { try { await Promise.reject(1); } catch { } })(); null", &[]),
    ("const r = Promise.reject(1); r.catch(() => 1); null", &[]),
    ("const s = Promise.reject(1); queueMicrotask(() => s.catch(() => 1)); null", &[]),
    (
        "const t = Promise.reject(1); (async () => { await null; await null;
          await t.catch(() => 1); })(); null",
        &[],
    ),
    ("Promise.allSettled([Promise.reject(1)]); null", &[]),
    ("Promise.race([1, Promise.reject(2)]); null", &[]),
    ("Promise.any([1, Promise.reject(2)]); null", &[]),
    ("Promise.all([Promise.reject(1), Promise.reject(2)]).catch(() => 1); null", &[]),
    ("const u = fail_later.async('busy', 'm'); later(1); u.catch(() => 1); null", &[]),
    ("await fail_later.async('busy', 'm').catch(() => 1); null", &[]),
    (
        "const { promise, reject } = Promise.withResolvers(); promise.catch(() => 1); reject(1);
          null",
        &[],
    ),
];

// C-147: a rejection that nobody handles is told, once.
#[tokio::test(start_paused = true)]
async fn a_rejection_that_nobody_handles_is_told_once() {
    for (source, wanted) in REJECTIONS {
        let log = Log::default();
        timed(&log, async |broker| {
            let context = broker.open("js").await.unwrap();
            eval::<()>(&context, source).await;
            broker.settled().await;
            settle().await;
            let wanted: Vec<_> = wanted.iter().map(|text| format!("failure: {text}")).collect();
            assert_eq!(log.take(), wanted, "of {source}");
            assert_eq!(eval::<i64>(&context, "1 + 1").await, 2);
        })
        .await;
    }
}

// What somebody outside hears of is not told again.
#[tokio::test(start_paused = true)]
async fn a_rejection_that_is_somebodys_answer_is_not_told() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "expose('refuses', async () => { throw new Error('no'); })
                      expose('refuses_later', async () => { await later.async(1);
                        throw new Error('no'); })
                      expose('rejected', () => Promise.reject(new Error('no')))";
        let context = js(&broker, source).await;
        let lua = lua(
            &broker,
            "expose('caught', function(f) return select(2,
          pcall(f)).message end)",
        )
        .await;
        for name in ["refuses", "refuses_later", "rejected"] {
            let error = context.call::<Value>(name, ()).await.unwrap_err();
            assert_eq!(error.message(), "no", "of {name}");
            let source = format!("return select(2, pcall({name})).message");
            assert_eq!(lua.eval::<String>(&source).await.unwrap(), "no");
            let source = format!("await {name}.async().catch(e => e.message)");
            assert_eq!(eval::<String>(&context, &source).await, "no");
            assert_eq!(
                context.eval::<()>(&format!("await {name}()")).await.unwrap_err().message(),
                "no"
            );
        }
        assert_eq!(context.eval::<()>("await Promise.reject(1)").await.unwrap_err().message(), "1");
        broker.settled().await;
        assert_eq!(log.take(), Vec::<String>::new());
        // A call that nobody waits for is told once, by the same handler.
        context.post("refuses_later", ()).unwrap();
        settle().await;
        assert_eq!(log.take(), ["failure: raised: no"]);
    })
    .await;
}

// A promise that nobody awaits goes on after its call, and `settled` waits for it.
#[tokio::test(start_paused = true)]
async fn what_a_call_leaves_goes_on_without_it() {
    let log = Log::default();
    timed(&log, async |broker| {
        let source = "expose('leaves', () => {
                        (async () => { for (let i = 0; i < 3; i++) print('step', i,
                          await nap.async(1000, i)); })();
                        return 'left';
                      })";
        let context = js(&broker, source).await;
        assert_eq!(context.call::<String>("leaves", ()).await.unwrap(), "left");
        assert_eq!(log.take(), Vec::<String>::new());
        assert_eq!(context.usage().await.unwrap().tasks, 1);
        broker.settled().await;
        assert_eq!(log.take(), ["step 0 0", "step 1 1", "step 2 2"]);
        at_rest(&context).await;
        // A closed context has nothing left to do, whatever it had begun.
        context.call::<String>("leaves", ()).await.unwrap();
        context.close().await;
        broker.settled().await;
        pass(100).await;
        assert_eq!(log.take(), Vec::<String>::new());
    })
    .await;
}

/// Runs `n` contexts, each of which sets timers, and returns what they print.
async fn chatter(broker: &Broker, count: usize) -> Vec<Context> {
    let mut contexts = Vec::new();
    for n in 0..count {
        let source = format!(
            "let left = 20;
             const every = setInterval(() => {{ if (!--left) clearInterval(every); }}, {});
             for (let i = 0; i < 20; i++) setTimeout(async () => {{ await later.async(i);
               later(i); print('t'); }}, i % 7);",
            1 + n % 3
        );
        contexts.push(js_named(broker, "chatter", n % 2, &source).await);
    }
    contexts
}

// C-110: many timers of many contexts on two workers: each fires once.
#[tokio::test]
async fn many_timers_on_two_workers_all_fire() {
    let log = Log::default();
    let broker = log.of(builder()).workers(2).build().unwrap();
    let contexts = chatter(&broker, 20).await;
    within(broker.settled()).await;
    assert_eq!(log.take(), vec!["t"; 400]);
    for context in contexts {
        at_rest(&context).await;
    }
}
