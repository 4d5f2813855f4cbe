//! Baselines that need mlua's `send`, as a program that `benches/summary.rs` asks for rounds, so that
//! rounds of both sides alternate. A line of its input is `kind contexts callers calls`, the answer a
//! line with the nanoseconds that the round took. Between rounds it waits for the next line.

use kameo::{
    actor::{ActorRef, Spawn},
    message::{Context, Message},
};
use std::{
    collections::HashMap,
    io::{BufRead, Write},
    sync::Arc,
};
use tokio::{runtime::Runtime, sync::Mutex};

#[path = "../../measure/callers.rs"]
mod callers;

use callers::Ask;

struct State {
    _lua: mlua::Lua,
    inc: mlua::Function,
}

impl State {
    fn new() -> Self {
        let lua = mlua::Lua::new();
        let inc = lua.load("return function(x) return x + 1 end").eval().unwrap();
        Self { _lua: lua, inc }
    }
}

/// States behind tokio's mutexes, called on the callers' own runtime.
struct Mutexes(Vec<Mutex<State>>);

impl Ask for Mutexes {
    async fn ask(&self, context: usize, x: i64) -> i64 {
        self.0[context].lock().await.inc.call_async(x).await.unwrap()
    }
}

/// A state as a kameo actor, which is a task of the callers' runtime.
#[derive(kameo::Actor)]
struct Actor(State);

struct Inc(i64);

impl Message<Inc> for Actor {
    type Reply = i64;

    async fn handle(&mut self, message: Inc, _: &mut Context<Self, i64>) -> i64 {
        self.0.inc.call(message.0).unwrap()
    }
}

struct Actors(Vec<ActorRef<Actor>>);

impl Ask for Actors {
    async fn ask(&self, context: usize, x: i64) -> i64 {
        self.0[context].ask(Inc(x)).await.unwrap()
    }
}

/// What makes a round of so many callers and calls, and says how many nanoseconds it took.
type Rounds = Box<dyn Fn(usize, u64) -> u128>;

fn rounds<A: Ask>(runtime: Runtime, asked: A, contexts: usize) -> Rounds {
    let asked = Arc::new(asked);
    Box::new(move |callers, calls| {
        callers::drive(&runtime, &asked, contexts, callers, calls).0.as_nanos()
    })
}

fn open(kind: &str, contexts: usize) -> Rounds {
    let runtime = callers::runtime();
    let states = (0..contexts).map(|_| State::new());
    match kind {
        "mutex" => {
            let states = states.map(Mutex::new).collect();
            rounds(runtime, Mutexes(states), contexts)
        }
        "kameo" => {
            let spawn = async { states.map(|state| Actor::spawn(Actor(state))).collect() };
            let actors = runtime.block_on(spawn);
            rounds(runtime, Actors(actors), contexts)
        }
        _ => panic!("no baseline `{kind}`"),
    }
}

fn main() {
    let mut opened: HashMap<(String, usize), Rounds> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let [kind, numbers @ ..] = &line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let [contexts, callers, calls] = numbers else { panic!("`{line}` is no round") };
        let contexts = contexts.parse().unwrap();
        let key = (kind.to_string(), contexts);
        let rounds = opened.entry(key).or_insert_with(|| open(kind, contexts));
        println!("{}", rounds(callers.parse().unwrap(), calls.parse().unwrap()));
        std::io::stdout().flush().unwrap();
    }
}
