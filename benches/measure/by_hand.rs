//! What a Rust developer writes by hand: Lua states in threads, which are asked through channels.

use super::{
    Side,
    bare::{LUA_INC, lua_loop},
    callers::{self, Ask},
    current_thread,
};
use mlua::{Function, Lua, LuaOptions, StdLib};
use std::{sync::Arc, thread, time::Instant};
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
