//! The sides that calog is on.

use super::{
    Side,
    callers::{self, Ask},
    current_thread, once,
    scripts::{self, BATCH},
    yields,
};
use calog::{Broker, Builder, Context, FromValue, Function, IntoValue, Serde};
use serde::Serialize;
use std::{
    rc::Rc,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Runtime,
    task::{JoinSet, LocalSet},
};

/// Where contexts live.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the caller's own `LocalSet`.
    Inline,
    /// On so many workers.
    Workers(usize),
    /// On as many as the default has.
    Default,
}

/// A broker with the natives of all benches, and the thread that asks it.
pub struct Ours {
    runtime: Runtime,
    local: LocalSet,
    pub broker: Broker,
    /// When a script said `lap()`.
    laps: Arc<Mutex<Vec<Instant>>>,
}

impl Ours {
    pub fn new(place: Place) -> Rc<Self> {
        Self::with(place, |builder| builder)
    }

    pub fn with(place: Place, change: impl FnOnce(Builder) -> Builder) -> Rc<Self> {
        let (runtime, local) = (current_thread(), LocalSet::new());
        let laps = Arc::new(Mutex::new(Vec::new()));
        let builder = change(natives(laps.clone()));
        let broker = match place {
            Place::Inline => builder.build_inline(&local),
            Place::Workers(count) => builder.workers(count).build(),
            Place::Default => builder.build(),
        };
        Rc::new(Self { runtime, local, broker: broker.unwrap(), laps })
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.local.block_on(&self.runtime, future)
    }

    /// Opens a context on a worker, and runs a script in it.
    pub fn open(&self, language: &str, worker: usize, script: &str) -> Context {
        self.block_on(async {
            let context = self.broker.open(language).worker(worker).await.unwrap();
            context.eval::<()>(script).await.unwrap();
            context
        })
    }

    /// Contexts on the workers in turn, each with the name of the function that it exports, which adds
    /// 1. Exports belong to one context each, so each needs a name of its own.
    pub fn increments(&self, language: &str, count: usize) -> Vec<(Context, String)> {
        self.block_on(async {
            let mut contexts = Vec::new();
            for index in 0..count {
                let (context, name) =
                    (self.broker.open(language).await.unwrap(), format!("inc{index}"));
                context.eval::<()>(&scripts::inc(language, &name)).await.unwrap();
                contexts.push((context, name));
            }
            contexts
        })
    }
}

fn natives(laps: Arc<Mutex<Vec<Instant>>>) -> Builder {
    Broker::builder()
        .native("add", |a: i64, b: i64| a + b)
        .native("through", |list: Vec<i64>| list)
        .native("lap", move || laps.lock().unwrap().push(Instant::now()))
        .native_async("once", |x: i64| async move { once().await + x })
        .native_async("yields", |x: i64| async move { yields().await + x })
        .native_async(
            "apply_native",
            |f: Function, x: i64| async move { f.call::<i64>((x,)).await },
        )
}

/// The loops of a context.
fn loops(ours: Rc<Ours>, context: Context) -> Side {
    let (timed, timed_context) = (ours.clone(), context.clone());
    Side {
        run: Box::new(move |n| {
            let start = Instant::now();
            assert_eq!(ours.block_on(context.call::<u64>("calls", (n,))).unwrap(), n);
            start.elapsed()
        }),
        latencies: Box::new(move |n| {
            let (batches, laps) = (n / BATCH + 1, &timed.laps);
            laps.lock().unwrap().clear();
            let calls = timed_context.call::<u64>("laps", (batches,));
            assert_eq!(timed.block_on(calls).unwrap(), batches * BATCH);
            let laps = laps.lock().unwrap();
            laps.windows(2)
                .map(|lap| ((lap[1] - lap[0]).as_nanos() as u64 / BATCH) as u32)
                .collect()
        }),
    }
}

/// A script calls `call`, where nothing but the natives is needed.
pub fn script(place: Place, language: &str, prelude: &str, call: &str) -> Side {
    let ours = Ours::new(place);
    let context = ours.open(language, 0, &format!("{prelude}\n{}", scripts::loops(language, call)));
    loops(ours, context)
}

/// A script calls a function that a context of another language exports: on worker 0 as itself, or on
/// the last one of several.
pub fn pair(from: &str, to: &str, workers: usize) -> Side {
    let ours = Ours::new(Place::Workers(workers));
    ours.open(to, workers - 1, &scripts::inc(to, "inc"));
    let context = ours.open(from, 0, &scripts::loops(from, "inc(s)"));
    loops(ours, context)
}

/// A script hands a function to one in another context, which calls it: two calls each time.
pub fn callbacks(workers: usize) -> Side {
    let ours = Ours::new(Place::Workers(workers));
    ours.open("lua", workers - 1, "expose('apply', function(f, x) return f(x) end)");
    let text = format!("{ADD_ONE} {}", scripts::loops("lua", "apply(add_one, s)"));
    let context = ours.open("lua", 0, &text);
    loops(ours, context)
}

/// The same with a native in Rust.
pub fn native_callbacks() -> Side {
    script(Place::Workers(1), "lua", ADD_ONE, "apply_native(add_one, s)")
}

pub const ADD_ONE: &str = "local function add_one(x) return x + 1 end";

/// Calls from Rust on the contexts' own thread, one after the other.
pub fn inline_calls(language: &str, contexts: usize) -> Side {
    let ours = Ours::new(Place::Inline);
    let contexts = ours.increments(language, contexts);
    let calls = Rc::new(async move |n: u64, each: &mut dyn FnMut()| {
        for x in 0..n {
            let (context, name) = &contexts[x as usize % contexts.len()];
            assert_eq!(context.call::<u64>(name, (x,)).await.unwrap(), x + 1);
            each();
        }
    });
    let (again, timed) = (calls.clone(), ours.clone());
    Side {
        run: Box::new(move |n| {
            let start = Instant::now();
            ours.block_on(calls(n, &mut || ()));
            start.elapsed()
        }),
        latencies: Box::new(move |n| {
            let (mut latencies, mut last) = (Vec::new(), Instant::now());
            let mut each = || {
                let now = Instant::now();
                latencies.push((now - last).as_nanos() as u32);
                last = now;
            };
            timed.block_on(again(n, &mut each));
            latencies
        }),
    }
}

/// The same through a handle of the function.
pub fn inline_function_calls() -> Side {
    let ours = Ours::new(Place::Inline);
    let (context, name) = &ours.increments("lua", 1)[0];
    let inc = context.function(name).unwrap();
    Side::untimed(move |n| {
        let start = Instant::now();
        ours.block_on(async {
            for x in 0..n {
                assert_eq!(inc.call::<u64>((x,)).await.unwrap(), x + 1);
            }
        });
        start.elapsed()
    })
}

/// Contexts that callers ask.
struct Increments(Vec<(Context, String)>);

impl Ask for Increments {
    async fn ask(&self, context: usize, x: i64) -> i64 {
        let (context, name) = &self.0[context];
        context.call(name, (x,)).await.unwrap()
    }
}

/// So many callers, tasks of a multi-thread runtime, ask contexts.
pub fn asked(place: Place, count: usize, callers: usize) -> Side {
    let ours = Ours::new(place);
    let asked = Arc::new(Increments(ours.increments("lua", count)));
    let runtime = Rc::new(callers::runtime());
    let (asked_again, runtime_again) = (asked.clone(), runtime.clone());
    Side {
        run: Box::new(move |n| {
            let _ours = &ours;
            callers::drive(&runtime, &asked, count, callers, n).0
        }),
        latencies: Box::new(move |n| {
            callers::drive(&runtime_again, &asked_again, count, callers, n).1
        }),
    }
}

/// Concurrent waits of one context, each a call of its own; a call of the side is all of them.
pub fn waits(count: u64, wait: Duration) -> Side {
    let ours = Ours::new(Place::Default);
    let text =
        format!("expose('wait', function(x) timer.sleep({}) return x + 1 end)", wait.as_millis());
    let context = ours.open("lua", 0, &text);
    let all = Rc::new(move || {
        ours.block_on(async {
            let mut calls = JoinSet::new();
            for x in 0..count {
                let context = context.clone();
                calls.spawn_local(async move {
                    let begun = Instant::now();
                    assert_eq!(context.call::<u64>("wait", (x,)).await.unwrap(), x + 1);
                    begun.elapsed().as_nanos() as u32
                });
            }
            calls.join_all().await
        })
    });
    let again = all.clone();
    Side {
        run: Box::new(move |n| super::timed(|| (0..n).for_each(|_| drop(all())))),
        latencies: Box::new(move |_| again()),
    }
}

/// Opens and closes contexts.
pub fn open(place: Place, language: &'static str) -> Side {
    let ours = Ours::new(place);
    let again = ours.clone();
    let open = async |broker: &Broker| {
        let begun = Instant::now();
        broker.open(language).await.unwrap().close().await;
        begun.elapsed().as_nanos() as u32
    };
    Side {
        run: Box::new(move |n| {
            let start = Instant::now();
            ours.block_on(async {
                for _ in 0..n {
                    open(&ours.broker).await;
                }
            });
            start.elapsed()
        }),
        latencies: Box::new(move |n| {
            again.block_on(async {
                let mut latencies = Vec::new();
                for _ in 0..n {
                    latencies.push(open(&again.broker).await);
                }
                latencies
            })
        }),
    }
}

/// A value goes into a context as the argument of a call.
pub fn into<T, V>(language: &str, value: T, convert: fn(&T) -> V) -> Side
where
    T: 'static,
    V: IntoValue + 'static,
{
    let ours = Ours::new(Place::Inline);
    let context = ours.open(language, 0, scripts::keeper(language));
    Side::untimed(move |n| {
        let start = Instant::now();
        ours.block_on(async {
            for _ in 0..n {
                assert_eq!(context.call::<i64>("take", (convert(&value),)).await.unwrap(), 1);
            }
        });
        start.elapsed()
    })
}

/// A value comes out of a context as the result of a call.
pub fn out_of<T, V>(language: &str, value: T, convert: fn(V) -> T) -> Side
where
    T: Serialize + PartialEq + 'static,
    V: FromValue + 'static,
{
    let ours = Ours::new(Place::Inline);
    let context = ours.open(language, 0, scripts::keeper(language));
    ours.block_on(context.call::<()>("keep", (Serde(&value),))).unwrap();
    Side::untimed(move |n| {
        let start = Instant::now();
        ours.block_on(async {
            for _ in 0..n {
                assert!(convert(context.call::<V>("give", ()).await.unwrap()) == value);
            }
        });
        start.elapsed()
    })
}
