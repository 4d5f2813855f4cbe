//! What a Rust developer writes by hand: Lua states in threads, which are asked through channels.

use super::{
    Side,
    bare::{LUA_INC, lua_loop},
    callers::{self, Ask},
    current_thread,
};
use mlua::{Function, Lua, LuaOptions, StdLib};
use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinSet, LocalSet},
};

/// How the thread calls its functions.
#[derive(Clone, Copy, PartialEq)]
pub enum Calls {
    Sync,
    /// `call_async`, with 16 Lua threads kept for it.
    Async,
    /// Nothing but the hop: the thread adds 1 itself.
    Bare,
}

type Request = (i64, oneshot::Sender<i64>);

/// Makes the function that a state is asked for.
type Setup = Box<dyn FnOnce(&Lua) -> Function + Send>;

/// States that are asked by number.
#[derive(Clone)]
pub struct States(Vec<mpsc::UnboundedSender<Request>>);

impl Ask for States {
    async fn ask(&self, context: usize, x: i64) -> i64 {
        let (reply, answer) = oneshot::channel();
        self.0[context].send((x, reply)).unwrap();
        answer.await.unwrap()
    }
}

/// One task for each state: receive, call, answer.
async fn serve(mut requests: mpsc::UnboundedReceiver<Request>, setup: Setup, calls: Calls) {
    let options = LuaOptions::new().thread_pool_size(16);
    let lua = Lua::new_with(StdLib::ALL_SAFE, options).unwrap();
    let function = setup(&lua);
    while let Some((x, reply)) = requests.recv().await {
        let answer = match calls {
            Calls::Sync => function.call(x),
            Calls::Async => function.call_async(x).await,
            Calls::Bare => Ok(x + 1),
        };
        // Who asked may have gone.
        let _ = reply.send(answer.unwrap());
    }
}

/// A thread with a `LocalSet` and a state for each setup; it ends when nobody can ask any more.
fn on_a_thread(setups: Vec<Setup>, calls: Calls) -> States {
    let (senders, served): (Vec<_>, Vec<_>) = setups
        .into_iter()
        .map(|setup| {
            let (sender, requests) = mpsc::unbounded_channel();
            (sender, (requests, setup))
        })
        .unzip();
    thread::spawn(move || {
        let mut tasks = JoinSet::new();
        LocalSet::new().block_on(&current_thread(), async move {
            for (requests, setup) in served {
                tasks.spawn_local(serve(requests, setup, calls));
            }
            tasks.join_all().await;
        });
    });
    States(senders)
}

fn inc(lua: &Lua) -> Function {
    lua.load(LUA_INC).eval().unwrap()
}

/// States that add 1, in one thread.
pub fn states(count: usize, calls: Calls) -> States {
    on_a_thread((0..count).map(|_| Box::new(inc) as Setup).collect(), calls)
}

/// So many callers, tasks of a multi-thread runtime, ask states in a thread.
pub fn asked(contexts: usize, callers: usize, calls: Calls) -> Side {
    let (runtime, states) = (callers::runtime(), Arc::new(states(contexts, calls)));
    Side::untimed(move |n| callers::drive(&runtime, &states, contexts, callers, n).0)
}

/// A caller and a state's task on one thread.
pub fn one_thread(calls: Calls) -> Side {
    let (runtime, local) = (current_thread(), LocalSet::new());
    let (sender, requests) = mpsc::unbounded_channel();
    local.spawn_local(serve(requests, Box::new(inc), calls));
    let states = States(vec![sender]);
    Side::untimed(move |n| {
        let start = Instant::now();
        local.block_on(&runtime, async {
            for x in 0..n as i64 {
                assert_eq!(states.ask(0, x).await, x + 1);
            }
        });
        start.elapsed()
    })
}

/// Where a thread that waits finds its answer.
#[derive(Default)]
struct Slot {
    answer: Mutex<Option<i64>>,
    is_there: Condvar,
}

/// One thread for each state, asked through a channel of std by threads that wait at a condvar.
pub fn thread_each(contexts: usize, callers: usize) -> Side {
    let open = |_| {
        let (sender, requests) = std::sync::mpsc::channel::<(i64, Arc<Slot>)>();
        thread::spawn(move || {
            let lua = Lua::new();
            let inc = inc(&lua);
            for (x, slot) in requests {
                *slot.answer.lock().unwrap() = Some(inc.call(x).unwrap());
                slot.is_there.notify_one();
            }
        });
        sender
    };
    let states: Arc<Vec<_>> = Arc::new((0..contexts).map(open).collect());
    Side::untimed(move |n| {
        let caller = |index: usize| {
            let share = n / callers as u64 + u64::from((index as u64) < n % callers as u64);
            let states = states.clone();
            move || {
                let slot = Arc::new(Slot::default());
                for round in 0..share as usize {
                    let (x, state) =
                        (round as i64, (index * contexts / callers + round) % contexts);
                    states[state].send((x, slot.clone())).unwrap();
                    let answer = slot.answer.lock().unwrap();
                    let mut answer =
                        slot.is_there.wait_while(answer, |answer| answer.is_none()).unwrap();
                    assert_eq!(answer.take(), Some(x + 1));
                }
            }
        };
        let start = Instant::now();
        thread::scope(|scope| (0..callers).for_each(|index| drop(scope.spawn(caller(index)))));
        start.elapsed()
    })
}

/// A script in one thread calls a function in another: an async native sends and waits.
pub fn two_threads() -> Side {
    let callee = states(1, Calls::Sync);
    let caller = on_a_thread(
        vec![Box::new(move |lua: &Lua| {
            let inc = move |_: Lua, x: i64| {
                let callee = callee.clone();
                async move { Ok(callee.ask(0, x).await) }
            };
            lua.globals().set("inc", lua.create_async_function(inc).unwrap()).unwrap();
            lua.load(lua_loop("inc(s)")).eval().unwrap()
        })],
        Calls::Async,
    );
    let runtime = current_thread();
    Side::untimed(move |n| {
        let start = Instant::now();
        assert_eq!(runtime.block_on(caller.ask(0, n as i64)), n as i64);
        start.elapsed()
    })
}
