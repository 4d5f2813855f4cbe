//! Calls between contexts of one worker: they run at once if the callee rests, and nobody can tell
//! but by the time that they take.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, ErrorKind, Limits, Value};
use js_support::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);

/// Numbers that scripts have told with `tell(n)`, in their order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<i64>>>);

impl Told {
    fn to(&self, builder: calog::Builder) -> calog::Builder {
        let told = self.0.clone();
        builder.native("tell", move |n: i64| told.lock().unwrap().push(n))
    }

    fn all(&self) -> Vec<i64> {
        self.0.lock().unwrap().clone()
    }
}

fn short() -> Limits {
    Limits::default().slice(MS)
}

/// How many turns the contexts of the only worker have had.
fn turns(broker: &Broker) -> u64 {
    broker.stats().totals().slices
}

/// Waits until no call is in flight, also none that nobody waits for.
async fn until_calls_are_over(broker: &Broker) {
    within(async {
        while broker.stats().usage().calls > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_of_a_neighbour_that_rests_costs_it_no_turn() {
    let broker = builder().build().unwrap();
    named(&broker, "b", 0, "expose('add', function(a, b) return a + b end)").await;
    let a = lua(
        &broker,
        "expose('sum', function(n) local s = 0
        for i = 1, n do s = add(s, i) end return s end)",
    )
    .await;
    let before = turns(&broker);
    assert_eq!(within(a.call::<i64>("sum", (1000,))).await.unwrap(), 500_500);
    // A turn now and then, when the slice is over.
    assert!(turns(&broker) - before < 500, "each call took a turn");
}

/// `f(n)`, which tells `n`, in every language.
const TELLING: [(&str, &str); 3] = [
    ("lua", "expose('f', function(n) tell(n) end)"),
    ("js", "expose('f', n => tell(n)); null"),
    #[cfg(feature = "basic")]
    ("basic", "def f(n)\n tell(n)\nenddef\nexpose(\"f\", f)"),
];

/// Runs `source`, which exports `many`: it calls `f` with the numbers below its argument.
async fn calls_arrive_in_order(source: &str) {
    const CALLS: i64 = 4000;
    for ((language, f), worker) in TELLING.iter().flat_map(|one| [(one, 0), (one, 1)]) {
        let told = Told::default();
        let broker = told.to(builder().limits(short()).workers(2)).build().unwrap();
        let b = broker.open(language).worker(worker).await.unwrap();
        within(b.eval::<Value>(f)).await.unwrap();
        let a = js(&broker, source).await;
        within(a.call::<()>("many", (CALLS,))).await.unwrap();
        let wanted: Vec<_> = (0..CALLS).collect();
        let told = told.all();
        let wrong = wanted.iter().zip(&told).find(|(wanted, told)| wanted != told);
        assert_eq!((told.len(), wrong), (wanted.len(), None), "{language} on worker {worker}");
    }
}

#[tokio::test]
async fn calls_of_one_caller_begin_in_their_order() {
    calls_arrive_in_order(
        "expose('many', async n => {
           const all = []; for (let i = 0; i < n; i++) all.push(f.async(i)); await Promise.all(all);
         })",
    )
    .await;
}

#[tokio::test]
async fn a_promise_and_a_plain_call_begin_in_their_order() {
    calls_arrive_in_order(
        "expose('many', async n => {
           const all = []; for (let i = 0; i < n; i += 2) { all.push(f.async(i)); f(i + 1); }
           await Promise.all(all);
         })",
    )
    .await;
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_begin_in_their_order() {
    let told = Told::default();
    let stop = Arc::new(AtomicBool::new(false));
    let (goes_on, begun) = (stop.clone(), Gate::default());
    let begins = begun.clone();
    let builder = told.to(builder()).native("stopped", move || goes_on.load(SeqCst));
    let broker = builder.native("begins", move || begins.announce()).build().unwrap();
    let b = named(
        &broker,
        "b",
        0,
        "expose('f', function(n) tell(n) end)
        expose('hold', function() begins() while not stopped() do end end)",
    )
    .await;
    let a = js(
        &broker,
        "expose('two', async () => { const all = [f.async(1), f.async(2), f.async(3)];
        begins(); await Promise.all(all); })",
    )
    .await;
    let holds = tokio::spawn(b.call::<()>("hold", ()));
    begun.arrived(1).await;
    let two = tokio::spawn(a.call::<()>("two", ()));
    begun.arrived(1).await;
    // A turn of `b` more, in which it takes over what waits.
    let before = turns(&broker);
    within(async {
        while turns(&broker) < before + 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.store(true, SeqCst);
    within(holds).await.unwrap().unwrap();
    within(two).await.unwrap().unwrap();
    assert_eq!(told.all(), [1, 2, 3]);
}

/// A loop of calls must not keep the worker from its timers.
async fn timers_go_on_beside_a_loop(broker: &Broker, stop: &AtomicBool) {
    named(broker, "b", 0, "expose('f', function() return 1 end)").await;
    let a = lua(
        broker,
        "expose('loop', function() local n = 0
        while not stopped() do n = n + f() end return n end)",
    )
    .await;
    let c =
        named(broker, "c", 0, "expose('naps', function() for i = 1, 20 do nap(1000, i) end end)")
            .await;
    let looping = tokio::task::spawn_local(a.call::<i64>("loop", ()));
    let begin = Instant::now();
    within(c.call::<()>("naps", ())).await.unwrap();
    let took = begin.elapsed();
    stop.store(true, SeqCst);
    let n = within(looping).await.unwrap().unwrap();
    assert!(n > 0);
    assert!(took < LATE, "20 naps took {took:?}");
}

#[tokio::test]
async fn a_loop_of_calls_lets_timers_run() {
    for signals in [true, false] {
        let stop = Arc::new(AtomicBool::new(false));
        let goes_on = stop.clone();
        let builder = builder().signals(signals).native("stopped", move || goes_on.load(SeqCst));
        let broker = builder.build().unwrap();
        tokio::task::LocalSet::new().run_until(timers_go_on_beside_a_loop(&broker, &stop)).await;
    }
}

#[tokio::test]
async fn a_loop_of_calls_lets_timers_run_in_inline_mode() {
    let stop = Arc::new(AtomicBool::new(false));
    let goes_on = stop.clone();
    let builder = builder().native("stopped", move || goes_on.load(SeqCst));
    inline(builder, async |broker| timers_go_on_beside_a_loop(&broker, &stop).await).await;
}

/// A chain of contexts each of which computes for a while when its callee has ended.
#[tokio::test]
async fn a_chain_of_calls_that_compute_takes_many_turns() {
    const DEEP: i64 = 20;
    let (told, gate) = (Told::default(), Gate::default());
    let (opens, passes) = (gate.clone(), gate.clone());
    let builder = told
        .to(builder())
        .native("go_on", move || opens.open(1))
        .native_async("gate", move || passes.pass())
        .native("burn", |us: u64| {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(us) {}
        });
    let broker = builder.build().unwrap();
    for i in 0..DEEP {
        named(
            &broker,
            &format!("c{i}"),
            0,
            &format!(
            "expose('c{i}.f', function() if {i} + 1 < {DEEP} then call('c{}.f') else go_on() end
             burn(6000) tell({i}) end)", i + 1),
        )
        .await;
    }
    let other = named(&broker, "other", 0, "expose('other', function() gate() tell(-1) end)").await;
    let other = tokio::spawn(other.call::<()>("other", ()));
    gate.arrived(1).await;
    within(broker.call::<()>("c0.f", ())).await.unwrap();
    within(other).await.unwrap().unwrap();
    let told = told.all();
    let at = told.iter().position(|n| *n == -1).unwrap();
    assert!(at < 8, "the neighbour had its turn after {at} of {DEEP} slices");
}

/// Contexts of both languages that call each other by number.
async fn chain(broker: &Broker, deep: usize) {
    for i in 0..deep {
        let next = i + 1;
        match i % 2 {
            0 => {
                named(
                    broker,
                    &format!("c{i}"),
                    0,
                    &format!(
                        "expose('c{i}.f', function()
                return {next} < {deep} and 1 + call('c{next}.f') or 1 end)"
                    ),
                )
                .await
            }
            _ => {
                js_named(
                    broker,
                    &format!("c{i}"),
                    0,
                    &format!(
                        "expose('c{i}.f', () =>
                {next} < {deep} ? 1 + call('c{next}.f') : 1)"
                    ),
                )
                .await
            }
        };
    }
}

#[tokio::test]
async fn calls_nest_as_deep_as_they_may_and_no_deeper() {
    let limits = Limits::default().slice(TIMEOUT).depth(40);
    let broker = builder().limits(limits).build().unwrap();
    chain(&broker, 42).await;
    let before = turns(&broker);
    assert_eq!(within(broker.call::<i64>("c1.f", ())).await.unwrap(), 41);
    assert!(turns(&broker) - before < 10, "they did not go the short way");
    assert_eq!(kind(within(broker.call::<i64>("c0.f", ())).await), ErrorKind::Depth);
    assert_eq!(within(broker.call::<i64>("c1.f", ())).await.unwrap(), 41);
    until_calls_are_over(&broker).await;
}

#[tokio::test]
async fn a_neighbour_that_waits_calls_back_and_is_called_again() {
    let broker = builder().build().unwrap();
    let a = lua(
        &broker,
        "n = 0 expose('a.back', function(d) n = n + 1
          if d == 0 then return later(0) end return 1 + call('b.f', d - 1) end)
        expose('a.begin', function(d) return call('b.f', d) end)
        expose('a.n', function() return n end)",
    )
    .await;
    js_named(
        &broker,
        "b",
        0,
        "expose('b.f', d => 1 + call('c.f', d)); expose('b.g', x => later(x))",
    )
    .await;
    named(
        &broker,
        "c",
        0,
        "expose('c.f', function(d) local x = call('b.g', 1)
        return x + call('a.back', d) end)",
    )
    .await;
    assert_eq!(within(a.call::<i64>("a.begin", (5,))).await.unwrap(), 17);
    assert_eq!(a.call::<i64>("a.n", ()).await.unwrap(), 6);
    until_calls_are_over(&broker).await;
}

#[tokio::test]
async fn a_callee_that_is_preempted_keeps_its_turn() {
    let broker = builder().limits(short()).build().unwrap();
    let b = named(
        &broker,
        "b",
        0,
        "n, inside = 0, 0
        local function one() local x = 0 for i = 1, 300 do x = x + i end return x / 45150 end
        expose('add', function(k) inside = inside + 1 assert(inside == 1)
          for i = 1, k do n = n + one() end inside = inside - 1 end)",
    )
    .await;
    let mut calls = Vec::new();
    for i in 0..4 {
        let a = js_named(
            &broker,
            &format!("js{i}"),
            0,
            &format!(
                "expose('js{i}.f', async () => {{
            const all = []; for (let i = 0; i < 20; i++) {{ all.push(add.async(200)); add(100); }}
            await Promise.all(all); }})"
            ),
        )
        .await;
        calls.push(tokio::spawn(a.call::<()>(&format!("js{i}.f"), ())));
        let a = named(
            &broker,
            &format!("lua{i}"),
            0,
            &format!(
                "expose('lua{i}.f', function()
            for i = 1, 40 do add(100) end end)"
            ),
        )
        .await;
        calls.push(tokio::spawn(a.call::<()>(&format!("lua{i}.f"), ())));
    }
    for call in calls {
        within(call).await.unwrap().unwrap();
    }
    assert_eq!(b.eval::<f64>("return n").await.unwrap(), f64::from(4 * 20 * 300 + 4 * 40 * 100));
    assert!(broker.stats().totals().preemptions > 0);
}

#[tokio::test]
async fn deadlines_hold_for_calls_that_ran_at_once() {
    let broker = builder().build().unwrap();
    const B: &str = "expose('spin', function() while true do end end)
        expose('wait', function() never() end)
        expose('calm', function() return 7 end)";
    let limited = Limits::default().deadline(Duration::from_millis(50));
    let b = broker.open("lua").name("b").worker(0).limits(limited).await.unwrap();
    b.eval::<()>(B).await.unwrap();
    let a = lua(
        &broker,
        "expose('kind', function(name)
          local good, problem = pcall(call, name) return problem.kind end)
        expose('plain', function(name) return call(name) end)",
    )
    .await;
    for name in ["spin", "wait"] {
        assert_eq!(within(a.call::<String>("kind", (name,))).await.unwrap(), "timeout");
        assert_eq!(within(a.call::<i64>("plain", ("calm",))).await.unwrap(), 7);
    }
    b.close().await;
    named(&broker, "b", 0, B).await;
    for name in ["spin", "wait"] {
        let call = a.call::<()>("plain", (name,)).deadline(Duration::from_millis(50));
        assert_eq!(kind(within(call).await), ErrorKind::Timeout);
        // What hung below it ends too, and leaves nothing.
        until_calls_are_over(&broker).await;
        assert_eq!(within(a.call::<i64>("plain", ("calm",))).await.unwrap(), 7);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_what_it_called() {
    let gate = Gate::default();
    let passes = gate.clone();
    let told = Told::default();
    let broker = told.to(builder()).native_async("gate", move || passes.pass()).build().unwrap();
    named(
        &broker,
        "b",
        0,
        "expose('wait', function()
        local x <close> = setmetatable({}, { __close = function() tell(1) end }) gate() end)
        expose('calm', function() tell(3) end)",
    )
    .await;
    let a = lua(&broker, "expose('f', function()
        local x <close> = setmetatable({}, { __close = function() tell(2)
          local good, problem = pcall(calm) assert(not good) tell(problem.kind == 'cancelled' and 4 or 5)
        end }) wait() end)").await;
    let call = tokio::spawn(a.call::<()>("f", ()));
    gate.arrived(1).await;
    call.abort();
    until_calls_are_over(&broker).await;
    let mut told = told.all();
    told.sort_unstable();
    assert_eq!(told, [1, 2, 4]);
}

#[tokio::test]
async fn what_waits_at_the_end_of_its_context_is_dead() {
    let gate = Gate::default();
    let passes = gate.clone();
    let broker = builder().native_async("gate", move || passes.pass()).build().unwrap();
    let b = named(&broker, "b", 0, "expose('wait', function() gate() end)").await;
    let a = lua(&broker, "expose('f', function() wait() end)").await;
    let call = tokio::spawn(a.call::<()>("f", ()));
    gate.arrived(1).await;
    within(b.close()).await;
    assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Dead);
    named(&broker, "b", 0, "expose('wait', function() gate() end)").await;
    let call = tokio::spawn(a.call::<()>("f", ()));
    gate.arrived(1).await;
    within(broker.shutdown(TIMEOUT)).await.unwrap();
    assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);
}

#[tokio::test]
async fn a_callee_closes_itself_while_it_runs() {
    let closing: Arc<Mutex<Option<calog::Context>>> = Arc::default();
    let taken = closing.clone();
    let broker = builder().native("close", move || {
        let context = taken.lock().unwrap().take().unwrap();
        tokio::task::spawn_local(async move { context.close().await });
    });
    let broker = broker.build().unwrap();
    let source = "expose('end_it', function() close() return 1 end)
        expose('end_it_and_wait', function() close() later(1) never() end)";
    for (name, ends) in [("end_it", true), ("end_it_and_wait", false)] {
        let b = named(&broker, "b", 0, source).await;
        let a = named(&broker, "a", 0, "expose('f', function(name) return call(name) end)").await;
        *closing.lock().unwrap() = Some(b.clone());
        let result = within(a.call::<i64>("f", (name,))).await;
        match ends {
            true => assert_eq!(result.unwrap(), 1),
            false => assert_eq!(kind(result), ErrorKind::Dead),
        }
        within(b.close()).await;
        within(a.close()).await;
    }
}

#[tokio::test]
async fn a_callee_in_javascript_runs_its_jobs_though_nothing_else_wakes_it() {
    let gate = Gate::default();
    let opens = gate.clone();
    let broker = builder().native("note", move || opens.announce()).build().unwrap();
    js_named(&broker, "b", 0, "expose('g', () => {
        Promise.resolve().then(() => null).then(() => { note(); setTimeout(note, 1); }); return 1; });
        expose('h', async () => { await null; return 2; })").await;
    let a = lua(&broker, "expose('f', function() return g() + h() end)").await;
    assert_eq!(within(a.call::<i64>("f", ())).await.unwrap(), 3);
    gate.arrived(2).await;
    assert_eq!(within(a.call::<i64>("f", ())).await.unwrap(), 3);
    gate.arrived(2).await;
}

#[tokio::test]
async fn failures_tell_the_same_as_across_workers() {
    let mut seen = Vec::new();
    for other in [0, 1] {
        let broker = builder().workers(2).build().unwrap();
        named(
            &broker,
            "c",
            other,
            "expose('c.f', function() error('bad') end)
            expose('c.boom', function() boom() end)",
        )
        .await;
        js_named(
            &broker,
            "b",
            0,
            "function inner(n) { return call(n); }
            expose('b.f', n => inner(n))",
        )
        .await;
        let a = lua(&broker, "expose('f', function(n) return call('b.f', n) end)").await;
        for name in ["c.f", "c.boom", "nothing"] {
            let error = within(a.call::<()>("f", (name,))).await.unwrap_err();
            seen.push(format!("{other} {error:?}")[2..].to_string());
        }
    }
    let (one, two) = seen.split_at(3);
    assert_eq!(one, two);
}

#[tokio::test]
async fn a_worker_that_is_dropped_in_the_middle_drops_what_was_handed_over() {
    let (gate, drops) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let mut brokers = Vec::new();
    let local = tokio::task::LocalSet::new();
    for _ in 0..2 {
        let (passes, counts) = (gate.clone(), drops.clone());
        let builder = builder().native_async("gate", move || {
            let (pass, counts) = (passes.pass(), Counts(counts.clone()));
            async move {
                let _counts = counts;
                pass.await;
            }
        });
        brokers.push(builder.build_inline(&local).unwrap());
    }
    let mut calls = Vec::new();
    local
        .run_until(async {
            for broker in &brokers {
                js_named(broker, "b", 0, "expose('wait', () => gate())").await;
                let a = lua(broker, "expose('f', function() wait() end)").await;
                calls.push(Box::pin(a.call::<()>("f", ())));
            }
            for call in &mut calls {
                start(call).await;
            }
            gate.arrived(2).await;
        })
        .await;
    assert_eq!(drops.load(SeqCst), 0);
    drop(local);
    assert_eq!(drops.load(SeqCst), 2);
    for call in calls {
        assert!(within(call).await.is_err());
    }
}
